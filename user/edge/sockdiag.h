/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sockdiag.h - end the target's own half of copied connections (sock_diag(7), SOCK_DESTROY), so
 * that nothing retransmits to a client once responses are no longer held back.
 */
#ifndef TCPCOPY_EDGE_SOCKDIAG_H
#define TCPCOPY_EDGE_SOCKDIAG_H

#include <stdbool.h>

#include "core/err.h"
#include "core/text.h"
#include "tcpcopy/abi.h"

/** Decides about one connection of a local port; @flow->client is the remote side. */
typedef bool (*tcpc_sockdiag_match)(void *user, const struct tcpc_flow *flow);

/**
 * tcpc_sockdiag_destroy - end every TCP connection (all states but LISTEN; request sockets and
 * TIME_WAIT too, both families) whose local port is one of @ports and that @match accepts.
 * @ports: wire order.  @match: NULL for all.  @ret_left: matching connections that could not be
 * ended; set on success.
 * Blocks: lists and ends at most three times; 2 s at most for any answer of the kernel's.
 * The kernel resets the connections it ends: call this while responses are still held back.
 * Returns: number ended, or -errno (-EOPNOTSUPP: kernel without CONFIG_INET_DIAG_DESTROY).
 */
int tcpc_sockdiag_destroy(const __be16 *ports, unsigned int n_ports, tcpc_sockdiag_match match,
			  void *user, unsigned int *ret_left, struct tcpc_err *err);

/**
 * tcpc_sockdiag_each - show @see every established connection (also half-closed by its client) of
 * the @ports; nothing is ended. What @see returns is of no interest.
 * Parameters and blocking as above.  Returns: 0 or -errno.
 */
int tcpc_sockdiag_each(const __be16 *ports, unsigned int n_ports, tcpc_sockdiag_match see,
		       void *user, struct tcpc_err *err);

/** tcpc_sockdiag_local - show @see every TCP socket that has a local address: connections, and
 * listeners (their remote side is all zero) that are not open to all addresses. Blocks as above.
 * Returns 0 or -errno. */
int tcpc_sockdiag_local(tcpc_sockdiag_match see, void *user, struct tcpc_err *err);

/** A socket that listens. */
struct tcpc_listener {
	struct tcpc_endpoint at; /* address 0: of every address */
	bool v4, v6;		 /* takes connections of this family */
	__u32 waiting, limit;	 /* in its accept queue; how many fit */
};

/** tcpc_sockdiag_listeners - up to @max that listen on @port. Blocks as above. Returns how many
 * there are (may exceed @max), or -errno. */
int tcpc_sockdiag_listeners(__be16 port, struct tcpc_listener *ret, int max, struct tcpc_err *err);

/** tcpc_sockdiag_check - 0 if this kernel can end connections (privileges are not looked at), else
 * what the call above would say: better known before connections exist that must be ended. */
int tcpc_sockdiag_check(struct tcpc_err *err);

#endif
