// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_iptables.c - rules come and go with both variants of iptables, in a namespace, with a
 * pinned program. What is there is read with iptables -S, not by the code under test.
 */
#include <fcntl.h>
#include <bpf/bpf.h>

#include "../harness/iptables_lab.h"

static char dir[] = "/tmp/tcpcopy-iptables-XXXXXX"; /* a bpffs, if root */
static const char *const variants[] = {"iptables-nft", "iptables-legacy", "ip6tables-nft",
				       "ip6tables-legacy"};

static int pin_program(void)
{
	const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "queue_all", "GPL", code, 2, NULL), r;

	if (fd < 0)
		return fd;
	r = bpf_obj_pin(fd, pin);
	close(fd);
	return r;
}

static int set_up(void **state)
{
	if (open_lab(state))
		return -1;
	if (!in_netns)
		return 0;
	if (!mkdtemp(dir) || mount("bpf", dir, "bpf", 0, NULL))
		return -1;
	snprintf(pin, sizeof(pin), "%s/queue_filter", dir);
	return pin_program();
}

static int tear_down(void **state)
{
	(void)state;
	if (in_netns && (umount(dir) || rmdir(dir)))
		return -1;
	return uv_loop_close(&loop);
}

static struct outcome do_replace(struct tcpc_iptables_rule *before, struct tcpc_iptables_rule *now)
{
	struct outcome out = {};

	before->ipv6 = now->ipv6 = lab_ipv6;
	return finish(tcpc_iptables_replace(&loop, before, now, on_done, &out, &out.err), &out);
}

/* What `program -S OUTPUT` prints behind the policy, one string. */
static const char *listing(const char *program)
{
	static char text[4096];
	char command[256];
	size_t n;
	FILE *pipe;

	snprintf(command, sizeof(command), "%s -S OUTPUT 2>/dev/null | sed 1d", program);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	n = fread(text, 1, sizeof(text) - 1, pipe);
	text[n] = '\0';
	pclose(pipe);
	return text;
}

static const char *icmp(void)
{
	return lab_ipv6 ? "ipv6-icmp" : "icmp";
}

static const char *expected_listing(const struct tcpc_iptables_rule *rule)
{
	static char text[2048];

	snprintf(text, sizeof(text),
		 "-A OUTPUT -o %s -p %s -m bpf --object-pinned %s -m comment --comment "
		 "\"tcpcopyd:%s\" -j NFQUEUE --queue-balance 3:5\n"
		 "-A OUTPUT -o %s -p tcp -m multiport --sports 80,8080 -m bpf --object-pinned %s "
		 "-m comment --comment \"tcpcopyd:%s\" -j NFQUEUE --queue-balance 3:5\n",
		 rule->iface, icmp(), rule->pin, rule->tag, rule->iface, rule->pin, rule->tag);
	return text;
}

/* The default program is IPv4's of the variant, which is what the environment names. */
static bool use_variant(unsigned int v)
{
	lab_ipv6 = v == 2 || v == 3;
	return v < 4 && !setenv("TCPCOPY_IPTABLES", variants[v & 1], 1);
}

/* One test for each family and variant. */
#define for_each_variant(program)                                                                  \
	for (unsigned int v_ = 0; use_variant(v_) && (program = variants[v_]); v_++)

static void test_install_find_remove(void **state)
{
	struct tcpc_iptables_rule rule = make_rule("eth0");
	const char *program;
	struct outcome out;

	(void)state;
	need_netns();
	for_each_variant(program)
	{
		assert_string_equal(listing(program), "");
		out = do_find(TAG);
		assert_good(&out);
		assert_int_equal(out.n_rules, 0);
		out = do_call(tcpc_iptables_install, &rule);
		assert_good(&out);
		assert_string_equal(listing(program), expected_listing(&rule));
		out = do_find(TAG);
		assert_good(&out);
		assert_int_equal(out.n_rules, 1);
		assert_memory_equal(&out.rules[0], &rule, sizeof(rule));
		out = do_call(tcpc_iptables_remove, &out.rules[0]);
		assert_good(&out);
		assert_string_equal(listing(program), "");
		/* Again: nothing to do is no error. */
		out = do_call(tcpc_iptables_remove, &rule);
		assert_good(&out);
	}
}

