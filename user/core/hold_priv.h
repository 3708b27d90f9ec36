/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hold_priv.h - what the hold queue keeps, for hold*.c alone.
 *
 * hold.c        whose turn it is
 * hold_store.c  connections, and their packets in the order of their bytes
 * hold_sent.c   what was released and is not acknowledged
 * hold_cut.c    large packets in two
 */
#ifndef TCPCOPY_CORE_HOLD_PRIV_H
#define TCPCOPY_CORE_HOLD_PRIV_H

#include "core/hold.h"
#include "tcpcopy/parse.h"

#define BUCKETS 4096
#define SOURCE_MAC_OFF 6
/* A packet is further from the SYN of another connection than from its own, but for chance. */
#define HOLD_SAME_CONNECTION (1u << 30)

enum told {
	HOLD_NOT_TOLD, /* in the list of these */
	HOLD_TOLD,
	HOLD_GOES_ON, /* neither: it goes on at once */
};

struct packet {
	struct packet *next;
	struct packet *older, *newer; /* of all that are not told yet */
	struct held *of;
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
	__u8 told; /* enum told */
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
	bool gap;	 /* what the first packet waits for was lost on the way */
};

struct sent;

struct tcpc_hold {
	struct held *buckets[BUCKETS];
	struct sent *sent, **sent_tail; /* in the order in which they are to be looked at */
	struct sent *late;		/* those that had to be looked at again */
	struct packet *oldest, *newest; /* of those not told yet */
	size_t untold_bytes;		/* payload of these */
	size_t limit_bytes;
	__u64 max_lag_ns;
	__u64 gaps_until_ns; /* before it nothing is given up because of a gap */
	struct tcpc_hold_ops ops;
	void *user;
	struct tcpc_hold_stats stats;
};

/** hold_seq - number of a packet's first byte; of a SYN its own. */
static inline __u32 hold_seq(const struct packet *p)
{
	return p->seq_end - p->payload_bytes;
}

/** hold_end_of - the number behind a packet whose last byte is before @seq_end: SYN and FIN count
 * one each. */
static inline __u32 hold_end_of(__u32 seq_end, __u8 flags)
{
	return seq_end + !!(flags & TCPC_TCP_SYN) + !!(flags & TCPC_TCP_FIN);
}

/** hold_is_own_syn - is this SYN the one that opened the connection that the target has? Sent
 * again, since the word that it had come was late. */
static inline bool hold_is_own_syn(const struct packet *syn, const struct tcpc_exchange *x)
{
	return x->exchanges && hold_seq(syn) == x->syn_seq;
}

/** hold_size - memory that a packet takes. */
static inline size_t hold_size(const struct packet *p)
{
	return sizeof(*p) + p->room;
}

/** hold_flow - the connection of a packet that comes in. */
struct tcpc_flow hold_flow(const struct tcpc_pkt *pkt);

/** hold_find - where @flow's connection hangs; points to NULL if there is none. */
struct held **hold_find(struct tcpc_hold *hold, const struct tcpc_flow *flow);

/** hold_need - the same, made if need be. NULL: out of memory. */
struct held **hold_need(struct tcpc_hold *hold, const struct tcpc_flow *flow, __u64 now_ns);

/** hold_forget - free a connection and its packets. */
void hold_forget(struct tcpc_hold *hold, struct held **at);

/** hold_new_packet - a copy of the frame @data, with its head; in no queue yet. NULL: no memory. */
struct packet *hold_new_packet(const struct tcpc_pkt *pkt, __u64 now_ns, const void *data,
			       size_t head_bytes, size_t bytes);

/** hold_has - does all of @pkt wait already? */
bool hold_has(const struct held *f, const struct tcpc_pkt *pkt);

/** hold_put - queue @p where its bytes belong; not told yet. @early: it is back and goes to the
 * front, into the connection that is first. */
void hold_put(struct tcpc_hold *hold, struct held *f, struct packet *p, bool early);

/** hold_is_told - take @p, which is in the queue, out of those that are not told yet. */
void hold_is_told(struct tcpc_hold *hold, struct packet *p);

/** hold_write - write @p back. @number: for its tag, see tcpcopy/hold.h.  Returns: as emit(). */
int hold_write(struct tcpc_hold *hold, struct packet *p, __u32 number);

/** hold_shed - give a connection up. All of it is told first: what the online host has sent beyond
 * it is not lost with it. */
void hold_shed(struct tcpc_hold *hold, struct held **at);

/** hold_sent_keep - look after @p, which was released, if nobody else does. Returns: is it kept,
 * and not the caller's any more? */
bool hold_sent_keep(struct tcpc_hold *hold, const struct tcpc_flow *flow, struct packet *p,
		    __u64 now_ns);

/** hold_sent_tick - what is acknowledged is forgotten, the rest is written back again. */
void hold_sent_tick(struct tcpc_hold *hold, __u64 now_ns);

/** hold_sent_drop - the oldest of it goes, for @bytes that need its room. */
void hold_sent_drop(struct tcpc_hold *hold, size_t bytes);

/** hold_cut_head - put the first @n bytes of the first packet in front of it, to go on at once.
 * Returns: false without memory for it; then nothing changes. */
bool hold_cut_head(struct tcpc_hold *hold, struct held *f, __u32 n);

/** hold_pop - take the first packet out of everything; the caller's now. */
struct packet *hold_pop(struct tcpc_hold *hold, struct held *f);

#endif
