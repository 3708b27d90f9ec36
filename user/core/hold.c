// SPDX-License-Identifier: GPL-2.0-only
/* hold.c - see hold.h. */
#include "core/hold.h"

#include <stdlib.h>
#include <string.h>

#include "core/hold_cut.h"
#include "core/hold_priv.h"
#include "tcpcopy/hold.h"

enum decision { WAIT, RELEASE, RELEASE_QUIET, RELEASE_STUCK, RELEASE_LATE, CUT };

/* ---- giving up -------------------------------------------------------------------------------
 */

static void tell(struct tcpc_hold *hold, struct packet *p)
{
	hold_is_told(hold, p);
	hold->ops.taken(hold->user, &p->of->flow, hold_seq(p), hold_end_of(p->seq_end, p->flags));
}

void hold_shed(struct tcpc_hold *hold, struct held **at)
{
	struct tcpc_flow flow = (*at)->flow;
	struct tcpc_hold_last last = {};

	for (struct packet *p = (*at)->head; p; p = p->next) {
		hold->stats.lost++;
		if (p->told == HOLD_NOT_TOLD)
			tell(hold, p);
		last.end = hold_end_of(p->seq_end, p->flags);
		last.ack = p->ack;
	}
	hold_forget(hold, at);
	hold->ops.shed(hold->user, &flow, &last);
}

/* At the bound the largest goes: it is the one furthest behind. */
static void shed_largest(struct tcpc_hold *hold)
{
	struct held **largest = NULL;

	for (int i = 0; i < BUCKETS; i++)
		for (struct held **p = &hold->buckets[i]; *p; p = &(*p)->next)
			if (!largest || (*p)->bytes > (*largest)->bytes)
				largest = p;
	if (!largest)
		return;
	hold->stats.shed_full++;
	hold_shed(hold, largest);
}

/* ---- the decision -----------------------------------------------------------------------------
 */

/* Is this the view from before the last release? A release that was lost on its way is never seen,
 * so after a while the view counts as it is. */
static bool is_stale(const struct held *f, const struct tcpc_exchange *x, __u64 now_ns)
{
	if (f->unseen == NOTHING || now_ns - f->progress_ns >= TCPC_HOLD_QUIET_NS)
		return false;
	if (f->unseen == NEW_CONNECTION)
		return x->exchanges;
	return !x->exchanges || tcpc_seq_lt(x->client_ack, f->begun_ack);
}

/* A stale view tells only whether a packet belongs to the request that was released. */
static enum decision decide_stale(const struct held *f, const struct packet *p)
{
	if (f->unseen != REQUEST || tcpc_hold_is_closing(p->flags, p->payload_bytes))
		return WAIT;
	return tcpc_hold_expected(f->begun_ack, p->ack, p->flags) ? WAIT : RELEASE;
}

/* A new connection from a port whose old one the target may not have finished with. */
static enum decision decide_syn(const struct held *f, const struct tcpc_exchange *x, __u64 now_ns)
{
	if (!x->exchanges || (x->answer_flags & (TCPC_TCP_FIN | TCPC_TCP_RST)) ||
	    hold_is_own_syn(f->head, x))
		return RELEASE;
	return now_ns - f->progress_ns >= TCPC_HOLD_CLOSE_NS ? RELEASE_LATE : WAIT;
}

static bool is_beyond_window(const struct packet *p, const struct tcpc_exchange *x)
{
	return p->payload_bytes && x->window_end && tcpc_seq_lt(x->window_end, p->seq_end);
}

/* How much of a large packet may go now: whole segments up to the window's edge. */
static __u32 part_in_window(const struct packet *p, const struct tcpc_exchange *x)
{
	__s32 fits = x->window_end - hold_seq(p);

	return p->cut_unit && fits > 0 ? fits / p->cut_unit * p->cut_unit : 0;
}

/* How long an answer is waited for that must come. */
static __u64 patience_ns(const struct tcpc_hold *hold, __u64 limit_ns)
{
	return limit_ns < hold->max_lag_ns / 2 ? limit_ns : hold->max_lag_ns / 2;
}

/* FIN or RST by itself, while the answer is not whole: the server would break it off. */
static enum decision decide_close(const struct tcpc_hold *hold, __u32 expected, __u32 got,
				  __u64 quiet_ns)
{
	__u64 limit_ns = expected && (__s32)got <= 0 ? TCPC_HOLD_ANSWER_NS : TCPC_HOLD_CLOSE_NS;

	return quiet_ns >= patience_ns(hold, limit_ns) ? RELEASE_LATE : WAIT;
}

/* The target has said nothing for a while. One that was asked nothing it would answer is silent as
 * well, when it had answered the requests before; but a slow one whose answers are longer looks the
 * same, so it gets more time unless answers were equally long of late. */
