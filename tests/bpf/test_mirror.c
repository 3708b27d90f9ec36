// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_mirror.c - mirror (XDP) under BPF_PROG_TEST_RUN: what comes out is byte for byte what the
 * pure functions make, wrapped or not, with whole and with unfinished checksums; whatever is not
 * copied leaves unchanged, and is counted.
 */
#include "../harness/bpf_journal.h"

#include "tcpcopy/choose.h"
#include "tcpcopy/mirror.h"
#include "tcpcopy/rewrite.h"

#include "mirror.skel.h"

#define HANDED_META 0x74637066 /* as in handed.bpf.h */

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

/* A checksum as a device would finish it. */
static void leave_open(struct frame *frame)
{
	struct tcpc_pkt pkt;

	expect_u64("a frame", "parse", frame_parse(frame, TCPC_LINK_ETHER, &pkt), TCPC_PARSE_OK);
	((struct tcphdr *)(frame->data + frame->l4_off))->check =
		tcpc_mirror_fold(tcpc_mirror_pseudo(&pkt, &pkt.daddr));
}

/* @unfinished: as made on this machine. */
static void expect_mirrored(const struct shape *shape, int unfinished)
{
	struct tcpc_target target = target_of(shape->spec.family);
	struct tcpc_target_set set = {.n_targets = 1, .target = {target}};
	struct tcpc_online_stats moved = one_of(COUNTER(copied));
	struct frame frame = frame_build(&shape->spec), want = expected(shape, &target);
	static struct bpf_run run;

	moved.mirrored = 1;
	moved.copied_bytes = shape->spec.payload_bytes;
	moved.sum_finished = unfinished;
	if (unfinished)
		leave_open(&frame);
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

/* XDP's metadata stand before the frame here: takes them away. Returns them. */
static __u32 take_meta(struct bpf_run *run)
{
	__u32 meta;

	memcpy(&meta, run->out, sizeof(meta));
	run->bytes -= sizeof(meta);
	memmove(run->out, run->out + sizeof(meta), run->bytes);
	return meta;
}

/* A frame of which there are to be several copies: as it came, but for whom it is for, and nothing
 * that TC will count is counted. Then TC makes the copies and ends it. */
static void expect_handed(const struct shape *shape)
{
	static const __u8 mac[ETH_ALEN] = {0x02, 0x74, 0x63, 0x70, 0x63, 0x6d};
	struct tcpc_online_stats seen = {.seen = 1}, cloned = {.cloned = 1};
	struct frame frame = frame_build(&shape->spec), want = frame_build(&shape->spec);
	static struct bpf_run run;

	memcpy(want.data, mac, sizeof(mac));
	counters_mark(&lab.counters);
	xdp_run(shape->description, bpf_program__fd(skel->progs.mirror), lab.live, &run, frame.data,
		frame.bytes);
	expect_u64(shape->description, "metadata", take_meta(&run), HANDED_META);
	expect_run(shape->description, &run, XDP_PASS, &want);
	expect_moved(shape->description, &lab.counters, &seen);
	run.ifindex = run.ingress_ifindex = lab.live;
	counters_mark(&lab.counters);
	bpf_run(shape->description, bpf_program__fd(lab.skel->progs.tap_handed), &run, want.data,
		want.bytes);
	expect_u64(shape->description, "verdict", run.verdict, VERDICT_DROP);
	expect_moved(shape->description, &lab.counters, &cloned);
	frame_free(&frame);
	frame_free(&want);
}

/* Not handed on: tap_handed leaves it alone, counters and all. */
static void expect_left_alone(const struct shape *shape)
{
	struct tcpc_online_stats none = {.seen = 0};
	struct frame frame = frame_build(&shape->spec);
	static struct bpf_run run;

	run.ifindex = run.ingress_ifindex = lab.live;
	counters_mark(&lab.counters);
	bpf_run(shape->description, bpf_program__fd(lab.skel->progs.tap_handed), &run, frame.data,
		frame.bytes);
	expect_run(shape->description, &run, VERDICT_NEXT, &frame);
	expect_moved(shape->description, &lab.counters, &none);
	frame_free(&frame);
}

static void test_several(void **state)
{
	static const struct tcpc_service several = {
		.flags = TCPC_SERVICE_ARMED | TCPC_SERVICE_SEVERAL, .sample = TCPC_SAMPLE_ALL};

	(void)state;
	need_netns();
	online_service(&several);
	for (size_t i = 0; i < COUNT_OF(shapes); i++) {
		expect_handed(&shapes[i]);
		expect_left_alone(&shapes[i]);
	}
	online_service(&armed);
}

/* A target that is this host: the frame goes on, and what was unfinished stays so. */
static void test_local(void **state)
{
	static struct bpf_run run;

	(void)state;
	need_netns();
	for (size_t i = 0; i < 2 * COUNT_OF(shapes); i++) {
		const struct shape *shape = &shapes[i / 2];
		struct tcpc_target target = target_of(shape->spec.family);
		struct tcpc_target_set set = {.n_targets = 1};
		struct frame frame = frame_build(&shape->spec), want = expected(shape, &target);

		if (i % 2) {
			leave_open(&frame);
			leave_open(&want);
		}
		target.flags |= TCPC_TARGET_LOCAL;
		set.target[0] = target;
		online_targets(&set);
		xdp_run(shape->description, bpf_program__fd(skel->progs.mirror), lab.live, &run,
			frame.data, frame.bytes);

		expect_u64(shape->description, "metadata", take_meta(&run), TCPC_META_MIRRORED);
		expect_run(shape->description, &run, XDP_PASS, &want);
		frame_free(&frame);
		frame_free(&want);
	}
}

/* By rules: one target of several, and only what is in the VLAN. */
static void test_rules(void **state)
{
	const struct tcpc_rule rule = {
		.sample = TCPC_SAMPLE_ALL, .targets = 2, .n_vlans = 1, .vlans = {100}};
	const struct tcpc_choice choice = {tcpc_choice_word(1, 1, 0, 3, 3)};
	struct tcpc_target_set set = {.n_targets = 2, .target = {{.port = 1}, target_of(4)}};
	struct tcpc_service service = armed;
	static struct bpf_run run;
	__u32 one = 1, zero = 0;

	(void)state;
	need_netns();
	online_write(lab.skel->maps.rules, &one, &rule);
	online_write(lab.skel->maps.choices, &zero, &choice);
	service.flags |= TCPC_SERVICE_CHOICE;
	online_service(&service);
	online_targets(&set);
	for (__u8 tags = 0; tags <= 2; tags++) {
		const struct shape shape = {"rules", {DATA, .vlan_tags = tags}};
		struct tcpc_online_stats moved = one_of(tags ? COUNTER(copied) : COUNTER(not_vlan));
		struct frame frame = frame_build(&shape.spec);
		struct frame want = expected(&shape, &set.target[1]);

		moved.mirrored = !!tags;
		moved.copied_bytes = tags ? shape.spec.payload_bytes : 0;
		counters_mark(&lab.counters);
		xdp_run("rules", bpf_program__fd(skel->progs.mirror), lab.live, &run, frame.data,
			frame.bytes);
		expect_run("rules", &run, tags ? XDP_REDIRECT : XDP_PASS, tags ? &want : &frame);
		expect_moved("rules", &lab.counters, &moved);
		frame_free(&frame);
		frame_free(&want);
	}
	online_service(&armed);
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

/* The programs, with the maps of those that are loaded already. */
static int load_mirror(void)
{
	struct bpf_map *map, *shared;

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

/* What leaves is in the journal, as it left but for its addresses; what may not leave now is kept
 * there.
 */
static void expect_noted(const struct shape *shape, __u32 flags)
{
	struct tcpc_target target = target_of(shape->spec.family);
	struct tcpc_target_set set = {.n_targets = 1};
	struct frame frame = frame_build(&shape->spec), want = expected(shape, &target);
	int kept = flags & TCPC_TARGET_KEEP;
	static struct bpf_run run;
	struct tcpc_pkt pkt;

	expect_u64(shape->description, "parse", frame_parse(&want, TCPC_LINK_ETHER, &pkt),
		   TCPC_PARSE_OK);
	target.id = TARGET_ID;
	target.flags = flags | TCPC_TARGET_JOURNAL;
	set.target[0] = target;
	online_targets(&set);
	xdp_run(shape->description, bpf_program__fd(skel->progs.mirror), lab.live, &run, frame.data,
		frame.bytes);
	expect_u64(shape->description, "verdict", run.verdict, kept ? XDP_DROP : XDP_REDIRECT);
	expect_u64(shape->description, "records", tcpc_journal_read(owner.journal), 1);
	expect_u64(shape->description, "kept", owner.last.kept, !!kept);
	expect_u64(shape->description, "target", owner.last.target_id, TARGET_ID);
	expect_u64(shape->description, "interface", owner.last.ifindex, lab.out);
	expect_u64(shape->description, "seq", owner.last.seq, pkt.seq);
	expect_u64(shape->description, "flags", owner.last.flags, pkt.flags);
	expect_u64(shape->description, "payload", owner.last.payload_bytes, pkt.payload_bytes);
	expect_u64(shape->description, "segments", owner.last.segment_bytes, 0);
	expect_u64(shape->description, "length", owner.last.ip_bytes,
		   pkt.l4_off - pkt.l3_off + pkt.tcp_bytes + pkt.payload_bytes);
	expect_origin(shape->description, &shape->spec, want.data + pkt.l3_off, pkt.family == 4);
	expect_bytes(shape->description, owner.packet, want.data + pkt.l3_off, owner.last.ip_bytes);
	frame_free(&frame);
	frame_free(&want);
}

static void test_journal(void **state)
{
	(void)state;
	need_netns();
	mirror_bpf__destroy(skel);
	skel = NULL;
	begin(0, on_pressure);
	if (load_mirror())
		expect_fail("the programs cannot be loaded again");
	for (size_t i = 0; i < COUNT_OF(shapes); i++) {
		expect_noted(&shapes[i], TCPC_TARGET_READY | TCPC_TARGET_HOP);
		expect_noted(&shapes[i], TCPC_TARGET_KEEP);
	}
	end();
}

static int enter(void **state)
{
	if (online_enter(state))
		return -1;
	return in_netns ? load_mirror() : 0;
}

static int leave(void **state)
{
	mirror_bpf__destroy(skel);
	return online_leave(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rewrite), cmocka_unit_test(test_local),
		cmocka_unit_test(test_rules),	cmocka_unit_test(test_rest),
		cmocka_unit_test(test_journal), cmocka_unit_test(test_several),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
