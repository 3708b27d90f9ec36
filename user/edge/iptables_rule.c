// SPDX-License-Identifier: GPL-2.0-only
/*
 * iptables_rule.c - see iptables_rule.h. Both variants of iptables-save print options in the order
 * in which they were given; whether a word is quoted differs. A rule that was changed by hand is
 * refused rather than read halfway: what we delete must be ours.
 */
#include "edge/iptables_rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tcpcopy/bytes.h"

#define LOCK_WAIT_S "5"
#define QUEUE_MAX 65535

/* What stood behind an exclamation mark. */
struct negated {
	bool interface, local;
};

/* Nothing that iptables-save would have to escape. */
static bool is_good_tag(const char *tag)
{
	return *tag && tag[strspn(tag, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789/.-_")] == '\0';
}

int tcpc_iptables_rule_check(const struct tcpc_iptables_rule *rule, bool for_removal,
			     struct tcpc_err *err)
{
	const char *name = rule->except[0] ? rule->except : rule->iface;
	size_t name_bytes = strnlen(name, IFNAMSIZ);

	/* To iptables a final plus sign means every interface that begins like this. */
	if (name_bytes && (name[name_bytes - 1] == '+' || name[0] == '!'))
		return tcpc_err_set(err, EINVAL,
				    "iptables cannot name interface '%s' (a leading '!' or a final "
				    "'+'): rename it",
				    name);
	if (rule->n_ports > TCPC_MAX_PORTS || (!rule->n_ports && !for_removal))
		return tcpc_err_set(err, EINVAL, "an iptables rule names 1 to %d ports, not %u",
				    TCPC_MAX_PORTS, rule->n_ports);
	if (rule->queue_first > rule->queue_last || rule->queue_last > QUEUE_MAX)
		return tcpc_err_set(err, EINVAL,
				    "queues %u:%u are no range FIRST:LAST within 0..%d",
				    rule->queue_first, rule->queue_last, QUEUE_MAX);
	if (rule->pin[0] != '/')
		return tcpc_err_set(err, EINVAL, "pin '%s' is no absolute path", rule->pin);
	if (!is_good_tag(rule->tag))
		return tcpc_err_set(err, EINVAL,
				    "'%s' cannot mark an iptables rule: use letters, digits, '/', "
				    "'.', '-' and '_'",
				    rule->tag);
	return 0;
}

static void print_ports(const struct tcpc_iptables_rule *rule, char *out, size_t size)
{
	size_t used = 0;
	unsigned int i;

	for (i = 0; i < rule->n_ports; i++)
		used += snprintf(out + used, size - used, "%s%u", i ? "," : "",
				 tcpc_ntohs(rule->ports[i]));
}

/* An option and its value; the list is terminated after each. */
static void add(struct tcpc_iptables_argv *argv, unsigned int *n, const char *arg,
		const char *value)
{
	argv->args[(*n)++] = arg;
	argv->args[(*n)++] = value;
	argv->args[*n] = NULL;
}

/* Which interfaces: the one, or all others. */
static void add_interfaces(struct tcpc_iptables_argv *argv, unsigned int *n,
			   const struct tcpc_iptables_rule *rule, bool except)
{
	if (!rule->iface[0])
		argv->args[(*n)++] = "!";
	add(argv, n, "-o", rule->iface[0] ? rule->iface : except ? rule->except : "lo");
}

void tcpc_iptables_rule_argv(const struct tcpc_iptables_rule *rule, enum tcpc_iptables_kind kind,
			     const char *program, bool insert, struct tcpc_iptables_argv *ret)
{
	bool except = rule->except[0] && kind == TCPC_IPTABLES_TCP;
	bool one = rule->queue_first == rule->queue_last;
	unsigned int n = 0;

	print_ports(rule, ret->ports, sizeof(ret->ports));
	snprintf(ret->queue, sizeof(ret->queue), one ? "%u" : "%u:%u", rule->queue_first & 0xffff,
		 rule->queue_last & 0xffff);
	snprintf(ret->comment, sizeof(ret->comment), TCPC_IPTABLES_COMMENT_PREFIX "%s", rule->tag);
	/* -w: another program may hold the lock, Docker or a firewall that reloads. */
	ret->args[n++] = program;
	add(ret, &n, "-w", LOCK_WAIT_S);
	add(ret, &n, insert ? "-I" : "-D", "OUTPUT");
	add_interfaces(ret, &n, rule, except);
	add(ret, &n, "-p", kind == TCPC_IPTABLES_TCP ? "tcp" : rule->ipv6 ? "ipv6-icmp" : "icmp");
	if (kind == TCPC_IPTABLES_TCP) {
		add(ret, &n, "-m", "multiport");
		add(ret, &n, "--sports", ret->ports);
	}
	if (except) { /* "! -o" can name one interface only, and lo is not ours either */
		add(ret, &n, "-m", "addrtype");
		ret->args[n++] = "!";
		add(ret, &n, "--dst-type", "LOCAL");
	}
	add(ret, &n, "-m", "bpf");
	add(ret, &n, "--object-pinned", rule->pin);
	add(ret, &n, "-m", "comment");
	add(ret, &n, "--comment", ret->comment);
	/* No --queue-bypass: without a reader nothing may leave (invariant 2). */
	add(ret, &n, "-j", "NFQUEUE");
	add(ret, &n, one ? "--queue-num" : "--queue-balance", ret->queue);
}

/* Cut the next word off *@text, in place: words may be quoted, then \ protects a character.
 * Returns NULL at the end. */
static char *next_word(char **text)
{
	char *from = *text + strspn(*text, " "), *to = from, *word = from;
	bool quoted = false;

	if (!*from)
		return NULL;
	for (; *from && (quoted || *from != ' '); from++) {
		if (*from == '"') {
			quoted = !quoted;
			continue;
		}
		if (quoted && *from == '\\' && from[1])
			from++;
		*to++ = *from;
	}
	*text = *from ? from + 1 : from;
	*to = '\0';
	return word;
}

/* A number up to 65535, and what stands behind it. Returns -1 if there is none. */
static long read_number(const char *text, char **end)
{
	unsigned long value;

	if (*text < '0' || *text > '9')
		return -1;
	value = strtoul(text, end, 10);
	return value <= QUEUE_MAX ? (long)value : -1;
}

/* "80,443"; ranges, which multiport also knows, we never write. */
static int read_ports(char *text, struct tcpc_iptables_rule *ret)
{
	long port;

	for (;; text++) {
		port = read_number(text, &text);
		if (port < 0 || ret->n_ports == TCPC_MAX_PORTS)
			return -EINVAL;
		ret->ports[ret->n_ports++] = tcpc_htons(port);
		if (*text != ',')
			return *text ? -EINVAL : 0;
	}
}

/* "3" or "3:5". */
static int read_queues(char *text, struct tcpc_iptables_rule *ret)
{
	long first = read_number(text, &text), last = first;

	if (first >= 0 && *text == ':')
		last = read_number(text + 1, &text);
	if (first < 0 || last < first || *text)
		return -EINVAL;
	ret->queue_first = first;
	ret->queue_last = last;
	return 0;
}

/* A word that is cut would name another interface or pin. */
static int copy_word(char *to, size_t size, const char *word)
{
	return snprintf(to, size, "%s", word) < (int)size ? 0 : -EINVAL;
}

/* Returns 0, -ENOENT for a comment that is not ours, -EINVAL for a word that we never write. */
static int read_option(const char *option, char *value, enum tcpc_iptables_kind *kind,
		       struct tcpc_iptables_rule *rule)
{
	const size_t prefix = strlen(TCPC_IPTABLES_COMMENT_PREFIX);

	if (!strcmp(option, "-o"))
		return copy_word(rule->iface, sizeof(rule->iface), value);
	if (!strcmp(option, "-p")) {
		rule->ipv6 = !strcmp(value, "ipv6-icmp");
		*kind = !strcmp(value, "tcp") ? TCPC_IPTABLES_TCP : TCPC_IPTABLES_ICMP;
		return !strcmp(value, "tcp") || !strcmp(value, "icmp") || rule->ipv6 ? 0 : -EINVAL;
	}
	if (!strcmp(option, "--sports"))
		return read_ports(value, rule);
	if (!strcmp(option, "--object-pinned"))
		return copy_word(rule->pin, sizeof(rule->pin), value);
	if (!strcmp(option, "--queue-num") || !strcmp(option, "--queue-balance"))
		return read_queues(value, rule);
	if (!strcmp(option, "--comment")) {
		if (strncmp(value, TCPC_IPTABLES_COMMENT_PREFIX, prefix))
			return -ENOENT;
		return copy_word(rule->tag, sizeof(rule->tag), value + prefix);
	}
	return !strcmp(option, "-A") || !strcmp(option, "-m") || !strcmp(option, "-j") ? 0
										       : -EINVAL;
}

/* What we negate: the interface that is left out, and clients on this host. */
static int read_negated(const char *option, const char *value, struct negated *ret,
			struct tcpc_iptables_rule *rule)
{
	if (!strcmp(option, "-o")) {
		ret->interface = true;
		return strcmp(value, "lo") ? copy_word(rule->except, sizeof(rule->except), value)
					   : 0;
	}
	ret->local = !strcmp(option, "--dst-type") && !strcmp(value, "LOCAL");
	return ret->local ? 0 : -EINVAL;
}

/* Is it one of the forms that we write? */
static int check_form(const struct tcpc_iptables_rule *rule, const struct negated *negated,
		      enum tcpc_iptables_kind kind)
{
	if (!rule->iface[0] != negated->interface || !rule->except[0] == negated->local)
		return -EINVAL;
	if (rule->except[0] && kind == TCPC_IPTABLES_ICMP)
		return -EINVAL;
	return tcpc_iptables_rule_check(rule, kind == TCPC_IPTABLES_ICMP, NULL);
}

int tcpc_iptables_rule_parse(char *line, enum tcpc_iptables_kind *ret_kind,
			     struct tcpc_iptables_rule *ret)
{
	struct tcpc_iptables_rule rule = {};
	enum tcpc_iptables_kind kind = TCPC_IPTABLES_TCP;
	struct negated negated = {};
	char *option, *value;
	bool negate = false;
	int r = 0, bad = 0;

	while ((option = next_word(&line))) {
		if (!strcmp(option, "!")) { /* stands before its option */
			negate = true;
			continue;
		}
		value = next_word(&line);
		if (!value)
			r = -EINVAL;
		else if (negate)
			r = read_negated(option, value, &negated, &rule);
		else
			r = read_option(option, value, &kind, &rule);
		negate = false;
		if (r == -ENOENT)
			return r;
		if (r)
			bad = r; /* whose rule it is may stand further on */
	}
	if (!rule.tag[0])
		return -ENOENT;
	if (!bad)
		bad = check_form(&rule, &negated, kind);
	if (bad)
		return bad;
	*ret_kind = kind;
	*ret = rule;
	return 0;
}

bool tcpc_iptables_rule_equal(const struct tcpc_iptables_rule *a,
			      const struct tcpc_iptables_rule *b, enum tcpc_iptables_kind kind)
{
	if (a->ipv6 != b->ipv6 || strcmp(a->iface, b->iface) || strcmp(a->pin, b->pin) ||
	    strcmp(a->tag, b->tag) || a->queue_first != b->queue_first ||
	    a->queue_last != b->queue_last)
		return false;
	return kind == TCPC_IPTABLES_ICMP ||
	       (!strcmp(a->except, b->except) && a->n_ports == b->n_ports &&
		!memcmp(a->ports, b->ports, a->n_ports * sizeof(a->ports[0])));
}

int tcpc_iptables_rule_merge(struct tcpc_iptables_rule *rules, unsigned int *n, unsigned int max,
			     enum tcpc_iptables_kind kind, const struct tcpc_iptables_rule *rule)
{
	struct tcpc_iptables_rule *known;
	unsigned int i;

	for (i = 0; i < *n; i++) {
		known = &rules[i];
		if (strcmp(known->program, rule->program) ||
		    !tcpc_iptables_rule_equal(known, rule, TCPC_IPTABLES_ICMP))
			continue;
		if (kind == TCPC_IPTABLES_ICMP ||
		    tcpc_iptables_rule_equal(known, rule, TCPC_IPTABLES_TCP))
			return 0;
		if (!known->n_ports) {
			*known = *rule;
			return 0;
		}
	}
	if (*n == max)
		return -E2BIG;
	rules[(*n)++] = *rule;
	return 0;
}
