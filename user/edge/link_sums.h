/* SPDX-License-Identifier: GPL-2.0-only */
/* link_sums.h - what online hosts say of themselves; a part of link_server.c. */
#ifndef TCPCOPY_EDGE_LINK_SUMS_H
#define TCPCOPY_EDGE_LINK_SUMS_H

#include "edge/link.h"
#include "edge/link_peer.h"

/** tcpc_link_sums_read - the frame SUMS of @peer: tells @user through @events. Returns
 * TCPC_FEEDBACK_OK, or why it is refused. */
enum tcpc_feedback_reason tcpc_link_sums_read(const struct tcpc_link_peer *peer,
					      struct tcpc_feedback_reader *body,
					      const struct tcpc_link_server_events *events,
					      void *user);

#endif
