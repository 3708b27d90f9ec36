/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bpf_attach.h - daemons in miniature and somebody else on the same interface: what the tests of
 * attaching and of sweeping share. Packets come in on live0.
 */
#ifndef TCPCOPY_TESTS_BPF_ATTACH_H
#define TCPCOPY_TESTS_BPF_ATTACH_H

#include "bpf_run.h"

#define TCX_INGRESS ((enum bpf_attach_type)46) /* libbpf 1.1 has no name for it */
#define TCX_EGRESS ((enum bpf_attach_type)47)
#define SERVICE_PORT 80

static struct {
	int live, copy, copy2; /* indices of the interfaces */
	int foreign_fd;	       /* a program of somebody else: lets everything go on */
	int dropping_fd;       /* another: ends everything */
} lab;

/* ---- somebody else --------------------------------------------------------------------------- */

static inline int load_foreign(int verdict)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = verdict},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "foreign", "GPL", insns, COUNT_OF(insns),
			       NULL);

	if (fd < 0)
		expect_fail("foreign program: %s", strerror(errno));
	return fd;
}

/* A filter at @priority on the ingress of live0; its clsact qdisc must be there. */
static inline void add_foreign_filter(int fd, __u32 priority)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = priority, .prog_fd = fd);
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = lab.live, .attach_point = BPF_TC_INGRESS);
	int r = bpf_tc_attach(&hook, &opts);

	if (r)
		expect_fail("foreign filter: %s", strerror(-r));
}

static inline bool has_qdisc(const char *iface)
{
	return !run_command("tc qdisc show dev %s | grep -q clsact", iface);
}

static inline void remove_qdiscs(void)
{
	tcpc_datapath_remove_qdisc(lab.live);
	expect_true("clean-up", "no qdisc is left", !has_qdisc("live0"));
}

/* Group setup: also directories for two daemons, a and b. */
static inline int attach_enter(void **state)
{
	if (lab_enter(state))
		return -1;
	if (!in_netns)
		return 0;
	lab.live = lab_link("live0", "live1");
	lab.copy = lab_link("copy0", "copy1");
	lab.copy2 = lab_link("copy2", "copy3");
	lab.foreign_fd = load_foreign(VERDICT_NEXT);
	lab.dropping_fd = load_foreign(VERDICT_DROP);
	return mkdir(LAB_BPFFS "/a", 0700) || mkdir(LAB_BPFFS "/b", 0700);
}

/* ---- a daemon -------------------------------------------------------------------------------- */

static inline struct tcpc_dp_online *open_online(const char *bpffs, int copy)
{
	const __u64 key[2] = {1, 2};
	struct tcpc_dp_online *dp;
	struct tcpc_err err = {};

	if (tcpc_dp_online_open(bpffs, copy, key, key, 0, &dp, &err))
		expect_fail("%s", err.text);
	return dp;
}

static inline struct tcpc_attachment attach(struct tcpc_dp_online *dp, enum tcpc_hook hook)
{
	struct tcpc_attachment a = {};
	struct tcpc_err err = {};

	if (tcpc_dp_online_attach(dp, lab.live, false, hook, &a, &err))
		expect_fail("%s", err.text);
	return a;
}

static __u64 seen(struct tcpc_dp_online *dp)
{
	struct tcpc_online_stats stats;

	if (tcpc_dp_online_stats(dp, &stats))
		expect_fail("cannot read the counters");
	return stats.seen;
}

/* Send a packet to live0 and say how often the tap of @dp has seen it so far. The hook comes a
 * moment after packet sockets do: repeat this until it is what is expected. */
static __u64 sightings(struct tcpc_dp_online *dp)
{
	struct frame frame = frame_build(&(struct frame_spec){.payload_bytes = 10});
	int in = packet_open("live0"), out = packet_open("live1");
	__u64 before = seen(dp);
	__u8 buf[256];

	packet_send("sight", out, &frame);
	packet_next("sight", in, PACKET_HOST, buf, sizeof(buf));
	close(in);
	close(out);
	frame_free(&frame);
	return seen(dp) - before;
}

static inline int tcx_programs_on(int ifindex, enum bpf_attach_type side)
{
	__u32 ids[8], n = COUNT_OF(ids), flags;

	if (bpf_prog_query(ifindex, side, 0, &flags, ids, &n))
		expect_fail("TCX query: %s", strerror(errno));
	return n;
}

static inline int tcx_programs(int ifindex)
{
	return tcx_programs_on(ifindex, TCX_INGRESS);
}

/* Does this kernel have TCX at all? */
static inline bool has_tcx(void)
{
	__u32 n = 0, flags;

	return !bpf_prog_query(lab.live, TCX_INGRESS, 0, &flags, NULL, &n);
}

#define need_tcx()                                                                                 \
	do {                                                                                       \
		if (!has_tcx()) {                                                                  \
			print_message("skipped: this kernel has no TCX (Linux 6.6)\n");            \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

#endif
