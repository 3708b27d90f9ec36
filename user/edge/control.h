/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * control.h - the control socket: JSON lines over a Unix stream socket, mode 0660. A request is a
 * line, an answer is a line; a connection may send several requests, answered in their order.
 * docs/protocol-control.md describes it.
 *
 * Who may use it: root, the daemon's own user, and the members of one group. The file's mode says
 * so, and who gets by it (a mode that was changed) is asked for his credentials and refused.
 */
#ifndef TCPCOPY_EDGE_CONTROL_H
#define TCPCOPY_EDGE_CONTROL_H

#include <sys/types.h>
#include <uv.h>

#include "core/err.h"

struct json_object;
struct tcpc_control;
struct tcpc_control_request;

/**
 * Called on the loop's thread for every well-formed request that tcpc_command_check() accepts
 * (anything else is answered by control itself). Exactly one of the two answers below must be
 * given, at once or later.
 */
typedef void (*tcpc_control_handler)(void *user, struct tcpc_control_request *request);

/** Who has connected, as the kernel says (SO_PEERCRED): at the time of connect(). */
struct tcpc_control_peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

/**
 * tcpc_control_listen - open @path; a stale socket file (nobody listens) is replaced.
 * @group: whose members may use it beside root; (gid_t)-1: nobody. The process has to be in it, or
 * have CAP_CHOWN.
 * Returns: 0; -EADDRINUSE if another daemon answers there; other -errno.
 */
int tcpc_control_listen(uv_loop_t *loop, const char *path, gid_t group,
			tcpc_control_handler handler, void *user, struct tcpc_control **ret,
			struct tcpc_err *err);

/** tcpc_control_request_body - the request, borrowed until it is answered. */
struct json_object *tcpc_control_request_body(const struct tcpc_control_request *request);

/** tcpc_control_request_peer - who asks, borrowed until it is answered. */
const struct tcpc_control_peer *
tcpc_control_request_peer(const struct tcpc_control_request *request);

/** tcpc_control_answer - answer with @result (ownership taken, NULL for an empty object). The
 * client may be gone by then: that is fine. Frees @request. */
void tcpc_control_answer(struct tcpc_control_request *request, struct json_object *result);

/** tcpc_control_answer_fd - the same, with a descriptor: it goes along with the first byte
 * (SCM_RIGHTS). @fd: borrowed. */
void tcpc_control_answer_fd(struct tcpc_control_request *request, struct json_object *result,
			    int fd);

/** tcpc_control_fail - answer with an error; EINVAL and EOPNOTSUPP make exit status 2, all others
 * 1. Frees @request. */
void tcpc_control_fail(struct tcpc_control_request *request, const struct tcpc_err *err);

/** tcpc_control_close - stop listening, remove the socket file, close connections once their
 * outstanding answers are written. Frees @control later, on the loop. */
void tcpc_control_close(struct tcpc_control *control);

#endif
