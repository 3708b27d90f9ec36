// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_copy_tunnel.c - copies that leave by a tunnel: whom their frames are for, and what happens
 * to those that are larger than the tunnel takes. Guards invariant 5 (one counter for every way).
 */
#include "../harness/bpf_online.h"
#include "tcpcopy/tunnel.h"

#define MTU 400 /* bytes from the IP header on */
#define MAX_PIECES 8

static const struct row {
	const char *description;
	struct frame_spec spec;
	__u32 flags; /* of the target, further ones */
	int verdict;
	struct tcpc_online_stats moved;
	unsigned int pieces; /* 0: it leaves as it is */
} rows[] = {
	{"IPv4", {DATA}, .verdict = VERDICT_REDIRECT, .moved = {.copied = 1, .copied_bytes = 100}},
	{"IPv6",
	 {V6, DATA},
	 .verdict = VERDICT_REDIRECT,
	 .moved = {.copied = 1, .copied_bytes = 100}},
	{"as large as may be",
	 {.payload_bytes = MTU - 40},
	 .verdict = VERDICT_REDIRECT,
	 .moved = {.copied = 1, .copied_bytes = MTU - 40}},
	{"IPv4, one byte larger: two pieces",
	 {.flags = TCPC_TCP_ACK, .payload_bytes = MTU - 39},
	 .verdict = VERDICT_REDIRECT,
	 .moved = {.copied = 1, .copied_bytes = MTU - 39, .tunnel_cut = 1},
	 .pieces = 2},
	{"IPv6, one byte larger",
	 {V6, .flags = TCPC_TCP_ACK | TCPC_TCP_PSH, .payload_bytes = MTU - 59},
	 .verdict = VERDICT_REDIRECT,
	 .moved = {.copied = 1, .copied_bytes = MTU - 59, .tunnel_cut = 1},
	 .pieces = 2},
	{"the journal has it whole",
	 {V6, .flags = TCPC_TCP_ACK | TCPC_TCP_PSH, .payload_bytes = MTU - 59},
	 .flags = TCPC_TARGET_JOURNAL,
	 .verdict = VERDICT_REDIRECT,
	 .moved = {.copied = 1, .copied_bytes = MTU - 59, .tunnel_cut = 1},
	 .pieces = 2},
	{"an odd number of bytes, options, PSH and FIN",
	 {V6, .flags = TCPC_TCP_ACK | TCPC_TCP_PSH | TCPC_TCP_FIN, .tcp_option_bytes = 12,
	  .tcp_options = {1, 1, 8, 10}, .payload_bytes = MTU + 77},
	 .verdict = VERDICT_REDIRECT,
	 .moved = {.copied = 1, .copied_bytes = MTU + 77, .tunnel_cut = 1},
	 .pieces = 2},
	{"data in a SYN",
	 {.flags = TCPC_TCP_SYN, .payload_bytes = MTU + 1},
	 .verdict = VERDICT_REDIRECT,
	 .moved = {.copied = 1, .copied_bytes = MTU + 1, .tunnel_cut = 1},
	 .pieces = 2},
	{"as many pieces as may be",
	 {V6, .flags = TCPC_TCP_ACK | TCPC_TCP_PSH, .payload_bytes = 8 * (MTU - 60)},
	 .verdict = VERDICT_REDIRECT,
	 .moved = {.copied = 1, .copied_bytes = 8 * (MTU - 60), .tunnel_cut = 1},
	 .pieces = 8},
	{"one byte more: left to the kernel over IPv4",
	 {.payload_bytes = 8 * (MTU - 40) + 1},
	 .verdict = VERDICT_REDIRECT,
	 .moved = {.copied = 1, .copied_bytes = 8 * (MTU - 40) + 1, .tunnel_cut = 1}},
	{"one byte more, IPv6: nobody can",
	 {V6, .flags = TCPC_TCP_ACK | TCPC_TCP_PSH, .payload_bytes = 8 * (MTU - 60) + 1},
	 .verdict = VERDICT_DROP,
	 .moved = {.too_big = 1}},
};

/* What the journal has of a copy. */
static int note_bytes(void *user, void *data, size_t bytes)
{
	const struct tcpc_journal_head *head = data;

	(void)bytes;
	*(__u32 *)user = head->kept == TCPC_KEPT_NOT ? head->payload_bytes : 0;
	return 0;
}

static void expect_noted(const struct row *row)
{
	__u32 noted = 0;
	struct ring_buffer *ring =
		ring_buffer__new(bpf_map__fd(lab.skel->maps.journal), note_bytes, &noted, NULL);

	if (!ring)
		expect_fail("the journal cannot be read: %s", strerror(errno));
	ring_buffer__consume(ring);
	ring_buffer__free(ring);
	expect_u64(row->description, "bytes in the journal", noted,
		   row->flags & TCPC_TARGET_JOURNAL ? row->spec.payload_bytes : 0);
}

/** Pieces that have left, put together again. */
struct whole {
	__u32 next_seq, bytes; /* bytes: of @payload */
	__u8 flags;
	__u8 payload[RUN_MAX];
};

