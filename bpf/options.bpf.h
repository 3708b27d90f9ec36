/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options.bpf.h - TCP options that are not for the target. Part of target.bpf.c.
 */
#ifndef TCPCOPY_BPF_OPTIONS_H
#define TCPCOPY_BPF_OPTIONS_H

#include "target_maps.bpf.h"
#include "tcpcopy/options.h"

enum blanked {
	BLANK_FAILED = -1, /* a helper did */
	BLANK_OK,
	BLANK_MALFORMED, /* left as they are */
	BLANK_SIGNED,	 /* one of them signs the packet, with its addresses (RFC 2385, RFC 5925) */
};

/*
 * Overwrite the options in @blank with NOPs and mend the checksum. A global function: the verifier
 * checks it once by itself, instead of once for every way that leads to it.
 * Returns: an enum blanked.
 */
__noinline int blank_options(struct __sk_buff *skb, __u32 l4_off, __u32 tcp_bytes, __u64 blank)
{
	struct align_scratch *s = bpf_map_lookup_elem(&scratch, &zero);
	__u32 off = l4_off + sizeof(struct tcphdr);
	__u32 len = tcp_bytes - sizeof(struct tcphdr);
	__s64 diff;

	if (!len || len > TCPC_OPTIONS_MAX || !s)
		return s ? BLANK_OK : BLANK_FAILED;
	__builtin_memset(s->before, 0, sizeof(s->before));
	if (bpf_skb_load_bytes(skb, off, s->before, len))
		return BLANK_FAILED;
	__builtin_memcpy(s->after, s->before, sizeof(s->after));
	tcpc_options_blank(s->after, len, blank, &s->found);
	if (s->found.kinds & TCPC_OPTS_SIGNATURE)
		return BLANK_SIGNED;
	if (s->found.malformed)
		return BLANK_MALFORMED;
	if (!s->found.blanked)
		return BLANK_OK;
	/* The area is a whole number of words, so options at odd offsets sum up rightly. */
	diff = bpf_csum_diff((__be32 *)s->before, sizeof(s->before), (__be32 *)s->after,
			     sizeof(s->after), 0);
	if (diff < 0 ||
	    bpf_l4_csum_replace(skb, l4_off + offsetof(struct tcphdr, check), 0, diff, 0))
		return BLANK_FAILED;
	return bpf_skb_store_bytes(skb, off, s->after, len, 0) ? BLANK_FAILED : BLANK_OK;
}

/*
 * Options that speak of the online host's sequence numbers go. Timestamps alone, the usual case,
 * can stay on an open connection: it has not negotiated them and looks past them.
 */
static __always_inline int options_need_care(struct __sk_buff *skb, const struct tcpc_pkt *pkt,
					     enum state state)
{
	__u32 len = pkt->tcp_bytes - sizeof(struct tcphdr);
	__be32 word;

	if (!len)
		return 0;
	if (state != CONN_OPEN || len != 12)
		return 1;
	if (bpf_skb_load_bytes(skb, pkt->l4_off + sizeof(struct tcphdr), &word, sizeof(word)))
		return 1;
	return word !=
	       tcpc_htonl(TCPC_OPT_NOP << 24 | TCPC_OPT_NOP << 16 | TCPC_OPT_TIMESTAMP << 8 | 10);
}

/*
 * Take out what is not for the target. A segment that opens a connection keeps its options until it
 * is back for its own pass. Malformed ones are the target's own TCP to judge. Returns an enum
 * blanked.
 */
static __always_inline int care_for_options(struct __sk_buff *skb, const struct tcpc_pkt *pkt,
					    enum state state)
{
	if (!options_need_care(skb, pkt, state))
		return BLANK_OK;
	return blank_options(skb, pkt->l4_off, pkt->tcp_bytes,
			     state < CONN_CLOSING ? 0 : TCPC_OPTS_DATA_BLANK);
}

#endif
