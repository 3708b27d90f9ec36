/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * netwatch.h - hears from the kernel that interfaces or addresses have changed. What has become of
 * them the caller looks up: by the time he hears of it, it may have changed again.
 */
#ifndef TCPCOPY_EDGE_NETWATCH_H
#define TCPCOPY_EDGE_NETWATCH_H

#include <uv.h>

#include "core/err.h"

struct tcpc_netwatch;

/** Something has changed. @gone_ifindex: this interface was deleted or moved away, and its number
 * may be another's by now; 0: anything else. */
typedef void (*tcpc_netwatch_cb)(void *user, int gone_ifindex);

/** tcpc_netwatch_start - call @cb from now on, on @loop. What happened before is not told. Returns
 * 0 or -errno. */
int tcpc_netwatch_start(uv_loop_t *loop, tcpc_netwatch_cb cb, void *user,
			struct tcpc_netwatch **ret, struct tcpc_err *err);

/** tcpc_netwatch_stop - no more calls; frees itself later, on the loop. NULL is fine. */
void tcpc_netwatch_stop(struct tcpc_netwatch *watch);

#endif
