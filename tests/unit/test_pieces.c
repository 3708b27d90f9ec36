// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_pieces.c - packets cut for sending again: together the pieces are what was asked for, each
 * is a packet that a receiver takes, and none is larger than it may be.
 */
#include "../harness/expect.h"
#include "../harness/frames.h"
#include "../harness/random.h"

#include <errno.h>

#include "core/pieces.h"
#include "tcpcopy/hold.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define SYN TCPC_TCP_SYN
#define FIN TCPC_TCP_FIN
#define PSH TCPC_TCP_PSH
#define ACK TCPC_TCP_ACK
#define RST TCPC_TCP_RST
#define CWR TCPC_TCP_CWR
#define URG TCPC_TCP_URG
#define URGENT 0x1234
#define NO_FLAGS 0x100
#define SEQ 0xfffffc00u /* wraps within a packet */

static __u8 piece[65536] __attribute__((aligned(8)));

/** One piece as the table wants it, numbers counted from SEQ. */
struct want {
	__u32 seq, payload_bytes;
	__u16 flags;
};

static const struct cut {
	const char *row;
	struct frame_spec spec;
	__u32 from, end, mtu, segment_bytes;
	int result;
	struct want want[6]; /* ends with flags 0 */
} cuts[] = {
	{"whole",
	 {.flags = PSH | ACK, .payload_bytes = 1000},
	 0,
	 1000,
	 1500,
	 0,
	 0,
	 {{0, 1000, PSH | ACK}}},
	{"exactly the MTU",
	 {.flags = PSH | ACK, .payload_bytes = 1460},
	 0,
	 1460,
	 1500,
	 0,
	 0,
	 {{0, 1460, PSH | ACK}}},
	{"one byte more",
	 {.flags = PSH | ACK, .payload_bytes = 1461},
	 0,
	 1461,
	 1500,
	 0,
	 0,
	 {{0, 1460, ACK}, {1460, 1, PSH | ACK}}},
	{"segments of the sender's",
	 {.flags = ACK, .payload_bytes = 3000},
	 0,
	 3000,
	 9000,
	 1448,
	 0,
	 {{0, 1448, ACK}, {1448, 1448, ACK}, {2896, 104, ACK}}},
	{"segments, but a small MTU",
	 {.flags = ACK, .payload_bytes = 2000},
	 0,
	 2000,
	 1040,
	 1448,
	 0,
	 {{0, 1000, ACK}, {1000, 1000, ACK}}},
	{"the middle",
	 {.flags = PSH | ACK, .payload_bytes = 3000},
	 500,
	 2500,
	 1040,
	 0,
	 0,
	 {{500, 1000, ACK}, {1500, 1000, ACK}}},
	{"the end",
	 {.flags = PSH | ACK | FIN, .payload_bytes = 3000},
	 2500,
	 3001,
	 1040,
	 0,
	 0,
	 {{2500, 500, PSH | ACK | FIN}}},
	{"all but the FIN",
	 {.flags = PSH | ACK | FIN, .payload_bytes = 100},
	 0,
	 100,
	 1500,
	 0,
	 0,
	 {{0, 100, ACK}}},
	{"FIN behind a full piece",
	 {.flags = PSH | ACK | FIN, .payload_bytes = 1000},
	 0,
	 1001,
	 1040,
	 0,
	 0,
	 {{0, 1000, PSH | ACK | FIN}}},
	{"the FIN alone",
	 {.flags = ACK | FIN, .payload_bytes = 100},
	 100,
	 101,
	 1500,
	 0,
	 0,
	 {{100, 0, ACK | FIN}}},
	{"FIN without data", {.flags = ACK | FIN}, 0, 1, 1500, 0, 0, {{0, 0, ACK | FIN}}},
	{"more than there is",
	 {.flags = ACK, .payload_bytes = 10},
	 -100,
	 100,
	 1500,
	 0,
	 0,
	 {{0, 10, ACK}}},
	{"SYN", {.flags = SYN, .tcp_option_bytes = 20}, 0, 1, 1500, 0, 0, {{0, 0, SYN}}},
	{"SYN with data",
	 {.flags = SYN, .payload_bytes = 100},
	 0,
	 101,
	 100,
	 0,
	 0,
	 {{0, 60, SYN}, {61, 40, NO_FLAGS}}},
	{"the data behind a SYN",
	 {.flags = SYN | PSH, .payload_bytes = 100},
	 1,
	 101,
	 1500,
	 0,
	 0,
	 {{1, 100, PSH}}},
	{"RST, whatever is asked", {.flags = RST | ACK}, 5, 5, 1500, 0, 0, {{0, 0, RST | ACK}}},
	{"CWR once",
	 {.flags = ACK | CWR, .payload_bytes = 2000},
	 0,
	 2000,
	 1040,
	 0,
	 0,
	 {{0, 1000, ACK | CWR}, {1000, 1000, ACK}}},
	{"urgent data",
	 {.flags = ACK | URG, .payload_bytes = 2000},
	 0,
	 2000,
	 1040,
	 0,
	 0,
	 {{0, 1000, ACK | URG}, {1000, 1000, ACK}}},
	{"options in each",
	 {.flags = ACK, .payload_bytes = 100, .tcp_option_bytes = 12, .ip_option_words = 2},
	 0,
	 100,
	 120,
	 0,
	 0,
	 {{0, 60, ACK}, {60, 40, ACK}}},
	{"IPv6",
	 {.family = 6, .flags = PSH | ACK, .payload_bytes = 100},
	 0,
	 100,
	 120,
	 0,
	 0,
	 {{0, 60, ACK}, {60, 40, PSH | ACK}}},
	{"IPv6, extension headers",
	 {.family = 6, .flags = ACK, .payload_bytes = 100, .ext = {0, 60}, .n_ext = 2},
	 0,
	 100,
	 136,
	 0,
	 0,
	 {{0, 60, ACK}, {60, 40, ACK}}},
	{"before it", {.flags = ACK, .payload_bytes = 10}, -10, 0, 1500, 0, -ERANGE, {}},
	{"behind it", {.flags = ACK, .payload_bytes = 10}, 10, 20, 1500, 0, -ERANGE, {}},
	{"nothing", {.flags = ACK, .payload_bytes = 10}, 5, 5, 1500, 0, -ERANGE, {}},
	{"no room for payload", {.flags = ACK, .payload_bytes = 10}, 0, 10, 40, 0, -EMSGSIZE, {}},
	{"no room for headers", {.flags = ACK | FIN}, 0, 1, 39, 0, -EMSGSIZE, {}},
	{"room for headers alone", {.flags = ACK | FIN}, 0, 1, 40, 0, 0, {{0, 0, ACK | FIN}}},
};

