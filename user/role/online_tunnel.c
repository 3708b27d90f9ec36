// SPDX-License-Identifier: GPL-2.0-only
/*
 * online_tunnel.c - tunnels to targets (--via), see online_priv.h. All interfaces share a device
 * for each family; it is made when the first target needs it and goes with the last.
 */
#include "role/online_priv.h"

#include <stdlib.h>
#include <string.h>

#include "edge/log.h"
#include "tcpcopy/tunnel.h"

static const char *const device_names[2] = {"tcpcvx6", "tcpcvx4"};

void tunnel_devices(const struct tcpc_online *online, int ret_ifindex[2])
{
	for (int v4 = 0; v4 < 2; v4++)
		ret_ifindex[v4] = online->tunnels[v4].ifindex;
}

static void tell_delivery(const struct tcpc_online *online)
{
	int ifindex[2];

	tunnel_devices(online, ifindex);
	delivery_tunnels(online->delivery, ifindex);
}

static struct tunnel_host *find_host(struct tunnel *tunnel, const struct tcpc_addr *addr)
{
	for (unsigned int i = 0; i < tunnel->n_hosts; i++)
		if (tcpc_addr_equal(&tunnel->hosts[i].addr, addr))
			return &tunnel->hosts[i];
	return NULL;
}

static int make_device(struct tcpc_online *online, int v4, struct tcpc_err *err)
{
	struct tunnel *t = &online->tunnels[v4];
	int r = tcpc_netlink_tunnel(device_names[v4], online->alias, TCPC_TUNNEL_VNI_SENDER, !v4,
				    &t->ifindex, err);

	/* It sends only. What comes in ends there, and nothing does before that is so. */
	r = r ?: tcpc_dp_online_deafen(online->dp, t->ifindex, &t->deaf, err);
	r = r ?: tcpc_netlink_tunnel_up(t->ifindex, err);
	for (unsigned int i = 0; i < t->n_hosts && !r; i++)
		r = tcpc_netlink_tunnel_host(t->ifindex, &t->hosts[i].addr, true, err);
	if (!r)
		tell_delivery(online);
	return r;
}

static void drop_device(struct tcpc_online *online, struct tunnel *tunnel)
{
	struct tcpc_err err;

	if (tunnel->ifindex && tcpc_netlink_delete(tunnel->ifindex, &err) && err.code != ENODEV)
		tcpc_log_warn("the tunnel's device stays: %s", err.text);
	tcpc_attachment_close(&tunnel->deaf);
	tunnel->ifindex = 0;
	tell_delivery(online);
}

/* Returns 0 or -errno; the host is in the list then, with no reference. */
static int add_host(struct tcpc_online *online, struct tunnel *t, const struct tcpc_addr *addr,
		    struct tcpc_err *err)
{
	struct tunnel_host *more = reallocarray(t->hosts, t->n_hosts + 1, sizeof(*more));
	int r;

	if (!more)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	t->hosts = more;
	r = t->ifindex ? 0 : make_device(online, tcpc_addr_is_v4(addr), err);
	r = r ?: tcpc_netlink_tunnel_host(t->ifindex, addr, true, err);
	if (!r)
		t->hosts[t->n_hosts++] = (struct tunnel_host){.addr = *addr};
	else if (!t->n_hosts)
		drop_device(online, t);
	return r;
}

int tunnel_get(struct tcpc_online *online, const struct tcpc_addr *addr, struct tcpc_err *err)
{
	struct tunnel *t = &online->tunnels[tcpc_addr_is_v4(addr)];
	int r = find_host(t, addr) ? 0 : add_host(online, t, addr, err);

	if (!r)
		find_host(t, addr)->refs++;
	return r;
}

void tunnel_put(struct tcpc_online *online, const struct tcpc_addr *addr)
{
	struct tunnel *t = &online->tunnels[tcpc_addr_is_v4(addr)];
	struct tunnel_host *host = find_host(t, addr);
	struct tcpc_err err;

	if (--host->refs)
		return;
	*host = t->hosts[--t->n_hosts];
	if (!t->n_hosts) {
		drop_device(online, t);
		free(t->hosts);
		t->hosts = NULL;
	} else if (t->ifindex && tcpc_netlink_tunnel_host(t->ifindex, addr, false, &err)) {
		tcpc_log_warn("%s", err.text);
	}
}

void tunnel_route(const struct tcpc_online *online, const struct tcpc_addr *addr,
		  struct tcpc_route *route)
{
	bool v4 = tcpc_addr_is_v4(addr);
	unsigned int more = v4 ? TCPC_TUNNEL_BYTES_V4 : TCPC_TUNNEL_BYTES_V6;

	/* Without a way to the host there is none for the tunnel's packets. */
	route->ifindex = route->ifindex ? online->tunnels[v4].ifindex : 0;
	route->mtu = route->mtu > more ? route->mtu - more : 0;
	route->tunnel = true;
}

static void mend(struct tcpc_online *online, int v4)
{
	struct tunnel *t = &online->tunnels[v4];
	char name[IFNAMSIZ];
	struct tcpc_err err;

	if (!t->n_hosts || (t->ifindex && if_indextoname(t->ifindex, name)))
		return;
	drop_device(online, t);
	if (!make_device(online, v4, &err)) {
		tcpc_log_warn("the tunnel's device %s was gone; made again", device_names[v4]);
		return;
	}
	if (strcmp(t->absent, err.text))
		tcpc_log_error("the tunnel's device %s is gone: %s", device_names[v4], err.text);
	memcpy(t->absent, err.text, sizeof(t->absent));
	drop_device(online, t);
}

void tunnel_mend(struct tcpc_online *online)
{
	mend(online, 0);
	mend(online, 1);
}
