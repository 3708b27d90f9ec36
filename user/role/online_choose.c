// SPDX-License-Identifier: GPL-2.0-only
/*
 * online_choose.c - which connections of an interface go to which targets: the rules that say so,
 * what happens when they change, and targets that are to be removed once their connections have
 * ended. What rules mean for a packet is in include/tcpcopy/choose.h. See online_priv.h.
 */
#include "role/online_priv.h"

#include <stdlib.h>
#include <string.h>

#include "edge/log.h"
#include "tcpcopy/choose.h"
#include "tcpcopy/known.h"

/* How long an old rule holds after a change: connections that send nothing meanwhile are taken for
 * new ones. */
#define SETTLE_NS (120 * 1000000000ULL)
/* Who is silent for longer keeps no target from going, in units of TCPC_KNOWN_SHIFT: 600 s. */
#define SILENT_UNITS 70

/* ---- rules ----------------------------------------------------------------------------------- */

/* The one that was replaced longest ago: no packet that has just read its number is still about. */
static __u32 next_rule(struct tcpc_online *online)
{
	const struct tap *tap = online->taps;

	do {
		online->next_rule = (online->next_rule + 1) % TCPC_MAX_RULES;
		for (tap = online->taps; tap; tap = tap->next)
			if (tap->choice.now == online->next_rule ||
			    tap->choice.before == online->next_rule)
				break;
	} while (tap);
	return online->next_rule;
}

static int next_split(struct tcpc_online *online, struct tcpc_err *err)
{
	for (int tries = 0; tries < TCPC_MAX_SPLITS; tries++) {
		const struct tap *tap = online->taps;
		__u32 i = online->next_split = (online->next_split + 1) % TCPC_MAX_SPLITS;

		while (tap && tap->choice.rule.split != i && tap->choice.before_split != i)
			tap = tap->next;
		if (!tap)
			return i;
	}
	return tcpc_err_set(err, ENOSPC, "no more than %d interfaces can have --mode split",
			    TCPC_MAX_SPLITS / 2 - 1);
}

/* The table for the targets as they are now; the one that is there if it is the same. */
static int make_split(struct tap *tap, __u32 *ret, struct tcpc_err *err)
{
	struct tap_choice *c = &tap->choice;
	struct tcpc_split_target list[TCPC_MAX_TARGETS];
	struct tcpc_split table;
	unsigned int n = 0;
	int i;

	memset(list, 0, sizeof(list));
	for (unsigned int t = 0; t < tap->n_targets; t++)
		if (!tap->targets[t].drain_until_ns)
			list[n++] = (struct tcpc_split_target){tap->targets[t].endpoint,
							       tap->targets[t].weight,
							       tap->targets[t].slot};
	*ret = c->rule.split;
	if (c->n_split == n && !memcmp(c->split, list, sizeof(list)))
		return 0;
	i = next_split(tap->online, err);
	if (i < 0)
		return i;
	if (tcpc_split_build(list, n, tap->online->hash_key, &table))
		return tcpc_err_set(err, ENOMEM, "out of memory");
	memcpy(c->split, list, sizeof(list));
	c->n_split = n;
	*ret = i;
	return tcpc_dp_online_split(tap->online->dp, i, &table, err);
}

static int make_rule(struct tap *tap, struct tcpc_rule *ret, struct tcpc_err *err)
{
	memset(ret, 0, sizeof(*ret));
	ret->filter_set = tap->filter_set;
	ret->sample = tap->filter.sample_now;
	if (tap->filter.clients.n)
		ret->flags |= TCPC_RULE_CLIENTS;
	if (tap->filter.clients.n || tap->filter.excludes.n)
		ret->flags |= TCPC_RULE_FILTER;
	if (tap->filter.by_client)
		ret->flags |= TCPC_RULE_BY_CLIENT;
	if (tap->filter.locals.n)
		ret->flags |= TCPC_RULE_LOCALS;
	ret->n_vlans = tap->filter.n_vlans;
	memcpy(ret->vlans, tap->filter.vlans, sizeof(ret->vlans));
	for (unsigned int i = 0; i < tap->n_targets; i++)
		if (!tap->targets[i].drain_until_ns)
			ret->targets |= 1u << tap->targets[i].slot;
	if (!tap->split)
		return 0;
	ret->flags |= TCPC_RULE_SPLIT;
	return make_split(tap, &ret->split, err);
}

/* ---- what holds ------------------------------------------------------------------------------ */

static __u16 valid_targets(const struct tap *tap)
{
	__u16 valid = 0;

	for (unsigned int i = 0; i < tap->n_targets; i++)
		valid |= 1u << tap->targets[i].slot;
	return valid;
}

static void store(struct tap *tap, __u16 valid)
{
	struct tap_choice *c = &tap->choice;
	__u64 flags = 0;

	if (c->moving)
		flags |= TCPC_CHOICE_MOVING;
	if (tap->online->looks)
		flags |= TCPC_CHOICE_LOOK;
	if (!tap->split)
		flags |= TCPC_CHOICE_ALL;
	c->valid = valid;
	tcpc_dp_online_choose(tap->online->dp, tap->budget,
			      tcpc_choice_word(c->now, c->before, flags, c->rule.targets, valid));
}

void choice_shrink(struct tap *tap)
{
	if (tap->choice.written)
		store(tap, tap->choice.valid & valid_targets(tap));
}

/* From now on connections are remembered. What is left of earlier times would be taken for new
 * ones. */
