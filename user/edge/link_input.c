// SPDX-License-Identifier: GPL-2.0-only
/*
 * link_input.c - see link_input.h. Everything in here comes from somebody who may be hostile; up
 * to the hello even without knowing the key.
 */
#include "edge/link_input.h"

#include <stdlib.h>
#include <string.h>

#include "edge/link.h"

/* Frames that are received in one read, at least; a client gets many at once. */
#define FRAMES_A_READ 4

/* ---- frames --------------------------------------------------------------------------------- */

static void refuse(struct tcpc_link_peer *peer, enum tcpc_feedback_reason reason)
{
	struct tcpc_feedback_writer w;
	__u8 bye[2];

	w = tcpc_feedback_begin(bye, sizeof(bye), TCPC_FEEDBACK_BYE);
	tcpc_feedback_put_u8(&w, reason);
	if (!tcpc_link_peer_send(peer, bye, sizeof(bye), TCPC_LINK_OUT_BYTES))
		tcpc_link_peer_flush(peer);
	tcpc_link_peer_end(peer, TCPC_LINK_END_BROKEN, "sent a %s",
			   tcpc_feedback_reason_text(reason));
}

static enum tcpc_feedback_reason take_hello(struct tcpc_link_peer *peer,
					    struct tcpc_feedback_reader *r)
{
	const __u8 wanted = peer->server ? TCPC_FEEDBACK_ONLINE : TCPC_FEEDBACK_TARGET;
	struct tcpc_feedback_hello hello;
	enum tcpc_feedback_reason reason;

	reason = tcpc_feedback_get_hello(r, &hello);
	if (reason)
		return reason;
	if (hello.role != wanted)
		return TCPC_FEEDBACK_STATE;
	memcpy(peer->version, hello.version, sizeof(peer->version));
	peer->phase = TCPC_LINK_UP;
	/* From now on it is the lease that counts. */
	tcpc_link_peer_deadline(peer, TCPC_LINK_LEASE_MS);
	peer->ops->up(peer);
	return TCPC_FEEDBACK_OK;
}

static enum tcpc_feedback_reason take_bye(struct tcpc_link_peer *peer,
					  struct tcpc_feedback_reader *r)
{
	enum tcpc_feedback_reason reason;
	__u8 why;

	reason = tcpc_feedback_get_bye(r, &why);
	if (reason)
		return reason;
	if (why == TCPC_FEEDBACK_OK)
		tcpc_link_peer_end(peer, TCPC_LINK_END_CLOSED, "closed the link");
	else
		tcpc_link_peer_end(peer, TCPC_LINK_END_BROKEN, "says that we sent a %s",
				   tcpc_feedback_reason_text(why));
	return TCPC_FEEDBACK_OK;
}

static enum tcpc_feedback_reason take_body(struct tcpc_link_peer *peer, const __u8 *body, __u32 n)
{
	struct tcpc_feedback_reader r;
	enum tcpc_feedback_reason reason;
	enum tcpc_feedback_type type;

	reason = tcpc_feedback_open(&r, body, n, &type);
	if (reason)
		return reason;
	/* HELLO first, and once. */
	if ((type == TCPC_FEEDBACK_HELLO) != (peer->phase == TCPC_LINK_HELLO))
		return TCPC_FEEDBACK_STATE;
	switch (type) {
	case TCPC_FEEDBACK_HELLO:
		return take_hello(peer, &r);
	case TCPC_FEEDBACK_PING:
		return tcpc_feedback_get_ping(&r, !peer->server, &peer->hears);
	case TCPC_FEEDBACK_BYE:
		return take_bye(peer, &r);
	default:
		return peer->ops->frame(peer, type, &r);
	}
}

