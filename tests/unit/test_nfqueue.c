// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_nfqueue.c - the interceptor on a real NFQUEUE, between real sockets on lo of a private
 * network namespace. Guards invariant 2: clients see nothing of what the queue takes, also when
 * nobody listens to it any more; and 6: what waits for the loop has a bound.
 */
#include "../harness/expect.h"
#include "netns.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
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

static void on_receipts(void *user, const struct tcpc_receipt *receipts, unsigned int n)
{
	struct watch *w = user;

	for (unsigned int i = 0; i < n && w->n < KEPT; i++)
		w->receipts[w->n++] = receipts[i];
}

static struct tcpc_nfqueue_options options_for(struct watch *w, unsigned int first,
					       unsigned int last)
{
	struct tcpc_nfqueue_options options = {
		.first = first,
		.last = last,
		.ports = {htons(443), htons(PORT)},
		.n_ports = 2,
		.stats = w->stats,
		.receipts = on_receipts,
		.user = w,
	};

	return options;
}

static struct watch *watch_start(unsigned int first, unsigned int last)
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
static void watch_free(struct watch *w)
{
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	free(w);
}

static void watch_stop(struct watch *w)
{
	tcpc_nfqueue_stop(w->nfq);
	watch_free(w);
}

/* The threads count while we look. */
#define stat(w, name) __atomic_load_n(&(w)->stats[0].name, __ATOMIC_RELAXED)

static unsigned int receipts_now(struct watch *w)
{
	uv_run(&w->loop, UV_RUN_NOWAIT);
	return w->n;
}

/* ---- the network ----------------------------------------------------------------------------- */

static bool have_nfqueue;

static int enter(void **state)
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
static void add_rule(const char *queues)
{
	assert_int_equal(run_command("iptables -w -A OUTPUT -o lo -p tcp -m multiport "
				     "--sports %d,%d -j NFQUEUE %s",
				     PORT, OTHER_PORT, queues),
			 0);
}

static void remove_rules(void)
{
	assert_int_equal(run_command("iptables -w -F OUTPUT && iptables -w -F INPUT"), 0);
}

static struct sockaddr_in address(const char *host, int port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};

	assert_int_equal(inet_pton(AF_INET, host, &addr.sin_addr), 1);
	return addr;
}

static int bound(const char *host, int port)
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