static void start_looking(struct tcpc_online *online)
{
	if (online->looks)
		return;
	memset(tcpc_dp_online_known(online->dp), 0, TCPC_WAYS_SETS * sizeof(struct tcpc_ways));
	online->looks = true;
	for (struct tap *tap = online->taps; tap; tap = tap->next)
		if (tap->choice.written)
			store(tap, tap->choice.valid);
}

/* Where everybody gets everything, a target more concerns no connection's choice. */
static bool only_grows(const struct tcpc_rule *old, const struct tcpc_rule *rule)
{
	struct tcpc_rule same = *rule;

	same.targets = old->targets;
	return !(rule->flags & TCPC_RULE_SPLIT) && !memcmp(&same, old, sizeof(same)) &&
	       !(old->targets & ~rule->targets);
}

/* What runs goes by the rule that held when nothing was moving. */
static void begin_move(struct tap *tap)
{
	struct tap_choice *c = &tap->choice;

	start_looking(tap->online);
	if (!c->moving) {
		c->before = c->now;
		c->before_set = c->rule.filter_set;
		c->before_split = c->rule.split;
	}
	c->moving = c->on = true;
	c->changed_ns = uv_hrtime();
}

/* More than struct tcpc_service can say? Without a rule a packet goes to every place of the set,
 * so none may be empty. */
static bool needs_rule(const struct tap *tap, const struct tcpc_rule *rule)
{
	return rule->flags & (TCPC_RULE_SPLIT | TCPC_RULE_BY_CLIENT | TCPC_RULE_LOCALS) ||
	       rule->n_vlans || rule->targets != (1u << tap->n_targets) - 1;
}

int choice_publish(struct tap *tap, struct tcpc_err *err)
{
	struct tap_choice *c = &tap->choice;
	struct tcpc_rule rule;
	__u32 index;
	int r = make_rule(tap, &rule, err);

	if (r)
		return r;
	if (!c->written || memcmp(&rule, &c->rule, sizeof(rule))) {
		index = next_rule(tap->online);
		r = tcpc_dp_online_rule(tap->online->dp, index, &rule, err);
		if (r)
			return r;
		if (!c->written)
			c->before = index;
		else if (!only_grows(&c->rule, &rule))
			begin_move(tap);
		c->now = index;
		c->rule = rule;
		if (!c->moving)
			c->before = index;
	}
	c->on = c->on || needs_rule(tap, &rule);
	c->written = true;
	store(tap, valid_targets(tap));
	return 0;
}

bool choice_keeps_filter(struct tap *tap, __u32 set, const struct tcpc_filter_spec *filter)
{
	struct tap_choice *c = &tap->choice;

	if (!c->moving || !set || c->before_set != set)
		return false;
	c->before_filter = *filter;
	return true;
}

static void settle(struct tap *tap)
{
	struct tap_choice *c = &tap->choice;

	c->moving = false;
	c->before = c->now;
	store(tap, c->valid);
	choice_drop_filter(tap);
	c->before_split = c->rule.split;
	tcpc_log_info("%s: the change of targets or filters is complete", tap->iface);
}

void choice_drop_filter(struct tap *tap)
{
	struct tap_choice *c = &tap->choice;

	if (c->before_set && c->before_set != tap->filter_set)
		tap_delete_filter(tap, c->before_set, &c->before_filter);
	c->before_set = 0;
}

/* ---- targets that go ------------------------------------------------------------------------- */

void choice_drain(struct tap *tap, struct target *target, __u32 seconds)
{
	target->drain_until_ns = uv_hrtime() + seconds * 1000000000ULL;
	tcpc_log_info("%s: a target takes no new connections", tap->iface);
}

int choice_remove(struct tap *tap, unsigned int index, struct tcpc_err *err)
{
	struct peer *peer = tap_take_target(tap, index);
	int r = tap_publish(tap, err);

	if (peer)
		peer_put(peer);
	return r;
}

static void remove_drained(struct tap *tap, const __u32 live[TCPC_MAX_TARGETS])
{
	struct tcpc_err err;

	for (unsigned int i = 0; i < tap->n_targets; i++) {
		const struct target *t = &tap->targets[i];
		bool ended = !tap->choice.moving && !live[t->slot];

		if (!t->drain_until_ns || (!ended && uv_hrtime() < t->drain_until_ns))
			continue;
		tcpc_log_info("%s: a target is removed: %s", tap->iface,
			      ended ? "its connections have ended" : "its time is over");
		if (choice_remove(tap, i--, &err))
			tcpc_log_error("%s: %s", tap->iface, err.text);
	}
}

void choice_tick(struct tcpc_online *online)
{
	__u32 live[TCPC_MAX_TARGETS] = {}, n = 0;
	const struct tcpc_ways *known;
	bool moving = false;

	if (!online->dp || !online->looks)
		return;
	known = tcpc_dp_online_known(online->dp);
	for (__u32 i = 0; i < TCPC_WAYS_SETS; i++)
		n += tcpc_known_live(&known[i], tcpc_known_time(uv_hrtime()), SILENT_UNITS, live);
	for (struct tap *tap = online->taps; tap; tap = tap->next) {
		if (tap->choice.moving && uv_hrtime() - tap->choice.changed_ns > SETTLE_NS)
			settle(tap);
		moving |= tap->choice.moving;
		remove_drained(tap, live);
	}
	if (moving || n)
		return;
	online->looks = false;
	for (struct tap *tap = online->taps; tap; tap = tap->next)
		if (tap->choice.written)
			store(tap, tap->choice.valid);
}
