// SPDX-License-Identifier: GPL-2.0-only
/* link_spread.c - see link_spread.h. */
#include "edge/link_spread.h"

#include <string.h>

/* ---- frames --------------------------------------------------------------------------------- */

/* Send a body to all that are up. Returns: how many of them are behind, so that it is lost to them;
 * @ret_sent: how many get it. */
static __u32 send_all(struct tcpc_link_spread *s, const __u8 *body, __u32 n_bytes, __u32 *ret_sent)
{
	__u32 missed = 0;

	*ret_sent = 0;
	for (__u32 i = 0; i < s->peers->n; i++) {
		struct tcpc_link_peer *peer = s->peers->list[i];
		int ret = tcpc_link_peer_send(peer, body, n_bytes, TCPC_LINK_OUT_RECEIPTS_BYTES);

		if (ret == -EPIPE)
			continue;
		if (ret) {
			missed++;
		} else {
			++*ret_sent;
			s->counters->frames++;
			s->counters->frame_bytes += tcpc_link_peer_frame_bytes(peer, n_bytes);
		}
		tcpc_link_peer_flush(peer);
	}
	return missed;
}

/* ---- receipts ------------------------------------------------------------------------------- */

static void send_receipts(struct tcpc_link_spread *s, struct tcpc_feedback_batch *batch)
{
	__u32 n_bytes = tcpc_feedback_batch_end(batch), sent, missed;

	if (!batch->n)
		return;
	missed = send_all(s, s->receipts_body, n_bytes, &sent);
	s->counters->receipts += (__u64)sent * batch->n;
	s->counters->receipts_dropped += (__u64)missed * batch->n;
	s->dropped += missed ? batch->n : 0;
}

static void flush_receipts(struct tcpc_link_spread *s)
{
	struct tcpc_feedback_batch batch;

	tcpc_feedback_batch_begin(&batch, s->receipts_body, sizeof(s->receipts_body));
	for (__u32 i = 0; i < s->receipts.n; i++) {
		if (tcpc_feedback_batch_add(&batch, &s->receipts.slots[i].receipt))
			continue;
		send_receipts(s, &batch);
		tcpc_feedback_batch_begin(&batch, s->receipts_body, sizeof(s->receipts_body));
		tcpc_feedback_batch_add(&batch, &s->receipts.slots[i].receipt);
	}
	send_receipts(s, &batch);
	tcpc_coalesce_clear(&s->receipts);
}

void tcpc_link_spread_receipts(struct tcpc_link_spread *s, const struct tcpc_receipt *receipts,
			       __u32 n)
{
	for (__u32 i = 0; i < n; i++) {
		int r;

		if (receipts[i].n_sack > TCPC_MAX_SACK) { /* more than a TCP header holds */
			s->counters->receipts_dropped++;
			s->dropped++;
			continue;
		}
		r = tcpc_coalesce_add(&s->receipts, &receipts[i]);
		if (r < 0) {
			tcpc_link_spread_flush(s);
			r = tcpc_coalesce_add(&s->receipts, &receipts[i]);
		}
		s->counters->coalesced += r;
	}
}

/* ---- the hold queue's ----------------------------------------------------------------------- */

static void begin_news(struct tcpc_link_spread *s, enum tcpc_feedback_type type)
{
	s->type = type;
	tcpc_feedback_news_begin(&s->news, s->news_body, sizeof(s->news_body), type);
}

static void send_news(struct tcpc_link_spread *s)
{
	__u32 n_bytes = tcpc_feedback_batch_end(&s->news), sent, missed, n = s->news.n;

	if (!n)
		return;
	missed = send_all(s, s->news_body, n_bytes, &sent);
	*(s->type == TCPC_FEEDBACK_HELD ? &s->counters->held : &s->counters->shed) +=
		(__u64)sent * n;
	s->counters->held_dropped += (__u64)missed * n;
	begin_news(s, s->type);
}

/* One that cannot be said is no news but a bug: counted as dropped. */
static void check_added(struct tcpc_link_spread *s, int added)
{
	s->counters->held_dropped += added < 0;
}

static void put_held(struct tcpc_link_spread *s, struct tcpc_held *held)
{
	int added;

	if (!held->flow.server_port)
		return;
	added = tcpc_feedback_add_held(&s->news, held);
	if (!added) {
		send_news(s);
		added = tcpc_feedback_add_held(&s->news, held);
	}
	check_added(s, added);
	held->flow.server_port = 0;
	s->n_held--;
}

static void flush_news(struct tcpc_link_spread *s)
{
	for (__u32 i = 0; s->n_held && i < TCPC_LINK_HELD_SLOTS; i++)
		put_held(s, &s->held[i]);
	send_news(s);
}

static struct tcpc_held *slot_of(struct tcpc_link_spread *s, const struct tcpc_flow *flow)
{
	/* Two in one slot only grow less. */
	__u32 hash = (__u32)flow->client_port * 0x9e3779b1u ^ flow->client.w[3] * 0x85ebca6bu;

	return &s->held[(hash >> 16) % TCPC_LINK_HELD_SLOTS];
}

/* An upload, or one request behind the other. */
static bool goes_on(const struct tcpc_held *held, const struct tcpc_held *next)
{
	return next->seq == held->end && next->end - held->seq <= 1u << 20 &&
	       !memcmp(&held->flow, &next->flow, sizeof(held->flow));
}

void tcpc_link_spread_held(struct tcpc_link_spread *s, const struct tcpc_held *held)
{
	struct tcpc_held *slot = slot_of(s, &held->flow);

	if (!held->flow.server_port || !tcpc_feedback_held_ok(held)) {
		check_added(s, -1);
		return;
	}
	if (s->type != TCPC_FEEDBACK_HELD) {
		flush_news(s);
		begin_news(s, TCPC_FEEDBACK_HELD);
	}
	if (goes_on(slot, held)) {
		slot->end = held->end;
		return;
	}
	put_held(s, slot);
	*slot = *held;
	s->n_held++;
}

void tcpc_link_spread_shed(struct tcpc_link_spread *s, const struct tcpc_shed *shed)
{
	int added;

	if (s->type != TCPC_FEEDBACK_SHED || s->receipts.n) {
		tcpc_link_spread_flush(s);
		begin_news(s, TCPC_FEEDBACK_SHED);
	}
	added = tcpc_feedback_add_shed(&s->news, shed);
	if (!added) {
		send_news(s);
		added = tcpc_feedback_add_shed(&s->news, shed);
	}
	check_added(s, added);
}

/* ---- all ------------------------------------------------------------------------------------ */

void tcpc_link_spread_init(struct tcpc_link_spread *s, const struct tcpc_link_peers *peers,
			   struct tcpc_link_counters *counters)
{
	s->peers = peers;
	s->counters = counters;
	begin_news(s, TCPC_FEEDBACK_HELD);
}

bool tcpc_link_spread_waits(const struct tcpc_link_spread *s)
{
	return s->receipts.n || s->news.n || s->n_held;
}

/* News first: receipts that wait with a SHED came after it. */
void tcpc_link_spread_flush(struct tcpc_link_spread *s)
{
	flush_news(s);
	flush_receipts(s);
}
