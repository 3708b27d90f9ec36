// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_parse.c - any bytes as a frame. What parse.h accepts must lie in the frame and agree with
 * the bytes; rewriting it and reflecting it must leave checksums that prove right.
 *
 * Input: one byte of flags (bit 0: no link header), one byte that says how many bytes at the end
 * cannot be read (a paged skb), then the frame.
 */
#include <stdint.h>
#include <stdio.h>

#include "../harness/frames.h"
#include "tcpcopy/reflect.h"
#include "tcpcopy/rewrite.h"

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* Offsets in order and inside of what can be read; lengths inside of the frame. */
static void check_layout(const struct frame *frame, __u32 frame_bytes, const struct tcpc_pkt *pkt)
{
	__u32 ip_min = pkt->family == 6 ? 40 : 20;

	MUST(pkt->family == 4 || pkt->family == 6);
	MUST(pkt->vlan_tags <= TCPC_VLAN_TAGS);
	MUST(pkt->l3_off + ip_min <= pkt->l4_off);
	MUST(pkt->tcp_bytes >= 20 && pkt->tcp_bytes <= 60 && pkt->tcp_bytes % 4 == 0);
	MUST((__u32)pkt->l4_off + pkt->tcp_bytes <= frame->bytes);
	MUST((__u64)pkt->l4_off + pkt->tcp_bytes + pkt->payload_bytes <= frame_bytes);
}

/* The fields are what stands in the frame at these offsets. */
static void check_fields(const struct frame *frame, const struct tcpc_pkt *pkt)
{
	const __u8 *ip = frame->data + pkt->l3_off, *tcp = frame->data + pkt->l4_off;

	MUST(ip[0] >> 4 == pkt->family);
	MUST(!memcmp(&pkt->sport, tcp, 2) && !memcmp(&pkt->dport, tcp + 2, 2));
	MUST(pkt->seq == ((__u32)tcp[4] << 24 | tcp[5] << 16 | tcp[6] << 8 | tcp[7]));
	MUST(pkt->ack == ((__u32)tcp[8] << 24 | tcp[9] << 16 | tcp[10] << 8 | tcp[11]));
	MUST(pkt->tcp_bytes == (tcp[12] >> 4) * 4 && pkt->flags == tcp[13]);
	MUST(pkt->window == (tcp[14] << 8 | tcp[15]));
	MUST(pkt->greeting == (tcp[13] & TCPC_TCP_URG ? 0 : tcp[18] << 8 | tcp[19]));
	if (pkt->family == 4) {
		MUST(pkt->l4_off == pkt->l3_off + (ip[0] & 15) * 4 && ip[9] == IPPROTO_TCP);
		MUST(tcpc_addr_is_v4(&pkt->saddr) && !memcmp(&pkt->saddr.w[3], ip + 12, 4));
		MUST(tcpc_addr_is_v4(&pkt->daddr) && !memcmp(&pkt->daddr.w[3], ip + 16, 4));
	} else {
		MUST(!memcmp(&pkt->saddr, ip + 8, 16) && !memcmp(&pkt->daddr, ip + 24, 16));
	}
}

/* Make the checksums right, whatever they were. */
static void seal(struct frame *frame)
{
	__u8 *ip = frame->data + frame->l3_off, *tcp = frame->data + frame->l4_off;

	if (ip[0] >> 4 == 4) {
		frame_put16(ip + 10, 0);
		frame_put16(ip + 10, frame_checksum(frame_sum(ip, (ip[0] & 15) * 4, 0)));
	}
	frame_put16(tcp + 16, 0);
	frame_put16(tcp + 16, frame_checksum(frame_tcp_sum(ip, tcp, frame->l4_bytes)));
}

/* Needs the whole frame: checksums cover the payload. */
static void check_rewrite(struct frame *frame, enum tcpc_link link, const struct tcpc_pkt *pkt)
{
	struct frame_spec spec = {.family = pkt->family};
	struct tcpc_addr addr = frame_host(&spec, pkt->flags);
	struct tcpc_pkt after;

	frame->l3_off = pkt->l3_off;
	frame->l4_off = pkt->l4_off;
	frame->l4_bytes = pkt->tcp_bytes + pkt->payload_bytes;
	seal(frame);
	MUST(frame_right(frame));
	tcpc_rewrite_dest(frame->data, pkt, &addr, pkt->sport);
	tcpc_rewrite_align(frame->data, pkt, pkt->seq, TCPC_OPEN_WINDOW);
	MUST(frame_right(frame));
	MUST(frame_parse(frame, link, &after) == TCPC_PARSE_OK);
	MUST(tcpc_addr_equal(&after.daddr, &addr) && after.dport == pkt->sport);
	MUST(after.ack == pkt->seq && after.window == TCPC_OPEN_WINDOW && !after.greeting);
	MUST(after.payload_bytes == pkt->payload_bytes && after.ttl == TCPC_COPY_TTL);
}

static void check_reflect(const struct tcpc_pkt *pkt)
{
	__u32 out[TCPC_REFLECT_MAX / 4];
	__u32 bytes = tcpc_reflect_build(pkt, out);
	const __u8 *ip = (const __u8 *)out;
	struct tcpc_pkt ack;

	MUST(bytes == (pkt->family == 6 ? 60 : 40));
	MUST(tcpc_parse(ip, ip + bytes, bytes, TCPC_LINK_NONE, &ack) == TCPC_PARSE_OK);
	MUST(frame_checks_right(ip, ip + bytes - 20, 20));
	MUST(ack.seq == pkt->ack && ack.ack == pkt->seq + tcpc_pkt_seq_len(pkt));
	MUST(tcpc_addr_equal(&ack.saddr, &pkt->daddr) && tcpc_addr_equal(&ack.daddr, &pkt->saddr));
	MUST(!tcpc_reflect_needed(&ack));
}

/* What @whole gives, seen through its first bytes only: the same, or SHORT. */
static void check_short(const struct frame *whole, enum tcpc_link link, __u32 readable)
{
	struct frame cut = frame_cut(whole, link, readable);
	struct tcpc_pkt pkt, full;
	int result = tcpc_parse(cut.data, cut.data + readable, whole->bytes, link, &pkt);

	if (result == TCPC_PARSE_OK) {
		check_layout(&cut, whole->bytes, &pkt);
		MUST(frame_parse(whole, link, &full) == TCPC_PARSE_OK);
		MUST(full.l4_off == pkt.l4_off && full.payload_bytes == pkt.payload_bytes);
	} else if (result != TCPC_PARSE_SHORT) {
		MUST(frame_parse(whole, link, &full) == (enum tcpc_parse_result)result);
	}
	frame_free(&cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	enum tcpc_link link;
	struct frame frame = {0};
	struct tcpc_pkt pkt;

	if (size < 2)
		return 0;
	link = input[0] & 1 ? TCPC_LINK_NONE : TCPC_LINK_ETHER;
	frame_alloc(&frame, link, size - 2);
	memcpy(frame.data, input + 2, size - 2);
	check_short(&frame, link, frame.bytes - (input[1] < frame.bytes ? input[1] : frame.bytes));
	if (frame_parse(&frame, link, &pkt) == TCPC_PARSE_OK) {
		check_layout(&frame, frame.bytes, &pkt);
		check_fields(&frame, &pkt);
		check_reflect(&pkt);
		check_rewrite(&frame, link, &pkt);
	}
	frame_free(&frame);
	return 0;
}
