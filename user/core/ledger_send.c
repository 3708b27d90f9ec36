// SPDX-License-Identifier: GPL-2.0-only
/*
 * ledger_send.c - when to send again, in the spirit of RFC 6298 (timeouts) and RFC 6675 and 8985
 * (holes), and how long an account is waited for. What the target has twice it drops, so in doubt
 * rather once too often, but never more than a burst a round trip.
 */
#include "core/ledger_priv.h"

#include <errno.h>

#define MSS_BYTES 1448u
#define DUP_THRESHOLD 3
/* After an outage, with what was under way before it. */
#define FRONT_TRIES 3
/* How long something that is not kept may be told of later than what is behind it. */
#define UNKEPT_NS (1000 * LEDGER_MS)
/* How often to look for holes before what is held. */
#define LOOK_NS (20 * LEDGER_MS)

/* ---- sending again ----------------------------------------------------------------------------
 */

/* Returns: has it left? */
static bool resend(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns,
		   const struct ledger_record *record, __u32 from, __u32 end, bool begins)
{
	struct tcpc_ledger_resend what = {
		.flow = a->flow,
		.record = record->record,
		.from_seq = from,
		.end_seq = end,
		.may_open = a->state == LEDGER_PROBE,
		.begins = begins,
	};

	int r;

	ledger_touch(l, a, now_ns);
	r = l->ops.resend(l->user, &what);
	if (!r)
		return true;
	l->stats.resend_failed++;
	if (r == -EPERM) { /* what is kept must not be freed here: callers walk over it */
		a->flags |= LEDGER_IS_REFUSED;
		a->look_ns = now_ns;
	}
	return false;
}

/* Did @p, all before which is done, begin an exchange, and wait for the end of an outage? Until the
 * target has shown that it has the connection it may be the first that comes of it. */
static bool begins_late(const struct tcpc_ledger *l, const struct ledger_account *a,
			const struct ledger_piece *p)
{
	return p == a->head && p->seq == a->una && (p->flags & LEDGER_PIECE_KEPT) && a->done &&
	       ledger_payload(p) && p->exchange != a->done && a->moved_ns < l->resumed_ns;
}

/* What is not kept cannot be: it may be on its way still, and the timeouts tell whether it is.
 * If it fails the time is noted as well: the next try comes with the timeout, not at once. */
void ledger_resend_piece(struct tcpc_ledger *l, struct ledger_account *a, struct ledger_piece *p,
			 __u64 now_ns)
{
	bool first = p->flags & LEDGER_PIECE_UNSENT;

	if (!p->record)
		return;
	ledger_unlate(l, a, p);
	p->sent_ns = now_ns;
	if (!first)
		p->flags |= LEDGER_PIECE_TWICE | LEDGER_PIECE_RESENT;
	if (!resend(l, a, now_ns, p->record, p->seq, p->end, begins_late(l, a, p)))
		return;
	if (first) {
		l->stats.late++;
		return;
	}
	a->resent++;
	l->stats.resent++;
	l->stats.resent_bytes += ledger_payload(p);
}

void ledger_resend_rst(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns)
{
	if (!resend(l, a, now_ns, a->rst, a->rst_seq, a->rst_seq, false))
		return;
	a->resent++;
	l->stats.resent++;
}

static void look_at(struct ledger_account *a, __u64 ns)
{
	if (ns < a->look_ns)
		a->look_ns = ns;
}

bool ledger_spend(const struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns, __u32 bytes)
{
	if (!a->budget_ns || now_ns - a->budget_ns >= ledger_burst_ns(l, a)) {
		a->budget_ns = now_ns;
		a->budget = TCPC_LEDGER_BURST_BYTES;
	}
	if (!a->budget) {
		look_at(a, a->budget_ns + ledger_burst_ns(l, a));
		return false;
	}
	a->budget -= bytes < a->budget ? bytes : a->budget;
	return true;
}

/** What the target has beyond the piece that is looked at. */
struct beyond {
	__u32 pieces, bytes;
	__u64 held_ns; /* when the last left that the hold queue has */
	bool first;    /* nothing before it is missing */
};

static struct beyond sum_beyond(const struct ledger_account *a)
{
	struct beyond b = {.pieces = a->n_sacked, .first = true};

	for (const struct ledger_piece *p = a->head; (a->n_sacked || a->n_held) && p; p = p->next) {
		if (p->flags & LEDGER_PIECE_SACKED)
			b.bytes += p->end - p->seq;
		if ((p->flags & LEDGER_PIECE_HELD) && p->sent_ns > b.held_ns)
			b.held_ns = p->sent_ns;
	}
	return b;
}

/* When a word about @p would be here that nothing calls for but the packet itself: an ACK, or the
 * hold queue's. The time for which the link stood still does not count. */
