/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * opening.bpf.h - the first bytes of a connection, where the target has not opened it yet: they
 * came before the handshake was done, its accept queue is full, or it has dropped the SYN. The
 * client was served by the online host and sends none of this again. Part of target.bpf.c.
 */
#ifndef TCPCOPY_BPF_OPENING_H
#define TCPCOPY_BPF_OPENING_H

#include "adopt.bpf.h"
#include "rewrite.bpf.h"

/* A SYN that was not taken by then is not going to be: it was dropped. (Until then it may be in the
 * same batch of packets, or the answer to a SYN cookie may be on its way through the queue.) */
#define OPENING_NS 20000000ULL

/* What is to be done with a packet for a connection that is not open. */
enum opening {
	OPENING_READY, /* nothing: it may go on */
	OPENING_EARLY, /* wait */
	OPENING_AGAIN, /* make the SYN anew */
};

/* Only a listener is there, but a SYN was seen and nothing since. */
static __always_inline enum opening opening_at_listener(const struct tcpc_pkt *pkt,
							const struct tcpc_exchange *x,
							const struct connection *conn,
							enum pass pass)
{
	int young = bpf_ktime_get_ns() - x->start_ns < OPENING_NS;

	if (!x->start_ns || !tcpc_seq_lt(x->syn_seq, pkt->seq))
		return OPENING_READY;
	if (young || conn->room < 0)
		return OPENING_EARLY;
	/* The first byte of a connection begins a request, whatever the protocol. */
	if (pkt->seq == x->syn_seq + 1 && pkt->payload_bytes && pass < PASS_LAST)
		return OPENING_AGAIN;
	return x->held && pass == PASS_FIRST ? OPENING_EARLY : OPENING_READY;
}

/* Without ACK: a segment that split_syn() has made. On its first pass it is nothing that TCP would
 * take (RFC 9293, 3.10.7.4). */
static __always_inline int is_mute(const struct tcpc_pkt *pkt)
{
	return !(pkt->flags & (TCPC_TCP_ACK | TCPC_TCP_RST));
}

/* A client's first words whose SYN was lost on the way, or comes behind. What is known of the port
 * is nothing, or of an older connection. */
static __always_inline int lacks_syn(const struct tcpc_pkt *pkt, const struct tcpc_exchange *x,
				     enum pass pass)
{
	return tcpc_greeting_is_first(pkt->greeting) && pkt->payload_bytes && pass < PASS_LAST &&
	       !(pkt->flags & (TCPC_TCP_RST | TCPC_TCP_SYN)) &&
	       (!x || (!x->held && x->syn_seq != pkt->seq - 1 && !came_before(pkt, x)));
}

/*
 * A full accept queue makes the target drop what would complete the handshake, data included, and a
 * SYN. A packet just from the network may be one of a batch of which none is delivered yet: it
 * needs more room than one that comes alone.
 */
static __always_inline enum opening opening_of(const struct tcpc_pkt *pkt,
					       const struct connection *conn, enum pass pass)
{
	struct tcpc_exchange *x = exchange_of(pkt);

	if (conn->state == CONN_LISTEN && lacks_syn(pkt, x, pass))
		return OPENING_AGAIN;
	if (!x || x->exchanges || (pkt->flags & TCPC_TCP_RST) ||
	    (pass == PASS_FIRST && is_mute(pkt)))
		return OPENING_READY;
	if (conn->state == CONN_LISTEN)
		return opening_at_listener(pkt, x, conn, pass);
	if (conn->state != CONN_OPENING)
		return OPENING_READY;
	if (pass == PASS_FIRST ? conn->nearly_full : conn->room < 0)
		return OPENING_EARLY;
	return OPENING_READY;
}

/* Without a hold queue nothing can wait. A SYN cookie needs no waiting: the data completes the
 * handshake itself, with the ACK number that the target's SYN-ACK asked for. */
static __always_inline enum opening opening_at_once(const struct tcpc_pkt *pkt,
						    struct connection *conn, enum pass pass)
{
	struct tcpc_exchange *x = exchange_of(pkt);

	if (conn->state == CONN_LISTEN && lacks_syn(pkt, x, pass))
		return OPENING_AGAIN;
	if (conn->state != CONN_LISTEN || !x || !x->start_ns || x->exchanges ||
	    pkt->seq != x->syn_seq + 1 || !pkt->payload_bytes)
		return OPENING_READY;
	if (conn->room >= 0 && (x->answer_flags & TCPC_TCP_ACK)) {
		conn->snd_nxt = x->answer_end;
		conn->state = CONN_OPENING;
		return OPENING_READY;
	}
	return pass < PASS_LAST ? OPENING_AGAIN : OPENING_READY;
}

/*
 * The data of a SYN (RFC 7413; RFC 9293, 3.10.7.4) as a segment of its own: the target does not
 * take it with the SYN, and the client, whose online host may have, need not send it again. It has
 * no ACK flag until it is let through: its client has said nothing yet of what it has read.
 */
static __always_inline int split_syn(struct __sk_buff *skb, struct tcpc_pkt *pkt)
{
	if (!pkt->payload_bytes ||
	    change_flags(skb, pkt, WORD_ECN | TCPC_TCP_SYN | TCPC_TCP_FIN, TCPC_TCP_PSH))
		return -1;
	return change_seq(skb, pkt, pkt->seq + 1);
}

#endif
