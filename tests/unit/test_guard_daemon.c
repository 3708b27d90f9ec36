// SPDX-License-Identifier: GPL-2.0-only
/* test_guard_daemon.c - core/guard.h with a clock and a load of its own. */
#include "../harness/expect.h"

#include "core/guard.h"
#include "tcpcopy/abi.h"
#include "tcpcopy/feedback.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define MS 1000000ULL
#define SECOND (1000 * MS)
#define TICK (TCPC_GUARD_TICK_MS * MS)
#define BEGIN (99 * SECOND)

/* ---- events ---------------------------------------------------------------------------------- */

static void test_event(void **state)
{
	static const struct {
		__u64 at_ms;
		bool cause, log, on;
		__u64 times;
	} rows[] = {
		{0, false, false, false, 0},	 {100, true, true, true, 1},
		{200, false, false, true, 1},	 {1099, false, false, true, 1},
		{1100, false, false, false, 1}, /* over; the log hears of it later */
		{2000, true, false, true, 2},	 {3000, false, false, false, 2},
		{10099, false, false, false, 2}, {10100, false, true, false, 2},
		{10200, true, false, true, 3},	 {10300, true, false, true, 3},
		{20000, true, false, true, 3},	 {20100, true, true, true, 3},
		{20200, true, false, true, 3},
	};
	struct tcpc_guard_event event = {};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool log = tcpc_guard_event(&event, rows[i].cause, BEGIN + rows[i].at_ms * MS);

		if (log != rows[i].log || event.on != rows[i].on || event.times != rows[i].times)
			expect_fail("row %zu: log %d, on %d, %llu times", i, log, event.on,
				    (unsigned long long)event.times);
	}
}

/* ---- budgets --------------------------------------------------------------------------------- */

/* Connections of 70 packets, one each 100 ms: how many may begin each second? */
static void test_admit(void **state)
{
	__u64 begun[1000] = {}, packets = 0, over = 0, late = 0, last = 0;
	struct tcpc_guard_admit admit = {};
	struct tcpc_guard_taken taken = {};
	__u32 rate = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		__u64 now = 0;

		begun[i] = rate && rate / 10 < 20 ? rate / 10 : 20; /* 200 a second want to */
		if (last > 500)
			begun[i] = 0; /* the bucket is low */
		for (int j = i > 69 ? i - 69 : 0; j <= i; j++)
			now += begun[j];
		taken.begun += begun[i];
		taken.packets += now;
		taken.bytes += now * 100;
		rate = tcpc_guard_admit(&admit, &taken, 5000, 0);
		last = now;
		packets += i >= 500 ? now : 0;
		over += i >= 500 && now > 600;
		late += i >= 500;
	}
	/* Of 14,000 a second that want to 5,000 may. */
	assert_in_range(packets * 10 / late, 2500, 5250);
	assert_int_equal(over, 0);
}

static void test_admit_all(void **state)
{
	struct tcpc_guard_admit admit = {};
	struct tcpc_guard_taken taken = {};

	(void)state;
	for (int i = 0; i < 100; i++) {
		taken.packets += 200; /* 2,000 a second */
		taken.bytes += 20000;
		taken.begun += 100;
		assert_int_equal(tcpc_guard_admit(&admit, &taken, 5000, 0), 0);
	}
	/* By bytes there is less room. */
	assert_in_range(tcpc_guard_admit(&admit, &taken, 5000, 200000), 700, 1000);
	/* Nothing begins, much is used: one at a time. */
	memset(&admit, 0, sizeof(admit));
	for (int i = 0; i < 100; i++) {
		taken.packets += 400;
		tcpc_guard_admit(&admit, &taken, 5000, 0);
	}
	assert_int_equal(tcpc_guard_admit(&admit, &taken, 5000, 0), 2);
}

/* ---- --max-cpu ------------------------------------------------------------------------------- */

struct load {
	__u32 fixed, new,
		running; /* what each takes, in 0.01 % of a processor, when all is copied */
};

