// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_target_conn.c - align and real connections: what it takes from the target's own sockets,
 * in every state that these can be in. The expected frame is always built anew, so its checksum is
 * a full one, and the expected numbers come from the socket itself.
 */
#include "../harness/bpf_target.h"
#include "../harness/connection.h"

/* What align should make of @spec on a connection in the state that @counter stands for. */
struct aligned {
	__u32 snd_nxt;
	bool keeps_timestamps; /* an open connection looks past them */
	struct tcpc_target_stats moved;
};

static bool is_timestamps_alone(const struct frame_spec *spec)
{
	return spec->tcp_option_bytes == 12 && !memcmp(spec->tcp_options, "\x01\x01\x08\x0a", 4);
}

static void expect_aligned(const char *row, const struct frame_spec *spec, const struct aligned *a)
{
	struct frame frame = frame_build(spec), want;
	struct frame_spec fitted = *spec;
	struct tcpc_options found;

	options_ref_blank(fitted.tcp_options, fitted.tcp_option_bytes, TCPC_OPTS_DATA_BLANK,
			  &found);
	if (found.kinds & TCPC_OPTS_SIGNATURE) {
		struct tcpc_target_stats moved = target_moves(COUNTER(md5));

		align_run(row, &frame, VERDICT_DROP, &frame, &moved);
		frame_free(&frame);
		return;
	}
	if (found.malformed || (a->keeps_timestamps && is_timestamps_alone(spec)))
		memcpy(fitted.tcp_options, spec->tcp_options, sizeof(fitted.tcp_options));
	if (fitted.flags & TCPC_TCP_ACK) {
		fitted.ack = a->snd_nxt;
		fitted.window = TCPC_OPEN_WINDOW;
		/* A greeting has served, urgent data have not. */
		if (!(fitted.flags & TCPC_TCP_URG))
			fitted.urgent = 0;
	}
	want = frame_build(&fitted);
	align_run(row, &frame, VERDICT_NEXT, &want, &a->moved);
	frame_free(&frame);
	frame_free(&want);
}

/* Nothing is known of the exchange, so nothing but @counter moves. */
static struct aligned fitted_to(__u32 snd_nxt, size_t counter)
{
	struct aligned a = {
		.snd_nxt = snd_nxt,
		.keeps_timestamps = counter == COUNTER(aligned),
		.moved = target_moves(counter),
	};

	return a;
}

#define TS 1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8
#define SACK_1 1, 1, 5, 10, 9, 9, 9, 9, 8, 8, 8, 8

static const struct segment {
	const char *description;
	__u8 flags;
	__u32 payload_bytes;
	__u32 tcp_option_bytes;
	__u8 tcp_options[40];
} segments[] = {
	{"data", TCPC_TCP_ACK | TCPC_TCP_PSH, 100, 0, {}},
	{"odd data", TCPC_TCP_ACK, 77, 0, {}},
	{"no ACK flag", TCPC_TCP_PSH, 10, 0, {}},
	{"urgent data", TCPC_TCP_ACK | TCPC_TCP_URG, 10, 0, {}},
	{"congestion signals", TCPC_TCP_ACK | TCPC_TCP_ECE | TCPC_TCP_CWR, 10, 0, {}},
	{"FIN", TCPC_TCP_ACK | TCPC_TCP_FIN, 0, 0, {}},
	{"FIN with data", TCPC_TCP_ACK | TCPC_TCP_FIN, 9, 0, {}},
	{"RST", TCPC_TCP_RST, 0, 0, {}},
	{"RST, ACK", TCPC_TCP_RST | TCPC_TCP_ACK, 0, 0, {}},
	{"SYN, ACK", TCPC_TCP_SYN | TCPC_TCP_ACK, 0, 0, {}},
	{"timestamps", TCPC_TCP_ACK, 100, 12, {TS}},
	{"timestamps, another order", TCPC_TCP_ACK, 3, 12, {8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1}},
	{"SACK", TCPC_TCP_ACK, 100, 12, {SACK_1}},
	{"timestamps and SACK", TCPC_TCP_ACK, 31, 24, {TS, SACK_1}},
	{"timestamps and nothing", TCPC_TCP_ACK, 31, 16, {TS, 0, 0, 0, 0}},
	{"SACK at an odd offset", TCPC_TCP_ACK, 1, 12, {1, 5, 10, 9, 9, 9, 9, 8, 8, 8, 8, 1}},
	{"MPTCP", TCPC_TCP_ACK, 100, 8, {30, 8, 1, 2, 3, 4, 5, 6}},
	{"malformed", TCPC_TCP_ACK, 100, 16, {TS, 5, 0, 0, 0}},
	{"signed", TCPC_TCP_ACK, 100, 20, {19, 18}},
	{"signed and stamped", TCPC_TCP_ACK, 100, 32, {TS, 1, 1, 19, 18}},
	{"signed in the new way", TCPC_TCP_ACK, 100, 20, {1, 1, 29, 16, 1, 1, 9}},
	{"signed in the new way, stamp's length", TCPC_TCP_ACK, 100, 12, {29, 12, 1, 1, 9}},
	{"unknown options", TCPC_TCP_ACK, 100, 8, {253, 4, 1, 2, 254, 4, 3, 4}},
};

