// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench_mirror.c - packets a second: mirror (native XDP), next to an XDP program that does nothing
 * but redirect, and next to TC's way of a packet, tap to copy, all in one run and by turns. Each
 * packet really leaves by a veth device. Not a test: nothing here passes or fails.
 */
#include "../harness/bpf_online.h"
#include "../harness/bench_live.h"

#include "tcpcopy/mirror.h"

#include "mirror.skel.h"

#define REPEAT 50000
#define ROUNDS 5

/* The second leaves checksums unfinished, so that it meets them so again. */
static struct mirror_bpf *skels[2];
static int bare_fd;

enum way { BARE, MIRROR, UNFINISHED, TC };

static const struct row {
	const char *description;
	enum way way;
	__u32 payload_bytes;
} rows[] = {
	{"bare XDP redirect, 100 B", BARE, 100},
	{"mirror, 100 B", MIRROR, 100},
	{"mirror, sum made anew, 100 B", UNFINISHED, 100},
	{"tap and copy (TC), 100 B", TC, 100},
	{"bare XDP redirect, 1,400 B", BARE, 1400},
	{"mirror, 1,400 B", MIRROR, 1400},
	{"mirror, sum made anew, 1,400 B", UNFINISHED, 1400},
	{"tap and copy (TC), 1,400 B", TC, 1400},
};

static struct frame frame_of(const struct row *row)
{
	/* Already as it leaves, but for the link header: it is sent again and again. */
	struct frame_spec spec = {.flags = TCPC_TCP_ACK,
				  .payload_bytes = row->payload_bytes,
				  .ttl = 64,
				  .fragmentable = 1};

	spec.daddr = frame_host(&spec, 9);
	return frame_build(&spec);
}

/* TC's way is a run of its own: there the packet is no live frame. Nanoseconds. */
static double measure_tc(const struct row *row, const struct frame *frame)
{
	struct __sk_buff skb = {.ifindex = lab.live, .ingress_ifindex = lab.live};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->data, .data_size_in = frame->bytes,
		    .ctx_in = &skb, .ctx_size_in = sizeof(skb), .repeat = REPEAT);

	if (bpf_prog_test_run_opts(lab.tap_fd, &opts))
		expect_fail("%s: %s", row->description, strerror(errno));
	return opts.duration;
}

static double measure_xdp(const struct row *row, const struct frame *frame)
{
	int fd = row->way == BARE ? bare_fd
				  : bpf_program__fd(skels[row->way - MIRROR]->progs.mirror);

	return live_run(row->description, fd, lab.live, frame, REPEAT);
}

/* Packets a second. */
static double measure(const struct row *row)
{
	struct frame frame = frame_of(row);
	struct tcpc_pkt pkt;
	double ns;

	if (row->way == UNFINISHED && frame_parse(&frame, TCPC_LINK_ETHER, &pkt) == TCPC_PARSE_OK)
		((struct tcphdr *)(frame.data + frame.l4_off))->check =
			tcpc_mirror_fold(tcpc_mirror_pseudo(&pkt, &pkt.daddr));
	ns = row->way == TC ? measure_tc(row, &frame) : measure_xdp(row, &frame);
	frame_free(&frame);
	return 1e9 / (ns > 0 ? ns : 1);
}

static int load_bare(void)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1, .imm = lab.out},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 0},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "bare", "GPL", insns, COUNT_OF(insns), NULL);
}

static int load_mirror(int generic)
{
	struct mirror_bpf *skel = skels[generic] = mirror_bpf__open();
	struct bpf_map *map, *shared;

	if (!skel)
		return -1;
	skel->rodata->mirror_generic = generic;
	bpf_object__for_each_map(map, skel->obj)
	{
		shared = bpf_object__find_map_by_name(lab.skel->obj, bpf_map__name(map));
		if (shared && bpf_map__reuse_fd(map, bpf_map__fd(shared)))
			return -1;
	}
	return mirror_bpf__load(skel);
}

static int set_up(void)
{
	static struct tcpc_attachment copy;
	struct tcpc_target_set set = {.n_targets = 1};
	struct tcpc_target *target = &set.target[0];
	struct tcpc_err err;
	void *state = NULL;

	if (online_enter(&state) || !in_netns)
		return -1;
	bare_fd = load_bare();
	if (bare_fd < 0 || load_mirror(0) || load_mirror(1) ||
	    tcpc_datapath_attach(lab.copy_fd, lab.copy, true, TCPC_HOOK_TC, &copy, &err))
		return -1;
	/* The other end must poll to take frames from XDP. */
	lab_command("ethtool -K out1 gro on && ip addr add 198.18.0.2/24 dev out0 &&"
		    " ip neigh add 198.18.0.9 lladdr 02:02:02:02:02:01 dev out0");
	target->addr = frame_host(&(struct frame_spec){.family = 4}, 9);
	target->flags = TCPC_TARGET_READY | TCPC_TARGET_HOP;
	target->ifindex = lab.out;
	memset(target->hop, 2, sizeof(target->hop));
	online_targets(&set);
	online_config(lab.copy, NEVER_NS);
	online_service(&armed);
	return 0;
}

int main(void)
{
	static double pps[COUNT_OF(rows)][ROUNDS];
	struct tcpc_online_stats now;

	if (set_up()) {
		fprintf(stderr, "bench_mirror: needs root, and a kernel that takes the programs\n");
		return 1;
	}
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < COUNT_OF(rows); i++)
			pps[i][round] = measure(&rows[i]);
	printf("%-34s %10s %10s %10s   (packets a second, %d rounds)\n", "way", "median", "min",
	       "max", ROUNDS);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		live_sort(pps[i], ROUNDS);
		printf("%-34s %10.0f %10.0f %10.0f\n", rows[i].description, pps[i][ROUNDS / 2],
		       pps[i][0], pps[i][ROUNDS - 1]);
	}
	now = stats_now();
	printf("mirrored %llu, of these sums made anew %llu, cloned %llu, copied %llu\n",
	       now.mirrored, now.sum_finished, now.cloned, now.copied);
	mirror_bpf__destroy(skels[0]);
	mirror_bpf__destroy(skels[1]);
	return online_leave(NULL);
}
