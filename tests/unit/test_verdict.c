// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_verdict.c - what becomes of each packet from the queue, and what its receipt says. Guards
 * invariant 2 (no response, reset or ICMP error about a copy goes on) at the last place where it
 * can be broken. Packets lie in buffers that end where they end, so ASan sees any read beyond.
 */
#include "../harness/expect.h"
#include "../harness/frames.h"
#include "../harness/random.h"

#include "core/verdict.h"
#include "tcpcopy/options.h"
#include "tcpcopy/reflect.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

#define OURS 80
#define OURS_TOO 8080

static const __be16 ports[] = {tcpc_htons(443), tcpc_htons(OURS), tcpc_htons(OURS_TOO)};

/* A packet of the target; @...: the rest of the struct frame_spec. */
#define FROM(source, destination, ...)                                                             \
	{                                                                                          \
		.link = TCPC_LINK_NONE, .sport = source, .dport = destination, .window = 501,      \
		.seq = 0xfffffff0, .ack = 0x12345678, __VA_ARGS__                                  \
	}
#define RESPONSE(...) FROM(OURS, 40000, __VA_ARGS__)
#define V6 .family = 6
#define ACK TCPC_TCP_ACK

static struct tcpc_verdict decide(const struct frame *frame, __u32 captured)
{
	struct frame cut = frame_cut(frame, TCPC_LINK_NONE, captured);
	struct tcpc_verdict v;

	memset(&v, 0xa5, sizeof(v));
	tcpc_verdict_decide(cut.data, captured, frame->bytes, ports, COUNT_OF(ports), &v);
	frame_free(&cut);
	return v;
}

/* ---- TCP ------------------------------------------------------------------------------------- */

static const struct row {
	const char *description;
	struct frame_spec spec;
	enum tcpc_verdict_action action;
	enum tcpc_verdict_reason reason;
} rows[] = {
	{"SYN, ACK", RESPONSE(.flags = TCPC_TCP_SYN | ACK, .tcp_option_bytes = 20),
	 TCPC_VERDICT_REPLACE, TCPC_REASON_REFLECTED},
	{"data", RESPONSE(.flags = ACK, .payload_bytes = 100), TCPC_VERDICT_REPLACE,
	 TCPC_REASON_REFLECTED},
	{"one byte", RESPONSE(.flags = ACK | TCPC_TCP_PSH, .payload_bytes = 1),
	 TCPC_VERDICT_REPLACE, TCPC_REASON_REFLECTED},
	{"FIN", RESPONSE(.flags = TCPC_TCP_FIN | ACK), TCPC_VERDICT_REPLACE, TCPC_REASON_REFLECTED},
	{"data and FIN, IP options",
	 RESPONSE(.flags = TCPC_TCP_FIN | ACK, .payload_bytes = 9, .ip_option_words = 10),
	 TCPC_VERDICT_REPLACE, TCPC_REASON_REFLECTED},
	{"64 KB", RESPONSE(.flags = ACK, .payload_bytes = 65000), TCPC_VERDICT_REPLACE,
	 TCPC_REASON_REFLECTED},
	{"another port of ours", FROM(OURS_TOO, 40000, .flags = ACK, .payload_bytes = 5),
	 TCPC_VERDICT_REPLACE, TCPC_REASON_REFLECTED},
	{"IPv6 data", RESPONSE(V6, .flags = ACK, .payload_bytes = 77), TCPC_VERDICT_REPLACE,
	 TCPC_REASON_REFLECTED},
	{"IPv6, extension headers",
	 RESPONSE(V6, .flags = ACK, .payload_bytes = 7, .ext = {0, 60}, .n_ext = 2),
	 TCPC_VERDICT_REPLACE, TCPC_REASON_REFLECTED},
	{"IPv6, BIG TCP", RESPONSE(V6, .flags = ACK, .payload_bytes = 150000), TCPC_VERDICT_REPLACE,
	 TCPC_REASON_REFLECTED},
	{"pure ACK", RESPONSE(.flags = ACK, .tcp_option_bytes = 12), TCPC_VERDICT_DROP,
	 TCPC_REASON_NO_ACK_NEEDED},
	{"RST", RESPONSE(.flags = TCPC_TCP_RST), TCPC_VERDICT_DROP, TCPC_REASON_NO_ACK_NEEDED},
	{"RST, ACK", RESPONSE(V6, .flags = TCPC_TCP_RST | ACK), TCPC_VERDICT_DROP,
	 TCPC_REASON_NO_ACK_NEEDED},
	{"RST with data", RESPONSE(.flags = TCPC_TCP_RST | ACK, .payload_bytes = 20),
	 TCPC_VERDICT_DROP, TCPC_REASON_NO_ACK_NEEDED},
	{"not our port", FROM(81, 40000, .flags = ACK, .payload_bytes = 5), TCPC_VERDICT_ACCEPT,
	 TCPC_REASON_NOT_OURS},
	{"our port as destination", FROM(81, OURS, .flags = ACK, .payload_bytes = 5),
	 TCPC_VERDICT_ACCEPT, TCPC_REASON_NOT_OURS},
	{"port with its bytes swapped", FROM(OURS << 8, 40000, .flags = ACK), TCPC_VERDICT_ACCEPT,
	 TCPC_REASON_NOT_OURS},
};

