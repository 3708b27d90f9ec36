/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * bucket.h - a bound on a rate: a token bucket as the time at which it will be full again (the
 * generic cell rate algorithm of ITU-T I.371), so that processors share it with one addition and
 * without a lock. Pure: time is an argument.
 */
#ifndef TCPCOPY_BUCKET_H
#define TCPCOPY_BUCKET_H

#include "tcpcopy/abi.h"

#define TCPC_GUARD_SHIFT 8 /* times in a bucket are in 1/256 ns: 100 Gbit/s are 0.08 ns a byte */
#define TCPC_GUARD_SECOND (1000000000ULL << TCPC_GUARD_SHIFT)
/* A bucket holds what comes in this time: longer, and a burst breaks the bound over a second;
 * shorter, and a load within the bound does. */
#define TCPC_GUARD_DEPTH (TCPC_GUARD_SECOND / 20)
#define TCPC_GUARD_DEPTH_UNITS 16 /* but at least so many units */

/* What is to be paid back in more than a day is not: the clock of a bucket that nobody uses has
 * turned over, which takes 2.3 years. */
#define TCPC_GUARD_STALE (86400 * TCPC_GUARD_SECOND)

/* How full a bucket is. */
enum tcpc_level {
	TCPC_LEVEL_EMPTY, /* nothing may pass */
	TCPC_LEVEL_LOW,	  /* less than half full: what runs may, what begins may not */
	TCPC_LEVEL_OPEN,
};

/** tcpc_bucket_set - bound a bucket to @per_second units; 0: no bound. It is full then.
 * @least_units: what it holds at least.  @now_ns: CLOCK_MONOTONIC. */
static inline void tcpc_bucket_set(struct tcpc_bucket *b, __u64 per_second, __u32 least_units,
				   __u64 now_ns)
{
	/* Rounded up: never more than was asked for. */
	b->cost = per_second ? (TCPC_GUARD_SECOND + per_second - 1) / per_second : 0;
	b->depth = b->cost * least_units;
	if (b->depth < TCPC_GUARD_DEPTH)
		b->depth = TCPC_GUARD_DEPTH;
	b->full_at = now_ns << TCPC_GUARD_SHIFT;
}

/** tcpc_bucket_level - how full it is at @now_ns, CLOCK_MONOTONIC. */
static inline enum tcpc_level tcpc_bucket_level(const struct tcpc_bucket *b, __u64 now_ns)
{
	__u64 debt = b->full_at - (now_ns << TCPC_GUARD_SHIFT);

	if (!b->cost || debt <= b->depth / 2 || debt > TCPC_GUARD_STALE)
		return TCPC_LEVEL_OPEN;
	return debt < b->depth ? TCPC_LEVEL_LOW : TCPC_LEVEL_EMPTY;
}

/**
 * tcpc_bucket_take - take @units, whatever the level: what goes beyond the bottom is paid back
 * before anything passes again. Processors may do so at once without a lock: only the addition
 * must not be lost, and what the store before it may lose was taken from a full bucket.
 */
static inline void tcpc_bucket_take(struct tcpc_bucket *b, __u64 now_ns, __u64 units)
{
	__u64 now = now_ns << TCPC_GUARD_SHIFT;

	if (!b->cost)
		return;
	if (b->full_at - now > TCPC_GUARD_STALE)
		b->full_at = now;
	__sync_fetch_and_add(&b->full_at, units * b->cost);
}

#endif
