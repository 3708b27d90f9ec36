// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_options.c - options.h by table, at every offset, and against a reference walk that jumps
 * from option to option.
 */
#include <stdlib.h>

#include "../harness/expect.h"
#include "../harness/options_ref.h"
#include "../harness/random.h"

#define BIT TCPC_OPT_BIT
#define ALL_KINDS (~0ULL)
#define RANDOM_INPUTS 1000000
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

struct row {
	const char *description;
	__u8 opts[TCPC_OPTIONS_MAX];
	__u32 len;
	__u64 blank;
	__u8 want[TCPC_OPTIONS_MAX];
	struct {
		__u64 kinds;
		__u32 blanked;
		__u32 malformed;
	} found;
};

static const struct row rows[] = {
	{"no options", {0}, 0, ALL_KINDS, {0}, {0, 0, 0}},
	{"only NOPs", {1, 1, 1, 1}, 4, ALL_KINDS, {1, 1, 1, 1}, {0, 0, 0}},
	{"NOP and EOL cannot be blanked", {1, 0, 0, 0}, 4, 3, {1, 0, 0, 0}, {0, 0, 0}},
	{"nothing behind EOL is touched", {0, 8, 3, 7}, 4, ALL_KINDS, {0, 8, 3, 7}, {0, 0, 0}},
	{"Linux SYN: timestamps go, the rest stays",
	 {2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7},
	 20,
	 TCPC_OPTS_SYN_BLANK,
	 {2, 4, 5, 180, 4, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 7},
	 {BIT(2) | BIT(3) | BIT(4) | BIT(8), 10, 0}},
	{"SYN with MPTCP and fast open",
	 {30, 4, 0, 1, 34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 2, 4, 5, 180, 1, 1},
	 20,
	 TCPC_OPTS_SYN_BLANK,
	 {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 5, 180, 1, 1},
	 {BIT(30) | BIT(34) | BIT(2), 14, 0}},
	{"data: timestamps and one SACK block",
	 {1, 1, 8, 10, 9, 9, 9, 9, 8, 8, 8, 8, 1, 1, 5, 10, 1, 2, 3, 4, 5, 6, 7, 8},
	 24,
	 TCPC_OPTS_DATA_BLANK,
	 {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
	 {BIT(5) | BIT(8), 20, 0}},
	{"option bytes inside an option are not options",
	 {99, 10, 8, 10, 5, 10, 0, 0, 30, 4, 8, 2},
	 12,
	 ALL_KINDS & ~BIT(63),
	 {99, 10, 8, 10, 5, 10, 0, 0, 30, 4, 1, 1},
	 {BIT(8), 2, 0}},
	{"kind 63 is the last that can be named",
	 {63, 2, 1, 1},
	 4,
	 ALL_KINDS,
	 {1, 1, 1, 1},
	 {BIT(63), 2, 0}},
	{"kinds above 63 are passed over",
	 {64, 2, 254, 2, 253, 4, 0, 0},
	 8,
	 ALL_KINDS,
	 {64, 2, 254, 2, 253, 4, 0, 0},
	 {0, 0, 0}},
	{"the same option twice", {8, 2, 8, 2}, 4, BIT(8), {1, 1, 1, 1}, {BIT(8), 4, 0}},
	{"length 0", {8, 0, 8, 2}, 4, BIT(8), {8, 0, 8, 2}, {0, 0, 1}},
	{"length 1", {8, 1, 8, 2}, 4, BIT(8), {8, 1, 8, 2}, {0, 0, 1}},
	{"length one too long", {8, 5, 8, 2}, 4, BIT(8), {8, 5, 8, 2}, {0, 0, 1}},
	{"length 255", {8, 255, 8, 2}, 4, BIT(8), {8, 255, 8, 2}, {0, 0, 1}},
	{"length takes just what is left", {8, 4, 7, 7}, 4, BIT(8), {1, 1, 1, 1}, {BIT(8), 4, 0}},
	{"kind without room for a length", {1, 1, 1, 8}, 4, BIT(8), {1, 1, 1, 8}, {0, 0, 1}},
	{"blanked before, malformed behind",
	 {8, 2, 3, 1},
	 4,
	 BIT(8) | BIT(3),
	 {1, 1, 3, 1},
	 {BIT(8), 2, 1}},
};

static void expect_found(const char *row, const struct tcpc_options *got, __u64 kinds,
			 __u32 blanked, __u32 malformed)
{
	expect_u64(row, "kinds", got->kinds, kinds);
	expect_u64(row, "blanked", got->blanked, blanked);
	expect_u64(row, "malformed", got->malformed, malformed);
}

static void test_blank_by_table(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		const struct row *r = &rows[i];
		__u8 opts[TCPC_OPTIONS_MAX];
		struct tcpc_options found;

		memset(&found, 0xa5, sizeof(found));
		memcpy(opts, r->opts, sizeof(opts));
		tcpc_options_blank(opts, r->len, r->blank, &found);
		expect_bytes(r->description, opts, r->want, sizeof(opts));
		expect_found(r->description, &found, r->found.kinds, r->found.blanked,
			     r->found.malformed);
	}
}

