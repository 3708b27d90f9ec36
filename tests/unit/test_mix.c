// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_mix.c - mix.h: sources lie in their pool, every part of a connection counts, and there are
 * as few collisions as there would be by chance.
 */
#include <stdlib.h>

#include "../harness/expect.h"
#include "../harness/random.h"
#include "tcpcopy/mix.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define MANY 200000

static const __u64 key[2] = {0x0123456789abcdefULL, 0xfedcba9876543210ULL};

static const struct {
	const char *description;
	__u32 last; /* host order */
	__u32 mask;
	__u64 sources;
} pools[] = {
	{"/32", 0xc6130001, 0, 64512},
	{"/28", 0xc6130010, 0xf, 16 * 64512ULL},
	{"/25", 0xc6130080, 0x7f, 128 * 64512ULL},
	{"/24", 0xc6130100, 0xff, 254 * 64512ULL},
	{"/16", 0xc6130000, 0xffff, 256 * 254 * 64512ULL},
	{"/15", 0xc6120000, 0x1ffff, 512 * 254 * 64512ULL},
	{"/8", 0x0a000000, 0xffffff, 65536ULL * 254 * 64512},
	{"the last word", 0, 0xffffffff, 16777216ULL * 254 * 64512},
};

static __u64 base_of(__u32 n)
{
	const __u64 words[5] = {0, n, 0, 1, 2};

	return tcpc_mix_base(key, words);
}

static void test_sources_lie_in_pool(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(pools); i++) {
		const char *row = pools[i].description;
		__u32 all = 0;

		expect_u64(row, "sources", tcpc_mix_sources(pools[i].mask), pools[i].sources);
		for (__u32 n = 0; n < MANY; n++) {
			__be16 port;
			__u32 addr = tcpc_ntohl(tcpc_mix_source(base_of(n), n % TCPC_MIX_TRIES,
								tcpc_htonl(pools[i].last),
								pools[i].mask, &port));

			expect_u64(row, "prefix", addr & ~pools[i].mask, pools[i].last);
			expect_true(row, "port", tcpc_ntohs(port) >= TCPC_MIX_FIRST_PORT);
			if (pools[i].mask >= 0xff)
				expect_true(row, "no network, no broadcast",
					    (addr & 0xff) && (addr & 0xff) != 0xff);
			all |= addr ^ pools[i].last;
		}
		expect_u64(row, "every bit is used", all, pools[i].mask);
	}
}

