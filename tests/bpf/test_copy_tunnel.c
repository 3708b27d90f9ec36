// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_copy_tunnel.c - copies that leave by a tunnel: whom their frames are for, and what happens
 * to those that are larger than the tunnel takes. Guards invariant 5 (one counter for every way).
 */
#include "../harness/bpf_online.h"
#include "tcpcopy/tunnel.h"

#define CB_MAGIC 0x7463700a /* as in online.bpf.c */
#define MTU 600		    /* bytes from the IP header on */

static const struct row {
	const char *description;
	struct frame_spec spec;
	__u32 flags; /* of the target, further ones */
	int verdict;
	struct tcpc_online_stats moved;
	__u32 kept; /* as the journal has it */
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
	{"IPv4, one byte larger: the kernel cuts it",
	 {.payload_bytes = MTU - 39},
	 .verdict = VERDICT_REDIRECT,
	 .moved = {.copied = 1, .copied_bytes = MTU - 39, .tunnel_cut = 1}},
	{"IPv6, one byte larger, nobody hears of it",
	 {V6, .payload_bytes = MTU - 59},
	 .verdict = VERDICT_DROP,
	 .moved = {.too_big = 1}},
	{"IPv6, one byte larger: the daemon cuts it",
	 {V6, .payload_bytes = MTU - 59},
	 .flags = TCPC_TARGET_JOURNAL,
	 .verdict = VERDICT_DROP,
	 .moved = {.copied = 1, .copied_bytes = MTU - 59, .tunnel_cut = 1},
	 .kept = TCPC_KEPT_CUT},
	{"IPv4, the daemon listens",
	 {.payload_bytes = MTU - 39},
	 .flags = TCPC_TARGET_JOURNAL,
	 .verdict = VERDICT_REDIRECT,
	 .moved = {.copied = 1, .copied_bytes = MTU - 39, .tunnel_cut = 1},
	 .kept = TCPC_KEPT_NOT},
};

static int note_kept(void *user, void *data, size_t bytes)
{
	(void)bytes;
	*(__u32 *)user = ((struct tcpc_journal_head *)data)->kept;
	return 0;
}

static void expect_kept(const struct row *row)
{
	__u32 kept = UINT32_MAX;
	struct ring_buffer *ring =
		ring_buffer__new(bpf_map__fd(lab.skel->maps.journal), note_kept, &kept, NULL);

	if (!ring)
		expect_fail("the journal cannot be read: %s", strerror(errno));
	ring_buffer__consume(ring);
	ring_buffer__free(ring);
	expect_u64(row->description, "kept", kept,
		   row->flags & TCPC_TARGET_JOURNAL ? row->kept : UINT32_MAX);
}

static void expect_row(const struct row *row)
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
	expect_kept(row);
	frame_free(&frame);
}

static void test_rows(void **state)
{
	(void)state;
	need_netns();
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		expect_row(&rows[i]);
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
