/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * mirror.h - TCP's checksum in a frame that XDP rewrites. Pure.
 *
 * A frame from a wire has a whole checksum, and a difference keeps it right. A packet made on this
 * machine (veth, a virtual machine's virtio) may have an unfinished one: the field holds the sum of
 * the pseudo header, and the device is to add the rest. Native XDP loses the word that this is so
 * (CHECKSUM_PARTIAL) when it redirects a frame; generic XDP keeps it, and the checksum is added to
 * whatever stands there. Nothing tells a program which is the case, but the field itself does:
 *
 * P: sum of the pseudo header, D: of the segment without its checksum. Unfinished: field = P.
 * Whole: field = ~(P + D). Only where these are equal, in one whole checksum of 65,536, is there
 * any doubt. Native: a sum made anew is right either way. Generic: then a field is chosen that is
 * right in both ways. That takes a word that is free, and the window is: `align` writes it anew.
 */
#ifndef TCPCOPY_MIRROR_H
#define TCPCOPY_MIRROR_H

#include <linux/types.h>

#include "tcpcopy/csum.h"
#include "tcpcopy/parse.h"

/** tcpc_mirror_fold - @sum in 16 bits, not complemented. */
static inline __u16 tcpc_mirror_fold(__u32 sum)
{
	return (__u16)~tcpc_csum_fold(sum);
}

/** tcpc_mirror_pseudo - sum of the pseudo header of @pkt with @daddr as its destination. */
static inline __u32 tcpc_mirror_pseudo(const struct tcpc_pkt *pkt, const struct tcpc_addr *daddr)
{
	__u32 sum = tcpc_htons(IPPROTO_TCP);
	int i = pkt->family == 4 ? 3 : 0;

	sum = tcpc_csum_add(sum, tcpc_htonl(pkt->tcp_bytes + pkt->payload_bytes));
	for (; i < 4; i++)
		sum = tcpc_csum_add(tcpc_csum_add(sum, pkt->saddr.w[i]), daddr->w[i]);
	return sum;
}

/** tcpc_mirror_unfinished - may the checksum field @check of @pkt, as it came, hold the pseudo
 * header's sum alone? */
static inline int tcpc_mirror_unfinished(const struct tcpc_pkt *pkt, __u16 check)
{
	return check == tcpc_mirror_fold(tcpc_mirror_pseudo(pkt, &pkt->daddr));
}

/* The same number in one's complement, where 0 and 0xffff are. */
static inline int tcpc_mirror_same(__u32 a, __u32 b)
{
	return !tcpc_csum_fold(tcpc_csum_add(a, (__u16)~tcpc_mirror_fold(b)));
}

/**
 * tcpc_mirror_left_open - the field for a packet whose checksum may be added yet, by generic XDP.
 * @pseudo_was, @segment_was: P and D before the packet was changed.  @pseudo, @segment: after.
 * @window: memory order; another one is written where only that helps.
 */
static inline __u16 tcpc_mirror_left_open(__u32 pseudo_was, __u32 segment_was, __u32 pseudo,
					  __u32 segment, __u16 *window)
{
	__u32 twice = tcpc_csum_add(tcpc_csum_add(pseudo, pseudo), segment);

	/* Whole or not? Make P = ~(P + D) hold again, which is 2 P + D = 0. */
	if (tcpc_mirror_same(pseudo_was, tcpc_csum_fold(tcpc_csum_add(pseudo_was, segment_was))))
		*window = tcpc_csum_fold(tcpc_csum_add(twice, (__u16) ~*window));
	return tcpc_mirror_fold(pseudo);
}

#endif
