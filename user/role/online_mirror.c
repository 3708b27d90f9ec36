// SPDX-License-Identifier: GPL-2.0-only
/* online_mirror.c - what --hook xdp needs beside a tap, see online_mirror.h. */
#include "role/online_mirror.h"

#include <string.h>
#include <arpa/inet.h>
#include <net/if_arp.h>

#include "edge/log.h"
#include "edge/sockdiag.h"

#define MAX_ADDRESSES 64

/** The sockets of this host that use an interface's addresses. */
struct use {
	const struct tcpc_addr *addrs;
	int n_addrs;
	const struct tcpc_attach_spec *spec;
	struct tcpc_flow example;
	unsigned int n;
};

static bool is_target(const struct tcpc_attach_spec *spec, const struct tcpc_addr *addr)
{
	for (__u32 i = 0; i < spec->n_targets; i++)
		if (!memcmp(&spec->targets[i].addr, addr, sizeof(*addr)))
			return true;
	return false;
}

static bool is_service(const struct tcpc_attach_spec *spec, const struct tcpc_flow *flow)
{
	for (__u32 i = 0; i < spec->n_targets; i++)
		if (!memcmp(&spec->targets[i].addr, &flow->server, sizeof(flow->server)) &&
		    spec->targets[i].port == flow->server_port)
			return true;
	return false;
}

static bool see_socket(void *user, const struct tcpc_flow *flow)
{
	struct use *use = user;

	/* The feedback link may well go out by the port: that is ours. So is the service under test
	 * where the target is this host. */
	if (is_target(use->spec, &flow->client) || is_service(use->spec, flow))
		return false;
	for (int i = 0; i < use->n_addrs; i++) {
		if (memcmp(&use->addrs[i], &flow->server, sizeof(flow->server)))
			continue;
		use->example = *flow;
		use->n++;
	}
	return false;
}

static int check_sockets(const struct tcpc_iface *iface, const struct tcpc_attach_spec *spec,
			 struct tcpc_err *err)
{
	struct tcpc_addr addrs[MAX_ADDRESSES];
	struct use use = {.addrs = addrs, .spec = spec};
	char text[TCPC_TEXT_BYTES];
	int n = tcpc_netlink_addresses(iface->ifindex, addrs, MAX_ADDRESSES, err), r;

	if (n < 0)
		return n;
	use.n_addrs = n < MAX_ADDRESSES ? n : MAX_ADDRESSES;
	r = tcpc_sockdiag_local(see_socket, &use, err);
	if (r || !use.n)
		return r;
	return tcpc_err_set(err, EBUSY,
			    "%s carries traffic of this host (%u TCP sockets are at its addresses, "
			    "one at %s port %u), and XDP takes packets away where TC clones them: "
			    "use --hook tc, or --force if only mirrored packets have the service's "
			    "port",
			    iface->name, use.n, tcpc_text_from_addr(&use.example.server, text),
			    ntohs(use.example.server_port));
}

/* Whoever routes strangers this way hears from them by it. The addresses are of documents (RFC
 * 5737, 3849): nobody has a route of their own for these. */
static int check_default_route(const struct tcpc_iface *iface, struct tcpc_err *err)
{
	const struct tcpc_addr v6 = {{htonl(0x20010db8), 0, 0, htonl(1)}};
	const struct tcpc_addr far[] = {tcpc_addr_from_v4(htonl(0xcb007101)), v6};

	for (int i = 0; i < 2; i++) {
		struct tcpc_next_hop hop;

		if (tcpc_netlink_next_hop(&far[i], &hop) || hop.ifindex != iface->ifindex)
			continue;
		return tcpc_err_set(err, EBUSY,
				    "%s carries traffic of this host (its default route leads out "
				    "there), and XDP takes packets away where TC clones them: use "
				    "--hook tc, or --force if only mirrored packets have the "
				    "service's port",
				    iface->name);
	}
	return 0;
}

