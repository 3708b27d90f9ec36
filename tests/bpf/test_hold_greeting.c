// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_hold_greeting.c - the first words of a client that had read a greeting: align holds them
 * until the target has greeted, on real connections, and clears what they say of it. Where the
 * greeting begins is what queue_filter notes of the SYN-ACK.
 */
#include "../harness/bpf_hold.h"

#define CLIENT_PORT 42200
#define GREETING 40 /* that the client had read */

static struct bpf_run run;

/* A connection whose SYN and SYN-ACK were seen. */
static struct connection open_silent(void)
{
	struct connection c = connection_open(lab_variant.family, CLIENT_PORT, HOLD_PORT);
	struct tcpc_exchange x = {};

	x.snd_nxt = x.answer_end = connection_snd_nxt(c.server);
	x.answer_flags = TCPC_TCP_ACK;
	hold_write_exchange(&c, &x);
	return c;
}

static struct frame_spec words_of(const struct connection *c, __u8 flags, __u32 payload_bytes,
				  __u16 greeting)
{
	struct frame_spec spec = connection_frame(c);

	spec.flags = flags;
	spec.seq = connection_snd_nxt(c->client);
	spec.payload_bytes = payload_bytes;
	spec.urgent = greeting;
	return spec;
}

/* As it came, the greeting included: the queue wants to know it too. */
static void expect_held(const char *row, const struct frame_spec *spec, bool counted)
{
	struct tcpc_target_stats moved = target_moves(COUNTER(held));
	struct frame frame = frame_build(spec), want = frame_build(spec);
	struct tcpc_hold_tag tag;

	moved.held_greeting = counted;
	tcpc_hold_tag_write(&tag, 1);
	memcpy(want.data + ETH_ALEN, &tag, sizeof(tag));
	run.ifindex = lab.live;
	run.mark = 0;
	counters_mark(&lab.counters);
	bpf_run(row, lab.align_fd, &run, frame.data, frame.bytes);
	expect_run(row, &run, VERDICT_REDIRECT, &want);
	expect_moved(row, &lab.counters, &moved);
	frame_free(&frame);
	frame_free(&want);
}

/* Aligned, and without a greeting. */
static void expect_let_through(const char *row, const struct connection *c,
			       const struct frame_spec *spec, __u32 mark)
{
	struct frame_spec fitted = *spec;
	struct frame frame, want;

	fitted.ack = connection_snd_nxt(c->server);
	fitted.window = TCPC_OPEN_WINDOW;
	if (!(spec->flags & TCPC_TCP_URG))
		fitted.urgent = 0;
	frame = frame_build(spec);
	want = frame_build(&fitted);
	run.ifindex = lab.live;
	run.mark = mark;
	bpf_run(row, lab.align_fd, &run, frame.data, frame.bytes);
	expect_run(row, &run, VERDICT_NEXT, &want);
	expect_u64(row, "held_greeting", hold_exchange(c).held, 0);
	frame_free(&frame);
	frame_free(&want);
}

static const struct rule {
	const char *row;
	__u32 said;	    /* bytes of the target's greeting so far */
	__u32 unread_bytes; /* that it has not read */
	__u8 flags;
	__u32 payload_bytes;
	__u16 greeting;
	bool waits;
} rules[] = {
	{"no greeting read", 0, 0, PSH_ACK, 10, 0, false},
	{"nothing said yet", 0, 0, PSH_ACK, 10, GREETING, true},
	{"all of it", 40, 0, PSH_ACK, 10, GREETING, false},
	{"longer", 400, 0, PSH_ACK, 10, GREETING, false},
	{"nearly all of it", 35, 0, PSH_ACK, 10, GREETING, false},
	{"nearly, and something unread", 35, 9, PSH_ACK, 10, GREETING, true},
	{"a part of it", 34, 0, PSH_ACK, 10, GREETING, true},
	{"one byte of a longest one", 1, 0, PSH_ACK, 10, TCPC_GREETING_MAX, true},
	{"not the first words", 1, 0, PSH_ACK, 10, TCPC_GREETING_YOUNG, false},
	{"urgent: the field is not ours", 0, 0, PSH_ACK | TCPC_TCP_URG, 10, GREETING, false},
	{"words and FIN", 0, 0, FIN_ACK, 10, GREETING, true},
	{"FIN", 0, 0, FIN_ACK, 0, GREETING, true},
	{"FIN behind all of it", 40, 0, FIN_ACK, 0, GREETING, false},
	{"FIN behind more", 41, 0, FIN_ACK, 0, GREETING, true},
	{"FIN, no greeting read", 0, 0, FIN_ACK, 0, 0, false},
	{"RST", 0, 0, RST_ACK, 0, GREETING, true},
};

static void test_rules(void **state)
{
	(void)state;
	need_netns();
	for (const struct rule *r = rules; r < rules + COUNT_OF(rules); r++) {
		struct connection c = open_silent();
		struct frame_spec spec = words_of(&c, r->flags, r->payload_bytes, r->greeting);

		if (r->unread_bytes)
			connection_pass(c.client, -1, r->unread_bytes);
		connection_pass(c.server, c.client, r->said);
		if (r->waits)
			expect_held(r->row, &spec, true);
		else
			expect_let_through(r->row, &c, &spec, 0);
		connection_close(&c);
	}
}

