// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_online.c - tap and what packets look like: BPF_PROG_TEST_RUN, then the real hook. Guards
 * invariant 1 (the packet goes on unchanged, whatever happens to its copy), 3 (no heartbeat, no
 * copies) and 5 (one counter for every way).
 */
#include "../harness/bpf_online.h"
#include "tcpcopy/marks.h"

/* ---- what a packet looks like ---------------------------------------------------------------- */

/* Each spoils a frame in one way. */
static void other_mac(struct frame *f)
{
	f->data[5] = 0x77;
}

static void arp(struct frame *f)
{
	frame_put16(f->data + 12, ETH_P_ARP);
}

static void third_tag(struct frame *f)
{
	frame_put16(f->data + 20, ETH_P_8021Q);
}

static void udp(struct frame *f)
{
	f->data[f->l3_off + 9] = IPPROTO_UDP;
}

static void icmp6(struct frame *f)
{
	f->data[f->l3_off + 6] = IPPROTO_ICMPV6;
}

static void more_fragments(struct frame *f)
{
	f->data[f->l3_off + 6] = 0x20;
}

static void last_fragment(struct frame *f)
{
	frame_put16(f->data + f->l3_off + 6, 185);
}

static void version_5(struct frame *f)
{
	f->data[f->l3_off] = f->data[f->l3_off] & 15 ? 0x55 : 0x50;
}

static void short_ihl(struct frame *f)
{
	f->data[f->l3_off] = 0x44;
}

static void long_ihl(struct frame *f)
{
	f->data[f->l3_off] = 0x4f;
}

static void total_beyond(struct frame *f)
{
	frame_put16(f->data + f->l3_off + 2, f->bytes);
}

static void total_zero(struct frame *f)
{
	frame_put16(f->data + f->l3_off + 2, 0);
}

static void payload_beyond(struct frame *f)
{
	frame_put16(f->data + f->l3_off + 4, f->bytes);
}

static void short_doff(struct frame *f)
{
	f->data[f->l4_off + 12] = 0x40;
}

static void long_doff(struct frame *f)
{
	f->data[f->l4_off + 12] = 0xf0;
}

#define PURE_ACK .flags = TCPC_TCP_ACK

