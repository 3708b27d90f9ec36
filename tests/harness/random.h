/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * random.h - pseudo-random numbers that are the same on every run and machine (splitmix64), so
 * that a failure can be repeated. Not for secrets.
 */
#ifndef TCPCOPY_TESTS_RANDOM_H
#define TCPCOPY_TESTS_RANDOM_H

#include <linux/types.h>

/** random_next - the number that follows in the sequence of @state, which may start at any value.
 */
static inline __u64 random_next(__u64 *state)
{
	__u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/** random_below - a number from 0 to @limit - 1. */
static inline __u32 random_below(__u64 *state, __u32 limit)
{
	return (random_next(state) >> 32) % limit;
}

#endif
