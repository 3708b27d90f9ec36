/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * adopt.bpf.h - connections that the target does not have, or has in the way.
 *
 * Both are mended by another pass: the packet is cloned back to this ingress, and turned itself
 * into what must come first - a SYN that opens the connection, or an RST that ends the old one.
 * The clone, marked, then finds what it needs. Part of target.bpf.c.
 */
#ifndef TCPCOPY_BPF_ADOPT_H
#define TCPCOPY_BPF_ADOPT_H

#include "connection.bpf.h"
#include "hold.bpf.h"
#include "target_maps.bpf.h"
#include "tcpcopy/marks.h"
#include "tcpcopy/reflect.h"

/* How often has align seen this packet? Each mark allows less than the one before, so nothing can
 * go round for ever. */
enum pass {
	PASS_FIRST,
	PASS_HELD,  /* back from the hold queue: not held again */
	PASS_AGAIN, /* after the reset of an old connection: may still open a new one */
	PASS_LAST,  /* after its SYN */
	PASS_TEXT,  /* a SYN whose data is to be taken by itself */
};

/* Read and clear the mark. */
static __always_inline enum pass pass_of(struct __sk_buff *skb)
{
	__u32 mark = skb->mark;

	if (!tcpc_mark_is_ours(mark))
		return PASS_FIRST;
	skb->mark = 0;
	if (mark == TCPC_TEXT_MARK)
		return PASS_TEXT;
	return mark == TCPC_HOLD_MARK	 ? PASS_HELD
	       : mark == TCPC_AGAIN_MARK ? PASS_AGAIN
					 : PASS_LAST;
}

/* The SYN of an adopted connection: what nearly every client offers. A window scale that is too
 * large harms nobody: the announced window never is the bound. */
#define ADOPT_MSS 1460
#define ADOPT_WSCALE 7

struct adopt_syn {
	struct tcphdr tcp;
	__u8 options[12];
};

static __always_inline int clone_for_another_pass(struct __sk_buff *skb, __u32 mark)
{
	int r;

	skb->mark = mark;
	r = bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS);
	skb->mark = 0;
	return r;
}

/* A SYN that was sent again because the word that it had arrived was late: the connection has had
 * requests since, and must not have them once more. */
static __always_inline int is_spent_syn(const struct tcpc_pkt *pkt)
{
	struct tcpc_exchange *x = exchange_of(pkt);

	return x && x->exchanges && x->syn_seq == pkt->seq;
}

/* Does an older connection from the same port keep this SYN from opening one? */
static __always_inline int stands_in_way(const struct tcpc_pkt *pkt, const struct connection *conn)
{
	if (is_spent_syn(pkt))
		return 0;
	switch (conn->state) {
	case CONN_OPENING: /* the same SYN again is answered by the stack */
		return pkt->seq + 1 != conn->rcv_nxt;
	case CONN_CLOSING: /* TIME_WAIT takes a later one by itself (RFC 9293, 3.6.1) */
		return conn->fin_wait || !tcpc_seq_lt(conn->rcv_nxt, pkt->seq);
	case CONN_OPEN: {
		struct tcpc_exchange *x = exchange_of(pkt);

		return !x || x->syn_seq != pkt->seq;
	}
	default:
		return 0;
	}
}

/* The packet becomes a reset. It must stand exactly at rcv_nxt (RFC 5961, 3.2). */
static __always_inline int become_reset(struct __sk_buff *skb, const struct tcpc_pkt *pkt,
					const struct connection *conn)
{
	__u32 check = pkt->l4_off + offsetof(struct tcphdr, check);
	__be32 seq = tcpc_htonl(conn->rcv_nxt);
	__be16 from, to;
	__u32 diff;

	if (bpf_skb_load_bytes(skb, pkt->l4_off + 12, &from, sizeof(from)))
		return -1;
	to = (from & ~tcpc_htons(0x1ff)) | tcpc_htons(TCPC_TCP_RST);
	diff = tcpc_csum_diff32(tcpc_htonl(pkt->seq), seq, 0);
	diff = tcpc_csum_diff16(from, to, diff);
	if (bpf_l4_csum_replace(skb, check, 0, diff, 0) ||
	    bpf_skb_store_bytes(skb, pkt->l4_off + offsetof(struct tcphdr, seq), &seq, sizeof(seq),
				0))
		return -1;
	return bpf_skb_store_bytes(skb, pkt->l4_off + 12, &to, sizeof(to), 0) ? -1 : 0;
}

/* The packet becomes the reset that ends the old connection. Its clone comes again. Returns a
 * verdict. */
static __always_inline int end_old(struct __sk_buff *skb, const struct tcpc_pkt *pkt,
				   const struct connection *conn, struct tcpc_target_stats *st)
{
	if (clone_for_another_pass(skb, TCPC_AGAIN_MARK) || become_reset(skb, pkt, conn)) {
		COUNT(st, rewrite_failed);
		return VERDICT_DROP;
	}
	COUNT(st, old_ended);
	return VERDICT_NEXT;
}

