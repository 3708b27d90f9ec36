// SPDX-License-Identifier: GPL-2.0-only
/* test_firewall.c - what iptables rules do to one packet: known rules, those of firewalls that
 * people use, and text that is no rule at all. */
#include "../harness/expect.h"
#include "core/firewall.h"

#define FILTER(rules) "# a comment\n*filter\n" rules "COMMIT\n"
#define OPEN ":INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
#define SHUT ":INPUT DROP [3:180]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
#define OURS                                                                                       \
	"-A OUTPUT ! -o lo -p tcp -m multiport --sports 8080,9090 -m bpf --object-pinned "         \
	"/sys/fs/bpf/tcpcopy/target/queue_filter -m comment --comment tcpcopyd:/run/tcpcopy -j "   \
	"NFQUEUE --queue-balance 100:101\n"
#define OURS_TC                                                                                    \
	"-A OUTPUT ! -o eth0 -p tcp -m multiport --sports 8080 -m addrtype ! --dst-type LOCAL -m " \
	"bpf --object-pinned /x -m comment --comment \"tcpcopyd:/run/tcpcopy\" -j NFQUEUE "        \
	"--queue-num 100\n"

#define PASS TCPC_FIREWALL_PASS
#define DROP TCPC_FIREWALL_DROP
#define NAT TCPC_FIREWALL_NAT
#define QUEUE TCPC_FIREWALL_OURS

static const struct tcpc_firewall_packet syn = {
	.in = "eth0", .state = "NEW", .sport = 1234, .dport = 8080, .syn = true};
static const struct tcpc_firewall_packet ack = {
	.in = "lo", .state = "ESTABLISHED", .sport = 1234, .dport = 8080};
static const struct tcpc_firewall_packet answer = {
	.out = "eth0", .state = "ESTABLISHED", .sport = 8080, .dport = 1234};

static const struct {
	const char *row, *text, *table, *chain;
	const struct tcpc_firewall_packet *packet;
	enum tcpc_firewall_verdict want;
	const char *rule;
} rows[] = {
	{"no rules", FILTER(OPEN), "filter", "INPUT", &syn, PASS, ""},
	{"no such table", FILTER(SHUT), "raw", "PREROUTING", &syn, PASS, ""},
	{"no text", "", "filter", "INPUT", &syn, PASS, ""},
	{"policy", FILTER(SHUT), "filter", "INPUT", &syn, DROP, "policy DROP"},
	{"policy of another chain", FILTER(SHUT), "filter", "OUTPUT", &answer, PASS, ""},
	{"the port is open", FILTER(SHUT "-A INPUT -p tcp -m tcp --dport 8080 -j ACCEPT\n"),
	 "filter", "INPUT", &syn, PASS, "-A INPUT -p tcp -m tcp --dport 8080 -j ACCEPT"},
	{"another is", FILTER(SHUT "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\n"), "filter",
	 "INPUT", &syn, DROP, "policy DROP"},
	{"for UDP", FILTER(SHUT "-A INPUT -p udp --dport 8080 -j ACCEPT\n"), "filter", "INPUT",
	 &syn, DROP, "policy DROP"},
	{"a range", FILTER(SHUT "-A INPUT -p tcp --dport 8000:9000 -j ACCEPT\n"), "filter", "INPUT",
	 &syn, PASS, "-A INPUT -p tcp --dport 8000:9000 -j ACCEPT"},
	{"a list", FILTER(SHUT "-A INPUT -p tcp -m multiport --dports 80,8080 -j ACCEPT\n"),
	 "filter", "INPUT", &syn, PASS, "-A INPUT -p tcp -m multiport --dports 80,8080 -j ACCEPT"},
	{"for some clients alone", FILTER(SHUT "-A INPUT -s 10.0.0.0/8 -j ACCEPT\n"), "filter",
	 "INPUT", &syn, DROP, "policy DROP"},
	{"not for some clients", FILTER(OPEN "-A INPUT -s 10.0.0.0/8 -j DROP\n"), "filter", "INPUT",
	 &syn, PASS, ""},
	{"on another interface", FILTER(SHUT "-A INPUT -i eth1 -j ACCEPT\n"), "filter", "INPUT",
	 &syn, DROP, "policy DROP"},
	{"on all others", FILTER(OPEN "-A INPUT ! -i lo -j DROP\n"), "filter", "INPUT", &syn, DROP,
	 "-A INPUT ! -i lo -j DROP"},
	{"on some", FILTER(OPEN "-A INPUT -i eth+ -j DROP\n"), "filter", "INPUT", &syn, DROP,
	 "-A INPUT -i eth+ -j DROP"},
	{"states, a SYN", FILTER(SHUT "-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n"),
	 "filter", "INPUT", &syn, DROP, "policy DROP"},
	{"states, an ACK",
	 FILTER(SHUT "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"), "filter",
	 "INPUT", &ack, PASS, "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"},
	{"what is INVALID", FILTER(OPEN "-A INPUT -m conntrack --ctstate INVALID -j DROP\n"),
	 "filter", "INPUT", &ack, PASS, ""},
	{"reject", FILTER(OPEN "-A INPUT -j REJECT --reject-with icmp-port-unreachable\n"),
	 "filter", "INPUT", &syn, DROP, "-A INPUT -j REJECT --reject-with icmp-port-unreachable"},
	{"the first decides",
	 FILTER(OPEN "-A INPUT -i lo -j ACCEPT\n-A INPUT -j DROP\n-A INPUT -j ACCEPT\n"), "filter",
	 "INPUT", &syn, DROP, "-A INPUT -j DROP"},
	{"with a limit", FILTER(OPEN "-A INPUT -m limit --limit 5/sec -j DROP\n"), "filter",
	 "INPUT", &syn, PASS, ""},
	{"a log does not decide", FILTER(SHUT "-A INPUT -j LOG --log-prefix \"in: -j ACCEPT\"\n"),
	 "filter", "INPUT", &syn, DROP, "policy DROP"},
	{"a comment with words",
	 FILTER(SHUT "-A INPUT -m comment --comment \"the -j DROP of old\" -j ACCEPT\n"), "filter",
	 "INPUT", &syn, PASS, "-A INPUT -m comment --comment \"the -j DROP of old\" -j ACCEPT"},
	{"chains that jump",
	 FILTER(SHUT ":a - [0:0]\n:ab - [0:0]\n-A INPUT -j a\n-A ab -j DROP\n"
		     "-A a -p udp -j ab\n-A a -p tcp --dport 8080 -j ACCEPT\n"),
	 "filter", "INPUT", &syn, PASS, "-A a -p tcp --dport 8080 -j ACCEPT"},
	{"return",
	 FILTER(OPEN ":a - [0:0]\n-A INPUT -j a\n-A INPUT -j DROP\n-A a -j RETURN\n"
		     "-A a -j ACCEPT\n"),
	 "filter", "INPUT", &syn, DROP, "-A INPUT -j DROP"},
	{"chains in a circle", FILTER(SHUT ":a - [0:0]\n-A INPUT -j a\n-A a -j a\n"), "filter",
	 "INPUT", &syn, DROP, "policy DROP"},
	{"our rule", FILTER(OPEN OURS), "filter", "OUTPUT", &answer, QUEUE, NULL},
	{"our rule, engine tc: this interface", FILTER(OPEN OURS_TC), "filter", "OUTPUT", &answer,
	 PASS, ""},
	{"our rule behind another", FILTER(OPEN "-A OUTPUT -p tcp -j ACCEPT\n" OURS), "filter",
	 "OUTPUT", &answer, PASS, "-A OUTPUT -p tcp -j ACCEPT"},
	{"our rule behind what is not about it",
	 FILTER(OPEN "-A OUTPUT -o lo -j ACCEPT\n-A OUTPUT -p tcp --sport 22 -j ACCEPT\n" OURS),
	 "filter", "OUTPUT", &answer, QUEUE, NULL},
	{"a container's port",
	 "*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n-A PREROUTING -m addrtype --dst-type "
	 "LOCAL -j DOCKER\n-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT "
	 "--to-destination 172.17.0.2:80\nCOMMIT\n",
	 "nat", "PREROUTING", &syn, NAT, NULL},
	{"another's port",
	 "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 80 -j REDIRECT\nCOMMIT\n",
	 "nat", "PREROUTING", &syn, PASS, ""},
	{"the second table", "*raw\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n" FILTER(SHUT), "filter",
	 "INPUT", &syn, DROP, "policy DROP"},
	{"rules behind the table's end", FILTER(OPEN) "-A INPUT -j DROP\n", "filter", "INPUT", &syn,
	 PASS, ""},
	{"no rules at all", "*filter\n-A\n-A INPUT\n-A INPUT -j\n-A INPUT ! \nCOMMIT", "filter",
	 "INPUT", &syn, PASS, ""},
};

