// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_csum.c - csum.h against the examples of the RFCs, and incremental updates against summing
 * everything again.
 */
#include <stdlib.h>

#include "../harness/expect.h"
#include "../harness/random.h"
#include "tcpcopy/bytes.h"
#include "tcpcopy/csum.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define RANDOM_UPDATES 300000
#define WORDS 10

static __u16 checksum_of(const void *p, __u32 len)
{
	return tcpc_csum_fold(tcpc_csum_partial(p, len, 0));
}

struct sum_row {
	const char *description;
	__u8 bytes[20];
	__u32 len;
	__u16 want; /* host order */
};

static void test_known_sums(void **state)
{
	static const struct sum_row rows[] = {
		{"nothing", {0}, 0, 0xffff},
		{"RFC 1071, section 3",
		 {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7},
		 8,
		 0x220d},
		{"one byte counts as a high one", {0x12}, 1, 0xedff},
		{"odd length", {0x00, 0x01, 0xf2}, 3, 0x0dfe},
		{"zeros", {0}, 20, 0xffff},
		{"a sum of 0xffff", {0xff, 0xff}, 2, 0x0000},
		{"carries twice", {0xff, 0xff, 0xff, 0xff, 0x00, 0x01}, 6, 0xfffe},
		{"an IPv4 header with its field zero",
		 {0x45, 0x00, 0x00, 0x3c, 0x1c, 0x46, 0x40, 0x00, 0x40, 0x06,
		  0x00, 0x00, 0xac, 0x10, 0x0a, 0x63, 0xac, 0x10, 0x0a, 0x0c},
		 20,
		 0xb1e6},
		{"the same with its field: proves right",
		 {0x45, 0x00, 0x00, 0x3c, 0x1c, 0x46, 0x40, 0x00, 0x40, 0x06,
		  0xb1, 0xe6, 0xac, 0x10, 0x0a, 0x63, 0xac, 0x10, 0x0a, 0x0c},
		 20,
		 0x0000},
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++)
		expect_u64(rows[i].description, "checksum",
			   tcpc_ntohs(checksum_of(rows[i].bytes, rows[i].len)), rows[i].want);
}

/* RFC 1071, section 2: the sum does not depend on where it is cut, nor on an odd address. */
static void test_partial_sums_join(void **state)
{
	__u64 seed = 1071;
	__u8 bytes[65];
	__u32 i, cut;

	(void)state;
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = random_next(&seed);
	for (cut = 0; cut < 64; cut += 2) {
		__u32 sum = tcpc_csum_partial(bytes + 1, cut, 0);

		sum = tcpc_csum_partial(bytes + 1 + cut, 64 - cut, sum);
		assert_int_equal(tcpc_csum_fold(sum), checksum_of(bytes + 1, 64));
	}
}

struct update_row {
	const char *description;
	__u16 check, from, to, want; /* host order */
};

static void test_known_updates(void **state)
{
	static const struct update_row rows[] = {
		{"RFC 1624, section 4", 0xdd2f, 0x5555, 0x3285, 0x0000},
		{"and back", 0x0000, 0x3285, 0x5555, 0xdd2f},
		{"no change", 0xdd2f, 0x5555, 0x5555, 0xdd2f},
		{"no change of a zero field", 0x0000, 0x5555, 0x5555, 0x0000},
		{"0 to 0xffff is no change of the sum", 0x1234, 0x0000, 0xffff, 0x1234},
		{"0xffff to 0 neither", 0x1234, 0xffff, 0x0000, 0x1234},
		{"one more", 0x1234, 0x0000, 0x0001, 0x1233},
		{"one more than zero carries round", 0x0000, 0x0000, 0x0001, 0xfffe},
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		__u32 diff = tcpc_csum_diff16(tcpc_htons(rows[i].from), tcpc_htons(rows[i].to), 0);

		expect_u64(rows[i].description, "checksum",
			   tcpc_ntohs(tcpc_csum_apply(tcpc_htons(rows[i].check), diff)),
			   rows[i].want);
	}
}

