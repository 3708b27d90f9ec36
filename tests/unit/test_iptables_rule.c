// SPDX-License-Identifier: GPL-2.0-only
/* test_iptables_rule.c - our rules as arguments and as lines of iptables-save. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "edge/iptables_rule.h"
#include "tcpcopy/bytes.h"

#define PIN "/sys/fs/bpf/tcpcopy/target/queue_filter"
#define MARK " -m comment --comment \"tcpcopyd:/run/tcpcopy\""
#define MATCH " -m bpf --object-pinned " PIN MARK
#define MAX_PORTS "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"

/* Ports from a comma-separated list, "" for none. */
static struct tcpc_iptables_rule make_rule(const char *iface, const char *ports, unsigned int first,
					   unsigned int last)
{
	struct tcpc_iptables_rule rule = {.queue_first = first, .queue_last = last};
	unsigned int port;
	int used;

	snprintf(rule.iface, sizeof(rule.iface), "%s", iface);
	snprintf(rule.pin, sizeof(rule.pin), PIN);
	snprintf(rule.tag, sizeof(rule.tag), "/run/tcpcopy");
	for (; sscanf(ports, "%u%n,", &port, &used) == 1; ports += used + (ports[used] == ',')) {
		assert_true(rule.n_ports < TCPC_MAX_PORTS);
		rule.ports[rule.n_ports++] = tcpc_htons(port);
	}
	return rule;
}

static void join(const struct tcpc_iptables_argv *argv, char *out, size_t size)
{
	size_t used = 0;
	int i;

	for (i = 0; argv->args[i]; i++)
		used += snprintf(out + used, size - used, "%s%s", i ? " " : "", argv->args[i]);
	assert_true(i < TCPC_IPTABLES_ARGS && used < size);
}

static const struct {
	const char *iface, *ports;
	unsigned int first, last;
	enum tcpc_iptables_kind kind;
	bool insert;
	const char *expected;
} lines[] = {
	{"eth0", "80,443", 3, 5, TCPC_IPTABLES_TCP, true,
	 "prog -w 5 -I OUTPUT -o eth0 -p tcp -m multiport --sports 80,443 -m bpf "
	 "--object-pinned " PIN
	 " -m comment --comment tcpcopyd:/run/tcpcopy -j NFQUEUE --queue-balance 3:5"},
	{"eth0", "80,443", 3, 5, TCPC_IPTABLES_ICMP, true,
	 "prog -w 5 -I OUTPUT -o eth0 -p icmp -m bpf --object-pinned " PIN
	 " -m comment --comment tcpcopyd:/run/tcpcopy -j NFQUEUE --queue-balance 3:5"},
	{"eth0", "65535", 65535, 65535, TCPC_IPTABLES_TCP, false,
	 "prog -w 5 -D OUTPUT -o eth0 -p tcp -m multiport --sports 65535 -m bpf "
	 "--object-pinned " PIN
	 " -m comment --comment tcpcopyd:/run/tcpcopy -j NFQUEUE --queue-num 65535"},
	{"", "80", 1, 1, TCPC_IPTABLES_TCP, true,
	 "prog -w 5 -I OUTPUT ! -o lo -p tcp -m multiport --sports 80 -m bpf --object-pinned " PIN
	 " -m comment --comment tcpcopyd:/run/tcpcopy -j NFQUEUE --queue-num 1"},
};

static void test_argv(void **state)
{
	struct tcpc_iptables_argv argv;
	char joined[1024];
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct tcpc_iptables_rule rule =
			make_rule(lines[i].iface, lines[i].ports, lines[i].first, lines[i].last);

		tcpc_iptables_rule_argv(&rule, lines[i].kind, "prog", lines[i].insert, &argv);
		join(&argv, joined, sizeof(joined));
		assert_string_equal(joined, lines[i].expected);
	}
}

