/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * parse.h - find the TCP header in a frame: Ethernet (up to two VLAN tags) or no link header, IPv4
 * with options, IPv6 with a bounded chain of extension headers.
 *
 * Pure, and written so that the BPF verifier follows it: every read is preceded by a comparison
 * with @end, offsets are scalars with small bounds, the only loops have constant limits.
 */
#ifndef TCPCOPY_PARSE_H
#define TCPCOPY_PARSE_H

#include <linux/types.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include "tcpcopy/addr.h"

#define TCPC_VLAN_TAGS 2
#define TCPC_VLAN_HLEN 4
#define TCPC_IPV6_EXT_HEADERS 4
#define TCPC_IP_MF_OFFSET 0x3fff /* more-fragments bit and fragment offset (RFC 791) */

#define TCPC_IPV6_EXT_BYTES 64 /* room for extension headers: a full chain of 16 bytes each */
#define TCPC_IP_LEN_MAX 0xffff /* what the 16-bit length of an IP header can say */

/* How many bytes of a frame to pull for its headers: Ethernet, 2 tags, IPv6 with some extension
 * headers (more than IPv4 with all options takes), TCP with all options. */
#define TCPC_HEADERS_MAX                                                                           \
	(ETH_HLEN + TCPC_VLAN_TAGS * TCPC_VLAN_HLEN + 40 + TCPC_IPV6_EXT_BYTES + 60)

/* TCP flags as they stand in byte 13 of the header (RFC 9293, 3.1). */
#define TCPC_TCP_FLAGS_OFF 13
#define TCPC_TCP_FIN 0x01
#define TCPC_TCP_SYN 0x02
#define TCPC_TCP_RST 0x04
#define TCPC_TCP_PSH 0x08
#define TCPC_TCP_ACK 0x10
#define TCPC_TCP_URG 0x20
#define TCPC_TCP_ECE 0x40
#define TCPC_TCP_CWR 0x80

enum tcpc_link {
	TCPC_LINK_ETHER,
	TCPC_LINK_NONE, /* tun and the like: the frame begins with the IP header */
};

enum tcpc_parse_result {
	TCPC_PARSE_OK,
	TCPC_PARSE_NOT_TCP, /* another protocol, or TCP behind more tags or headers than we walk */
	TCPC_PARSE_SHORT,   /* @end comes before the headers do; pull more, or it is malformed */
	TCPC_PARSE_MALFORMED, /* lengths contradict each other */
	TCPC_PARSE_FRAGMENT,
};

/**
 * struct tcpc_pkt - what we need of a packet's headers.
 * Addresses and ports in wire order, everything else in host order. Offsets count from the start
 * of the frame. @payload_bytes comes from the IP length, never from the frame's: short frames
 * carry Ethernet padding.
 */
struct tcpc_pkt {
	struct tcpc_addr saddr;
	struct tcpc_addr daddr;
	__u32 seq;
	__u32 ack;
	__u32 payload_bytes;
	__u16 l3_off;
	__u16 l4_off;
	__u16 window;
	__u16 greeting; /* the urgent pointer where URG is not set, see greeting.h; else 0 */
	__be16 sport;
	__be16 dport;
	__u8 flags;
	__u8 tcp_bytes; /* TCP header with options */
	__u8 family;	/* 4 or 6 */
	__u8 ttl;
	__u8 vlan_tags;
	__u8 ip_flags; /* IPv4: first byte of flags and fragment offset; IPv6: 0 */
};

/** tcpc_pkt_is_pure_ack - true for a segment that only acknowledges: the target makes its own. */
static inline int tcpc_pkt_is_pure_ack(const struct tcpc_pkt *pkt)
{
	return !pkt->payload_bytes && !(pkt->flags & (TCPC_TCP_SYN | TCPC_TCP_FIN | TCPC_TCP_RST));
}

