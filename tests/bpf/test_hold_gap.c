// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_hold_gap.c - what align does with packets before which something is missing, and with those
 * that come again: a lost request keeps the next one waiting, what fills the gap goes on, old data
 * changes nothing. The connections are real ones, and so is what their sockets have received.
 */
#include "../harness/bpf_hold.h"

#define CLIENT_PORT 42500
#define QUICK_PORT 84	      /* a service that holds nothing */
#define CLIENT_ACK 0xfffffff0 /* answers wrap */

static struct bpf_run run;
static __u32 client_seq; /* where the client goes on */

/** What is to become of a packet. */
enum fate {
	PASSES,
	WAITS,	   /* for what is missing before it */
	WAITS_TOO, /* for an answer, or because others do */
};

/** A packet of a client, numbers as distances from the start, and what the entry says then. */
struct step {
	const char *row;
	__u8 flags;
	__u32 seq, ack, payload_bytes;
	enum fate fate;
	__u32 want_end;	 /* request_end */
	__u32 exchanges; /* how many have begun */
	__u32 arrived;	 /* bytes that the socket has received before */
	__u32 answer;	 /* that it has sent */
};

static void expect_step(struct connection *c, const struct step *s)
{
	struct frame_spec spec = connection_frame(c);
	struct tcpc_target_stats was, is;
	struct tcpc_exchange before = hold_exchange(c), x;
	struct frame frame;

	connection_pass(c->client, c->server, s->arrived);
	connection_pass(c->server, c->client, s->answer);
	spec.flags = s->flags;
	spec.seq = client_seq + s->seq;
	spec.ack = CLIENT_ACK + s->ack;
	spec.payload_bytes = s->payload_bytes;
	frame = frame_build(&spec);
	run.ifindex = lab.live;
	run.mark = 0;
	tcpc_datapath_sum(lab.counters.map, (__u64 *)&was, lab.counters.n);
	bpf_run(s->row, lab.align_fd, &run, frame.data, frame.bytes);
	tcpc_datapath_sum(lab.counters.map, (__u64 *)&is, lab.counters.n);
	frame_free(&frame);
	x = hold_exchange(c);
	expect_u64(s->row, "verdict", (__u32)run.verdict,
		   (__u32)(s->fate == PASSES ? VERDICT_NEXT : VERDICT_REDIRECT));
	expect_u64(s->row, "held", is.held - was.held, s->fate != PASSES);
	expect_u64(s->row, "held_gap", is.held_gap - was.held_gap, s->fate == WAITS);
	expect_u64(
		s->row, "again", is.again - was.again,
		s->fate == PASSES && s->flags == PSH_ACK && before.request_end &&
			tcpc_seq_leq(client_seq + s->seq + s->payload_bytes, before.request_end));
	expect_u64(s->row, "request_end", x.request_end, client_seq + s->want_end);
	expect_u64(s->row, "exchanges", x.exchanges, s->exchanges);
}

/* A connection that align knows from its SYN on; answers begin at once. */
static struct connection open_fresh(__u16 port)
{
	struct connection c = connection_open(lab_variant.family, CLIENT_PORT, port);
	struct tcpc_exchange fresh = {.start_ns = 1};

	client_seq = connection_snd_nxt(c.client);
	fresh.syn_seq = client_seq - 1;
	fresh.request_end = 0;
	hold_write_exchange(&c, &fresh);
	return c;
}

/* The queue is empty again, as end_hold() leaves it. */
static void end_hold(const struct connection *c)
{
	struct tcpc_exchange x = hold_exchange(c);

	x.held = 0;
	hold_write_exchange(c, &x);
}

static const struct step first = {"first request", PSH_ACK, 0, 0, 100, PASSES, 100, 1, 0, 0};

static void expect_steps(__u16 port, const struct step *steps, size_t n)
{
	struct connection c = open_fresh(port);

	expect_step(&c, &first);
	for (size_t i = 0; i < n; i++) {
		end_hold(&c);
		expect_step(&c, &steps[i]);
	}
	connection_close(&c);
}

/* Each by itself behind the first request, which was answered: 50 bytes are missing. */
static void test_behind(void **state)
{
	static const struct step behind[] = {
		{"next request", PSH_ACK, 150, 300, 10, WAITS, 100, 1, 100, 300},
		{"next request, its client has read a byte", PSH_ACK, 150, 1, 10, WAITS, 100, 1,
		 100, 300},
		{"FIN", FIN_ACK, 150, 300, 0, WAITS, 100, 1, 100, 300},
		{"FIN with the next request", FIN_ACK, 150, 300, 9, WAITS, 100, 1, 100, 300},
		{"more of the same request", PSH_ACK, 150, 0, 10, PASSES, 100, 1, 100, 0},
		{"the same, with FIN", FIN_ACK, 150, 0, 10, PASSES, 100, 1, 100, 0},
		{"an older ACK number", PSH_ACK, 150, -5, 10, PASSES, 100, 1, 100, 300},
		{"RST", RST_ACK, 150, 300, 0, PASSES, 100, 1, 100, 300},
		{"no gap", PSH_ACK, 100, 300, 10, PASSES, 110, 2, 100, 300},
		{"no gap, overlaps", PSH_ACK, 90, 300, 20, PASSES, 110, 2, 100, 300},
	};

	(void)state;
	need_netns();
	for (size_t i = 0; i < COUNT_OF(behind); i++)
		expect_steps(HOLD_PORT, &behind[i], 1);
}

