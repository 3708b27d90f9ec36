// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_hold_rule.c - the pure functions of tcpcopy/hold.h, which the kernel's half and the queue
 * share, and what the queue makes of frames that are none.
 */
#include "../harness/hold_lab.h"
#include "../harness/random.h"

#define PSH_ACK (TCPC_TCP_PSH | TCPC_TCP_ACK)
#define FIN_ACK (TCPC_TCP_FIN | TCPC_TCP_ACK)
#define RST_ACK (TCPC_TCP_RST | TCPC_TCP_ACK)

/* ---- the tag --------------------------------------------------------------------------------- */

static void test_tag(void **state)
{
	static const __u32 numbers[] = {0, 1, 2, 255, 256, 0x01020304, 0x7fffffff, 0xffffffff};
	struct tcpc_hold_tag tag;
	__u8 wire[6];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		tcpc_hold_tag_write(&tag, numbers[i]);
		expect_u64("tag", "number", tcpc_hold_tag_read(&tag), numbers[i]);
		memcpy(wire, &tag, sizeof(wire));
		/* As a source address: of one host (bit 0 clear), locally administered (bit 1). */
		expect_u64("tag", "kind of address", wire[0] & 3, 2);
		expect_u64("tag", "first byte", wire[2], numbers[i] >> 24);
		expect_u64("tag", "last byte", wire[5], numbers[i] & 0xff);
	}
	assert_int_equal(sizeof(tag), ETH_ALEN);
}

/* Whatever else stands there is no number. */
static void test_no_tag(void **state)
{
	struct tcpc_hold_tag tag;

	(void)state;
	for (int i = 0; i < 65536; i++) {
		bool early = i == (TCPC_HOLD_MAGIC0 << 8 | TCPC_HOLD_EARLY);

		tcpc_hold_tag_write(&tag, 77);
		tag.magic[0] = i >> 8;
		tag.magic[1] = i;
		expect_u64("magic", "number", tcpc_hold_tag_read(&tag),
			   early || i == (TCPC_HOLD_MAGIC0 << 8 | TCPC_HOLD_MAGIC1) ? 77 : 0);
		expect_u64("magic", "early", tcpc_hold_tag_is_early(&tag), early);
	}
}

/* ---- the rule -------------------------------------------------------------------------------- */

static const struct answered {
	const char *row;
	__u32 got, expected;
	int idle, want;
} answered[] = {
	{"nothing", 0, 300, 0, 0},
	{"nothing, idle", 0, 300, 1, 0},
	{"nothing, where nothing is expected", 0, 0, 1, 0},
	{"all of it", 300, 300, 0, 1},
	{"all of it, idle", 300, 300, 1, 1},
	{"more", 301, 300, 0, 1},
	{"one byte less", 299, 300, 0, 0},
	{"one byte less, idle", 299, 300, 1, 1},
	{"seven eighths, idle", 263, 300, 1, 1},
	{"less than that, idle", 262, 300, 1, 0},
	{"the smallest answer", 1, 1, 0, 1},
	{"something where nothing is expected", 1, 0, 0, 1},
	{"a segment from before the exchange", 0xffffffff, 300, 1, 0},
	{"the same, where nothing is expected", 0xffffffff, 0, 1, 0},
	{"2 GB", 0x7fffffff, 0x7fffffff, 0, 1},
	{"beyond 2 GB numbers mean nothing", 0x80000000, 300, 1, 0},
};

static void test_answered(void **state)
{
	(void)state;
	for (const struct answered *a = answered; a < answered + COUNT_OF(answered); a++)
		expect_u64(a->row, "answered", tcpc_hold_answered(a->got, a->expected, a->idle),
			   a->want);
}

static const struct may_close {
	const char *row;
	__u32 got, expected;
	int idle, fin, want;
} may_close[] = {
	{"nothing yet", 0, 300, 1, 0, 0},
	{"nothing yet, nothing read", 0, 0, 1, 0, 0},
	{"just what was read", 300, 300, 1, 0, 1},
	{"just what was read, with more at hand", 300, 300, 0, 0, 0},
	{"less", 299, 300, 1, 0, 0},
	{"more: in the middle of an answer", 301, 300, 1, 0, 0},
	{"more, of which nothing was read", 300, 0, 1, 0, 0},
	{"the target has closed", 301, 300, 0, 1, 1},
	{"the target has closed and said nothing", 0, 300, 0, 1, 1},
};

static void test_may_close(void **state)
{
	(void)state;
	for (const struct may_close *m = may_close; m < may_close + COUNT_OF(may_close); m++)
		expect_u64(m->row, "may close",
			   tcpc_hold_may_close(m->got, m->expected, m->idle, m->fin), m->want);
}

static const struct kind {
	const char *row;
	__u8 flags;
	__u32 payload_bytes;
	int closes, can_begin;
} kinds[] = {
	{"data", PSH_ACK, 10, 0, 1},
	{"data without ACK", TCPC_TCP_PSH, 10, 0, 0},
	{"pure ACK", TCPC_TCP_ACK, 0, 0, 1},
	{"FIN", FIN_ACK, 0, 1, 0},
	{"FIN without ACK", TCPC_TCP_FIN, 0, 1, 0},
	{"FIN with data", FIN_ACK, 1, 0, 1},
	{"RST", TCPC_TCP_RST, 0, 1, 0},
	{"RST, ACK", RST_ACK, 0, 1, 0},
	{"RST with a text (RFC 9293, 3.5.3)", RST_ACK, 9, 0, 0},
};