/* An HTTP request begins with its method. HTTP/2 cannot be entered in the middle: its header
 * compression has a state. */
static __always_inline int begins_http(struct __sk_buff *skb, const struct tcpc_pkt *pkt)
{
	__be32 word;

	if (bpf_skb_load_bytes(skb, pkt->l4_off + pkt->tcp_bytes, &word, sizeof(word)))
		return 0;
	switch (tcpc_ntohl(word)) {
	case 0x47455420: /* "GET " */
	case 0x504f5354: /* POST */
	case 0x48454144: /* HEAD */
	case 0x50555420: /* "PUT " */
	case 0x44454c45: /* DELE */
	case 0x4f505449: /* OPTI */
	case 0x50415443: /* PATC */
		return 1;
	default:
		return 0;
	}
}

/* How far behind what was seen last a packet can be and still belong to the same connection: what
 * --retain and --hold keep by default, which may come yet. */
#define BEHIND_BYTES (128u << 20)

static __always_inline int is_behind(const struct tcpc_pkt *pkt, const struct tcpc_exchange *x)
{
	return tcpc_seq_lt(pkt->seq, x->request_end) && x->request_end - pkt->seq < BEHIND_BYTES;
}

/* Has the packet come before? Sent again to a connection that has ended here meanwhile, requests
 * must not begin another one: they have been answered. */
static __always_inline int came_before(const struct tcpc_pkt *pkt, const struct tcpc_exchange *x)
{
	return x->exchanges && is_behind(pkt, x);
}

/* How long a SYN that was lost on the way is waited for, in units of `seen`: longer than the ledger
 * takes to send it three times. */
#define SYN_COMES_UNITS 4

/* Is the packet among the first of its connection, so that its SYN is not long past? */
static __always_inline int is_young(const struct tcpc_pkt *pkt)
{
	return pkt->greeting == TCPC_GREETING_YOUNG || tcpc_greeting_is_first(pkt->greeting);
}

/* Will the SYN of this connection still come, and what else was lost with it? To open the
 * connection here would lose all that. What counts is how young the connection was when it was
 * noted: while the SYN is on its way, large requests leave that age within milliseconds. */
static __always_inline int syn_comes(const struct tcpc_exchange *x)
{
	return x->level_at && !x->exchanges && seen_now() - x->level_at < SYN_COMES_UNITS;
}

/* Is what is known of an older connection from this port? */
static __always_inline int is_of_older(const struct tcpc_pkt *pkt, const struct tcpc_exchange *x)
{
	return is_young(pkt) && x->exchanges && pkt->seq - x->syn_seq > TCPC_GREETING_YOUNG_BYTES &&
	       !came_before(pkt, x);
}

/*
 * Does this packet begin a request? It does if its client's ACK number has advanced since the byte
 * just before its first: the client has read an answer in between. So the packet before it must
 * have been seen too. Behind a gap (a new attach, a lost copy) it may be the middle of a body.
 */
static __always_inline int begins_request(struct __sk_buff *skb, const struct tcpc_pkt *pkt,
					  __u32 flags)
{
	struct tcpc_exchange first = {}, *x = exchange_of(pkt);
	struct tcpc_flow flow;
	int begins;

	if (!pkt->payload_bytes || !(pkt->flags & TCPC_TCP_ACK) ||
	    (pkt->flags & (TCPC_TCP_RST | TCPC_TCP_FIN)))
		return 0;
	if (!x || is_of_older(pkt, x)) {
		first.held = x ? x->held : 0;
		first.client_ack = pkt->ack;
		first.seen = seen_now();
		first.request_end = pkt->seq + pkt->payload_bytes;
		first.level_at = is_young(pkt) ? seen_now() : 0; /* for syn_comes() */
		flow_of(pkt, &flow);
		bpf_map_update_elem(&exchanges, &flow, &first, BPF_ANY);
		return 0;
	}
	/* A keep-alive probe repeats the last byte. */
	if (pkt->payload_bytes == 1 && x->request_end == pkt->seq + 1)
		return 0;
	/* Nor does what fills a gap, or comes again, take back what came behind it. */
	if (is_behind(pkt, x))
		return 0;
	begins = x->request_end == pkt->seq && tcpc_seq_lt(x->client_ack, pkt->ack);
	/* Forward or not: what is known may be of an older connection from this port. */
	x->client_ack = pkt->ack;
	x->request_end = pkt->seq + pkt->payload_bytes;
	if (!begins || syn_comes(x))
		return 0;
	return (flags & TCPC_INTERCEPT_ADOPT_ANY) || begins_http(skb, pkt);
}

/* Does the packet belong to a connection whose SYN is still to come, whatever the target has from
 * its port? A connection that is closing there is an older one: it can make nothing of the packet,
 * and what it answered would be taken for an answer to it. */
