// SPDX-License-Identifier: GPL-2.0-only
/*
 * online.c - the online host's role: life of the datapath, heartbeat, commands. See online.h.
 */
#include "role/online_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <net/if_arp.h>
#include <sodium.h>

#include "edge/log.h"
#include "edge/probe.h"

#define MAX_COPY_DEVICES 16
#define ROUTES_MS 1000
/* How long a command waits to hear from the targets before it says "not yet". */
#define SETTLE_MS 1500

/** A command that answers once its tap's peers have been heard of. */
struct waiter {
	struct waiter *next;
	struct tcpc_online *online;
	struct tcpc_reply *reply;
	char iface[IFNAMSIZ];
	bool is_attach; /* else: target add of @endpoint */
	struct tcpc_endpoint endpoint;
	uv_timer_t *deadline;
};

/* ---- timers ---------------------------------------------------------------------------------- */

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

static uv_timer_t *start_timer(uv_loop_t *loop, uv_timer_cb cb, unsigned int first_ms,
			       unsigned int repeat_ms, void *data)
{
	uv_timer_t *timer = malloc(sizeof(*timer));

	if (!timer)
		return NULL;
	uv_timer_init(loop, timer);
	timer->data = data;
	uv_timer_start(timer, cb, first_ms, repeat_ms);
	return timer;
}

static void stop_timer(uv_timer_t **timer)
{
	if (*timer)
		uv_close((uv_handle_t *)*timer, free_handle);
	*timer = NULL;
}

/* ---- the datapath's life --------------------------------------------------------------------- */

static void extend_lease(struct tcpc_online *online)
{
	/* uv_hrtime() reads CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns(). */
	tcpc_dp_online_lease(online->dp, uv_hrtime() + TCPC_LEASE_MS * 1000000ULL);
}

static void on_heartbeat(uv_timer_t *timer)
{
	extend_lease(timer->data);
}

static struct tap **find_tap(struct tcpc_online *online, const char *iface)
{
	struct tap **tap = &online->taps;

	while (*tap && strcmp((*tap)->iface, iface))
		tap = &(*tap)->next;
	return tap;
}

static void close_datapath(struct tcpc_online *online)
{
	struct tcpc_err err;

	stop_timer(&online->heartbeat);
	stop_timer(&online->routes);
	if (online->dp)
		tcpc_dp_online_close(online->dp);
	online->dp = NULL;
	if (online->copy_ifindex && tcpc_netlink_delete(online->copy_ifindex, &err) &&
	    err.code != ENODEV)
		tcpc_log_warn("the copy device stays: %s", err.text);
	online->copy_ifindex = 0;
}

static void remove_tap(struct tcpc_online *online, struct tap **at)
{
	struct tap *tap = *at;

	*at = tap->next;
	tap_free(tap);
	if (!online->taps)
		close_datapath(online);
}

/* Routes change and interfaces go while we run; a tap whose interface is gone goes too. */
static void on_routes(uv_timer_t *timer)
{
	struct tcpc_online *online = timer->data;
	struct tap **at = &online->taps;

	while (*at) {
		char name[IFNAMSIZ];

		if (!if_indextoname((*at)->ifindex, name)) {
			tcpc_log_warn("%s is gone: detached", (*at)->iface);
			remove_tap(online, at);
			if (!online->dp)
				return;
			continue;
		}
		tap_refresh_routes(*at);
		at = &(*at)->next;
	}
}

static int create_copy_device(struct tcpc_online *online, struct tcpc_err *err)
{
	char name[32]; /* more than IFNAMSIZ: the compiler does not know that the number is small */
	const char *kind;
	int r;

	for (int i = 0; i < MAX_COPY_DEVICES; i++) {
		snprintf(name, sizeof(name), "tcpcopy%d", i);
		if (if_nametoindex(name))
			continue;
		r = tcpc_netlink_create_sink(name, online->alias, &online->copy_ifindex, &kind,
					     err);
		if (!r)
			tcpc_log_debug("copy device %s is a %s", name, kind);
		return r;
	}
	return tcpc_err_set(err, EEXIST, "the devices tcpcopy0 to tcpcopy%d exist already",
			    MAX_COPY_DEVICES - 1);
}

