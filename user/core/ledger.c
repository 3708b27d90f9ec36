// SPDX-License-Identifier: GPL-2.0-only
/* ledger.c - see ledger.h. What receipts, the hold queue and the daemon say, for an account. */
#include "core/ledger_priv.h"

/* An ACK number can be ahead of its copy when the receipt was read first. By no more than this:
 * what is further away belongs to another connection. */
#define MAX_AHEAD (16u << 20)

/* ---- receipts ---------------------------------------------------------------------------------
 */

static struct tcpc_flow flow_of(const struct tcpc_receipt *r)
{
	return (struct tcpc_flow){.client = r->client,
				  .server = r->server,
				  .client_port = r->client_port,
				  .server_port = r->server_port};
}

static void stray(struct tcpc_ledger *l)
{
	l->stats.stray_receipts++;
}

/*
 * A RST that acknowledges must fit. One that does not answers a packet with an ACK number, never a
 * SYN: while that is on the way it speaks of the connection before. And such a one does not tell
 * that the connection has gone, unless the target has closed it: Linux before 6.19 may miss a
 * socket in its table at the moment when it takes its request's place, and answers an ACK by a RST
 * though all is well. Behind the client's own reset it answers the ACK that its last words were
 * given: how far the client was read comes by another way, and may come later.
 */
static bool is_our_reset(const struct ledger_account *a, const struct tcpc_receipt *r)
{
	/* In mid-stream, what we have ended ourselves at the target before. */
	if ((r->flags & TCPC_TCP_ACK) && r->ack == a->una && a->state == LEDGER_PROBE && !a->tries)
		return false;
	if (r->flags & TCPC_TCP_ACK)
		return r->ack - a->una <= a->nxt - a->una;
	if (a->head && (a->head->flags & LEDGER_PIECE_SYN))
		return false;
	if (a->state == LEDGER_ABORTED)
		return false;
	return (a->state != LEDGER_OPEN && a->state != LEDGER_PROBE) || a->flags & LEDGER_SAID_FIN;
}

static void receipt_rst(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns,
			const struct tcpc_receipt *r)
{
	static const enum tcpc_ledger_reason reasons[] = {
		[LEDGER_OPEN] = TCPC_LEDGER_LOST_reset,
		[LEDGER_PROBE] = TCPC_LEDGER_LOST_reset,
		[LEDGER_ABORTED] = TCPC_LEDGER_LOST_aborted,
		/* By the SYN of its successor, most likely. */
		[LEDGER_REPLACED] = TCPC_LEDGER_LOST_replaced,
	};
	bool old = a->state == LEDGER_REPLACED;
	bool goes_on = a->flags & LEDGER_GOES_ON; /* its successor's SYN has not left */

	if (a->state == LEDGER_BROKEN || !is_our_reset(a, r)) {
		stray(l);
		return;
	}
	if (a->state == LEDGER_CLOSED)
		return;
	if ((r->flags & TCPC_TCP_ACK) && r->ack != a->una)
		ledger_acknowledge(l, a, now_ns, r->ack);
	ledger_lose(l, a, now_ns, goes_on ? TCPC_LEDGER_LOST_reset : reasons[a->state]);
	if (old)
		ledger_close(l, a);
	else
		ledger_await(l, a, now_ns);
}

/* Blocks below what is acknowledged (RFC 2883) and nonsense fall out here. */
static void mark_sacks(struct tcpc_ledger *l, struct ledger_account *a,
		       const struct tcpc_receipt *r)
{
	for (int i = 0; i < r->n_sack && i < TCPC_MAX_SACK; i++) {
		__u32 left = r->sack[2 * i], right = r->sack[2 * i + 1];

		if (tcpc_seq_lt(a->una, left) && tcpc_seq_lt(left, right) &&
		    tcpc_seq_leq(right, a->nxt))
			ledger_mark(l, a, left, right, LEDGER_PIECE_SACKED);
	}
}

/* RFC 5681, 2. */
static void count_dup_ack(struct ledger_account *a, const struct tcpc_receipt *r, bool advanced)
{
	bool dup = !advanced && a->head && !r->payload_bytes && r->window == a->window &&
		   !(r->flags & (TCPC_TCP_SYN | TCPC_TCP_FIN));

	if (dup && a->dup_acks < 255)
		a->dup_acks++;
	a->window = r->window;
}

/* An ACK number that is behind @a's beginning: what the target waits for was copied before, and is
 * gone. A receipt may be old, so the packets sent since must have had time to be answered. */