static void expect_receipt(const char *row, const struct tcpc_receipt *got,
			   const struct tcpc_pkt *pkt)
{
	struct tcpc_receipt want;

	memset(&want, 0, sizeof(want)); /* with its padding, if it had any */
	want.client = pkt->daddr;
	want.server = pkt->saddr;
	want.client_port = pkt->dport;
	want.server_port = pkt->sport;
	want.seq = pkt->seq;
	want.ack = pkt->ack;
	want.payload_bytes = pkt->payload_bytes;
	want.window = pkt->window;
	want.flags = pkt->flags;
	expect_bytes(row, got, &want, sizeof(want));
}

static void expect_verdict(const struct row *row, const struct frame *frame, __u32 captured)
{
	__u8 want[TCPC_REFLECT_MAX] __attribute__((aligned(4)));
	const char *name = row->description;
	struct tcpc_verdict v = decide(frame, captured);
	struct tcpc_pkt pkt;

	expect_u64(name, "action", v.action, row->action);
	expect_u64(name, "reason", v.reason, row->reason);
	expect_u64(name, "receipt", v.has_receipt, row->reason != TCPC_REASON_NOT_OURS);
	expect_u64(name, "parse", frame_parse(frame, TCPC_LINK_NONE, &pkt), TCPC_PARSE_OK);
	if (v.has_receipt)
		expect_receipt(name, &v.receipt, &pkt);
	if (v.action != TCPC_VERDICT_REPLACE) {
		expect_u64(name, "length", v.packet_bytes, 0);
		return;
	}
	expect_u64(name, "length", v.packet_bytes, tcpc_reflect_build(&pkt, want));
	expect_bytes(name, v.packet, want, v.packet_bytes);
	expect_true(name, "checksums are right",
		    frame_checks_right(v.packet, v.packet + v.packet_bytes - 20, 20));
}

/* With the whole packet at hand, and with no more than the kernel copies to us. */
static void test_tcp(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct frame frame = frame_build(&rows[i].spec);

		expect_verdict(&rows[i], &frame, frame.bytes);
		if (frame.bytes > 160)
			expect_verdict(&rows[i], &frame, 160);
		frame_free(&frame);
	}
}

static void test_sack(void **state)
{
	struct frame_spec spec = RESPONSE(.flags = ACK, .tcp_option_bytes = 40);
	static const __u8 options[40] = {1, 1, 5,    18,   0, 0, 0, 1, 0, 0,
					 0, 9, 0xff, 0xfe, 0, 0, 0, 0, 0, 3};
	struct frame frame;
	struct tcpc_verdict v;

	(void)state;
	memcpy(spec.tcp_options, options, sizeof(options));
	frame = frame_build(&spec);
	v = decide(&frame, frame.bytes);
	expect_u64("SACK", "blocks", v.receipt.n_sack, 2);
	expect_u64("SACK", "edge 0", v.receipt.sack[0], 1);
	expect_u64("SACK", "edge 1", v.receipt.sack[1], 9);
	expect_u64("SACK", "edge 2", v.receipt.sack[2], 0xfffe0000);
	expect_u64("SACK", "edge 3", v.receipt.sack[3], 3);
	expect_u64("SACK", "edge 4", v.receipt.sack[4], 0);
	frame_free(&frame);
}

