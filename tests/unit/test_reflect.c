// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_reflect.c - reflect.h: the ACK made of a response parses, proves right when summed, has the
 * ends swapped, and acknowledges just what the response carried, across the wrap of 2^32 too.
 */
#include "../harness/expect.h"
#include "../harness/frames.h"
#include "../harness/random.h"

#include "tcpcopy/reflect.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define ACK TCPC_TCP_ACK
#define SYN TCPC_TCP_SYN
#define FIN TCPC_TCP_FIN
#define RST TCPC_TCP_RST

struct row {
	const char *description;
	__u8 flags;
	__u32 payload;
	__u32 seq, ack;
	int needed;
	__u32 want_ack;
};

static const struct row rows[] = {
	{"data", ACK, 100, 1000, 2000, 1, 1100},
	{"one byte", ACK, 1, 1000, 2000, 1, 1001},
	{"data with PSH", ACK | TCPC_TCP_PSH, 100, 1000, 2000, 1, 1100},
	{"data that ends just before the wrap", ACK, 16, 0xffffffef, 1, 1, 0xffffffff},
	{"data that ends at the wrap", ACK, 16, 0xfffffff0, 1, 1, 0},
	{"data across the wrap", ACK, 100, 0xffffffff, 0xfffffff0, 1, 99},
	{"SYN-ACK", SYN | ACK, 0, 7, 8, 1, 8},
	{"SYN-ACK at the wrap", SYN | ACK, 0, 0xffffffff, 0, 1, 0},
	{"SYN-ACK with data (fast open)", SYN | ACK, 10, 7, 8, 1, 18},
	{"FIN", FIN | ACK, 0, 500, 600, 1, 501},
	{"FIN at the wrap", FIN | ACK, 0, 0xffffffff, 600, 1, 0},
	{"FIN with data", FIN | ACK, 50, 500, 600, 1, 551},
	{"FIN with data across the wrap", FIN | ACK, 50, 0xffffffe0, 600, 1, 19},
	{"pure ACK", ACK, 0, 1, 2, 0, 1},
	{"pure ACK with PSH and ECE", ACK | TCPC_TCP_PSH | TCPC_TCP_ECE, 0, 1, 2, 0, 1},
	{"RST", RST, 0, 1, 0, 0, 1},
	{"RST-ACK", RST | ACK, 0, 1, 2, 0, 1},
	{"RST with text (RFC 9293, 3.10.7.4)", RST | ACK, 12, 1, 2, 0, 13},
	{"RST with FIN", RST | FIN | ACK, 0, 1, 2, 0, 2},
	{"GRO", ACK, 60000, 0xffff0000, 9, 1, 0xffff0000 + 60000},
};

/* What the ACK for the response of @spec has to look like. */
static struct frame_spec expected_ack(const struct frame_spec *spec, __u32 ack)
{
	struct frame_spec response = frame_defaults(spec);
	struct frame_spec want = {
		.link = TCPC_LINK_NONE,
		.family = spec->family,
		.saddr = response.daddr,
		.daddr = response.saddr,
		.sport = response.dport,
		.dport = response.sport,
		.seq = response.ack,
		.ack = ack,
		.flags = ACK,
		.window = TCPC_OPEN_WINDOW,
		.ttl = TCPC_COPY_TTL,
	};

	return want;
}

/* The ACK for the response of @spec, parsed; *@got lies in a buffer that is exactly large enough.
 */
static struct frame reflect(const char *row, const struct frame_spec *spec, int *ret_needed)
{
	struct frame response = frame_build(spec), ack = {0};
	struct tcpc_pkt pkt;
	__u32 bytes = frame_is_v6(spec) ? 60 : 40;

	expect_u64(row, "parse", frame_parse(&response, spec->link, &pkt), TCPC_PARSE_OK);
	*ret_needed = tcpc_reflect_needed(&pkt);
	frame_alloc(&ack, TCPC_LINK_NONE, bytes);
	memset(ack.data, 0xa5, bytes);
	expect_u64(row, "bytes", tcpc_reflect_build(&pkt, ack.data), bytes);
	ack.l4_off = bytes - 20;
	ack.l4_bytes = 20;
	frame_free(&response);
	return ack;
}

static void expect_pkt(const char *row, const struct tcpc_pkt *got, const struct frame_spec *want)
{
	expect_u64(row, "seq", got->seq, want->seq);
	expect_u64(row, "ack", got->ack, want->ack);
	expect_u64(row, "flags", got->flags, want->flags);
	expect_u64(row, "window", got->window, want->window);
	expect_u64(row, "ttl", got->ttl, want->ttl);
	expect_u64(row, "sport", tcpc_ntohs(got->sport), want->sport);
	expect_u64(row, "dport", tcpc_ntohs(got->dport), want->dport);
	expect_u64(row, "payload_bytes", got->payload_bytes, 0);
	expect_u64(row, "tcp_bytes", got->tcp_bytes, 20);
	expect_true(row, "source", tcpc_addr_equal(&got->saddr, &want->saddr));
	expect_true(row, "destination", tcpc_addr_equal(&got->daddr, &want->daddr));
}

