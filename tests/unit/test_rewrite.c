// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_rewrite.c - rewrite.h on whole frames of both families: the fields are the new ones, no
 * other byte has changed, and both checksums prove right when everything is summed again.
 */
#include "../harness/expect.h"
#include "../harness/frames.h"
#include "../harness/random.h"

#include "tcpcopy/rewrite.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define RANDOM_FRAMES 20000

struct shape {
	const char *description;
	struct frame_spec spec;
};

static const struct shape shapes[] = {
	{"IPv4 SYN", {.flags = TCPC_TCP_SYN}},
	{"IPv4 data, odd length", {.flags = TCPC_TCP_ACK, .payload_bytes = 101}},
	{"IPv4 with all options",
	 {.ip_option_words = 10, .tcp_option_bytes = 40, .payload_bytes = 8}},
	{"IPv4 with tags and padding", {.vlan_tags = 2, .payload_bytes = 1, .padding = 3}},
	{"IPv4, tun", {.link = TCPC_LINK_NONE, .payload_bytes = 64}},
	{"IPv4, TTL as it will be", {.ttl = TCPC_COPY_TTL, .payload_bytes = 64}},
	{"IPv4 without DF", {.fragmentable = 1, .payload_bytes = 64}},
	{"IPv4, TTL 255", {.ttl = 255, .payload_bytes = 64}},
	{"IPv4, GRO", {.payload_bytes = 65000}},
	{"IPv6 SYN", {.family = 6, .flags = TCPC_TCP_SYN}},
	{"IPv6 data, odd length", {.family = 6, .payload_bytes = 101, .vlan_tags = 1}},
	{"IPv6 with extension headers",
	 {.family = 6, .ext = {0, 60}, .n_ext = 2, .ext_units = 2, .payload_bytes = 33}},
	{"IPv6, BIG TCP", {.family = 6, .payload_bytes = 100000}},
};

struct dest {
	const char *description;
	__u8 host; /* 2 is where frames go already */
	__u16 port;
};

static const struct dest dests[] = {
	{"another host and port", 9, 8080}, {"another host", 9, 80},
	{"another port", 2, 8080},	    {"no change", 2, 80},
	{"port 65535", 255, 65535},	    {"port 1", 0, 1},
};

/* The frame as it should come out, without its checksums: made by the builder, not by us. */
static struct frame expected_dest(const struct frame_spec *spec, const struct tcpc_addr *addr,
				  __u16 port)
{
	struct frame_spec want = *spec;

	want.daddr = *addr;
	want.dport = port;
	want.ttl = TCPC_COPY_TTL;
	want.fragmentable = 1;
	return frame_build(&want);
}

/* Two frames equal in every byte; the builder's checksums are full recomputations. */
static void expect_frame(const char *row, const struct frame *got, const struct frame *want)
{
	expect_u64(row, "length", got->bytes, want->bytes);
	expect_true(row, "checksums are right", frame_right(got));
	expect_bytes(row, got->data, want->data, want->bytes);
}

static void expect_dest(const char *row, const struct frame_spec *spec,
			const struct tcpc_addr *addr, __u16 port)
{
	struct frame frame = frame_build(spec), want = expected_dest(spec, addr, port);
	struct tcpc_pkt pkt;

	expect_u64(row, "parse", frame_parse(&frame, spec->link, &pkt), TCPC_PARSE_OK);
	tcpc_rewrite_dest(frame.data, &pkt, addr, tcpc_htons(port));
	expect_frame(row, &frame, &want);
	frame_free(&frame);
	frame_free(&want);
}

static void test_dest(void **state)
{
	size_t i, k;

	(void)state;
	for (i = 0; i < COUNT_OF(shapes); i++)
		for (k = 0; k < COUNT_OF(dests); k++) {
			struct tcpc_addr addr = frame_host(&shapes[i].spec, dests[k].host);
			char row[128];

			snprintf(row, sizeof(row), "%s, to %s", shapes[i].description,
				 dests[k].description);
			expect_dest(row, &shapes[i].spec, &addr, dests[k].port);
		}
}

struct align {
	const char *description;
	__u32 from_ack, ack;
	__u16 from_window, window, from_urgent;
};

static const struct align aligns[] = {
	{"new ACK, open window", 1000, 2000, 501, TCPC_OPEN_WINDOW, 0},
	{"no change", 1000, 1000, TCPC_OPEN_WINDOW, TCPC_OPEN_WINDOW, 0},
	{"0 to 0xffffffff", 0, 0xffffffff, 0, 0xffff, 0},
	{"0xffffffff to 0", 0xffffffff, 0, 0xffff, 0, 0},
	{"low half only", 0x12340000, 0x1234ffff, 1, 1, 0},
	{"high half only", 0x00005678, 0xffff5678, 1, 1, 0},
	{"window only", 7, 7, 0, 0xffff, 0},
	{"greeting", 1000, 2000, 501, TCPC_OPEN_WINDOW, 40},
	{"the longest greeting only", 7, 7, 1, 1, 0xffff},
};

