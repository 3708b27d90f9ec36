// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_adopt.c - align and connections that the target does not have, or has in the way. Expected
 * frames are built anew, so lengths and checksums are full ones; what comes again is read from the
 * interface. Numbers come from the sockets.
 */
#include "../harness/bpf_hold.h"

#define HTTP_PORT 84 /* a service with --adopt http */
#define ANY_PORT 85  /* ... --adopt any */

#define FOREIGN_MARK 5

#define SYN_SEQ 0xfffff000
#define DATA_SEQ 7000
#define DATA_ACK 0xfffffff0 /* so that it wraps */

/* What comes in on live0: the other pass of a packet. */
static int arrivals;

static struct frame payload_frame(const struct frame_spec *spec, const char *begin)
{
	struct frame frame = frame_build(spec);
	__u8 *tcp = frame.data + frame.l4_off;

	memcpy(tcp + 20 + spec->tcp_option_bytes, begin, strlen(begin));
	frame_put16(tcp + 16, 0);
	frame_put16(tcp + 16,
		    frame_checksum(frame_tcp_sum(frame.data + frame.l3_off, tcp, frame.l4_bytes)));
	return frame;
}

/* Run align; its mark must be gone: other rules of the host shall not see it. */
static void adopt_run(const char *row, __u32 mark, const struct frame *frame, int verdict,
		      const struct frame *want, const struct tcpc_target_stats *moved)
{
	static struct bpf_run run;

	run.ifindex = lab.live;
	run.mark = mark;
	counters_mark(&lab.counters);
	bpf_run(row, lab.align_fd, &run, frame->data, frame->bytes);
	expect_run(row, &run, verdict, want);
	expect_moved(row, &lab.counters, moved);
	if (mark != FOREIGN_MARK)
		expect_u64(row, "mark", run.mark_out, 0);
}

/* The packet itself comes again, as it was. */
static void expect_again(const char *row, const struct frame *frame)
{
	static __u8 buf[RUN_OUT_BYTES];
	__u32 n = packet_next(row, arrivals, PACKET_HOST, buf, sizeof(buf));

	expect_u64(row, "length of what comes again", n, frame->bytes);
	expect_bytes(row, buf, frame->data, n);
}

static void expect_nothing_again(const char *row)
{
	static __u8 buf[RUN_OUT_BYTES];

	expect_u64(row, "bytes that come again",
		   packet_read(arrivals, PACKET_HOST, buf, sizeof(buf)), 0);
}

/* ---- a SYN and what stands in its way -------------------------------------------------------- */

static struct frame_spec syn_of(const struct connection *c, __u32 seq)
{
	struct frame_spec spec = connection_frame(c);

	spec.flags = TCPC_TCP_SYN;
	spec.payload_bytes = 0;
	spec.ack = 0;
	spec.seq = seq;
	spec.tcp_option_bytes = 8;
	memcpy(spec.tcp_options, "\x02\x04\x05\xb4\x01\x03\x03\x07", 8);
	return spec;
}

/* The packet becomes the reset at @rcv_nxt, and comes again. */
static void expect_reset(const char *row, const struct frame_spec *spec, const char *payload,
			 __u32 mark, __u32 rcv_nxt)
{
	struct tcpc_target_stats moved = target_moves(COUNTER(old_ended));
	struct frame frame = payload_frame(spec, payload), want;
	struct frame_spec reset = *spec;

	reset.flags = TCPC_TCP_RST;
	reset.seq = rcv_nxt;
	want = payload_frame(&reset, payload);
	adopt_run(row, mark, &frame, VERDICT_NEXT, &want, &moved);
	expect_again(row, &frame);
	frame_free(&frame);
	frame_free(&want);
}

static void expect_syn_passes(const char *row, const struct frame_spec *spec, __u32 mark)
{
	struct tcpc_target_stats moved = target_moves(COUNTER(syn));
	struct frame frame = frame_build(spec);

	adopt_run(row, mark, &frame, VERDICT_NEXT, &frame, &moved);
	expect_nothing_again(row);
	frame_free(&frame);
}

