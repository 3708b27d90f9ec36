/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * process.h - run a program without a shell and without blocking the loop. Private to iptables.c.
 */
#ifndef TCPCOPY_EDGE_PROCESS_H
#define TCPCOPY_EDGE_PROCESS_H

#include <stdbool.h>
#include <uv.h>

#define TCPC_PROCESS_LINE_BYTES 4096	/* longer lines of stdout are cut */
#define TCPC_PROCESS_MESSAGE_BYTES 4096 /* of stderr; what comes after is dropped */

/** How a program ended. */
struct tcpc_process_end {
	int exit_code;	     /* -1: killed by a signal */
	bool timed_out;	     /* the signal was ours */
	const char *message; /* its stderr, valid during the call */
};

/** One line of stdout without its newline. @line: may be changed, valid during the call. */
typedef void (*tcpc_process_line)(void *user, char *line);

/** The program has ended, all its output has been seen, and nothing of it is left on the loop. */
typedef void (*tcpc_process_done)(void *user, const struct tcpc_process_end *end);

/**
 * tcpc_process_run - start @argv[0], looked up in PATH.
 * @argv: NULL-terminated, copied by the kernel.  @stdin_fd: becomes its stdin, stays the caller's;
 * -1: /dev/null.  @timeout_ms: then it is killed.  @line: NULL to drop stdout.
 * Every descriptor above stderr becomes close-on-exec in the whole process.
 * Returns: 0, then @done is called exactly once, later; or -errno, then it never is.
 */
int tcpc_process_run(uv_loop_t *loop, const char *const *argv, int stdin_fd,
		     unsigned int timeout_ms, tcpc_process_line line, tcpc_process_done done,
		     void *user);

#endif
