// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_sockdiag.c - real connections over lo in every state, ended or left alone. What is left is
 * counted in /proc/net/tcp and tcp6, not by the code under test.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <arpa/inet.h>
#include <sys/resource.h>
#include <linux/bpf.h>
#include <linux/tcp.h>

#include "netns.h"
#include "edge/sockdiag.h"
#include "tcpcopy/addr.h"

#define PORT 8080
#define OTHER_PORT 9090

/* The ways in which a client can reach a service. */
struct way {
	const char *name;
	int listen_family;  /* AF_INET6 listens on :: and serves both families */
	const char *client; /* address that it connects from */
	const char *server; /* and to */
};

static const struct way ways[] = {
	{"IPv4", AF_INET, "127.0.0.5", "127.0.0.1"},
	{"IPv6", AF_INET6, "::1", "::1"},
	{"IPv4 on an IPv6 socket", AF_INET6, "127.0.0.5", "127.0.0.1"},
};

struct connection {
	int listener, client, server;
};

static socklen_t fill(struct sockaddr_storage *ss, const char *text, int port)
{
	struct sockaddr_in6 *in6 = (void *)ss;
	struct sockaddr_in *in = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	if (strchr(text, ':')) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	assert_int_equal(inet_pton(AF_INET, text, &in->sin_addr), 1);
	return sizeof(*in);
}

static int listen_on(const struct way *way, int port)
{
	int fd = socket(way->listen_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	struct sockaddr_storage ss;
	socklen_t bytes;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	bytes = fill(&ss, way->listen_family == AF_INET ? "0.0.0.0" : "::", port);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, bytes), 0);
	assert_int_equal(listen(fd, 1024), 0);
	return fd;
}

static int connect_from(const struct way *way, int port)
{
	struct sockaddr_storage ss;
	socklen_t bytes = fill(&ss, way->client, 0);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, bytes), 0);
	bytes = fill(&ss, way->server, port);
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, bytes), 0);
	return fd;
}

static struct connection open_connection(const struct way *way, int port)
{
	struct connection c = {.listener = listen_on(way, port)};

	c.client = connect_from(way, port);
	c.server = accept4(c.listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(c.server >= 0);
	return c;
}

static void close_connection(const struct connection *c)
{
	close(c->client);
	if (c->listener >= 0)
		close(c->listener);
	if (c->server >= 0)
		close(c->server);
}

static int count_file(const char *path, int port, int state)
{
	FILE *file = fopen(path, "re");
	unsigned int local_port, found;
	char line[512];
	int n = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " %*d: %*[0-9A-F]:%X %*[0-9A-F]:%*X %X", &local_port, &found) == 2)
			n += (int)local_port == port && (int)found == state;
	fclose(file);
	return n;
}

/* Sockets with local @port in @state (enum of RFC 9293 states as the kernel numbers them). */
static int count(int port, int state)
{
	return count_file("/proc/net/tcp", port, state) + count_file("/proc/net/tcp6", port, state);
}

static int count_all(int port)
{
	int state, n = 0;

	for (state = BPF_TCP_ESTABLISHED; state <= BPF_TCP_NEW_SYN_RECV; state++)
		n += state == BPF_TCP_LISTEN ? 0 : count(port, state);
	return n;
}

static int destroy(int port, tcpc_sockdiag_match match, void *user)
{
	__be16 wire = htons(port);
	unsigned int left = 99;
	struct tcpc_err err;
	int r;

	r = tcpc_sockdiag_destroy(&wire, 1, match, user, &left, &err);
	if (r < 0)
		fail_msg("%s", err.text);
	assert_int_equal(left, 0);
	return r;
}

/* ---- each puts the server's side of a new connection into one state ------------------------- */

static struct connection in_established(const struct way *way)
{
	return open_connection(way, PORT);
}

static struct connection in_close_wait(const struct way *way)
{
	struct connection c = open_connection(way, PORT);

	shutdown(c.client, SHUT_WR);
	return c;
}

static struct connection in_fin_wait2(const struct way *way)
{
	struct connection c = open_connection(way, PORT);

	shutdown(c.server, SHUT_WR);
	return c;
}

/* Nobody holds it any more: the kernel keeps it in its small form. */
static struct connection in_orphan_fin_wait2(const struct way *way)
{
	struct connection c = open_connection(way, PORT);

	close(c.server);
	c.server = -1;
	return c;
}

static struct connection in_time_wait(const struct way *way)
{
	struct connection c = in_orphan_fin_wait2(way);
	char byte;

	assert_int_equal(recv(c.client, &byte, 1, 0), 0);
	close(c.client);
	c.client = -1;
	return c;
}

/* The listener wants data before it believes in a connection: a request socket stays. */
static struct connection in_syn_recv(const struct way *way)
{
	struct connection c = {.listener = listen_on(way, PORT), .server = -1};
	int seconds = 60;

	setsockopt(c.listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds));
	c.client = connect_from(way, PORT);
	return c;
}

