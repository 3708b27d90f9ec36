// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_online_who.c - tap and whose packets are copied: arming, heartbeat, filters, sampling.
 * Guards invariants 1 (the packet goes on unchanged), 3 (no heartbeat, no copies) and 5 (one
 * counter for every way).
 */
#include "../harness/bpf_online.h"

#include "tcpcopy/hash.h"

/* Filter set 7: clients 198.18.0.0/24 and 2001:2::/64, but not 198.18.0.128/25 nor ::1:0/112. */
static void write_filters(void)
{
	const struct frame_spec v4 = {}, v6 = {V6};
	struct tcpc_addr addr = frame_host(&v4, 0);

	online_prefix(lab.skel->maps.filters, 7, &addr, 120, TCPC_FILTER_CLIENT);
	addr = frame_host(&v4, 128);
	online_prefix(lab.skel->maps.filters, 7, &addr, 121, TCPC_FILTER_EXCLUDE);
	addr = frame_host(&v6, 0);
	online_prefix(lab.skel->maps.filters, 7, &addr, 64, TCPC_FILTER_CLIENT);
	addr.w[3] = tcpc_htonl(0x10000);
	online_prefix(lab.skel->maps.filters, 7, &addr, 112, TCPC_FILTER_EXCLUDE);
	/* Another set must not matter. */
	addr = frame_host(&v4, 0);
	online_prefix(lab.skel->maps.filters, 8, &addr, 120, TCPC_FILTER_EXCLUDE);
}

#define FILTERED (TCPC_SERVICE_ARMED | TCPC_SERVICE_FILTER)
#define CLIENTS (FILTERED | TCPC_SERVICE_CLIENTS)
#define V4_CLIENT(n) .saddr = {{0, 0, TCPC_V4_MAPPED, tcpc_htonl(0xc6120000 | (n))}}
#define V6_CLIENT(n) V6, .saddr = {{tcpc_htonl(0x20010002), 0, 0, tcpc_htonl(n)}}

static const struct policy {
	const char *description;
	struct frame_spec spec;
	struct tcpc_service service;
	size_t counter;
	bool expired;	  /* the lease lies in the past */
	int copy_ifindex; /* 0: the copy device */
} policies[] = {
	{"not armed", {DATA}, {.sample = TCPC_SAMPLE_ALL}, COUNTS(not_armed)},
	{"no heartbeat", {DATA}, ARMED, COUNTS(no_heartbeat), .expired = true},
	{"no heartbeat, SYN",
	 {.flags = TCPC_TCP_SYN},
	 ARMED,
	 COUNTS(no_heartbeat),
	 .expired = true},
	{"no copy device", {DATA}, ARMED, COUNTS(clone_failed), .copy_ifindex = 0x7ffffff},
	{"sample of nothing", {DATA}, {.flags = TCPC_SERVICE_ARMED}, COUNTS(not_sampled)},
	{"client", {DATA, V4_CLIENT(1)}, {CLIENTS, 7, TCPC_SAMPLE_ALL, 0}, COUNTS(cloned)},
	{"client, last before the hole",
	 {DATA, V4_CLIENT(127)},
	 {CLIENTS, 7, TCPC_SAMPLE_ALL, 0},
	 COUNTS(cloned)},
	{"no client", {DATA, V4_CLIENT(0x101)}, {CLIENTS, 7, TCPC_SAMPLE_ALL, 0}, COUNTS(filtered)},
	{"excluded among clients",
	 {DATA, V4_CLIENT(128)},
	 {CLIENTS, 7, TCPC_SAMPLE_ALL, 0},
	 COUNTS(excluded)},
	{"IPv6 client", {DATA, V6_CLIENT(1)}, {CLIENTS, 7, TCPC_SAMPLE_ALL, 0}, COUNTS(cloned)},
	{"IPv6, excluded",
	 {DATA, V6_CLIENT(0x10001)},
	 {CLIENTS, 7, TCPC_SAMPLE_ALL, 0},
	 COUNTS(excluded)},
	{"IPv6, no client",
	 {V6, DATA, .saddr = {{1, 1, 1, 1}}},
	 {CLIENTS, 7, TCPC_SAMPLE_ALL, 0},
	 COUNTS(filtered)},
	{"excludes only, another",
	 {DATA, V4_CLIENT(0x101)},
	 {FILTERED, 7, TCPC_SAMPLE_ALL, 0},
	 COUNTS(cloned)},
	{"excludes only, excluded",
	 {DATA, V4_CLIENT(200)},
	 {FILTERED, 7, TCPC_SAMPLE_ALL, 0},
	 COUNTS(excluded)},
	{"empty set of clients", {DATA}, {CLIENTS, 9, TCPC_SAMPLE_ALL, 0}, COUNTS(filtered)},
	{"filter not switched on",
	 {DATA, V4_CLIENT(200)},
	 {TCPC_SERVICE_ARMED, 7, TCPC_SAMPLE_ALL, 0},
	 COUNTS(cloned)},
};

