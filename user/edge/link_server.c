// SPDX-License-Identifier: GPL-2.0-only
/* link_server.c - the target host's end of the feedback link, see link.h: it listens, tells each
 * peer what it has to know, and spreads receipts. */
#include "edge/link.h"

#include <stdlib.h>
#include <string.h>

#include "core/knock.h"
#include "edge/link_book.h"
#include "edge/link_peer.h"
#include "edge/link_socket.h"
#include "edge/link_spread.h"
#include "edge/link_sums.h"
#include "edge/link_tally.h"
#include "tcpcopy/seq.h"

#define BACKLOG 128
/* Connections accepted in one turn of the loop, and when the next ones are: libuv itself accepts
 * for as long as there are any, and a flood would keep the loop from the peers that are linked. */
#define ACCEPT_BURST 32
#define ACCEPT_AGAIN_MS 1

struct tcpc_link_server {
	uv_tcp_t listener;
	uv_timer_t beat;   /* pings, while there are connections */
	uv_timer_t flush;  /* of what waits for company */
	uv_timer_t settle; /* look again at what is settled */
	uv_timer_t again;  /* accept what had to wait for the next turn */
	const struct tcpc_link_server_events *events;
	void *user;
	const __u8 *key; /* the user's; NULL: --insecure */
	bool closing;
	bool accept_waits; /* a connection is left in the listener, for want of memory or time */
	__u8 pressure;	   /* of this host */
	__u32 accepted;	   /* in the turn of the loop that began at turn_ms */
	__u64 turn_ms, flushed_ms;
	struct tcpc_knock knock;
	__u32 refs; /* handles and peers that are not freed yet */
	__u32 n_up;
	struct tcpc_link_peers peers;
	struct tcpc_link_book book;
	struct tcpc_link_counters counters;
	struct tcpc_link_refusals refusals;
	struct tcpc_link_spread spread;
};

static void unref(struct tcpc_link_server *server)
{
	if (--server->refs)
		return;
	tcpc_link_book_free(&server->book);
	free(server);
}

static void on_handle_closed(uv_handle_t *handle)
{
	unref(handle->data);
}

/* ---- what is settled ------------------------------------------------------------------------ */

/* The smallest serial that a connected peer has acted on. */
static __u32 least_acked(const struct tcpc_link_server *server)
{
	__u32 least = server->book.settle.serial;

	for (__u32 i = 0; i < server->peers.n; i++) {
		const struct tcpc_link_peer *peer = server->peers.list[i];

		if (peer->phase == TCPC_LINK_UP && tcpc_seq_lt(peer->acked, least))
			least = peer->acked;
	}
	return least;
}

static void on_settle_timer(uv_timer_t *timer);

static void report_settled(struct tcpc_link_server *server)
{
	struct tcpc_link_settle *settle = &server->book.settle;
	const __u64 now_ms = uv_now(server->settle.loop);
	__u32 upto;
	__s64 wait_ms;

	tcpc_link_settle_expire(settle, now_ms);
	upto = tcpc_link_settle_upto(settle, least_acked(server));
	while (!server->closing && settle->reported != upto)
		if (++settle->reported) /* serials leave 0 out */
			server->events->settled(server->user, settle->reported);
	if (server->closing || settle->reported == settle->serial)
		return;
	wait_ms = tcpc_link_settle_wait(settle, now_ms);
	if (wait_ms >= 0)
		uv_timer_start(&server->settle, on_settle_timer, wait_ms, 0);
}

static void on_settle_timer(uv_timer_t *timer)
{
	report_settled(timer->data);
}

/* Never at once: the caller does not know the serial yet. */
static void settle_soon(struct tcpc_link_server *server)
{
	uv_timer_start(&server->settle, on_settle_timer, 0, 0);
}

__u32 tcpc_link_server_services(struct tcpc_link_server *server,
				const struct tcpc_link_service *services, unsigned int n)
{
	settle_soon(server);
	return tcpc_link_book_services(&server->book, services, n, &server->peers);
}

__u32 tcpc_link_server_allow(struct tcpc_link_server *server, enum tcpc_link_allow_op op,
			     const struct tcpc_prefix *prefixes, unsigned int n)
{
	settle_soon(server);
	return tcpc_link_book_allow(&server->book, op, prefixes, n, &server->peers);
}

/* ---- receipts, and the hold queue's news ---------------------------------------------------- */

