/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * netns.h - what --netns names: a network namespace by its name (`ip netns`), a path, or a process
 * in it. Pure.
 */
#ifndef TCPCOPY_CORE_NETNS_H
#define TCPCOPY_CORE_NETNS_H

#include <stddef.h>

#include "core/err.h"

/** tcpc_netns_path - the file that stands for namespace @which. Returns 0 or -EINVAL. */
int tcpc_netns_path(const char *which, char *ret, size_t size, struct tcpc_err *err);

/** tcpc_netns_dir - the directory of the daemon in namespace @which, where that of the host's has
 * @base: BASE-web for "web". Returns 0 or -EINVAL. */
int tcpc_netns_dir(const char *base, const char *which, char *ret, size_t size,
		   struct tcpc_err *err);

#endif