static struct pair connect_pair(int port, int client_port)
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
static void close_pair(struct pair *p)
{
	struct linger hard = {.l_onoff = 1};

	setsockopt(p->server, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	setsockopt(p->client, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(p->server);
	close(p->client);
	close(p->listener);
}

static int unacknowledged(int fd)
{
	int bytes = -1;

	assert_return_code(ioctl(fd, SIOCOUTQ, &bytes), errno);
	return bytes;
}

static void expect_nothing(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

	expect_true("client", "has got nothing", n == -1 && errno == EAGAIN);
}

static void send_bytes(int fd, size_t bytes)
{
	static const char data[20000];

	assert_int_equal(send(fd, data, bytes, MSG_NOSIGNAL), bytes);
}

static struct tcpc_addr mapped(const char *host)
{
	struct sockaddr_in addr = address(host, 0);
	struct tcpc_addr a = {{0, 0, htonl(0xffff), addr.sin_addr.s_addr}};

	return a;
}

static void expect_receipt(const struct tcpc_receipt *r, const struct pair *p, __u32 bytes)
{
	struct tcpc_addr client = mapped(CLIENT), server = mapped(SERVER);

	expect_bytes("receipt, client", &r->client, &client, sizeof(client));
	expect_bytes("receipt, server", &r->server, &server, sizeof(server));
	expect_u64("receipt", "client port", ntohs(r->client_port), p->client_port);
	expect_u64("receipt", "server port", ntohs(r->server_port), PORT);
	expect_u64("receipt", "payload", r->payload_bytes, bytes);
	expect_true("receipt", "ACK flag", r->flags & TCP_FLAG_ACK);
}

/* ---- what becomes of packets ----------------------------------------------------------------- */

/* The server's data is acknowledged, and the client has not seen it. */
static void test_response(void **state)
{
	struct watch *w;
	struct pair p;

	(void)state;
	need_nfqueue();
	p = connect_pair(PORT, 41001);
	add_rule("--queue-num 5");
	w = watch_start(QUEUE, QUEUE);
	send_bytes(p.server, 1000);
	wait_until(receipts_now(w) == 1);
	expect_receipt(&w->receipts[0], &p, 1000);
	wait_until(unacknowledged(p.server) == 0);
	send_bytes(p.server, 20000);
	wait_until(unacknowledged(p.server) == 0 && receipts_now(w) >= 2);
	expect_u64("second", "seq", w->receipts[1].seq, w->receipts[0].seq + 1000);
	expect_u64("second", "ack", w->receipts[1].ack, w->receipts[0].ack);
	expect_nothing(p.client);
	expect_u64("counters", "reflected", stat(w, reflected), w->n);
	expect_u64("counters", "packets", stat(w, packets), w->n);
	watch_stop(w);
	remove_rules();
	close_pair(&p);
}

/* The answer to a SYN opens the connection at the server, and only there. */
static void test_handshake(void **state)
{
	struct sockaddr_in addr = address(SERVER, PORT);
	struct pair p = {.client_port = 41002};
	struct watch *w;

	(void)state;
	need_nfqueue();
	p.listener = bound(SERVER, PORT);
	assert_return_code(listen(p.listener, 8), errno);
	add_rule("--queue-num 5");
	w = watch_start(QUEUE, QUEUE);
	p.client = bound(CLIENT, p.client_port);
	assert_return_code(fcntl(p.client, F_SETFL, O_NONBLOCK), errno);
	assert_int_equal(connect(p.client, (struct sockaddr *)&addr, sizeof(addr)), -1);
	assert_int_equal(errno, EINPROGRESS);
	p.server = accept4(p.listener, NULL, NULL, SOCK_CLOEXEC);
	assert_return_code(p.server, errno);
	wait_until(receipts_now(w) >= 1);
	expect_receipt(&w->receipts[0], &p, 0);
	expect_true("receipt", "SYN flag", w->receipts[0].flags & TCP_FLAG_SYN);
	expect_true("client", "still tries",
		    connect(p.client, (struct sockaddr *)&addr, sizeof(addr)) == -1 &&
			    errno == EALREADY);
	watch_stop(w);
	remove_rules();
	close_pair(&p);
}

/* A FIN takes a sequence number and is acknowledged; the client does not see it. */
static void test_fin(void **state)
{
	struct watch *w;
	struct pair p;

	(void)state;
	need_nfqueue();
	p = connect_pair(PORT, 41003);
	add_rule("--queue-num 5");
	w = watch_start(QUEUE, QUEUE);
	assert_return_code(shutdown(p.server, SHUT_WR), errno);
	wait_until(receipts_now(w) == 1);
	expect_true("receipt", "FIN flag", w->receipts[0].flags & TCP_FLAG_FIN);
	wait_until(unacknowledged(p.server) == 0);
	expect_nothing(p.client);
	watch_stop(w);
	remove_rules();
	close_pair(&p);
}

/* ACKs and resets end here; their receipts tell what the target has. */
static void test_no_ack_needed(void **state)
{
	struct linger hard = {.l_onoff = 1};
	struct watch *w;
	struct pair p;
	char data[10];

	(void)state;
	need_nfqueue();
	p = connect_pair(PORT, 41004);
	add_rule("--queue-num 5");
	w = watch_start(QUEUE, QUEUE);
	send_bytes(p.client, sizeof(data));
	assert_int_equal(recv(p.server, data, sizeof(data), MSG_WAITALL), sizeof(data));
	/* Delayed until then, so this is the reset. */
	setsockopt(p.server, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(p.server);
	wait_until(stat(w, dropped) >= 1);
	wait_until(receipts_now(w) == stat(w, dropped));
	expect_u64("counters", "reflected", stat(w, reflected), 0);
	expect_nothing(p.client);
	watch_stop(w);
	remove_rules();
	p.server = -1;
	close_pair(&p);
}

static void test_not_ours(void **state)
{
	struct watch *w;
	struct pair p;
	char data[100];

	(void)state;
	need_nfqueue();
	add_rule("--queue-num 5");
	w = watch_start(QUEUE, QUEUE);
	p = connect_pair(OTHER_PORT, 41005);
	send_bytes(p.server, sizeof(data));
	assert_int_equal(recv(p.client, data, sizeof(data), MSG_WAITALL), sizeof(data));
	expect_true("counters", "accepted", stat(w, accepted) >= 2);
	expect_u64("counters", "others", stat(w, reflected) + stat(w, dropped), 0);
	expect_u64("receipts", "none", receipts_now(w), 0);
	watch_stop(w);
	remove_rules();
	close_pair(&p);
}

/* An ICMP error about a copy ends here, another one goes on. */
static void test_icmp(void **state)
{
	struct sockaddr_in addr = address(SERVER, PORT), no_service = address(SERVER, 9);
	int tcp, udp;
	struct watch *w;
	char byte = 0;

	(void)state;
	need_nfqueue();
	if (run_command("iptables -w -A INPUT -p tcp --dport %d -j REJECT "
			"--reject-with icmp-port-unreachable 2>/dev/null",
			PORT)) {
		print_message("skipped: no iptables with REJECT here\n");
		skip();
	}
	assert_int_equal(run_command("iptables -w -A OUTPUT -o lo -p icmp -j NFQUEUE "
				     "--queue-num 5"),
			 0);
	w = watch_start(QUEUE, QUEUE);
	tcp = bound(CLIENT, 41006);
	assert_return_code(fcntl(tcp, F_SETFL, O_NONBLOCK), errno);
	connect(tcp, (struct sockaddr *)&addr, sizeof(addr));
	wait_until(stat(w, icmp_dropped) == 1);
	expect_true("client", "still tries",
		    connect(tcp, (struct sockaddr *)&addr, sizeof(addr)) == -1 &&
			    errno == EALREADY);
	udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_return_code(connect(udp, (struct sockaddr *)&no_service, sizeof(addr)), errno);
	assert_int_equal(send(udp, &byte, 1, 0), 1);
	wait_until(recv(udp, &byte, 1, MSG_DONTWAIT) == -1 && errno == ECONNREFUSED);
	expect_u64("counters", "accepted", stat(w, accepted), 1);
	expect_u64("receipts", "none", receipts_now(w), 0);
	close(tcp);
	close(udp);
	watch_stop(w);
	remove_rules();
}

/* ---- queues ---------------------------------------------------------------------------------- */

#define PAIRS 12
#define ROUNDS 20

/* Each connection keeps to one queue, so its receipts stay in order. */
static void test_several_queues(void **state)
{
	struct pair p[PAIRS];
	__u32 next[PAIRS] = {};
	struct watch *w;
	__u64 packets = 0;
	int listener;

	(void)state;
	need_nfqueue();
	for (int i = 0; i < PAIRS; i++) {
		p[i] = connect_pair(PORT, 41100 + i);
		close(p[i].listener);
		p[i].listener = -1;
	}
	listener = bound(SERVER, PORT + 2); /* keeps nothing; shows that ports are free */
	close(listener);
	add_rule("--queue-balance 5:8");
	w = watch_start(QUEUE, QUEUE + N_QUEUES - 1);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < PAIRS; i++)
			send_bytes(p[i].server, 100);
		for (int i = 0; i < PAIRS; i++)
			wait_until(unacknowledged(p[i].server) == 0);
	}
	wait_until(receipts_now(w) == PAIRS * ROUNDS);
	for (unsigned int i = 0; i < w->n; i++) {
		const struct tcpc_receipt *r = &w->receipts[i];
		int pair = ntohs(r->client_port) - 41100;

		assert_in_range(pair, 0, PAIRS - 1);
		if (next[pair])
			expect_u64("several queues", "seq", r->seq, next[pair]);
		next[pair] = r->seq + 100;
	}
	for (int i = 0; i < N_QUEUES; i++)
		packets += __atomic_load_n(&w->stats[i].packets, __ATOMIC_RELAXED);
	expect_u64("several queues", "packets", packets, PAIRS * ROUNDS);
	watch_stop(w);
	remove_rules();
	for (int i = 0; i < PAIRS; i++)
		close_pair(&p[i]);
}

/* A queue that is taken: nothing is started, and the error says which one. */
static void test_busy(void **state)
{
	struct watch *w, *other;
	struct tcpc_nfqueue_options options;
	struct tcpc_nfqueue *none = NULL;
	struct tcpc_err err = {};

	(void)state;
	need_nfqueue();
	w = watch_start(QUEUE + 2, QUEUE + 2);
	other = calloc(1, sizeof(*other));
	assert_non_null(other);
	assert_int_equal(uv_loop_init(&other->loop), 0);
	options = options_for(other, QUEUE, QUEUE + 3);
	assert_int_equal(tcpc_nfqueue_start(&other->loop, &options, &none, &err), -EBUSY);
	expect_true("busy", "the error names the queue", strstr(err.text, "queue 7 ") != NULL);
	expect_true("busy", "and says what to do", strstr(err.text, "--queue") != NULL);
	assert_null(none);
	watch_free(other);
	/* The two before it are free again. */
	watch_stop(watch_start(QUEUE, QUEUE + 1));
	watch_stop(w);
	watch_stop(watch_start(QUEUE, QUEUE + 3));
}

/* The rule without its daemon: responses stay inside. */
static void test_stopped(void **state)
{
	struct watch *w;
	struct pair p;

	(void)state;
	need_nfqueue();
	p = connect_pair(PORT, 41007);
	add_rule("--queue-num 5");
	w = watch_start(QUEUE, QUEUE);
	send_bytes(p.server, 10);
	/* Taken by the thread, but not yet handed on when we stop. */
	wait_until(stat(w, packets) == 1);
	tcpc_nfqueue_stop(w->nfq);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	expect_u64("stopped", "receipts", w->n, 0);
	watch_free(w);
	send_bytes(p.server, 10);
	expect_nothing(p.client);
	expect_true("stopped", "the response stays", unacknowledged(p.server) >= 10);
	remove_rules();
	close_pair(&p);
}

/* ---- the bound ------------------------------------------------------------------------------- */

#define FLOOD (TCPC_NFQUEUE_RECEIPTS + 500)

/* What waits in a queue counts as unsent here, and must not make us wait. */
static int raw_socket(void)
{
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW), size = 64 << 20;

	assert_return_code(fd, errno);
	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)), errno);
	return fd;
}

