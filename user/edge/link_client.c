// SPDX-License-Identifier: GPL-2.0-only
/* link_client.c - the online host's end of the feedback link, see link.h: it finds the peer, comes
 * back whenever the link is lost, and hands on what the peer says. Frames are for link_news.c. */
#include "edge/link.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netdb.h>

#include "edge/link_news.h"
#include "edge/link_peer.h"
#include "edge/link_socket.h"

#define CONNECT_MS 1000
#define RESOLVE_AGAIN_MS 5000 /* an address is asked for again after this time at the earliest */
#define HOST_BYTES 256

/* What the timer means. */
enum client_phase {
	CLIENT_WAITS, /* for the next attempt */
	CLIENT_RESOLVES,
	CLIENT_CONNECTS, /* at most CONNECT_MS */
	CLIENT_SHAKES,	 /* hands; the peer watches the time */
	CLIENT_LINKED,	 /* pings */
};

struct tcpc_link_client {
	uv_timer_t timer;
	uv_getaddrinfo_t resolve;
	struct addrinfo *addrs; /* NULL: not resolved */
	struct addrinfo *next;	/* the one to try next */
	__u64 resolved_ms;
	const struct tcpc_link_client_events *events;
	void *user;
	struct tcpc_link_news news;
	struct tcpc_link_peer *peer; /* the present attempt or link, or NULL */
	enum client_phase phase;
	enum tcpc_link_state state;
	bool closing;
	__u32 refs; /* timer, request and peers that are not freed yet */
	__u16 port;
	const __u8 *key; /* the user's; NULL: --insecure */
	char host[HOST_BYTES];
	char name[TCPC_LINK_NAME_BYTES];
	char text[TCPC_ERR_BYTES];
};

static void unref(struct tcpc_link_client *client)
{
	if (--client->refs)
		return;
	uv_freeaddrinfo(client->addrs);
	tcpc_link_news_free(&client->news);
	free(client);
}

/* ---- outcome -------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

static void __attribute__((format(printf, 3, 4)))
report(struct tcpc_link_client *client, enum tcpc_link_state state, const char *format, ...)
{
	va_list args;

	client->state = state;
	va_start(args, format);
	vsnprintf(client->text, sizeof(client->text), format, args);
	va_end(args);
	client->events->state(client->user, state, client->text);
}

/* Before the report: the user may close the client in it. */
static void retry_later(struct tcpc_link_client *client)
{
	client->phase = CLIENT_WAITS;
	uv_timer_start(&client->timer, on_timer, TCPC_LINK_RETRY_MS, 0);
}

static enum tcpc_link_state state_from_end(enum tcpc_link_end end)
{
	if (end == TCPC_LINK_END_BAD_KEY)
		return TCPC_LINK_BAD_KEY;
	if (end == TCPC_LINK_END_BAD_VERSION)
		return TCPC_LINK_BAD_VERSION;
	return TCPC_LINK_REFUSED;
}

static void on_up(struct tcpc_link_peer *peer)
{
	struct tcpc_link_client *client = peer->owner;

	client->phase = CLIENT_LINKED;
	client->news.ack = false; /* of an earlier link */
	uv_timer_start(&client->timer, on_timer, TCPC_LINK_PING_MS, TCPC_LINK_PING_MS);
	report(client, TCPC_LINK_READY, "linked with %s, version %s", client->name, peer->version);
}

static void on_ended(struct tcpc_link_peer *peer, bool was_up, enum tcpc_link_end end,
		     const char *why)
{
	struct tcpc_link_client *client = peer->owner;

	client->peer = NULL;
	retry_later(client);
	if (was_up)
		report(client, TCPC_LINK_LOST, "link lost: %s %s", client->name, why);
	else if (end == TCPC_LINK_END_ALIEN)
		report(client, TCPC_LINK_REFUSED,
		       "%s %s: is this the port of 'tcpcopyctl intercept'?", client->name, why);
	else if (end == TCPC_LINK_END_CLOSED)
		report(client, TCPC_LINK_REFUSED,
		       "%s %s before its hello: is this the port of 'tcpcopyctl intercept'?",
		       client->name, why);
	else
		report(client, state_from_end(end), "%s %s", client->name, why);
}

/* ---- frames --------------------------------------------------------------------------------- */

static enum tcpc_feedback_reason on_frame(struct tcpc_link_peer *peer, enum tcpc_feedback_type type,
					  struct tcpc_feedback_reader *body)
{
	struct tcpc_link_client *client = peer->owner;
	enum tcpc_feedback_reason reason;

	reason = tcpc_link_news_read(&client->news, type, body);
	if (!reason)
		tcpc_link_news_tell(&client->news, type, client->events, client->user);
	return reason;
}