static int open_datapath(struct tcpc_online *online, struct tcpc_err *err)
{
	int r;

	if (online->dp)
		return 0;
	r = tcpc_datapath_probe(err) ?: tcpc_probe_bpffs(online->config.bpffs, err);
	r = r ?: create_copy_device(online, err);
	r = r
		    ?: tcpc_dp_online_open(online->config.bpffs, online->copy_ifindex,
					   online->hash_key, &online->dp, err);
	if (!r) {
		extend_lease(online);
		online->heartbeat = start_timer(online->config.loop, on_heartbeat,
						TCPC_HEARTBEAT_MS, TCPC_HEARTBEAT_MS, online);
		online->routes =
			start_timer(online->config.loop, on_routes, ROUTES_MS, ROUTES_MS, online);
		if (!online->heartbeat || !online->routes)
			r = tcpc_err_set(err, ENOMEM, "out of memory");
	}
	if (r)
		close_datapath(online);
	return r;
}

/* ---- commands that wait for the targets -------------------------------------------------------
 */

static bool all_settled(const struct tap *tap)
{
	for (unsigned int i = 0; i < tap->n_targets; i++)
		if (tap->targets[i].peer && !peer_settled(tap->targets[i].peer))
			return false;
	return true;
}

/* A wrong key or version does not mend itself: the command fails, whatever else went well. */
static bool hopeless(const struct tap *tap, struct tcpc_err *err)
{
	const char *why;

	for (unsigned int i = 0; i < tap->n_targets; i++) {
		struct peer *peer = tap->targets[i].peer;

		if (!peer ||
		    (peer->state != TCPC_LINK_BAD_KEY && peer->state != TCPC_LINK_BAD_VERSION))
			continue;
		tcpc_link_client_state(peer->link, &why);
		tcpc_err_set(err, EPROTO, "feedback link to %s:%u: %s", peer->host, peer->port,
			     why);
		return true;
	}
	return false;
}

static void reply_waiting(struct waiter *w, const struct tap *tap)
{
	char reason[256], text[TCPC_TEXT_BYTES];

	for (unsigned int i = 0; i < tap->n_targets; i++) {
		if (target_ready(tap, &tap->targets[i], reason, sizeof(reason)))
			continue;
		tcpc_text_from_endpoint(&tap->targets[i].endpoint, text);
		tcpc_reply_text(
			w->reply, "%s is attached (%s), but nothing is copied to %s yet: %s",
			tap->iface, tcpc_attach_kind_name(tap->attachment.kind), text, reason);
		return;
	}
	tcpc_reply_text(w->reply, "%s is attached (%s) and copied", tap->iface,
			tcpc_attach_kind_name(tap->attachment.kind));
}

static void undo(struct waiter *w, struct tap **at)
{
	struct tap *tap = *at;
	struct peer *peer;
	int i = tap_find_target(tap, &w->endpoint);

	if (w->is_attach) {
		remove_tap(w->online, at);
		return;
	}
	if (i < 0)
		return;
	peer = tap_take_target(tap, i);
	tap_publish(tap, NULL);
	if (peer)
		peer_put(peer);
}

static void finish_waiter(struct waiter *w)
{
	struct tap **at = find_tap(w->online, w->iface);
	struct waiter **p = &w->online->waiters;
	struct tcpc_err err = {};

	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	stop_timer(&w->deadline);
	if (!*at) {
		tcpc_err_set(&err, ENODEV, "%s was detached meanwhile", w->iface);
		tcpc_reply_fail(w->reply, &err);
	} else if (hopeless(*at, &err)) {
		undo(w, at);
		tcpc_reply_fail(w->reply, &err);
	} else {
		reply_waiting(w, *at);
	}
	free(w);
}