/* The first words were lost: no others go before them. */
static void test_first_words(void **state)
{
	static const struct step steps[] = {
		{"second request", PSH_ACK, 100, 300, 10, WAITS, 0, 0, 0, 0},
		{"FIN", FIN_ACK, 110, 300, 0, WAITS_TOO, 0, 0, 0, 0},
		{"first words", PSH_ACK, 0, 0, 100, PASSES, 100, 1, 0, 0},
		{"second request again", PSH_ACK, 100, 300, 10, WAITS_TOO, 100, 1, 0, 0},
	};
	struct connection c;

	(void)state;
	need_netns();
	c = open_fresh(HOLD_PORT);
	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		struct step s = steps[i];

		/* Nothing is known before, which is written as 0. */
		s.want_end = s.want_end ? s.want_end : -client_seq;
		expect_step(&c, &s);
	}
	connection_close(&c);
}

/* What was lost comes, and the answer to it: then the next one goes. */
static void test_filled(void **state)
{
	static const struct step steps[] = {
		{"behind a lost request", PSH_ACK, 150, 600, 10, WAITS, 100, 1, 100, 300},
		{"the lost request", PSH_ACK, 100, 300, 50, PASSES, 150, 2, 0, 0},
		{"it is not answered", PSH_ACK, 150, 600, 10, WAITS_TOO, 150, 2, 50, 0},
		{"it is", PSH_ACK, 150, 600, 10, PASSES, 160, 3, 0, 300},
	};

	(void)state;
	need_netns();
	expect_steps(HOLD_PORT, steps, COUNT_OF(steps));
}

/* While others wait for it, what fills the gap does not queue up behind them, but in its place. */
static void test_filled_before_queue(void **state)
{
	static const struct step steps[] = {
		{"behind two lost requests", PSH_ACK, 150, 900, 10, WAITS, 100, 1, 100, 300},
		{"the second of them", PSH_ACK, 120, 600, 30, WAITS_TOO, 100, 1, 0, 0},
		{"the first of them", PSH_ACK, 100, 300, 20, PASSES, 120, 2, 0, 0},
		{"the second again, too early", PSH_ACK, 120, 600, 30, WAITS_TOO, 120, 2, 0, 0},
		{"the second again", PSH_ACK, 120, 600, 30, PASSES, 150, 3, 20, 300},
		{"the one behind, among others", PSH_ACK, 150, 900, 10, WAITS_TOO, 150, 3, 30, 0},
	};
	struct connection c;

	(void)state;
	need_netns();
	c = open_fresh(HOLD_PORT);
	expect_step(&c, &first);
	for (size_t i = 0; i < COUNT_OF(steps); i++)
		expect_step(&c, &steps[i]);
	connection_close(&c);
}

/* Parts of one request in any order: the socket knows when all have come. */
static void test_parts(void **state)
{
	static const struct step steps[] = {
		{"behind a lost part", PSH_ACK, 150, 0, 50, PASSES, 100, 1, 100, 0},
		{"the lost part", PSH_ACK, 100, 0, 50, PASSES, 150, 1, 0, 0},
		{"more, before the socket has them", PSH_ACK, 200, 0, 10, PASSES, 150, 1, 0, 0},
		{"more", PSH_ACK, 210, 0, 10, PASSES, 220, 1, 110, 0},
		{"next request", PSH_ACK, 220, 300, 10, PASSES, 230, 2, 10, 300},
	};

	(void)state;
	need_netns();
	expect_steps(HOLD_PORT, steps, COUNT_OF(steps));
}

/* What comes again goes to the socket, which answers it with its ACK number; it begins nothing and
 * takes nothing back. */
static void test_again(void **state)
{
	static const struct step steps[] = {
		{"second request", PSH_ACK, 100, 300, 50, PASSES, 150, 2, 100, 300},
		{"the first again", PSH_ACK, 0, 0, 100, PASSES, 150, 2, 50, 0},
		{"a part of it", PSH_ACK, 20, 0, 10, PASSES, 150, 2, 0, 0},
		{"with a later ACK number", PSH_ACK, 0, 900, 100, PASSES, 150, 2, 0, 0},
		{"a later part and something new", PSH_ACK, 140, 300, 20, PASSES, 160, 2, 0, 0},
		{"FIN", FIN_ACK, 160, 600, 0, PASSES, 161, 2, 10, 300},
		{"data before FIN again", PSH_ACK, 100, 300, 50, PASSES, 161, 2, 0, 0},
		{"data with FIN again", FIN_ACK, 100, 300, 60, PASSES, 161, 2, 0, 0},
	};

	(void)state;
	need_netns();
	expect_steps(HOLD_PORT, steps, COUNT_OF(steps));
}

/* `--order relaxed`: nothing waits, and what is noted stays right. */
static void test_relaxed(void **state)
{
	static const struct step steps[] = {
		{"behind a gap", PSH_ACK, 150, 300, 10, PASSES, 100, 2, 100, 300},
		{"the gap", PSH_ACK, 100, 300, 50, PASSES, 150, 2, 0, 0},
		{"FIN behind another", FIN_ACK, 170, 600, 0, PASSES, 150, 2, 60, 0},
	};

	(void)state;
	need_netns();
	hold_service(QUICK_PORT, 0, 0);
	expect_steps(QUICK_PORT, steps, COUNT_OF(steps));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		both_families(test_behind),  both_families(test_first_words),
		both_families(test_filled),  both_families(test_filled_before_queue),
		both_families(test_parts),   both_families(test_again),
		both_families(test_relaxed),
	};

	return cmocka_run_group_tests(tests, hold_enter, target_leave);
}
