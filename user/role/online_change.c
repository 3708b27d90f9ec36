// SPDX-License-Identifier: GPL-2.0-only
/* online_change.c - what can be changed of an attached interface: targets and filters. See
 * online_priv.h. */
#include "role/online_priv.h"

#include <stdlib.h>
#include <string.h>

#include "edge/log.h"

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
		online_wait(tap, false, endpoint, reply);
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
	struct tap *tap = *online_find_tap(online, iface);
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

/* What is given, else what stays in force. */
static struct tcpc_budget_spec choose_budget(const struct tcpc_budget_spec *given,
					     const struct tcpc_budget_spec *old)
{
	struct tcpc_budget_spec next = *old;

	if (given->has_pps)
		next.max_pps = given->max_pps;
	if (given->has_mbps)
		next.max_mbps = given->max_mbps;
	if (given->has_cpu)
		next.max_cpu = given->max_cpu;
	return next;
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
	next.budget = choose_budget(&given->budget, &tap->filter.budget);
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
