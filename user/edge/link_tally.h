/* SPDX-License-Identifier: GPL-2.0-only */
/* link_tally.h - why connections of the feedback link end, in counters and in the log. Private to
 * link_*.c. */
#ifndef TCPCOPY_EDGE_LINK_TALLY_H
#define TCPCOPY_EDGE_LINK_TALLY_H

#include "edge/link_peer.h"

/** Zeroed: nobody was refused yet. */
struct tcpc_link_refusals {
	__u64 warn_after_ms;
	__u32 unwarned;
};

/** tcpc_link_tally_end - one more that ended for this reason. */
void tcpc_link_tally_end(struct tcpc_link_counters *counters, enum tcpc_link_end end);

/** tcpc_link_tally_refusal - log that @peer was refused: one line a second at most, which says how
 * many more there were. @now_ms: of the loop.  @why: follows the name. */
void tcpc_link_tally_refusal(struct tcpc_link_refusals *refusals, __u64 now_ms, const char *peer,
			     const char *why);

#endif