/* An ACK from PORT, made by hand: no connection bounds how many there can be, and it ends here
 * without making further packets. */
static void send_raw(int fd, __u32 seq)
{
	struct sockaddr_in to = address(CLIENT, 0), from = address(SERVER, 0);
	unsigned char ip[40] = {0x45, [3] = 40, [8] = 64, [9] = IPPROTO_TCP};

	memcpy(ip + 12, &from.sin_addr, 4);
	memcpy(ip + 16, &to.sin_addr, 4);
	ip[21] = PORT;
	ip[22] = 0xa0;
	seq = htonl(seq);
	memcpy(ip + 24, &seq, 4);
	ip[32] = 5 << 4;
	ip[33] = TCP_FLAG_ACK;
	assert_int_equal(sendto(fd, ip, sizeof(ip), 0, (struct sockaddr *)&to, sizeof(to)),
			 sizeof(ip));
}

/* The loop does not run while receipts come: the first ones wait, the rest are counted as lost. */
static void test_receipts_lost(void **state)
{
	struct watch *w;
	int fd;

	(void)state;
	need_nfqueue();
	fd = raw_socket();
	add_rule("--queue-num 5");
	w = watch_start(QUEUE, QUEUE);
	for (__u32 i = 0; i < FLOOD; i++)
		send_raw(fd, i);
	wait_until(stat(w, packets) == FLOOD);
	expect_u64("flood", "lost", stat(w, receipts_lost), FLOOD - TCPC_NFQUEUE_RECEIPTS);
	expect_u64("flood", "dropped by the kernel", stat(w, enobufs), 0);
	wait_until(receipts_now(w) == TCPC_NFQUEUE_RECEIPTS);
	for (__u32 i = 0; i < w->n; i++)
		expect_u64("flood", "seq", w->receipts[i].seq, i);
	/* There is room again. */
	send_raw(fd, FLOOD);
	wait_until(receipts_now(w) == TCPC_NFQUEUE_RECEIPTS + 1);
	expect_u64("after", "seq", w->receipts[w->n - 1].seq, FLOOD);
	watch_stop(w);
	remove_rules();
	close(fd);
}