/** tcpc_pkt_seq_len - SEG.LEN: payload, and one each for SYN and FIN (RFC 9293, 3.4). */
static inline __u32 tcpc_pkt_seq_len(const struct tcpc_pkt *pkt)
{
	return pkt->payload_bytes + !!(pkt->flags & TCPC_TCP_SYN) + !!(pkt->flags & TCPC_TCP_FIN);
}

static inline int tcpc_is_vlan(__be16 proto)
{
	return proto == tcpc_htons(ETH_P_8021Q) || proto == tcpc_htons(ETH_P_8021AD);
}

/* The TCP header at @off; @l4_bytes is what the IP header says follows. */
TCPC_INLINE enum tcpc_parse_result tcpc_parse_tcp(const __u8 *data, const __u8 *end, __u32 off,
						  __u32 l4_bytes, struct tcpc_pkt *pkt)
{
	const struct tcphdr *tcp = (const void *)(data + off);
	__u32 tcp_bytes;

	if (l4_bytes < sizeof(*tcp))
		return TCPC_PARSE_MALFORMED;
	if ((const __u8 *)(tcp + 1) > end)
		return TCPC_PARSE_SHORT;
	tcp_bytes = tcp->doff * 4;
	if (tcp_bytes < sizeof(*tcp) || tcp_bytes > l4_bytes)
		return TCPC_PARSE_MALFORMED;
	if ((const __u8 *)tcp + tcp_bytes > end)
		return TCPC_PARSE_SHORT;
	pkt->tcp_bytes = tcp_bytes;
	pkt->l4_off = off;
	pkt->sport = tcp->source;
	pkt->dport = tcp->dest;
	pkt->seq = tcpc_ntohl(tcp->seq);
	pkt->ack = tcpc_ntohl(tcp->ack_seq);
	pkt->window = tcpc_ntohs(tcp->window);
	pkt->flags = ((const __u8 *)tcp)[13];
	pkt->greeting = pkt->flags & TCPC_TCP_URG ? 0 : tcpc_ntohs(tcp->urg_ptr);
	pkt->payload_bytes = l4_bytes - tcp_bytes;
	return TCPC_PARSE_OK;
}

/*
 * @wire_bytes: length of the frame from its IP header on. Only a packet above 64 KB (BIG TCP) may
 * say 0 and mean that: in a small one it is an error, and the frame may have padding.
 */
TCPC_INLINE enum tcpc_parse_result tcpc_parse_ipv4(const __u8 *data, const __u8 *end, __u32 off,
						   __u32 wire_bytes, struct tcpc_pkt *pkt)
{
	const struct iphdr *ip = (const void *)(data + off);
	__u32 ip_bytes, total;

	if ((const __u8 *)(ip + 1) > end)
		return TCPC_PARSE_SHORT;
	if (ip->protocol != IPPROTO_TCP)
		return TCPC_PARSE_NOT_TCP;
	if (ip->frag_off & tcpc_htons(TCPC_IP_MF_OFFSET))
		return TCPC_PARSE_FRAGMENT;
	ip_bytes = ip->ihl * 4;
	total = tcpc_ntohs(ip->tot_len);
	if (!total && wire_bytes > TCPC_IP_LEN_MAX)
		total = wire_bytes;
	if (ip->version != 4 || ip_bytes < sizeof(*ip) || total < ip_bytes || total > wire_bytes)
		return TCPC_PARSE_MALFORMED;
	pkt->family = 4;
	pkt->ttl = ip->ttl;
	pkt->ip_flags = ((const __u8 *)&ip->frag_off)[0];
	pkt->saddr = tcpc_addr_from_v4(ip->saddr);
	pkt->daddr = tcpc_addr_from_v4(ip->daddr);
	return tcpc_parse_tcp(data, end, off + ip_bytes, total - ip_bytes, pkt);
}

static inline int tcpc_is_ipv6_ext(__u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS;
}

