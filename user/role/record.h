/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * record.h - `tcpcopyctl record`: the command's half. It writes the files, with the rights of who
 * runs it, in a process that stays until the recording ends; the daemon opens none.
 */
#ifndef TCPCOPY_ROLE_RECORD_H
#define TCPCOPY_ROLE_RECORD_H

#include "core/err.h"

struct json_object;

/**
 * tcpc_record_run - begin to record as @request says. Call while there is one thread.
 * @path: of the daemon's socket.
 * @ret_answer: the daemon's line, owned by the caller, once there is one.
 * Returns: 0: a process of its own writes from now on, or the daemon has refused: the answer says
 * so, and nothing was written. -errno: nothing is recorded.
 */
int tcpc_record_run(const char *path, struct json_object *request, char **ret_answer,
		    struct tcpc_err *err);

#endif
