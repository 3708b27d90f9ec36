// SPDX-License-Identifier: GPL-2.0-only
/* online_peer.c - the feedback links of the online host, see online_priv.h. */
#include "role/online_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/log.h"

#define TCP_RST 0x04 /* tcpcopy/parse.h cannot stand beside libuv's headers */
#define TCP_SYN 0x02

/* Without a ready link nothing is known about the target: it is as if it intercepted nothing. */
static void forget_services(struct peer *peer)
{
	peer->has_services = false;
	peer->n_services = 0;
}

static void on_state(void *user, enum tcpc_link_state state, const char *text)
{
	struct peer *peer = user;

	if (state != peer->state) {
		if (state == TCPC_LINK_READY)
			tcpc_log_info("feedback link to %s is up", peer->name);
		else if (state != TCPC_LINK_CONNECTING)
			tcpc_log_warn("feedback link to %s: %s", peer->name, text);
	}
	peer->state = state;
	if (state != TCPC_LINK_READY)
		forget_services(peer);
	online_peer_changed(peer->online, peer);
}

static void on_services(void *user, const struct tcpc_link_service *services, unsigned int n)
{
	struct peer *peer = user;

	memcpy(peer->services, services, n * sizeof(*services));
	peer->n_services = n;
	peer->has_services = true;
	online_peer_changed(peer->online, peer);
}

static void write_allow(struct peer *peer, const struct tcpc_prefix *prefix, bool present)
{
	struct tcpc_err err;

	if (tcpc_dp_online_peer_allow(peer->online->dp, peer->id, prefix, present, &err))
		tcpc_log_error("%s", err.text);
}

static void allow_clear(struct peer *peer)
{
	for (unsigned int i = 0; i < peer->n_allow; i++)
		write_allow(peer, &peer->allow[i], false);
	free(peer->allow);
	peer->allow = NULL;
	peer->n_allow = 0;
}

