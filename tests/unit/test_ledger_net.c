// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_ledger_net.c - clients over the network of ledger_net.h, in fair weather and foul. What the
 * ledger says at the end is compared with what the target has.
 */
#include "../harness/ledger_net.h"

#define MAX_RECORDS 200000

/* ---- the client -------------------------------------------------------------------------------
 */

static void copy(__u32 conn, __u8 flags, __u32 seq, __u32 bytes)
{
	n_copied_packets++;
	/* As the role does: kept while the target is away and until it has caught up. */
	lab.keeps = weather->keeps && (lab.ledger->paused || tcpc_ledger_unsent(lab.ledger));
	lab_copied(&lab, conn, flags, seq, conns[conn].exchange * ANSWER_BYTES, bytes);
	if (lab.keeps)
		return;
	send_range(conn, seq, seq + bytes + !!(flags & TCPC_TCP_SYN) + !!(flags & TCPC_TCP_FIN),
		   flags & TCPC_TCP_RST);
}

/* One packet, large or small; now and then one that the target will see twice. */
static void send_part(__u32 conn)
{
	struct conn *c = &conns[conn];
	__u32 left = c->request_end[c->exchange] - c->sent;
	__u32 n = left > MSS ? MSS * (1 + random_below(&seed, 10)) : left;

	if (n > left)
		n = left;
	copy(conn, TCPC_TCP_ACK, c->sent, n);
	if (chance(10))
		copy(conn, TCPC_TCP_ACK, c->sent, n);
	c->sent += n;
	if (c->sent == c->request_end[c->exchange])
		c->exchange++;
}

static void client_sends(__u32 conn)
{
	struct conn *c = &conns[conn];
	__u64 wait = random_below(&seed, 300) * US;

	if (!c->sent) {
		copy(conn, TCPC_TCP_SYN, 0, 0);
		c->sent = 1;
	} else if (c->exchange == EXCHANGES) {
		copy(conn, TCPC_TCP_ACK | (c->rst ? TCPC_TCP_RST : TCPC_TCP_FIN), c->space, 0);
		return;
	} else {
		send_part(conn);
	}
	/* The online host answers in between: it is not the target that the client waits for. */
	if (c->exchange && c->sent == c->request_end[c->exchange - 1])
		wait = 1 * MS + random_below(&seed, 150000) * US;
	push(wait, (struct event){.kind = CLIENT_SENDS, .conn = conn});
}

static void plan(__u32 conn)
{
	struct conn *c = &conns[conn];
	__u32 end = 1;

	memset(c, 0, sizeof(*c));
	for (int i = 0; i < EXCHANGES; i++) {
		c->request[i] = 1 + random_below(&seed, chance(100) ? 30000 : 1500);
		end += c->request[i];
		c->request_end[i] = end;
	}
	c->space = end;
	c->rst = weather->resets && conn % 3 == 0;
	push(random_below(&seed, 100000) * US, (struct event){.kind = CLIENT_SENDS, .conn = conn});
}

/* ---- the run ----------------------------------------------------------------------------------
 */

static void happen(const struct event *e)
{
	struct conn *c = &conns[e->conn];

	switch (e->kind) {
	case CLIENT_SENDS:
		client_sends(e->conn);
		break;
	case ARRIVES:
		arrives(e);
		break;
	case DELIVERED:
		delivered(e);
		break;
	case DELAYED_ACK:
		if (c->ack_is_due && !c->times_reset)
			answer(e->conn, 0, 0);
		break;
	case ANSWERS:
		if (!c->times_reset)
			answer(e->conn, TCPC_TCP_PSH, ANSWER_BYTES);
		break;
	case RECEIPT:
		lab_receipt(&lab, e->conn, e->receipt);
		break;
	case TAKEN:
		lab_taken(&lab, e->conn, e->from, e->end);
		break;
	}
}

static void tell_of_outage(void)
{
	if (!weather->link_too)
		return;
	if (is_out())
		tcpc_ledger_paused(lab.ledger, lab.now_ns);
	else
		tcpc_ledger_resumed(lab.ledger, lab.now_ns);
}

static void run_to(__u64 end_ns)
{
	__u64 tick_ns = lab.now_ns;

	while (lab.now_ns < end_ns) {
		while (n_events && heap[0].ns <= tick_ns) {
			struct event e = pop();

			lab.now_ns = e.ns;
			tell_of_outage();
			happen(&e);
		}
		lab.now_ns = tick_ns;
		tell_of_outage();
		tcpc_ledger_tick(lab.ledger, lab.now_ns);
		tick_ns += TCPC_LEDGER_TICK_MS * MS;
	}
	lab_check(&lab, "end of run");
}

static __u64 bytes_got(const struct conn *c)
{
	__u64 n = 0;

	for (__u32 i = 1; i < c->space; i++)
		n += c->got[i];
	return n;
}

