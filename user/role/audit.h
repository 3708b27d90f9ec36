/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * audit.h - who has had what changed.
 */
#ifndef TCPCOPY_ROLE_AUDIT_H
#define TCPCOPY_ROLE_AUDIT_H

#include <stdbool.h>
#include <sys/types.h>

struct json_object;

/** tcpc_audit_changes - does @request (checked) ask for a change, or only look? */
bool tcpc_audit_changes(struct json_object *request);

/** tcpc_audit_log - one line in the log for a change that @uid asks for; nothing for the others. */
void tcpc_audit_log(struct json_object *request, uid_t uid, pid_t pid);

#endif
