// SPDX-License-Identifier: GPL-2.0-only
/* test_knock.c - strangers are slowed down, each source for itself; friends are not. */
#include "../harness/expect.h"
#include "core/knock.h"
#include "tcpcopy/addr.h"
#include "tcpcopy/bytes.h"

static struct tcpc_knock strangers;

static int setup(void **state)
{
	(void)state;
	strangers = (struct tcpc_knock){.key = {1, 2}};
	return 0;
}

static struct tcpc_addr v4(unsigned int n)
{
	return tcpc_addr_from_v4(tcpc_htonl(0xc6120000 + n));
}

static struct tcpc_addr v6(__u32 subnet, __u32 host)
{
	return (struct tcpc_addr){
		.w = {tcpc_htonl(0x20010002), tcpc_htonl(subnet), 0, tcpc_htonl(host)}};
}

/* How many of @n that knock at once come in. */
static unsigned int knock(const struct tcpc_addr *from, __u64 now_ms, unsigned int n)
{
	unsigned int in = 0;

	while (n--)
		in += tcpc_knock_pass(&strangers, from, now_ms);
	return in;
}

static void test_burst_then_rate(void **state)
{
	const struct tcpc_addr a = v4(1);
	unsigned int in = 0;
	__u64 ms = 1000;

	(void)state;
	expect_u64("a burst", "in", knock(&a, ms, 1000), TCPC_KNOCK_BURST);
	expect_u64("right behind", "in", knock(&a, ms, 10), 0);
	expect_u64("1 s later", "in", knock(&a, ms += 1000, 1000), TCPC_KNOCK_PER_SECOND);
	for (int i = 0; i < 100; i++)
		in += knock(&a, ms += 10, 5);
	expect_u64("1 s, by and by", "in", in, TCPC_KNOCK_PER_SECOND);
	expect_u64("a day later", "in", knock(&a, ms += 86400000, 1000), TCPC_KNOCK_BURST);
	expect_u64("after most of what a clock can say", "in", knock(&a, ~0ULL, 1000),
		   TCPC_KNOCK_BURST);
}

/* The first source does not cost the others anything, unless they meet in one bucket. */
static void test_others(void **state)
{
	unsigned int out = 0;
	struct tcpc_addr from = v4(1);

	(void)state;
	knock(&from, 5, 1000);
	for (unsigned int i = 2; i < 1002; i++) {
		from = v4(i);
		out += !tcpc_knock_pass(&strangers, &from, 5);
	}
	expect_true("1,000 others", "few of them share its bucket", out < 10);
}

/* The bits of an address that its owner chooses freely buy nothing. */
static void test_one_subnet(void **state)
{
	unsigned int in = 0;
	struct tcpc_addr from;

	(void)state;
	for (__u32 i = 0; i < 1000; i++) {
		from = v6(0x180000, i);
		in += tcpc_knock_pass(&strangers, &from, 5);
	}
	expect_u64("1,000 addresses of a /64", "in", in, TCPC_KNOCK_BURST);
	from = v6(0x190000, 1);
	expect_u64("another /64", "in", knock(&from, 5, 1), 1);
}

static void test_friends(void **state)
{
	const struct tcpc_addr a = v4(1);

	(void)state;
	for (int i = 0; i < 1000; i++) {
		expect_true("a friend", "comes in", tcpc_knock_pass(&strangers, &a, 5));
		tcpc_knock_prove(&strangers, &a);
	}
	tcpc_knock_prove(&strangers, &a);
	expect_u64("no credit beyond the burst", "in", knock(&a, 5, 1000), TCPC_KNOCK_BURST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_burst_then_rate, setup),
		cmocka_unit_test_setup(test_others, setup),
		cmocka_unit_test_setup(test_one_subnet, setup),
		cmocka_unit_test_setup(test_friends, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
