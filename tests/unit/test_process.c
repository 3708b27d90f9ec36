// SPDX-License-Identifier: GPL-2.0-only
/* test_process.c - programs that print, fail, hang, and are not there. Needs no root. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "edge/process.h"

struct seen {
	int lines, done;
	size_t bytes, longest;
	char first[64], last[64];
	struct tcpc_process_end end;
	char message[TCPC_PROCESS_MESSAGE_BYTES];
};

static void on_line(void *user, char *line)
{
	struct seen *seen = user;

	assert_int_equal(seen->done, 0);
	if (!seen->lines++)
		snprintf(seen->first, sizeof(seen->first), "%s", line);
	snprintf(seen->last, sizeof(seen->last), "%s", line);
	seen->bytes += strlen(line);
	if (strlen(line) > seen->longest)
		seen->longest = strlen(line);
	memset(line, 'x', strlen(line)); /* it is ours to change */
}

static void on_done(void *user, const struct tcpc_process_end *end)
{
	struct seen *seen = user;

	seen->done++;
	seen->end = *end;
	snprintf(seen->message, sizeof(seen->message), "%s", end->message);
}

/* Run a shell script to its end on a loop of its own, which nothing is left on. */
static struct seen run_script(const char *script, int stdin_fd, unsigned int timeout_ms)
{
	const char *const argv[] = {"sh", "-c", script, NULL};
	struct seen seen = {};
	uv_loop_t loop;

	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(
		tcpc_process_run(&loop, argv, stdin_fd, timeout_ms, on_line, on_done, &seen), 0);
	assert_int_equal(seen.done, 0);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(seen.done, 1);
	return seen;
}

static const struct {
	const char *script;
	int exit_code, lines;
	const char *first, *last, *message;
} scripts[] = {
	{"true", 0, 0, "", "", ""},
	{"exit 7", 7, 0, "", "", ""},
	{"echo one; echo two >&2; exit 3", 3, 1, "one", "one", "two\n"},
	{"echo; echo 'a b'; printf end", 0, 3, "", "end", ""},
	{"printf 'no newline'", 0, 1, "no newline", "no newline", ""},
	{"kill -9 $$", -1, 0, "", "", ""},
	{"cat", 0, 0, "", "", ""}, /* stdin is empty */
	{"exec 1>&- 2>&-; exit 5", 5, 0, "", "", ""},
	{"printf '%s' \"$0 $1\"", 0, 1, "sh ", "sh ", ""},
};

static void test_scripts(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		struct seen seen = run_script(scripts[i].script, -1, 10000);

		assert_int_equal(seen.end.exit_code, scripts[i].exit_code);
		assert_int_equal(seen.lines, scripts[i].lines);
		assert_string_equal(seen.first, scripts[i].first);
		assert_string_equal(seen.last, scripts[i].last);
		assert_string_equal(seen.message, scripts[i].message);
		assert_false(seen.end.timed_out);
	}
}

/* Much output does not need much memory; too long a line is cut, the next one is whole. */
static void test_bounds(void **state)
{
	struct seen seen;

	(void)state;
	seen = run_script("seq 100000", -1, 10000);
	assert_int_equal(seen.lines, 100000);
	assert_int_equal(seen.bytes, 488895);
	assert_string_equal(seen.first, "1");
	assert_string_equal(seen.last, "100000");
	seen = run_script("head -c 100000 /dev/zero | tr '\\0' a; echo; echo after", -1, 10000);
	assert_int_equal(seen.lines, 2);
	assert_int_equal(seen.longest, TCPC_PROCESS_LINE_BYTES - 1);
	assert_string_equal(seen.last, "after");
	seen = run_script("seq 100000 >&2; exit 1", -1, 10000);
	assert_int_equal(strlen(seen.message), TCPC_PROCESS_MESSAGE_BYTES - 1);
	assert_memory_equal(seen.message, "1\n2\n3\n", 6);
}

static void test_stdin(void **state)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	struct seen seen;

	(void)state;
	assert_int_equal(write(fd, "given\ntoo\n", 10), 10);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	seen = run_script("cat", fd, 10000);
	assert_int_equal(seen.lines, 2);
	assert_string_equal(seen.first, "given");
	assert_int_equal(close(fd), 0);
}

/* Descriptors of ours that the program could inherit, it does not. */
static void test_inherits_nothing(void **state)
{
	int fds[4], i;
	struct seen seen;

	(void)state;
	for (i = 0; i < 4; i++)
		fds[i] = dup(0);
	assert_true(fds[3] > 2);
	seen = run_script("ls /proc/self/fd | tr '\\n' ' '", -1, 10000);
	assert_string_equal(seen.first, "0 1 2 3 "); /* 3 is the directory that ls reads */
	for (i = 0; i < 4; i++)
		close(fds[i]);
}

/* Killed when it hangs, and not waited for when only its child keeps the pipe open. */
static void test_timeout(void **state)
{
	struct seen seen;

	(void)state;
	seen = run_script("echo begun; exec sleep 60", -1, 100);
	assert_true(seen.end.timed_out);
	assert_int_equal(seen.end.exit_code, -1);
	assert_string_equal(seen.first, "begun");
	seen = run_script("sleep 2 & exit 0", -1, 100);
	assert_true(seen.end.timed_out);
	assert_int_equal(seen.end.exit_code, 0);
}

static void test_missing(void **state)
{
	static const struct {
		const char *program;
		int result;
	} missing[] = {{"tcpcopy-no-such-program", -ENOENT}, {"/etc/passwd", -EACCES}};
	struct seen seen = {};
	uv_loop_t loop;
	unsigned int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		const char *const argv[] = {missing[i].program, NULL};

		assert_int_equal(uv_loop_init(&loop), 0);
		assert_int_equal(tcpc_process_run(&loop, argv, -1, 1000, on_line, on_done, &seen),
				 missing[i].result);
		assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
		assert_int_equal(uv_loop_close(&loop), 0);
		assert_int_equal(seen.done, 0);
	}
}

static void run_next(void *user, const struct tcpc_process_end *end)
{
	static const char *const argv[] = {"true", NULL};
	struct seen *seen = user;

	assert_int_equal(end->exit_code, 0);
	if (++seen->done < 5)
		assert_int_equal(
			tcpc_process_run(uv_default_loop(), argv, -1, 1000, NULL, run_next, seen),
			0);
}

/* The next one may be started from the callback of the one before. */
static void test_chain(void **state)
{
	static const char *const argv[] = {"true", NULL};
	struct seen seen = {};

	(void)state;
	assert_int_equal(tcpc_process_run(uv_default_loop(), argv, -1, 1000, NULL, run_next, &seen),
			 0);
	assert_int_equal(uv_run(uv_default_loop(), UV_RUN_DEFAULT), 0);
	assert_int_equal(seen.done, 5);
	assert_int_equal(uv_loop_close(uv_default_loop()), 0);
}

/* A directory of the caller's that we may not search would answer for a missing program. */
static int set_up(void **state)
{
	(void)state;
	return setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts), cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_stdin),	cmocka_unit_test(test_inherits_nothing),
		cmocka_unit_test(test_timeout), cmocka_unit_test(test_missing),
		cmocka_unit_test(test_chain),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
