// SPDX-License-Identifier: GPL-2.0-only
/* test_guard.c - guard.h and bucket.h with a clock of its own: rates, and who was refused. */
#include "../harness/expect.h"
#include "../harness/random.h"
#include "tcpcopy/guard.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define MS 1000000ULL
#define SECOND (1000 * MS)
#define BEGIN (12345 * SECOND) /* any time at all */
#define OPEN_END (BEGIN + 10 * SECOND)

/* ---- rates ----------------------------------------------------------------------------------- */

static const struct {
	__u64 per_second, offered; /* units a second */
	__u32 units;		   /* of each packet */
} rates[] = {
	{1000, 10000, 1},
	{1000, 1100, 1},
	{1000, 100000, 44}, /* merged packets */
	{1, 50, 1},
	{16, 1000, 1},
	{1000000, 1300000, 1},
	{12500000000, 25000000000, 65536}, /* 100 Gbit/s */
	{125000, 12500000, 1514},	   /* 1 Mbit/s */
};

/* Over ten seconds no more than the bound, and not much less. */
static void test_rates(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rates); i++) {
		__u64 gap_ns = rates[i].units * SECOND / rates[i].offered ?: 1, passed = 0, most;
		struct tcpc_bucket b;

		tcpc_bucket_set(&b, rates[i].per_second, TCPC_GUARD_DEPTH_UNITS, BEGIN);
		for (__u64 t = BEGIN; t < OPEN_END; t += gap_ns) {
			if (tcpc_bucket_level(&b, t) == TCPC_LEVEL_EMPTY)
				continue;
			tcpc_bucket_take(&b, t, rates[i].units);
			passed += rates[i].units;
		}
		most = rates[i].per_second * 10;
		/* The bucket's depth and the last packet come on top. */
		most += rates[i].per_second / 20 + TCPC_GUARD_DEPTH_UNITS + rates[i].units;
		if (passed > most || passed < most * 9 / 10)
			expect_fail("row %zu: %llu passed, bound %llu", i,
				    (unsigned long long)passed, (unsigned long long)most);
	}
}

/* A load within the bound is never touched, though it comes in bursts of 20 ms. */
static void test_within_the_bound(void **state)
{
	struct tcpc_bucket b;

	(void)state;
	tcpc_bucket_set(&b, 1000, TCPC_GUARD_DEPTH_UNITS, BEGIN);
	for (__u64 t = BEGIN; t < OPEN_END; t += 20 * MS) {
		for (int i = 0; i < 19; i++) {
			assert_int_equal(tcpc_bucket_level(&b, t), TCPC_LEVEL_OPEN);
			tcpc_bucket_take(&b, t, 1);
		}
	}
}

/* From full to low to empty and back. */
static void test_levels(void **state)
{
	struct tcpc_bucket b;

	(void)state;
	tcpc_bucket_set(&b, 1000, TCPC_GUARD_DEPTH_UNITS, BEGIN); /* 50 units */
	tcpc_bucket_take(&b, BEGIN, 25);
	assert_int_equal(tcpc_bucket_level(&b, BEGIN), TCPC_LEVEL_OPEN);
	tcpc_bucket_take(&b, BEGIN, 1);
	assert_int_equal(tcpc_bucket_level(&b, BEGIN), TCPC_LEVEL_LOW);
	tcpc_bucket_take(&b, BEGIN, 24);
	assert_int_equal(tcpc_bucket_level(&b, BEGIN), TCPC_LEVEL_EMPTY);
	assert_int_equal(tcpc_bucket_level(&b, BEGIN + MS), TCPC_LEVEL_LOW);
	assert_int_equal(tcpc_bucket_level(&b, BEGIN + 25 * MS), TCPC_LEVEL_OPEN);
	/* What went beyond the bottom is paid back first. */
	tcpc_bucket_take(&b, BEGIN + 50 * MS, 1050);
	assert_int_equal(tcpc_bucket_level(&b, BEGIN + 1049 * MS), TCPC_LEVEL_EMPTY);
	assert_int_equal(tcpc_bucket_level(&b, BEGIN + 1051 * MS), TCPC_LEVEL_LOW);
}

/* No bound, and a clock that turns over: 1/256 ns do so after 2.3 years. */
static void test_edges(void **state)
{
	__u64 end = 1ULL << (64 - TCPC_GUARD_SHIFT);
	struct tcpc_bucket b;

	(void)state;
	tcpc_bucket_set(&b, 0, TCPC_GUARD_DEPTH_UNITS, BEGIN);
	tcpc_bucket_take(&b, BEGIN, 1ULL << 40);
	assert_int_equal(tcpc_bucket_level(&b, BEGIN), TCPC_LEVEL_OPEN);
	tcpc_bucket_set(&b, 1000, TCPC_GUARD_DEPTH_UNITS, end - SECOND);
	tcpc_bucket_take(&b, end - 20 * MS, 50);
	assert_int_equal(tcpc_bucket_level(&b, end - 20 * MS), TCPC_LEVEL_EMPTY);
	assert_int_equal(tcpc_bucket_level(&b, end - 10 * MS), TCPC_LEVEL_LOW);
	assert_int_equal(tcpc_bucket_level(&b, end + 10 * MS), TCPC_LEVEL_OPEN);
	/* Nobody has used it for more than half of that. */
	assert_int_equal(tcpc_bucket_level(&b, end / 2 + SECOND), TCPC_LEVEL_OPEN);
	tcpc_bucket_take(&b, end / 2 + SECOND, 50);
	assert_int_equal(tcpc_bucket_level(&b, end / 2 + SECOND), TCPC_LEVEL_EMPTY);
	assert_int_equal(tcpc_bucket_level(&b, end / 2 + 2 * SECOND), TCPC_LEVEL_OPEN);
}

