/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * abi_guard.h - the part of abi.h that keeps copying within bounds. Its rules hold here too.
 */
#ifndef TCPCOPY_ABI_GUARD_H
#define TCPCOPY_ABI_GUARD_H

#include <linux/types.h>

#define TCPC_MAX_BUDGETS 1024 /* attached interfaces */
#define TCPC_MAX_GATES 4096   /* targets of all interfaces */

/** A token bucket without tokens: only the time at which it will be full again; see guard.h. Times
 * are CLOCK_MONOTONIC in 1/256 ns, modulo 2^64. Shared memory. */
struct tcpc_bucket {
	__u64 full_at;
	__u64 cost;  /* of one unit; 0: no bound */
	__u64 depth; /* what fits into it */
};

/** Online: what may be copied from one interface. The daemon writes cost, depth and weight. */
struct tcpc_budget {
	struct tcpc_bucket packets;
	struct tcpc_bucket bytes; /* Ethernet frames, without preamble and checksum */
	struct tcpc_bucket begin; /* connections that begin */
	__u64 weight;		  /* copies of each clone: targets that take them */
	__u64 taken_packets;	  /* copied, times weight */
	__u64 taken_bytes;
	__u64 begun;   /* connections let in */
	__u64 refused; /* connections refused when they began */
	__u64 cut;     /* running connections whose copy was ended */
};

/** Online: how many connections may begin at one target, and did. */
struct tcpc_gate {
	struct tcpc_bucket begin;
	__u64 begun;   /* SYNs copied */
	__u64 refused; /* SYNs refused */
};

/* Why nothing at all is copied. */
enum tcpc_stop {
	TCPC_STOP_NONE,
	TCPC_STOP_MEMORY,
	__TCPC_STOP_MAX,
};

_Static_assert(sizeof(struct tcpc_budget) == 120, "ABI");
_Static_assert(sizeof(struct tcpc_gate) == 40, "ABI");

#endif
