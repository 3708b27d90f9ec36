/* SPDX-License-Identifier: GPL-2.0-only */
/* online_tunnel.h - devices of tunnels to targets (--via). Part of online_priv.h. */
#ifndef TCPCOPY_ROLE_ONLINE_TUNNEL_H
#define TCPCOPY_ROLE_ONLINE_TUNNEL_H

#include <stdbool.h>

#include "core/err.h"
#include "core/text.h"
#include "edge/datapath.h"
#include "tcpcopy/addr.h"

struct delivery;
struct peer;
struct tcpc_online;
struct tcpc_route;

/** A target host behind a tunnel. */
struct tunnel_host {
	struct tcpc_addr addr;
	unsigned int refs; /* targets there */
};

/** The device of the tunnels to all targets of one family. */
struct tunnel {
	int ifindex; /* 0: there is none */
	struct tcpc_attachment deaf;
	struct tunnel_host *hosts;
	unsigned int n_hosts;
	char absent[TCPC_ERR_BYTES]; /* why it could not be made again */
};

/** tunnel_get - let a tunnel lead to @host; counts a reference. Its device is made when the first
 * one needs it. Returns 0 or -errno. */
int tunnel_get(struct tcpc_online *online, const struct tcpc_addr *host, struct tcpc_err *err);

/** tunnel_put - the device goes with the last host. */
void tunnel_put(struct tcpc_online *online, const struct tcpc_addr *host);

/** tunnel_route - @route leads to @host: make it that through the tunnel. */
void tunnel_route(const struct tcpc_online *online, const struct tcpc_addr *host,
		  struct tcpc_route *route);

/** tunnel_devices - of IPv6 and of IPv4, 0 where there is none. */
void tunnel_devices(const struct tcpc_online *online, int ret_ifindex[2]);

/** tunnel_mend - make devices again that somebody has deleted. */
void tunnel_mend(struct tcpc_online *online);

/** peer_has_tunnel - as peer_intercepts(), and that copies may come there by a tunnel. */
bool peer_has_tunnel(const struct peer *peer, const struct tcpc_endpoint *endpoint, bool any_addr);

/** delivery_tunnels - the devices of tunnels have changed. NULL is fine. */
void delivery_tunnels(struct delivery *delivery, const int ifindex[2]);

#endif
