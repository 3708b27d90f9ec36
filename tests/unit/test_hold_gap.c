// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_hold_gap.c - what the hold queue does where something is missing before what it has: it
 * waits for that, however quiet the target is, and not for ever. Numbers wrap.
 */
#include "../harness/hold_lab.h"

#define PSH_ACK (TCPC_TCP_PSH | TCPC_TCP_ACK)
#define FIN_ACK (TCPC_TCP_FIN | TCPC_TCP_ACK)
#define MAX_LAG_MS 10000
#define GAP_MS (TCPC_HOLD_GAP_NS / MS)

/** At @ms: the in-order end that is known moves on to @end, the target's answer to @answer; then
 * the queue is looked after, and does @want. */
struct event {
	__u32 ms, end, answer;
	const char *want;
};

/** The client's request of 100 bytes was answered with 300; 50 bytes are missing behind it. Then
 * comes this packet. */
static const struct scenario {
	const char *name;
	__u8 flags;
	__u32 ack, payload_bytes;
	bool way_is_there; /* else it is cut when the packet comes */
	struct event events[6];
} scenarios[] = {
	{"the next request waits for the gap, and for the answer to what fills it",
	 PSH_ACK,
	 600,
	 10,
	 false,
	 {{99, 100, 300, ""}, {5000, 100, 300, ""}, {5010, 150, 300, ""}, {5020, 150, 600, "A1"}}},
	{"however late: the target has its time from then on",
	 PSH_ACK,
	 600,
	 10,
	 false,
	 {{MAX_LAG_MS + 5000, 100, 300, ""},
	  {MAX_LAG_MS + 5010, 150, 300, ""},
	  {2 * MAX_LAG_MS + 5000, 150, 300, ""},
	  {2 * MAX_LAG_MS + 5005, 150, 600, "A1"}}},
	{"and no more",
	 PSH_ACK,
	 600,
	 10,
	 false,
	 {{MAX_LAG_MS + 5010, 150, 300, ""},
	  {2 * MAX_LAG_MS + 5009, 150, 300, ""},
	  {2 * MAX_LAG_MS + 5010, 150, 300, "!0"}}},
	{"nothing fills it",
	 PSH_ACK,
	 600,
	 10,
	 false,
	 {{GAP_MS - 1, 100, 300, ""}, {GAP_MS, 100, 300, "!0"}}},
	{"nothing fills it, and the way is not cut",
	 PSH_ACK,
	 600,
	 10,
	 true,
	 {{MAX_LAG_MS - 1, 100, 300, ""}, {MAX_LAG_MS, 100, 300, "!0"}}},
	{"FIN waits too", FIN_ACK, 600, 0, false, {{9000, 100, 300, ""}, {9010, 150, 600, "A1"}}},
	{"more of the same request does not", PSH_ACK, 0, 10, false, {{0, 100, 300, "A1"}}},
	{"RST goes when its answer does not come",
	 TCPC_TCP_RST | TCPC_TCP_ACK,
	 600,
	 0,
	 false,
	 {{999, 100, 300, ""}, {1000, 100, 300, "A1"}}},
	{"the target has reset it", PSH_ACK, 600, 10, false, {{50, 100, -1, "A1"}}},
};

static void run_scenario(const struct scenario *s, __u32 start, bool says_itself)
{
	struct frame_spec spec = {.ttl = 'A',
				  .flags = s->flags,
				  .seq = start + 150,
				  .ack = start + s->ack,
				  .payload_bytes = s->payload_bytes};
	struct hold_lab lab;
	struct tcpc_exchange *x;

	lab_begin(&lab, 1 << 20, MAX_LAG_MS * MS);
	lab.view[0].known = lab.view[0].gaps = true;
	x = &lab.view[0].x;
	*x = (struct tcpc_exchange){.exchanges = 1,
				    .client_ack = start,
				    .snd_nxt = start,
				    .request_end = start + 100,
				    .acked = start + 100,
				    .answer_end = start + 300,
				    .answer_flags = PSH_ACK};
	lab_take(&lab, 0, 0, 1, &spec);
	if (!s->way_is_there)
		tcpc_hold_way_lost(lab.hold, 0);
	for (const struct event *e = s->events; e->want; e++) {
		/* What fills it came by the direct way, or the target's ACK tells of it. */
		*(says_itself ? &x->acked : &x->request_end) = start + e->end;
		if (e->answer == -1u)
			x->answer_flags |= TCPC_TCP_RST;
		else
			x->answer_end = start + e->answer;
		if (e->end == 150 && s->flags == PSH_ACK) {
			x->client_ack = start + 300;
			x->snd_nxt = start + 300;
		}
		tcpc_hold_tick(lab.hold, e->ms * MS);
		expect_did(s->name, e->want, &lab, e->want);
	}
	tcpc_hold_free(lab.hold);
}

static void test_gaps(void **state)
{
	static const __u32 starts[] = {0x1000, -120, -300, 0x7fffff80};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(scenarios); i++)
		for (size_t j = 0; j < COUNT_OF(starts); j++)
			for (int itself = 0; itself < 2; itself++)
				run_scenario(&scenarios[i], starts[j], itself);
}

/** Up to where all has come, distances from 1000. */
static const struct reach {
	const char *row;
	struct tcpc_exchange x;
	__u32 want;
} reaches[] = {
	{"nothing is known", {}, 777},
	{"a SYN was seen", {.start_ns = 1, .syn_seq = 999}, 0},
	{"the target has answered it",
	 {.start_ns = 1, .syn_seq = 999, .acked = 1000, .answer_flags = TCPC_TCP_ACK},
	 0},
	{"a request", {.start_ns = 1, .syn_seq = 999, .exchanges = 1, .request_end = 1100}, 100},
	{"the data of a SYN", {.start_ns = 1, .syn_seq = 999, .request_end = 1050}, 50},
	{"the target knows of more",
	 {.exchanges = 1, .request_end = 1100, .acked = 1200, .answer_flags = TCPC_TCP_ACK},
	 200},
	{"or of less",
	 {.exchanges = 1, .request_end = 1100, .acked = 1050, .answer_flags = TCPC_TCP_ACK},
	 100},
	{"it has said nothing", {.exchanges = 1, .request_end = 1100, .acked = 1200}, 100},
};

static void test_in_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(reaches); i++)
		expect_u64(reaches[i].row, "in order", tcpc_hold_in_order(&reaches[i].x, 1777),
			   1000 + reaches[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