static void on_deadline(uv_timer_t *timer)
{
	finish_waiter(timer->data);
}

static void wait_for_peers(struct tap *tap, bool is_attach, const struct tcpc_endpoint *endpoint,
			   struct tcpc_reply *reply)
{
	struct tcpc_online *online = tap->online;
	struct waiter *w = calloc(1, sizeof(*w));
	struct tcpc_err err;

	if (w)
		w->deadline = start_timer(online->config.loop, on_deadline,
					  all_settled(tap) ? 0 : SETTLE_MS, 0, w);
	if (!w || !w->deadline) {
		/* It is in force all the same; only the wait cannot be had. */
		free(w);
		tcpc_err_set(&err, ENOMEM, "attached, but out of memory; see `tcpcopyctl status`");
		tcpc_reply_fail(reply, &err);
		return;
	}
	w->online = online;
	w->reply = reply;
	w->is_attach = is_attach;
	w->endpoint = *endpoint;
	memcpy(w->iface, tap->iface, sizeof(w->iface));
	w->next = online->waiters;
	online->waiters = w;
}

void online_peer_changed(struct tcpc_online *online, struct peer *peer)
{
	struct tcpc_err err;

	for (struct tap *tap = online->taps; tap; tap = tap->next)
		for (unsigned int i = 0; i < tap->n_targets; i++)
			if (tap->targets[i].peer == peer) {
				if (tap_publish(tap, &err))
					tcpc_log_error("%s: %s", tap->iface, err.text);
				break;
			}
	/* Not at once: finishing may close the very link that is calling. */
	for (struct waiter *w = online->waiters; w; w = w->next) {
		struct tap **at = find_tap(online, w->iface);

		if (!*at || all_settled(*at))
			uv_timer_start(w->deadline, on_deadline, 0, 0);
	}
}

/* ---- attach and detach ------------------------------------------------------------------------
 */

static int check_iface(struct tcpc_online *online, const char *name, struct tcpc_iface *ret,
		       struct tcpc_err *err)
{
	int r = tcpc_netlink_iface(name, ret, err);

	if (r)
		return r;
	if (*find_tap(online, name))
		return tcpc_err_set(err, EEXIST,
				    "%s is attached already; change it with `target add`, `target "
				    "del` or `filter set`, or detach it first",
				    name);
	if (!(ret->flags & IFF_UP))
		return tcpc_err_set(err, ENETDOWN, "%s is down; `ip link set %s up` first", name,
				    name);
	if (ret->type != ARPHRD_ETHER && ret->type != ARPHRD_LOOPBACK)
		return tcpc_err_set(err, ENOTSUP,
				    "%s has no Ethernet header (type %u); this version copies from "
				    "Ethernet interfaces",
				    name, ret->type);
	return 0;
}

static int set_up_tap(struct tap *tap, struct tcpc_attach_spec *spec, struct tcpc_err *err)
{
	int r = 0;

	for (unsigned int i = 0; i < spec->n_targets && !r; i++)
		r = tap_add_target(tap, &spec->targets[i], err);
	r = r ?: tap_write_filter(tap, &spec->filter, err);
	if (!r) {
		memset(&spec->filter, 0, sizeof(spec->filter)); /* the lists are the tap's now */
		r = tcpc_dp_online_attach(tap->online->dp, tap->ifindex, spec->hook,
					  &tap->attachment, err);
	}
	return r;
}

void tcpc_online_attach(struct tcpc_online *online, struct tcpc_attach_spec *spec,
			struct tcpc_reply *reply)
{
	struct tcpc_iface iface;
	struct tcpc_err err;
	struct tap *tap = NULL;
	int r = check_iface(online, spec->iface, &iface, &err) ?: open_datapath(online, &err);