/* What cannot be understood could be a response. */
static void test_malformed(void **state)
{
	struct frame_spec v4 = RESPONSE(.flags = ACK, .payload_bytes = 5);
	struct frame_spec v6 =
		RESPONSE(V6, .flags = ACK, .payload_bytes = 5, .ext = {44}, .n_ext = 1);
	static const struct {
		const char *description;
		int v6;
		__u32 offset;
		__u8 value;
	} spoils[] = {
		{"first fragment", 0, 6, 0x20},	     {"later fragment", 0, 7, 9},
		{"version 5", 0, 0, 0x55},	     {"IHL too short", 0, 0, 0x44},
		{"total length beyond", 0, 2, 0x70}, {"data offset too short", 0, 32, 0x40},
		{"data offset beyond", 0, 32, 0xf0}, {"IPv6 fragment", 1, 40, IPPROTO_TCP},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(spoils); i++) {
		struct frame frame = frame_build(spoils[i].v6 ? &v6 : &v4);
		struct tcpc_verdict v;

		frame.data[spoils[i].offset] = spoils[i].value;
		v = decide(&frame, frame.bytes);
		expect_u64(spoils[i].description, "action", v.action, TCPC_VERDICT_DROP);
		expect_u64(spoils[i].description, "reason", v.reason, TCPC_REASON_MALFORMED);
		expect_u64(spoils[i].description, "receipt", v.has_receipt, 0);
		frame_free(&frame);
	}
}

static void test_nothing_at_hand(void **state)
{
	struct tcpc_verdict v;

	(void)state;
	tcpc_verdict_decide(NULL, 0, 0, ports, COUNT_OF(ports), &v);
	expect_u64("no payload", "action", v.action, TCPC_VERDICT_DROP);
	expect_u64("no payload", "reason", v.reason, TCPC_REASON_MALFORMED);
	expect_u64("no payload", "receipt", v.has_receipt, 0);
}

static void test_no_ports(void **state)
{
	struct frame_spec spec = RESPONSE(.flags = ACK, .payload_bytes = 5);
	struct frame frame = frame_build(&spec);
	struct tcpc_verdict v;

	(void)state;
	tcpc_verdict_decide(frame.data, frame.bytes, frame.bytes, ports, 0, &v);
	expect_u64("no ports", "action", v.action, TCPC_VERDICT_ACCEPT);
	frame_free(&frame);
}

/* ---- ICMP errors ----------------------------------------------------------------------------- */

/* An ICMP error of the target about a packet of a client to @dport; @quoted bytes of its TCP. */
static struct frame icmp_error(int family, __u16 dport, __u32 ip_option_words, __u8 protocol,
			       __u32 quoted)
{
	struct frame_spec inner_spec = {
		.link = TCPC_LINK_NONE,
		.family = family,
		.ip_option_words = ip_option_words,
		.ext = {IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS},
		.n_ext = ip_option_words < TCPC_IPV6_EXT_HEADERS ? ip_option_words
								 : TCPC_IPV6_EXT_HEADERS,
		.sport = 40000,
		.dport = dport,
		.flags = ACK,
		.payload_bytes = 100,
	};
	struct frame inner = frame_build(&inner_spec), outer = {};
	__u32 ip = family == 6 ? 40 : 20, bytes = ip + 8 + inner.l4_off + quoted;

	frame_alloc(&outer, TCPC_LINK_NONE, bytes);
	outer.data[0] = family == 6 ? 0x60 : 0x45;
	outer.data[family == 6 ? 6 : 9] = family == 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	frame_put16(outer.data + (family == 6 ? 4 : 2), family == 6 ? bytes - 40 : bytes);
	outer.data[ip] = family == 6 ? 1 : 3;
	if (protocol)
		inner.data[family == 6 ? 6 : 9] = protocol;
	memcpy(outer.data + ip + 8, inner.data, inner.l4_off + quoted);
	frame_free(&inner);
	return outer;
}

