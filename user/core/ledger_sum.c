// SPDX-License-Identifier: GPL-2.0-only
/* ledger_sum.c - the ledger's figures for people, and the check that they add up. */
#include "core/ledger_priv.h"

#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const char *const state_names[] = {
	[LEDGER_OPEN] = "open",	      [LEDGER_PROBE] = "unsure",  [LEDGER_BROKEN] = "broken",
	[LEDGER_ABORTED] = "aborted", [LEDGER_CLOSED] = "closed", [LEDGER_REPLACED] = "replaced",
};

static const struct reason {
	const char *name, *text;
} reasons[] = {
#define REASON(name_, text_) {#name_, text_},
	TCPC_LEDGER_REASONS(REASON)
#undef REASON
};

const char *tcpc_ledger_reason_name(enum tcpc_ledger_reason reason)
{
	return reason < COUNT_OF(reasons) ? reasons[reason].name : NULL;
}

const char *tcpc_ledger_reason_text(enum tcpc_ledger_reason reason)
{
	return reason < COUNT_OF(reasons) ? reasons[reason].text : NULL;
}

const struct tcpc_ledger_stats *tcpc_ledger_stats(const struct tcpc_ledger *l)
{
	return &l->stats;
}

const struct tcpc_ledger_sum *tcpc_ledger_bytes(const struct tcpc_ledger *l)
{
	return &l->bytes;
}

__u64 tcpc_ledger_lost(const struct tcpc_ledger_sum *sum)
{
	__u64 lost = 0;

	for (int i = 0; i < __TCPC_LEDGER_LOST_MAX; i++)
		lost += sum->lost[i];
	return lost;
}

struct tcpc_ledger_sum tcpc_ledger_exchanges(const struct tcpc_ledger *l)
{
	struct tcpc_ledger_sum sum = l->exchanges;

	sum.acknowledged = sum.copied - sum.in_flight - tcpc_ledger_lost(&sum);
	return sum;
}

/* ---- furthest behind --------------------------------------------------------------------------
 */

static struct tcpc_ledger_line line_of(const struct ledger_account *a, __u64 now_ns)
{
	return (struct tcpc_ledger_line){
		.flow = a->flow,
		.state = state_names[a->state],
		.behind_ns = now_ns - a->head->copied_ns,
		.copied = a->copied,
		.acknowledged = a->acknowledged,
		.lost = a->lost,
		.in_flight = a->in_flight,
		.held = a->held,
		.retained_bytes = a->retained,
		.exchanges = a->exchanges,
		.exchanges_in_flight = a->open,
		.exchanges_lost = a->lost_exchanges,
		.resent = a->resent,
		.srtt_us = a->srtt_us,
	};
}

/* @line among the @n lines, of at most @max, by age; @n as it is then. */
static unsigned int insert(struct tcpc_ledger_line *lines, unsigned int n, unsigned int max,
			   const struct tcpc_ledger_line *line)
{
	unsigned int at = n;

	while (at && lines[at - 1].behind_ns < line->behind_ns)
		at--;
	if (at == max)
		return n;
	if (n == max)
		n--;
	memmove(&lines[at + 1], &lines[at], (n - at) * sizeof(*lines));
	lines[at] = *line;
	return n + 1;
}

unsigned int tcpc_ledger_behind(const struct tcpc_ledger *l, __u64 now_ns,
				struct tcpc_ledger_line *ret, unsigned int max)
{
	unsigned int n = 0;

	for (__u32 i = 0; max && i < l->n_buckets; i++)
		for (const struct ledger_account *a = l->buckets[i]; a; a = a->next) {
			struct tcpc_ledger_line line;

			if (!a->head)
				continue;
			line = line_of(a, now_ns);
			n = insert(ret, n, max, &line);
		}
	return n;
}

/* ---- does it add up? --------------------------------------------------------------------------
 */

/** What the pieces of an account, and all accounts, come to. */
struct tally {
	__u64 held, in_flight, open, accounts, records, retained;
	__u32 pieces, n_held, n_sacked, n_unsent, n_late;
};

