// SPDX-License-Identifier: GPL-2.0-only
/*
 * target_sweep.c - what an earlier daemon left behind when it was killed: its rule still holds
 * every response back (that is what it is for), its connections are still open.
 *
 * The rule must not go before the connections have, and those not before peers have noticed that
 * the old daemon is dead. Its allow-list, still pinned, tells which connections are not ours. Where
 * somebody flushed the rules afterwards, absorb keeps responses inside; then the pinned services
 * tell the ports.
 */
#include "role/target_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>

#include "edge/log.h"
#include "edge/sockdiag.h"

#define MAX_RULES 32 /* two an intercept, one a family */

/** A sweep under way. */
struct sweep {
	struct tcpc_target_role *role;
	tcpc_target_done ready;
	void *user;
	uv_timer_t *timer;
	struct tcpc_iptables_rule rules[MAX_RULES];
	unsigned int n_rules, next;
	struct tcpc_iptables_rule unruled; /* its ports, when no rule is left */
};

static void finish(struct sweep *s)
{
	struct tcpc_err err;
	int r = tcpc_datapath_sweep(s->role->config.bpffs, "target", &err);

	s->role->n_cleared = s->n_rules + (r > 0 ? r : 0);
	if (r < 0)
		tcpc_log_error("%s", err.text);
	else if (r > 0)
		tcpc_log_info("cleared %d things that an earlier daemon left (target)", r);
	s->ready(s->user);
	free(s);
}

static bool was_copied(void *user, const struct tcpc_flow *flow)
{
	const struct sweep *s = user;
	const struct tcpc_addr *c = &flow->client;

	if (tcpc_addr_is_link_local(&flow->server))
		return false; /* such are left alone */
	/* And so was a family without its rule. */
	if (s->n_rules && tcpc_addr_is_v4(&flow->server) == s->rules[s->next].ipv6)
		return false;
	if (tcpc_addr_equal(c, &flow->server) ||
	    (tcpc_addr_is_v4(c) && tcpc_ntohl(c->w[3]) >> 24 == 127))
		return false;
	return !tcpc_datapath_allowed_before(s->role->config.bpffs, c);
}

static void end_connections(struct sweep *s, const struct tcpc_iptables_rule *of)
{
	struct tcpc_err err;
	unsigned int left;

	if (tcpc_sockdiag_destroy(of->ports, of->n_ports, was_copied, s, &left, &err) < 0)
		tcpc_log_error("%s", err.text);
}

static void remove_next(struct sweep *s);

static void on_removed(void *user, int status, const struct tcpc_err *err)
{
	struct sweep *s = user;

	if (status)
		tcpc_log_error("a rule of an earlier daemon stays: %s", err->text);
	s->next++;
	remove_next(s);
}

static void remove_next(struct sweep *s)
{
	struct tcpc_iptables_rule *rule = &s->rules[s->next];
	struct tcpc_err err;

	if (s->next == s->n_rules) {
		finish(s);
		return;
	}
	end_connections(s, rule);
	if (tcpc_iptables_remove(s->role->config.loop, rule, on_removed, s, &err))
		on_removed(s, -err.code, &err);
}

static void on_leases_over(uv_timer_t *timer)
{
	struct sweep *s = timer->data;

	tcpc_timer_stop(&s->timer);
	if (!s->n_rules)
		end_connections(s, &s->unruled);
	remove_next(s);
}

static void on_found(void *user, int status, const struct tcpc_iptables_rule *rules,
		     unsigned int n_rules, const struct tcpc_err *err)
{
	struct sweep *s = user;

	/* Without iptables there are no rules of ours either; `intercept` will say it is missing.
	 */
	if (status)
		tcpc_log_debug("looking for old rules: %s", err->text);
	s->n_rules = status ? 0 : n_rules < MAX_RULES ? n_rules : MAX_RULES;
	if (s->n_rules)
		memcpy(s->rules, rules, s->n_rules * sizeof(rules[0]));
	else
		s->unruled.n_ports = tcpc_datapath_ports_before(s->role->config.bpffs,
								s->unruled.ports, TCPC_MAX_PORTS);
	if (!s->n_rules && !s->unruled.n_ports) {
		finish(s);
		return;
	}
	tcpc_log_info("found %s of an earlier daemon; ending its connections first",
		      s->n_rules ? "the iptables rules" : "the ports");
	s->timer = tcpc_timer_start(s->role->config.loop, on_leases_over, TCPC_LINK_LEASE_MS, 0, s);
	if (!s->timer)
		remove_next(s);
}

/* The tag names this daemon by its run directory, in characters that iptables-save never quotes. */
static void make_tag(struct tcpc_target_role *role)
{
	char *p;

	snprintf(role->tag, sizeof(role->tag), "%s", role->config.run_dir);
	for (p = role->tag; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("/.-_", *p))
			*p = '_';
}

unsigned int tcpc_target_cleared(const struct tcpc_target_role *role)
{
	return role->n_cleared;
}

int tcpc_target_new(const struct tcpc_role_config *config, tcpc_target_done ready, void *user,
		    struct tcpc_target_role **ret, struct tcpc_err *err)
{
	struct tcpc_target_role *role = calloc(1, sizeof(*role));
	struct sweep *s = calloc(1, sizeof(*s));
	int r;

	if (!role || !s) {
		free(role);
		free(s);
		return tcpc_err_set(err, ENOMEM, "out of memory");
	}
	role->config = *config;
	make_tag(role);
	s->role = role;
	s->ready = ready;
	s->user = user;
	*ret = role;
	r = tcpc_iptables_find(config->loop, role->tag, on_found, s, err);
	if (r)
		on_found(s, r, NULL, 0, err);
	return 0;
}