static const struct icmp {
	const char *description;
	int family;
	__u16 dport;
	__u32 ip_option_words;
	__u8 protocol; /* 0: TCP */
	__u32 quoted;
	enum tcpc_verdict_action action;
} icmps[] = {
	{"about a copy", 4, OURS, 0, 0, 120, TCPC_VERDICT_DROP},
	{"as little as RFC 792 promises", 4, OURS, 0, 0, 8, TCPC_VERDICT_DROP},
	{"ports and no more", 4, OURS_TOO, 0, 0, 4, TCPC_VERDICT_DROP},
	{"copy with IP options", 4, OURS, 10, 0, 8, TCPC_VERDICT_DROP},
	{"another port", 4, 81, 0, 0, 8, TCPC_VERDICT_ACCEPT},
	{"UDP to that port", 4, OURS, 0, IPPROTO_UDP, 8, TCPC_VERDICT_ACCEPT},
	{"cut before the ports", 4, OURS, 0, 0, 2, TCPC_VERDICT_ACCEPT},
	{"IPv6, about a copy", 6, OURS, 0, 0, 120, TCPC_VERDICT_DROP},
	{"IPv6, ports and no more", 6, OURS, 0, 0, 4, TCPC_VERDICT_DROP},
	{"IPv6, copy with extension headers", 6, OURS, 4, 0, 8, TCPC_VERDICT_DROP},
	{"IPv6, another port behind extension headers", 6, 81, 2, 0, 8, TCPC_VERDICT_ACCEPT},
	{"IPv6, cut in the extension headers", 6, OURS, 4, 0, 0, TCPC_VERDICT_ACCEPT},
	{"IPv6, another port", 6, 81, 0, 0, 8, TCPC_VERDICT_ACCEPT},
	{"IPv6, UDP", 6, OURS, 0, IPPROTO_UDP, 8, TCPC_VERDICT_ACCEPT},
	{"IPv6, cut before the ports", 6, OURS, 0, 0, 3, TCPC_VERDICT_ACCEPT},
};

static void test_icmp(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(icmps); i++) {
		const struct icmp *row = &icmps[i];
		struct frame frame = icmp_error(row->family, row->dport, row->ip_option_words,
						row->protocol, row->quoted);
		struct tcpc_verdict v = decide(&frame, frame.bytes);

		expect_u64(row->description, "action", v.action, row->action);
		expect_u64(row->description, "reason", v.reason,
			   row->action == TCPC_VERDICT_DROP ? TCPC_REASON_ICMP
							    : TCPC_REASON_NOT_OURS);
		expect_u64(row->description, "receipt", v.has_receipt, 0);
		frame_free(&frame);
	}
}

/* ---- anything -------------------------------------------------------------------------------- */

/* Whatever comes and however little of it: no read beyond, and every field is set. */
static void expect_sound(const struct frame *frame, __u32 captured)
{
	struct tcpc_verdict v = decide(frame, captured);

	expect_true("any packet", "action is one", v.action <= TCPC_VERDICT_REPLACE);
	expect_true("any packet", "reason is one", v.reason <= TCPC_REASON_NOT_OURS);
	expect_true("any packet", "replaced when reflected",
		    (v.action == TCPC_VERDICT_REPLACE) == (v.reason == TCPC_REASON_REFLECTED));
	expect_true("any packet", "replaced by something",
		    (v.action == TCPC_VERDICT_REPLACE) == (v.packet_bytes > 0));
	expect_true("any packet", "SACK fits", !v.has_receipt || v.receipt.n_sack <= TCPC_MAX_SACK);
}

static void test_cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct frame frame = frame_build(&rows[i].spec);

		for (__u32 n = 0; n < 160 && n <= frame.bytes; n++)
			expect_sound(&frame, n);
		frame_free(&frame);
	}
	for (size_t i = 0; i < COUNT_OF(icmps); i++) {
		struct frame frame = icmp_error(icmps[i].family, OURS, icmps[i].ip_option_words,
						icmps[i].protocol, 20);

		for (__u32 n = 0; n <= frame.bytes; n++)
			expect_sound(&frame, n);
		frame_free(&frame);
	}
}

