/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hold_cut.h - cut a large frame (GRO, GSO) in two. A sender fills what is left of the receive
 * window and waits with the rest; a frame of 64 KB that waits as a whole may wait for ever, because
 * a target whose window is more than half open sees no need to announce that it has grown.
 */
#ifndef TCPCOPY_CORE_HOLD_CUT_H
#define TCPCOPY_CORE_HOLD_CUT_H

#include <stddef.h>
#include <linux/types.h>

#include "tcpcopy/parse.h"

/** tcpc_hold_cut_unit - bytes of payload of each segment in the frame behind @data's first
 * @head_bytes, which are a struct virtio_net_hdr; 0 if the frame is not one that can be cut. */
__u32 tcpc_hold_cut_unit(const void *data, size_t head_bytes);

/**
 * tcpc_hold_cut - move the first @n bytes of a frame's payload to a frame of its own.
 * @data: head and frame, for which tcpc_hold_cut_unit() is not 0; keeps the rest.
 * @pkt: the frame's headers.  @n: more than 0, less than @pkt->payload_bytes.
 * @front: room for the same head and headers, and @n bytes. PSH and FIN stay with the rest.
 */
void tcpc_hold_cut(__u8 *data, size_t head_bytes, const struct tcpc_pkt *pkt, __u32 n, __u8 *front);

#endif
