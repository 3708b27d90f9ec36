// SPDX-License-Identifier: GPL-2.0-only
/* test_feedback.c - frames of the feedback link: bytes as documented in
 * docs/protocol-feedback.md, there and back, and everything that has to be refused. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "edge/link_news.h"
#include "tcpcopy/feedback_held.h"

#define V4(a, b, c, d) tcpc_addr_from_v4(tcpc_htonl((__u32)(a) << 24 | (b) << 16 | (c) << 8 | (d)))

static struct tcpc_addr v6(__u32 last)
{
	struct tcpc_addr a = {{tcpc_htonl(0x20010db8), 0, 0, tcpc_htonl(last)}};

	return a;
}

/* What a receiver of any role makes of @body: all of its fields read, the end checked. */
static enum tcpc_feedback_reason read_body(const __u8 *body, __u32 n, struct tcpc_link_news *news)
{
	struct tcpc_feedback_hello hello;
	struct tcpc_feedback_reader r;
	enum tcpc_feedback_reason reason;
	enum tcpc_feedback_type type;
	struct tcpc_feedback_sums sums;
	struct tcpc_break broken;
	__u8 bye, pressure;

	reason = tcpc_feedback_open(&r, body, n, &type);
	if (reason)
		return reason;
	switch (type) {
	case TCPC_FEEDBACK_HELLO:
		return tcpc_feedback_get_hello(&r, &hello);
	case TCPC_FEEDBACK_PING:
		return tcpc_feedback_get_ping(&r, true, &pressure);
	case TCPC_FEEDBACK_ACK:
		return tcpc_feedback_get_ack(&r, &news->serial);
	case TCPC_FEEDBACK_BYE:
		return tcpc_feedback_get_bye(&r, &bye);
	case TCPC_FEEDBACK_SUMS:
		return tcpc_feedback_get_sums(&r, &sums);
	case TCPC_FEEDBACK_BREAK:
		return tcpc_feedback_get_break(&r, &broken);
	default:
		return tcpc_link_news_read(news, type, &r);
	}
}

/* The same from a copy on the heap that is just long enough, so that ASan sees a byte too many. */
static enum tcpc_feedback_reason read_exactly(const __u8 *body, __u32 n)
{
	enum tcpc_feedback_reason reason;
	struct tcpc_link_news news = {};
	__u8 *copy = malloc(n ? n : 1);

	assert_non_null(copy);
	assert_int_equal(tcpc_link_news_init(&news), 0);
	memcpy(copy, body, n);
	reason = read_body(copy, n, &news);
	tcpc_link_news_free(&news);
	free(copy);
	return reason;
}

/* ---- bytes on the wire ---------------------------------------------------------------------- */

#define ADDR_V6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0"
#define MAPPED "\0\0\0\0\0\0\0\0\0\0\xff\xff"
#define RECEIPT_V4                                                                                 \
	"\x12\xff\xfe\xc6\x12\x00\x01\x0a\x00\x00\x09\x9c\x40\x1f\x90"                             \
	"\x01\x02\x03\x04\xa1\xa2\xa3\xa4\x00\x00\x05\xb4"
#define SACK "\x11\x11\x11\x11\x22\x22\x22\x22"

#define SUM "\xff\xff\xff\xff\0\0\0\x01"
#define FLOW_V4 "\xc6\x12\x00\x01\x0a\x00\x00\x09\x9c\x40\x1f\x90"
#define FLOW_V6 ADDR_V6 "\x01" ADDR_V6 "\x02\x9c\x40\x1f\x90"

#define BYTES(s) (const __u8 *)(s), sizeof(s) - 1

