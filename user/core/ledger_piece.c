// SPDX-License-Identifier: GPL-2.0-only
/*
 * ledger_piece.c - what an account of the ledger keeps: pieces of sequence space in their order,
 * without overlap, each pointing to the record it came in. All sums are changed here.
 */
#include "core/ledger_priv.h"

#include <errno.h>
#include <stdlib.h>

/* ---- records ----------------------------------------------------------------------------------
 */

static struct ledger_record *new_record(struct tcpc_ledger *l, struct ledger_account *a,
					const struct tcpc_ledger_packet *packet)
{
	struct ledger_record *r = malloc(sizeof(*r));

	if (!r) {
		l->ops.release(l->user, packet->record);
		return NULL;
	}
	*r = (struct ledger_record){.record = packet->record, .bytes = packet->record_bytes};
	l->stats.records++;
	l->stats.memory_bytes += sizeof(*r);
	ledger_resize(l, a, r->bytes);
	return r;
}

static void free_record(struct tcpc_ledger *l, struct ledger_account *a, struct ledger_record *r)
{
	l->ops.release(l->user, r->record);
	ledger_resize(l, a, -(__s64)r->bytes);
	l->stats.records--;
	l->stats.memory_bytes -= sizeof(*r);
	free(r);
}

void ledger_leave_record(struct tcpc_ledger *l, struct ledger_account *a, struct ledger_piece *p)
{
	struct ledger_record *r = p->record;

	p->record = NULL;
	if (r && !--r->pieces)
		free_record(l, a, r);
}

void ledger_keep_rst(struct tcpc_ledger *l, struct ledger_account *a,
		     const struct tcpc_ledger_packet *packet)
{
	struct ledger_record *r = new_record(l, a, packet);

	if (!r)
		return;
	ledger_drop_rst(l, a);
	a->rst = r;
	a->rst_seq = packet->seq;
}

void ledger_drop_rst(struct tcpc_ledger *l, struct ledger_account *a)
{
	if (a->rst)
		free_record(l, a, a->rst);
	a->rst = NULL;
	a->flags &= ~LEDGER_RST_WAITS;
}

/* ---- exchanges --------------------------------------------------------------------------------
 * In flight are as many as there are runs of pieces of the same exchange.
 */

static bool is_one_run(const struct ledger_piece *p, const struct ledger_piece *q)
{
	return p && q && ledger_payload(p) && ledger_payload(q) && p->exchange == q->exchange;
}

void ledger_add_open(struct tcpc_ledger *l, struct ledger_account *a, int n)
{
	a->open += n;
	l->exchanges.in_flight += n;
}

/* What the runs are more by @p between @prev and @next. */
static int runs_of(const struct ledger_piece *prev, const struct ledger_piece *p,
		   const struct ledger_piece *next)
{
	if (!ledger_payload(p))
		return 0;
	return 1 - is_one_run(prev, p) - is_one_run(p, next) + is_one_run(prev, next);
}

/* A piece that fills a hole belongs to the exchange of what stands before it, else behind it. */
static __u32 exchange_of(const struct ledger_account *a, const struct ledger_piece *prev,
			 const struct ledger_piece *p, const struct ledger_piece *next)
{
	if (!tcpc_seq_lt(p->seq, a->nxt))
		return a->exchange;
	if (prev && ledger_payload(prev))
		return prev->exchange;
	return next && ledger_payload(next) ? next->exchange : a->exchange;
}

/* ---- adding -----------------------------------------------------------------------------------
 */

static struct ledger_piece *new_piece(struct tcpc_ledger *l, struct ledger_account *a,
				      struct ledger_record *r)
{
	struct ledger_piece *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->record = r;
	if (r)
		r->pieces++;
	a->n_pieces++;
	l->stats.memory_bytes += sizeof(*p);
	return p;
}

static void link_behind(struct ledger_account *a, struct ledger_piece *prev, struct ledger_piece *p)
{
	struct ledger_piece **at = prev ? &prev->next : &a->head;

	p->next = *at;
	*at = p;
	if (!p->next)
		a->tail = p;
}

static void count_copied(struct tcpc_ledger *l, struct ledger_account *a, __u32 bytes)
{
	a->copied += bytes;
	l->bytes.copied += bytes;
	a->in_flight += bytes;
	l->bytes.in_flight += bytes;
}

