/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * netlink_priv.h - one question to rtnetlink and its answers, for netlink*.c alone.
 */
#ifndef TCPCOPY_EDGE_NETLINK_PRIV_H
#define TCPCOPY_EDGE_NETLINK_PRIV_H

#include <libmnl/libmnl.h>

#include "edge/netlink.h"

#define NETLINK_REQUEST_BYTES 1024

/** netlink_request - begin a message in @buf. */
struct nlmsghdr *netlink_request(char buf[NETLINK_REQUEST_BYTES], __u16 type, __u16 flags);

/** netlink_transact - send @nlh and hand every answer to @cb. Returns 0 or -errno, the kernel's or
 * ours. */
int netlink_transact(struct nlmsghdr *nlh, mnl_cb_t cb, void *data);

/** netlink_dump - all of @type, AF_UNSPEC. One that changed under way starts again; @n counts what
 * @cb has collected. Returns 0 or -errno. */
int netlink_dump(__u16 type, mnl_cb_t cb, void *data, int *n);

/** netlink_get_link - an interface by @ifindex, or by @name where that is 0. Returns 0 or -errno,
 * then @ret is untouched. */
int netlink_get_link(const char *name, int ifindex, struct tcpc_iface *ret);

/** netlink_set_link - mark @name as ours by @alias and, if @up, bring it up, without ARP and
 * without what IPv6 says by itself.  @ret_ifindex: may be NULL.  Returns 0 or -errno. */
int netlink_set_link(const char *name, const char *alias, bool up, int *ret_ifindex);

#endif