/* The client does not read, so the server cannot get rid of its data nor of its FIN. */
static struct connection in_fin_wait1(const struct way *way)
{
	struct connection c = open_connection(way, PORT);
	static char bulk[65536];

	fcntl(c.server, F_SETFL, O_NONBLOCK);
	while (send(c.server, bulk, sizeof(bulk), MSG_NOSIGNAL) > 0)
		;
	close(c.server);
	c.server = -1;
	return c;
}

static const struct {
	const char *name;
	struct connection (*make)(const struct way *way);
	int state; /* as /proc/net/tcp shows it */
} cases[] = {
	{"ESTABLISHED", in_established, BPF_TCP_ESTABLISHED},
	{"CLOSE_WAIT", in_close_wait, BPF_TCP_CLOSE_WAIT},
	{"FIN_WAIT2", in_fin_wait2, BPF_TCP_FIN_WAIT2},
	{"FIN_WAIT2, orphan", in_orphan_fin_wait2, BPF_TCP_FIN_WAIT2},
	{"TIME_WAIT", in_time_wait, BPF_TCP_TIME_WAIT},
	{"SYN_RECV", in_syn_recv, BPF_TCP_SYN_RECV},
	{"FIN_WAIT1", in_fin_wait1, BPF_TCP_FIN_WAIT1},
};

static void test_states(void **state)
{
	unsigned int i, j;

	(void)state;
	need_netns();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (j = 0; j < sizeof(ways) / sizeof(ways[0]); j++) {
			struct connection c = cases[i].make(&ways[j]);

			print_message("%s, %s\n", cases[i].name, ways[j].name);
			wait_until(count(PORT, cases[i].state) == 1);
			assert_int_equal(destroy(PORT, NULL, NULL), 1);
			assert_int_equal(count_all(PORT), 0);
			assert_int_equal(count(PORT, BPF_TCP_LISTEN), 1);
			close_connection(&c);
		}
	}
}

/* The process that owns the connection is told. */
static void test_owner_sees_the_end(void **state)
{
	struct connection c;
	struct pollfd waiting;
	char byte;

	(void)state;
	need_netns();
	c = open_connection(&ways[0], PORT);
	assert_int_equal(destroy(PORT, NULL, NULL), 1);
	waiting = (struct pollfd){.fd = c.server, .events = POLLIN};
	assert_int_equal(poll(&waiting, 1, 1000), 1);
	assert_int_equal(recv(c.server, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNABORTED);
	close_connection(&c);
}

struct expected {
	struct tcpc_flow flow;
	int calls;
	bool answer;
};

static bool expect_flow(void *user, const struct tcpc_flow *flow)
{
	struct expected *expected = user;

	assert_memory_equal(flow, &expected->flow, sizeof(*flow));
	expected->calls++;
	return expected->answer;
}

static struct tcpc_addr mapped(const char *text)
{
	struct tcpc_addr a = {};
	__be32 v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		return tcpc_addr_from_v4(v4);
	assert_int_equal(inet_pton(AF_INET6, text, &a), 1);
	return a;
}

static __be16 local_port(int fd)
{
	struct sockaddr_storage ss;
	socklen_t bytes = sizeof(ss);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &bytes), 0);
	return ss.ss_family == AF_INET ? ((struct sockaddr_in *)&ss)->sin_port
				       : ((struct sockaddr_in6 *)&ss)->sin6_port;
}

/* Whatever the family of the socket, the match sees one form of address; what it declines stays. */
static void test_match(void **state)
{
	unsigned int j;

	(void)state;
	need_netns();
	for (j = 0; j < sizeof(ways) / sizeof(ways[0]); j++) {
		struct connection c = open_connection(&ways[j], PORT);
		struct expected expected = {
			.flow = {.client = mapped(ways[j].client),
				 .server = mapped(ways[j].server),
				 .client_port = local_port(c.client),
				 .server_port = htons(PORT)},
		};

		print_message("%s\n", ways[j].name);
		assert_int_equal(destroy(PORT, expect_flow, &expected), 0);
		assert_int_equal(expected.calls, 1);
		assert_int_equal(count(PORT, BPF_TCP_ESTABLISHED), 1);
		expected.answer = true;
		assert_int_equal(destroy(PORT, expect_flow, &expected), 1);
		assert_int_equal(count_all(PORT), 0);
		close_connection(&c);
	}
}

static bool from_prefix(void *user, const struct tcpc_flow *flow)
{
	return tcpc_addr_is_v4(&flow->client) &&
	       tcpc_ntohl(flow->client.w[3]) >> 8 == *(unsigned int *)user;
}

