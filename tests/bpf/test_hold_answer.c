// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_hold_answer.c - what queue_filter notes of the target's answers for the hold queue: how far
 * they go, whether they have come to an end, and the receive window; and hold_return, the way back.
 */
#include "../harness/bpf_hold.h"

#define CLIENT_PORT 42100
#define SND 0xffffff9c /* where answers begin: the first one ends just at 0 */

static struct bpf_run run;
static __u32 ack = SND; /* of the next answer: another one each time */

#define NOBODY ((struct connection){lab_variant.family, -1, -1, -1, CLIENT_PORT, HOLD_PORT})

/** A packet that the target sends, and what is known then. */
struct answer {
	const char *row;
	__u8 flags;
	__u32 seq, payload_bytes; /* distance from SND */
	__u32 want_end, want_flags;
};

static struct frame answer_frame(const struct answer *a, int variant)
{
	struct frame_spec spec = {
		.family = lab_variant.family,
		.saddr = frame_host(&(struct frame_spec){.family = lab_variant.family}, 2),
		.daddr = frame_host(&(struct frame_spec){.family = lab_variant.family}, 1),
		.sport = HOLD_PORT,
		.dport = CLIENT_PORT,
		.flags = a->flags,
		.seq = SND + a->seq,
		.ack = ack,
		.payload_bytes = a->payload_bytes,
		.ip_option_words = variant & 1 ? 3 : 0,
		.ext = {IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS, IPPROTO_DSTOPTS},
		.n_ext = variant & 1 ? TCPC_IPV6_EXT_HEADERS : 0,
		.ext_units = variant & 2,
		.tcp_option_bytes = variant & 2 ? 12 : 0,
		.tcp_options = {1, 1, 8, 10},
	};

	return frame_build(&spec);
}

static void run_answer(const struct answer *a, int variant, __u32 queued)
{
	struct frame frame = answer_frame(a, variant);

	bpf_run(a->row, lab.queue_filter_fd, &run, frame.data, frame.bytes);
	expect_u64(a->row, "queue it", run.verdict, queued);
	frame_free(&frame);
}

/* Only what is about the answer may change. */
static void expect_answer(const struct answer *a, int variant)
{
	struct tcpc_exchange want = hold_exchange(&NOBODY), x;

	ack += 10;
	/* What says nothing new has no say here either. */
	if (!(a->flags & TCPC_TCP_RST) &&
	    (!(want.answer_flags & TCPC_TCP_ACK) || want.answer_end != SND + a->want_end))
		want.answer_ack = ack;
	if (!(a->flags & TCPC_TCP_RST))
		want.acked = ack;
	want.answer_end = SND + a->want_end;
	want.answer_flags = a->want_flags;
	run_answer(a, variant, 1);
	x = hold_exchange(&NOBODY);
	expect_u64(a->row, "answer_end", x.answer_end, want.answer_end);
	expect_u64(a->row, "answer_flags", x.answer_flags, want.answer_flags);
	expect_u64(a->row, "answer_ack", x.answer_ack, want.answer_ack);
	expect_bytes(a->row, &x, &want, sizeof(want));
}