/* Ours come first, and other people's rules and other daemons' survive. */
static void test_among_others(void **state)
{
	struct tcpc_iptables_rule rule = make_rule("eth0"), other = make_rule("eth0");
	struct tcpc_iptables_rule third = make_rule("eth1");
	const char *program;
	struct outcome out;
	char before[4096];

	(void)state;
	need_netns();
	strcat(other.tag, "-2");
	for_each_variant(program)
	{
		assert_int_equal(run_command("%s -A OUTPUT -p tcp --sport 80 -j ACCEPT", program),
				 0);
		out = do_call(tcpc_iptables_install, &other);
		assert_good(&out);
		out = do_call(tcpc_iptables_install, &third);
		assert_good(&out);
		snprintf(before, sizeof(before), "%s", listing(program));
		out = do_call(tcpc_iptables_install, &rule);
		assert_good(&out);
		assert_int_equal(strncmp(listing(program), expected_listing(&rule),
					 strlen(expected_listing(&rule))),
				 0);
		out = do_find(TAG);
		assert_good(&out);
		assert_int_equal(out.n_rules, 2);
		out = do_call(tcpc_iptables_remove, &rule);
		assert_good(&out);
		assert_string_equal(listing(program), before);
		assert_int_equal(run_command("%s -F OUTPUT", program), 0);
	}
}

/* All interfaces but one, in the place of all but lo, and back; others' rules stay. */
static void test_replace(void **state)
{
	struct tcpc_iptables_rule wide = make_rule(""), narrow = make_rule("");
	const char *program;
	struct outcome out;
	char before[4096];

	(void)state;
	need_netns();
	strcpy(narrow.except, "eth0");
	for_each_variant(program)
	{
		out = do_call(tcpc_iptables_install, &wide);
		assert_good(&out);
		snprintf(before, sizeof(before), "%s", listing(program));
		out = do_replace(&wide, &narrow);
		assert_good(&out);
		assert_non_null(strstr(listing(program),
				       "-A OUTPUT ! -o eth0 -p tcp -m multiport --sports 80,8080 "
				       "-m addrtype ! --dst-type LOCAL -m bpf"));
		assert_null(strstr(listing(program), "! -o lo -p tcp"));
		assert_non_null(strstr(listing(program),
				       lab_ipv6 ? "! -o lo -p ipv6-icmp" : "! -o lo -p icmp"));
		out = do_find(TAG);
		assert_int_equal(out.n_rules, 1);
		assert_memory_equal(&out.rules[0], &narrow, sizeof(narrow));
		out = do_replace(&narrow, &wide);
		assert_good(&out);
		assert_int_equal(strlen(listing(program)), strlen(before));
		assert_non_null(strstr(listing(program), "! -o lo -p tcp"));
		out = do_call(tcpc_iptables_remove, &wide);
		assert_good(&out);
		assert_string_equal(listing(program), "");
	}
}

/* One queue and one port are written in another way than several. */
static void test_single(void **state)
{
	struct tcpc_iptables_rule rule = make_rule("eth0");
	const char *program;
	struct outcome out;

	(void)state;
	need_netns();
	rule.n_ports = 1;
	rule.ports[1] = 0;
	rule.queue_last = rule.queue_first;
	for_each_variant(program)
	{
		out = do_call(tcpc_iptables_install, &rule);
		assert_good(&out);
		assert_non_null(strstr(listing(program), "--sports 80 -m bpf"));
		assert_non_null(strstr(listing(program), "--queue-num 3\n"));
		out = do_find(TAG);
		assert_int_equal(out.n_rules, 1);
		assert_memory_equal(&out.rules[0], &rule, sizeof(rule));
		out = do_call(tcpc_iptables_remove, &rule);
		assert_good(&out);
		assert_string_equal(listing(program), "");
	}
}

/* More of the same than are deleted one by one, and the half of an intercept. */
static void test_duplicates_and_halves(void **state)
{
	struct tcpc_iptables_rule rule = make_rule("eth0");
	const char *program;
	struct outcome out;
	int i;

	(void)state;
	need_netns();
	for_each_variant(program)
	{
		for (i = 0; i < 20; i++) {
			out = do_call(tcpc_iptables_install, &rule);
			assert_good(&out);
		}
		out = do_find(TAG);
		assert_int_equal(out.n_rules, 1);
		out = do_call(tcpc_iptables_remove, &rule);
		assert_good(&out);
		assert_string_equal(listing(program), "");

		out = do_call(tcpc_iptables_install, &rule);
		assert_good(&out);
		assert_int_equal(run_command("%s -D OUTPUT 2", program), 0);
		out = do_find(TAG);
		assert_int_equal(out.n_rules, 1);
		assert_int_equal(out.rules[0].n_ports, 0);
		out = do_call(tcpc_iptables_remove, &out.rules[0]);
		assert_good(&out);
		assert_string_equal(listing(program), "");
	}
}