static const struct row {
	const char *description;
	struct frame_spec spec;
	size_t counter;
	void (*spoil)(struct frame *);
	__u32 cut;	/* bytes that are missing at the end */
	bool wire_only; /* more or less than the kernel takes for a run */
} rows[] = {
	{"IPv4 data", {DATA}, COUNTS(cloned)},
	{"IPv6 data", {V6, DATA}, COUNTS(cloned)},
	{"one byte", {.flags = TCPC_TCP_ACK, .payload_bytes = 1}, COUNTS(cloned)},
	{"one byte and padding", {.payload_bytes = 1, .padding = 5}, COUNTS(cloned)},
	{"odd length", {V6, .payload_bytes = 101}, COUNTS(cloned)},
	{"a page, nearly", {.payload_bytes = RUN_MAX}, COUNTS(cloned)},
	{"one tag", {DATA, .vlan_tags = 1}, COUNTS(cloned)},
	{"two tags", {DATA, .vlan_tags = 2, .outer_8021ad = 1}, COUNTS(cloned)},
	{"IPv6, two tags", {V6, DATA, .vlan_tags = 2}, COUNTS(cloned)},
	{"IPv4 options", {DATA, .ip_option_words = 10}, COUNTS(cloned)},
	{"TCP options", {DATA, .tcp_option_bytes = 40}, COUNTS(cloned)},
	{"all options", {DATA, .ip_option_words = 10, .tcp_option_bytes = 40}, COUNTS(cloned)},
	{"IPv6 extension headers", {V6, DATA, .ext = {0, 43, 60, 60}, .n_ext = 4}, COUNTS(cloned)},
	{"long extension header",
	 {V6, DATA, .ext = {60}, .n_ext = 1, .ext_units = 30},
	 COUNTS(cloned)},
	{"SYN", {.flags = TCPC_TCP_SYN}, COUNTS(cloned)},
	{"IPv6 SYN", {V6, .flags = TCPC_TCP_SYN}, COUNTS(cloned)},
	{"link-local client",
	 {V6, DATA, .saddr = {{tcpc_htonl(0xfe800000), 0, 0, 1}}},
	 COUNTS(link_local)},
	{"nearly link-local, fec0::",
	 {V6, DATA, .saddr = {{tcpc_htonl(0xfec00000), 0, 0, 1}}},
	 COUNTS(cloned)},
	{"FIN", {.flags = TCPC_TCP_FIN | TCPC_TCP_ACK}, COUNTS(cloned)},
	{"RST", {.flags = TCPC_TCP_RST}, COUNTS(cloned)},
	{"RST with data", {.flags = TCPC_TCP_RST, .payload_bytes = 20}, COUNTS(cloned)},
	{"pure ACK", {PURE_ACK}, COUNTS(pure_ack)},
	{"IPv6 pure ACK", {V6, PURE_ACK}, COUNTS(pure_ack)},
	{"pure ACK and padding", {PURE_ACK, .padding = 6}, COUNTS(pure_ack)},
	{"window update, options",
	 {.flags = TCPC_TCP_ACK, .tcp_option_bytes = 12},
	 COUNTS(pure_ack)},
	{"pure ACK, IPv4 options", {PURE_ACK, .ip_option_words = 3}, COUNTS(pure_ack)},
	{"pure ACK, two tags", {PURE_ACK, .vlan_tags = 2}, COUNTS(pure_ack)},
	{"pure ACK, extension header", {V6, PURE_ACK, .ext = {60}, .n_ext = 1}, COUNTS(pure_ack)},
	{"pure ACK, another port", {PURE_ACK, .dport = 81}, COUNTS(no_service)},
	{"another port", {DATA, .dport = 81}, COUNTS(no_service)},
	{"another port, IPv6", {V6, DATA, .dport = 81}, COUNTS(no_service)},
	{"another port, all options",
	 {DATA, .dport = 81, .ip_option_words = 10, .tcp_option_bytes = 40},
	 COUNTS(no_service)},
	{"another port, extension header",
	 {V6, DATA, .dport = 81, .ext = {60}, .n_ext = 1},
	 COUNTS(no_service)},
	{"another port, two tags", {DATA, .dport = 81, .vlan_tags = 2}, COUNTS(no_service)},
	{"our port as source", {DATA, .sport = 80, .dport = 81}, COUNTS(no_service)},
	{"port with its bytes swapped", {V6, DATA, .dport = 80 << 8}, COUNTS(no_service)},
	{"another host's frame", {DATA}, COUNTS(not_to_us), .spoil = other_mac},
	{"another host's pure ACK", {PURE_ACK}, COUNTS(not_to_us), .spoil = other_mac},
	{"ARP", {DATA}, COUNTS(not_tcp), .spoil = arp},
	{"three tags", {DATA, .vlan_tags = 2}, COUNTS(not_tcp), .spoil = third_tag},
	{"UDP", {DATA}, COUNTS(not_tcp), .spoil = udp},
	{"ICMPv6", {V6, DATA}, COUNTS(not_tcp), .spoil = icmp6},
	{"five extension headers",
	 {V6, DATA, .ext = {0, 60, 60, 60, 60}, .n_ext = 5},
	 COUNTS(not_tcp)},
	{"first fragment", {DATA}, COUNTS(fragment), .spoil = more_fragments},
	{"last fragment", {DATA}, COUNTS(fragment), .spoil = last_fragment},
	{"IPv6 fragment", {V6, DATA, .ext = {44}, .n_ext = 1}, COUNTS(fragment)},
	{"IP version 5", {DATA}, COUNTS(malformed), .spoil = version_5},
	{"IPv6 with version 5", {V6, DATA}, COUNTS(malformed), .spoil = version_5},
	{"IHL too short", {DATA}, COUNTS(malformed), .spoil = short_ihl},
	{"IHL beyond the packet", {.flags = TCPC_TCP_ACK}, COUNTS(malformed), .spoil = long_ihl},
	{"total length beyond the frame", {DATA}, COUNTS(malformed), .spoil = total_beyond},
	{"total length 0", {DATA}, COUNTS(malformed), .spoil = total_zero},
	{"payload length beyond", {V6, DATA}, COUNTS(malformed), .spoil = payload_beyond},
	{"data offset too short", {DATA}, COUNTS(malformed), .spoil = short_doff},
	{"data offset beyond", {.flags = TCPC_TCP_ACK}, COUNTS(malformed), .spoil = long_doff},
	{"pure ACK, fragment", {PURE_ACK}, COUNTS(fragment), .spoil = more_fragments},
	{"pure ACK, total length beyond", {PURE_ACK}, COUNTS(malformed), .spoil = total_beyond},
	{"pure ACK, total length 0", {PURE_ACK}, COUNTS(malformed), .spoil = total_zero},
	{"pure ACK, payload length beyond",
	 {V6, PURE_ACK},
	 COUNTS(malformed),
	 .spoil = payload_beyond},
	{"pure ACK, data offset too short", {PURE_ACK}, COUNTS(malformed), .spoil = short_doff},
	{"pure ACK, data offset beyond", {V6, PURE_ACK}, COUNTS(malformed), .spoil = long_doff},
	{"cut in the payload", {DATA}, COUNTS(malformed), .cut = 1},
	{"cut in the TCP header", {.flags = TCPC_TCP_SYN}, COUNTS(malformed), .cut = 3},
	{"cut in the IP header", {DATA}, COUNTS(malformed), .cut = 130, .wire_only = true},
	{"cut in the IPv6 header", {V6, DATA}, COUNTS(malformed), .cut = 130, .wire_only = true},
	{"IPv4, 64 KB", {.payload_bytes = 65400}, COUNTS(cloned), .wire_only = true},
	{"IPv6, 64 KB, all headers",
	 {V6, .payload_bytes = 65001, .ext = {0, 60}, .n_ext = 2, .tcp_option_bytes = 40},
	 COUNTS(cloned),
	 .wire_only = true},
	{"64 KB, another port",
	 {.payload_bytes = 65400, .dport = 81},
	 COUNTS(no_service),
	 .wire_only = true},
	{"64 KB, cut", {.payload_bytes = 65400}, COUNTS(malformed), .cut = 1, .wire_only = true},
	{"cut in the second tag", {DATA, .vlan_tags = 2}, COUNTS(malformed), .cut = 142},
};