static void test_policies(void **state)
{
	static struct bpf_run run;

	(void)state;
	need_netns();
	write_filters();
	run.ifindex = lab.live;
	for (size_t i = 0; i < COUNT_OF(policies); i++) {
		const struct policy *p = &policies[i];
		struct tcpc_online_stats want = one_of(p->counter);
		struct frame frame = frame_build(&p->spec);

		if (want.not_armed) {
			want.skipped_bytes = p->spec.payload_bytes;
			want.skipped_data = 1;
		}
		online_config(p->copy_ifindex ?: lab.copy, p->expired ? 1 : NEVER_NS);
		online_service(&p->service);
		counters_mark(&lab.counters);
		bpf_run(p->description, lab.tap_fd, &run, frame.data, frame.bytes);
		expect_run(p->description, &run, VERDICT_NEXT, &frame);
		expect_moved(p->description, &lab.counters, &want);
		frame_free(&frame);
	}
}

/* The service of one interface is not that of another. */
static void test_other_interface(void **state)
{
	struct frame frame = frame_build(&(struct frame_spec){DATA});
	struct tcpc_online_stats want = one_of(COUNTER(no_service));
	static struct bpf_run run;

	(void)state;
	need_netns();
	online_config(lab.copy, NEVER_NS);
	online_service(&armed);
	run.ifindex = lab.out;
	counters_mark(&lab.counters);
	bpf_run("another interface", lab.tap_fd, &run, frame.data, frame.bytes);
	expect_run("another interface", &run, VERDICT_NEXT, &frame);
	expect_moved("another interface", &lab.counters, &want);
	frame_free(&frame);
}

#define SAMPLED_PORTS 400

/* tap chooses what the pure function chooses, whole connections, and about the share asked for. */
static void test_sampling(void **state)
{
	const struct tcpc_service service = {.flags = TCPC_SERVICE_ARMED, .sample = 2500};
	const __u64 key[2] = {1, 2}; /* as in online_config() */
	static struct bpf_run run;
	int chosen = 0;

	(void)state;
	need_netns();
	online_config(lab.copy, NEVER_NS);
	online_service(&service);
	run.ifindex = lab.live;
	for (int i = 0; i < SAMPLED_PORTS; i++) {
		struct frame_spec spec = {DATA, .family = i & 1 ? 6 : 4, .sport = 30000 + i};
		struct frame frame = frame_build(&spec);
		struct tcpc_online_stats want;
		struct tcpc_pkt pkt;
		int copied;

		expect_u64("sample", "parse", frame_parse(&frame, TCPC_LINK_ETHER, &pkt),
			   TCPC_PARSE_OK);
		copied = tcpc_sampled(key, &pkt.saddr, pkt.sport, service.sample);
		want = one_of(copied ? COUNTER(cloned) : COUNTER(not_sampled));
		counters_mark(&lab.counters);
		bpf_run("sample", lab.tap_fd, &run, frame.data, frame.bytes);
		expect_run("sample", &run, VERDICT_NEXT, &frame);
		expect_moved("sample", &lab.counters, &want);
		chosen += copied;
		frame_free(&frame);
	}
	/* 100 of 400 expected; 5 standard deviations are 43. */
	expect_true("sample", "about a quarter is chosen", chosen > 57 && chosen < 143);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_other_interface),
		cmocka_unit_test(test_sampling),
	};

	return cmocka_run_group_tests(tests, online_enter, online_leave);
}