/* All but one interface: the TCP rule says so, the ICMP rule does not. */
static void test_except(void **state)
{
	struct tcpc_iptables_rule rule = make_rule("", "80", 1, 1), read;
	enum tcpc_iptables_kind kind;
	struct tcpc_iptables_argv argv;
	char joined[1024];

	(void)state;
	strcpy(rule.except, "eth0");
	tcpc_iptables_rule_argv(&rule, TCPC_IPTABLES_TCP, "prog", true, &argv);
	join(&argv, joined, sizeof(joined));
	assert_string_equal(joined,
			    "prog -w 5 -I OUTPUT ! -o eth0 -p tcp -m multiport --sports 80 "
			    "-m addrtype ! --dst-type LOCAL -m bpf --object-pinned " PIN
			    " -m comment --comment tcpcopyd:/run/tcpcopy -j NFQUEUE --queue-num 1");
	/* The line that iptables-save makes of it is the same from the chain on. */
	memcpy(strstr(joined, "-I OUTPUT"), "-A OUTPUT", 9);
	assert_int_equal(tcpc_iptables_rule_parse(strstr(joined, "-A OUTPUT"), &kind, &read), 0);
	assert_int_equal(kind, TCPC_IPTABLES_TCP);
	assert_memory_equal(&read, &rule, sizeof(rule));
	tcpc_iptables_rule_argv(&rule, TCPC_IPTABLES_ICMP, "prog", true, &argv);
	join(&argv, joined, sizeof(joined));
	assert_non_null(strstr(joined, "! -o lo -p icmp -m bpf"));
}

/* The longest of everything fits. */
static void test_argv_longest(void **state)
{
	struct tcpc_iptables_rule rule = make_rule("fifteen-letters", "", 10000, 65535);
	struct tcpc_iptables_argv argv;
	char joined[1024];

	(void)state;
	while (rule.n_ports < TCPC_MAX_PORTS)
		rule.ports[rule.n_ports++] = tcpc_htons(65535);
	memset(rule.tag, 'a', sizeof(rule.tag) - 1);
	memset(rule.pin, 'b', sizeof(rule.pin) - 1);
	rule.pin[0] = '/';
	assert_int_equal(tcpc_iptables_rule_check(&rule, false, NULL), 0);
	tcpc_iptables_rule_argv(&rule, TCPC_IPTABLES_TCP, "prog", true, &argv);
	join(&argv, joined, sizeof(joined));
	assert_non_null(strstr(joined, "65535,65535 -m bpf"));
	assert_int_equal(strlen(argv.comment), 9 + TCPC_IPTABLES_TAG_BYTES - 1);
	assert_non_null(strstr(joined, "--queue-balance 10000:65535"));
}

static const struct {
	const char *line;
	const char *iface, *ports;
	unsigned int first, last;
	enum tcpc_iptables_kind kind;
} saved[] = {
	{"-A OUTPUT -o eth0 -p tcp -m multiport --sports 80,443" MATCH
	 " -j NFQUEUE --queue-balance 3:5",
	 "eth0", "80,443", 3, 5, TCPC_IPTABLES_TCP},
	{"-A OUTPUT -o eth0 -p tcp -m multiport --sports " MAX_PORTS MATCH
	 " -j NFQUEUE --queue-num 0",
	 "eth0", MAX_PORTS, 0, 0, TCPC_IPTABLES_TCP},
	{"-A OUTPUT -o a.b-c_1 -p icmp" MATCH " -j NFQUEUE --queue-num 65535", "a.b-c_1", "", 65535,
	 65535, TCPC_IPTABLES_ICMP},
	{"-A OUTPUT ! -o lo -p icmp" MATCH " -j NFQUEUE --queue-num 7", "", "", 7, 7,
	 TCPC_IPTABLES_ICMP},
	/* Comments without special characters come without quotes. */
	{"-A OUTPUT -o eth0 -p icmp -m bpf --object-pinned " PIN
	 " -m comment --comment tcpcopyd:/run/tcpcopy -j NFQUEUE --queue-num 1",
	 "eth0", "", 1, 1, TCPC_IPTABLES_ICMP},
	{"-A OUTPUT -o \"eth0\" -p icmp -m bpf --object-pinned \"" PIN "\"" MARK
	 " -j NFQUEUE --queue-num 1",
	 "eth0", "", 1, 1, TCPC_IPTABLES_ICMP},
};

