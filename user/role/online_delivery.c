// SPDX-License-Identifier: GPL-2.0-only
/*
 * online_delivery.c - what was copied arrives: journal, ledgers and re-sender tied together. See
 * online_priv.h.
 *
 * The journal belongs to the daemon, a ledger to each target host, since one that is gone must not
 * stop the clock of the others. What is sent again passes the same gates as a copy: it must not
 * reach a host that does not keep its answers in (invariant 2).
 */
#include "role/online_priv.h"

#include <stdlib.h>
#include <string.h>

#include "core/ledger.h"
#include "edge/journal.h"
#include "edge/log.h"
#include "edge/resend.h"

#define MAX_ACCOUNTS (1u << 18) /* a target host; 320 bytes each */
/* After an outage all that is copied is kept until what was kept before has left. Connections whose
 * target has forgotten them must not make that long. */
#define MAX_BEHIND_NS (20 * 1000000000ULL)
/* With nothing on the way accounts only have to be forgotten in time. */
#define IDLE_TICK_MS 500

struct delivery {
	struct tcpc_online *online;
	struct tcpc_journal *journal;
	struct tcpc_resend *resend;
	uv_timer_t *tick;
	unsigned int tick_ms; /* 0: it stands still */
	struct spread *spread;
	struct delivery_stats stats;
};

/* The ledger of one target host. */
struct delivery_ledger {
	struct delivery *delivery;
	struct peer *peer;
	struct tcpc_ledger *ledger;
	__u64 now_ns;	       /* the last time it was given: time never runs backwards for it */
	__u64 behind_until_ns; /* 0: nothing has to be sent first */
};

static __u64 later(struct delivery_ledger *dl, __u64 ns)
{
	if (ns > dl->now_ns)
		dl->now_ns = ns;
	return dl->now_ns;
}

static __u64 now(struct delivery_ledger *dl)
{
	return later(dl, uv_hrtime());
}

/* ---- what the ledger wants --------------------------------------------------------------------
 */

/* May anything be sent to this client's half at the target now? As `copy` decides, by what the
 * target has said last. */
static const struct target *open_target(const struct peer *peer, const struct tcpc_flow *flow)
{
	char reason[256];

	if (peer_allows(peer, &flow->client))
		return NULL;
	for (const struct tap *tap = peer->online->taps; tap; tap = tap->next) {
		for (unsigned int i = 0; i < tap->n_targets; i++) {
			const struct target *t = &tap->targets[i];

			if (t->peer == peer && t->endpoint.port == flow->server_port &&
			    tcpc_addr_equal(&t->endpoint.addr, &flow->server) &&
			    target_ready(tap, t, reason, sizeof(reason)))
				return t;
		}
	}
	return NULL;
}

static int on_resend(void *user, const struct tcpc_ledger_resend *what)
{
	struct delivery_ledger *dl = user;
	struct delivery *d = dl->delivery;
	const struct tcpc_journal_head *head = tcpc_journal_get(d->journal, what->record);
	const struct target *target = open_target(dl->peer, &what->flow);

	if (!target) {
		d->stats.withheld++;
		return peer_allows(dl->peer, &what->flow.client) ? -EPERM : -EHOSTUNREACH;
	}
	if (!head)
		return -ENOENT;
	if (what->begins)
		tcpc_resend_probe(d->resend, &what->flow, what->from_seq, head->ack,
				  target->route.ifindex);
	return tcpc_resend_packet(d->resend, head, what->from_seq, what->end_seq,
				  target->route.mtu);
}

static void on_release(void *user, __u64 record)
{
	struct delivery_ledger *dl = user;

	if (tcpc_journal_release(dl->delivery->journal, record))
		tcpc_log_debug("the journal does not have record %llu", record);
}

/* Over the link, which loses nothing, and knows the target's own numbers and what its hold queue
 * has: a reset on the wire could get lost or wait in that queue, and the old connection would take
 * what is meant for a new one. */
