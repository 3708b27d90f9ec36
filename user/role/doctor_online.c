// SPDX-License-Identifier: GPL-2.0-only
/* doctor_online.c - the online host's side: is there a way to each target, does its daemon answer,
 * and does anything stand in front of us? See doctor_priv.h. */
#include "role/doctor_priv.h"

#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/bpf.h>

#include "role/online_priv.h"

/* The interface or the route may be what is narrow. */
static void mtu_fix(const struct target *target, unsigned int mtu, char fix[DOCTOR_FIX_BYTES])
{
	char name[IFNAMSIZ] = "IFACE", to[TCPC_TEXT_BYTES], via[TCPC_TEXT_BYTES];
	const struct tcpc_addr *addr = &target->endpoint.addr;
	struct tcpc_next_hop hop = {.addr = *addr};
	struct tcpc_iface out = {};
	struct tcpc_err err;
	bool direct;

	if (if_indextoname(target->route.ifindex, name))
		tcpc_netlink_iface(name, &out, &err);
	tcpc_netlink_next_hop(addr, &hop);
	tcpc_text_from_addr(addr, to);
	tcpc_text_from_addr(&hop.addr, via);
	direct = tcpc_addr_equal(&hop.addr, addr);
	if (out.mtu < mtu)
		snprintf(fix, DOCTOR_FIX_BYTES, "ip link set %s mtu %u", name, mtu);
	else
		snprintf(fix, DOCTOR_FIX_BYTES, "ip route replace %s%s%s dev %s mtu %u", to,
			 direct ? "" : " via ", direct ? "" : via, name, mtu);
}

/* What reaches an interface in larger packets than the way to the target takes is not copied. */
static void check_mtu(struct doctor *run, const struct tap *tap, const struct target *target,
		      const char *name)
{
	struct tcpc_iface iface;
	char fix[DOCTOR_FIX_BYTES];
	struct tcpc_err err;

	if (!target->route.mtu || tcpc_netlink_iface(tap->iface, &iface, &err) ||
	    iface.mtu <= target->route.mtu)
		return;
	if (target->route.tunnel) {
		doctor_add(run, DOCTOR_OK, "MTU", "",
			   "%s has %u, the tunnel to %s takes %u: larger packets travel in pieces "
			   "(counter tunnel_cut)",
			   tap->iface, iface.mtu, name, target->route.mtu);
		return;
	}
	mtu_fix(target, iface.mtu, fix);
	doctor_add(run, DOCTOR_WARN, "MTU", fix,
		   "%s has %u, the way to %s %u: larger packets are not copied (counter too_big)",
		   tap->iface, iface.mtu, name, target->route.mtu);
}

/* A target in the same network needs no more than its interface named. */
static void check_route(struct doctor *run, const struct tap *tap, const struct target *target,
			const char *name)
{
	char text[TCPC_TEXT_BYTES], fix[DOCTOR_FIX_BYTES];
	struct tcpc_next_hop hop;
	int r = tcpc_netlink_next_hop(&target->endpoint.addr, &hop);

	tcpc_text_from_addr(&target->endpoint.addr, text);
	snprintf(fix, sizeof(fix), "ip route add %s dev %s", text, tap->iface);
	if (r) {
		doctor_add(run, DOCTOR_FAIL, "route", fix, "no way to %s: %s", name, strerror(-r));
		return;
	}
	if (hop.failed) {
		tcpc_text_from_addr(&hop.addr, text);
		snprintf(fix, sizeof(fix), "ping -c 1 %s", text);
		doctor_add(run, DOCTOR_FAIL, "neighbour", fix,
			   "%s, which takes the packets for %s, does not say its link address "
			   "(ARP or neighbour discovery failed): is that host up, and in this "
			   "network?",
			   text, name);
	} else {
		doctor_add(run, DOCTOR_OK, "route", "", "there is a way to %s", name);
	}
}

/* Where the link is up the peer tells; otherwise its state does. */
static void link_fix(const struct target *target, char fix[DOCTOR_FIX_BYTES])
{
	unsigned int port = ntohs(target->endpoint.port);

	switch (target->peer->state) {
	case TCPC_LINK_BAD_KEY:
		snprintf(fix, DOCTOR_FIX_BYTES,
			 "give both daemons the same file: tcpcopyd --key FILE");
		break;
	case TCPC_LINK_BAD_VERSION:
		snprintf(fix, DOCTOR_FIX_BYTES,
			 "install the same tcpcopy on both hosts; see `tcpcopyctl version`");
		break;
	default:
		snprintf(fix, DOCTOR_FIX_BYTES, "tcpcopyctl intercept IFACE --port %u # there",
			 port);
	}
}

static void check_link(struct doctor *run, const struct tap *tap, const struct target *target,
		       const char *name)
{
	static const char *const checks[] = {
		[TCPC_LINK_CONNECTING] = "feedback link", [TCPC_LINK_READY] = "target",
		[TCPC_LINK_REFUSED] = "feedback link",	  [TCPC_LINK_BAD_KEY] = "key",
		[TCPC_LINK_BAD_VERSION] = "version",	  [TCPC_LINK_LOST] = "feedback link",
	};
	char reason[256], fix[DOCTOR_FIX_BYTES];

	if (!target->route.ifindex) /* said already */
		return;
	if (target_ready(tap, target, reason, sizeof(reason))) {
		if (target->peer)
			doctor_add(run, DOCTOR_OK, "target", "", "%s intercepts and is copied to",
				   name);
		else
			doctor_add(run, DOCTOR_WARN, "target", "",
				   "%s is copied to without asking (--feedback none): whatever it "
				   "answers goes to clients",
				   name);
		return;
	}
	link_fix(target, fix);
	doctor_add(run, DOCTOR_FAIL, checks[target->peer->state], fix, "%s: %s", name, reason);
}

static void check_order(struct doctor *run, const struct tap *tap)
{
	char fix[DOCTOR_FIX_BYTES];
	__u32 first;
	unsigned int n = tcpc_attachment_ahead(&tap->attachment, &first);

	snprintf(fix, sizeof(fix), "tcpcopyctl detach %s, then attach it again", tap->iface);
	if (n)
		doctor_add(run, DOCTOR_WARN, "TC programs", fix,
			   "%u run before ours on %s (see `bpftool prog show id %u`); what they "
			   "end or "
			   "redirect is not copied",
			   n, tap->iface, first);
}

/* A filter that leaves nothing is a choice, but one that is forgotten easily. */
static void check_filter(struct doctor *run, const struct tap *tap)
{
	char fix[DOCTOR_FIX_BYTES];

	snprintf(fix, sizeof(fix), "tcpcopyctl filter set %s --percent 100", tap->iface);
	if (!tap->filter.sample)
		doctor_add(run, DOCTOR_WARN, "filter", fix, "%s: --percent 0 copies nothing",
			   tap->iface);
}

void doctor_online(struct doctor *run)
{
	char name[TCPC_TEXT_BYTES];

	for (const struct tap *tap = run->d->online->taps; tap; tap = tap->next) {
		if (!doctor_wants(run, tap->iface))
			continue;
		check_order(run, tap);
		check_filter(run, tap);
		for (unsigned int i = 0; i < tap->n_targets; i++) {
			const struct target *target = &tap->targets[i];

			tcpc_text_from_endpoint(&target->endpoint, name);
			check_route(run, tap, target, name);
			check_link(run, tap, target, name);
			check_mtu(run, tap, target, name);
		}
	}
}