static enum decision decide_quiet(const struct tcpc_hold *hold, const struct packet *p,
				  const struct tcpc_exchange *x, __u32 expected, __u32 got,
				  __u64 quiet_ns)
{
	bool ahead =
		(x->answer_flags & TCPC_TCP_PSH) && tcpc_hold_is_ahead(x, x->answer_end, p->ack);

	if (x->owed && quiet_ns >= TCPC_HOLD_SHORT_NS &&
	    tcpc_hold_answered(got + x->owed, expected, x->answer_flags & TCPC_TCP_PSH))
		return RELEASE_QUIET;
	if (((__s32)got > 0 || (ahead && tcpc_hold_is_level(x))) && quiet_ns >= TCPC_HOLD_QUIET_NS)
		return RELEASE_QUIET;
	if (ahead && quiet_ns >= TCPC_HOLD_CLOSE_NS)
		return RELEASE_QUIET;
	if (x->exchanges && expected <= TCPC_HOLD_CHATTER_BYTES &&
	    quiet_ns >= patience_ns(hold, TCPC_HOLD_ANSWER_NS))
		return RELEASE_STUCK;
	return WAIT;
}

/* The rule: is it the packet's turn? */
static enum decision decide_order(const struct tcpc_hold *hold, const struct held *f,
				  const struct packet *p, const struct tcpc_exchange *x,
				  __u64 now_ns)
{
	__u64 quiet_ns = now_ns - f->progress_ns;
	bool closing = tcpc_hold_is_closing(p->flags, p->payload_bytes);
	__u32 expected, got;
	int idle = x->answer_flags & TCPC_TCP_PSH;

	if (is_stale(f, x, now_ns))
		return decide_stale(f, p);
	expected = tcpc_hold_awaited(x, p->ack, p->flags, p->greeting);
	if (!expected && (!closing || !x->exchanges))
		return RELEASE;
	if (x->answer_flags & TCPC_TCP_FIN)
		return RELEASE; /* it has said all it will ever say */
	got = x->answer_flags & TCPC_TCP_ACK ? tcpc_hold_got(x, x->answer_end) : 0;
	if (closing ? tcpc_hold_may_close(got, expected, idle, 0)
		    : tcpc_hold_answered(got, expected, idle) ||
			      tcpc_hold_answered_in_all(x, x->answer_end, idle, hold_seq(p),
							p->ack))
		return RELEASE;
	return closing ? decide_close(hold, expected, got, quiet_ns)
		       : decide_quiet(hold, p, x, expected, got, quiet_ns);
}

static enum decision decide(const struct tcpc_hold *hold, const struct held *f,
			    const struct packet *p, const struct tcpc_exchange *x, __u64 now_ns)
{
	enum decision decision;

	if (p->flags & TCPC_TCP_SYN)
		return decide_syn(f, x, now_ns);
	if ((x->answer_flags & TCPC_TCP_RST) && f->unseen != NEW_CONNECTION)
		return RELEASE; /* the target has no such connection any more */
	decision = decide_order(hold, f, p, x, now_ns);
	if (decision == WAIT || !is_beyond_window(p, x))
		return decision;
	return part_in_window(p, x) ? CUT : WAIT;
}

/* The same that align will note of @p. */
static void note_release(struct held *f, const struct packet *p, const struct tcpc_exchange *x)
{
	if (p->flags & TCPC_TCP_SYN) {
		if (!hold_is_own_syn(p, x))
			f->unseen = NEW_CONNECTION;
	} else if (!x->exchanges || (tcpc_hold_can_begin(p->flags, p->payload_bytes) &&
				     tcpc_seq_lt(x->client_ack, p->ack))) {
		f->unseen = REQUEST;
		f->begun_ack = p->ack;
	}
}

static void emit(struct tcpc_hold *hold, struct held *f, const struct tcpc_exchange *x,
		 __u64 now_ns)
{
	struct packet *p = hold_pop(hold, f);

	if (hold_write(hold, p, f->head ? 0 : f->number)) {
		hold->stats.write_failed++;
	} else {
		hold->stats.released++;
		note_release(f, p, x);
	}
	if (!hold_sent_keep(hold, &f->flow, p, now_ns))
		free(p);
}

/* Does the first packet wait for one before it? While the view is stale that cannot be told. */
static bool is_behind_gap(const struct held *f, const struct tcpc_exchange *x, __u64 now_ns)
{
	const struct packet *p = f->head;

	return p && !(p->flags & TCPC_TCP_SYN) && !(x->answer_flags & TCPC_TCP_RST) &&
	       tcpc_seq_lt(tcpc_hold_in_order(x, hold_seq(p)), hold_seq(p)) &&
	       tcpc_hold_needs_all(x, p->ack, p->flags, p->payload_bytes) &&
	       !is_stale(f, x, now_ns);
}