/* Let a load run for @ticks. Returns what it took on average, in 0.01 %. */
static __u32 run(struct tcpc_guard_cpu *cpu, __u32 percent, const struct load *load, int ticks,
		 __u64 *now, __u64 *busy)
{
	__u64 sum = 0;

	for (int i = 0; i < ticks; i++) {
		__u32 use =
			load->fixed +
			load->new *(TCPC_SAMPLE_ALL - cpu->closed_new) / TCPC_SAMPLE_ALL +
			load->running *(TCPC_SAMPLE_ALL - cpu->closed_running) / TCPC_SAMPLE_ALL;

		sum += use;
		*now += TICK;
		*busy += use * TICK / 10000;
		tcpc_guard_cpu(cpu, percent, *now, *busy);
	}
	return sum / ticks;
}

static void test_cpu(void **state)
{
	static const struct {
		struct load load;
		__u32 percent, least, most; /* what it takes then */
	} rows[] = {
		{{10, 100, 100}, 5, 210, 210},	    /* within: untouched */
		{{10, 2000, 100}, 5, 300, 520},	    /* new ones are enough */
		{{10, 0, 2000}, 5, 300, 520},	    /* running ones alone */
		{{10, 5000, 5000}, 20, 1200, 2050}, /* both */
		{{900, 100, 100}, 5, 900, 900},	    /* nothing helps: nothing is copied */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct load calm = {10, 20, 20};
		struct tcpc_guard_cpu cpu = {};
		__u64 now = BEGIN, busy = 7 * SECOND;
		__u32 use;

		tcpc_guard_cpu(&cpu, rows[i].percent, now, busy);
		run(&cpu, rows[i].percent, &rows[i].load, 50, &now, &busy);
		use = run(&cpu, rows[i].percent, &rows[i].load, 600, &now, &busy);
		if (use < rows[i].least || use > rows[i].most)
			expect_fail("row %zu: takes %u", i, use);
		/* It recovers by itself, within ten seconds. */
		run(&cpu, rows[i].percent, &calm, 100, &now, &busy);
		assert_int_equal(cpu.closed_new, 0);
		assert_int_equal(cpu.closed_running, 0);
	}
}

