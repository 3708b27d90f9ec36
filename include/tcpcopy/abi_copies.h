/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * abi_copies.h - the part of abi.h that is about more than one copy and about other sources. Its
 * rules hold here too.
 */
#ifndef TCPCOPY_ABI_COPIES_H
#define TCPCOPY_ABI_COPIES_H

#include <linux/types.h>

#include "tcpcopy/abi_addr.h"

#define TCPC_MAX_COPIES 1024	/* of one packet, to all targets of an interface */
#define TCPC_MAX_SOURCES 131072 /* mapped connections that are remembered */

/** Where copies come from if not from their client. Of the address only the last word varies. */
struct tcpc_pool {
	struct tcpc_addr addr;
	__u32 mask; /* of the last word, host order: the bits that vary */
	__u32 pad;
};

/* Flags of struct tcpc_target_set. */
#define TCPC_SET_MAPPED (1u << 0)	/* some copies come from a pool: look at sources */
#define TCPC_SET_FIRST_MAPPED (1u << 1) /* the first copy too */

/** Online: key of `sources`, the client's half of a connection at a target. */
struct tcpc_source_key {
	struct tcpc_addr addr;
	__be16 port;
	__u16 pad;
};

/** Online: which copy of which connection has a source. */
struct tcpc_source {
	__u64 who;  /* see mix.h */
	__u32 seen; /* CLOCK_MONOTONIC >> TCPC_SOURCE_SHIFT: its last packet */
	__u32 ended;
};

#define TCPC_SOURCE_SHIFT 30 /* a unit of 1.07 s: a program divides no 64-bit number */

_Static_assert(sizeof(struct tcpc_pool) == 24, "ABI");
_Static_assert(sizeof(struct tcpc_source_key) == 20, "ABI");
_Static_assert(sizeof(struct tcpc_source) == 16, "ABI");

#endif