static void test_kinds(void **state)
{
	(void)state;
	for (const struct kind *k = kinds; k < kinds + COUNT_OF(kinds); k++) {
		expect_u64(k->row, "closes", !!tcpc_hold_is_closing(k->flags, k->payload_bytes),
			   k->closes);
		expect_u64(k->row, "can begin", tcpc_hold_can_begin(k->flags, k->payload_bytes),
			   k->can_begin);
	}
}

/* For every distance that TCP can mean, from every start. */
static void test_expected(void **state)
{
	static const __u32 starts[] = {0, 1, 1000, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff};
	static const __u32 distances[] = {1, 2, 300, 65536, 0x7fffffff};

	(void)state;
	for (size_t s = 0; s < COUNT_OF(starts); s++) {
		__u32 from = starts[s];

		expect_u64("no more", "bytes", tcpc_hold_expected(from, from, PSH_ACK), 0);
		for (size_t d = 0; d < COUNT_OF(distances); d++) {
			__u32 n = distances[d];

			expect_u64("ahead", "bytes", tcpc_hold_expected(from, from + n, FIN_ACK),
				   n);
			expect_u64("behind", "bytes", tcpc_hold_expected(from, from - n, PSH_ACK),
				   0);
			expect_u64("without ACK", "bytes",
				   tcpc_hold_expected(from, from + n, TCPC_TCP_RST), 0);
		}
	}
}

/* ---- frames ---------------------------------------------------------------------------------- */

static const struct tcpc_exchange asked = {
	.exchanges = 1,
	.client_ack = 1000,
	.snd_nxt = 5000,
	.answer_end = 5000,
	.answer_flags = TCPC_TCP_ACK,
};

static void expect_malformed(const char *row, const struct frame *frame, __u32 bytes)
{
	struct frame cut = frame_cut(frame, TCPC_LINK_ETHER, bytes);
	struct tcpc_hold_stats want = {.malformed = 1};
	struct hold_lab lab;

	lab_begin(&lab, 1 << 20, 1000 * MS);
	tcpc_hold_take(lab.hold, 0, cut.data, 0, cut.bytes);
	expect_bytes(row, tcpc_hold_stats(lab.hold), &want, sizeof(want));
	expect_true(row, "is empty", tcpc_hold_empty(lab.hold));
	expect_did(row, "a frame that is none", &lab, "");
	tcpc_hold_free(lab.hold);
	frame_free(&cut);
}

static void test_malformed(void **state)
{
	struct frame_spec spec = {.flags = PSH_ACK, .payload_bytes = 20};
	char row[64];

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		struct frame frame;

		spec.family = family;
		frame = frame_build(&spec);
		for (__u32 n = 0; n < frame.bytes; n++) {
			snprintf(row, sizeof(row), "IPv%d, cut to %u bytes", family, n);
			expect_malformed(row, &frame, n);
		}
		frame.data[frame.l4_off + 12] = 0x40;
		expect_malformed("TCP header of 16 bytes", &frame, frame.bytes);
		frame.data[frame.l3_off + (family == 6 ? 6 : 9)] = IPPROTO_UDP;
		expect_malformed("UDP", &frame, frame.bytes);
		frame.data[12] = 8;
		frame.data[13] = 6;
		expect_malformed("ARP", &frame, frame.bytes);
		frame_free(&frame);
	}
}

/* What the device puts before a frame is kept and given back, untouched, with the frame. */
static void expect_head(__u32 head_bytes, const struct frame *frame)
{
	__u8 *data = malloc(head_bytes + frame->bytes);
	struct hold_lab lab;
	struct tcpc_flow flow = lab_flow(0);

	lab_begin(&lab, 1 << 20, 1000 * MS);
	lab.head_bytes = head_bytes;
	lab.view[0] = (struct lab_view){.known = true, .x = asked};
	for (__u32 i = 0; i < head_bytes; i++)
		data[i] = lab_head_byte(i);
	memcpy(data + head_bytes, frame->data, frame->bytes);
	/* Shorter than its head: no frame at all. */
	for (__u32 n = 0; n < head_bytes; n++)
		tcpc_hold_take(lab.hold, 0, data, head_bytes, n);
	expect_u64("head", "malformed", tcpc_hold_stats(lab.hold)->malformed, head_bytes);
	tcpc_hold_take(lab.hold, 0, data, head_bytes, head_bytes + frame->bytes);
	free(data);
	expect_did("head", "taken", &lab, "");
	lab.view[0].x.answer_end += 300;
	lab.view[0].x.answer_flags |= TCPC_TCP_PSH;
	tcpc_hold_touch(lab.hold, 0, &flow);
	expect_did("head", "given back", &lab, "H9");
	tcpc_hold_free(lab.hold);
}

static void test_head(void **state)
{
	/* Those that leave the IP header on a boundary of 4, as the device's 10 bytes do. */
	static const __u32 heads[] = {2, 6, 10, 18};
	struct frame_spec spec = {
		.ttl = 'H', .flags = PSH_ACK, .payload_bytes = 20, .ack = 1300, .sport = LAB_PORT};
	struct frame frame = frame_build(&spec);
	struct tcpc_hold_tag tag;

	(void)state;
	tcpc_hold_tag_write(&tag, 9);
	memcpy(frame.data + ETH_ALEN, &tag, sizeof(tag));
	for (size_t i = 0; i < COUNT_OF(heads); i++)
		expect_head(heads[i], &frame);
	frame_free(&frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tag),	  cmocka_unit_test(test_no_tag),
		cmocka_unit_test(test_answered),  cmocka_unit_test(test_may_close),
		cmocka_unit_test(test_kinds),	  cmocka_unit_test(test_expected),
		cmocka_unit_test(test_malformed), cmocka_unit_test(test_head),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