static void expect_segments(const struct connection *c, const char *state, const struct aligned *a)
{
	char row[96];

	for (size_t i = 0; i < COUNT_OF(segments); i++) {
		struct frame_spec spec = connection_frame(c);

		spec.flags = segments[i].flags;
		spec.payload_bytes = segments[i].payload_bytes;
		spec.urgent = i & 2 ? 40 + i : 0;
		spec.tcp_option_bytes = segments[i].tcp_option_bytes;
		memcpy(spec.tcp_options, segments[i].tcp_options, sizeof(spec.tcp_options));
		spec.padding = i & 1 ? 6 : 0;
		spec.vlan_tags = i % 3;
		snprintf(row, sizeof(row), "%s, IPv%d: %s", state, c->family,
			 segments[i].description);
		expect_aligned(row, &spec, a);
	}
}

#define RANDOM_SEGMENTS 1500

static void expect_random_segments(const struct connection *c, const struct aligned *a)
{
	__u64 seed = c->family;
	char row[64];

	for (int i = 0; i < RANDOM_SEGMENTS; i++) {
		struct frame_spec spec = connection_frame(c);

		spec.ack = random_next(&seed);
		spec.seq = random_next(&seed);
		spec.window = random_next(&seed);
		spec.urgent = random_next(&seed);
		spec.payload_bytes = 1 + random_below(&seed, 40);
		random_options(&seed, &spec);
		snprintf(row, sizeof(row), "IPv%d, random segment %d", c->family, i);
		expect_aligned(row, &spec, a);
	}
}

/* ---- one test a state ------------------------------------------------------------------------ */

static void test_open(void **state)
{
	struct connection c;
	struct aligned a;

	(void)state;
	need_netns();
	c = connection_open(lab_variant.family, 40001, SERVICE_PORT);
	/* Away from the initial sequence number, and with nothing unread. */
	connection_pass(c.client, c.server, 500);
	connection_pass(c.server, c.client, 3000);
	a = fitted_to(connection_snd_nxt(c.server), COUNTER(aligned));
	expect_segments(&c, "open", &a);
	expect_random_segments(&c, &a);
	connection_close(&c);
}

/* A listener for both families has IPv4 connections that are IPv6 sockets. */
static void test_open_dual_stack(void **state)
{
	struct connection c = {.family = 4, .client_port = 40002, .server_port = SERVICE_PORT};
	union any_address any = {}, server;
	struct aligned a;
	int off = 0;

	(void)state;
	need_netns();
	any.v6.sin6_family = AF_INET6;
	any.v6.sin6_port = tcpc_htons(SERVICE_PORT);
	c.listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(setsockopt(c.listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)),
			   errno);
	assert_return_code(bind(c.listener, &any.sa, sizeof(any.v6)), errno);
	assert_return_code(listen(c.listener, 1), errno);
	c.client = bound_socket(4, 1, c.client_port);
	assert_return_code(connect(c.client, &server.sa, host_address(4, 2, SERVICE_PORT, &server)),
			   errno);
	c.server = accept4(c.listener, NULL, NULL, SOCK_CLOEXEC);
	assert_return_code(c.server, errno);
	a = fitted_to(connection_snd_nxt(c.server), COUNTER(aligned));
	expect_segments(&c, "dual stack", &a);
	connection_close(&c);
}

