// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_exchanges.c - the exchanges that align keeps for each connection: begun by a SYN, advanced
 * when the client acknowledges more of the online host's answers, and only then. Client ACK numbers
 * here are those made for the online host; the target's come from its own socket.
 */
#include "../harness/bpf_target.h"
#include "../harness/connection.h"

#define CLIENT_PORT 41000

static struct tcpc_flow flow_of(const struct connection *c)
{
	struct tcpc_flow flow = {
		.client = frame_host(&(struct frame_spec){.family = c->family}, 1),
		.server = frame_host(&(struct frame_spec){.family = c->family}, 2),
		.client_port = tcpc_htons(c->client_port),
		.server_port = tcpc_htons(c->server_port),
	};

	return flow;
}

/* Returns false if there is no entry. */
static bool read_exchange(const struct connection *c, struct tcpc_exchange *ret)
{
	struct tcpc_flow flow = flow_of(c);

	return !bpf_map_lookup_elem(bpf_map__fd(lab.skel->maps.exchanges), &flow, ret);
}

static __u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* One packet of a client, and what the entry is then. */
struct step {
	const char *description;
	__u8 flags;
	__u32 seq;
	__u32 ack;
	__u32 payload_bytes;
	__u32 want_ack; /* client_ack */
	__u32 want_end; /* request_end */
	__u32 want_exchanges;
	bool begins;
	__u32 answer_bytes; /* the target answers, before the packet comes */
	__u32 want_owed;
};

#define PSH_ACK (TCPC_TCP_PSH | TCPC_TCP_ACK)
#define FIN_ACK (TCPC_TCP_FIN | TCPC_TCP_ACK)

/* The connection stands already, so a SYN passes only as a repetition of the one that opened it.
 * What a new one leaves is seen in test_new(). */
static void remember_syn(const struct connection *c, __u32 seq)
{
	struct tcpc_exchange x = {.syn_seq = seq};
	struct tcpc_flow flow = flow_of(c);

	if (bpf_map_update_elem(bpf_map__fd(lab.skel->maps.exchanges), &flow, &x, BPF_ANY))
		expect_fail("exchanges: %s", strerror(errno));
}

static void align_step(const struct connection *c, const struct step *step)
{
	struct frame_spec spec = connection_frame(c);
	static struct bpf_run run;
	struct frame frame;

	spec.flags = step->flags;
	spec.seq = step->seq;
	spec.ack = step->ack;
	spec.payload_bytes = step->payload_bytes;
	frame = frame_build(&spec);
	run.ifindex = lab.live;
	if (step->flags & TCPC_TCP_SYN)
		remember_syn(c, step->seq);
	bpf_run(step->description, lab.align_fd, &run, frame.data, frame.bytes);
	expect_u64(step->description, "verdict", (__u32)run.verdict, (__u32)VERDICT_NEXT);
	frame_free(&frame);
}

static void expect_step(const struct connection *c, const struct step *step)
{
	struct tcpc_exchange before = {}, x = {};
	struct tcpc_target_stats was, is;
	__u64 began;

	if (step->answer_bytes)
		connection_pass(c->server, c->client, step->answer_bytes);
	read_exchange(c, &before);
	tcpc_datapath_sum(lab.counters.map, (__u64 *)&was, lab.counters.n);
	began = now_ns();
	align_step(c, step);
	tcpc_datapath_sum(lab.counters.map, (__u64 *)&is, lab.counters.n);
	expect_true(step->description, "there is an entry", read_exchange(c, &x));
	expect_u64(step->description, "client_ack", x.client_ack, step->want_ack);
	expect_u64(step->description, "request_end", x.request_end, step->want_end);
	expect_u64(step->description, "exchanges", x.exchanges, step->want_exchanges);
	expect_true(step->description, "seen just now",
		    x.seen >= began >> TCPC_SEEN_SHIFT && x.seen <= now_ns() >> TCPC_SEEN_SHIFT);
	expect_u64(step->description, "closed", x.closed,
		   step->flags & TCPC_TCP_SYN
			   ? 0
			   : before.closed | (step->flags & (TCPC_TCP_FIN | TCPC_TCP_RST)));
	expect_u64(step->description, "counted", is.exchanges - was.exchanges, step->begins);
	if (step->begins) {
		expect_u64(step->description, "snd_nxt", x.snd_nxt, connection_snd_nxt(c->server));
		expect_u64(step->description, "owed", x.owed, step->want_owed);
		expect_true(step->description, "begins now",
			    x.start_ns >= began && x.start_ns <= now_ns());
	} else if (!(step->flags & TCPC_TCP_SYN)) {
		expect_u64(step->description, "snd_nxt stays", x.snd_nxt, before.snd_nxt);
		expect_u64(step->description, "start stays", x.start_ns, before.start_ns);
	}
}

