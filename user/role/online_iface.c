// SPDX-License-Identifier: GPL-2.0-only
/*
 * online_iface.c - interfaces that go, come back or change their names. See online_priv.h.
 *
 * A tap belongs to an interface, not to its name. When the interface is deleted or moved away the
 * tap waits for one of that name, with its targets and filter: what a driver, a container or a
 * configuration tool makes anew is meant to be the same.
 */
#include "role/online_priv.h"
#include "role/online_mirror.h"

#include <net/if_arp.h>
#include <string.h>

#include "edge/log.h"

/* The kernel's own list (dev_is_mac_header_xmit()). */
bool online_has_no_header(unsigned short type)
{
	switch (type) {
	case ARPHRD_NONE: /* tun, WireGuard */
	case ARPHRD_RAWIP:
	case ARPHRD_PPP:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
	case ARPHRD_IPGRE:
		return true;
	default:
		return false;
	}
}

int online_hook(struct tap *tap, struct tcpc_err *err)
{
	if (tap->hook == TCPC_HOOK_XDP)
		return mirror_hook(tap, err);
	return tcpc_dp_online_attach(tap->online->dp, tap->ifindex, online_has_no_header(tap->type),
				     tap->hook, &tap->attachment, err);
}

static void lose(struct tap *tap)
{
	struct tcpc_err err;

	tcpc_log_warn("%s is gone; it is attached again when it is back", tap->iface);
	tap_unhook(tap);
	tap->ifindex = 0;
	tap->absent[0] = '\0';
	if (tap_publish(tap, &err)) /* its peers' ledgers hear of it */
		tcpc_log_error("%s: %s", tap->iface, err.text);
}

static int take_up(struct tap *tap, const struct tcpc_iface *iface, struct tcpc_err *err)
{
	int r;

	if (iface->type != tap->type)
		return tcpc_err_set(err, EPROTONOSUPPORT,
				    "the one that is there now has other link headers; detach it");
	tap->ifindex = iface->ifindex;
	r = tap_publish(tap, err) ?: online_hook(tap, err);
	if (r) {
		tap_unhook(tap);
		tap->ifindex = 0;
		tap_publish(tap, NULL);
	}
	return r;
}

/* Another tap's, that has got this name meanwhile? */
static bool is_taken(const struct tcpc_online *online, int ifindex)
{
	for (const struct tap *tap = online->taps; tap; tap = tap->next)
		if (tap->ifindex == ifindex)
			return true;
	return false;
}

static void look_for(struct tap *tap)
{
	struct tcpc_iface iface;
	struct tcpc_err err;

	if (!if_nametoindex(tap->iface) || tcpc_netlink_iface(tap->iface, &iface, &err) ||
	    is_taken(tap->online, iface.ifindex))
		return;
	if (!take_up(tap, &iface, &err)) {
		tcpc_log_info("%s is back: attached (%s)", tap->iface,
			      tcpc_attach_kind_name(tap->attachment.kind));
		return;
	}
	if (strcmp(tap->absent, err.text))
		tcpc_log_error("%s is back, but not attached: %s", tap->iface, err.text);
	memcpy(tap->absent, err.text, sizeof(tap->absent));
}

static void follow_name(struct tap *tap, const char name[IFNAMSIZ])
{
	if (!strcmp(name, tap->iface))
		return;
	tcpc_log_info("%s is called %s now", tap->iface, name);
	memcpy(tap->iface, name, sizeof(tap->iface));
}

void online_on_netwatch(void *user, int gone_ifindex)
{
	struct tcpc_online *online = user;

	tunnel_mend(online);
	for (struct tap *tap = online->taps; tap; tap = tap->next) {
		char name[IFNAMSIZ] = "";

		if (tap->ifindex &&
		    (tap->ifindex == gone_ifindex || !if_indextoname(tap->ifindex, name)))
			lose(tap);
		else if (tap->ifindex)
			follow_name(tap, name);
		if (!tap->ifindex)
			look_for(tap);
		if (!gone_ifindex)
			tap_refresh_routes(tap);
	}
}
