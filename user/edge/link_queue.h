/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * link_queue.h - bytes waiting to be sent to one peer, in blocks: it grows when the peer is slow,
 * and keeps next to nothing when it is not. Private to link_*.c. No socket in here.
 */
#ifndef TCPCOPY_EDGE_LINK_QUEUE_H
#define TCPCOPY_EDGE_LINK_QUEUE_H

#include <linux/types.h>

/* Big enough for three of the largest frames. */
#define TCPC_LINK_BLOCK_BYTES 57344

struct tcpc_link_block {
	struct tcpc_link_block *next;
	__u32 start; /* first byte not yet sent */
	__u32 end;
	__u8 data[TCPC_LINK_BLOCK_BYTES];
};

/** Zeroed: empty. */
struct tcpc_link_queue {
	struct tcpc_link_block *head, *tail;
	__u32 n_bytes;
};

/** tcpc_link_queue_reserve - room for @n bytes in a row behind what is queued; a block's size at
 * most. Valid until the next call. Returns: NULL if out of memory (queue unchanged). */
__u8 *tcpc_link_queue_reserve(struct tcpc_link_queue *q, __u32 n);

/** tcpc_link_queue_commit - the first @n bytes of what was reserved are queued. */
void tcpc_link_queue_commit(struct tcpc_link_queue *q, __u32 n);

/** tcpc_link_queue_peek - the oldest bytes, as many as lie in a row; they stay in place, also when
 * more are queued. Returns: how many, 0 if empty. */
__u32 tcpc_link_queue_peek(const struct tcpc_link_queue *q, __u8 **ret_data);

/** tcpc_link_queue_consume - forget the oldest @n bytes, at most what peek reported. */
void tcpc_link_queue_consume(struct tcpc_link_queue *q, __u32 n);

/** tcpc_link_queue_clear - free everything. */
void tcpc_link_queue_clear(struct tcpc_link_queue *q);

#endif
