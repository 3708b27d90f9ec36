// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_hold_taken.c - what the hold queue tells of what it has, packets that come again while they
 * wait, and packets that come late: each scenario as a table, with numbers that wrap.
 */
#include "../harness/hold_lab.h"

#define PSH_ACK (TCPC_TCP_PSH | TCPC_TCP_ACK)
#define FIN_ACK (TCPC_TCP_FIN | TCPC_TCP_ACK)
#define RST_ACK (TCPC_TCP_RST | TCPC_TCP_ACK)
#define MAX_LAG_MS 10000
#define STEP_MS 30
#define TOLD_MS 25 /* after this time in each step the queue is looked after */
#define MAX_STEPS 12
#define OWN_SYN 99 /* opened the connection that is there */

/* A packet, and what the queue does then; without a name: the target answers up to @ack, with
 * @flags (FIN: and has no more to say). */
struct step {
	char id;
	__u8 flags;
	__u32 seq, ack, payload_bytes;
	const char *want;
};

static const struct scenario {
	const char *name;
	struct step steps[MAX_STEPS];
	__u64 taken, duplicates;
} scenarios[] = {
	{"what goes on at once is not told",
	 {{'A', PSH_ACK, 100, 0, 50, "A1"}, {'B', PSH_ACK, 150, 0, 50, "B2"}},
	 2,
	 0},
	{"what waits is, FIN counts one, a RST none",
	 {{'A', PSH_ACK, 100, 300, 50, "=0:100-150"},
	  {'B', PSH_ACK | TCPC_TCP_FIN, 150, 300, 50, "=0:150-201"},
	  {'C', RST_ACK, 201, 300, 0, "=0:201-201"},
	  {0, TCPC_TCP_FIN, 0, 300, 0, "A0 B0 C3"}},
	 3,
	 0},
	{"a connection behind the one that waits: SYN counts one",
	 {{'A', PSH_ACK, 100, 300, 50, "=0:100-150"},
	  {'S', TCPC_TCP_SYN, 70000, 0, 0, "=0:70000-70001"},
	  {'B', PSH_ACK, 70001, 1, 9, "=0:70001-70010"},
	  {'S', TCPC_TCP_SYN, 70000, 0, 0, "=0:70000-70001"},
	  {'B', PSH_ACK, 70001, 1, 9, "=0:70001-70010"}},
	 3,
	 2},
	{"again, while it waits",
	 {{'A', PSH_ACK, 100, 300, 50, "=0:100-150"},
	  {'a', PSH_ACK, 100, 300, 50, "=0:100-150"},
	  {0, 0, 0, 300, 0, "A2"}},
	 1,
	 1},
	{"again when it has gone on",
	 {{'A', PSH_ACK, 100, 300, 50, "=0:100-150"},
	  {0, 0, 0, 300, 0, "A1"},
	  {'a', PSH_ACK, 100, 300, 50, "a2"}},
	 2,
	 0},
	{"parts of what waits, and all of it in one",
	 {{'A', PSH_ACK, 100, 300, 50, "=0:100-150"},
	  {'B', PSH_ACK, 150, 300, 50, "=0:150-200"},
	  {'C', PSH_ACK, 120, 300, 20, "=0:120-140"},
	  {'D', PSH_ACK, 140, 300, 20, "=0:140-160"},
	  {'E', PSH_ACK, 100, 300, 100, "=0:100-200"},
	  {0, 0, 0, 300, 0, "A0 B5"}},
	 2,
	 3},
	{"more than what waits is none",
	 {{'A', PSH_ACK, 100, 300, 50, "=0:100-150"},
	  {'B', PSH_ACK, 160, 300, 50, "=0:160-210"},
	  {'C', PSH_ACK, 100, 300, 110, "=0:100-210"},
	  {0, 0, 0, 300, 0, "A0 C0 B3"}},
	 3,
	 0},
	{"FIN and RST again, each its own",
	 {{'A', PSH_ACK, 100, 300, 50, "=0:100-150"},
	  {'F', FIN_ACK, 150, 300, 0, "=0:150-151"},
	  {'f', FIN_ACK, 150, 300, 0, "=0:150-151"},
	  {'R', RST_ACK, 151, 300, 0, "=0:151-151"},
	  {'r', RST_ACK, 151, 300, 0, "=0:151-151"},
	  {'f', FIN_ACK, 150, 300, 0, "=0:150-151"},
	  {0, TCPC_TCP_FIN, 0, 300, 0, "A0 F0 R6"}},
	 3,
	 3},
	{"the last data once more, now with FIN",
	 {{'A', PSH_ACK, 100, 300, 50, "=0:100-150"},
	  {'B', PSH_ACK | TCPC_TCP_FIN, 100, 300, 50, "=0:100-151"},
	  {0, 0, 0, 300, 0, "A0 B2"}},
	 2,
	 0},
	{"lost on the way, and sent again: back to its place",
	 {{'B', PSH_ACK, 150, 600, 50, "=0:150-200"},
	  {'F', FIN_ACK, 200, 900, 0, "=0:200-201"},
	  {'A', PSH_ACK, 100, 300, 50, "=0:100-150"},
	  {0, 0, 0, 300, 0, "A0"},
	  {0, 0, 0, 600, 0, "B0"},
	  {0, 0, 0, 900, 0, "F3"}},
	 3,
	 0},
	{"data before the FIN that came first",
	 {{'F', FIN_ACK, 150, 300, 0, "=0:150-151"},
	  {'R', RST_ACK, 150, 300, 0, "=0:150-150"},
	  {'A', PSH_ACK, 100, 300, 50, "=0:100-150"},
	  {0, TCPC_TCP_FIN, 0, 300, 0, "A0 F0 R3"}},
	 3,
	 0},
	{"sent again with a later ACK than what is behind it: it waits for no more than that",
	 {{'B', PSH_ACK, 150, 300, 50, "=0:150-200"},
	  {'A', PSH_ACK, 100, 900, 50, "=0:100-150"},
	  {0, 0, 0, 300, 0, "A0 B2"}},
	 2,
	 0},
	{"late, for the connection before",
	 {{'A', PSH_ACK, 100, 300, 50, "=0:100-150"},
	  {'S', TCPC_TCP_SYN, 70000, 0, 0, "=0:70000-70001"},
	  {'C', PSH_ACK, 70030, 1, 10, "=0:70030-70040"},
	  {'B', PSH_ACK, 70001, 1, 29, "=0:70001-70030"},
	  {'a', PSH_ACK, 100, 300, 50, "=0:100-150"}},
	 4,
	 1},
	{"SYN, behind its data",
	 {{'A', PSH_ACK, 100, 300, 50, "=0:100-150"},
	  {'B', PSH_ACK, 70001, 1, 29, "=0:70001-70030"},
	  {'S', TCPC_TCP_SYN, 70000, 0, 0, "=0:70000-70001"},
	  {0, TCPC_TCP_FIN, 0, 300, 0, "A0 S0"}},
	 3,
	 0},
	/* A request in two parts, of which the second was lost; its SYN is sent again meanwhile. */
	{"SYN of the connection that waits, and what comes late then",
	 {{'A', PSH_ACK, 100, 300, 50, "=0:100-150"},
	  {'C', PSH_ACK, 250, 900, 50, "=0:250-300"},
	  {'S', TCPC_TCP_SYN, OWN_SYN, 0, 0, "S0"},
	  {'B', PSH_ACK, 200, 600, 50, "=0:200-250"},
	  {'D', PSH_ACK, 150, 600, 50, "=0:150-200"},
	  {0, 0, 0, 300, 0, "A0"},
	  {0, 0, 0, 600, 0, "D0 B0"},
	  {0, 0, 0, 900, 0, "C5"}},
	 5,
	 0},
};