/* An option of @kind and @bytes at @at, NOPs before it and behind it. */
static void put_option(__u8 opts[TCPC_OPTIONS_MAX], __u32 at, __u8 kind, __u32 bytes)
{
	memset(opts, TCPC_OPT_NOP, TCPC_OPTIONS_MAX);
	memset(opts + at, 0xee, bytes);
	opts[at] = kind;
	opts[at + 1] = bytes;
}

/* Odd and even offsets, every length that fits, up to the last of 40 bytes. */
static void expect_blanked_everywhere(const char *row, __u8 kind)
{
	__u8 opts[TCPC_OPTIONS_MAX], nops[TCPC_OPTIONS_MAX];
	struct tcpc_options found;
	__u32 at, bytes;

	memset(nops, TCPC_OPT_NOP, sizeof(nops));
	for (at = 0; at <= TCPC_OPTIONS_MAX - 2; at++)
		for (bytes = 2; at + bytes <= TCPC_OPTIONS_MAX; bytes++) {
			put_option(opts, at, kind, bytes);
			tcpc_options_blank(opts, sizeof(opts), BIT(kind), &found);
			expect_bytes(row, opts, nops, sizeof(opts));
			expect_found(row, &found, BIT(kind), bytes, 0);
		}
}

static void test_each_kind_at_each_offset(void **state)
{
	static const struct {
		const char *description;
		__u8 kind;
	} kinds[] = {
		{"MSS", TCPC_OPT_MSS},
		{"window scale", TCPC_OPT_WSCALE},
		{"SACK permitted", TCPC_OPT_SACK_PERM},
		{"SACK", TCPC_OPT_SACK},
		{"timestamps", TCPC_OPT_TIMESTAMP},
		{"MD5", TCPC_OPT_MD5},
		{"AO", TCPC_OPT_AO},
		{"MPTCP", TCPC_OPT_MPTCP},
		{"fast open", TCPC_OPT_FASTOPEN},
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(kinds); i++)
		expect_blanked_everywhere(kinds[i].description, kinds[i].kind);
}

/* A bad length at every place, behind an option that is rightly blanked where there is room. */
static void test_bad_length_at_each_offset(void **state)
{
	static const __u8 lengths[] = {0, 1, 41, 128, 255};
	__u8 opts[TCPC_OPTIONS_MAX], want[TCPC_OPTIONS_MAX];
	struct tcpc_options found;
	__u32 at, i;

	(void)state;
	for (at = 0; at <= TCPC_OPTIONS_MAX - 2; at++)
		for (i = 0; i < COUNT_OF(lengths); i++) {
			put_option(opts, at, TCPC_OPT_TIMESTAMP, 2);
			opts[at + 1] = lengths[i];
			memcpy(want, opts, sizeof(want));
			tcpc_options_blank(opts, sizeof(opts), ALL_KINDS, &found);
			expect_bytes("bad length", opts, want, sizeof(opts));
			expect_found("bad length", &found, 0, 0, 1);
		}
}

