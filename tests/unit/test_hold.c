// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_hold.c - the hold queue as tables of (time, event) -> what it does. Every scenario runs with
 * several starting numbers, so that sequence and ACK numbers wrap in each place; the numbers in the
 * tables are distances from the start.
 */
#include "../harness/hold_lab.h"

#define PSH_ACK (TCPC_TCP_PSH | TCPC_TCP_ACK)
#define FIN_ACK (TCPC_TCP_FIN | TCPC_TCP_ACK)
#define RST_ACK (TCPC_TCP_RST | TCPC_TCP_ACK)

#define LIMIT_BYTES 8000
#define MAX_LAG_MS 10000

enum what { END, TAKE_FRAME, TOUCH_FLOW, TICK_TIME, SEE_VIEW, LOSE_VIEW, FAIL_WRITES };

struct step {
	enum what what;
	__u32 ms;
	int conn;
	char id;
	__u8 flags;
	__u32 seq, ack, payload_bytes, number, greeting;
	struct tcpc_exchange x; /* exchanges 0: nothing of it is set; answer_flags 0: no answer */
	const char *want;
};

/* A frame comes: its name, its packet, its number; a touch, a tick; what is done then. */
#define TAKE(ms_, conn_, id_, flags_, seq_, ack_, bytes_, n_, want_)                               \
	{                                                                                          \
		.what = TAKE_FRAME, .ms = ms_, .conn = conn_, .id = id_, .flags = flags_,          \
		.seq = seq_, .ack = ack_, .payload_bytes = bytes_, .number = n_, .want = want_     \
	}
/* The same for the client's first words, behind a greeting of so many bytes. */
#define TAKE_FIRST(ms_, conn_, id_, flags_, bytes_, greeting_, want_)                              \
	{                                                                                          \
		.what = TAKE_FRAME, .ms = ms_, .conn = conn_, .id = id_, .flags = flags_,          \
		.seq = 0, .ack = greeting_, .payload_bytes = bytes_, .number = 1,                  \
		.greeting = greeting_, .want = want_                                               \
	}
#define TOUCH(ms_, conn_, want_)                                                                   \
	{                                                                                          \
		.what = TOUCH_FLOW, .ms = ms_, .conn = conn_, .want = want_                        \
	}
#define TICK(ms_, want_)                                                                           \
	{                                                                                          \
		.what = TICK_TIME, .ms = ms_, .want = want_                                        \
	}
/* From now on the kernel says: exchange @n began with this ACK number when the target was at @snd;
 * its last segment ended at @end. */
#define SEE(conn_, n_, ack_, snd_, end_, flags_, ...)                                              \
	{                                                                                          \
		.what = SEE_VIEW, .conn = conn_,                                                   \
		.x = {.exchanges = n_,                                                             \
		      .client_ack = ack_,                                                          \
		      .snd_nxt = snd_,                                                             \
		      .answer_end = end_,                                                          \
		      .answer_flags = flags_,                                                      \
		      __VA_ARGS__ }                                                                \
	}
/* The connection is open and nobody has asked for anything. */
#define SEE_FRESH(conn_) SEE(conn_, 0, 0, 0, 0, TCPC_TCP_ACK)
/* The first request is there, the answer to come has 300 bytes online. */
#define SEE_ASKED(conn_) SEE(conn_, 1, 0, 0, 0, TCPC_TCP_ACK)
#define SEE_ANSWERED(conn_) SEE(conn_, 1, 0, 0, 300, PSH_ACK)
/* The target has greeted, with so many bytes; nobody has asked for anything. */
#define SEE_GREETED(conn_, bytes_, flags_) SEE(conn_, 0, 0, 0, bytes_, flags_)
#define LOSE(conn_)                                                                                \
	{                                                                                          \
		.what = LOSE_VIEW, .conn = conn_                                                   \
	}
#define WRITES_FAIL(errno_)                                                                        \
	{                                                                                          \
		.what = FAIL_WRITES, .ms = errno_                                                  \
	}

#define MAX_STEPS 24

