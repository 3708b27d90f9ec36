/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ledger.h - what became of every byte that was copied: acknowledged by the target, held at the
 * target host, in flight or lost, and why; and what has to be sent again. docs/ledger.md has the
 * rules. Pure: time comes in, what is to be done goes out through callbacks.
 *
 *	copied = acknowledged + held + in flight + lost, at any moment
 */
#ifndef TCPCOPY_CORE_LEDGER_H
#define TCPCOPY_CORE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>

#include "tcpcopy/abi.h"

/* How often tcpc_ledger_tick() wants to be called. */
#define TCPC_LEDGER_TICK_MS 10

/* The target delays an ACK by up to 40 ms, with a busy processor longer. */
#define TCPC_LEDGER_RTO_MIN_MS 200
#define TCPC_LEDGER_RTO_MAX_MS 3000
/* RFC 6298, 2.1: before anything on the way to any target has been measured. */
#define TCPC_LEDGER_RTO_FIRST_MS 1000
/* Timeouts without any progress: together some 15 s. */
#define TCPC_LEDGER_TRIES 8
/* The same for a connection that the target has to take up in mid-stream: it can, or never will. */
#define TCPC_LEDGER_PROBE_TRIES 3
/* Bytes a connection may send again within a round trip. */
#define TCPC_LEDGER_BURST_BYTES 65536
/* An account with nothing in flight is forgotten after... */
#define TCPC_LEDGER_IDLE_MS 120000
/* ... and sooner if its connection is over: late receipts and duplicates are still told apart. */
#define TCPC_LEDGER_LINGER_MS 1000
#define TCPC_LEDGER_BROKEN_MS 10000
/* Bytes whose fate only a late receipt can tell (client's reset, port used again) wait for it. */
#define TCPC_LEDGER_LATE_MS 3000
/* Beyond any --max-lag that makes sense: the target's word that it gave up did not arrive. */
#define TCPC_LEDGER_HELD_MS 60000

/* Why bytes are lost. X(name, what it means and what to do). Order is ABI: add at the end only. */
#define TCPC_LEDGER_REASONS(X)                                                                     \
	X(reset, "the target reset the connection")                                                \
	X(no_connection,                                                                           \
	  "the target did not have the connection and did not take it up (--adopt)")               \
	X(too_slow, "the target was too slow: its hold queue gave the connection up (--hold, "     \
		    "--max-lag)")                                                                  \
	X(retention, "more was in flight than may be kept for sending again (--retain)")           \
	X(outage, "link or target was gone for too long")                                          \
	X(tries, "sent again and again without an answer")                                         \
	X(replaced, "the client used its port again before the target had answered for the old "   \
		    "connection")                                                                  \
	X(aborted, "the client reset the connection before the target acknowledged")               \
	X(full, "more connections than the ledger may keep")                                       \
	X(no_memory, "out of memory")                                                              \
	X(allowed, "the client was put into the target's allow-list")                              \
	X(aged, "the target host ended the connection: no data for --idle seconds")

enum tcpc_ledger_reason {
#define TCPC_LEDGER_REASON(name, text) TCPC_LEDGER_LOST_##name,
	TCPC_LEDGER_REASONS(TCPC_LEDGER_REASON)
#undef TCPC_LEDGER_REASON
		__TCPC_LEDGER_LOST_MAX,
};

/* What else is counted. X(name, what it means). Order is ABI: add at the end only. */
#define TCPC_LEDGER_COUNTERS(X)                                                                    \
	X(packets, "packets copied")                                                               \
	X(duplicates, "of these: packets whose bytes had all been copied before")                  \
	X(duplicate_bytes, "payload that had been copied before (clients' retransmissions)")       \
	X(resent, "packets sent again")                                                            \
	X(resent_bytes, "payload in these")                                                        \
	X(resend_failed, "packets that could not be sent again")                                   \
	X(spurious, "sent again without need: acknowledged sooner than an answer can come")        \
	X(timeouts, "times that a connection got no answer in time")                               \
	X(resets, "connections reset at the target because they could not be mended")              \
	X(receipts, "receipts read")                                                               \
	X(stray_receipts, "of these: about nothing that is in the ledger")                         \
	X(opened, "accounts opened")                                                               \
	X(midstream, "of these: without the connection's SYN")                                     \
	X(connections, "accounts open now")                                                        \
	X(records, "packets kept now, to be sent again")                                           \
	X(retained_bytes, "bytes of these in the journal")                                         \
	X(memory_bytes, "memory of the ledger itself now")                                         \
	X(srtt_us, "time from copy to receipt, smoothed, over all connections, in microseconds")   \
	X(kept, "of the packets: copied while the target could not be reached, kept for it")       \
	X(late, "of these: sent once it was there again")                                          \
	X(unkept, "packets no longer kept for sending again: more was under way than --retain")

