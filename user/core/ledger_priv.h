/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ledger_priv.h - what the files of the ledger share. Nobody else includes it but its tests.
 *
 *	ledger_copied.c	what a copy means for its account
 *	ledger.c	what receipts, the hold queue and the daemon say
 *	ledger_table.c	accounts: found by flow, by time, by size; their making and end
 *	ledger_piece.c	what an account keeps: pieces of sequence space, their sums
 *	ledger_lose.c	what is given up, and why
 *	ledger_rtt.c	round trips, and how long to wait for what
 *	ledger_send.c	timeouts, holes, sending again
 *	ledger_late.c	what was copied while the target could not be reached
 *	ledger_quiet.c	has the link stood still?
 *	ledger_sum.c	figures for people, and the check that the sums add up
 */
#ifndef TCPCOPY_CORE_LEDGER_PRIV_H
#define TCPCOPY_CORE_LEDGER_PRIV_H

#include "core/ledger.h"
#include "tcpcopy/parse.h"
#include "tcpcopy/seq.h"

#define LEDGER_MS 1000000ULL
#define LEDGER_NEVER (~0ULL)

/* Longer than a target delays an ACK where its round trip is short, as ours is, since it
 * acknowledges itself: 40 ms. The hold queue tells sooner what it has. */
#define LEDGER_DELAYED_NS (50 * LEDGER_MS)

#define LEDGER_WHEEL_SHIFT 23 /* 8.4 ms a slot */
#define LEDGER_WHEEL_SLOTS 512
#define LEDGER_CLASSES 33 /* by the bit length of retained bytes */

/* What a connection may have in flight: far below the 2^31 within which numbers can be compared. */
#define LEDGER_MAX_SPAN (1u << 30)
/* SACK blocks cut pieces in two. Beyond this they are not cut: sent again as a whole. */
#define LEDGER_MAX_PIECES 65536

struct ledger_link {
	struct ledger_link *prev, *next;
};

/** A record of the journal; several pieces can point to one. */
struct ledger_record {
	__u64 record;
	__u32 bytes;
	__u32 pieces;
};

#define LEDGER_PIECE_SYN (1u << 0) /* its first number is the SYN's */
#define LEDGER_PIECE_FIN (1u << 1) /* its last number is the FIN's */
#define LEDGER_PIECE_SACKED (1u << 2)
#define LEDGER_PIECE_HELD (1u << 3)
#define LEDGER_PIECE_TWICE                                                                         \
	(1u << 4)		      /* has left more than once: no measure of round trips (Karn) \
				       */
#define LEDGER_PIECE_RESENT (1u << 5) /* by us */
#define LEDGER_PIECE_UNSENT (1u << 6) /* has not left yet: the target could not be reached */
#define LEDGER_PIECE_LATE (1u << 7)   /* left late and is not answered: counted in n_late */
#define LEDGER_PIECE_KEPT (1u << 8)   /* had not left when it came; stays set */

/** Sequence space that has left and is not acknowledged. */
struct ledger_piece {
	struct ledger_piece *next;
	struct ledger_record *record; /* NULL: held, or not kept, so never to be sent again */
	__u64 copied_ns;
	__u64 sent_ns; /* last time */
	__u32 seq, end;
	__u32 exchange; /* of its payload */
	__u32 flags;
};

enum ledger_state {
	LEDGER_OPEN,
	LEDGER_PROBE,	 /* in mid-stream: the target has not shown that it has it */
	LEDGER_BROKEN,	 /* the target does not have it any more */
	LEDGER_ABORTED,	 /* the client has reset it */
	LEDGER_CLOSED,	 /* the client's FIN is acknowledged */
	LEDGER_REPLACED, /* there is a newer account of the same flow */
};

