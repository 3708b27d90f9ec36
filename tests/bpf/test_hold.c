// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_hold.c - the kernel's half of the hold queue: what align sends to the queue's device while
 * the target's own socket has not answered, and what it makes of packets that come back. The
 * answers are real ones, on real connections.
 */
#include "../harness/bpf_hold.h"

#define CLIENT_PORT 42000
#define QUICK_PORT 84	      /* one that does not */
#define CLIENT_ACK 0xfffffff0 /* answers wrap */

static struct bpf_run run;
static __u32 client_seq; /* where the socket's client goes on: the frames here never reach it */

/** A packet of a client: ACK number and sequence number as distances from the start. */
struct packet {
	__u8 flags;
	__u32 seq, ack, payload_bytes;
};

static struct frame packet_frame(const struct connection *c, const struct packet *p)
{
	struct frame_spec spec = connection_frame(c);

	spec.flags = p->flags;
	spec.seq = client_seq + p->seq;
	spec.ack = CLIENT_ACK + p->ack;
	spec.payload_bytes = p->payload_bytes;
	return frame_build(&spec);
}

static void run_packet(const char *row, const struct connection *c, const struct packet *p)
{
	struct frame frame = packet_frame(c, p);

	run.ifindex = lab.live;
	run.mark = 0;
	bpf_run(row, lab.align_fd, &run, frame.data, frame.bytes);
	frame_free(&frame);
}

/* It goes to the queue as it came, with its number in place of its source. */
static void expect_diverted(const char *row, const struct connection *c, const struct packet *p,
			    __u32 number)
{
	struct frame want = packet_frame(c, p);
	struct tcpc_hold_tag tag;

	tcpc_hold_tag_write(&tag, number);
	memcpy(want.data + ETH_ALEN, &tag, sizeof(tag));
	run_packet(row, c, p);
	expect_run(row, &run, VERDICT_REDIRECT, &want);
	expect_u64(row, "held", hold_exchange(c).held, number);
	frame_free(&want);
}

static void expect_passed(const char *row, const struct connection *c, const struct packet *p)
{
	run_packet(row, c, p);
	expect_u64(row, "verdict", (__u32)run.verdict, (__u32)VERDICT_NEXT);
}

/* The queue writes it back, with @number: 0, or the last one taken. Aligned it must be. */
static void expect_returned(const char *row, const struct connection *c, const struct packet *p,
			    __u32 number)
{
	struct tcpc_target_stats moved = target_moves(COUNTER(aligned));
	struct frame frame = packet_frame(c, p), want = packet_frame(c, p);
	struct tcpc_exchange x = hold_exchange(c);
	struct tcpc_hold_tag tag;

	moved.returned = 1;
	moved.exchanges =
		tcpc_hold_can_begin(p->flags, p->payload_bytes) &&
		(!x.exchanges || tcpc_hold_expected(x.client_ack, CLIENT_ACK + p->ack, p->flags));
	moved.again =
		x.exchanges && tcpc_seq_leq(client_seq + p->seq + p->payload_bytes, x.request_end);
	tcpc_hold_tag_write(&tag, number);
	memcpy(frame.data + ETH_ALEN, &tag, sizeof(tag));
	memcpy(want.data + ETH_ALEN, &tag, sizeof(tag));
	frame_put32(want.data + want.l4_off + 8, connection_snd_nxt(c->server));
	frame_put16(want.data + want.l4_off + 14, TCPC_OPEN_WINDOW);
	frame_put16(want.data + want.l4_off + 16, 0);
	frame_put16(want.data + want.l4_off + 16,
		    frame_checksum(frame_tcp_sum(want.data + want.l3_off, want.data + want.l4_off,
						 want.l4_bytes)));
	run.ifindex = lab.live;
	run.mark = TCPC_HOLD_MARK;
	counters_mark(&lab.counters);
	bpf_run(row, lab.align_fd, &run, frame.data, frame.bytes);
	expect_run(row, &run, VERDICT_NEXT, &want);
	expect_u64(row, "mark", run.mark_out, 0);
	expect_moved(row, &lab.counters, &moved);
	frame_free(&frame);
	frame_free(&want);
}

static const struct packet syn = {TCPC_TCP_SYN, -1, -CLIENT_ACK, 0};
static const struct packet request = {PSH_ACK, 0, 0, 100};

/* A connection that align knows from its SYN on. */
static struct connection open_fresh(__u16 port)
{
	struct connection c = connection_open(lab_variant.family, CLIENT_PORT, port);
	struct tcpc_exchange fresh = {};

	client_seq = connection_snd_nxt(c.client);
	fresh.syn_seq = client_seq + syn.seq;
	hold_write_exchange(&c, &fresh);
	return c;
}

