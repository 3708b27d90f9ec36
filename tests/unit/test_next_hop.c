// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_next_hop.c - who takes packets to an address, whether he answers, who listens on a port and
 * who is connected to it: as the kernel of a private namespace says.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "netns.h"
#include "../harness/expect.h"
#include "edge/netlink.h"
#include "edge/probe.h"
#include "edge/sockdiag.h"
#include "tcpcopy/addr.h"

#define PORT 8080

static struct tcpc_addr addr(const char *text)
{
	struct tcpc_addr a;
	struct tcpc_err err;

	if (tcpc_text_addr(text, &a, &err))
		expect_fail("%s: %s", text, err.text);
	return a;
}

static int make_net(void **state)
{
	if (enter_netns(state))
		return -1;
	if (!in_netns)
		return 0;
	return run_command("ip link add way0 type veth peer name way1 && ip link set way1 up && "
			   "ip addr add 198.18.0.2/24 dev way0 && "
			   "ip addr add 2001:2::2/64 dev way0 nodad && ip link set way0 up && "
			   "ip route add 198.18.5.0/24 via 198.18.0.9 && "
			   "ip -6 route add 2001:2:0:5::/64 via 2001:2::9 && "
			   "ip route add blackhole 198.18.7.0/24 && "
			   "ip -6 route add unreachable 2001:2:0:7::/64 && "
			   "ip neigh add 198.18.0.9 lladdr 02:00:00:00:00:09 dev way0 && "
			   "ip neigh add 198.18.0.8 dev way0 nud failed && "
			   "ip neigh add 2001:2::8 dev way0 nud failed");
}

/* ---- next hop ------------------------------------------------------------------------------- */

static void test_next_hop(void **state)
{
	static const struct {
		const char *dst;
		int result;
		const char *hop;
		bool failed;
	} rows[] = {
		{"198.18.0.7", 0, "198.18.0.7", false},
		{"198.18.0.8", 0, "198.18.0.8", true},
		{"198.18.0.9", 0, "198.18.0.9", false},
		{"198.18.5.1", 0, "198.18.0.9", false},
		{"198.18.7.1", -EHOSTUNREACH, NULL, false},
		{"198.18.0.2", -EHOSTUNREACH, NULL, false},
		{"198.19.0.1", -ENETUNREACH, NULL, false},
		{"2001:2::7", 0, "2001:2::7", false},
		{"2001:2::8", 0, "2001:2::8", true},
		{"2001:2:0:5::1", 0, "2001:2::9", false},
		{"2001:2:0:7::1", -EHOSTUNREACH, NULL, false},
	};

	(void)state;
	need_netns();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tcpc_addr dst = addr(rows[i].dst), want;
		struct tcpc_next_hop hop = {.ifindex = -7};

		expect_u64(rows[i].dst, "result", tcpc_netlink_next_hop(&dst, &hop),
			   rows[i].result);
		if (rows[i].result) {
			expect_u64(rows[i].dst, "untouched", hop.ifindex, -7);
			continue;
		}
		want = addr(rows[i].hop);
		expect_bytes(rows[i].dst, &hop.addr, &want, sizeof(want));
		expect_u64(rows[i].dst, "device", hop.ifindex, if_nametoindex("way0"));
		expect_u64(rows[i].dst, "failed", hop.failed, rows[i].failed);
	}
	expect_u64("no such device", "XDP", tcpc_netlink_has_xdp(4711), 0);
	expect_u64("way0", "XDP", tcpc_netlink_has_xdp(if_nametoindex("way0")), 0);
	expect_u64("way0", "LRO", tcpc_probe_lro("way0"), 0);
}

/* ---- listeners and clients ------------------------------------------------------------------ */

static int listen_at(int family, const char *address, int backlog, int only_v6)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof(only_v6));
	inet_pton(family, address,
		  family == AF_INET ? (void *)&sin.sin_addr : (void *)&sin6.sin6_addr);
	if (bind(fd, family == AF_INET ? (void *)&sin : (void *)&sin6,
		 family == AF_INET ? sizeof(sin) : sizeof(sin6)) ||
	    listen(fd, backlog))
		expect_fail("listen at %s: %s", address, strerror(errno));
	return fd;
}