static int allow_add(struct peer *peer, const struct tcpc_prefix *prefixes, unsigned int n)
{
	struct tcpc_prefix *bigger;

	if (peer->n_allow + n > TCPC_MAX_ALLOW)
		return -ENOSPC;
	bigger = realloc(peer->allow, (peer->n_allow + n) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	memcpy(bigger + peer->n_allow, prefixes, n * sizeof(*prefixes));
	peer->allow = bigger;
	peer->n_allow += n;
	for (unsigned int i = 0; i < n; i++)
		write_allow(peer, &prefixes[i], true);
	return 0;
}

static void allow_del(struct peer *peer, const struct tcpc_prefix *prefix)
{
	for (unsigned int i = 0; i < peer->n_allow; i++) {
		if (memcmp(&peer->allow[i], prefix, sizeof(*prefix)))
			continue;
		peer->allow[i] = peer->allow[--peer->n_allow];
		write_allow(peer, prefix, false);
		return;
	}
}

/*
 * A client in the target's allow-list gets its answers from there, so a copy of its traffic would
 * be answered to it: from now on it is not copied (invariant 2). Should we be unable to note that,
 * the link is as good as useless: no copies at all.
 */
static void on_allow(void *user, enum tcpc_link_allow_op op, const struct tcpc_prefix *prefixes,
		     unsigned int n)
{
	struct peer *peer = user;
	int r = 0;

	if (op == TCPC_LINK_ALLOW_CLEAR)
		allow_clear(peer);
	else if (op == TCPC_LINK_ALLOW_ADD)
		r = allow_add(peer, prefixes, n);
	else
		for (unsigned int i = 0; i < n; i++)
			allow_del(peer, &prefixes[i]);
	if (r) {
		tcpc_log_error("cannot note the allow-list of %s: %s; copying there stops",
			       peer->host, strerror(-r));
		forget_services(peer);
	}
	online_peer_changed(peer->online, peer);
}

static void on_receipts(void *user, const struct tcpc_receipt *receipts, unsigned int n)
{
	struct peer *peer = user;

	online_trial_receipts(peer, receipts, n);
	delivery_receipts(peer, receipts, n);
	peer->counts.receipts += n;
	for (unsigned int i = 0; i < n; i++) {
		peer->counts.syn_acks += !!(receipts[i].flags & TCP_SYN);
		peer->counts.resets += !!(receipts[i].flags & TCP_RST);
		peer->counts.bytes += receipts[i].payload_bytes;
		if (receipts[i].flags & (TCP_SYN | TCP_RST))
			guard_receipt(peer, &receipts[i]);
	}
}

static void on_held(void *user, const struct tcpc_held *held, unsigned int n)
{
	struct peer *peer = user;

	for (unsigned int i = 0; i < n; i++) {
		peer->counts.held++;
		peer->counts.held_numbers += held[i].end - held[i].seq;
		delivery_held(peer, &held[i].flow, held[i].seq, held[i].end);
	}
}

static void on_shed(void *user, const struct tcpc_shed *shed, unsigned int n)
{
	struct peer *peer = user;

	for (unsigned int i = 0; i < n; i++) {
		peer->counts.shed++;
		peer->counts.shed_slow += shed[i].reason == TCPC_FEEDBACK_SHED_SLOW;
		delivery_shed(peer, &shed[i].flow, shed[i].reason);
	}
}

static void on_trial(void *user, const struct tcpc_trial_note *note)
{
	online_trial_note(user, note);
}

static const struct tcpc_link_client_events events = {
	.trial = on_trial,
	.state = on_state,
	.services = on_services,
	.allow = on_allow,
	.receipts = on_receipts,
	.held = on_held,
	.shed = on_shed,
};

int peer_get(struct tcpc_online *online, const char *host, __u16 port, struct peer **ret,
	     struct tcpc_err *err)
{
	struct peer *peer;
	int r;

	for (peer = online->peers; peer; peer = peer->next) {
		if (peer->port == port && !strcmp(peer->host, host)) {
			peer->refs++;
			*ret = peer;
			return 0;
		}
	}
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	peer->online = online;
	peer->refs = 1;
	peer->id = ++online->next_peer_id;
	peer->port = port;
	strncpy(peer->host, host, sizeof(peer->host) - 1);
	snprintf(peer->name, sizeof(peer->name), strchr(host, ':') ? "[%s]:%u" : "%s:%u",
		 peer->host, port);
	r = tcpc_link_client_open(online->config.loop, host, port, online->config.key, &events,
				  peer, &peer->link, err);
	if (r) {
		free(peer);
		return r;
	}
	peer->next = online->peers;
	online->peers = peer;
	*ret = peer;
	return 0;
}

void peer_put(struct peer *peer)
{
	struct peer **p = &peer->online->peers;

	if (--peer->refs)
		return;
	while (*p != peer)
		p = &(*p)->next;
	delivery_remove_peer(peer);
	online_trial_forget(peer);
	*p = peer->next;
	tcpc_link_client_close(peer->link);
	allow_clear(peer);
	free(peer);
}

/* Has it said that it intercepts this, with all of @tunnels? */
static bool has_service(const struct peer *peer, const struct tcpc_endpoint *endpoint,
			bool any_addr, __u8 tunnels)
{
	if (peer->state != TCPC_LINK_READY)
		return false;
	for (unsigned int i = 0; i < peer->n_services; i++) {
		const struct tcpc_link_service *s = &peer->services[i];

		/* Behind another address it may be, but never in a family that is not kept inside.
		 */
		if (s->port == endpoint->port && (s->tunnels & tunnels) == tunnels &&
		    (tcpc_addr_equal(&s->addr, &endpoint->addr) ||
		     (any_addr && tcpc_addr_is_v4(&s->addr) == tcpc_addr_is_v4(&endpoint->addr))))
			return true;
	}
	return false;
}

bool peer_intercepts(const struct peer *peer, const struct tcpc_endpoint *endpoint, bool any_addr)
{
	return has_service(peer, endpoint, any_addr, 0);
}

bool peer_has_tunnel(const struct peer *peer, const struct tcpc_endpoint *endpoint, bool any_addr)
{
	return has_service(peer, endpoint, any_addr, TCPC_FEEDBACK_TUNNEL_VXLAN);
}

bool peer_allows(const struct peer *peer, const struct tcpc_addr *client)
{
	return peer->n_allow && tcpc_dp_online_peer_allows(peer->online->dp, peer->id, client);
}

bool peer_settled(const struct peer *peer)
{
	return peer->state == TCPC_LINK_READY ? peer->has_services
					      : peer->state != TCPC_LINK_CONNECTING;
}

struct peer *peer_of_id(const struct tcpc_online *online, __u32 id)
{
	struct peer *peer = online->peers;

	while (peer && peer->id != id)
		peer = peer->next;
	return peer;
}
