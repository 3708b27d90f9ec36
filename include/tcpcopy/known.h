/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * known.h - connections that are remembered with their targets until they end, since the rules that
 * gave them these have changed; see choose.h. Pure: time is an argument.
 */
#ifndef TCPCOPY_KNOWN_H
#define TCPCOPY_KNOWN_H

#include "tcpcopy/abi.h"

_Static_assert(TCPC_KNOWN_SETS == TCPC_REFUSED_SETS, "tcpc_refused_key() is good for both");

#define TCPC_KNOWN_WAYS 7
#define TCPC_KNOWN_WHO 0xffffffffu /* for tcpc_refused_key() */
/* Times are kept in units of 8.6 s, modulo 156 h. */
#define TCPC_KNOWN_SHIFT 33

/** Connections that share a hash: 64 bytes. */
struct tcpc_known_set {
	__u32 next;  /* which one goes next */
	__u16 ended; /* bit n: way n has ended, nothing is lost with it */
	__u16 pad;
	/* Tag in the upper half, never 0; below it its given, then when it was last seen. */
	__u64 way[TCPC_KNOWN_WAYS];
};

_Static_assert(sizeof(struct tcpc_known_set) == 64, "a cache line");

/** tcpc_known_time - @now_ns as it is kept. */
static inline __u16 tcpc_known_time(__u64 now_ns)
{
	return now_ns >> TCPC_KNOWN_SHIFT;
}

/* Returns the way of @tag, or -1. */
static inline int tcpc_known_find(const struct tcpc_known_set *set, __u32 tag)
{
	int i;

	for (i = 0; i < TCPC_KNOWN_WAYS; i++)
		if (set->way[i] >> 32 == tag)
			return i;
	return -1;
}

/** tcpc_known_get - the targets of a connection, which is seen now; 0: it is not copied.
 * @ends: with this packet.  Returns: -1 if nothing is known of it. */
static inline int tcpc_known_get(struct tcpc_known_set *set, __u32 tag, __u16 when, int ends)
{
	__u32 i = tcpc_known_find(set, tag);
	__u64 way;

	if (i >= TCPC_KNOWN_WAYS)
		return -1;
	way = set->way[i];
	if ((__u16)way != when)
		set->way[i] = (way & ~0xffffULL) | when;
	if (ends)
		set->ended |= 1u << i;
	return way >> 16 & 0xffff;
}

/** tcpc_known_forget - nothing is known of it from now on. */
static inline void tcpc_known_forget(struct tcpc_known_set *set, __u32 tag)
{
	__u32 i = tcpc_known_find(set, tag);

	if (i < TCPC_KNOWN_WAYS)
		set->way[i] = 0;
}

/* The way for a new one: its own, a free one, one that has ended, else the next in turn. */
static inline __u32 tcpc_known_place(struct tcpc_known_set *set, __u32 tag)
{
	int i, place = tcpc_known_find(set, tag);

	for (i = 0; place < 0 && i < TCPC_KNOWN_WAYS; i++)
		if (!set->way[i] || set->ended & 1u << i)
			place = i;
	if (place < 0) {
		place = set->next < TCPC_KNOWN_WAYS ? set->next : 0;
		set->next = place + 1;
	}
	return place;
}

/**
 * tcpc_known_put - remember the @targets of a connection.
 * Returns: 1 if another one had to be forgotten that has not ended, else 0.
 */
static inline int tcpc_known_put(struct tcpc_known_set *set, __u32 tag, __u32 given, __u16 when)
{
	__u32 i = tcpc_known_place(set, tag);
	int lost;

	if (i >= TCPC_KNOWN_WAYS) /* the verifier does not know */
		return 0;
	lost = set->way[i] && set->way[i] >> 32 != tag && !(set->ended & 1u << i);
	set->ended &= ~(1u << i);
	set->way[i] = (__u64)tag << 32 | (given & 0xffff) << 16 | when;
	return lost;
}

/**
 * tcpc_known_live - those of one set that have not ended, each with the targets it has.
 * @since: 0..0x7fff units of time; who was silent for longer does not count.
 * @count: element n, for target n, grows; TCPC_MAX_TARGETS of them.
 * Returns: how many connections.
 */
static inline __u32 tcpc_known_live(const struct tcpc_known_set *set, __u16 when, __u16 since,
				    __u32 *count)
{
	__u32 n = 0;
	int i, t;

	for (i = 0; i < TCPC_KNOWN_WAYS; i++) {
		__u64 way = set->way[i];

		if (!way || set->ended & 1u << i || (__u16)(when - (__u16)way) > since)
			continue;
		n++;
		for (t = 0; t < TCPC_MAX_TARGETS; t++)
			count[t] += way >> (16 + t) & 1;
	}
	return n;
}

#endif
