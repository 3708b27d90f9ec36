// SPDX-License-Identifier: GPL-2.0-only
/*
 * doctor_firewall.c - what the target host's iptables rules do to copies, to our acknowledgements
 * and to responses. iptables-save is run once for each family. See doctor_priv.h.
 */
#include "role/doctor_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>

#include "core/firewall.h"
#include "edge/probe.h"
#include "edge/process.h"
#include "role/target_priv.h"

#define TIMEOUT_MS 2000
#define MAX_TEXT_BYTES (1u << 20)

/** The output of one program. */
struct listing {
	struct doctor *run;
	bool ipv6, legacy_beside; /* asked only whether there are rules at all */
	char program[200];
	char *text;
	size_t bytes;
	bool cut;
};

/* ---- one packet -------------------------------------------------------------------------------
 */

static void dropped(struct doctor *run, const struct listing *l, const char *rule, const char *what,
		    unsigned int port, bool lo)
{
	char fix[DOCTOR_FIX_BYTES];

	if (lo)
		snprintf(fix, sizeof(fix), "%s -I INPUT -i lo -j ACCEPT", l->program);
	else
		snprintf(fix, sizeof(fix), "%s -I INPUT -p tcp --dport %u -j ACCEPT", l->program,
			 port);
	doctor_add(run, DOCTOR_FAIL, "firewall", fix, "%s of port %u are dropped: %s", what, port,
		   rule);
}

/* On their way in. Returns: did it find something? */
static bool check_in(const struct listing *l, const struct tcpc_firewall_packet *p,
		     const char *what, bool lo)
{
	static const char *const hooks[][2] = {
		{"raw", "PREROUTING"},
		{"mangle", "PREROUTING"},
		{"mangle", "INPUT"},
		{"filter", "INPUT"},
	};
	char rule[TCPC_FIREWALL_RULE_BYTES];

	for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
		if (tcpc_firewall_walk(l->text, hooks[i][0], hooks[i][1], p, rule) !=
		    TCPC_FIREWALL_DROP)
			continue;
		dropped(l->run, l, rule, what, p->dport, lo);
		return true;
	}
	return false;
}

static void check_nat(const struct listing *l, const struct tcpc_firewall_packet *p)
{
	char rule[TCPC_FIREWALL_RULE_BYTES];

	if (tcpc_firewall_walk(l->text, "nat", "PREROUTING", p, rule) == TCPC_FIREWALL_NAT)
		doctor_add(l->run, DOCTOR_FAIL, "address translation",
			   "run tcpcopyd in the container's network namespace",
			   "port %u is handed on to another address (a container's?): the service "
			   "does not end here: %s",
			   p->dport, rule);
}

/* Begin anew, with what was asked for but for the defaults. */
static void again(const struct intercept *i, char fix[DOCTOR_FIX_BYTES])
{
	size_t used = snprintf(fix, DOCTOR_FIX_BYTES,
			       "tcpcopyctl release %s; tcpcopyctl intercept %s --engine %s --port ",
			       i->iface, i->iface, target_engine_name(i->spec.engine));

	for (unsigned int p = 0; p < i->n_ports && used < DOCTOR_FIX_BYTES; p++)
		used += snprintf(fix + used, DOCTOR_FIX_BYTES - used, "%s%u", p ? "," : "",
				 ntohs(i->ports[p]));
}

/* Answers: our rule must be the first that decides, but for those that engine tc takes at the
 * interface itself. */
static bool check_out(const struct listing *l, const struct intercept *i, __be16 port)
{
	bool tc = i->spec.engine == TCPC_ENGINE_TC;
	const struct tcpc_firewall_packet p = {
		.out = tc ? "another" : i->iface,
		.state = "ESTABLISHED",
		.sport = ntohs(port),
	};
	char rule[TCPC_FIREWALL_RULE_BYTES], fix[DOCTOR_FIX_BYTES];
	enum tcpc_firewall_verdict verdict =
		tcpc_firewall_walk(l->text, "filter", "OUTPUT", &p, rule);

	if (verdict == TCPC_FIREWALL_OURS)
		return false;
	again(i, fix);
	if (verdict == TCPC_FIREWALL_DROP)
		doctor_add(l->run, DOCTOR_FAIL, "firewall", fix,
			   "%s: answers of port %u are dropped before our rule sees them: %s",
			   l->program, p.sport, rule);
	else
		doctor_add(l->run, DOCTOR_FAIL, "our rule", fix,
			   "%s: our rule does not see answers of port %u that leave by %s: %s%s%s",
			   l->program, p.sport, tc ? "another interface" : i->iface,
			   rule[0] ? "in front of it stands " : "it is gone", rule,
			   tc ? "" : "; absorb ends them there (past_rule), but nowhere else");
	return true;
}