/* A packet as the journal has it, its checksum not finished, with an urgent pointer: without URG
 * that is a greeting's length. */
static struct frame packet_of(const struct frame_spec *spec)
{
	struct frame_spec s = *spec;
	struct frame frame;

	s.link = TCPC_LINK_NONE;
	frame = frame_build(&s);
	memset(frame.data + frame.l4_off + 16, 0xee, 2);
	frame_put16(frame.data + frame.l4_off + 18, URGENT);
	return frame;
}

/* The next piece, which must be a right packet with the payload of @frame from @offset on. */
static void expect_piece(const char *row, const struct frame *frame, __u32 bytes, __u32 payload,
			 struct tcpc_pkt *ret)
{
	struct tcpc_pkt whole;
	__u32 offset;

	frame_parse(frame, TCPC_LINK_NONE, &whole);
	expect_u64(row, "parse", tcpc_parse(piece, piece + bytes, bytes, TCPC_LINK_NONE, ret),
		   TCPC_PARSE_OK);
	expect_u64(row, "length", bytes, ret->l4_off + ret->tcp_bytes + ret->payload_bytes);
	expect_u64(row, "payload", ret->payload_bytes, payload);
	expect_true(row, "checksums are right",
		    frame_checks_right(piece, piece + ret->l4_off, ret->tcp_bytes + payload));
	expect_u64(row, "headers", ret->l4_off + ret->tcp_bytes, whole.l4_off + whole.tcp_bytes);
	expect_bytes(row, piece + ret->l4_off + 20, frame->data + whole.l4_off + 20,
		     whole.tcp_bytes - 20);
	expect_u64(row, "ACK", ret->ack, whole.ack);
	expect_u64(row, "window", ret->window, whole.window);
	expect_u64(row, "urgent pointer", piece[ret->l4_off + 18] << 8 | piece[ret->l4_off + 19],
		   (whole.flags & URG) && !(ret->flags & URG) ? 0 : URGENT);
	expect_u64(row, "addresses",
		   tcpc_addr_equal(&ret->saddr, &whole.saddr) &&
			   tcpc_addr_equal(&ret->daddr, &whole.daddr),
		   1);
	offset = ret->seq - whole.seq;
	if ((whole.flags & SYN) && !(ret->flags & SYN))
		offset--;
	expect_bytes(row, piece + ret->l4_off + ret->tcp_bytes,
		     frame->data + whole.l4_off + whole.tcp_bytes + offset, payload);
}

