// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_seq.c - seq.h across the end of the number space, from every side.
 */
#include "../harness/expect.h"
#include "../harness/random.h"
#include "tcpcopy/seq.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

struct row {
	const char *description;
	__u32 a, b;
	int lt, leq;
};

static const struct row rows[] = {
	{"equal", 5, 5, 0, 1},
	{"equal at zero", 0, 0, 0, 1},
	{"equal at the end", 0xffffffff, 0xffffffff, 0, 1},
	{"next", 5, 6, 1, 1},
	{"previous", 6, 5, 0, 0},
	{"the end comes before zero", 0xffffffff, 0, 1, 1},
	{"zero does not come before the end", 0, 0xffffffff, 0, 0},
	{"a window across the end", 0xfffff000, 0x00000fff, 1, 1},
	{"across the middle", 0x7fffffff, 0x80000000, 1, 1},
	{"back across the middle", 0x80000000, 0x7fffffff, 0, 0},
	{"as far as can be told", 0, 0x7fffffff, 1, 1},
	{"as far as can be told, back", 0x7fffffff, 0, 0, 0},
	{"as far as can be told, across the end", 0xc0000000, 0x3fffffff, 1, 1},
};

static void test_by_table(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		const struct row *r = &rows[i];

		expect_u64(r->description, "lt", tcpc_seq_lt(r->a, r->b), r->lt);
		expect_u64(r->description, "leq", tcpc_seq_leq(r->a, r->b), r->leq);
		expect_u64(r->description, "max", tcpc_seq_max(r->a, r->b), r->lt ? r->b : r->a);
		expect_u64(r->description, "max, turned round", tcpc_seq_max(r->b, r->a),
			   r->lt ? r->b : r->a);
	}
}

/* The order depends on the distance alone, wherever it starts (RFC 9293, 3.4). */
static void test_order_is_distance(void **state)
{
	__u64 seed = 793;
	int i;

	(void)state;
	for (i = 0; i < 200000; i++) {
		__u32 a = random_next(&seed), distance = random_below(&seed, 0x7fffffff) + 1;
		__u32 b = a + distance;

		assert_true(tcpc_seq_lt(a, b) && tcpc_seq_leq(a, b));
		assert_false(tcpc_seq_lt(b, a) || tcpc_seq_leq(b, a));
		assert_int_equal(tcpc_seq_max(a, b), b);
		assert_int_equal(tcpc_seq_max(b, a), b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_table),
		cmocka_unit_test(test_order_is_distance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
