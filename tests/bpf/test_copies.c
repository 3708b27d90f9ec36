// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_copies.c - several copies of a packet, and sources of their own for them: each leaves once,
 * from its own source in the pool, with right checksums; who has a source keeps it.
 */
#include "../harness/bpf_online.h"

#include "tcpcopy/choose.h"
#include "tcpcopy/mix.h"

#define V4_POOL 0xc6130000
#define MOST 200

static struct tcpc_target_set set_of(int family, __u16 copies, __u16 flags, __u32 mask)
{
	struct tcpc_target_set set = {.n_targets = 1, .copies = copies, .flags = flags};

	set.pool[0] = (struct tcpc_pool){{{tcpc_htonl(0x20010002), tcpc_htonl(0x10000)}}, mask, 0};
	set.pool[1] = (struct tcpc_pool){tcpc_addr_from_v4(tcpc_htonl(V4_POOL)), mask, 0};
	set.target[0] = (struct tcpc_target){
		.addr = frame_host(&(struct frame_spec){.family = family}, 9),
		.port = tcpc_htons(8080),
		.flags = TCPC_TARGET_READY,
		.ifindex = lab.out,
	};
	return set;
}

/* ---- one copy under BPF_PROG_TEST_RUN -------------------------------------------------------- */

/* Runs copy number @copy of what @base stands for; returns its source. */
static struct tcpc_source_key run_copy(const char *row, const struct frame_spec *spec, __u32 copy,
				       __u32 base, int verdict)
{
	static struct bpf_run run;
	struct tcpc_source_key key = {};
	struct frame frame = frame_build(spec), out;
	struct tcpc_pkt pkt;

	run.ifindex = lab.copy;
	run.ingress_ifindex = lab.live;
	run.cb[0] = CB_MAGIC;
	run.cb[1] = copy << 16;
	run.cb[3] = run.cb[4] = base;
	bpf_run(row, lab.copy_fd, &run, frame.data, frame.bytes);
	expect_u64(row, "verdict", run.verdict, verdict);
	if (verdict == VERDICT_REDIRECT) {
		out = frame;
		out.data = run.out;
		expect_u64(row, "parse", frame_parse(&out, TCPC_LINK_ETHER, &pkt), TCPC_PARSE_OK);
		expect_true(row, "checksums are right", frame_right(&out));
		key.addr = pkt.saddr;
		key.port = pkt.sport;
	}
	frame_free(&frame);
	return key;
}

static void test_sources(void **state)
{
	static const struct frame_spec specs[] = {
		{DATA},
		{V6, DATA},
		{.payload_bytes = 101, .ip_option_words = 3},
		{.flags = TCPC_TCP_SYN, .tcp_option_bytes = 20},
		{V6, .payload_bytes = 77},
	};

	(void)state;
	need_netns();
	for (size_t i = 0; i < COUNT_OF(specs); i++) {
		int family = specs[i].family ?: 4, v4 = family == 4;
		struct tcpc_target_set set = set_of(family, 2, TCPC_SET_MAPPED, 0xffff);
		struct tcpc_source_key a, b;

		online_targets(&set);
		a = run_copy("copy 1", &specs[i], 1, 1000 + i, VERDICT_REDIRECT);
		b = run_copy("copy 1 again", &specs[i], 1, 1000 + i, VERDICT_REDIRECT);
		expect_true("copy 1", "in the pool", tcpc_mix_in_pool(&set.pool[v4], &a.addr));
		expect_bytes("again", (__u8 *)&a, (__u8 *)&b, sizeof(a));
		b = run_copy("copy 2", &specs[i], 2, 1000 + i, VERDICT_REDIRECT);
		expect_true("copy 2", "another", memcmp(&a, &b, sizeof(a)));
	}
}

/* In a pool of one address whose sources all but two somebody else has, collisions come, are
 * counted, and nobody loses what he has. */