/* One byte more than fits, for each offset and each length of the area. */
static void test_one_byte_too_long(void **state)
{
	__u32 at, len;

	(void)state;
	for (len = 4; len <= TCPC_OPTIONS_MAX; len += 4)
		for (at = 0; at + 2 <= len; at++) {
			__u8 opts[TCPC_OPTIONS_MAX] = {0}, want[TCPC_OPTIONS_MAX];
			struct tcpc_options found;

			memset(opts, TCPC_OPT_NOP, len);
			opts[at] = TCPC_OPT_TIMESTAMP;
			opts[at + 1] = len - at + 1;
			memcpy(want, opts, sizeof(want));
			tcpc_options_blank(opts, len, ALL_KINDS, &found);
			expect_bytes("too long", opts, want, sizeof(opts));
			expect_found("too long", &found, 0, 0, 1);
		}
}

/* Bytes that are likely to be options: plain noise is malformed at once and tests little. */
static __u32 random_options(__u64 *seed, __u8 opts[TCPC_OPTIONS_MAX])
{
	static const __u8 kinds[] = {0, 1, 2, 3, 4, 5, 8, 19, 29, 30, 34, 63, 64, 254};
	__u32 i, len = 4 * random_below(seed, 11);

	memset(opts, 0, TCPC_OPTIONS_MAX);
	for (i = 0; i < len; i++)
		switch (random_below(seed, 4)) {
		case 0:
			opts[i] = kinds[random_below(seed, sizeof(kinds))];
			break;
		case 1:
			opts[i] = random_below(seed, 12);
			break;
		case 2:
			opts[i] = TCPC_OPT_NOP;
			break;
		default:
			opts[i] = random_next(seed);
		}
	return len;
}

static void test_agrees_with_reference(void **state)
{
	__u64 seed = 20260101;
	__u32 blanked = 0, malformed = 0;
	int i;

	(void)state;
	for (i = 0; i < RANDOM_INPUTS; i++) {
		__u8 got[TCPC_OPTIONS_MAX], want[TCPC_OPTIONS_MAX];
		struct tcpc_options found, ref;
		__u32 len = random_options(&seed, got);
		__u64 blank = random_next(&seed);

		memcpy(want, got, sizeof(want));
		tcpc_options_blank(got, len, blank, &found);
		options_ref_blank(want, len, blank, &ref);
		expect_bytes("random", got, want, sizeof(got));
		expect_found("random", &found, ref.kinds, ref.blanked, ref.malformed);
		blanked += !!ref.blanked;
		malformed += ref.malformed;
	}
	/* The inputs were worth it: many of each sort. */
	assert_in_range(blanked, RANDOM_INPUTS / 10, RANDOM_INPUTS);
	assert_in_range(malformed, RANDOM_INPUTS / 10, RANDOM_INPUTS * 9 / 10);
}

struct sack_row {
	const char *description;
	__u8 opts[TCPC_OPTIONS_MAX];
	__u32 len;
	__u32 max_blocks;
	__u32 want;
	__u32 edges[2 * 4];
};

#define BLOCK1 0, 0, 0, 1, 0, 0, 0, 9
#define BLOCK2 0xff, 0xff, 0xff, 0xf0, 0, 0, 0, 16
#define BLOCK3 0x80, 0, 0, 0, 0x80, 0, 0, 1