static const struct {
	const char *line;
	int result;
} refused[] = {
	/* Other people's. */
	{"-A OUTPUT -o eth0 -p tcp -m tcp --dport 22 -j ACCEPT", -ENOENT},
	{"-A OUTPUT -m comment --comment \"not tcpcopyd:/run/tcpcopy\" -j ACCEPT", -ENOENT},
	{"-A OUTPUT -m comment --comment \"say \\\"tcpcopyd:\\\"\" -j ACCEPT", -ENOENT},
	{"-A OUTPUT -m comment --comment \"tcpcopyd:\" -j ACCEPT", -ENOENT},
	{"-A OUTPUT", -ENOENT},
	{"-A OUTPUT -m comment --comment", -ENOENT},
	{"-A OUTPUT -m comment --comment \"", -ENOENT},
	{"-A OUTPUT -m comment --comment \"\\", -ENOENT},
	{"", -ENOENT},
	/* Ours by the comment, but not as we wrote them. */
	{"-A OUTPUT -o eth0 -p udp" MATCH " -j NFQUEUE --queue-num 1", -EINVAL},
	{"-A OUTPUT ! -o eth0 -p icmp" MATCH " -j NFQUEUE --queue-num 1", -EINVAL},
	{"-A OUTPUT -o eth0 -p icmp" MATCH " -j NFQUEUE --queue-num 1 --queue-bypass", -EINVAL},
	{"-A OUTPUT -o eth0 -p icmp -s 10.0.0.1/32" MATCH " -j NFQUEUE --queue-num 1", -EINVAL},
	{"-A OUTPUT -o eth0 -p icmp" MATCH " -j NFQUEUE --queue-num 65536", -EINVAL},
	{"-A OUTPUT -o eth0 -p icmp" MATCH " -j NFQUEUE --queue-num -1", -EINVAL},
	{"-A OUTPUT -o eth0 -p icmp" MATCH " -j NFQUEUE --queue-num x", -EINVAL},
	{"-A OUTPUT -o eth0 -p icmp" MATCH " -j NFQUEUE --queue-balance 5:3", -EINVAL},
	{"-A OUTPUT -o eth0 -p icmp" MATCH " -j NFQUEUE --queue-balance 5:", -EINVAL},
	{"-A OUTPUT -o eth0 -p icmp" MATCH " -j NFQUEUE --queue-num 99999999999999999999", -EINVAL},
	{"-A OUTPUT -o eth0 -p tcp -m multiport --sports 80:90" MATCH " -j NFQUEUE --queue-num 1",
	 -EINVAL},
	{"-A OUTPUT -o eth0 -p tcp -m multiport --sports 80," MATCH " -j NFQUEUE --queue-num 1",
	 -EINVAL},
	{"-A OUTPUT -o eth0 -p tcp -m multiport --sports " MAX_PORTS ",16" MATCH
	 " -j NFQUEUE --queue-num 1",
	 -EINVAL},
	{"-A OUTPUT -o eth0 -p tcp" MATCH " -j NFQUEUE --queue-num 1", -EINVAL},
	{"-A OUTPUT -o a-name-of-16-byte -p icmp" MATCH " -j NFQUEUE --queue-num 1", -EINVAL},
	{"-A OUTPUT -o eth+ -p icmp" MATCH " -j NFQUEUE --queue-num 1", -EINVAL},
	{"-A OUTPUT -p icmp" MATCH " -j NFQUEUE --queue-num 1", -EINVAL},
	{"-A OUTPUT ! -p icmp -o eth0" MATCH " -j NFQUEUE --queue-num 1", -EINVAL},
	{"-A OUTPUT ! -o lo -o eth0 -p icmp" MATCH " -j NFQUEUE --queue-num 1", -EINVAL},
	{"-A OUTPUT -o eth0 -p icmp" MARK " -j NFQUEUE --queue-num 1", -EINVAL},
};

static void test_parse(void **state)
{
	struct tcpc_iptables_rule rule, expected;
	enum tcpc_iptables_kind kind;
	char line[2048];
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(saved) / sizeof(saved[0]); i++) {
		snprintf(line, sizeof(line), "%s", saved[i].line);
		assert_int_equal(tcpc_iptables_rule_parse(line, &kind, &rule), 0);
		expected = make_rule(saved[i].iface, saved[i].ports, saved[i].first, saved[i].last);
		assert_memory_equal(&rule, &expected, sizeof(rule));
		assert_int_equal(kind, saved[i].kind);
	}
}

