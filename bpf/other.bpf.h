/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * other.bpf.h - packets that are plainly none of ours, which on a busy host are most: a look at a
 * few fields instead of a parse and a search. Part of online.bpf.c.
 */
#ifndef TCPCOPY_BPF_OTHER_H
#define TCPCOPY_BPF_OTHER_H

#include "common.bpf.h"

#define IPV4_NO_OPTIONS 0x45
#define IPV4_FRAGMENT 0x3fff /* offset, and more of them */

/* A bit for each port, host order, that is copied on any interface. The daemon sets it before
 * `services` has the port, and clears it behind. */
__u64 copied_ports[65536 / 64];

static __always_inline int is_other_port(const __be16 *dport)
{
	__u16 port = tcpc_ntohs(*dport);

	return !(copied_ports[port / 64] >> port % 64 & 1);
}

/* Is it TCP for a port that nobody copies? Tags, options, extension headers and fragments are left
 * to the parser. */
static __always_inline int is_for_other(const struct __sk_buff *skb, enum tcpc_link link)
{
	const void *end = (void *)(long)skb->data_end;
	const struct iphdr *ip = (void *)(long)skb->data + (link == TCPC_LINK_ETHER ? ETH_HLEN : 0);
	const struct ipv6hdr *ip6 = (const void *)ip;

	if (skb->protocol == tcpc_htons(ETH_P_IP))
		return (const void *)(ip + 1) + sizeof(__be32) <= end &&
		       *(const __u8 *)ip == IPV4_NO_OPTIONS && ip->protocol == IPPROTO_TCP &&
		       !(ip->frag_off & tcpc_htons(IPV4_FRAGMENT)) &&
		       is_other_port((const __be16 *)(ip + 1) + 1);
	return skb->protocol == tcpc_htons(ETH_P_IPV6) &&
	       (const void *)(ip6 + 1) + sizeof(__be32) <= end && ip6->version == 6 &&
	       ip6->nexthdr == IPPROTO_TCP && is_other_port((const __be16 *)(ip6 + 1) + 1);
}

#endif
