// SPDX-License-Identifier: GPL-2.0-only
/* online_tap.c - one attached interface of the online host, see online_priv.h. */
#include "role/online_priv.h"
#include "role/online_hop.h"
#include "role/online_mirror.h"

#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include "edge/log.h"

struct tap *tap_new(struct tcpc_online *online, const struct tcpc_iface *iface,
		    struct tcpc_attach_spec *spec)
{
	struct tap *tap = calloc(1, sizeof(*tap));

	if (!tap)
		return NULL;
	tap->online = online;
	memcpy(tap->iface, iface->name, sizeof(tap->iface));
	tap->ifindex = iface->ifindex;
	tap->type = iface->type;
	tap->hook = spec->hook;
	tap->mirror = spec->mirror;
	memcpy(tap->ports, spec->ports, sizeof(tap->ports));
	tap->n_ports = spec->n_ports;
	tap->feedback_none = spec->feedback_none;
	memcpy(tap->feedback_host, spec->feedback_host, sizeof(tap->feedback_host));
	tap->feedback_port = spec->feedback_port;
	tap->recovery = spec->recovery;
	tap->target_guard = spec->target_guard;
	tap->copies = spec->copies;
	tap->split = spec->split;
	tap->via = spec->via;
	return tap;
}

void tap_free_lists(struct tcpc_filter_spec *filter)
{
	free(filter->clients.list);
	free(filter->excludes.list);
	free(filter->locals.list);
	memset(filter, 0, sizeof(*filter));
}

static int write_list(struct tap *tap, __u32 set, const struct tcpc_prefix_list *list,
		      const struct tcpc_filter *value, struct tcpc_err *err)
{
	int r = 0;

	for (__u32 i = 0; i < list->n && !r; i++)
		r = tcpc_dp_online_filter(tap->online->dp, set, &list->list[i], value, err);
	return r;
}

static void delete_set(struct tap *tap, __u32 set, const struct tcpc_filter_spec *filter)
{
	struct tcpc_err err;

	if (write_list(tap, set, &filter->clients, NULL, &err) ||
	    write_list(tap, set, &filter->excludes, NULL, &err) ||
	    write_list(tap, set | TCPC_FILTER_SET_LOCALS, &filter->locals, NULL, &err))
		tcpc_log_warn("%s: old filter entries stay: %s", tap->iface, err.text);
}

void tap_delete_filter(struct tap *tap, __u32 set, struct tcpc_filter_spec *filter)
{
	delete_set(tap, set, filter);
	tap_free_lists(filter);
}

int tap_write_filter(struct tap *tap, const struct tcpc_filter_spec *filter, struct tcpc_err *err)
{
	const struct tcpc_filter client = {.action = TCPC_FILTER_CLIENT};
	const struct tcpc_filter exclude = {.action = TCPC_FILTER_EXCLUDE};
	const struct tcpc_filter local = {.action = TCPC_FILTER_LOCAL};
	struct tcpc_filter_spec old = tap->filter;
	__u32 old_set = tap->filter_set, set = ++tap->online->next_filter_set;
	int r = write_list(tap, set, &filter->clients, &client, err);

	if (!r)
		r = write_list(tap, set, &filter->excludes, &exclude, err);
	if (!r)
		r = write_list(tap, set | TCPC_FILTER_SET_LOCALS, &filter->locals, &local, err);
	if (!r) {
		tap->filter = *filter;
		tap->filter_set = set;
		r = tap_publish(tap, err);
	}
	if (r) {
		tap->filter = old;
		tap->filter_set = old_set;
		delete_set(tap, set, filter);
		if (old_set)
			tap_publish(tap, NULL);
		return r;
	}
	if (!choice_keeps_filter(tap, old_set, &old))
		tap_delete_filter(tap, old_set, &old);
	return 0;
}

int tap_find_target(const struct tap *tap, const struct tcpc_endpoint *endpoint)
{
	for (unsigned int i = 0; i < tap->n_targets; i++)
		if (!memcmp(&tap->targets[i].endpoint, endpoint, sizeof(*endpoint)))
			return i;
	return -1;
}

static int check_route(const struct tap *tap, const struct tcpc_endpoint *endpoint,
		       struct tcpc_route *ret, struct tcpc_err *err)
{
	char text[TCPC_TEXT_BYTES];
	int r = tcpc_netlink_route(&endpoint->addr, ret, err);

