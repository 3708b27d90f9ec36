// SPDX-License-Identifier: GPL-2.0-only
/* online_hop.c - see online_hop.h. */
#include "role/online_hop.h"

#include <string.h>

#include "edge/log.h"

/* A mirror port has nothing else: what was right a second ago stays while there is a way. */
static struct tcpc_hop_macs hop_of_mirror(const struct tap *tap, const struct target *t)
{
	struct tcpc_hop_macs now = {};
	int r = t->route.local ? tcpc_netlink_own_macs(tap->ifindex, &now)
			       : tcpc_netlink_macs(&t->endpoint.addr, &now);

	if ((r || !now.known) && t->route.ifindex)
		return t->macs;
	if (r)
		now.known = false;
	return now;
}

/* Behind TC the kernel asks for what is not known: nothing old is kept. Nor is there anything to be
 * known where a device has no link addresses, or is a tunnel of ours. */
static struct tcpc_hop_macs hop_of_tap(const struct tap *tap, const struct target *t)
{
	struct tcpc_hop_macs now = {};

	if (!t->route.ifindex || t->route.local || tap->via != TCPC_VIA_NONE ||
	    tcpc_netlink_macs(&t->endpoint.addr, &now) || !now.known ||
	    now.ifindex != t->route.ifindex)
		return (struct tcpc_hop_macs){};
	return now;
}

static bool hop_equal(const struct tcpc_hop_macs *a, const struct tcpc_hop_macs *b)
{
	return a->known == b->known && a->ifindex == b->ifindex &&
	       !memcmp(a->dst, b->dst, sizeof(a->dst)) && !memcmp(a->src, b->src, sizeof(a->src));
}

bool hop_refresh(struct tap *tap)
{
	bool changed = false;

	for (unsigned int i = 0; i < tap->n_targets; i++) {
		struct target *t = &tap->targets[i];
		struct tcpc_hop_macs now =
			tap->hook == TCPC_HOOK_XDP ? hop_of_mirror(tap, t) : hop_of_tap(tap, t);

		changed |= !hop_equal(&now, &t->macs);
		t->macs = now;
	}
	return changed;
}

void hop_tick(struct tcpc_online *online)
{
	struct tcpc_err err;

	for (struct tap *tap = online->taps; tap; tap = tap->next) {
		bool unknown = false;

		for (unsigned int i = 0; i < tap->n_targets; i++)
			unknown |= !tap->targets[i].macs.known;
		if (tap->hook == TCPC_HOOK_XDP && unknown && hop_refresh(tap) &&
		    tap_publish(tap, &err))
			tcpc_log_error("%s: %s", tap->iface, err.text);
	}
}