static const __u32 starts[] = {0, 0xffffff80, 0xffffff60, 0x7fffff80, 0xfffeef00};

/* The first exchange has begun at the start, and the target's numbers are those of the client's
 * ACKs. Once it has answered, the next one begins there. */
static void answer(struct hold_lab *lab, __u64 now_ns, __u32 start, const struct step *s)
{
	struct tcpc_exchange *x = &lab->view[0].x;
	struct tcpc_flow flow = lab_flow(0);

	x->answer_end = start + s->ack;
	x->answer_flags = PSH_ACK;
	tcpc_hold_touch(lab->hold, now_ns, &flow);
	x->client_ack = x->snd_nxt = start + s->ack;
	x->exchanges++;
	x->answer_flags |= s->flags;
	tcpc_hold_touch(lab->hold, now_ns, &flow);
}

static void run_scenario(const struct scenario *sc, __u32 start)
{
	struct hold_lab lab;
	char name[64];
	__u32 number = 0;
	__u64 now_ns = 0;

	lab_begin(&lab, 1 << 20, MAX_LAG_MS * MS);
	lab.note_taken = true;
	lab.start = start;
	lab.view[0] = (struct lab_view){.known = true,
					.x = {.exchanges = 1,
					      .syn_seq = start + OWN_SYN,
					      .client_ack = start,
					      .snd_nxt = start,
					      .answer_end = start,
					      .answer_flags = TCPC_TCP_ACK}};
	for (const struct step *s = sc->steps; s < sc->steps + MAX_STEPS && s->want; s++) {
		struct frame_spec spec = {.ttl = s->id,
					  .flags = s->flags,
					  .seq = start + s->seq,
					  .ack = start + s->ack,
					  .payload_bytes = s->payload_bytes};

		snprintf(name, sizeof(name), "start 0x%x, step %td", start, s - sc->steps);
		if (s->id)
			lab_take(&lab, now_ns, 0, ++number, &spec);
		else
			answer(&lab, now_ns, start, s);
		now_ns += TOLD_MS * MS;
		tcpc_hold_tick(lab.hold, now_ns);
		now_ns += (STEP_MS - TOLD_MS) * MS;
		expect_did(sc->name, name, &lab, s->want);
	}
	expect_u64(sc->name, "taken", tcpc_hold_stats(lab.hold)->taken, sc->taken);
	expect_u64(sc->name, "duplicates", tcpc_hold_stats(lab.hold)->duplicates, sc->duplicates);
	tcpc_hold_free(lab.hold);
}