static __u64 settled_ns(const struct tcpc_ledger *l, const struct ledger_account *a,
			const struct ledger_piece *p)
{
	__u64 from = p->sent_ns > l->path.resumed_ns ? p->sent_ns : l->path.resumed_ns;

	return from + ledger_patience_ns(l, a) + LEDGER_DELAYED_NS;
}

/* Has it left before the last timeout, or before what the hold queue has? The latter counts once:
 * if the second copy is lost, too, the timeout has its turn, and its tries end. */
static bool waits_for_word(const struct ledger_account *a, const struct ledger_piece *p,
			   const struct beyond *b)
{
	return p->sent_ns < a->timeout_ns ||
	       (p->sent_ns < b->held_ns && !(p->flags & LEDGER_PIECE_RESENT));
}

/* RFC 6675, IsLost(), and for short flights, which never have three packets behind the hole, time
 * (RFC 8985): a request is mostly one packet. */
static bool is_lost(const struct tcpc_ledger *l, const struct ledger_account *a,
		    const struct ledger_piece *p, const struct beyond *b, __u64 now_ns)
{
	bool three = b->first && a->dup_acks >= DUP_THRESHOLD;
	__u64 late_ns = p->sent_ns + ledger_patience_ns(l, a);

	if (waits_for_word(a, p, b) && now_ns >= settled_ns(l, a, p))
		return true;
	/* That it still is missing, a receipt has to say that knows of the second copy. */
	if (p->flags & LEDGER_PIECE_RESENT)
		return (three || b->pieces) && a->heard_ns >= late_ns;
	return three || b->pieces >= DUP_THRESHOLD || b->bytes >= DUP_THRESHOLD * MSS_BYTES ||
	       (b->pieces && now_ns >= late_ns);
}

/* False: enough for this round trip. */
static bool mend_one(struct tcpc_ledger *l, struct ledger_account *a, struct ledger_piece *p,
		     const struct beyond *b, __u64 now_ns)
{
	if (!is_lost(l, a, p, b, now_ns)) {
		if (b->pieces && !(p->flags & LEDGER_PIECE_RESENT))
			look_at(a, p->sent_ns + ledger_patience_ns(l, a));
		if (waits_for_word(a, p, b))
			look_at(a, settled_ns(l, a, p));
		return true;
	}
	if (!ledger_spend(l, a, now_ns, p->end - p->seq))
		return false;
	ledger_resend_piece(l, a, p, now_ns);
	a->rto_ns = now_ns + ledger_timeout_ns(l, a);
	return true;
}

void ledger_mend(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns)
{
	struct beyond b = sum_beyond(a);

	a->look_ns = LEDGER_NEVER;
	if (l->paused || a->state == LEDGER_PROBE || !ledger_is_active(a))
		return;
	for (struct ledger_piece *p = a->head; p; p = p->next) {
		if (p->flags & LEDGER_PIECE_SACKED) {
			b.pieces--;
			b.bytes -= p->end - p->seq;
			continue;
		}
		if (p->flags & (LEDGER_PIECE_HELD | LEDGER_PIECE_UNSENT))
			continue;
		/* Nothing here nor behind it has been given up. */
		if (!b.pieces && !b.first && p->sent_ns >= a->timeout_ns && p->sent_ns >= b.held_ns)
			return;
		if (p->record && !mend_one(l, a, p, &b, now_ns))
			return;
		b.first = false;
	}
}

void ledger_look_before_held(struct ledger_account *a, __u64 now_ns)
{
	if (a->state == LEDGER_OPEN && ledger_on_the_way(a))
		look_at(a, now_ns + LOOK_NS);
}

/* After its RST a client is silent, and the target has forgotten the connection: sent again, a
 * request could begin a new one there. So nothing is, unless the target shows that it still has
 * the old one: it talks on, or its hold queue has what is behind a hole. That queue does not say
 * so again, so what it waits for is tried again without. */
void ledger_mend_aborted(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns)
{
	__u64 last_ns = a->timeout_ns ? a->timeout_ns : a->since_ns;

	a->look_ns = LEDGER_NEVER;
	if (l->paused || a->tries >= TCPC_LEDGER_TRIES || (!a->rst && !ledger_on_the_way(a)))
		return;
	/* What crossed the RST on the way is no sign. */
	if (now_ns - last_ns < ledger_patience_ns(l, a)) {
		a->look_ns = last_ns + ledger_patience_ns(l, a);
		return;
	}
	a->tries++;
	a->timeout_ns = a->since_ns = now_ns;
	for (struct ledger_piece *p = a->head; p; p = p->next)
		if (p->record && !(p->flags & LEDGER_PIECE_SACKED) &&
		    ledger_spend(l, a, now_ns, p->end - p->seq))
			ledger_resend_piece(l, a, p, now_ns);
	if (a->rst)
		ledger_resend_rst(l, a, now_ns);
	if (a->n_held && ledger_on_the_way(a))
		a->look_ns = now_ns + ledger_timeout_ns(l, a);
}

