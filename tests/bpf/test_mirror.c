// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_mirror.c - mirror (XDP) under BPF_PROG_TEST_RUN: what comes out is byte for byte what the
 * pure functions make, wrapped or not, with whole and with unfinished checksums; whatever is not
 * copied leaves unchanged, and is counted.
 */
#include "../harness/bpf_online.h"

#include "tcpcopy/mirror.h"
#include "tcpcopy/rewrite.h"

#include "mirror.skel.h"

static struct mirror_bpf *skel;

static const __u8 hop[12] = {2, 9, 9, 9, 9, 9, 2, 8, 8, 8, 8, 8};

static const struct shape {
	const char *description;
	struct frame_spec spec;
} shapes[] = {
	{"IPv4 data", {DATA}},
	{"SYN", {.flags = TCPC_TCP_SYN, .tcp_option_bytes = 20}},
	{"one byte and padding", {.payload_bytes = 1, .padding = 5}},
	{"odd length", {.payload_bytes = 101}},
	{"all options", {.payload_bytes = 333, .ip_option_words = 10, .tcp_option_bytes = 40}},
	{"more than one piece of a sum", {.payload_bytes = 1460}},
	{"two tags", {DATA, .vlan_tags = 2}},
	{"IPv6 data", {V6, DATA}},
	{"IPv6, odd length, a tag", {V6, .payload_bytes = 77, .vlan_tags = 1}},
	{"IPv6 extension headers", {V6, DATA, .ext = {0, 43, 60}, .n_ext = 3, .ext_units = 1}},
};

static struct tcpc_target target_of(int family)
{
	struct tcpc_target target = {
		.addr = frame_host(&(struct frame_spec){.family = family}, 9),
		.port = tcpc_htons(8080),
		.flags = TCPC_TARGET_READY | TCPC_TARGET_HOP,
		.ifindex = lab.out,
	};

	memcpy(target.hop, hop, sizeof(hop));
	return target;
}

/* The frame that is to leave: without tags, for its target, with a new link header. */
static struct frame expected(const struct shape *shape, const struct tcpc_target *target)
{
	struct frame_spec spec = shape->spec;
	struct frame want;

	spec.vlan_tags = 0;
	spec.daddr = target->addr;
	spec.dport = tcpc_ntohs(target->port);
	spec.ttl = TCPC_COPY_TTL;
	spec.fragmentable = 1;
	want = frame_build(&spec);
	memcpy(want.data, hop, sizeof(hop));
	return want;
}

/* @unfinished: as made on this machine. */
static void expect_mirrored(const struct shape *shape, int unfinished)
{
	struct tcpc_target target = target_of(shape->spec.family);
	struct tcpc_target_set set = {.n_targets = 1, .target = {target}};
	struct tcpc_online_stats moved = one_of(COUNTER(copied));
	struct frame frame = frame_build(&shape->spec), want = expected(shape, &target);
	static struct bpf_run run;
	struct tcpc_pkt pkt;

	moved.mirrored = 1;
	moved.copied_bytes = shape->spec.payload_bytes;
	moved.sum_finished = unfinished;
	if (unfinished) {
		expect_u64(shape->description, "parse", frame_parse(&frame, TCPC_LINK_ETHER, &pkt),
			   TCPC_PARSE_OK);
		((struct tcphdr *)(frame.data + frame.l4_off))->check =
			tcpc_mirror_fold(tcpc_mirror_pseudo(&pkt, &pkt.daddr));
	}
	online_targets(&set);
	counters_mark(&lab.counters);
	xdp_run(shape->description, bpf_program__fd(skel->progs.mirror), lab.live, &run, frame.data,
		frame.bytes);
	expect_run(shape->description, &run, XDP_REDIRECT, &want);
	expect_moved(shape->description, &lab.counters, &moved);
	frame_free(&frame);
	frame_free(&want);
}

static void test_rewrite(void **state)
{
	(void)state;
	need_netns();
	for (size_t i = 0; i < COUNT_OF(shapes); i++) {
		expect_mirrored(&shapes[i], 0);
		expect_mirrored(&shapes[i], 1);
	}
}

/* What is not copied, and why. */
static const struct rest {
	const char *description;
	struct frame_spec spec;
	__u32 without; /* flag of the target */
	__u16 mtu;
	size_t counter;
} rests[] = {
	{"another port", {DATA, .dport = 81}, 0, 0, COUNTER(no_service)},
	{"pure ACK", {.flags = TCPC_TCP_ACK}, 0, 0, COUNTER(pure_ack)},
	{"no link address", {DATA}, TCPC_TARGET_HOP, 0, COUNTER(target_no_hop)},
	{"no route of its family", {V6, DATA}, 0, 0, COUNTER(target_no_route)},
	{"larger than the MTU", {.payload_bytes = 1461}, 0, 1500, COUNTER(too_big)},
};

static void test_rest(void **state)
{
	static struct bpf_run run;

	(void)state;
	need_netns();
	for (size_t i = 0; i < COUNT_OF(rests); i++) {
		const struct rest *rest = &rests[i];
		struct tcpc_target_set set = {.n_targets = 1, .target = {target_of(4)}};
		struct tcpc_online_stats moved = one_of(rest->counter);
		struct frame frame = frame_build(&rest->spec);

		set.target[0].flags &= ~rest->without;
		set.target[0].mtu = rest->mtu;
		online_targets(&set);
		counters_mark(&lab.counters);
		xdp_run(rest->description, bpf_program__fd(skel->progs.mirror), lab.live, &run,
			frame.data, frame.bytes);
		expect_run(rest->description, &run, XDP_PASS, &frame);
		expect_moved(rest->description, &lab.counters, &moved);
		frame_free(&frame);
	}
}

static int enter(void **state)
{
	struct bpf_map *map, *shared;

	if (online_enter(state))
		return -1;
	if (!in_netns)
		return 0;
	skel = mirror_bpf__open();
	if (!skel)
		return -1;
	bpf_object__for_each_map(map, skel->obj)
	{
		shared = bpf_object__find_map_by_name(lab.skel->obj, bpf_map__name(map));
		if (shared && bpf_map__reuse_fd(map, bpf_map__fd(shared)))
			return -1;
	}
	if (mirror_bpf__load(skel)) {
		perror("loading the XDP programs");
		return -1;
	}
	online_config(lab.copy, NEVER_NS);
	online_service(&armed);
	return 0;
}

static int leave(void **state)
{
	mirror_bpf__destroy(skel);
	return online_leave(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rewrite),
		cmocka_unit_test(test_rest),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