static void on_flush_timer(uv_timer_t *timer)
{
	struct tcpc_link_server *server = timer->data;

	server->flushed_ms = uv_now(timer->loop);
	tcpc_link_spread_flush(&server->spread);
}

/* What comes has gathered where it was read: unless that is too often it leaves in this turn. */
static void flush_soon(struct tcpc_link_server *server)
{
	__u64 since = uv_now(server->flush.loop) - server->flushed_ms;

	if (tcpc_link_spread_waits(&server->spread) && !uv_is_active((uv_handle_t *)&server->flush))
		uv_timer_start(&server->flush, on_flush_timer,
			       since < TCPC_LINK_FLUSH_MS ? TCPC_LINK_FLUSH_MS - since : 0, 0);
}

unsigned int tcpc_link_server_receipts(struct tcpc_link_server *server,
				       const struct tcpc_receipt *receipts, unsigned int n)
{
	unsigned int dropped;

	if (server->n_up)
		tcpc_link_spread_receipts(&server->spread, receipts, n);
	flush_soon(server);
	dropped = server->spread.dropped;
	server->spread.dropped = 0;
	return dropped;
}

void tcpc_link_server_held(struct tcpc_link_server *server, const struct tcpc_flow *flow, __u32 seq,
			   __u32 end)
{
	const struct tcpc_held held = {.flow = *flow, .seq = seq, .end = end};

	if (server->n_up)
		tcpc_link_spread_held(&server->spread, &held);
	flush_soon(server);
}

void tcpc_link_server_shed(struct tcpc_link_server *server, const struct tcpc_flow *flow,
			   enum tcpc_feedback_shed_reason reason)
{
	const struct tcpc_shed shed = {.flow = *flow, .reason = reason};

	if (server->n_up)
		tcpc_link_spread_shed(&server->spread, &shed);
	flush_soon(server);
}

/* ---- trials --------------------------------------------------------------------------------- */

void tcpc_link_server_trial(struct tcpc_link_server *server, const struct tcpc_trial_note *note)
{
	__u8 body[TCPC_FEEDBACK_SHORT_BODY_MAX];
	struct tcpc_feedback_writer w =
		tcpc_feedback_begin(body, sizeof(body), TCPC_FEEDBACK_TRIAL);

	tcpc_feedback_put_trial(&w, note);
	for (__u32 i = 0; i < server->peers.n; i++)
		if (!tcpc_link_peer_send(server->peers.list[i], body, tcpc_feedback_bytes(&w),
					 TCPC_LINK_OUT_RECEIPTS_BYTES))
			tcpc_link_peer_flush(server->peers.list[i]);
}

static enum tcpc_feedback_reason take_trial(struct tcpc_link_server *server,
					    struct tcpc_feedback_reader *body)
{
	struct tcpc_trial_note note;
	enum tcpc_feedback_reason reason;

	if (!server->events->trial)
		return TCPC_FEEDBACK_STATE;
	reason = tcpc_feedback_get_trial(body, true, &note);
	if (!reason)
		server->events->trial(server->user, &note);
	return reason;
}

/* ---- peers ---------------------------------------------------------------------------------- */

static void on_up(struct tcpc_link_peer *peer)
{
	struct tcpc_link_server *server = peer->owner;

	server->n_up++;
	tcpc_knock_prove(&server->knock, &peer->from);
	/* It comes with nothing: what it copies will rest on what it is told now. */
	peer->acked = server->book.settle.serial;
	tcpc_link_book_brief(&server->book, peer);
	server->events->peer_up(server->user, peer->name);
}

static enum tcpc_feedback_reason read_break(struct tcpc_link_server *server,
					    struct tcpc_feedback_reader *body)
{
	struct tcpc_break what;
	enum tcpc_feedback_reason reason = tcpc_feedback_get_break(body, &what);

	if (reason)
		return reason;
	server->counters.breaks++;
	server->events->broken(server->user, &what);
	return TCPC_FEEDBACK_OK;
}

static enum tcpc_feedback_reason read_ack(struct tcpc_link_peer *peer,
					  struct tcpc_feedback_reader *body)
{
	struct tcpc_link_server *server = peer->owner;
	enum tcpc_feedback_reason reason;
	__u32 serial;

