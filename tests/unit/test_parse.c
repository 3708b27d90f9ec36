// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_parse.c - parse.h over good frames of every shape, over each of them cut at every byte, and
 * over frames with one thing wrong. Buffers end where frames end: ASan sees any read beyond.
 */
#include "../harness/expect.h"
#include "../harness/frames.h"

#define SYN TCPC_TCP_SYN
#define ACK TCPC_TCP_ACK

/* MSS, SACK permitted, timestamps, NOP, window scale: what Linux sends. */
#define SYN_OPTIONS                                                                                \
	.tcp_option_bytes = 20,                                                                    \
	.tcp_options = {2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7}

struct shape {
	const char *description;
	struct frame_spec spec;
	struct {
		__u32 l3_off, l4_off, tcp_bytes, payload;
	} want;
};

static const struct shape shapes[] = {
	{"IPv4 SYN", {.flags = SYN, SYN_OPTIONS}, {14, 34, 40, 0}},
	{"IPv4 data", {.flags = ACK, .payload_bytes = 100, .seq = 7, .ack = 9}, {14, 34, 20, 100}},
	{"IPv4, sequence numbers at their end",
	 {.seq = 0xffffffff, .ack = 0xfffffffe, .payload_bytes = 3, .window = 65535},
	 {14, 34, 20, 3}},
	{"IPv4 with options", {.ip_option_words = 1, .payload_bytes = 5}, {14, 38, 20, 5}},
	{"IPv4 and TCP with all options",
	 {.ip_option_words = 10, .tcp_option_bytes = 40, .payload_bytes = 5},
	 {14, 74, 60, 5}},
	{"IPv4, one VLAN tag", {.vlan_tags = 1, .payload_bytes = 11}, {18, 38, 20, 11}},
	{"IPv4, 802.1ad and 802.1Q",
	 {.vlan_tags = 2, .outer_8021ad = 1, .payload_bytes = 11},
	 {22, 42, 20, 11}},
	{"IPv4, two 802.1Q tags", {.vlan_tags = 2, .payload_bytes = 11}, {22, 42, 20, 11}},
	{"IPv4, tun", {.link = TCPC_LINK_NONE, .payload_bytes = 11}, {0, 20, 20, 11}},
	{"IPv4, Ethernet padding after no payload", {.flags = ACK, .padding = 6}, {14, 34, 20, 0}},
	{"IPv4, Ethernet padding after one byte",
	 {.payload_bytes = 1, .padding = 5},
	 {14, 34, 20, 1}},
	{"IPv6 SYN", {.family = 6, .flags = SYN, SYN_OPTIONS}, {14, 54, 40, 0}},
	{"IPv6 data", {.family = 6, .payload_bytes = 100}, {14, 54, 20, 100}},
	{"IPv6, tun", {.family = 6, .link = TCPC_LINK_NONE, .payload_bytes = 9}, {0, 40, 20, 9}},
	{"IPv6, QinQ",
	 {.family = 6, .vlan_tags = 2, .outer_8021ad = 1, .payload_bytes = 9},
	 {22, 62, 20, 9}},
	{"IPv6, Ethernet padding",
	 {.family = 6, .payload_bytes = 1, .padding = 9},
	 {14, 54, 20, 1}},
	{"IPv6, hop-by-hop",
	 {.family = 6, .ext = {0}, .n_ext = 1, .payload_bytes = 4},
	 {14, 62, 20, 4}},
	{"IPv6, long destination options",
	 {.family = 6, .ext = {60}, .n_ext = 1, .ext_units = 31, .payload_bytes = 4},
	 {14, 54 + 256, 20, 4}},
	{"IPv6, as many extension headers as we walk",
	 {.family = 6, .ext = {0, 60, 43, 60}, .n_ext = 4, .ext_units = 1, SYN_OPTIONS},
	 {14, 54 + 64, 40, 0}},
};

