/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hold.h - the hold queue: packets that came before the target was ready for them, in their order,
 * connection by connection, until the target has answered. Pure: time comes in, what is to be done
 * goes out through callbacks, the target's state is read through one.
 *
 * The rule stands in tcpcopy/hold.h, and the kernel applies the same one before it diverts.
 */
#ifndef TCPCOPY_CORE_HOLD_H
#define TCPCOPY_CORE_HOLD_H

#include <stdbool.h>
#include <stddef.h>

#include "tcpcopy/abi.h"

/* A target that answered less than the online host and then says nothing has answered. */
#define TCPC_HOLD_QUIET_NS (100 * 1000000ULL)
/* One that owes some of an earlier answer, and has now sent nearly as much as the online host. */
#define TCPC_HOLD_SHORT_NS (20 * 1000000ULL)
/* FIN and RST wait this long for an answer that may never come (the request was an upload, or the
 * server answers only after FIN), or that is of another length. */
#define TCPC_HOLD_CLOSE_NS (1000 * 1000000ULL)
/* And this long if their client has read one and the target has not begun it: it will come. Neither
 * is more than half of --max-lag. */
#define TCPC_HOLD_ANSWER_NS (5000 * 1000000ULL)
/* A target that owes no more than this, and says nothing for as long, waits for more itself: flow
 * control (HTTP/2, gRPC) is said at other times, and together, by a server at another pace. */
#define TCPC_HOLD_CHATTER_BYTES 128
/* What waits for something that was lost on the way is given up after --max-lag, or, if the way to
 * an online host was cut, not before this time: it keeps what it could not send for about as long.
 */
#define TCPC_HOLD_GAP_NS (40000 * 1000000ULL)
/* What has waited for so long is told. At full speed much waits for less than a millisecond, and
 * its receipt comes soon enough: nothing is sent again before 200 ms (TCPC_LEDGER_RTO_MIN_MS). */
#define TCPC_HOLD_TELL_NS (20 * 1000000ULL)
/* But no more than so much waits to be told: the online host keeps it until then, in a journal that
 * an upload fills within 100 ms. */
#define TCPC_HOLD_TELL_BYTES (256u << 10)
/* How often tcpc_hold_tick() wants to be called while something is held. */
#define TCPC_HOLD_TICK_MS 10

struct tcpc_hold;

/** The last that a client has sent of a connection: the number behind it, and its ACK number. */
struct tcpc_hold_last {
	__u32 end, ack; /* host order */
};

struct tcpc_hold_ops {
	/* What the kernel knows of the connection now; false if nothing. */
	bool (*exchange)(void *user, const struct tcpc_flow *flow, struct tcpc_exchange *ret);
	/* Write a frame back, with what stood before it. Returns 0 or -errno (counted; the frame is
	 * gone). */
	int (*emit)(void *user, const void *frame, size_t bytes);
	/* The queue has what lies from @seq up to @end, host order: SYN and FIN count one each, a
	 * RST by itself is @seq == @end. Called for what has waited for TCPC_HOLD_TELL_NS, and at
	 * once for what comes again while it waits. */
	void (*taken)(void *user, const struct tcpc_flow *flow, __u32 seq, __u32 end);
	/* The connection is given up: reset the target's half. All that the queue had of it has
	 * been told before. */
	void (*shed)(void *user, const struct tcpc_flow *flow, const struct tcpc_hold_last *last);
};

/**
 * tcpc_hold_new - an empty queue.
 * @limit_bytes: of memory for packets.  @max_lag_ns: a packet older than that sheds its connection.
 * Returns: the queue, owned by the caller, or NULL.
 */
struct tcpc_hold *tcpc_hold_new(size_t limit_bytes, __u64 max_lag_ns,
				const struct tcpc_hold_ops *ops, void *user);
void tcpc_hold_free(struct tcpc_hold *hold);

/**
 * tcpc_hold_take - a diverted frame (Ethernet, IPv4 or IPv6, TCP) from the device. Copied.
 * @head_bytes: how many bytes of the device's own stand before the frame; kept and given back.
 * @bytes: of both together.
 */
void tcpc_hold_take(struct tcpc_hold *hold, __u64 now_ns, const void *data, size_t head_bytes,
		    size_t bytes);

/** tcpc_hold_way_lost - an online host cannot be heard, but will send again when it can: for
 * TCPC_HOLD_GAP_NS nothing is given up because of a gap. */
void tcpc_hold_way_lost(struct tcpc_hold *hold, __u64 now_ns);

/** tcpc_hold_break - the online host has given up what lies before @end: it will not be whole. What
 * is behind stays. Returns: is anything of @flow held still? */
bool tcpc_hold_break(struct tcpc_hold *hold, const struct tcpc_flow *flow, __u32 end);

/** tcpc_hold_touch - the target has sent something on @flow. Cheap if nothing is held. */
void tcpc_hold_touch(struct tcpc_hold *hold, __u64 now_ns, const struct tcpc_flow *flow);

/** tcpc_hold_tick - look after everything that waits for time to pass. */
void tcpc_hold_tick(struct tcpc_hold *hold, __u64 now_ns);

/** tcpc_hold_last_ack - what the target has acknowledged of @flow by now, as a receipt. False: it
 * has said nothing. */
bool tcpc_hold_last_ack(const struct tcpc_flow *flow, const struct tcpc_exchange *x,
			struct tcpc_receipt *ret);

/** tcpc_hold_empty - is nothing held? */
bool tcpc_hold_empty(const struct tcpc_hold *hold);

/** tcpc_hold_stats - the counters, borrowed; device_dropped is the caller's to fill in. */
struct tcpc_hold_stats *tcpc_hold_stats(struct tcpc_hold *hold);

#endif
