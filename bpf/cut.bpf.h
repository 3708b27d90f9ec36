/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cut.bpf.h - a copy that is one segment too large for the tunnel leaves in several: the kernel
 * would cut the tunnel's own packet, over IPv4 into fragments, which networks drop, over IPv6 not
 * at all. Part of online.bpf.c.
 *
 * Its payload is put aside; then the packet becomes one piece after another. Of each a clone
 * leaves, but the last, which leaves by itself.
 */
#ifndef TCPCOPY_BPF_CUT_H
#define TCPCOPY_BPF_CUT_H

#include "common.bpf.h"
#include "copies.bpf.h"

#define CUT_PIECES 8 /* of a jumbo frame */
#define CUT_PIECE_MAX 2047
#define CUT_PAYLOAD_MAX (CUT_PIECES * (CUT_PIECE_MAX + 1))
#define CUT_PAYLOAD_MASK (CUT_PAYLOAD_MAX - 1)
#define CUT_SUM 512 /* what bpf_csum_diff() takes at once before Linux 6.15 */
#define CUT_SUMS ((CUT_PIECE_MAX + 1) / CUT_SUM)
#define TCP_HEADER_MAX 60
#define IP_DF 0x4000

/* The packet that is being cut. */
struct cutting {
	__u32 l3_off, l4_off; /* in the frame */
	__u32 tcp_bytes;
	__u32 family;
	__u32 pseudo;  /* sum of the pseudo header but for the length */
	__u32 room;    /* payload of a piece, but of the last one */
	__u32 bytes;   /* of TCP's header and payload that are in the frame now */
	__u32 seq;     /* of the whole packet */
	__u32 flags;   /* likewise */
	__u32 ifindex; /* where it leaves */
	__u8 tcp[TCP_HEADER_MAX + 4];
	__u8 payload[CUT_PAYLOAD_MAX + CUT_PIECE_MAX + 1];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cutting);
} cuttings SEC(".maps");

static __always_inline struct cutting *cutting(void)
{
	__u32 zero_key = 0;

	return bpf_map_lookup_elem(&cuttings, &zero_key);
}

/* The last bytes of a sum, up to three, as a word: zeros stand for what is missing. */
static __always_inline __u32 cut_sum_end(const struct cutting *c, __u32 at, __u32 bytes)
{
	__u32 i, word = 0;
	__u8 end[4] = {0};

	for (i = 0; i < 3 && i < bytes; i++)
		end[i] = c->payload[(at + i) & CUT_PAYLOAD_MASK];
	__builtin_memcpy(&word, end, sizeof(word));
	return word;
}

/* Sum of the piece of @bytes from @at on. Not static for the verifier's sake, see guard.bpf.h. */
__noinline __u64 cut_sum(__u32 at, __u32 bytes)
{
	struct cutting *c = cutting();
	__u32 i, sum = 0, words = bytes & ~3u;

	if (!c)
		return 0;
	for (i = 0; i < CUT_SUMS && i * CUT_SUM < words; i++) {
		__u32 left = words - i * CUT_SUM, take = left < CUT_SUM ? left : CUT_SUM;
		__u32 from = (at + i * CUT_SUM) & CUT_PAYLOAD_MASK;
		__s64 more;

		asm volatile("" : "+r"(take)); /* its bound is known of this register */
		if (take > CUT_SUM)
			break;
		more = bpf_csum_diff(NULL, 0, (__be32 *)(c->payload + from), take, sum);
		if (more < 0)
			break;
		sum = more;
	}
	return tcpc_csum_add(sum, cut_sum_end(c, at + words, bytes & 3));
}

/* Write the checksum for what is in the frame now. @payload: sum of its payload. Unfinished ones
 * (CHECKSUM_PARTIAL) stay so: they hold the pseudo header's sum, and of what else is in the segment
 * the helper tells them nothing. */