/* Without a bound all is copied, whatever was so before. */
static void test_cpu_unbound(void **state)
{
	const struct load load = {10, 0, 2000};
	struct tcpc_guard_cpu cpu = {};
	__u64 now = BEGIN, busy = 0;

	(void)state;
	run(&cpu, 5, &load, 50, &now, &busy);
	assert_true(cpu.closed_running > 0);
	run(&cpu, 0, &load, 1, &now, &busy);
	assert_int_equal(cpu.closed_new + cpu.closed_running, 0);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void test_files(void **state)
{
	(void)state;
	assert_int_equal(tcpc_guard_available("MemTotal:       16000 kB\nMemFree:  1 kB\n"
					      "MemAvailable:    4000 kB\n"),
			 250);
	assert_int_equal(tcpc_guard_available("MemTotal: 10 kB\nMemAvailable: 20 kB\n"), 1000);
	assert_int_equal(tcpc_guard_available("MemTotal: 0 kB\nMemAvailable: 0 kB\n"), -1);
	assert_int_equal(tcpc_guard_available("MemTotal: 16000 kB\n"), -1);
	assert_int_equal(tcpc_guard_available("MemTotal: x\nMemAvailable: y\n"), -1);
	assert_int_equal(tcpc_guard_available(""), -1);
	assert_int_equal(tcpc_guard_stalled("some avg10=9.00 avg60=0.00 avg300=0.00 total=0\n"
					    "full avg10=12.34 avg60=0.00 avg300=0.00 total=0\n"),
			 1234);
	assert_int_equal(tcpc_guard_stalled("full avg10=0.05 avg60"), 5);
	assert_int_equal(tcpc_guard_stalled("full avg10=101.00"), -1);
	assert_int_equal(tcpc_guard_stalled("some avg10=9.00\n"), -1);
	assert_int_equal(tcpc_guard_stalled(""), -1);
}

static void test_memory(void **state)
{
	static const struct {
		__u64 at_ms;
		int available, stalled;
		bool want;
	} rows[] = {
		{0, 500, 0, false},	{100, 30, 999, false},	 {200, 29, 0, true},
		{300, 49, 0, true},	{400, 50, 0, true},	 {2300, 50, 499, true},
		{2399, 60, 0, true},	{2400, 60, 0, false},	 {2500, 60, 1000, true},
		{9000, 60, 500, true},	{9100, 60, 499, true},	 {10000, 60, 600, true},
		{10100, 60, 0, true},	{12000, 60, 0, true},	 {12100, 60, 0, false},
		{12200, -1, -1, false}, {12300, -1, 1000, true}, {12400, -1, -1, true},
		{14400, -1, -1, false},
	};
	struct tcpc_guard_memory memory = {};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (tcpc_guard_memory(&memory, BEGIN + rows[i].at_ms * MS, rows[i].available,
				      rows[i].stalled) != rows[i].want)
			expect_fail("row %zu", i);
}

/* ---- targets --------------------------------------------------------------------------------- */

/* How a target answers a SYN. */
enum answer {
	OPENS,
	DENIES,
	SILENT,	 /* full accept queue: the kernel drops it */
	SLOW,	 /* likewise, but older connections are answered */
	UNHEARD, /* the link says nothing, and may soon be lost */
	GONE	 /* it is */
};

/* @offered connections want to begin in each of @ticks of 100 ms. Returns the first tick in which
 * not all may, or @ticks. */
static int give(struct tcpc_guard_target *t, struct tcpc_guard_counts *c, __u64 *now, __u32 offered,
		enum answer answer, int ticks)
{
	int first = ticks;
	double room = 1;

	for (int i = 0; i < ticks; i++) {
		__u64 given = offered;

		if (t->rate) {
			room += t->rate / 10.0;
			given = room < offered ? room : offered;
			room = room - given > 1 ? 1 : room - given;
		}
		c->begun += given;
		c->refused += offered - given;
		c->opened += answer == OPENS ? given : 0;
		c->denied += answer == DENIES ? given : 0;
		c->heard += answer == OPENS || answer == DENIES ? given : answer == SLOW;
		*now += TICK;
		if (answer >= UNHEARD)
			tcpc_guard_target_away(t, *now, c, answer == GONE);
		else
			tcpc_guard_target(t, *now, c);
		if (t->rate && first == ticks)
			first = i;
	}
	return first;
}

/* What comes after each other, and what the guard makes of it. Times are ticks of 100 ms. */
static const struct {
	const char *name;
	struct {
		__u32 offered; /* in each tick */
		enum answer answer;
		int ticks;
	} acts[4];
	int at; /* of the last act: the tick in which it trips; -1: it never does */
	enum tcpc_trouble trouble;
} targets[] = {
	{"well", {{10, OPENS, 200}}, -1, 0},
	{"dead", {{10, OPENS, 20}, {10, DENIES, 50}}, 10, TCPC_TROUBLE_REFUSES},
	{"dead, two SYNs", {{1, DENIES, 2}, {0, DENIES, 100}}, -1, 0},
	{"dead, now and then one",
	 {{1, DENIES, 2}, {0, DENIES, 20}, {1, DENIES, 9}},
	 0,
	 TCPC_TROUBLE_REFUSES},
	{"started anew", {{10, OPENS, 9}, {10, DENIES, 9}, {10, OPENS, 99}}, -1, 0},
	{"one of two listeners",
	 {{10, OPENS, 1}, {10, DENIES, 9}, {1, OPENS, 1}, {10, DENIES, 9}},
	 -1,
	 0},
	{"hangs", {{10, OPENS, 20}, {10, SILENT, 150}}, 100, TCPC_TROUBLE_SILENT},
	{"hangs for 9 s", {{10, OPENS, 20}, {10, SILENT, 90}, {10, OPENS, 99}}, -1, 0},
	{"hangs, four SYNs", {{1, SILENT, 4}, {0, SILENT, 900}}, -1, 0},
	{"full accept queue", {{10, SILENT, 90}, {10, SLOW, 900}}, -1, 0},
	{"takes one in 9 s", {{10, SILENT, 90}, {1, OPENS, 1}, {10, SILENT, 90}}, -1, 0},
	{"outage", {{10, OPENS, 20}, {10, UNHEARD, 9}, {10, GONE, 300}}, -1, 0},
	{"after an outage", {{10, SILENT, 50}, {10, UNHEARD, 9}, {10, SILENT, 90}}, -1, 0},
	{"denied before an outage", {{2, DENIES, 1}, {0, GONE, 99}, {2, DENIES, 1}}, -1, 0},
};

static void test_targets(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(targets); i++) {
		struct tcpc_guard_target t = {};
		struct tcpc_guard_counts c = {};
		__u64 now = BEGIN;
		int at = -1, tripped = 0;

		for (size_t j = 0; j < COUNT_OF(targets[i].acts) && targets[i].acts[j].ticks; j++) {
			int ticks = targets[i].acts[j].ticks;

			if (tripped)
				expect_fail("%s: trips before act %zu", targets[i].name, j);
			at = give(&t, &c, &now, targets[i].acts[j].offered,
				  targets[i].acts[j].answer, ticks);
			tripped = at < ticks;
		}
		if ((tripped ? at : -1) != targets[i].at || t.trouble != targets[i].trouble)
			expect_fail("%s: %d, trouble %d", targets[i].name, tripped ? at : -1,
				    t.trouble);
	}
}

