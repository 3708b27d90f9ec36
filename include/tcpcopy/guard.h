/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * guard.h - what keeps copying within its bounds: a bucket for a rate, and the connections that
 * were refused. Pure: time is an argument.
 *
 * A connection is copied whole or not at all, since half of one is of no use to the target. So when
 * a bucket runs low, connections that begin are refused first; only when it is empty the copies of
 * running ones are ended, each with a FIN. Whoever was refused has to be remembered until it ends,
 * or the target would take it up in its middle.
 */
#ifndef TCPCOPY_GUARD_H
#define TCPCOPY_GUARD_H

#include "tcpcopy/abi.h"
#include "tcpcopy/bucket.h"
#include "tcpcopy/parse.h"
#include "tcpcopy/ways.h"

/* A program that seems to take longer was interrupted by a host that let its machine stand still.
 */
#define TCPC_RUN_MAX_NS 200000

/** tcpc_budget_level - the lower level of both buckets. */
static inline enum tcpc_level tcpc_budget_level(const struct tcpc_budget *b, __u64 now_ns)
{
	enum tcpc_level packets = tcpc_bucket_level(&b->packets, now_ns);
	enum tcpc_level bytes = tcpc_bucket_level(&b->bytes, now_ns);

	return packets < bytes ? packets : bytes;
}

/** tcpc_budget_take - one packet to each of the targets. @segments: of a merged packet, each with
 * @header_bytes of its own on the wire. */
static inline void tcpc_budget_take(struct tcpc_budget *b, __u64 now_ns, __u32 bytes,
				    __u32 segments, __u32 header_bytes)
{
	__u64 packets = (segments ?: 1) * b->weight;
	__u64 all_bytes = bytes * b->weight + (packets - b->weight) * header_bytes;

	tcpc_bucket_take(&b->packets, now_ns, packets);
	tcpc_bucket_take(&b->bytes, now_ns, all_bytes);
	__sync_fetch_and_add(&b->taken_packets, packets);
	__sync_fetch_and_add(&b->taken_bytes, all_bytes);
}

/* ---- who was refused ------------------------------------------------------------------------- */

/** tcpc_refused_key - tcpc_ways_key() of a client's packet. */
static inline __u64 tcpc_refused_key(const __u64 key[2], const struct tcpc_pkt *pkt, __u32 who)
{
	return tcpc_ways_key(key, &pkt->saddr, (__u32)pkt->sport << 16 | pkt->dport, who);
}

/* In a way's word: the SYN's sequence number; or, marked, when a running one was cut. */

/* A connection whose copy was ended is taken up again after so many units of 1.07 s at the soonest,
 * in its middle, as after `attach`: else long ones would be left out for ever. */
#define TCPC_REFUSED_SHIFT 30
#define TCPC_REFUSED_CUT_FOR 5

enum tcpc_refused_state {
	TCPC_REFUSED_NOT,
	TCPC_REFUSED_SAME,  /* at a SYN with just this number: this one was sent again */
	TCPC_REFUSED_OTHER, /* at another SYN, or this is none */
	TCPC_REFUSED_CUT,   /* its copy was ended in its middle */
	TCPC_REFUSED_BACK,  /* likewise, long enough ago to take it up again */
};

/** tcpc_refused_state - what is known of a connection. @seq: SEG.SEQ of its packet. */
static inline enum tcpc_refused_state tcpc_refused_state(const struct tcpc_ways *set, __u32 tag,
							 __u32 seq, __u64 now_ns)
{
	int i = tcpc_ways_find(set, tag);

	if (i < 0)
		return TCPC_REFUSED_NOT;
	if (!(set->mark & 1u << i))
		return (__u32)set->way[i] == seq ? TCPC_REFUSED_SAME : TCPC_REFUSED_OTHER;
	if ((__u32)(now_ns >> TCPC_REFUSED_SHIFT) - (__u32)set->way[i] > TCPC_REFUSED_CUT_FOR)
		return TCPC_REFUSED_BACK;
	return TCPC_REFUSED_CUT;
}

/* ---- what becomes of a packet ---------------------------------------------------------------- */

/* What has to be known of it. */
#define TCPC_GUARD_SYN (1u << 0)	 /* begins a connection */
#define TCPC_GUARD_AGAIN (1u << 1)	 /* a SYN that was let through before */
#define TCPC_GUARD_ENDS (1u << 2)	 /* FIN or RST */
#define TCPC_GUARD_DATA (1u << 3)	 /* data, and none of these */
#define TCPC_GUARD_NEW_OUT (1u << 4)	 /* outside of what --max-cpu leaves to new connections */
#define TCPC_GUARD_RUNNING_OUT (1u << 5) /* and to running ones */

enum tcpc_guard_verdict {
	TCPC_GUARD_PASS,
	TCPC_GUARD_REFUSE_BUDGET, /* not copied, nor what follows */
	TCPC_GUARD_REFUSE_CPU,
	TCPC_GUARD_CUT_BUDGET, /* copied with a FIN; not what follows */
	TCPC_GUARD_CUT_CPU,
	TCPC_GUARD_REST, /* not copied: was refused before */
};

#define TCPC_GUARD_LOST (1u << 8) /* in a verdict: another connection had to be forgotten */

