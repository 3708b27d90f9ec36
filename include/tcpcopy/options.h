/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * options.h - walk the TCP options and blank out those that were negotiated with somebody else.
 *
 * Pure. One byte a step with a constant index, so nothing variable is ever used as an offset, and
 * the state lies in memory that the BPF verifier does not follow (a map value): a state it knows
 * would decide its branches and cost it a million instructions. The options are copied out of the
 * packet, changed, and written back whole, which also takes care of odd offsets in the checksum.
 */
#ifndef TCPCOPY_OPTIONS_H
#define TCPCOPY_OPTIONS_H

#include <linux/types.h>

#include "tcpcopy/bytes.h"

#define TCPC_OPTIONS_MAX 40 /* 15 words of header less 5 (RFC 9293, 3.1) */

/* Option kinds (IANA tcp-parameters). */
#define TCPC_OPT_EOL 0
#define TCPC_OPT_NOP 1
#define TCPC_OPT_MSS 2
#define TCPC_OPT_WSCALE 3
#define TCPC_OPT_SACK_PERM 4
#define TCPC_OPT_SACK 5
#define TCPC_OPT_TIMESTAMP 8
#define TCPC_OPT_MD5 19
#define TCPC_OPT_AO 29
#define TCPC_OPT_MPTCP 30
#define TCPC_OPT_FASTOPEN 34

#define TCPC_OPT_BIT(kind) (1ULL << (kind))

/* On a SYN: what the target must not negotiate, since the client talks of it to the online host.
 * Timestamps go because Linux >= 6.15 refuses a TSecr that is not its own in SYN_RECV. */
#define TCPC_OPTS_SYN_BLANK                                                                        \
	(TCPC_OPT_BIT(TCPC_OPT_TIMESTAMP) | TCPC_OPT_BIT(TCPC_OPT_MPTCP) |                         \
	 TCPC_OPT_BIT(TCPC_OPT_FASTOPEN))

/* On later segments: what speaks of the online host's sequence numbers and clock. */
#define TCPC_OPTS_DATA_BLANK                                                                       \
	(TCPC_OPT_BIT(TCPC_OPT_SACK) | TCPC_OPT_BIT(TCPC_OPT_TIMESTAMP) |                          \
	 TCPC_OPT_BIT(TCPC_OPT_MPTCP))

/* What signs the segment with a key, and its addresses with it. */
#define TCPC_OPTS_SIGNATURE (TCPC_OPT_BIT(TCPC_OPT_MD5) | TCPC_OPT_BIT(TCPC_OPT_AO))

/** What an options walk found, and where it stands between two bytes. */
struct tcpc_options {
	__u64 kinds;	 /* TCPC_OPT_BIT of every kind seen (kinds above 63 are passed over) */
	__u32 blanked;	 /* bytes overwritten with NOP */
	__u32 malformed; /* a length below 2 or beyond the header; nothing behind it was touched */
	/* private to the walk */
	__u32 state;
	__u32 left; /* bytes of the current option still to come, after its length byte */
	__u32 kind;
	__u32 blank; /* the current option is being overwritten */
};

enum { TCPC_WALK_KIND, TCPC_WALK_LEN, TCPC_WALK_BODY, TCPC_WALK_END };

/* The length byte at index @i: does the option fit, is it to go? */
static inline void tcpc_options_length(__u8 *byte, __u32 i, __u32 len, __u64 blank,
				       struct tcpc_options *walk)
{
	__u32 bytes = *byte;

	if (bytes < 2 || i - 1 + bytes > len) {
		walk->malformed = 1;
		walk->state = TCPC_WALK_END;
		return;
	}
	walk->blank = 0;
	if (walk->kind < 64) {
		walk->kinds |= TCPC_OPT_BIT(walk->kind & 63);
		walk->blank = blank >> (walk->kind & 63) & 1;
	}
	if (walk->blank) {
		walk->blanked += bytes;
		byte[-1] = TCPC_OPT_NOP;
		byte[0] = TCPC_OPT_NOP;
	}
	walk->left = bytes - 2;
	walk->state = walk->left ? TCPC_WALK_BODY : TCPC_WALK_KIND;
}

