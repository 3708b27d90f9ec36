/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * frames.h - frames for tests, built byte by byte with right checksums: Ethernet with VLAN tags or
 * no link header, IPv4 with options or IPv6 with extension headers, TCP with options and payload.
 *
 * Nothing here uses the code under test: fields are written in network order one byte at a time,
 * and checksums are summed in the most plain way, so both can serve as an oracle.
 */
#ifndef TCPCOPY_TESTS_FRAMES_H
#define TCPCOPY_TESTS_FRAMES_H

#include <stdlib.h>
#include <string.h>

#include "tcpcopy/parse.h"

#define FRAME_EXT_MAX 8

/* As the kernel's NET_IP_ALIGN: what an Ethernet header needs in front of it, so that the headers
 * behind it lie on 4-byte boundaries. (A VLAN tag has 4 bytes and does not change that.) */
#define FRAME_ETHER_ALIGN 2

/** What to build. Zero is a sensible value everywhere; numbers in host order. */
struct frame_spec {
	enum tcpc_link link;
	int family; /* 4 or 6; 0 is 4 */
	int vlan_tags;
	int outer_8021ad;	 /* QinQ: the first of two tags is a service tag */
	__u32 ip_option_words;	 /* IPv4: 0..10, filled with no-operation options */
	__u8 ext[FRAME_EXT_MAX]; /* IPv6: kinds of the extension headers */
	__u32 n_ext;
	__u8 ext_units;		/* IPv6: 8-byte units of each extension header beyond its first */
	__u8 ttl;		/* 0 is 57 */
	int fragmentable;	/* IPv4: without the DF flag */
	struct tcpc_addr saddr; /* 0 is 198.18.0.1 or 2001:2::1 */
	struct tcpc_addr daddr; /* 0 is 198.18.0.2 or 2001:2::2 */
	__u16 sport;		/* 0 is 40000 */
	__u16 dport;		/* 0 is 80 */
	__u32 seq;
	__u32 ack;
	__u16 window;
	__u16 urgent; /* the urgent pointer */
	__u8 flags;
	__u8 tcp_options[40];
	__u32 tcp_option_bytes; /* a multiple of 4, up to 40 */
	__u32 payload_bytes;
	__u32 padding; /* bytes behind the IP packet, as in a short Ethernet frame */
};

/** A frame in a heap buffer that ends where the frame ends, so that ASan sees any read beyond. */
struct frame {
	__u8 *buffer; /* what free() wants */
	__u8 *data;
	__u32 bytes;
	__u32 l3_off;
	__u32 l4_off;
	__u32 l4_bytes; /* TCP header and payload */
};

