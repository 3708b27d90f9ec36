/* SPDX-License-Identifier: GPL-2.0-only */
/* netns.h - entering a network namespace (--netns). */
#ifndef TCPCOPY_EDGE_NETNS_H
#define TCPCOPY_EDGE_NETNS_H

#include "core/err.h"

/** tcpc_netns_enter - this process is in namespace @which (see core/netns.h) from now on. Call
 * before there are threads, and before capabilities are given up: it takes CAP_SYS_ADMIN. Returns 0
 * or -errno. */
int tcpc_netns_enter(const char *which, struct tcpc_err *err);

#endif