static void test_syn_open(void **state)
{
	struct connection c;
	struct tcpc_exchange x = {.syn_seq = SYN_SEQ + 1};
	struct frame_spec syn;
	__u32 rcv_nxt;

	(void)state;
	need_netns();
	c = connection_open(lab_variant.family, 42001, SERVICE_PORT);
	connection_pass(c.client, c.server, 500);
	rcv_nxt = connection_snd_nxt(c.client);
	syn = syn_of(&c, SYN_SEQ);
	expect_reset("nothing known", &syn, "", 0, rcv_nxt);
	expect_reset("foreign mark", &syn, "", FOREIGN_MARK, rcv_nxt);
	hold_write_exchange(&c, &x);
	expect_reset("opened by another SYN", &syn, "", 0, rcv_nxt);
	syn.ip_option_words = 3;
	syn.n_ext = 2;
	syn.ext[1] = IPPROTO_DSTOPTS;
	expect_reset("IP options", &syn, "", 0, rcv_nxt);
	syn = syn_of(&c, SYN_SEQ);
	expect_syn_passes("after the reset", &syn, TCPC_AGAIN_MARK);
	expect_u64("after the reset", "syn_seq", hold_exchange(&c).syn_seq, SYN_SEQ);
	expect_syn_passes("the same SYN twice", &syn, 0);
	expect_syn_passes("last pass", &syn, TCPC_LAST_MARK);
	syn.seq++;
	expect_reset("the next one", &syn, "", 0, rcv_nxt);
	connection_close(&c);
}

/* The server has closed first. Returns rcv_nxt. */
static __u32 closed_by_server(struct connection *c, bool client_closes)
{
	__u32 rcv_nxt = connection_snd_nxt(c->client) + client_closes;
	char eof;

	close(c->server);
	c->server = -1;
	assert_int_equal(recv(c->client, &eof, 1, 0), 0);
	if (client_closes) {
		close(c->client);
		c->client = -1;
		wait_until(connection_state(c) == BPF_TCP_TIME_WAIT);
	} else {
		wait_until(connection_state(c) == BPF_TCP_FIN_WAIT2);
	}
	return rcv_nxt;
}

static void test_syn_closing(void **state)
{
	struct connection c;
	struct frame_spec syn;
	__u32 rcv_nxt;

	(void)state;
	need_netns();
	c = connection_open(lab_variant.family, 42002, SERVICE_PORT);
	rcv_nxt = closed_by_server(&c, false);
	syn = syn_of(&c, rcv_nxt + 1000);
	expect_reset("FIN_WAIT_2, later", &syn, "", 0, rcv_nxt);
	syn.seq = rcv_nxt - 1000;
	expect_reset("FIN_WAIT_2, earlier", &syn, "", 0, rcv_nxt);
	expect_syn_passes("FIN_WAIT_2, after the reset", &syn, TCPC_AGAIN_MARK);
	connection_close(&c);

	c = connection_open(lab_variant.family, 42003, SERVICE_PORT);
	rcv_nxt = closed_by_server(&c, true);
	syn = syn_of(&c, rcv_nxt + 1);
	expect_syn_passes("TIME_WAIT, later", &syn, 0);
	syn.seq = rcv_nxt;
	expect_reset("TIME_WAIT, the same", &syn, "", 0, rcv_nxt);
	syn.seq = rcv_nxt - 1;
	expect_reset("TIME_WAIT, earlier", &syn, "", 0, rcv_nxt);
	syn.seq = rcv_nxt + 0x80000001;
	expect_reset("TIME_WAIT, half the world away", &syn, "", 0, rcv_nxt);
	connection_close(&c);
}

/* A SYN from outside, whose SYN-ACK nobody answers, leaves a request socket. */
static void test_syn_opening(void **state)
{
	struct connection c = {lab_variant.family, -1, -1, -1, 42004, SERVICE_PORT};
	static __u8 buf[RUN_OUT_BYTES];
	struct frame_spec syn;
	struct frame frame;
	int wire;

	(void)state;
	need_netns();
	c.listener = connection_listen(lab_variant.family, SERVICE_PORT);
	wire = packet_open("live1");
	syn = syn_of(&c, SYN_SEQ);
	syn.saddr = frame_host(&syn, 7);
	frame = frame_build(&syn);
	packet_send("SYN", wire, &frame);
	expect_again("SYN from outside", &frame);
	packet_next("SYN, ACK", wire, PACKET_HOST, buf, sizeof(buf));
	expect_syn_passes("SYN_RECV, the same", &syn, 0);
	syn.seq++;
	expect_reset("SYN_RECV, another", &syn, "", 0, SYN_SEQ + 1);
	close(wire);
	frame_free(&frame);
	connection_close(&c);
}

