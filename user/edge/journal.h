/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * journal.h - the copies that the program noted, read in place from its ring buffer and kept there
 * until they are released, in any order. What keeps the ring from being freed for long is moved to
 * the heap (core/retention.h). This file and datapath*.c alone know how the ring is laid out.
 */
#ifndef TCPCOPY_EDGE_JOURNAL_H
#define TCPCOPY_EDGE_JOURNAL_H

#include "core/err.h"
#include "core/retention.h"
#include "tcpcopy/abi.h"

struct tcpc_journal;
struct uv_loop_s; /* a uv_loop_t; <uv.h> and <linux/tcp.h> exclude each other */

struct tcpc_journal_config {
	int ring_fd;	      /* the map; borrowed, must stay open until tcpc_journal_close() */
	__u32 ring_bytes;     /* its max_entries */
	__u64 heap_bytes;     /* bound of what is moved out of it */
	__u32 *reader_sleeps; /* shared with the program, see pace.h */
	/* A copy has left, in the order of the ring. @id: to be released, now or later. @head: the
	 * packet lies behind it; borrowed for the call. */
	void (*record)(void *user, __u64 id, const struct tcpc_journal_head *head);
	/* At the bound: release something, else copies will not be kept (`journal_full`). */
	void (*pressure)(void *user);
	void *user;
};

/** tcpc_journal_open - read @config's ring on @loop from now on. Returns 0 or -errno. */
int tcpc_journal_open(struct uv_loop_s *loop, const struct tcpc_journal_config *config,
		      struct tcpc_journal **ret, struct tcpc_err *err);

/** tcpc_journal_close - no more calls; all that was kept is gone. Not from one of its callbacks. */
void tcpc_journal_close(struct tcpc_journal *journal);

/**
 * tcpc_journal_read - read what has come, without waiting for the loop: before a receipt is looked
 * at, so that what it acknowledges is known. Not from one of the callbacks.
 * Returns: number of records.
 */
int tcpc_journal_read(struct tcpc_journal *journal);

/** tcpc_journal_release - record @id is not needed any more. -ENOENT if it was not kept. */
int tcpc_journal_release(struct tcpc_journal *journal, __u64 id);

/** tcpc_journal_get - the record, its packet behind it, or NULL if it is not kept. Borrowed until
 * the next call of anything here but this: records move. */
const struct tcpc_journal_head *tcpc_journal_get(const struct tcpc_journal *journal, __u64 id);

/** tcpc_journal_oldest - the record that is kept for longest, or NULL. Borrowed as above.
 * @ret_front: giving up what is newer than this makes no room where it is needed. */
const struct tcpc_journal_head *tcpc_journal_oldest(const struct tcpc_journal *journal,
						    __u64 *ret_front);

/** tcpc_journal_stats - counters and gauges as they are now. */
void tcpc_journal_stats(const struct tcpc_journal *journal, struct tcpc_retention_stats *ret);

#endif