static void expect_parsed(const struct shape *s, const struct tcpc_pkt *pkt)
{
	struct frame_spec spec = frame_defaults(&s->spec);
	const char *row = s->description;

	expect_u64(row, "l3_off", pkt->l3_off, s->want.l3_off);
	expect_u64(row, "l4_off", pkt->l4_off, s->want.l4_off);
	expect_u64(row, "tcp_bytes", pkt->tcp_bytes, s->want.tcp_bytes);
	expect_u64(row, "payload_bytes", pkt->payload_bytes, s->want.payload);
	expect_u64(row, "family", pkt->family, frame_is_v6(&spec) ? 6 : 4);
	expect_u64(row, "vlan_tags", pkt->vlan_tags, spec.vlan_tags);
	expect_u64(row, "sport", tcpc_ntohs(pkt->sport), spec.sport);
	expect_u64(row, "dport", tcpc_ntohs(pkt->dport), spec.dport);
	expect_u64(row, "seq", pkt->seq, spec.seq);
	expect_u64(row, "ack", pkt->ack, spec.ack);
	expect_u64(row, "window", pkt->window, spec.window);
	expect_u64(row, "greeting", pkt->greeting, spec.flags & TCPC_TCP_URG ? 0 : spec.urgent);
	expect_u64(row, "flags", pkt->flags, spec.flags);
	expect_u64(row, "ttl", pkt->ttl, spec.ttl);
	expect_true(row, "source address", tcpc_addr_equal(&pkt->saddr, &spec.saddr));
	expect_true(row, "destination address", tcpc_addr_equal(&pkt->daddr, &spec.daddr));
}

static void test_every_shape(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct frame frame = frame_build(&shapes[i].spec);
		struct tcpc_pkt pkt;

		memset(&pkt, 0xa5, sizeof(pkt));
		expect_true(shapes[i].description, "builder's checksums", frame_right(&frame));
		expect_u64(shapes[i].description, "result",
			   frame_parse(&frame, shapes[i].spec.link, &pkt), TCPC_PARSE_OK);
		expect_parsed(&shapes[i], &pkt);
		frame_free(&frame);
	}
}

/* A frame that was cut on its way: no length may pass for whole. */
static void test_cut_frame_is_refused(void **state)
{
	size_t i;
	__u32 n;

	(void)state;
	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		const struct frame_spec *spec = &shapes[i].spec;
		struct frame frame = frame_build(spec);

		for (n = 0; n < frame.bytes - spec->padding; n++) {
			struct frame cut = frame_cut(&frame, spec->link, n);
			struct tcpc_pkt pkt;
			enum tcpc_parse_result got = frame_parse(&cut, spec->link, &pkt);

			if (got != TCPC_PARSE_SHORT && got != TCPC_PARSE_MALFORMED)
				expect_fail("%s: cut to %u bytes gives %d", shapes[i].description,
					    n, got);
			frame_free(&cut);
		}
		frame_free(&frame);
	}
}

/* A whole frame of which only the first bytes can be read (a paged skb): SHORT until the last byte
 * of the TCP header is there, then as if all were. */
static void test_short_linear_part(void **state)
{
	size_t i;
	__u32 n;

	(void)state;
	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		const struct shape *s = &shapes[i];
		struct frame frame = frame_build(&s->spec);
		__u32 headers = s->want.l4_off + s->want.tcp_bytes;

		for (n = 0; n <= frame.bytes; n++) {
			struct frame cut = frame_cut(&frame, s->spec.link, n);
			struct tcpc_pkt pkt;

			expect_u64(
				s->description, "result",
				tcpc_parse(cut.data, cut.data + n, frame.bytes, s->spec.link, &pkt),
				n < headers ? TCPC_PARSE_SHORT : TCPC_PARSE_OK);
			if (n >= headers)
				expect_parsed(s, &pkt);
			frame_free(&cut);
		}
		frame_free(&frame);
	}
}

/* What TCPC_HEADERS_MAX bytes are enough for. */
static void test_headers_max_is_enough(void **state)
{
	static const struct frame_spec specs[] = {
		{.vlan_tags = 2,
		 .ip_option_words = 10,
		 .tcp_option_bytes = 40,
		 .payload_bytes = 99},
		{.family = 6,
		 .vlan_tags = 2,
		 .tcp_option_bytes = 40,
		 .payload_bytes = 99,
		 .ext = {0, 60, 43, 60},
		 .n_ext = 4,
		 .ext_units = 1},
	};
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct frame frame = frame_build(&specs[i]);
		struct frame cut = frame_cut(&frame, TCPC_LINK_ETHER, TCPC_HEADERS_MAX);
		struct tcpc_pkt pkt;

		expect_u64("largest headers", "result",
			   tcpc_parse(cut.data, cut.data + cut.bytes, frame.bytes, TCPC_LINK_ETHER,
				      &pkt),
			   TCPC_PARSE_OK);
		frame_free(&cut);
		frame_free(&frame);
	}
}

