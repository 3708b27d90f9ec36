// SPDX-License-Identifier: GPL-2.0-only
/*
 * target_rules.c - the iptables rules of one intercept, those of both families. See target_priv.h.
 *
 * IPv4's have to be there. Without IPv6's (no ip6tables, a kernel without its tables) IPv6 is left
 * alone: its addresses are neither announced to peers nor looked at by our programs.
 */
#include "role/target_priv.h"

#include <stdio.h>
#include <string.h>

#include "edge/log.h"

/* The same for the other family. */
static struct tcpc_iptables_rule ipv6_rule(const struct tcpc_iptables_rule *ipv4)
{
	struct tcpc_iptables_rule rule = *ipv4;

	rule.ipv6 = true;
	return rule;
}

/* What was counted before does not hold any more. */
static void rules_done(struct intercept *i, int status, const struct tcpc_err *err)
{
	i->role->n_rules = 0;
	i->rules_done(i, status, err);
}

/* ---- install --------------------------------------------------------------------------------- */

static void no_ipv6(struct intercept *i, const struct tcpc_err *err)
{
	snprintf(i->no_ipv6, sizeof(i->no_ipv6), "%s", err->text);
	if (i->n_left_alone)
		tcpc_log_warn("%s: IPv6 is left alone: %s", i->iface, err->text);
	else
		tcpc_log_debug("%s: no IPv6: %s", i->iface, err->text);
}

static void on_ipv6_installed(void *user, int status, const struct tcpc_err *err)
{
	const struct tcpc_err none = {};
	struct intercept *i = user;

	i->ipv6 = !status;
	if (status)
		no_ipv6(i, err);
	else
		intercept_refresh_addresses(i);
	rules_done(i, 0, &none);
}

static void on_ipv4_installed(void *user, int status, const struct tcpc_err *err)
{
	struct intercept *i = user;
	struct tcpc_err why;

	i->rule6 = ipv6_rule(&i->rule);
	if (status)
		rules_done(i, status, err);
	else if (tcpc_iptables_install(i->role->config.loop, &i->rule6, on_ipv6_installed, i, &why))
		on_ipv6_installed(i, -why.code, &why);
}

int intercept_install_rules(struct intercept *i, tcpc_iptables_done done, struct tcpc_err *err)
{
	i->rules_done = done;
	return tcpc_iptables_install(i->role->config.loop, &i->rule, on_ipv4_installed, i, err);
}

/* ---- replace --------------------------------------------------------------------------------- */

static void on_ipv6_replaced(void *user, int status, const struct tcpc_err *err)
{
	struct intercept *i = user;

	if (!status)
		i->rule6 = ipv6_rule(&i->rule_next);
	rules_done(i, status, err);
}

static void on_ipv4_replaced(void *user, int status, const struct tcpc_err *err)
{
	struct intercept *i = user;
	struct tcpc_iptables_rule now;
	struct tcpc_err why;

	if (!status)
		i->rule = i->rule_next;
	now = ipv6_rule(&i->rule_next);
	/* One and the same would be removed as the old one. */
	if (status || !i->ipv6 || !strcmp(now.except, i->rule6.except))
		rules_done(i, status, err);
	else if (tcpc_iptables_replace(i->role->config.loop, &i->rule6, &now, on_ipv6_replaced, i,
				       &why))
		rules_done(i, -why.code, &why);
}

int intercept_replace_rules(struct intercept *i, const struct tcpc_iptables_rule *now,
			    tcpc_iptables_done done, struct tcpc_err *err)
{
	const struct tcpc_err none = {};

	i->rules_done = done;
	i->rule_next = *now;
	if (strcmp(now->except, i->rule.except))
		return tcpc_iptables_replace(i->role->config.loop, &i->rule, now, on_ipv4_replaced,
					     i, err);
	on_ipv4_replaced(i, 0, &none);
	return 0;
}

/* ---- remove ---------------------------------------------------------------------------------- */

static void on_ipv4_removed(void *user, int status, const struct tcpc_err *err)
{
	struct intercept *i = user;

	if (!status && i->rules_err.code) {
		status = -i->rules_err.code;
		err = &i->rules_err;
	}
	rules_done(i, status, err);
}

static void on_ipv6_removed(void *user, int status, const struct tcpc_err *err)
{
	struct intercept *i = user;
	struct tcpc_err why;

	if (status)
		i->rules_err = *err;
	if (tcpc_iptables_remove(i->role->config.loop, &i->rule, on_ipv4_removed, i, &why))
		on_ipv4_removed(i, -why.code, &why);
}

void intercept_remove_rules(struct intercept *i, tcpc_iptables_done done)
{
	const struct tcpc_err none = {};
	struct tcpc_err err;

	i->rules_done = done;
	i->rules_err = none;
	if (!i->ipv6)
		on_ipv6_removed(i, 0, &none);
	else if (tcpc_iptables_remove(i->role->config.loop, &i->rule6, on_ipv6_removed, i, &err))
		on_ipv6_removed(i, -err.code, &err);
}
