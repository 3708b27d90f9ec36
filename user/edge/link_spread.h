/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * link_spread.h - what flows to every online host by the thousand: receipts, and what the hold
 * queue has and gave up. It waits for company and goes in large frames; a peer that is behind goes
 * without. Private to link_*.c. No timer in here.
 *
 * Of one connection, SHED stands behind all that was told before it and before all that is told
 * after it.
 */
#ifndef TCPCOPY_EDGE_LINK_SPREAD_H
#define TCPCOPY_EDGE_LINK_SPREAD_H

#include "core/coalesce.h"
#include "edge/link_book.h"
#include "tcpcopy/feedback_held.h"

#define TCPC_LINK_HELD_SLOTS 256 /* a power of 2 */

struct tcpc_link_spread {
	const struct tcpc_link_peers *peers; /* the owner's, likewise */
	struct tcpc_link_counters *counters;
	struct tcpc_coalesce receipts;
	enum tcpc_feedback_type type; /* of @news: HELD or SHED */
	struct tcpc_feedback_batch news;
	/* HELD that may still grow, found by a hash of their connections; not in @news yet. At full
	 * speed the packets of many connections are told in turns. Free is one whose server_port is
	 * 0. */
	struct tcpc_held held[TCPC_LINK_HELD_SLOTS];
	__u32 n_held;
	__u32 dropped; /* receipts and news, since the owner last looked */
	__u8 news_body[TCPC_FEEDBACK_BODY_MAX];
	__u8 receipts_body[TCPC_FEEDBACK_BODY_MAX];
};

/** tcpc_link_spread_init - nothing waits. @peers, @counters: borrowed. */
void tcpc_link_spread_init(struct tcpc_link_spread *spread, const struct tcpc_link_peers *peers,
			   struct tcpc_link_counters *counters);

/* Add; what is full is sent. */
void tcpc_link_spread_receipts(struct tcpc_link_spread *spread, const struct tcpc_receipt *receipts,
			       __u32 n);
void tcpc_link_spread_held(struct tcpc_link_spread *spread, const struct tcpc_held *held);
void tcpc_link_spread_shed(struct tcpc_link_spread *spread, const struct tcpc_shed *shed);

/** tcpc_link_spread_waits - is there anything to send? */
bool tcpc_link_spread_waits(const struct tcpc_link_spread *spread);

/** tcpc_link_spread_flush - send all. */
void tcpc_link_spread_flush(struct tcpc_link_spread *spread);

#endif