/** tcpc_guard_about - the first four of the flags above. @again: see TCPC_GUARD_AGAIN. */
static inline __u32 tcpc_guard_about(const struct tcpc_pkt *pkt, int again)
{
	__u32 about = again ? TCPC_GUARD_AGAIN : 0;

	if ((pkt->flags & (TCPC_TCP_SYN | TCPC_TCP_ACK)) == TCPC_TCP_SYN)
		about |= TCPC_GUARD_SYN;
	if (pkt->flags & (TCPC_TCP_FIN | TCPC_TCP_RST))
		about |= TCPC_GUARD_ENDS;
	else if (pkt->payload_bytes && !(pkt->flags & TCPC_TCP_SYN))
		about |= TCPC_GUARD_DATA;
	return about;
}

static inline __u32 tcpc_guard_refuse(struct tcpc_ways *set, __u32 tag, __u32 word, int cut,
				      enum tcpc_guard_verdict verdict)
{
	return verdict | (tcpc_ways_put(set, tag, word, cut) ? TCPC_GUARD_LOST : 0);
}

static inline __u32 tcpc_guard_rest(struct tcpc_ways *set, __u32 tag, __u32 about)
{
	if (about & TCPC_GUARD_ENDS)
		tcpc_ways_end(set, tag);
	return TCPC_GUARD_REST;
}

/* A connection begins. May it? */
static inline enum tcpc_guard_verdict tcpc_guard_begin(struct tcpc_budget *b, enum tcpc_level level,
						       __u32 about, __u64 now_ns)
{
	if (level != TCPC_LEVEL_OPEN || tcpc_bucket_level(&b->begin, now_ns) != TCPC_LEVEL_OPEN) {
		__sync_fetch_and_add(&b->refused, 1);
		return TCPC_GUARD_REFUSE_BUDGET;
	}
	if (about & TCPC_GUARD_NEW_OUT)
		return TCPC_GUARD_REFUSE_CPU;
	tcpc_bucket_take(&b->begin, now_ns, 1);
	__sync_fetch_and_add(&b->begun, 1);
	return TCPC_GUARD_PASS;
}

/* A connection runs. May it go on? One that ends by itself is let go: what ends it costs as much.
 */
static inline enum tcpc_guard_verdict tcpc_guard_go_on(struct tcpc_budget *b, enum tcpc_level level,
						       __u32 about)
{
	if (!(about & TCPC_GUARD_DATA))
		return TCPC_GUARD_PASS;
	if (level == TCPC_LEVEL_EMPTY) {
		__sync_fetch_and_add(&b->cut, 1);
		return TCPC_GUARD_CUT_BUDGET;
	}
	return about & TCPC_GUARD_RUNNING_OUT ? TCPC_GUARD_CUT_CPU : TCPC_GUARD_PASS;
}

/**
 * tcpc_guard_decide - what becomes of a packet. Takes nothing from the budget but connections that
 * begin.
 * @set, @tag: of the connection.  @seq: SEG.SEQ.  @about: TCPC_GUARD_*.
 * Returns: an enum tcpc_guard_verdict, perhaps with TCPC_GUARD_LOST.
 */
static inline __u32 tcpc_guard_decide(struct tcpc_budget *b, struct tcpc_ways *set, __u32 tag,
				      __u32 seq, __u32 about, __u64 now_ns)
{
	enum tcpc_refused_state state = tcpc_refused_state(set, tag, seq, now_ns);
	enum tcpc_level level = tcpc_budget_level(b, now_ns);
	enum tcpc_guard_verdict verdict;

	if (about & TCPC_GUARD_SYN && state != TCPC_REFUSED_SAME) {
		verdict = about & TCPC_GUARD_AGAIN ? TCPC_GUARD_PASS
						   : tcpc_guard_begin(b, level, about, now_ns);
		if (verdict != TCPC_GUARD_PASS)
			return tcpc_guard_refuse(set, tag, seq, 0, verdict);
	} else if (state != TCPC_REFUSED_NOT &&
		   (state != TCPC_REFUSED_BACK || level != TCPC_LEVEL_OPEN ||
		    about & TCPC_GUARD_RUNNING_OUT)) {
		return tcpc_guard_rest(set, tag, about);
	}
	tcpc_ways_forget(set, tag);
	verdict = tcpc_guard_go_on(b, level, about);
	if (verdict == TCPC_GUARD_PASS)
		return verdict;
	return tcpc_guard_refuse(set, tag, now_ns >> TCPC_REFUSED_SHIFT, 1, verdict);
}

/**
 * tcpc_gate_decide - may a packet go to a target that is or was in trouble? A SYN that passes is
 * taken from its bucket.  The rest as tcpc_guard_decide().
 */
static inline __u32 tcpc_gate_decide(struct tcpc_gate *gate, struct tcpc_ways *set, __u32 tag,
				     __u32 seq, __u32 about, __u64 now_ns)
{
	enum tcpc_refused_state state = tcpc_refused_state(set, tag, seq, now_ns);

	if (!(about & TCPC_GUARD_SYN) || state == TCPC_REFUSED_SAME)
		return state == TCPC_REFUSED_NOT ? TCPC_GUARD_PASS
						 : tcpc_guard_rest(set, tag, about);
	if (about & TCPC_GUARD_AGAIN)
		return TCPC_GUARD_PASS;
	if (tcpc_bucket_level(&gate->begin, now_ns) != TCPC_LEVEL_OPEN) {
		__sync_fetch_and_add(&gate->refused, 1);
		return tcpc_guard_refuse(set, tag, seq, 0, TCPC_GUARD_REFUSE_BUDGET);
	}
	tcpc_ways_forget(set, tag);
	tcpc_bucket_take(&gate->begin, now_ns, 1);
	return TCPC_GUARD_PASS;
}

#endif
