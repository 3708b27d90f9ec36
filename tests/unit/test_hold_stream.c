// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_hold_stream.c - connections whose clients speak on before they are answered (HTTP/2, gRPC,
 * WebSocket): how both servers' answers are counted from the first exchange on, and when a packet
 * goes although the target has said nothing since its exchange began. From every start, so that the
 * numbers wrap.
 */
#include "../harness/hold_lab.h"

#define PSH_ACK (TCPC_TCP_PSH | TCPC_TCP_ACK)
#define FIN_ACK (TCPC_TCP_FIN | TCPC_TCP_ACK)

static const struct start {
	__u32 seq, client, target; /* of the client, the online host, the target */
} starts[] = {
	{1000, 2000, 3000},
	{0xfffffff0, 0xffffff80, 77},
	{0x7ffffff0, 5, 0xffffff80},
	{0, 0x7fffffc0, 0x80000000},
};

/* ---- what is noted when an exchange begins --------------------------------------------------- */

/** Exchanges of a connection: what the client had read, and the target sent, when each began. */
static const struct history {
	const char *row;
	struct {
		__u32 read, sent;
	} begun[5];
	__u32 want_level_at;
	int want_ahead; /* of the last one: the target's bytes that the client had not read */
} histories[] = {
	{"the first exchange", {{0, 0}}, 1, 0},
	{"a greeting, of different lengths", {{50, 90}}, 1, 0},
	{"one after the other", {{0, 0}, {300, 300}, {600, 600}}, 3, 0},
	{"answered before it was read", {{0, 0}, {100, 300}}, 1, 200},
	{"and read then", {{0, 0}, {100, 300}, {300, 300}}, 3, 0},
	{"longer answers", {{0, 0}, {300, 310}, {600, 620}, {900, 930}}, 1, 30},
	{"longer from the second on", {{0, 0}, {300, 300}, {600, 700}, {900, 1100}}, 2, 200},
	{"shorter answers are forgiven", {{0, 0}, {300, 200}, {600, 400}}, 1, 0},
	{"forgiven, then equal", {{0, 0}, {300, 200}, {600, 500}}, 3, 0},
};

static void run_history(const struct history *h, const struct start *start)
{
	struct tcpc_exchange x = {};
	__u32 end = 0, ack = 0;

	for (size_t i = 0; i < COUNT_OF(h->begun) && (!i || h->begun[i].read); i++) {
		ack = start->client + h->begun[i].read;
		end = start->target + h->begun[i].sent;
		tcpc_hold_note_level(&x, end, ack);
		x.exchanges++;
	}
	expect_u64(h->row, "level_at", x.level_at, h->want_level_at);
	expect_true(h->row, "is ahead", tcpc_hold_is_ahead(&x, end, ack + h->want_ahead));
	expect_true(h->row, "and by no more",
		    !tcpc_hold_is_ahead(&x, end, ack + h->want_ahead + 1));
	expect_true(h->row, "is ahead of 2 GB before", tcpc_hold_is_ahead(&x, end, ack - 1000000));
}

static void test_history(void **state)
{
	(void)state;
	for (const struct history *h = histories; h < histories + COUNT_OF(histories); h++)
		for (const struct start *s = starts; s < starts + COUNT_OF(starts); s++)
			run_history(h, s);
}

/* ---- when a packet goes ---------------------------------------------------------------------- */

#define NEVER 9000 /* in this test */

/*
 * A packet of 20 bytes, whose client has read more of the answer than when the exchange before
 * began; since then the target has said nothing.
 */
static const struct wait {
	const char *row;
	int ahead;   /* of what this client has read: the target's bytes beyond */
	int spoken;  /* the target's last words came behind all that is before this packet */
	__u8 answer; /* flags of its last words */
	__u32 exchanges, level_at;
	__u8 flags;
	__u32 want_ms; /* when it goes */
	__u32 more;    /* bytes that its client has read, beyond 100 */
} waits[] = {
	{"answered all", 0, 1, PSH_ACK, 9, 9, PSH_ACK, 0, 0},
	{"answered more than was read", 500, 1, PSH_ACK, 9, 9, PSH_ACK, 0, 0},
	{"answered less", -1, 1, PSH_ACK, 9, 9, PSH_ACK, NEVER, 29},
	{"answered less, by the chatter of flow control", -1, 1, PSH_ACK, 9, 9, PSH_ACK, 5000, 28},
	{"in the middle of an answer", 0, 1, TCPC_TCP_ACK, 9, 9, PSH_ACK, NEVER, 29},
	{"longer answers, but spoken", 500, 1, PSH_ACK, 9, 1, PSH_ACK, 0, 0},
	{"has not spoken, equal of late", 0, 0, PSH_ACK, 9, 8, PSH_ACK, 100, 0},
	{"has not spoken, equal just long enough ago", 0, 0, PSH_ACK, 23, 8, PSH_ACK, 100, 0},
	{"has not spoken, equal too long ago", 0, 0, PSH_ACK, 24, 8, PSH_ACK, 1000, 0},
	{"has not spoken, never equal: slow, or longer answers", 500, 0, PSH_ACK, 9, 1, PSH_ACK,
	 1000, 0},
	{"has not spoken, and less", -1, 0, PSH_ACK, 9, 8, PSH_ACK, NEVER, 29},
	{"has not spoken, a little less", -1, 0, PSH_ACK, 9, 8, PSH_ACK, 5000, 0},
	{"nothing known of the lengths", 0, 1, PSH_ACK, 9, 0, PSH_ACK, NEVER, 29},
	{"FIN waits for its answer", 0, 0, PSH_ACK, 9, 8, FIN_ACK, 5000, 0},
};

static struct tcpc_exchange view_of(const struct wait *w, const struct start *s)
{
	__u32 end = s->target + 7000;

	return (struct tcpc_exchange){
		.exchanges = w->exchanges,
		.client_ack = s->client,
		.snd_nxt = end, /* when the exchange began: nothing since */
		.answer_end = end,
		.answer_flags = w->answer,
		.answer_ack = s->seq - !w->spoken,
		.lead = end - (s->client + 100 + w->more) - w->ahead,
		.level_at = w->level_at,
	};
}

static void run_wait(const struct wait *w, const struct start *s)
{
	bool closing = w->flags & TCPC_TCP_FIN;
	struct frame_spec spec = {.ttl = 'A',
				  .flags = w->flags,
				  .seq = s->seq,
				  .ack = s->client + 100 + w->more,
				  .payload_bytes = closing ? 0 : 20};
	struct hold_lab lab;

	lab_begin(&lab, 1 << 20, 10000 * MS);
	lab.view[0] = (struct lab_view){.known = true, .x = view_of(w, s)};
	lab_take(&lab, 0, 0, 1, &spec);
	if (w->want_ms) {
		expect_did(w->row, "at once", &lab, "");
		tcpc_hold_tick(lab.hold, (w->want_ms - 1) * MS);
		expect_did(w->row, "before its time", &lab, "");
		tcpc_hold_tick(lab.hold, w->want_ms * MS);
	}
	expect_did(w->row, "in its time", &lab, w->want_ms == NEVER ? "" : "A1");
	expect_u64(w->row, "released_quiet", tcpc_hold_stats(lab.hold)->released_quiet,
		   w->want_ms && w->want_ms != NEVER && !closing);
	tcpc_hold_free(lab.hold);
}

static void test_waits(void **state)
{
	(void)state;
	for (const struct wait *w = waits; w < waits + COUNT_OF(waits); w++)
		for (const struct start *s = starts; s < starts + COUNT_OF(starts); s++)
			run_wait(w, s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_history),
		cmocka_unit_test(test_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