	if (r)
		return r;
	tcpc_text_from_addr(&endpoint->addr, text);
	if (ret->local && tap->hook == TCPC_HOOK_XDP)
		return mirror_check_local(tap, &endpoint->addr, err);
	if (ret->local)
		return tcpc_err_set(err, EADDRNOTAVAIL,
				    "target %s is an address of this host; the target must be "
				    "another host",
				    text);
	if (!ret->unicast)
		return tcpc_err_set(err, ENETUNREACH,
				    "no route to target %s; check `ip route get %s`", text, text);
	return 0;
}

/* How copies go to @endpoint now. */
static int way_to(const struct tap *tap, const struct tcpc_endpoint *endpoint,
		  struct tcpc_route *ret, struct tcpc_err *err)
{
	int r = check_route(tap, endpoint, ret, err);

	if (!r && tap->via != TCPC_VIA_NONE)
		tunnel_route(tap->online, &endpoint->addr, ret);
	return r;
}

/* Places are given out in turn: connections may be remembered that went to the last one's owner. */
static __u32 free_slot(struct tap *tap)
{
	__u32 used = 0, slot = tap->next_slot;

	for (unsigned int i = 0; i < tap->n_targets; i++)
		used |= 1u << tap->targets[i].slot;
	while (used >> slot & 1)
		slot = (slot + 1) % TCPC_MAX_TARGETS;
	tap->next_slot = (slot + 1) % TCPC_MAX_TARGETS;
	return slot;
}

/* What has to be there for copies to reach @target: a ledger, a tunnel. */
static int lead_to(struct tap *tap, struct target *target, struct tcpc_err *err)
{
	const struct tcpc_addr *host = &target->endpoint.addr;
	int r = 0;

	if (tap->recovery && target->peer)
		r = delivery_add_peer(tap->online->delivery, target->peer, err);
	if (!r && tap->via != TCPC_VIA_NONE) {
		r = tunnel_get(tap->online, host, err);
		if (!r)
			tunnel_route(tap->online, host, &target->route);
	}
	return r;
}

int tap_add_target(struct tap *tap, const struct tcpc_endpoint *endpoint, __u32 weight,
		   struct tcpc_err *err)
{
	struct target target = {.endpoint = *endpoint, .weight = weight};
	char text[TCPC_TEXT_BYTES];
	bool own = !tap->feedback_host[0];
	int r;

	if (tap->n_targets == TCPC_MAX_TARGETS)
		return tcpc_err_set(err, ENOSPC,
				    "%s has %d targets already, the most there can be (those that "
				    "are draining count)",
				    tap->iface, TCPC_MAX_TARGETS);
	r = tcpc_spec_copies_fit(&tap->copies, &endpoint->addr, tap->n_targets + 1, err)
		    ?: check_route(tap, endpoint, &target.route, err)
		    ?: mirror_check_target(tap, &target.route, err);
	if (r)
		return r;
	if (!tap->feedback_none) {
		tcpc_text_from_addr(&endpoint->addr, text);
		r = peer_get(tap->online, own ? text : tap->feedback_host,
			     tap->feedback_port ?: TCPC_DEFAULT_FEEDBACK_PORT, &target.peer, err);
		if (r)
			return r;
	}
	r = guard_add_target(tap->online, &target, err);
	if (!r) {
		r = lead_to(tap, &target, err);
		if (r)
			guard_remove_target(tap->online, &target);
	}
	if (r) {
		if (target.peer)
			peer_put(target.peer);
		return r;
	}
	target.slot = free_slot(tap);
	tap->targets[tap->n_targets++] = target;
	hop_refresh(tap);
	return 0;
}

struct peer *tap_take_target(struct tap *tap, unsigned int index)
{
	struct peer *peer = tap->targets[index].peer;

	guard_remove_target(tap->online, &tap->targets[index]);
	if (tap->via != TCPC_VIA_NONE)
		tunnel_put(tap->online, &tap->targets[index].endpoint.addr);
	tap->n_targets--;
	memmove(&tap->targets[index], &tap->targets[index + 1],
		(tap->n_targets - index) * sizeof(tap->targets[0]));
	return peer;
}

/* Does its peer intercept the port, but for IPv4 alone? */
static bool lacks_ipv6(const struct target *target)
{
	const struct tcpc_endpoint v4 = {tcpc_addr_from_v4(0), target->endpoint.port};

	return !tcpc_addr_is_v4(&target->endpoint.addr) &&
	       !peer_intercepts(target->peer, &target->endpoint, true) &&
	       peer_intercepts(target->peer, &v4, true);
}

/* Does it intercept, but take no copies out of a tunnel? */
static bool lacks_tunnel(const struct tap *tap, const struct target *target)
{
	bool any = tap->feedback_host[0];

	return tap->via != TCPC_VIA_NONE && peer_intercepts(target->peer, &target->endpoint, any) &&
	       !peer_has_tunnel(target->peer, &target->endpoint, any);
}

