/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * link_nudge.h - a feedback link on a way that loses packets. TCP notices that the last packet of
 * several is lost only by its timeout, 200 ms and twice as much each time, and three of these are
 * longer than the lease. Something small sent behind it shows the hole at once (RFC 8985).
 */
#ifndef TCPCOPY_EDGE_LINK_NUDGE_H
#define TCPCOPY_EDGE_LINK_NUDGE_H

/* How long after something was sent to look first, and from then on. Where nothing is lost all is
 * acknowledged by then. */
#define TCPC_LINK_NUDGE_MS 10

enum tcpc_link_nudge {
	TCPC_LINK_NUDGE_DONE, /* all is acknowledged */
	TCPC_LINK_NUDGE_WAIT, /* an answer may still come, or TCP has something to send by itself */
	TCPC_LINK_NUDGE_SEND, /* send something */
};

/** tcpc_link_nudge_prepare - have TCP on socket @fd wait no longer than it must before it sends
 * again what nothing else shows to be lost. Linux before 6.15 cannot; there it waits for 200 ms. */
void tcpc_link_nudge_prepare(int fd);

/** tcpc_link_nudge_look - what the TCP socket @fd needs. DONE if it cannot say. */
enum tcpc_link_nudge tcpc_link_nudge_look(int fd);

#endif
