/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guard.bpf.h - what is not copied so that neither this host nor the target comes to harm: budgets
 * of an interface (in tap), connections that a target in trouble is spared (in copy). Part of
 * online.bpf.c; writes to no packet.
 */
#ifndef TCPCOPY_BPF_GUARD_H
#define TCPCOPY_BPF_GUARD_H

#include "common.bpf.h"
#include "tcpcopy/guard.h"
#include "tcpcopy/hash.h"

/* Heartbeat and constants. Shared memory with the daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct tcpc_online_config);
} config SEC(".maps");

/* Of interfaces; index is struct tcpc_service's. Shared memory with the daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TCPC_MAX_BUDGETS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct tcpc_budget);
} budgets SEC(".maps");

/* Of targets; index is struct tcpc_target's. Shared memory with the daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TCPC_MAX_GATES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct tcpc_gate);
} gates SEC(".maps");

/* Connections that were refused, until they end. Written by the programs; the oldest goes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TCPC_WAYS_SETS);
	__type(key, __u32);
	__type(value, struct tcpc_ways);
} refused SEC(".maps");

/* What tap passes on to copy in a clone's control buffer, above the greeting's length. */
#define GUARD_CUT (1u << 31)   /* end the connection with this packet */
#define GUARD_AGAIN (1u << 30) /* this SYN was let through before */

/*
 * The verifier looks at a function that is not static once, by itself; inline, all ways through it
 * multiply with those through the headers (tap: 539,310 instructions instead of
 * 30,276). Such
 * functions take numbers where they can, for pointers have to be checked again: the connection
 * as tcpc_ways_key() gives it, a packet as its SEG.SEQ above TCPC_GUARD_*.
 */
__noinline int guard_decide(__u64 who, __u64 packet, __u32 budget_index, __u64 now_ns)
{
	struct tcpc_budget *budget = bpf_map_lookup_elem(&budgets, &budget_index);
	__u32 index = who >> 32;
	struct tcpc_ways *set = bpf_map_lookup_elem(&refused, &index);

	if (!set || !budget)
		return TCPC_GUARD_PASS;
	return tcpc_guard_decide(budget, set, who, packet >> 32, packet, now_ns);
}

__noinline int gate_decide(__u64 who, __u64 packet, __u32 gate_index)
{
	struct tcpc_gate *gate = bpf_map_lookup_elem(&gates, &gate_index);
	__u32 index = who >> 32;
	struct tcpc_ways *set = bpf_map_lookup_elem(&refused, &index);

	if (!set || !gate)
		return TCPC_GUARD_PASS;
	return tcpc_gate_decide(gate, set, who, packet >> 32, packet, bpf_ktime_get_ns());
}

/* Takes a copied packet from its budget. */
__noinline int guard_take(__u32 budget_index, __u64 now_ns, __u32 bytes, __u32 segments,
			  __u32 header_bytes)
{
	struct tcpc_budget *budget = bpf_map_lookup_elem(&budgets, &budget_index);

	if (budget)
		tcpc_budget_take(budget, now_ns, bytes, segments, header_bytes);
	return 0;
}

/* Is the connection of this client among the @share? */
__noinline int in_share(__u64 addr_high, __u64 addr_low, __u32 port, __u32 share)
{
	struct tcpc_addr client = {{addr_high >> 32, addr_high, addr_low >> 32, addr_low}};
	__u32 zero_key = 0;
	struct tcpc_online_config *cfg = bpf_map_lookup_elem(&config, &zero_key);

	return cfg && tcpc_sampled(cfg->hash_key, &client, port, share);
}

static __always_inline int sampled(const struct tcpc_pkt *pkt, __u32 share)
{
	return share >= TCPC_SAMPLE_ALL ||
	       in_share((__u64)pkt->saddr.w[0] << 32 | pkt->saddr.w[1],
			(__u64)pkt->saddr.w[2] << 32 | pkt->saddr.w[3], pkt->sport, share);
}

static __always_inline __u64 guard_packet(const struct tcpc_pkt *pkt, __u32 about)
{
	return (__u64)pkt->seq << 32 | about;
}