int tcpc_link_client_trial(struct tcpc_link_client *client, __u32 id, const struct tcpc_flow *flow)
{
	const struct tcpc_trial_note note = {.flow = *flow, .id = id, .stage = TCPC_TRIAL_ASK};
	struct tcpc_feedback_writer w;
	__u8 body[TCPC_FEEDBACK_SHORT_BODY_MAX];
	int r;

	if (!client->peer || client->phase != CLIENT_LINKED)
		return -EPIPE;
	w = tcpc_feedback_begin(body, sizeof(body), TCPC_FEEDBACK_TRIAL);
	tcpc_feedback_put_trial(&w, &note);
	r = tcpc_link_peer_send(client->peer, body, tcpc_feedback_bytes(&w), TCPC_LINK_OUT_BYTES);
	if (!r)
		tcpc_link_peer_flush(client->peer);
	return r;
}

/* One acknowledgement for all that has come in one go. */
static void on_idle(struct tcpc_link_peer *peer)
{
	struct tcpc_link_client *client = peer->owner;
	struct tcpc_feedback_writer w;
	__u8 body[8];

	if (!client->news.ack)
		return;
	client->news.ack = false;
	w = tcpc_feedback_begin(body, sizeof(body), TCPC_FEEDBACK_ACK);
	tcpc_feedback_put_u32(&w, client->news.serial);
	tcpc_link_peer_must_send(peer, body, tcpc_feedback_bytes(&w));
	tcpc_link_peer_flush(peer);
}

__u64 tcpc_link_client_silent_ms(const struct tcpc_link_client *client)
{
	return client->peer ? uv_now(client->timer.loop) - client->peer->heard_ms : ~0ULL;
}

__u8 tcpc_link_client_pressure(const struct tcpc_link_client *client)
{
	return client->peer ? client->peer->hears : 0;
}

int tcpc_link_client_break(struct tcpc_link_client *client, const struct tcpc_break *what)
{
	__u8 body[TCPC_FEEDBACK_SHORT_BODY_MAX];
	struct tcpc_feedback_writer w;
	int r;

	if (!client->peer)
		return -EPIPE;
	w = tcpc_feedback_begin(body, sizeof(body), TCPC_FEEDBACK_BREAK);
	tcpc_feedback_put_break(&w, what);
	r = tcpc_link_peer_send(client->peer, body, tcpc_feedback_bytes(&w), TCPC_LINK_OUT_BYTES);
	if (!r)
		tcpc_link_peer_flush(client->peer);
	return r;
}

int tcpc_link_client_sums(struct tcpc_link_client *client, const struct tcpc_feedback_sums *sums)
{
	__u8 body[TCPC_FEEDBACK_SHORT_BODY_MAX];
	struct tcpc_feedback_writer w;
	int r;

	if (!client->peer || client->phase != CLIENT_LINKED)
		return -EPIPE;
	w = tcpc_feedback_begin(body, sizeof(body), TCPC_FEEDBACK_SUMS);
	tcpc_feedback_put_sums(&w, sums);
	r = tcpc_link_peer_send(client->peer, body, tcpc_feedback_bytes(&w),
				TCPC_LINK_OUT_RECEIPTS_BYTES);
	if (!r)
		tcpc_link_peer_flush(client->peer);
	return r;
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

/* ---- one attempt ---------------------------------------------------------------------------- */

static void on_connect(uv_connect_t *req, int status)
{
	struct tcpc_link_peer *peer = req->data;
	struct tcpc_link_client *client = peer->owner;

	if (client->peer != peer) /* timed out or closed meanwhile */
		return;
	if (!status) {
		client->phase = CLIENT_SHAKES;
		uv_timer_stop(&client->timer);
		tcpc_link_peer_start(peer);
		return;
	}
	client->peer = NULL;
	tcpc_link_peer_close(peer);
	retry_later(client);
	tcpc_link_socket_connect_text(client->text, sizeof(client->text), client->name, status);
	client->state = TCPC_LINK_REFUSED;
	client->events->state(client->user, client->state, client->text);
}

static void connect_next(struct tcpc_link_client *client)
{
	const struct addrinfo *addr = client->next;
	struct tcpc_link_peer *peer;
	int ret;

	client->next = addr->ai_next;
	peer = tcpc_link_peer_new(client->timer.loop, client->key, false, TCPC_FEEDBACK_BODY_MAX,
				  &peer_ops, client);
	if (!peer) {
		retry_later(client);
		report(client, TCPC_LINK_REFUSED, "cannot connect to %s: out of memory",
		       client->name);
		return;
	}
	client->refs++;
	client->peer = peer;
	client->phase = CLIENT_CONNECTS;
	snprintf(peer->name, sizeof(peer->name), "%s", client->name);
	uv_timer_start(&client->timer, on_timer, CONNECT_MS, 0);
	ret = uv_tcp_connect(&peer->connect, &peer->tcp, addr->ai_addr, on_connect);
	if (ret)
		on_connect(&peer->connect, ret);
}

static void use_addrs(struct tcpc_link_client *client, struct addrinfo *addrs)
{
	uv_freeaddrinfo(client->addrs);
	client->addrs = addrs;
	client->next = addrs;
	client->resolved_ms = uv_now(client->timer.loop);
	connect_next(client);
}

static void no_addrs(struct tcpc_link_client *client, int status)
{
	retry_later(client);
	report(client, TCPC_LINK_REFUSED, "cannot find the address of '%s': %s", client->host,
	       uv_strerror(status));
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *addrs)
{
	struct tcpc_link_client *client = req->data;

	if (client->closing)
		uv_freeaddrinfo(addrs);
	else if (status)
		no_addrs(client, status);
	else
		use_addrs(client, addrs);
	unref(client);
}

static void resolve(struct tcpc_link_client *client)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_NUMERICSERV | AI_NUMERICHOST};
	struct addrinfo *addrs;
	char port[8];
	int ret;

	snprintf(port, sizeof(port), "%u", client->port);
	/* An address never blocks, and needs none of libuv's threads. */
	if (!getaddrinfo(client->host, port, &hints, &addrs)) {
		use_addrs(client, addrs);
		return;
	}
	hints.ai_flags = AI_NUMERICSERV;
	client->phase = CLIENT_RESOLVES;
	ret = uv_getaddrinfo(client->timer.loop, &client->resolve, on_resolved, client->host, port,
			     &hints);
	if (ret)
		no_addrs(client, ret);
	else
		client->refs++;
}