static void test_walk(void **state)
{
	char rule[TCPC_FIREWALL_RULE_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		expect_u64(rows[i].row, "verdict",
			   tcpc_firewall_walk(rows[i].text, rows[i].table, rows[i].chain,
					      rows[i].packet, rule),
			   rows[i].want);
		if (rows[i].rule && strcmp(rule, rows[i].rule))
			fail_msg("%s: rule '%s', expected '%s'", rows[i].row, rule, rows[i].rule);
	}
}

/* For engine tc: what leaves by another interface. */
static void test_another_interface(void **state)
{
	struct tcpc_firewall_packet p = answer;
	char rule[TCPC_FIREWALL_RULE_BYTES];

	(void)state;
	p.out = "another";
	expect_u64("another", "verdict",
		   tcpc_firewall_walk(FILTER(OPEN OURS_TC), "filter", "OUTPUT", &p, rule), QUEUE);
}

/* Lines as long as can be, and cut anywhere: nothing is read beyond its end. */
static void test_any_text(void **state)
{
	static const char text[] = FILTER(
		SHUT "-A INPUT -i lo -m comment --comment \"a b\" -p tcp --tcp-flags SYN,ACK SYN "
		     "! --syn -m multiport --dports 1:2,3 -j ACCEPT\n");
	char rule[TCPC_FIREWALL_RULE_BYTES], *copy;
	size_t n = 70000;

	(void)state;
	for (size_t i = 0; i <= sizeof(text); i++) {
		copy = strndup(text, i);
		tcpc_firewall_walk(copy, "filter", "INPUT", &syn, rule);
		tcpc_firewall_rules(copy);
		free(copy);
	}
	copy = malloc(n + 1);
	assert_non_null(copy);
	memset(copy, 'x', n);
	copy[n] = '\0';
	memcpy(copy, "*filter\n-A INPUT -i ", 20);
	expect_u64("long", "verdict", tcpc_firewall_walk(copy, "filter", "INPUT", &syn, rule),
		   PASS);
	free(copy);
}

static void test_count(void **state)
{
	(void)state;
	expect_u64("none", "rules", tcpc_firewall_rules(FILTER(OPEN)), 0);
	expect_u64("ours", "rules", tcpc_firewall_rules(FILTER(OPEN OURS OURS_TC)), 0);
	expect_u64("two", "rules",
		   tcpc_firewall_rules(FILTER(OPEN OURS "-A INPUT -j DROP\n-A x -j y\n")), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_another_interface),
		cmocka_unit_test(test_any_text),
		cmocka_unit_test(test_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