static int on_reset(void *user, const struct tcpc_flow *flow, __u32 end, __u32 ack)
{
	struct delivery_ledger *dl = user;
	const struct tcpc_break what = {.flow = *flow, .end = end, .ack = ack};
	int r = tcpc_link_client_break(dl->peer->link, &what);

	if (r)
		dl->delivery->stats.breaks_failed++;
	return r;
}

static const struct tcpc_ledger_ops ledger_ops = {
	.resend = on_resend,
	.release = on_release,
	.reset = on_reset,
};

/* ---- the clock --------------------------------------------------------------------------------
 */

/* How often to look: often while something is on the way, never when there is no account. */
static unsigned int tick_ms(const struct delivery *d)
{
	unsigned int ms = 0;

	for (const struct peer *p = d->online->peers; p; p = p->next) {
		const struct tcpc_ledger_stats *stats;

		if (!p->ledger)
			continue;
		stats = tcpc_ledger_stats(p->ledger->ledger);
		if (stats->records || p->ledger->behind_until_ns ||
		    tcpc_ledger_bytes(p->ledger->ledger)->held)
			return TCPC_LEDGER_TICK_MS;
		if (stats->connections)
			ms = IDLE_TICK_MS;
	}
	return ms;
}

static void on_tick(uv_timer_t *timer);

static void set_tick(struct delivery *d, unsigned int ms)
{
	if (ms == d->tick_ms)
		return;
	d->tick_ms = ms;
	if (ms)
		uv_timer_start(d->tick, on_tick, ms, ms);
	else
		uv_timer_stop(d->tick);
}

/* Once all has left that was kept, copies take their direct way again. */
static void look_behind(struct delivery_ledger *dl)
{
	tcpc_journal_read(dl->delivery->journal);
	if (tcpc_ledger_unsent(dl->ledger) && now(dl) < dl->behind_until_ns)
		return;
	dl->behind_until_ns = 0;
	online_peer_changed(dl->delivery->online, dl->peer);
}

bool delivery_is_behind(const struct peer *peer)
{
	return peer && peer->ledger && peer->ledger->behind_until_ns;
}

static void on_tick(uv_timer_t *timer)
{
	struct delivery *d = timer->data;

	for (struct peer *p = d->online->peers; p; p = p->next) {
		if (!p->ledger)
			continue;
		tcpc_ledger_tick(p->ledger->ledger, now(p->ledger));
		if (p->ledger->behind_until_ns)
			look_behind(p->ledger);
	}
	set_tick(d, tick_ms(d));
}

/* ---- copies -----------------------------------------------------------------------------------
 */

/* A copy has left, or is to leave, at @ns: not when it is read, that is how long its answer took.
 */
static void tell_ledger(struct delivery *d, __u32 target_id, __u64 ns, const struct tcpc_flow *flow,
			const struct tcpc_ledger_packet *packet)
{
	struct peer *peer = peer_of_id(d->online, target_id);

	if (!peer || !peer->ledger) {
		d->stats.orphans++;
		tcpc_journal_release(d->journal, packet->record);
		return;
	}
	peer->last_client[tcpc_addr_is_v4(&flow->client)] = flow->client;
	tcpc_ledger_copied(peer->ledger->ledger, later(peer->ledger, ns), flow, packet);
	set_tick(d, TCPC_LEDGER_TICK_MS);
}

/* Its time has come: the ledger sends it, as it sends what was kept. */
static void on_due(void *user, __u32 target_id, const struct tcpc_flow *flow,
		   const struct tcpc_ledger_packet *packet)
{
	tell_ledger(user, target_id, uv_hrtime(), flow, packet);
}

static void on_record(void *user, __u64 id, const struct tcpc_journal_head *head)
{
	struct delivery *d = user;
	struct tcpc_ledger_packet packet = {
		.seq = head->seq,
		.ack = head->ack,
		.payload_bytes = head->payload_bytes,
		.record_bytes = sizeof(*head) + head->ip_bytes,
		.record = id,
		.flags = head->flags,
		.kept = head->kept == TCPC_KEPT_AWAY || head->kept > TCPC_KEPT_LATER,
	};

	if (d->online->n_recordings)
		record_packet(d->online, head);
	/* Without memory to wait in it leaves now. */
	if (head->kept > TCPC_KEPT_LATER &&
	    !spread_add(d->spread, head, spread_ms_of(d->online, head), &packet))
		return;
	tell_ledger(d, head->target_id, head->time_ns, &head->flow, &packet);
}

