/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * link_input.h - what a peer sends: the handshake, then frames, checked before anybody acts on
 * them. Private to link_peer.c and link_input.c, which call each other.
 */
#ifndef TCPCOPY_EDGE_LINK_INPUT_H
#define TCPCOPY_EDGE_LINK_INPUT_H

#include "edge/link_peer.h"

/** tcpc_link_input_start - begin to read. Returns 0 or -errno. */
int tcpc_link_input_start(struct tcpc_link_peer *peer);

/** tcpc_link_peer_queue_raw - queue @n bytes as they are. Returns 0 or -ENOMEM. */
int tcpc_link_peer_queue_raw(struct tcpc_link_peer *peer, const __u8 *bytes, __u32 n);

/** tcpc_link_peer_queue_hello - queue our hello. Returns 0, -ENOMEM or -ENOBUFS. */
int tcpc_link_peer_queue_hello(struct tcpc_link_peer *peer);

/** tcpc_link_peer_deadline - look at the time again @after_ms from now. */
void tcpc_link_peer_deadline(struct tcpc_link_peer *peer, __u32 after_ms);

#endif
