// SPDX-License-Identifier: GPL-2.0-only
/* link_peer.c - see link_peer.h: life and death of a connection, and its output. What comes in is
 * for link_input.c. */
#include "edge/link_peer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/link.h"
#include "edge/link_input.h"
#include "edge/link_nudge.h"

/* ---- end ------------------------------------------------------------------------------------ */

static void on_closed(uv_handle_t *handle)
{
	struct tcpc_link_peer *peer = handle->data;

	if (--peer->handles)
		return;
	peer->ops->gone(peer);
	tcpc_link_crypto_wipe(&peer->crypto);
	tcpc_link_queue_clear(&peer->out);
	free(peer->in);
	free(peer);
}

/*
 * @reset: throw away what the kernel still holds. A peer that is called lost must not get, seconds
 * later, an old ping out of a retransmission and take its lease for renewed.
 */
static void shut(struct tcpc_link_peer *peer, bool reset)
{
	peer->phase = TCPC_LINK_DOWN;
	uv_close((uv_handle_t *)&peer->deadline, on_closed);
	uv_close((uv_handle_t *)&peer->nudge, on_closed);
	if (!reset || uv_tcp_close_reset(&peer->tcp, on_closed))
		uv_close((uv_handle_t *)&peer->tcp, on_closed);
}

static void end(struct tcpc_link_peer *peer, enum tcpc_link_end how)
{
	bool was_up = peer->phase == TCPC_LINK_UP;

	shut(peer, was_up);
	peer->ops->ended(peer, was_up, how, peer->why);
}

void tcpc_link_peer_end(struct tcpc_link_peer *peer, enum tcpc_link_end how, const char *why, ...)
{
	va_list args;

	if (peer->phase == TCPC_LINK_DOWN)
		return;
	va_start(args, why);
	vsnprintf(peer->why, sizeof(peer->why), why, args);
	va_end(args);
	end(peer, how);
}

void tcpc_link_peer_drop(struct tcpc_link_peer *peer)
{
	if (peer->phase != TCPC_LINK_DOWN)
		shut(peer, true);
}

void tcpc_link_peer_close(struct tcpc_link_peer *peer)
{
	struct tcpc_feedback_writer w;
	__u8 bye[2];

	if (peer->phase == TCPC_LINK_DOWN)
		return;
	if (peer->phase == TCPC_LINK_UP) {
		w = tcpc_feedback_begin(bye, sizeof(bye), TCPC_FEEDBACK_BYE);
		tcpc_feedback_put_u8(&w, TCPC_FEEDBACK_OK);
		tcpc_link_peer_must_send(peer, bye, sizeof(bye));
		tcpc_link_peer_flush(peer);
	}
	shut(peer, false);
}

/* End on the next turn of the loop: we are somewhere below a call of the owner. */
static void doom(struct tcpc_link_peer *peer, enum tcpc_link_end how, const char *why, int status)
{
	if (peer->doomed || peer->phase == TCPC_LINK_DOWN)
		return;
	peer->doomed = true;
	peer->end = how;
	snprintf(peer->why, sizeof(peer->why), "%s: %s", why, uv_strerror(status));
	tcpc_link_peer_deadline(peer, 0);
}

/* ---- time ----------------------------------------------------------------------------------- */

static void on_deadline(uv_timer_t *timer)
{
	struct tcpc_link_peer *peer = timer->data;
	__u64 silent_ms = uv_now(timer->loop) - peer->heard_ms;

	if (peer->doomed) {
		end(peer, peer->end);
	} else if (peer->phase != TCPC_LINK_UP) {
		tcpc_link_peer_end(peer, TCPC_LINK_END_SILENT, "said no hello within %u s",
				   TCPC_LINK_HELLO_MS / 1000);
	} else if (silent_ms < TCPC_LINK_LEASE_MS) {
		tcpc_link_peer_deadline(peer, TCPC_LINK_LEASE_MS - silent_ms);
	} else if (!peer->last_chance) {
		/* Timers come before sockets: if this very process was kept from running, what the
		 * peer has sent meanwhile lies there unread. */
		peer->last_chance = true;
		tcpc_link_peer_deadline(peer, 1);
	} else {
		tcpc_link_peer_end(peer, TCPC_LINK_END_SILENT, "has been silent for %u ms",
				   TCPC_LINK_LEASE_MS);
	}
}