static void test_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(scenarios); i++)
		for (size_t s = 0; s < COUNT_OF(starts); s++)
			run_scenario(&scenarios[i], starts[s]);
}

/* What does not wait long is not told, nor what is gone when it would have been; and once only. */
static void test_when(void **state)
{
	struct frame_spec spec = {.ttl = 'A', .flags = PSH_ACK, .ack = 300, .payload_bytes = 50};
	struct hold_lab lab;

	(void)state;
	lab_begin(&lab, 1 << 20, MAX_LAG_MS * MS);
	lab.note_taken = true;
	lab.view[0].known = true;
	lab.view[0].x = (struct tcpc_exchange){.exchanges = 1, .answer_flags = TCPC_TCP_ACK};
	lab_take(&lab, 0, 0, 1, &spec);
	spec.ttl = 'B';
	spec.seq = 50;
	lab_take(&lab, 10 * MS, 0, 2, &spec);
	lab.view[1] = lab.view[0];
	spec.ttl = 'C';
	lab_take(&lab, 10 * MS, 1, 1, &spec);
	tcpc_hold_tick(lab.hold, 19 * MS);
	expect_did("when", "nothing yet", &lab, "");
	tcpc_hold_tick(lab.hold, 20 * MS);
	expect_did("when", "the first", &lab, "=0:0-50");
	lab.view[1].x.answer_end = 300;
	tcpc_hold_tick(lab.hold, 30 * MS);
	expect_did("when", "the second, but not what goes on just then", &lab, "C1 =0:50-100");
	tcpc_hold_tick(lab.hold, 60 * MS);
	expect_did("when", "once", &lab, "");
	tcpc_hold_free(lab.hold);
}

/* Before a connection is given up all that the queue had of it is told, and where it ended. */
static void test_given_up(void **state)
{
	struct frame_spec spec = {.ttl = 'A', .flags = PSH_ACK, .ack = 300, .payload_bytes = 50};
	struct hold_lab lab;

	(void)state;
	lab_begin(&lab, 1 << 20, MAX_LAG_MS * MS);
	lab.note_taken = true;
	lab.view[0].known = true;
	lab.view[0].x = (struct tcpc_exchange){.exchanges = 1, .answer_flags = TCPC_TCP_ACK};
	lab_take(&lab, 0, 0, 1, &spec);
	tcpc_hold_tick(lab.hold, 30 * MS);
	expect_did("given up", "the first is told", &lab, "=0:0-50");
	spec.flags |= TCPC_TCP_FIN;
	spec.seq = 50;
	spec.ack = 600;
	lab_take(&lab, (MAX_LAG_MS - 10) * MS, 0, 2, &spec);
	tcpc_hold_tick(lab.hold, MAX_LAG_MS * MS);
	expect_did("given up", "so is the second now", &lab, "=0:50-101 !0");
	expect_u64("given up", "end", lab.last.end, 101);
	expect_u64("given up", "ACK number", lab.last.ack, 600);
	tcpc_hold_free(lab.hold);
}

