// SPDX-License-Identifier: GPL-2.0-only
/*
 * online_keep.c - targets that had agreed to intercept and cannot be reached now: what is copied
 * meanwhile is kept for them. See online_priv.h.
 *
 * Nothing of it leaves before the target has said again, over the link, that it intercepts
 * (invariant 2). A target that says over the link that it does not any more has ended it: for that
 * one nothing is kept.
 */
#include "role/online_priv.h"

#include <stdio.h>
#include <string.h>

static __u64 away_ns(const struct target *t)
{
	return t->away_since_ns ? uv_hrtime() - t->away_since_ns : 0;
}

/* Has it taken back, over this very link, what it had said? After a restart a target may name its
 * services one after the other. */
static bool is_withdrawn(const struct target *t)
{
	return t->agreed && t->peer->state == TCPC_LINK_READY && t->peer->has_services;
}

void keep_update(const struct tap *tap, struct target *t)
{
	char reason[256];
	struct tcpc_route route = t->route;

	if (route.ifindex)
		t->last_route = route;
	if (!t->peer || !t->peer->ledger)
		return;
	if (t->peer->state != TCPC_LINK_READY)
		t->agreed = false;
	if (target_ready(tap, t, reason, sizeof(reason))) {
		t->agreed = t->was_ready = true;
		t->away_since_ns = 0;
		t->keeps = false;
		return;
	}
	if (route.ifindex && is_withdrawn(t))
		t->was_ready = false;
	if (!t->was_ready)
		t->away_since_ns = 0;
	else if (!t->away_since_ns)
		t->away_since_ns = uv_hrtime();
	t->keeps = keep_is_due(t);
}

bool keep_is_due(const struct target *t)
{
	return t->was_ready && t->away_since_ns && away_ns(t) < KEEP_MAX_OUTAGE_NS;
}

void keep_explain(const struct target *t, bool ready, char *reason, size_t size)
{
	size_t at = strlen(reason);

	if (ready && delivery_is_behind(t->peer))
		snprintf(reason, size, "it was away: what was kept for it is being sent");
	else if (!ready && keep_is_due(t))
		snprintf(reason + at, size - at,
			 "; what it would get is kept for it, for %llu s at most",
			 (unsigned long long)(KEEP_MAX_OUTAGE_NS - away_ns(t)) / 1000000000 + 1);
}
