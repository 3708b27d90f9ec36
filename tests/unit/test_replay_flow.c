// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_replay_flow.c - which packets of a capture are sent: tables of packets and what becomes of
 * each. Numbers are relative to a first one that makes them wrap.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/replay.h"
#include "tcpcopy/greeting.h"

#define FIRST 0xfffffff0U
#define SENT (-1)
#define IS(reason) ((int)TCPC_REPLAY_SKIP_##reason)

enum { SYN = TCPC_TCP_SYN, ACK = TCPC_TCP_ACK, FIN = TCPC_TCP_FIN, RST = TCPC_TCP_RST };

static struct tcpc_prefix client_list[1], exclude_list[1];
static struct tcpc_filter_spec filter;

static struct tcpc_replay_flows *new_flows(__u32 max)
{
	struct tcpc_replay_flows_config config = {
		.ports = {tcpc_htons(80), tcpc_htons(81)},
		.n_ports = 2,
		.filter = &filter,
		.max_connections = max,
	};

	return tcpc_replay_flows_new(&config);
}

static struct tcpc_pkt packet(int from, __u16 port, __u32 seq, __u32 bytes, __u32 ack, __u8 flags)
{
	return (struct tcpc_pkt){
		.saddr = tcpc_addr_from_v4(tcpc_htonl(0xc6120000 + from)),
		.daddr = tcpc_addr_from_v4(tcpc_htonl(0xc6120909)),
		.sport = tcpc_htons(40000),
		.dport = tcpc_htons(port),
		.seq = FIRST + seq,
		.ack = ack,
		.payload_bytes = bytes,
		.flags = flags,
		.family = 4,
	};
}

static struct tcpc_pkt reverse(struct tcpc_pkt pkt)
{
	struct tcpc_pkt r = pkt;

	r.saddr = pkt.daddr;
	r.daddr = pkt.saddr;
	r.sport = pkt.dport;
	r.dport = pkt.sport;
	return r;
}

struct step {
	char from; /* C: client, S: server (ack is of FIRST), -: client, cut by the snap length */
	__u32 seq, bytes, ack;
	__u8 flags;
	int want;
	bool reset; /* the connection must be ended */
};

static void play(const struct step *steps, size_t n, __u64 connections, __u64 midstream)
{
	struct tcpc_replay_flows *f = new_flows(16);
	const struct tcpc_replay_conn *end;

	for (size_t i = 0; i < n; i++) {
		const struct step *s = &steps[i];
		struct tcpc_pkt pkt = packet(1, 80, s->seq, s->bytes, s->ack, s->flags);
		int got;

		if (s->from == 'S') {
			pkt.ack = FIRST + s->ack;
			pkt = reverse(pkt);
		}
		got = tcpc_replay_take(f, &pkt, s->from != '-', &end);
		if (got != s->want || !!end != s->reset)
			print_error("step %zu: %s%s\n", i,
				    got < 0 ? "sent" : tcpc_replay_skip_name(got),
				    end ? ", reset" : "");
		assert_int_equal(got, s->want);
		assert_int_equal(!!end, s->reset);
	}
	assert_int_equal(tcpc_replay_flow_stats(f)->connections, connections);
	assert_int_equal(tcpc_replay_flow_stats(f)->midstream, midstream);
	tcpc_replay_flows_free(f);
}

#define PLAY(steps, connections, midstream)                                                        \
	play(steps, sizeof(steps) / sizeof(steps[0]), connections, midstream)

static void test_whole(void **state)
{
	static const struct step steps[] = {
		{'C', 0, 0, 0, SYN, SENT, 0},
		{'C', 0, 0, 0, SYN, IS(retransmission), 0},
		{'S', 0, 0, 1, SYN | ACK, IS(from_server), 0},
		{'C', 1, 0, 500, ACK, SENT, 0}, /* does the server speak first? */
		{'C', 1, 100, 500, ACK, SENT, 0},
		{'C', 1, 100, 500, ACK, IS(retransmission), 0},
		{'C', 51, 100, 500, ACK, SENT, 0}, /* old and new */
		{'C', 151, 0, 900, ACK, IS(pure_ack), 0},
		{'C', 151, 0, 900, ACK | FIN, SENT, 0},
		{'C', 151, 0, 900, ACK | FIN, IS(retransmission), 0},
		{'C', 152, 0, 901, ACK, IS(pure_ack), 0},
		{'C', 152, 0, 901, RST, IS(after_end), 0},
		/* the same port again */
		{'C', 5000, 0, 0, SYN, SENT, 0},
		{'C', 5001, 10, 1, ACK, SENT, 0},
		{'C', 5011, 0, 1, RST, SENT, 0},
		{'C', 5011, 0, 1, RST, IS(after_end), 0},
	};

	(void)state;
	PLAY(steps, 2, 0);
}

