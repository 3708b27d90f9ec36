// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_choose.c - tap and the rules of connections (choose.h): local addresses, VLANs, clients that
 * are sampled, a split; and what is remembered while rules change. What is not copied has a counter
 * with its reason (invariant 5); the packet goes on unchanged (invariant 1).
 */
#include "../harness/bpf_online.h"

#include "tcpcopy/choose.h"
#include "tcpcopy/hash.h"

#define SET 7
#define V4_LOCAL(n) .daddr = {{0, 0, TCPC_V4_MAPPED, tcpc_htonl(0xc6120000 | (n))}}
#define V6_LOCAL(n) V6, .daddr = {{tcpc_htonl(0x20010002), 0, 0, tcpc_htonl(n)}}

static const struct tcpc_service by_rules = {
	.flags = TCPC_SERVICE_ARMED | TCPC_SERVICE_CHOICE,
	.sample = TCPC_SAMPLE_ALL,
};

/* Frames have VLAN 100 outside and 101 inside. */
static const struct row {
	const char *description;
	struct frame_spec spec;
	struct tcpc_rule rule;
	size_t counter;
} rows[] = {
	{"local, one of them", {DATA, V4_LOCAL(2)}, {.flags = TCPC_RULE_LOCALS}, COUNTS(cloned)},
	{"local, in the prefix",
	 {DATA, V4_LOCAL(131)},
	 {.flags = TCPC_RULE_LOCALS},
	 COUNTS(cloned)},
	{"local, another", {DATA, V4_LOCAL(3)}, {.flags = TCPC_RULE_LOCALS}, COUNTS(not_local)},
	{"local, another, SYN",
	 {.flags = TCPC_TCP_SYN, V4_LOCAL(3)},
	 {.flags = TCPC_RULE_LOCALS},
	 COUNTS(not_local)},
	{"local, IPv6", {DATA, V6_LOCAL(2)}, {.flags = TCPC_RULE_LOCALS}, COUNTS(cloned)},
	{"local, IPv6, another",
	 {DATA, V6_LOCAL(3)},
	 {.flags = TCPC_RULE_LOCALS},
	 COUNTS(not_local)},
	{"local addresses are no clients",
	 {DATA, V4_LOCAL(2)},
	 {.flags = TCPC_RULE_LOCALS | TCPC_RULE_FILTER | TCPC_RULE_CLIENTS},
	 COUNTS(filtered)},
	{"no local asked for", {DATA, V4_LOCAL(3)}, {}, COUNTS(cloned)},
	{"VLAN", {DATA, .vlan_tags = 1}, {.n_vlans = 1, .vlans = {100}}, COUNTS(cloned)},
	{"VLAN, the last of all",
	 {DATA, .vlan_tags = 1},
	 {.n_vlans = 8, .vlans = {1, 2, 3, 4, 5, 6, 7, 100}},
	 COUNTS(cloned)},
	{"VLAN, another", {DATA, .vlan_tags = 1}, {.n_vlans = 1, .vlans = {101}}, COUNTS(not_vlan)},
	{"VLAN, beyond the list",
	 {DATA, .vlan_tags = 1},
	 {.n_vlans = 1, .vlans = {1, 100}},
	 COUNTS(not_vlan)},
	{"VLAN, the outer counts",
	 {DATA, .vlan_tags = 2},
	 {.n_vlans = 1, .vlans = {101}},
	 COUNTS(not_vlan)},
	{"VLAN, service tag outside",
	 {V6, DATA, .vlan_tags = 2, .outer_8021ad = 1},
	 {.n_vlans = 1, .vlans = {100}},
	 COUNTS(cloned)},
	{"VLAN, no tag", {DATA}, {.n_vlans = 1, .vlans = {100}}, COUNTS(not_vlan)},
	{"VLAN 0, no tag", {DATA}, {.n_vlans = 2, .vlans = {100, 0}}, COUNTS(cloned)},
	{"VLAN 0, tag", {DATA, .vlan_tags = 1}, {.n_vlans = 1}, COUNTS(not_vlan)},
	{"IPv6 in a VLAN, not local",
	 {V6_LOCAL(3), DATA, .vlan_tags = 1},
	 {.flags = TCPC_RULE_LOCALS, .n_vlans = 1, .vlans = {100}},
	 COUNTS(not_local)},
};

static void write_rule(__u32 index, const struct tcpc_rule *given)
{
	struct tcpc_rule rule = *given;

	rule.filter_set = SET;
	rule.sample = rule.sample ?: TCPC_SAMPLE_ALL;
	rule.targets = rule.targets ?: 1;
	online_write(lab.skel->maps.rules, &index, &rule);
}

