/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * privilege.h - what the daemon gives up once it has started: capabilities that it does not need,
 * the way to get them back, core dumps, and the groups it was started with.
 */
#ifndef TCPCOPY_EDGE_PRIVILEGE_H
#define TCPCOPY_EDGE_PRIVILEGE_H

#include <sys/types.h>
#include <linux/types.h>

#include "core/err.h"

/**
 * tcpc_privilege_check - refuse at the start, before anything is touched, a process that has not
 * got what tcpc_privilege_drop() keeps.
 * Returns: 0, or -EPERM and @err names what is missing.
 */
int tcpc_privilege_check(struct tcpc_err *err);

/**
 * tcpc_privilege_hide - no core dumps and no ptrace by others, locked memory as BPF needs it: from
 * before the key is read. Always succeeds as far as it matters.
 */
void tcpc_privilege_hide(void);

/**
 * tcpc_privilege_join - be in group @name and no other; NULL: in none. A file's owner may give it
 * to a group he is in, so the control socket needs no CAP_CHOWN.
 * @ret_gid: its number; (gid_t)-1 for none.
 * Returns: 0; -EINVAL if there is no such group; -EPERM without CAP_SETGID, unless we are in it.
 */
int tcpc_privilege_join(const char *name, gid_t *ret_gid, struct tcpc_err *err);

/**
 * tcpc_privilege_drop - keep CAP_BPF, CAP_NET_ADMIN, CAP_NET_RAW and CAP_PERFMON, in this thread
 * and those it starts later, and in the programs that it runs. Call while there is one thread.
 * Kernels before 5.8 have no CAP_BPF: there CAP_SYS_ADMIN stays in its place.
 * Returns: 0 or -errno; then nothing can be relied upon, and the daemon has to end.
 */
int tcpc_privilege_drop(struct tcpc_err *err);

/** tcpc_privilege_kept - the capabilities in force as bits, 1 << CAP_...; 0 if unknown. */
__u64 tcpc_privilege_kept(void);

#endif
