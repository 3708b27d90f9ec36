// SPDX-License-Identifier: GPL-2.0-only
/*
 * ledger_replace.c - a port comes again before its last connection is settled, as it does within a
 * second where one address opens a thousand connections in that time.
 *
 * Once the target has the new connection, the old one is over there, and what is sent of it again
 * would meet the new one. While the target has not acknowledged the new one's SYN, both may have
 * been lost: if the link is found to be down, the old one goes first when the target is back, then
 * the new one.
 */
#include "core/ledger_priv.h"

/* Nothing of @a is sent again any more, but receipts may come: the target may still have its data
 * before it, in its hold queue or on the way. */
static void retire(struct tcpc_ledger *l, struct ledger_account *a)
{
	a->flags &= ~LEDGER_IN_DOUBT;
	ledger_strip(l, a);
	a->rto_ns = a->look_ns = LEDGER_NEVER;
}

static void end_older(struct tcpc_ledger *l, struct ledger_account *older, __u64 now_ns)
{
	ledger_lose(l, older, now_ns, TCPC_LEDGER_LOST_replaced);
	ledger_close(l, older);
}

/* What may be lost with all of its successor; be it a FIN alone: a target that has not got it
 * answers the successor's SYN by an ACK of the old connection, for a minute (FIN-WAIT-2). */
static bool is_in_doubt(const struct ledger_account *a, const struct tcpc_ledger_packet *by)
{
	return (by->flags & TCPC_TCP_SYN) && ledger_is_active(a) && ledger_on_the_way(a) &&
	       !a->n_unsent && !(a->flags & LEDGER_RST_WAITS);
}

/* If the new connection is kept, it waits until the old one is done: in an outage many ports come
 * round again. */
void ledger_replace(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns,
		    const struct tcpc_ledger_packet *by)
{
	struct ledger_account *older = ledger_older(a);
	bool doubt;

	if (older && !(by->kept && (older->flags & LEDGER_GOES_ON)))
		end_older(l, older, now_ns);
	doubt = is_in_doubt(a, by);
	if (!a->in_flight && !a->held && !(by->kept && a->head) && !doubt) {
		ledger_close(l, a);
		return;
	}
	if (by->kept && ledger_is_active(a)) {
		a->flags |= LEDGER_GOES_ON;
	} else if (doubt) {
		a->flags |= LEDGER_IN_DOUBT;
		a->rto_ns = a->look_ns = LEDGER_NEVER;
	} else {
		retire(l, a);
	}
	ledger_set_state(a, LEDGER_REPLACED, now_ns);
	ledger_await(l, a, now_ns);
}

void ledger_is_there(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns)
{
	struct ledger_account *older = ledger_older(a);

	if (older && (older->flags & LEDGER_IN_DOUBT) && (older->in_flight || older->held))
		retire(l, older);
	else if (older && (older->flags & LEDGER_IN_DOUBT))
		ledger_close(l, older); /* a FIN, no more */
	else if (older && (older->flags & LEDGER_GOES_ON))
		end_older(l, older, now_ns);
}

/* What the target may not have of @a stays behind @older, as if it had not left. */
static void go_behind(struct tcpc_ledger *l, struct ledger_account *a, struct ledger_account *older,
		      __u64 now_ns)
{
	older->flags = (older->flags & ~LEDGER_IN_DOUBT) | LEDGER_GOES_ON;
	ledger_await(l, older, now_ns);
	for (struct ledger_piece *p = a->head; p; p = p->next)
		if (!(p->flags & (LEDGER_PIECE_UNSENT | LEDGER_PIECE_HELD)))
			ledger_wait(l, a, p);
}

/* The account that came in the place of @older, if the target has not acknowledged its SYN. */
static struct ledger_account *unanswered_successor(const struct tcpc_ledger *l,
						   const struct ledger_account *older)
{
	struct ledger_account *a = ledger_find(l, &older->flow);

	if (!a || a->state != LEDGER_OPEN || ledger_older(a) != older || a->una != a->syn_seq)
		return NULL;
	return a;
}

void ledger_link_is_lost(struct tcpc_ledger *l, __u64 now_ns)
{
	for (struct ledger_link *at = l->lru.next; at != &l->lru; at = at->next) {
		struct ledger_account *older = LEDGER_ACCOUNT_OF(at, lru), *a;

		if (!(older->flags & LEDGER_IN_DOUBT))
			continue;
		a = unanswered_successor(l, older);
		if (a)
			go_behind(l, a, older, now_ns);
		else
			retire(l, older);
	}
}