/* Deleting by text compares the number that the pin's descriptor had inside iptables. Descriptors
 * that we hold must not shift it, and rules written with it shifted must go all the same. */
static void test_other_descriptors(void **state)
{
	struct tcpc_iptables_rule rule = make_rule("eth0");
	const char *program;
	struct outcome out;
	int fds[8], i;

	(void)state;
	need_netns();
	for_each_variant(program)
	{
		out = do_call(tcpc_iptables_install, &rule);
		assert_good(&out);
		for (i = 0; i < 8; i++)
			fds[i] = open("/dev/null", O_RDONLY); /* inherited unless we see to it */
		out = do_call(tcpc_iptables_remove, &rule);
		assert_good(&out);
		for (i = 0; i < 8; i++)
			close(fds[i]);
		assert_string_equal(listing(program), "");

		assert_int_equal(run_command("%s -A OUTPUT -o lo -j ACCEPT", program), 0);
		assert_int_equal(
			run_command(
				"%s 3</dev/null 4</dev/null 5</dev/null -A OUTPUT -o eth0 -p %s "
				"-m bpf --object-pinned %s -m comment "
				"--comment tcpcopyd:%s -j NFQUEUE --queue-balance 3:5",
				program, icmp(), pin, TAG),
			0);
		assert_int_equal(run_command("%s -A OUTPUT -o lo -j ACCEPT", program), 0);
		out = do_call(tcpc_iptables_remove, &rule);
		assert_good(&out);
		assert_string_equal(listing(program),
				    "-A OUTPUT -o lo -j ACCEPT\n-A OUTPUT -o lo -j ACCEPT\n");
		assert_int_equal(run_command("%s -F OUTPUT", program), 0);
	}
}

/* Without the pin iptables understands neither rule any more; they go nevertheless. */
static void test_pin_gone(void **state)
{
	struct tcpc_iptables_rule rule = make_rule("eth0");
	const char *program;
	struct outcome out;

	(void)state;
	need_netns();
	for_each_variant(program)
	{
		out = do_call(tcpc_iptables_install, &rule);
		assert_good(&out);
		assert_int_equal(unlink(pin), 0);
		out = do_call(tcpc_iptables_remove, &rule);
		assert_int_equal(pin_program(), 0);
		assert_good(&out);
		assert_string_equal(listing(program), "");
	}
}

/* Installed when the other variant was the default; IPv4's. */
static void test_other_variant(void **state)
{
	struct tcpc_iptables_rule rule = make_rule("eth0");
	struct outcome out, found;
	unsigned int i;

	(void)state;
	need_netns();
	for (i = 0; i < 2; i++) {
		setenv("TCPCOPY_IPTABLES", variants[i], 1);
		out = do_call(tcpc_iptables_install, &rule);
		assert_good(&out);
		setenv("TCPCOPY_IPTABLES", variants[!i], 1);
		found = do_find(TAG);
		assert_good(&found);
		assert_int_equal(found.n_rules, 1);
		assert_string_equal(found.rules[0].program, variants[i]);
		/* And in both at once. */
		out = do_call(tcpc_iptables_install, &rule);
		assert_good(&out);
		found = do_find(TAG);
		assert_good(&found);
		assert_int_equal(found.n_rules, 2);
		assert_string_equal(found.rules[0].program, "");
		out = do_call(tcpc_iptables_remove, &found.rules[0]);
		assert_good(&out);
		assert_string_equal(listing(variants[!i]), "");
		assert_string_not_equal(listing(variants[i]), "");
		out = do_call(tcpc_iptables_remove, &found.rules[1]);
		assert_good(&out);
		assert_string_equal(listing(variants[i]), "");
	}
}