static const struct scenario {
	const char *name;
	struct step steps[MAX_STEPS];
	struct tcpc_hold_stats want; /* but for bytes, which nothing may hold at the end */
} scenarios[] = {
	/* ---- what passes at once ---- */
	{"more of the same request",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', PSH_ACK, 100, 0, 50, 7, "A7")},
	 {.taken = 1, .released = 1}},
	{"an ACK number older than the request's",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', PSH_ACK, 100, -50, 50, 1, "A1")},
	 {.taken = 1, .released = 1}},
	{"the first request",
	 {SEE_FRESH(0), TAKE(0, 0, 'A', PSH_ACK, 100, 77, 50, 1, "A1")},
	 {.taken = 1, .released = 1}},
	{"a connection the kernel has forgotten",
	 {TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, "A1"),
	  TAKE(0, 0, 'B', FIN_ACK, 0, 9, 0, 2, "B2")},
	 {.taken = 2, .released = 2}},
	{"forgotten while packets wait",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, ""),
	  TAKE(1, 0, 'B', PSH_ACK, 150, 600, 50, 2, ""), LOSE(0), TICK(2, "A0 B2")},
	 {.taken = 2, .released = 2}},
	/* ---- a new exchange waits for the answer ---- */
	{"until a whole answer",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, ""), TOUCH(1, 0, ""),
	  TICK(9000, ""), SEE_ANSWERED(0), TOUCH(9001, 0, "A1")},
	 {.taken = 1, .released = 1}},
	{"an answer that was there before the packet",
	 {SEE_ANSWERED(0), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, "A1")},
	 {.taken = 1, .released = 1}},
	{"a whole answer needs no PSH",
	 {SEE(0, 1, 0, 0, 300, TCPC_TCP_ACK), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, "A1")},
	 {.taken = 1, .released = 1}},
	{"a longer answer",
	 {SEE(0, 1, 0, 0, 9999, TCPC_TCP_ACK), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, "A1")},
	 {.taken = 1, .released = 1}},
	{"seven eighths of an answer that end with PSH",
	 {SEE(0, 1, 0, 0, 263, PSH_ACK), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, "A1")},
	 {.taken = 1, .released = 1}},
	{"less than that, with PSH: one of several writes",
	 {SEE(0, 1, 0, 0, 262, PSH_ACK), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, ""),
	  TICK(99, ""), SEE_ANSWERED(0), TICK(99, "A1")},
	 {.taken = 1, .released = 1}},
	{"a shorter answer and then quiet",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, ""),
	  SEE(0, 1, 0, 0, 299, TCPC_TCP_ACK), TOUCH(500, 0, ""), TICK(599, ""), TICK(600, "A1")},
	 {.taken = 1, .released = 1, .released_quiet = 1}},
	{"a byte now and then is not quiet",
	 {SEE(0, 1, 0, 0, 1, TCPC_TCP_ACK), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, ""),
	  TICK(90, ""), SEE(0, 1, 0, 0, 2, TCPC_TCP_ACK), TICK(99, ""), TICK(198, ""),
	  TICK(199, "A1")},
	 {.taken = 1, .released = 1, .released_quiet = 1}},
	{"no answer yet at all",
	 {SEE(0, 1, 0, 0, 0, 0), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, ""), TICK(5000, ""),
	  SEE_ANSWERED(0), TICK(5001, "A1")},
	 {.taken = 1, .released = 1}},
	{"a segment from before the exchange",
	 {SEE(0, 1, 0, 0, -5, PSH_ACK), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, ""),
	  TICK(5000, ""), SEE_ANSWERED(0), TICK(5001, "A1")},
	 {.taken = 1, .released = 1}},
	/* ---- the first words wait for the greeting ---- */
	{"a greeting that was there before",
	 {SEE_GREETED(0, 40, PSH_ACK), TAKE_FIRST(0, 0, 'A', PSH_ACK, 10, 40, "A1")},
	 {.taken = 1, .released = 1}},
	{"a late greeting, however late",
	 {SEE_FRESH(0), TAKE_FIRST(0, 0, 'A', PSH_ACK, 10, 40, ""), TICK(100, ""), TICK(9999, ""),
	  SEE_GREETED(0, 40, PSH_ACK), TOUCH(9999, 0, "A1")},
	 {.taken = 1, .released = 1}},
	{"a connection that is not open yet",
	 {SEE(0, 0, 0, 0, 0, 0), TAKE_FIRST(0, 0, 'A', PSH_ACK, 10, 40, ""), TICK(50, ""),
	  SEE_FRESH(0), TOUCH(51, 0, ""), TICK(1000, ""), SEE_GREETED(0, 40, PSH_ACK),
	  TOUCH(1001, 0, "A1")},
	 {.taken = 1, .released = 1}},
	{"no greeting at all",
	 {SEE_FRESH(0), TAKE_FIRST(0, 0, 'A', PSH_ACK, 10, 40, ""), TICK(MAX_LAG_MS - 1, ""),
	  TICK(MAX_LAG_MS, "!0")},
	 {.taken = 1, .shed_lag = 1, .lost = 1}},
	{"a greeting about as long",
	 {SEE_GREETED(0, 35, PSH_ACK), TAKE_FIRST(0, 0, 'A', PSH_ACK, 10, 40, "A1")},
	 {.taken = 1, .released = 1}},
	{"a much longer one",
	 {SEE_GREETED(0, 400, TCPC_TCP_ACK), TAKE_FIRST(0, 0, 'A', PSH_ACK, 10, 40, "A1")},
	 {.taken = 1, .released = 1}},
	{"a much shorter one, and then quiet",
	 {SEE_FRESH(0), TAKE_FIRST(0, 0, 'A', PSH_ACK, 10, 40, ""), TICK(500, ""),
	  SEE_GREETED(0, 9, PSH_ACK), TOUCH(600, 0, ""), TICK(699, ""), TICK(700, "A1")},
	 {.taken = 1, .released = 1, .released_quiet = 1}},
	{"a much shorter one, there before",
	 {SEE_GREETED(0, 9, PSH_ACK), TAKE_FIRST(0, 0, 'A', PSH_ACK, 10, 40, ""), TICK(99, ""),
	  TICK(100, "A1")},
	 {.taken = 1, .released = 1, .released_quiet = 1}},
	{"in several parts",
	 {SEE_FRESH(0), TAKE_FIRST(0, 0, 'A', PSH_ACK, 10, 40, ""), SEE_GREETED(0, 10, PSH_ACK),
	  TOUCH(90, 0, ""), SEE_GREETED(0, 34, PSH_ACK), TOUCH(180, 0, ""), TICK(279, ""),
	  SEE_GREETED(0, 40, PSH_ACK), TOUCH(279, 0, "A1")},
	 {.taken = 1, .released = 1}},
	{"the target turns the client away",
	 {SEE_FRESH(0), TAKE_FIRST(0, 0, 'A', PSH_ACK, 10, 40, ""), SEE_GREETED(0, 5, FIN_ACK),
	  TOUCH(7, 0, "A1")},
	 {.taken = 1, .released = 1}},
	{"and without a word",
	 {SEE_FRESH(0), TAKE_FIRST(0, 0, 'A', PSH_ACK, 10, 40, ""), SEE(0, 0, 0, 0, 0, RST_ACK),
	  TOUCH(7, 0, "A1")},
	 {.taken = 1, .released = 1}},
	{"all behind the first words",
	 {SEE_FRESH(0), TAKE_FIRST(0, 0, 'A', PSH_ACK, 10, 40, ""),
	  TAKE(0, 0, 'B', PSH_ACK, 10, 40, 10, 2, ""), TAKE(0, 0, 'C', PSH_ACK, 20, 90, 10, 3, ""),
	  SEE_GREETED(0, 40, PSH_ACK), TOUCH(1, 0, "A0 B0"), SEE(0, 1, 40, 40, 40, PSH_ACK),
	  TICK(2, ""), SEE(0, 1, 40, 40, 90, PSH_ACK), TOUCH(3, 0, "C3")},
	 {.taken = 3, .released = 3}},
	{"once something was asked, what a packet says of a greeting means nothing",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', PSH_ACK, 0, 0, 10, 1, "A1"),
	  TAKE_FIRST(0, 0, 'B', PSH_ACK, 10, 40, ""), SEE(0, 1, 0, 0, 40, PSH_ACK), TICK(1, "B1")},
	 {.taken = 2, .released = 2}},
	{"a client that reads the greeting and leaves",
	 {SEE_FRESH(0), TAKE_FIRST(0, 0, 'A', FIN_ACK, 0, 40, ""), TICK(900, ""),
	  SEE_GREETED(0, 40, PSH_ACK), TOUCH(901, 0, "A1")},
	 {.taken = 1, .released = 1}},
	{"so with RST, and the greeting is longer",
	 {SEE_FRESH(0), TAKE_FIRST(0, 0, 'A', RST_ACK, 0, 40, ""), SEE_GREETED(0, 50, PSH_ACK),
	  TOUCH(20, 0, ""), TICK(1019, ""), TICK(1020, "A1")},
	 {.taken = 1, .released = 1, .released_late = 1}},
	{"a client that leaves before the greeting",
	 {SEE_FRESH(0), TAKE_FIRST(0, 0, 'A', FIN_ACK, 0, 0, "A1")},
	 {.taken = 1, .released = 1}},
	/* ---- order and numbers ---- */
	{"all behind the first one keep their order",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, ""),
	  TAKE(0, 0, 'B', PSH_ACK, 150, 300, 50, 2, ""),
	  TAKE(0, 0, 'C', FIN_ACK, 200, 300, 0, 3, ""), TICK(1, ""), SEE_ANSWERED(0),
	  TOUCH(2, 0, "A0 B0"), SEE(0, 2, 300, 300, 600, FIN_ACK), TOUCH(3, 0, "C3")},
	 {.taken = 3, .released = 3}},
	{"but what comes late, of the request before, goes on at once",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, ""),
	  TAKE(0, 0, 'B', PSH_ACK, 150, 300, 50, 2, ""),
	  TAKE(0, 0, 'C', PSH_ACK, 90, 0, 10, 3, "C0"), TICK(1, ""), SEE_ANSWERED(0),
	  TOUCH(2, 0, "A0 B3")},
	 {.taken = 3, .released = 3}},
	{"one exchange for each answer",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 4, ""),
	  TAKE(0, 0, 'B', PSH_ACK, 150, 600, 50, 5, ""),
	  TAKE(0, 0, 'C', PSH_ACK, 200, 900, 50, 6, ""), SEE_ANSWERED(0), TOUCH(1, 0, "A0"),
	  SEE(0, 2, 300, 300, 300, PSH_ACK), TOUCH(2, 0, ""), SEE(0, 2, 300, 300, 600, PSH_ACK),
	  TOUCH(3, 0, "B0"), SEE(0, 3, 600, 600, 600, PSH_ACK), TICK(4, ""),
	  SEE(0, 3, 600, 600, 900, PSH_ACK), TICK(5, "C6")},
	 {.taken = 3, .released = 3}},
	/* ---- the kernel has not seen yet what was released ---- */
	{"the view from before the released request answers for nothing",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, ""),
	  TAKE(0, 0, 'B', PSH_ACK, 150, 600, 50, 2, ""), SEE_ANSWERED(0), TOUCH(1, 0, "A0"),
	  TOUCH(2, 0, ""), TICK(100, ""), SEE(0, 2, 300, 300, 300, PSH_ACK), TICK(5000, ""),
	  SEE(0, 2, 300, 300, 600, PSH_ACK), TICK(5001, "B2")},
	 {.taken = 2, .released = 2}},
	{"nor for a packet that comes when the queue is empty",
	 {SEE_ANSWERED(0), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, "A1"),
	  TAKE(50, 0, 'B', PSH_ACK, 150, 600, 50, 2, ""), SEE(0, 2, 300, 300, 300, PSH_ACK),
	  TICK(99, ""), SEE(0, 2, 300, 300, 600, PSH_ACK), TICK(5001, "B2")},
	 {.taken = 2, .released = 2}},
	{"more of the released request needs no new view",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, ""), SEE_ANSWERED(0),
	  TOUCH(1, 0, "A1"), TAKE(2, 0, 'B', PSH_ACK, 150, 300, 50, 2, "B2"),
	  TAKE(3, 0, 'C', FIN_ACK, 200, 300, 0, 3, ""), SEE(0, 2, 300, 300, 300, PSH_ACK),
	  TICK(4, ""), SEE(0, 2, 300, 300, 301, FIN_ACK), TICK(5, "C3")},
	 {.taken = 3, .released = 3}},
	{"a released request that was lost on its way",
	 {SEE_ANSWERED(0), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, "A1"),
	  TAKE(1, 0, 'B', PSH_ACK, 150, 600, 50, 2, ""), TICK(99, ""), TICK(100, "B2")},
	 {.taken = 2, .released = 2, .released_quiet = 1}},
	{"a first request, released for its window",
	 {SEE(0, 0, 0, 0, 0, TCPC_TCP_ACK, .window_end = 99),
	  TAKE(0, 0, 'A', PSH_ACK, 50, 77, 50, 1, ""),
	  SEE(0, 0, 0, 0, 0, TCPC_TCP_ACK, .window_end = 100), TICK(1, "A1"),
	  TAKE(2, 0, 'B', PSH_ACK, 100, 377, 0 + 10, 2, ""), TICK(3, ""),
	  SEE(0, 1, 77, 0, 300, PSH_ACK, .window_end = 110), TICK(4, "B2")},
	 {.taken = 2, .released = 2}},
	/* ---- closing ---- */
	{"FIN waits, and goes late",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', FIN_ACK, 100, 0, 0, 1, ""), TICK(999, ""),
	  TICK(1000, "A1")},
	 {.taken = 1, .released = 1, .released_late = 1}},
	{"FIN of a client that has read nothing waits until the answer is over",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', FIN_ACK, 100, 0, 0, 1, ""), SEE(0, 1, 0, 0, 1, PSH_ACK),
	  TOUCH(20, 0, ""), SEE(0, 1, 0, 0, 2, PSH_ACK), TICK(119, ""), TICK(1118, ""),
	  TICK(1119, "A1")},
	 {.taken = 1, .released = 1, .released_late = 1}},
	{"FIN behind just the answer",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', FIN_ACK, 100, 300, 0, 1, ""), SEE(0, 1, 0, 0, 299, PSH_ACK),
	  TOUCH(20, 0, ""), SEE(0, 1, 0, 0, 300, TCPC_TCP_ACK), TOUCH(21, 0, ""), SEE_ANSWERED(0),
	  TOUCH(22, 0, "A1")},
	 {.taken = 1, .released = 1}},
	{"FIN in the middle of an answer",
	 {SEE(0, 1, 0, 0, 301, PSH_ACK), TAKE(0, 0, 'A', FIN_ACK, 100, 300, 0, 1, ""),
	  SEE(0, 1, 0, 0, 999, PSH_ACK), TOUCH(90, 0, ""), TICK(1089, ""), TICK(1090, "A1")},
	 {.taken = 1, .released = 1, .released_late = 1}},
	{"the time of FIN begins with what was released before it",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, ""),
	  TAKE(0, 0, 'B', FIN_ACK, 150, 300, 0, 2, ""), SEE_ANSWERED(0), TICK(4000, "A0"),
	  SEE(0, 2, 300, 300, 300, PSH_ACK), TICK(4999, ""), TICK(5000, "B2")},
	 {.taken = 2, .released = 2, .released_late = 1}},
	{"FIN with the last of the request",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', FIN_ACK, 100, 0, 10, 1, "A1")},
	 {.taken = 1, .released = 1}},
	{"FIN with a new request is no FIN alone",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', FIN_ACK, 100, 300, 10, 1, ""), TICK(1000, ""),
	  TICK(9999, ""), SEE_ANSWERED(0), TICK(9999, "A1")},
	 {.taken = 1, .released = 1}},
	{"RST waits, and goes late",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', RST_ACK, 100, 300, 0, 1, ""), TICK(4999, ""),
	  TICK(5000, "A1")},
	 {.taken = 1, .released = 1, .released_late = 1}},
	{"RST without an ACK number",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', TCPC_TCP_RST, 100, 5000, 0, 1, ""),
	  SEE(0, 1, 0, 0, 9, PSH_ACK), TICK(20, ""), TICK(1019, ""), TICK(1020, "A1")},
	 {.taken = 1, .released = 1, .released_late = 1}},
	{"FIN begins nothing that RST would have to wait for",
	 {SEE_ANSWERED(0), TAKE(0, 0, 'A', FIN_ACK, 100, 300, 0, 1, "A1"),
	  TAKE(1, 0, 'B', RST_ACK, 101, 300, 0, 2, "B2")},
	 {.taken = 2, .released = 2}},
	{"a target that has closed says no more",
	 {SEE(0, 2, 300, 300, 301, FIN_ACK), TAKE(0, 0, 'A', PSH_ACK, 100, 900, 50, 1, "A1"),
	  SEE(0, 3, 900, 301, 301, FIN_ACK), TAKE(0, 0, 'B', FIN_ACK, 150, 901, 0, 2, "B2")},
	 {.taken = 2, .released = 2}},
	{"but may read on: its window counts",
	 {SEE(0, 1, 0, 0, 1, FIN_ACK, .window_end = 99), TAKE(0, 0, 'A', PSH_ACK, 50, 0, 50, 1, ""),
	  TICK(1, ""), SEE(0, 1, 0, 0, 1, FIN_ACK, .window_end = 100), TICK(2, "A1")},
	 {.taken = 1, .released = 1}},
	{"a target that has reset says and reads no more",
	 {SEE(0, 1, 0, 0, 0, TCPC_TCP_ACK, .window_end = 99),
	  TAKE(0, 0, 'A', PSH_ACK, 50, 300, 50, 1, ""),
	  TAKE(0, 0, 'B', PSH_ACK, 100, 600, 50, 2, ""),
	  SEE(0, 1, 0, 0, 0, RST_ACK, .window_end = 99), TOUCH(1, 0, "A0 B2")},
	 {.taken = 2, .released = 2}},
	/* ---- a new connection from the same port ---- */
	{"SYN behind an old connection waits, and goes late",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', TCPC_TCP_SYN, 7, 0, 0, 1, ""), TICK(999, ""),
	  TICK(1000, "A1")},
	 {.taken = 1, .released = 1, .released_late = 1}},
	{"SYN behind one that the target has closed",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', TCPC_TCP_SYN, 7, 0, 0, 1, ""),
	  SEE(0, 1, 0, 0, 301, FIN_ACK), TOUCH(5, 0, "A1")},
	 {.taken = 1, .released = 1}},
	{"SYN behind one that nobody has used",
	 {SEE_FRESH(0), TAKE(0, 0, 'A', TCPC_TCP_SYN, 7, 0, 0, 1, "A1")},
	 {.taken = 1, .released = 1}},
	{"SYN behind one that is forgotten",
	 {TAKE(0, 0, 'A', TCPC_TCP_SYN, 7, 0, 0, 1, "A1")},
	 {.taken = 1, .released = 1}},
	{"behind SYN, the old connection answers for nothing",
	 {SEE(0, 5, 0, 0, 301, FIN_ACK), TAKE(0, 0, 'A', TCPC_TCP_SYN, 7, 0, 0, 1, "A1"),
	  TAKE(1, 0, 'B', PSH_ACK, 8, -9, 10, 2, ""), TAKE(1, 0, 'C', PSH_ACK, 18, 200, 10, 3, ""),
	  TICK(2, ""), SEE_FRESH(0), TICK(3, "B0"), SEE(0, 1, -9, 0, 0, TCPC_TCP_ACK), TICK(4, ""),
	  SEE(0, 1, -9, 0, 209, PSH_ACK), TICK(5, "C3")},
	 {.taken = 3, .released = 3}},
	/* ---- the receive window ---- */
	{"up to the window's edge and not beyond",
	 {SEE(0, 1, 0, 0, 0, TCPC_TCP_ACK, .window_end = 1000),
	  TAKE(0, 0, 'A', PSH_ACK, 900, 0, 100, 1, "A1"),
	  TAKE(0, 0, 'B', PSH_ACK, 901, 0, 100, 2, ""), TAKE(0, 0, 'C', PSH_ACK, 1001, 0, 9, 3, ""),
	  TICK(9000, ""), SEE(0, 1, 0, 0, 0, TCPC_TCP_ACK, .window_end = 1001), TICK(9001, "B0"),
	  SEE(0, 1, 0, 0, 0, TCPC_TCP_ACK, .window_end = 1010), TICK(9002, "C3")},
	 {.taken = 3, .released = 3}},
	{"the window says nothing about FIN",
	 {SEE(0, 1, 0, 0, 300, PSH_ACK, .window_end = 1000),
	  TAKE(0, 0, 'A', FIN_ACK, 1000, 300, 0, 1, "A1")},
	 {.taken = 1, .released = 1}},
	{"an answered request waits for its window all the same",
	 {SEE(0, 1, 0, 0, 300, PSH_ACK, .window_end = 100),
	  TAKE(0, 0, 'A', PSH_ACK, 100, 300, 1, 1, ""),
	  SEE(0, 1, 0, 0, 300, PSH_ACK, .window_end = 200), TOUCH(1, 0, "A1")},
	 {.taken = 1, .released = 1}},
	/* ---- giving up ---- */
	{"nothing was answered for the longest time",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, ""),
	  TAKE(5000, 0, 'B', PSH_ACK, 150, 300, 50, 2, ""), TICK(MAX_LAG_MS - 1, ""),
	  TICK(MAX_LAG_MS, "!0"), TICK(MAX_LAG_MS + 1, "")},
	 {.taken = 2, .shed_lag = 1, .lost = 2}},
	{"a window that never opens",
	 {SEE(0, 1, 0, 0, 0, TCPC_TCP_ACK, .window_end = 1),
	  TAKE(0, 0, 'A', PSH_ACK, 0, 0, 50, 1, ""), TICK(MAX_LAG_MS, "!0")},
	 {.taken = 1, .shed_lag = 1, .lost = 1}},
	{"slow but steady is not too slow",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, ""),
	  TAKE(0, 0, 'B', PSH_ACK, 150, 600, 50, 2, ""), SEE_ANSWERED(0), TICK(9000, "A0"),
	  SEE(0, 2, 300, 300, 300, PSH_ACK), TICK(11000, ""), TICK(18999, ""), TICK(19000, "!0")},
	 {.taken = 2, .released = 1, .shed_lag = 1, .lost = 1}},
	{"at the bound the largest goes",
	 {SEE_ASKED(0), SEE_ASKED(1), SEE_ASKED(2), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 1000, 1, ""),
	  TAKE(0, 1, 'B', PSH_ACK, 100, 300, 2000, 1, ""),
	  TAKE(0, 1, 'C', PSH_ACK, 2100, 300, 2000, 2, ""),
	  TAKE(0, 2, 'D', PSH_ACK, 100, 300, 2000, 1, ""),
	  TAKE(1, 0, 'E', PSH_ACK, 1100, 300, 2000, 2, "!1"), SEE_ANSWERED(0), SEE_ANSWERED(2),
	  TOUCH(2, 2, "D1"), TOUCH(3, 0, "A0 E2")},
	 {.taken = 5, .released = 3, .shed_full = 1, .lost = 2}},
	{"the largest may be the one that asks for more",
	 {SEE_ASKED(0), SEE_ASKED(1), TAKE(0, 1, 'A', PSH_ACK, 0, 300, 1000, 1, ""),
	  TAKE(0, 0, 'B', PSH_ACK, 0, 300, 6000, 1, ""), LOSE(0),
	  TAKE(1, 0, 'C', PSH_ACK, 6000, 300, 3000, 2, "!0 C2"), SEE_ANSWERED(1), TICK(2, "A1")},
	 {.taken = 3, .released = 2, .shed_full = 1, .lost = 1}},
	/* ---- connections and errors ---- */
	{"connections do not disturb each other",
	 {SEE_ASKED(0), SEE_ASKED(1), SEE_ANSWERED(2),
	  TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, ""),
	  TAKE(0, 1, 'B', PSH_ACK, 100, 300, 50, 1, ""),
	  TAKE(0, 2, 'C', PSH_ACK, 1, 300, 5, 1, "C1"),
	  TAKE(0, 1, 'D', PSH_ACK, 150, 300, 50, 2, ""), SEE_ANSWERED(1), TOUCH(1, 0, ""),
	  TOUCH(1, 2, ""), TOUCH(1, 3, ""), TOUCH(2, 1, "B0 D2"), TICK(9999, ""),
	  TICK(MAX_LAG_MS, "!0")},
	 {.taken = 4, .released = 3, .shed_lag = 1, .lost = 1}},
	{"a frame that cannot be written back",
	 {SEE_ASKED(0), TAKE(0, 0, 'A', PSH_ACK, 100, 300, 50, 1, ""),
	  TAKE(0, 0, 'B', PSH_ACK, 150, 300, 50, 2, ""), WRITES_FAIL(-5), SEE_ANSWERED(0),
	  TICK(1, "A0 B2"), WRITES_FAIL(0), TAKE(2, 0, 'C', PSH_ACK, 200, 300, 50, 3, "C3")},
	 {.taken = 3, .released = 1, .write_failed = 2}},
	{"nothing to do", {TICK(0, ""), TOUCH(0, 0, ""), TICK(1, "")}, {}},
};