void ledger_reset(struct tcpc_ledger *l, struct ledger_account *a, __u32 end)
{
	a->flags |= LEDGER_MUST_RESET;
	if (l->paused || l->ops.reset(l->user, &a->flow, end, a->broken_ack))
		return;
	a->flags &= ~LEDGER_MUST_RESET;
	l->stats.resets++;
}

void ledger_give_up(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns,
		    enum tcpc_ledger_reason reason)
{
	bool old = a->state == LEDGER_REPLACED && !(a->flags & LEDGER_GOES_ON);

	ledger_lose(l, a, now_ns, reason);
	if (old)
		return; /* a reset would hit its successor */
	ledger_reset(l, a, a->nxt);
}

/* A target short of memory may throw away what it has said to have (RFC 2018, 8). */
static void forget_sacks(struct ledger_account *a)
{
	for (struct ledger_piece *p = a->head; p; p = p->next) {
		/* Of what made room for others there is nothing to be sent. */
		if (!(p->flags & LEDGER_PIECE_SACKED) || !p->record)
			continue;
		p->flags &= ~LEDGER_PIECE_SACKED;
		a->n_sacked--;
	}
}

void ledger_give_up_probe(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns)
{
	ledger_give_up(l, a, now_ns, a->why);
	a->why = TCPC_LEDGER_LOST_no_connection;
}

void ledger_probe(struct ledger_account *a, __u64 now_ns, enum tcpc_ledger_reason reason)
{
	forget_sacks(a);
	ledger_set_state(a, LEDGER_PROBE, now_ns);
	a->why = reason;
	a->flags &= ~LEDGER_IS_AHEAD;
	a->rto_ns = a->look_ns = LEDGER_NEVER;
	a->timeout_ns = 0;
	a->tries = a->dup_acks = 0;
}

/* The first piece from @p on that the target lacks. */
static struct ledger_piece *first_missing(struct ledger_piece *p)
{
	while (p && (p->flags & (LEDGER_PIECE_SACKED | LEDGER_PIECE_HELD)))
		p = p->next;
	return p;
}

/* Words of one connection come in its order. So what is not kept has not arrived if something
 * behind it has, and nothing was heard of it for long. Where nothing is heard of either, the target
 * may be busy. */
static bool is_lost_for_good(const struct tcpc_ledger *l, const struct ledger_piece *p,
			     __u64 now_ns)
{
	__u64 from = p->sent_ns > l->path.resumed_ns ? p->sent_ns : l->path.resumed_ns;
	const struct ledger_piece *q = p->next;

	if (p->record || now_ns - (from > l->resumed_ns ? from : l->resumed_ns) < UNKEPT_NS)
		return false;
	while (q && !(q->flags & (LEDGER_PIECE_SACKED | LEDGER_PIECE_HELD)))
		q = q->next;
	return q;
}

/* RFC 6298, 5.4: the first one only; its ACK calls for the others. */
static void on_timeout(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns)
{
	struct ledger_piece *p = first_missing(a->head);

	if ((!p || !(p->flags & LEDGER_PIECE_UNSENT)) && now_ns < ledger_quiet_until(l, now_ns)) {
		a->rto_ns = ledger_quiet_until(l, now_ns);
		return;
	}
	ledger_late_lost(l, a);
	if (p && (p->flags & LEDGER_PIECE_UNSENT)) { /* nobody can have answered */
		a->rto_ns = now_ns + ledger_timeout_ns(l, a);
		ledger_give_turn(l, a);
		return;
	}
	/* What was under way when the target went away: if it has forgotten the connection, it
	 * may have finished with that, and takes it up behind it only. */
	if (a->tries >= FRONT_TRIES && a->moved_ns < l->resumed_ns &&
	    ledger_lose_front(l, a, TCPC_LEDGER_LOST_outage)) {
		a->tries = 0;
		a->rto_ns = now_ns + ledger_timeout_ns(l, a);
		ledger_give_turn(l, a);
		return;
	}
	if (a->state == LEDGER_PROBE && a->tries >= TCPC_LEDGER_PROBE_TRIES) {
		ledger_give_up_probe(l, a, now_ns);
		return;
	}
	if (p && is_lost_for_good(l, p, now_ns)) {
		ledger_give_up(l, a, now_ns, TCPC_LEDGER_LOST_retention);
		return;
	}
	if (a->tries >= TCPC_LEDGER_TRIES) {
		ledger_give_up(l, a, now_ns,
			       p && !p->record ? TCPC_LEDGER_LOST_retention
					       : TCPC_LEDGER_LOST_tries);
		return;
	}
	a->tries++;
	a->dup_acks = 0;
	l->stats.timeouts++;
	if (!p || a->tries > 1) { /* only SACKED ones: not acknowledged, so something is wrong */
		forget_sacks(a);
		p = first_missing(a->head);
	}
	a->timeout_ns = now_ns;
	if (p)
		ledger_resend_piece(l, a, p, now_ns);
	a->rto_ns = now_ns + ledger_timeout_ns(l, a);
}