/* An ACK one byte before the end of what was sent asks for one (RFC 9293, 3.8.4); no other does. */
static void test_keepalive_probe(void **state)
{
	static const struct {
		const char *row;
		__u32 seq, sent_end;
		__u8 flags;
		__u32 payload_bytes;
		bool probe;
	} probes[] = {
		{"probe", 99, 100, ACK, 0, true},
		{"probe at the wrap", 0xffffffff, 0, ACK, 0, true},
		{"ACK of new data", 100, 100, ACK, 0, false},
		{"older ACK", 98, 100, ACK, 0, false},
		{"reset", 99, 100, TCPC_TCP_RST | ACK, 0, false},
		{"the last byte again", 99, 100, ACK, 1, false},
	};
	struct tcpc_pkt ack;

	(void)state;
	for (unsigned int i = 0; i < 2 * COUNT_OF(probes); i++) {
		const char *row = probes[i / 2].row;
		struct frame frame = frame_build(
			&(struct frame_spec)RESPONSE(.family = i & 1 ? 6 : 4,
						     .flags = probes[i / 2].flags,
						     .payload_bytes = probes[i / 2].payload_bytes));
		struct tcpc_verdict v;

		frame_put32(frame.data + frame.l4_off + 4, probes[i / 2].seq);
		v = decide(&frame, frame.bytes);
		expect_u64(row, "probe", tcpc_verdict_answer_probe(&v, probes[i / 2].sent_end),
			   probes[i / 2].probe);
		if (probes[i / 2].probe) {
			expect_u64(row, "action", v.action, TCPC_VERDICT_REPLACE);
			assert_int_equal(tcpc_parse(v.packet, v.packet + v.packet_bytes,
						    v.packet_bytes, TCPC_LINK_NONE, &ack),
					 TCPC_PARSE_OK);
			expect_u64(row, "ACK", ack.ack, probes[i / 2].sent_end);
			expect_u64(row, "its seq", ack.seq, 0x12345678);
			expect_u64(row, "its port", ack.dport, tcpc_htons(OURS));
		}
		frame_free(&frame);
	}
}

/* Who has more to send may be waiting for the ACK. */
static void test_goes_on(void **state)
{
	static const struct {
		const char *row;
		__u8 flags;
		__u32 payload_bytes;
		bool goes_on;
	} answers[] = {
		{"whole", TCPC_TCP_PSH | ACK, 100, false},
		{"in pieces", ACK, 1448, true},
		{"the last before the end", TCPC_TCP_FIN | ACK, 1448, false},
		{"no data", ACK, 0, false},
		{"SYN, ACK", TCPC_TCP_SYN | ACK, 0, false},
	};

	(void)state;
	for (unsigned int i = 0; i < 2 * COUNT_OF(answers); i++) {
		struct frame frame = frame_build(&(
			struct frame_spec)RESPONSE(.family = i & 1 ? 6 : 4,
						   .flags = answers[i / 2].flags,
						   .payload_bytes = answers[i / 2].payload_bytes));
		struct tcpc_verdict v = decide(&frame, frame.bytes);

		expect_u64(answers[i / 2].row, "goes on", tcpc_verdict_goes_on(&v),
			   answers[i / 2].goes_on);
		frame_free(&frame);
	}
}

#define RANDOM_PACKETS 30000

static void test_random_packets(void **state)
{
	__u64 seed = 1;

	(void)state;
	for (int i = 0; i < RANDOM_PACKETS; i++) {
		const struct row *row = &rows[random_below(&seed, 5)];
		struct frame frame =
			random_below(&seed, 2)
				? frame_build(&row->spec)
				: icmp_error(i & 1 ? 6 : 4, OURS, random_below(&seed, 11), 0, 30);

		for (__u32 k = random_below(&seed, 6); k; k--)
			frame.data[random_below(&seed, frame.bytes)] = random_next(&seed);
		expect_sound(&frame, frame.bytes);
		frame_free(&frame);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_sack),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_nothing_at_hand),
		cmocka_unit_test(test_no_ports),
		cmocka_unit_test(test_icmp),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_random_packets),
		cmocka_unit_test(test_keepalive_probe),
		cmocka_unit_test(test_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