/* Where the three spaces of numbers begin. Not all 0: a window's end of 0 means "unknown". */
static const struct start {
	__u32 seq, ack, snd;
} starts[] = {
	{1000000, 2000000, 3000000},
	{0xffffffce, 0xfffffff0, 0xfffffed4}, /* each wraps within a request or an answer */
	{0x7fffff9c, 0x7ffffff6, 0x7fffff38}, /* the sign changes */
	{0xfffffbb4, 1, 0},
	{77, 0, 0xffffffff},
};

static void see(struct lab_view *view, const struct tcpc_exchange *x, const struct start *start)
{
	view->known = true;
	view->x = *x;
	if (x->exchanges)
		view->x.client_ack += start->ack;
	/* A target that has sent anything has sent its SYN-ACK, from which on it counts. */
	if (x->answer_flags)
		view->x.answer_end += start->snd;
	if (x->exchanges || x->answer_flags)
		view->x.snd_nxt += start->snd;
	if (x->window_end)
		view->x.window_end += start->seq;
}

static void take(struct hold_lab *lab, const struct step *s, const struct start *start)
{
	struct frame_spec spec = {
		.ttl = s->id,
		.flags = s->flags,
		.seq = s->seq + start->seq,
		.ack = s->ack + start->ack,
		.payload_bytes = s->payload_bytes,
		.urgent = s->greeting,
	};

	lab_take(lab, s->ms * MS, s->conn, s->number, &spec);
}