/* One thing changed in a frame: up to @n bytes at @at behind the header @base. */
struct patch {
	const char *description;
	struct frame_spec spec;
	struct {
		enum { FROM_START, FROM_L3, FROM_L4 } base;
		__u32 at;
		__u32 n;
		__u8 bytes[4];
	} put;
	enum tcpc_parse_result want;
};

static const struct patch patches[] = {
	{"ARP", {0}, {FROM_START, 12, 2, {0x08, 0x06}}, TCPC_PARSE_NOT_TCP},
	{"802.3 length instead of a type", {0}, {FROM_START, 12, 2, {0, 46}}, TCPC_PARSE_NOT_TCP},
	{"ARP behind a tag", {.vlan_tags = 1}, {FROM_START, 16, 2, {8, 6}}, TCPC_PARSE_NOT_TCP},
	{"three tags", {.vlan_tags = 3}, {FROM_START, 0, 0, {0}}, TCPC_PARSE_NOT_TCP},
	{"UDP", {0}, {FROM_L3, 9, 1, {17}}, TCPC_PARSE_NOT_TCP},
	{"ICMP fragment is not TCP", {0}, {FROM_L3, 6, 4, {0x20, 0, 64, 1}}, TCPC_PARSE_NOT_TCP},
	{"IPv4 type, version 6", {0}, {FROM_L3, 0, 1, {0x65}}, TCPC_PARSE_MALFORMED},
	{"IPv4 header of 4 words, TCP as if it began there",
	 {.ack = 0x50000000, .payload_bytes = 20},
	 {FROM_L3, 0, 1, {0x44}},
	 TCPC_PARSE_MALFORMED},
	{"IPv4 header of 0 words, TCP as if it began there",
	 {.payload_bytes = 40},
	 {FROM_L3, 0, 1, {0x40}},
	 TCPC_PARSE_MALFORMED},
	{"IPv4 header beyond its packet", {0}, {FROM_L3, 0, 1, {0x4f}}, TCPC_PARSE_MALFORMED},
	{"IPv4 length below its header", {0}, {FROM_L3, 2, 2, {0, 19}}, TCPC_PARSE_MALFORMED},
	{"IPv4 length without room for TCP", {0}, {FROM_L3, 2, 2, {0, 39}}, TCPC_PARSE_MALFORMED},
	{"IPv4 length beyond the frame", {0}, {FROM_L3, 2, 2, {0, 41}}, TCPC_PARSE_MALFORMED},
	{"IPv4 length 0 in a small packet", {0}, {FROM_L3, 2, 2, {0, 0}}, TCPC_PARSE_MALFORMED},
	{"IPv4 length 0 with padding",
	 {.padding = 6},
	 {FROM_L3, 2, 2, {0, 0}},
	 TCPC_PARSE_MALFORMED},
	{"IPv4 first fragment", {0}, {FROM_L3, 6, 2, {0x20, 0}}, TCPC_PARSE_FRAGMENT},
	{"IPv4 middle fragment", {0}, {FROM_L3, 6, 2, {0x20, 1}}, TCPC_PARSE_FRAGMENT},
	{"IPv4 last fragment", {0}, {FROM_L3, 6, 2, {0x1f, 0xff}}, TCPC_PARSE_FRAGMENT},
	{"IPv4 don't fragment is no fragment", {0}, {FROM_L3, 6, 2, {0x40, 0}}, TCPC_PARSE_OK},
	{"IPv4 reserved bit is no fragment", {0}, {FROM_L3, 6, 2, {0x80, 0}}, TCPC_PARSE_OK},
	{"TCP header of 4 words",
	 {.payload_bytes = 9},
	 {FROM_L4, 12, 1, {0x40}},
	 TCPC_PARSE_MALFORMED},
	{"TCP header of 0 words",
	 {.payload_bytes = 9},
	 {FROM_L4, 12, 1, {0}},
	 TCPC_PARSE_MALFORMED},
	{"TCP header beyond its packet", {0}, {FROM_L4, 12, 1, {0x60}}, TCPC_PARSE_MALFORMED},
	{"TCP header in the padding",
	 {.padding = 9},
	 {FROM_L4, 12, 1, {0x60}},
	 TCPC_PARSE_MALFORMED},
	{"TCP header takes all", {.payload_bytes = 40}, {FROM_L4, 12, 1, {0xf0}}, TCPC_PARSE_OK},
	{"tun, no IP version",
	 {.link = TCPC_LINK_NONE},
	 {FROM_L3, 0, 1, {5}},
	 TCPC_PARSE_MALFORMED},
	{"IPv6 type, version 4", {.family = 6}, {FROM_L3, 0, 1, {0x45}}, TCPC_PARSE_MALFORMED},
	{"IPv6 UDP", {.family = 6}, {FROM_L3, 6, 1, {17}}, TCPC_PARSE_NOT_TCP},
	{"IPv6 no next header", {.family = 6}, {FROM_L3, 6, 1, {59}}, TCPC_PARSE_NOT_TCP},
	{"IPv6 authentication header", {.family = 6}, {FROM_L3, 6, 1, {51}}, TCPC_PARSE_NOT_TCP},
	{"IPv6 length beyond the frame",
	 {.family = 6},
	 {FROM_L3, 4, 2, {0, 21}},
	 TCPC_PARSE_MALFORMED},
	{"IPv6 length without room for TCP",
	 {.family = 6},
	 {FROM_L3, 4, 2, {0, 19}},
	 TCPC_PARSE_MALFORMED},
	{"IPv6 length 0 in a small packet",
	 {.family = 6},
	 {FROM_L3, 4, 2, {0}},
	 TCPC_PARSE_MALFORMED},
	{"IPv6 length ends inside an extension header",
	 {.family = 6, .ext = {60}, .n_ext = 1},
	 {FROM_L3, 4, 2, {0, 7}},
	 TCPC_PARSE_MALFORMED},
	{"IPv6 fragment",
	 {.family = 6, .ext = {44}, .n_ext = 1},
	 {FROM_L3, 0, 0, {0}},
	 TCPC_PARSE_FRAGMENT},
	{"IPv6 fragment behind hop-by-hop",
	 {.family = 6, .ext = {0, 44}, .n_ext = 2},
	 {FROM_L3, 0, 0, {0}},
	 TCPC_PARSE_FRAGMENT},
	{"IPv6 fragment behind a full chain",
	 {.family = 6, .ext = {0, 60, 43, 60, 44}, .n_ext = 5},
	 {FROM_L3, 0, 0, {0}},
	 TCPC_PARSE_FRAGMENT},
	{"IPv6, one extension header too many",
	 {.family = 6, .ext = {0, 60, 43, 60, 60}, .n_ext = 5},
	 {FROM_L3, 0, 0, {0}},
	 TCPC_PARSE_NOT_TCP},
	{"IPv6 extension header beyond the frame",
	 {.family = 6, .ext = {60}, .n_ext = 1},
	 {FROM_L3, 41, 1, {255}},
	 TCPC_PARSE_MALFORMED},
};

