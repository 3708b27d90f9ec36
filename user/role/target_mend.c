// SPDX-License-Identifier: GPL-2.0-only
/*
 * target_mend.c - putting back rules that others have flushed. See target_priv.h.
 *
 * Until they are there again absorb keeps inside what leaves by the intercepted interface, and
 * nothing what leaves by another one. So no copies are let in meanwhile: what the online hosts send
 * is dropped by align, and sent again, or, if the rules cannot be put back, not sent any more.
 */
#include "role/target_priv.h"

#include <string.h>

#include "edge/log.h"

#define AGAIN_MS 1000

static void mend(struct intercept *i);

static void let_in(struct intercept *i, bool copies)
{
	struct tcpc_intercept now = i->service;
	struct tcpc_err err;

	if (!copies)
		now.flags |= TCPC_INTERCEPT_DRAIN;
	if (i->ifindex && intercept_set_services(i, &now, &err))
		tcpc_log_error("%s: %s", i->iface, err.text);
}

static void on_again(uv_timer_t *timer)
{
	struct intercept *i = timer->data;

	tcpc_timer_stop(&i->timer);
	i->state = INTERCEPT_MENDING;
	mend(i);
}

static void failed(struct intercept *i, const struct tcpc_err *err)
{
	if (!i->rules_err.code || strcmp(i->rules_err.text, err->text))
		tcpc_log_error("%s: its iptables rules cannot be put back, nothing is copied here: "
			       "%s",
			       i->iface, err->text);
	i->state = INTERCEPT_BROKEN;
	i->rules_err = *err;
	target_publish(i->role);
	i->timer = tcpc_timer_start(i->role->config.loop, on_again, AGAIN_MS, 0, i);
}

static void on_mended(void *user, int status, const struct tcpc_err *err)
{
	struct intercept *i = user;
	bool wanted = !i->role->stopped && !i->role->release_all;

	if (status && wanted) {
		failed(i, err);
		return;
	}
	i->role->n_mended += !status;
	i->rules_err.code = 0;
	if (!status)
		tcpc_log_warn("%s: its iptables rules are back after %llu ms", i->iface,
			      (unsigned long long)(uv_hrtime() - i->lost_ns) / 1000000);
	i->state = INTERCEPT_ACTIVE;
	if (!wanted) {
		intercept_release(i);
		return;
	}
	let_in(i, true);
	target_publish(i->role);
}

static void mend(struct intercept *i)
{
	struct tcpc_err err;

	if (intercept_install_rules(i, on_mended, &err))
		on_mended(i, -err.code, &err);
}

/* Those of both families, TCP's and ICMP's. -1: some are being changed just now. */
static int rules_wanted(const struct tcpc_target_role *role)
{
	int n = 0;

	for (const struct intercept *i = role->intercepts; i; i = i->next) {
		if (i->state != INTERCEPT_ACTIVE)
			return -1;
		n += i->ipv6 ? 4 : 2;
	}
	return n;
}

void target_on_rules(void *user, int n_rules)
{
	struct tcpc_target_role *role = user;
	int wanted = rules_wanted(role);

	if (wanted < 0)
		return;
	if (n_rules < 0) {
		tcpc_log_debug("cannot count our iptables rules: %s", strerror(-n_rules));
		return;
	}
	/* More than wanted: some were put back beside others that had stayed. */
	if (role->n_rules < wanted)
		role->n_rules = wanted;
	if (n_rules >= role->n_rules) {
		role->n_rules = n_rules;
		return;
	}
	for (struct intercept *i = role->intercepts; i; i = i->next) {
		tcpc_log_warn("%s: %d of our %d iptables rules are left, somebody removed the "
			      "others: putting them back",
			      i->iface, n_rules, role->n_rules);
		i->state = INTERCEPT_MENDING;
		i->rules_err.code = 0;
		i->lost_ns = uv_hrtime();
		let_in(i, false);
	}
	for (struct intercept *i = role->intercepts; i; i = i->next)
		mend(i);
}
