// SPDX-License-Identifier: GPL-2.0-only
/* ledger_copied.c - what a copy that has left means for its account. */
#include "core/ledger_priv.h"

#include "tcpcopy/hold.h"

static void release(struct tcpc_ledger *l, const struct tcpc_ledger_packet *p)
{
	l->ops.release(l->user, p->record);
}

static void release_duplicate(struct tcpc_ledger *l, const struct tcpc_ledger_packet *p)
{
	l->stats.duplicates++;
	l->stats.duplicate_bytes += p->payload_bytes;
	release(l, p);
}

static struct ledger_account *open_at(struct tcpc_ledger *l, __u64 now_ns,
				      const struct tcpc_flow *flow, __u32 seq, bool syn)
{
	struct ledger_account *a = ledger_open(l, now_ns, flow);

	if (!a)
		return NULL;
	a->una = a->nxt = seq;
	a->state = syn ? LEDGER_OPEN : LEDGER_PROBE;
	l->stats.midstream += !syn;
	if (syn) {
		a->flags |= LEDGER_HAS_SYN;
		a->syn_seq = seq;
	}
	return a;
}

/* Without memory for an account its bytes are counted all the same, in total. */
static void lose_unaccounted(struct tcpc_ledger *l, const struct tcpc_ledger_packet *p)
{
	l->bytes.copied += p->payload_bytes;
	l->bytes.lost[TCPC_LEDGER_LOST_no_memory] += p->payload_bytes;
	release(l, p);
}

/* Does @p begin an exchange? The client has read something since its last data; or we know of none
 * to which it could belong. */
static bool begins(const struct ledger_account *a, const struct tcpc_ledger_packet *p)
{
	if (!(a->flags & LEDGER_HAS_DATA))
		return true;
	return tcpc_hold_can_begin(p->flags, p->payload_bytes) &&
	       tcpc_seq_lt(a->client_ack, p->ack);
}

static void note_exchange(struct tcpc_ledger *l, struct ledger_account *a,
			  const struct tcpc_ledger_packet *p, __u32 end)
{
	bool known = (a->flags & LEDGER_HAS_DATA) && !(a->flags & LEDGER_EXCHANGE_LOST);

	/* Old data belongs to what is known. If nothing is, it stands in front of a FIN. */
	if (!p->payload_bytes || tcpc_seq_leq(end, known ? a->nxt : a->una))
		return;
	if (begins(a, p) || (a->flags & LEDGER_EXCHANGE_LOST && a->state != LEDGER_BROKEN)) {
		a->exchange++;
		a->exchanges++;
		l->exchanges.copied++;
		a->flags &= ~LEDGER_EXCHANGE_LOST;
	}
	if (!(a->flags & LEDGER_HAS_DATA) || tcpc_seq_lt(a->client_ack, p->ack))
		a->client_ack = p->ack;
	a->flags |= LEDGER_HAS_DATA;
}

static void acknowledge_ahead(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns)
{
	if (!(a->flags & LEDGER_IS_AHEAD))
		return;
	if (tcpc_seq_leq(a->ahead, a->nxt)) {
		a->flags &= ~LEDGER_IS_AHEAD;
		if (tcpc_seq_lt(a->una, a->ahead))
			ledger_acknowledge(l, a, now_ns, a->ahead);
	} else if (a->una != a->nxt) {
		ledger_acknowledge(l, a, now_ns, a->nxt);
	}
}

/* Payload of @p behind all that was copied before. */
static __u32 fresh_bytes(const struct ledger_account *a, const struct tcpc_ledger_packet *p,
			 __u32 end)
{
	__u32 fresh = tcpc_seq_lt(a->nxt, end) ? end - tcpc_seq_max(a->nxt, p->seq) : 0;

	return fresh < p->payload_bytes ? fresh : p->payload_bytes;
}

/* Put @p into @a, which takes it. */
static void keep(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns,
		 const struct tcpc_ledger_packet *p, __u32 end)
{
	__u64 before = a->copied;
	__u32 fresh = fresh_bytes(a, p, end);
	bool first = !a->n_unsent && (a->moved_ns >= l->resumed_ns || !ledger_on_the_way(a));

	note_exchange(l, a, p, end);
	if (ledger_put(l, a, now_ns, p, end)) {
		ledger_give_up(l, a, now_ns, TCPC_LEDGER_LOST_no_memory);
		if (fresh > a->copied - before)
			ledger_lose_packet(l, a, fresh - (a->copied - before),
					   TCPC_LEDGER_LOST_no_memory);
	}
	a->nxt = tcpc_seq_max(a->nxt, end);
	if (a->state == LEDGER_BROKEN)
		a->una = a->nxt;
	if (p->flags & TCPC_TCP_FIN) {
		a->flags |= LEDGER_HAS_FIN;
		a->fin_end = end;
	}
	if (p->kept)
		ledger_kept(l, a, first, now_ns);
	acknowledge_ahead(l, a, now_ns);
	ledger_maybe_close(a, now_ns);
	ledger_await(l, a, now_ns);
}

/* A SYN that comes behind the data which follows it: order changed before the online host. */
static bool is_late_syn(const struct ledger_account *a, __u32 seq)
{
	return a->state == LEDGER_PROBE && !(a->flags & LEDGER_HAS_SYN) && a->una == seq + 1 &&
	       a->head && a->head->seq == a->una;
}