static void expect_steps(const struct step *steps, size_t n)
{
	struct connection c = connection_open(lab_variant.family, CLIENT_PORT, SERVICE_PORT);

	for (size_t i = 0; i < n; i++)
		expect_step(&c, &steps[i]);
	connection_close(&c);
}

static void test_advance(void **state)
{
	static const struct step steps[] = {
		{"SYN", TCPC_TCP_SYN, 999, 0, 0, 0, 0, 0, false, 0, 0},
		{"first request", PSH_ACK, 1000, 5000, 100, 5000, 1100, 1, true, 0, 0},
		{"its second packet", PSH_ACK, 1100, 5000, 50, 5000, 1150, 1, false, 0, 0},
		{"an old ACK", PSH_ACK, 1150, 4000, 10, 5000, 1160, 1, false, 0, 0},
		{"second request", PSH_ACK, 1160, 5300, 7, 5300, 1167, 2, true, 300, 0},
		{"ACK of one byte more", PSH_ACK, 1167, 5301, 1, 5301, 1168, 3, true, 40, 0},
		{"pipelined", PSH_ACK, 1168, 5301, 10, 5301, 1178, 3, false, 60, 0},
		{"without ACK", TCPC_TCP_PSH, 1178, 0, 10, 5301, 1178, 3, false, 0, 0},
		{"FIN", FIN_ACK, 1178, 5301, 0, 5301, 1179, 3, false, 0, 0},
		{"SYN again", TCPC_TCP_SYN, 7, 0, 0, 0, 0, 0, false, 0, 0},
		{"first request again", PSH_ACK, 8, 90, 10, 90, 18, 1, true, 0, 0},
	};

	(void)state;
	need_netns();
	expect_steps(steps, COUNT_OF(steps));
}

/* An answer that is nearly as long may not be over. */
static void test_owed(void **state)
{
	static const struct step steps[] = {
		{"SYN", TCPC_TCP_SYN, 999, 0, 0, 0, 0, 0, false, 0, 0},
		{"first request", PSH_ACK, 1000, 5000, 100, 5000, 1100, 1, true, 0, 0},
		{"ten bytes less", PSH_ACK, 1100, 5300, 10, 5300, 1110, 2, true, 290, 10},
		{"these, and ten less", PSH_ACK, 1110, 5600, 10, 5600, 1120, 3, true, 300, 10},
		{"all of them", PSH_ACK, 1120, 5900, 10, 5900, 1130, 4, true, 310, 0},
		{"ten less again", PSH_ACK, 1130, 6200, 10, 6200, 1140, 5, true, 290, 10},
		{"much less", PSH_ACK, 1140, 6500, 10, 6500, 1150, 6, true, 100, 0},
	};

	(void)state;
	need_netns();
	expect_steps(steps, COUNT_OF(steps));
}

/* Nothing of an older connection from that port is left, but for its packets in the queue. */
static void test_new(void **state)
{
	struct connection c = {lab_variant.family, -1, -1, -1, CLIENT_PORT, SERVICE_PORT};
	struct tcpc_exchange old, want = {.held = 4, .syn_seq = 999}, x;
	struct tcpc_flow flow = flow_of(&c);
	struct frame_spec spec = connection_frame(&c);
	static struct bpf_run run;
	struct frame frame;

	(void)state;
	need_netns();
	memset(&old, 0x5a, sizeof(old));
	old.held = 4;
	old.exchanges = 0;
	/* The same number: it is no repetition where there is no connection, and no request was. */
	for (old.syn_seq = 998; old.syn_seq < 1000; old.syn_seq++) {
		c.listener = connection_listen(lab_variant.family, SERVICE_PORT);
		bpf_map_update_elem(bpf_map__fd(lab.skel->maps.exchanges), &flow, &old, BPF_ANY);
		spec.flags = TCPC_TCP_SYN;
		spec.seq = 999;
		spec.payload_bytes = 0;
		frame = frame_build(&spec);
		run.ifindex = lab.live;
		bpf_run("SYN", lab.align_fd, &run, frame.data, frame.bytes);
		expect_u64("SYN", "verdict", (__u32)run.verdict, (__u32)VERDICT_NEXT);
		expect_true("SYN", "there is an entry", read_exchange(&c, &x));
		want.start_ns = x.start_ns;
		want.seen = x.seen;
		expect_bytes("SYN", &x, &want, sizeof(x));
		frame_free(&frame);
		close(c.listener);
	}
}

