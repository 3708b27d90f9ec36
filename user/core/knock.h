/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * knock.h - how often strangers from one place may knock: a bucket of tokens for each source. A
 * connection that proves to be a friend gives its token back. Pure: time comes in.
 */
#ifndef TCPCOPY_CORE_KNOCK_H
#define TCPCOPY_CORE_KNOCK_H

#include <stdbool.h>
#include <linux/types.h>

#include "tcpcopy/abi.h"

#define TCPC_KNOCK_SOURCES 1024 /* buckets; sources that meet in one share it */
#define TCPC_KNOCK_BURST 64
#define TCPC_KNOCK_PER_SECOND 32

/** @key: secret, so that nobody can choose addresses that meet a friend's bucket. */
struct tcpc_knock {
	__u64 key[2];
	struct {
		__u64 at_ms;	  /* of the last look */
		__u32 milli_used; /* thousandths of tokens taken and not grown again */
	} bucket[TCPC_KNOCK_SOURCES];
};

/**
 * tcpc_knock_pass - somebody at @from knocks at @now_ms (of any clock that does not go back).
 * An IPv6 source is its /64: one machine has all of that.
 * Returns: may he come in? Then a token is taken.
 */
bool tcpc_knock_pass(struct tcpc_knock *knock, const struct tcpc_addr *from, __u64 now_ms);

/** tcpc_knock_prove - who came from @from is a friend: his token is given back. */
void tcpc_knock_prove(struct tcpc_knock *knock, const struct tcpc_addr *from);

#endif