static inline void frame_put16(__u8 *p, __u32 v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static inline void frame_put32(__u8 *p, __u32 v)
{
	frame_put16(p, v >> 16);
	frame_put16(p + 2, v);
}

/** frame_sum - add @len bytes as big-endian 16-bit words to @sum; an odd byte is a high one. */
static inline __u64 frame_sum(const __u8 *p, __u32 len, __u64 sum)
{
	__u32 i;

	for (i = 0; i < len; i++)
		sum += i & 1 ? p[i] : p[i] << 8;
	return sum;
}

/** frame_checksum - the checksum field for @sum, host order. */
static inline __u16 frame_checksum(__u64 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/** frame_tcp_sum - sum of pseudo header, TCP header and payload; @ip and @tcp lie in one packet. */
static inline __u64 frame_tcp_sum(const __u8 *ip, const __u8 *tcp, __u32 l4_bytes)
{
	__u64 sum = frame_sum(tcp, l4_bytes, IPPROTO_TCP + (__u64)l4_bytes);

	return ip[0] >> 4 == 4 ? frame_sum(ip + 12, 8, sum) : frame_sum(ip + 8, 32, sum);
}

/** frame_checks_right - true if the checksums of the packet at @ip prove right (RFC 1071). */
static inline int frame_checks_right(const __u8 *ip, const __u8 *tcp, __u32 l4_bytes)
{
	if (ip[0] >> 4 == 4 && frame_checksum(frame_sum(ip, (ip[0] & 15) * 4, 0)))
		return 0;
	return !frame_checksum(frame_tcp_sum(ip, tcp, l4_bytes));
}

/** frame_right - true if the checksums of @frame prove right. */
static inline int frame_right(const struct frame *frame)
{
	return frame_checks_right(frame->data + frame->l3_off, frame->data + frame->l4_off,
				  frame->l4_bytes);
}

static inline int frame_is_v6(const struct frame_spec *spec)
{
	return spec->family == 6;
}

static inline __u32 frame_ip_bytes(const struct frame_spec *spec)
{
	if (frame_is_v6(spec))
		return 40 + spec->n_ext * 8 * (1 + spec->ext_units);
	return 20 + spec->ip_option_words * 4;
}

/** frame_host - address number @n of the test network, in the family of @spec. */
static inline struct tcpc_addr frame_host(const struct frame_spec *spec, __u8 n)
{
	__u8 v4[16] = {[10] = 0xff, 0xff, 198, 18, 0, n};
	__u8 v6[16] = {0x20, 0x01, 0x00, 0x02, [15] = n};
	struct tcpc_addr addr;

	memcpy(&addr, frame_is_v6(spec) ? v6 : v4, sizeof(addr));
	return addr;
}

static inline int frame_addr_is_zero(const struct tcpc_addr *addr)
{
	return !(addr->w[0] | addr->w[1] | addr->w[2] | addr->w[3]);
}

/* The spec with its zeros filled in. */
static inline struct frame_spec frame_defaults(const struct frame_spec *given)
{
	struct frame_spec spec = *given;

	if (!spec.ttl)
		spec.ttl = 57;
	if (!spec.sport)
		spec.sport = 40000;
	if (!spec.dport)
		spec.dport = 80;
	if (frame_addr_is_zero(&spec.saddr))
		spec.saddr = frame_host(&spec, 1);
	if (frame_addr_is_zero(&spec.daddr))
		spec.daddr = frame_host(&spec, 2);
	return spec;
}

static inline void frame_put_ether(__u8 *p, const struct frame_spec *spec)
{
	int i;

	memset(p, 0x02, 12);
	for (i = 0; i < spec->vlan_tags; i++) {
		frame_put16(p + 12 + 4 * i, !i && spec->outer_8021ad ? ETH_P_8021AD : ETH_P_8021Q);
		frame_put16(p + 14 + 4 * i, 100 + i);
	}
	frame_put16(p + 12 + 4 * i, frame_is_v6(spec) ? ETH_P_IPV6 : ETH_P_IP);
}

static inline void frame_put_ipv4(__u8 *ip, const struct frame_spec *spec, __u32 l4_bytes)
{
	__u32 ip_bytes = frame_ip_bytes(spec), total = ip_bytes + l4_bytes;

	ip[0] = 0x40 | ip_bytes / 4;
	frame_put16(ip + 2, total > 65535 ? 0 : total); /* 0: as Linux marks BIG TCP */
	frame_put16(ip + 4, 0x1234);
	frame_put16(ip + 6, spec->fragmentable ? 0 : 0x4000);
	ip[8] = spec->ttl;
	ip[9] = IPPROTO_TCP;
	memcpy(ip + 12, &spec->saddr.w[3], 4);
	memcpy(ip + 16, &spec->daddr.w[3], 4);
	memset(ip + 20, 1, ip_bytes - 20);
	frame_put16(ip + 10, frame_checksum(frame_sum(ip, ip_bytes, 0)));
}

static inline void frame_put_ipv6(__u8 *ip, const struct frame_spec *spec, __u32 l4_bytes)
{
	__u32 i, payload = frame_ip_bytes(spec) - 40 + l4_bytes;
	__u8 *next = ip + 6, *ext = ip + 40;

	ip[0] = 0x60;
	frame_put16(ip + 4, payload > 65535 ? 0 : payload);
	ip[7] = spec->ttl;
	memcpy(ip + 8, &spec->saddr, 16);
	memcpy(ip + 24, &spec->daddr, 16);
	for (i = 0; i < spec->n_ext; i++) {
		*next = spec->ext[i];
		next = ext;
		ext[1] = spec->ext_units;
		ext += 8 * (1 + spec->ext_units);
	}
	*next = IPPROTO_TCP;
}

/* @ip must be complete, but for its extension headers. */
static inline void frame_put_tcp(__u8 *tcp, const struct frame_spec *spec, const __u8 *ip,
				 __u32 l4_bytes)
{
	__u32 i, header = 20 + spec->tcp_option_bytes;

	frame_put16(tcp, spec->sport);
	frame_put16(tcp + 2, spec->dport);
	frame_put32(tcp + 4, spec->seq);
	frame_put32(tcp + 8, spec->ack);
	tcp[12] = header / 4 << 4;
	tcp[13] = spec->flags;
	frame_put16(tcp + 14, spec->window);
	frame_put16(tcp + 18, spec->urgent);
	memcpy(tcp + 20, spec->tcp_options, spec->tcp_option_bytes);
	for (i = header; i < l4_bytes; i++)
		tcp[i] = 'a' + i % 23;
	frame_put16(tcp + 16, frame_checksum(frame_tcp_sum(ip, tcp, l4_bytes)));
}

/* A zeroed heap buffer for @bytes that begin with @link, aligned as the kernel aligns them. */
static inline void frame_alloc(struct frame *frame, enum tcpc_link link, __u32 bytes)
{
	/* Never nothing at all: malloc(0) may give a byte that ASan lets us read. */
	__u32 front = link == TCPC_LINK_ETHER ? 4 + FRAME_ETHER_ALIGN : 4;

	frame->buffer = calloc(1, front + bytes);
	if (!frame->buffer)
		abort();
	frame->data = frame->buffer + front;
	frame->bytes = bytes;
}

/** frame_free - give back the buffer of a frame from frame_build() or frame_cut(). */
static inline void frame_free(struct frame *frame)
{
	free(frame->buffer);
	memset(frame, 0, sizeof(*frame));
}

/** frame_build - build what @given asks for. The caller owns it: frame_free(). */
static inline struct frame frame_build(const struct frame_spec *given)
{
	struct frame_spec spec = frame_defaults(given);
	struct frame frame = {0};

	frame.l3_off = spec.link == TCPC_LINK_ETHER ? ETH_HLEN + 4 * spec.vlan_tags : 0;
	frame.l4_off = frame.l3_off + frame_ip_bytes(&spec);
	frame.l4_bytes = 20 + spec.tcp_option_bytes + spec.payload_bytes;
	frame_alloc(&frame, spec.link, frame.l4_off + frame.l4_bytes + spec.padding);
	if (spec.link == TCPC_LINK_ETHER)
		frame_put_ether(frame.data, &spec);
	if (frame_is_v6(&spec))
		frame_put_ipv6(frame.data + frame.l3_off, &spec, frame.l4_bytes);
	else
		frame_put_ipv4(frame.data + frame.l3_off, &spec, frame.l4_bytes);
	frame_put_tcp(frame.data + frame.l4_off, &spec, frame.data + frame.l3_off, frame.l4_bytes);
	memset(frame.data + frame.bytes - spec.padding, 0x5a, spec.padding);
	return frame;
}

/** frame_cut - a copy of the first @bytes of @frame, in a buffer that ends there. */
static inline struct frame frame_cut(const struct frame *frame, enum tcpc_link link, __u32 bytes)
{
	struct frame cut = *frame;

	frame_alloc(&cut, link, bytes);
	memcpy(cut.data, frame->data, bytes);
	return cut;
}

/** frame_parse - tcpc_parse() over the whole of @frame. */
static inline enum tcpc_parse_result frame_parse(const struct frame *frame, enum tcpc_link link,
						 struct tcpc_pkt *pkt)
{
	return tcpc_parse(frame->data, frame->data + frame->bytes, frame->bytes, link, pkt);
}

#endif
