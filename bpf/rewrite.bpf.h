/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rewrite.bpf.h - small changes in a packet's TCP header, with the checksum mended.
 */
#ifndef TCPCOPY_BPF_REWRITE_H
#define TCPCOPY_BPF_REWRITE_H

#include "common.bpf.h"
#include "tcpcopy/csum.h"

/* In the word of data offset and flags: ECE, CWR, and AE (RFC 9768) to their left. */
#define WORD_ECN 0x1c0

/* Take @clear out of the word of data offset and flags, put @set in. Returns 0, -1 if a helper
 * failed. */
static __always_inline int change_flags(struct __sk_buff *skb, struct tcpc_pkt *pkt, __u16 clear,
					__u16 set)
{
	__u32 off = pkt->l4_off + 12;
	__be16 from, to;

	if (bpf_skb_load_bytes(skb, off, &from, sizeof(from)))
		return -1;
	to = (from & ~tcpc_htons(clear)) | tcpc_htons(set);
	pkt->flags = (pkt->flags & ~clear) | set;
	if (to == from)
		return 0;
	if (bpf_l4_csum_replace(skb, pkt->l4_off + offsetof(struct tcphdr, check), 0,
				tcpc_csum_diff16(from, to, 0), 0))
		return -1;
	return bpf_skb_store_bytes(skb, off, &to, sizeof(to), 0) ? -1 : 0;
}

/* Give the segment another sequence number. Returns 0, -1 if a helper failed. */
static __always_inline int change_seq(struct __sk_buff *skb, struct tcpc_pkt *pkt, __u32 seq)
{
	__be32 from = tcpc_htonl(pkt->seq), to = tcpc_htonl(seq);

	if (bpf_l4_csum_replace(skb, pkt->l4_off + offsetof(struct tcphdr, check), 0,
				tcpc_csum_diff32(from, to, 0), 0))
		return -1;
	pkt->seq = seq;
	return bpf_skb_store_bytes(skb, pkt->l4_off + offsetof(struct tcphdr, seq), &to, sizeof(to),
				   0)
		       ? -1
		       : 0;
}

#endif