/* The frame's body in the clear, or NULL and the connection has ended. */
static const __u8 *open_frame(struct tcpc_link_peer *peer, const __u8 *in, __u32 n)
{
	if (!peer->key)
		return in;
	if (!tcpc_link_crypto_open(&peer->crypto, in, n, peer->body))
		return peer->body;
	if (peer->phase == TCPC_LINK_HELLO)
		tcpc_link_peer_end(peer, TCPC_LINK_END_BAD_KEY,
				   "has another key: copy the file given with --key to both hosts");
	else
		refuse(peer, TCPC_FEEDBACK_CRYPTO);
	return NULL;
}

/* One frame from @in. Returns: bytes used, 0 if it is not complete yet (or refused). */
static __u32 take_frame(struct tcpc_link_peer *peer, const __u8 *in, __u32 n)
{
	const __u32 more = peer->key ? TCPC_LINK_CRYPTO_OVERHEAD : 0;
	enum tcpc_feedback_reason reason;
	__u32 length, body_max = peer->body_max;
	const __u8 *body;

	if (n < TCPC_FEEDBACK_LENGTH_BYTES)
		return 0;
	if (peer->phase == TCPC_LINK_HELLO)
		body_max = TCPC_FEEDBACK_SHORT_BODY_MAX;
	length = in[0] << 8 | in[1];
	if (length < more + 1 || length > more + body_max) {
		refuse(peer, TCPC_FEEDBACK_LENGTH);
		return 0;
	}
	if (n - TCPC_FEEDBACK_LENGTH_BYTES < length)
		return 0;
	body = open_frame(peer, in + TCPC_FEEDBACK_LENGTH_BYTES, length);
	if (!body)
		return 0;
	reason = take_body(peer, body, length - more);
	if (reason)
		refuse(peer, reason);
	return TCPC_FEEDBACK_LENGTH_BYTES + length;
}

/* ---- handshake ------------------------------------------------------------------------------ */

/* Ends the connection if the two of us cannot talk. */
static bool compatible(struct tcpc_link_peer *peer, const struct tcpc_feedback_preamble *p)
{
	if (p->protocol != TCPC_FEEDBACK_PROTOCOL || p->abi != TCPC_ABI_VERSION)
		tcpc_link_peer_end(peer, TCPC_LINK_END_BAD_VERSION,
				   "speaks protocol %u / ABI %u, we speak %u / %u: install the "
				   "same tcpcopy version on both hosts",
				   p->protocol, p->abi, TCPC_FEEDBACK_PROTOCOL, TCPC_ABI_VERSION);
	else if (p->flags & ~TCPC_FEEDBACK_SECURE)
		tcpc_link_peer_end(peer, TCPC_LINK_END_ALIEN,
				   "sets flags 0x%x that protocol %u does not have", p->flags,
				   TCPC_FEEDBACK_PROTOCOL);
	else if (peer->key && !(p->flags & TCPC_FEEDBACK_SECURE))
		tcpc_link_peer_end(peer, TCPC_LINK_END_BAD_KEY,
				   "runs with --insecure, this host with a key: start both with "
				   "the same --key file");
	else if (!peer->key && p->flags & TCPC_FEEDBACK_SECURE)
		tcpc_link_peer_end(peer, TCPC_LINK_END_BAD_KEY,
				   "wants a key, this host runs with --insecure: start both with "
				   "the same --key file");
	return peer->phase != TCPC_LINK_DOWN;
}

/* Both preambles are there: send the stream's header and the hello, not waiting for the peer's, so
 * that each side can see for itself whether the keys are the same. */
static void answer(struct tcpc_link_peer *peer, const __u8 *theirs)
{
	__u8 header[TCPC_LINK_CRYPTO_HEADER_BYTES];
	int ret = 0;

	peer->phase = TCPC_LINK_HELLO;
	if (peer->key) {
		peer->phase = TCPC_LINK_HEADER;
		ret = tcpc_link_crypto_agree(&peer->crypto, peer->key, peer->server, peer->preamble,
					     theirs, header);
		if (ret) {
			tcpc_link_peer_end(peer, TCPC_LINK_END_ALIEN, "sent an improper key");
			return;
		}
		ret = tcpc_link_peer_queue_raw(peer, header, sizeof(header));
	}
	if (!ret)
		ret = tcpc_link_peer_queue_hello(peer);
	if (ret)
		tcpc_link_peer_end(peer, TCPC_LINK_END_FAILED, "cannot be answered: %s",
				   uv_strerror(ret));
	else
		tcpc_link_peer_flush(peer);
}

