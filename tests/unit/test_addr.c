// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_addr.c - addr.h: IPv4 as mapped IPv6, compared bytewise with what inet_pton() makes.
 */
#include <arpa/inet.h>

#include "../harness/expect.h"
#include "tcpcopy/addr.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static struct tcpc_addr v6(const char *text)
{
	struct tcpc_addr addr;

	assert_int_equal(inet_pton(AF_INET6, text, &addr), 1);
	return addr;
}

static void test_from_v4(void **state)
{
	static const struct {
		const char *v4, *mapped;
	} rows[] = {
		{"0.0.0.0", "::ffff:0:0"},
		{"198.18.0.1", "::ffff:198.18.0.1"},
		{"127.0.0.1", "::ffff:7f00:1"},
		{"255.255.255.255", "::ffff:ffff:ffff"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		struct tcpc_addr got, want = v6(rows[i].mapped);
		struct in_addr in;

		assert_int_equal(inet_pton(AF_INET, rows[i].v4, &in), 1);
		got = tcpc_addr_from_v4(in.s_addr);
		expect_bytes(rows[i].v4, &got, &want, sizeof(got));
		expect_true(rows[i].v4, "is IPv4", tcpc_addr_is_v4(&got));
	}
}

static void test_is_v4(void **state)
{
	static const struct {
		const char *text;
		int want;
	} rows[] = {
		{"::", 0},
		{"::1", 0},
		{"::198.18.0.1", 0}, /* IPv4-compatible, deprecated: another thing */
		{"::fffe:198.18.0.1", 0},
		{"::1:ffff:198.18.0.1", 0},
		{"0:0:0:1:0:ffff:198.18.0.1", 0},
		{"0:0:1:0:0:ffff:198.18.0.1", 0},
		{"1::ffff:198.18.0.1", 0},
		{"0:1::ffff:198.18.0.1", 0},
		{"64:ff9b::198.18.0.1", 0},
		{"2001:db8::1", 0},
		{"::ffff:198.18.0.1", 1},
		{"::ffff:0:0", 1},
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		struct tcpc_addr addr = v6(rows[i].text);

		expect_u64(rows[i].text, "is IPv4", tcpc_addr_is_v4(&addr), rows[i].want);
	}
}

static void test_is_link_local(void **state)
{
	static const struct {
		const char *text;
		int want;
	} rows[] = {
		{"fe80::", 1},
		{"fe80::1", 1},
		{"febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1},
		{"fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0},
		{"fec0::", 0},
		{"fd00::1", 0},
		{"ff02::1", 0},
		{"::", 0},
		{"2001:db8::fe80", 0},
		{"::ffff:169.254.0.1", 0}, /* IPv4's are like any other */
		{"::ffff:254.128.0.1", 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		struct tcpc_addr addr = v6(rows[i].text);

		expect_u64(rows[i].text, "is link-local", tcpc_addr_is_link_local(&addr),
			   rows[i].want);
	}
}

/* Every single bit makes another address. */
static void test_equal(void **state)
{
	struct tcpc_addr a = v6("2001:db8::198.18.0.1");
	int bit;

	(void)state;
	assert_true(tcpc_addr_equal(&a, &a));
	for (bit = 0; bit < 128; bit++) {
		struct tcpc_addr b = a;

		((__u8 *)&b)[bit / 8] ^= 1 << bit % 8;
		assert_false(tcpc_addr_equal(&a, &b));
		assert_false(tcpc_addr_equal(&b, &a));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_v4),
		cmocka_unit_test(test_is_v4),
		cmocka_unit_test(test_is_link_local),
		cmocka_unit_test(test_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
