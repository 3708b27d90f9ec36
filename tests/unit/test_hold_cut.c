// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_hold_cut.c - large frames cut at the edge of the receive window: both halves are frames that
 * the kernel takes, with checksums that come out right, and together they are what was there.
 */
#include "../harness/hold_lab.h"
#include "../harness/random.h"

#include <linux/virtio_net.h>

#include "core/hold_cut.h"
#include "tcpcopy/csum.h"

#define PSH_ACK (TCPC_TCP_PSH | TCPC_TCP_ACK)
#define HEAD sizeof(struct virtio_net_hdr)
#define UNIT 1448

static struct virtio_net_hdr head_of(const struct frame *frame, __u8 gso_type)
{
	struct virtio_net_hdr head = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = gso_type,
		.hdr_len = frame->l4_off + 20,
		.gso_size = UNIT,
		.csum_start = frame->l4_off,
		.csum_offset = 16,
	};

	return head;
}

/* The frame as the device gives it: the checksum field holds the sum over the pseudo header. */
static __u8 *with_head(const struct frame *frame, const struct virtio_net_hdr *head)
{
	__u8 *data = malloc(HEAD + frame->bytes), *tcp = data + HEAD + frame->l4_off;
	__u64 sum;

	memcpy(data, head, HEAD);
	memcpy(data + HEAD, frame->data, frame->bytes);
	sum = frame_tcp_sum(frame->data + frame->l3_off, tcp, 0) + frame->l4_bytes;
	frame_put16(tcp + 16, (__u16)~frame_checksum(sum));
	return data;
}

/* What the kernel does with it before anybody looks at the checksum. */
static void finish(__u8 *frame, const struct tcpc_pkt *pkt)
{
	__u8 *tcp = frame + pkt->l4_off;
	__u32 l4_bytes = pkt->tcp_bytes + pkt->payload_bytes;

	frame_put16(tcp + 16, frame_checksum(frame_sum(tcp, l4_bytes, 0)));
}

static void expect_half(const char *row, __u8 *data, size_t bytes, const struct tcpc_pkt *whole,
			__u32 seq, __u32 payload_bytes, __u8 flags)
{
	struct virtio_net_hdr head;
	struct tcpc_pkt pkt;

	expect_u64(row, "parse",
		   tcpc_parse(data + HEAD, data + bytes, bytes - HEAD, TCPC_LINK_ETHER, &pkt),
		   TCPC_PARSE_OK);
	expect_u64(row, "SEG.SEQ", pkt.seq, seq);
	expect_u64(row, "payload", pkt.payload_bytes, payload_bytes);
	expect_u64(row, "flags", pkt.flags, flags);
	expect_u64(row, "ACK", pkt.ack, whole->ack);
	expect_u64(row, "header", pkt.l4_off + pkt.tcp_bytes, whole->l4_off + whole->tcp_bytes);
	expect_u64(row, "length", bytes, HEAD + pkt.l4_off + pkt.tcp_bytes + payload_bytes);
	memcpy(&head, data, HEAD);
	expect_u64(row, "flags of the head", head.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	expect_u64(row, "segment size", head.gso_size, payload_bytes > UNIT ? UNIT : 0);
	expect_u64(row, "is large", head.gso_type != VIRTIO_NET_HDR_GSO_NONE, payload_bytes > UNIT);
	finish(data + HEAD, &pkt);
	expect_true(row, "checksums are right",
		    frame_checks_right(data + HEAD + pkt.l3_off, data + HEAD + pkt.l4_off,
				       pkt.tcp_bytes + payload_bytes));
}

static void expect_cut(const char *row, const struct frame_spec *spec, __u32 n)
{
	struct frame frame = frame_build(spec);
	struct virtio_net_hdr head = head_of(&frame, spec->family == 6 ? VIRTIO_NET_HDR_GSO_TCPV6
								       : VIRTIO_NET_HDR_GSO_TCPV4);
	__u8 *data = with_head(&frame, &head), *front;
	__u32 headers, rest = spec->payload_bytes - n;
	struct tcpc_pkt pkt;

	expect_u64(row, "parse", frame_parse(&frame, TCPC_LINK_ETHER, &pkt), TCPC_PARSE_OK);
	expect_u64(row, "unit", tcpc_hold_cut_unit(data, HEAD), UNIT);
	headers = pkt.l4_off + pkt.tcp_bytes;
	front = malloc(HEAD + headers + n);
	tcpc_hold_cut(data, HEAD, &pkt, n, front);
	expect_half(row, front, HEAD + headers + n, &pkt, spec->seq, n,
		    spec->flags & ~(TCPC_TCP_PSH | TCPC_TCP_FIN));
	expect_half(row, data, HEAD + headers + rest, &pkt, spec->seq + n, rest, spec->flags);
	expect_bytes(row, front + HEAD + headers, frame.data + headers, n);
	expect_bytes(row, data + HEAD + headers, frame.data + headers + n, rest);
	frame_free(&frame);
	free(front);
	free(data);
}

static void test_cut(void **state)
{
	static const struct frame_spec specs[] = {
		{.flags = PSH_ACK},
		{.flags = PSH_ACK | TCPC_TCP_FIN, .vlan_tags = 1},
		{.flags = TCPC_TCP_ACK, .vlan_tags = 2, .ip_option_words = 3},
		{.flags = PSH_ACK, .tcp_options = {1, 1, 8, 10}, .tcp_option_bytes = 12},
		{.flags = PSH_ACK, .family = 6},
		{.flags = PSH_ACK, .family = 6, .ext = {60}, .n_ext = 1, .tcp_option_bytes = 40},
	};
	static const __u32 cuts[] = {1, 2, 1447, 1448, 1449, 2 * 1448, 4001, 5000, 9999};
	char row[64];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(specs); i++)
		for (size_t c = 0; c < COUNT_OF(cuts); c++) {
			struct frame_spec spec = specs[i];

			spec.payload_bytes = 10000;
			spec.seq = 0xffffffff - 3000 * i;
			spec.ack = 77;
			snprintf(row, sizeof(row), "frame %zu behind %u bytes", i, cuts[c]);
			expect_cut(row, &spec, cuts[c]);
		}
}

