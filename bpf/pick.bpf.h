/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pick.bpf.h - which packets are copied, and who takes them: what the TC programs (online.bpf.c)
 * and XDP (mirror.bpf.c) have in common. Writes to no packet.
 */
#ifndef TCPCOPY_BPF_PICK_H
#define TCPCOPY_BPF_PICK_H

#include "common.bpf.h"
#include "copies.bpf.h"

/* Which ports of which interface are copied, and how. Written by the daemon, nobody evicts. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TCPC_MAX_SERVICES);
	__type(key, struct tcpc_service_key);
	__type(value, struct tcpc_service);
} services SEC(".maps");

/* A packet that nobody is there for: users want to know what the target misses. */
static __always_inline void count_skipped(struct tcpc_online_stats *st, const struct tcpc_pkt *pkt)
{
	COUNT_N(st, skipped_bytes, pkt->payload_bytes);
	COUNT_N(st, skipped_data, !!pkt->payload_bytes);
	COUNT_N(st, skipped_opens, (pkt->flags & (TCPC_TCP_SYN | TCPC_TCP_ACK)) == TCPC_TCP_SYN);
}

/* May the copy of @pkt go to @target now? Counts if not. */
static __always_inline int target_takes(const struct tcpc_target *target,
					const struct tcpc_pkt *pkt, struct tcpc_online_stats *st)
{
	if (!(target->flags & (TCPC_TARGET_READY | TCPC_TARGET_KEEP))) {
		COUNT(st, target_not_ready);
		count_skipped(st, pkt);
		return 0;
	}
	if (!target->ifindex || tcpc_addr_is_v4(&target->addr) != (pkt->family == 4)) {
		COUNT(st, target_no_route);
		return 0;
	}
	if (source_allowed(target, &pkt->saddr)) {
		COUNT(st, target_allows);
		return 0;
	}
	return 1;
}

/* A copy of @pkt is ready. @err: it is not in the journal. Returns 0 if it may leave; it may not
 * while the target cannot be reached (invariant 2). */
static __always_inline int count_copy(const struct tcpc_target *target, const struct tcpc_pkt *pkt,
				      int err, struct tcpc_online_stats *st)
{
	if (target->flags & TCPC_TARGET_READY) {
		COUNT(st, copied);
		COUNT_N(st, copied_bytes, pkt->payload_bytes);
		return 0;
	}
	if (err) {
		COUNT(st, keep_failed);
		count_skipped(st, pkt);
	} else {
		COUNT(st, kept);
		COUNT_N(st, kept_bytes, pkt->payload_bytes);
	}
	return -1;
}

#endif
