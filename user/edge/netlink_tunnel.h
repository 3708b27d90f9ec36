/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * netlink_tunnel.h - the devices of tunnels between online hosts and targets (--via vxlan): the
 * kernel's own, ours by name and alias.
 */
#ifndef TCPCOPY_EDGE_NETLINK_TUNNEL_H
#define TCPCOPY_EDGE_NETLINK_TUNNEL_H

#include <stdbool.h>
#include <linux/types.h>

#include "core/err.h"
#include "tcpcopy/addr.h"

/**
 * tcpc_tunnel_create - make a VXLAN device that learns nothing and has no host to send to yet,
 * down.
 * @ipv6: of the packets that it makes.  @vni, TCPC_TUNNEL_PORT: see tunnel.h.
 * @alias: written on it, marks it as ours.
 * Returns 0 or -errno; on failure nothing is left. -EOPNOTSUPP: the kernel has no VXLAN.
 */
int tcpc_tunnel_create(const char *name, const char *alias, __u32 vni, bool ipv6, int *ret_ifindex,
		       struct tcpc_err *err);

/** tcpc_tunnel_up - bring it up, once a program watches what comes in. Returns 0 or -errno. */
int tcpc_tunnel_up(int ifindex, struct tcpc_err *err);

/** tcpc_tunnel_host - what is for @host, an address of the device's family, goes there (@present),
 * or nowhere. Returns 0 or -errno; a host that was not there can be taken away. */
int tcpc_tunnel_host(int ifindex, const struct tcpc_addr *host, bool present, struct tcpc_err *err);

#endif