/* What is on the wire: each segment of a merged packet has its own headers, each target its copy.
 */
static void test_wire(void **state)
{
	struct tcpc_budget b = {.weight = 2};

	(void)state;
	tcpc_budget_take(&b, BEGIN, 100, 0, 66);
	assert_int_equal(b.taken_packets, 2);
	assert_int_equal(b.taken_bytes, 200);
	tcpc_budget_take(&b, BEGIN, 66 + 3000, 3, 66);
	assert_int_equal(b.taken_packets, 2 + 6);
	assert_int_equal(b.taken_bytes, 200 + 2 * (3000 + 3 * 66));
}

/* ---- who was refused ------------------------------------------------------------------------- */

#define SYN TCPC_GUARD_SYN
#define DATA TCPC_GUARD_DATA
#define ENDS TCPC_GUARD_ENDS
#define AGAIN TCPC_GUARD_AGAIN
#define NEW_OUT TCPC_GUARD_NEW_OUT
#define RUNNING_OUT TCPC_GUARD_RUNNING_OUT
#define PASS TCPC_GUARD_PASS
#define REST TCPC_GUARD_REST
#define NO_NEW TCPC_GUARD_REFUSE_BUDGET
#define CUT TCPC_GUARD_CUT_BUDGET

/* Packets of one connection, in the order of @row's: how much is gone of a bucket of 100 units. */
static const struct {
	const char *row;
	__u64 at_ms;
	int gone;
	__u32 about, seq;
	__u32 want;
} packets[] = {
	{"passes", 0, 0, SYN, 1, PASS},
	{"passes", 1, 60, DATA, 2, PASS},
	{"passes", 1, 60, SYN | AGAIN, 1, PASS},
	{"passes", 2, 0, ENDS, 3, PASS},
	{"refused", 0, 60, SYN, 1, NO_NEW},
	{"refused", 1, 0, DATA, 2, REST},
	{"refused", 1, 0, SYN, 1, REST}, /* sent again, though there is room now */
	{"refused", 60000, 0, DATA, 9, REST},
	{"refused", 60001, 0, ENDS, 9, REST},
	{"refused", 60001, 0, ENDS, 9, REST}, /* sent again */
	{"refused", 60002, 0, SYN, 77, PASS}, /* the port comes round */
	{"refused", 60003, 0, DATA, 78, PASS},
	{"cut", 0, 0, SYN, 1, PASS},
	{"cut", 1, 100, 0, 2, PASS}, /* urgent or whatever: no data, nothing to end */
	{"cut", 1, 100, DATA, 2, CUT},
	{"cut", 2, 0, DATA, 3, REST},
	{"cut", 4000, 0, DATA, 4, REST},
	{"cut", 9000, 60, DATA, 5, REST}, /* long enough, but no room */
	{"cut", 9000, 0, DATA, 6, PASS},
	{"cut", 9001, 0, DATA, 7, PASS},
	{"ends by itself", 0, 100, ENDS, 1, PASS},
	{"older than attach", 0, 60, DATA, 1, PASS},
	{"older than attach", 0, 100, DATA, 2, CUT},
	{"share", 0, 0, SYN | NEW_OUT, 1, TCPC_GUARD_REFUSE_CPU},
	{"share", 1, 0, DATA, 2, REST},
	{"share of a running one", 0, 0, DATA | NEW_OUT, 1, PASS},
	{"share of a running one", 1, 0, DATA | NEW_OUT | RUNNING_OUT, 2, TCPC_GUARD_CUT_CPU},
	{"share of a running one", 9000, 0, DATA | NEW_OUT | RUNNING_OUT, 3, REST},
	{"share of a running one", 9001, 0, DATA | NEW_OUT, 3, PASS},
};

static void test_packets(void **state)
{
	struct tcpc_ways set = {};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(packets); i++) {
		__u64 t = BEGIN + packets[i].at_ms * MS;
		struct tcpc_budget b = {.weight = 1};
		__u32 got;

		if (!i || strcmp(packets[i].row, packets[i - 1].row))
			memset(&set, 0, sizeof(set));
		tcpc_bucket_set(&b.packets, 2000, TCPC_GUARD_DEPTH_UNITS, BEGIN);
		tcpc_bucket_take(&b.packets, t, packets[i].gone);
		got = tcpc_guard_decide(&b, &set, 7, packets[i].seq, packets[i].about, t);
		if (got != packets[i].want)
			expect_fail("%s, packet %zu: %#x", packets[i].row, i, got);
		assert_int_equal(b.refused, got == NO_NEW);
		assert_int_equal(b.cut, got == CUT);
	}
}