static void expect_align(const char *row, struct frame_spec spec, const struct align *a)
{
	struct frame frame, want;
	struct tcpc_pkt pkt;

	spec.ack = a->from_ack;
	spec.window = a->from_window;
	spec.urgent = a->from_urgent;
	frame = frame_build(&spec);
	spec.ack = a->ack;
	spec.window = a->window;
	spec.urgent = spec.flags & TCPC_TCP_URG ? a->from_urgent : 0;
	want = frame_build(&spec);
	expect_u64(row, "parse", frame_parse(&frame, spec.link, &pkt), TCPC_PARSE_OK);
	tcpc_rewrite_align(frame.data, &pkt, a->ack, a->window);
	expect_frame(row, &frame, &want);
	frame_free(&frame);
	frame_free(&want);
}

static void test_align(void **state)
{
	size_t i, k;

	(void)state;
	for (i = 0; i < COUNT_OF(shapes); i++)
		for (k = 0; k < COUNT_OF(aligns); k++) {
			char row[128];

			snprintf(row, sizeof(row), "%s, %s", shapes[i].description,
				 aligns[k].description);
			expect_align(row, shapes[i].spec, &aligns[k]);
		}
}

/* From each to each, alone and with a new destination. */
static void test_greeting(void **state)
{
	static const __u16 values[] = {0, 1, 40, 0x100, 0x7fff, 0xff00, 0xffff};
	struct frame_spec spec = {.payload_bytes = 9};
	struct frame frame, want;
	struct tcpc_pkt pkt;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(values) * COUNT_OF(values) * 2; i++) {
		spec.family = i & 1 ? 6 : 4;
		spec.urgent = values[i / 2 % COUNT_OF(values)];
		frame = frame_build(&spec);
		spec.urgent = values[i / 2 / COUNT_OF(values)];
		want = frame_build(&spec);
		expect_u64("greeting", "parse", frame_parse(&frame, spec.link, &pkt), 0);
		tcpc_rewrite_greeting(frame.data, &pkt, spec.urgent);
		expect_frame("greeting", &frame, &want);
		frame_free(&frame);
		frame_free(&want);
	}
}

/* A random connection; the network parts stay, so that no address is all zeros. */
static struct frame_spec random_spec(__u64 *seed, int family)
{
	struct frame_spec spec = {.family = family};

	spec.saddr = frame_host(&spec, 1);
	spec.daddr = frame_host(&spec, 2);
	spec.saddr.w[3] ^= random_next(seed);
	spec.daddr.w[3] ^= random_next(seed);
	spec.sport = random_next(seed) | 1;
	spec.dport = random_next(seed) | 1;
	spec.seq = random_next(seed);
	spec.ack = random_next(seed);
	spec.window = random_next(seed);
	spec.flags = random_next(seed);
	spec.ttl = random_next(seed) | 1;
	spec.payload_bytes = random_below(seed, 64);
	return spec;
}

static void test_random_frames(void **state)
{
	__u64 seed = 4711;
	int i;

	(void)state;
	for (i = 0; i < RANDOM_FRAMES; i++) {
		struct frame_spec spec = random_spec(&seed, i & 1 ? 6 : 4);
		struct align align = {.from_ack = random_next(&seed),
				      .ack = random_next(&seed),
				      .from_window = random_next(&seed),
				      .window = random_next(&seed)};
		struct tcpc_addr addr = spec.daddr;

		addr.w[3] = random_next(&seed);
		expect_dest("random destination", &spec, &addr, random_next(&seed) | 1);
		expect_align("random ACK", spec, &align);
	}
}

/* One after the other, as a raw sender does, with the headers parsed once. */
static void test_dest_then_align(void **state)
{
	struct frame_spec spec = {.payload_bytes = 77, .ack = 5, .window = 6};
	struct frame frame = frame_build(&spec), want;
	struct tcpc_pkt pkt;

	(void)state;
	expect_u64("frame", "result", frame_parse(&frame, TCPC_LINK_ETHER, &pkt), TCPC_PARSE_OK);
	spec.daddr = frame_host(&spec, 77);
	spec.dport = 8080;
	spec.ttl = TCPC_COPY_TTL;
	spec.fragmentable = 1;
	spec.ack = 0xdeadbeef;
	spec.window = TCPC_OPEN_WINDOW;
	want = frame_build(&spec);
	tcpc_rewrite_dest(frame.data, &pkt, &spec.daddr, tcpc_htons(8080));
	tcpc_rewrite_align(frame.data, &pkt, spec.ack, spec.window);
	expect_frame("both", &frame, &want);
	frame_free(&frame);
	frame_free(&want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dest),
		cmocka_unit_test(test_align),
		cmocka_unit_test(test_greeting),
		cmocka_unit_test(test_random_frames),
		cmocka_unit_test(test_dest_then_align),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
