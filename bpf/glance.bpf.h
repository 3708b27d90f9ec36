/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * glance.bpf.h - most packets need no parse and no search: those for ports that nobody copies, and
 * the clients' acknowledgements. A look at a few fields tells. Part of online.bpf.c; writes to no
 * packet.
 */
#ifndef TCPCOPY_BPF_GLANCE_H
#define TCPCOPY_BPF_GLANCE_H

#include "common.bpf.h"

#define IPV4_NO_OPTIONS 0x45
#define IPV4_FRAGMENT 0x3fff /* offset, and more of them */
#define NO_PURE_ACK (TCPC_TCP_SYN | TCPC_TCP_FIN | TCPC_TCP_RST)

enum glance {
	GLANCE_MORE, /* it is to be parsed: tags, options, extension headers, errors, data */
	GLANCE_OTHER,
	GLANCE_PURE_ACK,
};

/* A bit for each port, host order, that is copied on any interface. The daemon sets it before
 * `services` has the port, and clears it behind. */
__u64 copied_ports[65536 / 64];

static __always_inline int is_other_port(__be16 dport)
{
	__u16 port = tcpc_ntohs(dport);

	return !(copied_ports[port / 64] >> port % 64 & 1);
}

/* @tcp: at least as much of it as has ports; @l4_bytes: by the IP header, @have: in the frame. What
 * a pure ACK means for its handshake goes into @pkt, but for the client's address. */
static __always_inline enum glance glance_tcp(const struct tcphdr *tcp, const void *end,
					      __u32 l4_bytes, __u32 have, struct tcpc_pkt *pkt)
{
	if (is_other_port(tcp->dest))
		return GLANCE_OTHER;
	if ((const void *)(tcp + 1) > end || l4_bytes != tcp->doff * 4U || tcp->doff < 5 ||
	    l4_bytes > have || ((const __u8 *)tcp)[TCPC_TCP_FLAGS_OFF] & NO_PURE_ACK)
		return GLANCE_MORE;
	pkt->sport = tcp->source;
	pkt->dport = tcp->dest;
	pkt->seq = tcpc_ntohl(tcp->seq);
	pkt->ack = tcpc_ntohl(tcp->ack_seq);
	return GLANCE_PURE_ACK;
}

static __always_inline enum glance glance_ipv4(const struct iphdr *ip, const void *end, __u32 have,
					       struct tcpc_pkt *pkt)
{
	__u16 l4_bytes = tcpc_ntohs(ip->tot_len) - sizeof(*ip);

	if (*(const __u8 *)ip != IPV4_NO_OPTIONS || ip->protocol != IPPROTO_TCP ||
	    ip->frag_off & tcpc_htons(IPV4_FRAGMENT))
		return GLANCE_MORE;
	pkt->saddr = tcpc_addr_from_v4(ip->saddr);
	return glance_tcp((const void *)(ip + 1), end, l4_bytes, have - sizeof(*ip), pkt);
}

static __always_inline enum glance glance_ipv6(const struct ipv6hdr *ip, const void *end,
					       __u32 have, struct tcpc_pkt *pkt)
{
	if (ip->version != 6 || ip->nexthdr != IPPROTO_TCP)
		return GLANCE_MORE;
	__builtin_memcpy(&pkt->saddr, &ip->saddr, sizeof(pkt->saddr));
	return glance_tcp((const void *)(ip + 1), end, tcpc_ntohs(ip->payload_len),
			  have - sizeof(*ip), pkt);
}

/* @pkt: of a pure ACK gets what tcpc_handshake_index() and tcpc_handshake_ack() need. */
static __always_inline enum glance glance(const struct __sk_buff *skb, enum tcpc_link link,
					  struct tcpc_pkt *pkt)
{
	const void *end = (void *)(long)skb->data_end;
	__u32 l3 = link == TCPC_LINK_ETHER ? ETH_HLEN : 0;
	const struct iphdr *ip = (void *)(long)skb->data + l3;
	const struct ipv6hdr *ip6 = (const void *)ip;

	if (skb->protocol == tcpc_htons(ETH_P_IP) && (const void *)(ip + 1) + sizeof(__be32) <= end)
		return glance_ipv4(ip, end, skb->len - l3, pkt);
	if (skb->protocol == tcpc_htons(ETH_P_IPV6) &&
	    (const void *)(ip6 + 1) + sizeof(__be32) <= end)
		return glance_ipv6(ip6, end, skb->len - l3, pkt);
	return GLANCE_MORE;
}

#endif