static void copied_syn(struct tcpc_ledger *l, __u64 now_ns, const struct tcpc_flow *flow,
		       struct ledger_account *a, const struct tcpc_ledger_packet *p)
{
	if (a && a->state != LEDGER_BROKEN && (a->flags & LEDGER_HAS_SYN) && a->syn_seq == p->seq) {
		keep(l, a, now_ns, p, p->seq + p->payload_bytes + 1);
		return;
	}
	if (a && is_late_syn(a, p->seq)) {
		a->una = a->syn_seq = p->seq;
		a->flags |= LEDGER_HAS_SYN;
		ledger_set_state(a, LEDGER_OPEN, now_ns);
	} else {
		if (a)
			ledger_replace(l, a, now_ns, p);
		a = open_at(l, now_ns, flow, p->seq, true);
	}
	if (a)
		keep(l, a, now_ns, p, p->seq + p->payload_bytes + 1);
	else
		lose_unaccounted(l, p);
}

/* Nothing answers a RST, so it is kept, and sent again if the target talks on. Without memory for
 * it the connection is over all the same. */
static void copied_rst(struct tcpc_ledger *l, __u64 now_ns, struct ledger_account *a,
		       const struct tcpc_ledger_packet *p)
{
	if (!a || a->state == LEDGER_BROKEN || a->state == LEDGER_CLOSED) {
		release(l, p);
		return;
	}
	ledger_keep_rst(l, a, p);
	if (a->rst && p->kept && (l->paused || a->n_unsent)) {
		a->flags |= LEDGER_RST_WAITS;
		ledger_give_turn(l, a);
		return;
	}
	if (a->rst && p->kept)
		ledger_resend_rst(l, a, now_ns);
	ledger_abort(a, now_ns);
	ledger_await(l, a, now_ns);
}

/* The target has no such connection. Only what begins an exchange can make it take one up. */
static void copied_broken(struct tcpc_ledger *l, __u64 now_ns, struct ledger_account *a,
			  const struct tcpc_ledger_packet *p, __u32 end)
{
	__u32 fresh = fresh_bytes(a, p, end);
	bool first = fresh && begins(a, p);

	if (first && (a->flags & LEDGER_MUST_RESET))
		ledger_reset(l, a, tcpc_seq_max(a->nxt, p->seq));
	if (first) {
		ledger_set_state(a, LEDGER_PROBE, now_ns);
		a->una = a->nxt = tcpc_seq_max(a->nxt, p->seq);
		keep(l, a, now_ns, p, end);
		return;
	}
	note_exchange(l, a, p, end);
	ledger_lose_packet(l, a, fresh, a->why);
	l->stats.duplicates += p->payload_bytes && !fresh;
	l->stats.duplicate_bytes += p->payload_bytes - fresh;
	a->una = a->nxt = tcpc_seq_max(a->nxt, end);
	release(l, p);
}

/* What contradicts the client's own FIN cannot be right, and the target will not take it. */
static bool is_beyond_fin(const struct ledger_account *a, const struct tcpc_ledger_packet *p,
			  __u32 end)
{
	if ((a->flags & LEDGER_HAS_FIN) && tcpc_seq_lt(a->fin_end, end))
		return true;
	return (p->flags & TCPC_TCP_FIN) && tcpc_seq_lt(end, a->nxt);
}

/* Too far from everything known: its SYN was not seen, and it is another connection. */
static bool is_far(const struct ledger_account *a, __u32 seq, __u32 end)
{
	return (__s32)(end - a->una) > (__s32)LEDGER_MAX_SPAN ||
	       (__s32)(seq - a->una) < -(__s32)LEDGER_MAX_SPAN;
}

static void copied_data(struct tcpc_ledger *l, __u64 now_ns, const struct tcpc_flow *flow,
			struct ledger_account *a, const struct tcpc_ledger_packet *p)
{
	__u32 end = p->seq + p->payload_bytes + !!(p->flags & TCPC_TCP_FIN);

	if (a && is_far(a, p->seq, end)) {
		ledger_replace(l, a, now_ns, p);
		a = NULL;
	}
	if (!a && !p->payload_bytes) {
		release(l, p); /* the end of a connection that neither we nor the target knows */
		return;
	}
	if (!a)
		a = open_at(l, now_ns, flow, p->seq, false);
	if (!a)
		lose_unaccounted(l, p);
	else if (a->state == LEDGER_BROKEN)
		copied_broken(l, now_ns, a, p, end);
	else if (is_beyond_fin(a, p, end))
		release_duplicate(l, p);
	else
		keep(l, a, now_ns, p, end);
}

void tcpc_ledger_copied(struct tcpc_ledger *l, __u64 now_ns, const struct tcpc_flow *flow,
			const struct tcpc_ledger_packet *p)
{
	struct ledger_account *a = ledger_find(l, flow);

	l->stats.packets++;
	l->stats.kept += p->kept;
	if (!p->kept)
		ledger_left(l, now_ns);
	if (a)
		ledger_touch(l, a, now_ns);
	if (p->flags & TCPC_TCP_RST)
		copied_rst(l, now_ns, a, p);
	else if (p->flags & TCPC_TCP_SYN)
		copied_syn(l, now_ns, flow, a, p);
	else if (p->payload_bytes || (p->flags & TCPC_TCP_FIN))
		copied_data(l, now_ns, flow, a, p);
	else
		release(l, p); /* a pure ACK: nothing to account for */
	if (l->n_unsent)
		ledger_catch_up(l, now_ns);
}