static void attempt(struct tcpc_link_client *client)
{
	const __u64 age_ms = uv_now(client->timer.loop) - client->resolved_ms;

	/* All addresses of the name in turn; then the name again, it may have moved. */
	if (!client->next && client->addrs && age_ms < RESOLVE_AGAIN_MS)
		client->next = client->addrs;
	if (client->next)
		connect_next(client);
	else
		resolve(client);
}

static void on_timer(uv_timer_t *timer)
{
	struct tcpc_link_client *client = timer->data;

	switch (client->phase) {
	case CLIENT_WAITS:
		attempt(client);
		break;
	case CLIENT_CONNECTS:
		on_connect(&client->peer->connect, -ETIMEDOUT);
		break;
	case CLIENT_LINKED:
		tcpc_link_peer_ping(client->peer);
		break;
	default:
		break;
	}
}

/* ---- life ----------------------------------------------------------------------------------- */

static void set_name(struct tcpc_link_client *client, const char *host, __u16 port)
{
	const bool v6 = strchr(host, ':');

	client->port = port;
	snprintf(client->host, sizeof(client->host), "%s", host);
	snprintf(client->name, sizeof(client->name), "%s%s%s:%u", v6 ? "[" : "", host,
		 v6 ? "]" : "", port);
	snprintf(client->text, sizeof(client->text), "connecting to %s", client->name);
}

int tcpc_link_client_open(uv_loop_t *loop, const char *host, __u16 port, const __u8 *key,
			  const struct tcpc_link_client_events *events, void *user,
			  struct tcpc_link_client **ret, struct tcpc_err *err)
{
	struct tcpc_link_client *client;
	int status;

	status = tcpc_link_socket_prepare(err);
	if (status)
		return status;
	if (strlen(host) >= HOST_BYTES)
		return tcpc_err_set(
			err, ENAMETOOLONG,
			"feedback link: a host name of %zu bytes, at most %d are allowed",
			strlen(host), HOST_BYTES - 1);
	client = calloc(1, sizeof(*client));
	if (!client || tcpc_link_news_init(&client->news)) {
		free(client);
		return tcpc_err_set(err, ENOMEM, "feedback link: out of memory");
	}
	client->events = events;
	client->user = user;
	client->key = key;
	set_name(client, host, port);
	uv_timer_init(loop, &client->timer);
	client->timer.data = client;
	client->resolve.data = client;
	client->refs = 1;
	uv_timer_start(&client->timer, on_timer, 0, 0);
	*ret = client;
	return 0;
}

enum tcpc_link_state tcpc_link_client_state(const struct tcpc_link_client *client,
					    const char **ret_text)
{
	*ret_text = client->text;
	return client->state;
}

static void on_timer_closed(uv_handle_t *handle)
{
	unref(handle->data);
}

void tcpc_link_client_close(struct tcpc_link_client *client)
{
	client->closing = true;
	if (client->phase == CLIENT_RESOLVES) /* its callback comes in any case */
		uv_cancel((uv_req_t *)&client->resolve);
	if (client->peer)
		tcpc_link_peer_close(client->peer);
	client->peer = NULL;
	uv_close((uv_handle_t *)&client->timer, on_timer_closed);
}