static void receipt_behind(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns)
{
	if (a->state == LEDGER_PROBE && a->tries)
		ledger_give_up_probe(l, a, now_ns);
}

static void after_receipt(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns)
{
	if (a->state == LEDGER_REPLACED && !a->head) {
		ledger_close(l, a);
		return;
	}
	if (a->state == LEDGER_ABORTED)
		ledger_mend_aborted(l, a, now_ns);
	else if (a->n_sacked || a->dup_acks || a->timeout_ns)
		ledger_mend(l, a, now_ns);
	ledger_maybe_close(a, now_ns);
	ledger_await(l, a, now_ns);
}

/* The target's SYN acknowledges what stands just before its half of the connection. If that is
 * data, then it took the connection up in the middle, and never had what it skips. */
static void acknowledge(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns,
			const struct tcpc_receipt *r, __u32 ack)
{
	const struct ledger_piece *p = a->head;

	if ((r->flags & TCPC_TCP_SYN) && p && !((p->flags & LEDGER_PIECE_SYN) && p->end == ack))
		ledger_skip(l, a, ack, a->why);
	ledger_acknowledge(l, a, now_ns, ack);
}

static void receipt_ack(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns,
			const struct tcpc_receipt *r)
{
	bool advanced = tcpc_seq_lt(a->una, r->ack);
	__u32 ack = r->ack;

	if (tcpc_seq_lt(ack, a->una)) {
		receipt_behind(l, a, now_ns);
		return;
	}
	if (tcpc_seq_lt(a->nxt, ack)) {
		if (ack - a->nxt > MAX_AHEAD) {
			stray(l);
			return;
		}
		a->ahead = ack;
		a->flags |= LEDGER_IS_AHEAD;
		ack = a->nxt;
	}
	/* In mid-stream an ACK of nothing new may be the old connection's. */
	if (a->state == LEDGER_PROBE && (advanced || a->tries || (r->flags & TCPC_TCP_SYN)))
		ledger_set_state(a, LEDGER_OPEN, now_ns);
	if (tcpc_seq_lt(a->una, ack))
		acknowledge(l, a, now_ns, r, ack);
	mark_sacks(l, a, r);
	count_dup_ack(a, r, advanced);
	after_receipt(l, a, now_ns);
}

void tcpc_ledger_receipt(struct tcpc_ledger *l, __u64 now_ns, const struct tcpc_receipt *r)
{
	struct tcpc_flow flow = flow_of(r);
	struct ledger_account *a = r->flags & TCPC_TCP_ACK ? ledger_find_at(l, &flow, r->ack)
							   : ledger_current(l, &flow);

	l->stats.receipts++;
	ledger_heard(l, now_ns);
	if (!a || !(r->flags & (TCPC_TCP_ACK | TCPC_TCP_RST))) {
		stray(l);
		return;
	}
	ledger_touch(l, a, now_ns);
	a->heard_ns = now_ns;
	if (r->flags & TCPC_TCP_SYN)
		a->flags &= ~LEDGER_SAID_FIN;
	else if (r->flags & TCPC_TCP_FIN)
		a->flags |= LEDGER_SAID_FIN;
	if (r->flags & TCPC_TCP_RST) {
		receipt_rst(l, a, now_ns, r);
	} else if (a->state == LEDGER_BROKEN && (r->flags & TCPC_TCP_SYN)) {
		/* It has taken the connection up, with a packet that was given up meanwhile. */
		ledger_set_state(a, LEDGER_PROBE, now_ns);
	} else if (a->state == LEDGER_BROKEN) {
		stray(l);
	} else if (a->state != LEDGER_CLOSED) {
		receipt_ack(l, a, now_ns, r);
	}
	ledger_catch_up(l, now_ns);
}

/* ---- the hold queue's word --------------------------------------------------------------------
 */

void tcpc_ledger_taken(struct tcpc_ledger *l, __u64 now_ns, const struct tcpc_flow *flow, __u32 seq,
		       __u32 end)
{
	struct ledger_account *a = ledger_find_at(l, flow, seq);

	l->stats.receipts++;
	ledger_heard(l, now_ns);
	if (!a || a->state == LEDGER_BROKEN) {
		stray(l);
		return;
	}
	ledger_touch(l, a, now_ns);
	if (a->rst && seq == end && seq == a->rst_seq)
		ledger_drop_rst(l, a);
	if (ledger_mark(l, a, seq, end, LEDGER_PIECE_HELD)) {
		a->tries = 0;
		ledger_moved(l, a, now_ns);
		ledger_look_before_held(a, now_ns);
	}
	if (a->state == LEDGER_ABORTED)
		ledger_mend_aborted(l, a, now_ns);
	ledger_await(l, a, now_ns);
	ledger_catch_up(l, now_ns);
}

