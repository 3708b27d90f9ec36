// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_hold_sent.c - what the hold queue has released and TCP does not acknowledge: written back
 * again if the online host was told of it, and given up in the end.
 */
#include "../harness/hold_lab.h"

#define MAX_LAG_MS 10000
#define FRAME_BYTES 104 /* the queue takes no less for one of these */

/* A request waits for the answer before it, for 25 ms; then that comes. */
static void release(struct hold_lab *lab, __u8 flags, __u32 payload_bytes, bool told, __u64 *now)
{
	struct frame_spec spec = {.flags = flags, .payload_bytes = payload_bytes, .ttl = 'A'};
	struct lab_view *view = &lab->view[0];
	struct tcpc_flow flow = lab_flow(0);

	*now = 1000 * MS;
	view->known = view->gaps = true;
	view->x = (struct tcpc_exchange){.exchanges = 1, .syn_seq = 99, .request_end = 100};
	view->x.acked = 100;
	view->x.answer_flags = TCPC_TCP_ACK;
	spec.seq = 100;
	spec.ack = 300;
	lab_take(lab, *now, 0, 1, &spec);
	if (told)
		tcpc_hold_tick(lab->hold, *now += 25 * MS);
	view->x.answer_end = 300;
	view->x.answer_flags = TCPC_TCP_ACK | TCPC_TCP_PSH;
	tcpc_hold_touch(lab->hold, *now, &flow);
	view->x.client_ack = view->x.snd_nxt = 300; /* align has let it through */
	view->x.request_end = 100 + payload_bytes + !!(flags & TCPC_TCP_FIN);
	tcpc_hold_tick(lab->hold, *now += 5 * MS);
	expect_did("release", "answered", lab, "A1");
}

/* "@205 A0 @605 A0": what is done in so many ms, and when. */
static void expect_later(const char *row, struct hold_lab *lab, __u64 *now, int ms,
			 const char *want)
{
	char did[256] = "";
	__u64 begin = *now;

	for (int i = 0; i < ms; i += 5) {
		tcpc_hold_tick(lab->hold, *now += 5 * MS);
		if (!lab->did[0])
			continue;
		lab->did[strlen(lab->did) - 1] = '\0';
		snprintf(did + strlen(did), sizeof(did) - strlen(did), "%s@%d %s",
			 did[0] ? " " : "", (int)((*now - begin) / MS), lab->did);
		lab->did[0] = '\0';
	}
	if (strcmp(did, want))
		expect_fail("%s: did \"%s\", expected \"%s\"", row, did, want);
}

static const struct row {
	const char *name;
	__u8 flags;
	__u32 payload_bytes;
	bool told;
	__u32 acked; /* after 100 ms */
	__u8 answer_flags;
	const char *want; /* later */
} rows[] = {
	{"request", TCPC_TCP_ACK, 50, true, 150, 0, ""},
	{"end", TCPC_TCP_ACK | TCPC_TCP_FIN, 0, true, 101, 0, ""},
	{"request with the end", TCPC_TCP_ACK | TCPC_TCP_FIN, 50, true, 151, 0, ""},
	{"only the request of it", TCPC_TCP_ACK | TCPC_TCP_FIN, 50, true, 150, 0,
	 "@95 A0 @495 A0 @1295 A0 @2895 A0 @6095 !0"},
	{"not told", TCPC_TCP_ACK, 50, false, 100, 0, ""},
	{"dropped", TCPC_TCP_ACK, 50, true, 100, 0, "@95 A0 @495 A0 @1295 A0 @2895 A0 @6095 !0"},
	{"dropped with its connection", TCPC_TCP_ACK, 50, true, 100, TCPC_TCP_RST, ""},
	{"reset", TCPC_TCP_ACK | TCPC_TCP_RST, 0, true, 100, 0, ""},
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *r = &rows[i];
		struct hold_lab lab;
		__u64 now;

		lab_begin(&lab, 1 << 20, MAX_LAG_MS * MS);
		release(&lab, r->flags, r->payload_bytes, r->told, &now);
		expect_later(r->name, &lab, &now, 100, "");
		lab.view[0].x.acked = r->acked;
		lab.view[0].x.answer_flags |= r->answer_flags;
		expect_later(r->name, &lab, &now, 7000, r->want);
		assert_true(tcpc_hold_empty(lab.hold));
		assert_int_equal(tcpc_hold_stats(lab.hold)->bytes, 0);
		assert_int_equal(tcpc_hold_stats(lab.hold)->again, r->want[0] ? 4 : 0);
		assert_int_equal(tcpc_hold_stats(lab.hold)->shed_unheard, !!r->want[0]);
		tcpc_hold_free(lab.hold);
	}
}

/* Acknowledged at its second try; then its port is used again; then it is known no more. */
static void test_ends(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct hold_lab lab;
		__u64 now;

		lab_begin(&lab, 1 << 20, MAX_LAG_MS * MS);
		release(&lab, TCPC_TCP_ACK | TCPC_TCP_FIN, 0, true, &now);
		expect_later("first", &lab, &now, 400, "@195 A0");
		if (i == 0)
			lab.view[0].x.acked = 101;
		else if (i == 1)
			lab.view[0].x.syn_seq = 3000000000;
		else
			lab.view[0].known = false;
		expect_later("later", &lab, &now, 7000, "");
		assert_true(tcpc_hold_empty(lab.hold));
		tcpc_hold_free(lab.hold);
	}
}

/* The target could not open the connection: it is back in the queue, and is not written twice. */
static void test_back(void **state)
{
	struct frame_spec spec = {
		.flags = TCPC_TCP_ACK, .payload_bytes = 50, .ttl = 'A', .seq = 100, .ack = 600};
	struct hold_lab lab;
	__u64 now;

	(void)state;
	lab_begin(&lab, 1 << 20, MAX_LAG_MS * MS);
	release(&lab, TCPC_TCP_ACK, 50, true, &now);
	lab_take(&lab, now, 0, 2, &spec);
	expect_later("back", &lab, &now, 400, "");
	lab.view[0].x.answer_end = 600;
	lab.view[0].x.acked = 150;
	tcpc_hold_tick(lab.hold, now += 5 * MS);
	expect_did("back", "released", &lab, "A2");
	expect_later("acknowledged", &lab, &now, 1000, "");
	assert_true(tcpc_hold_empty(lab.hold));
	tcpc_hold_free(lab.hold);
}

/* What waits needs the room more. */
static void test_bound(void **state)
{
	struct frame_spec spec = {.flags = TCPC_TCP_ACK, .payload_bytes = 50, .ttl = 'B'};
	struct hold_lab lab;
	__u64 now;

	(void)state;
	lab_begin(&lab, 3 * FRAME_BYTES, MAX_LAG_MS * MS);
	release(&lab, TCPC_TCP_ACK, 50, true, &now);
	assert_true(tcpc_hold_stats(lab.hold)->bytes >= FRAME_BYTES);
	lab.view[1] = lab.view[0];
	lab.view[1].x.request_end = 150;
	spec.seq = 150;
	spec.ack = 600;
	lab_take(&lab, now, 1, 1, &spec);
	expect_later("no room", &lab, &now, 400, "");
	assert_int_equal(tcpc_hold_stats(lab.hold)->shed_full, 0);
	assert_int_equal(tcpc_hold_stats(lab.hold)->connections, 1);
	tcpc_hold_free(lab.hold);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_back),
		cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
