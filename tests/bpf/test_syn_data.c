// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_syn_data.c - align and the data of a SYN, which comes again as a segment of its own; and
 * data that the target has already.
 */
#include "../harness/bpf_opening.h"

/* ---- the data of a SYN ----------------------------------------------------------------------- */

static struct frame_spec syn_with_data(const struct connection *c)
{
	struct frame_spec spec = first_data(c);

	spec.saddr = outside_flow(c).client;
	spec.flags = TCPC_TCP_SYN;
	spec.seq = SYN_SEQ;
	spec.ack = 0;
	spec.tcp_option_bytes = 8;
	memcpy(spec.tcp_options, "\x02\x04\x05\xb4\x01\x01\x01\x01", 8);
	return spec;
}

static void test_syn_data(void **state)
{
	struct tcpc_target_stats moved;
	struct frame_spec spec, syn;
	struct connection c;
	struct frame frame;
	__u32 snd_nxt;

	(void)state;
	need_netns();
	c = only_listener(HOLD_PORT);
	syn = syn_with_data(&c);
	know_outside(&c, 0);
	frame = frame_build(&syn);
	moved = target_moves(COUNTER(syn));
	moved.syn_data = 1;
	run_align("SYN with data", 0, &frame);
	expect_run("SYN with data", &run, VERDICT_NEXT, &frame);
	expect_moved("SYN with data", &lab.counters, &moved);
	expect_again("SYN with data", &frame);
	snd_nxt = open_half(&syn);
	run_align("its data", TCPC_TEXT_MARK, &frame);
	spec = syn;
	spec.flags = TCPC_TCP_PSH;
	spec.seq = SYN_SEQ + 1;
	frame_free(&frame);
	/* What was made of it is checked in the way of one that had to wait. */
	expect_passes("its data, back", TCPC_HOLD_MARK, &spec, COUNTER(syn_recv), snd_nxt, 0);
	spec.flags |= TCPC_TCP_ACK;
	spec.ack = snd_nxt;
	spec.window = TCPC_OPEN_WINDOW;
	frame = frame_build(&spec);
	expect_run("its data", &run, VERDICT_NEXT, &frame);
	expect_u64("its data", "exchanges", outside_exchange(&c).exchanges, 0);
	expect_u64("its data", "snd_nxt", outside_exchange(&c).snd_nxt, snd_nxt);
	frame_free(&frame);
	connection_close(&c);
}

/* With a SYN cookie there is only a listener still. */
static void test_syn_data_waits(void **state)
{
	struct frame_spec spec, syn;
	struct connection c;
	struct frame frame, want;

	(void)state;
	need_netns();
	c = only_listener(COOKIE_PORT);
	syn = syn_with_data(&c);
	know_outside(&c, 0);
	frame = frame_build(&syn);
	spec = syn;
	spec.flags = TCPC_TCP_PSH;
	spec.seq = SYN_SEQ + 1;
	want = frame_build(&spec);
	tag_early(&want, 1);
	run_align("its data", TCPC_TEXT_MARK, &frame);
	expect_run("its data", &run, VERDICT_REDIRECT, &want);
	frame_free(&frame);
	frame_free(&want);
	connection_close(&c);
}

/* ---- data that the target has already -------------------------------------------------------- */

static void test_old_data(void **state)
{
	struct tcpc_target_stats moved = target_moves(COUNTER(aligned));
	struct tcpc_exchange x = {.exchanges = 1};
	struct connection c;
	struct frame_spec spec;
	struct frame frame;

	(void)state;
	need_netns();
	moved.again = 1;
	c = connection_open(4, CLIENT_PORT, HOLD_PORT);
	connection_pass(c.client, c.server, 50);
	connection_pass(c.server, c.client, 30);
	spec = first_data(&c);
	spec.seq = connection_snd_nxt(c.client) - 1;
	spec.payload_bytes = 1;
	x.client_ack = CLIENT_ACK - 30;
	x.request_end = spec.seq + 1;
	x.snd_nxt = connection_snd_nxt(c.server); /* not answered */
	hold_write_exchange(&c, &x);
	expect_fitted("keep-alive probe", 0, &spec, &moved, connection_snd_nxt(c.server));
	expect_u64("keep-alive probe", "client_ack", hold_exchange(&c).client_ack, x.client_ack);
	spec.seq -= 20;
	spec.payload_bytes = 21;
	expect_fitted("sent again", 0, &spec, &moved, connection_snd_nxt(c.server));
	spec.payload_bytes = 22;
	frame = frame_build(&spec);
	run_align("one byte is new", 0, &frame);
	expect_u64("one byte is new", "verdict", (__u32)run.verdict, VERDICT_REDIRECT);
	frame_free(&frame);
	connection_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_syn_data),
		cmocka_unit_test(test_syn_data_waits),
		cmocka_unit_test(test_old_data),
	};

	return cmocka_run_group_tests(tests, opening_enter, target_leave);
}