static void test_parse_refuses(void **state)
{
	struct tcpc_iptables_rule rule, untouched;
	enum tcpc_iptables_kind kind;
	char line[2048];
	unsigned int i;

	(void)state;
	memset(&untouched, 0x55, sizeof(untouched));
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		rule = untouched;
		snprintf(line, sizeof(line), "%s", refused[i].line);
		if (tcpc_iptables_rule_parse(line, &kind, &rule) != refused[i].result)
			fail_msg("not %d for: %s", refused[i].result, refused[i].line);
		assert_memory_equal(&rule, &untouched, sizeof(rule));
	}
}

static void test_check(void **state)
{
	struct tcpc_iptables_rule good = make_rule("eth0", "80", 0, 65535), bad;
	struct tcpc_err err;

	(void)state;
	assert_int_equal(tcpc_iptables_rule_check(&good, false, NULL), 0);
#define REFUSE(change, for_removal, word)                                                          \
	do {                                                                                       \
		bad = good;                                                                        \
		change;                                                                            \
		assert_int_equal(tcpc_iptables_rule_check(&bad, for_removal, &err), -EINVAL);      \
		assert_non_null(strstr(err.text, word));                                           \
	} while (0)
	REFUSE(strcpy(bad.iface, "eth+"), false, "'eth+'");
	REFUSE(strcpy(bad.iface, "!eth"), true, "'!eth'");
	REFUSE(bad.n_ports = 0, false, "1 to 15 ports");
	REFUSE(bad.n_ports = TCPC_MAX_PORTS + 1, true, "not 16");
	REFUSE(bad.queue_last = 65536, false, "0:65536");
	REFUSE((bad.queue_first = 2, bad.queue_last = 1), false, "2:1");
	REFUSE(strcpy(bad.pin, "relative"), false, "'relative'");
	REFUSE(strcpy(bad.tag, ""), false, "letters");
	REFUSE(strcpy(bad.tag, "two words"), false, "'two words'");
	REFUSE(strcpy(bad.tag, "quo\"te"), true, "letters");
#undef REFUSE
	good.n_ports = 0;
	assert_int_equal(tcpc_iptables_rule_check(&good, true, NULL), 0);
}

static void test_merge(void **state)
{
	struct tcpc_iptables_rule a = make_rule("eth0", "80", 1, 1), b, rules[3];
	struct tcpc_iptables_rule c = make_rule("eth1", "80", 1, 1);
	unsigned int n = 0;

	(void)state;
	b = a;
	b.n_ports = 0;
	b.ports[0] = 0;
	/* ICMP first, as it stands in the chain; then its TCP rule; then both again. */
	assert_int_equal(tcpc_iptables_rule_merge(rules, &n, 3, TCPC_IPTABLES_ICMP, &b), 0);
	assert_int_equal(rules[0].n_ports, 0);
	assert_int_equal(tcpc_iptables_rule_merge(rules, &n, 3, TCPC_IPTABLES_TCP, &a), 0);
	assert_int_equal(tcpc_iptables_rule_merge(rules, &n, 3, TCPC_IPTABLES_ICMP, &b), 0);
	assert_int_equal(tcpc_iptables_rule_merge(rules, &n, 3, TCPC_IPTABLES_TCP, &a), 0);
	assert_int_equal(n, 1);
	assert_memory_equal(&rules[0], &a, sizeof(a));
	/* Another interface, other ports, another program: others. */
	assert_int_equal(tcpc_iptables_rule_merge(rules, &n, 3, TCPC_IPTABLES_TCP, &c), 0);
	a.ports[0] = tcpc_htons(81);
	assert_int_equal(tcpc_iptables_rule_merge(rules, &n, 3, TCPC_IPTABLES_TCP, &a), 0);
	assert_int_equal(n, 3);
	strcpy(a.program, "iptables-legacy");
	assert_int_equal(tcpc_iptables_rule_merge(rules, &n, 3, TCPC_IPTABLES_TCP, &a), -E2BIG);
	assert_int_equal(n, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_argv),	      cmocka_unit_test(test_argv_longest),
		cmocka_unit_test(test_except),	      cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_refuses), cmocka_unit_test(test_check),
		cmocka_unit_test(test_merge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
