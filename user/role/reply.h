/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * reply.h - where the outcome of a command goes. Commands come from the control socket, from the
 * configuration file and from signals; the roles need not know which.
 */
#ifndef TCPCOPY_ROLE_REPLY_H
#define TCPCOPY_ROLE_REPLY_H

#include <stdbool.h>

#include "core/err.h"

struct json_object;

/** One command's outcome is reported through exactly one call of @done, at once or later. */
struct tcpc_reply {
	/* @result: owned by the callee, NULL if @err is set.  @err: borrowed, NULL on success. */
	void (*done)(struct tcpc_reply *reply, struct json_object *result,
		     const struct tcpc_err *err);
	bool takes_fd; /* who asked can be given a descriptor */
	int fd;	       /* set before @done of one that can: to go along with @result; borrowed */
};

/** tcpc_reply_result - success with a result object (ownership taken). */
void tcpc_reply_result(struct tcpc_reply *reply, struct json_object *result);

/** tcpc_reply_text - success with one line for the user. */
void tcpc_reply_text(struct tcpc_reply *reply, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** tcpc_reply_fail - failure. */
void tcpc_reply_fail(struct tcpc_reply *reply, const struct tcpc_err *err);

#endif