static void tally_piece(const struct ledger_account *a, const struct ledger_piece *prev,
			const struct ledger_piece *p, struct tally *t)
{
	bool run = prev && ledger_payload(prev) && prev->exchange == p->exchange;

	t->pieces++;
	t->n_sacked += !!(p->flags & LEDGER_PIECE_SACKED);
	t->n_unsent += !!(p->flags & LEDGER_PIECE_UNSENT);
	t->n_late += !!(p->flags & LEDGER_PIECE_LATE);
	if (p->flags & LEDGER_PIECE_HELD) {
		t->n_held++;
		t->held += ledger_payload(p);
	} else {
		t->in_flight += ledger_payload(p);
	}
	t->open += ledger_payload(p) && !run;
	/* A record is counted with the first of its pieces. */
	for (const struct ledger_piece *q = a->head; p->record; q = q->next) {
		if (q == p) {
			t->records++;
			t->retained += p->record->bytes;
		}
		if (q->record == p->record)
			return;
	}
}

static const char *check_pieces(const struct ledger_account *a, struct tally *t)
{
	const struct ledger_piece *prev = NULL;

	for (const struct ledger_piece *p = a->head; p; prev = p, p = p->next) {
		if (!tcpc_seq_lt(p->seq, p->end))
			return "a piece is empty";
		if (prev && tcpc_seq_lt(p->seq, prev->end))
			return "pieces overlap or are out of order";
		if (tcpc_seq_lt(p->seq, a->una) || tcpc_seq_lt(a->nxt, p->end))
			return "a piece lies outside una..nxt";
		if ((p->flags & LEDGER_PIECE_HELD) && p->record)
			return "a held piece keeps its record";
		tally_piece(a, prev, p, t);
	}
	if (a->tail != prev)
		return "the tail is not the last piece";
	if (a->rst) {
		t->records++;
		t->retained += a->rst->bytes;
	}
	return NULL;
}

static const char *check_account(const struct ledger_account *a, struct tally *t)
{
	const char *wrong = check_pieces(a, t);

	if (wrong)
		return wrong;
	if (t->held != a->held || t->in_flight != a->in_flight || t->retained != a->retained)
		return "an account is not the sum of its pieces";
	if (t->pieces != a->n_pieces || t->n_held != a->n_held || t->n_sacked != a->n_sacked ||
	    t->n_unsent != a->n_unsent)
		return "pieces are miscounted";
	if (a->copied != a->acknowledged + a->held + a->in_flight + a->lost)
		return "the bytes of an account do not add up";
	if (t->open != a->open || a->exchanges < (__u64)a->open + a->lost_exchanges)
		return "the exchanges of an account do not add up";
	if (tcpc_seq_lt(a->nxt, a->una))
		return "more is acknowledged than was copied";
	return NULL;
}

static void add(struct tally *sum, const struct tally *t)
{
	sum->held += t->held;
	sum->in_flight += t->in_flight;
	sum->open += t->open;
	sum->records += t->records;
	sum->retained += t->retained;
	sum->n_unsent += t->n_unsent;
	sum->n_late += t->n_late;
	sum->accounts++;
}

static const char *check_totals(const struct tcpc_ledger *l, const struct tally *sum)
{
	struct tcpc_ledger_sum x = tcpc_ledger_exchanges(l);

	if (sum->held != l->bytes.held || sum->in_flight != l->bytes.in_flight)
		return "the totals are not the sum of the accounts";
	if (l->bytes.copied != l->bytes.acknowledged + l->bytes.held + l->bytes.in_flight +
				       tcpc_ledger_lost(&l->bytes))
		return "the bytes do not add up";
	if (sum->open != x.in_flight || x.copied < x.in_flight + tcpc_ledger_lost(&x))
		return "the exchanges do not add up";
	if (sum->accounts != l->stats.connections || sum->records != l->stats.records ||
	    sum->retained != l->stats.retained_bytes)
		return "accounts or records are miscounted";
	if (sum->n_unsent != l->n_unsent || sum->n_late != l->n_late)
		return "what leaves late is miscounted";
	return NULL;
}

const char *ledger_check(const struct tcpc_ledger *l)
{
	struct tally sum = {};

	for (__u32 i = 0; i < l->n_buckets; i++)
		for (const struct ledger_account *a = l->buckets[i]; a; a = a->next) {
			struct tally t = {};
			const char *wrong = check_account(a, &t);

			if (wrong)
				return wrong;
			add(&sum, &t);
		}
	return check_totals(l, &sum);
}
