// SPDX-License-Identifier: GPL-2.0-only
/*
 * target_clients.c - who would be cut off by `intercept`: clients that are connected to the ports
 * now and are not in the allow-list. See target_priv.h.
 *
 * Copies are never among them. Those of an earlier daemon were ended before this one took its first
 * command (target_sweep.c), those of a released interface with it, and nobody copies to an
 * interface that is not intercepted.
 */
#include "role/target_priv.h"

#include <stdio.h>
#include <string.h>

#include "edge/probe.h"
#include "edge/sockdiag.h"

#define SHOWN 3

struct clients {
	const struct tcpc_target_role *role;
	struct tcpc_addr own[MAX_ADDRESSES];
	int n_own;
	unsigned int n, n_ipv6;
	struct tcpc_endpoint first[SHOWN];
};

static bool is_own(const struct clients *c, const struct tcpc_addr *addr)
{
	for (int i = 0; i < c->n_own; i++)
		if (tcpc_addr_equal(&c->own[i], addr))
			return true;
	return false;
}

static bool see(void *user, const struct tcpc_flow *flow)
{
	struct clients *c = user;

	if (!is_own(c, &flow->server) || is_own(c, &flow->client) ||
	    target_allows(c->role, &flow->client))
		return false;
	if (c->n < SHOWN)
		c->first[c->n] = (struct tcpc_endpoint){flow->client, flow->client_port};
	c->n++;
	c->n_ipv6 += !tcpc_addr_is_v4(&flow->client);
	return false;
}

static int refuse(const struct clients *c, const char *iface, struct tcpc_err *err)
{
	char list[SHOWN * (TCPC_TEXT_BYTES + 2)] = "", text[TCPC_TEXT_BYTES];
	size_t used = 0;

	for (unsigned int i = 0; i < c->n && i < SHOWN; i++)
		used += snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
				 tcpc_text_from_endpoint(&c->first[i], text));
	return tcpc_err_set(
		err, EBUSY,
		"%u connections to this port of %s are from clients that are not allowed and "
		"would get no more answers: %s%s; `tcpcopyctl allow add` them first, or --force",
		c->n, iface, list, c->n > SHOWN ? ", ..." : "");
}

int target_check_clients(const struct tcpc_target_role *role,
			 const struct tcpc_intercept_spec *spec, int ifindex, struct tcpc_err *err)
{
	struct clients c = {.role = role};
	int r;

	if (spec->force)
		return 0;
	c.n_own = tcpc_netlink_addresses(ifindex, c.own, MAX_ADDRESSES, err);
	if (c.n_own < 0)
		return c.n_own;
	if (c.n_own > MAX_ADDRESSES)
		c.n_own = MAX_ADDRESSES;
	r = tcpc_sockdiag_each(spec->ports, spec->n_ports, see, &c, err);
	/* Without ip6tables IPv6 is left alone, its clients too. */
	if (!r && c.n && c.n == c.n_ipv6 && tcpc_probe_ip6tables() == TCPC_PROBE_IPTABLES_MISSING)
		return 0;
	if (!r && c.n)
		r = refuse(&c, spec->iface, err);
	return r;
}
