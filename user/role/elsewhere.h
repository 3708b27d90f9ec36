/* SPDX-License-Identifier: GPL-2.0-only */
/* elsewhere.h - the command's half of --netns: a daemon that works in another network namespace. */
#ifndef TCPCOPY_ROLE_ELSEWHERE_H
#define TCPCOPY_ROLE_ELSEWHERE_H

#include <stddef.h>

#include "core/err.h"

/** tcpc_elsewhere_take - take --netns out of @argv, wherever it stands: commands know nothing of
 * it.
 * @dir: room for @size bytes.  @ret_netns, @ret_run_dir: left alone if it was not given, else
 * borrowed from @argv, and @dir, the run directory of the daemon there.  Returns 0 or -EINVAL. */
int tcpc_elsewhere_take(int *argc, const char **argv, char *dir, size_t size,
			const char **ret_netns, const char **ret_run_dir, struct tcpc_err *err);

/** tcpc_elsewhere_explain - @err, of asking the daemon in @netns (NULL: of this namespace), says
 * what to start if there is none. Returns -errno, what @err has. */
int tcpc_elsewhere_explain(const char *netns, const char *run_dir, struct tcpc_err *err);

#endif
