// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_copy.c - copy: what comes out is byte for byte what the pure function makes. First under
 * BPF_PROG_TEST_RUN, then whole: frames that arrive on live0 and copies that leave by out0.
 */
#include "../harness/bpf_online.h"
#include "tcpcopy/rewrite.h"

static const struct shape {
	const char *description;
	struct frame_spec spec;
} shapes[] = {
	{"IPv4 data", {DATA}},
	{"SYN", {.flags = TCPC_TCP_SYN, .tcp_option_bytes = 20}},
	{"FIN", {.flags = TCPC_TCP_FIN | TCPC_TCP_ACK}},
	{"one byte", {.payload_bytes = 1}},
	{"odd length", {.payload_bytes = 101}},
	{"one byte and padding", {.payload_bytes = 1, .padding = 5}},
	{"IPv4 options", {DATA, .ip_option_words = 3}},
	{"all options", {.payload_bytes = 333, .ip_option_words = 10, .tcp_option_bytes = 40}},
	{"a page, nearly", {.payload_bytes = RUN_MAX}},
	{"no DF flag", {DATA, .fragmentable = 1}},
	{"TTL 1", {DATA, .ttl = 1}},
	{"TTL 255", {DATA, .ttl = 255}},
	{"one tag", {DATA, .vlan_tags = 1}},
	{"two tags", {DATA, .vlan_tags = 2, .outer_8021ad = 1}},
	{"two tags, odd, padding", {.payload_bytes = 3, .vlan_tags = 2, .padding = 9}},
	{"IPv6 data", {V6, DATA}},
	{"IPv6 SYN", {V6, .flags = TCPC_TCP_SYN}},
	{"IPv6, odd length", {V6, .payload_bytes = 77}},
	{"IPv6, two tags", {V6, DATA, .vlan_tags = 2}},
	{"IPv6, hop limit 255", {V6, DATA, .ttl = 255}},
	{"IPv6 extension headers", {V6, DATA, .ext = {0, 43, 60}, .n_ext = 3, .ext_units = 1}},
};

/* The frame without tags and rewritten: by the pure function, and built anew to check that. */
static struct frame expected_copy(const char *row, const struct shape *shape,
				  const struct tcpc_target *target)
{
	struct frame_spec spec = shape->spec;
	struct frame want, anew;
	struct tcpc_pkt pkt;

	spec.vlan_tags = 0;
	want = frame_build(&spec);
	expect_u64(row, "parse", frame_parse(&want, TCPC_LINK_ETHER, &pkt), TCPC_PARSE_OK);
	tcpc_rewrite_dest(want.data, &pkt, &target->addr, target->port ?: pkt.dport);
	spec.daddr = target->addr;
	spec.dport = tcpc_ntohs(target->port);
	spec.ttl = TCPC_COPY_TTL;
	spec.fragmentable = 1;
	anew = frame_build(&spec);
	expect_bytes(row, want.data, anew.data, anew.bytes);
	frame_free(&anew);
	return want;
}

static void expect_copy(const struct shape *shape, const struct tcpc_target *target)
{
	struct tcpc_online_stats moved = {.copied = 1};
	struct tcpc_target_set set = {.n_targets = 1, .target = {*target}};
	struct frame frame = frame_build(&shape->spec), out;
	const char *row = shape->description;
	struct frame want = expected_copy(row, shape, target);
	struct bpf_run *run = online_clone(0);

	moved.copied_bytes = shape->spec.payload_bytes;
	online_targets(&set);
	counters_mark(&lab.counters);
	bpf_run(row, lab.copy_fd, run, frame.data, frame.bytes);
	expect_run(row, run, VERDICT_REDIRECT, &want);
	expect_moved(row, &lab.counters, &moved);
	out = want;
	out.data = run->out;
	expect_true(row, "checksums are right", frame_right(&out));
	frame_free(&frame);
	frame_free(&want);
}

