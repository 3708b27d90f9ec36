// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_opening.c - align and connections that the target has not opened: data that comes while only
 * a listener or a request socket is there, and a full accept queue. Listeners are real ones.
 */
#include "../harness/bpf_opening.h"

enum what { WAITS, REOPENS, LOST };

static void expect_row(const char *row, enum what what, const struct connection *c, __u32 mark,
		       const struct frame_spec *spec)
{
	if (what == WAITS)
		expect_waits(row, c, mark, spec);
	else if (what == REOPENS)
		expect_reopens(row, mark, spec);
	else
		expect_lost(row, mark, spec);
}

/* ---- only a listener is there ---------------------------------------------------------------- */

/* A SYN of @age_ns was seen. Each row: then one packet. */
static const struct {
	const char *description;
	__u64 age_ns;
	__u32 seq, payload_bytes, exchanges, held;
	__u8 flags; /* 0: PSH, ACK */
	__u32 mark;
	enum what what;
} rows[] = {
	{"just behind its SYN", 0, 0, 100, 0, 0, 0, 0, WAITS},
	{"later data", 0, 100, 100, 0, 0, 0, 0, WAITS},
	{"a FIN", 0, 0, 0, 0, 0, FIN_ACK, 0, WAITS},
	{"back too soon", 0, 0, 100, 0, 0, 0, TCPC_HOLD_MARK, WAITS},
	{"back too soon, not the last", 0, 0, 100, 0, 7, 0, TCPC_HOLD_MARK, WAITS},
	{"after its SYN was made anew", 0, 0, 100, 0, 0, 0, TCPC_LAST_MARK, WAITS},
	{"a reset", 0, 0, 0, 0, 0, TCPC_TCP_RST, 0, LOST},
	{"no ACK flag", 0, 0, 100, 0, 0, TCPC_TCP_PSH, 0, LOST},
	{"before its SYN", 0, -1, 100, 0, 0, 0, 0, LOST},
	{"of a connection that was open", 0, 0, 100, 1, 0, 0, 0, LOST},
	{"the SYN was lost", LONG_AGO_NS, 0, 100, 0, 0, 0, 0, REOPENS},
	{"the SYN was lost, one byte", LONG_AGO_NS, 0, 1, 0, 0, 0, 0, REOPENS},
	{"the SYN was lost, back", LONG_AGO_NS, 0, 100, 0, 0, 0, TCPC_HOLD_MARK, REOPENS},
	{"and so was the next", LONG_AGO_NS, 0, 100, 0, 0, 0, TCPC_LAST_MARK, LOST},
	{"the first byte is missing", LONG_AGO_NS, 1, 100, 0, 0, 0, 0, LOST},
	{"the first byte is in the queue", LONG_AGO_NS, 1, 100, 0, 3, 0, 0, WAITS},
	{"nothing but a FIN", LONG_AGO_NS, 0, 0, 0, 0, FIN_ACK, 0, LOST},
};

static void know_syn(const struct connection *c, __u64 age_ns, __u32 exchanges, __u32 held)
{
	struct tcpc_exchange x = {.syn_seq = SYN_SEQ, .exchanges = exchanges, .held = held};

	x.start_ns = now_ns() - age_ns;
	hold_write_exchange(c, &x);
}

static void test_listener(void **state)
{
	struct connection c;

	(void)state;
	need_netns();
	c = only_listener(HOLD_PORT);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct frame_spec spec = first_data(&c);

		spec.seq += rows[i].seq;
		spec.payload_bytes = rows[i].payload_bytes;
		if (rows[i].flags)
			spec.flags = rows[i].flags;
		know_syn(&c, rows[i].age_ns, rows[i].exchanges, rows[i].held);
		expect_row(rows[i].description, rows[i].what, &c, rows[i].mark, &spec);
	}
	connection_close(&c);
}