/* The same, and the client has sent its first request. */
static struct connection open_asked(__u16 port)
{
	struct connection c = open_fresh(port);

	expect_passed("first request", &c, &request);
	return c;
}

/* ---- the way to the queue and back ----------------------------------------------------------- */

static void test_order(void **state)
{
	static const struct packet next = {PSH_ACK, 100, 300, 50}, more = {PSH_ACK, 150, 300, 50},
				   old = {PSH_ACK, 0, 0, 100}, fin = {FIN_ACK, 200, 300, 0},
				   again = {TCPC_TCP_SYN, 5000, 0, 0},
				   last = {PSH_ACK, 200, 600, 50};
	struct connection c;

	(void)state;
	need_netns();
	c = open_asked(HOLD_PORT);
	expect_diverted("next request", &c, &next, 1);
	expect_diverted("the rest of it", &c, &more, 2);
	/* What waits may wait for the answer to just this one. */
	expect_passed("sent again, from before the queue", &c, &old);
	expect_diverted("sent again, and still early", &c, &next, 3);
	expect_diverted("FIN", &c, &fin, 4);
	expect_diverted("SYN", &c, &again, 5);
	connection_pass(c.server, c.client, 300);
	expect_diverted("answered, but there is a queue", &c, &more, 6);
	expect_returned("more are queued", &c, &next, 0);
	expect_u64("more are queued", "held", hold_exchange(&c).held, 6);
	expect_returned("one came meanwhile", &c, &more, 5);
	expect_u64("one came meanwhile", "held", hold_exchange(&c).held, 6);
	expect_returned("the last one", &c, &more, 6);
	expect_u64("the last one", "held", hold_exchange(&c).held, 0);
	expect_diverted("not answered again", &c, &last, 1);
	expect_returned("the last one again", &c, &last, 1);
	expect_u64("the last one again", "held", hold_exchange(&c).held, 0);
	connection_close(&c);
}

/* What is held is counted, and nothing else. */
static void test_counters(void **state)
{
	static const struct packet next = {PSH_ACK, 100, 300, 50};
	struct tcpc_target_stats moved = target_moves(COUNTER(held));
	struct connection c;

	(void)state;
	need_netns();
	c = open_asked(HOLD_PORT);
	for (int i = 0; i < 3; i++) {
		counters_mark(&lab.counters);
		run_packet("next request", &c, &next);
		expect_moved("next request", &lab.counters, &moved);
	}
	connection_close(&c);
}

static void return_syn(const char *row, const struct connection *c, const struct packet *p)
{
	struct frame frame = packet_frame(c, p);

	run.mark = TCPC_HOLD_MARK;
	bpf_run(row, lab.align_fd, &run, frame.data, frame.bytes);
	expect_u64(row, "verdict", (__u32)run.verdict, (__u32)VERDICT_NEXT);
	expect_u64(row, "mark", run.mark_out, 0);
	frame_free(&frame);
}

/* A SYN that comes back is a new connection, but what is behind it is still in the queue. */
static void test_syn_returned(void **state)
{
	static const struct packet next = {PSH_ACK, 100, 300, 50},
				   another = {TCPC_TCP_SYN, 5000, 0, 0},
				   behind = {PSH_ACK, 5001, 0, 100};
	struct tcpc_exchange want = {}, x;
	struct connection c;

	(void)state;
	need_netns();
	c = open_asked(HOLD_PORT);
	expect_diverted("next request", &c, &next, 1);
	expect_diverted("SYN", &c, &another, 2);
	expect_diverted("behind it", &c, &behind, 3);
	connection_break(&c);
	return_syn("SYN", &c, &another);
	want.held = 3;
	want.syn_seq = client_seq + another.seq;
	x = hold_exchange(&c);
	want.start_ns = x.start_ns;
	expect_true("SYN", "seen just now", x.seen);
	want.seen = x.seen;
	expect_bytes("SYN", &x, &want, sizeof(want));
	connection_close(&c);
}

/* The SYN that opened the connection, once more: what is known since then stays known. */
static void test_syn_repeated(void **state)
{
	static const struct packet next = {PSH_ACK, 100, 300, 50};
	struct tcpc_exchange want, x;
	struct connection c;

	(void)state;
	need_netns();
	c = open_asked(HOLD_PORT);
	want = hold_exchange(&c);
	expect_passed("SYN", &c, &syn);
	x = hold_exchange(&c);
	expect_bytes("SYN", &x, &want, sizeof(want));
	expect_diverted("next request", &c, &next, 1);
	want = hold_exchange(&c);
	expect_passed("SYN, while others wait", &c, &syn);
	return_syn("held SYN", &c, &syn);
	x = hold_exchange(&c);
	expect_bytes("held SYN", &x, &want, sizeof(want));
	expect_returned("next request", &c, &next, 1);
	connection_close(&c);
}

