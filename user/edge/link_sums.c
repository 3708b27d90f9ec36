// SPDX-License-Identifier: GPL-2.0-only
/* link_sums.c - see link_sums.h. */
#include "edge/link_sums.h"

enum tcpc_feedback_reason tcpc_link_sums_read(const struct tcpc_link_peer *peer,
					      struct tcpc_feedback_reader *body,
					      const struct tcpc_link_server_events *events,
					      void *user)
{
	struct tcpc_feedback_sums sums;
	enum tcpc_feedback_reason reason = tcpc_feedback_get_sums(body, &sums);

	if (!reason && events->sums)
		events->sums(user, peer->name, &sums);
	return reason;
}
