/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * untunnel.bpf.h - copies that come by a tunnel (--via) go on as if they had come by the
 * intercepted interface: align and all behind it need not know. Part of target.bpf.c.
 */
#ifndef TCPCOPY_BPF_UNTUNNEL_H
#define TCPCOPY_BPF_UNTUNNEL_H

#include "target_maps.bpf.h"

/* Where @pkt would have come in, if it is for what is intercepted there. */
static __always_inline __u32 way_of(const struct tcpc_pkt *pkt)
{
	__u32 *ifindex = bpf_map_lookup_elem(&addresses, &pkt->daddr);
	struct tcpc_service_key key = {.port = pkt->dport};

	if (!ifindex)
		return 0;
	key.ifindex = *ifindex;
	return bpf_map_lookup_elem(&services, &key) ? key.ifindex : 0;
}

/*
 * TC ingress of a tunnel's device. A tunnel knows no peers: whoever reaches its port can put any
 * packet in. So nothing else comes out of it than what is a copy by its address and port.
 */
SEC("tc")
int untunnel(struct __sk_buff *skb)
{
	struct tcpc_target_stats *st = bpf_map_lookup_elem(&stats, &zero);
	struct tcpc_way *way;
	struct tcpc_pkt pkt;
	__u32 ifindex = 0;

	if (!st)
		return VERDICT_DROP;
	if (read_headers(skb, TCPC_LINK_ETHER, &pkt) == TCPC_PARSE_OK)
		ifindex = way_of(&pkt);
	way = ifindex ? bpf_map_lookup_elem(&ways, &ifindex) : NULL;
	if (!way) {
		COUNT(st, tunnel_foreign);
		return VERDICT_DROP;
	}
	if (bpf_skb_store_bytes(skb, 0, way->mac, sizeof(way->mac), 0)) {
		COUNT(st, rewrite_failed);
		return VERDICT_DROP;
	}
	skb->mark = 0; /* align takes ours for packets that it has seen before */
	COUNT(st, tunnelled);
	return bpf_redirect(ifindex, BPF_F_INGRESS);
}

#endif
