/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bpf_target.h - the target host's programs, loaded, and a host for them: live0 has 198.18.0.2 and
 * 2001:2::2, the clients 198.18.0.1 and 2001:2::1 of real connections live on lo. What the
 * tests of align and of queue_filter share.
 */
#ifndef TCPCOPY_TESTS_BPF_TARGET_H
#define TCPCOPY_TESTS_BPF_TARGET_H

#include "bpf_run.h"
#include "options_ref.h"
#include "random.h"

#include <sys/stat.h>

#include "tcpcopy/rewrite.h"

#include "target.skel.h"

#define SERVICE_PORT 80
#define NO_LISTENER_PORT 82 /* a service where nobody listens */

#define COUNTER(name) offsetof(struct tcpc_target_stats, name)
#define COUNTS(name) .counter = COUNTER(name)

/* Parts of a struct frame_spec. */
#define DATA .flags = TCPC_TCP_ACK | TCPC_TCP_PSH, .payload_bytes = 100
#define V6 .family = 6

static const char *const target_names[] = {TCPC_TARGET_COUNTERS(COUNTER_NAME)};

static struct target {
	struct target_bpf *skel;
	struct counters counters;
	int live;		       /* index of the interface */
	int align_fd, queue_filter_fd; /* programs */
} lab;

/** target_moves - the counters of one packet that align has seen and that goes by @counter. */
static inline struct tcpc_target_stats target_moves(size_t counter)
{
	struct tcpc_target_stats want = {.seen = 1};

	*(__u64 *)((char *)&want + counter) += 1;
	return want;
}

/** target_service - intercept @port on live0. */
static inline void target_service(__u16 port, __u32 flags)
{
	struct tcpc_service_key key = {lab.live, tcpc_htons(port), 0};
	struct tcpc_intercept service = {.flags = flags};

	if (bpf_map_update_elem(bpf_map__fd(lab.skel->maps.services), &key, &service, BPF_ANY))
		expect_fail("services: %s", strerror(errno));
}

/** target_allow - put @state for a prefix of @bits (of a mapped address) into the allow-list. */
static inline void target_allow(struct tcpc_addr addr, __u32 bits, __u32 state)
{
	struct tcpc_allow_key key = {.prefixlen = bits, .addr = addr};
	struct tcpc_allow value = {.state = state};

	if (bpf_map_update_elem(bpf_map__fd(lab.skel->maps.allow), &key, &value, BPF_ANY))
		expect_fail("allow: %s", strerror(errno));
}

/** target_address - host @n of the test network is an address of an intercepted interface. */
static inline void target_address(int family, __u8 n)
{
	struct tcpc_addr addr = frame_host(&(struct frame_spec){.family = family}, n);
	__u32 ifindex = lab.live;

	if (bpf_map_update_elem(bpf_map__fd(lab.skel->maps.addresses), &addr, &ifindex, BPF_ANY))
		expect_fail("addresses: %s", strerror(errno));
}

/** align_run - align over @frame as if it came in on live0, and what should become of it. */
static inline void align_run(const char *row, const struct frame *frame, int verdict,
			     const struct frame *want, const struct tcpc_target_stats *moved)
{
	static struct bpf_run run;

	run.ifindex = lab.live;
	counters_mark(&lab.counters);
	bpf_run(row, lab.align_fd, &run, frame->data, frame->bytes);
	expect_run(row, &run, verdict, want);
	expect_moved(row, &lab.counters, moved);
}

/** random_options - fill @spec with up to 40 bytes of TCP options; now and then they are broken. */
static inline void random_options(__u64 *seed, struct frame_spec *spec)
{
	static const __u8 kinds[][2] = {
		{TCPC_OPT_NOP, 1},
		{TCPC_OPT_NOP, 1},
		{TCPC_OPT_MSS, 4},
		{TCPC_OPT_WSCALE, 3},
		{TCPC_OPT_SACK_PERM, 2},
		{TCPC_OPT_TIMESTAMP, 10},
		{TCPC_OPT_SACK, 10},
		{TCPC_OPT_SACK, 18},
		{TCPC_OPT_MPTCP, 12},
		{TCPC_OPT_MPTCP, 4},
		{TCPC_OPT_FASTOPEN, 2},
		{TCPC_OPT_FASTOPEN, 10},
		{253, 4},
		{77, 7},
		{TCPC_OPT_EOL, 1},
	};
	__u32 room = 4 * random_below(seed, 11), at = 0;
	__u8 *o = spec->tcp_options;

	spec->tcp_option_bytes = room;
	memset(o, random_below(seed, 2) ? TCPC_OPT_NOP : TCPC_OPT_EOL, 40);
	while (at < room) {
		const __u8 *kind = kinds[random_below(seed, COUNT_OF(kinds))];

		if (at + kind[1] > room)
			break;
		for (__u32 i = 2; i < kind[1]; i++)
			o[at + i] = random_next(seed);
		o[at] = kind[0];
		if (kind[1] > 1)
			o[at + 1] = kind[1];
		at += kind[1];
	}
	if (room && random_below(seed, 8) == 0)
		o[random_below(seed, room)] = random_next(seed);
}

/* Ports come again in each variant of a test. */
static inline void target_reset(void)
{
	int fd = lab.skel ? bpf_map__fd(lab.skel->maps.exchanges) : -1;
	struct tcpc_flow flow;

	while (fd >= 0 && !bpf_map_get_next_key(fd, NULL, &flow))
		bpf_map_delete_elem(fd, &flow);
}

/* Group setup. */
static inline int target_enter(void **state)
{
	struct stat netns;

	if (lab_enter(state))
		return -1;
	if (!in_netns)
		return 0;
	variant_reset = target_reset;
	lab.skel = target_bpf__open();
	if (lab.skel && !stat("/proc/self/ns/net", &netns))
		lab.skel->rodata->our_netns = netns.st_ino;
	if (!lab.skel || target_bpf__load(lab.skel)) {
		perror("loading the target programs");
		return -1;
	}
	lab.align_fd = bpf_program__fd(lab.skel->progs.align);
	lab.queue_filter_fd = bpf_program__fd(lab.skel->progs.queue_filter);
	lab.live = lab_link("live0", "live1");
	lab.counters.map = lab.skel->maps.stats;
	lab.counters.names = target_names;
	lab.counters.n = COUNT_OF(target_names);
	target_service(SERVICE_PORT, 0);
	target_service(NO_LISTENER_PORT, 0);
	target_address(4, 2);
	target_address(6, 2);
	/* The route to the client of expect_opening() leads out of live0. */
	return run_command("ip addr add 198.18.0.2/24 dev live0 && "
			   "ip addr add 2001:2::2/64 dev live0 nodad && "
			   "ip addr add 198.18.0.1/32 dev lo && "
			   "ip addr add 2001:2::1/128 dev lo nodad && "
			   /* Nothing but this keeps a packet from one's own address out, as
			    * IPv4 does: what comes again would reach the sockets. */
			   "ip6tables -w -A INPUT -i live0 -s 2001:2::1 -j DROP && "
			   "ip neigh add 198.18.0.7 lladdr 02:02:02:02:02:01 dev live0 && "
			   "ip neigh add 2001:2::7 lladdr 02:02:02:02:02:01 dev live0");
}

/* Group teardown; the namespaces go with the process. */
static inline int target_leave(void **state)
{
	(void)state;
	target_bpf__destroy(lab.skel);
	return 0;
}

#endif