/* Held words come back, begin the first exchange, and from then on answers count. */
static void test_returned(void **state)
{
	struct frame_spec spec;
	struct connection c;

	(void)state;
	need_netns();
	c = open_silent();
	spec = words_of(&c, PSH_ACK, 10, GREETING);
	expect_held("first words", &spec, true);
	connection_pass(c.server, c.client, GREETING);
	hold_write_exchange(&c, &(struct tcpc_exchange){});
	expect_let_through("first words", &c, &spec, TCPC_HOLD_MARK);
	expect_u64("first words", "exchanges", hold_exchange(&c).exchanges, 1);
	expect_u64("first words", "snd_nxt", hold_exchange(&c).snd_nxt,
		   connection_snd_nxt(c.server));
	expect_let_through("again", &c, &spec, 0);
	spec.seq += 10;
	spec.ack += 25;
	spec.urgent = 0;
	expect_held("next words", &spec, false);
	connection_close(&c);
}

/* The target has only answered the SYN: it can't have greeted. */
static void test_opening(void **state)
{
	struct frame_spec syn = {.family = lab_variant.family,
				 .flags = TCPC_TCP_SYN,
				 .sport = 42201,
				 .dport = HOLD_PORT,
				 .seq = 1000,
				 .window = 65535};
	struct tcpc_target_stats passed = target_moves(COUNTER(syn_recv));
	struct tcpc_exchange fresh = {};
	struct connection c = {lab_variant.family, -1, -1, -1, 42201, HOLD_PORT};
	struct tcpc_flow flow = hold_flow(&c);
	static __u8 answer[RUN_OUT_BYTES];
	struct frame frame;
	int wire;

	(void)state;
	need_netns();
	c.listener = connection_listen(lab_variant.family, HOLD_PORT);
	wire = packet_open("live1");
	syn.saddr = flow.client = frame_host(&syn, 7);
	frame = frame_build(&syn);
	packet_send("SYN", wire, &frame);
	packet_next("SYN, ACK", wire, PACKET_HOST, answer, sizeof(answer));
	frame_free(&frame);
	for (int greeting = 0; greeting <= GREETING; greeting += GREETING) {
		struct frame_spec spec = connection_frame(&c);

		spec.saddr = syn.saddr;
		spec.seq = 1001;
		spec.urgent = greeting;
		bpf_map_update_elem(bpf_map__fd(lab.skel->maps.exchanges), &flow, &fresh, BPF_ANY);
		if (greeting) {
			expect_held("opening, greeting", &spec, true);
			continue;
		}
		frame = frame_build(&spec);
		passed.exchanges = 1;
		run.ifindex = lab.live;
		counters_mark(&lab.counters);
		bpf_run("opening", lab.align_fd, &run, frame.data, frame.bytes);
		expect_moved("opening", &lab.counters, &passed);
		frame_free(&frame);
		spec.seq += spec.payload_bytes;
		spec.payload_bytes = 0;
		spec.flags = TCPC_TCP_FIN | TCPC_TCP_ACK;
		expect_held("opening, end behind the request", &spec, false);
	}
	close(wire);
	connection_close(&c);
}

/* The SYN-ACK says where the greeting begins; later ones do not move what has begun. */
static void test_syn_ack(void **state)
{
	const struct connection c = {lab_variant.family, -1, -1, -1, CLIENT_PORT, HOLD_PORT};
	struct frame_spec spec = {
		.saddr = frame_host(&(struct frame_spec){.family = lab_variant.family}, 2),
		.daddr = frame_host(&(struct frame_spec){.family = lab_variant.family}, 1),
		.sport = HOLD_PORT,
		.dport = CLIENT_PORT,
		.family = lab_variant.family,
		.flags = TCPC_TCP_SYN | TCPC_TCP_ACK,
		.seq = 0xffffffff,
	};
	struct tcpc_exchange x = {.snd_nxt = 77};
	struct frame frame;

	(void)state;
	need_netns();
	frame = frame_build(&spec);
	for (x.exchanges = 0; x.exchanges < 2; x.exchanges++) {
		hold_write_exchange(&c, &x);
		run.mark = 0;
		bpf_run("SYN, ACK", lab.queue_filter_fd, &run, frame.data, frame.bytes);
		expect_u64("SYN, ACK", "snd_nxt", hold_exchange(&c).snd_nxt, x.exchanges ? 77 : 0);
		expect_u64("SYN, ACK", "answer_end", hold_exchange(&c).answer_end, 0);
	}
	frame_free(&frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		all_variants(test_rules),
		all_variants(test_returned),
		all_variants(test_opening),
		both_families(test_syn_ack),
	};

	return cmocka_run_group_tests(tests, hold_enter, target_leave);
}
