// SPDX-License-Identifier: GPL-2.0-only
/*
 * target_link.c - what peers are told, and waiting until they have acted on it. See target_priv.h.
 */
#include "role/target_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include "edge/log.h"
#include "edge/sockdiag.h"

/* ---- what peers are told --------------------------------------------------------------------- */

static unsigned int list_services(const struct tcpc_target_role *role,
				  struct tcpc_link_service *services, unsigned int max)
{
	unsigned int n = 0;

	for (const struct intercept *i = role->intercepts; i; i = i->next) {
		if (!intercept_is_active(i))
			continue;
		for (int a = 0; a < i->n_addresses; a++)
			for (unsigned int p = 0; p < i->n_ports && n < max; p++)
				services[n++] = (struct tcpc_link_service){
					.addr = i->addresses[a],
					.port = i->ports[p],
					.engine = i->spec.engine,
					.tunnels = tunnel_end_here(i, &i->addresses[a])
							   ? TCPC_FEEDBACK_TUNNEL_VXLAN
							   : 0,
				};
	}
	return n;
}

__u32 target_publish(struct tcpc_target_role *role)
{
	struct tcpc_link_service services[TCPC_LINK_MAX_SERVICES];
	unsigned int n = list_services(role, services, TCPC_LINK_MAX_SERVICES);

	return role->link ? tcpc_link_server_services(role->link, services, n) : 0;
}

static bool is_in(const struct tcpc_addr *addr, const struct tcpc_addr *list, int n)
{
	for (int i = 0; i < n; i++)
		if (tcpc_addr_equal(&list[i], addr))
			return true;
	return false;
}

/** Addresses of an intercept, and those that it has now. */
struct change {
	struct intercept *intercept;
	const struct tcpc_addr *now;
	int n;
};

static bool came_to_lost_address(void *user, const struct tcpc_flow *flow)
{
	const struct change *c = user;

	return intercept_copied(c->intercept, flow) && !is_in(&flow->server, c->now, c->n);
}

/* Copied connections to an address end before it is no longer ours: they would go on sending when
 * it comes back, here or on another interface, and nothing would keep that inside. */
static void end_lost(struct intercept *i, const struct tcpc_addr *now, int n)
{
	struct change change = {i, now, n};
	unsigned int left;
	struct tcpc_err err;

	if (tcpc_sockdiag_destroy(i->ports, i->n_ports, came_to_lost_address, &change, &left,
				  &err) < 0)
		tcpc_log_error("%s: connections to an address that is gone stay open: %s", i->iface,
			       err.text);
}

static bool any_lost(const struct intercept *i, const struct tcpc_addr *now, int n)
{
	for (int a = 0; a < i->n_addresses; a++)
		if (!is_in(&i->addresses[a], now, n))
			return true;
	return false;
}

/* Tell queue_filter which addresses came and which went. */
static void write_changes(struct intercept *i, const struct tcpc_addr *now, int n)
{
	struct tcpc_dp_target *dp = i->role->dp;
	struct tcpc_err err = {};

	for (int a = 0; a < n; a++)
		if (!is_in(&now[a], i->addresses, i->n_addresses))
			tcpc_dp_target_address(dp, &now[a], i->ifindex, true, &err);
	for (int a = 0; a < i->n_addresses; a++)
		if (!is_in(&i->addresses[a], now, n))
			tcpc_dp_target_address(dp, &i->addresses[a], i->ifindex, false, &err);
	if (err.code)
		tcpc_log_error("%s: %s", i->iface, err.text);
}

void intercept_forget_addresses(struct intercept *i)
{
	write_changes(i, NULL, 0);
	i->n_addresses = 0;
}

/* Leave out what no rule keeps inside: nobody may copy there, and nothing there is ours. Returns
 * how many stay. */
static int keep_ours(struct intercept *i, struct tcpc_addr *list, int n)
{
	int kept = 0;

	for (int a = 0; a < n; a++)
		if (i->ipv6 || tcpc_addr_is_v4(&list[a]))
			list[kept++] = list[a];
	i->n_left_alone = n - kept;
	return kept;
}

/* Addresses come and go; a peer may copy only to those that are here. */
bool intercept_refresh_addresses(struct intercept *i)
{
	struct tcpc_addr now[MAX_ADDRESSES];
	struct tcpc_err err;
	int n = tcpc_netlink_addresses(i->ifindex, now, MAX_ADDRESSES, &err);

	if (n < 0) {
		tcpc_log_warn("%s: %s", i->iface, err.text);
		return false;
	}
	if (n > MAX_ADDRESSES)
		n = MAX_ADDRESSES;
	n = keep_ours(i, now, n);
	if (any_lost(i, now, n))
		end_lost(i, now, n);
	if (n == i->n_addresses && !memcmp(now, i->addresses, n * sizeof(now[0])))
		return false;
	write_changes(i, now, n);
	memcpy(i->addresses, now, n * sizeof(now[0]));
	i->n_addresses = n;
	return true;
}

void target_refresh_addresses(struct tcpc_target_role *role)
{
	bool changed = false;

	for (struct intercept *i = role->intercepts; i; i = i->next)
		if (intercept_is_active(i) && intercept_refresh_addresses(i))
			changed = true;
	if (changed)
		target_publish(role);
}

/* ---- waiting for peers ----------------------------------------------------------------------- */

static void run_awaits(struct tcpc_target_role *role, __u32 serial, bool all)
{
	struct await **p = &role->awaits;

	while (*p) {
		struct await *a = *p;

		if (!all && (__s32)(a->serial - serial) > 0) {
			p = &a->next;
			continue;
		}
		*p = a->next;
		a->cb(a->user);
		free(a);
		p = &role->awaits; /* the callback may have changed the list */
	}
}

