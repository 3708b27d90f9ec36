// SPDX-License-Identifier: GPL-2.0-only
/* doctor_iface.c - one interface, whatever it is used for. See doctor_priv.h. */
#include "role/doctor_priv.h"

#include <stdio.h>
#include <string.h>

#include "edge/probe.h"
#include "role/online_priv.h"
#include "role/target_priv.h"

static void check_offloads(struct doctor *run, const struct tcpc_iface *iface)
{
	char fix[DOCTOR_FIX_BYTES];

	snprintf(fix, sizeof(fix), "ethtool -K %s lro off", iface->name);
	if (tcpc_probe_lro(iface->name))
		doctor_add(run, DOCTOR_WARN, "offloads", fix,
			   "%s merges packets in hardware (LRO) in a way that cannot be undone: "
			   "copies of them may be too large to be sent",
			   iface->name);
	if (tcpc_netlink_has_xdp(iface->ifindex))
		doctor_add(run, DOCTOR_WARN, "XDP program", "",
			   "an XDP program on %s sees packets before us: what it drops or "
			   "redirects is not copied, see `ip link show %s`",
			   iface->name, iface->name);
}

static void check_iface(struct doctor *run, const char *name)
{
	struct tcpc_iface iface;
	char fix[DOCTOR_FIX_BYTES];
	struct tcpc_err err;

	if (tcpc_netlink_iface(name, &iface, &err)) {
		doctor_add(run, DOCTOR_FAIL, "interface", "name an interface that exists", "%s",
			   err.text);
		return;
	}
	snprintf(fix, sizeof(fix), "ip link set %s up", name);
	if (!(iface.flags & IFF_UP))
		doctor_add(run, DOCTOR_FAIL, "interface", fix, "%s is down", name);
	else if (!(iface.flags & IFF_RUNNING))
		doctor_add(run, DOCTOR_FAIL, "interface",
			   "see to the cable or to the other end of the link",
			   "%s is up but has no carrier", name);
	else
		doctor_add(run, DOCTOR_OK, "interface", "", "%s is up, MTU %u", name, iface.mtu);
	check_offloads(run, &iface);
}

static bool in_use(const struct doctor *run, const char *name)
{
	for (const struct tap *tap = run->d->online->taps; tap; tap = tap->next)
		if (!strcmp(tap->iface, name))
			return true;
	return target_find(run->d->target, name);
}

void doctor_ifaces(struct doctor *run)
{
	struct tcpc_iface iface;
	struct tcpc_err err;

	if (run->iface[0]) {
		check_iface(run, run->iface);
		/* Whoever looks before he begins may be about to intercept. */
		if (!in_use(run, run->iface) && !tcpc_netlink_iface(run->iface, &iface, &err))
			doctor_rp_filter(run, &iface);
		return;
	}
	for (const struct tap *tap = run->d->online->taps; tap; tap = tap->next)
		check_iface(run, tap->iface);
	for (const struct intercept *i = run->d->target->intercepts; i; i = i->next)
		if (!*online_find_tap(run->d->online, i->iface))
			check_iface(run, i->iface);
}