static void expect_reflected(const char *row, const struct frame_spec *spec, int needed,
			     __u32 want_ack)
{
	struct frame_spec want = expected_ack(spec, want_ack);
	struct tcpc_pkt pkt;
	struct frame ack;
	int got_needed;

	ack = reflect(row, spec, &got_needed);
	expect_u64(row, "needed", got_needed, needed);
	expect_true(row, "checksums are right", frame_right(&ack));
	expect_u64(row, "result", frame_parse(&ack, TCPC_LINK_NONE, &pkt), TCPC_PARSE_OK);
	expect_pkt(row, &pkt, &want);
	/* An ACK is not answered by another: two reflecting hosts would play ping-pong. */
	expect_true(row, "the ACK needs no ACK", !tcpc_reflect_needed(&pkt));
	frame_free(&ack);
}

static void test_by_table(void **state)
{
	static const int families[] = {4, 6};
	size_t i, k;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++)
		for (k = 0; k < 2; k++) {
			struct frame_spec spec = {
				.family = families[k],
				.flags = rows[i].flags,
				.seq = rows[i].seq,
				.ack = rows[i].ack,
				.payload_bytes = rows[i].payload,
			};
			char row[128];

			snprintf(row, sizeof(row), "IPv%d %s", families[k], rows[i].description);
			expect_reflected(row, &spec, rows[i].needed, rows[i].want_ack);
		}
}

/* Nothing of the response's own shape may reach its ACK: options, tags, TTL, window. */
static void test_shapes(void **state)
{
	static const struct {
		const char *description;
		struct frame_spec spec;
	} shapes[] = {
		{"IPv4 options",
		 {.ip_option_words = 10, .tcp_option_bytes = 40, .payload_bytes = 9, .flags = ACK}},
		{"tags", {.vlan_tags = 2, .payload_bytes = 9, .flags = ACK, .padding = 3}},
		{"tun", {.link = TCPC_LINK_NONE, .payload_bytes = 9, .flags = ACK, .window = 3}},
		{"IPv6 extension headers",
		 {.family = 6, .ext = {0, 60}, .n_ext = 2, .payload_bytes = 9, .flags = ACK}},
		{"ECE and CWR are not echoed",
		 {.payload_bytes = 9, .flags = ACK | TCPC_TCP_ECE | TCPC_TCP_CWR, .ttl = 1}},
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(shapes); i++)
		expect_reflected(shapes[i].description, &shapes[i].spec, 1, 9);
}

/* RFC 791 and RFC 8200: every byte of the IP header as the builder makes it (but for its ID). */
static void test_ip_header_bytes(void **state)
{
	struct frame_spec spec = {.payload_bytes = 1, .flags = ACK};
	__u8 v4[12] = {0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6};
	__u8 v6[8] = {0x60, 0, 0, 0, 0, 20, 6, 64};
	struct frame ack;
	int needed;

	(void)state;
	ack = reflect("IPv4", &spec, &needed);
	expect_bytes("IPv4", ack.data, v4, 10);
	frame_free(&ack);
	spec.family = 6;
	ack = reflect("IPv6", &spec, &needed);
	expect_bytes("IPv6", ack.data, v6, sizeof(v6));
	frame_free(&ack);
}

static void test_random_responses(void **state)
{
	__u64 seed = 6298;
	int i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		struct frame_spec spec = {
			.family = i & 1 ? 6 : 4,
			.flags = ACK | (random_next(&seed) & (SYN | FIN | TCPC_TCP_PSH)),
			.seq = random_next(&seed),
			.ack = random_next(&seed),
			.payload_bytes = 1 + random_below(&seed, 200),
			.sport = 1 + random_below(&seed, 65535),
			.dport = 1 + random_below(&seed, 65535),
		};
		__u32 len = spec.payload_bytes + !!(spec.flags & SYN) + !!(spec.flags & FIN);

		expect_reflected("random", &spec, 1, spec.seq + len);
	}
}

/* The length in the IPv6 pseudo header has 32 bits (RFC 8200, 8.1). */
static void test_pseudo_sum(void **state)
{
	static const struct {
		const char *description;
		struct frame_spec spec;
	} shapes[] = {
		{"IPv4", {.payload_bytes = 1000}},
		{"IPv6", {.family = 6, .payload_bytes = 1000}},
		{"IPv4, BIG TCP", {.payload_bytes = 100000}},
		{"IPv6, BIG TCP", {.family = 6, .payload_bytes = 100000}},
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(shapes); i++) {
		struct frame frame = frame_build(&shapes[i].spec);
		struct tcpc_pkt pkt;
		__u32 sum;

		expect_u64("frame", "result", frame_parse(&frame, TCPC_LINK_ETHER, &pkt),
			   TCPC_PARSE_OK);
		sum = tcpc_pseudo_sum(&pkt, frame.l4_bytes);
		sum = tcpc_csum_partial(frame.data + frame.l4_off, frame.l4_bytes, sum);
		expect_u64(shapes[i].description, "sum", tcpc_csum_fold(sum), 0);
		frame_free(&frame);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_table),	cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_ip_header_bytes), cmocka_unit_test(test_random_responses),
		cmocka_unit_test(test_pseudo_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
