/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * rewrite.h - what changes in a copied packet, as checksum differences and as bytes. Pure.
 *
 * The differences serve two users: TC programs hand them to the kernel's checksum helpers, which
 * keep CHECKSUM_PARTIAL and CHECKSUM_COMPLETE right; XDP programs, raw sockets and the unit tests
 * apply them to the bytes themselves.
 */
#ifndef TCPCOPY_REWRITE_H
#define TCPCOPY_REWRITE_H

#include <linux/types.h>

#include "tcpcopy/csum.h"
#include "tcpcopy/parse.h"

/* A copy starts with a fresh TTL: on its way to the target it must not expire, or a router would
 * tell the client about a packet that the client never sent (invariant 2). */
#define TCPC_COPY_TTL 64

/*
 * A copy may be fragmented on its way (no DF flag): a router that may not would tell the client
 * that its packet was too large (invariant 2). IPv6 has no such flag.
 */
#define TCPC_COPY_FRAG_OFF 0

/* The window that copies announce. The reflected ACKs keep the target's window open. */
#define TCPC_OPEN_WINDOW 65535

/** Checksum differences of one rewrite, see csum.h. */
struct tcpc_rewrite_diff {
	__u32 l3;     /* IPv4 header */
	__u32 pseudo; /* the part of TCP's that comes from the pseudo header */
	__u32 l4;     /* the part of TCP's that comes from the TCP header */
};

/* The 16-bit word that consists of these two bytes, in memory order. */
static inline __u16 tcpc_word_of(__u8 first, __u8 second)
{
	__u8 bytes[2] = {first, second};
	__u16 word;

	__builtin_memcpy(&word, bytes, sizeof(word));
	return word;
}

/**
 * tcpc_rewrite_dest_diff - differences for a new destination, a fresh TTL and no DF flag.
 * @pkt: headers before the change.  @addr: of the same family.  @port: wire order.
 */
static inline struct tcpc_rewrite_diff
tcpc_rewrite_dest_diff(const struct tcpc_pkt *pkt, const struct tcpc_addr *addr, __be16 port)
{
	struct tcpc_rewrite_diff diff = {};
	int i;

	for (i = 0; i < 4; i++)
		diff.pseudo = tcpc_csum_diff32(pkt->daddr.w[i], addr->w[i], diff.pseudo);
	diff.l4 = tcpc_csum_diff16(pkt->dport, port, 0);
	if (pkt->family == 4) {
		diff.l3 = tcpc_csum_diff16(tcpc_word_of(pkt->ttl, IPPROTO_TCP),
					   tcpc_word_of(TCPC_COPY_TTL, IPPROTO_TCP), diff.pseudo);
		/* Whatever is parsed is no fragment: the offset behind the flags is 0. */
		diff.l3 = tcpc_csum_diff16(tcpc_word_of(pkt->ip_flags, 0), TCPC_COPY_FRAG_OFF,
					   diff.l3);
	}
	return diff;
}

/** One end of a connection, wire order. */
struct tcpc_end {
	struct tcpc_addr addr;
	__be16 port;
};

/**
 * tcpc_rewrite_ends_diff - the same for a new source, too.
 * @pkt: has the new source already, all else as before the change.  @was: the source before.
 */
static inline struct tcpc_rewrite_diff tcpc_rewrite_ends_diff(const struct tcpc_pkt *pkt,
							      const struct tcpc_end *was,
							      const struct tcpc_addr *addr,
							      __be16 port)
{
	struct tcpc_rewrite_diff diff = tcpc_rewrite_dest_diff(pkt, addr, port);
	__u32 source = 0;
	int i;

	for (i = 0; i < 4; i++)
		source = tcpc_csum_diff32(was->addr.w[i], pkt->saddr.w[i], source);
	diff.pseudo = tcpc_csum_add(diff.pseudo, source);
	diff.l4 = tcpc_csum_diff16(was->port, pkt->sport, diff.l4);
	if (pkt->family == 4)
		diff.l3 = tcpc_csum_add(diff.l3, source);
	return diff;
}