static struct delivery_ledger *largest_ledger(const struct tcpc_online *online)
{
	struct delivery_ledger *most = NULL;
	__u64 bytes = 0;

	for (struct peer *p = online->peers; p; p = p->next) {
		if (!p->ledger || tcpc_ledger_stats(p->ledger->ledger)->retained_bytes <= bytes)
			continue;
		most = p->ledger;
		bytes = tcpc_ledger_stats(most->ledger)->retained_bytes;
	}
	return most;
}

/* The bound is the daemon's: whoever keeps most gives up, whatever its target. But room is needed
 * where the oldest records are. If it has none of these, as a large upload that is getting on, it
 * is the connection that stands still for longest. */
static void on_pressure(void *user)
{
	struct delivery *d = user;
	struct delivery_ledger *most = largest_ledger(d->online);
	const struct tcpc_journal_head *oldest;
	struct tcpc_flow flow;
	struct peer *peer;
	__u64 front;

	oldest = tcpc_journal_oldest(d->journal, &front);
	if (!most || tcpc_ledger_give_up_largest(most->ledger, now(most), front) || !oldest)
		return;
	flow = oldest->flow; /* it goes away meanwhile */
	peer = peer_of_id(d->online, oldest->target_id);
	if (!peer || !peer->ledger ||
	    !tcpc_ledger_give_up(peer->ledger->ledger, now(peer->ledger), &flow))
		tcpc_ledger_give_up_largest(most->ledger, now(most), ~0ULL);
}

/* ---- what targets say -------------------------------------------------------------------------
 */

/* Copies come first: what an answer is about has to be known. */
static struct delivery_ledger *read_copies(struct peer *peer)
{
	if (peer->ledger)
		tcpc_journal_read(peer->ledger->delivery->journal);
	return peer->ledger;
}

void delivery_receipts(struct peer *peer, const struct tcpc_receipt *receipts, unsigned int n)
{
	struct delivery_ledger *dl = read_copies(peer);
	__u64 at;

	if (!dl)
		return;
	at = now(dl);
	for (unsigned int i = 0; i < n; i++)
		tcpc_ledger_receipt(dl->ledger, at, &receipts[i]);
}

void delivery_read(struct delivery *d)
{
	if (d)
		tcpc_journal_read(d->journal);
}

void delivery_held(struct peer *peer, const struct tcpc_flow *flow, __u32 seq, __u32 end)
{
	struct delivery_ledger *dl = read_copies(peer);

	if (dl)
		tcpc_ledger_taken(dl->ledger, now(dl), flow, seq, end);
}

void delivery_shed(struct peer *peer, const struct tcpc_flow *flow, __u32 reason)
{
	static const enum tcpc_ledger_reason lost[] = {
		[TCPC_FEEDBACK_SHED_SLOW] = TCPC_LEDGER_LOST_too_slow,
		[TCPC_FEEDBACK_SHED_AGED] = TCPC_LEDGER_LOST_aged,
		[TCPC_FEEDBACK_SHED_ALLOWED] = TCPC_LEDGER_LOST_allowed,
	};
	struct delivery_ledger *dl = read_copies(peer);

	if (dl)
		tcpc_ledger_shed(dl->ledger, now(dl), flow, lost[reason]);
}

static bool reachable(const struct peer *peer)
{
	char reason[256];

	for (const struct tap *tap = peer->online->taps; tap; tap = tap->next)
		for (unsigned int i = 0; i < tap->n_targets; i++)
			if (tap->targets[i].peer == peer &&
			    target_ready(tap, &tap->targets[i], reason, sizeof(reason)))
				return true;
	return false;
}

