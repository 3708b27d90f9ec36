// SPDX-License-Identifier: GPL-2.0-only
/*
 * ledger_lose.c - what is given up: pieces go, and their bytes and exchanges are booked as lost for
 * a reason.
 */
#include "core/ledger_priv.h"

#include <stdlib.h>

/* Losing one byte loses its exchange. Pieces go from the front, so if any is in flight, the one
 * that is going on is; what is still to come of it does not make another. */
static void lose_exchanges(struct tcpc_ledger *l, struct ledger_account *a,
			   enum tcpc_ledger_reason reason)
{
	if (!a->open)
		return;
	a->flags |= LEDGER_EXCHANGE_LOST;
	a->lost_exchanges += a->open;
	l->exchanges.lost[reason] += a->open;
	ledger_add_open(l, a, -(int)a->open);
}

__u64 ledger_thin(struct tcpc_ledger *l, struct ledger_account *a)
{
	__u32 before = a->retained;

	for (struct ledger_piece *p = a->head; a->n_sacked && p; p = p->next)
		if (p->flags & LEDGER_PIECE_SACKED)
			ledger_leave_record(l, a, p);
	return before - a->retained;
}

__u64 ledger_unkeep(struct tcpc_ledger *l, struct ledger_account *a)
{
	__u64 before = l->stats.records;
	__u32 bytes = a->retained;

	if (l->paused || a->state != LEDGER_OPEN)
		return 0;
	for (struct ledger_piece *p = a->head; p; p = p->next)
		if (!(p->flags & LEDGER_PIECE_UNSENT))
			ledger_leave_record(l, a, p);
	l->stats.unkept += before - l->stats.records;
	return bytes - a->retained;
}

void ledger_strip(struct tcpc_ledger *l, struct ledger_account *a)
{
	for (struct ledger_piece *p = a->head; p; p = p->next) {
		ledger_unlate(l, a, p);
		ledger_leave_record(l, a, p);
	}
	ledger_drop_rst(l, a);
}

void ledger_forget(struct tcpc_ledger *l, struct ledger_account *a)
{
	struct ledger_piece *p, *next;

	for (p = a->head; p; p = next) {
		next = p->next;
		ledger_unlate(l, a, p);
		ledger_leave_record(l, a, p);
		l->stats.memory_bytes -= sizeof(*p);
		free(p);
	}
	a->head = a->tail = NULL;
	a->n_pieces = a->n_sacked = a->n_held = 0;
	ledger_drop_rst(l, a);
}

void ledger_skip(struct tcpc_ledger *l, struct ledger_account *a, __u32 end,
		 enum tcpc_ledger_reason reason)
{
	__u64 bytes = a->acknowledged;
	__u32 open = a->open;

	while (a->head && tcpc_seq_lt(a->head->seq, end))
		ledger_pop(l, a, end);
	a->una = end;
	bytes = a->acknowledged - bytes;
	a->acknowledged -= bytes;
	l->bytes.acknowledged -= bytes;
	a->lost += bytes;
	l->bytes.lost[reason] += bytes;
	if (open && !a->open)
		a->flags |= LEDGER_EXCHANGE_LOST; /* what still comes of the last one, too */
	a->lost_exchanges += open - a->open;
	l->exchanges.lost[reason] += open - a->open;
}

void ledger_lose(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns,
		 enum tcpc_ledger_reason reason)
{
	__u32 bytes = a->in_flight + a->held;

	lose_exchanges(l, a, reason);
	l->bytes.in_flight -= a->in_flight;
	l->bytes.held -= a->held;
	l->bytes.lost[reason] += bytes;
	a->lost += bytes;
	a->in_flight = a->held = 0;
	if (a->head)
		a->done = a->exchange;
	ledger_forget(l, a);
	a->una = a->nxt;
	a->rto_ns = a->look_ns = LEDGER_NEVER;
	a->timeout_ns = 0;
	a->tries = a->dup_acks = 0;
	a->flags &= ~(LEDGER_IS_AHEAD | LEDGER_IS_REFUSED);
	if (a->state != LEDGER_REPLACED)
		a->state = LEDGER_BROKEN;
	a->why = reason;
	a->broken_ack = a->client_ack;
	a->since_ns = a->last_ns = now_ns;
}

/* The first piece of an exchange that has not left, or NULL. */
static const struct ledger_piece *first_unsent_exchange(const struct ledger_account *a)
{
	__u32 exchange = a->done;

	for (const struct ledger_piece *p = a->head; p; p = p->next) {
		if (!ledger_payload(p))
			continue;
		if ((p->flags & LEDGER_PIECE_UNSENT) && exchange && p->exchange != exchange)
			return p;
		exchange = p->exchange;
	}
	return NULL;
}

bool ledger_lose_front(struct tcpc_ledger *l, struct ledger_account *a,
		       enum tcpc_ledger_reason reason)
{
	const struct ledger_piece *stop = first_unsent_exchange(a);
	__u32 open = a->open;

	if (!stop)
		return false;
	while (a->head != stop) {
		bool held = a->head->flags & LEDGER_PIECE_HELD;
		__u32 bytes = ledger_payload(a->head);

		*(held ? &l->bytes.held : &l->bytes.in_flight) -= bytes;
		*(held ? &a->held : &a->in_flight) -= bytes;
		a->lost += bytes;
		l->bytes.lost[reason] += bytes;
		ledger_remove_head(l, a);
	}
	a->una = stop->seq;
	a->lost_exchanges += open - a->open;
	l->exchanges.lost[reason] += open - a->open;
	return true;
}

void ledger_lose_packet(struct tcpc_ledger *l, struct ledger_account *a, __u32 payload_bytes,
			enum tcpc_ledger_reason reason)
{
	a->copied += payload_bytes;
	a->lost += payload_bytes;
	l->bytes.copied += payload_bytes;
	l->bytes.lost[reason] += payload_bytes;
	if (!payload_bytes || !a->exchanges || (a->flags & LEDGER_EXCHANGE_LOST))
		return;
	a->flags |= LEDGER_EXCHANGE_LOST;
	a->lost_exchanges++;
	l->exchanges.lost[reason]++;
}