struct tcpc_ledger_stats {
#define TCPC_LEDGER_FIELD(name, text) __u64 name;
	TCPC_LEDGER_COUNTERS(TCPC_LEDGER_FIELD)
#undef TCPC_LEDGER_FIELD
};

/** One side of the account: payload bytes, or exchanges (of which none is ever held). */
struct tcpc_ledger_sum {
	__u64 copied;
	__u64 acknowledged;
	__u64 held; /* at the target host, in its hold queue */
	__u64 in_flight;
	__u64 lost[__TCPC_LEDGER_LOST_MAX];
};

/** A connection, for people. */
struct tcpc_ledger_line {
	struct tcpc_flow flow;
	const char *state; /* a word, static */
	__u64 behind_ns;   /* age of the oldest byte or flag that is not acknowledged */
	__u64 copied, acknowledged, lost;
	__u32 in_flight, held;
	__u32 retained_bytes;
	__u32 exchanges, exchanges_in_flight, exchanges_lost;
	__u32 resent;
	__u32 srtt_us; /* 0: not measured */
};

/** A copy that has left. Numbers in host order. */
struct tcpc_ledger_packet {
	__u32 seq, ack;
	__u32 payload_bytes;
	__u32 record_bytes; /* what it takes in the journal */
	__u64 record;	    /* its name there; no two at the same time have the same */
	__u8 flags;	    /* TCPC_TCP_* */
	bool kept;	    /* it has not left: send it when the target can be reached */
};

/** What to send again: the part of @record from @from_seq up to @end_seq. SYN stands before the
 * first byte and FIN behind the last, each as one number; a RST has from_seq == end_seq. */
struct tcpc_ledger_resend {
	struct tcpc_flow flow;
	__u64 record;
	__u32 from_seq, end_seq;
	/* The target may take up the connection with it. Never set once the target has answered on
	 * it: what the target has finished with must not begin anew. */
	bool may_open;
	/* It has never left, and begins a request behind all that the target has finished with: one
	 * that does not have the connection any more should take it up here. */
	bool begins;
};

struct tcpc_ledger_ops {
	/* Send again. Returns 0; -EPERM: nothing may be sent to this client's half any more, it is
	 * lost{allowed}; other -errno (counted; tried again later). Must not call back. */
	int (*resend)(void *user, const struct tcpc_ledger_resend *what);
	/* The ledger needs @record no more. Must not call back. */
	void (*release)(void *user, __u64 record);
	/* End the target's half. What begins at @end may open it anew; the client's ACK number
	 * before that was @ack (host order). Returns 0 or -errno (asked again when the client goes
	 * on). Must not call back. */
	int (*reset)(void *user, const struct tcpc_flow *flow, __u32 end, __u32 ack);
};

struct tcpc_ledger_config {
	__u64 hash_key[2];     /* random: clients choose their ports */
	__u32 max_connections; /* accounts */
	__u64 max_outage_ns;   /* how long what is in flight is kept while paused */
};

struct tcpc_ledger;

/** tcpc_ledger_new - an empty ledger. Returns: it, owned by the caller, or NULL. */
struct tcpc_ledger *tcpc_ledger_new(const struct tcpc_ledger_config *config,
				    const struct tcpc_ledger_ops *ops, void *user, __u64 now_ns);

/** tcpc_ledger_free - release every record and the ledger. NULL is fine. */
void tcpc_ledger_free(struct tcpc_ledger *ledger);

/**
 * tcpc_ledger_copied - a copy has left. Its record belongs to the ledger until ops.release, which
 * may come before this returns. Feed copies before the receipts that may speak of them.
 * @flow: as in the copy: the server is the target.
 */
void tcpc_ledger_copied(struct tcpc_ledger *ledger, __u64 now_ns, const struct tcpc_flow *flow,
			const struct tcpc_ledger_packet *packet);