static void test_answers(void **state)
{
	static const struct answer answers[] = {
		{"SYN, ACK", TCPC_TCP_SYN | TCPC_TCP_ACK, -1, 0, 0, TCPC_TCP_ACK},
		{"ACK of the request", TCPC_TCP_ACK, 0, 0, 0, TCPC_TCP_ACK},
		{"answer up to 0", PSH_ACK, 0, 100, 100, PSH_ACK},
		{"the same again", PSH_ACK, 0, 100, 100, PSH_ACK},
		{"part of it again, without PSH", TCPC_TCP_ACK, 50, 10, 100, PSH_ACK},
		{"ACK of the next request", TCPC_TCP_ACK, 100, 0, 100, PSH_ACK},
		{"first part of an answer", TCPC_TCP_ACK, 100, 1000, 1100, TCPC_TCP_ACK},
		{"second part", TCPC_TCP_ACK, 1100, 1000, 2100, TCPC_TCP_ACK},
		{"its end", PSH_ACK, 2100, 1, 2101, PSH_ACK},
		{"one that goes further back and further on", TCPC_TCP_ACK, 2000, 102, 2102,
		 TCPC_TCP_ACK},
		{"urgent, other flags", PSH_ACK | TCPC_TCP_URG | TCPC_TCP_ECE, 2102, 8, 2110,
		 PSH_ACK},
		{"last data with FIN", PSH_ACK | TCPC_TCP_FIN, 2110, 10, 2121,
		 PSH_ACK | TCPC_TCP_FIN},
		{"ACK of the client's FIN", TCPC_TCP_ACK, 2121, 0, 2121, PSH_ACK | TCPC_TCP_FIN},
		{"RST", TCPC_TCP_RST, 2121, 0, 2121, PSH_ACK | TCPC_TCP_FIN | TCPC_TCP_RST},
	};
	static const struct tcpc_exchange fresh = {.exchanges = 7, .held = 3, .window_end = 9};

	(void)state;
	need_netns();
	for (int variant = 0; variant < 4; variant++) {
		hold_write_exchange(&NOBODY, &fresh);
		for (size_t i = 0; i < COUNT_OF(answers); i++)
			expect_answer(&answers[i], variant);
	}
}

/* A reset before anything else: what was never sent ends nowhere. */
static void test_reset_first(void **state)
{
	static const struct answer stray = {"RST", TCPC_TCP_RST, 500, 0, -SND, 0},
				   reset = {"RST, ACK",	 TCPC_TCP_RST | TCPC_TCP_ACK, 500, 0, -SND,
					    TCPC_TCP_RST},
				   later = {"data", TCPC_TCP_ACK, 0, 100, 100, TCPC_TCP_ACK};
	static const struct tcpc_exchange fresh;

	(void)state;
	need_netns();
	hold_write_exchange(&NOBODY, &fresh);
	expect_answer(&stray, 0);
	expect_answer(&reset, 0);
	expect_answer(&later, 0);
}

/* Answers that have changed places: the highest ACK number counts, whatever goes with it. */
static void test_acked(void **state)
{
	static const struct answer more = {"more data", PSH_ACK, 0, 100, 0, 0};
	static const struct tcpc_exchange fresh;

	(void)state;
	need_netns();
	hold_write_exchange(&NOBODY, &fresh);
	for (__u32 i = 0; i < 6; i++) {
		static const __u32 acks[] = {70, 90, 80, 91, 91, 10},
				   want[] = {70, 90, 90, 91, 91, 91};

		ack = SND + acks[i];
		run_answer(&more, 0, 1);
		expect_u64("ACK numbers", "acked", hold_exchange(&NOBODY).acked, SND + want[i]);
	}
}

/* Nobody's packets make no entry, and an allowed client's are not looked at. */
static void test_not_noted(void **state)
{
	static const struct answer data = {"data", PSH_ACK, 0, 100, 0, 0};
	static const struct tcpc_exchange fresh;
	struct tcpc_flow flow = hold_flow(&NOBODY);
	int fd;
	struct tcpc_exchange x;

	(void)state;
	need_netns();
	fd = bpf_map__fd(lab.skel->maps.exchanges);
	bpf_map_delete_elem(fd, &flow);
	run_answer(&data, 0, 1);
	expect_true("no entry", "none was made", bpf_map_lookup_elem(fd, &flow, &x));
	hold_write_exchange(&NOBODY, &fresh);
	target_allow(flow.client, 128, TCPC_ALLOW_DIRECT);
	run_answer(&data, 0, 0);
	target_allow(flow.client, 128, TCPC_ALLOW_NONE);
	x = hold_exchange(&NOBODY);
	expect_bytes("allowed client", &x, &fresh, sizeof(x));
}