void tcpc_link_peer_deadline(struct tcpc_link_peer *peer, __u32 after_ms)
{
	uv_timer_start(&peer->deadline, on_deadline, after_ms, 0);
}

/* ---- output --------------------------------------------------------------------------------- */

static void on_nudge(uv_timer_t *timer)
{
	struct tcpc_link_peer *peer = timer->data;
	enum tcpc_link_nudge what = TCPC_LINK_NUDGE_DONE;
	uv_os_fd_t fd;

	if (peer->phase == TCPC_LINK_UP && !uv_fileno((uv_handle_t *)&peer->tcp, &fd))
		what = tcpc_link_nudge_look(fd);
	if (what == TCPC_LINK_NUDGE_DONE)
		uv_timer_stop(timer);
	else if (what == TCPC_LINK_NUDGE_SEND && !peer->writing)
		tcpc_link_peer_ping(peer);
}

/* What is sent now shows whether what was sent before is lost: no need to look any more. */
static void nudge_later(struct tcpc_link_peer *peer)
{
	uv_timer_start(&peer->nudge, on_nudge, TCPC_LINK_NUDGE_MS, TCPC_LINK_NUDGE_MS);
}

static void on_written(uv_write_t *req, int status)
{
	struct tcpc_link_peer *peer = req->data;

	peer->writing = false;
	if (peer->phase == TCPC_LINK_DOWN)
		return;
	if (status) {
		doom(peer, TCPC_LINK_END_CLOSED, "is gone", status);
		return;
	}
	tcpc_link_queue_consume(&peer->out, peer->writing_bytes);
	tcpc_link_peer_flush(peer);
}

void tcpc_link_peer_flush(struct tcpc_link_peer *peer)
{
	__u8 *data;
	int n;

	if (peer->writing || peer->doomed || peer->phase == TCPC_LINK_DOWN)
		return;
	while ((peer->writing_bytes = tcpc_link_queue_peek(&peer->out, &data))) {
		uv_buf_t buf = uv_buf_init((char *)data, peer->writing_bytes);

		n = uv_try_write((uv_stream_t *)&peer->tcp, &buf, 1);
		if (n >= 0) {
			tcpc_link_queue_consume(&peer->out, n);
			nudge_later(peer);
			continue;
		}
		if (n == UV_EAGAIN) {
			peer->writing = true;
			n = uv_write(&peer->write, (uv_stream_t *)&peer->tcp, &buf, 1, on_written);
		}
		if (n) {
			peer->writing = false;
			doom(peer, TCPC_LINK_END_CLOSED, "is gone", n);
		}
		return;
	}
}

__u32 tcpc_link_peer_frame_bytes(const struct tcpc_link_peer *peer, __u32 n)
{
	return TCPC_FEEDBACK_LENGTH_BYTES + n + (peer->key ? TCPC_LINK_CRYPTO_OVERHEAD : 0);
}

/* Queue one frame. Returns 0, -ENOBUFS or -ENOMEM. */
static int queue_frame(struct tcpc_link_peer *peer, const __u8 *body, __u32 n, __u32 limit)
{
	__u32 size = tcpc_link_peer_frame_bytes(peer, n);
	struct tcpc_feedback_writer w;
	__u8 *frame;

	if (peer->out.n_bytes + size > limit)
		return -ENOBUFS;
	/* Room first: what is sealed has to be sent, or the stream breaks. */
	frame = tcpc_link_queue_reserve(&peer->out, size);
	if (!frame)
		return -ENOMEM;
	w = (struct tcpc_feedback_writer){frame, frame, frame + size, 0};
	tcpc_feedback_put_u16(&w, size - TCPC_FEEDBACK_LENGTH_BYTES);
	if (peer->key)
		tcpc_link_crypto_seal(&peer->crypto, body, n, w.pos);
	else
		tcpc_feedback_put_bytes(&w, body, n);
	tcpc_link_queue_commit(&peer->out, size);
	return 0;
}

