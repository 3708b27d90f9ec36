// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_hold_owed.c - answers in several writes, each of which looks like an end: how soon a
 * client's next request goes, exchange after exchange. What one answer still owes must not count
 * for the next. From every start, so that the numbers wrap.
 */
#include "../harness/hold_lab.h"

#define PSH_ACK (TCPC_TCP_PSH | TCPC_TCP_ACK)
#define FIN_ACK (TCPC_TCP_FIN | TCPC_TCP_ACK)

static const struct start {
	__u32 client, target; /* numbers of the online host, of the target */
} starts[] = {{2000, 3000}, {0xffffff80, 77}, {5, 0xffffff80}, {0x7fffffc0, 0x80000000}};

#define EXCHANGES 1000

/** Both servers answer each request in so many writes, the target in others. */
static const struct servers {
	const char *row;
	__u32 writes, online, target; /* bytes of one write */
	__u32 want_behind;	      /* bytes of answers that may be missing when a request goes */
	__u32 want_quiet;	      /* how often the target has to be silent first */
} servers[] = {
	{"one write", 1, 300, 300, 0, 0},
	{"sixteen requests at once", 16, 154, 154, 2 * 154, 0},
	{"a large answer", 30, 32768, 32768, 3 * 32768, 0},
	{"a shorter one: silence when an eighth is owed", 1, 300, 299, 0, EXCHANGES / 38},
	{"the same in writes", 16, 154, 153, 2 * 153, EXCHANGES / 19},
	{"just seven eighths", 1, 300, 263, 0, EXCHANGES / 2},
	{"a longer one", 1, 300, 310, 0, 0},
};

/** A client that has read all answers online, and the target behind. */
struct chain {
	struct tcpc_exchange x;
	__u32 ack, end; /* of the client's next request; of what the target has sent */
	__u32 quiet, behind;
};

static int may_go(const struct chain *c)
{
	__u32 expected = tcpc_hold_expected(c->x.client_ack, c->ack, TCPC_TCP_ACK);

	return tcpc_hold_answered(tcpc_hold_got(&c->x, c->end), expected, 1) ||
	       (c->end != c->x.snd_nxt && tcpc_hold_answered_in_all(&c->x, c->end, 1, 0, c->ack));
}

/* As note_exchange() of align. */
static void begin(struct chain *c)
{
	__u32 owed = tcpc_hold_owed(&c->x, c->end, c->ack);

	if (!owed)
		tcpc_hold_note_level(&c->x, c->end, c->ack);
	c->x.snd_nxt = c->end;
	c->x.owed = owed;
	c->x.client_ack = c->ack;
	c->x.exchanges++;
}

/* The next request: it comes early, and goes at the first write that lets it. @due: what the target
 * has to send until then in all. */
static void ask(struct chain *c, const struct servers *s, __u32 due)
{
	while (!may_go(c) && c->end != due)
		c->end += s->target;
	c->quiet += !may_go(c);
	if (due - c->end > c->behind)
		c->behind = due - c->end;
	begin(c);
}

static void run_servers(const struct servers *s, const struct start *start)
{
	struct chain c = {.ack = start->client, .end = start->target};
	__u32 due = start->target;

	begin(&c);
	for (int i = 0; i < EXCHANGES; i++) {
		c.ack += s->writes * s->online;
		due += s->writes * s->target;
		ask(&c, s, due);
	}
	expect_true(s->row, "never far behind", c.behind <= s->want_behind);
	expect_true(s->row, "silence is seldom needed", c.quiet <= s->want_quiet);
	expect_true(s->row, "but where an answer is shorter it is",
		    !s->want_quiet || c.quiet >= s->want_quiet / 2);
}

static void test_servers(void **state)
{
	(void)state;
	for (const struct servers *s = servers; s < servers + COUNT_OF(servers); s++)
		for (const struct start *at = starts; at < starts + COUNT_OF(starts); at++)
			run_servers(s, at);
}

/* ---- what is owed -----------------------------------------------------------------------------
 */

