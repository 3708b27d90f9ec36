/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * diag.h - the target's half of one copied connection, found by its addresses and ports
 * without a look at any other; and a walk over all connections that goes on where it stopped, to
 * see how long each has been silent (sock_diag(7)).
 */
#ifndef TCPCOPY_EDGE_DIAG_H
#define TCPCOPY_EDGE_DIAG_H

#include <stdbool.h>

#include "core/err.h"
#include "tcpcopy/abi.h"

struct tcpc_diag;

/** tcpc_diag_open - a socket for the calls below. Returns 0, or -errno with @err set. */
int tcpc_diag_open(struct tcpc_diag **ret, struct tcpc_err *err);

/** tcpc_diag_close - NULL is fine. */
void tcpc_diag_close(struct tcpc_diag *diag);

/**
 * tcpc_diag_has - does the host have a connection for @flow, in whatever state (a request for one
 * and TIME_WAIT too)? A listener is none.
 * @ifindex: by which its packets come, for services that are bound to an interface.
 * Blocks for the kernel's answer, 2 s at most.  Returns: 1, 0 or -errno.
 */
int tcpc_diag_has(struct tcpc_diag *diag, const struct tcpc_flow *flow, int ifindex);

/**
 * tcpc_diag_end - end that connection. The kernel resets it: only while responses are held back.
 * Parameters and blocking as above, twice.  Returns: 1 if it was ended, 0 if there is none (any
 * more), -errno.
 */
int tcpc_diag_end(struct tcpc_diag *diag, const struct tcpc_flow *flow, int ifindex);

/** Called for each connection that has an open side to this host's applications. @idle_ms: since
 * data came or went last. May call the functions above, with another socket. */
typedef void (*tcpc_diag_idle)(void *user, const struct tcpc_flow *flow, __u32 idle_ms);

struct tcpc_diag_walk;

/** tcpc_diag_walk_start - begin a walk over the connections of both families. @ret: owned by the
 * caller. Returns 0, or -errno with @err set. */
int tcpc_diag_walk_start(struct tcpc_diag_walk **ret, struct tcpc_err *err);

/**
 * tcpc_diag_walk_step - go on: some 100 connections, found among some 1,000s at most where most
 * are of no interest. Connections that come or go meanwhile may be missed, or seen twice.
 * Returns: 1 if there is more, 0 at the end, -errno. The walk is to be freed in any case.
 */
int tcpc_diag_walk_step(struct tcpc_diag_walk *walk, tcpc_diag_idle cb, void *user);
void tcpc_diag_walk_free(struct tcpc_diag_walk *walk);

#endif
