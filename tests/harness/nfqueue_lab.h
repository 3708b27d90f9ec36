/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nfqueue_lab.h - interceptors on real NFQUEUE queues, and real sockets on lo of a private network
 * namespace whose packets go there. What the tests of nfqueue.c share.
 */
#ifndef TCPCOPY_TESTS_NFQUEUE_LAB_H
#define TCPCOPY_TESTS_NFQUEUE_LAB_H

#include "expect.h"
#include "../unit/netns.h"

#include <arpa/inet.h>
#include <linux/sockios.h>

#include "edge/nfqueue.h"

/* libuv's headers and linux/tcp.h exclude each other, so not frames.h here. */
#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_ACK 0x10

#define PORT 80
#define OTHER_PORT 81 /* goes through the queue but is not intercepted */
#define CLIENT "198.18.0.1"
#define SERVER "198.18.0.2"
#define QUEUE 5
#define N_QUEUES 4
#define KEPT 16384

/** An interceptor, and what it has said. */
struct watch {
	uv_loop_t loop;
	struct tcpc_nfqueue *nfq;
	struct tcpc_queue_stats stats[N_QUEUES];
	struct tcpc_receipt receipts[KEPT];
	unsigned int n;
};

static inline void on_receipts(void *user, const struct tcpc_receipt *receipts, unsigned int n)
{
	struct watch *w = user;

	for (unsigned int i = 0; i < n && w->n < KEPT; i++)
		w->receipts[w->n++] = receipts[i];
}

/* What the target has sent, as far as a test says so; the queue's thread asks. */
static struct {
	bool known;
	__u32 end;
} target_sent;

static inline bool read_sent_end(void *user, const struct tcpc_flow *flow, __u32 *ret_end)
{
	(void)user;
	(void)flow;
	*ret_end = __atomic_load_n(&target_sent.end, __ATOMIC_ACQUIRE);
	return __atomic_load_n(&target_sent.known, __ATOMIC_ACQUIRE);
}

static inline struct tcpc_nfqueue_options options_for(struct watch *w, unsigned int first,
						      unsigned int last)
{
	struct tcpc_nfqueue_options options = {
		.first = first,
		.last = last,
		.ports = {htons(443), htons(PORT)},
		.n_ports = 2,
		.stats = w->stats,
		.receipts = on_receipts,
		.sent_end = read_sent_end,
		.user = w,
	};

	return options;
}

static inline struct watch *watch_start(unsigned int first, unsigned int last)
{
	struct watch *w = calloc(1, sizeof(*w));
	struct tcpc_nfqueue_options options;
	struct tcpc_err err = {};

	assert_non_null(w);
	assert_int_equal(uv_loop_init(&w->loop), 0);
	options = options_for(w, first, last);
	if (tcpc_nfqueue_start(&w->loop, &options, &w->nfq, &err))
		expect_fail("%s", err.text);
	return w;
}

/* Nothing may be left on the loop, or closing it fails. */
static inline void watch_free(struct watch *w)
{
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	free(w);
}

static inline void watch_stop(struct watch *w)
{
	tcpc_nfqueue_stop(w->nfq);
	watch_free(w);
}

/* The threads count while we look. */
#define stat(w, name) __atomic_load_n(&(w)->stats[0].name, __ATOMIC_RELAXED)

static inline unsigned int receipts_now(struct watch *w)
{
	uv_run(&w->loop, UV_RUN_NOWAIT);
	return w->n;
}

/* ---- the network ----------------------------------------------------------------------------- */

static bool have_nfqueue;

static inline int enter(void **state)
{
	if (enter_netns(state) || !in_netns)
		return in_netns ? -1 : 0;
	have_nfqueue = !run_command("iptables -w -N probe && "
				    "iptables -w -A probe -p tcp -j NFQUEUE --queue-num 1 "
				    ">/dev/null 2>&1");
	return run_command("ip addr add " CLIENT "/32 dev lo && ip addr add " SERVER "/32 dev lo");
}

#define need_nfqueue()                                                                             \
	do {                                                                                       \
		need_netns();                                                                      \
		if (!have_nfqueue) {                                                               \
			print_message("skipped: no iptables with NFQUEUE here\n");                 \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

/* What leaves from either port goes to the queues. */
static inline void add_rule(const char *queues)
{
	assert_int_equal(run_command("iptables -w -A OUTPUT -o lo -p tcp -m multiport "
				     "--sports %d,%d -j NFQUEUE %s",
				     PORT, OTHER_PORT, queues),
			 0);
}

static inline void remove_rules(void)
{
	assert_int_equal(run_command("iptables -w -F OUTPUT && iptables -w -F INPUT"), 0);
}

static inline struct sockaddr_in address(const char *host, int port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};

	assert_int_equal(inet_pton(AF_INET, host, &addr.sin_addr), 1);
	return addr;
}

static inline int bound(const char *host, int port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	struct sockaddr_in addr = address(host, port);
	struct timeval limit = {.tv_sec = 5};

	assert_return_code(fd, errno);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	assert_return_code(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), errno);
	return fd;
}

/** Both ends of a connection that was there before the rule. */
struct pair {
	int listener, client, server, client_port;
};

static inline struct pair connect_pair(int port, int client_port)
{
	struct sockaddr_in addr = address(SERVER, port);
	struct pair p = {.listener = bound(SERVER, port),
			 .client = bound(CLIENT, client_port),
			 .client_port = client_port};

	assert_return_code(listen(p.listener, 8), errno);
	assert_return_code(connect(p.client, (struct sockaddr *)&addr, sizeof(addr)), errno);
	p.server = accept4(p.listener, NULL, NULL, SOCK_CLOEXEC);
	assert_return_code(p.server, errno);
	return p;
}

/* With a reset, so that ports are free again; the rules must be gone. */
static inline void close_pair(struct pair *p)
{
	struct linger hard = {.l_onoff = 1};

	setsockopt(p->server, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	setsockopt(p->client, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(p->server);
	close(p->client);
	close(p->listener);
}

static inline int unacknowledged(int fd)
{
	int bytes = -1;

	assert_return_code(ioctl(fd, SIOCOUTQ, &bytes), errno);
	return bytes;
}

static inline void expect_nothing(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

	expect_true("client", "has got nothing", n == -1 && errno == EAGAIN);
}

static inline void send_bytes(int fd, size_t bytes)
{
	static const char data[20000];

	assert_int_equal(send(fd, data, bytes, MSG_NOSIGNAL), bytes);
}

static inline struct tcpc_addr mapped(const char *host)
{
	struct sockaddr_in addr = address(host, 0);
	struct tcpc_addr a = {{0, 0, htonl(0xffff), addr.sin_addr.s_addr}};

	return a;
}

static inline void expect_receipt(const struct tcpc_receipt *r, const struct pair *p, __u32 bytes)
{
	struct tcpc_addr client = mapped(CLIENT), server = mapped(SERVER);

	expect_bytes("receipt, client", &r->client, &client, sizeof(client));
	expect_bytes("receipt, server", &r->server, &server, sizeof(server));
	expect_u64("receipt", "client port", ntohs(r->client_port), p->client_port);
	expect_u64("receipt", "server port", ntohs(r->server_port), PORT);
	expect_u64("receipt", "payload", r->payload_bytes, bytes);
	expect_true("receipt", "ACK flag", r->flags & TCP_FLAG_ACK);
}

#endif