#define LEDGER_HAS_DATA (1u << 0)
#define LEDGER_HAS_FIN (1u << 1)
#define LEDGER_EXCHANGE_LOST (1u << 2) /* the one that is going on */
#define LEDGER_MUST_RESET (1u << 3)    /* was given up, and the target could not be told */
#define LEDGER_IS_AHEAD (1u << 4)      /* @ahead holds */
#define LEDGER_HAS_SYN (1u << 5)       /* @syn_seq holds */
#define LEDGER_RST_WAITS (1u << 6)     /* @rst has not left: what is before it goes first */
#define LEDGER_IS_REFUSED (1u << 7)    /* the daemon will not send anything to this client's half */
#define LEDGER_GOES_ON (1u << 8)       /* REPLACED, but its successor waits until it is done */
#define LEDGER_SAID_FIN (1u << 9)      /* the target has */
#define LEDGER_IN_DOUBT (1u << 10)     /* REPLACED, but both may be lost: see ledger_replace.c */

struct ledger_account {
	struct ledger_link lru, wheel, size;
	struct ledger_link turn;     /* may send what has not left; else empty */
	struct ledger_account *next; /* in its bucket */
	struct tcpc_flow flow;
	__u64 hash;
	__u64 wheel_ns;	  /* where it is in the wheel; never later than it is due */
	__u64 last_ns;	  /* last event */
	__u64 since_ns;	  /* in this state */
	__u64 heard_ns;	  /* last receipt */
	__u64 moved_ns;	  /* last time that the target had something new */
	__u64 rto_ns;	  /* when the timeout is due; LEDGER_NEVER: nothing to wait for */
	__u64 look_ns;	  /* when holes are to be looked at again */
	__u64 timeout_ns; /* of the last timeout: what left before it counts as lost on the way */
	__u64 budget_ns;  /* when @budget was filled */
	__u64 copied, acknowledged, lost;
	struct ledger_piece *head, *tail;
	struct ledger_record *rst; /* the client's RST */
	__u32 rst_seq;
	__u32 una, nxt; /* acknowledged up to, copied up to (RFC 9293, 3.3.1) */
	__u32 ahead;	/* an ACK number that came before its copy */
	__u32 syn_seq, fin_end;
	__u32 client_ack; /* of the last data */
	__u32 broken_ack; /* the same when it was broken */
	__u32 exchange;	  /* number of the one that is going on */
	__u32 done;	  /* of the last byte that is not kept any more; 0: there was none */
	__u32 exchanges, open, lost_exchanges;
	__u32 in_flight, held; /* payload bytes */
	__u32 retained, n_pieces, n_sacked, n_held, n_unsent;
	__u32 srtt_us, rttvar_us;
	__u32 budget;
	__u32 resent;
	__u16 window;
	__u8 dup_acks, tries, state, size_class;
	__u16 flags;
	__u8 why; /* it was broken last; of what is lost in consequence (enum tcpc_ledger_reason) */
};

/* Of all connections: the first guess for a new one, and whether words come at all. */
struct ledger_path {
	__u32 srtt_us, rttvar_us, min_us;
	__u32 unheard;	  /* packets copied since the last word of the target */
	__u64 unheard_ns; /* when so many had been copied that one should have brought a word */
	__u64 heard_ns;	  /* last word, of whatever connection */
	__u64 resumed_ns; /* when words came again after the link had stood still */
};

struct tcpc_ledger {
	struct ledger_account **buckets;
	__u32 n_buckets;	/* a power of two */
	struct ledger_link lru; /* the one used last is first */
	struct ledger_link wheel[LEDGER_WHEEL_SLOTS];
	struct ledger_link sizes[LEDGER_CLASSES];
	__u64 wheel_at; /* the last slot that was done, not modulo */
	bool paused;
	__u64 paused_ns, resumed_ns;
	struct ledger_link turns; /* accounts that may send what has not left, in turn */
	__u64 n_unsent;		  /* pieces that have not left yet */
	__u32 n_late;		  /* pieces that left late and are on the way */
	struct ledger_path path;
	struct tcpc_ledger_config config;
	struct tcpc_ledger_ops ops;
	void *user;
	struct tcpc_ledger_stats stats;
	struct tcpc_ledger_sum bytes;
	struct tcpc_ledger_sum exchanges; /* acknowledged is not kept: it is what remains */
};

/** ledger_set_state - from now on. */
static inline void ledger_set_state(struct ledger_account *a, enum ledger_state state, __u64 now_ns)
{
	a->state = state;
	a->since_ns = now_ns;
}

