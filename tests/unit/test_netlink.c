// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_netlink.c - the routing socket, in a namespace with a veth pair. The file under test is
 * included, because which kind of device it makes depends on the kernel: each is tried here.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <net/if_arp.h>

#include "netns.h"
#include "edge/netlink.c"

static struct tcpc_addr addr(const char *text)
{
	struct tcpc_addr a = {};
	__be32 v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		return tcpc_addr_from_v4(v4);
	assert_int_equal(inet_pton(AF_INET6, text, &a), 1);
	return a;
}

static int set_up(void **state)
{
	if (enter_netns(state))
		return -1;
	if (!in_netns)
		return 0;
	return run_command("ip link add v0 type veth peer name v1 && ip link set v1 up &&"
			   "ip link set v0 up && ip addr add 198.18.0.1/24 brd + dev v0 &&"
			   "ip addr add 169.254.3.4/16 dev v0 &&"
			   "ip addr add 198.18.9.1 peer 198.18.9.2 dev v0 &&"
			   "ip -6 addr add 2001:2::1/64 dev v0 nodad &&"
			   "ip -6 addr add fe80::77/64 dev v0 nodad");
}

static void test_iface(void **state)
{
	struct tcpc_iface iface;
	struct tcpc_err err;

	(void)state;
	need_netns();
	assert_int_equal(tcpc_netlink_iface("lo", &iface, &err), 0);
	assert_int_equal(iface.ifindex, if_nametoindex("lo"));
	assert_string_equal(iface.name, "lo");
	assert_string_equal(iface.alias, "");
	assert_int_equal(iface.type, ARPHRD_LOOPBACK);
	assert_int_equal(iface.mtu, 65536);
	assert_true(iface.flags & IFF_LOOPBACK);
	assert_true(iface.flags & IFF_UP);
	assert_int_equal(run_command("ip link set v1 mtu 1400 alias 'some words'"), 0);
	assert_int_equal(tcpc_netlink_iface("v1", &iface, &err), 0);
	assert_int_equal(iface.type, ARPHRD_ETHER);
	assert_int_equal(iface.mtu, 1400);
	assert_string_equal(iface.alias, "some words");
	assert_int_equal(run_command("ip link set v1 mtu 1500"), 0);
}

static void test_iface_missing(void **state)
{
	static const char *const names[] = {"nosuch0", "", "a-name-of-more-than-15-bytes"};
	struct tcpc_iface iface = {.ifindex = 77};
	struct tcpc_err err;
	unsigned int i;

	(void)state;
	need_netns();
	for (i = 0; i < 3; i++) {
		memset(&err, 0, sizeof(err));
		assert_int_equal(tcpc_netlink_iface(names[i], &iface, &err), -ENODEV);
		assert_int_equal(err.code, ENODEV);
		assert_non_null(strstr(err.text, names[i]));
		assert_non_null(strstr(err.text, "there are: lo, "));
		assert_non_null(strstr(err.text, "v0"));
		assert_int_equal(iface.ifindex, 77);
	}
}

static int count_iface(void *user, const struct tcpc_iface *iface)
{
	int *n = user;

	assert_true(iface->ifindex > 0);
	(*n)++;
	return 0;
}

static int stop_at_first(void *user, const struct tcpc_iface *iface)
{
	(void)iface;
	++*(int *)user;
	return 42;
}

static void test_each_iface(void **state)
{
	struct tcpc_err err;
	int before = 0, n = 0;

	(void)state;
	need_netns();
	assert_int_equal(tcpc_netlink_each_iface(count_iface, &before, &err), 0);
	assert_true(before >= 3);
	assert_int_equal(tcpc_netlink_each_iface(stop_at_first, &n, &err), 42);
	assert_int_equal(n, 1);
}

