// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_guard.c - budgets and gates in the real programs: whose packets are cloned, who is refused
 * and stays so, what ends a running connection. The rules themselves are in
 * tests/unit/test_guard.c.
 */
#include "../harness/bpf_online.h"
#include "tcpcopy/greeting.h"
#include "tcpcopy/guard.h"
#include "tcpcopy/rewrite.h"

#include <time.h>

#define SYN .flags = TCPC_TCP_SYN
#define FIN .flags = TCPC_TCP_FIN | TCPC_TCP_ACK

static __u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* A budget of @per_second packets of which @gone are used up. */
static void set_budget(__u64 per_second, __u64 gone)
{
	struct tcpc_budget budget = {.weight = 1};
	__u32 zero = 0;

	tcpc_bucket_set(&budget.packets, per_second, TCPC_GUARD_DEPTH_UNITS, now_ns());
	tcpc_bucket_take(&budget.packets, now_ns(), gone);
	online_write(lab.skel->maps.budgets, &zero, &budget);
}

static struct tcpc_budget get_budget(void)
{
	struct tcpc_budget budget;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(lab.skel->maps.budgets), &zero, &budget))
		expect_fail("cannot read the budget");
	return budget;
}

static void forget_all(void)
{
	struct tcpc_ways set = {};
	struct tcpc_handshake_set handshake = {};
	__u32 i;

	for (i = 0; i < TCPC_WAYS_SETS; i++)
		online_write(lab.skel->maps.refused, &i, &set);
	for (i = 0; i < TCPC_HANDSHAKE_SETS; i++)
		online_write(lab.skel->maps.handshakes, &i, &handshake);
}

static int set_up(void **state)
{
	struct tcpc_service service = armed;

	(void)state;
	if (!in_netns)
		return 0;
	service.flags |= TCPC_SERVICE_GUARD;
	online_service(&service);
	online_config(lab.copy, NEVER_NS);
	forget_all();
	return 0;
}

/* Run the tap over one packet. */
static void tap_run(struct frame_spec spec)
{
	static struct bpf_run run;
	struct frame frame;

	spec.dport = SERVICE_PORT;
	run.ifindex = run.ingress_ifindex = lab.live;
	frame = frame_build(&spec);
	bpf_run("tap", lab.tap_fd, &run, frame.data, frame.bytes);
	expect_run("tap", &run, -1, &frame);
	frame_free(&frame);
}

/* The same; @counter is the one beside `seen` that must grow. @row: the line, for who reads it. */
static void tap_counts(const char *row, struct frame_spec spec, size_t counter)
{
	struct tcpc_online_stats moved = one_of(counter);

	counters_mark(&lab.counters);
	tap_run(spec);
	expect_moved(row, &lab.counters, &moved);
}