static inline void tcpc_options_step(__u8 *byte, __u32 i, __u32 len, __u64 blank,
				     struct tcpc_options *walk)
{
	if (walk->state == TCPC_WALK_BODY) {
		if (walk->blank)
			*byte = TCPC_OPT_NOP;
		walk->left--;
		if (!walk->left)
			walk->state = TCPC_WALK_KIND;
	} else if (walk->state == TCPC_WALK_LEN) {
		tcpc_options_length(byte, i, len, blank, walk);
	} else if (walk->state == TCPC_WALK_KIND) {
		walk->kind = *byte;
		if (*byte == TCPC_OPT_EOL)
			walk->state = TCPC_WALK_END;
		else if (*byte != TCPC_OPT_NOP)
			walk->state = TCPC_WALK_LEN;
	}
}

/**
 * tcpc_options_blank - overwrite with NOP every option of @opts whose kind is in @blank.
 * @opts: @len bytes in use, the rest of the TCPC_OPTIONS_MAX bytes zero. Changed in place.
 * @blank: TCPC_OPT_BIT of the kinds to take out.
 * @found: set to what was seen. On a malformed option the walk ends there, as the kernel's does.
 * In BPF @opts and @found must be map values, see above.
 */
static inline void tcpc_options_blank(__u8 opts[TCPC_OPTIONS_MAX], __u32 len, __u64 blank,
				      struct tcpc_options *found)
{
	__u32 i;

	found->kinds = 0;
	found->blanked = 0;
	found->malformed = 0;
	found->state = TCPC_WALK_KIND;
	for (i = 0; i < TCPC_OPTIONS_MAX; i++) {
		tcpc_options_step(&opts[i], i, len, blank, found);
		/* Keep the state in memory instead of registers. */
		__asm__ volatile("" ::: "memory");
	}
	/* A kind as the very last byte of a full header has no room for its length. */
	if (found->state == TCPC_WALK_LEN)
		found->malformed = 1;
}

/* Offset of the first option of @kind, complete or not; @len if there is none or the options before
 * it are malformed. Jumps, so for user space only. */
static inline __u32 tcpc_options_find(const __u8 *opts, __u32 len, __u8 kind)
{
	__u32 at = 0;

	while (at < len && opts[at] != TCPC_OPT_EOL && opts[at] != kind) {
		if (opts[at] == TCPC_OPT_NOP) {
			at++;
			continue;
		}
		if (len - at < 2 || opts[at + 1] < 2 || opts[at + 1] > len - at)
			return len;
		at += opts[at + 1];
	}
	return at < len && opts[at] == kind ? at : len;
}

/**
 * tcpc_options_sack - the blocks of the first SACK option (RFC 2018, section 3).
 * @opts: @len bytes of TCP options. User space only, see tcpc_options_find().
 * @edges: room for 2 * @max_blocks numbers; set to left and right edge of each block, host order.
 * Returns: blocks written, at most @max_blocks; 0 if there are none or the option is malformed.
 */
static inline __u32 tcpc_options_sack(const __u8 *opts, __u32 len, __u32 *edges, __u32 max_blocks)
{
	__u32 at = tcpc_options_find(opts, len, TCPC_OPT_SACK);
	__u32 i, bytes, blocks;

	if (len - at < 2)
		return 0;
	bytes = opts[at + 1];
	if (bytes > len - at || bytes < 10 || (bytes - 2) % 8)
		return 0;
	blocks = (bytes - 2) / 8;
	if (blocks > max_blocks)
		blocks = max_blocks;
	for (i = 0; i < 2 * blocks; i++) {
		__be32 edge;

		__builtin_memcpy(&edge, opts + at + 2 + 4 * i, sizeof(edge));
		edges[i] = tcpc_ntohl(edge);
	}
	return blocks;
}

#endif
