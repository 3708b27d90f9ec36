// SPDX-License-Identifier: GPL-2.0-only
/* iptables_find.c - the rules that an earlier daemon left, in both variants of iptables. See
 * iptables.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/iptables_priv.h"
#include "edge/iptables_program.h"
#include "edge/log.h"

static void keep(struct op *op, enum tcpc_iptables_kind kind, struct tcpc_iptables_rule *rule)
{
	strcpy(rule->program, tcpc_iptables_places[op->which].program);
	if (tcpc_iptables_rule_merge(op->rules, &op->n_rules, TCPC_IPTABLES_MAX_RULES, kind, rule))
		op->too_many = true;
}

static void on_found(struct op *op, const struct tcpc_process_end *end);

/* The next program to ask, if there is one. */
static void find_elsewhere(struct op *op)
{
	struct tcpc_err err;
	int r;

	for (op->which++; op->which < TCPC_IPTABLES_PLACES; op->which++) {
		const struct tcpc_iptables_place *place = &tcpc_iptables_places[op->which];

		if (!tcpc_iptables_may_hold(place))
			continue;
		if (place->ipv6 != op->rule.ipv6)
			op->variants = 0;
		op->rule.ipv6 = place->ipv6;
		r = tcpc_iptables_program(place, op->program, sizeof(op->program), &err);
		r = r ?: iptables_run_save(op, keep, on_found, &err);
		if (!r)
			return;
		if (r != -ENOENT)
			tcpc_log_warn("%s", err.text);
	}
	r = 0;
	if (op->too_many)
		r = tcpc_err_set(&op->err, E2BIG,
				 "more than %d iptables rules are marked "
				 "'" TCPC_IPTABLES_COMMENT_PREFIX "%s'",
				 TCPC_IPTABLES_MAX_RULES, op->rule.tag);
	iptables_finish(op, r);
}

static void on_found(struct op *op, const struct tcpc_process_end *end)
{
	int r = iptables_check_save_end(op, end);

	if (r && !op->which) {
		iptables_finish(op, r);
		return;
	}
	/* A variant that the kernel does not support cannot hold rules either. */
	if (r)
		tcpc_log_warn("cannot look for old rules with %s-save: %s", op->program,
			      op->err.text);
	op->err = (struct tcpc_err){};
	find_elsewhere(op);
}

int tcpc_iptables_find(uv_loop_t *loop, const char *tag, tcpc_iptables_found found, void *user,
		       struct tcpc_err *err)
{
	struct tcpc_iptables_rule wanted = {};
	struct op *op;
	int r;

	if (strlen(tag) >= TCPC_IPTABLES_TAG_BYTES)
		return tcpc_err_set(err, EINVAL, "tag '%s' is longer than %d bytes", tag,
				    TCPC_IPTABLES_TAG_BYTES - 1);
	strcpy(wanted.tag, tag);
	r = iptables_new_op(loop, &wanted, user, &op, err);
	if (r)
		return r;
	op->found = found;
	return iptables_started(op, iptables_run_save(op, keep, on_found, err));
}
