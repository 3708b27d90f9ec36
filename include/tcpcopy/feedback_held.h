/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * feedback_held.h - HELD and SHED, the frames that say what the target host has in its hold queue
 * and which connections it has ended itself; and BREAK, by which an online host has one ended.
 * Pure.
 */
#ifndef TCPCOPY_FEEDBACK_HELD_H
#define TCPCOPY_FEEDBACK_HELD_H

#include "tcpcopy/feedback_receipt.h"

/* More than any packet or run of packets can be: the queue is bounded. */
#define TCPC_FEEDBACK_HELD_BYTES (1u << 30)

/* First byte of each element: as in a receipt, without SACK blocks. */
#define TCPC_FEEDBACK_HELD_FIXED 13 /* bytes beside the addresses */
#define TCPC_FEEDBACK_SHED_FIXED 6

/* Why the target host ended a connection; the numbers travel in SHED. Add at the end only. */
#define TCPC_FEEDBACK_SHED_REASONS(X)                                                              \
	X(SLOW, "the hold queue gave it up: the target was too slow")                              \
	X(AGED, "no data came or went for --idle")                                                 \
	X(ALLOWED, "its client uses the target itself from now on")

#define TCPC_FEEDBACK_SHED_NAME(name, text) TCPC_FEEDBACK_SHED_##name,
enum tcpc_feedback_shed_reason {
	TCPC_FEEDBACK_SHED_NONE,
	TCPC_FEEDBACK_SHED_REASONS(TCPC_FEEDBACK_SHED_NAME) __TCPC_FEEDBACK_SHED_MAX,
};
#undef TCPC_FEEDBACK_SHED_NAME

/** What lies from @seq up to @end waits in the hold queue. SYN and FIN count one each. */
struct tcpc_held {
	struct tcpc_flow flow;
	__u32 seq; /* host order */
	__u32 end;
};

/** A connection that the target host has ended. */
struct tcpc_shed {
	struct tcpc_flow flow;
	__u32 reason; /* enum tcpc_feedback_shed_reason */
};

/** A connection that an online host gives up. What begins at @end may open it anew; the client's
 * ACK number before that was @ack. Host order. */
struct tcpc_break {
	struct tcpc_flow flow;
	__u32 end, ack;
};

/** tcpc_feedback_news_begin - start an empty batch of @type, HELD or SHED, in @buf (@size bytes).
 * It ends with tcpc_feedback_batch_end(). */
static inline void tcpc_feedback_news_begin(struct tcpc_feedback_batch *b, void *buf, __u32 size,
					    enum tcpc_feedback_type type)
{
	b->w = tcpc_feedback_begin(buf, size, type);
	tcpc_feedback_put_u16(&b->w, 0);
	b->n = 0;
}

static inline int tcpc_feedback_news_full(const struct tcpc_feedback_batch *b, __u32 fixed, int v4)
{
	return b->n >= TCPC_FEEDBACK_HELD_MAX ||
	       (__u64)(b->w.end - b->w.pos) < fixed + (v4 ? 8 : 32);
}

/** tcpc_feedback_held_ok - can it be said? @end is not before @seq. */
static inline int tcpc_feedback_held_ok(const struct tcpc_held *held)
{
	return held->end - held->seq <= TCPC_FEEDBACK_HELD_BYTES;
}

/** tcpc_feedback_shed_ok - is its reason one? */
static inline int tcpc_feedback_shed_ok(const struct tcpc_shed *shed)
{
	return shed->reason > TCPC_FEEDBACK_SHED_NONE && shed->reason < __TCPC_FEEDBACK_SHED_MAX;
}

/** tcpc_feedback_add_held - append to a batch of HELD. Returns: 1; 0 if the batch is full
 * (unchanged); -1 if @held makes no sense. */
static inline int tcpc_feedback_add_held(struct tcpc_feedback_batch *b,
					 const struct tcpc_held *held)
{
	int v4 = tcpc_feedback_flow_is_v4(&held->flow);

	if (!tcpc_feedback_held_ok(held))
		return -1;
	if (tcpc_feedback_news_full(b, TCPC_FEEDBACK_HELD_FIXED, v4))
		return 0;
	tcpc_feedback_put_u8(&b->w, v4 ? TCPC_FEEDBACK_RECEIPT_V4 : 0);
	tcpc_feedback_put_flow(&b->w, &held->flow, v4);
	tcpc_feedback_put_u32(&b->w, held->seq);
	tcpc_feedback_put_u32(&b->w, held->end);
	b->n++;
	return 1;
}