/* More interfaces than one datagram of a dump and one error text hold. */
static void test_many_ifaces(void **state)
{
	struct tcpc_iface iface;
	struct tcpc_err err;
	int before = 0, n = 0;

	(void)state;
	need_netns();
	assert_int_equal(tcpc_netlink_each_iface(count_iface, &before, &err), 0);
	assert_int_equal(run_command("for i in $(seq 40); do "
				     "echo link add many$i type veth peer name other$i; "
				     "done | ip -batch -"),
			 0);
	assert_int_equal(tcpc_netlink_each_iface(count_iface, &n, &err), 0);
	assert_int_equal(n, before + 80);
	assert_int_equal(tcpc_netlink_iface("nosuch0", &iface, &err), -ENODEV);
	assert_non_null(strstr(err.text, ", ..."));
	assert_int_equal(run_command("for i in $(seq 40); do echo link del many$i; done |"
				     "ip -batch -"),
			 0);
}

static void assert_quiet(const char *name, const char *alias, bool up)
{
	struct tcpc_iface iface;
	long value;
	char path[128];
	FILE *file;

	assert_int_equal(tcpc_netlink_iface(name, &iface, NULL), 0);
	assert_string_equal(iface.alias, alias);
	assert_true(iface.flags & IFF_NOARP);
	assert_int_equal(!!(iface.flags & IFF_UP), up);
	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	file = fopen(path, "re");
	if (!file) /* no IPv6 in this kernel */
		return;
	assert_int_equal(fscanf(file, "%ld", &value), 1);
	fclose(file);
	assert_int_equal(value, 1);
}

static void test_create_sink(void **state)
{
	struct tcpc_addr addrs[4];
	int ifindex = 0, again = 99;
	const char *kind = NULL, *other = "untouched";
	struct tcpc_iface iface;
	struct tcpc_err err;

	(void)state;
	need_netns();
	assert_int_equal(tcpc_netlink_create_sink("sink0", "made by a test", &ifindex, &kind, &err),
			 0);
	print_message("kind: %s\n", kind);
	assert_true(!strcmp(kind, "dummy") || !strcmp(kind, "ifb") || !strcmp(kind, "veth"));
	assert_int_equal(ifindex, if_nametoindex("sink0"));
	assert_quiet("sink0", "made by a test", true);
	assert_int_equal(tcpc_netlink_addresses(ifindex, addrs, 4, &err), 0);

	assert_int_equal(tcpc_netlink_create_sink("sink0", "x", &again, &other, &err), -EEXIST);
	assert_non_null(strstr(err.text, "ip link del sink0"));
	assert_int_equal(again, 99);
	assert_string_equal(other, "untouched");
	assert_quiet("sink0", "made by a test", true);

	assert_int_equal(tcpc_netlink_delete(ifindex, &err), 0);
	assert_int_equal(tcpc_netlink_iface("sink0", &iface, &err), -ENODEV);
	assert_int_equal(tcpc_netlink_delete(ifindex, &err), -ENODEV);
	assert_int_equal(tcpc_netlink_delete(0, &err), -ENODEV);
}

static void test_create_sink_bad(void **state)
{
	static const struct {
		const char *name;
		int alias_bytes, result;
	} cases[] = {
		{"", 3, -EINVAL},
		{"sixteen-bytes-ab", 3, -EINVAL},
		{"sink1", TCPC_ALIAS_BYTES, -EINVAL},
		{"sink1", TCPC_ALIAS_BYTES - 1, 0},
		{"a/b", 3, -EINVAL}, /* refused by the kernel */
	};
	char alias[TCPC_ALIAS_BYTES + 1];
	struct tcpc_iface iface;
	const char *kind;
	int ifindex;
	unsigned int i;

	(void)state;
	need_netns();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(alias, 'a', sizeof(alias));
		alias[cases[i].alias_bytes] = '\0';
		assert_int_equal(
			tcpc_netlink_create_sink(cases[i].name, alias, &ifindex, &kind, NULL),
			cases[i].result);
		if (!cases[i].result)
			assert_int_equal(tcpc_netlink_delete(ifindex, NULL), 0);
		assert_int_equal(netlink_get_link("sink1", 0, &iface), -ENODEV);
	}
}