/* One client of two, and of the two ports the one that was named. */
static void test_others_are_left_alone(void **state)
{
	const struct way other = {"", AF_INET, "127.0.1.5", "127.0.0.1"};
	unsigned int prefix = 0x7f0001; /* 127.0.1/24 */
	struct connection a, b;
	int client;

	(void)state;
	need_netns();
	a = open_connection(&ways[0], PORT);
	b = open_connection(&other, OTHER_PORT);
	client = connect_from(&other, PORT);
	assert_int_equal(count(PORT, BPF_TCP_ESTABLISHED), 2);
	assert_int_equal(destroy(PORT, from_prefix, &prefix), 1);
	assert_int_equal(count(PORT, BPF_TCP_ESTABLISHED), 1);
	assert_int_equal(count(OTHER_PORT, BPF_TCP_ESTABLISHED), 1);
	assert_int_equal(send(a.client, "x", 1, MSG_NOSIGNAL), 1);
	assert_int_equal(send(b.client, "x", 1, MSG_NOSIGNAL), 1);
	assert_int_equal(destroy(OTHER_PORT + 1, NULL, NULL), 0);
	assert_int_equal(destroy(PORT, NULL, NULL), 1);
	assert_int_equal(count(OTHER_PORT, BPF_TCP_ESTABLISHED), 1);
	close(client);
	close_connection(&a);
	close_connection(&b);
}

/* More than one datagram of a dump, on two ports of three at once. */
static void test_many(void **state)
{
	const __be16 ports[] = {htons(PORT), htons(OTHER_PORT)};
	enum { N = 600 };
	struct rlimit files = {.rlim_cur = 4096, .rlim_max = 4096};
	int listeners[3], clients[3 * N], i;
	unsigned int left = 99;
	struct tcpc_err err;

	(void)state;
	need_netns();
	if (setrlimit(RLIMIT_NOFILE, &files))
		skip();
	for (i = 0; i < 3; i++)
		listeners[i] = listen_on(&ways[i], PORT + i * (OTHER_PORT - PORT));
	for (i = 0; i < 3 * N; i++)
		clients[i] = connect_from(&ways[i % 3], PORT + i % 3 * (OTHER_PORT - PORT));
	wait_until(count_all(PORT) == N && count_all(OTHER_PORT) == N);
	assert_int_equal(tcpc_sockdiag_destroy(ports, 2, NULL, NULL, &left, &err), 2 * N);
	assert_int_equal(left, 0);
	assert_int_equal(count_all(PORT), 0);
	assert_int_equal(count_all(OTHER_PORT), 0);
	assert_int_equal(count_all(PORT + 2 * (OTHER_PORT - PORT)), N);
	for (i = 0; i < 3 * N; i++)
		close(clients[i]);
	for (i = 0; i < 3; i++)
		close(listeners[i]);
}

static bool abort_it(void *user, const struct tcpc_flow *flow)
{
	const struct linger at_once = {.l_onoff = 1};
	struct connection *c = user;

	(void)flow;
	setsockopt(c->server, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(c->server);
	c->server = -1;
	return true;
}

/* Between the list and its end a connection goes by itself. Where a listener stands behind it, the
 * kernel finds that one instead: it must live on. */
static void test_gone_meanwhile(void **state)
{
	unsigned int i;

	(void)state;
	need_netns();
	for (i = 0; i < 2; i++) {
		struct connection c = open_connection(&ways[0], PORT);

		if (i) {
			close(c.listener);
			c.listener = -1;
		}
		assert_int_equal(destroy(PORT, abort_it, &c), 1);
		assert_int_equal(count_all(PORT), 0);
		assert_int_equal(count(PORT, BPF_TCP_LISTEN), i ? 0 : 1);
		close_connection(&c);
	}
}

static void test_permission(void **state)
{
	struct connection c;
	const __be16 port = htons(PORT);
	unsigned int left = 99;
	struct tcpc_err err;

	(void)state;
	need_netns();
	c = open_connection(&ways[0], PORT);
	assert_int_equal(seteuid(65534), 0);
	assert_int_equal(tcpc_sockdiag_destroy(&port, 1, NULL, NULL, &left, &err), -EPERM);
	assert_int_equal(seteuid(0), 0);
	assert_non_null(strstr(err.text, "CAP_NET_ADMIN"));
	assert_int_equal(left, 99);
	assert_int_equal(destroy(PORT, NULL, NULL), 1);
	close_connection(&c);
}

static void test_nothing_to_do(void **state)
{
	struct tcpc_err err;
	unsigned int left = 99;

	(void)state;
	need_netns();
	assert_int_equal(destroy(PORT, NULL, NULL), 0);
	assert_int_equal(tcpc_sockdiag_destroy(NULL, 0, NULL, NULL, &left, &err), 0);
	assert_int_equal(left, 0);
}

static void test_check(void **state)
{
	struct tcpc_err err;

	(void)state;
	need_netns();
	assert_int_equal(tcpc_sockdiag_check(&err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),	       cmocka_unit_test(test_nothing_to_do),
		cmocka_unit_test(test_states),	       cmocka_unit_test(test_owner_sees_the_end),
		cmocka_unit_test(test_match),	       cmocka_unit_test(test_others_are_left_alone),
		cmocka_unit_test(test_gone_meanwhile), cmocka_unit_test(test_permission),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, enter_netns, NULL);
}
