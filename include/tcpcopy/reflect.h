/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * reflect.h - a response becomes its own acknowledgement. Pure.
 *
 * Addresses and ports swapped, SEG.SEQ = its SEG.ACK, SEG.ACK = the end of its data, no payload,
 * no options: to the target this is a client that has read everything at once.
 */
#ifndef TCPCOPY_REFLECT_H
#define TCPCOPY_REFLECT_H

#include "tcpcopy/rewrite.h"

#define TCPC_REFLECT_MAX (sizeof(struct ipv6hdr) + sizeof(struct tcphdr))

/** tcpc_reflect_needed - true if @pkt takes sequence space, so that the target waits for an ACK.
 * An RST ends the connection and is never acknowledged (RFC 9293, 3.10.7). */
static inline int tcpc_reflect_needed(const struct tcpc_pkt *pkt)
{
	return !(pkt->flags & TCPC_TCP_RST) && tcpc_pkt_seq_len(pkt) > 0;
}

/**
 * tcpc_is_keepalive_probe - does @pkt ask whether the client is still there (RFC 9293, 3.8.4)? It
 * wants an ACK although it takes no sequence space. Linux sends no byte in it.
 * @sent_end: SEG.SEQ + SEG.LEN of the last segment that took some.
 */
static inline int tcpc_is_keepalive_probe(const struct tcpc_pkt *pkt, __u32 sent_end)
{
	return tcpc_pkt_is_pure_ack(pkt) && pkt->seq + 1 == sent_end;
}

/* TCP header of the ACK; @pseudo is the sum over the pseudo header. */
static inline void tcpc_reflect_tcp(const struct tcpc_pkt *pkt, __u32 pseudo, struct tcphdr *tcp)
{
	__builtin_memset(tcp, 0, sizeof(*tcp));
	tcp->source = pkt->dport;
	tcp->dest = pkt->sport;
	tcp->seq = tcpc_htonl(pkt->ack);
	tcp->ack_seq = tcpc_htonl(pkt->seq + tcpc_pkt_seq_len(pkt));
	tcp->doff = sizeof(*tcp) / 4;
	tcp->ack = 1;
	tcp->window = tcpc_htons(TCPC_OPEN_WINDOW);
	tcp->check = tcpc_csum_fold(tcpc_csum_partial(tcp, sizeof(*tcp), pseudo));
}

/* Sum over the pseudo header of a TCP segment of @l4_bytes (RFC 9293, 3.1; RFC 8200, 8.1). The
 * prefix of mapped IPv4 addresses may take part: 0xffff is a zero of one's complement. */
static inline __u32 tcpc_pseudo_sum(const struct tcpc_pkt *pkt, __u32 l4_bytes)
{
	__u32 sum = tcpc_csum_add(tcpc_htons(IPPROTO_TCP), tcpc_htonl(l4_bytes));
	int i;

	for (i = 0; i < 4; i++) {
		sum = tcpc_csum_add(sum, pkt->saddr.w[i]);
		sum = tcpc_csum_add(sum, pkt->daddr.w[i]);
	}
	return sum;
}

/**
 * tcpc_reflect_build - write the ACK for response @pkt, from its IP header on.
 * @out: room for TCPC_REFLECT_MAX bytes, suitably aligned for 32-bit words.
 * Returns: bytes written.
 */
static inline __u32 tcpc_reflect_build(const struct tcpc_pkt *pkt, void *out)
{
	__u32 pseudo = tcpc_pseudo_sum(pkt, sizeof(struct tcphdr));

	if (pkt->family == 4) {
		struct iphdr *ip = out;

		__builtin_memset(ip, 0, sizeof(*ip));
		ip->version = 4;
		ip->ihl = sizeof(*ip) / 4;
		ip->tot_len = tcpc_htons(sizeof(*ip) + sizeof(struct tcphdr));
		ip->frag_off = tcpc_htons(0x4000); /* don't fragment */
		ip->ttl = TCPC_COPY_TTL;
		ip->protocol = IPPROTO_TCP;
		ip->saddr = pkt->daddr.w[3];
		ip->daddr = pkt->saddr.w[3];
		ip->check = tcpc_csum_fold(tcpc_csum_partial(ip, sizeof(*ip), 0));
		tcpc_reflect_tcp(pkt, pseudo, (struct tcphdr *)(ip + 1));
		return sizeof(*ip) + sizeof(struct tcphdr);
	}
	struct ipv6hdr *ip6 = out;

	__builtin_memset(ip6, 0, sizeof(*ip6));
	ip6->version = 6;
	ip6->payload_len = tcpc_htons(sizeof(struct tcphdr));
	ip6->nexthdr = IPPROTO_TCP;
	ip6->hop_limit = TCPC_COPY_TTL;
	__builtin_memcpy(&ip6->saddr, &pkt->daddr, sizeof(pkt->daddr));
	__builtin_memcpy(&ip6->daddr, &pkt->saddr, sizeof(pkt->saddr));
	tcpc_reflect_tcp(pkt, pseudo, (struct tcphdr *)(ip6 + 1));
	return sizeof(*ip6) + sizeof(struct tcphdr);
}

#endif