/* When the gap is filled the target's time to answer begins. */
static void note_gap(struct held *f, bool gap, __u64 now_ns)
{
	if (f->gap && !gap)
		f->progress_ns = now_ns;
	f->gap = gap;
}

/* Decide on the first packet. Without one, WAIT means that the last release is to be remembered. */
static enum decision look(struct tcpc_hold *hold, struct held *f, __u64 now_ns,
			  struct tcpc_exchange *x)
{
	if (!hold->ops.exchange(hold->user, &f->flow, x))
		return RELEASE;
	if (x->answer_end != f->answer_end)
		f->progress_ns = now_ns;
	f->answer_end = x->answer_end;
	if (x->exchanges && !(f->head && f->head->flags & TCPC_TCP_SYN))
		f->shut_ns = f->retry_ns = 0; /* it is open; of a SYN it is the one before */
	note_gap(f, is_behind_gap(f, x, now_ns), now_ns);
	if (f->gap || (f->head && now_ns < f->retry_ns))
		return WAIT;
	/* Nothing opened it: there is no answer and no greeting to wait for, the packet itself
	 * will. */
	if (f->head && f->shut_ns && f->unseen == NOTHING && !(x->answer_flags & TCPC_TCP_ACK))
		return RELEASE;
	if (f->head)
		return decide(hold, f, f->head, x, now_ns);
	return is_stale(f, x, now_ns) ? WAIT : RELEASE;
}

/* Release what may go. The kernel's view is read anew for each packet: releasing one changes it.
 * Where it lags behind, a packet waits for the next touch or tick: late, never early. */
static void run(struct tcpc_hold *hold, struct held **at, __u64 now_ns)
{
	struct held *f = *at;

	while (f->head || f->unseen) {
		struct tcpc_exchange x = {};
		enum decision decision = look(hold, f, now_ns, &x);

		if (decision == WAIT)
			return;
		if (!f->head)
			break;
		if (decision == CUT && !hold_cut_head(hold, f, part_in_window(f->head, &x)))
			return;
		hold->stats.released_quiet +=
			decision == RELEASE_QUIET || decision == RELEASE_STUCK;
		hold->stats.released_late += decision == RELEASE_LATE;
		/* A target that stays silent shall not look alive for what it is given. */
		if (decision != RELEASE_STUCK)
			f->progress_ns = now_ns;
		emit(hold, f, &x, now_ns);
	}
	hold_forget(hold, at);
}

/* ---- what comes in ----------------------------------------------------------------------------
 */

/* Nobody says when a full accept queue has room again, so it is tried: often at first, as a SYN
 * cookie takes no longer, and then eight times in each doubling of the time. */
static void try_later(struct held *f, __u64 now_ns)
{
	__u64 pause_ns;

	if (!f->shut_ns)
		f->shut_ns = now_ns;
	pause_ns = (now_ns - f->shut_ns) / 8;
	if (pause_ns < TCPC_HOLD_TICK_MS * 1000000ULL)
		pause_ns = TCPC_HOLD_TICK_MS * 1000000ULL;
	f->retry_ns = now_ns + pause_ns;
	f->unseen = NOTHING; /* what was released did not arrive */
}

/* It waits already. Its number counts all the same: the kernel has counted it. Whoever sent it
 * again does not know. */
static void take_again(struct tcpc_hold *hold, struct held *f, __u64 now_ns,
		       const struct tcpc_pkt *pkt, const struct tcpc_hold_tag *tag)
{
	hold->stats.duplicates++;
	f->number = tcpc_hold_tag_read(tag);
	if (tcpc_hold_tag_is_early(tag))
		try_later(f, now_ns);
	hold->ops.taken(hold->user, &f->flow, pkt->seq,
			hold_end_of(pkt->seq + pkt->payload_bytes, pkt->flags));
}

/* It is the target host's now: the online host need not send it again. */
static void tell_old(struct tcpc_hold *hold, __u64 now_ns)
{
	struct packet *p;

	while ((p = hold->oldest) && (now_ns - p->since_ns >= TCPC_HOLD_TELL_NS ||
				      hold->untold_bytes > TCPC_HOLD_TELL_BYTES))
		tell(hold, p);
}

static void take(struct tcpc_hold *hold, struct held **at, __u64 now_ns, struct packet *p,
		 const struct tcpc_hold_tag *tag)
{
	struct held *f = *at;

	hold->stats.taken++;
	hold_put(hold, f, p, tcpc_hold_tag_is_early(tag));
	f->number = tcpc_hold_tag_read(tag);
	if (tcpc_hold_tag_is_early(tag))
		try_later(f, now_ns);
	else if (f->head == p)
		run(hold, at, now_ns);
	tell_old(hold, now_ns);
}

