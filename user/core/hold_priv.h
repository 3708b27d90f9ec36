/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hold_priv.h - what the hold queue keeps, for hold.c alone.
 */
#ifndef TCPCOPY_CORE_HOLD_PRIV_H
#define TCPCOPY_CORE_HOLD_PRIV_H

#include "core/hold.h"

#define BUCKETS 4096

struct packet {
	struct packet *next;
	__u64 since_ns;
	__u32 seq_end;
	__u32 ack;
	__u32 payload_bytes;
	__u32 bytes; /* of @data in use */
	__u32 room;  /* and in all */
	__u32 cut_unit;
	__u16 greeting;	  /* bytes that its client had read before it spoke, see greeting.h */
	__u16 head_bytes; /* in front of the frame in @data */
	__u8 flags;
	__u8 data[] __attribute__((aligned(8)));
};

/* What was released last, and the kernel must have seen before its view of the connection counts:
 * until then it still shows the answer before, which would be taken for the next one. */
enum unseen { NOTHING, REQUEST, NEW_CONNECTION };

/** A connection with packets in the queue, or with a release that the kernel has not seen. */
struct held {
	struct held *next;
	struct tcpc_flow flow;
	struct packet *head, **tail;
	__u32 number; /* of the last packet taken, see struct tcpc_hold_tag */
	size_t bytes;
	__u32 answer_end;  /* when last looked at */
	__u64 progress_ns; /* when it last changed, or a packet was released */
	enum unseen unseen;
	__u32 begun_ack; /* REQUEST: the ACK number that began its exchange */
	__u64 shut_ns;	 /* the target has not opened the connection: since then. 0: no */
	__u64 retry_ns;	 /* shut: when to try again, unless the target says something */
};

struct tcpc_hold {
	struct held *buckets[BUCKETS];
	size_t limit_bytes;
	__u64 max_lag_ns;
	struct tcpc_hold_ops ops;
	void *user;
	struct tcpc_hold_stats stats;
};

#endif
