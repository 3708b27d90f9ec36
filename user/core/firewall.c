// SPDX-License-Identifier: GPL-2.0-only
/* firewall.c - see firewall.h. */
#include "core/firewall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 16 /* of chains that jump to chains */
#define RULE_LINE_BYTES 1024
#define OURS "tcpcopyd:"

/* Does a rule match? What depends on something not known here: MAYBE. */
enum match { NO, MAYBE, YES };

/* A chain's rules do not decide; go on behind the jump. */
#define CONTINUE ((enum tcpc_firewall_verdict) - 1)

struct walk {
	const char *table; /* first line of the table's rules */
	const struct tcpc_firewall_packet *packet;
	char *ret_rule;
};

struct rule {
	enum match match;
	bool ours;
	const char *target;
};

/* The next line of @text into @line, cut if it is too long. Returns what is behind it, or NULL. */
static const char *next_line(const char *text, char line[RULE_LINE_BYTES])
{
	size_t n = strcspn(text, "\n"), kept = n < RULE_LINE_BYTES ? n : RULE_LINE_BYTES - 1;

	if (!*text)
		return NULL;
	memcpy(line, text, kept);
	line[kept] = '\0';
	return text + n + (text[n] == '\n');
}

static const char *find_table(const char *text, const char *table)
{
	char line[RULE_LINE_BYTES];

	while ((text = next_line(text, line)))
		if (line[0] == '*' && !strcmp(line + 1, table))
			return text;
	return NULL;
}

/* "8080", "8000:9000", "80,443,8000:9000" */
static bool has_port(const char *list, __u16 port)
{
	char *end;

	for (;; list = end + 1) {
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (*end == ':')
			last = strtoul(end + 1, &end, 10);
		if (port >= first && port <= last)
			return true;
		if (*end != ',')
			return false;
	}
}

static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word), used;

	for (;; list += used + 1) {
		used = strcspn(list, ",");
		if (used == n && !strncmp(list, word, n))
			return true;
		if (!list[used])
			return false;
	}
}

static enum match is_iface(const char *name, const char *iface)
{
	size_t n = strlen(name);

	if (!iface)
		return NO;
	if (n && name[n - 1] == '+')
		return strncmp(name, iface, n - 1) ? NO : YES;
	return strcmp(name, iface) ? NO : YES;
}

/* One option with its value. */
static enum match option(const char *name, const char *value, const struct tcpc_firewall_packet *p)
{
	if (!strcmp(name, "-m") || !strcmp(name, "--comment") || !strcmp(name, "--reject-with"))
		return YES;
	if (!strcmp(name, "-i"))
		return is_iface(value, p->in);
	if (!strcmp(name, "-o"))
		return is_iface(value, p->out);
	if (!strcmp(name, "-p"))
		return !strcmp(value, "tcp") || !strcmp(value, "all") ? YES : NO;
	if (!strcmp(name, "--dport") || !strcmp(name, "--dports"))
		return has_port(value, p->dport) ? YES : NO;
	if (!strcmp(name, "--sport") || !strcmp(name, "--sports"))
		return has_port(value, p->sport) ? YES : NO;
	if (!strcmp(name, "--ctstate") || !strcmp(name, "--state"))
		return has_word(value, p->state) ? YES : NO;
	if (!strcmp(name, "--dst-type")) /* what comes in is for us, what goes out is not */
		return strcmp(value, "LOCAL") ? MAYBE : p->in ? YES : NO;
	if (!strcmp(name, "-s") || !strcmp(name, "-d"))
		return strstr(value, "/0") ? YES : MAYBE;
	return MAYBE;
}

static void consider(struct rule *rule, enum match match, bool negated)
{
	if (negated && match != MAYBE)
		match = match == YES ? NO : YES;
	if (match < rule->match)
		rule->match = match;
}

/* Cut the next word off; a quoted one is one. */
static char *next_word(char **line)
{
	char *word = *line + strspn(*line, " "), *end;

	if (!*word)
		return NULL;
	end = *word == '"' ? strchr(word + 1, '"') : strchr(word, ' ');
	word += *word == '"';
	*line = end ? end + 1 : word + strlen(word);
	if (end)
		*end = '\0';
	return word;
}

