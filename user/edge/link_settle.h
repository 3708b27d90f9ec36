/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * link_settle.h - which changes of services and allow-list have taken effect everywhere. Time
 * comes in as an argument. Private to link_*.c.
 *
 * Changes carry serials, and whoever acknowledges one has acted on all before it. So what is
 * settled is the smallest serial acknowledged by anybody who may still be copying: every peer that
 * is connected, and every peer lost so short a time ago that its host may not have noticed.
 */
#ifndef TCPCOPY_EDGE_LINK_SETTLE_H
#define TCPCOPY_EDGE_LINK_SETTLE_H

#include <linux/types.h>

#define TCPC_LINK_LOST_MAX 64

/** A peer that is gone, and until when it may go on as it did. */
struct tcpc_link_lost {
	__u64 until_ms;
	__u32 acked;
};

struct tcpc_link_settle {
	__u32 serial;	/* of the newest change */
	__u32 reported; /* all changes up to this one are known to be settled */
	__u32 n_lost;
	struct tcpc_link_lost lost[TCPC_LINK_LOST_MAX];
};

/** tcpc_link_settle_next - the serial of a new change; never 0. */
__u32 tcpc_link_settle_next(struct tcpc_link_settle *s);

/** tcpc_link_settle_lost - a peer that had acknowledged @acked may go on until @until_ms. With
 * more than TCPC_LINK_LOST_MAX of them the last ones are waited for together, that is longer. */
void tcpc_link_settle_lost(struct tcpc_link_settle *s, __u32 acked, __u64 until_ms);

/** tcpc_link_settle_expire - forget lost peers whose time is over. */
void tcpc_link_settle_expire(struct tcpc_link_settle *s, __u64 now_ms);

/** tcpc_link_settle_upto - the newest settled change. @acked: the smallest serial acknowledged by
 * a connected peer; @s->serial if there is none. */
__u32 tcpc_link_settle_upto(const struct tcpc_link_settle *s, __u32 acked);

/** tcpc_link_settle_wait - milliseconds until the next lost peer's time is over; -1 if there is
 * none that matters. */
__s64 tcpc_link_settle_wait(const struct tcpc_link_settle *s, __u64 now_ms);

#endif