/** ledger_is_active - it can be sent again, and is waited for. */
static inline bool ledger_is_active(const struct ledger_account *a)
{
	return a->state == LEDGER_OPEN || a->state == LEDGER_PROBE || (a->flags & LEDGER_GOES_ON);
}

/** ledger_abort - the client has reset it. */
static inline void ledger_abort(struct ledger_account *a, __u64 now_ns)
{
	a->flags &= ~LEDGER_RST_WAITS;
	if (a->state == LEDGER_ABORTED)
		return;
	ledger_set_state(a, LEDGER_ABORTED, now_ns);
	a->rto_ns = a->look_ns = LEDGER_NEVER;
	a->timeout_ns = 0;
	a->tries = 0;
}

/** ledger_maybe_close - if the client's FIN is acknowledged, nothing more can come but duplicates.
 */
static inline void ledger_maybe_close(struct ledger_account *a, __u64 now_ns)
{
	if ((a->state == LEDGER_OPEN || a->state == LEDGER_PROBE) && !a->head &&
	    (a->flags & LEDGER_HAS_FIN) && a->una == a->fin_end)
		ledger_set_state(a, LEDGER_CLOSED, now_ns);
}

/* ---- ledger_table.c ---- */

#define LEDGER_ACCOUNT_OF(link_, member_)                                                          \
	((struct ledger_account *)((char *)(link_)-offsetof(struct ledger_account, member_)))

/** ledger_list_init, _add (behind @head), _del - doubly linked lists; @head is no member. */
void ledger_list_init(struct ledger_link *head);
void ledger_list_add(struct ledger_link *head, struct ledger_link *link);
void ledger_list_del(struct ledger_link *link);

/** ledger_find - the newest account of @flow, or NULL. */
struct ledger_account *ledger_find(const struct tcpc_ledger *l, const struct tcpc_flow *flow);

/** ledger_find_at - the account of @flow that @seq belongs to; the newest if none fits. */
struct ledger_account *ledger_find_at(const struct tcpc_ledger *l, const struct tcpc_flow *flow,
				      __u32 seq);

/** ledger_older - the account of the same flow that @a has replaced, or NULL. */
struct ledger_account *ledger_older(const struct ledger_account *a);

/** ledger_current - the account of @flow whose packets leave: the newest, or the oldest of those
 * that go on before it. NULL: there is none. */
struct ledger_account *ledger_current(const struct tcpc_ledger *l, const struct tcpc_flow *flow);

/** ledger_open - a new account; at the bound the one unused for longest goes. NULL: no memory. */
struct ledger_account *ledger_open(struct tcpc_ledger *l, __u64 now_ns,
				   const struct tcpc_flow *flow);

/** ledger_close - release what @a keeps and free it. Its bytes must have been accounted for. */
void ledger_close(struct tcpc_ledger *l, struct ledger_account *a);

/** ledger_touch - @a was used now. */
void ledger_touch(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns);

/** ledger_arm - have ledger_fire() called for @a at @due_ns or before. */
void ledger_arm(struct tcpc_ledger *l, struct ledger_account *a, __u64 due_ns);

/** ledger_resize - @a retains @bytes more (or less). */
void ledger_resize(struct tcpc_ledger *l, struct ledger_account *a, __s64 bytes);

/** ledger_largest - the account that retains most, or NULL. */
struct ledger_account *ledger_largest(const struct tcpc_ledger *l);

/** ledger_thin_largest - ledger_thin() for the largest of which something can be released (of 64 in
 * each class of size). Returns: bytes released. */
__u64 ledger_thin_largest(struct tcpc_ledger *l);

/* ---- ledger_piece.c ---- */

/** ledger_payload - bytes of payload in @p. */
static inline __u32 ledger_payload(const struct ledger_piece *p)
{
	return p->end - p->seq - !!(p->flags & LEDGER_PIECE_SYN) - !!(p->flags & LEDGER_PIECE_FIN);
}

/** ledger_put - keep what @packet, from its SEQ up to @end, adds to @a. Releases the record if that
 * is nothing. Returns: 0 or -ENOMEM (record released, parts may have been added). */
int ledger_put(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns,
	       const struct tcpc_ledger_packet *packet, __u32 end);

/** ledger_keep_rst - keep the client's RST, in place of an earlier one. Without memory: release it.
 */