static __always_inline void count_verdict(__u32 verdict, struct tcpc_online_stats *st)
{
	if (verdict == TCPC_GUARD_REFUSE_BUDGET)
		COUNT(st, budget_refused);
	else if (verdict == TCPC_GUARD_REFUSE_CPU)
		COUNT(st, cpu_refused);
	else if (verdict == TCPC_GUARD_CUT_BUDGET)
		COUNT(st, budget_cut);
	else if (verdict == TCPC_GUARD_CUT_CPU)
		COUNT(st, cpu_cut);
	else if (verdict == TCPC_GUARD_REST)
		COUNT(st, refused);
}

/** What a packet takes of a budget: its frame, and of how many it consists (0: of one). */
struct guard_size {
	__u32 bytes;
	__u32 segments;
};

/*
 * May @pkt be copied as far as the budgets of its interface go? Takes from them if so.
 * @again: a SYN that was let through before.  @ret_mark: gets GUARD_CUT.
 */
static __always_inline int guard_stops(const struct tcpc_pkt *pkt,
				       const struct tcpc_service *service,
				       const struct tcpc_online_config *cfg, struct guard_size size,
				       int again, __u64 now_ns, struct tcpc_online_stats *st,
				       __u32 *ret_mark)
{
	__u32 about = tcpc_guard_about(pkt, again), verdict;

	if (cfg->closed_new && !sampled(pkt, TCPC_SAMPLE_ALL - cfg->closed_new))
		about |= TCPC_GUARD_NEW_OUT;
	if (cfg->closed_running && !sampled(pkt, TCPC_SAMPLE_ALL - cfg->closed_running))
		about |= TCPC_GUARD_RUNNING_OUT;
	verdict = guard_decide(tcpc_refused_key(cfg->hash_key, pkt, 0), guard_packet(pkt, about),
			       service->budget, now_ns);
	if (verdict & TCPC_GUARD_LOST)
		COUNT(st, refused_lost);
	verdict &= ~TCPC_GUARD_LOST;
	count_verdict(verdict, st);
	if (verdict == TCPC_GUARD_CUT_BUDGET || verdict == TCPC_GUARD_CUT_CPU)
		*ret_mark = GUARD_CUT;
	else if (verdict != TCPC_GUARD_PASS)
		return 1;
	guard_take(service->budget, now_ns, size.bytes, size.segments,
		   pkt->l4_off + pkt->tcp_bytes);
	return 0;
}

/* May @pkt go to this target, which is or was in trouble? Counts if not. */
static __always_inline int gate_stops(const struct tcpc_target *target, const struct tcpc_pkt *pkt,
				      const struct tcpc_online_config *cfg, int again,
				      struct tcpc_online_stats *st)
{
	__u64 who = tcpc_refused_key(cfg->hash_key, pkt, target->gate + 1);
	__u32 verdict =
		gate_decide(who, guard_packet(pkt, tcpc_guard_about(pkt, again)), target->gate);

	if (verdict & TCPC_GUARD_LOST)
		COUNT(st, refused_lost);
	verdict &= ~TCPC_GUARD_LOST;
	if (verdict == TCPC_GUARD_PASS)
		return 0;
	if (verdict == TCPC_GUARD_REST)
		COUNT(st, target_rest);
	else
		COUNT(st, target_refused);
	return 1;
}

/* The target's gate: looked at when a connection begins, and always while or after it is in
 * trouble. */
static __always_inline int gate_closed(const struct tcpc_target *target, const struct tcpc_pkt *pkt,
				       const struct tcpc_online_config *cfg, __u32 mark,
				       struct tcpc_online_stats *st)
{
	int syn = (pkt->flags & (TCPC_TCP_SYN | TCPC_TCP_ACK)) == TCPC_TCP_SYN;
	__u32 index = target->gate;
	struct tcpc_gate *gate;

	if (cfg && target->flags & TCPC_TARGET_GATED &&
	    gate_stops(target, pkt, cfg, mark & GUARD_AGAIN, st))
		return 1;
	gate = syn && target->flags & TCPC_TARGET_READY ? bpf_map_lookup_elem(&gates, &index)
							: NULL;
	if (gate)
		__sync_fetch_and_add(&gate->begun, 1);
	return 0;
}

#endif
