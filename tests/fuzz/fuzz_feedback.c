// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_feedback.c - any bytes from a peer of the feedback link, in any pieces: the real code that
 * reads them, with everything around it (sockets, timers, output) replaced by stand-ins.
 *
 * A frame that is accepted is encoded again and has to give the same bytes: each value has one
 * encoding, so nothing is misread and nothing is ignored.
 *
 * Input: one byte (bit 0: we are the server; bit 1: start behind the handshake; bit 2: the bytes
 * are one body; the rest: how many bytes come at a time, less 1), then what the peer sends.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "edge/link_crypto.c"
#include "edge/link_input.c"
#include "edge/link_news.c"

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* ---- stand-ins ------------------------------------------------------------------------------ */

static __u32 ends;

void tcpc_link_peer_end(struct tcpc_link_peer *peer, enum tcpc_link_end end, const char *why, ...)
{
	(void)end;
	(void)why;
	MUST(peer->phase != TCPC_LINK_DOWN);
	peer->phase = TCPC_LINK_DOWN;
	ends++;
}

void tcpc_link_peer_flush(struct tcpc_link_peer *peer)
{
	(void)peer;
}

int tcpc_link_peer_send(struct tcpc_link_peer *peer, const __u8 *body, __u32 n, __u32 limit)
{
	(void)body;
	MUST(n <= limit);
	return peer->phase == TCPC_LINK_UP ? 0 : -EPIPE;
}

int tcpc_link_peer_queue_raw(struct tcpc_link_peer *peer, const __u8 *bytes, __u32 n)
{
	(void)peer;
	(void)bytes;
	(void)n;
	return 0;
}

int tcpc_link_peer_queue_hello(struct tcpc_link_peer *peer)
{
	(void)peer;
	return 0;
}

void tcpc_link_peer_deadline(struct tcpc_link_peer *peer, __u32 after_ms)
{
	(void)peer;
	(void)after_ms;
}

/* ---- a frame once more ---------------------------------------------------------------------- */

static void put_services(struct tcpc_feedback_writer *w, const struct tcpc_link_news *news)
{
	tcpc_feedback_put_u32(w, news->serial);
	tcpc_feedback_put_u16(w, news->n);
	for (__u32 i = 0; i < news->n; i++) {
		const struct tcpc_link_service *from = &news->decoded->services[i];
		struct tcpc_feedback_service s = {from->addr, from->port, from->engine,
						  from->tunnels};

		tcpc_feedback_put_service(w, &s);
	}
}

static void put_allow(struct tcpc_feedback_writer *w, const struct tcpc_link_news *news)
{
	tcpc_feedback_put_u32(w, news->serial);
	tcpc_feedback_put_u8(w, news->op);
	tcpc_feedback_put_u16(w, news->n);
	for (__u32 i = 0; i < news->n; i++)
		tcpc_feedback_put_prefix(w, &news->decoded->prefixes[i].addr,
					 news->decoded->prefixes[i].bits);
}

static __u32 encode(const struct tcpc_link_news *news, enum tcpc_feedback_type type, __u8 *out)
{
	struct tcpc_feedback_batch batch;
	struct tcpc_feedback_writer w;

	if (type == TCPC_FEEDBACK_RECEIPTS) {
		tcpc_feedback_batch_begin(&batch, out, TCPC_FEEDBACK_BODY_MAX);
		for (__u32 i = 0; i < news->n; i++)
			MUST(tcpc_feedback_batch_add(&batch, &news->decoded->receipts[i]) == 1);
		return tcpc_feedback_batch_end(&batch);
	}
	if (type == TCPC_FEEDBACK_HELD || type == TCPC_FEEDBACK_SHED) {
		tcpc_feedback_news_begin(&batch, out, TCPC_FEEDBACK_BODY_MAX, type);
		for (__u32 i = 0; i < news->n; i++)
			MUST((type == TCPC_FEEDBACK_HELD
				      ? tcpc_feedback_add_held(&batch, &news->decoded->held[i])
				      : tcpc_feedback_add_shed(&batch, &news->decoded->shed[i])) ==
			     1);
		return tcpc_feedback_batch_end(&batch);
	}
	w = tcpc_feedback_begin(out, TCPC_FEEDBACK_BODY_MAX, type);
	if (type == TCPC_FEEDBACK_TRIAL)
		tcpc_feedback_put_trial(&w, &news->decoded->trial);
	else if (type == TCPC_FEEDBACK_SERVICES)
		put_services(&w, news);
	else
		put_allow(&w, news);
	MUST(!w.failed);
	return tcpc_feedback_bytes(&w);
}

/* ---- the owner ------------------------------------------------------------------------------ */

static struct tcpc_link_news news;