static void test_listeners(void **state)
{
	static const struct {
		const char *row;
		int family;
		const char *address;
		int only_v6;
		bool v4, v6;
	} rows[] = {
		{"IPv4, all", AF_INET, "0.0.0.0", 0, true, false},
		{"IPv4, one", AF_INET, "127.0.0.1", 0, true, false},
		{"both", AF_INET6, "::", 0, true, true},
		{"IPv6 alone", AF_INET6, "::", 1, false, true},
	};
	struct tcpc_listener got[4];
	struct tcpc_err err;

	(void)state;
	need_netns();
	expect_u64("none", "listeners", tcpc_sockdiag_listeners(htons(PORT), got, 4, &err), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = listen_at(rows[i].family, rows[i].address, 7, rows[i].only_v6);

		expect_u64(rows[i].row, "listeners",
			   tcpc_sockdiag_listeners(htons(PORT), got, 4, &err), 1);
		expect_u64(rows[i].row, "beyond room",
			   tcpc_sockdiag_listeners(htons(PORT), NULL, 0, &err), 1);
		expect_u64(rows[i].row, "other port",
			   tcpc_sockdiag_listeners(htons(PORT + 1), got, 4, &err), 0);
		expect_u64(rows[i].row, "IPv4", got[0].v4, rows[i].v4);
		expect_u64(rows[i].row, "IPv6", got[0].v6, rows[i].v6);
		expect_u64(rows[i].row, "room", got[0].limit, 7);
		expect_u64(rows[i].row, "waiting", got[0].waiting, 0);
		expect_u64(rows[i].row, "port", got[0].at.port, htons(PORT));
		close(fd);
	}
}

struct seen {
	unsigned int n;
	struct tcpc_flow flow;
};

static bool see(void *user, const struct tcpc_flow *flow)
{
	struct seen *seen = user;

	seen->n++;
	seen->flow = *flow;
	return true;
}

static void expect_seen(const char *row, unsigned int n, struct seen *ret)
{
	const __be16 port = htons(PORT);
	struct tcpc_err err;

	*ret = (struct seen){};
	expect_u64(row, "result", tcpc_sockdiag_each(&port, 1, see, ret, &err), 0);
	expect_u64(row, "connections", ret->n, n);
}

/* Listeners and what has ended are no clients, and nothing is ended by the look. */
static void test_each(void **state)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	const struct tcpc_addr lo = addr("127.0.0.1");
	int listener, client, server;
	struct seen seen;

	(void)state;
	need_netns();
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = listen_at(AF_INET6, "::", 7, 0);
	expect_seen("a listener", 0, &seen);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, (void *)&sin, sizeof(sin)), 0);
	server = accept(listener, NULL, NULL);
	assert_true(server >= 0);
	expect_seen("a client", 1, &seen);
	expect_seen("a client, again", 1, &seen);
	expect_bytes("a client", &seen.flow.client, &lo, sizeof(lo));
	expect_bytes("a client", &seen.flow.server, &lo, sizeof(lo));
	expect_u64("a client", "port", seen.flow.server_port, htons(PORT));
	shutdown(client, SHUT_WR);
	expect_u64("half-closed", "bytes", recv(server, &sin, 1, 0), 0);
	expect_seen("half-closed", 1, &seen);
	close(server);
	close(client);
	expect_seen("closed", 0, &seen);
	close(listener);
}

static void test_read(void **state)
{
	char text[8] = "zzzzzzz";

	(void)state;
	expect_u64("missing", "result", tcpc_probe_read("/proc/no such", text, 8), -ENOENT);
	expect_u64("missing", "untouched", text[0], 'z');
	expect_u64("long", "result", tcpc_probe_read("/proc/net/netstat", text, 8), 0);
	expect_u64("long", "length", strlen(text), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next_hop),
		cmocka_unit_test(test_listeners),
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_read),
	};

	return cmocka_run_group_tests(tests, make_net, NULL);
}
