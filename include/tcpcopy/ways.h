/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * ways.h - connections that are remembered until they end: a table of sets, each of a few ways and
 * as large as a cache line, where a new one takes the place of one that has ended, else of the
 * oldest. Reading and writing need no lock: what races, or finds no place, is counted or comes
 * again. Pure.
 */
#ifndef TCPCOPY_WAYS_H
#define TCPCOPY_WAYS_H

#include "tcpcopy/abi_addr.h"

#define TCPC_WAYS 7
#define TCPC_WAYS_SETS 8192 /* of one table; a power of two */

/** Connections that share a hash: 64 bytes. */
struct tcpc_ways {
	__u32 next;  /* which one goes next */
	__u16 ended; /* bit n: way n has ended, nothing is lost with it */
	__u16 mark;  /* bit n: the owner's, of way n */
	/* Tag in the upper half, never 0; below it a word of the owner's. */
	__u64 way[TCPC_WAYS];
};

_Static_assert(sizeof(struct tcpc_ways) == 64, "a cache line");

/**
 * tcpc_ways_key - the place of a connection: its set, 0..TCPC_WAYS_SETS - 1, in the upper half, its
 * tag in the lower.
 * @key: a secret, so that nobody can aim at another client's.  @ports: both, in any order that is
 * always the same.  @who: who remembers it: 0 for the
 * budget, a target's gate + 1, or TCPC_KNOWN_WHO.
 */
static inline __u64 tcpc_ways_key(const __u64 key[2], const struct tcpc_addr *client, __u32 ports,
				  __u32 who)
{
	const __u64 odd = 0x9e3779b97f4a7c15ULL; /* 2^64 over the golden ratio */
	__u64 h = key[1] ^ who;

	h = (h ^ ((__u64)client->w[0] << 32 | client->w[1])) * odd;
	h = (h ^ h >> 32 ^ ((__u64)client->w[2] << 32 | client->w[3])) * odd;
	h = (h ^ h >> 32 ^ key[0] ^ ports) * odd;
	h = (h ^ h >> 32) * odd;
	return (h >> 32 & (TCPC_WAYS_SETS - 1)) << 32 | ((__u32)(h >> 16) ?: 1);
}

/** tcpc_ways_find - the way of @tag, or -1. */
static inline int tcpc_ways_find(const struct tcpc_ways *set, __u32 tag)
{
	int i;

	for (i = 0; i < TCPC_WAYS; i++)
		if (set->way[i] >> 32 == tag)
			return i;
	return -1;
}

/** tcpc_ways_end - it has ended: its way is the next to be used, and until then it is remembered.
 */
static inline void tcpc_ways_end(struct tcpc_ways *set, __u32 tag)
{
	int i = tcpc_ways_find(set, tag);

	if (i >= 0)
		set->ended |= 1u << i;
}

/** tcpc_ways_forget - nothing is known of it from now on. */
static inline void tcpc_ways_forget(struct tcpc_ways *set, __u32 tag)
{
	__u32 i = tcpc_ways_find(set, tag);

	if (i < TCPC_WAYS)
		set->way[i] = 0;
}

/* The way for a new one: its own, a free one, one that has ended, else the next in turn. */
static inline int tcpc_ways_place(struct tcpc_ways *set, __u32 tag)
{
	int i, place = tcpc_ways_find(set, tag);

	for (i = 0; place < 0 && i < TCPC_WAYS; i++)
		if (!set->way[i] || set->ended & 1u << i)
			place = i;
	if (place < 0) {
		place = set->next < TCPC_WAYS ? set->next : 0;
		set->next = place + 1;
	}
	return place;
}

/**
 * tcpc_ways_put - remember a connection with its @word and its @mark, 0 or 1.
 * Returns: 1 if another one had to be forgotten that has not ended, else 0.
 */
static inline int tcpc_ways_put(struct tcpc_ways *set, __u32 tag, __u32 word, int mark)
{
	__u32 i = tcpc_ways_place(set, tag);
	int lost;

	if (i >= TCPC_WAYS) /* the verifier does not know */
		return 0;
	lost = set->way[i] && set->way[i] >> 32 != tag && !(set->ended & 1u << i);
	set->ended &= ~(1u << i);
	set->mark = (set->mark & ~(1u << i)) | (mark ? 1u << i : 0);
	set->way[i] = (__u64)tag << 32 | word;
	return lost;
}

#endif
