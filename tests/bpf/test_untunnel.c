// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_untunnel.c - what comes out of a tunnel: copies of intercepted services, by their interface,
 * and nothing else. Guards invariant 5 (one counter for every way).
 */
#include "../harness/bpf_target.h"

static const __u8 own_mac[6] = {2, 1, 2, 3, 4, 5};

static void udp(struct frame *f)
{
	f->data[f->l3_off + 9] = IPPROTO_UDP;
}

static void fragment(struct frame *f)
{
	f->data[f->l3_off + 6] = 0x20;
}

static const struct row {
	const char *description;
	struct frame_spec spec;
	size_t counter;
	void (*spoil)(struct frame *);
	bool no_way; /* the interface has none */
} rows[] = {
	{"data", {DATA}, COUNTS(tunnelled)},
	{"SYN", {.flags = TCPC_TCP_SYN}, COUNTS(tunnelled)},
	{"IPv6 data", {V6, DATA}, COUNTS(tunnelled)},
	{"another port", {DATA, .dport = 81}, COUNTS(tunnel_foreign)},
	{"another address", {DATA, .daddr = V4_ADDR(3)}, COUNTS(tunnel_foreign)},
	{"IPv6, another address", {V6, DATA, .daddr = V6_ADDR(3)}, COUNTS(tunnel_foreign)},
	{"UDP", {DATA}, COUNTS(tunnel_foreign), .spoil = udp},
	{"fragment", {DATA}, COUNTS(tunnel_foreign), .spoil = fragment},
	{"an interface that takes none", {DATA}, COUNTS(tunnel_foreign), .no_way = true},
};

static void set_way(bool present)
{
	int fd = bpf_map__fd(lab.skel->maps.ways);
	struct tcpc_way way = {};
	__u32 key = lab.live;

	memcpy(way.mac, own_mac, sizeof(own_mac));
	bpf_map_delete_elem(fd, &key);
	if (present && bpf_map_update_elem(fd, &key, &way, BPF_ANY))
		expect_fail("ways: %s", strerror(errno));
}

/* Frames out of a tunnel are addressed to nobody here: their addresses are marks. A mark that the
 * packet bears would tell align that it has been there before. */
static void expect_row(const struct row *row)
{
	bool passes = row->counter == COUNTER(tunnelled);
	struct frame frame = frame_build(&row->spec);
	struct tcpc_target_stats moved = {};
	static struct bpf_run run;

	*(__u64 *)((char *)&moved + row->counter) = 1;
	if (row->spoil)
		row->spoil(&frame);
	run.ifindex = lab.live;
	run.mark = 0x74637266;
	set_way(!row->no_way);
	counters_mark(&lab.counters);
	bpf_run(row->description, bpf_program__fd(lab.skel->progs.untunnel), &run, frame.data,
		frame.bytes);
	if (passes)
		memcpy(frame.data, own_mac, sizeof(own_mac));
	expect_run(row->description, &run, passes ? VERDICT_REDIRECT : VERDICT_DROP, &frame);
	expect_moved(row->description, &lab.counters, &moved);
	if (passes)
		expect_u64(row->description, "mark", run.mark_out, 0);
	frame_free(&frame);
}

static void test_rows(void **state)
{
	(void)state;
	need_netns();
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		expect_row(&rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};

	return cmocka_run_group_tests_name("untunnel", tests, target_enter, target_leave);
}