/**
 * tcpc_rewrite_greeting_diff - TCP checksum difference for another greeting. Adds to the others.
 * @pkt: without URG.  @greeting: bytes, up to TCPC_GREETING_MAX.
 */
static inline __u32 tcpc_rewrite_greeting_diff(const struct tcpc_pkt *pkt, __u16 greeting)
{
	return tcpc_csum_diff16(tcpc_htons(pkt->greeting), tcpc_htons(greeting), 0);
}

/**
 * tcpc_rewrite_align_diff - TCP checksum difference for a new ACK number and window, and no
 * greeting: it has come to where it is needed.
 * @ack: host order.
 */
static inline __u32 tcpc_rewrite_align_diff(const struct tcpc_pkt *pkt, __u32 ack, __u16 window)
{
	__u32 diff = tcpc_csum_diff32(tcpc_htonl(pkt->ack), tcpc_htonl(ack), 0);

	diff = tcpc_csum_diff16(tcpc_htons(pkt->window), tcpc_htons(window), diff);
	return tcpc_csum_diff16(tcpc_htons(pkt->greeting), 0, diff);
}

/**
 * tcpc_rewrite_ip - apply a new destination to an IP header.
 * @ip: struct iphdr or ipv6hdr, as @pkt says.  @l3: of struct tcpc_rewrite_diff.
 */
static inline void tcpc_rewrite_ip(void *ip, const struct tcpc_pkt *pkt,
				   const struct tcpc_addr *addr, __u32 l3)
{
	if (pkt->family == 4) {
		struct iphdr *v4 = ip;

		v4->daddr = addr->w[3];
		v4->ttl = TCPC_COPY_TTL;
		v4->frag_off = TCPC_COPY_FRAG_OFF;
		v4->check = tcpc_csum_apply(v4->check, l3);
	} else {
		struct ipv6hdr *v6 = ip;

		__builtin_memcpy(&v6->daddr, addr, sizeof(*addr));
		v6->hop_limit = TCPC_COPY_TTL;
	}
}

/**
 * tcpc_rewrite_dest - apply a new destination to the bytes of a frame whose checksums are whole.
 * @frame: at least up to the end of the TCP header.  @pkt: its headers, as parsed.
 */
static inline void tcpc_rewrite_dest(__u8 *frame, const struct tcpc_pkt *pkt,
				     const struct tcpc_addr *addr, __be16 port)
{
	struct tcpc_rewrite_diff diff = tcpc_rewrite_dest_diff(pkt, addr, port);
	struct tcphdr *tcp = (void *)(frame + pkt->l4_off);

	tcpc_rewrite_ip(frame + pkt->l3_off, pkt, addr, diff.l3);
	tcp->dest = port;
	tcp->check = tcpc_csum_apply(tcp->check, tcpc_csum_add(diff.pseudo, diff.l4));
}

/**
 * tcpc_rewrite_greeting - write another greeting into the bytes of a frame.
 * @frame, @pkt: as for tcpc_rewrite_dest(), and URG is not set.
 */
static inline void tcpc_rewrite_greeting(__u8 *frame, const struct tcpc_pkt *pkt, __u16 greeting)
{
	struct tcphdr *tcp = (void *)(frame + pkt->l4_off);

	tcp->check = tcpc_csum_apply(tcp->check, tcpc_rewrite_greeting_diff(pkt, greeting));
	tcp->urg_ptr = tcpc_htons(greeting);
}

/**
 * tcpc_rewrite_align - apply a new ACK number and window to the bytes of a frame, and take out the
 * greeting.
 * @frame, @pkt: as for tcpc_rewrite_dest().  @ack: host order.
 */
static inline void tcpc_rewrite_align(__u8 *frame, const struct tcpc_pkt *pkt, __u32 ack,
				      __u16 window)
{
	struct tcphdr *tcp = (void *)(frame + pkt->l4_off);

	tcp->check = tcpc_csum_apply(tcp->check, tcpc_rewrite_align_diff(pkt, ack, window));
	tcp->ack_seq = tcpc_htonl(ack);
	tcp->window = tcpc_htons(window);
	if (pkt->greeting)
		tcp->urg_ptr = 0;
}

#endif