static __always_inline int cut_check(struct __sk_buff *skb, struct cutting *c, __u32 bytes,
				     __u32 payload)
{
	__u32 check = c->l4_off + offsetof(struct tcphdr, check), tcp_bytes = c->tcp_bytes;
	__u32 diff = tcpc_csum_diff32(tcpc_htonl(c->bytes), tcpc_htonl(bytes), 0), sum;
	__u16 now;
	__s64 header;

	if (tcp_bytes < sizeof(struct tcphdr) || tcp_bytes > TCP_HEADER_MAX)
		return -1;
	if (bpf_l4_csum_replace(skb, check, 0, diff, BPF_F_PSEUDO_HDR) ||
	    bpf_skb_load_bytes(skb, check, &now, sizeof(now)) ||
	    bpf_skb_load_bytes(skb, c->l4_off, c->tcp, tcp_bytes))
		return -1;
	((struct tcphdr *)c->tcp)->check = 0;
	header = bpf_csum_diff(NULL, 0, (__be32 *)c->tcp, tcp_bytes & ~3u, payload);
	if (header < 0)
		return -1;
	sum = tcpc_csum_add(tcpc_csum_add(header, c->pseudo), tcpc_htonl(bytes));
	return bpf_l4_csum_replace(skb, check, 0, tcpc_csum_add(sum, (__u16)now), 0);
}

/* The length in the IP header. */
static __always_inline int cut_length(struct __sk_buff *skb, const struct cutting *c, __u32 bytes)
{
	__u32 v6 = c->family == 6;
	__u32 l3 = c->l3_off,
	      headers = v6 ? c->l4_off - l3 - sizeof(struct ipv6hdr) : c->l4_off - l3;
	__be16 was = tcpc_htons(headers + c->bytes), now = tcpc_htons(headers + bytes);

	if (v6)
		return bpf_skb_store_bytes(skb, l3 + offsetof(struct ipv6hdr, payload_len), &now,
					   sizeof(now), 0);
	if (bpf_l3_csum_replace(skb, l3 + offsetof(struct iphdr, check), was, now, sizeof(now)))
		return -1;
	return bpf_skb_store_bytes(skb, l3 + offsetof(struct iphdr, tot_len), &now, sizeof(now), 0);
}

/* Pieces of a packet have one number between them, and GRO makes one of those that have DF as well
 * (RFC 6864: then the number means nothing). No router sees the flag, and so tells no client. */
static __always_inline int cut_atomic(struct __sk_buff *skb, const struct cutting *c)
{
	__u32 check = c->l3_off + offsetof(struct iphdr, check);
	__u32 at = c->l3_off + offsetof(struct iphdr, id);
	__be32 was, now = tcpc_htonl(IP_DF);

	if (bpf_skb_load_bytes(skb, at, &was, sizeof(was)) ||
	    bpf_l3_csum_replace(skb, check, was, now, sizeof(now)))
		return -1;
	return bpf_skb_store_bytes(skb, at, &now, sizeof(now), 0);
}

/* Number and flags of the piece that begins at @at. */
static __always_inline int cut_header(struct __sk_buff *skb, const struct cutting *c, __u32 at,
				      __u32 last)
{
	__u32 l4 = c->l4_off, skipped = at ? at + !!(c->flags & TCPC_TCP_SYN) : 0;
	__be32 seq = tcpc_htonl(c->seq + skipped);
	__u8 flags = c->flags;
	__u16 none = 0;

	if (at) /* the urgent pointer counts from the packet's own beginning */
		flags &= ~(TCPC_TCP_SYN | TCPC_TCP_CWR | TCPC_TCP_URG);
	if (!last)
		flags &= ~(TCPC_TCP_FIN | TCPC_TCP_PSH);
	if (at && c->flags & TCPC_TCP_URG &&
	    bpf_skb_store_bytes(skb, l4 + offsetof(struct tcphdr, urg_ptr), &none, sizeof(none), 0))
		return -1;
	if (bpf_skb_store_bytes(skb, l4 + offsetof(struct tcphdr, seq), &seq, sizeof(seq), 0))
		return -1;
	return bpf_skb_store_bytes(skb, l4 + TCPC_TCP_FLAGS_OFF, &flags, sizeof(flags), 0);
}

/* Make the frame the piece of @bytes from @at on. Sums of devices (CHECKSUM_COMPLETE) need not be
 * kept right: they end where a tunnel begins. */