/* In trouble one a second; when it is back all again within 5 s. */
static void test_dead_target(void **state)
{
	(void)state;
	for (enum answer how = DENIES; how <= SILENT; how++) {
		struct tcpc_guard_target t = {};
		struct tcpc_guard_counts c = {};
		__u64 now = BEGIN, begun;

		give(&t, &c, &now, 10, how, 110);
		assert_int_equal(t.rate, 1);
		begun = c.begun;
		give(&t, &c, &now, 10, how, 100);
		assert_in_range(c.begun - begun, 9, 11);
		give(&t, &c, &now, 10, OPENS, 50);
		assert_int_equal(t.rate, 0);
		assert_int_equal(t.trouble, TCPC_TROUBLE_NONE);
		assert_int_equal(give(&t, &c, &now, 10, OPENS, 50), 50);
	}
}

/* A host under pressure is given one a second, whatever it answers, and all when it is over. */
static void test_pressure(void **state)
{
	(void)state;
	for (__u8 what = TCPC_FEEDBACK_SHORT_OF_MEMORY; what <= TCPC_FEEDBACK_PRESSURE_ALL;
	     what++) {
		struct tcpc_guard_target t = {};
		struct tcpc_guard_counts c = {.pressure = what};
		__u64 now = BEGIN, begun;

		assert_int_equal(give(&t, &c, &now, 10, OPENS, 1), 0);
		assert_int_equal(t.trouble, what & TCPC_FEEDBACK_SHORT_OF_MEMORY
						    ? TCPC_TROUBLE_MEMORY
						    : TCPC_TROUBLE_HOLD);
		begun = c.begun;
		give(&t, &c, &now, 10, OPENS, 100);
		assert_int_equal(t.rate, 1);
		assert_in_range(c.begun - begun, 9, 11);
		c.pressure = 0;
		give(&t, &c, &now, 10, OPENS, 50);
		assert_int_equal(t.rate, 0);
		assert_int_equal(t.trouble, TCPC_TROUBLE_NONE);
	}
}

/* After an outage it is judged anew. */
static void test_gone(void **state)
{
	struct tcpc_guard_target t = {};
	struct tcpc_guard_counts c = {};
	__u64 now = BEGIN;

	(void)state;
	give(&t, &c, &now, 10, DENIES, 20);
	assert_int_equal(t.rate, 1);
	give(&t, &c, &now, 10, UNHEARD, 5);
	assert_int_equal(t.rate, 1);
	give(&t, &c, &now, 10, GONE, 1);
	assert_int_equal(t.rate, 0);
	assert_int_equal(give(&t, &c, &now, 10, OPENS, 50), 50);
}

/* A load that is far more than a recovering target can be given at once. */
static void test_steps(void **state)
{
	struct tcpc_guard_target t = {};
	struct tcpc_guard_counts c = {};
	__u64 now = BEGIN, since;
	__u32 last = 1;

	(void)state;
	give(&t, &c, &now, 1000, DENIES, 20);
	assert_int_equal(t.rate, 1);
	since = now;
	for (int i = 0; i < 100 && t.rate; i++) {
		give(&t, &c, &now, 1000, OPENS, 1);
		if (t.rate)
			assert_true(t.rate == last || t.rate == last * 4);
		last = t.rate;
	}
	assert_int_equal(t.rate, 0);
	assert_true(now - since < 8 * SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_event),	    cmocka_unit_test(test_admit),
		cmocka_unit_test(test_admit_all),   cmocka_unit_test(test_cpu),
		cmocka_unit_test(test_cpu_unbound), cmocka_unit_test(test_files),
		cmocka_unit_test(test_memory),	    cmocka_unit_test(test_targets),
		cmocka_unit_test(test_dead_target), cmocka_unit_test(test_steps),
		cmocka_unit_test(test_gone),	    cmocka_unit_test(test_pressure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