static void test_collisions(void **state)
{
	const struct frame_spec syn = {.flags = TCPC_TCP_SYN, .tcp_option_bytes = 20};
	struct tcpc_source other = {.who = 1};
	struct tcpc_source_key key = {.addr = tcpc_addr_from_v4(tcpc_htonl(V4_POOL))};
	struct tcpc_target_set set = set_of(4, 2, TCPC_SET_MAPPED, 0);
	struct tcpc_online_stats before, after;
	struct timespec ts;

	(void)state;
	need_netns();
	clock_gettime(CLOCK_MONOTONIC, &ts);
	other.seen = (ts.tv_sec * 1000000000ULL + ts.tv_nsec) >> TCPC_SOURCE_SHIFT;
	for (__u32 port = TCPC_MIX_FIRST_PORT; port < 65536; port++) {
		key.port = tcpc_htons(port);
		online_write(lab.skel->maps.sources, &key, &other);
	}
	online_targets(&set);
	before = stats_now();
	run_copy("all taken", &syn, 1, 7, VERDICT_DROP);
	run_copy("all taken, data", &(struct frame_spec){DATA}, 1, 7, VERDICT_DROP);
	after = stats_now();
	expect_u64("all taken", "source_collision", after.source_collision,
		   before.source_collision + 2);
	expect_u64("all taken", "collisions", after.collisions, before.collisions + 1);
	other.ended = 1;
	other.seen -= TCPC_MIX_ENDED + 2;
	for (__u32 port = TCPC_MIX_FIRST_PORT; port < 65536; port++) {
		key.port = tcpc_htons(port);
		online_write(lab.skel->maps.sources, &key, &other);
	}
	run_copy("their connections have ended", &syn, 1, 7, VERDICT_REDIRECT);
}

/* ---- the whole way --------------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct tcpc_source_key));
}

static void expect_copies(const struct frame_spec *spec, __u16 copies, int wire, int out)
{
	static struct tcpc_source_key from[MOST];
	static __u8 copy[RUN_OUT_BYTES];
	int family = spec->family ?: 4;
	struct tcpc_target_set set = set_of(family, copies, TCPC_SET_MAPPED, 0xffff);
	struct frame frame = frame_build(spec);
	struct tcpc_pkt pkt;
	__u32 kept = 0;

	online_targets(&set);
	packet_send("copies", wire, &frame);
	for (__u32 i = 0; i < copies; i++) {
		__u32 bytes = packet_next("copies", out, PACKET_HOST, copy, sizeof(copy));
		struct frame got = frame;

		got.data = copy;
		expect_u64("copies", "length", bytes, frame.bytes);
		expect_u64("copies", "parse",
			   tcpc_parse(copy, copy + bytes, bytes, TCPC_LINK_ETHER, &pkt),
			   TCPC_PARSE_OK);
		expect_true("copies", "checksums are right", frame_right(&got));
		memset(&from[i], 0, sizeof(from[i]));
		from[i].addr = pkt.saddr;
		from[i].port = pkt.sport;
		kept += !tcpc_mix_in_pool(&set.pool[family == 4], &pkt.saddr);
	}
	expect_u64("copies", "more", packet_read(out, PACKET_HOST, copy, sizeof(copy)), 0);
	expect_u64("the first one's source", "kept", kept, 1);
	qsort(from, copies, sizeof(from[0]), by_bytes);
	for (__u32 i = 1; i < copies; i++)
		expect_true("copies", "unlike", by_bytes(&from[i], &from[i - 1]));
	frame_free(&frame);
}

static void test_many(void **state)
{
	static const __u16 counts[] = {1, 2, 9, 100, MOST};
	struct tcpc_attachment tap = {}, copy = {};
	int wire, out;
	struct tcpc_err err;

	(void)state;
	need_netns();
	lab_command("ip addr add 198.18.0.254/24 dev out0 && "
		    "ip addr add 2001:2::fe/64 dev out0 nodad && "
		    "ip neigh replace 198.18.0.9 lladdr 02:03:03:03:03:03 dev out0 && "
		    "ip neigh replace 2001:2::9 lladdr 02:03:03:03:03:03 dev out0");
	if (tcpc_datapath_attach(lab.tap_fd, lab.live, false, TCPC_HOOK_TC, &tap, &err) ||
	    tcpc_datapath_attach(lab.copy_fd, lab.copy, true, TCPC_HOOK_TC, &copy, &err))
		expect_fail("%s", err.text);
	online_config(lab.copy, NEVER_NS);
	online_service(&armed);
	wire = packet_open("live1");
	out = packet_open("out1");
	for (size_t i = 0; i < COUNT_OF(counts); i++) {
		expect_copies(&(struct frame_spec){DATA}, counts[i], wire, out);
		expect_copies(&(struct frame_spec){V6, DATA}, counts[i], wire, out);
	}
	close(wire);
	close(out);
	tcpc_attachment_close(&tap);
	tcpc_attachment_close(&copy);
}

/* Copies that are to leave later are noted and do not leave; when nothing more can be noted they
 * leave at once. The first copy always does. */
