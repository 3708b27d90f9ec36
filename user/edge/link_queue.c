// SPDX-License-Identifier: GPL-2.0-only
/* link_queue.c - see link_queue.h. */
#include "edge/link_queue.h"

#include <stdlib.h>

__u8 *tcpc_link_queue_reserve(struct tcpc_link_queue *q, __u32 n)
{
	struct tcpc_link_block *block = q->tail;

	if (n > TCPC_LINK_BLOCK_BYTES)
		return NULL;
	if (block && TCPC_LINK_BLOCK_BYTES - block->end >= n)
		return block->data + block->end;
	/* Not calloc: pages that are never written are never resident. */
	block = malloc(sizeof(*block));
	if (!block)
		return NULL;
	block->next = NULL;
	block->start = 0;
	block->end = 0;
	if (q->tail)
		q->tail->next = block;
	else
		q->head = block;
	q->tail = block;
	return block->data;
}

void tcpc_link_queue_commit(struct tcpc_link_queue *q, __u32 n)
{
	q->tail->end += n;
	q->n_bytes += n;
}

__u32 tcpc_link_queue_peek(const struct tcpc_link_queue *q, __u8 **ret_data)
{
	const struct tcpc_link_block *block = q->head;

	if (!q->n_bytes)
		return 0;
	*ret_data = q->head->data + block->start;
	return block->end - block->start;
}

void tcpc_link_queue_consume(struct tcpc_link_queue *q, __u32 n)
{
	struct tcpc_link_block *block = q->head;

	q->n_bytes -= n;
	block->start += n;
	if (block->start < block->end)
		return;
	/* The last block is kept and filled again from its start: no malloc in the usual case, and
	 * the bytes written again and again are the ones that are in the cache. */
	if (!block->next) {
		block->start = 0;
		block->end = 0;
		return;
	}
	q->head = block->next;
	free(block);
}

void tcpc_link_queue_clear(struct tcpc_link_queue *q)
{
	struct tcpc_link_block *block;

	while ((block = q->head)) {
		q->head = block->next;
		free(block);
	}
	q->tail = NULL;
	q->n_bytes = 0;
}
