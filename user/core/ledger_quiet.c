// SPDX-License-Identifier: GPL-2.0-only
/*
 * ledger_quiet.c - has the link stood still? The feedback link is one TCP connection, over the same
 * way as the copies. When it loses a packet, and the second copy of that, nothing comes for 200 ms:
 * as long as a request is waited for. Every connection would send again what has long been there.
 */
#include "core/ledger_priv.h"

/* Of so many packets each is answered, or told by the hold queue; with a tenth of them lost, all
 * are once in 10,000 times. */
#define PACKETS 4
/* When to ask again. */
#define LOOK_NS (20 * LEDGER_MS)
/* Long before that the peer counts as gone (TCPC_LINK_LEASE_MS), and the ledger is paused. */
#define MAX_QUIET_NS (1000 * LEDGER_MS)

void ledger_left(struct tcpc_ledger *l, __u64 now_ns)
{
	if (l->path.unheard < PACKETS && ++l->path.unheard == PACKETS)
		l->path.unheard_ns = now_ns;
}

static bool is_quiet(const struct tcpc_ledger *l, __u64 now_ns)
{
	__u64 after_ns = LEDGER_DELAYED_NS + (__u64)l->path.min_us * 1000;

	return l->path.unheard >= PACKETS && now_ns - l->path.unheard_ns >= after_ns &&
	       now_ns - l->path.heard_ns < MAX_QUIET_NS;
}

__u64 ledger_quiet_until(const struct tcpc_ledger *l, __u64 now_ns)
{
	if (is_quiet(l, now_ns))
		return now_ns + LOOK_NS;
	return l->path.resumed_ns ? l->path.resumed_ns + LEDGER_DELAYED_NS : 0;
}

void ledger_heard(struct tcpc_ledger *l, __u64 now_ns)
{
	if (is_quiet(l, now_ns))
		l->path.resumed_ns = now_ns;
	l->path.heard_ns = now_ns;
	l->path.unheard = 0;
}
