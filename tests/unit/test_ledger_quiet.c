// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_ledger_quiet.c - the ledger: what it takes from the hold queue's word about what is missing
 * before that, what is still to come after a timeout, and a link that stands still.
 */
#include "../harness/ledger_table.h"

/* One request is on the way: record B. */
#define ASKED OPENED, C(2, PSH_ACK, 1, 1, 100, "")
/* And three more that say nothing: C, D, E. */
#define FOUR                                                                                       \
	ASKED, C(3, ACK, 101, 1, 100, ""), C(4, ACK, 201, 1, 100, ""), C(5, ACK, 301, 1, 100, "")

static const struct scenario scenarios[] = {
	/* ---- what is held tells of what is not ---- */
	{"the next request is held: this one was lost, or its ACK would be here",
	 {ASKED, C(3, PSH_ACK, 101, 301, 50, ""), T(30, 101, 151, "-C"), UNTIL(54, ""),
	  UNTIL(80, "B1-101"), R(81, ACK, 151, 0, "-B")},
	 .want = {150, 150, 0, 0, 0, 0},
	 .want_x = {2, 2, 0, 0, 0, 0}},
	{"the ACK was delayed",
	 {ASKED, C(3, PSH_ACK, 101, 301, 50, ""), T(30, 101, 151, "-C"), R(45, ACK, 101, 0, "-B"),
	  UNTIL(1000, "")},
	 .want = {150, 100, 50, 0, 0, 0},
	 .want_x = {2, 1, 0, 1, 0, 0}},
	{"what left behind the one that is held may be on its way",
	 {ASKED, C(3, PSH_ACK, 101, 301, 50, ""), T(30, 1, 101, "-B"), UNTIL(190, ""),
	  UNTIL(220, "C101-151")},
	 .want = {150, 0, 100, 50, 0, 0},
	 .want_x = {2, 0, 0, 2, 0, 0}},
	{"once: then the timeout has its turn",
	 {ASKED, C(3, PSH_ACK, 101, 301, 50, ""), T(30, 101, 151, "-C"), UNTIL(80, "B1-101"),
	  C(90, PSH_ACK, 151, 601, 50, ""), T(120, 151, 201, "-D"), UNTIL(250, ""),
	  UNTIL(290, "B1-101")},
	 .want = {200, 0, 100, 100, 0, 0},
	 .want_x = {3, 0, 0, 3, 0, 0}},
	/* ---- after a timeout ---- */
	{"what left just before it may be about to be told",
	 {ASKED, C(195, ACK, 101, 1, 50, ""), UNTIL(212, "B1-101"), R(215, ACK, 101, 0, "-B"),
	  UNTIL(240, ""), R(241, ACK, 151, 0, "-C")},
	 .want = {150, 150, 0, 0, 0, 0},
	 .want_x = {1, 1, 0, 0, 0, 0}},
	{"and is sent again if it is not",
	 {ASKED, C(195, ACK, 101, 1, 50, ""), UNTIL(212, "B1-101"), R(215, ACK, 101, 0, "-B"),
	  UNTIL(240, ""), UNTIL(280, "C101-151")},
	 .want = {150, 100, 0, 50, 0, 0},
	 .want_x = {1, 0, 0, 1, 0, 0}},
	/* ---- the link stands still ---- */
	{"no word about four packets: silence tells nothing",
	 {FOUR, UNTIL(400, ""), R(401, ACK, 401, 0, "-B -C -D -E")},
	 .want = {400, 400, 0, 0, 0, 0},
	 .want_x = {1, 1, 0, 0, 0, 0}},
	{"words again: now it counts",
	 {FOUR, UNTIL(400, ""), R(401, ACK, 101, 0, "-B"), UNTIL(590, ""), UNTIL(625, "C101-201")},
	 .want = {400, 100, 0, 300, 0, 0},
	 .want_x = {1, 0, 0, 1, 0, 0}},
	{"words of another connection, and time for those of this one",
	 {FOUR,
	  C1(6, SYN, 0, 0, 0, ""),
	  UNTIL(400, ""),
	  {.what = RECEIPT, .ms = 401, .conn = 1, .flags = SYN_ACK, .ack = 1, .want = "-F"},
	  UNTIL(445, ""),
	  UNTIL(475, "B1-101")},
	 .want = {400, 0, 0, 400, 0, 0},
	 .want_x = {1, 0, 0, 1, 0, 0}},
	{"not for ever",
	 {FOUR, UNTIL(1000, ""), UNTIL(1030, "B1-101")},
	 .want = {400, 0, 0, 400, 0, 0},
	 .want_x = {1, 0, 0, 1, 0, 0}},
	{"three can be lost together",
	 {ASKED, C(3, ACK, 101, 1, 100, ""), C(4, ACK, 201, 1, 100, ""), UNTIL(220, "B1-101")},
	 .want = {300, 0, 0, 300, 0, 0},
	 .want_x = {1, 0, 0, 1, 0, 0}},
};

static void test_scenarios(void **state)
{
	(void)state;
	run_scenarios(scenarios, COUNT_OF(scenarios));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenarios),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
