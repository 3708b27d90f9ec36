// SPDX-License-Identifier: GPL-2.0-only
/* online_change.c - what can be changed of an attached interface: targets and filters. See
 * online_priv.h. */
#include "role/online_priv.h"

#include <stdlib.h>
#include <string.h>

#include "edge/log.h"

/* It is there: give it another weight, or take it back while it drains. */
static int change_target(struct tap *tap, struct target *target,
			 const struct tcpc_target_spec *spec, struct tcpc_err *err)
{
	const struct target old = *target;
	int r;

	if (!target->drain_until_ns && !spec->has_weight)
		return tcpc_err_set(err, EEXIST, "%s has this target already", tap->iface);
	if (spec->has_weight)
		target->weight = spec->weight;
	target->drain_until_ns = 0;
	r = tap_publish(tap, err);
	if (r) {
		target->weight = old.weight;
		target->drain_until_ns = old.drain_until_ns;
		tap_publish(tap, NULL);
	}
	return r;
}

static int new_target(struct tap *tap, const struct tcpc_target_spec *spec, struct tcpc_err *err)
{
	int r = tap_add_target(tap, &spec->target, spec->weight, err);

	if (r)
		return r;
	r = tap_publish(tap, err);
	if (r)
		choice_remove(tap, tap->n_targets - 1, NULL);
	return r;
}

static void add_target(struct tap *tap, const struct tcpc_target_spec *spec,
		       struct tcpc_reply *reply)
{
	int i = tap_find_target(tap, &spec->target);
	struct tcpc_err err;
	int r = 0;

	if (spec->has_weight && !tap->split)
		r = tcpc_err_set(&err, EINVAL,
				 "%s was attached with --mode all, where each target gets "
				 "everything: leave --weight out",
				 tap->iface);
	r = r
		    ?: i >= 0 ? change_target(tap, &tap->targets[i], spec, &err)
			      : new_target(tap, spec, &err);
	if (r)
		tcpc_reply_fail(reply, &err);
	else
		online_wait(tap, false, i < 0, &spec->target, reply);
}

static unsigned int n_staying(const struct tap *tap)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < tap->n_targets; i++)
		n += !tap->targets[i].drain_until_ns;
	return n;
}

static void del_target(struct tap *tap, const struct tcpc_target_spec *spec,
		       struct tcpc_reply *reply)
{
	int i = tap_find_target(tap, &spec->target), r;
	struct tcpc_err err = {};

	if (i < 0)
		tcpc_err_set(&err, ENOENT,
			     "%s has no such target; `tcpcopyctl target list` shows "
			     "them",
			     tap->iface);
	else if (n_staying(tap) == !tap->targets[i].drain_until_ns)
		tcpc_err_set(&err, EBUSY,
			     "this is the last target of %s; `tcpcopyctl detach %s` "
			     "ends copying",
			     tap->iface, tap->iface);
	if (err.code) {
		tcpc_reply_fail(reply, &err);
		return;
	}
	if (spec->drain_s)
		choice_drain(tap, &tap->targets[i], spec->drain_s);
	r = spec->drain_s ? tap_publish(tap, &err) : choice_remove(tap, i, &err);
	if (r)
		tcpc_reply_fail(reply, &err);
	else if (!spec->drain_s)
		tcpc_reply_text(reply, "target removed from %s", tap->iface);
	else
		tcpc_reply_text(reply,
				"this target of %s takes no new connections; it goes when those "
				"it has have ended, in %u s at the latest",
				tap->iface, spec->drain_s);
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
		add_target(tap, spec, reply);
	else
		del_target(tap, spec, reply);
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

/* No connection is chosen otherwise, so the rules stay. */
static void set_budget(struct tap *tap, const struct tcpc_budget_spec *given,
		       struct tcpc_reply *reply)
{
	const struct tcpc_budget_spec old = tap->filter.budget;
	struct tcpc_err err;

	tap->filter.budget = choose_budget(given, &old);
	if (tap_publish(tap, &err)) {
		tap->filter.budget = old;
		tap_publish(tap, NULL);
		tcpc_reply_fail(reply, &err);
		return;
	}
	tcpc_reply_text(reply, "filter of %s is set", tap->iface);
}

/* The filter as it will be: what is given, else what stays in force. Returns 0 or -ENOMEM. */
static int choose_filter(struct tcpc_filter_spec *given, const struct tcpc_filter_spec *old,
			 struct tcpc_filter_spec *ret)
{
	const struct tcpc_filter_spec *vlans = given->has_vlans ? given : old;

	ret->sample = given->has_sample ? given->sample : old->sample;
	ret->sample_now = given->has_sample && !given->ramp_s ? given->sample : old->sample_now;
	ret->by_client = given->has_by_client ? given->by_client : old->by_client;
	ret->budget = choose_budget(&given->budget, &old->budget);
	ret->n_vlans = vlans->n_vlans;
	memcpy(ret->vlans, vlans->vlans, sizeof(ret->vlans));
	return choose_list(given->has_clients, &given->clients, &old->clients, &ret->clients)
		       ?: choose_list(given->has_excludes, &given->excludes, &old->excludes,
				      &ret->excludes)
		       ?: choose_list(given->has_locals, &given->locals, &old->locals,
				      &ret->locals);
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
	if (!given->has_sample && !given->has_clients && !given->has_excludes &&
	    !given->has_by_client && !given->has_locals && !given->has_vlans) {
		set_budget(tap, &given->budget, reply);
		return;
	}
	if (choose_filter(given, &tap->filter, &next))
		r = tcpc_err_set(&err, ENOMEM, "out of memory");
	else
		r = tap_write_filter(tap, &next, &err);
	if (r) {
		tap_free_lists(&next);
		tcpc_reply_fail(reply, &err);
		return;
	}
	if (given->ramp_s)
		ramp_start(tap, given->ramp_s);
	else if (given->has_sample)
		ramp_stop(tap);
	tcpc_reply_text(reply, "filter of %s is set", tap->iface);
}
