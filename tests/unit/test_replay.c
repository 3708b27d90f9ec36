// SPDX-License-Identifier: GPL-2.0-only
/* test_replay.c - when captured packets are due, in which form they are sent, where they lie. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>
#include <linux/virtio_net.h>

#include "core/replay.h"
#include "tcpcopy/csum.h"

#define MS 1000000ULL
#define S 1000000000ULL

/* ---- time ------------------------------------------------------------------------------------ */

static void test_pace_table(void **state)
{
	static const struct {
		__u32 speed;
		__u64 max_gap_ns;
		struct {
			__u64 captured, due;
		} step[6];
	} table[] = {
		/* as captured; order changed by a little is no pause, nor is making up for it */
		{1000, 0, {{5 * S, 0}, {5 * S + MS, MS}, {5 * S, MS}, {5 * S + 2 * MS, 2 * MS}}},
		/* ten times and a tenth */
		{10000, 0, {{S, 0}, {2 * S, S / 10}, {12 * S, 11 * S / 10}}},
		{100, 0, {{S, 0}, {S + MS, 10 * MS}}},
		/* pauses cut: the rest keeps its distance */
		{1000, 50 * MS, {{S, 0}, {9 * S, 50 * MS}, {9 * S + MS, 51 * MS}}},
		/* a clock set back goes on from there */
		{1000, 0, {{100 * S, 0}, {50 * S, 0}, {51 * S, S}}},
		/* nonsense: never back to the past */
		{1000, 0, {{1, 0}, {~0ULL, 1ULL << 63}, {1, 1ULL << 63}, {~0ULL, 1ULL << 63}}},
		{100, 0, {{1, 0}, {1ULL << 61, 1ULL << 63}, {1ULL << 62, 1ULL << 63}}},
		/* no clock at all */
		{0, 0, {{100 * S, 0}, {500 * S, 0}}},
		/* nonsense far in the future stays there, and does not come round */
		{100, 0, {{0, 0}, {~0ULL / 20, ~0ULL / 20 * 10}}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct tcpc_replay_pace pace = {.speed = table[i].speed,
						.max_gap_ns = table[i].max_gap_ns};

		for (size_t j = 0; j < 6 && (!j || table[i].step[j].captured); j++)
			assert_int_equal(tcpc_replay_pace_next(&pace, table[i].step[j].captured),
					 table[i].step[j].due);
	}
}

static void test_pace_join(void **state)
{
	struct tcpc_replay_pace pace = {.speed = 1000};

	(void)state;
	tcpc_replay_pace_join(&pace); /* nothing before: no pause */
	assert_int_equal(tcpc_replay_pace_next(&pace, 7 * S), 0);
	assert_int_equal(tcpc_replay_pace_next(&pace, 8 * S), S);
	tcpc_replay_pace_join(&pace); /* whatever the other file's clock says */
	assert_int_equal(tcpc_replay_pace_next(&pace, 900 * S), 2 * S);
	assert_int_equal(tcpc_replay_pace_next(&pace, 900 * S + MS), 2 * S + MS);
	pace.max_gap_ns = 10 * MS;
	tcpc_replay_pace_join(&pace);
	assert_int_equal(tcpc_replay_pace_next(&pace, 1), 2 * S + 11 * MS);
}

static void test_late(void **state)
{
	static struct tcpc_replay_late late;

	(void)state;
	assert_int_equal(tcpc_replay_late_share(&late, 990), 0);
	for (__u64 i = 1; i <= 1000; i++)
		tcpc_replay_late_add(&late, i * 1000);
	assert_int_equal(late.max_ns, 1000000);
	assert_in_range(tcpc_replay_late_share(&late, 500), 500000, 535000);
	assert_in_range(tcpc_replay_late_share(&late, 990), 990000, 1000000);
	assert_int_equal(tcpc_replay_late_share(&late, 1000), 1000000);
	tcpc_replay_late_add(&late, ~0ULL);
	assert_true(tcpc_replay_late_share(&late, 1000) == ~0ULL);
	assert_in_range(tcpc_replay_late_share(&late, 500), 500000, 535000);
}

/* ---- where the IP header lies -----------------------------------------------------------------
 */

static void test_links(void **state)
{
	static const struct {
		int link;
		const char *frame; /* hexadecimal, up to the IP header's first byte */
		int at;		   /* or what is returned */
	} table[] = {
		{1, "020202020202040404040404080045", 14},
		{1, "02020202020204040404040486dd60", 14},
		{1, "020202020202040404040404810000050800", 18},
		{1, "02020202020204040404040488a8000581000006080045", 22},
		{1, "0202020202020404040404048100000181000002810000030800", -ENOENT},
		{1, "0202020202020404040404040806", -ENOENT},
		{1, "020202020202040404040404", -EMSGSIZE},
		{1, "0202020202020404040404048100", -EMSGSIZE},
		{113, "00000001000600000000000000000800", 16},
		{113, "000000010006000000000000000081000007080045", 20},
		{276, "0800000000000002000100060000000000000000", 20},
		{276, "0806000000000002000100060000000000000000", -ENOENT},
		{0, "0200000045", 4},
		{0, "1e00000060", 4},
		{0, "02000000", -EMSGSIZE},
		{108, "0000000245", 4},
		{101, "45", 0},
		{12, "60", 0},
		{228, "45", 0},
		{101, "00", -ENOENT},
		{101, "", -EMSGSIZE},
		{105, "45", -EPROTONOSUPPORT}, /* 802.11 */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t n = strlen(table[i].frame) / 2;
		__u8 *frame = malloc(n + !n);

		for (size_t j = 0; j < n; j++) {
			char byte[3] = {table[i].frame[2 * j], table[i].frame[2 * j + 1], 0};

			frame[j] = strtoul(byte, NULL, 16);
		}
		assert_int_equal(tcpc_replay_find_ip(table[i].link, frame, n), table[i].at);
		free(frame);
	}
	assert_true(tcpc_replay_link_known(1) && tcpc_replay_link_known(276));
	assert_false(tcpc_replay_link_known(105) || tcpc_replay_link_known(-1));
}

/* ---- what is written --------------------------------------------------------------------------
 */

static __u8 buffer[TCPC_REPLAY_BUFFER_BYTES] __attribute__((aligned(8)));

static __u8 *ip_of(void)
{
	return buffer + TCPC_REPLAY_PAD + TCPC_REPLAY_VNET_BYTES;
}

/* A client's packet, as it would be read from a file. */
static void make(int family, __u32 payload)
{
	struct tcpc_replay_conn conn = {
		.client = family == 4 ? tcpc_addr_from_v4(tcpc_htonl(0xc6120101))
				      : (struct tcpc_addr){{tcpc_htonl(0x20010002), 0, 0, 7}},
		.client_port = tcpc_htons(40000),
		.server_port = tcpc_htons(80),
		.nxt = 0xfffffff0,
		.ack = 77,
	};
	size_t bytes = tcpc_replay_end(buffer, &conn, false, 0) - TCPC_REPLAY_VNET_BYTES;
	__be16 len = tcpc_htons(family == 4 ? bytes + payload : bytes + payload - 40);

	memset(ip_of() + bytes, 'x', payload);
	memcpy(ip_of() + (family == 4 ? 2 : 4), &len, sizeof(len));
}

static struct tcpc_pkt parse(size_t bytes)
{
	struct tcpc_pkt pkt;

	assert_int_equal(tcpc_parse(ip_of(), ip_of() + bytes, bytes, TCPC_LINK_NONE, &pkt),
			 TCPC_PARSE_OK);
	return pkt;
}

/* The device adds the segment to what stands in the checksum field; then it must be right. */
static void check_sums(const struct tcpc_pkt *pkt, size_t bytes)
{
	__u32 l4 = bytes - pkt->l4_off, sum;
	__u8 tail[8] = {0, 0, l4 >> 8, l4, 0, 0, 0, 6};
	__u16 check;

	if (pkt->family == 4)
		assert_int_equal(tcpc_csum_fold(tcpc_csum_partial(ip_of(), 20, 0)), 0);
	check = tcpc_csum_fold(tcpc_csum_partial(ip_of() + pkt->l4_off, l4, 0));
	memcpy(ip_of() + pkt->l4_off + 16, &check, 2);
	sum = tcpc_csum_partial(tail, 8, tcpc_csum_partial(ip_of() + pkt->l4_off, l4, 0));
	sum = pkt->family == 4 ? tcpc_csum_partial(ip_of() + 12, 8, sum)
			       : tcpc_csum_partial(ip_of() + 8, 32, sum);
	assert_int_equal(tcpc_csum_fold(sum), 0);
}

static void test_packet(void **state)
{
	static const __u32 payloads[] = {0, 1, 777, 1448, 1461, 60000};

	(void)state;
	for (int i = 0; i < 12; i++) {
		int family = i & 1 ? 6 : 4;
		__u32 payload = payloads[i / 2], headers = family == 4 ? 40 : 60;
		struct virtio_net_hdr h;
		struct tcpc_pkt pkt, sent;
		size_t n;

		make(family, payload);
		pkt = parse(headers + payload);
		n = tcpc_replay_packet(buffer, &pkt, 0x20);
		assert_int_equal(n, TCPC_REPLAY_VNET_BYTES + headers + payload);
		sent = parse(headers + payload);
		assert_int_equal(sent.seq, 0x10); /* it wraps */
		assert_int_equal(sent.ack, 77);
		assert_memory_equal(&sent.saddr, &pkt.saddr, sizeof(pkt.saddr));
		assert_int_equal(tcpc_ntohl(sent.daddr.w[3]), 1);
		assert_int_equal(sent.daddr.w[2], family == 4 ? TCPC_V4_MAPPED : 0);
		memcpy(&h, buffer + TCPC_REPLAY_PAD, sizeof(h));
		assert_int_equal(h.csum_start, headers - 20);
		assert_int_equal(h.gso_type, headers + payload <= 1500 ? VIRTIO_NET_HDR_GSO_NONE
					     : family == 4	       ? VIRTIO_NET_HDR_GSO_TCPV4
								       : VIRTIO_NET_HDR_GSO_TCPV6);
		assert_int_equal(h.gso_size, headers + payload <= 1500 ? 0 : 1500 - headers);
		check_sums(&sent, headers + payload);
	}
}

static void test_end(void **state)
{
	struct tcpc_replay_conn conn = {
		.client = tcpc_addr_from_v4(tcpc_htonl(0xc6120101)),
		.client_port = tcpc_htons(40000),
		.server_port = tcpc_htons(80),
		.nxt = 1000,
		.ack = 77,
	};
	struct tcpc_pkt pkt;

	(void)state;
	assert_int_equal(tcpc_replay_end(buffer, &conn, false, 5), TCPC_REPLAY_VNET_BYTES + 40);
	pkt = parse(40);
	assert_int_equal(pkt.flags, TCPC_TCP_FIN | TCPC_TCP_ACK);
	assert_int_equal(pkt.seq, 1005);
	check_sums(&pkt, 40);
	tcpc_replay_end(buffer, &conn, true, 5);
	assert_int_equal(parse(40).flags, TCPC_TCP_RST | TCPC_TCP_ACK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pace_table), cmocka_unit_test(test_pace_join),
		cmocka_unit_test(test_late),	   cmocka_unit_test(test_links),
		cmocka_unit_test(test_packet),	   cmocka_unit_test(test_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