bool target_ready(const struct tap *tap, const struct target *target, char *ret_reason, size_t size)
{
	const char *why;

	if (!tap->ifindex) {
		snprintf(ret_reason, size,
			 "%s is gone%s%.180s; it is attached again when it is back", tap->iface,
			 tap->absent[0] ? ": " : "", tap->absent);
		return false;
	}
	if (!target->route.ifindex) {
		snprintf(ret_reason, size, "no route to it");
		return false;
	}
	if (tap->hook == TCPC_HOOK_XDP && !target->macs.known) {
		snprintf(ret_reason, size,
			 "the link address on the way to it is not known yet, see `ip neigh`");
		return false;
	}
	if (!target->peer ||
	    (peer_intercepts(target->peer, &target->endpoint, tap->feedback_host[0]) &&
	     !lacks_tunnel(tap, target))) {
		snprintf(ret_reason, size, "%s", "");
		return true;
	}
	if (target->peer->state != TCPC_LINK_READY) {
		tcpc_link_client_state(target->peer->link, &why);
		snprintf(ret_reason, size, "%s", why);
	} else if (lacks_tunnel(tap, target)) {
		snprintf(ret_reason, size,
			 "it has no end of a tunnel: run there `tcpcopyctl release IFACE` and "
			 "`tcpcopyctl intercept IFACE --port %u --via vxlan`",
			 ntohs(target->endpoint.port));
	} else if (lacks_ipv6(target)) {
		snprintf(ret_reason, size,
			 "it intercepts this port for IPv4 only: see there `tcpcopyctl status`");
	} else {
		snprintf(ret_reason, size,
			 "it does not intercept this address and port: run there "
			 "`tcpcopyctl intercept IFACE --port %u`",
			 ntohs(target->endpoint.port));
	}
	return false;
}

static void fill_copies(const struct tcpc_copies_spec *copies, struct tcpc_target_set *set)
{
	bool first = copies->mapped[0] || copies->mapped[1];

	set->copies = copies->n;
	set->spread_ms = copies->spread_ms;
	for (int v4 = 0; v4 < 2; v4++)
		set->pool[v4] = tcpc_spec_pool(&copies->pools[v4]);
	if (first)
		set->flags |= TCPC_SET_FIRST_MAPPED;
	if (first || copies->n > 1)
		set->flags |= TCPC_SET_MAPPED;
}

static __u32 target_flags(const struct tap *tap, const struct target *t)
{
	char reason[256];
	bool ready = target_ready(tap, t, reason, sizeof(reason));
	__u32 flags = 0;

	if (ready && !(tap->recovery && delivery_is_behind(t->peer)))
		flags |= TCPC_TARGET_READY;
	else if (tap->recovery && (ready || keep_is_due(t)))
		flags |= TCPC_TARGET_KEEP;
	if (t->peer && t->peer->n_allow)
		flags |= TCPC_TARGET_EXCLUDE;
	if (t->peer && tap->recovery)
		flags |= TCPC_TARGET_JOURNAL;
	if (t->route.local)
		flags |= TCPC_TARGET_LOCAL;
	if (t->gated)
		flags |= TCPC_TARGET_GATED;
	if (t->macs.known)
		flags |= TCPC_TARGET_HOP;
	if (tap->via != TCPC_VIA_NONE)
		flags |= TCPC_TARGET_TUNNEL;
	return flags;
}

/* A target that goes away may forget the connections it has, one that comes knows none. What is
 * kept for it from here on leaves in its order. */
static bool begins_epoch(__u32 was, __u32 now)
{
	const __u32 copies = TCPC_TARGET_READY | TCPC_TARGET_KEEP;

	return ((was & ~now) & TCPC_TARGET_READY) || (!(was & copies) && (now & copies));
}

/* Returns how many of them want copies, now or later. */
static unsigned int fill_set(struct tap *tap, struct tcpc_target_set *set)
{
	unsigned int n = 0;

	memset(set, 0, sizeof(*set));
	fill_copies(&tap->copies, set);
	for (unsigned int i = 0; i < tap->n_targets; i++) {
		struct target *t = &tap->targets[i];
		struct tcpc_target *out = &set->target[t->slot];
		const struct tcpc_route *route;

		if (set->n_targets <= t->slot)
			set->n_targets = t->slot + 1;
		keep_update(tap, t);
		route = t->route.ifindex ? &t->route : &t->last_route;
		out->flags = target_flags(tap, t);
		if (begins_epoch(t->published, out->flags))
			tcpc_dp_online_epoch(tap->online->dp);
		t->published = out->flags;
		out->addr = t->endpoint.addr;
		out->port = t->endpoint.port;
		out->ifindex = route->ifindex;
		out->mtu = route->mtu <= UINT16_MAX ? route->mtu : 0;
		out->id = t->peer ? t->peer->id : 0;
		if (t->macs.known) {
			memcpy(out->hop, t->macs.dst, sizeof(t->macs.dst));
			memcpy(out->hop + sizeof(t->macs.dst), t->macs.src, sizeof(t->macs.src));
		}
		out->gate = t->gate;
		n += !!(out->flags & (TCPC_TARGET_READY | TCPC_TARGET_KEEP));
	}
	return n;
}