void ledger_keep_rst(struct tcpc_ledger *l, struct ledger_account *a,
		     const struct tcpc_ledger_packet *packet);
void ledger_drop_rst(struct tcpc_ledger *l, struct ledger_account *a);

/** ledger_mark - set @flag (SACKED or HELD) on what lies from @seq up to @end. What is held is
 * moved in the sums, and its record is released. Returns: did anything change? */
bool ledger_mark(struct tcpc_ledger *l, struct ledger_account *a, __u32 seq, __u32 end, __u32 flag);

/** ledger_forget - release all that @a keeps; the sums stay as they are. */
void ledger_forget(struct tcpc_ledger *l, struct ledger_account *a);

/** ledger_thin - release the records of what the target's TCP has in SACK blocks. It is allowed to
 * throw that away (RFC 2018, 8), so only when the journal is full. Returns: bytes released. */
__u64 ledger_thin(struct tcpc_ledger *l, struct ledger_account *a);

/** ledger_unkeep - release the records of what has left and is waited for: it can arrive, but not
 * be sent again. Returns: bytes released. */
__u64 ledger_unkeep(struct tcpc_ledger *l, struct ledger_account *a);

/** ledger_add_open - @n more exchanges of @a are in flight, or less. */
void ledger_add_open(struct tcpc_ledger *l, struct ledger_account *a, int n);

/** ledger_leave_record - @p needs its record no more; the last piece of a record releases it. */
void ledger_leave_record(struct tcpc_ledger *l, struct ledger_account *a, struct ledger_piece *p);

/** ledger_remove_head - take the first piece out of @a, and free it. */
void ledger_remove_head(struct tcpc_ledger *l, struct ledger_account *a);

/** ledger_pop - the first piece is acknowledged up to @ack, which lies in or behind it. */
void ledger_pop(struct tcpc_ledger *l, struct ledger_account *a, __u32 ack);

/* ---- ledger_lose.c ---- */

/** ledger_strip - release the records of @a, but remember what is in flight. */
void ledger_strip(struct tcpc_ledger *l, struct ledger_account *a);

/** ledger_skip - what lies before @end is lost{@reason}, una < @end: the target goes on there. */
void ledger_skip(struct tcpc_ledger *l, struct ledger_account *a, __u32 end,
		 enum tcpc_ledger_reason reason);

/** ledger_lose - all that is in flight or held is lost{@reason}; @a is BROKEN then. */
void ledger_lose(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns,
		 enum tcpc_ledger_reason reason);

/** ledger_lose_front - what has left before is lost{@reason}, up to the first exchange that has not
 * left at all. False: there is none, and nothing is changed. */
bool ledger_lose_front(struct tcpc_ledger *l, struct ledger_account *a,
		       enum tcpc_ledger_reason reason);

/** ledger_lose_packet - the same for payload that is not kept at all, and the exchange that is
 * going on. */
void ledger_lose_packet(struct tcpc_ledger *l, struct ledger_account *a, __u32 payload_bytes,
			enum tcpc_ledger_reason reason);

/* ---- ledger_rtt.c ---- */

/** ledger_acknowledge - the target has everything up to @ack, una < @ack <= nxt. */
void ledger_acknowledge(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns, __u32 ack);

/** ledger_timeout_ns - how long @a is silent before what is first is sent again; grows with tries.
 */
__u64 ledger_timeout_ns(const struct tcpc_ledger *l, const struct ledger_account *a);

/** ledger_burst_ns - the least time between two bursts of @a. */
__u64 ledger_burst_ns(const struct tcpc_ledger *l, const struct ledger_account *a);

/** ledger_patience_ns - how long something may be missing that a later packet has overtaken. */
__u64 ledger_patience_ns(const struct tcpc_ledger *l, const struct ledger_account *a);

/* ---- ledger_send.c ---- */

/** ledger_on_the_way - is there anything that the target host has not got, as far as is known? */
static inline bool ledger_on_the_way(const struct ledger_account *a)
{
	return a->n_pieces > a->n_held;
}

/** ledger_mend - send again what must be taken as lost on the way, within the budget. */
void ledger_mend(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns);