static bool check_port(const struct listing *l, const struct intercept *i, __be16 port)
{
	const struct tcpc_firewall_packet syn = {
		.in = i->iface, .state = "NEW", .dport = ntohs(port), .syn = true};
	const struct tcpc_firewall_packet ack = {
		.in = "lo", .state = "ESTABLISHED", .dport = ntohs(port)};
	bool bad = check_in(l, &syn, "copies", false);

	/* Engine tc gives them back at the interface itself. */
	if (i->spec.engine == TCPC_ENGINE_NFQUEUE)
		bad = check_in(l, &ack, "our acknowledgements (they come in by lo)", true) || bad;
	check_nat(l, &syn);
	return check_out(l, i, port) || bad;
}

static void check_family(const struct listing *l)
{
	bool bad = false, any = false;

	for (struct intercept *i = l->run->d->target->intercepts; i; i = i->next) {
		if (!intercept_is_active(i) || (l->ipv6 && !i->ipv6) ||
		    !doctor_wants(l->run, i->iface))
			continue;
		any = true;
		for (unsigned int p = 0; p < i->n_ports; p++)
			bad = check_port(l, i, i->ports[p]) || bad;
	}
	if (any && !bad)
		doctor_add(l->run, DOCTOR_OK, "firewall", "",
			   "%s: copies come in, answers stay inside (%u rules of others)",
			   l->program, tcpc_firewall_rules(l->text));
}

/* ---- the programs -----------------------------------------------------------------------------
 */

static void on_line(void *user, char *line)
{
	struct listing *l = user;
	size_t n = strlen(line);
	char *more;

	if (l->cut || l->bytes + n + 2 > MAX_TEXT_BYTES) {
		l->cut = true;
		return;
	}
	more = realloc(l->text, l->bytes + n + 2);
	if (!more) {
		l->cut = true;
		return;
	}
	l->text = more;
	memcpy(l->text + l->bytes, line, n);
	l->bytes += n;
	l->text[l->bytes++] = '\n';
	l->text[l->bytes] = '\0';
}

static void check_mixture(const struct listing *l)
{
	unsigned int n = tcpc_firewall_rules(l->text);

	if (n)
		doctor_add(l->run, DOCTOR_WARN, "iptables",
			   "iptables-legacy-save | iptables-restore -n && iptables-legacy -F",
			   "%u rules stand in the legacy tables beside those of nf_tables: both "
			   "are in force, and this program shows only one kind",
			   n);
}

static void on_end(void *user, const struct tcpc_process_end *end)
{
	struct listing *l = user;

	/* Without tables it prints nothing. */
	if (!l->text)
		l->text = calloc(1, 1);
	if (end->exit_code || l->cut || !l->text)
		doctor_add(l->run, DOCTOR_WARN, "firewall", "",
			   "the rules of %s cannot be read: %s", l->program,
			   l->cut || !l->text ? "too many" : end->message);
	else if (l->legacy_beside)
		check_mixture(l);
	else
		check_family(l);
	doctor_put(l->run);
	free(l->text);
	free(l);
}

static void list_rules(struct doctor *run, const char *program, bool ipv6, bool legacy_beside)
{
	struct listing *l = calloc(1, sizeof(*l));
	char save[sizeof(l->program) + 8];
	const char *argv[] = {save, NULL};

	if (!l)
		return;
	l->run = run;
	l->ipv6 = ipv6;
	l->legacy_beside = legacy_beside;
	snprintf(l->program, sizeof(l->program), "%s", program);
	snprintf(save, sizeof(save), "%s-save", l->program);
	run->pending++;
	if (!tcpc_process_run(run->d->target->config.loop, argv, -1, TIMEOUT_MS, on_line, on_end,
			      l))
		return;
	doctor_add(run, DOCTOR_WARN, "firewall", "apt-get install iptables",
		   "the rules cannot be read: %s does not run", save);
	doctor_put(run);
	free(l);
}

/* Tables of the legacy kind that this network namespace has; reading others would make them. */
static bool has_legacy(void)
{
	char text[256];

	return !tcpc_probe_read("/proc/net/ip_tables_names", text, sizeof(text)) && text[0];
}

void doctor_firewall(struct doctor *run)
{
	const char *program = getenv("TCPCOPY_IPTABLES");
	bool any = false, ipv6 = false;
	char program6[200];

	for (struct intercept *i = run->d->target->intercepts; i; i = i->next) {
		any = any || (intercept_is_active(i) && doctor_wants(run, i->iface));
		ipv6 = ipv6 || i->ipv6;
	}
	if (!any)
		return;
	if (!program || !*program)
		program = "iptables";
	list_rules(run, program, false, false);
	if (ipv6 && !tcpc_text_ip6tables(program, program6, sizeof(program6)))
		list_rules(run, program6, true, false);
	if (has_legacy() && tcpc_probe_iptables() == TCPC_PROBE_IPTABLES_NFT)
		list_rules(run, "iptables-legacy", false, true);
}
