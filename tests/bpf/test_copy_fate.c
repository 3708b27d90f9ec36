// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_copy_fate.c - copy: every clone that goes no further is counted, and is not written to
 * (invariant 5).
 */
#include "../harness/bpf_online.h"

static void not_ready(struct tcpc_target_set *set, struct bpf_run *run)
{
	(void)run;
	set->target[0].flags = 0;
}

static void no_route(struct tcpc_target_set *set, struct bpf_run *run)
{
	(void)run;
	set->target[0].ifindex = 0;
}

static void exclude(struct tcpc_target_set *set, struct bpf_run *run)
{
	(void)run;
	set->target[0].flags |= TCPC_TARGET_EXCLUDE;
}

static void exclude_for_another(struct tcpc_target_set *set, struct bpf_run *run)
{
	exclude(set, run);
	set->target[0].id = 6;
}

#define MTU_ROW 600 /* bytes from the IP header on */

static void small_mtu(struct tcpc_target_set *set, struct bpf_run *run)
{
	(void)run;
	set->target[0].mtu = MTU_ROW;
}

static void no_mark(struct tcpc_target_set *set, struct bpf_run *run)
{
	(void)set;
	run->cb[0] = 0;
}

static void other_interface(struct tcpc_target_set *set, struct bpf_run *run)
{
	(void)set;
	run->ingress_ifindex = lab.out;
}

static void no_targets(struct tcpc_target_set *set, struct bpf_run *run)
{
	(void)run;
	set->n_targets = 0;
}

static void index_beyond(struct tcpc_target_set *set, struct bpf_run *run)
{
	(void)set;
	run->cb[1] = 1;
}

static void index_huge(struct tcpc_target_set *set, struct bpf_run *run)
{
	set->n_targets = TCPC_MAX_TARGETS + 5;
	run->cb[1] = TCPC_MAX_TARGETS;
}

/* Target 5 has 198.18.0.0/30 and 2001:2::/126 in its allow-list; see write_peer_allow(). */
static const struct fate {
	const char *description;
	struct frame_spec spec;
	size_t counter;
	void (*change)(struct tcpc_target_set *, struct bpf_run *);
	int target_family;
} fates[] = {
	{"target not ready", {DATA}, COUNTS(target_not_ready), .change = not_ready},
	{"no route", {DATA}, COUNTS(target_no_route), .change = no_route},
	{"IPv4 to an IPv6 target", {DATA}, COUNTS(target_no_route), .target_family = 6},
	{"IPv6 to an IPv4 target", {V6, DATA}, COUNTS(target_no_route), .target_family = 4},
	{"target allows the client", {DATA}, COUNTS(target_allows), .change = exclude},
	{"IPv6, target allows the client",
	 {V6, DATA, .saddr = V6_ADDR(3)},
	 COUNTS(target_allows),
	 .change = exclude},
	{"client beside those allowed",
	 {DATA, .saddr = V4_ADDR(4)},
	 COUNTS(copied),
	 .change = exclude},
	{"IPv6 client beside", {V6, DATA, .saddr = V6_ADDR(4)}, COUNTS(copied), .change = exclude},
	{"allowed by another target", {DATA}, COUNTS(copied), .change = exclude_for_another},
	{"allow-list not switched on", {DATA}, COUNTS(copied), .change = NULL},
	{"as large as may be", {.payload_bytes = MTU_ROW - 40}, COUNTS(copied), small_mtu},
	{"one byte larger", {.payload_bytes = MTU_ROW - 39}, COUNTS(too_big), small_mtu},
	{"larger, the route has no MTU", {.payload_bytes = MTU_ROW - 39}, COUNTS(copied)},
	{"as large as may be, all options",
	 {.payload_bytes = MTU_ROW - 120, .ip_option_words = 10, .tcp_option_bytes = 40},
	 COUNTS(copied),
	 small_mtu},
	{"one byte larger, all options",
	 {.payload_bytes = MTU_ROW - 119, .ip_option_words = 10, .tcp_option_bytes = 40},
	 COUNTS(too_big),
	 small_mtu},
	{"tags are taken off before",
	 {.payload_bytes = MTU_ROW - 40, .vlan_tags = 2},
	 COUNTS(copied),
	 small_mtu},
	{"padding does not count",
	 {.payload_bytes = MTU_ROW - 40, .padding = 8},
	 COUNTS(copied),
	 small_mtu},
	{"IPv6, as large as may be",
	 {V6, .payload_bytes = MTU_ROW - 60},
	 COUNTS(copied),
	 small_mtu},
	{"IPv6, one byte larger", {V6, .payload_bytes = MTU_ROW - 59}, COUNTS(too_big), small_mtu},
	{"packet of somebody else", {DATA}, COUNTS(stray), .change = no_mark},
	{"clone of an interface without targets", {DATA}, COUNTS(stray), .change = other_interface},
	{"no targets", {DATA}, COUNTS(stray), .change = no_targets},
	{"target that has gone", {DATA}, COUNTS(stray), .change = index_beyond},
	{"target beyond the table", {DATA}, COUNTS(stray), .change = index_huge},
};