/* An interceptor in a process of its own, which can be stopped. */
static void run_child(struct tcpc_queue_stats *shared, int ready)
{
	struct tcpc_nfqueue_options options;
	struct tcpc_nfqueue *nfq;
	struct watch *w = calloc(1, sizeof(*w));

	if (w && !uv_loop_init(&w->loop)) {
		options = options_for(w, QUEUE, QUEUE);
		options.stats = shared;
		if (!tcpc_nfqueue_start(&w->loop, &options, &nfq, NULL) &&
		    write(ready, "y", 1) == 1)
			pause();
	}
	_exit(1);
}

static pid_t start_child(struct tcpc_queue_stats *shared)
{
	int ready[2];
	char word;
	pid_t pid;

	assert_return_code(pipe(ready), errno);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run_child(shared, ready[1]);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &word, 1), 1);
	close(ready[0]);
	return pid;
}

/* Sent while the interceptor stands still, and as much as the kernel's queue can take. */
#define OVERFLOWING (TCPC_NFQUEUE_LENGTH + 1000)

static void test_overflow(void **state)
{
	struct tcpc_queue_stats *shared;
	__u64 sent = OVERFLOWING;
	int fd, status;
	pid_t pid;

	(void)state;
	need_nfqueue();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	fd = raw_socket();
	pid = start_child(shared);
	add_rule("--queue-num 5");
	kill(pid, SIGSTOP);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	for (__u32 i = 0; i < OVERFLOWING; i++)
		send_raw(fd, i);
	kill(pid, SIGCONT);
	/* Now it is never idle for long, and must find time to look all the same. */
	wait_until((send_raw(fd, sent++), __atomic_load_n(&shared->overflow, __ATOMIC_RELAXED)));
	expect_true("overflow", "what was too much",
		    shared->overflow >= OVERFLOWING - TCPC_NFQUEUE_LENGTH);
	wait_until(__atomic_load_n(&shared->packets, __ATOMIC_RELAXED) + shared->overflow >= sent ||
		   __atomic_load_n(&shared->enobufs, __ATOMIC_RELAXED));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	remove_rules();
	close(fd);
	munmap(shared, sizeof(*shared));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_response),
		cmocka_unit_test(test_handshake),
		cmocka_unit_test(test_fin),
		cmocka_unit_test(test_no_ack_needed),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_icmp),
		cmocka_unit_test(test_several_queues),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_receipts_lost),
		cmocka_unit_test(test_overflow),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
