// SPDX-License-Identifier: GPL-2.0-only
/* test_diag.c - one connection over lo found, ended and watched; its listener left alone. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <arpa/inet.h>

#include "netns.h"
#include "edge/diag.h"
#include "tcpcopy/addr.h"

#define MANY 300 /* more than one message of the kernel's tells of */

static const struct way {
	const char *name;
	int listen_family, family;
} ways[] = {
	{"IPv4", AF_INET, AF_INET},
	{"IPv6", AF_INET6, AF_INET6},
	{"IPv4 on an IPv6 socket", AF_INET6, AF_INET},
};

struct connection {
	int listener, client, server;
	struct tcpc_flow flow;
};

static socklen_t loopback(int family, struct sockaddr_storage *ss, __be16 port)
{
	struct sockaddr_in6 *in6 = (void *)ss;
	struct sockaddr_in *in = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = family;
	if (family == AF_INET) {
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		in->sin_port = port;
		return sizeof(*in);
	}
	in6->sin6_addr = in6addr_loopback;
	in6->sin6_port = port;
	return sizeof(*in6);
}

static __be16 port_of(int fd)
{
	struct sockaddr_in6 in6;
	socklen_t bytes = sizeof(in6);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&in6, &bytes), 0);
	return in6.sin6_port; /* where IPv4 has it, too */
}

static int listen_any(int family)
{
	struct sockaddr_storage ss = {.ss_family = family};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t bytes =
		family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, bytes), 0);
	assert_int_equal(listen(fd, 1024), 0);
	return fd;
}

static void connect_to(const struct way *way, int listener, struct connection *ret)
{
	static const struct tcpc_addr v6 = {{0, 0, 0, tcpc_htonl(1)}};
	struct tcpc_addr addr =
		way->family == AF_INET ? tcpc_addr_from_v4(htonl(INADDR_LOOPBACK)) : v6;
	struct sockaddr_storage ss;
	socklen_t bytes = loopback(way->family, &ss, port_of(listener));

	ret->listener = listener;
	ret->client = socket(way->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(ret->client, (struct sockaddr *)&ss, bytes), 0);
	ret->server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(ret->server >= 0);
	memset(&ret->flow, 0, sizeof(ret->flow));
	ret->flow.client = ret->flow.server = addr;
	ret->flow.client_port = port_of(ret->client);
	ret->flow.server_port = port_of(listener);
}

static struct tcpc_diag *open_diag(void)
{
	struct tcpc_diag *diag = NULL;
	struct tcpc_err err;

	if (tcpc_diag_open(&diag, &err))
		fail_msg("%s", err.text);
	return diag;
}

static void end_one(const struct way *way)
{
	struct tcpc_diag *diag = open_diag();
	struct connection c, other;
	int listener = listen_any(way->listen_family);
	char byte;

	connect_to(way, listener, &c);
	connect_to(way, listener, &other);
	assert_int_equal(tcpc_diag_has(diag, &c.flow, 0), 1);
	assert_int_equal(tcpc_diag_has(diag, &c.flow, 1), 1);
	assert_int_equal(tcpc_diag_end(diag, &c.flow, 0), 1);
	assert_int_equal(recv(c.client, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	/* Now the kernel finds the listener in its place, which must live on. */
	assert_int_equal(tcpc_diag_has(diag, &c.flow, 0), 0);
	assert_int_equal(tcpc_diag_end(diag, &c.flow, 0), 0);
	assert_int_equal(tcpc_diag_has(diag, &other.flow, 0), 1);
	close(c.client);
	close(c.server);
	connect_to(way, listener, &c);
	close(listener);
	assert_int_equal(tcpc_diag_end(diag, &c.flow, 0), 1);
	assert_int_equal(tcpc_diag_end(diag, &c.flow, 0), 0);
	close(c.client);
	close(c.server);
	close(other.client);
	close(other.server);
	tcpc_diag_close(diag);
}

static void test_end(void **state)
{
	(void)state;
	need_netns();
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		print_message("# %s\n", ways[i].name);
		end_one(&ways[i]);
	}
}

struct seen {
	__be16 port;
	unsigned int n;
	__u32 idle_ms;
};

static void on_idle(void *user, const struct tcpc_flow *flow, __u32 idle_ms)
{
	struct seen *seen = user;

	if (flow->server_port != seen->port)
		return;
	seen->n++;
	if (idle_ms > seen->idle_ms)
		seen->idle_ms = idle_ms;
}

static struct seen walk(__be16 port, unsigned int *ret_steps)
{
	struct seen seen = {.port = port};
	struct tcpc_diag_walk *walk = NULL;
	struct tcpc_err err;
	int r = 1;

	if (tcpc_diag_walk_start(&walk, &err))
		fail_msg("%s", err.text);
	for (*ret_steps = 0; r > 0; ++*ret_steps)
		r = tcpc_diag_walk_step(walk, on_idle, &seen);
	assert_int_equal(r, 0);
	tcpc_diag_walk_free(walk);
	return seen;
}

static void test_walk(void **state)
{
	static struct connection c[MANY];
	int listener;
	__be16 port;
	unsigned int steps;
	struct seen seen;

	(void)state;
	need_netns();
	listener = listen_any(AF_INET6);
	port = port_of(listener);
	for (int i = 0; i < MANY; i++)
		connect_to(&ways[i % 2 ? 1 : 2], listener, &c[i]);
	wait_until((seen = walk(port, &steps)).idle_ms >= 40);
	assert_int_equal(seen.n, MANY);
	assert_in_range(steps, 3, MANY); /* little at a time */
	for (int i = 0; i < MANY; i++)
		assert_int_equal(send(c[i].client, "x", 1, 0), 1);
	assert_true(walk(port, &steps).idle_ms < seen.idle_ms);
	for (int i = 0; i < MANY; i++) {
		close(c[i].client);
		close(c[i].server);
	}
	/* Nobody waits for an application any more: the kernel's own business. */
	assert_int_equal(walk(port, &steps).n, 0);
	close(listener);
}

static void test_age(void **state)
{
	const __u64 unit = 1ULL << TCPC_SEEN_SHIFT;
	struct tcpc_exchange x = {.seen = 100};

	(void)state;
	assert_int_equal(tcpc_exchange_age_s(&x, 100 * unit), 0);
	assert_int_equal(tcpc_exchange_age_s(&x, 101 * unit), 0);
	assert_int_equal(tcpc_exchange_age_s(&x, 102 * unit), 1);
	assert_int_equal(tcpc_exchange_age_s(&x, 112 * unit), 11);
	x.seen = 0xffffffff;
	assert_int_equal(tcpc_exchange_age_s(&x, ((1ULL << 32) + 1) * unit), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_age),
	};

	return cmocka_run_group_tests(tests, enter_netns, NULL);
}