/* Every kind this kernel has, not only the first one that it offers. */
static void test_sink_kinds(void **state)
{
	static const char *const kinds[] = {"dummy", "ifb", "veth"};
	int ifindex, r, tried = 0;
	struct tcpc_iface iface;
	unsigned int i;

	(void)state;
	need_netns();
	assert_int_equal(create_link("kind0", "nosuchkind"), -EOPNOTSUPP);
	for (i = 0; i < 3; i++) {
		r = create_link("kind0", kinds[i]);
		if (r == -EOPNOTSUPP)
			continue;
		assert_int_equal(r, 0);
		assert_int_equal(set_up_sink("kind0", kinds[i], "ours", &ifindex), 0);
		assert_quiet("kind0", "ours", true);
		if (!strcmp(kinds[i], "veth"))
			assert_quiet("kind0p", "ours", false);
		assert_int_equal(tcpc_netlink_delete(ifindex, NULL), 0);
		assert_int_equal(netlink_get_link("kind0p", 0, &iface), -ENODEV);
		tried++;
	}
	assert_true(tried >= 1);
}

/* Whatever goes wrong after creation, the device goes again. */
static void test_sink_failure_leaves_nothing(void **state)
{
	char alias[2 * TCPC_ALIAS_BYTES];
	struct tcpc_iface iface;
	int ifindex = -5;

	(void)state;
	need_netns();
	memset(alias, 'a', sizeof(alias));
	alias[300] = '\0'; /* more than the kernel takes */
	assert_int_equal(create_link("fail0", "veth"), 0);
	assert_true(set_up_sink("fail0", "veth", alias, &ifindex) < 0);
	assert_int_equal(ifindex, -5);
	assert_int_equal(netlink_get_link("fail0", 0, &iface), -ENODEV);
	assert_int_equal(netlink_get_link("fail0p", 0, &iface), -ENODEV);
}

static void test_permission(void **state)
{
	const char *kind = NULL;
	struct tcpc_err err;
	int ifindex = -5, r;

	(void)state;
	need_netns();
	assert_int_equal(seteuid(65534), 0);
	r = tcpc_netlink_create_sink("sink0", "x", &ifindex, &kind, &err);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(r, -EPERM);
	assert_non_null(strstr(err.text, "CAP_NET_ADMIN"));
	assert_int_equal(ifindex, -5);
	assert_null(kind);
}

static const struct {
	const char *dst;
	int result;
	bool local, unicast;
	const char *iface; /* NULL: any, "": none */
	unsigned int mtu;
} routes[] = {
	{"198.18.0.2", 0, false, true, "v0", 1500},
	{"198.18.0.1", 0, true, false, NULL, 0},
	{"127.0.0.1", 0, true, false, "lo", 65536},
	{"198.18.0.255", 0, false, false, "", 0}, /* broadcast */
	{"198.18.5.9", 0, false, true, "v0", 1400},
	{"198.18.6.9", -EHOSTUNREACH, false, false, NULL, 0}, /* unreachable */
	{"198.18.7.9", -EHOSTUNREACH, false, false, NULL, 0}, /* blackhole */
	{"198.18.8.9", -EHOSTUNREACH, false, false, NULL, 0}, /* prohibit */
	{"203.0.113.1", -ENETUNREACH, false, false, NULL, 0},
	{"2001:2::2", 0, false, true, "v0", 1500},
	{"2001:2::1", 0, true, false, NULL, 0},
	{"::1", 0, true, false, "lo", 65536},
	{"2001:2:0:5::9", 0, false, true, "v0", 1300},
	{"2001:2:0:6::9", -EHOSTUNREACH, false, false, NULL, 0},
	{"2001:2:0:7::9", -EHOSTUNREACH, false, false, NULL, 0}, /* blackhole */
	{"2001:2:0:ff::9", -ENETUNREACH, false, false, NULL, 0},
};