/* What is adopted has no SYN that was seen: an entry without its time is none. */
static void test_no_syn(void **state)
{
	struct tcpc_exchange x = {.syn_seq = SYN_SEQ};
	struct connection c;
	struct frame_spec spec;

	(void)state;
	need_netns();
	c = only_listener(HOLD_PORT);
	spec = first_data(&c);
	hold_write_exchange(&c, &x);
	expect_lost("no SYN", 0, &spec);
	connection_close(&c);
}

/* A client's first words, told by what they say of a greeting, whose SYN never came. What is known
 * is of an older connection, or that this one has been here. */
static void test_first_words(void **state)
{
	static const struct {
		const char *description;
		struct tcpc_exchange x;
		__u16 port, urgent;
		__u32 mark;
		enum what what;
	} words[] = {
		{"an older connection",
		 {.syn_seq = 7, .exchanges = 3, .request_end = SYN_SEQ - 100},
		 HOLD_PORT,
		 TCPC_GREETING_NONE,
		 0,
		 REOPENS},
		{"with a greeting",
		 {.syn_seq = 7, .exchanges = 3, .request_end = SYN_SEQ - 100},
		 HOLD_PORT,
		 40,
		 0,
		 REOPENS},
		{"nothing can be held",
		 {.syn_seq = 7, .exchanges = 3, .request_end = SYN_SEQ - 100},
		 SERVICE_PORT,
		 TCPC_GREETING_NONE,
		 0,
		 REOPENS},
		{"not the first words",
		 {.syn_seq = 7, .exchanges = 3, .request_end = SYN_SEQ - 100},
		 HOLD_PORT,
		 0,
		 0,
		 LOST},
		{"the SYN made of them was not taken",
		 {.syn_seq = 7, .exchanges = 3, .request_end = SYN_SEQ - 100},
		 HOLD_PORT,
		 TCPC_GREETING_NONE,
		 TCPC_LAST_MARK,
		 LOST},
		{"its connection is over",
		 {.syn_seq = SYN_SEQ, .exchanges = 1},
		 HOLD_PORT,
		 TCPC_GREETING_NONE,
		 0,
		 LOST},
		{"they came before",
		 {.syn_seq = 7, .exchanges = 1, .request_end = SYN_SEQ + 101},
		 HOLD_PORT,
		 TCPC_GREETING_NONE,
		 0,
		 LOST},
	};

	(void)state;
	need_netns();
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		struct connection c = only_listener(words[i].port);
		struct frame_spec spec = first_data(&c);

		spec.urgent = words[i].urgent;
		hold_write_exchange(&c, &words[i].x);
		expect_row(words[i].description, words[i].what, &c, words[i].mark, &spec);
		connection_close(&c);
	}
}

/* ---- its SYN is still to come ---------------------------------------------------------------- */

static struct tcpc_exchange older(void)
{
	return (struct tcpc_exchange){
		.syn_seq = SYN_SEQ - 0x40000000, /* too far for its first bytes */
		.exchanges = 3,
		.request_end = SYN_SEQ - 100,
		.start_ns = 1,
	};
}

/* The packet that a connection is first noted for, then a request just behind it. */
static void first_and_next(const char *row, const struct connection *c, __u16 urgent,
			   struct frame_spec *next)
{
	struct tcpc_exchange x = older();

	*next = first_data(c);
	next->seq += 1000;
	next->urgent = urgent;
	hold_write_exchange(c, &x);
	expect_lost(row, 0, next);
	next->seq += next->payload_bytes;
	next->ack++;
	next->urgent = 0; /* the requests are so large that it is young no more */
}

/* As if the last packet had come @units of `seen` ago. */
static void wait_for_syn(const struct connection *c, __u32 units)
{
	struct tcpc_exchange x = hold_exchange(c);

	x.level_at -= units;
	hold_write_exchange(c, &x);
}