/** The exchange before began at 0 online and at 0 at the target, with an answer of 300. */
static const struct owed {
	const char *row;
	__u32 exchanges, owed, sent, want;
	__u32 lead, level_at;
} oweds[] = {
	{"the first exchange", 0, 0, 290, 0, 0, 0},
	{"all is there", 1, 0, 300, 0, 0, 1},
	{"more", 1, 0, 301, 0, 0, 1},
	{"nearly all", 1, 0, 290, 10, 0, 1},
	{"seven eighths", 1, 0, 263, 37, 0, 1},
	{"less, after silence", 1, 0, 262, 0, 0, 1},
	{"nothing, after silence", 1, 0, 0, 0, 0, 1},
	{"what was owed has come, and nearly all", 2, 30, 320, 10, 0, 1},
	{"what was owed has not come", 2, 20, 290, 30, 0, 1},
	{"and makes it less than seven eighths: silence", 2, 30, 290, 0, 0, 1},
	{"more is owed than was sent", 2, 30, 20, 0, 0, 1},
	{"the target is ahead all the same", 2, 0, 290, 0, -10, 1},
};

static void test_owed(void **state)
{
	(void)state;
	for (const struct owed *o = oweds; o < oweds + COUNT_OF(oweds); o++) {
		for (const struct start *s = starts; s < starts + COUNT_OF(starts); s++) {
			struct tcpc_exchange x = {.exchanges = o->exchanges,
						  .client_ack = s->client,
						  .snd_nxt = s->target,
						  .lead = s->target + o->owed - s->client + o->lead,
						  .level_at = o->level_at,
						  .owed = o->owed};

			expect_u64(o->row, "owed",
				   tcpc_hold_owed(&x, s->target + o->sent, s->client + 300),
				   o->want);
		}
	}
}

/* ---- when a packet goes ---------------------------------------------------------------------- */

#define NEVER 9000 /* in this test */

/** The answer online has 300 bytes, all read; the target owes 30 of those before, and has sent this
 * many since. Whether its last write looked like an end, when the packet goes. */
static const struct wait {
	const char *row;
	__u32 sent, want_ms;
	__u8 answer, flags;
} waits[] = {
	{"what was owed, and all", 330, 0, TCPC_TCP_ACK, PSH_ACK},
	{"what was owed, and seven eighths", 293, 0, PSH_ACK, PSH_ACK},
	{"the same in the middle of a write", 293, 100, TCPC_TCP_ACK, PSH_ACK},
	{"seven eighths with what was owed", 263, 20, PSH_ACK, PSH_ACK},
	{"as many, in the middle of a write", 263, 100, TCPC_TCP_ACK, PSH_ACK},
	{"less", 262, 100, PSH_ACK, PSH_ACK},
	{"just what was owed", 30, NEVER, PSH_ACK, PSH_ACK},
	{"FIN behind just the answer", 330, 0, PSH_ACK, FIN_ACK},
	{"FIN while some of it is owed", 300, 1000, PSH_ACK, FIN_ACK},
	{"FIN when it has not begun", 30, 5000, PSH_ACK, FIN_ACK},
};

static void run_wait(const struct wait *w, const struct start *s)
{
	struct frame_spec spec = {.ttl = 'A',
				  .flags = w->flags,
				  .seq = 100,
				  .ack = s->client + 300,
				  .payload_bytes = w->flags == FIN_ACK ? 0 : 20};
	struct hold_lab lab;

	lab_begin(&lab, 1 << 20, 10000 * MS);
	lab.view[0] = (struct lab_view){.known = true,
					.x = {.exchanges = 9,
					      .client_ack = s->client,
					      .snd_nxt = s->target,
					      .owed = 30,
					      .answer_end = s->target + w->sent,
					      .answer_flags = w->answer}};
	lab_take(&lab, 0, 0, 1, &spec);
	if (w->want_ms) {
		expect_did(w->row, "at once", &lab, "");
		tcpc_hold_tick(lab.hold, (w->want_ms - 1) * MS);
		expect_did(w->row, "before its time", &lab, "");
		tcpc_hold_tick(lab.hold, w->want_ms * MS);
	}
	expect_did(w->row, "in its time", &lab, w->want_ms == NEVER ? "" : "A1");
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
		cmocka_unit_test(test_servers),
		cmocka_unit_test(test_owed),
		cmocka_unit_test(test_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
