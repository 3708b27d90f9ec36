// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_ledger_random.c - the ledger under random events, sensible and not, at times without memory:
 * the sums add up after every one, and every record is released once.
 */
#include <stdlib.h>

/* Which allocations fail: each of so many; 0: none. */
static unsigned int fail_each, n_allocations, n_failed;

static int fails(void)
{
	if (!fail_each || ++n_allocations % fail_each)
		return 0;
	n_failed++;
	return 1;
}

/* The two files that allocate, with an allocator of ours. */
#define malloc(bytes) (fails() ? NULL : malloc(bytes))
#define calloc(n, bytes) (fails() ? NULL : calloc(n, bytes))
#include "../../user/core/ledger_piece.c"
#include "../../user/core/ledger_table.c"
#undef malloc
#undef calloc

#include "../harness/expect.h"
#include "../harness/ledger_chaos.h"
#include "../harness/random.h"

#define RUNS 60
#define EVENTS 5000

static struct chaos c;
static struct tcpc_ledger_stats happened;
static struct tcpc_ledger_sum sums, exchanges;

static void expect_right(int run, int event, const char *wrong)
{
	if (wrong)
		expect_fail("run %d, event %d: %s", run, event, wrong);
}

static void add_up(void)
{
	const __u64 *from[] = {(const __u64 *)tcpc_ledger_stats(c.ledger),
			       (const __u64 *)tcpc_ledger_bytes(c.ledger)};
	__u64 *to[] = {(__u64 *)&happened, (__u64 *)&sums};
	struct tcpc_ledger_sum x = tcpc_ledger_exchanges(c.ledger);

	for (size_t i = 0; i < sizeof(happened) / sizeof(__u64); i++)
		to[0][i] += from[0][i];
	for (size_t i = 0; i < sizeof(sums) / sizeof(__u64); i++)
		to[1][i] += from[1][i];
	exchanges.copied += x.copied;
	exchanges.acknowledged += x.acknowledged;
}

static void run_chaos(int run)
{
	__u64 seed = run;

	fail_each = 0;
	assert_true(chaos_begin(&c, run % 2 ? random_next(&seed) : -100u));
	fail_each = run % 4 == 3 ? 20 : 0;
	for (int i = 0; i < EVENTS; i++) {
		__u64 event = random_next(&seed);
		__u8 e[CHAOS_EVENT_BYTES];

		memcpy(e, &event, sizeof(e));
		/* Mostly one after the other, so that timeouts are not all that happens. */
		if (run % 3)
			e[7] %= 40;
		expect_right(run, i, chaos_event(&c, e));
	}
	add_up();
	expect_right(run, EVENTS, chaos_end(&c));
}

/* What has not happened has not been tested. */
static void expect_often(const char *what, __u64 n, __u64 least)
{
	print_message("# %s: %llu\n", what, (unsigned long long)n);
	if (n < least)
		expect_fail("%s: only %llu times", what, (unsigned long long)n);
}

static void test_chaos(void **state)
{
	(void)state;
	for (int run = 0; run < RUNS; run++)
		run_chaos(run);
	expect_often("bytes acknowledged", sums.acknowledged, 10000);
	expect_often("exchanges copied", exchanges.copied, 1000);
	expect_often("exchanges delivered", exchanges.acknowledged, 1000);
	expect_often("sent again", happened.resent, 1000);
	expect_often("timeouts", happened.timeouts, 1000);
	expect_often("resets", happened.resets, 1000);
	expect_often("duplicates", happened.duplicates, 1000);
	for (int i = 0; i < __TCPC_LEDGER_LOST_MAX; i++)
		expect_often(tcpc_ledger_reason_name(i), sums.lost[i], 100);
	expect_often("allocations failed", n_failed, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chaos),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
