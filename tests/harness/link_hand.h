/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * link_hand.h - a hand-made peer of the feedback link, for what a real one never does: other
 * versions, silence, broken frames, replays. Its socket is its own; while it waits the loop of
 * link_lab.h runs.
 */
#ifndef TCPCOPY_TESTS_LINK_HAND_H
#define TCPCOPY_TESTS_LINK_HAND_H

#include <poll.h>

#include "link_lab.h"
#include "edge/link_crypto.h"

/** A socket and what is needed to speak the protocol, or to abuse it. */
struct lab_hand {
	int fd;
	bool server;
	const __u8 *key;
	__u8 preamble[TCPC_FEEDBACK_PREAMBLE_BYTES];
	struct tcpc_link_crypto crypto;
};

/* Wait until @fd can be read, running the loop meanwhile. */
static inline void lab_hand_wait(int fd, __u64 until_ms)
{
	struct pollfd fds[2] = {{.fd = fd, .events = POLLIN},
				{.fd = uv_backend_fd(&lab_loop), .events = POLLIN}};

	if (lab_now_ms() > until_ms)
		fail_msg("a hand-made peer waits in vain");
	poll(fds, 2, 5);
	uv_run(&lab_loop, UV_RUN_NOWAIT);
}

/* Returns what recv() does, 0 at the end of the stream or after a reset. */
static inline ssize_t lab_hand_recv(const struct lab_hand *h, void *buf, size_t size)
{
	const __u64 until_ms = lab_now_ms() + LAB_WAIT_MS;
	ssize_t n;

	for (;;) {
		n = recv(h->fd, buf, size, MSG_DONTWAIT);
		if (n >= 0)
			return n;
		if (errno == ECONNRESET)
			return 0;
		assert_int_equal(errno, EAGAIN);
		lab_hand_wait(h->fd, until_ms);
	}
}

static inline void lab_hand_recv_all(const struct lab_hand *h, void *buf, size_t size)
{
	ssize_t n;

	while (size) {
		n = lab_hand_recv(h, buf, size);
		if (n <= 0)
			fail_msg("closed, %zu bytes before the end", size);
		buf = (char *)buf + n;
		size -= n;
	}
}

/* Read until the peer closes. */
static inline void lab_hand_drain(const struct lab_hand *h)
{
	char buf[4096];

	while (lab_hand_recv(h, buf, sizeof(buf)) > 0)
		;
}

static inline void lab_hand_send(const struct lab_hand *h, const void *bytes, size_t n)
{
	assert_int_equal(send(h->fd, bytes, n, MSG_NOSIGNAL), n);
}

static inline void lab_hand_connect(struct lab_hand *h, __u16 port, const __u8 *key)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};

	memset(h, 0, sizeof(*h));
	h->key = key;
	h->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(h->fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
}

/* A listening socket for a hand-made server. */
static inline int lab_hand_listen(__u16 port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static inline void lab_hand_accept(struct lab_hand *h, int listener, const __u8 *key)
{
	const __u64 until_ms = lab_now_ms() + LAB_WAIT_MS;

	memset(h, 0, sizeof(*h));
	h->key = key;
	h->server = true;
	while ((h->fd = accept(listener, NULL, NULL)) < 0)
		lab_hand_wait(listener, until_ms);
}

static inline void lab_hand_close(struct lab_hand *h)
{
	close(h->fd);
	h->fd = -1;
}

/* Send a preamble with these versions. */
static inline void lab_hand_preamble(struct lab_hand *h, __u16 protocol, __u32 abi)
{
	struct tcpc_feedback_preamble p = {
		.protocol = protocol, .flags = h->key ? TCPC_FEEDBACK_SECURE : 0, .abi = abi};

	tcpc_link_crypto_begin(&h->crypto, p.public_key);
	tcpc_feedback_put_preamble(h->preamble, &p);
	lab_hand_send(h, h->preamble, sizeof(h->preamble));
}

/* Encrypt if need be, and prepend the length. Returns the length of @frame. */
static inline __u32 lab_hand_frame(struct lab_hand *h, const __u8 *body, __u32 n, __u8 *frame)
{
	const __u32 length = n + (h->key ? TCPC_LINK_CRYPTO_OVERHEAD : 0);

	frame[0] = length >> 8;
	frame[1] = length;
	if (h->key)
		tcpc_link_crypto_seal(&h->crypto, body, n, frame + 2);
	else
		memcpy(frame + 2, body, n);
	return 2 + length;
}

static inline void lab_hand_body(struct lab_hand *h, const void *body, __u32 n)
{
	__u8 frame[2 + TCPC_FEEDBACK_BODY_MAX + TCPC_LINK_CRYPTO_OVERHEAD] = {};

	lab_hand_send(h, frame, lab_hand_frame(h, body, n, frame));
}

/* Receive one frame and return its type; @body: room for the largest. */
static inline __u8 lab_hand_read(struct lab_hand *h, __u8 *body, __u32 *ret_n)
{
	__u8 frame[TCPC_FEEDBACK_BODY_MAX + TCPC_LINK_CRYPTO_OVERHEAD], head[2];
	__u32 n;

	lab_hand_recv_all(h, head, sizeof(head));
	n = head[0] << 8 | head[1];
	assert_true(n <= sizeof(frame));
	lab_hand_recv_all(h, frame, n);
	*ret_n = n;
	if (!h->key) {
		memcpy(body, frame, n);
		return body[0];
	}
	*ret_n = n - TCPC_LINK_CRYPTO_OVERHEAD;
	assert_int_equal(tcpc_link_crypto_open(&h->crypto, frame, n, body), 0);
	return body[0];
}

/* Exchange preambles and, with a key, the headers of the streams. */
static inline void lab_hand_meet(struct lab_hand *h)
{
	__u8 theirs[TCPC_FEEDBACK_PREAMBLE_BYTES], header[TCPC_LINK_CRYPTO_HEADER_BYTES] = {};

	lab_hand_preamble(h, TCPC_FEEDBACK_PROTOCOL, TCPC_ABI_VERSION);
	lab_hand_recv_all(h, theirs, sizeof(theirs));
	if (!h->key)
		return;
	assert_int_equal(
		tcpc_link_crypto_agree(&h->crypto, h->key, h->server, h->preamble, theirs, header),
		0);
	lab_hand_send(h, header, sizeof(header));
	lab_hand_recv_all(h, header, sizeof(header));
	tcpc_link_crypto_accept(&h->crypto, header);
}

/* All of the handshake, as a good peer does it. */
static inline void lab_hand_shake(struct lab_hand *h)
{
	const __u8 hello[] = {TCPC_FEEDBACK_HELLO, h->server, 4, 'h', 'a', 'n', 'd'};
	__u8 body[TCPC_FEEDBACK_BODY_MAX];
	__u32 n;

	lab_hand_meet(h);
	lab_hand_body(h, hello, sizeof(hello));
	assert_int_equal(lab_hand_read(h, body, &n), TCPC_FEEDBACK_HELLO);
}

static inline void lab_hand_ack(struct lab_hand *h, __u32 serial)
{
	const __u8 body[] = {TCPC_FEEDBACK_ACK, serial >> 24, serial >> 16, serial >> 8, serial};

	lab_hand_body(h, body, sizeof(body));
}

#endif
