/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * retention.h - which records of the journal's ring are still needed, and where they lie. The ring
 * is freed from its oldest record on, but records are let go in any order: so there is an index of
 * 8 bytes a record, and when the ring is fuller than three quarters the oldest that are still
 * needed move to the heap, so that one connection that stands still does not block all others.
 * Pure: the ring is memory, its positions come in and go out as numbers.
 */
#ifndef TCPCOPY_CORE_RETENTION_H
#define TCPCOPY_CORE_RETENTION_H

#include <stddef.h>
#include <linux/types.h>

#define TCPC_RETENTION_COUNTERS(X)                                                                 \
	X(noted, "copies noted by the journal")                                                    \
	X(released, "of these: no longer needed")                                                  \
	X(moved, "records moved out of the ring because a later one needed the place")             \
	X(pressure, "times the bound was reached and something had to be given up")                \
	X(stuck, "times it was reached and nothing could be given up")                             \
	X(records, "copies kept for re-sending now")                                               \
	X(bytes, "bytes of these records now, without what the ring loses to rounding")            \
	X(heap_bytes, "of these: moved, with what the heap needs for them")                        \
	X(index_bytes, "memory of the index now")

#define TCPC_RETENTION_FIELD(name, text) __u64 name;
struct tcpc_retention_stats {
	TCPC_RETENTION_COUNTERS(TCPC_RETENTION_FIELD)
};
#undef TCPC_RETENTION_FIELD

struct tcpc_retention;

struct tcpc_retention_config {
	/* The ring's bytes, borrowed: @ring_bytes, and behind them again the first ones, so that
	 * the largest record is in one piece wherever it begins. */
	const __u8 *ring;
	__u32 ring_bytes;   /* a power of two, 2^30 at most */
	__u32 header_bytes; /* of the ring's own, in front of each record */
	__u64 heap_bytes;   /* bound of what is moved */
	/* Called at the bound: release something. It may release any number of records. */
	void (*pressure)(void *user);
	void *user;
};

/**
 * tcpc_retention_split - what a bound of @retain_bytes is made of.
 * @ret_ring: the largest power of two in it, within @min and @max (powers of two).
 * @ret_heap: the rest, but an eighth at least: the ring alone would have no place to move to.
 */
void tcpc_retention_split(__u64 retain_bytes, __u32 min, __u32 max, __u32 *ret_ring,
			  __u64 *ret_heap);

/** tcpc_retention_new - nothing is kept, the ring begins at position 0. -EINVAL or -ENOMEM. */
int tcpc_retention_new(const struct tcpc_retention_config *config, struct tcpc_retention **ret);

/** tcpc_retention_free - with all that was moved; NULL is fine. */
void tcpc_retention_free(struct tcpc_retention *r);

/**
 * tcpc_retention_add - the next record of the ring is needed.
 * @ring_bytes: what it takes there, with its header; less than the ring.
 * @bytes: of the record that are of use; moving it takes no more.
 * @ret_id: its number. Numbers count up from 0 and are never used again.
 * Returns 0, or -ENOMEM: nothing has changed, and the same record can be added later.
 */
int tcpc_retention_add(struct tcpc_retention *r, __u32 ring_bytes, __u32 bytes, __u64 *ret_id);

/** tcpc_retention_skip - the next @ring_bytes of the ring hold nothing. Returns as the above. */
int tcpc_retention_skip(struct tcpc_retention *r, __u32 ring_bytes);

/** tcpc_retention_release - record @id is not needed any more. -ENOENT if it was not kept. */
int tcpc_retention_release(struct tcpc_retention *r, __u64 id);

/** tcpc_retention_get - the record, @ret_bytes long, or NULL if it is not kept. Borrowed until
 * anything but this function is called: records move. */
const void *tcpc_retention_get(const struct tcpc_retention *r, __u64 id, __u32 *ret_bytes);

/** tcpc_retention_oldest - the record that is kept for longest. -ENOENT if none is. */
int tcpc_retention_oldest(const struct tcpc_retention *r, __u64 *ret_id);

/** tcpc_retention_front - the number of the ring's oldest record, or of the next one to come: what
 * is older was moved or released, and only what is not newer can make room. */
__u64 tcpc_retention_front(const struct tcpc_retention *r);

/** tcpc_retention_position - up to where the ring is free: the consumer's position. */
__u64 tcpc_retention_position(const struct tcpc_retention *r);

/** tcpc_retention_end - behind the last record that was added or skipped. */
__u64 tcpc_retention_end(const struct tcpc_retention *r);

/**
 * tcpc_retention_relieve - if the ring is fuller than three quarters, move its oldest records, and
 * where the heap is full ask for something to be given up, until it is not.
 * @producer: the position up to which the ring is written.
 */
void tcpc_retention_relieve(struct tcpc_retention *r, __u64 producer);

/** tcpc_retention_stats - counters and gauges as they are now. */
void tcpc_retention_stats(const struct tcpc_retention *r, struct tcpc_retention_stats *ret);

#endif