int tcpc_link_peer_send(struct tcpc_link_peer *peer, const __u8 *body, __u32 n, __u32 limit)
{
	if (peer->doomed || peer->phase != TCPC_LINK_UP)
		return -EPIPE;
	return queue_frame(peer, body, n, limit);
}

void tcpc_link_peer_must_send(struct tcpc_link_peer *peer, const __u8 *body, __u32 n)
{
	int ret = tcpc_link_peer_send(peer, body, n, TCPC_LINK_OUT_BYTES);

	if (ret == -ENOBUFS)
		doom(peer, TCPC_LINK_END_BEHIND, "does not take what it is sent", ret);
	else if (ret == -ENOMEM)
		doom(peer, TCPC_LINK_END_FAILED, "cannot be served", ret);
}

void tcpc_link_peer_ping(struct tcpc_link_peer *peer)
{
	const __u8 body[] = {TCPC_FEEDBACK_PING, peer->says};

	tcpc_link_peer_must_send(peer, body, sizeof(body));
	tcpc_link_peer_flush(peer);
}

int tcpc_link_peer_queue_raw(struct tcpc_link_peer *peer, const __u8 *bytes, __u32 n)
{
	__u8 *at = tcpc_link_queue_reserve(&peer->out, n);

	if (!at)
		return -ENOMEM;
	memcpy(at, bytes, n);
	tcpc_link_queue_commit(&peer->out, n);
	return 0;
}

int tcpc_link_peer_queue_hello(struct tcpc_link_peer *peer)
{
	struct tcpc_feedback_writer w;
	__u8 body[TCPC_FEEDBACK_SHORT_BODY_MAX];

	w = tcpc_feedback_begin(body, sizeof(body), TCPC_FEEDBACK_HELLO);
	tcpc_feedback_put_hello(&w, peer->server ? TCPC_FEEDBACK_TARGET : TCPC_FEEDBACK_ONLINE,
				TCPC_VERSION);
	return queue_frame(peer, body, tcpc_feedback_bytes(&w), TCPC_LINK_OUT_BYTES);
}

/* ---- beginning ------------------------------------------------------------------------------ */

struct tcpc_link_peer *tcpc_link_peer_new(uv_loop_t *loop, const __u8 *key, bool server,
					  __u32 body_max, const struct tcpc_link_peer_ops *ops,
					  void *owner)
{
	struct tcpc_link_peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return NULL;
	peer->key = key;
	peer->server = server;
	peer->body_max = body_max;
	peer->ops = ops;
	peer->owner = owner;
	/* Neither of them can fail: no socket is made yet. */
	uv_tcp_init(loop, &peer->tcp);
	uv_timer_init(loop, &peer->deadline);
	uv_timer_init(loop, &peer->nudge);
	peer->handles = 3;
	peer->tcp.data = peer;
	peer->deadline.data = peer;
	peer->nudge.data = peer;
	peer->connect.data = peer;
	peer->write.data = peer;
	return peer;
}

void tcpc_link_peer_start(struct tcpc_link_peer *peer)
{
	struct tcpc_feedback_preamble p = {
		.protocol = TCPC_FEEDBACK_PROTOCOL,
		.flags = peer->key ? TCPC_FEEDBACK_SECURE : 0,
		.abi = TCPC_ABI_VERSION,
	};
	uv_os_fd_t fd;
	int ret;

	peer->phase = TCPC_LINK_PREAMBLE;
	uv_tcp_nodelay(&peer->tcp, 1);
	if (!uv_fileno((uv_handle_t *)&peer->tcp, &fd))
		tcpc_link_nudge_prepare(fd);
	tcpc_link_peer_deadline(peer, TCPC_LINK_HELLO_MS);
	tcpc_link_crypto_begin(&peer->crypto, p.public_key);
	tcpc_feedback_put_preamble(peer->preamble, &p);
	ret = tcpc_link_peer_queue_raw(peer, peer->preamble, sizeof(peer->preamble));
	if (!ret)
		ret = tcpc_link_input_start(peer);
	if (ret)
		doom(peer, TCPC_LINK_END_FAILED, "cannot be served", ret);
	else
		tcpc_link_peer_flush(peer);
}