static __u32 take_preamble(struct tcpc_link_peer *peer, const __u8 *in, __u32 n)
{
	struct tcpc_feedback_preamble p;

	/* The first wrong byte is enough: a browser waits for no 48 bytes. */
	if (!tcpc_feedback_magic_ok(in, n)) {
		tcpc_link_peer_end(peer, TCPC_LINK_END_ALIEN, "does not speak this protocol");
		return 0;
	}
	if (n < TCPC_FEEDBACK_PREAMBLE_BYTES)
		return 0;
	tcpc_feedback_get_preamble(in, &p);
	if (compatible(peer, &p))
		answer(peer, in);
	return TCPC_FEEDBACK_PREAMBLE_BYTES;
}

static __u32 take_header(struct tcpc_link_peer *peer, const __u8 *in, __u32 n)
{
	if (n < TCPC_LINK_CRYPTO_HEADER_BYTES)
		return 0;
	tcpc_link_crypto_accept(&peer->crypto, in);
	peer->phase = TCPC_LINK_HELLO;
	return TCPC_LINK_CRYPTO_HEADER_BYTES;
}

/* ---- socket --------------------------------------------------------------------------------- */

/* Returns: bytes used, 0 if more are needed. */
static __u32 take(struct tcpc_link_peer *peer, const __u8 *in, __u32 n)
{
	if (!n)
		return 0;
	switch (peer->phase) {
	case TCPC_LINK_PREAMBLE:
		return take_preamble(peer, in, n);
	case TCPC_LINK_HEADER:
		return take_header(peer, in, n);
	default:
		return take_frame(peer, in, n);
	}
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct tcpc_link_peer *peer = stream->data;
	__u32 used, done = 0;

	(void)buf;
	if (n < 0) {
		if (n == UV_EOF)
			tcpc_link_peer_end(peer, TCPC_LINK_END_CLOSED, "closed the connection");
		else
			tcpc_link_peer_end(peer, TCPC_LINK_END_CLOSED, "is gone: %s",
					   uv_strerror(n));
		return;
	}
	if (!n || peer->doomed)
		return;
	peer->heard_ms = uv_now(stream->loop);
	peer->last_chance = false;
	peer->in_bytes += n;
	while (peer->phase != TCPC_LINK_DOWN &&
	       (used = take(peer, peer->in + done, peer->in_bytes - done)))
		done += used;
	if (peer->phase == TCPC_LINK_DOWN)
		return;
	peer->in_bytes -= done;
	memmove(peer->in, peer->in + done, peer->in_bytes);
	if (peer->phase == TCPC_LINK_UP)
		peer->ops->idle(peer);
}

/* The buffer is always larger than a frame, so there is room whenever a frame is not complete. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct tcpc_link_peer *peer = handle->data;

	(void)suggested;
	*buf = uv_buf_init((char *)peer->in + peer->in_bytes, peer->in_size - peer->in_bytes);
}

int tcpc_link_input_start(struct tcpc_link_peer *peer)
{
	const __u32 frame = TCPC_FEEDBACK_LENGTH_BYTES + peer->body_max + TCPC_LINK_CRYPTO_OVERHEAD;

	peer->in_size = FRAMES_A_READ * frame;
	peer->in = malloc(peer->in_size + peer->body_max);
	if (!peer->in)
		return -ENOMEM;
	peer->body = peer->in + peer->in_size;
	return uv_read_start((uv_stream_t *)&peer->tcp, on_alloc, on_read);
}
