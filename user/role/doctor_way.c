// SPDX-License-Identifier: GPL-2.0-only
/*
 * doctor_way.c - the way back to clients. Nothing ever takes it, but the target's kernel wants one:
 * without a route it does not answer a copy at all, and a strict reverse-path filter drops copies
 * whose way back leads through another interface. See doctor_priv.h.
 *
 * Judged by clients that were copied lately; where there are none, by an address that is nobody's.
 */
#include "role/doctor_priv.h"

#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>

#include "edge/probe.h"
#include "role/target_priv.h"

#define MAX_CLIENTS 16
#define STRICT 1

struct clients {
	const struct intercept *i;
	bool v4;
	struct tcpc_addr list[MAX_CLIENTS];
	unsigned int n;
};

/* Addresses set aside for tests (RFC 2544, RFC 5180). */
static struct tcpc_addr stranger(bool v4)
{
	static const struct tcpc_addr v6 = {
		{tcpc_htonl(0x20010002), 0, tcpc_htonl(0xffff), tcpc_htonl(0xfffd)}};

	return v4 ? tcpc_addr_from_v4(htonl(0xc613fffd)) : v6; /* 198.19.255.253 */
}

static void note_client(void *user, const struct tcpc_flow *flow, const struct tcpc_exchange *x)
{
	struct clients *c = user;

	if (c->n == MAX_CLIENTS || tcpc_addr_is_v4(&flow->server) != c->v4 ||
	    (x->closed & TCPC_EXCHANGE_TRIAL) || !intercept_copied((void *)c->i, flow))
		return;
	for (unsigned int i = 0; i < c->n; i++)
		if (tcpc_addr_equal(&c->list[i], &flow->client))
			return;
	c->list[c->n++] = flow->client;
}

static bool has_family(const struct intercept *i, bool v4)
{
	for (int a = 0; a < i->n_addresses; a++)
		if (tcpc_addr_is_v4(&i->addresses[a]) == v4)
			return true;
	return false;
}

static int rp_filter_of(const char *iface)
{
	struct tcpc_probe_sysctls s;

	tcpc_probe_sysctls(iface, &s);
	return s.rp_filter;
}

/* What was found of one client's way back. Returns: is it bad? */
static bool judge(struct doctor *run, const struct intercept *i, const struct tcpc_addr *client,
		  bool seen)
{
	enum doctor_level level = seen ? DOCTOR_FAIL : DOCTOR_WARN;
	const char *who = seen ? "clients such as" : "clients from other networks, for example";
	char text[TCPC_TEXT_BYTES], fix[DOCTOR_FIX_BYTES], other[IFNAMSIZ] = "nowhere";
	bool v4 = tcpc_addr_is_v4(client);
	struct tcpc_next_hop hop = {};
	int r = tcpc_netlink_next_hop(client, &hop);

	tcpc_text_from_addr(client, text);
	if (hop.ifindex)
		if_indextoname(hop.ifindex, other);
	if (v4 && hop.ifindex != i->ifindex && rp_filter_of(i->iface) == STRICT) {
		snprintf(fix, sizeof(fix), "sysctl -w net.ipv4.conf.%s.rp_filter=2", i->iface);
		doctor_add(run, level, "reverse-path filter", fix,
			   "%s: strict: drops copies from %s %s, whose way back leads %s%s",
			   i->iface, who, text, r ? "" : "through ", other);
	}
	if (r) {
		snprintf(fix, sizeof(fix), "ip %sroute add default dev %s", v4 ? "" : "-6 ",
			 i->iface);
		doctor_add(run, level, "route to clients", fix,
			   "there is no way back to %s %s: this host's TCP does not answer their "
			   "copies (a route is needed, though nothing will ever take it)",
			   who, text);
		return true;
	}
	if (hop.failed && i->spec.engine == TCPC_ENGINE_TC) {
		snprintf(fix, sizeof(fix), "tcpcopyctl intercept %s --port %u --engine nfqueue",
			 i->iface, ntohs(i->ports[0]));
		doctor_add(run, level, "neighbour of clients", fix,
			   "on the way back to %s %s nobody says his link address: with engine tc "
			   "answers have to come as far as the interface",
			   who, text);
		return true;
	}
	return false;
}

static void check_family(struct doctor *run, const struct intercept *i, bool v4)
{
	struct clients c = {.i = i, .v4 = v4};
	struct tcpc_dp_cursor cursor = {};
	bool seen, bad = false;

	if (!has_family(i, v4))
		return;
	while (c.n < MAX_CLIENTS &&
	       tcpc_dp_target_exchanges(i->role->dp, &cursor, 256, note_client, &c) > 0)
		;
	seen = c.n;
	if (!seen)
		c.list[c.n++] = stranger(v4);
	/* One is enough: the others are like it. */
	for (unsigned int n = 0; n < c.n && !bad; n++)
		bad = judge(run, i, &c.list[n], seen);
	if (!bad)
		doctor_add(run, DOCTOR_OK, "route to clients", "", "%s: %s clients can be answered",
			   i->iface, v4 ? "IPv4" : "IPv6");
}

void doctor_way_back(struct doctor *run, const struct intercept *i)
{
	check_family(run, i, true);
	check_family(run, i, false);
}

void doctor_rp_filter(struct doctor *run, const struct tcpc_iface *iface)
{
	struct tcpc_addr client = stranger(true);
	int value = rp_filter_of(iface->name);
	struct tcpc_next_hop hop = {};
	char fix[DOCTOR_FIX_BYTES];

	snprintf(fix, sizeof(fix), "sysctl -w net.ipv4.conf.%s.rp_filter=2", iface->name);
	if (value == STRICT &&
	    (tcpc_netlink_next_hop(&client, &hop) || hop.ifindex != iface->ifindex))
		doctor_add(run, DOCTOR_WARN, "reverse-path filter", fix,
			   "%s: strict; on a target host it would drop copies from clients that "
			   "are not routed through %s",
			   iface->name, iface->name);
	else
		doctor_add(run, DOCTOR_OK, "reverse-path filter", "", "%s: %s", iface->name,
			   value == 2	     ? "loose"
			   : value == STRICT ? "strict, the default route leads through it"
					     : "off");
}