/** tcpc_feedback_add_shed - the same for SHED. */
static inline int tcpc_feedback_add_shed(struct tcpc_feedback_batch *b,
					 const struct tcpc_shed *shed)
{
	int v4 = tcpc_feedback_flow_is_v4(&shed->flow);

	if (!tcpc_feedback_shed_ok(shed))
		return -1;
	if (tcpc_feedback_news_full(b, TCPC_FEEDBACK_SHED_FIXED, v4))
		return 0;
	tcpc_feedback_put_u8(&b->w, v4 ? TCPC_FEEDBACK_RECEIPT_V4 : 0);
	tcpc_feedback_put_u8(&b->w, shed->reason);
	tcpc_feedback_put_flow(&b->w, &shed->flow, v4);
	b->n++;
	return 1;
}

/** tcpc_feedback_get_news - head of HELD and SHED; @ret_n elements follow, at least one. */
static inline enum tcpc_feedback_reason tcpc_feedback_get_news(struct tcpc_feedback_reader *r,
							       __u32 *ret_n)
{
	*ret_n = tcpc_feedback_take_u16(r);
	if (r->failed)
		return TCPC_FEEDBACK_SHORT;
	if (!*ret_n || *ret_n > TCPC_FEEDBACK_HELD_MAX)
		return TCPC_FEEDBACK_COUNT;
	return TCPC_FEEDBACK_OK;
}

/* One encoding each: two IPv4 addresses have to come in the short form. */
static inline int tcpc_feedback_form_ok(const struct tcpc_flow *flow, __u8 head)
{
	return head == (tcpc_feedback_flow_is_v4(flow) ? TCPC_FEEDBACK_RECEIPT_V4 : 0);
}

/** tcpc_feedback_get_held - one element of HELD; all of @ret is set, undefined unless
 * TCPC_FEEDBACK_OK is returned. */
static inline enum tcpc_feedback_reason tcpc_feedback_get_held(struct tcpc_feedback_reader *r,
							       struct tcpc_held *ret)
{
	__u8 head = tcpc_feedback_take_u8(r);

	if (head & ~TCPC_FEEDBACK_RECEIPT_V4)
		return TCPC_FEEDBACK_VALUE;
	tcpc_feedback_take_flow(r, &ret->flow, head);
	ret->seq = tcpc_feedback_take_u32(r);
	ret->end = tcpc_feedback_take_u32(r);
	if (r->failed)
		return TCPC_FEEDBACK_SHORT;
	return tcpc_feedback_form_ok(&ret->flow, head) && tcpc_feedback_held_ok(ret)
		       ? TCPC_FEEDBACK_OK
		       : TCPC_FEEDBACK_VALUE;
}

/** tcpc_feedback_get_shed - one element of SHED, likewise. */
static inline enum tcpc_feedback_reason tcpc_feedback_get_shed(struct tcpc_feedback_reader *r,
							       struct tcpc_shed *ret)
{
	__u8 head = tcpc_feedback_take_u8(r);

	if (head & ~TCPC_FEEDBACK_RECEIPT_V4)
		return TCPC_FEEDBACK_VALUE;
	ret->reason = tcpc_feedback_take_u8(r);
	tcpc_feedback_take_flow(r, &ret->flow, head);
	if (r->failed)
		return TCPC_FEEDBACK_SHORT;
	return tcpc_feedback_form_ok(&ret->flow, head) && tcpc_feedback_shed_ok(ret)
		       ? TCPC_FEEDBACK_OK
		       : TCPC_FEEDBACK_VALUE;
}

/** tcpc_feedback_put_break - the fields of BREAK. */
static inline void tcpc_feedback_put_break(struct tcpc_feedback_writer *w,
					   const struct tcpc_break *b)
{
	int v4 = tcpc_feedback_flow_is_v4(&b->flow);

	tcpc_feedback_put_u8(w, v4 ? TCPC_FEEDBACK_RECEIPT_V4 : 0);
	tcpc_feedback_put_flow(w, &b->flow, v4);
	tcpc_feedback_put_u32(w, b->end);
	tcpc_feedback_put_u32(w, b->ack);
}

/** tcpc_feedback_get_break - all of BREAK; @ret is undefined unless TCPC_FEEDBACK_OK is returned.
 */
static inline enum tcpc_feedback_reason tcpc_feedback_get_break(struct tcpc_feedback_reader *r,
								struct tcpc_break *ret)
{
	__u8 head = tcpc_feedback_take_u8(r);

	if (head & ~TCPC_FEEDBACK_RECEIPT_V4)
		return TCPC_FEEDBACK_VALUE;
	tcpc_feedback_take_flow(r, &ret->flow, head);
	ret->end = tcpc_feedback_take_u32(r);
	ret->ack = tcpc_feedback_take_u32(r);
	if (r->failed)
		return TCPC_FEEDBACK_SHORT;
	return tcpc_feedback_form_ok(&ret->flow, head) ? tcpc_feedback_done(r)
						       : TCPC_FEEDBACK_VALUE;
}

#endif