/* ---- the real thing -------------------------------------------------------------------------- */

static void expect_noted(const char *row, const struct connection *c)
{
	struct tcpc_exchange x = hold_exchange(c);

	expect_u64(row, "answer_end", x.answer_end, connection_snd_nxt(c->server));
	expect_u64(row, "window_end", x.window_end, hold_window_end(c->server));
}

/* The program in its place: an iptables rule in OUTPUT, packets with a socket behind them. */
static void test_in_place(void **state)
{
	static const struct tcpc_exchange fresh;
	struct tcpc_exchange x;
	struct connection c;
	__u32 edge;

	(void)state;
	need_netns();
	unlink(LAB_PINS "/queue_filter"); /* of the other family's run */
	assert_int_equal(bpf_program__pin(lab.skel->progs.queue_filter, LAB_PINS "/queue_filter"),
			 0);
	if (run_command("%s -w -A OUTPUT -p tcp --sport %d -m bpf --object-pinned " LAB_PINS
			"/queue_filter",
			lab_variant.family == 6 ? "ip6tables" : "iptables", HOLD_PORT)) {
		print_message("skipped: needs iptables with -m bpf\n");
		skip();
	}
	c = connection_open(lab_variant.family, CLIENT_PORT, HOLD_PORT);
	hold_write_exchange(&c, &fresh);
	connection_pass(c.client, c.server, 100);
	connection_pass(c.server, c.client, 300);
	expect_noted("answered", &c);
	expect_u64("answered", "flags", hold_exchange(&c).answer_flags, PSH_ACK);
	edge = hold_exchange(&c).window_end;
	/* What is not read takes room, so the edge stays; when it is read it moves on. */
	connection_pass(c.client, -1, 30000);
	wait_until(hold_exchange(&c).window_end == hold_window_end(c.server));
	connection_pass(c.client, c.server, 1);
	connection_pass(c.server, c.client, 50000);
	expect_noted("a large answer", &c);
	expect_true("window", "has moved on", tcpc_seq_leq(edge, hold_exchange(&c).window_end));
	assert_return_code(shutdown(c.server, SHUT_WR), errno);
	wait_until(hold_exchange(&c).answer_flags & TCPC_TCP_FIN);
	x = hold_exchange(&c);
	expect_u64("closed", "answer_end", x.answer_end, connection_snd_nxt(c.server));
	connection_close(&c);
}

/* ---- the way back ---------------------------------------------------------------------------- */

static void test_hold_return(void **state)
{
	struct frame_spec spec = {
		.family = lab_variant.family, .flags = PSH_ACK, .payload_bytes = 20};
	struct frame frame;
	int hold, fd;
	__u32 live;

	(void)state;
	need_netns();
	frame = frame_build(&spec);
	hold = lab_variant.family == 6 ? lab_link("hold2", "hold3") : lab_link("hold0", "hold1");
	live = lab.live;
	fd = bpf_program__fd(lab.skel->progs.hold_return);
	run.ifindex = hold;
	run.mark = 0;
	bpf_run("unknown device", fd, &run, frame.data, frame.bytes);
	expect_run("unknown device", &run, VERDICT_DROP, &frame);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(lab.skel->maps.hold_devices), &hold, &live,
					     BPF_ANY),
			 0);
	bpf_run("the queue's device", fd, &run, frame.data, frame.bytes);
	expect_run("the queue's device", &run, VERDICT_REDIRECT, &frame);
	expect_u64("the queue's device", "mark", run.mark_out, TCPC_HOLD_MARK);
	frame_free(&frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		both_families(test_answers),  both_families(test_reset_first),
		both_families(test_acked),    both_families(test_not_noted),
		both_families(test_in_place), both_families(test_hold_return),
	};

	return cmocka_run_group_tests(tests, hold_enter, target_leave);
}
