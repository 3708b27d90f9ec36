/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hold.bpf.h - the kernel's half of the hold queue: which packets came too early, the way to the
 * queue's device and back, and what the queue's owner needs to know of the target's answers.
 * Part of target.bpf.c, whose maps it uses. The rule itself stands in tcpcopy/hold.h.
 */
#ifndef TCPCOPY_BPF_HOLD_H
#define TCPCOPY_BPF_HOLD_H

#include "connection.bpf.h"
#include "target_maps.bpf.h"
#include "tcpcopy/hold.h"

#define ETH_SOURCE_OFF 6

/* Keeps the compiler from moving stores past it. */
#define barrier() asm volatile("" ::: "memory")

static __always_inline struct tcpc_exchange *exchange_of(const struct tcpc_pkt *pkt)
{
	struct tcpc_flow flow;

	flow_of(pkt, &flow);
	return bpf_map_lookup_elem(&exchanges, &flow);
}

/* Is the connection's queue not empty? Then everything has to queue up behind. */
static __always_inline int is_held(const struct tcpc_pkt *pkt)
{
	struct tcpc_exchange *x = exchange_of(pkt);

	return x && x->held;
}

/* The same for a SYN. The one that opened this very connection has nothing to wait for: it was sent
 * again because the word that it had come was late, and the stack says so once more. */
static __always_inline int is_syn_held(const struct tcpc_pkt *pkt)
{
	struct tcpc_exchange *x = exchange_of(pkt);

	return x && x->held && x->syn_seq != pkt->seq;
}

/* Has the target not given the answer yet that the client had read, or not greeted? */
static __always_inline int is_early(const struct tcpc_pkt *pkt, const struct connection *conn,
				    const struct tcpc_exchange *x)
{
	__u32 expected = tcpc_hold_awaited(x, pkt->ack, pkt->flags, pkt->greeting);
	__u32 got = tcpc_hold_got(x, conn->snd_nxt);
	int idle = !conn->unread && !conn->unsent;

	if (!x->exchanges && !expected)
		return 0;
	/* Nothing can have been sent yet. The request that completes the handshake may be in the
	 * same batch of packets as the end behind it. */
	if (conn->state == CONN_OPENING)
		return expected || tcpc_hold_is_closing(pkt->flags, pkt->payload_bytes);
	if (tcpc_hold_is_closing(pkt->flags, pkt->payload_bytes))
		return !tcpc_hold_may_close(got, expected, idle, x->answer_flags & TCPC_TCP_FIN);
	return expected && !tcpc_hold_answered(got, expected, idle) &&
	       !tcpc_hold_answered_in_all(x, conn->snd_nxt, idle, pkt->seq, pkt->ack);
}

/* Data that was let through before is no request, though its client may have read an answer since:
 * it was sent again, or is a keep-alive probe that repeats the last byte (RFC 9293, 3.8.4). */
static __always_inline int is_old(const struct tcpc_pkt *pkt, const struct tcpc_exchange *x)
{
	return (x->exchanges || x->request_end) && pkt->payload_bytes &&
	       !(pkt->flags & (TCPC_TCP_FIN | TCPC_TCP_RST)) &&
	       tcpc_seq_leq(pkt->seq + pkt->payload_bytes, tcpc_hold_in_order(x, pkt->seq));
}

/* Up to where has all come? What was let through last may not have reached the socket yet; whether
 * what was missing has come, the socket knows best. */
static __always_inline __u32 in_order(const struct tcpc_pkt *pkt, const struct connection *conn,
				      const struct tcpc_exchange *x)
{
	__u32 end = tcpc_hold_in_order(x, pkt->seq);

	if (tcpc_seq_lt(end, pkt->seq) && tcpc_seq_leq(pkt->seq, conn->rcv_nxt))
		return conn->rcv_nxt;
	return end;
}

/* Does it stand in front of all that waits? It was lost on the way and is sent again: behind the
 * queue it would wait for an answer that cannot come without it. */
static __always_inline int fills_gap(const struct tcpc_pkt *pkt, const struct connection *conn,
				     const struct tcpc_exchange *x)
{
	return conn->state >= CONN_OPENING && pkt->payload_bytes && !(pkt->flags & TCPC_TCP_RST) &&
	       tcpc_seq_leq(pkt->seq, in_order(pkt, conn, x)) &&
	       tcpc_seq_lt(conn->rcv_nxt, pkt->seq + pkt->payload_bytes);
}

/* Was something before it lost, that it must not overtake? */
static __always_inline int is_behind_gap(const struct tcpc_pkt *pkt, const struct connection *conn,
					 const struct tcpc_exchange *x)
{
	return tcpc_seq_lt(in_order(pkt, conn, x), pkt->seq) &&
	       tcpc_hold_needs_all(x, pkt->ack, pkt->flags, pkt->payload_bytes);
}

/* Did this packet come before the target was ready for it? */
static __always_inline int must_hold(const struct tcpc_pkt *pkt, const struct connection *conn,
				     struct tcpc_target_stats *st)
{
	struct tcpc_exchange *x = exchange_of(pkt);

	if (!x)
		return 0;
	if (x->held && !fills_gap(pkt, conn, x))
		return 1;
	if (conn->state < CONN_OPENING)
		return 0;
	if (conn->state == CONN_OPEN && pkt->payload_bytes &&
	    tcpc_seq_lt(conn->window_end, pkt->seq + pkt->payload_bytes)) {
		COUNT(st, held_window);
		return 1;
	}
	if (is_behind_gap(pkt, conn, x)) {
		COUNT(st, held_gap);
		return 1;
	}
	if (is_old(pkt, x) || !is_early(pkt, conn, x))
		return 0;
	if (!x->exchanges)
		COUNT(st, held_greeting);
	return 1;
}