static void on_up(struct tcpc_link_peer *peer)
{
	MUST(peer->phase == TCPC_LINK_UP);
	MUST(strlen(peer->version) <= TCPC_FEEDBACK_VERSION_MAX);
}

static enum tcpc_feedback_reason on_frame(struct tcpc_link_peer *peer, enum tcpc_feedback_type type,
					  struct tcpc_feedback_reader *body)
{
	const __u8 *start = body->pos - 1;
	enum tcpc_feedback_reason reason;
	__u8 again[TCPC_FEEDBACK_BODY_MAX];
	struct tcpc_feedback_writer w;
	struct tcpc_feedback_sums sums;
	struct tcpc_break broken;
	__u32 serial, n;

	MUST(peer->phase == TCPC_LINK_UP);
	if (type == TCPC_FEEDBACK_ACK)
		return tcpc_feedback_get_ack(body, &serial);
	if (type == TCPC_FEEDBACK_BREAK) {
		reason = tcpc_feedback_get_break(body, &broken);
		w = tcpc_feedback_begin(again, sizeof(again), type);
		tcpc_feedback_put_break(&w, &broken);
		n = tcpc_feedback_bytes(&w);
		MUST(reason || (n == body->end - start && !memcmp(again, start, n)));
		return reason;
	}
	if (type == TCPC_FEEDBACK_SUMS) {
		reason = tcpc_feedback_get_sums(body, &sums);
		w = tcpc_feedback_begin(again, sizeof(again), type);
		tcpc_feedback_put_sums(&w, &sums);
		n = tcpc_feedback_bytes(&w);
		MUST(reason || (n == body->end - start && !memcmp(again, start, n)));
		return reason;
	}
	reason = tcpc_link_news_read(&news, type, body);
	if (reason)
		return reason;
	n = encode(&news, type, again);
	MUST(n == body->end - start && !memcmp(again, start, n));
	return TCPC_FEEDBACK_OK;
}

static void on_idle(struct tcpc_link_peer *peer)
{
	MUST(peer->phase == TCPC_LINK_UP);
}

static const struct tcpc_link_peer_ops ops = {.up = on_up, .frame = on_frame, .idle = on_idle};

/* ---- input ---------------------------------------------------------------------------------- */

/* As tcpc_link_input_start() does it; the buffer is new each time, so that ASan sees its end. */
static void prepare(struct tcpc_link_peer *peer, uint8_t how)
{
	const __u32 max = how & 1 ? TCPC_FEEDBACK_SHORT_BODY_MAX : TCPC_FEEDBACK_BODY_MAX;

	peer->ops = &ops;
	peer->server = how & 1;
	peer->phase = how & 2 ? TCPC_LINK_UP : TCPC_LINK_PREAMBLE;
	peer->body_max = max;
	peer->in_size =
		FRAMES_A_READ * (TCPC_FEEDBACK_LENGTH_BYTES + max + TCPC_LINK_CRYPTO_OVERHEAD);
	peer->in = malloc(peer->in_size);
	if (!peer->in)
		abort();
}

static void feed(struct tcpc_link_peer *peer, const uint8_t *bytes, size_t n, size_t at_a_time)
{
	uv_buf_t buf;
	size_t now;

	while (n && peer->phase != TCPC_LINK_DOWN) {
		on_alloc((uv_handle_t *)&peer->tcp, 65536, &buf);
		MUST(buf.len); /* or the connection would stand still */
		now = n < at_a_time ? n : at_a_time;
		now = now < buf.len ? now : buf.len;
		memcpy(buf.base, bytes, now);
		on_read((uv_stream_t *)&peer->tcp, now, &buf);
		bytes += now;
		n -= now;
	}
}

/* Without the length in front, which the fuzzer would have to guess. */
static void feed_body(struct tcpc_link_peer *peer, const uint8_t *bytes, size_t n)
{
	uint8_t *copy = malloc(n + !n);

	if (!copy)
		abort();
	memcpy(copy, bytes, n);
	peer->phase = TCPC_LINK_UP;
	take_body(peer, copy, n);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static uv_loop_t loop;
	struct tcpc_link_peer peer = {};

	if (!news.decoded && tcpc_link_news_init(&news))
		abort();
	if (!size)
		return 0;
	ends = 0;
	peer.tcp.loop = &loop;
	peer.tcp.data = &peer;
	prepare(&peer, input[0]);
	if (input[0] & 4 && size - 1 <= TCPC_FEEDBACK_BODY_MAX)
		feed_body(&peer, input + 1, size - 1);
	else
		feed(&peer, input + 1, size - 1, (input[0] >> 3) + 1);
	MUST(ends <= 1);
	free(peer.in);
	return 0;
}
