/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * replay.h - `tcpcopyctl replay`: reads capture files, and writes the clients' half of them to a
 * device of the daemon's, when it is due and as far as the targets keep up.
 */
#ifndef TCPCOPY_ROLE_REPLAY_H
#define TCPCOPY_ROLE_REPLAY_H

#include <stdbool.h>

#include "core/err.h"

struct json_object;

/**
 * tcpc_replay_run - do what @request says, to the end or SIGINT.
 * @path: the daemon's control socket.  @progress: show it on the standard error, a terminal.
 * @ret: what came of it, owned by the caller; also set when this fails after packets were sent.
 * Returns: 0, or -errno with @err set: of a file, of the daemon, -EINTR when interrupted.
 */
int tcpc_replay_run(const char *path, struct json_object *request, bool progress,
		    struct json_object **ret, struct tcpc_err *err);

#endif