/* With a client that does not read, what is written and what is sent differ: SND.NXT counts. */
static void test_unsent_data(void **state)
{
	struct connection c;
	struct aligned a;
	char data[4096] = {};
	int unsent = 0;

	(void)state;
	need_netns();
	c = connection_open(lab_variant.family, 40003, SERVICE_PORT);
	while (send(c.server, data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
	assert_return_code(ioctl(c.server, SIOCOUTQNSD, &unsent), errno);
	expect_true("unsent data", "there is some", unsent > 0);
	a = fitted_to(connection_snd_nxt(c.server), COUNTER(aligned));
	expect_segments(&c, "unsent data", &a);
	connection_close(&c);
}

/* The client has closed: the target may still answer. */
static void test_close_wait(void **state)
{
	struct connection c;
	struct aligned a;
	char eof;

	(void)state;
	need_netns();
	c = connection_open(lab_variant.family, 40004, SERVICE_PORT);
	assert_return_code(shutdown(c.client, SHUT_WR), errno);
	assert_int_equal(recv(c.server, &eof, 1, 0), 0);
	expect_u64("CLOSE_WAIT", "state", connection_state(&c), BPF_TCP_CLOSE_WAIT);
	a = fitted_to(connection_snd_nxt(c.server), COUNTER(aligned));
	expect_segments(&c, "CLOSE_WAIT", &a);
	connection_close(&c);
}

/* The target has closed its half, which takes a sequence number. */
static void test_fin_wait(void **state)
{
	struct connection c;
	struct aligned a;
	char eof;

	(void)state;
	need_netns();
	c = connection_open(lab_variant.family, 40005, SERVICE_PORT);
	a = fitted_to(connection_snd_nxt(c.server) + 1, COUNTER(aligned));
	assert_return_code(shutdown(c.server, SHUT_WR), errno);
	assert_int_equal(recv(c.client, &eof, 1, 0), 0);
	expect_segments(&c, "FIN_WAIT_2", &a);
	connection_close(&c);
}

/* No application holds it any more, but the client's FIN must still get through. */
static void closing_state(__u16 port, bool client_closes)
{
	struct connection c = connection_open(lab_variant.family, port, SERVICE_PORT);
	struct aligned a;
	char eof;

	connection_pass(c.server, c.client, 1000);
	a = fitted_to(connection_snd_nxt(c.server) + 1, COUNTER(closing));
	close(c.server);
	c.server = -1;
	assert_int_equal(recv(c.client, &eof, 1, 0), 0);
	if (client_closes) {
		close(c.client);
		c.client = -1;
		wait_until(connection_state(&c) == BPF_TCP_TIME_WAIT);
	} else {
		wait_until(connection_state(&c) == BPF_TCP_FIN_WAIT2);
	}
	expect_segments(&c, client_closes ? "TIME_WAIT" : "FIN_WAIT_2, closed", &a);
	connection_close(&c);
}

static void test_closing(void **state)
{
	(void)state;
	need_netns();
	closing_state(40006, true);
	closing_state(40007, false);
}

/* The SYN comes from outside and its SYN-ACK gets no answer, so a request socket stays. */
static void test_opening(void **state)
{
	struct frame_spec syn = {
		.flags = TCPC_TCP_SYN,
		.sport = 40008,
		.dport = SERVICE_PORT,
		.seq = 1000,
		.window = 65535,
		.family = lab_variant.family,
	};
	struct connection c = {lab_variant.family, -1, -1, -1, 40008, SERVICE_PORT};
	static __u8 answer[RUN_OUT_BYTES];
	struct frame frame;
	struct tcpc_pkt pkt;
	struct aligned a;
	int wire;
	__u32 n;

	(void)state;
	need_netns();
	c.listener = connection_listen(lab_variant.family, SERVICE_PORT);
	wire = packet_open("live1");
	syn.saddr = frame_host(&syn, 7);
	frame = frame_build(&syn);
	packet_send("SYN", wire, &frame);
	n = packet_next("SYN, ACK", wire, PACKET_HOST, answer, sizeof(answer));
	expect_u64("SYN, ACK", "parse", tcpc_parse(answer, answer + n, n, TCPC_LINK_ETHER, &pkt),
		   TCPC_PARSE_OK);
	expect_u64("SYN, ACK", "flags", pkt.flags, TCPC_TCP_SYN | TCPC_TCP_ACK);
	expect_u64("SYN, ACK", "acknowledges", pkt.ack, 1001);
	a = fitted_to(pkt.seq + 1, COUNTER(syn_recv));
	for (size_t i = 0; i < COUNT_OF(segments); i++) {
		struct frame_spec spec = connection_frame(&c);

		spec.saddr = syn.saddr;
		spec.flags = segments[i].flags;
		spec.payload_bytes = segments[i].payload_bytes;
		spec.urgent = i & 2 ? 40 + i : 0;
		spec.tcp_option_bytes = segments[i].tcp_option_bytes;
		memcpy(spec.tcp_options, segments[i].tcp_options, sizeof(spec.tcp_options));
		expect_aligned(segments[i].description, &spec, &a);
	}
	frame_free(&frame);
	close(wire);
	connection_close(&c);
}

static void expect_no_connection(const struct connection *c, const char *row)
{
	struct tcpc_target_stats moved = target_moves(COUNTER(no_connection));
	struct frame_spec spec = connection_frame(c);

	for (int i = 0; i < 3; i++) {
		static const __u8 flags[] = {TCPC_TCP_ACK, TCPC_TCP_RST,
					     TCPC_TCP_FIN | TCPC_TCP_ACK};
		struct frame frame;

		spec.flags = flags[i];
		frame = frame_build(&spec);
		align_run(row, &frame, VERDICT_DROP, &frame, &moved);
		frame_free(&frame);
	}
}

static void test_no_connection(void **state)
{
	struct connection c;

	(void)state;
	need_netns();
	c = connection_open(lab_variant.family, 40009, SERVICE_PORT);
	c.client_port = 40010;
	expect_no_connection(&c, "a listener and another connection");
	connection_close(&c);
	expect_no_connection(&c, "no socket");
	c.server_port = NO_LISTENER_PORT;
	expect_no_connection(&c, "no listener");
}

/* A reset and data that the target's application has not read: it shall read it still. */
static void test_early_reset(void **state)
{
	struct connection c;
	struct frame_spec spec, soft;
	struct tcpc_target_stats moved = target_moves(COUNTER(aligned));
	static const __u8 flags[] = {TCPC_TCP_RST, TCPC_TCP_RST | TCPC_TCP_ACK,
				     TCPC_TCP_RST | TCPC_TCP_ACK | TCPC_TCP_PSH};

	(void)state;
	need_netns();
	c = connection_open(lab_variant.family, 40011, SERVICE_PORT);
	connection_pass(c.client, -1, 10);
	moved.early_reset = 1;
	for (size_t i = 0; i < COUNT_OF(flags); i++) {
		struct frame frame, want;

		spec = connection_frame(&c);
		spec.payload_bytes = 0;
		spec.flags = flags[i];
		soft = spec;
		soft.flags = (flags[i] & ~TCPC_TCP_RST) | TCPC_TCP_FIN | TCPC_TCP_ACK;
		soft.ack = connection_snd_nxt(c.server);
		soft.window = TCPC_OPEN_WINDOW;
		frame = frame_build(&spec);
		want = frame_build(&soft);
		align_run("early reset", &frame, VERDICT_NEXT, &want, &moved);
		frame_free(&frame);
		frame_free(&want);
	}
	connection_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		all_variants(test_open),	cmocka_unit_test(test_open_dual_stack),
		all_variants(test_unsent_data), all_variants(test_close_wait),
		all_variants(test_fin_wait),	all_variants(test_closing),
		all_variants(test_opening),	all_variants(test_no_connection),
		all_variants(test_early_reset),
	};

	return cmocka_run_group_tests(tests, target_enter, target_leave);
}
