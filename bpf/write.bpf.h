/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * write.bpf.h - a clone becomes a copy: its ends, TTL, greeting and checksums. Part of
 * online.bpf.c.
 *
 * Written in place: a helper for each field costs more than all of them together. The kernel makes
 * sure that the clone's head is its own before the program begins (bpf_unclone_prologue() in
 * net/core/filter.c).
 */
#ifndef TCPCOPY_BPF_WRITE_H
#define TCPCOPY_BPF_WRITE_H

#include "common.bpf.h"
#include "copies.bpf.h"
#include "tcpcopy/greeting.h"
#include "tcpcopy/rewrite.h"

/** What a copy is to be. */
struct writing {
	struct tcpc_end was; /* its source before; the parsed packet has the new one */
	struct tcpc_end to;
	__u16 greeting; /* for the urgent pointer, see greeting.h */
	__u16 fin;	/* 1: end the connection with this packet */
};

/* More than the parser gives: four extension headers of 2,048 bytes, and what is before them. The
 * verifier wants to see it. */
#define OFFSET_MASK 0x3fff

/* TCP's header, if it can be written to; else NULL. */
static __always_inline struct tcphdr *tcp_of(struct __sk_buff *skb, const struct tcpc_pkt *pkt)
{
	struct tcphdr *tcp = (void *)(long)skb->data + (pkt->l4_off & OFFSET_MASK);

	return (void *)(tcp + 1) <= (void *)(long)skb->data_end ? tcp : NULL;
}

/*
 * Mend TCP's checksum. Only the kernel knows whether it is whole or unfinished (CHECKSUM_PARTIAL:
 * it holds the pseudo header's sum, which nothing else changes). It does not tell, but what its
 * helper makes of the pseudo header's change does: less that change if the sum is whole, plus that
 * change if it is not. Returns 0, -1 if a helper failed.
 */
static __always_inline int write_check(struct __sk_buff *skb, const struct tcpc_pkt *pkt,
				       const struct tcpc_rewrite_diff *diff)
{
	__u32 off = pkt->l4_off + offsetof(struct tcphdr, check);
	struct tcphdr *tcp = tcp_of(skb, pkt);
	__u16 whole;

	if (!tcp)
		return -1;
	whole = tcpc_csum_apply(tcp->check, diff->pseudo);
	if (bpf_l4_csum_replace(skb, off, 0, diff->pseudo, BPF_F_PSEUDO_HDR))
		return -1;
	if (tcpc_csum_is_nothing(diff->pseudo))
		return bpf_l4_csum_replace(skb, off, 0, diff->l4, 0) ? -1 : 0;
	tcp = tcp_of(skb, pkt);
	if (!tcp)
		return -1;
	if (tcp->check == whole)
		tcp->check = tcpc_csum_apply(whole, diff->l4);
	return 0;
}

static __always_inline int write_tcp(struct __sk_buff *skb, struct tcpc_pkt *pkt,
				     const struct writing *w)
{
	struct tcphdr *tcp = tcp_of(skb, pkt);

	if (!tcp)
		return -1;
	tcp->source = pkt->sport;
	tcp->dest = w->to.port;
	if (!(pkt->flags & TCPC_TCP_URG)) /* else it is the client's own */
		tcp->urg_ptr = tcpc_htons(w->greeting);
	if (w->fin) {
		pkt->flags |= TCPC_TCP_FIN;
		((__u8 *)tcp)[TCPC_TCP_FLAGS_OFF] = pkt->flags;
	}
	return 0;
}

/* The sum of a device (CHECKSUM_COMPLETE) stays right without that: what changes in the header and
 * its check make up for each other. */
static __always_inline int write_ipv4(struct __sk_buff *skb, const struct tcpc_pkt *pkt,
				      const struct tcpc_addr *to, __u32 diff)
{
	struct iphdr *ip = (void *)(long)skb->data + (pkt->l3_off & OFFSET_MASK);

	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return -1;
	ip->frag_off = TCPC_COPY_FRAG_OFF;
	ip->ttl = TCPC_COPY_TTL;
	ip->check = tcpc_csum_apply(ip->check, diff);
	ip->saddr = pkt->saddr.w[3];
	ip->daddr = to->w[3];
	return 0;
}

/*
 * IPv6 has no checksum that makes up for a change of its header. Addresses are in TCP's, so they
 * cancel out; but the helper for pseudo headers thinks of IPv4 before BPF_F_IPV6 (Linux 6.16) and
 * has taken their change from the sum of a device that summed up the whole packet
 * (CHECKSUM_COMPLETE). That is given back, with that of the hop limit; without such a sum the
 * helper does nothing.
 */
static __always_inline int write_ipv6(struct __sk_buff *skb, const struct tcpc_pkt *pkt,
				      const struct tcpc_addr *to, __u32 pseudo)
{
	struct ipv6hdr *ip = (void *)(long)skb->data + (pkt->l3_off & OFFSET_MASK);
	__u32 diff =
		tcpc_csum_diff16(tcpc_word_of(0, pkt->ttl), tcpc_word_of(0, TCPC_COPY_TTL), pseudo);

	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return -1;
	ip->hop_limit = TCPC_COPY_TTL;
	__builtin_memcpy(&ip->saddr, &pkt->saddr, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, to, sizeof(ip->daddr));
	bpf_csum_update(skb, diff);
	return 0;
}

/* Make the clone of @pkt, which has its new source already, the copy that @w says. Returns 0, or -1
 * if it is not one. Not static for the verifier's sake, see guard.bpf.h. */
__noinline int write_copy(struct __sk_buff *skb, struct tcpc_pkt *pkt, const struct writing *w)
{
	struct tcpc_rewrite_diff diff;

	if (!pkt || !w) /* never; the verifier cannot know */
		return -1;
	diff = tcpc_rewrite_ends_diff(pkt, &w->was, &w->to.addr, w->to.port);
	if (!(pkt->flags & TCPC_TCP_URG))
		diff.l4 = tcpc_csum_add(diff.l4, tcpc_rewrite_greeting_diff(pkt, w->greeting));
	if (w->fin)
		diff.l4 = tcpc_csum_diff16(tcpc_word_of(0, pkt->flags),
					   tcpc_word_of(0, pkt->flags | TCPC_TCP_FIN), diff.l4);
	if (write_check(skb, pkt, &diff) || write_tcp(skb, pkt, w))
		return -1;
	return pkt->family == 4 ? write_ipv4(skb, pkt, &w->to.addr, diff.l3)
				: write_ipv6(skb, pkt, &w->to.addr, diff.pseudo);
}

#endif