static int by_value(const void *a, const void *b)
{
	const __u64 *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* How many of @n values are there before. Sorts. */
static __u32 repeated(__u64 *values, __u32 n)
{
	__u32 same = 0;

	qsort(values, n, sizeof(*values), by_value);
	for (__u32 i = 1; i < n; i++)
		same += values[i] == values[i - 1];
	return same;
}

/* By brute force: of n values out of m, n^2 / 2m are repeated by chance. */
static void test_collisions_are_chance(void **state)
{
	__u64 *values = malloc(MANY * sizeof(*values));

	(void)state;
	for (size_t i = 1; i < COUNT_OF(pools); i++) {
		double chance = (double)MANY * MANY / 2 / pools[i].sources;
		__u32 same;

		for (__u32 n = 0; n < MANY; n++) {
			__be16 port;
			/* A thousand connections in 200 copies. */
			__u64 who = tcpc_mix_who(base_of(n / 200), n % 200);

			values[n] = tcpc_mix_source(who, 0, 0, pools[i].mask, &port);
			values[n] = values[n] << 16 | port;
		}
		same = repeated(values, MANY);
		if (chance < 1)
			expect_true(pools[i].description, "collisions", same < 10);
		else
			/* Ports are not quite even: 65536 values fall on 64512. */
			expect_true(pools[i].description, "collisions",
				    same > chance * 0.7 - 30 && same < chance * 1.2 + 30);
	}
	free(values);
}

static void test_every_part_counts(void **state)
{
	__u64 words[5] = {1, 2, 3, 4, 5}, other[2] = {key[0], key[1] ^ 1};
	__u64 base = tcpc_mix_base(key, words);

	(void)state;
	expect_true("key", "another base", tcpc_mix_base(other, words) != base);
	for (int bit = 0; bit < 5 * 64; bit++) {
		words[bit / 64] ^= 1ULL << bit % 64;
		expect_true("bit of the connection", "another base",
			    tcpc_mix_base(key, words) != base);
		words[bit / 64] ^= 1ULL << bit % 64;
	}
}

/* No two copies of a connection are the same, whatever their number. */
static void test_copies_differ(void **state)
{
	__u64 *values = malloc(65536 * sizeof(*values));

	(void)state;
	for (__u32 n = 0; n < 65536; n++)
		values[n] = tcpc_mix_who(base_of(7), n);
	expect_u64("65536 copies", "repeated", repeated(values, 65536), 0);
	free(values);
}

/* Where a source is taken, others are tried: they must be others. */
static void test_tries_differ(void **state)
{
	__u32 same = 0;

	(void)state;
	for (__u32 n = 0; n < MANY; n++) {
		__be16 ports[2];
		__u64 who = base_of(n);
		__be32 a = tcpc_mix_source(who, n % 3, 0, 0x1ffff, &ports[0]);
		__be32 b = tcpc_mix_source(who, n % 3 + 1, 0, 0x1ffff, &ports[1]);

		same += a == b && ports[0] == ports[1];
	}
	expect_true("a pair in 8 billion", "the same", same < 3);
}

static void test_in_pool(void **state)
{
	static const struct {
		const char *description;
		__u32 addr;
		int want;
	} rows[] = {
		{"first", 0xc6120000, 1},
		{"last", 0xc613ffff, 1},
		{"before", 0xc611ffff, 0},
		{"behind", 0xc6140000, 0},
	};
	struct tcpc_pool pool = {tcpc_addr_from_v4(tcpc_htonl(0xc6120000)), 0x1ffff, 0};
	struct tcpc_addr v6 = {{0, 0, 0, tcpc_htonl(0xc6120000)}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct tcpc_addr addr = tcpc_addr_from_v4(tcpc_htonl(rows[i].addr));

		expect_u64(rows[i].description, "in", tcpc_mix_in_pool(&pool, &addr), rows[i].want);
	}
	expect_u64("another family", "in", tcpc_mix_in_pool(&pool, &v6), 0);
}

static void test_when_a_source_is_free(void **state)
{
	const __u32 now = 100; /* the counter may have wrapped since */
	struct tcpc_source s = {.seen = now - TCPC_MIX_IDLE};

	(void)state;
	expect_u64("two hours", "free", tcpc_source_free(&s, now), 0);
	expect_u64("longer", "free", tcpc_source_free(&s, now + 1), 1);
	s = (struct tcpc_source){.seen = now - TCPC_MIX_ENDED, .ended = 1};
	expect_u64("ended just now", "free", tcpc_source_free(&s, now), 0);
	expect_u64("ended", "free", tcpc_source_free(&s, now + 1), 1);
}

/* Copies of connections wait for times that fall evenly between 1 ms and all of it. */
static void test_delays(void **state)
{
	static const __u32 most[] = {1, 2, 10, 1000, 60000};
	__u32 parts[10];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(most); i++) {
		memset(parts, 0, sizeof(parts));
		for (__u32 n = 0; n < MANY; n++) {
			__u64 who = tcpc_mix_who(base_of(n / 8), 1 + n % 8);
			__u32 ms = tcpc_mix_delay(who, most[i]);

			expect_true("delay", "in range", ms >= 1 && ms <= most[i]);
			parts[(__u64)(ms - 1) * 10 / most[i]]++;
		}
		/* 20,000 expected of each tenth; 5 standard deviations are 671. */
		for (int p = 0; p < 10 && most[i] >= 10; p++)
			expect_true("delay", "even", parts[p] > 19300 && parts[p] < 20700);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sources_lie_in_pool),
		cmocka_unit_test(test_collisions_are_chance),
		cmocka_unit_test(test_every_part_counts),
		cmocka_unit_test(test_copies_differ),
		cmocka_unit_test(test_tries_differ),
		cmocka_unit_test(test_in_pool),
		cmocka_unit_test(test_when_a_source_is_free),
		cmocka_unit_test(test_delays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