/* A header of 16-bit words whose first is its checksum. */
static void seal(__u16 words[WORDS])
{
	words[0] = 0;
	words[0] = checksum_of(words, WORDS * 2);
}

/* Change word @at (16 bits) to @to, both ways, and compare. */
static void expect_update16(__u16 words[WORDS], __u32 at, __u16 to)
{
	__u16 got = tcpc_csum_apply(words[0], tcpc_csum_diff16(words[at], to, 0));

	words[at] = to;
	seal(words);
	expect_u64("16 bits", "checksum", got, words[0]);
}

static void expect_update32(__u16 words[WORDS], __u32 at, __u32 to)
{
	__u32 from;
	__u16 got;

	memcpy(&from, &words[at], sizeof(from));
	got = tcpc_csum_apply(words[0], tcpc_csum_diff32(from, to, 0));
	memcpy(&words[at], &to, sizeof(to));
	seal(words);
	expect_u64("32 bits", "checksum", got, words[0]);
}

/* words[1] stays 0x4500: no real header is all zeros, and only there 0 and 0xffff would differ. */
static void test_random_updates(void **state)
{
	__u16 words[WORDS] = {0, 0x4500};
	__u64 seed = 1624;
	int i;

	(void)state;
	seal(words);
	for (i = 0; i < RANDOM_UPDATES; i++) {
		expect_update16(words, 2 + random_below(&seed, WORDS - 2), random_next(&seed));
		expect_update32(words, 2 + random_below(&seed, WORDS - 3), random_next(&seed));
	}
}

/* Every pair of awkward values, in headers whose checksum is awkward too. */
static void test_edge_updates(void **state)
{
	static const __u16 edges[] = {0, 1, 0x00ff, 0x7fff, 0x8000, 0xff00, 0xfffe, 0xffff};
	__u16 words[WORDS] = {0, 0x4500};
	size_t a, b, c;

	(void)state;
	for (a = 0; a < COUNT_OF(edges); a++)
		for (b = 0; b < COUNT_OF(edges); b++)
			for (c = 0; c < COUNT_OF(edges); c++) {
				words[3] = edges[a];
				words[4] = ~words[1]; /* so that the sum is that of the edges */
				seal(words);
				expect_update16(words, 3, edges[b]);
				expect_update32(words, 2, (__u32)edges[c] << 16 | edges[a]);
				expect_update32(words, 2, (__u32)edges[b] << 16 | edges[c]);
			}
}

/* Diffs of several fields add up to one, in any order. */
static void test_diffs_join(void **state)
{
	__u16 words[WORDS], start;
	__u64 seed = 9293;
	int i, at;

	(void)state;
	for (i = 0; i < 10000; i++) {
		__u32 diff = 0;

		for (at = 1; at < WORDS; at++)
			words[at] = random_next(&seed);
		seal(words);
		start = words[0];
		for (at = WORDS - 1; at > 1; at -= 2) {
			__u16 to = random_next(&seed);

			diff = tcpc_csum_diff16(words[at], to, diff);
			words[at] = to;
		}
		seal(words);
		assert_int_equal(tcpc_csum_apply(start, diff), words[0]);
	}
}

/* What is called nothing changes no checksum but between the two zeros; all else changes each. */
static void test_nothing(void **state)
{
	__u64 seed = 11;

	(void)state;
	assert_true(tcpc_csum_is_nothing(0) && tcpc_csum_is_nothing(0xffff));
	assert_true(tcpc_csum_is_nothing(0xffffffff) && tcpc_csum_is_nothing(0xfffe0001));
	for (int i = 0; i < 100000; i++) {
		__u32 diff = random_next(&seed);
		__u16 check = random_next(&seed), now = tcpc_csum_apply(check, diff);
		int same = now % 0xffff == check % 0xffff;

		assert_int_equal(tcpc_csum_is_nothing(diff), same);
		assert_int_equal(tcpc_csum_is_nothing(diff), diff % 0xffff == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_sums),    cmocka_unit_test(test_partial_sums_join),
		cmocka_unit_test(test_known_updates), cmocka_unit_test(test_random_updates),
		cmocka_unit_test(test_edge_updates),  cmocka_unit_test(test_diffs_join),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