static void test_midstream(void **state)
{
	static const struct step steps[] = {
		{'C', 7, 0, 1, ACK, IS(pure_ack), 0},  {'C', 7, 0, 1, FIN | ACK, IS(after_end), 0},
		{'C', 7, 0, 1, RST, IS(after_end), 0}, {'C', 7, 10, 1, ACK, SENT, 0},
		{'C', 17, 0, 1, ACK, IS(pure_ack), 0}, {'C', 17, 10, 2, ACK, SENT, 0},
	};

	(void)state;
	PLAY(steps, 1, 1);
}

/* A segment that comes late is sent, and one that never comes ends its connection. */
static void test_holes(void **state)
{
	static const struct step late[] = {
		{'C', 0, 0, 0, SYN, SENT, 0},
		{'C', 1, 10, 1, ACK, SENT, 0},
		{'C', 21, 10, 1, ACK, SENT, 0},
		{'C', 31, 10, 1, ACK, SENT, 0},
		{'C', 11, 10, 1, ACK, SENT, 0},
		{'C', 21, 10, 1, ACK, IS(retransmission), 0},
		{'S', 1, 0, 41, ACK, IS(from_server), 0},
		{'C', 41, 10, 1, ACK, SENT, 0},
	};
	static const struct step never[] = {
		{'C', 0, 0, 0, SYN, SENT, 0},
		{'C', 1, 10, 1, ACK, SENT, 0},
		{'S', 1, 0, 21, ACK, IS(from_server), 0},
		{'C', 21, 10, 1, ACK, IS(hole), 1},
		{'C', 31, 10, 1, ACK, IS(after_cut), 0},
		{'C', 41, 0, 1, FIN | ACK, IS(after_cut), 0},
		{'C', 9000, 0, 0, SYN, SENT, 0},
	};

	(void)state;
	PLAY(late, 1, 0);
	PLAY(never, 2, 0);
}

static void test_cut(void **state)
{
	static const struct step steps[] = {
		{'C', 0, 0, 0, SYN, SENT, 0},
		{'C', 1, 10, 1, ACK, SENT, 0},
		{'-', 11, 1000, 1, ACK, IS(payload_cut), 1},
		{'C', 1011, 10, 1, ACK, IS(after_cut), 0},
		{'C', 1021, 0, 1, ACK, IS(after_cut), 0},
		{'C', 1021, 0, 1, RST, IS(after_cut), 0},
	};

	(void)state;
	PLAY(steps, 1, 0);
}

static void test_who(void **state)
{
	struct tcpc_replay_flows *f = new_flows(16);
	const struct tcpc_replay_conn *end;
	struct tcpc_pkt pkt = packet(1, 443, 0, 0, 0, SYN);
	__u16 ports[4];

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(tcpc_replay_take(f, &pkt, true, &end), IS(other_port));
	pkt = packet(1, 22, 0, 0, 0, SYN);
	assert_int_equal(tcpc_replay_take(f, &pkt, true, &end), IS(other_port));
	assert_int_equal(tcpc_replay_ports(f, ports, 4), 2);
	assert_int_equal(ports[0], 443);
	assert_int_equal(ports[1], 22);
	client_list[0] = (struct tcpc_prefix){tcpc_addr_from_v4(tcpc_htonl(0xc6120000)), 96 + 15};
	exclude_list[0] = (struct tcpc_prefix){tcpc_addr_from_v4(tcpc_htonl(0xc6120002)), 128};
	filter.clients = (struct tcpc_prefix_list){client_list, 1};
	filter.excludes = (struct tcpc_prefix_list){exclude_list, 1};
	pkt = packet(1, 81, 0, 0, 0, SYN);
	assert_int_equal(tcpc_replay_take(f, &pkt, true, &end), SENT);
	pkt = packet(2, 80, 0, 0, 0, SYN);
	assert_int_equal(tcpc_replay_take(f, &pkt, true, &end), IS(excluded));
	pkt = packet(0x20000, 80, 0, 0, 0, SYN);
	assert_int_equal(tcpc_replay_take(f, &pkt, true, &end), IS(not_client));
	memset(&filter, 0, sizeof(filter));
	pkt.saddr = (struct tcpc_addr){{tcpc_htonl(0xfe800000), 0, 0, 1}};
	assert_int_equal(tcpc_replay_take(f, &pkt, true, &end), IS(link_local));
	tcpc_replay_flows_free(f);
}