/* A target in trouble is given one connection a second, whatever their number. */
static void test_gate(void **state)
{
	struct tcpc_ways set = {};
	struct tcpc_gate gate = {};
	__u32 passed = 0;

	(void)state;
	tcpc_bucket_set(&gate.begin, 1, 0, BEGIN);
	for (__u32 i = 0; i < 1000; i++)
		passed += tcpc_gate_decide(&gate, &set, i + 1, i, SYN, BEGIN + i * 10 * MS) == PASS;
	assert_in_range(passed, 10, 11);
	assert_int_equal(gate.refused, 1000 - passed);
	/* Of the last ones it is known who was refused; who was not seen runs. */
	assert_int_equal(tcpc_gate_decide(&gate, &set, 1000, 5, DATA, OPEN_END), REST);
	assert_int_equal(tcpc_gate_decide(&gate, &set, 998, 997, SYN, OPEN_END), REST);
	assert_int_equal(tcpc_gate_decide(&gate, &set, 4000, 5, DATA, OPEN_END), PASS);
	assert_int_equal(tcpc_gate_decide(&gate, &set, 4000, 5, SYN | AGAIN, OPEN_END), PASS);
}

/* A set takes seven; those that ended go first, then the oldest, and that is said. */
static void test_room(void **state)
{
	struct tcpc_ways set = {};

	(void)state;
	for (__u32 tag = 1; tag <= 7; tag++)
		assert_int_equal(tcpc_ways_put(&set, tag, 0, 0), 0);
	tcpc_ways_end(&set, 5);
	assert_int_equal(tcpc_ways_put(&set, 8, 0, 0), 0);
	assert_int_equal(tcpc_ways_find(&set, 5), -1);
	assert_int_equal(tcpc_ways_put(&set, 3, 9, 0), 0); /* its own place */
	assert_int_equal(tcpc_ways_put(&set, 9, 0, 0), 1);
	assert_int_equal(tcpc_ways_find(&set, 1), -1);
	tcpc_ways_forget(&set, 4);
	assert_int_equal(tcpc_ways_put(&set, 10, 0, 0), 0);
	assert_int_equal(tcpc_ways_put(&set, 11, 0, 0), 1);
}

/* Against a plain table, at random: nobody is refused who was not, and whoever is forgotten was
 * told of. */
static void test_random(void **state)
{
	enum { TAGS = 20, STEPS = 200000 };
	struct tcpc_ways set = {};
	int refused[TAGS + 1] = {};
	__u64 lost = 0, told = 0;
	__u64 r = 1;

	(void)state;
	for (int i = 0; i < STEPS; i++) {
		__u32 tag = random_below(&r, TAGS) + 1;
		int known = tcpc_ways_find(&set, tag) >= 0;

		if (known && !refused[tag])
			expect_fail("step %d: tag %u was never refused", i, tag);
		lost += refused[tag] && !known;
		refused[tag] = known;
		if (random_below(&r, 2)) {
			told += tcpc_ways_put(&set, tag, i, random_below(&r, 2));
			refused[tag] = 1;
		} else {
			tcpc_ways_forget(&set, tag);
			refused[tag] = 0;
		}
	}
	assert_true(lost > 0);
	assert_true(told >= lost);
}

/* Keys differ by client, port, secret and who refuses. */
static void test_keys(void **state)
{
	const __u64 key[2] = {1, 2}, other[2] = {1, 3};
	struct tcpc_pkt a = {.saddr = {{1, 2, 3, 4}}, .sport = 5, .dport = 6}, b = a, c = a;

	(void)state;
	b.sport = 7;
	c.saddr.w[0] = 9;
	assert_true(tcpc_refused_key(key, &a, 0) == tcpc_refused_key(key, &a, 0));
	assert_true(tcpc_refused_key(key, &a, 0) != tcpc_refused_key(key, &b, 0));
	assert_true(tcpc_refused_key(key, &a, 0) != tcpc_refused_key(key, &c, 0));
	assert_true(tcpc_refused_key(key, &a, 0) != tcpc_refused_key(key, &a, 1));
	assert_true(tcpc_refused_key(key, &a, 0) != tcpc_refused_key(other, &a, 0));
	for (a.sport = 0; a.sport < 60000; a.sport++) {
		__u64 who = tcpc_refused_key(key, &a, 0);

		assert_true(who >> 32 < TCPC_WAYS_SETS && (__u32)who);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),  cmocka_unit_test(test_within_the_bound),
		cmocka_unit_test(test_levels), cmocka_unit_test(test_edges),
		cmocka_unit_test(test_wire),   cmocka_unit_test(test_packets),
		cmocka_unit_test(test_gate),   cmocka_unit_test(test_room),
		cmocka_unit_test(test_random), cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