static void write_choice(__u32 now, __u32 before, __u64 flags)
{
	struct tcpc_choice choice = {tcpc_choice_word(now, before, flags, 1, 1)};
	__u32 index = 0;

	online_write(lab.skel->maps.choices, &index, &choice);
}

static void write_locals(void)
{
	const struct frame_spec v4 = {}, v6 = {V6};
	struct tcpc_addr addr = frame_host(&v4, 2);
	__u32 set = SET | TCPC_FILTER_SET_LOCALS;

	online_prefix(lab.skel->maps.filters, set, &addr, 128, TCPC_FILTER_LOCAL);
	addr = frame_host(&v4, 128);
	online_prefix(lab.skel->maps.filters, set, &addr, 121, TCPC_FILTER_LOCAL);
	addr = frame_host(&v6, 2);
	online_prefix(lab.skel->maps.filters, set, &addr, 128, TCPC_FILTER_LOCAL);
	/* Clients live in another set. */
	addr = frame_host(&v4, 3);
	online_prefix(lab.skel->maps.filters, SET, &addr, 128, TCPC_FILTER_CLIENT);
}

/* One packet, which goes the way of @counter. */
static void run_tap(const char *row, const struct frame_spec *spec, size_t counter)
{
	static struct bpf_run run;
	struct frame frame = frame_build(spec);
	struct tcpc_online_stats want = one_of(counter);

	run.ifindex = lab.live;
	counters_mark(&lab.counters);
	bpf_run(row, lab.tap_fd, &run, frame.data, frame.bytes);
	expect_run(row, &run, VERDICT_NEXT, &frame);
	expect_moved(row, &lab.counters, &want);
	frame_free(&frame);
}

static void begin(void)
{
	need_netns();
	online_config(lab.copy, NEVER_NS);
	online_service(&by_rules);
}

static void test_rows(void **state)
{
	(void)state;
	begin();
	write_locals();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		write_rule(i + 1, &rows[i].rule);
		write_choice(i + 1, i + 1, 0);
		run_tap(rows[i].description, &rows[i].spec, rows[i].counter);
	}
}

/* With all its connections or with none, as the pure function says. */
static void test_clients(void **state)
{
	const struct tcpc_rule rule = {.flags = TCPC_RULE_BY_CLIENT, .sample = 5000};
	const __u64 key[2] = {1, 2}; /* as in online_config() */
	int chosen = 0;

	(void)state;
	begin();
	write_rule(1, &rule);
	write_choice(1, 1, 0);
	for (int i = 0; i < 64; i++) {
		struct frame_spec spec = {DATA, .family = i & 1 ? 6 : 4, .sport = 30000};
		bool in;

		spec.saddr = frame_host(&spec, 1 + i);
		in = tcpc_hash_sampled(tcpc_connection_hash(key, &spec.saddr, 0), rule.sample);
		for (; spec.sport < 30003; spec.sport++)
			run_tap("by client", &spec, in ? COUNTER(cloned) : COUNTER(not_sampled));
		chosen += in;
	}
	expect_true("by client", "about one half is chosen", chosen > 12 && chosen < 52);
}

/* While rules change a connection keeps what it was given when it began; a new SYN is a new
 * connection. */
static void test_change(void **state)
{
	const struct frame_spec syn = {.flags = TCPC_TCP_SYN, V4_LOCAL(3), .seq = 100};
	const struct frame_spec later = {.flags = TCPC_TCP_SYN, V4_LOCAL(3), .seq = 900};
	const struct frame_spec data = {DATA, V4_LOCAL(3), .seq = 101};
	const struct frame_spec other = {DATA, V4_LOCAL(3), .seq = 7, .sport = 50000};
	const __u64 moving = TCPC_CHOICE_LOOK | TCPC_CHOICE_MOVING;

	(void)state;
	begin();
	write_locals();
	write_rule(1, &(struct tcpc_rule){.flags = TCPC_RULE_LOCALS});
	write_rule(2, &(struct tcpc_rule){});
	write_choice(2, 1, moving);
	run_tap("begins by the new rule", &syn, COUNTER(cloned));
	run_tap("runs by the old one", &other, COUNTER(not_local));
	write_choice(1, 1, moving);
	run_tap("goes on", &data, COUNTER(cloned));
	run_tap("the SYN again", &syn, COUNTER(cloned));
	run_tap("stays out", &other, COUNTER(known_out));
	run_tap("the same port, begins anew", &later, COUNTER(not_local));
	run_tap("stays out", &data, COUNTER(known_out));
	write_choice(2, 2, 0);
	run_tap("nothing is remembered", &data, COUNTER(cloned));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_clients),
		cmocka_unit_test(test_change),
	};

	return cmocka_run_group_tests(tests, online_enter, online_leave);
}