	if (!r) {
		tap = tap_new(online, &iface, spec);
		r = tap ? set_up_tap(tap, spec, &err) : tcpc_err_set(&err, ENOMEM, "out of memory");
	}
	if (r) {
		if (tap)
			tap_free(tap);
		if (!online->taps)
			close_datapath(online);
		tcpc_reply_fail(reply, &err);
		return;
	}
	tap->next = online->taps;
	online->taps = tap;
	tcpc_log_info("%s attached (%s)", tap->iface, tcpc_attach_kind_name(tap->attachment.kind));
	wait_for_peers(tap, true, &spec->targets[0], reply);
}

void tcpc_online_detach(struct tcpc_online *online, const struct tcpc_iface_spec *spec,
			struct tcpc_reply *reply)
{
	struct tap **at = find_tap(online, spec->iface);
	struct tcpc_err err;
	unsigned int n = 0;

	if (!spec->all && !*at) {
		tcpc_err_set(&err, ENOENT, "%s is not attached; `tcpcopyctl status` lists what is",
			     spec->iface);
		tcpc_reply_fail(reply, &err);
		return;
	}
	if (!spec->all) {
		remove_tap(online, at);
		tcpc_log_info("%s detached", spec->iface);
		tcpc_reply_text(reply, "%s is detached", spec->iface);
		return;
	}
	for (; online->taps; n++)
		remove_tap(online, &online->taps);
	tcpc_reply_text(reply, n ? "%u interfaces detached" : "nothing was attached", n);
}

/* ---- target and filter ------------------------------------------------------------------------
 */

static void add_target(struct tap *tap, const struct tcpc_endpoint *endpoint,
		       struct tcpc_reply *reply)
{
	struct tcpc_err err;
	int r;

	if (tap_find_target(tap, endpoint) >= 0) {
		tcpc_err_set(&err, EEXIST, "%s has this target already", tap->iface);
		tcpc_reply_fail(reply, &err);
		return;
	}
	r = tap_add_target(tap, endpoint, &err) ?: tap_publish(tap, &err);
	if (r)
		tcpc_reply_fail(reply, &err);
	else
		wait_for_peers(tap, false, endpoint, reply);
}

static void del_target(struct tap *tap, const struct tcpc_endpoint *endpoint,
		       struct tcpc_reply *reply)
{
	int i = tap_find_target(tap, endpoint);
	struct tcpc_err err = {};
	struct peer *peer;

	if (i < 0)
		tcpc_err_set(&err, ENOENT,
			     "%s has no such target; `tcpcopyctl target list` shows "
			     "them",
			     tap->iface);
	else if (tap->n_targets == 1)
		tcpc_err_set(&err, EBUSY,
			     "this is the last target of %s; `tcpcopyctl detach %s` "
			     "ends copying",
			     tap->iface, tap->iface);
	if (err.code) {
		tcpc_reply_fail(reply, &err);
		return;
	}
	peer = tap_take_target(tap, i);
	if (tap_publish(tap, &err))
		tcpc_log_error("%s: %s", tap->iface, err.text);
	if (peer)
		peer_put(peer);
	tcpc_reply_text(reply, "target removed from %s", tap->iface);
}

static struct tap *need_tap(struct tcpc_online *online, const char *iface, struct tcpc_reply *reply)
{
	struct tap *tap = *find_tap(online, iface);
	struct tcpc_err err;

	if (!tap) {
		tcpc_err_set(&err, ENOENT,
			     "%s is not attached; `tcpcopyctl attach %s --to "
			     "IP:PORT` attaches it",
			     iface, iface);
		tcpc_reply_fail(reply, &err);
	}
	return tap;
}

void tcpc_online_target(struct tcpc_online *online, const struct tcpc_target_spec *spec,
			struct tcpc_reply *reply)
{
	struct tap *tap = need_tap(online, spec->iface, reply);

