// SPDX-License-Identifier: GPL-2.0-only
/* test_notify.c - what a service manager hears: states, a pulse from the loop, from nobody else. */
#include "../harness/expect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "edge/notify.h"

static char dir[] = "/tmp/tcpc-notify-XXXXXX";
static struct sockaddr_un addr = {.sun_family = AF_UNIX};
static int manager = -1; /* its end */
static uv_loop_t loop;
static struct tcpc_notify n; /* lives until the loop has closed its timer */

static int set_up(void **state)
{
	(void)state;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/socket", dir);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(manager, (struct sockaddr *)&addr, sizeof(addr)), 0);
	setenv("NOTIFY_SOCKET", addr.sun_path, 1);
	return uv_loop_init(&loop);
}

static int tear_down(void **state)
{
	(void)state;
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	close(manager);
	unlink(addr.sun_path);
	return 0;
}

static void expect_heard(const char *text)
{
	char got[128] = {};
	ssize_t len = recv(manager, got, sizeof(got) - 1, 0);

	assert_int_equal(len, strlen(text));
	assert_string_equal(got, text);
}

static void expect_silence(void)
{
	char got[8];

	assert_int_equal(recv(manager, got, sizeof(got), 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void test_states(void **state)
{
	char got[128] = {};

	(void)state;
	assert_int_equal(tcpc_notify_open(&n, &loop), 0);
	assert_null(getenv("NOTIFY_SOCKET")); /* not for iptables */
	tcpc_notify_say(&n, "READY=1\nSTATUS=ready");
	expect_heard("READY=1\nSTATUS=ready");
	tcpc_notify_reloading(&n);
	assert_true(recv(manager, got, sizeof(got) - 1, 0) > 0);
	assert_int_equal(strncmp(got, "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
	assert_true(strtoull(got + 27, NULL, 10) > 0);
	tcpc_notify_close(&n);
	tcpc_notify_close(&n);
	tcpc_notify_say(&n, "READY=1");
	expect_silence();
}

static void test_nobody_listens(void **state)
{
	static const char *const bad[] = {"relative", "/", "@", "/nonexistent/socket"};
	char name[256];

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(tcpc_notify_open(&n, &loop), 0);
	tcpc_notify_say(&n, "READY=1");
	tcpc_notify_close(&n);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setenv("NOTIFY_SOCKET", bad[i], 1);
		assert_int_equal(tcpc_notify_open(&n, &loop), i == 3 ? -ENOENT : -EINVAL);
		assert_int_equal(n.fd, -1);
	}
	memset(name, 'x', sizeof(name) - 1);
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(tcpc_notify_open(&n, &loop), -EINVAL);
	expect_silence();
}

static void test_abstract_name(void **state)
{
	struct sockaddr_un other = {.sun_family = AF_UNIX};
	int len = snprintf(other.sun_path + 1, sizeof(other.sun_path) - 1, "%s", dir);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	char name[128], got[16] = {};

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&other,
			      offsetof(struct sockaddr_un, sun_path) + 1 + len),
			 0);
	snprintf(name, sizeof(name), "@%s", dir);
	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(tcpc_notify_open(&n, &loop), 0);
	tcpc_notify_say(&n, "READY=1");
	assert_int_equal(recv(fd, got, sizeof(got), 0), 7);
	assert_string_equal(got, "READY=1");
	tcpc_notify_close(&n);
	close(fd);
}

static void on_time(uv_timer_t *timer)
{
	uv_close((uv_handle_t *)timer, NULL);
}

/* Runs the loop for so long. */
static void run_ms(unsigned int ms)
{
	uv_timer_t timer;

	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_time, ms, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
}

static void test_watchdog(void **state)
{
	char pid[16], got[16];

	(void)state;
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_USEC", "20000", 1);
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(tcpc_notify_open(&n, &loop), 0);
	assert_null(getenv("WATCHDOG_USEC"));
	assert_null(getenv("WATCHDOG_PID"));
	expect_silence(); /* a loop that does not run is not alive */
	for (int heard = 0, tries = 0; heard < 2; tries++) {
		assert_true(tries < 1000);
		run_ms(5);
		if (recv(manager, got, sizeof(got), MSG_PEEK) > 0) {
			expect_heard("WATCHDOG=1");
			heard++;
		}
	}
	tcpc_notify_close(&n);
}

/* Not asked for, not readable, or meant for another process. */
static void test_no_watchdog(void **state)
{
	static const char *const usec[] = {NULL, "", "0", "-1", "20000x", "20000"};

	(void)state;
	for (size_t i = 0; i < sizeof(usec) / sizeof(usec[0]); i++) {
		setenv("NOTIFY_SOCKET", addr.sun_path, 1);
		setenv("WATCHDOG_PID", "1", 1);
		if (usec[i])
			setenv("WATCHDOG_USEC", usec[i], 1);
		assert_int_equal(tcpc_notify_open(&n, &loop), 0);
		run_ms(15);
		expect_silence();
		assert_false(n.watched);
		tcpc_notify_close(&n);
		uv_run(&loop, UV_RUN_DEFAULT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_states, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nobody_listens, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_abstract_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_watchdog, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_watchdog, set_up, tear_down),
	};
	int failed;

	if (!mkdtemp(dir))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return failed;
}