	reason = tcpc_feedback_get_ack(body, &serial);
	if (reason)
		return reason;
	/* Neither backwards nor ahead of what there is. */
	if (tcpc_seq_lt(serial, peer->acked) || tcpc_seq_lt(server->book.settle.serial, serial))
		return TCPC_FEEDBACK_VALUE;
	peer->acked = serial;
	return TCPC_FEEDBACK_OK;
}

static enum tcpc_feedback_reason on_frame(struct tcpc_link_peer *peer, enum tcpc_feedback_type type,
					  struct tcpc_feedback_reader *body)
{
	const struct tcpc_link_server *server = peer->owner;

	switch (type) {
	case TCPC_FEEDBACK_ACK:
		return read_ack(peer, body);
	case TCPC_FEEDBACK_BREAK:
		return read_break(peer->owner, body);
	case TCPC_FEEDBACK_SUMS:
		return tcpc_link_sums_read(peer, body, server->events, server->user);
	case TCPC_FEEDBACK_TRIAL:
		return take_trial(peer->owner, body);
	default:
		return TCPC_FEEDBACK_STATE;
	}
}

static void on_idle(struct tcpc_link_peer *peer)
{
	struct tcpc_link_server *server = peer->owner;

	if (server->book.settle.reported != server->book.settle.serial)
		report_settled(server);
}

static void refused(struct tcpc_link_server *server, const char *peer, const char *why)
{
	tcpc_link_tally_refusal(&server->refusals, uv_now(server->beat.loop), peer, why);
}

static void on_ended(struct tcpc_link_peer *peer, bool was_up, enum tcpc_link_end end,
		     const char *why)
{
	struct tcpc_link_server *server = peer->owner;

	tcpc_link_peers_remove(&server->peers, peer);
	tcpc_link_tally_end(&server->counters, end);
	if (!was_up) {
		refused(server, peer->name, why);
		return;
	}
	server->n_up--;
	tcpc_link_settle_lost(&server->book.settle, peer->acked,
			      uv_now(server->beat.loop) + TCPC_LINK_SETTLE_MS);
	settle_soon(server);
	server->events->peer_down(server->user, peer->name, end == TCPC_LINK_END_CLOSED, why);
}

static void on_gone(struct tcpc_link_peer *peer)
{
	unref(peer->owner);
}

static const struct tcpc_link_peer_ops peer_ops = {
	.up = on_up,
	.frame = on_frame,
	.idle = on_idle,
	.ended = on_ended,
	.gone = on_gone,
};

/* ---- accepting ------------------------------------------------------------------------------ */

/* Make room for one more: who has not shown that he knows the key goes before who has, the oldest
 * first. So a flood of silent connections does not keep out a peer that says hello at once. */
static bool make_room(struct tcpc_link_server *server)
{
	struct tcpc_link_peers *peers = &server->peers;

	if (peers->n < TCPC_LINK_MAX_PEERS)
		return true;
	for (__u32 i = 0; i < peers->n; i++) {
		if (peers->list[i]->phase == TCPC_LINK_UP)
			continue;
		tcpc_link_peer_end(peers->list[i], TCPC_LINK_END_CROWDED,
				   "has to make room for another one, there are %u connections",
				   TCPC_LINK_MAX_PEERS);
		return true;
	}
	server->counters.turned_away++;
	return false;
}

void tcpc_link_server_pressure(struct tcpc_link_server *server, __u8 pressure)
{
	server->pressure = pressure;
}

static void on_beat(uv_timer_t *timer);
static void on_again(uv_timer_t *timer);

/* Has this turn of the loop had its share? Then the rest waits in the kernel for the next. */
static bool must_wait(struct tcpc_link_server *server)
{
	const __u64 now_ms = uv_now(server->beat.loop);

	if (now_ms != server->turn_ms)
		server->accepted = 0;
	server->turn_ms = now_ms;
	if (server->accepted++ < ACCEPT_BURST)
		return false;
	server->accept_waits = true;
	uv_timer_start(&server->again, on_again, ACCEPT_AGAIN_MS, 0);
	return true;
}

/* May @peer, just accepted, begin? */
static bool is_welcome(struct tcpc_link_server *server, struct tcpc_link_peer *peer, int status)
{
	const char *why = "is one peer too many";

	tcpc_link_socket_name(&peer->tcp, peer->name, sizeof(peer->name));
	tcpc_link_socket_addr(&peer->tcp, &peer->from);
	if (status) {
		why = uv_strerror(status);
	} else if (!tcpc_knock_pass(&server->knock, &peer->from, uv_now(server->beat.loop))) {
		server->counters.throttled++;
		why = "knocks too often";
	} else if (make_room(server)) {
		return true;
	}
	refused(server, peer->name, why);
	return false;
}

