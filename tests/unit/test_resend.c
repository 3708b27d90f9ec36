// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_resend.c - packets sent again, as they come out of a real device: right checksums and
 * sequence numbers, the client as source, the interface that was asked for, and errors that are
 * returned and counted. Every failure is followed by a packet that goes.
 */
#include "../harness/bpf_run.h"

#include "edge/resend.h"

#define SEQ 0xfffffc00u
#define PAYLOAD 4000
#define SEGMENT 1448
#define GOT_BYTES 70000

static struct {
	struct tcpc_resend *resend;
	int out, other;	      /* indices */
	int out_fd, other_fd; /* what comes out of them */
} lab;

/** A record as the journal has it, in one piece. */
struct record {
	struct tcpc_journal_head head;
	__u8 packet[TCPC_JOURNAL_PACKET_MAX];
};

static struct record record;
static __u8 got_room[FRAME_ETHER_ALIGN + GOT_BYTES] __attribute__((aligned(8)));
static __u8 *const got = got_room + FRAME_ETHER_ALIGN;

static struct tcpc_flow flow_of(int family)
{
	struct frame_spec spec = {.family = family};

	return (struct tcpc_flow){.client = frame_host(&spec, 1),
				  .server = frame_host(&spec, 9),
				  .client_port = tcpc_htons(40000),
				  .server_port = tcpc_htons(80)};
}

static void make_record(int family, __u32 payload_bytes, __u8 flags)
{
	struct frame_spec spec = {
		.link = TCPC_LINK_NONE,
		.family = family,
		.flags = flags,
		.seq = SEQ,
		.ack = 9,
		.payload_bytes = payload_bytes,
		.saddr = frame_host(&(struct frame_spec){.family = family}, 50),
		.daddr = frame_host(&(struct frame_spec){.family = family}, 51),
	};
	struct frame frame = frame_build(&spec);

	memset(&record, 0, sizeof(record));
	memset(frame.data + frame.l4_off + 16, 0xee, 2); /* as with a checksum not finished */
	memcpy(record.packet, frame.data, frame.bytes);
	record.head.flow = flow_of(family);
	record.head.seq = SEQ;
	record.head.ip_bytes = frame.bytes;
	record.head.payload_bytes = payload_bytes;
	record.head.ifindex = lab.out;
	record.head.segment_bytes = payload_bytes > SEGMENT ? SEGMENT : 0;
	frame_free(&frame);
}

/* The next packet that came out, which must be right; from its IP header on it is in @got. */
static void expect_out(const char *row, int fd, struct tcpc_pkt *ret)
{
	__u32 bytes = packet_next(row, fd, PACKET_HOST, got, GOT_BYTES);

	expect_u64(row, "parse", tcpc_parse(got, got + bytes, bytes, TCPC_LINK_ETHER, ret),
		   TCPC_PARSE_OK);
	expect_true(row, "checksums are right",
		    frame_checks_right(got + ret->l3_off, got + ret->l4_off,
				       ret->tcp_bytes + ret->payload_bytes));
	expect_bytes(row, got, "\x02\x03\x03\x03\x03\x03\x02\x02\x02\x02\x02\x02", 12);
}

static void expect_data(const char *row, int fd, int family, __u32 offset, __u32 payload_bytes)
{
	struct tcpc_flow flow = flow_of(family);
	struct tcpc_pkt pkt;

	expect_out(row, fd, &pkt);
	expect_u64(row, "seq", pkt.seq, SEQ + offset);
	expect_u64(row, "payload", pkt.payload_bytes, payload_bytes);
	expect_u64(row, "source", tcpc_addr_equal(&pkt.saddr, &flow.client), 1);
	expect_u64(row, "destination", tcpc_addr_equal(&pkt.daddr, &flow.server), 1);
	for (__u32 i = 0; i < payload_bytes; i++)
		expect_u64(row, "byte", got[pkt.l4_off + pkt.tcp_bytes + i],
			   'a' + (20 + offset + i) % 23);
}

static void expect_silence(const char *row, int fd)
{
	expect_u64(row, "packets beyond", packet_read(fd, PACKET_HOST, got, GOT_BYTES), 0);
}

static int resend(__u32 from, __u32 end, __u32 mtu)
{
	return tcpc_resend_packet(lab.resend, &record.head, SEQ + from, SEQ + end, mtu);
}

static struct tcpc_resend_stats stats(void)
{
	static const struct tcpc_resend_stats none; /* without root */

	return lab.resend ? *tcpc_resend_stats(lab.resend) : none;
}

