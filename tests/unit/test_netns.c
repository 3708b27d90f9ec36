// SPDX-License-Identifier: GPL-2.0-only
/* test_netns.c - what --netns names, and entering it: a namespace of our own, and what is none. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>

#include "netns.h"
#include "core/netns.h"
#include "edge/netns.h"

#define ROOM 40

static const struct {
	const char *which, *path, *dir; /* NULL: refused */
} rows[] = {
	{"web", "/run/netns/web", "/run/t-web"},
	{"web-1.a_b", "/run/netns/web-1.a_b", "/run/t-web-1.a_b"},
	{"1234", "/proc/1234/ns/net", "/run/t-1234"},
	{"12a", "/run/netns/12a", "/run/t-12a"},
	{"/var/run/docker/netns/0f", "/var/run/docker/netns/0f", "/run/t-var-run-docker-netns-0f"},
	{"./x", "./x", "/run/t-.-x"},
	{"a b", "/run/netns/a b", "/run/t-a-b"},
	{"", NULL, NULL},
	{".", NULL, NULL},
	{"..", NULL, NULL},
	{"a-name-that-is-longer-than-there-is-room", NULL, NULL},
};

static void test_words(void **state)
{
	char path[ROOM], dir[ROOM];
	struct tcpc_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int r = tcpc_netns_path(rows[i].which, path, sizeof(path), &err);
		int d = tcpc_netns_dir("/run/t", rows[i].which, dir, sizeof(dir), &err);

		assert_int_equal(r, rows[i].path ? 0 : -EINVAL);
		assert_int_equal(d, rows[i].dir ? 0 : -EINVAL);
		if (rows[i].path)
			assert_string_equal(path, rows[i].path);
		else
			assert_non_null(strstr(err.text, "--netns is the name of"));
		if (rows[i].dir)
			assert_string_equal(dir, rows[i].dir);
	}
}

static void test_refused(void **state)
{
	struct tcpc_err err;

	(void)state;
	assert_int_equal(tcpc_netns_enter("no-such-namespace", &err), -ENOENT);
	assert_non_null(strstr(err.text, "`ip netns` lists"));
	assert_int_equal(tcpc_netns_enter("/dev/null", &err), -EINVAL);
	assert_non_null(strstr(err.text, "that is no network namespace"));
}

/* A child in a namespace with a device of its own; we go there by its number. */
static void test_entered(void **state)
{
	int up[2], status;
	struct tcpc_err err;
	char which[16];
	pid_t there, us;

	(void)state;
	need_netns();
	assert_int_equal(pipe(up), 0);
	there = fork();
	if (!there) {
		if (unshare(CLONE_NEWNET) || run_command("ip link add only0 type veth") ||
		    write(up[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(up[0], which, 1), 1);
	snprintf(which, sizeof(which), "%d", there);
	us = fork();
	if (!us)
		_exit(tcpc_netns_enter(which, &err) || !if_nametoindex("only0") ? 1 : 0);
	assert_int_equal(waitpid(us, &status, 0), us);
	assert_int_equal(status, 0);
	assert_int_equal(if_nametoindex("only0"), 0);
	kill(there, SIGKILL);
	waitpid(there, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_entered),
	};

	return cmocka_run_group_tests_name("netns", tests, enter_netns, NULL);
}
