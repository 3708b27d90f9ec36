/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * handed.bpf.h - frames of a mirror port that shall have several copies. XDP cannot clone; so
 * mirror unwraps such a frame, marks it and lets it go on, and tap_handed behind it makes copies of
 * it as tap does. Part of mirror.bpf.c (hand_on) and of online.bpf.c (HANDED_TC).
 */
#ifndef TCPCOPY_BPF_HANDED_H
#define TCPCOPY_BPF_HANDED_H

#include "common.bpf.h"

/* Where such a frame goes: locally administered, nobody's. Its first byte begins no IP packet. */
#define HANDED_MAC                                                                                 \
	{                                                                                          \
		0x02, 0x74, 0x63, 0x70, 0x63, 0x6d                                                 \
	}
#define HANDED_META 0x74637066 /* in front of it */
#define HANDED_TAGS_MASK 3     /* what the verifier has to know of TCPC_VLAN_TAGS */

#ifdef HANDED_TC

/* Generic XDP loses the length of the link header where it had to copy the packet first (seen with
 * Linux 6.18): this one begins with its IP header. Put another before it. */
static __always_inline int handed_mend(struct __sk_buff *skb)
{
	const __u8 *ip = (void *)(long)skb->data, mac[ETH_ALEN] = HANDED_MAC;
	__be16 proto;

	if (ip + 1 > (const __u8 *)(long)skb->data_end)
		return -1;
	proto = *ip >> 4 == 4 ? tcpc_htons(ETH_P_IP) : tcpc_htons(ETH_P_IPV6);
	if (bpf_skb_change_head(skb, ETH_HLEN, 0) ||
	    bpf_skb_store_bytes(skb, 0, mac, sizeof(mac), 0))
		return -1;
	return bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &proto, sizeof(proto), 0);
}

static __always_inline int handed_mac(const __u8 *data)
{
	const __u8 mac[ETH_ALEN] = HANDED_MAC;
	__u32 i, differ = 0;

	for (i = 0; i < ETH_ALEN; i++) /* no memcmp() in BPF */
		differ |= data[i] ^ mac[i];
	return !differ;
}

/* Is it one of these? 1; 0; -1: it is, but cannot be used. What is in front of a packet tells it
 * where the link header is not to be seen. */
static __always_inline int handed(struct __sk_buff *skb)
{
	const __u8 *data = (void *)(long)skb->data;
	const __u32 *meta = (void *)(long)skb->data_meta;
	const __u8 *end = (void *)(long)skb->data_end;

	if (data + ETH_HLEN > end)
		return 0;
	if (handed_mac(data))
		return 1;
	/* Then this is a part of that header, but nobody else puts anything there. */
	if ((const void *)(meta + 1) > (const void *)data || *meta == TCPC_META_MIRRORED)
		return 0;
	return *data >> 4 == 4 || *data >> 4 == 6 ? (handed_mend(skb) ? -1 : 1) : 0;
}

#else

/* Leave nothing before the link header of @pkt, and mark it. Where there was none (GRE), one with
 * the packet's kind. Returns the verdict. */
static __always_inline int hand_on(struct xdp_md *ctx, const struct tcpc_pkt *pkt,
				   struct tcpc_online_stats *st)
{
	const __u8 mac[ETH_ALEN] = HANDED_MAC;
	__u32 link = ETH_HLEN + TCPC_VLAN_HLEN * (pkt->vlan_tags & HANDED_TAGS_MASK);
	__u32 cut = pkt->l3_off - link, *meta;
	struct ethhdr *eth;

	if (pkt->l3_off < link || (cut && bpf_xdp_adjust_head(ctx, cut)))
		goto failed;
	eth = (void *)(long)ctx->data;
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		goto failed;
	__builtin_memcpy(eth->h_dest, mac, sizeof(mac));
	if (!pkt->vlan_tags)
		eth->h_proto = tcpc_htons(pkt->family == 4 ? ETH_P_IP : ETH_P_IPV6);
	/* A driver without room for it keeps the link header where it is. */
	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*meta)))
		return XDP_PASS;
	meta = (void *)(long)ctx->data_meta;
	if ((void *)(meta + 1) <= (void *)(long)ctx->data)
		*meta = HANDED_META;
	return XDP_PASS;
failed:
	COUNT(st, rewrite_failed);
	return XDP_DROP;
}

#endif
#endif