/** ledger_look_before_held - the hold queue has told of something: soon look for what is missing
 * before that. */
void ledger_look_before_held(struct ledger_account *a, __u64 now_ns);

/** ledger_mend_aborted - the target still talks on a connection that the client has reset. */
void ledger_mend_aborted(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns);

/** ledger_await - run the timeout while something is on the way, and be woken for what is due. */
void ledger_await(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns);

/** ledger_fire - @a is due, or it was when it was armed: do it, arm it again or close it. */
void ledger_fire(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns);

/** ledger_reset - have the target's half ended; if that cannot be said now, when the client goes
 * on.
 * @end: what may open it anew begins there. */
void ledger_reset(struct tcpc_ledger *l, struct ledger_account *a, __u32 end);

/** ledger_give_up - lose all of it and have it reset at the target. */
void ledger_give_up(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns,
		    enum tcpc_ledger_reason reason);

/** ledger_give_up_probe - the same for one that the target has not taken up: lost for what broke
 * it, once; from then on it is the target that does not have it. */
void ledger_give_up_probe(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns);

/** ledger_probe - broken for @reason, but what @a still keeps may open it at the target. */
void ledger_probe(struct ledger_account *a, __u64 now_ns, enum tcpc_ledger_reason reason);

/** ledger_resend_piece - send @p, now that it is due. */
void ledger_resend_piece(struct tcpc_ledger *l, struct ledger_account *a, struct ledger_piece *p,
			 __u64 now_ns);

/** ledger_resend_rst - send the client's RST. */
void ledger_resend_rst(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns);

/** ledger_spend - false: the burst of this round trip is used up, and @a will be looked at again.
 * The last piece may go beyond it. */
bool ledger_spend(const struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns, __u32 bytes);

/* ---- ledger_replace.c ---- */

/** ledger_replace - @by begins another connection on the flow of @a. Frees @a if nothing of it is
 * waited for. */
void ledger_replace(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns,
		    const struct tcpc_ledger_packet *by);

/** ledger_is_there - the target has @a's SYN: what @a has replaced is over. */
void ledger_is_there(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns);

/** ledger_link_is_lost - accounts in doubt go on, and their successors wait for them. */
void ledger_link_is_lost(struct tcpc_ledger *l, __u64 now_ns);

/* ---- ledger_late.c ---- */

/** ledger_wait - @p has not left yet. */
void ledger_wait(struct tcpc_ledger *l, struct ledger_account *a, struct ledger_piece *p);

/** ledger_unlate - @p has left, or is not waited for: whatever it was, it counts no more. */
void ledger_unlate(struct tcpc_ledger *l, struct ledger_account *a, struct ledger_piece *p);

/** ledger_late_lost - what has left late of @a is taken as lost: others need not wait for it. */
void ledger_late_lost(struct tcpc_ledger *l, struct ledger_account *a);

/** ledger_give_turn - what waits of @a may leave; no effect if nothing does. */
void ledger_give_turn(struct tcpc_ledger *l, struct ledger_account *a);

/** ledger_moved - the target has something new of @a. */
void ledger_moved(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns);

/** ledger_catch_up - send what waits, as far as the target keeps up. */
void ledger_catch_up(struct tcpc_ledger *l, __u64 now_ns);

/** ledger_kept - a packet of @a was kept; @first: before it nothing of @a waited. */
void ledger_kept(struct tcpc_ledger *l, struct ledger_account *a, bool first, __u64 now_ns);

/* ---- ledger_quiet.c ---- */

/** ledger_left - a packet was copied now: the target ought to say something. */
void ledger_left(struct tcpc_ledger *l, __u64 now_ns);

/** ledger_heard - the target has said something. */
void ledger_heard(struct tcpc_ledger *l, __u64 now_ns);

/** ledger_quiet_until - the link stands still, or has just now stood still: until when silence
 * tells nothing of a connection.  Not later than @now_ns: it tells. */
__u64 ledger_quiet_until(const struct tcpc_ledger *l, __u64 now_ns);

/* ---- ledger_sum.c ---- */

/** ledger_check - add everything up again. For tests. Returns: NULL, or what is wrong. */
const char *ledger_check(const struct tcpc_ledger *l);

#endif