static void test_rewrite(void **state)
{
	(void)state;
	need_netns();
	for (size_t i = 0; i < COUNT_OF(shapes); i++) {
		int family = shapes[i].spec.family;
		struct tcpc_target another = online_target(family, 9, 8080);
		struct tcpc_target same_port = online_target(family, 255, 0);
		struct tcpc_target no_change = online_target(family, 2, 80);

		/* The kernel's own way to take tags off leaves another sum than this run expects,
		 * which counts them as part of the packet. */
		if (lab_variant.device_sum && shapes[i].spec.vlan_tags)
			continue;
		expect_copy(&shapes[i], &another);
		expect_copy(&shapes[i], &same_port);
		expect_copy(&shapes[i], &no_change);
	}
}

/* ---- the whole way --------------------------------------------------------------------------- */

#define OUT_MAC_BYTES 6

static const __u8 neighbour_mac[OUT_MAC_BYTES] = {0x02, 0x03, 0x03, 0x03, 0x03, 0x03};

/** The online half as the daemon has it. */
struct whole {
	struct tcpc_dp_online *dp;
	struct tcpc_attachment tap;
	int wire; /* in: live1 */
	int out;  /* out: out1 */
};

/* Targets 198.18.0.<n> and 2001:2::<n> are neighbours on out0 with one MAC. */
static void route_targets(void)
{
	lab_command("ip addr add 198.18.0.254/24 dev out0 && "
		    "ip addr add 2001:2::fe/64 dev out0 nodad");
	for (int n = 9; n < 9 + TCPC_MAX_TARGETS; n++)
		lab_command("ip neigh replace 198.18.0.%d lladdr 02:03:03:03:03:03 dev out0 && "
			    "ip neigh replace 2001:2::%x lladdr 02:03:03:03:03:03 dev out0",
			    n, n);
}

static void open_whole(struct whole *w)
{
	const __u64 key[2] = {1, 2};
	struct tcpc_err err = {};

	if (tcpc_dp_online_open(LAB_PINS, lab.copy, key, key, 0, &w->dp, &err) ||
	    tcpc_dp_online_attach(w->dp, lab.live, false, TCPC_HOOK_TC, &w->tap, &err) ||
	    tcpc_dp_online_service(w->dp, lab.live, tcpc_htons(SERVICE_PORT), &armed, &err))
		expect_fail("%s", err.text);
	tcpc_dp_online_lease(w->dp, NEVER_NS);
	w->wire = packet_open("live1");
	w->out = packet_open("out1");
}

static void close_whole(struct whole *w)
{
	close(w->wire);
	close(w->out);
	tcpc_attachment_close(&w->tap);
	tcpc_dp_online_close(w->dp);
}

/* Which of the targets does this copy go to? Its index; marks it as served. */
static int target_of(const char *row, const struct tcpc_target_set *set, const __u8 *copy,
		     __u32 bytes, bool *served)
{
	struct tcpc_pkt pkt;

	expect_u64(row, "parse", tcpc_parse(copy, copy + bytes, bytes, TCPC_LINK_ETHER, &pkt),
		   TCPC_PARSE_OK);
	for (__u32 i = 0; i < set->n_targets; i++)
		if (tcpc_addr_equal(&set->target[i].addr, &pkt.daddr)) {
			expect_true(row, "one copy a target", !served[i]);
			served[i] = true;
			return i;
		}
	expect_fail("%s: a copy for no target", row);
}

/* From the IP header on the copy is the pure function's; before it stand our MAC addresses. */
static void expect_copy_out(const struct shape *shape, const struct tcpc_target_set *set,
			    const struct whole *w, bool *served)
{
	static __u8 copy[RUN_OUT_BYTES];
	const char *row = shape->description;
	__u32 bytes = packet_next(row, w->out, PACKET_HOST, copy, sizeof(copy));
	int index = target_of(row, set, copy, bytes, served);
	struct frame want = expected_copy(row, shape, &set->target[index]);

	expect_u64(row, "length", bytes, want.bytes);
	expect_bytes(row, copy + ETH_HLEN, want.data + ETH_HLEN, bytes - ETH_HLEN);
	expect_bytes(row, copy, neighbour_mac, OUT_MAC_BYTES);
	/* The client's MAC as source would teach the switch a wrong way to it. */
	expect_bytes(row, copy + OUT_MAC_BYTES, "\x02\x02\x02\x02\x02\x02", OUT_MAC_BYTES);
	frame_free(&want);
}