static void add_piece(const struct row *row, struct whole *w, const __u8 *frame, __u32 bytes,
		      bool last)
{
	struct tcpc_pkt pkt;

	if (tcpc_parse(frame, frame + bytes, bytes, TCPC_LINK_ETHER, &pkt) != TCPC_PARSE_OK)
		expect_fail("%s: a piece is no packet", row->description);
	expect_u64(row->description, "a piece's checksums are right",
		   frame_checks_right(frame + pkt.l3_off, frame + pkt.l4_off,
				      pkt.tcp_bytes + pkt.payload_bytes),
		   1);
	expect_u64(row->description, "a piece is too large", bytes - pkt.l3_off > MTU, 0);
	expect_u64(row->description, "a piece ends where its frame ends", bytes,
		   pkt.l4_off + pkt.tcp_bytes + pkt.payload_bytes);
	if (w->bytes)
		expect_u64(row->description, "number of a piece", pkt.seq, w->next_seq);
	expect_u64(row->description, "SYN in the first alone", pkt.flags & TCPC_TCP_SYN,
		   w->bytes ? 0 : row->spec.flags & TCPC_TCP_SYN);
	if (!last)
		expect_u64(row->description, "PSH and FIN in the last alone",
			   pkt.flags & (TCPC_TCP_FIN | TCPC_TCP_PSH), 0);
	w->next_seq = pkt.seq + tcpc_pkt_seq_len(&pkt);
	w->flags |= pkt.flags;
	memcpy(w->payload + w->bytes, frame + bytes - pkt.payload_bytes, pkt.payload_bytes);
	w->bytes += pkt.payload_bytes;
}

/* All pieces but the last have left by @fd, that one is what the program has returned. */
static void expect_pieces(const struct row *row, int fd, const struct bpf_run *run,
			  const struct frame *frame)
{
	static __u8 piece[RUN_MAX];
	struct whole w = {.bytes = 0};

	for (unsigned int i = 1; i < row->pieces; i++)
		add_piece(row, &w, piece,
			  packet_next(row->description, fd, PACKET_HOST, piece, sizeof(piece)),
			  false);
	add_piece(row, &w, run->out, run->bytes, true);
	expect_u64(row->description, "payload", w.bytes, row->spec.payload_bytes);
	expect_bytes(row->description, w.payload, frame->data + frame->bytes - w.bytes, w.bytes);
	expect_u64(row->description, "flags", w.flags, row->spec.flags);
}

static void expect_row(const struct row *row, int fd)
{
	struct tcpc_target target = {
		.addr = frame_host(&row->spec, 9),
		.port = tcpc_htons(8080),
		.mtu = MTU,
		.flags = TCPC_TARGET_READY | TCPC_TARGET_TUNNEL | row->flags,
		.ifindex = lab.out,
	};
	struct tcpc_target_set set = {.n_targets = 1, .target = {target}};
	struct frame frame = frame_build(&row->spec);
	static struct bpf_run run;
	__u8 mac[TCPC_TUNNEL_MAC_BYTES];

	run.ifindex = lab.copy;
	run.ingress_ifindex = lab.live;
	run.cb[0] = CB_MAGIC;
	online_targets(&set);
	counters_mark(&lab.counters);
	bpf_run(row->description, lab.copy_fd, &run, frame.data, frame.bytes);
	expect_u64(row->description, "verdict", run.verdict, row->verdict);
	expect_moved(row->description, &lab.counters, &row->moved);
	tcpc_tunnel_mac(&target.addr, TCPC_TUNNEL_MAC_HEAD, mac);
	if (row->verdict == VERDICT_REDIRECT)
		expect_bytes(row->description, run.out, mac, sizeof(mac));
	if (row->pieces)
		expect_pieces(row, fd, &run, &frame);
	expect_noted(row);
	frame_free(&frame);
}

static void test_rows(void **state)
{
	int out;

	(void)state;
	need_netns();
	out = packet_open("out1");
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		expect_row(&rows[i], out);
	close(out);
}

/* The last bytes of an IPv4 address as they are; IPv6 addresses of one network differ. */
static void test_marks(void **state)
{
	struct tcpc_addr v4 = frame_host(&(struct frame_spec){.family = 4}, 9);
	struct tcpc_addr one = frame_host(&(struct frame_spec){.family = 6}, 1);
	struct tcpc_addr two = frame_host(&(struct frame_spec){.family = 6}, 2);
	const __u8 want[TCPC_TUNNEL_MAC_BYTES] = {2, 0x74, 198, 18, 0, 9};
	__u8 mac[TCPC_TUNNEL_MAC_BYTES], other[TCPC_TUNNEL_MAC_BYTES];

	(void)state;
	tcpc_tunnel_mac(&v4, TCPC_TUNNEL_MAC_HEAD, mac);
	assert_memory_equal(mac, want, sizeof(mac));
	tcpc_tunnel_mac(&one, TCPC_TUNNEL_MAC_HEAD, mac);
	tcpc_tunnel_mac(&two, TCPC_TUNNEL_MAC_HEAD, other);
	assert_memory_not_equal(mac, other, sizeof(mac));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_marks),
	};

	return cmocka_run_group_tests_name("copy_tunnel", tests, online_enter, online_leave);
}