static void test_spread(void **state)
{
	const struct frame_spec data = {DATA};
	struct tcpc_target_set set = set_of(4, 2, TCPC_SET_MAPPED, 0xffff);
	struct tcpc_online_stats before, after;
	const __u32 ring = TCPC_JOURNAL_RING_MIN / 256;

	(void)state;
	need_netns();
	set.spread_ms = 500;
	set.target[0].flags |= TCPC_TARGET_JOURNAL;
	online_targets(&set);
	before = stats_now();
	run_copy("the first", &data, 0, 0, VERDICT_REDIRECT);
	run_copy("another", &data, 1, 77, VERDICT_DROP);
	after = stats_now();
	expect_u64("spread", "spread", after.spread, before.spread + 1);
	expect_u64("spread", "copied", after.copied, before.copied + 1);
	for (__u32 i = 0; i < ring + 10; i++)
		run_copy("until the ring is full", &data, 0, 0, VERDICT_REDIRECT);
	run_copy("no room", &data, 1, 77, VERDICT_REDIRECT);
	expect_u64("no room", "spread_failed", stats_now().spread_failed, before.spread_failed + 1);
	expect_u64("no room", "spread", stats_now().spread, before.spread + 1);
}

/* Places of the set that are empty cost no copies: two targets behind fourteen, each with as many
 * as there can be, get all of them. */
static void expect_spaced(__u16 copies, __u32 chosen, int wire, int out)
{
	static __u8 copy[RUN_OUT_BYTES];
	struct tcpc_target_set set = set_of(4, copies, TCPC_SET_MAPPED, 0xffff);
	struct frame frame =
		frame_build(&(struct frame_spec){DATA, .sport = 41000 + chosen % 1000});
	struct tcpc_choice choice = {tcpc_choice_word(1, 1, TCPC_CHOICE_ALL, chosen, chosen)};
	struct tcpc_rule rule = {.sample = TCPC_SAMPLE_ALL, .targets = chosen};
	struct tcpc_online_stats before = stats_now();
	__u32 one = 1, zero = 0, want = 0;

	for (set.n_targets = 0; chosen >> set.n_targets; set.n_targets++)
		if (chosen >> set.n_targets & 1) {
			set.target[set.n_targets] = set_of(4, 1, 0, 0).target[0];
			want += copies;
		}
	memset(&set.target[0], 0, chosen & 1 ? 0 : sizeof(set.target[0]));
	online_write(lab.skel->maps.rules, &one, &rule);
	online_write(lab.skel->maps.choices, &zero, &choice);
	online_targets(&set);
	packet_send("spaced", wire, &frame);
	expect_u64("spaced", "copied", stats_now().copied, before.copied + want);
	/* More than a backlog of the kernel holds do not all come. */
	for (__u32 i = 0; i < want && i < MOST; i++)
		packet_next("spaced", out, PACKET_HOST, copy, sizeof(copy));
	while (packet_read(out, PACKET_HOST, copy, sizeof(copy)))
		expect_true("spaced", "more", want > MOST);
	frame_free(&frame);
}

static void test_spaced(void **state)
{
	const struct tcpc_service by_rules = {.flags = TCPC_SERVICE_ARMED | TCPC_SERVICE_CHOICE};
	static const struct {
		__u16 copies;
		__u32 chosen;
	} rows[] = {{100, 3u << 14}, {1024, 1u << 15}, {512, 3u << 14},
		    {1, 0x8001},     {12, 0xffff},     {3, 0x1240}};
	struct tcpc_attachment tap = {}, copy = {};
	struct tcpc_err err;
	int wire, out;

	(void)state;
	need_netns();
	if (tcpc_datapath_attach(lab.tap_fd, lab.live, false, TCPC_HOOK_TC, &tap, &err) ||
	    tcpc_datapath_attach(lab.copy_fd, lab.copy, true, TCPC_HOOK_TC, &copy, &err))
		expect_fail("%s", err.text);
	online_config(lab.copy, NEVER_NS);
	online_service(&by_rules);
	wire = packet_open("live1");
	out = packet_open("out1");
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		expect_spaced(rows[i].copies, rows[i].chosen, wire, out);
	close(wire);
	close(out);
	tcpc_attachment_close(&tap);
	tcpc_attachment_close(&copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sources),
		{"test_sources (sum of the device)", test_sources, variant_v4_sum, NULL, NULL},
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_spaced),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_collisions),
	};

	return cmocka_run_group_tests(tests, online_enter, online_leave);
}