static struct tcpc_online_stats whole_stats(const struct whole *w)
{
	struct tcpc_online_stats stats;

	assert_int_equal(tcpc_dp_online_stats(w->dp, &stats), 0);
	return stats;
}

/* One frame in, one copy out for each target of its family. */
static void expect_fan_out(const struct shape *shape, const struct tcpc_target_set *set,
			   const struct whole *w)
{
	struct tcpc_online_stats before = whole_stats(w), after;
	struct frame frame = frame_build(&shape->spec);
	bool served[TCPC_MAX_TARGETS] = {};
	const char *row = shape->description;
	__u32 want = 0;
	__u8 more[64];

	frame.data[11] = 0x99; /* so that the client's MAC shows in the copy if it is kept */
	for (__u32 i = 0; i < set->n_targets; i++)
		want += tcpc_addr_is_v4(&set->target[i].addr) == (shape->spec.family != 6);
	packet_send(row, w->wire, &frame);
	for (__u32 i = 0; i < want; i++)
		expect_copy_out(shape, set, w, served);
	after = whole_stats(w);
	expect_u64(row, "cloned", after.cloned - before.cloned, 1);
	expect_u64(row, "copied", after.copied - before.copied, want);
	expect_u64(row, "copied_bytes", after.copied_bytes - before.copied_bytes,
		   (__u64)want * shape->spec.payload_bytes);
	expect_u64(row, "no route", after.target_no_route - before.target_no_route,
		   set->n_targets - want);
	expect_u64(row, "stray", after.stray - before.stray, 0);
	expect_u64(row, "more copies", packet_read(w->out, PACKET_HOST, more, sizeof(more)), 0);
	frame_free(&frame);
}

/* Larger than a run can take; on the wire their payload lies in pages. */
static const struct shape large[] = {
	{"IPv4, 64 KB", {.payload_bytes = 65301, .tcp_option_bytes = 12}},
	{"IPv6, 64 KB", {V6, .payload_bytes = 65000}},
};

/* As the kernel would find it out for each copy. */
static void give_hop(struct tcpc_target *target)
{
	target->flags |= TCPC_TARGET_HOP;
	memcpy(target->hop, neighbour_mac, sizeof(neighbour_mac));
	memset(target->hop + OUT_MAC_BYTES, 2, OUT_MAC_BYTES);
}

/* @hops: link addresses are known. */
static void fan_out_all(const struct whole *w, __u32 n_v4, __u32 n_v6, bool hops)
{
	struct tcpc_target_set set = {.n_targets = n_v4 + n_v6};
	struct tcpc_err err = {};

	for (__u32 i = 0; i < set.n_targets; i++) {
		set.target[i] = online_target(i < n_v4 ? 4 : 6, 9 + i, i % 3 ? 8080 + i : 0);
		if (hops)
			give_hop(&set.target[i]);
	}
	if (tcpc_dp_online_targets(w->dp, lab.live, &set, &err))
		expect_fail("%s", err.text);
	for (size_t i = 0; i < COUNT_OF(shapes); i++)
		expect_fan_out(&shapes[i], &set, w);
	for (size_t i = 0; i < COUNT_OF(large); i++)
		expect_fan_out(&large[i], &set, w);
}

static void test_fan_out(void **state)
{
	static const __u32 n_v4[] = {1, 2, 0, TCPC_MAX_TARGETS - 3};
	struct whole w = {};

	(void)state;
	need_netns();
	route_targets();
	open_whole(&w);
	for (__u32 n_v6 = 0; n_v6 <= 3; n_v6++) {
		fan_out_all(&w, n_v4[n_v6], n_v6, false);
		fan_out_all(&w, n_v4[n_v6], n_v6, true);
	}
	close_whole(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rewrite),
		{"test_rewrite (sum of the device)", test_rewrite, variant_v4_sum, NULL, NULL},
		cmocka_unit_test(test_fan_out),
	};
	return cmocka_run_group_tests(tests, online_enter, online_leave);
}