static __always_inline int awaits_syn(const struct tcpc_pkt *pkt, const struct connection *conn)
{
	struct tcpc_exchange *x = conn->state == CONN_CLOSING ? exchange_of(pkt) : NULL;

	return x && syn_comes(x);
}

/* May a connection be opened for this packet, which finds none? */
static __always_inline int may_adopt(struct __sk_buff *skb, const struct tcpc_pkt *pkt,
				     const struct connection *conn, __u32 flags, enum pass pass)
{
	if (!(flags & TCPC_INTERCEPT_ADOPT) || pass == PASS_LAST)
		return 0;
	if (conn->state != CONN_LISTEN && (conn->state != CONN_CLOSING || pass == PASS_AGAIN))
		return 0;
	return pass == PASS_AGAIN || begins_request(skb, pkt, flags);
}

/* The TCP header of a SYN just before the packet's data. */
static __always_inline void build_syn(const struct tcpc_pkt *pkt, struct adopt_syn *syn)
{
	__builtin_memset(syn, 0, sizeof(*syn));
	syn->tcp.source = pkt->sport;
	syn->tcp.dest = pkt->dport;
	syn->tcp.seq = tcpc_htonl(pkt->seq - 1);
	syn->tcp.doff = sizeof(*syn) / 4;
	syn->tcp.syn = 1;
	syn->tcp.window = tcpc_htons(TCPC_OPEN_WINDOW);
	syn->options[0] = TCPC_OPT_MSS;
	syn->options[1] = 4;
	syn->options[2] = ADOPT_MSS >> 8;
	syn->options[3] = ADOPT_MSS & 0xff;
	syn->options[4] = TCPC_OPT_NOP;
	syn->options[5] = TCPC_OPT_WSCALE;
	syn->options[6] = 3;
	syn->options[7] = ADOPT_WSCALE;
	/* Or holes in what follows would be mended one by one. */
	syn->options[8] = TCPC_OPT_SACK_PERM;
	syn->options[9] = 2;
	syn->options[10] = syn->options[11] = TCPC_OPT_NOP;
	syn->tcp.check = tcpc_csum_fold(
		tcpc_csum_partial(syn, sizeof(*syn), tcpc_pseudo_sum(pkt, sizeof(*syn))));
}

/* Say that @l4_bytes of TCP are left. No sum of the device has to hear of it: the kernel forgets it
 * when a packet's length changes. */
static __always_inline int set_length(struct __sk_buff *skb, const struct tcpc_pkt *pkt,
				      __u32 l4_bytes)
{
	__u32 total = pkt->l4_off - pkt->l3_off + l4_bytes;
	__u32 off = pkt->l3_off + offsetof(struct ipv6hdr, payload_len);
	__be16 from, to = tcpc_htons(total - sizeof(struct ipv6hdr));

	if (pkt->family == 6)
		return bpf_skb_store_bytes(skb, off, &to, sizeof(to), 0);
	off = pkt->l3_off + offsetof(struct iphdr, tot_len);
	to = tcpc_htons(total);
	if (bpf_skb_load_bytes(skb, off, &from, sizeof(from)) ||
	    bpf_l3_csum_replace(skb, pkt->l3_off + offsetof(struct iphdr, check), from, to, 2))
		return -1;
	return bpf_skb_store_bytes(skb, off, &to, sizeof(to), 0);
}

/*
 * Open the connection that the packet belongs to: it becomes the SYN, its clone comes again and
 * finds the request socket. Returns a verdict.
 */
static __always_inline int adopt(struct __sk_buff *skb, const struct tcpc_pkt *pkt, int reopened,
				 struct tcpc_target_stats *st)
{
	struct tcpc_exchange fresh = {}, *old = exchange_of(pkt);
	struct adopt_syn syn;
	struct tcpc_flow flow;

	build_syn(pkt, &syn);
	if (clone_for_another_pass(skb, TCPC_LAST_MARK) ||
	    bpf_skb_change_tail(skb, pkt->l4_off + sizeof(syn), 0) ||
	    set_length(skb, pkt, sizeof(syn)) ||
	    /* This is no small change that mends its own sum: tell the one of the device too. */
	    bpf_skb_store_bytes(skb, pkt->l4_off, &syn, sizeof(syn), BPF_F_RECOMPUTE_CSUM)) {
		COUNT(st, rewrite_failed);
		return VERDICT_DROP;
	}
	if (old)
		fresh.held = old->held;
	fresh.syn_seq = pkt->seq - 1;
	fresh.start_ns = bpf_ktime_get_ns();
	fresh.seen = seen_now();
	flow_of(pkt, &flow);
	bpf_map_update_elem(&exchanges, &flow, &fresh, BPF_ANY);
	if (reopened)
		COUNT(st, reopened);
	else
		COUNT(st, adopted);
	return VERDICT_NEXT;
}

#endif
