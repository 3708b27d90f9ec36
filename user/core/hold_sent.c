// SPDX-License-Identifier: GPL-2.0-only
/*
 * hold_sent.c - what has left the queue and is not acknowledged. The online host was told that it
 * waits here, and keeps it no more, so nobody else would send it again.
 *
 * TCP drops what it counts on the sender to repeat: a FIN that comes while the server closes the
 * socket (see the comment on FIN_WAIT1 in net/ipv4/tcp_input.c), data that completes a handshake
 * when the accept queue has just become full.
 */
#include <stdlib.h>

#include "core/hold_priv.h"
#include "tcpcopy/hold.h"
#include "tcpcopy/seq.h"

/* An ACK is delayed for 40 ms at most (TCP_DELACK_MIN); most packets are looked at just once. */
#define LOOK_NS (50 * 1000000ULL)
/* The first time it leaves again, and then after twice as long each time: 6 s in all. */
#define AGAIN_NS (200 * 1000000ULL)
#define TRIES 4

/** A packet that was released. */
struct sent {
	struct sent *next;
	struct packet *packet;
	struct tcpc_flow flow;
	__u64 look_ns, again_ns;
	__u32 tries;
};

bool hold_sent_keep(struct tcpc_hold *hold, const struct tcpc_flow *flow, struct packet *p,
		    __u64 now_ns)
{
	struct sent *s;

	/* A SYN is looked after by align; a reset is not acknowledged. */
	if (p->told != HOLD_TOLD || p->flags & (TCPC_TCP_SYN | TCPC_TCP_RST) ||
	    hold->stats.bytes + hold_size(p) > hold->limit_bytes)
		return false;
	s = malloc(sizeof(*s));
	if (!s)
		return false;
	*s = (struct sent){.packet = p, .flow = *flow};
	s->look_ns = now_ns + LOOK_NS;
	s->again_ns = now_ns + AGAIN_NS;
	*hold->sent_tail = s;
	hold->sent_tail = &s->next;
	hold->stats.bytes += hold_size(p);
	return true;
}

/* Take it out of its list. */
static struct sent *take(struct tcpc_hold *hold, struct sent **at)
{
	struct sent *s = *at;

	*at = s->next;
	if (hold->sent_tail == &s->next)
		hold->sent_tail = at;
	return s;
}

static void forget(struct tcpc_hold *hold, struct sent **at)
{
	struct sent *s = take(hold, at);

	hold->stats.bytes -= hold_size(s->packet);
	free(s->packet);
	free(s);
}

static bool is_same(const struct packet *p, const struct packet *q)
{
	return hold_seq(p) == hold_seq(q) &&
	       hold_end_of(p->seq_end, p->flags) == hold_end_of(q->seq_end, q->flags);
}

/* Has it come back, since the target could not open its connection? Then to the front, in the order
 * of bytes, so what begins behind it ends the search: thousands may wait there. */
static bool waits_again(struct tcpc_hold *hold, const struct sent *s)
{
	__u32 end = hold_end_of(s->packet->seq_end, s->packet->flags);
	const struct held *f = *hold_find(hold, &s->flow);
	const struct packet *p = f ? f->head : NULL;

	for (; p && (p->flags & TCPC_TCP_SYN || tcpc_seq_leq(hold_seq(p), end)); p = p->next)
		if (is_same(p, s->packet))
			return true;
	return false;
}

/* Is nothing more to be done? The port may have been used again: then numbers tell nothing. */
static bool is_done(struct tcpc_hold *hold, const struct sent *s)
{
	const struct packet *p = s->packet;
	__u32 end = hold_end_of(p->seq_end, p->flags);
	struct tcpc_exchange x = {};

	if (waits_again(hold, s) || !hold->ops.exchange(hold->user, &s->flow, &x) ||
	    x.answer_flags & TCPC_TCP_RST)
		return true;
	if (x.syn_seq && end - x.syn_seq > HOLD_SAME_CONNECTION)
		return true;
	return x.answer_flags & TCPC_TCP_ACK && tcpc_seq_leq(end, x.acked);
}

bool tcpc_hold_last_ack(const struct tcpc_flow *flow, const struct tcpc_exchange *x,
			struct tcpc_receipt *ret)
{
	if (!(x->answer_flags & TCPC_TCP_ACK))
		return false;
	*ret = (struct tcpc_receipt){
		.client = flow->client,
		.server = flow->server,
		.client_port = flow->client_port,
		.server_port = flow->server_port,
		.seq = x->answer_end,
		.ack = x->acked,
		.flags = TCPC_TCP_ACK,
	};
	return true;
}

static void give_up(struct tcpc_hold *hold, const struct sent *s)
{
	const struct packet *p = s->packet;
	struct held **at = hold_find(hold, &s->flow);
	struct tcpc_hold_last last = {hold_end_of(p->seq_end, p->flags), p->ack};

	hold->stats.shed_unheard++;
	if (*at)
		hold_shed(hold, at);
	else
		hold->ops.shed(hold->user, &s->flow, &last);
}

/* When its time has come. Returns: is it to be forgotten? */
static bool look_after(struct tcpc_hold *hold, struct sent *s, __u64 now_ns)
{
	if (is_done(hold, s))
		return true;
	s->look_ns = s->again_ns;
	if (now_ns < s->again_ns)
		return false;
	if (s->tries == TRIES) {
		give_up(hold, s);
		return true;
	}
	s->look_ns = s->again_ns = now_ns + (AGAIN_NS << ++s->tries);
	if (hold_write(hold, s->packet, 0))
		hold->stats.write_failed++;
	else
		hold->stats.again++;
	return false;
}

/* Of thousands that were released in the last 50 ms only those are touched whose time has come. */
static void look_first(struct tcpc_hold *hold, __u64 now_ns)
{
	while (hold->sent && hold->sent->look_ns <= now_ns) {
		struct sent *s = hold->sent;

		if (look_after(hold, s, now_ns)) {
			forget(hold, &hold->sent);
			continue;
		}
		take(hold, &hold->sent);
		s->next = hold->late;
		hold->late = s;
	}
}

void hold_sent_tick(struct tcpc_hold *hold, __u64 now_ns)
{
	struct sent **at = &hold->late;

	while (*at) {
		struct sent *s = *at;

		if (s->look_ns <= now_ns && look_after(hold, s, now_ns))
			forget(hold, at);
		else
			at = &s->next;
	}
	look_first(hold, now_ns);
}

void hold_sent_drop(struct tcpc_hold *hold, size_t bytes)
{
	while (hold->late && hold->stats.bytes + bytes > hold->limit_bytes)
		forget(hold, &hold->late);
	while (hold->sent && hold->stats.bytes + bytes > hold->limit_bytes)
		forget(hold, &hold->sent);
}
