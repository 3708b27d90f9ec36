// SPDX-License-Identifier: GPL-2.0-only
/*
 * target_tunnel.c - ends of tunnels, by which copies may come (--via), see target_priv.h. All
 * intercepts share a device for each family.
 */
#include "role/target_priv.h"

#include <stdio.h>
#include <string.h>

#include "edge/log.h"
#include "tcpcopy/tunnel.h"

static const char *const device_names[2] = {"tcpcvt6", "tcpcvt4"};

static void drop_device(struct tunnel_end *end)
{
	struct tcpc_err err;

	if (end->ifindex && tcpc_netlink_delete(end->ifindex, &err) && err.code != ENODEV)
		tcpc_log_warn("the tunnel's device stays: %s", err.text);
	tcpc_attachment_close(&end->attachment);
	end->ifindex = 0;
}

/* Nothing comes out of it before the program is there. */
static int make_device(struct tcpc_target_role *role, int v4, struct tcpc_err *err)
{
	struct tunnel_end *end = &role->tunnels[v4];
	char alias[TCPC_ALIAS_BYTES];
	int r;

	snprintf(alias, sizeof(alias), "tcpcopyd:%s", role->config.run_dir);
	r = tcpc_netlink_tunnel(device_names[v4], alias, TCPC_TUNNEL_VNI, !v4, &end->ifindex, err);
	r = r ?: tcpc_dp_target_untunnel(role->dp, end->ifindex, &end->attachment, err);
	r = r ?: tcpc_netlink_tunnel_up(end->ifindex, err);
	if (r)
		drop_device(end);
	return r;
}

static int make_devices(struct tcpc_target_role *role, struct tcpc_err *err)
{
	struct tcpc_err why;
	int r = make_device(role, 1, err);

	if (!r && make_device(role, 0, &why)) {
		tcpc_log_warn("no tunnels over IPv6: %s", why.text);
		memcpy(role->tunnels[0].absent, why.text, sizeof(why.text));
	}
	return r;
}

/* Tunnels lead to its interface as it is now. */
static int open_way(struct intercept *i, struct tcpc_err *err)
{
	struct tcpc_iface iface;
	int r = tcpc_netlink_iface(i->iface, &iface, err);

	if (r || (i->way == iface.ifindex && !memcmp(i->mac, iface.mac, sizeof(i->mac))))
		return r;
	r = tcpc_dp_target_way(i->role->dp, iface.ifindex, iface.mac, err);
	if (r)
		return r;
	i->way = iface.ifindex;
	memcpy(i->mac, iface.mac, sizeof(i->mac));
	return 0;
}

static void close_way(struct intercept *i)
{
	struct tcpc_err err;

	if (i->way && tcpc_dp_target_way(i->role->dp, i->way, NULL, &err))
		tcpc_log_warn("%s: %s", i->iface, err.text);
	i->way = 0;
}

int tunnel_end_open(struct intercept *i, struct tcpc_err *err)
{
	struct tcpc_target_role *role = i->role;
	int r = 0;

	if (i->spec.via == TCPC_VIA_NONE)
		return 0;
	if (!role->n_tunnelled)
		r = make_devices(role, err);
	r = r ?: open_way(i, err);
	if (!r)
		role->n_tunnelled++;
	else if (!role->n_tunnelled)
		drop_device(&role->tunnels[1]);
	i->tunnelled = !r;
	return r;
}

void tunnel_end_close(struct intercept *i)
{
	struct tcpc_target_role *role = i->role;

	if (!i->tunnelled)
		return;
	i->tunnelled = false;
	close_way(i);
	if (--role->n_tunnelled)
		return;
	drop_device(&role->tunnels[0]);
	drop_device(&role->tunnels[1]);
}

bool tunnel_end_here(const struct intercept *i, const struct tcpc_addr *address)
{
	return i->tunnelled && i->role->tunnels[tcpc_addr_is_v4(address)].ifindex;
}

static void mend(struct tcpc_target_role *role, int v4)
{
	struct tunnel_end *end = &role->tunnels[v4];
	char name[IFNAMSIZ];
	struct tcpc_err err;

	if (end->ifindex && if_indextoname(end->ifindex, name))
		return;
	drop_device(end);
	if (!make_device(role, v4, &err))
		tcpc_log_info("the tunnel's device %s is there again", device_names[v4]);
	else if (strcmp(end->absent, err.text))
		tcpc_log_error("%s", err.text);
	memcpy(end->absent, err.text, sizeof(end->absent));
}

void tunnel_end_mend(struct tcpc_target_role *role)
{
	struct tcpc_err err;

	if (!role->n_tunnelled)
		return;
	mend(role, 0);
	mend(role, 1);
	for (struct intercept *i = role->intercepts; i; i = i->next) {
		if (!i->tunnelled)
			continue;
		if (i->ifindex != i->way)
			close_way(i);
		if (i->ifindex && open_way(i, &err))
			tcpc_log_warn("%s: %s", i->iface, err.text);
	}
}
