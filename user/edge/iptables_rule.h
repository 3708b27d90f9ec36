/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * iptables_rule.h - one of our rules as arguments for iptables and as a line of iptables-save.
 * Private to iptables.c. Pure.
 */
#ifndef TCPCOPY_EDGE_IPTABLES_RULE_H
#define TCPCOPY_EDGE_IPTABLES_RULE_H

#include <stdbool.h>

#include "edge/iptables.h"

#define TCPC_IPTABLES_COMMENT_PREFIX "tcpcopyd:"
#define TCPC_IPTABLES_ARGS 32

/** Which of an intercept's two rules. */
enum tcpc_iptables_kind { TCPC_IPTABLES_TCP, TCPC_IPTABLES_ICMP };

/** Arguments with the memory that they point into; not to be copied. */
struct tcpc_iptables_argv {
	const char *args[TCPC_IPTABLES_ARGS]; /* NULL-terminated */
	char ports[TCPC_MAX_PORTS * sizeof("65535,")];
	char queue[sizeof("65535:65535")];
	char comment[sizeof(TCPC_IPTABLES_COMMENT_PREFIX) + TCPC_IPTABLES_TAG_BYTES];
};

/** tcpc_iptables_rule_check - 0, or -EINVAL naming what iptables would take for something else.
 * @for_removal: a rule without ports is fine. */
int tcpc_iptables_rule_check(const struct tcpc_iptables_rule *rule, bool for_removal,
			     struct tcpc_err *err);

/**
 * tcpc_iptables_rule_argv - the command line that adds or deletes a rule of @rule.
 * @insert: at the head of OUTPUT; else delete the first one that is exactly like it.
 * @ret: borrows from @program and @rule.
 */
void tcpc_iptables_rule_argv(const struct tcpc_iptables_rule *rule, enum tcpc_iptables_kind kind,
			     const char *program, bool insert, struct tcpc_iptables_argv *ret);

/**
 * tcpc_iptables_rule_parse - read a line "-A OUTPUT ..." of iptables-save.
 * @line: is cut into words.  @ret_kind, @ret: program "", the tag taken from the comment; a TCP
 * rule looks the same in both families, so its @ipv6 is the caller's to set.
 * Returns: 0; -ENOENT: not one of ours; -EINVAL: marked as ours, but not as we write them.
 */
int tcpc_iptables_rule_parse(char *line, enum tcpc_iptables_kind *ret_kind,
			     struct tcpc_iptables_rule *ret);

/** tcpc_iptables_rule_equal - true if both describe the same rule of kind @kind; tag included,
 * program not. */
bool tcpc_iptables_rule_equal(const struct tcpc_iptables_rule *a,
			      const struct tcpc_iptables_rule *b, enum tcpc_iptables_kind kind);

/**
 * tcpc_iptables_rule_merge - add @rule to @rules, one entry an intercept: the ICMP rule joins the
 * TCP rule whichever comes first, duplicates vanish.
 * @n: entries so far, of @max.  Returns: 0 or -E2BIG.
 */
int tcpc_iptables_rule_merge(struct tcpc_iptables_rule *rules, unsigned int *n, unsigned int max,
			     enum tcpc_iptables_kind kind, const struct tcpc_iptables_rule *rule);

#endif