/* The table is bounded; what is open at the end is named once. */
static void test_bound_and_end(void **state)
{
	struct tcpc_replay_flows *f = new_flows(100);
	const struct tcpc_replay_conn *end;
	unsigned int n = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct tcpc_pkt pkt = packet(i, 80, 0, 0, 0, SYN);

		assert_int_equal(tcpc_replay_take(f, &pkt, true, &end), SENT);
		pkt = packet(i, 80, 1, 10, 1, ACK | (i % 2 ? FIN : 0));
		assert_int_equal(tcpc_replay_take(f, &pkt, true, &end), SENT);
	}
	assert_int_equal(tcpc_replay_flow_stats(f)->connections, 1000);
	assert_int_equal(tcpc_replay_flow_stats(f)->forgotten, 450);
	assert_int_equal(tcpc_replay_flow_stats(f)->open, 50);
	while ((end = tcpc_replay_end_next(f))) {
		n++;
		assert_int_equal(end->nxt, FIRST + 11);
		assert_int_equal(end->ack, 1);
	}
	assert_int_equal(n, 50);
	assert_int_equal(tcpc_replay_flow_stats(f)->open, 0);
	tcpc_replay_flows_free(f);
}

/* Any packets: the counts stay consistent, and nothing is sent twice in a row. */
static void test_random(void **state)
{
	struct tcpc_replay_flows *f = new_flows(8);
	const struct tcpc_replay_conn *end;
	__u64 open;

	(void)state;
	srand(1);
	for (int i = 0; i < 300000; i++) {
		struct tcpc_pkt pkt = packet(rand() % 20, 79 + rand() % 3, rand() % 64, rand() % 16,
					     rand() % 8, rand() & 0x17);
		int got;

		if (rand() % 4 == 0)
			pkt = reverse(pkt);
		got = tcpc_replay_take(f, &pkt, rand() % 50, &end);
		assert_in_range(got + 1, 0, __TCPC_REPLAY_SKIP_MAX);
		open = tcpc_replay_flow_stats(f)->open;
		assert_in_range(open, 0, 8);
		if (rand() % 1000 == 0) {
			while (tcpc_replay_end_next(f))
				open--;
			assert_int_equal(open, 0);
		}
	}
	tcpc_replay_flows_free(f);
}

/* ---- recordings ------------------------------------------------------------------------------ */

/* What stands in a client's first words is an ACK that was left out. @shook: it was not. */
static void expect_greeted(__u16 greeting, __u8 flags, bool shook, bool want)
{
	struct tcpc_replay_flows *flows = new_flows(8);
	struct tcpc_pkt pkt = packet(1, 80, 0, 0, 0, SYN);
	const struct tcpc_replay_conn *end, *conn;
	__u32 ack = 77;

	assert_int_equal(tcpc_replay_take(flows, &pkt, true, &end), SENT);
	assert_null(tcpc_replay_greeted(flows, &ack));
	pkt = packet(1, 80, 1, 0, 440, ACK);
	if (shook)
		assert_int_equal(tcpc_replay_take(flows, &pkt, true, &end), SENT);
	pkt = packet(1, 80, 1, 10, 500, ACK | flags);
	pkt.greeting = greeting;
	assert_int_equal(tcpc_replay_take(flows, &pkt, true, &end), SENT);
	conn = tcpc_replay_greeted(flows, &ack);
	assert_int_equal(!!conn, want);
	assert_int_equal(ack, want ? 500U - greeting : 77U);
	if (conn) {
		assert_int_equal(conn->nxt, FIRST + 1);
		assert_int_equal(conn->client_port, tcpc_htons(40000));
	}
	/* The next words are not the first, whatever stands in them. */
	pkt = packet(1, 80, 11, 10, 600, ACK);
	pkt.greeting = greeting;
	assert_int_equal(tcpc_replay_take(flows, &pkt, true, &end),
			 flags & FIN ? IS(after_end) : SENT);
	assert_null(tcpc_replay_greeted(flows, &ack));
	tcpc_replay_flows_free(flows);
}

static void test_greetings(void **state)
{
	(void)state;
	expect_greeted(60, 0, false, true);
	expect_greeted(60, FIN, false, true);
	expect_greeted(60, 0, true, false);
	expect_greeted(60, 0x20 /* URG: it is urgent */, false, false);
	expect_greeted(0, 0, false, false);
	expect_greeted(TCPC_GREETING_NONE, 0, false, false);
	expect_greeted(TCPC_GREETING_MAX, 0, false, true);
	expect_greeted(TCPC_GREETING_YOUNG, 0, false, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greetings),     cmocka_unit_test(test_whole),
		cmocka_unit_test(test_midstream),     cmocka_unit_test(test_holes),
		cmocka_unit_test(test_cut),	      cmocka_unit_test(test_who),
		cmocka_unit_test(test_bound_and_end), cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