	if (!tap)
		return;
	if (spec->verb == TCPC_VERB_ADD)
		add_target(tap, &spec->target, reply);
	else
		del_target(tap, &spec->target, reply);
}

/* Take a copy of the list that stays in force, or the given one. */
static int choose_list(bool given, struct tcpc_prefix_list *spec,
		       const struct tcpc_prefix_list *old, struct tcpc_prefix_list *ret)
{
	if (given) {
		*ret = *spec;
		memset(spec, 0, sizeof(*spec));
		return 0;
	}
	ret->n = old->n;
	ret->list = old->n ? malloc(old->n * sizeof(*old->list)) : NULL;
	if (old->n && !ret->list)
		return -ENOMEM;
	if (old->n)
		memcpy(ret->list, old->list, old->n * sizeof(*old->list));
	return 0;
}

void tcpc_online_filter(struct tcpc_online *online, struct tcpc_filter_cmd_spec *spec,
			struct tcpc_reply *reply)
{
	struct tap *tap = need_tap(online, spec->iface, reply);
	struct tcpc_filter_spec *given = &spec->filter, next = {};
	struct tcpc_err err;
	int r;

	if (!tap)
		return;
	next.sample = given->has_sample ? given->sample : tap->filter.sample;
	r = choose_list(given->has_clients, &given->clients, &tap->filter.clients, &next.clients);
	r = r
		    ?: choose_list(given->has_excludes, &given->excludes, &tap->filter.excludes,
				   &next.excludes);
	if (r)
		tcpc_err_set(&err, -r, "out of memory");
	else
		r = tap_write_filter(tap, &next, &err);
	if (r) {
		free(next.clients.list);
		free(next.excludes.list);
		tcpc_reply_fail(reply, &err);
		return;
	}
	tcpc_reply_text(reply, "filter of %s is set", tap->iface);
}

/* ---- life of the role -------------------------------------------------------------------------
 */

static int delete_if_ours(void *user, const struct tcpc_iface *iface)
{
	struct tcpc_online *online = user;
	struct tcpc_err err;

	if (strcmp(iface->alias, online->alias))
		return 0;
	tcpc_log_info("removing %s, left by an earlier daemon", iface->name);
	if (tcpc_netlink_delete(iface->ifindex, &err) && err.code != ENODEV)
		tcpc_log_warn("%s", err.text);
	return 0;
}

/* Hosts that share a key choose the same connections; without one each chooses for itself. */
static void make_hash_key(struct tcpc_online *online)
{
	static const unsigned char purpose[] = "tcpcopy: which connections are sampled";

	if (online->config.key)
		crypto_generichash((unsigned char *)online->hash_key, sizeof(online->hash_key),
				   purpose, sizeof(purpose), online->config.key,
				   TCPC_LINK_KEY_BYTES);
	else
		randombytes_buf(online->hash_key, sizeof(online->hash_key));
}

int tcpc_online_new(const struct tcpc_role_config *config, struct tcpc_online **ret,
		    struct tcpc_err *err)
{
	struct tcpc_online *online = calloc(1, sizeof(*online));
	int r;

	if (!online)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	online->config = *config;
	snprintf(online->alias, sizeof(online->alias), "tcpcopyd:%s", config->run_dir);
	make_hash_key(online);
	r = tcpc_datapath_sweep(config->bpffs, "online", err);
	if (r > 0)
		tcpc_log_info("cleared %d things that an earlier daemon left (online)", r);
	if (r >= 0)
		r = tcpc_netlink_each_iface(delete_if_ours, online, err);
	if (r < 0) {
		free(online);
		return r;
	}
	*ret = online;
	return 0;
}

void tcpc_online_free(struct tcpc_online *online)
{
	while (online->taps)
		remove_tap(online, &online->taps);
	while (online->waiters)
		finish_waiter(online->waiters);
	close_datapath(online);
	sodium_memzero(online->hash_key, sizeof(online->hash_key));
	free(online);
}