/* The request begins where the answer before it ends, also while the socket does not say so yet. */
static void test_answer_leaving(void **state)
{
	static const struct packet next = {PSH_ACK, 100, 300, 50};
	struct connection c;
	struct tcpc_exchange x;
	__u32 snd_nxt;

	(void)state;
	need_netns();
	c = open_asked(HOLD_PORT);
	snd_nxt = connection_snd_nxt(c.server);
	x = hold_exchange(&c);
	x.held = 1;
	x.answer_end = snd_nxt + 300;
	x.acked = client_seq + 100;
	x.answer_flags = PSH_ACK;
	hold_write_exchange(&c, &x);
	expect_returned("answer on its way", &c, &next, 1);
	expect_u64("answer on its way", "snd_nxt", hold_exchange(&c).snd_nxt, snd_nxt + 300);
	connection_close(&c);
}

/* ---- the rule, with the socket's own numbers ------------------------------------------------- */

static const struct rule {
	const char *row;
	__u32 answer_bytes; /* that the target has sent */
	__u32 unread_bytes; /* that it has not read */
	struct packet packet;
	bool waits;
} rules[] = {
	{"pipelined", 0, 0, {PSH_ACK, 100, 0, 10}, false},
	{"pipelined, unread", 0, 9, {PSH_ACK, 100, 0, 10}, false},
	{"an old ACK number", 0, 0, {PSH_ACK, 100, -1, 10}, false},
	{"no ACK number", 0, 0, {TCPC_TCP_PSH, 100, 300, 10}, false},
	{"next request", 0, 0, {PSH_ACK, 100, 300, 10}, true},
	{"next request, one byte read", 0, 0, {PSH_ACK, 100, 1, 10}, true},
	{"whole answer", 300, 0, {PSH_ACK, 100, 300, 10}, false},
	{"whole answer, something unread", 300, 9, {PSH_ACK, 100, 300, 10}, false},
	{"longer answer", 301, 0, {PSH_ACK, 100, 300, 10}, false},
	{"nearly whole, idle", 263, 0, {PSH_ACK, 100, 300, 10}, false},
	{"nearly whole, something unread", 263, 9, {PSH_ACK, 100, 300, 10}, true},
	{"not nearly whole", 262, 0, {PSH_ACK, 100, 300, 10}, true},
	{"FIN", 0, 0, {FIN_ACK, 100, 0, 0}, true},
	{"FIN, nothing read of an answer", 300, 0, {FIN_ACK, 100, 0, 0}, true},
	{"FIN, just the answer read", 300, 0, {FIN_ACK, 100, 300, 0}, false},
	{"FIN, just the answer read, something unread", 300, 9, {FIN_ACK, 100, 300, 0}, true},
	{"FIN, answer still to come", 299, 0, {FIN_ACK, 100, 300, 0}, true},
	{"FIN in the middle of an answer", 301, 0, {FIN_ACK, 100, 300, 0}, true},
	{"FIN with the last of a request", 0, 0, {FIN_ACK, 100, 0, 10}, false},
	{"FIN with the next request", 0, 0, {FIN_ACK, 100, 300, 10}, true},
	{"RST", 0, 0, {RST_ACK, 100, 0, 0}, true},
	{"RST, just the answer read", 300, 0, {RST_ACK, 100, 300, 0}, false},
	{"RST without ACK number", 0, 0, {TCPC_TCP_RST, 100, 300, 0}, true},
};

static void expect_rule(const struct rule *r, __u16 port)
{
	struct connection c = open_asked(port);

	if (r->unread_bytes)
		connection_pass(c.client, -1, r->unread_bytes);
	connection_pass(c.server, c.client, r->answer_bytes);
	if (r->waits && port == HOLD_PORT)
		expect_diverted(r->row, &c, &r->packet, 1);
	else
		expect_passed(r->row, &c, &r->packet);
	connection_close(&c);
}

static void test_rules(void **state)
{
	(void)state;
	need_netns();
	for (size_t i = 0; i < COUNT_OF(rules); i++)
		expect_rule(&rules[i], HOLD_PORT);
}

/* A service without a queue (`--order relaxed`) holds nothing, whatever has been asked. */
static void test_relaxed(void **state)
{
	static const struct packet beyond = {PSH_ACK, 1 << 28, 0, 10};
	struct connection c;

	(void)state;
	need_netns();
	hold_service(QUICK_PORT, 0, 0);
	for (size_t i = 0; i < COUNT_OF(rules); i++)
		expect_rule(&rules[i], QUICK_PORT);
	c = open_asked(QUICK_PORT);
	expect_passed("beyond the window", &c, &beyond);
	connection_close(&c);
}