static void expect_cut(const struct cut *c)
{
	struct frame_spec spec = c->spec;
	struct tcpc_pieces pieces;
	struct frame frame;
	__u32 bytes, payload = 0;
	unsigned int n = 0;

	spec.seq = SEQ;
	spec.ack = 77;
	spec.window = 501;
	frame = packet_of(&spec);
	expect_u64(c->row, "result",
		   tcpc_pieces_begin(&pieces, frame.data, frame.bytes, SEQ + c->from, SEQ + c->end,
				     c->mtu, c->segment_bytes),
		   c->result);
	while (!c->result && (bytes = tcpc_pieces_next(&pieces, piece, &payload))) {
		const struct want *w = &c->want[n++];
		struct tcpc_pkt pkt;

		expect_true(c->row, "another is wanted", w->flags);
		expect_piece(c->row, &frame, bytes, w->payload_bytes, &pkt);
		expect_u64(c->row, "seq", pkt.seq, SEQ + w->seq);
		expect_u64(c->row, "flags", pkt.flags, w->flags & 0xff);
		expect_true(c->row, "fits", bytes <= c->mtu);
	}
	expect_u64(c->row, "pieces", !c->result && c->want[n].flags, 0);
	frame_free(&frame);
}

static void test_cuts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cuts); i++)
		expect_cut(&cuts[i]);
}

/* Whatever is asked for comes, once, in order. */
static void test_random(void **state)
{
	__u64 rng = 5;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct frame_spec spec = {
			.family = random_below(&rng, 2) ? 6 : 4,
			.flags = random_below(&rng, 256) & ~(RST | SYN),
			.seq = random_next(&rng),
			.payload_bytes = 1 + random_below(&rng, round % 50 ? 5000 : 65000),
			.tcp_option_bytes = 4 * random_below(&rng, 11),
		};
		__u32 len = spec.payload_bytes + !!(spec.flags & FIN);
		__u32 from = random_below(&rng, len),
		      end = from + 1 + random_below(&rng, len - from);
		__u32 mtu = 200 + random_below(&rng, 2000), at = spec.seq + from, bytes, payload;
		struct frame frame = packet_of(&spec);
		struct tcpc_pieces pieces;
		struct tcpc_pkt pkt;

		assert_int_equal(tcpc_pieces_begin(&pieces, frame.data, frame.bytes,
						   spec.seq + from, spec.seq + end, mtu, 0),
				 0);
		while ((bytes = tcpc_pieces_next(&pieces, piece, &payload))) {
			expect_piece("random", &frame, bytes, payload, &pkt);
			expect_u64("random", "seq", pkt.seq, at);
			expect_true("random", "fits", bytes <= mtu);
			at += tcpc_pkt_seq_len(&pkt);
			expect_true("random", "is not empty", tcpc_pkt_seq_len(&pkt));
		}
		expect_u64("random", "end", at, spec.seq + end);
		frame_free(&frame);
	}
}

static void test_no_packet(void **state)
{
	struct frame frame = packet_of(&(struct frame_spec){.flags = ACK, .payload_bytes = 10});
	struct tcpc_pieces pieces = {.end = 4711};

	(void)state;
	for (__u32 bytes = 0; bytes < frame.bytes; bytes++) {
		struct frame cut = frame_cut(&frame, TCPC_LINK_NONE, bytes);

		expect_u64("cut short", "result",
			   tcpc_pieces_begin(&pieces, cut.data, bytes, 0, 10, 1500, 0), -EINVAL);
		frame_free(&cut);
	}
	expect_u64("cut short", "untouched", pieces.end, 4711);
	frame_free(&frame);
}

/* A packet without a record. */
static void expect_syn(const char *row, int family)
{
	struct frame_spec spec = {.family = family};
	struct tcpc_flow flow = {
		.client = frame_host(&spec, 1),
		.server = frame_host(&spec, 9),
		.client_port = tcpc_htons(40000),
		.server_port = tcpc_htons(8080),
	};
	__u32 bytes = tcpc_pieces_syn(&flow, SEQ, piece);
	struct tcpc_pkt pkt;

	expect_u64(row, "length", bytes, family == 4 ? 40 : 60);
	expect_u64(row, "parse", tcpc_parse(piece, piece + bytes, bytes, TCPC_LINK_NONE, &pkt),
		   TCPC_PARSE_OK);
	expect_u64(row, "checksums", frame_checks_right(piece, piece + pkt.l4_off, 20), 1);
	expect_u64(row, "flags", pkt.flags, TCPC_TCP_SYN);
	expect_u64(row, "seq", pkt.seq, SEQ);
	expect_u64(row, "ACK", pkt.ack, 0);
	expect_u64(row, "has a window", !!pkt.window, 1);
	expect_u64(row, "source", tcpc_addr_equal(&pkt.saddr, &flow.client), 1);
	expect_u64(row, "destination", tcpc_addr_equal(&pkt.daddr, &flow.server), 1);
	expect_u64(row, "source port", pkt.sport, flow.client_port);
	expect_u64(row, "destination port", pkt.dport, flow.server_port);
}

static void test_syn(void **state)
{
	(void)state;
	for (int family = 4; family <= 6; family += 2)
		expect_syn("SYN", family);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_no_packet),
		cmocka_unit_test(test_syn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
