// SPDX-License-Identifier: GPL-2.0-only
/*
 * target_engine.c - how responses are kept inside, and changing that while it runs.
 *
 * Engine tc takes what leaves by the intercepted interface in TC egress. The rule and its queues
 * stay, for what leaves by any other interface: the way back to a client may lead out anywhere. And
 * absorb stays with engine nfqueue, for what no rule has queued. So the engines differ in which
 * interface the rule leaves out, and in changing there is no moment with neither.
 */
#include "role/target_priv.h"

#include <string.h>

#include "edge/log.h"

const char *target_engine_name(enum tcpc_engine engine)
{
	return engine == TCPC_ENGINE_TC ? "tc" : "nfqueue";
}

bool intercept_is_active(const struct intercept *i)
{
	return i->state == INTERCEPT_ACTIVE || i->state == INTERCEPT_SWITCHING ||
	       (i->state == INTERCEPT_MENDING && !i->rules_err.code);
}

void intercept_rule(const struct intercept *i, struct tcpc_iptables_rule *ret)
{
	struct tcpc_iptables_rule rule = {};

	/* queue_filter looks at the source address: the rule itself knows no interface. */
	memcpy(rule.ports, i->ports, sizeof(rule.ports));
	rule.n_ports = i->n_ports;
	rule.queue_first = i->queue_first;
	rule.queue_last = i->queue_last;
	strncpy(rule.pin, tcpc_dp_target_pin(i->role->dp), sizeof(rule.pin) - 1);
	memcpy(rule.tag, i->role->tag, sizeof(rule.tag));
	if (i->spec.engine == TCPC_ENGINE_TC)
		memcpy(rule.except, i->iface, sizeof(rule.except));
	*ret = rule;
}

/* Does @spec ask for what is there, but for the engine? Queues may be left to us. */
static bool is_same_but_engine(const struct intercept *i, const struct tcpc_intercept_spec *spec)
{
	struct tcpc_intercept_spec now = i->spec;

	now.engine = spec->engine;
	if (spec->queue_first < 0)
		now.queue_first = now.queue_last = -1;
	return !memcmp(now.iface, spec->iface, sizeof(now.iface)) && now.n_ports == spec->n_ports &&
	       !memcmp(now.ports, spec->ports, sizeof(now.ports)) &&
	       !memcmp(&now.listen, &spec->listen, sizeof(now.listen)) &&
	       now.queue_first == spec->queue_first && now.queue_last == spec->queue_last &&
	       now.adopt == spec->adopt && now.relaxed == spec->relaxed &&
	       now.hold_mb == spec->hold_mb && now.max_lag_s == spec->max_lag_s &&
	       now.via == spec->via;
}

static void finish(struct intercept *i, int status, const struct tcpc_err *err)
{
	const char *name = target_engine_name(i->spec.engine);
	struct tcpc_reply *reply = i->reply;

	i->reply = NULL;
	i->state = INTERCEPT_ACTIVE;
	if (status) {
		tcpc_log_error("%s: the engine stays %s: %s", i->iface, name, err->text);
		tcpc_reply_fail(reply, err);
	} else {
		tcpc_log_info("%s: the engine is %s now", i->iface, name);
		tcpc_reply_text(reply, "%s: the engine is %s now", i->iface, name);
	}
	if (i->role->stopped || i->role->release_all)
		intercept_release(i);
}

static void on_replaced(void *user, int status, const struct tcpc_err *err)
{
	struct intercept *i = user;
	bool to_tc = i->spec.engine == TCPC_ENGINE_NFQUEUE;
	struct tcpc_err why;

	/* If IPv6's rule alone stayed as it was, it queues what absorb would take: as good. */
	if (status && to_tc && i->rule.except[0]) {
		tcpc_log_warn("%s: IPv6 stays with nfqueue: %s", i->iface, err->text);
		status = 0;
	}
	if (!status) {
		i->spec.engine = to_tc ? TCPC_ENGINE_TC : TCPC_ENGINE_NFQUEUE;
		i->service.flags ^= TCPC_INTERCEPT_QUEUED; /* how absorb counts */
		if (intercept_set_services(i, &i->service, &why))
			tcpc_log_error("%s: %s", i->iface, why.text);
		target_publish(i->role);
	}
	finish(i, status, err);
}

static int begin(struct intercept *i, const struct tcpc_intercept_spec *spec, struct tcpc_err *err)
{
	enum tcpc_engine before = i->spec.engine;
	struct tcpc_iptables_rule rule;
	int r = 0;

	i->spec.engine = spec->engine;
	intercept_rule(i, &rule);
	i->spec.engine = before;
	if (spec->engine == TCPC_ENGINE_TC && i->absorb.kind == TCPC_ATTACH_NONE)
		r = tcpc_dp_target_absorb(i->role->dp, i->ifindex, &i->absorb, err);
	return r ?: intercept_replace_rules(i, &rule, on_replaced, err);
}

void intercept_switch(struct intercept *i, const struct tcpc_intercept_spec *spec,
		      struct tcpc_reply *reply)
{
	struct tcpc_err err;

	if (!i->ifindex) {
		tcpc_err_set(&err, ENODEV, "%s is gone; its engine can be changed when it is back",
			     i->iface);
		tcpc_reply_fail(reply, &err);
		return;
	}
	if (!is_same_but_engine(i, spec)) {
		tcpc_err_set(&err, EEXIST,
			     "%s is intercepted with other options; to change the engine repeat "
			     "them, to change them release it first",
			     i->iface);
		tcpc_reply_fail(reply, &err);
		return;
	}
	i->state = INTERCEPT_SWITCHING;
	i->reply = reply;
	if (begin(i, spec, &err)) {
		i->state = INTERCEPT_ACTIVE;
		i->reply = NULL;
		tcpc_reply_fail(reply, &err);
	}
}