/* Before anything was asked there is no answer to wait for; nor if the SYN was not seen. */
static void test_nothing_asked(void **state)
{
	static const struct packet fin = {FIN_ACK, 0, 0, 0}, next = {PSH_ACK, 0, 300, 10};
	struct connection c;

	(void)state;
	need_netns();
	c = open_fresh(HOLD_PORT);
	expect_passed("FIN", &c, &fin);
	connection_close(&c);
	c = connection_open(lab_variant.family, CLIENT_PORT + 1, HOLD_PORT);
	expect_passed("no SYN", &c, &next);
	expect_passed("no SYN, later", &c, &fin);
	connection_close(&c);
}

/* The target has said all that it will: seen by queue_filter. */
static void test_target_closed(void **state)
{
	static const struct packet fin = {FIN_ACK, 100, 0, 0};
	struct tcpc_exchange x;
	struct connection c;

	(void)state;
	need_netns();
	c = open_asked(HOLD_PORT);
	x = hold_exchange(&c);
	x.answer_flags = FIN_ACK;
	x.acked = client_seq + 100;
	hold_write_exchange(&c, &x);
	expect_passed("both have closed", &c, &fin);
	connection_close(&c);
}

/* ---- the receive window ---------------------------------------------------------------------- */

static void test_window(void **state)
{
	struct tcpc_target_stats moved = target_moves(COUNTER(held));
	struct connection c;
	struct packet p;

	(void)state;
	need_netns();
	c = open_asked(HOLD_PORT);
	p = (struct packet){PSH_ACK, hold_window_end(c.server) - client_seq - 100, 0, 100};
	expect_passed("up to the edge", &c, &p);
	p.flags = FIN_ACK;
	expect_passed("with FIN", &c, &p);
	p.flags = PSH_ACK;
	p.seq++;
	moved.held_window = 1;
	counters_mark(&lab.counters);
	expect_diverted("one byte beyond", &c, &p, 1);
	expect_moved("one byte beyond", &lab.counters, &moved);
	connection_close(&c);
}

/* ---- the queue outlives what it was for ------------------------------------------------------ */

static void expect_returned_dropped(const char *row, const struct connection *c, size_t counter,
				    bool counts_returned)
{
	struct tcpc_target_stats moved = target_moves(counter);
	struct frame frame = packet_frame(c, &request);

	moved.returned = counts_returned;
	run.ifindex = lab.live;
	run.mark = TCPC_HOLD_MARK;
	counters_mark(&lab.counters);
	bpf_run(row, lab.align_fd, &run, frame.data, frame.bytes);
	expect_run(row, &run, VERDICT_DROP, &frame);
	expect_moved(row, &lab.counters, &moved);
	frame_free(&frame);
}

/* A copy must not reach the stack as it is, or the stack answers its client (invariant 2). */
static void test_returned_to_nothing(void **state)
{
	struct connection c;

	(void)state;
	need_netns();
	c = open_asked(HOLD_PORT);
	target_allow(hold_flow(&c).client, 128, TCPC_ALLOW_DIRECT);
	expect_returned_dropped("the client is allowed now", &c, COUNTER(draining), false);
	target_allow(hold_flow(&c).client, 128, TCPC_ALLOW_PENDING);
	expect_returned_dropped("the client is being allowed", &c, COUNTER(draining), false);
	target_allow(hold_flow(&c).client, 128, TCPC_ALLOW_NONE);
	hold_service(HOLD_PORT, TCPC_INTERCEPT_DRAIN, 0);
	expect_returned_dropped("being released", &c, COUNTER(draining), false);
	hold_service(HOLD_PORT, 0, HOLD_IFINDEX);
	connection_close(&c);
	expect_returned_dropped("no connection", &c, COUNTER(no_connection), true);
	/* So the queue knows that it has nothing to wait for. */
	expect_u64("no connection", "answer_flags", hold_exchange(&c).answer_flags, TCPC_TCP_RST);
	c.server_port = 85;
	expect_returned_dropped("no service", &c, COUNTER(draining), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		both_families(test_order),
		both_families(test_counters),
		both_families(test_syn_returned),
		both_families(test_syn_repeated),
		both_families(test_answer_leaving),
		both_families(test_rules),
		both_families(test_relaxed),
		both_families(test_nothing_asked),
		both_families(test_target_closed),
		both_families(test_window),
		both_families(test_returned_to_nothing),
	};

	return cmocka_run_group_tests(tests, hold_enter, target_leave);
}