__noinline int cut_piece(struct __sk_buff *skb, __u32 at, __u32 bytes, __u32 last)
{
	struct cutting *c = cutting();
	__u32 l4_bytes, off;

	if (!c || !bytes || bytes > CUT_PIECE_MAX)
		return -1;
	l4_bytes = c->tcp_bytes + bytes;
	off = c->l4_off + c->tcp_bytes;
	asm volatile("" : "+r"(bytes)); /* its bound is known of this register */
	if (bytes > CUT_PIECE_MAX)
		return -1;
	if (at && bpf_skb_store_bytes(skb, off, c->payload + (at & CUT_PAYLOAD_MASK), bytes, 0))
		return -1;
	if (l4_bytes != c->bytes && bpf_skb_change_tail(skb, c->l4_off + l4_bytes, 0))
		return -1;
	if (!at && c->family == 4 && cut_atomic(skb, c))
		return -1;
	if (cut_header(skb, c, at, last) || cut_length(skb, c, l4_bytes) ||
	    cut_check(skb, c, l4_bytes, cut_sum(at, bytes)))
		return -1;
	c->bytes = l4_bytes;
	return 0;
}

/* Put the payload aside. @bytes: of it. */
static __always_inline int cut_load(struct __sk_buff *skb, struct cutting *c, __u32 bytes)
{
	asm volatile("" : "+r"(bytes));
	if (!bytes || bytes > CUT_PAYLOAD_MAX)
		return -1;
	return bpf_skb_load_bytes(skb, c->l4_off + c->tcp_bytes, c->payload, bytes);
}

/* Send all pieces but the last: that is in @skb afterwards. What fails is lost like any other copy
 * on the way: the ledger sends it again. Returns 0, or -1: nothing is left to be sent. */
__noinline int cut_up(struct __sk_buff *skb)
{
	struct cutting *c = cutting();
	__u32 at = 0, i, payload;

	if (!c)
		return -1;
	payload = c->bytes - c->tcp_bytes;
	if (cut_load(skb, c, payload))
		return -1;
	for (i = 0; i < CUT_PIECES; i++) {
		__u32 left = payload - at, last = left <= c->room;
		__u32 bytes = last ? left : c->room;

		if (cut_piece(skb, at, bytes, last))
			return -1;
		if (last)
			return 0;
		if ((int)bpf_clone_redirect(skb, c->ifindex, 0) < 0)
			return -1;
		at += bytes;
	}
	return -1;
}

/* How much of @payload a piece takes where @most would fit; 0: too many pieces. All are equally
 * long, as far as that can be: the target's GRO makes one packet of what is, and of several. */
static __always_inline __u32 cut_room(__u32 payload, __u32 most)
{
	__u32 n, room = most < CUT_PIECE_MAX ? most : CUT_PIECE_MAX;

	if (!room)
		return 0;
	n = (payload + room - 1) / room;
	return n && n <= CUT_PIECES ? (payload + n - 1) / n : 0;
}

/* What cut_up() shall do with @pkt, which is rewritten; its IP header is at @l3_off now. */
static __always_inline int cut_begin(const struct tcpc_pkt *pkt, __u32 l3_off,
				     const struct tcpc_target *target)
{
	__u32 headers = pkt->l4_off - pkt->l3_off + pkt->tcp_bytes;
	struct cutting *c = cutting();
	int i;

	if (!c)
		return -1;
	c->l3_off = l3_off;
	c->l4_off = l3_off + pkt->l4_off - pkt->l3_off;
	c->tcp_bytes = pkt->tcp_bytes;
	c->family = pkt->family;
	c->room = cut_room(pkt->payload_bytes, target->mtu - headers);
	c->bytes = pkt->tcp_bytes + pkt->payload_bytes;
	c->seq = pkt->seq;
	c->flags = pkt->flags;
	c->ifindex = target->ifindex;
	c->pseudo = tcpc_htons(IPPROTO_TCP);
	/* The prefix of mapped IPv4 addresses may take part: 0xffff is a zero of one's complement.
	 */
	for (i = 0; i < 4; i++)
		c->pseudo =
			tcpc_csum_add(tcpc_csum_add(c->pseudo, pkt->saddr.w[i]), target->addr.w[i]);
	return 0;
}

#endif
