/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * notify.h - what the service manager wants to know: ready, reloading, stopping, still alive. The
 * protocol is that of sd_notify(3): datagrams of VARIABLE=value lines to $NOTIFY_SOCKET. Without
 * that variable nothing is said.
 */
#ifndef TCPCOPY_EDGE_NOTIFY_H
#define TCPCOPY_EDGE_NOTIFY_H

#include <stdbool.h>
#include <uv.h>

struct tcpc_notify {
	uv_timer_t timer; /* of the watchdog */
	int fd;		  /* -1: nobody listens */
	bool watched;
};

/**
 * tcpc_notify_open - find out who listens, and begin to say WATCHDOG=1 at twice the pace that
 * $WATCHDOG_USEC asks for: from the loop, so that a loop that hangs falls silent. Takes the
 * variables out of the environment: programs that we run have nothing to say there.
 * @n: has to live until the loop has run its close callbacks.
 * Returns: 0, also if nobody listens; -errno if the socket that is named cannot be used.
 */
int tcpc_notify_open(struct tcpc_notify *n, uv_loop_t *loop);

/**
 * tcpc_notify_say - send @state, such as "READY=1\nSTATUS=...". Not sent is not an error: the
 * manager acts on its own when it hears nothing.
 */
void tcpc_notify_say(const struct tcpc_notify *n, const char *state);

/** tcpc_notify_reloading - as Type=notify-reload wants it, with the time; ends with READY=1. */
void tcpc_notify_reloading(const struct tcpc_notify *n);

/** tcpc_notify_close - call while the loop runs. Safe on one that is closed (fd -1). */
void tcpc_notify_close(struct tcpc_notify *n);

#endif
