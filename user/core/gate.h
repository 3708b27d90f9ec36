/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * gate.h - how often strangers from one place may knock: a bucket of tokens for each source. A
 * connection that proves to be a friend gives its token back. Pure: time comes in.
 */
#ifndef TCPCOPY_CORE_GATE_H
#define TCPCOPY_CORE_GATE_H

#include <stdbool.h>
#include <linux/types.h>

#include "tcpcopy/abi.h"

#define TCPC_GATE_SOURCES 1024 /* buckets; sources that meet in one share it */
#define TCPC_GATE_BURST 64
#define TCPC_GATE_PER_SECOND 32

/** @key: secret, so that nobody can choose addresses that meet a friend's bucket. */
struct tcpc_gate {
	__u64 key[2];
	struct {
		__u64 at_ms;	  /* of the last look */
		__u32 milli_used; /* thousandths of tokens taken and not grown again */
	} bucket[TCPC_GATE_SOURCES];
};

/**
 * tcpc_gate_pass - somebody at @from knocks at @now_ms (of any clock that does not go back).
 * An IPv6 source is its /64: one machine has all of that.
 * Returns: may he come in? Then a token is taken.
 */
bool tcpc_gate_pass(struct tcpc_gate *gate, const struct tcpc_addr *from, __u64 now_ms);

/** tcpc_gate_prove - who came from @from is a friend: his token is given back. */
void tcpc_gate_prove(struct tcpc_gate *gate, const struct tcpc_addr *from);

#endif