static struct frame row_frame(const struct row *row)
{
	struct frame whole = frame_build(&row->spec), frame;

	if (row->spoil)
		row->spoil(&whole);
	frame = frame_cut(&whole, row->spec.link, whole.bytes - row->cut);
	frame_free(&whole);
	return frame;
}

/* Does the counter fit what the pure parser says of the frame? */
static void expect_parse(const struct row *row, const struct frame *frame)
{
	struct tcpc_pkt pkt;
	enum tcpc_parse_result result = frame_parse(frame, row->spec.link, &pkt);

	expect_true(row->description, "counted as not_tcp",
		    (result == TCPC_PARSE_NOT_TCP) == (row->counter == COUNTER(not_tcp)));
	expect_true(row->description, "counted as fragment",
		    (result == TCPC_PARSE_FRAGMENT) == (row->counter == COUNTER(fragment)));
	expect_true(row->description, "counted as malformed",
		    (result == TCPC_PARSE_SHORT || result == TCPC_PARSE_MALFORMED) ==
			    (row->counter == COUNTER(malformed)));
}

/* The clone on the copy device is the packet; nothing else is there. */
static void expect_clone(const char *row, int fd, const struct frame *frame, bool cloned)
{
	static __u8 clone[RUN_OUT_BYTES];

	if (cloned) {
		expect_u64(row, "length of the clone",
			   packet_next(row, fd, PACKET_OUTGOING, clone, sizeof(clone)),
			   frame->bytes);
		expect_bytes(row, clone, frame->data, frame->bytes);
	}
	expect_u64(row, "further clones", packet_read(fd, PACKET_OUTGOING, clone, sizeof(clone)),
		   0);
}

/* Nothing hangs on the copy device, so clones leave it as tap made them. */
static void test_frames(void **state)
{
	static struct bpf_run run;
	int fd;

	(void)state;
	need_netns();
	fd = packet_open("copy0");
	online_config(lab.copy, NEVER_NS);
	online_service(&armed);
	run.ifindex = lab.live;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *row = &rows[i];
		struct tcpc_online_stats want = one_of(row->counter);
		struct frame frame;

		if (row->wire_only)
			continue;
		frame = row_frame(row);
		expect_parse(row, &frame);
		counters_mark(&lab.counters);
		bpf_run(row->description, lab.tap_fd, &run, frame.data, frame.bytes);
		expect_run(row->description, &run, VERDICT_NEXT, &frame);
		expect_moved(row->description, &lab.counters, &want);
		expect_clone(row->description, fd, &frame, row->counter == COUNTER(cloned));
		frame_free(&frame);
	}
	close(fd);
}

/* What align puts back onto the same interface was copied when it came; any other mark says
 * nothing. */