static void test_syn_to_come(void **state)
{
	struct connection c;
	struct frame_spec next;

	(void)state;
	need_netns();
	c = only_listener(ADOPT_PORT);
	first_and_next("young", &c, TCPC_GREETING_YOUNG, &next);
	expect_lost("and its next request", 0, &next);
	next.seq += next.payload_bytes;
	next.ack++;
	wait_for_syn(&c, 5);
	expect_opens("no SYN came", 0, &next, COUNTER(adopted));
	connection_close(&c);
}

/* The target has an older connection from the same port, which is over. */
static void test_syn_to_come_closing(void **state)
{
	struct connection c;
	struct frame_spec next;
	char eof;

	(void)state;
	need_netns();
	c = connection_open(4, CLIENT_PORT, ADOPT_PORT);
	close(c.server);
	c.server = -1;
	assert_int_equal(recv(c.client, &eof, 1, 0), 0);
	wait_until(connection_state(&c) == BPF_TCP_FIN_WAIT2);
	first_and_next("first words", &c, TCPC_GREETING_NONE, &next);
	expect_lost("and the next request", 0, &next);
	first_and_next("young", &c, TCPC_GREETING_YOUNG, &next);
	expect_lost("and its next request", 0, &next);
	next.flags = FIN_ACK;
	expect_lost("and its end", 0, &next);
	connection_close(&c);
}

/* Of a connection that is first seen in its middle, no SYN will come. */
static void test_no_syn_to_come(void **state)
{
	struct connection c;
	struct frame_spec next;

	(void)state;
	need_netns();
	c = only_listener(ADOPT_PORT);
	first_and_next("its middle", &c, 0, &next);
	expect_opens("the next request", 0, &next, COUNTER(adopted));
	connection_close(&c);
}

/* ---- nothing can be held --------------------------------------------------------------------- */

/* Without a hold queue: the SYN cookie's own ACK number, or the SYN anew, but nothing waits. */
static void test_relaxed(void **state)
{
	struct tcpc_exchange x = {.syn_seq = SYN_SEQ, .start_ns = 1};
	struct connection c;
	struct frame_spec spec;

	(void)state;
	need_netns();
	c = only_listener(SERVICE_PORT);
	spec = first_data(&c);
	hold_write_exchange(&c, &x);
	expect_reopens("no answer to the SYN", 0, &spec);
	hold_write_exchange(&c, &x);
	expect_lost("nor to the next", TCPC_LAST_MARK, &spec);
	x.answer_flags = TCPC_TCP_ACK;
	x.answer_end = SYN_ACK_END;
	hold_write_exchange(&c, &x);
	expect_passes("SYN cookie", 0, &spec, COUNTER(syn_recv), SYN_ACK_END, 1);
	expect_lost("later", 0, &spec);
	spec.seq++;
	hold_write_exchange(&c, &x);
	expect_lost("not the first byte", 0, &spec);
	connection_close(&c);
}

/* ---- a full accept queue --------------------------------------------------------------------- */

#define BACKLOG 3 /* and one more: the kernel counts so */

/* Connections that nobody accepts. */
static void fill_queue(const struct connection *c, int *fds, int from, int n)
{
	union any_address addr;
	socklen_t len = host_address(4, 2, c->server_port, &addr);

	for (int i = from; i < n; i++) {
		fds[i] = bound_socket(4, 1, CLIENT_PORT + 100 + i);
		if (connect(fds[i], &addr.sa, len))
			expect_fail("connection %d of the queue: %s", i, strerror(errno));
	}
}

static void empty_queue(const struct connection *c, int *fds, int n)
{
	for (int i = 0; i < n; i++) {
		struct linger hard = {.l_onoff = 1};
		int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			expect_fail("accept: %s", strerror(errno));
		setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		close(fds[i]);
		close(fd);
	}
}

static void test_full_listener(void **state)
{
	int fds[BACKLOG + 1];
	struct connection c;
	struct frame_spec spec;

	(void)state;
	need_netns();
	c = only_listener(HOLD_PORT);
	listen(c.listener, BACKLOG);
	spec = first_data(&c);
	fill_queue(&c, fds, 0, BACKLOG + 1);
	know_syn(&c, LONG_AGO_NS, 0, 0);
	expect_waits("full", &c, 0, &spec);
	expect_waits("full, back", &c, TCPC_HOLD_MARK, &spec);
	empty_queue(&c, fds, BACKLOG + 1);
	expect_reopens("room again", TCPC_HOLD_MARK, &spec);
	connection_close(&c);
}

