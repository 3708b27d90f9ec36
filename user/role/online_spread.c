// SPDX-License-Identifier: GPL-2.0-only
/*
 * online_spread.c - copies that leave later (--spread): what the programs noted instead of sending
 * it waits here until its time has come. A wheel with a place for each millisecond; what is put
 * into one keeps its order, and all of a connection waits equally long, so its packets stay in
 * theirs. What waits is bounded by the journal, which has the packets. See online_priv.h.
 */
#include "role/online_priv.h"

#include <stdlib.h>

#include "core/ledger.h"

#define PLACES 65536 /* more than TCPC_MAX_SPREAD_MS */
#define TICK_MS 2

_Static_assert(PLACES > TCPC_MAX_SPREAD_MS + 1, "nothing goes round more than once");

struct waiting {
	struct waiting *next;
	__u32 target_id;
	struct tcpc_flow flow;
	struct tcpc_ledger_packet packet;
};

/** What is due in one millisecond, in its order. */
struct place {
	struct waiting *first, **end;
};

struct spread {
	uv_timer_t *tick;
	spread_due due;
	void *user;
	__u64 done_ms; /* up to there everything has been given out */
	__u64 n;
	bool ticks;
	struct place places[PLACES];
};

static __u64 now_ms(void)
{
	return uv_hrtime() / 1000000;
}

static struct waiting *take_first(struct spread *s, struct place *place)
{
	struct waiting *w = place->first;

	place->first = w->next;
	if (!w->next)
		place->end = &place->first;
	s->n--;
	return w;
}

static void on_tick(uv_timer_t *timer)
{
	struct spread *s = timer->data;
	__u64 end_ms = now_ms();

	while (s->n && s->done_ms < end_ms) {
		struct place *place = &s->places[++s->done_ms % PLACES];

		while (place->first) {
			struct waiting *w = take_first(s, place);

			s->due(s->user, w->target_id, &w->flow, &w->packet);
			free(w);
		}
	}
	if (s->n)
		return;
	uv_timer_stop(s->tick);
	s->ticks = false;
}

struct spread *spread_open(uv_loop_t *loop, spread_due due, void *user)
{
	struct spread *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->due = due;
	s->user = user;
	s->tick = tcpc_timer_start(loop, on_tick, 0, 0, s);
	if (!s->tick) {
		free(s);
		return NULL;
	}
	return s;
}

void spread_close(struct spread *s)
{
	if (!s)
		return;
	tcpc_timer_stop(&s->tick);
	for (__u32 i = 0; s->n && i < PLACES; i++)
		while (s->places[i].first)
			free(take_first(s, &s->places[i]));
	free(s);
}

/* When @head is due; what is late already is due with the next tick, in its order. */
static __u64 due_ms(const struct spread *s, const struct tcpc_journal_head *head, __u32 spread_ms)
{
	__u32 steps = head->kept - TCPC_KEPT_LATER;
	__u64 at = head->time_ns / 1000000 + steps * spread_ms / TCPC_SPREAD_STEPS;

	if (at <= s->done_ms)
		return s->done_ms + 1;
	return at - s->done_ms < PLACES ? at : s->done_ms + PLACES - 1;
}

int spread_add(struct spread *s, const struct tcpc_journal_head *head, __u32 spread_ms,
	       const struct tcpc_ledger_packet *packet)
{
	struct waiting *w = malloc(sizeof(*w));
	struct place *place;

	if (!w)
		return -ENOMEM;
	if (!s->n)
		s->done_ms = now_ms() - 1;
	*w = (struct waiting){.target_id = head->target_id, .flow = head->flow, .packet = *packet};
	place = &s->places[due_ms(s, head, spread_ms) % PLACES];
	if (!place->first)
		place->end = &place->first;
	*place->end = w;
	place->end = &w->next;
	s->n++;
	if (!s->ticks)
		uv_timer_start(s->tick, on_tick, TICK_MS, TICK_MS);
	s->ticks = true;
	return 0;
}

__u64 spread_waiting(const struct spread *s)
{
	return s->n;
}

__u32 spread_ms_of(const struct tcpc_online *online, const struct tcpc_journal_head *head)
{
	const struct tap *tap = online->taps;

	while (tap && tap->ifindex != (int)head->tap_ifindex)
		tap = tap->next;
	return tap ? tap->copies.spread_ms : 0;
}
