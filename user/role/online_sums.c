// SPDX-License-Identifier: GPL-2.0-only
/*
 * online_sums.c - target hosts hear how much was copied to them, so that one that several online
 * hosts copy to can show who sends what. See online_priv.h.
 */
#include "role/online_priv.h"

#include "core/ledger.h"

void sums_tell(const struct tcpc_online *online)
{
	for (const struct peer *peer = online->peers; peer; peer = peer->next) {
		const struct tcpc_ledger *l = delivery_ledger_of(peer);
		struct tcpc_feedback_sums sums;

		if (!l || peer->state != TCPC_LINK_READY)
			continue;
		sums = (struct tcpc_feedback_sums){
			.packets = tcpc_ledger_stats(l)->packets,
			.bytes = tcpc_ledger_bytes(l)->copied,
			.opened = tcpc_ledger_stats(l)->opened,
			.exchanges = tcpc_ledger_exchanges(l).copied,
		};
		for (int i = 0; i < __TCPC_LEDGER_LOST_MAX; i++)
			sums.lost += tcpc_ledger_exchanges(l).lost[i];
		/* A peer that is behind hears the next ones: they are sums. */
		tcpc_link_client_sums(peer->link, &sums);
	}
}
