/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ask.h - one question to the daemon's control socket, from the outside: control.h is the other
 * end. Blocking, with a time limit; no loop.
 */
#ifndef TCPCOPY_EDGE_ASK_H
#define TCPCOPY_EDGE_ASK_H

#include <limits.h>

#include "core/err.h"

#define TCPC_ASK_SECONDS 30
#define TCPC_ASK_MAX_BYTES (64u << 20)
#define TCPC_ASK_PATH_BYTES 108 /* of a Unix socket's path, with the zero behind it */

/**
 * tcpc_ask - send one line, wait for one line.
 * @path: the socket, shorter than TCPC_ASK_PATH_BYTES.  @request: without newline.
 * @ret_answer: the answer without its newline, owned by the caller (free).
 * Returns: 0; -ENOENT and -ECONNREFUSED: no daemon there; -EACCES: not permitted; -ETIMEDOUT: no
 * whole answer within TCPC_ASK_SECONDS; -EMSGSIZE: an answer beyond TCPC_ASK_MAX_BYTES; -EIO,
 * -ENOMEM. Never -EINVAL: whatever goes wrong here is no bad usage.
 */
int tcpc_ask(const char *path, const char *request, char **ret_answer, struct tcpc_err *err);

/** Called each second that an answer is waited for. @seconds: so far. */
typedef void (*tcpc_ask_waiting)(void *user, unsigned int seconds);

/** tcpc_ask_patiently - tcpc_ask() that says how long it has waited. */
int tcpc_ask_patiently(const char *path, const char *request, tcpc_ask_waiting waiting, void *user,
		       char **ret_answer, struct tcpc_err *err);

/** tcpc_ask_fd - the same for an answer that may come with a descriptor. @ret_fd: owned by the
 * caller; -1 if none came. */
int tcpc_ask_fd(const char *path, const char *request, char **ret_answer, int *ret_fd,
		struct tcpc_err *err);

/**
 * tcpc_ask_program - run @argv[0] (looked up in PATH, if it has no slash) and take the first line
 * of its standard output as the answer. Its standard error stays ours. Blocks until it ends.
 * @ret_answer: as tcpc_ask().
 * Returns: 0; -ENOENT: there is no such program; -EIO: it said nothing.
 */
int tcpc_ask_program(char *const *argv, char **ret_answer, struct tcpc_err *err);

/** tcpc_ask_find_daemon - where tcpcopyd is: beside us, as it was built or installed, else to be
 * looked up in PATH. @path: room for the answer, which may lie elsewhere. */
const char *tcpc_ask_find_daemon(char path[PATH_MAX]);

#endif
