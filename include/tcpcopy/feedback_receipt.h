/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * feedback_receipt.h - RECEIPTS, the frame that flows by the ten thousand a second: packed, 28
 * bytes for IPv4 where struct tcpc_receipt takes 84. Pure.
 */
#ifndef TCPCOPY_FEEDBACK_RECEIPT_H
#define TCPCOPY_FEEDBACK_RECEIPT_H

#include "tcpcopy/feedback.h"

/* First byte of a receipt: how many SACK blocks follow it, and whether both addresses are IPv4 and
 * stand there with 4 bytes each. */
#define TCPC_FEEDBACK_RECEIPT_SACKS 0x07
#define TCPC_FEEDBACK_RECEIPT_V4 0x80

#define TCPC_FEEDBACK_RECEIPT_FIXED 20 /* bytes without addresses and SACK blocks */

/** A RECEIPTS body that is being filled. */
struct tcpc_feedback_batch {
	struct tcpc_feedback_writer w;
	__u32 n;
};

/** tcpc_feedback_batch_begin - start an empty batch in @buf (@size bytes). */
static inline void tcpc_feedback_batch_begin(struct tcpc_feedback_batch *b, void *buf, __u32 size)
{
	b->w = tcpc_feedback_begin(buf, size, TCPC_FEEDBACK_RECEIPTS);
	tcpc_feedback_put_u16(&b->w, 0);
	b->n = 0;
}

/* Addresses and ports. @v4: both addresses are IPv4, and take 4 bytes each. */
static inline void tcpc_feedback_put_flow(struct tcpc_feedback_writer *w,
					  const struct tcpc_flow *flow, int v4)
{
	__u32 skip = v4 ? 12 : 0;

	tcpc_feedback_put_bytes(w, (const __u8 *)&flow->client + skip, 16 - skip);
	tcpc_feedback_put_bytes(w, (const __u8 *)&flow->server + skip, 16 - skip);
	tcpc_feedback_put_bytes(w, &flow->client_port, 2);
	tcpc_feedback_put_bytes(w, &flow->server_port, 2);
}

static inline int tcpc_feedback_flow_is_v4(const struct tcpc_flow *flow)
{
	return tcpc_addr_is_v4(&flow->client) && tcpc_addr_is_v4(&flow->server);
}

/**
 * tcpc_feedback_batch_add - append @receipt.
 * Returns: 1; 0 if the batch is full (unchanged); -1 if @receipt has too many SACK blocks.
 */
static inline int tcpc_feedback_batch_add(struct tcpc_feedback_batch *b,
					  const struct tcpc_receipt *receipt)
{
	struct tcpc_flow flow = tcpc_receipt_flow(receipt);
	int v4 = tcpc_feedback_flow_is_v4(&flow);
	__u32 n_bytes = TCPC_FEEDBACK_RECEIPT_FIXED + (v4 ? 8 : 32) + receipt->n_sack * 8, i;
	struct tcpc_feedback_writer *w = &b->w;

	if (receipt->n_sack > TCPC_MAX_SACK)
		return -1;
	if (b->n >= TCPC_FEEDBACK_RECEIPTS_MAX || (__u64)(w->end - w->pos) < n_bytes)
		return 0;
	tcpc_feedback_put_u8(w, receipt->n_sack | (v4 ? TCPC_FEEDBACK_RECEIPT_V4 : 0));
	tcpc_feedback_put_u8(w, receipt->flags);
	tcpc_feedback_put_u16(w, receipt->window);
	tcpc_feedback_put_flow(w, &flow, v4);
	tcpc_feedback_put_u32(w, receipt->seq);
	tcpc_feedback_put_u32(w, receipt->ack);
	tcpc_feedback_put_u32(w, receipt->payload_bytes);
	for (i = 0; i < receipt->n_sack * 2u; i++)
		tcpc_feedback_put_u32(w, receipt->sack[i]);
	b->n++;
	return 1;
}

/** tcpc_feedback_batch_end - write the count. Returns: length of the body. */
static inline __u32 tcpc_feedback_batch_end(struct tcpc_feedback_batch *b)
{
	b->w.start[1] = b->n >> 8;
	b->w.start[2] = b->n;
	return tcpc_feedback_bytes(&b->w);
}

/** tcpc_feedback_get_receipts - head of RECEIPTS; @ret_n receipts follow, at least one. */
static inline enum tcpc_feedback_reason tcpc_feedback_get_receipts(struct tcpc_feedback_reader *r,
								   __u32 *ret_n)
{
	*ret_n = tcpc_feedback_take_u16(r);
	if (r->failed)
		return TCPC_FEEDBACK_SHORT;
	if (!*ret_n || *ret_n > TCPC_FEEDBACK_RECEIPTS_MAX)
		return TCPC_FEEDBACK_COUNT;
	return TCPC_FEEDBACK_OK;
}

static inline void tcpc_feedback_take_flow(struct tcpc_feedback_reader *r, struct tcpc_flow *ret,
					   int v4)
{
	__be32 v4_addr[2] = {0, 0};

	ret->pad = 0;
	if (v4) {
		tcpc_feedback_take_bytes(r, v4_addr, sizeof(v4_addr));
		ret->client = tcpc_addr_from_v4(v4_addr[0]);
		ret->server = tcpc_addr_from_v4(v4_addr[1]);
	} else {
		tcpc_feedback_take_bytes(r, &ret->client, sizeof(ret->client));
		tcpc_feedback_take_bytes(r, &ret->server, sizeof(ret->server));
	}
	tcpc_feedback_take_bytes(r, &ret->client_port, 2);
	tcpc_feedback_take_bytes(r, &ret->server_port, 2);
}

/** tcpc_feedback_get_receipt - one receipt. @ret: all of it is set, unused SACK blocks to zero;
 * undefined unless TCPC_FEEDBACK_OK is returned. */
static inline enum tcpc_feedback_reason tcpc_feedback_get_receipt(struct tcpc_feedback_reader *r,
								  struct tcpc_receipt *ret)
{
	__u8 head = tcpc_feedback_take_u8(r);
	int v4 = !!(head & TCPC_FEEDBACK_RECEIPT_V4);
	struct tcpc_flow flow = {};
	__u32 i;

	__builtin_memset(ret, 0, sizeof(*ret));
	ret->n_sack = head & TCPC_FEEDBACK_RECEIPT_SACKS;
	if (head & ~(TCPC_FEEDBACK_RECEIPT_SACKS | TCPC_FEEDBACK_RECEIPT_V4))
		return TCPC_FEEDBACK_VALUE;
	if (ret->n_sack > TCPC_MAX_SACK)
		return TCPC_FEEDBACK_COUNT;
	ret->flags = tcpc_feedback_take_u8(r);
	ret->window = tcpc_feedback_take_u16(r);
	tcpc_feedback_take_flow(r, &flow, v4);
	ret->client = flow.client;
	ret->server = flow.server;
	ret->client_port = flow.client_port;
	ret->server_port = flow.server_port;
	ret->seq = tcpc_feedback_take_u32(r);
	ret->ack = tcpc_feedback_take_u32(r);
	ret->payload_bytes = tcpc_feedback_take_u32(r);
	for (i = 0; i < ret->n_sack * 2u; i++)
		ret->sack[i] = tcpc_feedback_take_u32(r);
	if (r->failed)
		return TCPC_FEEDBACK_SHORT;
	/* One encoding each: two IPv4 addresses have to come in the short form. */
	if (!v4 && tcpc_feedback_flow_is_v4(&flow))
		return TCPC_FEEDBACK_VALUE;
	return TCPC_FEEDBACK_OK;
}

#endif
