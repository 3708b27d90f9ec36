// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_journal.c - what copy notes of each copy: whole packets of both families as they left, at
 * every length, and large ones from a real device.
 */
#include "../harness/bpf_journal.h"

#include <linux/virtio_net.h>

#define SEGMENT 1448

static const struct shape {
	const char *row;
	struct frame_spec spec;
} shapes[] = {
	{"IPv4 data", {DATA, .seq = 4000000000, .ack = 5, .window = 777}},
	{"SYN", {.flags = TCPC_TCP_SYN, .tcp_option_bytes = 20, .seq = 1}},
	{"FIN", {.flags = TCPC_TCP_FIN | TCPC_TCP_ACK, .seq = 2}},
	{"RST", {.flags = TCPC_TCP_RST, .seq = 3}},
	{"one byte and padding", {.payload_bytes = 1, .padding = 5}},
	{"all options", {.payload_bytes = 333, .ip_option_words = 10, .tcp_option_bytes = 40}},
	{"a full frame", {.flags = TCPC_TCP_ACK, .payload_bytes = 1460}},
	{"a page, nearly", {.payload_bytes = RUN_MAX}},
	{"one tag", {DATA, .vlan_tags = 1}},
	{"two tags, odd, padding", {.payload_bytes = 3, .vlan_tags = 2, .padding = 9}},
	{"IPv6 data", {V6, DATA, .seq = 9, .ack = 8}},
	{"IPv6 SYN", {V6, .flags = TCPC_TCP_SYN}},
	{"IPv6, two tags", {V6, DATA, .vlan_tags = 2}},
	{"IPv6 extension headers", {V6, DATA, .ext = {0, 43, 60}, .n_ext = 3, .ext_units = 1}},
};

/* The last record against the packet that left, from its IP header on. */
static void expect_record(const char *row, const struct frame_spec *came, __u8 *frame, __u32 bytes)
{
	const struct tcpc_journal_head *head = &owner.last;
	struct tcpc_target target;
	struct tcpc_pkt pkt;

	expect_u64(row, "parse", tcpc_parse(frame, frame + bytes, bytes, TCPC_LINK_ETHER, &pkt),
		   TCPC_PARSE_OK);
	target = journal_target(pkt.family, 0);
	expect_u64(row, "client", tcpc_addr_equal(&head->flow.client, &pkt.saddr), 1);
	expect_u64(row, "server", tcpc_addr_equal(&head->flow.server, &target.addr), 1);
	expect_u64(row, "client's port", head->flow.client_port, pkt.sport);
	expect_u64(row, "server's port", head->flow.server_port, target.port);
	expect_u64(row, "flow's padding", head->flow.pad, 0);
	expect_u64(row, "seq", head->seq, pkt.seq);
	expect_u64(row, "ack", head->ack, pkt.ack);
	expect_u64(row, "payload", head->payload_bytes, pkt.payload_bytes);
	expect_u64(row, "target", head->target_id, TARGET_ID);
	expect_u64(row, "interface", head->ifindex, lab.out);
	expect_u64(row, "kept", head->kept, 0);
	expect_u64(row, "flags", head->flags, pkt.flags);
	expect_u64(row, "TCP header", head->l4_off, pkt.l4_off - pkt.l3_off);
	expect_u64(row, "its length", head->tcp_bytes, pkt.tcp_bytes);
	expect_u64(row, "length", head->ip_bytes,
		   pkt.l4_off - pkt.l3_off + pkt.tcp_bytes + pkt.payload_bytes);
	expect_true(row, "time is now", uv_hrtime() - head->time_ns < 5000000000ULL);
	expect_origin(row, came, frame + pkt.l3_off, pkt.family == 4);
	expect_bytes(row, owner.packet, frame + pkt.l3_off, head->ip_bytes);
}

static void test_records(void **state)
{
	(void)state;
	need_netns();
	begin(0, on_pressure);
	for (size_t i = 0; i < COUNT_OF(shapes); i++) {
		const struct shape *s = &shapes[i];
		struct bpf_run *run;

		set_target(s->spec.family, TCPC_TARGET_JOURNAL);
		run = run_copy(s->row, &s->spec);
		expect_u64(s->row, "records", tcpc_journal_read(owner.journal), 1);
		expect_record(s->row, &s->spec, run->out, run->bytes);
		expect_u64(s->row, "segments", owner.last.segment_bytes, 0);
		expect_u64(s->row, "release", tcpc_journal_release(owner.journal, owner.last_id),
			   0);
		expect_u64(s->row, "again", tcpc_journal_release(owner.journal, owner.last_id),
			   -ENOENT);
	}
	end();
}

/* A link without headers: the copy gets one before it is noted, the record begins behind it. */
static void test_raw(void **state)
{
	(void)state;
	need_netns();
	begin(0, on_pressure);
	lab.copy_fd = bpf_program__fd(lab.skel->progs.copy_raw);
	for (int family = 4; family <= 6; family += 2) {
		const struct frame_spec spec = {DATA, .family = family, .link = TCPC_LINK_NONE};
		struct bpf_run *run;

		set_target(family, TCPC_TARGET_JOURNAL);
		run = run_copy("raw", &spec);
		expect_u64("raw", "records", tcpc_journal_read(owner.journal), 1);
		/* The kernel writes this when it sends the packet. */
		frame_put16(run->out + 12, family == 6 ? ETH_P_IPV6 : ETH_P_IP);
		expect_record("raw", &spec, run->out, run->bytes);
	}
	end();
}