static const struct sack_row sack_rows[] = {
	{"no options", {0}, 0, 4, 0, {0}},
	{"no SACK", {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}, 12, 4, 0, {0}},
	{"one block", {1, 1, 5, 10, BLOCK1}, 12, 4, 1, {1, 9}},
	{"a block that wraps", {1, 1, 5, 10, BLOCK2}, 12, 4, 1, {0xfffffff0, 16}},
	{"three behind timestamps",
	 {1, 1, 8, 10, 5, 5, 5, 5, 5, 5, 5, 5, 5, 26, BLOCK1, BLOCK2, BLOCK3, 1, 1},
	 40,
	 4,
	 3,
	 {1, 9, 0xfffffff0, 16, 0x80000000, 0x80000001}},
	{"four, the most that fit",
	 {5, 34, BLOCK1, BLOCK2, BLOCK3, BLOCK1},
	 36,
	 4,
	 4,
	 {1, 9, 0xfffffff0, 16, 0x80000000, 0x80000001, 1, 9}},
	{"more than there is room for",
	 {5, 26, BLOCK1, BLOCK2, BLOCK3, 1, 1},
	 28,
	 2,
	 2,
	 {1, 9, 0xfffffff0, 16}},
	{"no room at all", {5, 10, BLOCK1}, 12, 0, 0, {0}},
	{"only the first option counts", {5, 10, BLOCK1, 5, 10, BLOCK3}, 20, 4, 1, {1, 9}},
	{"SACK permitted is another option", {4, 2, 1, 1}, 4, 4, 0, {0}},
	{"behind EOL", {0, 2, 5, 10, BLOCK1}, 12, 4, 0, {0}},
	{"inside another option", {99, 12, 5, 10, BLOCK1}, 12, 4, 0, {0}},
	{"behind a malformed option", {8, 1, 5, 10, BLOCK1}, 12, 4, 0, {0}},
	{"behind an option that is too long", {8, 13, 5, 10, BLOCK1}, 12, 4, 0, {0}},
	{"before a malformed option", {5, 10, BLOCK1, 8, 1}, 12, 4, 1, {1, 9}},
	{"kind without a length", {1, 1, 1, 5}, 4, 4, 0, {0}},
	{"length 0", {5, 0, BLOCK1}, 12, 4, 0, {0}},
	{"no block", {5, 2, BLOCK1}, 12, 4, 0, {0}},
	{"half a block", {5, 6, BLOCK1}, 12, 4, 0, {0}},
	{"a block and a half", {5, 14, BLOCK1, BLOCK2}, 20, 4, 0, {0}},
	{"beyond the header", {1, 1, 5, 18, BLOCK1}, 12, 4, 0, {0}},
};

static void test_sack_blocks(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(sack_rows); i++) {
		const struct sack_row *r = &sack_rows[i];
		__u8 *opts = malloc(r->len + !r->len);
		__u32 edges[8] = {0};

		assert_non_null(opts);
		memcpy(opts, r->opts, r->len);
		expect_u64(r->description, "blocks",
			   tcpc_options_sack(opts, r->len, edges, r->max_blocks), r->want);
		expect_bytes(r->description, edges, r->edges, sizeof(edges));
		free(opts);
	}
}

/* Options cut anywhere: ASan watches the end; a block that is not whole is no block. */
static void test_sack_cut_anywhere(void **state)
{
	const struct sack_row *r = &sack_rows[4];
	__u32 n;

	(void)state;
	assert_int_equal(r->want, 3);
	for (n = 0; n <= r->len; n++) {
		__u8 *opts = malloc(n + !n);
		__u32 edges[8];

		assert_non_null(opts);
		memcpy(opts, r->opts, n);
		assert_int_equal(tcpc_options_sack(opts, n, edges, 4), n < 38 ? 0 : 3);
		free(opts);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blank_by_table),
		cmocka_unit_test(test_each_kind_at_each_offset),
		cmocka_unit_test(test_bad_length_at_each_offset),
		cmocka_unit_test(test_one_byte_too_long),
		cmocka_unit_test(test_agrees_with_reference),
		cmocka_unit_test(test_sack_blocks),
		cmocka_unit_test(test_sack_cut_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