/* @line: behind "-A CHAIN", is cut into words. */
static void read_rule(char *line, const struct tcpc_firewall_packet *p, struct rule *ret)
{
	bool negated = false;
	char *name, *value;

	*ret = (struct rule){.match = YES, .target = ""};
	while ((name = next_word(&line))) {
		if (!strcmp(name, "!")) {
			negated = true;
			continue;
		}
		if (!strcmp(name, "--syn")) {
			consider(ret, p->syn ? YES : NO, negated);
			negated = false;
			continue;
		}
		value = next_word(&line);
		if (!value)
			break;
		if (!strcmp(name, "--tcp-flags")) { /* two values */
			next_word(&line);
			consider(ret, MAYBE, negated);
		} else if (!strcmp(name, "-j") || !strcmp(name, "-g")) {
			ret->target = value;
			return; /* what follows belongs to the target */
		} else if (!strcmp(name, "--comment") && !strncmp(value, OURS, strlen(OURS))) {
			ret->ours = true;
		} else if (strcmp(name, "--object-pinned")) {
			consider(ret, option(name, value, p), negated);
		}
		negated = false;
	}
}

static enum tcpc_firewall_verdict walk_chain(struct walk *w, const char *chain, int depth);

static enum tcpc_firewall_verdict decide(struct walk *w, const struct rule *rule, int depth)
{
	if (rule->match != YES || !rule->target[0])
		return CONTINUE;
	if (rule->ours)
		return TCPC_FIREWALL_OURS;
	if (!strcmp(rule->target, "ACCEPT"))
		return TCPC_FIREWALL_PASS;
	if (!strcmp(rule->target, "DROP") || !strcmp(rule->target, "REJECT"))
		return TCPC_FIREWALL_DROP;
	if (!strcmp(rule->target, "DNAT") || !strcmp(rule->target, "REDIRECT"))
		return TCPC_FIREWALL_NAT;
	return walk_chain(w, rule->target, depth + 1);
}

static enum tcpc_firewall_verdict walk_chain(struct walk *w, const char *chain, int depth)
{
	enum tcpc_firewall_verdict verdict = CONTINUE;
	char line[RULE_LINE_BYTES], copy[RULE_LINE_BYTES];
	const char *at = w->table;
	size_t n = strlen(chain);
	struct rule rule;

	while (depth < MAX_DEPTH && verdict == CONTINUE && (at = next_line(at, line))) {
		if (line[0] == '*' || !strcmp(line, "COMMIT"))
			break;
		if (strncmp(line, "-A ", 3) || strncmp(line + 3, chain, n) || line[3 + n] != ' ')
			continue;
		memcpy(copy, line, sizeof(copy));
		read_rule(copy + 3 + n, w->packet, &rule);
		if (rule.match == YES && !strcmp(rule.target, "RETURN"))
			break;
		verdict = decide(w, &rule, depth);
		if (verdict != CONTINUE && !w->ret_rule[0])
			snprintf(w->ret_rule, TCPC_FIREWALL_RULE_BYTES, "%.*s",
				 TCPC_FIREWALL_RULE_BYTES - 1, line);
	}
	return verdict;
}

/* ":INPUT DROP [0:0]" */
static bool policy_drops(const char *table, const char *chain)
{
	char line[RULE_LINE_BYTES];
	size_t n = strlen(chain);

	while ((table = next_line(table, line)) && line[0] == ':')
		if (!strncmp(line + 1, chain, n) && !strncmp(line + 1 + n, " DROP", 5))
			return true;
	return false;
}

enum tcpc_firewall_verdict tcpc_firewall_walk(const char *text, const char *table,
					      const char *chain,
					      const struct tcpc_firewall_packet *packet,
					      char ret_rule[TCPC_FIREWALL_RULE_BYTES])
{
	struct walk w = {find_table(text, table), packet, ret_rule};
	enum tcpc_firewall_verdict verdict;

	ret_rule[0] = '\0';
	if (!w.table)
		return TCPC_FIREWALL_PASS;
	verdict = walk_chain(&w, chain, 0);
	if (verdict != CONTINUE)
		return verdict;
	if (!policy_drops(w.table, chain))
		return TCPC_FIREWALL_PASS;
	snprintf(ret_rule, TCPC_FIREWALL_RULE_BYTES, "policy DROP");
	return TCPC_FIREWALL_DROP;
}

unsigned int tcpc_firewall_rules(const char *text)
{
	char line[RULE_LINE_BYTES];
	unsigned int n = 0;

	while ((text = next_line(text, line)))
		n += !strncmp(line, "-A ", 3) && !strstr(line, OURS);
	return n;
}