static const struct {
	const char *name;
	const __u8 *body;
	__u32 n;
	enum tcpc_feedback_reason reason;
} frames[] = {
	{"hello of an online host",
	 BYTES("\x01\x00\x05"
	       "0.1.0"),
	 TCPC_FEEDBACK_OK},
	{"hello without a version", BYTES("\x01\x01\x00"), TCPC_FEEDBACK_OK},
	{"no services", BYTES("\x02\0\0\0\x07\0\0"), TCPC_FEEDBACK_OK},
	{"two services",
	 BYTES("\x02\0\0\0\x07\0\x02" MAPPED "\x0a\0\0\x09\x1f\x90\0\0" ADDR_V6
	       "\x09\x00\x50\0\x01"),
	 TCPC_FEEDBACK_OK},
	{"a service with a tunnel", BYTES("\x02\0\0\0\x07\0\x01" ADDR_V6 "\x09\0\x50\x01\x01"),
	 TCPC_FEEDBACK_OK},
	{"clear", BYTES("\x03\x80\0\0\x01\0\0\0"), TCPC_FEEDBACK_OK},
	{"add 10/8 and all",
	 BYTES("\x03\0\0\0\x08\x01\0\x02" MAPPED "\x0a\0\0\0\x68"
	       "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
	 TCPC_FEEDBACK_OK},
	{"delete a host", BYTES("\x03\0\0\0\x09\x02\0\x01" ADDR_V6 "\x09\x80"), TCPC_FEEDBACK_OK},
	{"add nothing", BYTES("\x03\0\0\0\x09\x01\0\0"), TCPC_FEEDBACK_OK},
	{"a receipt", BYTES("\x04\0\x01\x80" RECEIPT_V4), TCPC_FEEDBACK_OK},
	{"with SACK", BYTES("\x04\0\x01\x82" RECEIPT_V4 SACK SACK), TCPC_FEEDBACK_OK},
	{"ping", BYTES("\x05\0"), TCPC_FEEDBACK_OK},
	{"ping under pressure", BYTES("\x05\3"), TCPC_FEEDBACK_OK},
	{"ping without its field", BYTES("\x05"), TCPC_FEEDBACK_SHORT},
	{"ping under a pressure that does not exist", BYTES("\x05\4"), TCPC_FEEDBACK_VALUE},
	{"ack", BYTES("\x06\xff\xff\xff\xff"), TCPC_FEEDBACK_OK},
	{"bye", BYTES("\x07\0"), TCPC_FEEDBACK_OK},
	{"held", BYTES("\x08\0\x01\x80" FLOW_V4 "\xff\xff\xff\xff\0\0\0\x08"), TCPC_FEEDBACK_OK},
	{"held: a reset by itself, 1 GB, and IPv6",
	 BYTES("\x08\0\x03\x80" FLOW_V4 "\0\0\0\x08\0\0\0\x08"
	       "\x80" FLOW_V4 "\0\0\0\x08\x40\0\0\x08\0" FLOW_V6 "\0\0\0\x08\0\0\0\x09"),
	 TCPC_FEEDBACK_OK},
	{"shed, for each reason",
	 BYTES("\x09\0\x03\x80\x01" FLOW_V4 "\x80\x02" FLOW_V4 "\0\x03" FLOW_V6), TCPC_FEEDBACK_OK},
	{"break", BYTES("\x0a\x80" FLOW_V4 "\xff\xff\xff\xff\0\0\0\x08"), TCPC_FEEDBACK_OK},
	{"sums", BYTES("\x0c" SUM SUM SUM SUM SUM), TCPC_FEEDBACK_OK},
	{"break, IPv6", BYTES("\x0a\0" FLOW_V6 "\0\0\0\0\0\0\0\x08"), TCPC_FEEDBACK_OK},

	{"nothing", BYTES(""), TCPC_FEEDBACK_SHORT},
	{"type 0", BYTES("\0"), TCPC_FEEDBACK_TYPE},
	{"type 13", BYTES("\x0d\0\0\0\0"), TCPC_FEEDBACK_TYPE},
	{"sums: one number short", BYTES("\x0c" SUM SUM SUM SUM), TCPC_FEEDBACK_SHORT},
	{"sums: one too many", BYTES("\x0c" SUM SUM SUM SUM SUM SUM), TCPC_FEEDBACK_TRAILING},
	{"type 255", BYTES("\xff"), TCPC_FEEDBACK_TYPE},
	{"hello of role 2", BYTES("\x01\x02\0"), TCPC_FEEDBACK_VALUE},
	{"version with 64 bytes", BYTES("\x01\0\x40"), TCPC_FEEDBACK_COUNT},
	{"version with a newline",
	 BYTES("\x01\0\x03"
	       "1\n2"),
	 TCPC_FEEDBACK_VALUE},
	{"version with a space", BYTES("\x01\0\x01 "), TCPC_FEEDBACK_VALUE},
	{"version with a high byte", BYTES("\x01\0\x01\x80"), TCPC_FEEDBACK_VALUE},
	{"257 services", BYTES("\x02\0\0\0\x07\x01\x01"), TCPC_FEEDBACK_COUNT},
	{"service with port 0", BYTES("\x02\0\0\0\x07\0\x01" ADDR_V6 "\x09\0\0\0\0"),
	 TCPC_FEEDBACK_VALUE},
	{"service with a tunnel of no kind",
	 BYTES("\x02\0\0\0\x07\0\x01" ADDR_V6 "\x09\0\x50\x02\0"), TCPC_FEEDBACK_VALUE},
	{"service with engine 2", BYTES("\x02\0\0\0\x07\0\x01" ADDR_V6 "\x09\0\x50\0\x02"),
	 TCPC_FEEDBACK_VALUE},
	{"allow op 3", BYTES("\x03\0\0\0\x09\x03\0\0"), TCPC_FEEDBACK_VALUE},
	{"clear with a prefix", BYTES("\x03\0\0\0\x09\0\0\x01" ADDR_V6 "\x09\x80"),
	 TCPC_FEEDBACK_COUNT},
	{"961 prefixes", BYTES("\x03\0\0\0\x09\x01\x03\xc1"), TCPC_FEEDBACK_COUNT},
	{"129 bits", BYTES("\x03\0\0\0\x09\x01\0\x01" ADDR_V6 "\x09\x81"), TCPC_FEEDBACK_VALUE},
	{"host bits", BYTES("\x03\0\0\0\x09\x01\0\x01" ADDR_V6 "\x09\x7f"), TCPC_FEEDBACK_VALUE},
	{"no receipts", BYTES("\x04\0\0"), TCPC_FEEDBACK_COUNT},
	{"513 receipts", BYTES("\x04\x02\x01"), TCPC_FEEDBACK_COUNT},
	{"65535 receipts", BYTES("\x04\xff\xff"), TCPC_FEEDBACK_COUNT},
	{"5 SACK blocks", BYTES("\x04\0\x01\x85" RECEIPT_V4 SACK SACK SACK SACK SACK),
	 TCPC_FEEDBACK_COUNT},
	{"unknown bit in a receipt", BYTES("\x04\0\x01\xc0" RECEIPT_V4), TCPC_FEEDBACK_VALUE},
	{"IPv4 in the long form",
	 BYTES("\x04\0\x01\x00\x12\xff\xfe" MAPPED "\xc6\x12\0\x01" MAPPED "\x0a\0\0\x09"
	       "\x9c\x40\x1f\x90\x01\x02\x03\x04\xa1\xa2\xa3\xa4\0\0\x05\xb4"),
	 TCPC_FEEDBACK_VALUE},
	{"held: nothing", BYTES("\x08\0\0"), TCPC_FEEDBACK_COUNT},
	{"held: 513", BYTES("\x08\x02\x01"), TCPC_FEEDBACK_COUNT},
	{"held: the end before the beginning",
	 BYTES("\x08\0\x01\x80" FLOW_V4 "\0\0\0\x08\0\0\0\x07"), TCPC_FEEDBACK_VALUE},
	{"held: a byte more than 1 GB", BYTES("\x08\0\x01\x80" FLOW_V4 "\0\0\0\x08\x40\0\0\x09"),
	 TCPC_FEEDBACK_VALUE},
	{"held: with a SACK block", BYTES("\x08\0\x01\x81" FLOW_V4 "\0\0\0\x08\0\0\0\x09"),
	 TCPC_FEEDBACK_VALUE},
	{"held: IPv4 in the long form",
	 BYTES("\x08\0\x01\0" MAPPED "\xc6\x12\0\x01" MAPPED "\x0a\0\0\x09"
	       "\x9c\x40\x1f\x90\0\0\0\x08\0\0\0\x09"),
	 TCPC_FEEDBACK_VALUE},
	{"shed: nothing", BYTES("\x09\0\0"), TCPC_FEEDBACK_COUNT},
	{"shed: 65535", BYTES("\x09\xff\xff"), TCPC_FEEDBACK_COUNT},
	{"shed: for reason 0", BYTES("\x09\0\x01\x80\0" FLOW_V4), TCPC_FEEDBACK_VALUE},
	{"shed: for reason 4", BYTES("\x09\0\x01\x80\x04" FLOW_V4), TCPC_FEEDBACK_VALUE},
	{"shed: unknown bit", BYTES("\x09\0\x01\xc0\x01" FLOW_V4), TCPC_FEEDBACK_VALUE},
	{"break: with a SACK block", BYTES("\x0a\x81" FLOW_V4 "\0\0\0\x08\0\0\0\x09"),
	 TCPC_FEEDBACK_VALUE},
	{"break: IPv4 in the long form",
	 BYTES("\x0a\0" MAPPED "\xc6\x12\0\x01" MAPPED "\x0a\0\0\x09"
	       "\x9c\x40\x1f\x90\0\0\0\x08\0\0\0\x09"),
	 TCPC_FEEDBACK_VALUE},
	{"bye for an unknown reason", BYTES("\x07\xc8"), TCPC_FEEDBACK_VALUE},
};

#define N_FRAMES (sizeof(frames) / sizeof(frames[0]))

static void test_frames(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_FRAMES; i++) {
		enum tcpc_feedback_reason reason = read_exactly(frames[i].body, frames[i].n);

		if (reason != frames[i].reason)
			fail_msg("%s: '%s', wanted '%s'", frames[i].name,
				 tcpc_feedback_reason_text(reason),
				 tcpc_feedback_reason_text(frames[i].reason));
	}
}

