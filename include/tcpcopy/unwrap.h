/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * unwrap.h - where the mirrored packet begins in a frame that a packet mirror has wrapped: VXLAN
 * (RFC 7348), GRE (RFC 2784, 2890) and ERSPAN of types I, II and III, which is Ethernet in GRE.
 * Pure.
 */
#ifndef TCPCOPY_UNWRAP_H
#define TCPCOPY_UNWRAP_H

#include <linux/types.h>

#include "tcpcopy/parse.h"

#define TCPC_UDP_BYTES 8
#define TCPC_VXLAN_PORT 4789
#define TCPC_VXLAN_BYTES 8
#define TCPC_VXLAN_HAS_VNI 0x08 /* of its first byte */

#define TCPC_GRE_BYTES 4
#define TCPC_GRE_CSUM 0x8000
#define TCPC_GRE_KEY 0x2000
#define TCPC_GRE_SEQ 0x1000
#define TCPC_GRE_UNKNOWN 0x4c07 /* source routes, RFC 1701; other versions (PPTP) */
#define TCPC_GRE_ETHER 0x6558
#define TCPC_GRE_ERSPAN2 0x88be /* without a sequence number: type I, which has no header */
#define TCPC_GRE_ERSPAN3 0x22eb
#define TCPC_ERSPAN2_BYTES 8
#define TCPC_ERSPAN3_BYTES 12
#define TCPC_ERSPAN3_MORE 8 /* where its last bit says so */
#define TCPC_ERSPAN_SESSION 0x3ff

/* The longest: Ethernet, 2 tags, IPv4 with all options, GRE with all fields, ERSPAN III. */
#define TCPC_UNWRAP_MAX                                                                            \
	(ETH_HLEN + TCPC_VLAN_TAGS * TCPC_VLAN_HLEN + 60 + TCPC_GRE_BYTES + 12 +                   \
	 TCPC_ERSPAN3_BYTES + TCPC_ERSPAN3_MORE)

enum tcpc_unwrap_result {
	TCPC_UNWRAP_NONE, /* not wrapped, or in a way not known here */
	TCPC_UNWRAP_OK,
	TCPC_UNWRAP_MALFORMED, /* wrapped, and cut short */
};

/** What is in a wrapped frame. */
struct tcpc_unwrapped {
	__u32 off;  /* where it begins, bytes from the start of the frame */
	__u32 id;   /* VNI, GRE key or ERSPAN session; 0 where there is none. Host order */
	__u32 link; /* enum tcpc_link: what it begins with */
};

static inline __u32 tcpc_unwrap_16(const __u8 *p)
{
	return p[0] << 8 | p[1];
}

static inline __u32 tcpc_unwrap_32(const __u8 *p)
{
	return tcpc_unwrap_16(p) << 16 | tcpc_unwrap_16(p + 2);
}

static inline int tcpc_unwrap_vxlan(const __u8 *udp, const __u8 *end, __u32 off,
				    struct tcpc_unwrapped *ret)
{
	const __u8 *vxlan = udp + TCPC_UDP_BYTES;

	if (vxlan > end)
		return TCPC_UNWRAP_MALFORMED;
	if (tcpc_unwrap_16(udp + 2) != TCPC_VXLAN_PORT)
		return TCPC_UNWRAP_NONE;
	if (vxlan + TCPC_VXLAN_BYTES > end)
		return TCPC_UNWRAP_MALFORMED;
	ret->id = vxlan[0] & TCPC_VXLAN_HAS_VNI ? tcpc_unwrap_32(vxlan + 4) >> 8 : 0;
	ret->off = off + TCPC_UDP_BYTES + TCPC_VXLAN_BYTES;
	ret->link = TCPC_LINK_ETHER;
	return TCPC_UNWRAP_OK;
}

/* @p: behind GRE's header. */
static inline int tcpc_unwrap_erspan(const __u8 *p, const __u8 *end, __u32 off, __u32 proto,
				     struct tcpc_unwrapped *ret)
{
	__u32 bytes = proto == TCPC_GRE_ERSPAN3 ? TCPC_ERSPAN3_BYTES : TCPC_ERSPAN2_BYTES;

