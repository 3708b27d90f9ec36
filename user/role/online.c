// SPDX-License-Identifier: GPL-2.0-only
/*
 * online.c - the online host's role: life of the datapath, heartbeat, commands. See online.h.
 */
#include "role/online_priv.h"
#include "role/online_hop.h"
#include "role/online_mirror.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <net/if_arp.h>
#include <sodium.h>

#include "edge/log.h"
#include "edge/probe.h"
#include "edge/tap.h"
#include "role/pins.h"

#define MAX_COPY_DEVICES 16
#define ROUTES_MS 1000

/* ---- the datapath's life --------------------------------------------------------------------- */

static void extend_lease(struct tcpc_online *online)
{
	/* uv_hrtime() reads CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns(). */
	tcpc_dp_online_lease(online->dp, uv_hrtime() + TCPC_LEASE_MS * 1000000ULL);
}

static void on_heartbeat(uv_timer_t *timer)
{
	extend_lease(timer->data);
	hop_tick(timer->data);
}

struct tap **online_find_tap(struct tcpc_online *online, const char *iface)
{
	struct tap **tap = &online->taps;

	while (*tap && strcmp((*tap)->iface, iface))
		tap = &(*tap)->next;
	return tap;
}

static void close_datapath(struct tcpc_online *online)
{
	struct tcpc_err err;

	tcpc_timer_stop(&online->heartbeat);
	tcpc_timer_stop(&online->routes);
	tcpc_netwatch_stop(online->watch);
	online->watch = NULL;
	guard_close(online);
	delivery_close(online->delivery);
	online->delivery = NULL;
	if (online->dp)
		tcpc_dp_online_close(online->dp);
	online->dp = NULL;
	online->looks = false;
	if (online->raw_fd >= 0)
		close(online->raw_fd);
	online->raw_fd = -1;
	if (online->copy_ifindex && tcpc_netlink_delete(online->copy_ifindex, &err) &&
	    err.code != ENODEV)
		tcpc_log_warn("the copy device stays: %s", err.text);
	online->copy_ifindex = 0;
}

void online_remove_tap(struct tcpc_online *online, struct tap **at)
{
	struct tap *tap = *at;

	record_forget(tap);
	*at = tap->next;
	tap_free(tap);
	if (!online->taps)
		close_datapath(online);
}

static void keep_pins(struct tcpc_online *online)
{
	const char *bpffs = online->config.bpffs;
	struct tcpc_err err;
	int r, result = 0;

	if (!tcpc_pins_mounted(bpffs, &online->no_pins))
		return;
	for (struct tap *tap = online->taps; tap && result >= 0; tap = tap->next) {
		r = tcpc_dp_online_pin_again(online->dp, &tap->attachment, &err);
		result = r < 0 ? r : result | r;
	}
	tcpc_pins_note(result, &err, bpffs, &online->no_pins);
}

