/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * addr.h - addresses of both families in one form: IPv4 is kept as ::ffff:a.b.c.d, so that maps,
 * prefixes and comparisons need one code path. Wire order throughout. Pure.
 */
#ifndef TCPCOPY_ADDR_H
#define TCPCOPY_ADDR_H

#include "tcpcopy/abi.h"
#include "tcpcopy/bytes.h"

#define TCPC_V4_MAPPED tcpc_htonl(0x0000ffff)

/** tcpc_addr_from_v4 - the mapped form of an IPv4 address. */
static inline struct tcpc_addr tcpc_addr_from_v4(__be32 v4)
{
	struct tcpc_addr a = {{0, 0, TCPC_V4_MAPPED, v4}};

	return a;
}

/** tcpc_addr_is_v4 - true for a mapped IPv4 address. */
static inline int tcpc_addr_is_v4(const struct tcpc_addr *a)
{
	return !a->w[0] && !a->w[1] && a->w[2] == TCPC_V4_MAPPED;
}

/** tcpc_addr_is_link_local - true for an IPv6 address that means something on one link only
 * (RFC 4291, 2.4: fe80::/10). */
static inline int tcpc_addr_is_link_local(const struct tcpc_addr *a)
{
	return (a->w[0] & tcpc_htonl(0xffc00000)) == tcpc_htonl(0xfe800000);
}

/** tcpc_addr_equal - true if both are the same address. */
static inline int tcpc_addr_equal(const struct tcpc_addr *a, const struct tcpc_addr *b)
{
	return a->w[0] == b->w[0] && a->w[1] == b->w[1] && a->w[2] == b->w[2] && a->w[3] == b->w[3];
}

#endif