/* ---- data without a connection --------------------------------------------------------------- */

static struct connection only_listener(__u16 client_port, __u16 port)
{
	struct connection c = {lab_variant.family, -1, -1, -1, client_port, port};

	c.listener = connection_listen(lab_variant.family, port);
	return c;
}

static struct frame_spec data_of(const struct connection *c, __u32 seq, __u32 ack)
{
	struct frame_spec spec = connection_frame(c);

	spec.seq = seq;
	spec.ack = ack;
	return spec;
}

static void expect_dropped(const char *row, const struct frame_spec *spec, const char *payload,
			   __u32 mark)
{
	struct tcpc_target_stats moved = target_moves(COUNTER(no_connection));
	struct frame frame = payload_frame(spec, payload);

	adopt_run(row, mark, &frame, VERDICT_DROP, &frame, &moved);
	expect_nothing_again(row);
	frame_free(&frame);
}

/* The packet becomes the SYN of its connection, and comes again. */
static void expect_adopted(const char *row, const struct frame_spec *spec, const char *payload,
			   __u32 mark)
{
	struct tcpc_target_stats moved = target_moves(COUNTER(adopted));
	struct frame frame = payload_frame(spec, payload), want;
	struct frame_spec syn = *spec;

	syn.flags = TCPC_TCP_SYN;
	syn.seq = spec->seq - 1;
	syn.ack = 0;
	syn.window = TCPC_OPEN_WINDOW;
	syn.payload_bytes = 0;
	syn.padding = 0;
	syn.tcp_option_bytes = 12;
	memcpy(syn.tcp_options, "\x02\x04\x05\xb4\x01\x03\x03\x07\x04\x02\x01\x01", 12);
	want = frame_build(&syn);
	adopt_run(row, mark, &frame, VERDICT_NEXT, &want, &moved);
	expect_again(row, &frame);
	frame_free(&frame);
	frame_free(&want);
}

static void expect_known(const char *row, const struct connection *c, __u32 ack, __u32 end)
{
	struct tcpc_exchange x = hold_exchange(c);

	expect_u64(row, "client_ack", x.client_ack, ack);
	expect_u64(row, "request_end", x.request_end, end);
}

static void test_adopt_second(void **state)
{
	struct connection c;
	struct frame_spec spec;

	(void)state;
	need_netns();
	c = only_listener(42005, HTTP_PORT);
	spec = data_of(&c, DATA_SEQ, DATA_ACK);
	expect_dropped("the first", &spec, "GET ", 0);
	expect_known("the first", &c, DATA_ACK, DATA_SEQ + 100);
	spec = data_of(&c, DATA_SEQ + 100, DATA_ACK + 50);
	expect_adopted("the second", &spec, "GET ", 0);
	expect_u64("the second", "syn_seq", hold_exchange(&c).syn_seq, DATA_SEQ + 99);
	expect_u64("the second", "exchanges", hold_exchange(&c).exchanges, 0);
	connection_close(&c);
}

static const char any_text[] = "\x16\x03\x01";