static void route(const char *dev, const char *v4, const char *v6)
{
	lab_command("ip addr add %s dev %s && ip addr add %s dev %s nodad && "
		    "ip neigh replace 198.18.0.9 lladdr 02:03:03:03:03:03 dev %s && "
		    "ip neigh replace 2001:2::9 lladdr 02:03:03:03:03:03 dev %s",
		    v4, dev, v6, dev, dev, dev);
}

static int enter(void **state)
{
	struct tcpc_err err = {};

	if (lab_enter(state))
		return -1;
	if (!in_netns)
		return 0;
	lab.out = lab_link("out0", "out1");
	lab.other = lab_link("other0", "other1");
	/* The best route leads out of other0: copies leave by the interface that they are given. */
	route("out0", "198.18.0.254/24", "2001:2::fe/64");
	route("other0", "198.18.0.253/32", "2001:2::fd/128");
	lab_command("ip link set out0 mtu 1500 && ip link set other0 mtu 1500 && "
		    "ip route add 198.18.0.9 dev other0 && "
		    "ip route add 2001:2::9 dev other0");
	lab.out_fd = packet_open("out1");
	lab.other_fd = packet_open("other1");
	return tcpc_resend_open(&lab.resend, &err);
}

static int leave(void **state)
{
	(void)state;
	tcpc_resend_close(lab.resend);
	tcpc_resend_close(NULL);
	return 0;
}

/* ---- what is sent ---------------------------------------------------------------------------- */

static void test_pieces(void **state)
{
	struct tcpc_resend_stats before = stats();

	(void)state;
	need_netns();
	for (int family = 4; family <= 6; family += 2) {
		make_record(family, PAYLOAD, TCPC_TCP_ACK | TCPC_TCP_PSH);
		assert_int_equal(resend(0, PAYLOAD, 1500), 0);
		expect_data("pieces", lab.out_fd, family, 0, family == 4 ? SEGMENT : 1440);
		if (family == 4) {
			expect_data("pieces", lab.out_fd, family, SEGMENT, SEGMENT);
			expect_data("pieces", lab.out_fd, family, 2 * SEGMENT,
				    PAYLOAD - 2 * SEGMENT);
		} else {
			expect_data("pieces", lab.out_fd, family, 1440, 1440);
			expect_data("pieces", lab.out_fd, family, 2880, PAYLOAD - 2880);
		}
		assert_int_equal(resend(1000, 1010, 1500), 0);
		expect_data("part", lab.out_fd, family, 1000, 10);
		expect_silence("pieces", lab.out_fd);
		expect_silence("pieces", lab.other_fd);
	}
	expect_u64("pieces", "packets", stats().packets - before.packets, 8);
	expect_u64("pieces", "bytes", stats().bytes - before.bytes, 2 * (PAYLOAD + 10));
}

static void test_interface(void **state)
{
	(void)state;
	need_netns();
	for (int family = 4; family <= 6; family += 2) {
		make_record(family, 100, TCPC_TCP_ACK);
		record.head.ifindex = lab.other;
		assert_int_equal(resend(0, 100, 1500), 0);
		expect_data("the other interface", lab.other_fd, family, 0, 100);
		expect_silence("the other interface", lab.out_fd);
	}
}

/* A rule on the source, as where a host has two uplinks: the copies follow it, so must these. */
static void test_source_rule(void **state)
{
	struct tcpc_pkt pkt;

	(void)state;
	need_netns();
	lab_command("ip rule add from 198.18.0.1 lookup 100 && "
		    "ip route add default via 198.18.0.77 dev out0 table 100 && "
		    "ip neigh replace 198.18.0.77 lladdr 02:07:07:07:07:07 dev out0 && "
		    "ip -6 rule add from 2001:2::1 lookup 100 && "
		    "ip route add default via 2001:2::77 dev out0 table 100 && "
		    "ip neigh replace 2001:2::77 lladdr 02:07:07:07:07:07 dev out0");
	for (int family = 4; family <= 6; family += 2) {
		__u32 bytes;

		make_record(family, 100, TCPC_TCP_ACK);
		assert_int_equal(resend(0, 100, 1500), 0);
		bytes = packet_next("rule", lab.out_fd, PACKET_HOST, got, GOT_BYTES);
		expect_u64("rule", "parse",
			   tcpc_parse(got, got + bytes, bytes, TCPC_LINK_ETHER, &pkt),
			   TCPC_PARSE_OK);
		expect_bytes("rule", got, "\x02\x07\x07\x07\x07\x07", 6);
	}
	lab_command("ip rule del from 198.18.0.1 && ip -6 rule del from 2001:2::1");
}