/* Every good frame, cut at every length and with a byte too many. */
static void test_lengths(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_FRAMES; i++) {
		__u8 longer[256] = {};

		if (frames[i].reason != TCPC_FEEDBACK_OK)
			continue;
		for (__u32 n = 0; n < frames[i].n; n++)
			if (read_exactly(frames[i].body, n) != TCPC_FEEDBACK_SHORT)
				fail_msg("%s cut to %u bytes is taken", frames[i].name, n);
		memcpy(longer, frames[i].body, frames[i].n);
		if (read_exactly(longer, frames[i].n + 1) != TCPC_FEEDBACK_TRAILING)
			fail_msg("%s with a byte more is taken", frames[i].name);
	}
}

/* ---- there and back ------------------------------------------------------------------------- */

static void test_preamble(void **state)
{
	static const __u8 wire[] = "TCPCLINK\x01\x02\x80\x01\x0a\x0b\x0c\x0d"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
	struct tcpc_feedback_preamble p = {}, back;
	__u8 out[TCPC_FEEDBACK_PREAMBLE_BYTES];

	(void)state;
	p.protocol = 0x0102;
	p.flags = 0x8001;
	p.abi = 0x0a0b0c0d;
	memcpy(p.public_key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", sizeof(p.public_key));
	tcpc_feedback_put_preamble(out, &p);
	assert_memory_equal(out, wire, sizeof(out));
	tcpc_feedback_get_preamble(wire, &back);
	assert_memory_equal(&back, &p, sizeof(p));
	for (__u32 n = 0; n <= sizeof(out); n++)
		assert_true(tcpc_feedback_magic_ok(out, n));
	for (__u32 i = 0; i < TCPC_FEEDBACK_MAGIC_BYTES; i++) {
		out[i] ^= 1;
		assert_true(tcpc_feedback_magic_ok(out, i));
		assert_false(tcpc_feedback_magic_ok(out, i + 1));
		out[i] ^= 1;
	}
}

static void test_receipts(void **state)
{
	const struct tcpc_addr addrs[] = {V4(198, 18, 0, 1), V4(0, 0, 0, 0), v6(1)};
	struct tcpc_feedback_batch batch;
	struct tcpc_receipt in[9 * (TCPC_MAX_SACK + 1)] = {};
	struct tcpc_link_news news;
	__u8 body[TCPC_FEEDBACK_BODY_MAX];
	__u32 n = 0, n_bytes, i, k;

	(void)state;
	assert_int_equal(tcpc_link_news_init(&news), 0);
	tcpc_feedback_batch_begin(&batch, body, sizeof(body));
	for (i = 0; i < 9; i++) {
		for (k = 0; k <= TCPC_MAX_SACK; k++, n++) {
			in[n].client = addrs[i % 3];
			in[n].server = addrs[i / 3];
			in[n].client_port = tcpc_htons(1000 + n);
			in[n].server_port = tcpc_htons(8080);
			in[n].seq = 0xfffffff0 + n;
			in[n].ack = 7 * n;
			in[n].payload_bytes = 1u << n % 32;
			in[n].window = 65535 - n;
			in[n].flags = n;
			in[n].n_sack = k;
			for (__u32 j = 0; j < 2 * k; j++)
				in[n].sack[j] = j << 28 | n;
			assert_int_equal(tcpc_feedback_batch_add(&batch, &in[n]), 1);
		}
	}
	n_bytes = tcpc_feedback_batch_end(&batch);
	/* 4 pairs of addresses are IPv4 on both sides, the others take the long form. */
	assert_int_equal(n_bytes, 3 + 4 * 5 * 28 + 5 * 5 * 52 + 9 * 8 * (1 + 2 + 3 + 4));
	assert_int_equal(read_body(body, n_bytes, &news), TCPC_FEEDBACK_OK);
	assert_int_equal(news.n, n);
	assert_memory_equal(news.decoded->receipts, in, sizeof(in));
	tcpc_link_news_free(&news);
}

static void test_news(void **state)
{
	const struct tcpc_addr addrs[] = {V4(198, 18, 0, 1), v6(1)};
	struct tcpc_held in[8] = {};
	struct tcpc_shed out[8] = {};
	__u8 held_body[TCPC_FEEDBACK_BODY_MAX], shed_body[TCPC_FEEDBACK_BODY_MAX];
	struct tcpc_feedback_batch held, shed;
	struct tcpc_link_news news;
	__u32 n_bytes;

	(void)state;
	assert_int_equal(tcpc_link_news_init(&news), 0);
	tcpc_feedback_news_begin(&held, held_body, sizeof(held_body), TCPC_FEEDBACK_HELD);
	tcpc_feedback_news_begin(&shed, shed_body, sizeof(shed_body), TCPC_FEEDBACK_SHED);
	for (__u32 i = 0; i < 8; i++) {
		in[i].flow.client = out[i].flow.client = addrs[i % 2];
		in[i].flow.server = out[i].flow.server = addrs[i / 2 % 2];
		in[i].flow.client_port = out[i].flow.client_port = tcpc_htons(1000 + i);
		in[i].flow.server_port = out[i].flow.server_port = tcpc_htons(8080);
		in[i].seq = 0xfffffffc + i;
		in[i].end = in[i].seq + (TCPC_FEEDBACK_HELD_BYTES >> i);
		out[i].reason = 1 + i % 3;
		assert_int_equal(tcpc_feedback_add_held(&held, &in[i]), 1);
		assert_int_equal(tcpc_feedback_add_shed(&shed, &out[i]), 1);
	}
	n_bytes = tcpc_feedback_batch_end(&held);
	assert_int_equal(n_bytes, 3 + 2 * 21 + 6 * 45);
	assert_int_equal(read_body(held_body, n_bytes, &news), TCPC_FEEDBACK_OK);
	assert_int_equal(news.n, 8);
	assert_memory_equal(news.decoded->held, in, sizeof(in));
	n_bytes = tcpc_feedback_batch_end(&shed);
	assert_int_equal(n_bytes, 3 + 2 * 14 + 6 * 38);
	assert_int_equal(read_body(shed_body, n_bytes, &news), TCPC_FEEDBACK_OK);
	assert_memory_equal(news.decoded->shed, out, sizeof(out));
	tcpc_link_news_free(&news);
}

/* Full by count, full by bytes, and what has no encoding. */
static void test_news_bounds(void **state)
{
	struct tcpc_held held = {
		.flow = {.client = V4(198, 18, 0, 1), .server = V4(198, 18, 0, 2)}};
	struct tcpc_shed shed = {.flow = held.flow};
	__u8 body[TCPC_FEEDBACK_BODY_MAX];
	struct tcpc_feedback_batch batch;
	__u32 i;

	(void)state;
	tcpc_feedback_news_begin(&batch, body, sizeof(body), TCPC_FEEDBACK_HELD);
	for (i = 0; tcpc_feedback_add_held(&batch, &held) == 1; i++)
		;
	assert_int_equal(i, TCPC_FEEDBACK_HELD_MAX);
	assert_int_equal(read_exactly(body, tcpc_feedback_batch_end(&batch)), TCPC_FEEDBACK_OK);
	held.flow.client = v6(1);
	tcpc_feedback_news_begin(&batch, body, sizeof(body), TCPC_FEEDBACK_HELD);
	for (i = 0; tcpc_feedback_add_held(&batch, &held) == 1; i++)
		;
	assert_int_equal(i, (sizeof(body) - 3) / 45);
	assert_int_equal(read_exactly(body, tcpc_feedback_batch_end(&batch)), TCPC_FEEDBACK_OK);
	held.end = held.seq - 1;
	assert_int_equal(tcpc_feedback_add_held(&batch, &held), -1);
	for (shed.reason = 0; shed.reason < 6; shed.reason++) {
		tcpc_feedback_news_begin(&batch, body, sizeof(body), TCPC_FEEDBACK_SHED);
		assert_int_equal(tcpc_feedback_add_shed(&batch, &shed),
				 shed.reason && shed.reason < 4 ? 1 : -1);
	}
}

static void test_batch_bounds(void **state)
{
	struct tcpc_receipt r = {.client = V4(198, 18, 0, 1), .server = V4(198, 18, 0, 2)};
	__u8 body[TCPC_FEEDBACK_BODY_MAX];
	struct tcpc_feedback_batch batch;
	__u32 n_bytes, i;

	(void)state;
	tcpc_feedback_batch_begin(&batch, body, sizeof(body));
	for (i = 0; i < TCPC_FEEDBACK_RECEIPTS_MAX; i++)
		assert_int_equal(tcpc_feedback_batch_add(&batch, &r), 1);
	assert_int_equal(tcpc_feedback_batch_add(&batch, &r), 0);
	n_bytes = tcpc_feedback_batch_end(&batch);
	assert_int_equal(read_exactly(body, n_bytes), TCPC_FEEDBACK_OK);

	/* The longest ones fill the frame before the count is reached. */
	r.client = v6(1);
	r.n_sack = TCPC_MAX_SACK;
	tcpc_feedback_batch_begin(&batch, body, sizeof(body));
	for (i = 0; tcpc_feedback_batch_add(&batch, &r) == 1; i++)
		;
	assert_int_equal(i, (sizeof(body) - 3) / 84);
	n_bytes = tcpc_feedback_batch_end(&batch);
	assert_true(n_bytes <= sizeof(body));
	assert_int_equal(read_exactly(body, n_bytes), TCPC_FEEDBACK_OK);

	r.n_sack = TCPC_MAX_SACK + 1;
	tcpc_feedback_batch_begin(&batch, body, sizeof(body));
	assert_int_equal(tcpc_feedback_batch_add(&batch, &r), -1);
	assert_int_equal(tcpc_feedback_bytes(&batch.w), 3);
}

/* One bit set, at every place, against every prefix length. */
static void test_prefix_bits(void **state)
{
	(void)state;
	for (__u32 bit = 0; bit < 128; bit++) {
		struct tcpc_addr a = {};

		((__u8 *)&a)[bit / 8] = 0x80 >> bit % 8;
		for (__u32 bits = 0; bits <= 130; bits++)
			assert_int_equal(tcpc_feedback_prefix_ok(&a, bits),
					 bits > bit && bits <= 128);
	}
}

static void test_writer_bounds(void **state)
{
	char version[TCPC_FEEDBACK_VERSION_MAX + 2];
	struct tcpc_feedback_writer w;
	__u8 body[4];

	(void)state;
	w = tcpc_feedback_begin(body, sizeof(body), TCPC_FEEDBACK_ACK);
	tcpc_feedback_put_u32(&w, 1);
	assert_true(w.failed);
	assert_int_equal(tcpc_feedback_bytes(&w), 1);
	tcpc_feedback_put_u8(&w, 1); /* what failed once stays failed */
	assert_int_equal(tcpc_feedback_bytes(&w), 1);

	memset(version, 'x', sizeof(version));
	version[sizeof(version) - 1] = 0;
	w = tcpc_feedback_begin(body, sizeof(body), TCPC_FEEDBACK_HELLO);
	tcpc_feedback_put_hello(&w, TCPC_FEEDBACK_ONLINE, version);
	assert_true(w.failed);
}

static void test_reason_texts(void **state)
{
	(void)state;
	for (__u32 i = 0; i < __TCPC_FEEDBACK_REASON_MAX; i++)
		assert_true(strlen(tcpc_feedback_reason_text(i)) > 5);
	assert_string_equal(tcpc_feedback_reason_text(__TCPC_FEEDBACK_REASON_MAX),
			    "unknown reason");
	assert_string_equal(tcpc_feedback_reason_text(0xffffffff), "unknown reason");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),	      cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_preamble),      cmocka_unit_test(test_receipts),
		cmocka_unit_test(test_batch_bounds),  cmocka_unit_test(test_prefix_bits),
		cmocka_unit_test(test_writer_bounds), cmocka_unit_test(test_reason_texts),
		cmocka_unit_test(test_news),	      cmocka_unit_test(test_news_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