/* Each row: what is known of the connection, then one packet. */
static const struct {
	const char *description;
	__u32 seq;
	__s32 gap;   /* between the last byte known and this packet */
	__s32 moved; /* by how much the ACK number has */
	const char *payload;
	bool http, any; /* adopted where it is asked for? */
	__u32 payload_bytes;
	__u8 flags; /* 0: PSH, ACK */
} rows[] = {
	{"GET", DATA_SEQ, 0, 1, "GET ", true, true, 100, 0},
	{"POST", DATA_SEQ, 0, 1, "POST /", true, true, 100, 0},
	{"HEAD", DATA_SEQ, 0, 1, "HEAD", true, true, 100, 0},
	{"PUT", DATA_SEQ, 0, 1, "PUT ", true, true, 100, 0},
	{"DELETE", DATA_SEQ, 0, 1, "DELETE", true, true, 100, 0},
	{"OPTIONS", DATA_SEQ, 0, 1, "OPTIONS", true, true, 100, 0},
	{"PATCH", DATA_SEQ, 0, 1, "PATCH", true, true, 100, 0},
	{"HTTP/2", DATA_SEQ, 0, 1, "PRI * HTTP/2.0", false, true, 100, 0},
	{"GETTING", DATA_SEQ, 0, 1, "GETTING", false, true, 100, 0},
	{"small letters", DATA_SEQ, 0, 1, "get ", false, true, 100, 0},
	{"no text", DATA_SEQ, 0, 1, any_text, false, true, 100, 0},
	{"shorter than the SYN's options", DATA_SEQ, 0, 1, "GET ", true, true, 4, 0},
	{"as long as the SYN's options", DATA_SEQ, 0, 1, "GET ", true, true, 12, 0},
	{"shorter than a method", DATA_SEQ, 0, 1, "GET", false, true, 3, 0},
	{"much data", DATA_SEQ, 0, 1, "GET ", true, true, 3000, 0},
	{"sequence number zero", 0, 0, 1, "GET ", true, true, 100, 0},
	{"much read", DATA_SEQ, 0, 1000000, "GET ", true, true, 100, 0},
	{"nothing read", DATA_SEQ, 0, 0, "GET ", false, false, 100, 0},
	{"ACK of long ago", DATA_SEQ, 0, -1, "GET ", false, false, 100, 0},
	{"a gap", DATA_SEQ, 1, 1, "GET ", false, false, 100, 0},
	{"a large gap", DATA_SEQ, 1 << 20, 1, "GET ", false, false, 100, 0},
	{"sent again", DATA_SEQ, -100, 1, "GET ", false, false, 100, 0},
	{"with FIN", DATA_SEQ, 0, 1, "GET ", false, false, 100, FIN_ACK},
	{"with RST", DATA_SEQ, 0, 1, "GET ", false, false, 100, RST_ACK},
	{"without ACK", DATA_SEQ, 0, 1, "GET ", false, false, 100, TCPC_TCP_PSH},
	{"no data", DATA_SEQ, 0, 1, "", false, false, 0, FIN_ACK},
};

static void adopt_row(size_t i, const struct connection *c, bool adopted)
{
	struct tcpc_exchange x = {.client_ack = DATA_ACK, .request_end = rows[i].seq - rows[i].gap};
	struct frame_spec spec = data_of(c, rows[i].seq, DATA_ACK + rows[i].moved);

	spec.payload_bytes = rows[i].payload_bytes;
	if (rows[i].flags)
		spec.flags = rows[i].flags;
	for (int variant = 0; variant < 3; variant++) {
		/* A packet whose length changes loses the sum of the device, says the kernel. */
		if (lab_variant.device_sum && adopted && rows[i].payload_bytes + variant * 12 != 8)
			continue;
		spec.ip_option_words = variant * 2;
		spec.n_ext = variant;
		memset(spec.ext, IPPROTO_DSTOPTS, sizeof(spec.ext));
		spec.padding = variant * 6;
		spec.tcp_option_bytes = variant * 12;
		memcpy(spec.tcp_options, "\x01\x01\x08\x0a\x01\x02\x03\x04\x05\x06\x07\x08", 12);
		memset(spec.tcp_options + 12, TCPC_OPT_NOP, 12);
		hold_write_exchange(c, &x);
		if (adopted)
			expect_adopted(rows[i].description, &spec, rows[i].payload, 0);
		else
			expect_dropped(rows[i].description, &spec, rows[i].payload, 0);
	}
}

static void test_adopt_rows(void **state)
{
	struct connection none, http, any;

	(void)state;
	need_netns();
	none = only_listener(42006, SERVICE_PORT);
	http = only_listener(42006, HTTP_PORT);
	any = only_listener(42006, ANY_PORT);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		adopt_row(i, &none, false);
		adopt_row(i, &http, rows[i].http);
		adopt_row(i, &any, rows[i].any);
	}
	connection_close(&none);
	connection_close(&http);
	connection_close(&any);
}

/* Pieces of one body, each like a request: the bytes are remembered, nothing is adopted until an
 * answer has been read. And what an older connection from the port has left does not matter. */
