// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_iptables_faults.c - what real iptables seldom do: fail, lie, be killed, not be there.
 * Scripts stand in their place and log each run. Needs no root.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/stat.h>

#include "../harness/iptables_lab.h"

static char script_dir[] = "/tmp/tcpcopy-scripts-XXXXXX";

static int set_up(void **state)
{
	return open_lab(state) || !mkdtemp(script_dir) ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	return run_command("rm -r %s", script_dir) | uv_loop_close(&loop);
}

static void write_script(const char *suffix, const char *body)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/fake%s", script_dir, suffix);
	file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file, "#!/bin/sh\necho \"$(basename $0) $*\" >> %s/log\n%s\n", script_dir, body);
	fclose(file);
	assert_int_equal(chmod(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/fake", script_dir);
	assert_int_equal(setenv("TCPCOPY_IPTABLES", path, 1), 0);
}

/* Every run so far, one line each; forgets them. */
static const char *script_log(void)
{
	static char text[8192];
	char path[128];
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "%s/log", script_dir);
	file = fopen(path, "re");
	if (!file)
		return "";
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	assert_int_equal(unlink(path), 0);
	return text;
}

static void test_missing_program(void **state)
{
	struct tcpc_iptables_rule rule = make_rule("eth0");
	struct outcome out;

	(void)state;
	setenv("TCPCOPY_IPTABLES", "tcpcopy-no-such-program", 1);
	out = do_call(tcpc_iptables_install, &rule);
	assert_int_equal(out.status, -ENOENT);
	assert_non_null(strstr(out.err.text, "apt-get install iptables"));
	out = do_call(tcpc_iptables_remove, &rule);
	assert_int_equal(out.status, -ENOENT);
	out = do_find(TAG);
	assert_int_equal(out.status, -ENOENT);
}

static void test_bad_rules(void **state)
{
	struct tcpc_iptables_rule rule = make_rule("eth+");
	char tag[TCPC_IPTABLES_TAG_BYTES + 1];
	struct outcome out;

	(void)state;
	write_script("", "exit 0");
	out = do_call(tcpc_iptables_install, &rule);
	assert_int_equal(out.status, -EINVAL);
	out = do_call(tcpc_iptables_remove, &rule);
	assert_int_equal(out.status, -EINVAL);
	memset(tag, 'a', sizeof(tag) - 1);
	tag[sizeof(tag) - 1] = '\0';
	out = do_find(tag);
	assert_int_equal(out.status, -EINVAL);
	assert_string_equal(script_log(), "");
}

static const struct {
	const char *body;
	int status;
	const char *text;
} failures[] = {
	{"echo '# Warning: a remark' >&2; echo 'iptables: No chain.' >&2; exit 1", -EIO,
	 "No chain."},
	{"echo 'iptables v1: Permission denied (you must be root)' >&2; exit 3", -EPERM,
	 "needs root"},
	{"echo 'Another app is currently holding the xtables lock.' >&2; exit 4", -EBUSY, "lock"},
	{"exit 9", -EIO, "exit status 9 and no message"},
	{"kill -9 $$", -EIO, "exit status -1"},
	{"printf '\\001\\002\\n' >&2; exit 1", -EIO, "failed: ??"},
};

static void test_failures(void **state)
{
	struct tcpc_iptables_rule rule = make_rule("eth0");
	struct outcome out;
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		write_script("", failures[i].body);
		out = do_call(tcpc_iptables_install, &rule);
		assert_int_equal(out.status, failures[i].status);
		if (!strstr(out.err.text, failures[i].text))
			fail_msg("not '%s' in: %s", failures[i].text, out.err.text);
		script_log();
	}
}

/* The second rule fails: the first goes, and the error is still the second one's. */
static void test_second_fails(void **state)
{
	struct tcpc_iptables_rule rule = make_rule("eth0");
	struct outcome out;
	const char *log;

	(void)state;
	write_script("", "case \"$*\" in *-I*icmp*) echo no icmp here >&2; exit 1;; "
			 "*-I*) exit 0;; esac; echo none >&2; exit 1");
	write_script("-save", "exit 0");
	out = do_call(tcpc_iptables_install, &rule);
	assert_int_equal(out.status, -EIO);
	assert_non_null(strstr(out.err.text, "no icmp here"));
	assert_null(strstr(out.err.text, "taken back"));
	log = script_log();
	assert_non_null(strstr(log, "fake -w 5 -D OUTPUT -o eth0 -p tcp"));
	assert_non_null(strstr(log, "fake-save -t filter"));
	/* It does not go: the user must know. */
	write_script("-save", "exit 1");
	out = do_call(tcpc_iptables_install, &rule);
	assert_int_equal(out.status, -EIO);
	assert_non_null(strstr(out.err.text, "no icmp here"));
	assert_non_null(strstr(out.err.text, "could not be taken back"));
	script_log();
}

/* What iptables-nft-save prints about a table that it cannot show: the rules may be there. */
static void test_unreadable_table(void **state)
{
	struct tcpc_iptables_rule rule = make_rule("eth0");
	struct outcome out;

	(void)state;
	write_script("", "echo none >&2; exit 1");
	write_script("-save", "echo \"# Table \\`filter' is incompatible, use 'nft' tool.\"");
	out = do_find(TAG);
	assert_int_equal(out.status, -EOPNOTSUPP);
	assert_non_null(strstr(out.err.text, "nft list table"));
	out = do_call(tcpc_iptables_remove, &rule);
	assert_int_equal(out.status, -EOPNOTSUPP);
	script_log();
}

/* Rules that nothing removes end in an error, after a bounded number of attempts. */
static void test_immortal_rules(void **state)
{
	struct tcpc_iptables_rule rule = make_rule("eth0");
	struct outcome out;
	char save[512];

	(void)state;
	write_script("", "exit 0"); /* says that it deleted, again and again */
	snprintf(save, sizeof(save),
		 "echo '# Generated by iptables-save v1.8.9 (nf_tables)'; echo '*filter'; "
		 "echo '-A OUTPUT -o eth0 -p icmp -m bpf --object-pinned %s -m comment "
		 "--comment tcpcopyd:" TAG " -j NFQUEUE --queue-balance 3:5'",
		 rule.pin);
	write_script("-save", save);
	write_script("-restore", "cat >> $(dirname $0)/log");
	out = do_call(tcpc_iptables_remove, &rule);
	assert_int_equal(out.status, -EIO);
	assert_non_null(strstr(out.err.text, "tcpcopyd:" TAG));
	assert_non_null(strstr(script_log(), "*filter\n-D OUTPUT 1\nCOMMIT\n"));
	write_script("-restore", "echo cannot >&2; exit 1");
	out = do_call(tcpc_iptables_remove, &rule);
	assert_int_equal(out.status, -EIO);
	assert_non_null(strstr(out.err.text, "cannot"));
	script_log();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missing_program),	 cmocka_unit_test(test_bad_rules),
		cmocka_unit_test(test_failures),	 cmocka_unit_test(test_second_fails),
		cmocka_unit_test(test_unreadable_table), cmocka_unit_test(test_immortal_rules),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
