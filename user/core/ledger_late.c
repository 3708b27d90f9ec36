// SPDX-License-Identifier: GPL-2.0-only
/*
 * ledger_late.c - what was copied while the target could not be reached: it has not left, and does
 * when the target is there again, oldest connection first.
 *
 * It leaves at the pace of the clients, some times as fast, and no faster than the target answers:
 * so many packets over all connections may be unanswered. A connection begins with one. The target
 * may not have it any more, and takes it up then with that packet, or not at all; what came at the
 * same time would be taken up in its place.
 */
#include "core/ledger_priv.h"

/* The target gets what it missed beside what goes on. */
#define SPEED 4
/* Packets that have left late and are not answered, over all connections. */
#define WINDOW 128
/* Of one connection before it is another's turn. */
#define TURN 16

void ledger_wait(struct tcpc_ledger *l, struct ledger_account *a, struct ledger_piece *p)
{
	p->flags |= LEDGER_PIECE_UNSENT | LEDGER_PIECE_KEPT;
	a->n_unsent++;
	l->n_unsent++;
}

void ledger_unlate(struct tcpc_ledger *l, struct ledger_account *a, struct ledger_piece *p)
{
	if (p->flags & LEDGER_PIECE_UNSENT) {
		a->n_unsent--;
		l->n_unsent--;
	}
	if (p->flags & LEDGER_PIECE_LATE)
		l->n_late--;
	p->flags &= ~(LEDGER_PIECE_UNSENT | LEDGER_PIECE_LATE);
}

void ledger_late_lost(struct tcpc_ledger *l, struct ledger_account *a)
{
	for (struct ledger_piece *p = a->head; l->n_late && p; p = p->next)
		if (p->flags & LEDGER_PIECE_LATE)
			ledger_unlate(l, a, p);
}

void ledger_give_turn(struct tcpc_ledger *l, struct ledger_account *a)
{
	if (a->turn.next != &a->turn || (!a->n_unsent && !(a->flags & LEDGER_RST_WAITS)))
		return;
	ledger_list_add(l->turns.prev, &a->turn);
}

void ledger_moved(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns)
{
	a->moved_ns = now_ns;
	ledger_give_turn(l, a);
}

static void send_late(struct tcpc_ledger *l, struct ledger_account *a, struct ledger_piece *p,
		      __u64 now_ns)
{
	ledger_resend_piece(l, a, p, now_ns);
	p->flags |= LEDGER_PIECE_LATE;
	l->n_late++;
}

/* The client's RST, behind all that came before it. */
static void end_with_rst(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns)
{
	if (!(a->flags & LEDGER_RST_WAITS) || ledger_on_the_way(a))
		return;
	ledger_resend_rst(l, a, now_ns);
	if (a->state == LEDGER_REPLACED)
		ledger_drop_rst(l, a); /* its successor must not be met by another */
	else
		ledger_abort(a, now_ns);
}

/* The one that must be done before. */
static bool waits_for_older(const struct ledger_account *a)
{
	const struct ledger_account *older = ledger_older(a);

	return older && (older->flags & LEDGER_GOES_ON);
}

/* When @p may leave: the outage is played again, SPEED times as fast. */
static __u64 due_ns(const struct tcpc_ledger *l, const struct ledger_piece *p)
{
	__u64 into_ns = p->copied_ns > l->paused_ns ? p->copied_ns - l->paused_ns : 0;

	return l->resumed_ns + into_ns / SPEED;
}

/* May @p leave now? If not, @a is looked at again when it may. */
static bool is_due(struct tcpc_ledger *l, struct ledger_account *a, const struct ledger_piece *p,
		   __u64 now_ns)
{
	__u64 at_ns = due_ns(l, p);

	if (now_ns >= at_ns)
		return ledger_spend(l, a, now_ns, p->end - p->seq);
	if (at_ns < a->look_ns)
		a->look_ns = at_ns;
	return false;
}

/* Returns: is there more that may leave now? */
static bool take_turn(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns)
{
	const __u32 there = LEDGER_PIECE_SACKED | LEDGER_PIECE_HELD;
	bool moved = a->moved_ns >= l->resumed_ns;
	__u32 n = 0;

	if (waits_for_older(a))
		return false;
	for (struct ledger_piece *p = a->head; p && a->n_unsent; p = p->next) {
		if (p->flags & there)
			continue;
		if (p->flags & LEDGER_PIECE_UNSENT) {
			if (n == TURN || l->n_late >= WINDOW)
				return true;
			if (!p->record || !is_due(l, a, p, now_ns))
				return false;
			send_late(l, a, p, now_ns);
			n++;
		}
		if (!moved)
			return false;
	}
	end_with_rst(l, a, now_ns);
	return false;
}

void ledger_catch_up(struct tcpc_ledger *l, __u64 now_ns)
{
	while (!l->paused && l->n_late < WINDOW && l->turns.next != &l->turns) {
		struct ledger_account *a = LEDGER_ACCOUNT_OF(l->turns.next, turn);

		ledger_list_del(&a->turn);
		ledger_list_init(&a->turn);
		if (take_turn(l, a, now_ns))
			ledger_give_turn(l, a);
		ledger_await(l, a, now_ns);
	}
}

/* With the target there only what has to stay behind others waits. The rest leaves as it would
 * have by itself, had the program not kept it. */
void ledger_kept(struct tcpc_ledger *l, struct ledger_account *a, bool first, __u64 now_ns)
{
	if (l->paused || !first || waits_for_older(a)) {
		ledger_give_turn(l, a);
		return;
	}
	for (struct ledger_piece *p = a->head; p && a->n_unsent; p = p->next)
		if ((p->flags & LEDGER_PIECE_UNSENT) && p->record)
			ledger_resend_piece(l, a, p, now_ns);
}

__u64 tcpc_ledger_unsent(const struct tcpc_ledger *l)
{
	return l->n_unsent;
}
