// SPDX-License-Identifier: GPL-2.0-only
/* test_lock.c - one at a time, and what the last one wrote; the answer of a program. */
#include "../harness/expect.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

#include "edge/ask.h"
#include "edge/lock.h"

static char dir[64];

static void test_one_at_a_time(void **state)
{
	struct tcpc_err err = {};
	int fd = -1, other = -1;

	(void)state;
	assert_int_equal(tcpc_lock_take(dir, "lock", &fd, &err), 0);
	assert_int_equal(tcpc_lock_take(dir, "lock", &other, &err), -EBUSY);
	assert_int_equal(other, -1);
	assert_non_null(strstr(err.text, "another tcpcopyd"));
	assert_int_equal(tcpc_lock_take(dir, "", &other, &err), 0); /* the directory is another */
	close(other);
	close(fd);
	assert_int_equal(tcpc_lock_take(dir, "lock", &fd, &err), 0);
	close(fd);
	assert_int_equal(tcpc_lock_take("/none", "lock", &fd, &err), -ENOENT);
}

static void test_goes_with_the_process(void **state)
{
	struct tcpc_err err = {};
	int fd, status;
	pid_t pid = fork();

	(void)state;
	if (!pid)
		_exit(tcpc_lock_take(dir, "lock", &fd, &err) ? 1
		      : tcpc_lock_write(fd, "/sys/one")	     ? 2
							     : 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(tcpc_lock_take(dir, "lock", &fd, &err), 0);
	close(fd);
}

static void test_what_it_says(void **state)
{
	struct tcpc_err err = {};
	char text[32], little[4];
	int fd;

	(void)state;
	assert_int_equal(tcpc_lock_take(dir, "text", &fd, &err), 0);
	tcpc_lock_read(fd, text, sizeof(text));
	assert_string_equal(text, "");
	assert_int_equal(tcpc_lock_write(fd, "/sys/fs/bpf/long"), 0);
	assert_int_equal(tcpc_lock_write(fd, "/short"), 0);
	tcpc_lock_read(fd, text, sizeof(text));
	assert_string_equal(text, "/short");
	tcpc_lock_read(fd, little, sizeof(little));
	assert_string_equal(little, "/sh");
	close(fd);
	assert_int_equal(tcpc_lock_write(fd, "closed"), -EBADF);
}

static void expect_answer(const char *script, int result, const char *answer)
{
	char *const argv[] = {"sh", "-c", (char *)script, NULL};
	struct tcpc_err err = {};
	char *line = NULL;

	assert_int_equal(tcpc_ask_program(argv, &line, &err), result);
	if (answer)
		assert_string_equal(line, answer);
	else
		assert_null(line);
	free(line);
}

static void test_answer_of_a_program(void **state)
{
	char *const none[] = {"/none/tcpcopyd", NULL};
	struct tcpc_err err = {};
	char *line = NULL;

	(void)state;
	expect_answer("echo one; echo two", 0, "one");
	expect_answer("printf unfinished", 0, "unfinished");
	expect_answer("echo '{}'; exit 1", 0, "{}");
	expect_answer("exit 0", -EIO, NULL);
	expect_answer("kill -9 $$", -EIO, NULL);
	assert_int_equal(tcpc_ask_program(none, &line, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/none/tcpcopyd"));
}

static int enter(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_lock.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int leave(void **state)
{
	char path[96];

	(void)state;
	snprintf(path, sizeof(path), "%s/lock", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/text", dir);
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_goes_with_the_process),
		cmocka_unit_test(test_what_it_says),
		cmocka_unit_test(test_answer_of_a_program),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