static void on_no_link(uv_timer_t *timer)
{
	struct tcpc_target_role *role = timer->data;

	tcpc_timer_stop(&timer);
	if (!role->link)
		run_awaits(role, 0, true);
}

int target_await(struct tcpc_target_role *role, __u32 serial, void (*cb)(void *user), void *user)
{
	struct await *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	if (!role->link && !tcpc_timer_start(role->config.loop, on_no_link, 0, 0, role)) {
		free(a);
		return -ENOMEM;
	}
	a->serial = serial;
	a->cb = cb;
	a->user = user;
	a->next = role->awaits;
	role->awaits = a;
	return 0;
}

/* ---- the link -------------------------------------------------------------------------------- */

static void on_peer_up(void *user, const char *peer)
{
	struct tcpc_target_role *role = user;

	struct online_host *host = &role->peers[role->n_peers];

	tcpc_log_info("feedback link: %s is connected", peer);
	if (role->n_peers == MAX_PEER_NAMES)
		return;
	memset(host, 0, sizeof(*host));
	strncpy(host->name, peer, sizeof(host->name) - 1);
	host->since_ns = uv_hrtime();
	role->n_peers++;
}

static void on_sums(void *user, const char *peer, const struct tcpc_feedback_sums *sums)
{
	struct tcpc_target_role *role = user;

	for (unsigned int i = 0; i < role->n_peers; i++) {
		if (strcmp(role->peers[i].name, peer))
			continue;
		role->peers[i].sums = *sums;
		role->peers[i].has_sums = true;
	}
}

static void on_peer_down(void *user, const char *peer, bool closed, const char *why)
{
	struct tcpc_target_role *role = user;

	tcpc_log_warn("feedback link: %s is gone: %s", peer, why);
	for (struct intercept *i = role->intercepts; i && !closed; i = i->next)
		hold_way_lost(i->hold);
	for (unsigned int i = 0; i < role->n_peers; i++) {
		if (strcmp(role->peers[i].name, peer))
			continue;
		role->n_peers--;
		role->peers[i] = role->peers[role->n_peers];
		return;
	}
}

static void on_settled(void *user, __u32 serial)
{
	run_awaits(user, serial, false);
}

struct intercept *target_owner_of(const struct tcpc_target_role *role, const struct tcpc_flow *flow)
{
	for (struct intercept *i = role->intercepts; i; i = i->next) {
		if (i->state != INTERCEPT_ACTIVE || !intercept_copied(i, flow))
			continue;
		for (unsigned int p = 0; p < i->n_ports; p++)
			if (i->ports[p] == flow->server_port)
				return i;
	}
	return NULL;
}

/* Of what is not intercepted any more nothing is left to end. */
static void on_broken(void *user, const struct tcpc_break *what)
{
	struct intercept *i = target_owner_of(user, &what->flow);

	if (i)
		hold_break(i, what);
}

static void on_trial(void *user, const struct tcpc_trial_note *note)
{
	trial_asked(user, note);
}

static const struct tcpc_link_server_events link_events = {
	.trial = on_trial,
	.peer_up = on_peer_up,
	.peer_down = on_peer_down,
	.sums = on_sums,
	.settled = on_settled,
	.broken = on_broken,
};

/* One link a daemon: a second intercept shares the first one's. */
int target_open_link(struct tcpc_target_role *role, const struct tcpc_endpoint *listen,
		     struct tcpc_err *err)
{
	char text[TCPC_TEXT_BYTES];
	int r;

	if (role->link) {
		if (!listen || !memcmp(listen, &role->listen, sizeof(*listen)))
			return 0;
		target_listen_text(role, text);
		return tcpc_err_set(err, EADDRINUSE,
				    "the feedback link listens on %s already; leave --listen out "
				    "or give the same",
				    text);
	}
	r = tcpc_link_server_open(role->config.loop, listen, role->config.key, &link_events, role,
				  &role->link, err);
	if (r)
		return r;
	role->listen = listen ? *listen : (struct tcpc_endpoint){};
	role->pressure = pressure_open(role);
	if (role->pressure)
		return 0;
	target_close_link(role);
	return tcpc_err_set(err, ENOMEM, "out of memory for the feedback link");
}

void target_tell_held(struct tcpc_target_role *role, const struct tcpc_flow *flow, __u32 seq,
		      __u32 end)
{
	if (role->link)
		tcpc_link_server_held(role->link, flow, seq, end);
}

void target_tell_shed(struct tcpc_target_role *role, const struct tcpc_flow *flow,
		      enum tcpc_feedback_shed_reason reason)
{
	if (role->link)
		tcpc_link_server_shed(role->link, flow, reason);
}

void target_listen_text(const struct tcpc_target_role *role, char text[TCPC_TEXT_BYTES])
{
	if (role->listen.port)
		tcpc_text_from_endpoint(&role->listen, text);
	else
		snprintf(text, TCPC_TEXT_BYTES, "*:%d", TCPC_DEFAULT_FEEDBACK_PORT);
}

void target_close_link(struct tcpc_target_role *role)
{
	pressure_close(role->pressure);
	role->pressure = NULL;
	if (role->link)
		tcpc_link_server_close(role->link);
	role->link = NULL;
	role->n_peers = 0;
}

void target_run_awaits(struct tcpc_target_role *role)
{
	run_awaits(role, 0, true);
}
