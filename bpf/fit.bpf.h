/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fit.bpf.h - copies that would be larger than the way to their target takes. Part of online.bpf.c.
 */
#ifndef TCPCOPY_BPF_FIT_H
#define TCPCOPY_BPF_FIT_H

#include "common.bpf.h"
#include "cut.bpf.h"

#define SHRINK_MAX 4095 /* what one call of bpf_skb_adjust_room() takes */
#define SHRINK_STEPS 4

#define FIT_CUT 1

/*
 * Make the segments of a large packet smaller by @bytes each. There is no helper for that, but room
 * that is inserted makes them smaller, and the same room taken out again may leave them as they
 * are.
 */
static __always_inline int shrink_segments(struct __sk_buff *skb, __u32 bytes)
{
	int i;

	for (i = 0; i < SHRINK_STEPS; i++) {
		__u32 step = bytes < SHRINK_MAX ? bytes : SHRINK_MAX;

		if (!step)
			return 0;
		if (bpf_skb_adjust_room(skb, step, BPF_ADJ_ROOM_NET, 0) ||
		    bpf_skb_adjust_room(skb, -(__s32)step, BPF_ADJ_ROOM_NET,
					BPF_F_ADJ_ROOM_FIXED_GSO))
			return -1;
		bytes -= step;
	}
	return bytes ? -1 : 0;
}

/*
 * Nothing larger than the MTU may leave: devices drop it uncounted, and a router would tell the
 * client. What the kernel has merged (GRO) can leave in smaller pieces; one segment that is too
 * large by itself can only where it leaves by a tunnel, which needs no neighbour. (A segment of so
 * many pieces as no network brings is left to the kernel, which cuts the tunnel's packet over IPv4
 * alone.) Returns 0; FIT_CUT: cut_up() is to send it; or -1, counted.
 */
static __always_inline int fit_mtu(struct __sk_buff *skb, const struct tcpc_pkt *pkt,
				   const struct tcpc_target *target, struct tcpc_online_stats *st)
{
	__u32 headers = pkt->l4_off - pkt->l3_off + pkt->tcp_bytes, mtu = target->mtu;
	__u32 segment = skb->gso_size ?: pkt->payload_bytes;
	int cut;

	if (!mtu || headers + segment <= mtu)
		return 0;
	if (headers >= mtu) {
		COUNT(st, too_big);
		return -1;
	}
	if (!skb->gso_size && target->flags & TCPC_TARGET_TUNNEL) {
		cut = cut_room(segment, mtu - headers) ? FIT_CUT : 0;
		if (cut || pkt->family == 4) {
			COUNT(st, tunnel_cut);
			return cut;
		}
	}
	if (!skb->gso_size || shrink_segments(skb, headers + segment - mtu)) {
		COUNT(st, too_big);
		return -1;
	}
	COUNT(st, resized);
	return 0;
}

#endif
