// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_ledger_ends.c - the ledger: how connections end, break, are held, given up, taken up again
 * and replaced; outages; bounds.
 */
#include "../harness/ledger_table.h"

/* One request is on the way: record B. */
#define ASKED OPENED, C(2, PSH_ACK, 1, 1, 100, "")

static const struct scenario scenarios[] = {
	/* ---- the target resets ---- */
	{"a reset loses what is in flight, and what it acknowledges is not lost",
	 {ASKED, C(3, PSH_ACK, 101, 1, 50, ""), R(4, RST_ACK, 101, 0, "-B -C")},
	 .want = {150, 100, 0, 0, 50, 0},
	 .want_x = {1, 0, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_reset},
	{"connection refused",
	 {C(0, SYN, 0, 0, 0, ""), R(1, RST_ACK, 1, 0, "-A"), UNTIL(5000, "")},
	 .want = {0}},
	{"a reset of the connection before: its numbers do not fit, or there are none",
	 {C(0, SYN, 0, 0, 0, ""), R(1, RST_ACK, 500, 0, ""), R(1, RST, 0, 0, ""),
	  R(2, SYN_ACK, 1, 0, "-A")},
	 .want = {0}},
	{"a reset without an ACK number, while the connection goes on",
	 {ASKED, R(4, RST, 0, 0, ""), R(5, ACK, 101, 0, "-B")},
	 .want = {100, 100, 0, 0, 0, 0},
	 .want_x = {1, 1, 0, 0, 0, 0}},
	{"the same when the target has closed",
	 {ASKED, R(3, FIN_ACK, 1, 0, ""), R(4, RST, 0, 0, "-B")},
	 .want = {100, 0, 0, 0, 100, 0},
	 .want_x = {1, 0, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_reset},
	{"the same behind the client's own: the target says yet how far it has read",
	 {ASKED, C(3, RST_ACK, 101, 1, 0, ""), R(4, RST, 0, 0, ""), R(4, RST_ACK, 101, 0, "-B -C")},
	 .want = {100, 100, 0, 0, 0, 0},
	 .want_x = {1, 1, 0, 0, 0, 0}},
	{"or it says nothing",
	 {ASKED, C(3, RST_ACK, 101, 1, 0, ""), R(4, RST, 0, 0, ""), UNTIL(3000, ""),
	  UNTIL(3030, "-B -C")},
	 .want = {100, 0, 0, 0, 100, 0},
	 .want_x = {1, 0, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_aborted},
	{"after a reset the rest of the exchange is lost, the next may be taken up",
	 {ASKED, R(4, RST_ACK, 1, 0, "-B"), C(5, PSH_ACK, 101, 1, 20, "-C"),
	  C(6, PSH_ACK, 121, 301, 30, ""), R(7, SYN_ACK, 121, 0, ""), R(7, ACK, 151, 0, "-D")},
	 .want = {150, 30, 0, 0, 120, 0},
	 .want_x = {2, 1, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_reset},
	/* ---- in mid-stream ---- */
	{"taken up: the first packet that the ledger sees is answered",
	 {C(0, PSH_ACK, 1, 1, 100, ""), R(1, SYN_ACK, 1, 0, ""), R(1, ACK, 101, 0, "-A")},
	 .want = {100, 100, 0, 0, 0, 0},
	 .want_x = {1, 1, 0, 0, 0, 0}},
	{"not taken up: three tries with the first, then lost",
	 {C(0, PSH_ACK, 1, 1, 100, ""), C(0, PSH_ACK, 101, 1, 100, ""), UNTIL(1020, "A1-101?"),
	  UNTIL(3050, "A1-101?"), UNTIL(6080, "A1-101?"), UNTIL(9100, "-A -B !201"),
	  C(9200, PSH_ACK, 201, 1, 100, "-C"), UNTIL(30000, "")},
	 .want = {300, 0, 0, 0, 300, 0},
	 .want_x = {1, 0, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_no_connection},
	{"taken up after all, with a packet that was given up",
	 {C(0, PSH_ACK, 1, 1, 100, ""), UNTIL(1020, "A1-101?"), UNTIL(3050, "A1-101?"),
	  UNTIL(6080, "A1-101?"), UNTIL(9100, "-A !101"), R(9150, SYN_ACK, 1, 0, ""),
	  C(9200, PSH_ACK, 101, 1, 100, ""), R(9201, ACK, 201, 0, "-B")},
	 .want = {200, 100, 0, 0, 100, 0},
	 .want_x = {2, 1, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_no_connection},
	{"taken up in the middle: what the target skips is lost",
	 {C(0, PSH_ACK, 1, 1, 100, ""), C(1, PSH_ACK, 101, 301, 50, ""),
	  R(2, SYN_ACK, 101, 0, "-A"), R(3, ACK, 151, 0, "-B")},
	 .want = {150, 50, 0, 0, 100, 0},
	 .want_x = {2, 1, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_no_connection},
	{"the same because SYN and first request were lost; what still comes of it is new",
	 {C(0, SYN, 0, 0, 0, ""), C(1, PSH_ACK, 1, 1, 100, ""), C(2, PSH_ACK, 101, 301, 50, ""),
	  R(3, SYN_ACK, 151, 0, "-A -B -C"), C(4, PSH_ACK, 151, 301, 10, ""),
	  R(5, ACK, 161, 0, "-D")},
	 .want = {160, 10, 0, 0, 150, 0},
	 .want_x = {3, 1, 0, 0, 2, 0},
	 .reason = TCPC_LEDGER_LOST_no_connection},
	{"the target waits for what was copied before: only a new connection helps",
	 {C(0, PSH_ACK, 1001, 1, 100, ""), R(1, ACK, 900, 0, ""), UNTIL(1020, "A1001-1101?"),
	  R(1021, ACK, 900, 0, "-A !1101")},
	 .want = {100, 0, 0, 0, 100, 0},
	 .want_x = {1, 0, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_no_connection},
	{"far from all numbers known: another connection, whose SYN was not seen",
	 {ASKED, C(3, PSH_ACK, 0x60000000, 1, 10, "-B"), UNTIL(220, "C1610612736-1610612746?"),
	  UNTIL(223, "")},
	 .want = {110, 0, 0, 110, 0, 0},
	 .want_x = {2, 0, 0, 2, 0, 0}},
	{"in mid-stream a reset of all before is what we have sent ourselves",
	 {C(0, PSH_ACK, 1001, 1, 100, ""), R(1, RST_ACK, 1001, 0, ""), R(2, SYN_ACK, 1001, 0, ""),
	  R(3, ACK, 1101, 9, "-A")},
	 .want = {100, 100, 0, 0, 0, 0},
	 .want_x = {1, 1, 0, 0, 0, 0}},
	/* ---- the client resets ---- */
	{"RST is kept and not sent again; what is in flight is not either",
	 {ASKED, C(3, RST, 101, 0, 0, ""), UNTIL(3000, ""), UNTIL(3050, "-B -C")},
	 .want = {100, 0, 0, 0, 100, 0},
	 .want_x = {1, 0, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_aborted},
	{"a late receipt counts",
	 {ASKED, C(3, RST, 101, 0, 0, ""), R(4, ACK, 101, 0, "-B"), UNTIL(3100, "C101-101 -C")},
	 .want = {100, 100, 0, 0, 0, 0},
	 .want_x = {1, 1, 0, 0, 0, 0}},
	{"the target talks on: what it has not got, and the RST again",
	 {ASKED, C(3, RST, 101, 0, 0, ""), R(50, ACK, 1, 0, "B1-101 C101-101"),
	  R(51, ACK, 101, 0, "-B"), R(52, RST_ACK, 101, 0, "-C")},
	 .want = {100, 100, 0, 0, 0, 0},
	 .want_x = {1, 1, 0, 0, 0, 0}},
	{"the reset has ended it, and the target had all",
	 {ASKED, C(3, RST, 101, 0, 0, ""), R(50, RST_ACK, 101, 0, "-B -C")},
	 .want = {100, 100, 0, 0, 0, 0},
	 .want_x = {1, 1, 0, 0, 0, 0}},
	{"the same, and the target had a part",
	 {ASKED, C(3, RST, 101, 0, 0, ""), R(50, RST_ACK, 41, 0, "-B -C")},
	 .want = {100, 40, 0, 0, 60, 0},
	 .want_x = {1, 0, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_aborted},
	{"the hold queue has taken it",
	 {ASKED, C(3, RST, 101, 0, 0, ""), T(4, 1, 101, "-B"), T(4, 101, 101, "-C"),
	  UNTIL(9000, ""), R(9001, ACK, 101, 0, "")},
	 .want = {100, 100, 0, 0, 0, 0},
	 .want_x = {1, 1, 0, 0, 0, 0}},
	{"it has what is behind a hole, so it still has the connection: the hole, again and again",
	 {ASKED, C(2, FIN_ACK, 101, 1, 0, ""), C(3, RST, 102, 0, 0, ""),
	  T(50, 101, 102, "-C B1-101 D102-102"), T(60, 102, 102, "-D B1-101"), UNTIL(880, "B1-101"),
	  R(900, ACK, 101, 0, "-B")},
	 .want = {100, 100, 0, 0, 0, 0},
	 .want_x = {1, 1, 0, 0, 0, 0}},
	/* ---- the hold queue ---- */
	{"held is not in flight, is not kept and not sent again",
	 {ASKED, C(3, PSH_ACK, 101, 301, 50, ""), T(4, 101, 151, "-C"), UNTIL(220, "B1-101"),
	  R(230, ACK, 101, 0, "-B"), UNTIL(9000, "")},
	 .want = {150, 100, 50, 0, 0, 0},
	 .want_x = {2, 1, 0, 1, 0, 0}},
	{"part of a large packet is held",
	 {OPENED, C(2, ACK, 1, 1, 10000, ""), T(3, 5001, 8001, ""), UNTIL(220, "B1-5001"),
	  R(230, ACK, 5001, 0, "B8001-10001"), R(231, ACK, 10001, 0, "-B")},
	 .want = {10000, 10000, 0, 0, 0, 0},
	 .want_x = {1, 1, 0, 0, 0, 0}},
	{"shed: the target was too slow",
	 {ASKED, C(3, PSH_ACK, 101, 301, 50, ""), T(4, 101, 151, "-C"), UNTIL(80, "B1-101"),
	  DO(SHED, 100, "-B")},
	 .want = {150, 0, 0, 0, 150, 0},
	 .want_x = {2, 0, 0, 0, 2, 0},
	 .reason = TCPC_LEDGER_LOST_too_slow},
	{"shed: what left behind what was held opens the connection anew",
	 {ASKED, T(3, 1, 101, "-B"), C(4, PSH_ACK, 101, 301, 50, ""), DO(SHED, 5, ""),
	  UNTIL(230, "C101-151?"), R(231, SYN_ACK, 101, 0, ""), R(231, ACK, 151, 0, "-C")},
	 .want = {150, 50, 0, 0, 100, 0},
	 .want_x = {2, 1, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_too_slow},
	{"shed: the rest of what was held in part is of no use",
	 {ASKED, T(3, 1, 51, ""), DO(SHED, 4, "-B"), C(5, PSH_ACK, 101, 1, 20, "-C"),
	  C(6, PSH_ACK, 121, 301, 30, ""), R(7, SYN_ACK, 121, 0, ""), R(8, ACK, 151, 0, "-D")},
	 .want = {150, 30, 0, 0, 120, 0},
	 .want_x = {2, 1, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_too_slow},
	{"shed, and taken up one request too late: that is lost with the others",
	 {ASKED, T(3, 1, 101, "-B"), DO(SHED, 5, ""), C(6, PSH_ACK, 101, 301, 50, ""),
	  C(7, PSH_ACK, 151, 601, 30, ""), R(8, SYN_ACK, 151, 0, "-C"), R(9, ACK, 181, 0, "-D")},
	 .want = {180, 30, 0, 0, 150, 0},
	 .want_x = {3, 1, 0, 0, 2, 0},
	 .reason = TCPC_LEDGER_LOST_too_slow},
	{"shed, but nobody said so",
	 {ASKED, T(4, 1, 101, "-B"), UNTIL(60000, ""), UNTIL(60030, "!101")},
	 .want = {100, 0, 0, 0, 100, 0},
	 .want_x = {1, 0, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_too_slow},
	/* ---- the same port again ---- */
	{"a new connection: the old one's receipts may come yet",
	 {ASKED, C(5, SYN, 100000, 0, 0, ""), R(6, ACK, 101, 0, "-B"),
	  R(7, SYN_ACK, 100001, 0, "-C")},
	 .want = {100, 100, 0, 0, 0, 0},
	 .want_x = {1, 1, 0, 0, 0, 0}},
	{"and if they do not come, nothing is known",
	 {ASKED, C(5, SYN, 100000, 0, 0, ""), R(7, SYN_ACK, 100001, 0, "-B -C"), UNTIL(3000, ""),
	  UNTIL(3030, "")},
	 .want = {100, 0, 0, 0, 100, 0},
	 .want_x = {1, 0, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_replaced},
	{"the new one's SYN has ended it, and the target had a part",
	 {ASKED, C(5, SYN, 100000, 0, 0, ""), R(6, RST_ACK, 61, 0, "-B"),
	  R(7, SYN_ACK, 100001, 0, "-C")},
	 .want = {100, 60, 0, 0, 40, 0},
	 .want_x = {1, 0, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_replaced},
	{"held for the old one, then shed",
	 {ASKED, T(3, 1, 101, "-B"), C(5, SYN, 100000, 0, 0, ""), T(6, 100000, 100001, "-C"),
	  UNTIL(9000, ""), DO(SHED, 9001, "")},
	 .want = {100, 0, 0, 0, 100, 0},
	 .want_x = {1, 0, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_too_slow},
	{"two at once are too many",
	 {ASKED, C(5, SYN, 100000, 0, 0, ""), C(6, ACK, 100001, 1, 50, ""),
	  C(7, SYN, 200000, 0, 0, "-B")},
	 .want = {150, 0, 0, 50, 100, 0},
	 .want_x = {2, 0, 0, 1, 1, 0},
	 .reason = TCPC_LEDGER_LOST_replaced},
	{"after its FIN was acknowledged nothing remains of it",
	 {ASKED, C(3, FIN_ACK, 101, 1, 0, ""), R(4, FIN_ACK, 102, 0, "-B -C"),
	  C(5, SYN, 9, 0, 0, ""), R(6, SYN_ACK, 10, 0, "-D")},
	 .want = {100, 100, 0, 0, 0, 0},
	 .want_x = {1, 1, 0, 0, 0, 0}},
	/* ---- bounds ---- */
	{"the journal is full: the largest is not kept, then the next; one arrives, one does not",
	 {ASKED, C1(3, SYN, 0, 0, 0, ""), C1(3, ACK, 1, 1, 9000, ""), DO(LARGEST, 4, "-C -D"),
	  DO(LARGEST, 5, "-B"), DO(LARGEST, 6, ""), R(7, ACK, 101, 0, ""), UNTIL(9000, ""),
	  UNTIL(30000, "!9001")},
	 .want = {9100, 100, 0, 0, 9000, 0},
	 .want_x = {2, 1, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_retention},
	{"what is not kept waits in the hold queue, like the rest",
	 {ASKED, DO(LARGEST, 4, "-B"), C(5, PSH_ACK, 101, 301, 20, ""), T(6, 1, 121, "-C"),
	  DO(LARGEST, 7, ""), UNTIL(9000, ""), R(9000, ACK, 121, 0, "")},
	 .want = {120, 120, 0, 0, 0, 0},
	 .want_x = {2, 2, 0, 0, 0, 0}},
	{"it is lost a second after it left, if what is behind it is there",
	 {ASKED, DO(LARGEST, 4, "-B"), C(500, PSH_ACK, 101, 1, 10, ""), T(501, 101, 111, "-C"),
	  C(900, PSH_ACK, 111, 1, 10, ""), T(901, 111, 121, "-D"), UNTIL(990, ""),
	  UNTIL(2000, "!121")},
	 .want = {120, 0, 0, 0, 120, 0},
	 .want_x = {1, 0, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_retention},
	{"what was sent again is not kept either",
	 {ASKED, UNTIL(400, "B1-101"), UNTIL(800, "B1-101"), DO(LARGEST, 801, "-B"),
	  UNTIL(9000, ""), UNTIL(30000, "!101")},
	 .want = {100, 0, 0, 0, 100, 0},
	 .want_x = {1, 0, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_retention},
	{"what is in SACK blocks goes before any connection, and needs not be sent again",
	 {ASKED, C(3, PSH_ACK, 101, 1, 100, ""), R(4, ACK, 1, 0, "", 101, 201),
	  DO(LARGEST, 4, "-C"), UNTIL(40, "B1-101"), R(41, ACK, 201, 0, "-B")},
	 .want = {200, 200, 0, 0, 0, 0},
	 .want_x = {1, 1, 0, 0, 0, 0}},
	{"unless the target has thrown it away",
	 {ASKED, C(3, PSH_ACK, 101, 1, 100, ""), R(4, ACK, 1, 0, "", 101, 201),
	  DO(LARGEST, 4, "-C"), UNTIL(40, "B1-101"), R(41, ACK, 101, 0, "-B"),
	  UNTIL(30000, "!201")},
	 .want = {200, 100, 0, 0, 100, 0},
	 .want_x = {1, 0, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_tries},
	{"the journal names the connection",
	 {ASKED, DO(GIVE_UP, 4, "-B"), DO(GIVE_UP, 5, ""), R(6, ACK, 101, 0, "")},
	 .want = {100, 100, 0, 0, 0, 0},
	 .want_x = {1, 1, 0, 0, 0, 0}},
	{"more connections than may be kept: the one unused for longest goes",
	 {{.what = COPY, .conn = 0, .flags = PSH_ACK, .seq = 1, .bytes = 5, .want = ""},
	  {.what = COPY, .conn = 1, .flags = SYN, .want = ""},
	  {.what = COPY, .conn = 2, .flags = SYN, .want = ""},
	  {.what = COPY, .conn = 3, .flags = SYN, .want = "-A !6"}},
	 .want = {5, 0, 0, 0, 5, 0},
	 .want_x = {1, 0, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_full},
	/* ---- outages ---- */
	{"nothing is sent again meanwhile, and no try counts; then it is",
	 {ASKED, DO(PAUSE, 10, ""), UNTIL(5000, ""), DO(RESUME, 5000, ""), UNTIL(5220, "B1-101"),
	  R(5230, ACK, 101, 0, "-B")},
	 .want = {100, 100, 0, 0, 0, 0},
	 .want_x = {1, 1, 0, 0, 0, 0}},
	{"receipts that come yet are read",
	 {ASKED, DO(PAUSE, 10, ""), R(11, ACK, 51, 0, ""), R(12, ACK, 101, 0, "-B")},
	 .want = {100, 100, 0, 0, 0, 0},
	 .want_x = {1, 1, 0, 0, 0, 0}},
	{"too long: lost, and reset when the target is there again",
	 {ASKED, DO(PAUSE, 10, ""), UNTIL(20000, ""), UNTIL(20030, "-B"), DO(RESUME, 22000, ""),
	  C(23000, PSH_ACK, 101, 301, 20, "!101"), R(23001, SYN_ACK, 101, 0, ""),
	  R(23002, ACK, 121, 0, "-C")},
	 .want = {120, 20, 0, 0, 100, 0},
	 .want_x = {2, 1, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_outage},
};

static void test_scenarios(void **state)
{
	(void)state;
	run_scenarios(scenarios, COUNT_OF(scenarios));
}

/* ---- figures for people ---- */

static void test_behind(void **state)
{
	struct tcpc_ledger_line lines[3];
	struct ledger_lab lab;

	(void)state;
	lab_begin(&lab, 100, 100);
	/* 0, 3, 6, 9, 2, 5... */
	for (int i = 0; i < 10; i++) {
		lab_run_to(&lab, 10 * i);
		lab_copied(&lab, i * 3 % 10, SYN, 0, 0, 0);
	}
	lab_run_to(&lab, 200);
	expect_u64("behind", "lines", tcpc_ledger_behind(lab.ledger, lab.now_ns, lines, 0), 0);
	expect_u64("behind", "lines", tcpc_ledger_behind(lab.ledger, lab.now_ns, lines, 3), 3);
	expect_u64("behind", "first", lab_conn(&lines[0].flow), 0);
	expect_u64("behind", "age", lines[0].behind_ns, 200 * MS);
	expect_u64("behind", "second", lab_conn(&lines[1].flow), 3);
	expect_u64("behind", "third", lab_conn(&lines[2].flow), 6);
	assert_string_equal(lines[0].state, "open");
	lab_end(&lab);
}

static void test_reasons(void **state)
{
	(void)state;
	for (int i = 0; i < __TCPC_LEDGER_LOST_MAX; i++) {
		assert_non_null(tcpc_ledger_reason_name(i));
		expect_true(tcpc_ledger_reason_name(i), "has a text",
			    strlen(tcpc_ledger_reason_text(i)) > 5);
	}
	assert_null(tcpc_ledger_reason_name(__TCPC_LEDGER_LOST_MAX));
	assert_null(tcpc_ledger_reason_text(__TCPC_LEDGER_LOST_MAX));
	assert_string_equal(tcpc_ledger_reason_name(TCPC_LEDGER_LOST_too_slow), "too_slow");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenarios),
		cmocka_unit_test(test_behind),
		cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