/* ---- waiting ----------------------------------------------------------------------------------
 */

/* When @a ends if nothing more is heard; LEDGER_NEVER while its timeout decides. */
static __u64 end_ns(const struct ledger_account *a)
{
	if (a->flags & LEDGER_GOES_ON)
		return a->head ? LEDGER_NEVER : 0;
	switch (a->state) {
	case LEDGER_ABORTED:
	case LEDGER_REPLACED:
		return a->since_ns +
		       (a->held ? TCPC_LEDGER_HELD_MS : TCPC_LEDGER_LATE_MS) * LEDGER_MS;
	case LEDGER_CLOSED:
		return a->since_ns + TCPC_LEDGER_LINGER_MS * LEDGER_MS;
	case LEDGER_BROKEN:
		return a->last_ns + TCPC_LEDGER_BROKEN_MS * LEDGER_MS;
	default:
		return a->head ? LEDGER_NEVER : a->last_ns + TCPC_LEDGER_IDLE_MS * LEDGER_MS;
	}
}

static __u64 held_until_ns(const struct ledger_account *a)
{
	if (!a->n_held || !ledger_is_active(a))
		return LEDGER_NEVER;
	return a->head->copied_ns + TCPC_LEDGER_HELD_MS * LEDGER_MS;
}

static __u64 min_ns(__u64 x, __u64 y)
{
	return x < y ? x : y;
}

static __u64 due_ns(const struct tcpc_ledger *l, const struct ledger_account *a)
{
	__u64 due = min_ns(min_ns(end_ns(a), held_until_ns(a)), min_ns(a->rto_ns, a->look_ns));

	if (l->paused && a->head)
		due = min_ns(due, l->paused_ns + l->config.max_outage_ns);
	return due;
}

void ledger_await(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns)
{
	bool waits = ledger_is_active(a) && ledger_on_the_way(a);

	if (!waits)
		a->rto_ns = LEDGER_NEVER;
	else if (a->rto_ns == LEDGER_NEVER)
		a->rto_ns = now_ns + ledger_timeout_ns(l, a);
	ledger_arm(l, a, due_ns(l, a));
}

/* Nothing is sent and no try counts. Timeouts go on, so that afterwards they come one by one, and
 * none is late because of those before the daemon knew of the outage. */
static void fire_paused(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns)
{
	a->look_ns = LEDGER_NEVER;
	a->tries = 0;
	if (a->rto_ns <= now_ns)
		a->rto_ns = now_ns + ledger_timeout_ns(l, a);
	if (a->head && now_ns - l->paused_ns >= l->config.max_outage_ns)
		ledger_give_up(l, a, now_ns, TCPC_LEDGER_LOST_outage);
}

static void fire_running(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns)
{
	if (a->flags & LEDGER_IS_REFUSED)
		ledger_lose(l, a, now_ns, TCPC_LEDGER_LOST_allowed);
	if (held_until_ns(a) <= now_ns)
		ledger_give_up(l, a, now_ns, TCPC_LEDGER_LOST_too_slow);
	if (a->look_ns <= now_ns) {
		ledger_give_turn(l, a);
		if (a->state == LEDGER_ABORTED)
			ledger_mend_aborted(l, a, now_ns);
		else
			ledger_mend(l, a, now_ns);
	}
	if (a->rto_ns <= now_ns)
		on_timeout(l, a, now_ns);
}

void ledger_fire(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns)
{
	if (l->paused)
		fire_paused(l, a, now_ns);
	else
		fire_running(l, a, now_ns);
	if (end_ns(a) > now_ns) {
		ledger_await(l, a, now_ns);
		return;
	}
	if (a->state == LEDGER_ABORTED && a->n_held) /* its hold queue would wait on */
		ledger_give_up(l, a, now_ns, TCPC_LEDGER_LOST_aborted);
	else if (a->head)
		ledger_lose(l, a, now_ns,
			    a->state == LEDGER_ABORTED ? TCPC_LEDGER_LOST_aborted
						       : TCPC_LEDGER_LOST_replaced);
	ledger_close(l, a);
}
