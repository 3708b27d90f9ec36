/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bpf_online.h - the online host's programs, loaded, between three veth pairs: packets come in on
 * live0, clones go out of copy0, copies leave by out0. What the tests of tap and of copy share.
 */
#ifndef TCPCOPY_TESTS_BPF_ONLINE_H
#define TCPCOPY_TESTS_BPF_ONLINE_H

#include "bpf_run.h"

#include "online.skel.h"

#define SERVICE_PORT 80
#define CB_MAGIC 0x7463700a /* as in copies.bpf.h */
#define NEVER_NS UINT64_MAX /* for a lease that does not end */

#define COUNTER(name) offsetof(struct tcpc_online_stats, name)
#define COUNTS(name) .counter = COUNTER(name)

/* Parts of a struct frame_spec. */
#define DATA .flags = TCPC_TCP_ACK | TCPC_TCP_PSH, .payload_bytes = 100
#define V6 .family = 6

#define ARMED                                                                                      \
	{                                                                                          \
		.flags = TCPC_SERVICE_ARMED, .sample = TCPC_SAMPLE_ALL                             \
	}

static const struct tcpc_service armed = ARMED;

static const char *const online_names[] = {TCPC_ONLINE_COUNTERS(COUNTER_NAME)};

static struct online {
	struct online_bpf *skel;
	struct counters counters;
	int live, copy, out; /* indices of the interfaces */
	int tap_fd, copy_fd; /* programs */
} lab;

/* Of the ring; 0: as the object has it. To be set before online_enter(). */
static __u32 online_journal_bytes;

/** one_of - the counters of one packet that the tap has seen and that goes the way of @counter. */
static inline struct tcpc_online_stats one_of(size_t counter)
{
	struct tcpc_online_stats want = {.seen = 1};

	*(__u64 *)((char *)&want + counter) += 1;
	return want;
}

/** stats_now - the counters. */
static inline struct tcpc_online_stats stats_now(void)
{
	struct tcpc_online_stats now;

	if (tcpc_datapath_sum(lab.counters.map, (__u64 *)&now, sizeof(now) / 8))
		expect_fail("cannot read the counters");
	return now;
}

/** online_write - change one element of a map. */
static inline void online_write(struct bpf_map *map, const void *key, const void *value)
{
	int r = value ? bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY)
		      : bpf_map_delete_elem(bpf_map__fd(map), key);

	if (r)
		expect_fail("map %s: %s", bpf_map__name(map), strerror(errno));
}

/** online_service - set what is done with SERVICE_PORT on live0. */
static inline void online_service(const struct tcpc_service *service)
{
	struct tcpc_service_key key = {lab.live, tcpc_htons(SERVICE_PORT), 0};

	lab.skel->bss->copied_ports[SERVICE_PORT / 64] |= 1ULL << SERVICE_PORT % 64;
	online_write(lab.skel->maps.services, &key, service);
}

/** online_config - set the copy device, the end of the lease and the sampling key. */
static inline void online_config(int copy_ifindex, __u64 lease_until_ns)
{
	struct tcpc_online_config config = {
		.abi_version = TCPC_ABI_VERSION,
		.copy_ifindex = copy_ifindex,
		.lease_until_ns = lease_until_ns,
		.hash_key = {1, 2},
	};
	__u32 zero = 0;

	online_write(lab.skel->maps.config, &zero, &config);
}

/** online_targets - set where copies of live0 go; NULL for nowhere. */
static inline void online_targets(const struct tcpc_target_set *set)
{
	__u32 key = lab.live;

	online_write(lab.skel->maps.targets, &key, set);
}

/** online_target - a target of @family, number @n, that would take every copy. */
static inline struct tcpc_target online_target(int family, __u8 n, __u16 port)
{
	struct tcpc_target target = {
		.addr = frame_host(&(struct frame_spec){.family = family}, n),
		.port = tcpc_htons(port),
		.flags = TCPC_TARGET_READY,
		.ifindex = lab.out,
	};

	return target;
}

/** online_clone - how copy gets a clone that tap made for @target. */
static inline struct bpf_run *online_clone(__u32 target)
{
	static struct bpf_run run;

	run.ifindex = lab.copy;
	run.ingress_ifindex = lab.live;
	run.cb[0] = CB_MAGIC;
	run.cb[1] = target;
	return &run;
}

/** online_prefix - put @action for a prefix of @bits (of a mapped address) into an LPM map. */
static inline void online_prefix(struct bpf_map *map, __u32 set, const struct tcpc_addr *addr,
				 __u32 bits, __u32 action)
{
	struct tcpc_filter_key key = {TCPC_FILTER_SET_BITS + bits, set, *addr};
	struct tcpc_filter value = {.action = action};

	online_write(map, &key, action == TCPC_FILTER_NONE ? NULL : (void *)&value);
}

/* Group setup. */
static inline int online_enter(void **state)
{
	if (lab_enter(state))
		return -1;
	if (!in_netns)
		return 0;
	lab.skel = online_bpf__open();
	if (!lab.skel ||
	    (online_journal_bytes &&
	     bpf_map__set_max_entries(lab.skel->maps.journal, online_journal_bytes)) ||
	    online_bpf__load(lab.skel)) {
		perror("loading the online programs");
		return -1;
	}
	lab.tap_fd = bpf_program__fd(lab.skel->progs.tap);
	lab.copy_fd = bpf_program__fd(lab.skel->progs.copy);
	lab.live = lab_link("live0", "live1");
	lab.copy = lab_link("copy0", "copy1");
	lab.out = lab_link("out0", "out1");
	lab.counters.map = lab.skel->maps.stats;
	lab.counters.names = online_names;
	lab.counters.n = COUNT_OF(online_names);
	return 0;
}

/* Group teardown; the namespaces go with the process. */
static inline int online_leave(void **state)
{
	(void)state;
	online_bpf__destroy(lab.skel);
	return 0;
}

#endif