/* After a client's RST nobody says what came before it: acknowledged is the least that is sure. */
static void compare_reset(const struct conn *c)
{
	if (!c->rst_lost)
		expect_u64(weather->name, "the target was reset", c->times_reset, 1);
}

static void compare(void)
{
	const struct tcpc_ledger_sum *b = tcpc_ledger_bytes(lab.ledger);
	struct tcpc_ledger_sum x = tcpc_ledger_exchanges(lab.ledger);
	__u64 sent = 0, got = 0;

	for (int i = 0; i < CONNECTIONS; i++) {
		sent += conns[i].space - 1;
		got += bytes_got(&conns[i]);
		if (conns[i].rst)
			compare_reset(&conns[i]);
		else
			expect_u64(weather->name, "the target has all up to FIN", conns[i].rcv_nxt,
				   conns[i].space + 1);
	}
	expect_u64(weather->name, "copied", b->copied, sent);
	expect_u64(weather->name, "in flight", b->in_flight + b->held, 0);
	expect_u64(weather->name, "exchanges", x.copied, CONNECTIONS * EXCHANGES);
	expect_u64(weather->name, "exchanges in flight", x.in_flight, 0);
	expect_true(weather->name, "what is acknowledged is there", b->acknowledged <= got);
	expect_u64(weather->name, "lost", tcpc_ledger_lost(b), b->lost[TCPC_LEDGER_LOST_aborted]);
	if (weather->resets)
		return;
	expect_u64(weather->name, "acknowledged", b->acknowledged, sent);
	expect_u64(weather->name, "exchanges delivered", x.acknowledged, x.copied);
	expect_u64(weather->name, "lost", tcpc_ledger_lost(b), 0);
}

static void run_weather(const struct weather *w, __u64 first)
{
	const struct tcpc_ledger_stats *s;

	weather = w;
	seed = first;
	n_events = 0;
	n_lost_on_way = n_needless = n_copied_packets = 0;
	lab_begin(&lab, MAX_RECORDS, 1000);
	lab.start = random_next(&seed);
	lab.resend = on_resend;
	for (int i = 0; i < CONNECTIONS; i++)
		plan(i);
	run_to(90000 * MS);
	s = tcpc_ledger_stats(lab.ledger);
	print_message(
		"# %s: %llu copied, %llu lost on the way, %llu sent again, %llu segments "
		"twice at the target, %llu timeouts, srtt %llu us, aborted %llu bytes\n",
		w->name, (unsigned long long)n_copied_packets, (unsigned long long)n_lost_on_way,
		(unsigned long long)s->resent, (unsigned long long)n_needless,
		(unsigned long long)s->timeouts, (unsigned long long)s->srtt_us,
		(unsigned long long)tcpc_ledger_bytes(lab.ledger)->lost[TCPC_LEDGER_LOST_aborted]);
	compare();
	expect_u64(w->name, "records kept", s->records, 0);
	expect_u64(w->name, "kept and not sent", tcpc_ledger_unsent(lab.ledger), 0);
	expect_true(w->name, "something was kept", !w->keeps || s->kept > 100);
	expect_u64(w->name, "connections", s->connections, 0);
	/* Sent again: what was lost on the way, what the first segment of a loss drags along. */
	expect_true(w->name, "not much more is sent again than was lost",
		    s->resent <= 2 * n_lost_on_way + n_copied_packets / 20);
	lab_end(&lab);
}

static const struct weather weathers[] = {
	{.name = "fair"},
	{.name = "1 % lost", .lost = 10},
	{.name = "5 % lost", .lost = 50},
	{.name = "5 % lost, twice and late, 1 % of receipts lost",
	 .lost = 50,
	 .twice = 50,
	 .late = 50,
	 .receipts_lost = 10},
	{.name = "20 % lost, and of receipts", .lost = 200, .receipts_lost = 200},
	{.name = "hold, 1 % lost", .lost = 10, .hold_ms = 400},
	{.name = "hold, 5 % lost, twice and late",
	 .lost = 50,
	 .twice = 50,
	 .late = 50,
	 .hold_ms = 400},
	{.name = "5 s outage", .outage_from_ms = 300, .outage_ms = 5000},
	{.name = "5 s outage, link too",
	 .lost = 10,
	 .outage_from_ms = 300,
	 .outage_ms = 5000,
	 .link_too = true},
	{.name = "5 s outage, what comes is kept",
	 .outage_from_ms = 300,
	 .outage_ms = 5000,
	 .link_too = true,
	 .keeps = true},
	{.name = "the same, 5 % lost, hold",
	 .lost = 50,
	 .outage_from_ms = 300,
	 .outage_ms = 5000,
	 .link_too = true,
	 .keeps = true,
	 .hold_ms = 400},
	{.name = "clients reset", .resets = true},
	{.name = "clients reset, 5 % lost", .lost = 50, .resets = true},
};

static void test_weathers(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < COUNT_OF(weathers); i++)
		for (__u64 run = 0; run < 5; run++)
			run_weather(&weathers[i], run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_weathers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
