/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * tunnel.h - what both ends of a tunnel (--via vxlan) have to agree upon. Pure.
 *
 * Copies travel as Ethernet frames in UDP from the online host's own address, for networks that
 * drop foreign sources. The online host has one device for all its targets, and the kernel finds
 * the way to each by the frame's destination (its forwarding database). Nobody else looks at that
 * address: the target gives each frame that of its own interface.
 */
#ifndef TCPCOPY_TUNNEL_H
#define TCPCOPY_TUNNEL_H

#include <linux/types.h>

#include "tcpcopy/addr.h"

#define TCPC_TUNNEL_PORT 36525 /* UDP; 4789 belongs to the overlays that hosts may have */
/* Of the frames. The sending device needs a number of its own: a host that is target and online has
 * both kinds, and the kernel takes no two devices of one number. */
#define TCPC_TUNNEL_VNI 36524
#define TCPC_TUNNEL_VNI_SENDER 36525

/* What a packet grows by: outer IP header, UDP, VXLAN and the inner Ethernet header. */
#define TCPC_TUNNEL_BYTES_V4 (20 + 8 + 8 + 14)
#define TCPC_TUNNEL_BYTES_V6 (40 + 8 + 8 + 14)

#define TCPC_TUNNEL_MAC_BYTES 6
#define TCPC_TUNNEL_MAC_HEAD 0x0274 /* locally administered, of one station */
#define TCPC_TUNNEL_MAC_SENDER 0x0276

/** tcpc_tunnel_mac - which frames go to @host. Two IPv6 addresses have the same with a chance of
 * one in 2^32. @head: TCPC_TUNNEL_MAC_HEAD; of the sender's own address, _SENDER. */
static inline void tcpc_tunnel_mac(const struct tcpc_addr *host, __u16 head,
				   __u8 ret[TCPC_TUNNEL_MAC_BYTES])
{
	__be32 tail = host->w[3];

	if (!tcpc_addr_is_v4(host))
		tail ^= host->w[0] ^ host->w[1] ^ host->w[2];
	ret[0] = head >> 8;
	ret[1] = head & 0xff;
	__builtin_memcpy(ret + 2, &tail, sizeof(tail));
}

#endif