static void test_every_refusal(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(patches) / sizeof(patches[0]); i++) {
		const struct patch *p = &patches[i];
		struct frame frame = frame_build(&p->spec);
		__u32 base = p->put.base == FROM_L3 ? frame.l3_off : frame.l4_off;
		struct tcpc_pkt pkt;

		memcpy(frame.data + (p->put.base == FROM_START ? 0 : base) + p->put.at,
		       p->put.bytes, p->put.n);
		expect_u64(p->description, "result", frame_parse(&frame, p->spec.link, &pkt),
			   p->want);
		frame_free(&frame);
	}
}

struct large {
	const char *description;
	struct frame_spec spec;
};

/* What GRO and BIG TCP hand to TC; 0 stands in the IP length from 65536 bytes on. */
static void test_large_packets(void **state)
{
	static const struct large rows[] = {
		{"GRO, IPv4", {.payload_bytes = 65535 - 20 - 32, .tcp_option_bytes = 12}},
		{"GRO, IPv6", {.family = 6, .payload_bytes = 65535 - 32, .tcp_option_bytes = 12}},
		{"BIG TCP, IPv4, smallest", {.payload_bytes = 65536 - 40}},
		{"BIG TCP, IPv4", {.payload_bytes = 190000, .vlan_tags = 1}},
		{"BIG TCP, IPv6, smallest", {.family = 6, .payload_bytes = 65536 - 20}},
		{"BIG TCP, IPv6", {.family = 6, .payload_bytes = 500000}},
		{"BIG TCP, IPv6, jumbo option",
		 {.family = 6, .ext = {0}, .n_ext = 1, .payload_bytes = 190000}},
		{"BIG TCP, tun", {.link = TCPC_LINK_NONE, .payload_bytes = 100000}},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct frame frame = frame_build(&rows[i].spec);
		struct tcpc_pkt pkt;

		expect_u64(rows[i].description, "result",
			   frame_parse(&frame, rows[i].spec.link, &pkt), TCPC_PARSE_OK);
		expect_u64(rows[i].description, "payload_bytes", pkt.payload_bytes,
			   rows[i].spec.payload_bytes);
		frame_free(&frame);
	}
}