/* iptables is the other name of one of the two: nothing is found twice. */
static void test_default_program(void **state)
{
	struct tcpc_iptables_rule rule = make_rule("eth0");
	struct outcome out;

	(void)state;
	need_netns();
	unsetenv("TCPCOPY_IPTABLES");
	out = do_call(tcpc_iptables_install, &rule);
	assert_good(&out);
	out = do_find(TAG);
	assert_good(&out);
	assert_int_equal(out.n_rules, 1);
	assert_string_equal(out.rules[0].program, "");
	out = do_call(tcpc_iptables_remove, &rule);
	assert_good(&out);
	assert_string_equal(listing("iptables"), "");
}

/* A chain that is longer than any buffer of ours. */
static void test_long_chain(void **state)
{
	struct tcpc_iptables_rule rule = make_rule("eth0");
	const char *program;
	struct outcome out;

	(void)state;
	need_netns();
	for_each_variant(program)
	{
		assert_int_equal(run_command("(echo '*filter'; for i in $(seq 1500); do echo "
					     "-A OUTPUT -p tcp -m tcp --dport $i -m comment "
					     "--comment a-rule-of-somebody-else -j ACCEPT; done; "
					     "echo COMMIT) | %s-restore --noflush",
					     program),
				 0);
		assert_int_equal(run_command("%s 3</dev/null -A OUTPUT -o eth0 -p %s -m bpf "
					     "--object-pinned %s -m comment --comment tcpcopyd:%s "
					     "-j NFQUEUE --queue-balance 3:5",
					     program, icmp(), pin, TAG),
				 0);
		out = do_find(TAG);
		assert_good(&out);
		assert_int_equal(out.n_rules, 1);
		out = do_call(tcpc_iptables_remove, &rule);
		assert_good(&out);
		assert_int_equal(run_command("test $(%s -S OUTPUT | wc -l) = 1501", program), 0);
		assert_int_equal(run_command("%s -S OUTPUT | grep -q tcpcopyd", program), 256);
		assert_int_equal(run_command("%s -F OUTPUT", program), 0);
	}
}

/* The error is iptables' own words, and nothing is left. */
static void test_install_fails(void **state)
{
	struct tcpc_iptables_rule rule = make_rule("eth0");
	const char *program;
	struct outcome out;

	(void)state;
	need_netns();
	strcat(rule.pin, "-missing");
	for_each_variant(program)
	{
		out = do_call(tcpc_iptables_install, &rule);
		assert_int_equal(out.status, -EIO);
		assert_non_null(strstr(out.err.text, "bpf"));
		assert_string_equal(listing(program), "");
	}
}

static void test_nft_only_table(void **state)
{
	struct outcome out;

	(void)state;
	need_netns();
	if (run_command("nft -v >/dev/null 2>&1")) {
		print_message("skipped: nft is not installed\n");
		skip();
	}
	setenv("TCPCOPY_IPTABLES", "iptables-nft", 1);
	assert_int_equal(run_command("iptables-nft -A OUTPUT -j ACCEPT && nft add rule ip filter "
				     "OUTPUT meta cgroup 7 numgen inc mod 2 vmap "
				     "'{ 0 : accept, 1 : accept }'"),
			 0);
	out = do_find(TAG);
	assert_int_equal(run_command("nft flush ruleset"), 0);
	assert_int_equal(out.status, -EOPNOTSUPP);
	assert_non_null(strstr(out.err.text, "nft list table"));
}

static void test_permission(void **state)
{
	struct tcpc_iptables_rule rule = make_rule("eth0");
	const char *program;
	struct outcome out;

	(void)state;
	need_netns();
	for_each_variant(program)
	{
		/* Only the effective ids count: the program gets them as its real ones. */
		assert_int_equal(setresuid(65534, 65534, 0), 0);
		out = do_call(tcpc_iptables_install, &rule);
		assert_int_equal(setresuid(0, 0, 0), 0);
		if (out.status != -EPERM)
			fail_msg("%d: %s", out.status, out.err.text);
		assert_non_null(strstr(out.err.text, "needs root"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_install_find_remove),
		cmocka_unit_test(test_among_others),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_single),
		cmocka_unit_test(test_duplicates_and_halves),
		cmocka_unit_test(test_other_descriptors),
		cmocka_unit_test(test_pin_gone),
		cmocka_unit_test(test_other_variant),
		cmocka_unit_test(test_default_program),
		cmocka_unit_test(test_long_chain),
		cmocka_unit_test(test_install_fails),
		cmocka_unit_test(test_nft_only_table),
		cmocka_unit_test(test_permission),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