/* Sent again to a connection that has had requests and is gone: they must not come once more. */
static void test_spent(void **state)
{
	struct connection c = {lab_variant.family, -1, -1, -1, CLIENT_PORT, SERVICE_PORT};
	struct tcpc_exchange old = {.syn_seq = 999, .exchanges = 1, .request_end = 1100}, x;
	struct tcpc_flow flow = flow_of(&c);
	struct frame_spec spec = connection_frame(&c);
	static struct bpf_run run;

	(void)state;
	need_netns();
	c.listener = connection_listen(lab_variant.family, SERVICE_PORT);
	for (spec.seq = 998; spec.seq < 1001; spec.seq++) {
		bool spent = spec.seq == old.syn_seq;
		struct frame frame;

		bpf_map_update_elem(bpf_map__fd(lab.skel->maps.exchanges), &flow, &old, BPF_ANY);
		spec.flags = TCPC_TCP_SYN;
		spec.payload_bytes = 0;
		frame = frame_build(&spec);
		run.ifindex = lab.live;
		bpf_run("SYN", lab.align_fd, &run, frame.data, frame.bytes);
		expect_u64("SYN", "verdict", (__u32)run.verdict,
			   (__u32)(spent ? VERDICT_DROP : VERDICT_NEXT));
		expect_true("SYN", "there is an entry", read_exchange(&c, &x));
		expect_u64("SYN", "exchanges", x.exchanges, spent);
		frame_free(&frame);
	}
	close(c.listener);
}

/* Sequence numbers wrap (RFC 9293, 3.4). */
static void test_wrap(void **state)
{
	static const struct step steps[] = {
		{"SYN", TCPC_TCP_SYN, 0, 0, 0, 0, 0, 0, false, 0, 0},
		{"before the end", PSH_ACK, 0xffffff9c, 0xfffffff0, 100, 0xfffffff0, 0, 1, true, 0,
		 0},
		{"last before it", PSH_ACK, 0, 0xffffffff, 1, 0xffffffff, 1, 2, true, 5, 0},
		{"zero", PSH_ACK, 1, 0, 1, 0, 2, 3, true, 5, 0},
		{"behind it", PSH_ACK, 2, 0x10, 1, 0x10, 3, 4, true, 5, 0},
		{"an old one", PSH_ACK, 3, 0xfffffff8, 1, 0x10, 4, 4, false, 5, 0},
		{"half the way on", PSH_ACK, 4, 0x8000000f, 1, 0x8000000f, 5, 5, true, 5, 0},
		{"no ACK number", TCPC_TCP_PSH, 5, 0, 1, 0x8000000f, 5, 5, false, 5, 0},
		{"wraps within", FIN_ACK, 0xffffffff, 0xf0000000, 9, 0xf0000000, 9, 6, true, 5, 0},
	};

	(void)state;
	need_netns();
	expect_steps(steps, COUNT_OF(steps));
}

/* Resets often have no ACK number, and none carries a request. */
static void test_reset_begins_nothing(void **state)
{
	static const struct step steps[] = {
		{"SYN", TCPC_TCP_SYN, 0, 0, 0, 0, 0, 0, false, 0, 0},
		{"request", PSH_ACK, 1, 0xc0000000, 100, 0xc0000000, 101, 1, true, 0, 0},
	};
	static const struct step resets[] = {
		{"RST", TCPC_TCP_RST, 101, 0, 0, 0, 0, 0, false, 0, 0},
		{"RST, ACK", TCPC_TCP_RST | TCPC_TCP_ACK, 101, 0xd0000000, 0, 0, 0, 0, false, 0, 0},
	};
	struct tcpc_exchange before = {}, after = {};
	struct connection c;

	(void)state;
	need_netns();
	c = connection_open(lab_variant.family, CLIENT_PORT, SERVICE_PORT);
	for (size_t i = 0; i < COUNT_OF(steps); i++)
		expect_step(&c, &steps[i]);
	read_exchange(&c, &before);
	for (size_t i = 0; i < COUNT_OF(resets); i++) {
		align_step(&c, &resets[i]);
		read_exchange(&c, &after);
		expect_u64(resets[i].description, "client_ack", after.client_ack,
			   before.client_ack);
		expect_u64(resets[i].description, "exchanges", after.exchanges, before.exchanges);
	}
	connection_close(&c);
}

