// SPDX-License-Identifier: GPL-2.0-only
/*
 * target_iface.c - interfaces that go, come back or change their names. See target_priv.h.
 *
 * When an intercepted interface is deleted or moved away, its rule and its queues stay, its copied
 * connections end (target_link.c), and the intercept waits for an interface of that name.
 */
#include "role/target_priv.h"

#include <stdio.h>
#include <string.h>
#include <net/if_arp.h>

#include "edge/log.h"

int intercept_hook(struct intercept *i, struct tcpc_err *err)
{
	struct tcpc_err why;

	/* With engine nfqueue it is the second line, behind the rules. */
	if (tcpc_dp_target_absorb(i->role->dp, i->ifindex, &i->absorb, &why)) {
		if (i->spec.engine == TCPC_ENGINE_TC)
			return tcpc_err_set(err, why.code, "%s", why.text);
		tcpc_log_warn("%s: nothing but its iptables rules keeps responses inside: %s",
			      i->iface, why.text);
	}
	return tcpc_dp_target_attach(i->role->dp, i->ifindex, &i->align, err);
}

static void unhook(struct intercept *i)
{
	struct tcpc_err err;

	tcpc_attachment_close(&i->align);
	tcpc_attachment_close(&i->absorb);
	if (intercept_set_services(i, NULL, &err))
		tcpc_log_warn("%s: %s", i->iface, err.text);
	i->ifindex = 0;
}

static void lose(struct intercept *i)
{
	tcpc_log_warn("%s is gone; it is intercepted again when it is back", i->iface);
	unhook(i);
	i->absent[0] = '\0';
}

static int take_up(struct intercept *i, const struct tcpc_iface *iface, struct tcpc_err *err)
{
	int r;

	if (iface->type != ARPHRD_ETHER)
		return tcpc_err_set(err, EPROTONOSUPPORT,
				    "the one that is there now is no Ethernet interface; release "
				    "it");
	i->ifindex = iface->ifindex;
	r = intercept_set_services(i, &i->service, err);
	r = r ?: hold_give_to(i->hold, i->ifindex, err);
	r = r ?: intercept_hook(i, err);
	if (r)
		unhook(i);
	return r;
}

/* Another intercept's, that has got this name meanwhile? */
static bool is_taken(const struct tcpc_target_role *role, int ifindex)
{
	for (const struct intercept *i = role->intercepts; i; i = i->next)
		if (i->ifindex == ifindex)
			return true;
	return false;
}

static void look_for(struct intercept *i)
{
	struct tcpc_iface iface;
	struct tcpc_err err;

	if (!if_nametoindex(i->iface) || tcpc_netlink_iface(i->iface, &iface, &err) ||
	    is_taken(i->role, iface.ifindex))
		return;
	if (!take_up(i, &iface, &err)) {
		tcpc_log_info("%s is back: intercepted", i->iface);
		return;
	}
	if (strcmp(i->absent, err.text))
		tcpc_log_error("%s is back, but not intercepted: %s", i->iface, err.text);
	memcpy(i->absent, err.text, sizeof(i->absent));
}

void intercept_why(const struct intercept *i, char ret[TCPC_ERR_BYTES])
{
	ret[0] = '\0';
	if (!i->ifindex)
		snprintf(ret, TCPC_ERR_BYTES,
			 "%s is gone%s%.300s; it is intercepted again when it is back", i->iface,
			 i->absent[0] ? ": " : "", i->absent);
	else if (i->rules_err.code &&
		 (i->state == INTERCEPT_BROKEN || i->state == INTERCEPT_MENDING))
		snprintf(ret, TCPC_ERR_BYTES, "somebody removed its iptables rules: %.400s",
			 i->rules_err.text);
}

static void on_rule_renamed(void *user, int status, const struct tcpc_err *err)
{
	struct intercept *i = user;

	i->state = INTERCEPT_ACTIVE;
	if (status)
		tcpc_log_error("%s: its rule has the old name of the interface still: %s", i->iface,
			       err->text);
	if (i->role->stopped || i->role->release_all)
		intercept_release(i);
}

/* With engine tc the rule leaves this interface out by its name. */
static void rename_rule(struct intercept *i)
{
	struct tcpc_iptables_rule rule;
	struct tcpc_err err;

	intercept_rule(i, &rule);
	i->state = INTERCEPT_SWITCHING;
	if (intercept_replace_rules(i, &rule, on_rule_renamed, &err))
		on_rule_renamed(i, -err.code, &err);
}

static void follow_name(struct intercept *i, const char name[IFNAMSIZ])
{
	if (!strcmp(name, i->iface))
		return;
	tcpc_log_info("%s is called %s now", i->iface, name);
	memcpy(i->iface, name, sizeof(i->iface));
	memcpy(i->spec.iface, name, sizeof(i->spec.iface));
	if (i->spec.engine == TCPC_ENGINE_TC)
		rename_rule(i);
}

static void look_at(struct intercept *i, int gone_ifindex)
{
	char name[IFNAMSIZ] = "";

	/* What is being changed just now is looked at a second later. */
	if (i->state != INTERCEPT_ACTIVE)
		return;
	if (i->ifindex && (i->ifindex == gone_ifindex || !if_indextoname(i->ifindex, name)))
		lose(i);
	else if (i->ifindex)
		follow_name(i, name);
	if (!i->ifindex)
		look_for(i);
}

void target_on_netwatch(void *user, int gone_ifindex)
{
	struct tcpc_target_role *role = user;

	for (struct intercept *i = role->intercepts, *next; i; i = next) {
		next = i->next;
		look_at(i, gone_ifindex);
	}
	tunnel_end_mend(role);
	target_refresh_addresses(role);
}
