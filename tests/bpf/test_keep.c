// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_keep.c - a target that is away (TCPC_TARGET_KEEP): what would go to it is noted and does not
 * leave (invariant 2), and what cannot be noted is counted as missing there (invariant 5).
 */
#include "../harness/bpf_journal.h"

static const struct shape {
	const char *row;
	struct frame_spec spec;
} shapes[] = {
	{"SYN", {.flags = TCPC_TCP_SYN, .tcp_option_bytes = 20, .seq = 1}},
	{"data", {DATA, .seq = 4000000000, .ack = 5}},
	{"FIN", {.flags = TCPC_TCP_FIN | TCPC_TCP_ACK, .seq = 2}},
	{"RST", {.flags = TCPC_TCP_RST, .seq = 3}},
	{"two tags", {DATA, .vlan_tags = 2}},
	{"IPv6 SYN", {V6, .flags = TCPC_TCP_SYN}},
	{"IPv6 data", {V6, DATA, .seq = 9, .ack = 8}},
};

static void target_away(int family, __u32 flags)
{
	struct tcpc_target_set set = {.n_targets = 1};

	set.target[0] = journal_target(family, flags);
	set.target[0].flags &= ~TCPC_TARGET_READY;
	online_targets(&set);
}

/* A clone for the target that is away; nothing leaves. */
static void run_kept(const char *row, const struct frame_spec *spec)
{
	run_copy_for(row, spec, VERDICT_DROP);
}

/* The same packet leaves for a target that is there: but for `kept` the records are equal. */
static void expect_same_record(const struct shape *s)
{
	struct tcpc_journal_head kept = owner.last;
	__u8 packet[TCPC_JOURNAL_PACKET_MAX];

	memcpy(packet, owner.packet, kept.ip_bytes);
	expect_u64(s->row, "kept", kept.kept, 1);
	set_target(s->spec.family, TCPC_TARGET_JOURNAL);
	run_copy(s->row, &s->spec);
	expect_u64(s->row, "records", tcpc_journal_read(owner.journal), 1);
	expect_u64(s->row, "not kept", owner.last.kept, 0);
	kept.kept = 0;
	kept.time_ns = owner.last.time_ns;
	expect_bytes(s->row, &kept, &owner.last, sizeof(kept));
	expect_bytes(s->row, packet, owner.packet, kept.ip_bytes);
}

static void test_kept(void **state)
{
	(void)state;
	need_netns();
	begin(0, on_pressure);
	for (size_t i = 0; i < COUNT_OF(shapes); i++) {
		const struct shape *s = &shapes[i];
		struct tcpc_online_stats moved = {.kept = 1};

		moved.kept_bytes = s->spec.payload_bytes;
		target_away(s->spec.family, TCPC_TARGET_JOURNAL | TCPC_TARGET_KEEP);
		counters_mark(&lab.counters);
		run_kept(s->row, &s->spec);
		expect_moved(s->row, &lab.counters, &moved);
		expect_u64(s->row, "records", tcpc_journal_read(owner.journal), 1);
		expect_same_record(s);
	}
	end();
}

/* Neither there nor to be kept for: nothing is noted, and what that was is counted. */
static void test_skipped(void **state)
{
	(void)state;
	need_netns();
	begin(0, on_pressure);
	for (size_t i = 0; i < COUNT_OF(shapes); i++) {
		const struct shape *s = &shapes[i];
		struct tcpc_online_stats moved = {.target_not_ready = 1};

		moved.skipped_bytes = s->spec.payload_bytes;
		moved.skipped_data = !!s->spec.payload_bytes;
		moved.skipped_opens = s->spec.flags == TCPC_TCP_SYN;
		target_away(s->spec.family, TCPC_TARGET_JOURNAL);
		counters_mark(&lab.counters);
		run_kept(s->row, &s->spec);
		expect_moved(s->row, &lab.counters, &moved);
		expect_u64(s->row, "records", tcpc_journal_read(owner.journal), 0);
	}
	end();
}

/* The ring is full: it does not leave all the same, and it is known that it is missing. */
static void test_full(void **state)
{
	const struct frame_spec spec = {.payload_bytes = 1400, .flags = TCPC_TCP_ACK};
	struct tcpc_online_stats moved = {
		.keep_failed = 1, .journal_full = 1, .skipped_data = 1, .skipped_bytes = 1400};

	(void)state;
	need_netns();
	begin(0, on_pressure);
	target_away(4, TCPC_TARGET_JOURNAL | TCPC_TARGET_KEEP);
	for (int n = 0; n < 1000 && !stats_now().keep_failed; n++)
		run_kept("full", &spec);
	expect_true("full", "most of the ring was used",
		    stats_now().kept * 1592 > TCPC_JOURNAL_RING_MIN * 9 / 10);
	counters_mark(&lab.counters);
	run_kept("full", &spec);
	expect_moved("full", &lab.counters, &moved);
	expect_u64("full", "records", tcpc_journal_read(owner.journal), stats_now().kept);
	end();
}

/* Without a journal there is nowhere to keep it. */
static void test_no_journal(void **state)
{
	struct tcpc_online_stats moved = {
		.keep_failed = 1, .skipped_data = 1, .skipped_bytes = 100};

	(void)state;
	need_netns();
	begin(0, on_pressure);
	target_away(4, TCPC_TARGET_KEEP);
	counters_mark(&lab.counters);
	run_kept("no journal", &(struct frame_spec){DATA});
	expect_moved("no journal", &lab.counters, &moved);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_skipped),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_no_journal),
	};

	return cmocka_run_group_tests(tests, online_enter, online_leave);
}
