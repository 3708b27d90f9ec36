// SPDX-License-Identifier: GPL-2.0-only
/* link_tally.c - see link_tally.h. */
#include "edge/link_tally.h"

#include "edge/log.h"

#define WARN_MS 1000 /* strangers must not be able to fill the log */

void tcpc_link_tally_end(struct tcpc_link_counters *counters, enum tcpc_link_end end)
{
	__u64 *const counter[] = {
		[TCPC_LINK_END_CLOSED] = &counters->left,
		[TCPC_LINK_END_SILENT] = &counters->silent,
		[TCPC_LINK_END_ALIEN] = &counters->alien,
		[TCPC_LINK_END_BROKEN] = &counters->broken,
		[TCPC_LINK_END_BAD_KEY] = &counters->bad_key,
		[TCPC_LINK_END_BAD_VERSION] = &counters->bad_version,
		[TCPC_LINK_END_BEHIND] = &counters->behind,
		[TCPC_LINK_END_CROWDED] = &counters->turned_away,
		[TCPC_LINK_END_FAILED] = &counters->failed,
	};

	++*counter[end];
}

void tcpc_link_tally_refusal(struct tcpc_link_refusals *refusals, __u64 now_ms, const char *peer,
			     const char *why)
{
	if (now_ms < refusals->warn_after_ms) {
		refusals->unwarned++;
		return;
	}
	if (refusals->unwarned)
		tcpc_log_warn("feedback link: %u more connections refused", refusals->unwarned);
	tcpc_log_warn("feedback link: connection refused: %s %s", peer, why);
	refusals->unwarned = 0;
	refusals->warn_after_ms = now_ms + WARN_MS;
}