/* Around every class: what does not fit one any more goes into the next. */
static void test_lengths(void **state)
{
	__u32 n;

	(void)state;
	need_netns();
	begin(0, on_pressure);
	set_target(4, TCPC_TARGET_JOURNAL);
	for (n = 0; n <= RUN_MAX; n += n < 1700 ? 1 : 13) {
		const struct frame_spec spec = {.payload_bytes = n};
		struct bpf_run *run = run_copy("lengths", &spec);

		expect_u64("lengths", "records", tcpc_journal_read(owner.journal), 1);
		expect_record("lengths", &spec, run->out, run->bytes);
		assert_non_null(tcpc_journal_get(owner.journal, owner.last_id));
		assert_int_equal(tcpc_journal_release(owner.journal, owner.last_id), 0);
	}
	end();
}

static void test_off(void **state)
{
	struct tcpc_online_stats moved = {.copied = 1, .copied_bytes = 100};

	(void)state;
	need_netns();
	begin(0, on_pressure);
	set_target(4, 0);
	counters_mark(&lab.counters);
	run_copy("off", &(struct frame_spec){DATA});
	expect_moved("off", &lab.counters, &moved);
	expect_u64("off", "records", tcpc_journal_read(owner.journal), 0);
	end();
}

/* ---- real devices ---------------------------------------------------------------------------- */

/* Sends a frame as one large packet of segments, its checksum unfinished: as GRO and a sender on
 * this host make them. */
static void send_large(const char *row, const struct frame *frame, int family)
{
	struct virtio_net_hdr head = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = family == 6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = SEGMENT,
		.hdr_len = frame->l4_off + 20,
		.csum_start = frame->l4_off,
		.csum_offset = 16,
	};
	struct iovec iov[] = {{&head, sizeof(head)}, {frame->data, frame->bytes}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	int fd = packet_open("live1"), on = 1;

	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) ||
	    sendmsg(fd, &msg, 0) != (ssize_t)(sizeof(head) + frame->bytes))
		expect_fail("%s: cannot send: %s", row, strerror(errno));
	close(fd);
}

/* The pseudo header's sum instead of the checksum, as CHECKSUM_PARTIAL wants it. */
static void unfinish(const struct frame *frame)
{
	__u8 *tcp = frame->data + frame->l4_off;
	__u64 sum = frame_tcp_sum(frame->data + frame->l3_off, tcp, 0) + frame->l4_bytes;

	frame_put16(tcp + 16, (__u16)~frame_checksum(sum));
}

static const struct large {
	const char *row;
	int family;
	__u32 payload_bytes;
	__u32 segment_bytes; /* as noted */
	size_t counter;	     /* 0: there is a record */
} larges[] = {
	{"IPv4, 2 segments", 4, 2000, SEGMENT, 0},
	{"IPv4, 45 segments", 4, 45 * SEGMENT, SEGMENT, 0},
	{"IPv6, 45 segments", 6, 45 * SEGMENT, SEGMENT, 0},
	{"IPv6, beyond 64 KB", 6, 80000, 0, COUNTER(journal_too_big)},
};

static void attach_programs(struct tcpc_attachment *tap, struct tcpc_attachment *copy)
{
	struct tcpc_err err = {};

	if (tcpc_datapath_attach(lab.tap_fd, lab.live, false, TCPC_HOOK_TC, tap, &err) ||
	    tcpc_datapath_attach(lab.copy_fd, lab.copy, true, TCPC_HOOK_TC, copy, &err))
		expect_fail("%s", err.text);
	online_service(&armed);
	online_config(lab.copy, NEVER_NS);
}

static void expect_large(const struct large *l)
{
	struct frame_spec spec = {
		.family = l->family,
		.payload_bytes = l->payload_bytes,
		.flags = TCPC_TCP_ACK,
		.seq = 12345,
	};
	struct frame frame = frame_build(&spec);
	struct tcpc_online_stats before = stats_now();
	__u64 copied = before.copied;

	set_target(l->family, TCPC_TARGET_JOURNAL);
	unfinish(&frame);
	send_large(l->row, &frame, l->family);
	wait_until(stats_now().copied == copied + 1);
	if (l->counter) {
		struct tcpc_online_stats now = stats_now();

		expect_u64(l->row, "counter",
			   *(__u64 *)((char *)&now + l->counter) -
				   *(__u64 *)((char *)&before + l->counter),
			   1);
		expect_u64(l->row, "records", tcpc_journal_read(owner.journal), 0);
	} else {
		/* The copy has left before its record may be there: on one processor, in no time.
		 */
		wait_until(tcpc_journal_read(owner.journal) == 1);
		expect_u64(l->row, "segments", owner.last.segment_bytes, l->segment_bytes);
		expect_u64(l->row, "payload", owner.last.payload_bytes, l->payload_bytes);
		expect_bytes(l->row, owner.packet + owner.last.l4_off + 20,
			     frame.data + frame.l4_off + 20, l->payload_bytes);
		assert_int_equal(tcpc_journal_release(owner.journal, owner.last_id), 0);
	}
	frame_free(&frame);
}

static void test_large(void **state)
{
	struct tcpc_attachment tap = {}, copy = {};

	(void)state;
	need_netns();
	begin(0, on_pressure);
	lab_command("ip link set live1 gso_max_size 200000");
	attach_programs(&tap, &copy);
	for (size_t i = 0; i < COUNT_OF(larges); i++)
		expect_large(&larges[i]);
	tcpc_attachment_close(&tap);
	tcpc_attachment_close(&copy);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records), cmocka_unit_test(test_raw),
		cmocka_unit_test(test_lengths), cmocka_unit_test(test_off),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, online_enter, online_leave);
}