/* The caller may say that a frame is shorter than what can be read: believe the smaller. */
static void test_frame_shorter_than_its_headers(void **state)
{
	struct frame frame = frame_build(&(struct frame_spec){.payload_bytes = 20});
	struct tcpc_pkt pkt;
	__u32 n;

	(void)state;
	for (n = 0; n < frame.bytes; n++)
		assert_int_equal(
			tcpc_parse(frame.data, frame.data + frame.bytes, n, TCPC_LINK_ETHER, &pkt),
			TCPC_PARSE_MALFORMED);
	frame_free(&frame);
}

/* Lengths that leave no room for TCP are MALFORMED even if its header cannot be read: SHORT would
 * make the caller pull in bytes for nothing. */
static void test_no_room_for_tcp_is_not_short(void **state)
{
	static const struct frame_spec specs[] = {{.family = 4}, {.family = 6}};
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct frame frame = frame_build(&specs[i]);
		struct frame cut = frame_cut(&frame, TCPC_LINK_ETHER, frame.l4_off);
		struct tcpc_pkt pkt;

		/* One byte less than a TCP header behind it. */
		cut.data[cut.l3_off + (i ? 5 : 3)] -= 1;
		assert_int_equal(tcpc_parse(cut.data, cut.data + cut.bytes, frame.bytes,
					    TCPC_LINK_ETHER, &pkt),
				 TCPC_PARSE_MALFORMED);
		frame_free(&cut);
		frame_free(&frame);
	}
}

static void test_segment_kinds(void **state)
{
	static const struct {
		const char *description;
		struct tcpc_pkt pkt;
		int pure_ack;
		__u32 seq_len;
	} rows[] = {
		{"ACK", {.flags = ACK}, 1, 0},
		{"window update with PSH", {.flags = ACK | TCPC_TCP_PSH}, 1, 0},
		{"ACK with ECE and CWR", {.flags = ACK | TCPC_TCP_ECE | TCPC_TCP_CWR}, 1, 0},
		{"data", {.flags = ACK, .payload_bytes = 1}, 0, 1},
		{"SYN", {.flags = SYN}, 0, 1},
		{"SYN with data", {.flags = SYN, .payload_bytes = 10}, 0, 11},
		{"FIN", {.flags = TCPC_TCP_FIN | ACK}, 0, 1},
		{"FIN with data", {.flags = TCPC_TCP_FIN | ACK, .payload_bytes = 10}, 0, 11},
		{"SYN and FIN", {.flags = TCPC_TCP_FIN | SYN}, 0, 2},
		{"RST", {.flags = TCPC_TCP_RST}, 0, 0},
		{"BIG TCP", {.flags = ACK, .payload_bytes = 500000}, 0, 500000},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		expect_u64(rows[i].description, "pure ACK", tcpc_pkt_is_pure_ack(&rows[i].pkt),
			   rows[i].pure_ack);
		expect_u64(rows[i].description, "SEG.LEN", tcpc_pkt_seq_len(&rows[i].pkt),
			   rows[i].seq_len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_shape),
		cmocka_unit_test(test_cut_frame_is_refused),
		cmocka_unit_test(test_short_linear_part),
		cmocka_unit_test(test_headers_max_is_enough),
		cmocka_unit_test(test_every_refusal),
		cmocka_unit_test(test_large_packets),
		cmocka_unit_test(test_frame_shorter_than_its_headers),
		cmocka_unit_test(test_no_room_for_tcp_is_not_short),
		cmocka_unit_test(test_segment_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