/* The number behind the last that is held, which has been told before. Without any: behind all. */
static __u32 end_of_held(const struct ledger_account *a)
{
	__u32 end = a->n_held ? a->una : a->nxt;

	for (const struct ledger_piece *p = a->head; p; p = p->next)
		if (p->flags & LEDGER_PIECE_HELD)
			end = p->end;
	return end;
}

/* What left after that is not lost with it: it may open the connection anew, like any request. But
 * what begins in the middle of one is of no use. */
static void shed_held(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns)
{
	__u32 end = end_of_held(a), exchange = 0;

	if (a->state == LEDGER_ABORTED || !a->n_held) {
		ledger_lose(l, a, now_ns, TCPC_LEDGER_LOST_too_slow);
		return;
	}
	for (const struct ledger_piece *p = a->head; p; p = p->next) {
		if (tcpc_seq_lt(p->seq, end))
			exchange = p->exchange;
		else if (p->exchange == exchange)
			end = p->end;
	}
	ledger_skip(l, a, end, TCPC_LEDGER_LOST_too_slow);
	if (!a->in_flight) {
		ledger_lose(l, a, now_ns, TCPC_LEDGER_LOST_too_slow);
		return;
	}
	ledger_probe(a, now_ns, TCPC_LEDGER_LOST_too_slow);
}

void tcpc_ledger_shed(struct tcpc_ledger *l, __u64 now_ns, const struct tcpc_flow *flow,
		      enum tcpc_ledger_reason reason)
{
	struct ledger_account *a = ledger_current(l, flow), *older;

	l->stats.receipts++;
	if (!a) {
		stray(l);
		return;
	}
	/* What was queued of the connection before went with it. */
	older = ledger_older(a);
	if (older) {
		ledger_lose(l, older, now_ns, reason);
		ledger_close(l, older);
	}
	if (a->state == LEDGER_CLOSED)
		return;
	if (reason == TCPC_LEDGER_LOST_too_slow)
		shed_held(l, a, now_ns);
	else
		ledger_lose(l, a, now_ns, reason);
	ledger_await(l, a, now_ns);
}

/* ---- the daemon's word ------------------------------------------------------------------------
 */

static __u64 give_up_retained(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns)
{
	__u64 bytes = a ? ledger_unkeep(l, a) : 0;

	if (bytes)
		return bytes;
	bytes = a ? a->retained : 0;
	if (!bytes)
		return 0;
	ledger_give_up(l, a, now_ns, TCPC_LEDGER_LOST_retention);
	ledger_await(l, a, now_ns);
	return bytes;
}

__u64 tcpc_ledger_give_up(struct tcpc_ledger *l, __u64 now_ns, const struct tcpc_flow *flow)
{
	return give_up_retained(l, ledger_find(l, flow), now_ns);
}

static bool keeps_old(const struct ledger_account *a, __u64 newest)
{
	if (a->rst && a->rst->record <= newest)
		return true;
	for (const struct ledger_piece *p = a->head; p; p = p->next)
		if (p->record && p->record->record <= newest)
			return true;
	return false;
}

__u64 tcpc_ledger_give_up_largest(struct tcpc_ledger *l, __u64 now_ns, __u64 newest)
{
	__u64 bytes = ledger_thin_largest(l);
	struct ledger_account *a;

	if (bytes)
		return bytes;
	a = ledger_largest(l);
	return a && keeps_old(a, newest) ? give_up_retained(l, a, now_ns) : 0;
}

void tcpc_ledger_paused(struct tcpc_ledger *l, __u64 now_ns)
{
	if (l->paused)
		return;
	l->paused = true;
	l->paused_ns = now_ns;
	ledger_link_is_lost(l, now_ns);
}

void tcpc_ledger_resumed(struct tcpc_ledger *l, __u64 now_ns)
{
	if (!l->paused)
		return;
	l->paused = false;
	l->resumed_ns = now_ns;
}

bool tcpc_ledger_is_paused(const struct tcpc_ledger *l)
{
	return l->paused;
}
