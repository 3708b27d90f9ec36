/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * netlink_priv.h - what the netlink*.c files share.
 */
#ifndef TCPCOPY_EDGE_NETLINK_PRIV_H
#define TCPCOPY_EDGE_NETLINK_PRIV_H

#include <libmnl/libmnl.h>

#include "edge/netlink.h"

#define REQUEST_BYTES 1024

/** netlink_transact - send @nlh and hand every answer to @cb. Returns 0 or -errno, the kernel's or
 * ours. */
int netlink_transact(struct nlmsghdr *nlh, mnl_cb_t cb, void *data);

/** netlink_request - begin a request of @type in @buf, aligned for 64-bit words. */
struct nlmsghdr *netlink_request(char buf[REQUEST_BYTES], __u16 type, __u16 flags);

#endif
