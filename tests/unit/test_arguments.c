// SPDX-License-Identifier: GPL-2.0-only
/* test_arguments.c - the command line of tcpcopyd: what is taken, and what is said about the rest.
 */
#include "../harness/expect.h"

#include <getopt.h>
#include <string.h>

#include "role/arguments.h"

#define MAX_WORDS 8
#define LONG_93                                                                                    \
	"/234567890123456789012345678901234567890123456789012345678901234567890123456789012345678" \
	"90123"

static int parse(const char *const *words, struct tcpc_arguments *ret, struct tcpc_err *err)
{
	char *argv[MAX_WORDS + 2] = {"tcpcopyd"};
	int argc = 1;

	while (words[argc - 1]) {
		argv[argc] = (char *)words[argc - 1];
		argc++;
	}
	optind = 0; /* glibc: begin anew */
	return tcpc_arguments_parse(argc, argv, ret, err);
}

static void test_defaults(void **state)
{
	static const char *const none[] = {NULL};
	struct tcpc_arguments o;
	struct tcpc_err err;

	(void)state;
	assert_int_equal(parse(none, &o, &err), 0);
	assert_string_equal(o.run_dir, "/run/tcpcopy");
	assert_string_equal(o.bpffs, "/sys/fs/bpf/tcpcopy");
	assert_null(o.config);
	assert_null(o.key);
	assert_null(o.group);
	assert_null(o.sweep);
	assert_false(o.insecure);
}

static void test_all(void **state)
{
	static const char *const words[] = {
		"--run-dir",  LONG_93,	   "--bpffs=/b",       "--config", "c",
		"--insecure", "--group=g", "--log-level=info", NULL};
	struct tcpc_arguments o;
	struct tcpc_err err;

	(void)state;
	assert_int_equal(parse(words, &o, &err), 0);
	assert_int_equal(strlen(o.run_dir), 93);
	assert_string_equal(o.bpffs, "/b");
	assert_string_equal(o.config, "c");
	assert_string_equal(o.group, "g");
	assert_true(o.insecure);
}

static void test_errors(void **state)
{
	static const struct {
		const char *words[4], *want;
	} rows[] = {
		{{"--frob"}, "unknown option --frob; `tcpcopyd --help`"},
		{{"-x"}, "unknown option -x"},
		{{"word"}, "unexpected word 'word'; commands go to tcpcopyctl"},
		{{"--key"}, "option --key needs a value"},
		{{"--log-level", "loud"}, "'loud' is none of error, warn, info, debug"},
		{{"--key", "a", "--insecure"}, "--key and --insecure exclude each other"},
		{{"--sweep", "both"}, "--sweep wants online or target"},
		{{"--run-dir", ""}, "--run-dir is empty"},
		{{"--bpffs="}, "--bpffs is empty"},
		{{"--config="}, "--config is empty"},
		{{"--key="}, "--key is empty"},
		{{"--group="}, "--group is empty: leave it out, or name one"},
		{{"--run-dir", LONG_93 "4"}, "--run-dir has 94 bytes; sockets in it allow for 93"},
		{{"--bpffs", "here"}, "an absolute path, like /sys/fs/bpf/tcpcopy, not 'here'"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tcpc_arguments o = {.run_dir = "untouched"};
		struct tcpc_err err = {};

		expect_u64(rows[i].want, "result", parse(rows[i].words, &o, &err), -EINVAL);
		if (!strstr(err.text, rows[i].want))
			expect_fail("'%s' does not mention '%s'", err.text, rows[i].want);
		assert_string_equal(o.run_dir, "untouched");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
