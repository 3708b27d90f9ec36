/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * csum.h - the Internet checksum (RFC 1071) and its incremental update (RFC 1624). Pure.
 *
 * A "sum" is an unfolded 32-bit one's complement sum over 16-bit words as they lie in memory, so
 * neither side converts byte order. A "diff" is a sum of ~old + new, the form that the kernel's
 * bpf_l3_csum_replace and bpf_l4_csum_replace take as their `to` with a size of 0.
 */
#ifndef TCPCOPY_CSUM_H
#define TCPCOPY_CSUM_H

#include <linux/types.h>

/** tcpc_csum_add - one's complement sum of two sums (end-around carry). Without a branch: the
 * verifier would follow both ways of each. */
static inline __u32 tcpc_csum_add(__u32 a, __u32 b)
{
	__u64 sum = (__u64)a + b;

	return (__u32)sum + (__u32)(sum >> 32);
}

/** tcpc_csum_fold - 16-bit checksum field (the complement) for @sum, in memory order. */
static inline __u16 tcpc_csum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

/**
 * tcpc_csum_partial - add @len bytes at @p to @sum.
 * An odd last byte counts as if a zero followed it (RFC 1071, 4.1). For BPF @len must be constant.
 */
static inline __u32 tcpc_csum_partial(const void *p, __u32 len, __u32 sum)
{
	const __u8 *b = p;
	__u32 i;

	for (i = 0; i + 1 < len; i += 2) {
		__u16 word;

		__builtin_memcpy(&word, b + i, sizeof(word));
		sum = tcpc_csum_add(sum, word);
	}
	if (len & 1) {
		__u8 last[2] = {b[len - 1], 0};
		__u16 word;

		__builtin_memcpy(&word, last, sizeof(word));
		sum = tcpc_csum_add(sum, word);
	}
	return sum;
}

/** tcpc_csum_diff32 - diff for a 32-bit word that changes from @from to @to (memory order). */
static inline __u32 tcpc_csum_diff32(__u32 from, __u32 to, __u32 diff)
{
	return tcpc_csum_add(tcpc_csum_add(diff, ~from), to);
}

/**
 * tcpc_csum_diff16 - diff for a 16-bit word at an even offset that changes from @from to @to.
 * Memory order.
 */
static inline __u32 tcpc_csum_diff16(__u16 from, __u16 to, __u32 diff)
{
	return tcpc_csum_add(tcpc_csum_add(diff, (__u16)~from), to);
}

/** tcpc_csum_is_nothing - is @sum zero in one's complement? As a diff it changes no checksum. */
static inline int tcpc_csum_is_nothing(__u32 sum)
{
	__u16 folded = tcpc_csum_fold(sum);

	return !folded || folded == 0xffff;
}

/**
 * tcpc_csum_apply - checksum field @check after a change of @diff: HC' = ~(~HC + diff), eqn. 3 of
 * RFC 1624, which unlike eqn. 4 never turns a right checksum into 0xffff.
 */
static inline __u16 tcpc_csum_apply(__u16 check, __u32 diff)
{
	return tcpc_csum_fold(tcpc_csum_add((__u16)~check, diff));
}

#endif