static void expect_reset(const struct connection *c, const char *row, bool softened)
{
	struct tcpc_target_stats moved = target_moves(COUNTER(aligned));
	struct frame_spec spec = connection_frame(c), fitted;
	struct frame frame, want;

	spec.payload_bytes = 0;
	spec.flags = TCPC_TCP_RST | TCPC_TCP_ACK;
	fitted = spec;
	fitted.ack = connection_snd_nxt(c->server);
	fitted.window = TCPC_OPEN_WINDOW;
	if (softened)
		fitted.flags = TCPC_TCP_FIN | TCPC_TCP_ACK;
	moved.early_reset = softened;
	frame = frame_build(&spec);
	want = frame_build(&fitted);
	align_run(row, &frame, VERDICT_NEXT, &want, &moved);
	frame_free(&frame);
	frame_free(&want);
}

/* The request is read but not answered: the reset must not make the answer fail. */
static void test_reset_before_answer(void **state)
{
	static const struct step steps[] = {
		{"SYN", TCPC_TCP_SYN, 0, 0, 0, 0, 0, 0, false, 0, 0},
		{"request", PSH_ACK, 1, 500, 100, 500, 101, 1, true, 0, 0},
	};
	struct connection c;

	(void)state;
	need_netns();
	c = connection_open(lab_variant.family, CLIENT_PORT, SERVICE_PORT);
	expect_step(&c, &steps[0]);
	expect_reset(&c, "no request yet", false);
	expect_step(&c, &steps[1]);
	expect_reset(&c, "not answered", true);
	connection_pass(c.server, c.client, 20);
	expect_reset(&c, "answered", false);
	connection_pass(c.client, -1, 10);
	expect_reset(&c, "another request, not read", true);
	connection_close(&c);
}

/* A connection whose SYN we have not seen is aligned all the same, and has no entry. */
static void test_without_syn(void **state)
{
	static const struct step data = {"data", PSH_ACK, 1, 2, 3, 0, 0, 0, false, 0, 0};
	struct tcpc_exchange x;
	struct connection c;

	(void)state;
	need_netns();
	c = connection_open(lab_variant.family, CLIENT_PORT + 1, SERVICE_PORT);
	align_step(&c, &data);
	expect_true("without SYN", "there is no entry", !read_exchange(&c, &x));
	connection_close(&c);
}

/* The table has a bound (invariant 6): the oldest connections go, the newest stay. */
static void test_bound(void **state)
{
	struct tcpc_flow key, next;
	static struct bpf_run run;
	__u32 n = 0, newest = 0;
	void *from = NULL;
	int fd, listener;

	(void)state;
	need_netns();
	listener = connection_listen(lab_variant.family, SERVICE_PORT);
	run.ifindex = lab.live;
	fd = bpf_map__fd(lab.skel->maps.exchanges);
	for (__u32 i = 0; i < TCPC_MAX_EXCHANGES + TCPC_MAX_EXCHANGES / 4; i++) {
		struct frame_spec spec = {
			.flags = TCPC_TCP_SYN,
			.saddr = V4_ADDR(100 + (i >> 15)),
			.sport = 1 + (i & 0x7fff),
		};
		struct frame frame = frame_build(&spec);

		bpf_run("SYN", lab.align_fd, &run, frame.data, frame.bytes);
		expect_u64("SYN", "verdict", (__u32)run.verdict, (__u32)VERDICT_NEXT);
		newest = i;
		frame_free(&frame);
	}
	for (; !bpf_map_get_next_key(fd, from, &next); n++) {
		key = next;
		from = &key;
	}
	expect_true("table", "holds no more than its bound", n <= TCPC_MAX_EXCHANGES);
	expect_true("table", "is not emptied", n > TCPC_MAX_EXCHANGES / 2);
	key = (struct tcpc_flow){
		.client = V4_ADDR(100 + (newest >> 15)),
		.server = frame_host(&(struct frame_spec){}, 2),
		.client_port = tcpc_htons(1 + (newest & 0x7fff)),
		.server_port = tcpc_htons(SERVICE_PORT),
	};
	expect_true("table", "the newest is there",
		    !bpf_map_lookup_elem(fd, &key, &(struct tcpc_exchange){}));
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		both_families(test_new),
		both_families(test_spent),
		both_families(test_advance),
		both_families(test_owed),
		both_families(test_wrap),
		both_families(test_reset_begins_nothing),
		both_families(test_reset_before_answer),
		both_families(test_without_syn),
		{"test_bound", test_bound, variant_v4, NULL, NULL},
	};

	return cmocka_run_group_tests(tests, target_enter, target_leave);
}