#define TAP(counter, ...)                                                                          \
	tap_counts(#counter ": " #__VA_ARGS__, (struct frame_spec){__VA_ARGS__}, COUNTER(counter))

/* A connection that begins while the bucket is low is refused, and stays so to its end. */
static void test_refused(void **state)
{
	(void)state;
	need_netns();
	set_budget(1, 10); /* of 16; less than half are left for the next 2 s */
	TAP(budget_refused, SYN, .sport = 1000);
	assert_int_equal(get_budget().refused, 1);
	set_budget(1, 0);
	TAP(refused, DATA, .sport = 1000);
	TAP(refused, SYN, .sport = 1000); /* sent again */
	TAP(refused, FIN, .sport = 1000);
	TAP(cloned, SYN, .sport = 1000, .seq = 4711); /* a new one from the same port */
	TAP(cloned, DATA, .sport = 1000);
	TAP(cloned, SYN, .sport = 1001);
	assert_int_equal(get_budget().begun, 2);
}

/* What runs goes on while the bucket is low, and is ended once when it is empty. */
static void test_cut(void **state)
{
	struct tcpc_online_stats moved = {.seen = 1, .cloned = 1, .budget_cut = 1};

	(void)state;
	need_netns();
	set_budget(1, 12);
	TAP(cloned, DATA, .sport = 2000);
	set_budget(1, 17);
	TAP(cloned, FIN, .sport = 2001); /* it ends by itself */
	assert_int_equal(get_budget().cut, 0);
	counters_mark(&lab.counters);
	tap_run((struct frame_spec){DATA, .sport = 2000});
	expect_moved("ended", &lab.counters, &moved);
	assert_int_equal(get_budget().cut, 1);
	set_budget(1, 0);
	TAP(refused, DATA, .sport = 2000);
	TAP(refused, FIN, .sport = 2000);
}

/* A SYN that was let through is let through again: its connection runs. */
static void test_again(void **state)
{
	(void)state;
	need_netns();
	set_budget(1, 0);
	TAP(cloned, SYN, .sport = 3000);
	set_budget(1, 15);
	TAP(cloned, SYN, .sport = 3000);
	TAP(budget_refused, SYN, .sport = 3001);
}

/* Twice as many as the bucket holds: just so many are cloned, and none without its turn. */
static void test_rate(void **state)
{
	struct tcpc_online_stats before, after;
	__u64 begin, passed, seconds_ns;
	__u32 n = 0;

	(void)state;
	need_netns();
	set_budget(2000, 0);
	before = stats_now();
	begin = now_ns();
	for (; now_ns() - begin < 500000000; n++) {
		tap_run((struct frame_spec){SYN, .sport = 4000 + n % 50000, .seq = n});
	}
	seconds_ns = now_ns() - begin;
	after = stats_now();
	passed = after.cloned - before.cloned;
	assert_true(after.budget_refused > before.budget_refused);
	/* Half of the bucket is for those that begin. */
	assert_in_range(passed, seconds_ns / 500000 * 9 / 10, seconds_ns / 500000 + 52);
}

/* Short of memory: nothing is cloned, and that is said. */
static void test_stop(void **state)
{
	struct tcpc_online_config config = {
		.copy_ifindex = lab.copy,
		.lease_until_ns = NEVER_NS,
		.stop = TCPC_STOP_MEMORY,
	};
	__u32 zero = 0;

	(void)state;
	need_netns();
	set_budget(0, 0);
	online_write(lab.skel->maps.config, &zero, &config);
	TAP(no_memory, SYN, .sport = 5000);
	TAP(no_memory, DATA, .sport = 5001);
	config.stop = TCPC_STOP_NONE;
	config.closed_new = TCPC_SAMPLE_ALL;
	online_write(lab.skel->maps.config, &zero, &config);
	TAP(cpu_refused, SYN, .sport = 5002);
	TAP(cloned, DATA, .sport = 5001);
	config.lease_until_ns = 1;
	online_write(lab.skel->maps.config, &zero, &config);
	TAP(no_heartbeat, SYN, .sport = 5003);
	TAP(no_heartbeat, DATA, .sport = 5002);
}

/* ---- copy ------------------------------------------------------------------------------------ */

#define CB_MAGIC 0x7463700a /* as in online.bpf.c and guard.bpf.h */
#define GUARD_CUT (1u << 31)

static struct tcpc_target target_of(__u32 flags)
{
	struct tcpc_target target = {
		.addr = frame_host(&(struct frame_spec){.family = lab_variant.family}, 9),
		.port = tcpc_htons(8080),
		.flags = TCPC_TARGET_READY | flags,
		.ifindex = lab.out,
		.gate = 5,
	};

	return target;
}

/* Run copy over a frame with a mark of the tap's. */
static struct bpf_run *copy_run(const struct frame_spec *spec, __u32 mark,
				const struct tcpc_target *target)
{
	struct tcpc_target_set set = {.n_targets = 1, .target = {*target}};
	struct frame frame = frame_build(spec);
	static struct bpf_run run;

	online_targets(&set);
	run.ifindex = lab.copy;
	run.ingress_ifindex = lab.live;
	run.cb[0] = CB_MAGIC;
	run.cb[2] = mark;
	bpf_run("copy", lab.copy_fd, &run, frame.data, frame.bytes);
	frame_free(&frame);
	return &run;
}

/* The last copy of a connection whose copy is ended: the same with a FIN. */
static void test_fin(void **state)
{
	struct frame_spec spec = {.family = lab_variant.family, DATA}, ended;
	struct tcpc_target target = target_of(0);
	struct frame want, out;
	struct bpf_run *run;

	(void)state;
	need_netns();
	ended = spec;
	ended.flags |= TCPC_TCP_FIN;
	ended.daddr = target.addr;
	ended.dport = 8080;
	ended.ttl = TCPC_COPY_TTL;
	ended.fragmentable = 1;
	want = frame_build(&ended);
	run = copy_run(&spec, GUARD_CUT, &target);
	expect_run("ended", run, VERDICT_REDIRECT, &want);
	out = want;
	out.data = run->out;
	expect_true("ended", "checksums are right", frame_right(&out));
	frame_free(&want);
}

static void expect_gate(const struct frame_spec *spec, const struct tcpc_target *target,
			size_t counter)
{
	struct tcpc_online_stats moved = {};

	*(__u64 *)((char *)&moved + counter) += 1;
	if (counter == COUNTER(copied))
		moved.copied_bytes = spec->payload_bytes;
	counters_mark(&lab.counters);
	copy_run(spec, 0, target);
	expect_moved("gate", &lab.counters, &moved);
}

/* A target in trouble is given one connection a second; what is refused stays so. */
static void test_gate(void **state)
{
	struct tcpc_target quiet = target_of(0), gated = target_of(TCPC_TARGET_GATED);
	struct frame_spec syn = {SYN, .sport = 6000}, data = {DATA, .sport = 6000};
	struct tcpc_gate gate = {};
	__u32 index = 5;

	(void)state;
	need_netns();
	tcpc_bucket_set(&gate.begin, 1, 0, now_ns());
	online_write(lab.skel->maps.gates, &index, &gate);
	expect_gate(&syn, &quiet, COUNTER(copied));
	syn.sport = 6001;
	expect_gate(&syn, &gated, COUNTER(copied));
	syn.sport = data.sport = 6002;
	expect_gate(&syn, &gated, COUNTER(target_refused));
	expect_gate(&data, &gated, COUNTER(target_rest));
	data.sport = 6001;
	expect_gate(&data, &gated, COUNTER(copied));
	data.sport = 6003; /* it runs */
	expect_gate(&data, &gated, COUNTER(copied));
	if (bpf_map_lookup_elem(bpf_map__fd(lab.skel->maps.gates), &index, &gate))
		expect_fail("cannot read the gate");
	assert_int_equal(gate.begun, 2);
	assert_int_equal(gate.refused, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_refused, set_up),
		cmocka_unit_test_setup(test_cut, set_up),
		cmocka_unit_test_setup(test_again, set_up),
		cmocka_unit_test_setup(test_rate, set_up),
		cmocka_unit_test_setup(test_stop, set_up),
		cmocka_unit_test_setup(test_gate, set_up),
		all_variants(test_fin),
	};

	return cmocka_run_group_tests(tests, online_enter, online_leave);
}
