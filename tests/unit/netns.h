/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * netns.h - tests that need root work in a network and a mount namespace of their own, so that
 * nothing of the machine is touched and nothing is left behind.
 */
#ifndef TCPCOPY_TESTS_NETNS_H
#define TCPCOPY_TESTS_NETNS_H

#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <net/if.h>

static bool in_netns;

/* Run a command of the shell; 0 if it went well. */
static inline int run_command(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return system(command);
}

static inline int bring_lo_up(void)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -1;
	r = ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
	return r;
}

/* Group setup. Without root the tests skip; with root a failure here fails them. */
static inline int enter_netns(void **state)
{
	(void)state;
	if (geteuid())
		return 0;
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) || bring_lo_up()) {
		perror("private namespaces");
		return -1;
	}
	in_netns = true;
	return 0;
}

#define need_netns()                                                                               \
	do {                                                                                       \
		if (!in_netns) {                                                                   \
			print_message("skipped: needs root for a network namespace\n");            \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

/* Wait, without sleeping, until @condition holds; 5 s at most, then the test fails. */
#define wait_until(condition)                                                                      \
	do {                                                                                       \
		time_t limit = time(NULL) + 5;                                                     \
		bool holds_ = (condition);                                                         \
                                                                                                   \
		while (!holds_ && time(NULL) <= limit) {                                           \
			sched_yield();                                                             \
			holds_ = (condition);                                                      \
		}                                                                                  \
		if (!holds_)                                                                       \
			fail_msg("timed out waiting for: %s", #condition);                         \
	} while (0)

#endif