/* The online host gives up what it could not deliver: what begins behind that goes on. */
static void test_broken(void **state)
{
	struct frame_spec spec = {.ttl = 'A', .flags = PSH_ACK, .ack = 300, .payload_bytes = 50};
	struct tcpc_flow flow = lab_flow(0);
	struct hold_lab lab;

	(void)state;
	lab_begin(&lab, 1 << 20, MAX_LAG_MS * MS);
	lab.view[0].known = true;
	lab.view[0].x = (struct tcpc_exchange){.exchanges = 1, .answer_flags = TCPC_TCP_ACK};
	expect_true("broken", "nothing is held", !tcpc_hold_break(lab.hold, &flow, 1000));
	for (int i = 0; i < 3; i++) {
		spec.ttl = 'A' + i;
		spec.seq = 50 * i;
		lab_take(&lab, 0, 0, i + 1, &spec);
	}
	expect_true("broken", "one is", tcpc_hold_break(lab.hold, &flow, 100));
	expect_u64("broken", "lost", tcpc_hold_stats(lab.hold)->lost, 2);
	lab.view[0].x.answer_flags |= TCPC_TCP_RST;
	tcpc_hold_touch(lab.hold, 1, &flow);
	expect_did("broken", "the one behind", &lab, "C3");
	lab.view[0].x.answer_flags = TCPC_TCP_ACK;
	lab.view[0].x.client_ack = 300;
	tcpc_hold_tick(lab.hold, 200 * MS);
	expect_true("broken", "it was the last", tcpc_hold_empty(lab.hold));
	tcpc_hold_free(lab.hold);
}

/* A packet for which there is no memory is not told: it can come again. Nor is one that is none. */
static void test_not_taken(void **state)
{
	static const __u8 rubbish[64];
	struct hold_lab lab;

	(void)state;
	lab_begin(&lab, 1 << 20, MAX_LAG_MS * MS);
	tcpc_hold_take(lab.hold, 0, rubbish, 0, sizeof(rubbish));
	expect_u64("rubbish", "taken", lab.n_taken, 0);
	tcpc_hold_free(lab.hold);
}

/* 20,000 packets in order, and all of them again: that no walk over all of them is made for each
 * is for the test's time limit to see. */
static void test_many(void **state)
{
	struct frame_spec spec = {.flags = PSH_ACK, .payload_bytes = 10};
	struct hold_lab lab;

	(void)state;
	lab_begin(&lab, 64 << 20, MAX_LAG_MS * MS);
	lab.view[0].known = true;
	lab.view[0].x = (struct tcpc_exchange){.exchanges = 1, .answer_flags = TCPC_TCP_ACK};
	for (__u32 i = 0; i < 20000; i++) {
		spec.seq = 10 * i;
		spec.ack = 300;
		lab_take(&lab, 0, 0, i + 1, &spec);
	}
	tcpc_hold_tick(lab.hold, TCPC_HOLD_TELL_NS - 1);
	expect_u64("many", "taken", lab.n_taken, 0);
	tcpc_hold_tick(lab.hold, TCPC_HOLD_TELL_NS);
	expect_u64("many", "taken", lab.n_taken, 20000);
	spec.seq = 0;
	lab_take(&lab, 0, 0, 20001, &spec);
	expect_u64("many", "duplicates", tcpc_hold_stats(lab.hold)->duplicates, 1);
	tcpc_hold_free(lab.hold);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken),	  cmocka_unit_test(test_when),
		cmocka_unit_test(test_given_up),  cmocka_unit_test(test_broken),
		cmocka_unit_test(test_not_taken), cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