void delivery_peer_changed(struct peer *peer)
{
	struct delivery_ledger *dl = peer->ledger;

	if (!dl)
		return;
	if (!reachable(peer)) {
		tcpc_ledger_paused(dl->ledger, now(dl));
		dl->behind_until_ns = 0;
		return;
	}
	if (!tcpc_ledger_is_paused(dl->ledger))
		return;
	tcpc_journal_read(dl->delivery->journal);
	tcpc_ledger_resumed(dl->ledger, now(dl));
	if (!tcpc_ledger_unsent(dl->ledger))
		return;
	dl->behind_until_ns = now(dl) + MAX_BEHIND_NS;
	set_tick(dl->delivery, TCPC_LEDGER_TICK_MS);
}

/* ---- life -------------------------------------------------------------------------------------
 */

int delivery_add_peer(struct delivery *d, struct peer *peer, struct tcpc_err *err)
{
	struct tcpc_ledger_config config = {
		.max_connections = MAX_ACCOUNTS,
		.max_outage_ns = KEEP_MAX_OUTAGE_NS,
	};
	struct delivery_ledger *dl;

	if (peer->ledger)
		return 0;
	dl = calloc(1, sizeof(*dl));
	if (!dl)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	dl->delivery = d;
	dl->peer = peer;
	memcpy(config.hash_key, d->online->hash_key, sizeof(config.hash_key));
	dl->ledger = tcpc_ledger_new(&config, &ledger_ops, dl, now(dl));
	if (!dl->ledger) {
		free(dl);
		return tcpc_err_set(err, ENOMEM, "out of memory");
	}
	peer->ledger = dl;
	delivery_peer_changed(peer);
	return 0;
}

void delivery_remove_peer(struct peer *peer)
{
	if (!peer->ledger)
		return;
	tcpc_ledger_free(peer->ledger->ledger);
	free(peer->ledger);
	peer->ledger = NULL;
}

void delivery_split(__u32 retain_mb, __u32 *ret_ring, __u64 *ret_heap)
{
	tcpc_retention_split((__u64)retain_mb << 20, TCPC_JOURNAL_RING_MIN, TCPC_JOURNAL_RING_MAX,
			     ret_ring, ret_heap);
}

int delivery_open(struct tcpc_online *online, __u64 heap_bytes, struct delivery **ret,
		  struct tcpc_err *err)
{
	struct delivery *d = calloc(1, sizeof(*d));
	struct tcpc_journal_config config = {
		.heap_bytes = heap_bytes,
		.record = on_record,
		.pressure = on_pressure,
		.user = d,
	};
	int r;

	if (!d)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	d->online = online;
	config.ring_fd =
		tcpc_dp_online_journal(online->dp, &config.ring_bytes, &config.reader_sleeps);
	r = tcpc_resend_open(&d->resend, err);
	r = r ?: tcpc_journal_open(online->config.loop, &config, &d->journal, err);
	if (!r) {
		d->tick = tcpc_timer_start(online->config.loop, on_tick, 0, 0, d);
		d->spread = spread_open(online->config.loop, on_due, d);
		r = d->tick && d->spread ? 0 : tcpc_err_set(err, ENOMEM, "out of memory");
	}
	if (r) {
		delivery_close(d);
		return r;
	}
	*ret = d;
	return 0;
}

void delivery_close(struct delivery *d)
{
	if (!d)
		return;
	tcpc_timer_stop(&d->tick);
	spread_close(d->spread);
	if (d->journal)
		tcpc_journal_close(d->journal);
	tcpc_resend_close(d->resend);
	free(d);
}

void delivery_tunnels(struct delivery *d, const int ifindex[2])
{
	if (d)
		tcpc_resend_tunnels(d->resend, ifindex);
}

/* ---- to be shown ------------------------------------------------------------------------------
 */

const struct tcpc_ledger *delivery_ledger_of(const struct peer *peer)
{
	return peer->ledger ? peer->ledger->ledger : NULL;
}

void delivery_stats(const struct delivery *d, struct delivery_stats *ret,
		    struct tcpc_retention_stats *ret_journal, struct tcpc_resend_stats *ret_resend)
{
	*ret = d->stats;
	ret->spread_waiting = spread_waiting(d->spread);
	tcpc_journal_stats(d->journal, ret_journal);
	*ret_resend = *tcpc_resend_stats(d->resend);
}
