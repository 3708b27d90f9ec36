/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * coalesce.h - receipts that wait for company, those of one connection made into one where that
 * tells the ledger the same: the highest ACK number, the window that came with it, all SACK blocks,
 * FIN, the sum of the payload. Pure.
 *
 * Never merged is what means something by itself: a reset, the beginning of a connection with what
 * was before it or comes after, and duplicate ACKs, up to the three that name a hole (RFC 5681).
 */
#ifndef TCPCOPY_CORE_COALESCE_H
#define TCPCOPY_CORE_COALESCE_H

#include "tcpcopy/abi.h"

#define TCPC_COALESCE_MAX 512
#define TCPC_COALESCE_BUCKETS 1024 /* a power of 2 */
#define TCPC_COALESCE_DUP_ACKS 3

struct tcpc_coalesce_slot {
	struct tcpc_receipt receipt;
	__u16 next; /* in its bucket: index + 1, or 0 */
	__u16 bucket;
	__u8 dups;  /* which one in a row of duplicate ACKs it is, 0: none */
	__u8 moved; /* its ACK number is higher than that of its first receipt */
	__u16 pad;
};

/** Zeroed: empty. */
struct tcpc_coalesce {
	struct tcpc_coalesce_slot slots[TCPC_COALESCE_MAX]; /* @n in use, as they came */
	__u16 buckets[TCPC_COALESCE_BUCKETS];		    /* index + 1 of the latest, or 0 */
	__u32 n;
};

/**
 * tcpc_coalesce_add - take in @receipt.
 * @receipt: at most TCPC_MAX_SACK blocks.
 * Returns: 0 if it has a place of its own now, 1 if it went with another, -ENOSPC if it had to have
 * a place and there is none (unchanged).
 */
int tcpc_coalesce_add(struct tcpc_coalesce *c, const struct tcpc_receipt *receipt);

/** tcpc_coalesce_clear - empty it. */
void tcpc_coalesce_clear(struct tcpc_coalesce *c);

#endif