static void test_route(void **state)
{
	unsigned int i;

	(void)state;
	need_netns();
	assert_int_equal(run_command("ip route add 198.18.5.0/24 via 198.18.0.2 mtu 1400 &&"
				     "ip route add unreachable 198.18.6.0/24 &&"
				     "ip route add blackhole 198.18.7.0/24 &&"
				     "ip route add prohibit 198.18.8.0/24 &&"
				     "ip -6 route add 2001:2:0:5::/64 via 2001:2::2 mtu 1300 &&"
				     "ip -6 route add unreachable 2001:2:0:6::/64 &&"
				     "ip -6 route add blackhole 2001:2:0:7::/64"),
			 0);
	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		struct tcpc_addr dst = addr(routes[i].dst);
		struct tcpc_route route = {.ifindex = -7};
		struct tcpc_err err = {};

		print_message("%s: ", routes[i].dst);
		assert_int_equal(tcpc_netlink_route(&dst, &route, &err), routes[i].result);
		print_message("%s, device %d, mtu %u\n", routes[i].result ? err.text : "ok",
			      route.ifindex, route.mtu);
		if (routes[i].result) {
			assert_non_null(strstr(err.text, routes[i].dst));
			assert_int_equal(route.ifindex, -7);
			continue;
		}
		assert_int_equal(route.local, routes[i].local);
		assert_int_equal(route.unicast, routes[i].unicast);
		if (routes[i].iface)
			assert_int_equal(route.ifindex, if_nametoindex(routes[i].iface));
		if (routes[i].mtu)
			assert_int_equal(route.mtu, routes[i].mtu);
	}
}

/* The answer is the present one: with the link its route goes, and comes again. */
static void test_route_changes(void **state)
{
	struct tcpc_addr dst = addr("198.18.0.2");
	struct tcpc_route route;

	(void)state;
	need_netns();
	assert_int_equal(run_command("ip link set v0 down"), 0);
	assert_int_equal(tcpc_netlink_route(&dst, &route, NULL), -ENETUNREACH);
	assert_int_equal(run_command("ip link set v0 up"), 0);
	assert_int_equal(tcpc_netlink_route(&dst, &route, NULL), 0);
	assert_true(route.unicast);
}

static bool has(const struct tcpc_addr *list, int n, const char *text)
{
	struct tcpc_addr wanted = addr(text);
	int i, found = 0;

	for (i = 0; i < n; i++)
		found += tcpc_addr_equal(&list[i], &wanted);
	return found == 1;
}

static void test_addresses(void **state)
{
	struct tcpc_addr list[8];
	struct tcpc_err err;
	int v0 = if_nametoindex("v0");

	(void)state;
	need_netns();
	memset(list, 0xaa, sizeof(list));
	assert_int_equal(tcpc_netlink_addresses(v0, list, 8, &err), 3);
	assert_true(has(list, 3, "198.18.0.1"));
	assert_true(has(list, 3, "198.18.9.1")); /* ours, not the peer's */
	assert_true(has(list, 3, "2001:2::1"));
	assert_int_equal(list[3].w[0], 0xaaaaaaaa);
	memset(list, 0xaa, sizeof(list));
	assert_int_equal(tcpc_netlink_addresses(v0, list, 1, &err), 3);
	assert_int_equal(list[1].w[0], 0xaaaaaaaa);
	assert_int_equal(tcpc_netlink_addresses(if_nametoindex("lo"), list, 8, &err), 2);
	assert_true(has(list, 2, "127.0.0.1"));
	assert_true(has(list, 2, "::1"));
	assert_int_equal(tcpc_netlink_addresses(9999, list, 8, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_iface),
		cmocka_unit_test(test_iface_missing),
		cmocka_unit_test(test_each_iface),
		cmocka_unit_test(test_many_ifaces),
		cmocka_unit_test(test_create_sink),
		cmocka_unit_test(test_create_sink_bad),
		cmocka_unit_test(test_sink_kinds),
		cmocka_unit_test(test_sink_failure_leaves_nothing),
		cmocka_unit_test(test_permission),
		cmocka_unit_test(test_route),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_route_changes),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
