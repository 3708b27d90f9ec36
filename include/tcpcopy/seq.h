/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * seq.h - TCP sequence numbers: 32 bits that wrap (RFC 9293, 3.4). Host order. Pure.
 */
#ifndef TCPCOPY_SEQ_H
#define TCPCOPY_SEQ_H

#include <linux/types.h>

/** tcpc_seq_lt - true if @a comes before @b; meaningful within a distance below 2^31. */
static inline int tcpc_seq_lt(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

/** tcpc_seq_leq - true if @a comes before @b or equals it. */
static inline int tcpc_seq_leq(__u32 a, __u32 b)
{
	return (__s32)(a - b) <= 0;
}

/** tcpc_seq_max - the later of two sequence numbers. */
static inline __u32 tcpc_seq_max(__u32 a, __u32 b)
{
	return tcpc_seq_lt(a, b) ? b : a;
}

#endif