static void write_peer_allow(void)
{
	struct tcpc_addr v4 = V4_ADDR(0), v6 = V6_ADDR(0);

	online_prefix(lab.skel->maps.peer_allow, 5, &v4, 126, TCPC_FILTER_EXCLUDE);
	online_prefix(lab.skel->maps.peer_allow, 5, &v6, 126, TCPC_FILTER_EXCLUDE);
}

static void expect_fate(const struct fate *fate)
{
	struct tcpc_target_set set = {.n_targets = 1};
	struct frame frame = frame_build(&fate->spec);
	struct tcpc_online_stats moved = one_of(fate->counter);
	struct bpf_run *run = online_clone(0);

	moved.seen = 0;
	moved.copied_bytes = moved.copied * fate->spec.payload_bytes;
	moved.skipped_bytes = moved.target_not_ready * fate->spec.payload_bytes;
	moved.skipped_data = moved.target_not_ready;
	set.target[0] = online_target(fate->target_family ?: fate->spec.family, 9, 8080);
	set.target[0].id = 5;
	if (fate->change)
		fate->change(&set, run);
	online_targets(&set);
	counters_mark(&lab.counters);
	bpf_run(fate->description, lab.copy_fd, run, frame.data, frame.bytes);
	expect_u64(fate->description, "verdict", run->verdict,
		   moved.copied ? VERDICT_REDIRECT : VERDICT_DROP);
	expect_moved(fate->description, &lab.counters, &moved);
	if (!moved.copied)
		expect_bytes(fate->description, run->out, frame.data, frame.bytes);
	frame_free(&frame);
}

static void test_not_copied(void **state)
{
	(void)state;
	need_netns();
	write_peer_allow();
	for (size_t i = 0; i < COUNT_OF(fates); i++)
		expect_fate(&fates[i]);
}

/* Tap sends nothing of the kind, but what copy cannot read it must not let out either. */
static void test_unreadable_clone(void **state)
{
	static const struct {
		const char *description;
		__u32 offset;
		__u8 value;
		size_t counter;
	} spoils[] = {
		{"UDP", 14 + 9, IPPROTO_UDP, COUNTER(not_tcp)},
		{"fragment", 14 + 6, 0x20, COUNTER(fragment)},
		{"IHL too short", 14, 0x44, COUNTER(malformed)},
	};
	struct tcpc_target_set set = {.n_targets = 1, .target = {online_target(4, 9, 80)}};

	(void)state;
	need_netns();
	online_targets(&set);
	for (size_t i = 0; i < COUNT_OF(spoils); i++) {
		struct frame frame = frame_build(&(struct frame_spec){DATA});
		struct tcpc_online_stats moved = one_of(spoils[i].counter);
		struct bpf_run *run = online_clone(0);

		moved.seen = 0;
		frame.data[spoils[i].offset] = spoils[i].value;
		counters_mark(&lab.counters);
		bpf_run(spoils[i].description, lab.copy_fd, run, frame.data, frame.bytes);
		expect_u64(spoils[i].description, "verdict", run->verdict, VERDICT_DROP);
		expect_moved(spoils[i].description, &lab.counters, &moved);
		frame_free(&frame);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"test_not_copied", test_not_copied, variant_v4, NULL, NULL},
		cmocka_unit_test(test_unreadable_clone),
	};
	return cmocka_run_group_tests(tests, online_enter, online_leave);
}
