// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_iptables.c - any text as a line of iptables-save. What is read as a rule of ours is written
 * as arguments, and their text is read as the same rule again.
 *
 * Input: the line.
 */
#include "edge/iptables_rule.c"

#include "../harness/fuzz.h"

/* As iptables-save prints what it was given: -A for -I, no -w. */
static void print_line(const struct tcpc_iptables_argv *argv, char *out, size_t size)
{
	size_t used = snprintf(out, size, "-A OUTPUT");

	for (int i = 5; argv->args[i]; i++)
		used += snprintf(out + used, size - used, " %s", argv->args[i]);
	MUST(used < size);
}

static void check_again(const struct tcpc_iptables_rule *rule, enum tcpc_iptables_kind kind)
{
	struct tcpc_iptables_rule again;
	enum tcpc_iptables_kind kind_again;
	struct tcpc_iptables_argv argv;
	char line[8192];

	/* Nothing of it can be taken for another argument. */
	MUST(rule->pin[0] == '/' && rule->tag[0]);
	/* Words with a space need quotes, which only a shell or iptables-save would put there. */
	if (strpbrk(rule->pin, " \"\\") || strpbrk(rule->iface, " \"\\!-") ||
	    strpbrk(rule->except, " \"\\!-") || (kind == TCPC_IPTABLES_TCP && !rule->n_ports))
		return;
	tcpc_iptables_rule_argv(rule, kind, "iptables", true, &argv);
	print_line(&argv, line, sizeof(line));
	MUST(!tcpc_iptables_rule_parse(line, &kind_again, &again));
	MUST(kind_again == kind && tcpc_iptables_rule_equal(rule, &again, kind));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	char *line = malloc(size + 1);
	struct tcpc_iptables_rule rule = {}, rules[2] = {};
	enum tcpc_iptables_kind kind;
	unsigned int n = 0;
	int r;

	MUST(line);
	memcpy(line, input, size);
	line[size] = '\0';
	r = tcpc_iptables_rule_parse(line, &kind, &rule);
	MUST(r == 0 || r == -EINVAL || r == -ENOENT);
	if (!r) {
		check_again(&rule, kind);
		MUST(!tcpc_iptables_rule_merge(rules, &n, 2, kind, &rule));
		MUST(!tcpc_iptables_rule_merge(rules, &n, 2, kind, &rule) && n == 1);
	}
	free(line);
	return 0;
}