static void run_step(struct hold_lab *lab, const struct step *s, const struct start *start)
{
	struct tcpc_flow flow = lab_flow(s->conn);

	switch (s->what) {
	case TAKE_FRAME:
		take(lab, s, start);
		break;
	case TOUCH_FLOW:
		tcpc_hold_touch(lab->hold, s->ms * MS, &flow);
		break;
	case TICK_TIME:
		tcpc_hold_tick(lab->hold, s->ms * MS);
		break;
	case SEE_VIEW:
		see(&lab->view[s->conn], &s->x, start);
		break;
	case LOSE_VIEW:
		lab->view[s->conn].known = false;
		break;
	default:
		lab->write_error = s->ms;
	}
}

static void run_scenario(const struct scenario *sc, const struct start *start)
{
	struct hold_lab lab;
	char name[128];

	lab_begin(&lab, LIMIT_BYTES, MAX_LAG_MS * MS);
	for (const struct step *s = sc->steps; s < sc->steps + MAX_STEPS && s->what; s++) {
		snprintf(name, sizeof(name), "start %td, step %td", start - starts, s - sc->steps);
		run_step(&lab, s, start);
		expect_did(sc->name, name, &lab, s->want ?: "");
	}
	/* What is remembered of the last release may go in its time, and nothing else is left. */
	tcpc_hold_tick(lab.hold, 1000000 * MS);
	expect_did(sc->name, "at the end", &lab, "");
	expect_true(sc->name, "is empty", tcpc_hold_empty(lab.hold));
#define EXPECT(field, text)                                                                        \
	expect_u64(sc->name, #field, tcpc_hold_stats(lab.hold)->field, sc->want.field);
	TCPC_HOLD_COUNTERS(EXPECT)
#undef EXPECT
	tcpc_hold_free(lab.hold);
}

static void test_scenarios(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(scenarios); i++)
		for (size_t s = 0; s < COUNT_OF(starts); s++)
			run_scenario(&scenarios[i], &starts[s]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenarios),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