static void test_returned(void **state)
{
	static const __u32 marks[] = {TCPC_HOLD_MARK, TCPC_AGAIN_MARK,	  TCPC_LAST_MARK,
				      TCPC_TEXT_MARK, TCPC_TEXT_MARK + 1, 1};
	const struct row row = {"", {DATA}, COUNTS(cloned)};
	static struct bpf_run run;
	struct frame frame;

	(void)state;
	need_netns();
	online_config(lab.copy, NEVER_NS);
	online_service(&armed);
	run.ifindex = lab.live;
	frame = row_frame(&row);
	for (size_t i = 0; i < COUNT_OF(marks); i++) {
		struct tcpc_online_stats want = one_of(i < 4 ? COUNTER(returned) : row.counter);
		char text[32];

		snprintf(text, sizeof(text), "mark %#x", marks[i]);
		run.mark = marks[i];
		counters_mark(&lab.counters);
		bpf_run(text, lab.tap_fd, &run, frame.data, frame.bytes);
		expect_run(text, &run, VERDICT_NEXT, &frame);
		expect_moved(text, &lab.counters, &want);
	}
	frame_free(&frame);
}

/* One target of each family: whatever is cloned is written to once. */
static void write_targets(void)
{
	struct tcpc_target_set set = {.n_targets = 2};

	for (int i = 0; i < 2; i++) {
		set.target[i].addr = frame_host(&(struct frame_spec){.family = i ? 6 : 4}, 100);
		set.target[i].port = tcpc_htons(8080);
		set.target[i].flags = TCPC_TARGET_READY;
		set.target[i].ifindex = lab.out;
	}
	online_targets(&set);
}

/* Clones share their bytes with the packet: what copy writes must not show there. */
static void test_copy_leaves_packet_alone(void **state)
{
	struct tcpc_online_stats before, after;
	struct tcpc_attachment copy = {};
	static struct bpf_run run;
	struct tcpc_err err = {};

	(void)state;
	need_netns();
	write_targets();
	online_config(lab.copy, NEVER_NS);
	online_service(&armed);
	if (tcpc_datapath_attach(lab.copy_fd, lab.copy, true, TCPC_HOOK_TC, &copy, &err))
		expect_fail("%s", err.text);
	before = stats_now();
	run.ifindex = lab.live;
	run.ingress_ifindex = lab.live;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct frame frame;

		if (rows[i].wire_only)
			continue;
		frame = row_frame(&rows[i]);
		bpf_run(rows[i].description, lab.tap_fd, &run, frame.data, frame.bytes);
		expect_run(rows[i].description, &run, VERDICT_NEXT, &frame);
		frame_free(&frame);
	}
	after = stats_now();
	expect_true("all rows", "clones were rewritten", after.copied - before.copied > 10);
	expect_u64("all rows", "copies", after.copied - before.copied,
		   after.cloned - before.cloned);
	tcpc_attachment_close(&copy);
}

/* One frame through the real hook, where large ones have their headers in pages. */
static void expect_wire(const struct row *row, int wire, int clones)
{
	struct tcpc_online_stats want = one_of(row->counter);
	struct frame frame = row_frame(row);
	__u64 before = stats_now().seen;

	expect_parse(row, &frame);
	counters_mark(&lab.counters);
	packet_send(row->description, wire, &frame);
	wait_until(stats_now().seen != before);
	expect_moved(row->description, &lab.counters, &want);
	/* The kernel has taken the outer tag off and keeps it beside the packet. */
	if (!row->spec.vlan_tags)
		expect_clone(row->description, clones, &frame, row->counter == COUNTER(cloned));
	frame_free(&frame);
}

static void test_wire(void **state)
{
	struct tcpc_attachment tap = {};
	struct tcpc_err err = {};
	int wire, clones;

	(void)state;
	need_netns();
	online_config(lab.copy, NEVER_NS);
	online_service(&armed);
	if (tcpc_datapath_attach(lab.tap_fd, lab.live, false, TCPC_HOOK_TC, &tap, &err))
		expect_fail("%s", err.text);
	wire = packet_open("live1");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		/* Without its outer tag this one has two, which are walked. */
		if (rows[i].spoil == third_tag)
			continue;
		/* Tagged clones are not looked at, so each row begins with an empty socket. */
		clones = packet_open("copy0");
		expect_wire(&rows[i], wire, clones);
		close(clones);
	}
	close(wire);
	tcpc_attachment_close(&tap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_returned),
		cmocka_unit_test(test_copy_leaves_packet_alone),
		cmocka_unit_test(test_wire),
	};

	return cmocka_run_group_tests(tests, online_enter, online_leave);
}
