// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_ledger_late.c - the ledger: what was copied while the target could not be reached, has not
 * left, and leaves when it is there again.
 */
#include "../harness/ledger_table.h"

#include "core/pieces.h"
#include "tcpcopy/csum.h"
#include "tcpcopy/reflect.h"

/* From here on the target is away; what is copied is kept. And back, after 10 s. */
#define AWAY(ms_) DO(PAUSE, ms_, ""), DO(KEEP, ms_, "")
#define BACK(want_) DO(RESUME, 10000, want_)

static const struct scenario scenarios[] = {
	{"a request that was kept leaves when the target is back",
	 {OPENED, AWAY(10), C(11, PSH_ACK, 1, 1, 100, ""), UNTIL(9999, ""), BACK(""),
	  UNTIL(10010, "B1-101"), R(10012, ACK, 101, 0, "-B")},
	 .want = {100, 100, 0, 0, 0, 0},
	 .want_x = {1, 1, 0, 0, 0, 0}},
	{"SYN first; the rest when it is answered, not faster than four times as fast",
	 {AWAY(0), C(1, SYN, 0, 0, 0, ""), C(2, PSH_ACK, 1, 1, 100, ""),
	  C(4000, FIN_ACK, 101, 300, 0, ""), BACK(""), UNTIL(10010, "A0-1"),
	  R(10020, SYN_ACK, 1, 0, "-A B1-101"), R(10030, ACK, 101, 0, "-B"), UNTIL(10990, ""),
	  UNTIL(11020, "C101-102"), R(11021, ACK, 102, 0, "-C")},
	 .want = {100, 100, 0, 0, 0, 0},
	 .want_x = {1, 1, 0, 0, 0, 0}},
	{"what had left before comes first; the rest behind its answer",
	 {OPENED, C(2, PSH_ACK, 1, 1, 100, ""), AWAY(10), C(11, PSH_ACK, 101, 301, 50, ""),
	  BACK(""), UNTIL(10220, "B1-101"), R(10230, ACK, 101, 0, "-B C101-151"),
	  R(10240, ACK, 151, 0, "-C")},
	 .want = {150, 150, 0, 0, 0, 0},
	 .want_x = {2, 2, 0, 0, 0, 0}},
	{"it does not answer to that: it has forgotten the connection, and takes it up behind it",
	 {OPENED, C(2, PSH_ACK, 1, 1, 100, ""), AWAY(10), C(11, PSH_ACK, 101, 301, 50, ""),
	  BACK(""), UNTIL(10220, "B1-101"), UNTIL(10630, "B1-101"), UNTIL(11440, "B1-101"),
	  UNTIL(13060, "-B C101-151"), R(13061, SYN_ACK, 101, 0, ""), R(13062, ACK, 151, 0, "-C")},
	 .want = {150, 50, 0, 0, 100, 0},
	 .want_x = {2, 1, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_outage},
	{"what comes while others wait stays behind them; after that it leaves at once",
	 {OPENED, AWAY(10), C(11, PSH_ACK, 1, 1, 100, ""), BACK(""), UNTIL(10003, "B1-101"),
	  C(10005, PSH_ACK, 101, 301, 50, ""), R(10012, ACK, 101, 0, "-B"),
	  UNTIL(12520, "C101-151"), C(12520, PSH_ACK, 151, 601, 5, "D151-156"),
	  R(12521, ACK, 156, 0, "-C -D"), C(12530, FIN_ACK, 156, 901, 0, "E156-157"),
	  R(12531, ACK, 157, 0, "-E")},
	 .want = {155, 155, 0, 0, 0, 0},
	 .want_x = {3, 3, 0, 0, 0, 0}},
	{"the client's RST leaves behind what came before it",
	 {OPENED, AWAY(10), C(11, PSH_ACK, 1, 1, 100, ""), C(12, RST, 101, 0, 0, ""), BACK(""),
	  UNTIL(10010, "B1-101"), R(10012, ACK, 101, 0, "-B C101-101"), UNTIL(13000, ""),
	  UNTIL(13040, "-C")},
	 .want = {100, 100, 0, 0, 0, 0},
	 .want_x = {1, 1, 0, 0, 0, 0}},
	{"the port again: the new connection waits until the old one is done",
	 {OPENED, AWAY(10), C(11, PSH_ACK, 1, 1, 100, ""), C(12, SYN, 100000, 0, 0, ""),
	  C(13, PSH_ACK, 100001, 1, 50, ""), BACK(""), UNTIL(10010, "B1-101"),
	  R(10012, ACK, 101, 0, "-B C100000-100001"),
	  R(10020, SYN_ACK, 100001, 0, "-C D100001-100051"), R(10021, ACK, 100051, 0, "-D")},
	 .want = {150, 150, 0, 0, 0, 0},
	 .want_x = {2, 2, 0, 0, 0, 0}},
	{"the port again before the link is known to be down: the old one first, too",
	 {C(0, SYN, 0, 0, 0, ""), C(1, PSH_ACK, 1, 1, 100, ""), C(5, SYN, 100000, 0, 0, ""),
	  C(6, PSH_ACK, 100001, 1, 50, ""), AWAY(10), C(7, FIN_ACK, 100051, 1, 0, ""), BACK(""),
	  UNTIL(10400, "A0-1"), R(10401, SYN_ACK, 1, 0, "-A B1-101"),
	  R(10402, ACK, 101, 0, "-B C100000-100001"),
	  R(10403, SYN_ACK, 100001, 0, "-C D100001-100051 E100051-100052"),
	  R(10404, ACK, 100052, 0, "-D -E")},
	 .want = {150, 150, 0, 0, 0, 0},
	 .want_x = {2, 2, 0, 0, 0, 0}},
	{"the same, and of the old one only the FIN is missing",
	 {OPENED, C(1, PSH_ACK, 1, 1, 100, ""), R(2, ACK, 101, 0, "-B"),
	  C(3, FIN_ACK, 101, 301, 0, ""), C(5, SYN, 100000, 0, 0, ""),
	  C(6, PSH_ACK, 100001, 1, 50, ""), AWAY(10), BACK(""), UNTIL(10400, "C101-102"),
	  R(10401, ACK, 102, 0, "-C D100000-100001"),
	  R(10402, SYN_ACK, 100001, 0, "-D E100001-100051"), R(10403, ACK, 100051, 0, "-E")},
	 .want = {150, 150, 0, 0, 0, 0},
	 .want_x = {2, 2, 0, 0, 0, 0}},
	{"the same; but the target has the new one, so the old one is over",
	 {C(0, SYN, 0, 0, 0, ""), C(1, PSH_ACK, 1, 1, 100, ""), C(5, SYN, 100000, 0, 0, ""),
	  C(6, PSH_ACK, 100001, 1, 50, ""), AWAY(10), BACK(""), UNTIL(10400, "A0-1"),
	  R(10401, ACK, 100051, 0, "-A -B -C -D")},
	 .want = {150, 50, 0, 0, 100, 0},
	 .want_x = {2, 1, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_replaced},
	{"away for too long: lost, whether it had left or not",
	 {OPENED, C(2, PSH_ACK, 1, 1, 100, ""), AWAY(10), C(11, PSH_ACK, 101, 301, 50, ""),
	  UNTIL(20000, ""), UNTIL(20030, "-B -C")},
	 .want = {150, 0, 0, 0, 150, 0},
	 .want_x = {2, 0, 0, 0, 2, 0},
	 .reason = TCPC_LEDGER_LOST_outage},
	{"the journal is full: what was kept goes too",
	 {OPENED, AWAY(10), C(11, PSH_ACK, 1, 1, 100, ""), DO(GIVE_UP, 12, "-B"), BACK(""),
	  UNTIL(11000, "")},
	 .want = {100, 0, 0, 0, 100, 0},
	 .want_x = {1, 0, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_retention},
	{"the client is in the target's allow-list now",
	 {OPENED, AWAY(10), C(11, PSH_ACK, 1, 1, 100, ""), DO(REFUSE, 12, ""), BACK(""),
	  UNTIL(10010, "B1-101"), UNTIL(10030, "-B")},
	 .want = {100, 0, 0, 0, 100, 0},
	 .want_x = {1, 0, 0, 0, 1, 0},
	 .reason = TCPC_LEDGER_LOST_allowed},
};

static void test_scenarios(void **state)
{
	(void)state;
	run_scenarios(scenarios, COUNT_OF(scenarios));
}

/* Thousands of connections at once: no more than the window is unanswered. */
static void test_window(void **state)
{
	struct ledger_lab lab;
	__u64 before;

	(void)state;
	lab_begin(&lab, 3000, 3000);
	lab.keeps = lab.unchecked = true;
	tcpc_ledger_paused(lab.ledger, lab.now_ns);
	for (int i = 0; i < 1000; i++)
		lab_copied(&lab, i, SYN, 0, 0, 0);
	lab_run_to(&lab, 100);
	tcpc_ledger_resumed(lab.ledger, lab.now_ns);
	tcpc_ledger_tick(lab.ledger, lab.now_ns);
	expect_u64("window", "left", tcpc_ledger_stats(lab.ledger)->late, 128);
	expect_u64("window", "waiting", tcpc_ledger_unsent(lab.ledger), 1000 - 128);
	for (int i = 0; i < 1000; i++) {
		before = tcpc_ledger_stats(lab.ledger)->late;
		lab_receipt(&lab, i, (struct tcpc_receipt){.ack = 1, .flags = SYN_ACK});
		expect_u64("window", "one answered, one leaves",
			   tcpc_ledger_stats(lab.ledger)->late - before, i < 1000 - 128);
	}
	assert_null(ledger_check(lab.ledger));
	expect_u64("window", "waiting", tcpc_ledger_unsent(lab.ledger), 0);
	lab_end(&lab);
}

static void expect_probe(const char *row, const struct tcpc_flow *flow, int family)
{
	__u8 out[TCPC_PROBE_MAX] __attribute__((aligned(8)));
	__u32 bytes = tcpc_pieces_probe(flow, 1000, 0, out);
	struct tcpc_pkt pkt = {};

	assert_int_equal(tcpc_parse(out, out + bytes, bytes, TCPC_LINK_NONE, &pkt), TCPC_PARSE_OK);
	expect_u64(row, "family", pkt.family, family);
	expect_u64(row, "seq", pkt.seq, 999);
	expect_u64(row, "ack, from before the answer was read", pkt.ack, (__u32)-1);
	expect_u64(row, "payload", pkt.payload_bytes, 1);
	expect_u64(row, "flags", pkt.flags, ACK);
	expect_u64(row, "source", pkt.sport, flow->client_port);
	expect_u64(row, "checksum",
		   tcpc_csum_fold(tcpc_csum_partial(out + pkt.l4_off, bytes - pkt.l4_off,
						    tcpc_pseudo_sum(&pkt, bytes - pkt.l4_off))),
		   0);
}

static void test_probe(void **state)
{
	struct tcpc_flow flow = lab_flow(1);

	(void)state;
	expect_probe("IPv4", &flow, 4);
	flow.client.w[0] = flow.server.w[0] = tcpc_htonl(0x20010002);
	expect_probe("IPv6", &flow, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenarios),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