/* Number the packet and send it to the queue's device. @early: for its connection, not for an
 * answer. */
static __always_inline int divert(struct __sk_buff *skb, const struct tcpc_pkt *pkt,
				  __u32 hold_ifindex, int early, struct tcpc_target_stats *st)
{
	struct tcpc_exchange *x = exchange_of(pkt);
	struct tcpc_hold_tag tag;

	if (!x) {
		/* Evicted this very moment. Unaligned it must not reach the stack. */
		COUNT(st, no_connection);
		return VERDICT_DROP;
	}
	tcpc_hold_tag_write(&tag, __sync_fetch_and_add(&x->held, 1) + 1);
	if (early) {
		tag.magic[1] = TCPC_HOLD_EARLY;
		COUNT(st, held_early);
	}
	if (bpf_skb_store_bytes(skb, ETH_SOURCE_OFF, &tag, sizeof(tag), 0)) {
		COUNT(st, rewrite_failed);
		return VERDICT_DROP;
	}
	COUNT(st, held);
	return bpf_redirect(hold_ifindex, 0);
}

/* A packet is back. If it was the last one in the queue, and none was diverted meanwhile, the
 * connection goes the direct way again. */
static __always_inline void end_hold(struct __sk_buff *skb, const struct tcpc_pkt *pkt)
{
	struct tcpc_exchange *x = exchange_of(pkt);
	struct tcpc_hold_tag tag;
	__u32 number;

	if (!x || bpf_skb_load_bytes(skb, ETH_SOURCE_OFF, &tag, sizeof(tag)))
		return;
	number = tcpc_hold_tag_read(&tag);
	if (number)
		__sync_val_compare_and_swap(&x->held, number, 0);
}

/* Where the target's receive window ends, if the packet belongs to a connection. */
static __always_inline __u32 window_end_of(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct tcp_sock *tcp;

	if (!sk)
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	return tcp ? tcp->rcv_wup + tcp->rcv_wnd : 0;
}

/* The client of this exchange has sent a packet with these flags. */
static __always_inline void note_seen(struct tcpc_exchange *x, __u8 sent)
{
	x->seen = seen_now();
	x->closed |= sent & (TCPC_TCP_FIN | TCPC_TCP_RST);
}

/* The target has no connection for this packet. If it was held, nothing that is held behind it has
 * anything to wait for. */
static __always_inline void note_missed(const struct tcpc_pkt *pkt, int was_held)
{
	struct tcpc_exchange *x = exchange_of(pkt);

	if (!x)
		return;
	note_seen(x, pkt->flags);
	if (was_held)
		x->answer_flags |= TCPC_TCP_RST;
}

/* The queue's owner reads while this writes, end and flags at once: what it sees in between must
 * never look like a whole answer, so PSH goes first and comes last. */
static __always_inline void note_answer_end(struct tcpc_exchange *x, __u32 end, __u32 ack,
					    __u32 flags)
{
	if (!(x->answer_flags & TCPC_TCP_ACK) || tcpc_seq_lt(x->acked, ack))
		x->acked = ack;
	if (x->answer_flags & TCPC_TCP_ACK) {
		if (!tcpc_seq_lt(x->answer_end, end))
			return;
		x->answer_flags = TCPC_TCP_ACK;
	}
	barrier();
	x->answer_ack = ack;
	x->answer_end = end;
	barrier();
	x->answer_flags = TCPC_TCP_ACK | flags;
}

/* What a packet of the target says about its answer. */
struct answer {
	struct tcpc_flow flow;
	__u32 end; /* SEG.SEQ + SEG.LEN */
	__u32 ack;
	__u8 flags;
};

/* A packet of the target is on its way out: how far has it answered? Returns its exchange. */
static __always_inline struct tcpc_exchange *note_answer(struct __sk_buff *skb,
							 const struct answer *answer)
{
	struct tcpc_exchange *x = bpf_map_lookup_elem(&exchanges, &answer->flow);
	__u32 window_end;

	if (!x)
		return NULL;
	/* Without an ACK number it answers a packet for which no socket was found. That tells
	 * nothing of a connection that the target has not closed: see is_our_reset() in
	 * core/ledger.c. */
	if (answer->flags & TCPC_TCP_RST) {
		if (answer->flags & TCPC_TCP_ACK || x->answer_flags & TCPC_TCP_FIN)
			x->answer_flags |= TCPC_TCP_RST;
		return x;
	}
	if ((answer->flags & TCPC_TCP_SYN) && !x->exchanges)
		x->snd_nxt = answer->end; /* the greeting begins here */
	note_answer_end(x, answer->end, answer->ack, answer->flags & (TCPC_TCP_PSH | TCPC_TCP_FIN));
	window_end = window_end_of(skb);
	if (window_end)
		x->window_end = window_end;
	return x;
}

/* TC ingress of the queue's device: what the daemon writes back goes to the real interface, marked
 * so that align lets it through. */
SEC("tc")
int hold_return(struct __sk_buff *skb)
{
	__u32 device = skb->ifindex;
	__u32 *real = bpf_map_lookup_elem(&hold_devices, &device);

	if (!real)
		return VERDICT_DROP;
	skb->mark = TCPC_HOLD_MARK;
	return bpf_redirect(*real, BPF_F_INGRESS);
}

#endif
