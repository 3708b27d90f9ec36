/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * known.h - connections that are remembered with their targets until they end, since the rules that
 * gave them these have changed; see choose.h. Pure: time is an argument.
 */
#ifndef TCPCOPY_KNOWN_H
#define TCPCOPY_KNOWN_H

#include "tcpcopy/abi.h"
#include "tcpcopy/ways.h"

#define TCPC_KNOWN_WHO 0xffffffffu /* for tcpc_ways_key() */
/* Times are kept in units of 8.6 s, modulo 156 h. In a way's word: the targets, then when it was
 * last seen. */
#define TCPC_KNOWN_SHIFT 33

/** tcpc_known_time - @now_ns as it is kept. */
static inline __u16 tcpc_known_time(__u64 now_ns)
{
	return now_ns >> TCPC_KNOWN_SHIFT;
}

/** tcpc_known_get - the targets of a connection, which is seen now; 0: it is not copied.
 * @ends: with this packet.  Returns: -1 if nothing is known of it. */
static inline int tcpc_known_get(struct tcpc_ways *set, __u32 tag, __u16 when, int ends)
{
	__u32 i = tcpc_ways_find(set, tag);
	__u64 way;

	if (i >= TCPC_WAYS)
		return -1;
	way = set->way[i];
	if ((__u16)way != when)
		set->way[i] = (way & ~0xffffULL) | when;
	if (ends)
		set->ended |= 1u << i;
	return way >> 16 & 0xffff;
}

/**
 * tcpc_known_put - remember the @targets of a connection.
 * Returns: 1 if another one had to be forgotten that has not ended, else 0.
 */
static inline int tcpc_known_put(struct tcpc_ways *set, __u32 tag, __u32 given, __u16 when)
{
	return tcpc_ways_put(set, tag, (given & 0xffff) << 16 | when, 0);
}

/**
 * tcpc_known_live - those of one set that have not ended, each with the targets it has.
 * @since: 0..0x7fff units of time; who was silent for longer does not count.
 * @count: element n, for target n, grows; TCPC_MAX_TARGETS of them.
 * Returns: how many connections.
 */
static inline __u32 tcpc_known_live(const struct tcpc_ways *set, __u16 when, __u16 since,
				    __u32 *count)
{
	__u32 n = 0;
	int i, t;

	for (i = 0; i < TCPC_WAYS; i++) {
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