static int write_services(struct tap *tap, struct tcpc_err *err)
{
	struct tcpc_service service = {
		.filter_set = tap->filter_set,
		.sample = tap->filter.sample_now,
		.budget = tap->budget,
	};
	int r = 0;

	if (tap->armed)
		service.flags |= TCPC_SERVICE_ARMED;
	if (tap->filter.clients.n)
		service.flags |= TCPC_SERVICE_CLIENTS;
	if (tap->filter.clients.n || tap->filter.excludes.n)
		service.flags |= TCPC_SERVICE_FILTER;
	if (tap->guarded)
		service.flags |= TCPC_SERVICE_GUARD;
	if (tap->choice.on)
		service.flags |= TCPC_SERVICE_CHOICE;
	if (mirror_has_several(tap))
		service.flags |= TCPC_SERVICE_SEVERAL;
	for (unsigned int i = 0; i < tap->n_ports && !r; i++)
		r = tcpc_dp_online_service(tap->online->dp, tap->ifindex, tap->ports[i], &service,
					   err);
	return r;
}

int tap_publish(struct tap *tap, struct tcpc_err *err)
{
	struct tcpc_target_set set;
	unsigned int n;
	int r;

	/* First: whether a ledger is behind decides where copies go. */
	for (unsigned int i = 0; i < tap->n_targets; i++)
		if (tap->targets[i].peer)
			delivery_peer_changed(tap->targets[i].peer);
	n = fill_set(tap, &set);
	tap->armed = n;
	guard_publish(tap, tap->split && n ? 1 : n);
	if (!tap->ifindex)
		return 0; /* there is nothing that could be copied */
	/* Whoever goes gets nothing before its place is empty; who comes gets something after. */
	choice_shrink(tap);
	r = tcpc_dp_online_targets(tap->online->dp, tap->ifindex, &set, err);
	return r ?: choice_publish(tap, err) ?: write_services(tap, err);
}

void tap_refresh_routes(struct tap *tap)
{
	bool changed = false;
	struct tcpc_err err;

	for (unsigned int i = 0; i < tap->n_targets; i++) {
		struct target *t = &tap->targets[i];
		struct tcpc_route now = {};

		if (way_to(tap, &t->endpoint, &now, &err))
			memset(&now, 0, sizeof(now));
		changed = changed || now.mtu != t->route.mtu;
		if (now.ifindex != t->route.ifindex) {
			tcpc_log_info("%s: the way to a target changed to interface %d%s%s",
				      tap->iface, now.ifindex, now.ifindex ? "" : ": ",
				      now.ifindex ? "" : err.text);
			changed = true;
		}
		t->route = now;
		changed = changed || t->keeps != keep_is_due(t);
	}
	changed |= hop_refresh(tap);
	if (changed && tap_publish(tap, &err))
		tcpc_log_error("%s: %s", tap->iface, err.text);
}

void tap_unhook(struct tap *tap)
{
	struct tcpc_dp_online *dp = tap->online->dp;
	struct tcpc_err err;

	if (!tap->ifindex)
		return;
	tcpc_attachment_close(&tap->attachment);
	for (unsigned int i = 0; i < tap->n_ports; i++)
		if (tcpc_dp_online_service(dp, tap->ifindex, tap->ports[i], NULL, &err))
			tcpc_log_warn("%s: %s", tap->iface, err.text);
	if (tcpc_dp_online_targets(dp, tap->ifindex, NULL, &err))
		tcpc_log_warn("%s: %s", tap->iface, err.text);
}

void tap_free(struct tap *tap)
{
	tap_unhook(tap);
	ramp_stop(tap);
	choice_drop_filter(tap);
	if (tap->filter_set)
		delete_set(tap, tap->filter_set, &tap->filter);
	while (tap->n_targets) {
		struct peer *peer = tap_take_target(tap, tap->n_targets - 1);

		if (peer)
			peer_put(peer);
	}
	tap_free_lists(&tap->filter);
	free(tap);
}