/** tcpc_ledger_receipt - what the target's TCP said. */
void tcpc_ledger_receipt(struct tcpc_ledger *ledger, __u64 now_ns,
			 const struct tcpc_receipt *receipt);

/**
 * tcpc_ledger_taken - the target's hold queue has what lies from @seq up to @end (SYN and FIN
 * count one each; a RST by itself is @seq == @end). It will not be sent again.
 */
void tcpc_ledger_taken(struct tcpc_ledger *ledger, __u64 now_ns, const struct tcpc_flow *flow,
		       __u32 seq, __u32 end);

/** tcpc_ledger_shed - the target host has given the connection up and reset it, for @reason. */
void tcpc_ledger_shed(struct tcpc_ledger *ledger, __u64 now_ns, const struct tcpc_flow *flow,
		      enum tcpc_ledger_reason reason);

/**
 * tcpc_ledger_give_up - the journal needs room. What has left and is on its way is not kept any
 * more; if some of it turns out to be lost, the connection is. If there is nothing of that kind, as
 * in an outage, count the connection as lost{retention} at once, have it reset at the target.
 * Returns: bytes of records that were released.
 */
__u64 tcpc_ledger_give_up(struct tcpc_ledger *ledger, __u64 now_ns, const struct tcpc_flow *flow);

/**
 * tcpc_ledger_give_up_largest - make room: forget the contents of what the target has in SACK
 * blocks of a large connection, or if there is none, the same as above with the connection that
 * retains most (of more than 64 that are about as large, one of the largest), if it keeps a record
 * that is not newer than @newest (records' names count up).
 * Returns: bytes, 0 if it does not, or nothing is retained.
 */
__u64 tcpc_ledger_give_up_largest(struct tcpc_ledger *ledger, __u64 now_ns, __u64 newest);

/** tcpc_ledger_paused - nothing can reach the target. Once more: no effect. */
void tcpc_ledger_paused(struct tcpc_ledger *ledger, __u64 now_ns);

/** tcpc_ledger_resumed - the target is there again; what is in flight is sent again when due. */
void tcpc_ledger_resumed(struct tcpc_ledger *ledger, __u64 now_ns);

/** tcpc_ledger_unsent - pieces that were kept while the target could not be reached and have not
 * left since: while there are any, what is copied must be kept too, or it would overtake them. */
__u64 tcpc_ledger_unsent(const struct tcpc_ledger *ledger);

/** tcpc_ledger_is_paused - paused, and not resumed since. */
bool tcpc_ledger_is_paused(const struct tcpc_ledger *ledger);

/** tcpc_ledger_tick - do what is due. Every TCPC_LEDGER_TICK_MS, while paused as well. */
void tcpc_ledger_tick(struct tcpc_ledger *ledger, __u64 now_ns);

/** tcpc_ledger_stats - the counters, borrowed. */
const struct tcpc_ledger_stats *tcpc_ledger_stats(const struct tcpc_ledger *ledger);

/** tcpc_ledger_bytes - the account in payload bytes, borrowed. */
const struct tcpc_ledger_sum *tcpc_ledger_bytes(const struct tcpc_ledger *ledger);

/** tcpc_ledger_exchanges - the account in exchanges. acknowledged falls by one when more bytes of
 * an exchange are copied after all before had been acknowledged. */
struct tcpc_ledger_sum tcpc_ledger_exchanges(const struct tcpc_ledger *ledger);

/** tcpc_ledger_lost - all that is lost, whatever the reason. */
__u64 tcpc_ledger_lost(const struct tcpc_ledger_sum *sum);

/**
 * tcpc_ledger_behind - the connections that are furthest behind, the furthest first. Walks all.
 * @ret: room for @max lines.  Returns: how many were written.
 */
unsigned int tcpc_ledger_behind(const struct tcpc_ledger *ledger, __u64 now_ns,
				struct tcpc_ledger_line *ret, unsigned int max);

/** tcpc_ledger_reason_name, tcpc_ledger_reason_text - for people; NULL if there is no such reason.
 */
const char *tcpc_ledger_reason_name(enum tcpc_ledger_reason reason);
const char *tcpc_ledger_reason_text(enum tcpc_ledger_reason reason);

#endif