TCPC_INLINE enum tcpc_parse_result tcpc_parse_ipv6(const __u8 *data, const __u8 *end, __u32 off,
						   __u32 wire_bytes, struct tcpc_pkt *pkt)
{
	const struct ipv6hdr *ip = (const void *)(data + off);
	__u32 total, used = sizeof(*ip);
	__u8 next;
	int i;

	if ((const __u8 *)(ip + 1) > end)
		return TCPC_PARSE_SHORT;
	total = tcpc_ntohs(ip->payload_len) + sizeof(*ip);
	if (!ip->payload_len && wire_bytes > TCPC_IP_LEN_MAX)
		total = wire_bytes;
	if (ip->version != 6 || total > wire_bytes)
		return TCPC_PARSE_MALFORMED;
	pkt->family = 6;
	pkt->ttl = ip->hop_limit;
	pkt->ip_flags = 0;
	__builtin_memcpy(&pkt->saddr, &ip->saddr, sizeof(pkt->saddr));
	__builtin_memcpy(&pkt->daddr, &ip->daddr, sizeof(pkt->daddr));
	next = ip->nexthdr;
	for (i = 0; i < TCPC_IPV6_EXT_HEADERS; i++) {
		const __u8 *ext = data + off + used;

		if (!tcpc_is_ipv6_ext(next))
			break;
		if (ext + 2 > end)
			return TCPC_PARSE_SHORT;
		next = ext[0];
		used += 8 + ext[1] * 8;
	}
	if (next == IPPROTO_FRAGMENT)
		return TCPC_PARSE_FRAGMENT;
	if (next != IPPROTO_TCP)
		return TCPC_PARSE_NOT_TCP;
	if (used > total)
		return TCPC_PARSE_MALFORMED;
	return tcpc_parse_tcp(data, end, off + used, total - used, pkt);
}

/**
 * tcpc_parse - read the headers of the frame [@data, @end).
 * @data: such that the IP header lies on a 4-byte boundary, where the CPU cares (NET_IP_ALIGN).
 * @frame_bytes: length of the whole frame, which may go on beyond @end.
 * @link: what the frame begins with.
 * @pkt: filled in on TCPC_PARSE_OK only; otherwise its content is undefined. On OK the whole TCP
 * header, options included, lies before @end.
 */
TCPC_INLINE enum tcpc_parse_result tcpc_parse(const __u8 *data, const __u8 *end, __u32 frame_bytes,
					      enum tcpc_link link, struct tcpc_pkt *pkt)
{
	__be16 proto;
	__u32 off = 0;
	int i;

	pkt->vlan_tags = 0;
	if (link == TCPC_LINK_NONE) {
		if (data + 1 > end)
			return TCPC_PARSE_SHORT;
		proto = (data[0] >> 4) == 6 ? tcpc_htons(ETH_P_IPV6) : tcpc_htons(ETH_P_IP);
	} else {
		const struct ethhdr *eth = (const void *)data;

		if ((const __u8 *)(eth + 1) > end)
			return TCPC_PARSE_SHORT;
		proto = eth->h_proto;
		off = sizeof(*eth);
	}
	for (i = 0; i < TCPC_VLAN_TAGS && link == TCPC_LINK_ETHER && tcpc_is_vlan(proto); i++) {
		if (data + off + TCPC_VLAN_HLEN > end)
			return TCPC_PARSE_SHORT;
		__builtin_memcpy(&proto, data + off + 2, sizeof(proto));
		off += TCPC_VLAN_HLEN;
		pkt->vlan_tags++;
	}
	pkt->l3_off = off;
	if (off > frame_bytes)
		return TCPC_PARSE_MALFORMED;
	if (proto == tcpc_htons(ETH_P_IP))
		return tcpc_parse_ipv4(data, end, off, frame_bytes - off, pkt);
	if (proto == tcpc_htons(ETH_P_IPV6))
		return tcpc_parse_ipv6(data, end, off, frame_bytes - off, pkt);
	return TCPC_PARSE_NOT_TCP;
}

#endif
