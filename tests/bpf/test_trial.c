// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_trial.c - a connection that is tried but never opened: align keeps the daemon's mark when
 * the SYN comes, and engine tc lets the SYN-ACK end without its ACK. Without the mark it is as
 * ever.
 */
#include "../harness/bpf_target.h"
#include "../harness/connection.h"

#define CLIENT_PORT 41300
#define REFLECT_MARK 0x74637266

static void mark(const struct tcpc_flow *flow, __u32 closed)
{
	struct tcpc_exchange x = {.closed = closed};

	if (bpf_map_update_elem(bpf_map__fd(lab.skel->maps.exchanges), flow, &x, BPF_ANY))
		expect_fail("exchanges: %s", strerror(errno));
}

static struct tcpc_flow flow_of(int family)
{
	return (struct tcpc_flow){
		.client = frame_host(&(struct frame_spec){.family = family}, 1),
		.server = frame_host(&(struct frame_spec){.family = family}, 2),
		.client_port = tcpc_htons(CLIENT_PORT),
		.server_port = tcpc_htons(SERVICE_PORT),
	};
}

/* A mark of the daemon's stays, flags of an older connection do not. */
static void test_syn(void **state)
{
	static const struct {
		const char *row;
		__u32 before, after;
	} rows[] = {
		{"a trial", TCPC_EXCHANGE_TRIAL, TCPC_EXCHANGE_TRIAL},
		{"a trial, closed", TCPC_EXCHANGE_TRIAL | TCPC_TCP_FIN, TCPC_EXCHANGE_TRIAL},
		{"no trial", 0, 0},
		{"no trial, closed", TCPC_TCP_FIN | TCPC_TCP_RST, 0},
	};
	struct connection c = {lab_variant.family, -1, -1, -1, CLIENT_PORT, SERVICE_PORT};
	struct tcpc_flow flow = flow_of(lab_variant.family);
	struct frame_spec spec = connection_frame(&c);
	static struct bpf_run run;
	struct tcpc_exchange x;
	struct frame frame;

	(void)state;
	need_netns();
	spec.flags = TCPC_TCP_SYN;
	spec.seq = 999;
	spec.payload_bytes = 0;
	frame = frame_build(&spec);
	run.ifindex = lab.live;
	c.listener = connection_listen(lab_variant.family, SERVICE_PORT);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		mark(&flow, rows[i].before);
		bpf_run(rows[i].row, lab.align_fd, &run, frame.data, frame.bytes);
		expect_u64(rows[i].row, "verdict", (__u32)run.verdict, (__u32)VERDICT_NEXT);
		assert_int_equal(
			bpf_map_lookup_elem(bpf_map__fd(lab.skel->maps.exchanges), &flow, &x), 0);
		expect_u64(rows[i].row, "closed", x.closed, rows[i].after);
		expect_u64(rows[i].row, "SYN", x.syn_seq, 999);
		expect_true(rows[i].row, "has begun", x.start_ns);
	}
	close(c.listener);
	frame_free(&frame);
}

/* What engine tc does with the SYN-ACK. */
static void test_syn_ack(void **state)
{
	struct frame_spec spec = {
		.family = lab_variant.family,
		.sport = SERVICE_PORT,
		.dport = CLIENT_PORT,
		.flags = TCPC_TCP_SYN | TCPC_TCP_ACK,
		.seq = 5000,
		.ack = 1000,
	};
	const struct tcpc_target_stats quiet = {.absorbed_quiet = 1}, answered = {.absorbed = 1};
	struct tcpc_flow flow = flow_of(lab_variant.family);
	static struct bpf_run run;
	struct frame frame;

	(void)state;
	need_netns();
	spec.saddr = frame_host(&spec, 2);
	spec.daddr = frame_host(&spec, 1);
	frame = frame_build(&spec);
	for (int trial = 0; trial < 2; trial++) {
		mark(&flow, trial ? TCPC_EXCHANGE_TRIAL : 0);
		run.ifindex = lab.live;
		run.mark = 0;
		counters_mark(&lab.counters);
		bpf_run("SYN-ACK", bpf_program__fd(lab.skel->progs.absorb), &run, frame.data,
			frame.bytes);
		/* To no interface, or back in as its own ACK. */
		expect_u64("SYN-ACK", "verdict", (__u32)run.verdict, (__u32)VERDICT_REDIRECT);
		expect_u64("SYN-ACK", "mark", run.mark_out, trial ? 0 : REFLECT_MARK);
		expect_moved("SYN-ACK", &lab.counters, trial ? &quiet : &answered);
	}
	frame_free(&frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		both_families(test_syn),
		both_families(test_syn_ack),
	};

	return cmocka_run_group_tests(tests, target_enter, target_leave);
}