/* The part of @packet from @from up to @to is new: it goes behind @prev. */
static int add_piece(struct tcpc_ledger *l, struct ledger_account *a, struct ledger_piece *prev,
		     const struct ledger_piece *whole, __u32 from, __u32 to)
{
	struct ledger_piece *next = prev ? prev->next : a->head;
	struct ledger_piece *p = new_piece(l, a, whole->record);

	if (!p)
		return -ENOMEM;
	p->copied_ns = p->sent_ns = whole->copied_ns;
	p->seq = from;
	p->end = to;
	if (from == whole->seq)
		p->flags |= whole->flags & LEDGER_PIECE_SYN;
	if (to == whole->end)
		p->flags |= whole->flags & LEDGER_PIECE_FIN;
	if (whole->flags & LEDGER_PIECE_UNSENT)
		ledger_wait(l, a, p);
	p->exchange = exchange_of(a, prev, p, next);
	ledger_add_open(l, a, runs_of(prev, p, next));
	link_behind(a, prev, p);
	count_copied(l, a, ledger_payload(p));
	return 0;
}

/* Add what @whole has and @a has not. Where they overlap it has left a second time now. */
static int add_missing(struct tcpc_ledger *l, struct ledger_account *a,
		       const struct ledger_piece *whole)
{
	__u32 at = tcpc_seq_max(whole->seq, a->una), stop;
	struct ledger_piece *prev = NULL, *next = a->head;

	/* In order, which is nearly always. */
	if (a->tail && !tcpc_seq_lt(at, a->tail->end)) {
		prev = a->tail;
		next = NULL;
	}
	while (tcpc_seq_lt(at, whole->end)) {
		for (; next && tcpc_seq_leq(next->end, at); next = next->next)
			prev = next;
		if (next && tcpc_seq_leq(next->seq, at)) {
			if (!(whole->flags & LEDGER_PIECE_UNSENT))
				next->flags |= LEDGER_PIECE_TWICE;
			at = next->end;
			continue;
		}
		stop = next && tcpc_seq_lt(next->seq, whole->end) ? next->seq : whole->end;
		if (add_piece(l, a, prev, whole, at, stop))
			return -ENOMEM;
		prev = prev ? prev->next : a->head;
		at = stop;
	}
	return 0;
}

static void count_duplicate(struct tcpc_ledger *l, bool whole, __u64 bytes)
{
	l->stats.duplicates += whole;
	l->stats.duplicate_bytes += bytes;
}

int ledger_put(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns,
	       const struct tcpc_ledger_packet *packet, __u32 end)
{
	struct ledger_piece whole = {.seq = packet->seq, .end = end, .copied_ns = now_ns};
	__u64 before = a->copied;
	__u32 n_before = a->n_pieces;
	int r;

	whole.record = new_record(l, a, packet);
	if (!whole.record)
		return -ENOMEM;
	if (packet->flags & TCPC_TCP_SYN)
		whole.flags |= LEDGER_PIECE_SYN;
	if (packet->flags & TCPC_TCP_FIN)
		whole.flags |= LEDGER_PIECE_FIN;
	if (packet->kept)
		whole.flags |= LEDGER_PIECE_UNSENT;
	whole.record->pieces = 1; /* this call's */
	r = add_missing(l, a, &whole);
	count_duplicate(l, !r && a->n_pieces == n_before,
			r ? 0 : packet->payload_bytes - (a->copied - before));
	ledger_leave_record(l, a, &whole);
	return r;
}

/* ---- marking ----------------------------------------------------------------------------------
 */

/* Cut @p in two at @at, inside it. False: it stays whole. */
static bool cut(struct tcpc_ledger *l, struct ledger_account *a, struct ledger_piece *p, __u32 at)
{
	struct ledger_piece *rest;

	if (a->n_pieces >= LEDGER_MAX_PIECES)
		return false;
	rest = new_piece(l, a, p->record);
	if (!rest)
		return false;
	a->n_sacked += !!(p->flags & LEDGER_PIECE_SACKED);
	a->n_held += !!(p->flags & LEDGER_PIECE_HELD);
	rest->copied_ns = p->copied_ns;
	rest->sent_ns = p->sent_ns;
	rest->seq = at;
	rest->end = p->end;
	rest->exchange = p->exchange;
	rest->flags = p->flags & ~LEDGER_PIECE_SYN;
	if (p->flags & LEDGER_PIECE_UNSENT)
		ledger_wait(l, a, rest);
	l->n_late += !!(p->flags & LEDGER_PIECE_LATE);
	p->end = at;
	p->flags &= ~LEDGER_PIECE_FIN;
	link_behind(a, p, rest);
	return true;
}