/* Whatever the lengths are, odd or even. */
static void test_random_cuts(void **state)
{
	__u64 seed = 3;
	char row[64];

	(void)state;
	for (int i = 0; i < 500; i++) {
		struct frame_spec spec = {.flags = PSH_ACK, .family = i & 1 ? 6 : 4};

		spec.seq = random_next(&seed);
		spec.ack = random_next(&seed);
		spec.payload_bytes = 2 + random_below(&seed, 60000);
		snprintf(row, sizeof(row), "random cut %d", i);
		expect_cut(row, &spec, 1 + random_below(&seed, spec.payload_bytes - 1));
	}
}

/* What is no large TCP frame with an unfinished checksum stays whole. */
static void test_unit(void **state)
{
	static const struct {
		const char *row;
		__u8 flags, gso_type;
		__u32 want;
	} heads[] = {
		{"IPv4", VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_TCPV4, UNIT},
		{"IPv6", VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_TCPV6, UNIT},
		{"ECN", VIRTIO_NET_HDR_F_NEEDS_CSUM,
		 VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN, UNIT},
		{"one segment", VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_NONE, 0},
		{"UDP", VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_UDP, 0},
		{"whole checksum", VIRTIO_NET_HDR_F_DATA_VALID, VIRTIO_NET_HDR_GSO_TCPV4, 0},
		{"no checksum", 0, VIRTIO_NET_HDR_GSO_TCPV4, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		struct virtio_net_hdr head = {
			.flags = heads[i].flags, .gso_type = heads[i].gso_type, .gso_size = UNIT};

		expect_u64(heads[i].row, "unit", tcpc_hold_cut_unit(&head, HEAD), heads[i].want);
		expect_u64(heads[i].row, "another head", tcpc_hold_cut_unit(&head, HEAD - 1), 0);
	}
}

/* ---- in the queue ---------------------------------------------------------------------------- */

static struct {
	struct tcpc_exchange x;
	__u32 seq, tag, payload_bytes; /* of the last frame written back */
	int written;
} kernel;

static bool read_exchange(void *user, const struct tcpc_flow *flow, struct tcpc_exchange *ret)
{
	(void)user;
	(void)flow;
	*ret = kernel.x;
	return true;
}

static int write_back(void *user, const void *data, size_t bytes)
{
	struct tcpc_hold_tag tag;
	struct tcpc_pkt pkt;
	__u8 *copy = malloc(bytes);

	(void)user;
	memcpy(copy, data, bytes);
	expect_u64("written", "parse",
		   tcpc_parse(copy + HEAD, copy + bytes, bytes - HEAD, TCPC_LINK_ETHER, &pkt),
		   TCPC_PARSE_OK);
	memcpy(&tag, copy + HEAD + ETH_ALEN, sizeof(tag));
	free(copy);
	if (kernel.written++)
		expect_u64("written", "goes on where the last one ended", pkt.seq,
			   kernel.seq + kernel.payload_bytes);
	kernel.seq = pkt.seq;
	kernel.payload_bytes = pkt.payload_bytes;
	kernel.tag = tcpc_hold_tag_read(&tag);
	return 0;
}

static void taken(void *user, const struct tcpc_flow *flow, __u32 seq, __u32 end)
{
	(void)user;
	(void)flow;
	expect_true("taken", "whole, however it goes on", end - seq > UNIT);
}

static void give_up(void *user, const struct tcpc_flow *flow, const struct tcpc_hold_last *last)
{
	(void)user;
	(void)flow;
	(void)last;
	expect_fail("the connection was given up");
}

static const struct tcpc_hold_ops ops = {read_exchange, write_back, taken, give_up};

static void take_large(struct tcpc_hold *hold, __u32 seq, __u32 bytes)
{
	struct frame_spec spec = {.flags = PSH_ACK, .seq = seq, .ack = 300, .payload_bytes = bytes};
	struct frame frame = frame_build(&spec);
	struct virtio_net_hdr head = head_of(&frame, VIRTIO_NET_HDR_GSO_TCPV4);
	struct tcpc_hold_tag tag;
	__u8 *data;

	tcpc_hold_tag_write(&tag, 5);
	memcpy(frame.data + ETH_ALEN, &tag, sizeof(tag));
	data = with_head(&frame, &head);
	tcpc_hold_take(hold, 0, data, HEAD, HEAD + frame.bytes);
	free(data);
	frame_free(&frame);
}

/* @now: written back when the window ends at @window_end; @tag: of the last of them. */
static void expect_window(struct tcpc_hold *hold, __u32 window_end, int now, __u32 last_bytes,
			  __u32 tag)
{
	int before = kernel.written;
	char row[32];

	snprintf(row, sizeof(row), "window up to %u", window_end);
	kernel.x.window_end = window_end;
	tcpc_hold_tick(hold, 0);
	expect_u64(row, "frames", kernel.written - before, now);
	if (!now)
		return;
	expect_u64(row, "bytes of the last one", kernel.payload_bytes, last_bytes);
	expect_u64(row, "its tag", kernel.tag, tag);
}

static void test_window(void **state)
{
	struct tcpc_hold *hold = tcpc_hold_new(1 << 20, 10000 * MS, &ops, NULL);
	struct tcpc_hold_stats *s = tcpc_hold_stats(hold);

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.x.exchanges = 1;
	kernel.x.acked = 1000;
	kernel.x.client_ack = 300;
	kernel.x.window_end = 999;
	kernel.x.answer_flags = TCPC_TCP_ACK;
	take_large(hold, 1000, 60000);
	expect_window(hold, 1000, 0, 0, 0);
	/* Less than a segment: the target will say when there is more. */
	expect_window(hold, 1000 + UNIT - 1, 0, 0, 0);
	expect_window(hold, 1000 + UNIT, 1, UNIT, 0);
	expect_window(hold, 1000 + 2 * UNIT - 1, 0, 0, 0);
	expect_window(hold, 1000 + 30 * UNIT + 7, 1, 29 * UNIT, 0);
	take_large(hold, 61000, 40000);
	expect_window(hold, 61000 + 10 * UNIT, 2, 10 * UNIT, 0);
	expect_window(hold, 101000, 1, 40000 - 10 * UNIT, 5);
	expect_true("window", "nothing is left", tcpc_hold_empty(hold));
	expect_u64("window", "memory", s->bytes, 0);
	expect_u64("window", "released", s->released, 5);
	expect_u64("window", "taken", s->taken, 2);
	/* The halves of what is never released do not leak. */
	take_large(hold, 101000, 40000);
	expect_window(hold, 101000 + UNIT, 1, UNIT, 0);
	tcpc_hold_free(hold);
}

/* Order comes first: a part of a request is as early as the whole. */
static void test_not_its_turn(void **state)
{
	struct tcpc_hold *hold = tcpc_hold_new(1 << 20, 10000 * MS, &ops, NULL);

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.x.exchanges = 1;
	kernel.x.acked = 1000;
	kernel.x.answer_flags = TCPC_TCP_ACK;
	kernel.x.window_end = 1000 + 10 * UNIT;
	take_large(hold, 1000, 60000);
	expect_window(hold, 1000 + 20 * UNIT, 0, 0, 0);
	kernel.x.answer_end = 300;
	kernel.x.answer_flags = PSH_ACK;
	expect_window(hold, 1000 + 20 * UNIT, 1, 20 * UNIT, 0);
	expect_window(hold, 61000, 1, 60000 - 20 * UNIT, 5);
	tcpc_hold_free(hold);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut),	     cmocka_unit_test(test_random_cuts),
		cmocka_unit_test(test_unit),	     cmocka_unit_test(test_window),
		cmocka_unit_test(test_not_its_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