static void test_adopt_bodies(void **state)
{
	struct tcpc_exchange old = {.client_ack = DATA_ACK + 0x40000000, .request_end = 99};
	struct connection c;
	struct frame_spec spec;
	__u32 seq = DATA_SEQ;

	(void)state;
	need_netns();
	c = only_listener(42007, HTTP_PORT);
	hold_write_exchange(&c, &old);
	for (int i = 0; i < 5; i++, seq += 100) {
		spec = data_of(&c, seq, DATA_ACK);
		expect_dropped("piece of a body", &spec, "GET ", 0);
		expect_known("piece of a body", &c, DATA_ACK, seq + 100);
	}
	seq += 5000; /* not seen: the end of this body, and the head of the next */
	for (int i = 0; i < 5; i++, seq += 100) {
		spec = data_of(&c, seq, DATA_ACK + 300);
		expect_dropped("piece of the next body", &spec, "GET ", 0);
	}
	spec = data_of(&c, seq, DATA_ACK + 600);
	expect_adopted("after that", &spec, "POST", 0);
	connection_close(&c);
}

/* ---- passes ---------------------------------------------------------------------------------- */

/* Nothing known is needed after the reset; after the SYN nothing may be opened once more. */
static void test_marks_listener(void **state)
{
	struct tcpc_exchange x = {.client_ack = DATA_ACK, .request_end = DATA_SEQ};
	struct connection c;
	struct frame_spec spec;

	(void)state;
	need_netns();
	c = only_listener(42008, HTTP_PORT);
	spec = data_of(&c, DATA_SEQ, DATA_ACK + 1);
	expect_adopted("after the reset", &spec, "GET ", TCPC_AGAIN_MARK);
	hold_write_exchange(&c, &x);
	expect_dropped("after the SYN", &spec, "GET ", TCPC_LAST_MARK);
	expect_adopted("somebody else's mark", &spec, "GET ", FOREIGN_MARK);
	connection_close(&c);
	c = only_listener(42008, SERVICE_PORT);
	expect_dropped("not asked for", &spec, "GET ", TCPC_AGAIN_MARK);
	connection_close(&c);
}

/* What is aligned to a connection that is closing. */
static void expect_closing(const char *row, const struct frame_spec *spec, __u32 mark, __u32 ack)
{
	struct tcpc_target_stats moved = target_moves(COUNTER(closing));
	struct frame frame = payload_frame(spec, "GET "), want;
	struct frame_spec fitted = *spec;

	moved.exchanges = 1;
	fitted.ack = ack;
	fitted.window = TCPC_OPEN_WINDOW;
	want = payload_frame(&fitted, "GET ");
	adopt_run(row, mark, &frame, VERDICT_NEXT, &want, &moved);
	expect_nothing_again(row);
	frame_free(&frame);
	frame_free(&want);
}

/* The target has closed an idle connection that its client still uses. */
static void test_adopt_closing(void **state)
{
	struct tcpc_exchange x = {.client_ack = DATA_ACK, .request_end = DATA_SEQ};
	struct connection c;
	struct frame_spec spec;
	__u32 rcv_nxt, snd_nxt;

	(void)state;
	need_netns();
	for (int i = 0; i < 2; i++) {
		c = connection_open(lab_variant.family, 42009 + i, HTTP_PORT);
		snd_nxt = connection_snd_nxt(c.server) + 1;
		rcv_nxt = closed_by_server(&c, i);
		spec = data_of(&c, DATA_SEQ, DATA_ACK + 1);
		hold_write_exchange(&c, &x);
		expect_reset("a request", &spec, "GET ", 0, rcv_nxt);
		hold_write_exchange(&c, &x);
		expect_closing("after the reset", &spec, TCPC_AGAIN_MARK, snd_nxt);
		hold_write_exchange(&c, &x);
		expect_closing("after the SYN", &spec, TCPC_LAST_MARK, snd_nxt);
		connection_close(&c);
	}
}

static int adopt_enter(void **state)
{
	if (hold_enter(state))
		return -1;
	if (!in_netns)
		return 0;
	target_service(HTTP_PORT, TCPC_INTERCEPT_ADOPT_HTTP);
	target_service(ANY_PORT, TCPC_INTERCEPT_ADOPT_ANY);
	arrivals = packet_open("live0");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		all_variants(test_syn_open),	    all_variants(test_syn_closing),
		all_variants(test_syn_opening),	    both_families(test_adopt_second),
		all_variants(test_adopt_rows),	    both_families(test_adopt_bodies),
		both_families(test_marks_listener), both_families(test_adopt_closing),
	};

	return cmocka_run_group_tests(tests, adopt_enter, target_leave);
}
