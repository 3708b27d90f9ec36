// SPDX-License-Identifier: GPL-2.0-only
/* link_settle.c - see link_settle.h. Serials wrap like TCP's sequence numbers. */
#include "edge/link_settle.h"

#include "tcpcopy/seq.h"

__u32 tcpc_link_settle_next(struct tcpc_link_settle *s)
{
	/* Nobody waits for 0: it is what callers get for a change that failed. */
	if (!++s->serial)
		s->serial = 1;
	return s->serial;
}

void tcpc_link_settle_lost(struct tcpc_link_settle *s, __u32 acked, __u64 until_ms)
{
	struct tcpc_link_lost *lost;

	if (s->n_lost < TCPC_LINK_LOST_MAX) {
		s->lost[s->n_lost++] = (struct tcpc_link_lost){until_ms, acked};
		return;
	}
	lost = &s->lost[TCPC_LINK_LOST_MAX - 1];
	if (until_ms > lost->until_ms)
		lost->until_ms = until_ms;
	if (tcpc_seq_lt(acked, lost->acked))
		lost->acked = acked;
}

void tcpc_link_settle_expire(struct tcpc_link_settle *s, __u64 now_ms)
{
	__u32 i = 0;

	while (i < s->n_lost) {
		if (s->lost[i].until_ms <= now_ms)
			s->lost[i] = s->lost[--s->n_lost];
		else
			i++;
	}
}

__u32 tcpc_link_settle_upto(const struct tcpc_link_settle *s, __u32 acked)
{
	for (__u32 i = 0; i < s->n_lost; i++)
		if (tcpc_seq_lt(s->lost[i].acked, acked))
			acked = s->lost[i].acked;
	return tcpc_seq_max(acked, s->reported);
}

__s64 tcpc_link_settle_wait(const struct tcpc_link_settle *s, __u64 now_ms)
{
	__s64 wait_ms = -1, left_ms;

	for (__u32 i = 0; i < s->n_lost; i++) {
		if (!tcpc_seq_lt(s->lost[i].acked, s->serial))
			continue;
		left_ms = s->lost[i].until_ms > now_ms ? s->lost[i].until_ms - now_ms : 0;
		if (wait_ms < 0 || left_ms < wait_ms)
			wait_ms = left_ms;
	}
	return wait_ms;
}