static void test_device_mtu(void **state)
{
	(void)state;
	need_netns();
	lab_command("ip link set out0 mtu 1400");
	for (int family = 4; family <= 6; family += 2) {
		__u32 room = 1400 - (family == 4 ? 40 : 60);

		make_record(family, 1400, TCPC_TCP_ACK);
		assert_int_equal(resend(0, 1400, 0), 0);
		expect_data("the device's MTU", lab.out_fd, family, 0, room);
		expect_data("the device's MTU", lab.out_fd, family, room, 1400 - room);
	}
	lab_command("ip link set out0 mtu 1500");
}

/* ---- what is not ----------------------------------------------------------------------------- */

/* What goes wrong is said and counted once, and the next one goes. */
static void expect_failure(const char *row, int family, int got_err, int want_err,
			   struct tcpc_resend_stats before, size_t counter)
{
	struct tcpc_resend_stats now = stats();
	__u64 *b = (__u64 *)&before;

	expect_u64(row, "result", -got_err, -want_err);
	b[counter / 8]++;
	expect_bytes(row, &now, &before, sizeof(now));
	expect_silence(row, lab.out_fd);
	make_record(family, 10, TCPC_TCP_ACK);
	assert_int_equal(resend(0, 10, 1500), 0);
	expect_data(row, lab.out_fd, family, 0, 10);
}

#define COUNTER(name) offsetof(struct tcpc_resend_stats, name)

static void test_too_big(void **state)
{
	(void)state;
	need_netns();
	for (int family = 4; family <= 6; family += 2) {
		struct tcpc_resend_stats before = stats();

		/* The caller is wrong about the way: the device says so. */
		make_record(family, 3000, TCPC_TCP_ACK);
		record.head.segment_bytes = 0;
		expect_failure("beyond the MTU", family, resend(0, 3000, 9000), -EMSGSIZE, before,
			       COUNTER(too_big));
		before = stats();
		make_record(family, 3000, TCPC_TCP_ACK);
		expect_failure("no room at all", family, resend(0, 3000, 40), -EMSGSIZE, before,
			       COUNTER(too_big));
	}
}

static void test_nowhere(void **state)
{
	struct tcpc_resend_stats before;
	int r;

	(void)state;
	need_netns();
	for (int family = 4; family <= 6; family += 2) {
		make_record(family, 100, TCPC_TCP_ACK);
		before = stats();
		record.head.ifindex = 999999;
		expect_failure("no such interface", family, resend(0, 100, 0), -ENXIO, before,
			       COUNTER(failed));
		make_record(family, 100, TCPC_TCP_ACK);
		before = stats();
		record.head.ifindex = 999999;
		r = resend(0, 100, 1500);
		expect_true("no such interface, MTU known", "fails", r < 0);
		expect_failure("no such interface, MTU known", family, r, r, before,
			       COUNTER(failed));
		make_record(family, 100, TCPC_TCP_ACK);
		before = stats();
		record.packet[0] = 0;
		expect_failure("no packet", family, resend(0, 100, 1500), -EINVAL, before,
			       COUNTER(failed));
	}
}

static void test_not_in_it(void **state)
{
	struct tcpc_resend_stats before = stats(), now;

	(void)state;
	need_netns();
	make_record(4, 100, TCPC_TCP_ACK);
	assert_int_equal(resend(100, 200, 1500), -ERANGE);
	assert_int_equal(resend(-100, 0, 1500), -ERANGE);
	now = stats();
	expect_bytes("not in it", &now, &before, sizeof(now));
	expect_silence("not in it", lab.out_fd);
}

/* A device whose queue is full: not lost without a word. */
static void test_busy(void **state)
{
	(void)state;
	need_netns();
	if (run_command("tc qdisc add dev other0 root tbf rate 8kbit burst 2000 limit 3000 2>&1"))
		skip();
	for (int family = 4; family <= 6; family += 2) {
		struct tcpc_resend_stats before;
		int r = 0;

		for (int i = 0; i < 20 && !r; i++) {
			before = stats();
			make_record(family, 1000, TCPC_TCP_ACK);
			record.head.ifindex = lab.other;
			r = resend(0, 1000, 1500);
		}
		expect_failure("busy", family, r, -ENOBUFS, before, COUNTER(busy));
	}
	lab_command("tc qdisc del dev other0 root");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),	   cmocka_unit_test(test_interface),
		cmocka_unit_test(test_device_mtu), cmocka_unit_test(test_too_big),
		cmocka_unit_test(test_nowhere),	   cmocka_unit_test(test_not_in_it),
		cmocka_unit_test(test_busy),	   cmocka_unit_test(test_source_rule),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