	if (p + bytes > end)
		return TCPC_UNWRAP_MALFORMED;
	ret->id = tcpc_unwrap_16(p + 2) & TCPC_ERSPAN_SESSION;
	if (proto == TCPC_GRE_ERSPAN3 && p[TCPC_ERSPAN3_BYTES - 1] & 1)
		bytes += TCPC_ERSPAN3_MORE;
	ret->off = off + bytes;
	return TCPC_UNWRAP_OK;
}

static inline int tcpc_unwrap_gre(const __u8 *gre, const __u8 *end, __u32 off,
				  struct tcpc_unwrapped *ret)
{
	__u32 flags, proto, bytes = TCPC_GRE_BYTES;

	if (gre + TCPC_GRE_BYTES > end)
		return TCPC_UNWRAP_MALFORMED;
	flags = tcpc_unwrap_16(gre);
	proto = tcpc_unwrap_16(gre + 2);
	if (flags & TCPC_GRE_UNKNOWN)
		return TCPC_UNWRAP_NONE;
	bytes += flags & TCPC_GRE_CSUM ? 4 : 0;
	ret->id = 0;
	if (flags & TCPC_GRE_KEY) {
		if (gre + bytes + 4 > end)
			return TCPC_UNWRAP_MALFORMED;
		ret->id = tcpc_unwrap_32(gre + bytes);
		bytes += 4;
	}
	bytes += flags & TCPC_GRE_SEQ ? 4 : 0;
	ret->off = off + bytes;
	ret->link = TCPC_LINK_ETHER;
	if (proto == TCPC_GRE_ERSPAN3 || (proto == TCPC_GRE_ERSPAN2 && flags & TCPC_GRE_SEQ))
		return tcpc_unwrap_erspan(gre + bytes, end, off + bytes, proto, ret);
	if (proto == TCPC_GRE_ETHER || proto == TCPC_GRE_ERSPAN2)
		return TCPC_UNWRAP_OK;
	ret->link = TCPC_LINK_NONE;
	return proto == ETH_P_IP || proto == ETH_P_IPV6 ? TCPC_UNWRAP_OK : TCPC_UNWRAP_NONE;
}

/**
 * tcpc_unwrap - look for a mirrored packet in the Ethernet frame [@data, @end).
 * @ret: set on TCPC_UNWRAP_OK, else undefined. ->off may lie at @end, never TCPC_UNWRAP_MAX beyond
 * the start.  A fragment is never unwrapped.  Returns: enum tcpc_unwrap_result.
 */
static inline int tcpc_unwrap(const __u8 *data, const __u8 *end, struct tcpc_unwrapped *ret)
{
	__u32 off = ETH_HLEN, proto, next;
	int i;

	if (data + ETH_HLEN > end)
		return TCPC_UNWRAP_NONE;
	proto = tcpc_unwrap_16(data + 12);
	for (i = 0; i < TCPC_VLAN_TAGS && tcpc_is_vlan(tcpc_htons(proto)); i++) {
		if (data + off + TCPC_VLAN_HLEN > end)
			return TCPC_UNWRAP_NONE;
		proto = tcpc_unwrap_16(data + off + 2);
		off += TCPC_VLAN_HLEN;
	}
	if (proto == ETH_P_IP) {
		const struct iphdr *ip = (const void *)(data + off);

		if ((const __u8 *)(ip + 1) > end || ip->ihl < 5 ||
		    (ip->frag_off & tcpc_htons(TCPC_IP_MF_OFFSET)))
			return TCPC_UNWRAP_NONE;
		next = ip->protocol;
		off += ip->ihl * 4;
	} else if (proto == ETH_P_IPV6) {
		const struct ipv6hdr *ip = (const void *)(data + off);

		if ((const __u8 *)(ip + 1) > end)
			return TCPC_UNWRAP_NONE;
		next = ip->nexthdr;
		off += sizeof(*ip);
	} else {
		return TCPC_UNWRAP_NONE;
	}
	if (next == IPPROTO_UDP)
		return tcpc_unwrap_vxlan(data + off, end, off, ret);
	return next == IPPROTO_GRE ? tcpc_unwrap_gre(data + off, end, off, ret) : TCPC_UNWRAP_NONE;
}

#endif