static void accept_one(struct tcpc_link_server *server)
{
	struct tcpc_link_peer *peer;
	int ret;

	if (must_wait(server))
		return;
	peer = tcpc_link_peer_new(server->beat.loop, server->key, true,
				  TCPC_FEEDBACK_SHORT_BODY_MAX, &peer_ops, server);
	server->accept_waits = !peer;
	if (!uv_is_active((uv_handle_t *)&server->beat))
		uv_timer_start(&server->beat, on_beat, TCPC_LINK_PING_MS, TCPC_LINK_PING_MS);
	if (!peer)
		return;
	server->refs++;
	ret = uv_accept((uv_stream_t *)&server->listener, (uv_stream_t *)&peer->tcp);
	if (!is_welcome(server, peer, ret)) {
		tcpc_link_peer_drop(peer);
		return;
	}
	server->counters.connections++;
	server->peers.list[server->peers.n++] = peer;
	tcpc_link_peer_start(peer);
}

static void on_again(uv_timer_t *timer)
{
	struct tcpc_link_server *server = timer->data;

	if (server->accept_waits)
		accept_one(server);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct tcpc_link_server *server = listener->data;

	if (status)
		refused(server, "somebody", uv_strerror(status));
	else
		accept_one(server);
}

static void on_beat(uv_timer_t *timer)
{
	struct tcpc_link_server *server = timer->data;

	if (server->accept_waits)
		accept_one(server);
	for (__u32 i = 0; i < server->peers.n; i++) {
		server->peers.list[i]->says = server->pressure;
		tcpc_link_peer_ping(server->peers.list[i]);
	}
	if (!server->peers.n && !server->accept_waits)
		uv_timer_stop(timer);
}

/* ---- life ----------------------------------------------------------------------------------- */

static void init_handles(struct tcpc_link_server *server, uv_loop_t *loop)
{
	uv_tcp_init(loop, &server->listener);
	uv_timer_init(loop, &server->beat);
	uv_timer_init(loop, &server->flush);
	uv_timer_init(loop, &server->settle);
	uv_timer_init(loop, &server->again);
	server->listener.data = server;
	server->beat.data = server;
	server->flush.data = server;
	server->settle.data = server;
	server->again.data = server;
	server->refs = 5;
}

int tcpc_link_server_open(uv_loop_t *loop, const struct tcpc_endpoint *listen, const __u8 *key,
			  const struct tcpc_link_server_events *events, void *user,
			  struct tcpc_link_server **ret, struct tcpc_err *err)
{
	struct tcpc_link_server *server;
	int status;

	status = tcpc_link_socket_prepare(err);
	if (status)
		return status;
	server = calloc(1, sizeof(*server));
	if (!server)
		return tcpc_err_set(err, ENOMEM, "feedback link: out of memory");
	server->events = events;
	server->user = user;
	server->key = key;
	randombytes_buf(server->knock.key, sizeof(server->knock.key));
	tcpc_link_spread_init(&server->spread, &server->peers, &server->counters);
	init_handles(server, loop);
	status = tcpc_link_socket_listen(&server->listener, listen, BACKLOG, on_connection, err);
	if (status) {
		tcpc_link_server_close(server);
		return status;
	}
	*ret = server;
	return 0;
}

unsigned int tcpc_link_server_peers(const struct tcpc_link_server *server)
{
	return server->n_up;
}

const struct tcpc_link_counters *tcpc_link_server_counters(const struct tcpc_link_server *server)
{
	return &server->counters;
}

void tcpc_link_server_close(struct tcpc_link_server *server)
{
	tcpc_link_spread_flush(&server->spread);
	server->closing = true;
	for (__u32 i = 0; i < server->peers.n; i++)
		tcpc_link_peer_close(server->peers.list[i]);
	server->peers.n = 0;
	uv_close((uv_handle_t *)&server->listener, on_handle_closed);
	uv_close((uv_handle_t *)&server->beat, on_handle_closed);
	uv_close((uv_handle_t *)&server->flush, on_handle_closed);
	uv_close((uv_handle_t *)&server->settle, on_handle_closed);
	uv_close((uv_handle_t *)&server->again, on_handle_closed);
}