static void set_held(struct tcpc_ledger *l, struct ledger_account *a, struct ledger_piece *p)
{
	__u32 bytes = ledger_payload(p);

	a->in_flight -= bytes;
	l->bytes.in_flight -= bytes;
	a->held += bytes;
	l->bytes.held += bytes;
	a->n_held++;
	ledger_unlate(l, a, p);
	ledger_leave_record(l, a, p);
}

static bool mark_one(struct tcpc_ledger *l, struct ledger_account *a, struct ledger_piece *p,
		     __u32 flag)
{
	if (p->flags & flag)
		return false;
	p->flags |= flag;
	if (flag == LEDGER_PIECE_HELD)
		set_held(l, a, p);
	else
		a->n_sacked++;
	return true;
}

bool ledger_mark(struct tcpc_ledger *l, struct ledger_account *a, __u32 seq, __u32 end, __u32 flag)
{
	bool changed = false;

	if (tcpc_seq_leq(end, seq))
		return false; /* nothing, or upside down */
	for (struct ledger_piece *p = a->head; p && tcpc_seq_lt(p->seq, end); p = p->next) {
		if (tcpc_seq_leq(p->end, seq) || (p->flags & flag))
			continue;
		/* A piece that cannot be cut is not marked: better sent twice than not at all. */
		if (tcpc_seq_lt(p->seq, seq)) {
			if (!cut(l, a, p, seq))
				continue;
			p = p->next;
		}
		if (tcpc_seq_lt(end, p->end) && !cut(l, a, p, end))
			continue;
		changed |= mark_one(l, a, p, flag);
	}
	return changed;
}

/* ---- taking away ------------------------------------------------------------------------------
 */

static void count_acknowledged(struct tcpc_ledger *l, struct ledger_account *a, __u32 bytes,
			       bool held)
{
	__u64 *total = held ? &l->bytes.held : &l->bytes.in_flight;
	__u32 *mine = held ? &a->held : &a->in_flight;

	*total -= bytes;
	*mine -= bytes;
	a->acknowledged += bytes;
	l->bytes.acknowledged += bytes;
}

void ledger_remove_head(struct tcpc_ledger *l, struct ledger_account *a)
{
	struct ledger_piece *p = a->head;

	ledger_add_open(l, a, -runs_of(NULL, p, p->next));
	a->head = p->next;
	if (!a->head)
		a->tail = NULL;
	a->n_pieces--;
	a->n_sacked -= !!(p->flags & LEDGER_PIECE_SACKED);
	a->n_held -= !!(p->flags & LEDGER_PIECE_HELD);
	if (ledger_payload(p))
		a->done = p->exchange;
	ledger_unlate(l, a, p);
	ledger_leave_record(l, a, p);
	l->stats.memory_bytes -= sizeof(*p);
	free(p);
}

void ledger_pop(struct tcpc_ledger *l, struct ledger_account *a, __u32 ack)
{
	struct ledger_piece *p = a->head;
	bool held = p->flags & LEDGER_PIECE_HELD;
	__u32 before = ledger_payload(p);

	if (tcpc_seq_leq(p->end, ack)) {
		count_acknowledged(l, a, before, held);
		ledger_remove_head(l, a);
		return;
	}
	if (tcpc_seq_leq(ack, p->seq))
		return;
	/* All that remains may be the FIN: then the exchange is delivered. */
	ledger_add_open(l, a, -runs_of(NULL, p, p->next));
	p->seq = ack;
	p->flags &= ~LEDGER_PIECE_SYN;
	ledger_add_open(l, a, runs_of(NULL, p, p->next));
	count_acknowledged(l, a, before - ledger_payload(p), held);
}