void tcpc_hold_take(struct tcpc_hold *hold, __u64 now_ns, const void *data, size_t head_bytes,
		    size_t bytes)
{
	const __u8 *begin = data, *frame = begin + head_bytes;
	struct tcpc_hold_tag tag;
	struct tcpc_flow flow;
	struct held **at;
	struct packet *p;
	struct tcpc_pkt pkt;

	if (bytes < head_bytes ||
	    tcpc_parse(frame, begin + bytes, bytes - head_bytes, TCPC_LINK_ETHER, &pkt)) {
		hold->stats.malformed++;
		return;
	}
	memcpy(&tag, frame + SOURCE_MAC_OFF, sizeof(tag));
	flow = hold_flow(&pkt);
	at = hold_find(hold, &flow);
	if (*at && hold_has(*at, &pkt)) {
		take_again(hold, *at, now_ns, &pkt, &tag);
		return;
	}
	hold_sent_drop(hold, sizeof(*p) + bytes);
	while (hold->stats.bytes && hold->stats.bytes + sizeof(*p) + bytes > hold->limit_bytes)
		shed_largest(hold);
	p = hold_new_packet(&pkt, now_ns, data, head_bytes, bytes);
	at = p ? hold_need(hold, &flow, now_ns) : NULL;
	if (!at) {
		free(p);
		hold->stats.lost++;
		return;
	}
	take(hold, at, now_ns, p, &tag);
}

void tcpc_hold_touch(struct tcpc_hold *hold, __u64 now_ns, const struct tcpc_flow *flow)
{
	struct held **at;

	if (!hold->stats.connections)
		return;
	at = hold_find(hold, flow);
	if (*at) {
		(*at)->retry_ns = 0;
		run(hold, at, now_ns);
	}
}

void tcpc_hold_way_lost(struct tcpc_hold *hold, __u64 now_ns)
{
	hold->gaps_until_ns = now_ns + TCPC_HOLD_GAP_NS;
}

bool tcpc_hold_break(struct tcpc_hold *hold, const struct tcpc_flow *flow, __u32 end)
{
	struct held **at = hold_find(hold, flow), *f = *at;

	if (!f)
		return false;
	while (f->head && !(f->head->flags & TCPC_TCP_SYN) && tcpc_seq_lt(hold_seq(f->head), end)) {
		hold->stats.lost++;
		free(hold_pop(hold, f));
	}
	f->unseen = NOTHING;
	f->shut_ns = f->retry_ns = 0;
	if (f->head)
		return true;
	hold_forget(hold, at);
	return false;
}

static bool is_behind(const struct tcpc_hold *hold, const struct held *f, __u64 now_ns)
{
	__u64 limit_ns = hold->max_lag_ns;

	if (!f->head)
		return false;
	if (f->gap && now_ns < hold->gaps_until_ns)
		return false;
	if (f->shut_ns && now_ns - f->shut_ns >= limit_ns)
		return true;
	return now_ns - f->head->since_ns >= limit_ns && now_ns - f->progress_ns >= limit_ns;
}

void tcpc_hold_tick(struct tcpc_hold *hold, __u64 now_ns)
{
	for (int i = 0; i < BUCKETS && hold->stats.connections; i++) {
		struct held **at = &hold->buckets[i];

		while (*at) {
			struct held *f = *at;

			if (is_behind(hold, f, now_ns)) {
				hold->stats.shed_lag++;
				hold_shed(hold, at);
				continue;
			}
			run(hold, at, now_ns);
			if (*at == f)
				at = &f->next;
		}
	}
	hold_sent_tick(hold, now_ns);
	tell_old(hold, now_ns);
}

/* ---- life -------------------------------------------------------------------------------------
 */

struct tcpc_hold *tcpc_hold_new(size_t limit_bytes, __u64 max_lag_ns,
				const struct tcpc_hold_ops *ops, void *user)
{
	struct tcpc_hold *hold = calloc(1, sizeof(*hold));

	if (!hold)
		return NULL;
	hold->sent_tail = &hold->sent;
	hold->limit_bytes = limit_bytes;
	hold->max_lag_ns = max_lag_ns;
	hold->ops = *ops;
	hold->user = user;
	return hold;
}

void tcpc_hold_free(struct tcpc_hold *hold)
{
	for (int i = 0; i < BUCKETS; i++)
		while (hold->buckets[i])
			hold_forget(hold, &hold->buckets[i]);
	hold_sent_drop(hold, hold->limit_bytes);
	free(hold);
}

bool tcpc_hold_empty(const struct tcpc_hold *hold)
{
	return !hold->stats.connections && !hold->sent && !hold->late;
}

struct tcpc_hold_stats *tcpc_hold_stats(struct tcpc_hold *hold)
{
	return &hold->stats;
}