static void expect_outside_waits(const char *row, const struct connection *c, __u32 mark,
				 const struct frame_spec *spec)
{
	struct frame frame = frame_build(spec), want = frame_build(spec);

	tag_early(&want, outside_exchange(c).held + 1);
	run_align(row, mark, &frame);
	expect_run(row, &run, VERDICT_REDIRECT, &want);
	frame_free(&frame);
	frame_free(&want);
}

static void test_full_opening(void **state)
{
	int fds[BACKLOG + 1];
	struct connection c;
	struct frame_spec spec;
	__u32 snd_nxt;

	(void)state;
	need_netns();
	c = only_listener(HOLD_PORT);
	listen(c.listener, BACKLOG);
	spec = first_data(&c);
	spec.saddr = outside_flow(&c).client;
	snd_nxt = open_half(&spec);
	know_outside(&c, 0);
	expect_passes("room", 0, &spec, COUNTER(syn_recv), snd_nxt, 1);
	fill_queue(&c, fds, 0, BACKLOG);
	know_outside(&c, 0);
	expect_outside_waits("room for one, but others may come with it", &c, 0, &spec);
	expect_passes("room for one", TCPC_HOLD_MARK, &spec, COUNTER(syn_recv), snd_nxt, 1);
	fill_queue(&c, fds, BACKLOG, BACKLOG + 1);
	know_outside(&c, 0);
	expect_outside_waits("full", &c, 0, &spec);
	know_outside(&c, 5);
	expect_outside_waits("full, back", &c, TCPC_HOLD_MARK, &spec);
	empty_queue(&c, fds, BACKLOG + 1);
	connection_close(&c);
}

/* A SYN in whose way an old connection stands, after the reset that was to end it: it waits, for
 * behind the old one in a backlog it would be lost. Without a queue, or a number in it, it goes. */
static void test_outlived_reset(void **state)
{
	struct tcpc_target_stats moved = target_moves(COUNTER(syn));
	struct tcpc_exchange old = {.syn_seq = SYN_SEQ, .exchanges = 1, .held = 4};
	struct connection c;
	struct frame_spec syn;
	struct frame frame;

	(void)state;
	need_netns();
	c = connection_open(4, CLIENT_PORT, HOLD_PORT);
	hold_write_exchange(&c, &old);
	syn = connection_frame(&c);
	syn.flags = TCPC_TCP_SYN;
	syn.seq = SYN_SEQ + 1000000;
	syn.payload_bytes = 0;
	expect_waits("still there", &c, TCPC_AGAIN_MARK, &syn);
	expect_u64("still there", "held", hold_exchange(&c).held, 5);
	hold_service(HOLD_PORT, 0, 0);
	frame = frame_build(&syn);
	run_align("nothing waits", TCPC_AGAIN_MARK, &frame);
	expect_run("nothing waits", &run, VERDICT_NEXT, &frame);
	expect_moved("nothing waits", &lab.counters, &moved);
	hold_service(HOLD_PORT, 0, HOLD_IFINDEX);
	frame_free(&frame);
	connection_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outlived_reset), cmocka_unit_test(test_listener),
		cmocka_unit_test(test_no_syn),	       cmocka_unit_test(test_relaxed),
		cmocka_unit_test(test_first_words),    cmocka_unit_test(test_full_listener),
		cmocka_unit_test(test_full_opening),   cmocka_unit_test(test_syn_to_come),
		cmocka_unit_test(test_no_syn_to_come), cmocka_unit_test(test_syn_to_come_closing),
	};

	return cmocka_run_group_tests(tests, opening_enter, target_leave);
}