/* What this host copies to itself can't be lost on the way, and is not sent again. */
static void spare_journal(struct tcpc_attach_spec *spec)
{
	struct tcpc_route route;
	struct tcpc_err err;

	for (__u32 i = 0; i < spec->n_targets; i++)
		if (!tcpc_netlink_route(&spec->targets[i].addr, &route, &err) && route.local &&
		    spec->recovery) {
			tcpc_log_info("%s: copies to this host itself have no way on which they "
				      "could be lost: recovery is off",
				      spec->iface);
			spec->recovery = false;
		}
}

int mirror_check(const struct tcpc_iface *iface, struct tcpc_attach_spec *spec,
		 struct tcpc_err *err)
{
	if (iface->type != ARPHRD_ETHER)
		return tcpc_err_set(
			err, EPROTONOSUPPORT,
			"%s is no Ethernet interface, and --hook xdp knows no other: use "
			"--hook tc",
			iface->name);
	spare_journal(spec);
	if (spec->force)
		return 0;
	return check_default_route(iface, err) ?: check_sockets(iface, spec, err);
}

int mirror_check_local(const struct tap *tap, const struct tcpc_addr *addr, struct tcpc_err *err)
{
	struct tcpc_addr addrs[MAX_ADDRESSES];
	char text[TCPC_TEXT_BYTES];
	int n = tcpc_netlink_addresses(tap->ifindex, addrs, MAX_ADDRESSES, err);

	if (n < 0)
		return n;
	for (int i = 0; i < n && i < MAX_ADDRESSES; i++)
		if (!memcmp(&addrs[i], addr, sizeof(*addr)))
			return 0;
	tcpc_text_from_addr(addr, text);
	return tcpc_err_set(err, EADDRNOTAVAIL,
			    "target %s is an address of this host, but not of %s, where mirrored "
			    "packets would have to be intercepted: add it there, `ip address add "
			    "%s dev %s`, and `tcpcopyctl intercept %s`",
			    text, tap->iface, text, tap->iface, tap->iface);
}

int mirror_check_target(const struct tap *tap, const struct tcpc_route *route, struct tcpc_err *err)
{
	bool local = route->local,
	     copies = tap->copies.n > 1 || tap->copies.mapped[0] || tap->copies.mapped[1];

	if (tap->hook != TCPC_HOOK_XDP)
		return 0;
	for (unsigned int i = 0; i < tap->n_targets; i++)
		local |= tap->targets[i].route.local;
	if (local && tap->n_targets)
		return tcpc_err_set(err, EOPNOTSUPP,
				    "%s sends to this host itself, or would: that goes with no "
				    "other target",
				    tap->iface);
	if (local && copies)
		return tcpc_err_set(err, EOPNOTSUPP,
				    "%s sends to this host itself, where mirrored packets go on as "
				    "they are: leave --copies and --source out",
				    tap->iface);
	return 0;
}

bool mirror_has_several(const struct tap *tap)
{
	const struct tcpc_copies_spec *copies = &tap->copies;

	return tap->hook == TCPC_HOOK_XDP &&
	       ((tap->n_targets > 1 && !tap->split) || copies->n > 1 || copies->mapped[0] ||
		copies->mapped[1]);
}

int mirror_hook(struct tap *tap, struct tcpc_err *err)
{
	struct tcpc_mirror_spec how = tap->mirror;

	/* What generic XDP passes on came to TC without its link header where it had to be copied
	 * first (seen with Linux 6.18), and align would know none of it. */
	if (tap->n_targets && tap->targets[0].route.local && how.mode == TCPC_XDP_GENERIC)
		return tcpc_err_set(err, EOPNOTSUPP,
				    "a target that is this host itself needs native XDP: leave "
				    "--xdp-mode generic out");
	how.local = tap->n_targets && tap->targets[0].route.local;
	if (how.local)
		how.mode = TCPC_XDP_NATIVE;
	return tcpc_dp_online_mirror(tap->online->dp, tap->ifindex, &how, &tap->attachment, err);
}