/* Routes change while we run. Of interfaces we hear; but a message may have been lost. */
static void on_routes(uv_timer_t *timer)
{
	online_on_netwatch(timer->data, 0);
	choice_tick(timer->data);
	sums_tell(timer->data);
	keep_pins(timer->data);
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

/* There is one journal, as large as it was when the programs were loaded. */
static int check_retain(const struct tcpc_online *online, const struct tcpc_attach_spec *spec,
			struct tcpc_err *err)
{
	if (!spec->recovery)
		return 0;
	if (!online->delivery)
		return tcpc_err_set(err, EBUSY,
				    "recovery is off for what is attached already, and the journal "
				    "is made for all: detach all first, or add --recovery off");
	if (spec->has_retain && spec->retain_mb != online->retain_mb)
		return tcpc_err_set(err, EBUSY,
				    "all interfaces share one journal, and it has %u MB: leave "
				    "--retain out, or detach all first",
				    online->retain_mb);
	return 0;
}

static int load(struct tcpc_online *online, const struct tcpc_attach_spec *spec,
		struct tcpc_err *err)
{
	__u32 ring = 0;
	__u64 heap = 0;
	int r;

	if (spec->recovery)
		delivery_split(spec->retain_mb, &ring, &heap);
	r = tcpc_dp_online_open(online->config.bpffs, online->copy_ifindex, online->hash_key,
				online->source_key, ring, &online->dp, err);
	if (!r && ring)
		r = delivery_open(online, heap, &online->delivery, err);
	online->retain_mb = spec->retain_mb;
	return r;
}

static int open_datapath(struct tcpc_online *online, const struct tcpc_attach_spec *spec,
			 struct tcpc_err *err)
{
	int r;

	if (online->dp)
		return check_retain(online, spec, err);
	r = tcpc_datapath_probe(err) ?: tcpc_probe_bpffs(online->config.bpffs, err);
	r = r ?: create_copy_device(online, err);
	r = r ?: load(online, spec, err);
	r = r
		    ?: tcpc_netwatch_start(online->config.loop, online_on_netwatch, online,
					   &online->watch, err);
	if (!r) {
		extend_lease(online);
		online->heartbeat = tcpc_timer_start(online->config.loop, on_heartbeat,
						     TCPC_HEARTBEAT_MS, TCPC_HEARTBEAT_MS, online);
		online->routes = tcpc_timer_start(online->config.loop, on_routes, ROUTES_MS,
						  ROUTES_MS, online);
		if (!online->heartbeat || !online->routes || guard_open(online))
			r = tcpc_err_set(err, ENOMEM, "out of memory");
	}
	if (r)
		close_datapath(online);
	return r;
}

/* The second copy device, made when the first interface needs it. */
static int open_raw(struct tcpc_online *online, struct tcpc_err *err)
{
	int ifindex, fd, r;

	if (online->raw_fd >= 0)
		return 0;
	fd = tcpc_tap_open_sink(&ifindex, err);
	if (fd < 0)
		return fd;
	r = tcpc_dp_online_raw(online->dp, ifindex, err);
	if (r)
		close(fd);
	else
		online->raw_fd = fd;
	return r;
}

/* ---- attach and detach ------------------------------------------------------------------------
 */

static bool has_ethernet_header(const struct tcpc_iface *iface)
{
	return iface->type == ARPHRD_ETHER || iface->type == ARPHRD_LOOPBACK;
}

static int check_iface(struct tcpc_online *online, const char *name, struct tcpc_iface *ret,
		       struct tcpc_err *err)
{
	int r = tcpc_netlink_iface(name, ret, err);

	if (r)
		return r;
	if (*online_find_tap(online, name))
		return tcpc_err_set(err, EEXIST,
				    "%s is attached already; change it with `target add`, `target "
				    "del` or `filter set`, or detach it first",
				    name);
	if (!(ret->flags & IFF_UP))
		return tcpc_err_set(err, ENETDOWN, "%s is down; `ip link set %s up` first", name,
				    name);
	if (!has_ethernet_header(ret) && !online_has_no_header(ret->type))
		return tcpc_err_set(err, EPROTONOSUPPORT,
				    "%s has link headers that are not known here (type %u); attach "
				    "to an Ethernet interface or to one without link headers (tun, "
				    "WireGuard, PPP)",
				    name, ret->type);
	return 0;
}

static int set_up_tap(struct tap *tap, struct tcpc_attach_spec *spec, struct tcpc_err *err)
{
	int r = guard_add_tap(tap, err);

	if (!r && online_has_no_header(tap->type))
		r = open_raw(tap->online, err);
	for (unsigned int i = 0; i < spec->n_targets && !r; i++)
		r = tap_add_target(tap, &spec->targets[i], spec->weights[i], err);
	r = r ?: tap_write_filter(tap, &spec->filter, err);
	if (!r) {
		memset(&spec->filter, 0, sizeof(spec->filter)); /* the lists are the tap's now */
		r = online_hook(tap, err);
	}
	return r;
}

void tcpc_online_attach(struct tcpc_online *online, struct tcpc_attach_spec *spec,
			struct tcpc_reply *reply)
{
	struct tcpc_iface iface;
	struct tcpc_err err;
	struct tap *tap = NULL;
	int r = check_iface(online, spec->iface, &iface, &err);

	if (!r && spec->hook == TCPC_HOOK_XDP)
		r = mirror_check(&iface, spec, &err);
	r = r ?: open_datapath(online, spec, &err);
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
	if (tap->filter.ramp_s)
		ramp_start(tap, tap->filter.ramp_s);
	/* Once more, now that it is among them: a ledger that stood still, because no other tap had
	 * a target that was ready there, goes on. */
	if (tap_publish(tap, &err))
		tcpc_log_error("%s: %s", tap->iface, err.text);
	tcpc_log_info("%s attached (%s)", tap->iface, tcpc_attach_kind_name(tap->attachment.kind));
	online_wait(tap, true, true, &spec->targets[0], reply);
}

void tcpc_online_detach(struct tcpc_online *online, const struct tcpc_iface_spec *spec,
			struct tcpc_reply *reply)
{
	struct tap **at = online_find_tap(online, spec->iface);
	struct tcpc_err err;
	unsigned int n = 0;

	if (!spec->all && !*at) {
		tcpc_err_set(&err, ENOENT, "%s is not attached; `tcpcopyctl status` lists what is",
			     spec->iface);
		tcpc_reply_fail(reply, &err);
		return;
	}
	if (!spec->all) {
		online_remove_tap(online, at);
		tcpc_log_info("%s detached", spec->iface);
		tcpc_reply_text(reply, "%s is detached", spec->iface);
		return;
	}
	for (; online->taps; n++)
		online_remove_tap(online, &online->taps);
	tcpc_reply_text(reply, n ? "%u interfaces detached" : "nothing was attached", n);
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
	if (!tcpc_netlink_delete(iface->ifindex, &err))
		online->n_cleared++;
	else if (err.code != ENODEV)
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
	online->raw_fd = -1;
	snprintf(online->alias, sizeof(online->alias), "tcpcopyd:%s", config->run_dir);
	make_hash_key(online);
	randombytes_buf(online->source_key, sizeof(online->source_key));
	r = tcpc_datapath_sweep(config->bpffs, "online", err);
	if (r > 0)
		tcpc_log_info("cleared %d things that an earlier daemon left (online)", r);
	online->n_cleared = r > 0 ? r : 0;
	if (r >= 0)
		r = tcpc_netlink_each_iface(delete_if_ours, online, err);
	if (r < 0) {
		free(online);
		return r;
	}
	*ret = online;
	return 0;
}

unsigned int tcpc_online_cleared(const struct tcpc_online *online)
{
	return online->n_cleared;
}

void tcpc_online_free(struct tcpc_online *online)
{
	online_trials_stop(online);
	while (online->taps)
		online_remove_tap(online, &online->taps);
	while (online->waiters)
		online_finish_waiter(online->waiters);
	online_end_replays(online);
	close_datapath(online);
	sodium_memzero(online->hash_key, sizeof(online->hash_key));
	free(online);
}
