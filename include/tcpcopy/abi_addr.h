/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * abi_addr.h - the part of abi.h that its other parts need. Its rules hold here too.
 */
#ifndef TCPCOPY_ABI_ADDR_H
#define TCPCOPY_ABI_ADDR_H

#include <linux/types.h>

/** An IPv4 or IPv6 address in wire order; IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). */
struct tcpc_addr {
	__be32 w[4];
};

#endif
