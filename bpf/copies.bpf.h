/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * copies.bpf.h - more than one copy of a packet, and other sources for them; see mix.h. Part of
 * online.bpf.c.
 */
#ifndef TCPCOPY_BPF_COPIES_H
#define TCPCOPY_BPF_COPIES_H

#include "common.bpf.h"
#include "guard.bpf.h"
#include "tcpcopy/choose.h"
#include "tcpcopy/mix.h"
#include "tcpcopy/rewrite.h"

/* In the control buffer of a clone: says that tap made it, which target (lower half) and copy
 * (upper half) it is meant for, how much of a greeting its client had read, with a mark of
 * guard.bpf.h above that, and what stands for its connection (mix.h). */
#define CB_MAGIC 0x7463700a
#define CB_MARK 0
#define CB_WHICH 1
#define CB_GREETING 2
#define CB_BASE_HIGH 3
#define CB_BASE_LOW 4
#define CB_COPY_SHIFT 16
#define CB_TARGET_MASK 0xffff
#define CB_ROOT (1u << 31) /* in CB_WHICH: by tap, with all its targets in CB_BASE_LOW */

/* Who has which mapped source. Written by copy; the least recently used goes. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, TCPC_MAX_SOURCES);
	__type(key, struct tcpc_source_key);
	__type(value, struct tcpc_source);
} sources SEC(".maps");

/* One counter for every way a packet can go. Written by the programs only. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tcpc_online_stats);
} stats SEC(".maps");

/* Where the copies of an interface go; key is its ifindex. Written by the daemon, replaced whole.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TCPC_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct tcpc_target_set);
} targets SEC(".maps");

/* The allow-lists of the targets, by target id: such clients use the target themselves, so they
 * must not be copied there. Written by the daemon from the feedback link. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, TCPC_MAX_ALLOW);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tcpc_filter_key);
	__type(value, struct tcpc_filter);
} peer_allow SEC(".maps");

static __always_inline int filter_lookup(void *map, __u32 set, const struct tcpc_addr *client)
{
	struct tcpc_filter_key key = {
		.prefixlen = TCPC_FILTER_SET_BITS + 128,
		.set = set,
		.addr = *client,
	};
	struct tcpc_filter *found = bpf_map_lookup_elem(map, &key);

	return found ? found->action : TCPC_FILTER_NONE;
}

/* Does @client use this target itself? */
static __always_inline int source_allowed(const struct tcpc_target *target,
					  const struct tcpc_addr *client)
{
	return (target->flags & TCPC_TARGET_EXCLUDE) &&
	       filter_lookup(&peer_allow, target->id, client) != TCPC_FILTER_NONE;
}

/* What a packet is for its source, below the pool's mask. */
#define SOURCE_BEGINS 1u /* a SYN: the connection has none yet */
#define SOURCE_ENDS 2u
#define SOURCE_KEPT 4u /* it is the client's own, in the midst of the pool */
#define SOURCE_V4 8u

/* Functions that are not static are verified once, by themselves, and take numbers: see
 * guard.bpf.h. */
__noinline __u64 source_base(__u64 from_high, __u64 from_low, __u64 to_high, __u64 to_low,
			     __u64 ports)
{
	const __u64 words[5] = {from_high, from_low, to_high, to_low, ports};
	__u32 zero_key = 0;
	struct tcpc_online_config *cfg = bpf_map_lookup_elem(&config, &zero_key);

	return cfg ? tcpc_mix_base(cfg->source_key, words) : 0;
}

/* Is the source @key that of @who? 1: yes. 0: it may become that. -1: somebody else has it. */
static __always_inline int source_look(struct tcpc_source_key *key, __u64 who, __u32 about,
				       __u32 now)
{
	struct tcpc_source *found = bpf_map_lookup_elem(&sources, key);

	if (!found)
		return 0;
	if (found->who != who) {
		if (!tcpc_source_free(found, now))
			return -1;
		bpf_map_delete_elem(&sources, key);
		return 0;
	}
	if (found->seen != now)
		found->seen = now;
	if (about & SOURCE_ENDS)
		found->ended = 1;
	else if (about & SOURCE_BEGINS)
		found->ended = 0;
	return 1;
}

/*
 * The source of @who. @high, @low: the pool's address.  @mask_about: the pool's mask above
 * SOURCE_*.  @other: the last word of the target's address; of one that is kept: that of the
 * client, above its port.
 * Returns the last word of the address above the port; 0: there is none.
 */
__noinline __u64 source_of(__u64 who, __u64 high, __u64 low, __u64 mask_about, __u64 other)
{
	__u32 about = mask_about, mask = mask_about >> 32, i;
	__u32 now = bpf_ktime_get_ns() >> TCPC_SOURCE_SHIFT;
	struct tcpc_source_key key = {.addr = {{high >> 32, high, low >> 32, low}}};
	struct tcpc_source value = {.who = who, .seen = now, .ended = about & SOURCE_ENDS};
	__u64 unused = 0;

	for (i = 0; i < TCPC_MIX_TRIES; i++) {
		int look;

		if (about & SOURCE_KEPT) {
			key.addr.w[3] = other >> 32;
			key.port = other;
		} else {
			key.addr.w[3] = tcpc_mix_source(who, i, low, mask, &key.port);
			if (about & SOURCE_V4 && tcpc_mix_near(key.addr.w[3], other))
				continue;
		}
		look = source_look(&key, who, about, now);
		if (look > 0)
			return (__u64)key.addr.w[3] << 32 | key.port;
		if (!look && !unused)
			unused = (__u64)key.addr.w[3] << 32 | key.port;
		/* A SYN needs not ask whether its connection had to go elsewhere. */
		if (about & SOURCE_KEPT || (unused && about & SOURCE_BEGINS))
			break;
	}
	if (!unused)
		return 0;
	key.addr.w[3] = unused >> 32;
	key.port = unused;
	/* Where the table has no room, or another processor was faster, the next packet tries
	 * again. */
	bpf_map_update_elem(&sources, &key, &value, BPF_NOEXIST);
	return unused;
}

/* The copy that is being made. Functions that are verified by themselves find it here. */
struct job {
	struct tcpc_pkt pkt; /* where sources are mapped: as the copy is to be */
	struct tcpc_end was; /* its source before */
	struct tcpc_addr to; /* where sources are mapped: its target */
	__u64 came_ns;	     /* when tap saw the packet, CLOCK_MONOTONIC */
	__u32 noted;	     /* the journal has a copy of the packet that the job is one of */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct job);
} jobs SEC(".maps");

/* A packet is to be cloned. All its copies are made before the next one, on this processor. */
static __always_inline void note_time(__u64 now_ns)
{
	__u32 zero_key = 0;
	struct job *job = bpf_map_lookup_elem(&jobs, &zero_key);

	if (job)
		job->came_ns = now_ns;
}

/* The copies of another packet are to be made. */
static __always_inline void begin_packet(void)
{
	__u32 zero_key = 0;
	struct job *job = bpf_map_lookup_elem(&jobs, &zero_key);

	if (job)
		job->noted = 0;
}

/* What a packet means for its source. */
static __always_inline __u32 source_about(const struct tcpc_pkt *pkt)
{
	__u32 about = pkt->family == 4 ? SOURCE_V4 : 0;

	if (pkt->flags & (TCPC_TCP_FIN | TCPC_TCP_RST))
		return about | SOURCE_ENDS;
	return pkt->flags & TCPC_TCP_SYN ? about | SOURCE_BEGINS : about;
}

static __always_inline __u64 find_source(const struct tcpc_pool *pool, __u64 who, __u32 about,
					 __u64 other)
{
	return source_of(who, (__u64)pool->addr.w[0] << 32 | pool->addr.w[1],
			 (__u64)pool->addr.w[2] << 32 | pool->addr.w[3],
			 (__u64)pool->mask << 32 | about, other);
}

/* Gives the job the source that copy @which of its connection has. Returns 0, or -1 and counts if
 * there is none. */
__noinline int map_source(__u64 base, __u32 which, __u32 iface)
{
	__u32 zero_key = 0, copy = which >> CB_COPY_SHIFT, index = which & CB_TARGET_MASK, about;
	struct tcpc_online_stats *st = bpf_map_lookup_elem(&stats, &zero_key);
	struct tcpc_target_set *set = bpf_map_lookup_elem(&targets, &iface);
	struct job *job = bpf_map_lookup_elem(&jobs, &zero_key);
	const struct tcpc_pool *pool;
	__u64 other, found;

	if (!st || !job || !set || index >= TCPC_MAX_TARGETS)
		return -1;
	pool = job->pkt.family == 4 ? &set->pool[1] : &set->pool[0];
	about = source_about(&job->pkt);
	other = job->to.w[3];
	if (!copy && !(set->flags & TCPC_SET_FIRST_MAPPED)) {
		if (!tcpc_mix_in_pool(pool, &job->was.addr))
			return 0;
		about |= SOURCE_KEPT;
		other = (__u64)job->was.addr.w[3] << 32 | job->was.port;
	}
	found = find_source(pool, tcpc_mix_who(base, copy), about, other);
	if (!found) {
		COUNT(st, source_collision);
		if (about & SOURCE_BEGINS)
			COUNT(st, collisions);
		return -1;
	}
	if (about & SOURCE_KEPT)
		return 0;
	job->pkt.saddr = pool->addr;
	job->pkt.saddr.w[3] = found >> 32;
	job->pkt.sport = found;
	/* Such a source gets the target's answers itself. */
	if (source_allowed(&set->target[index], &job->pkt.saddr)) {
		COUNT(st, target_allows);
		return -1;
	}
	COUNT(st, mapped);
	return 0;
}

/* When copy @which is to leave, as enum tcpc_kept says; 0: at once. By itself, or the verifier
 * would look at all that follows twice. */
__noinline int spread_steps(__u64 base, __u32 which)
{
	__u32 copy = which >> CB_COPY_SHIFT;

	if (!copy)
		return TCPC_KEPT_NOT;
	return TCPC_KEPT_LATER + tcpc_mix_delay(tcpc_mix_who(base, copy), TCPC_SPREAD_STEPS);
}

static __always_inline __u32 spread_of(struct __sk_buff *skb, const struct tcpc_target_set *set)
{
	__u64 base = (__u64)skb->cb[CB_BASE_HIGH] << 32 | skb->cb[CB_BASE_LOW];

	if (!set->spread_ms)
		return TCPC_KEPT_NOT;
	return spread_steps(base, skb->cb[CB_WHICH]);
}

/* A copy of @pkt to @target is to be made: gives it the source that it has, and @ret_was the one
 * before. Nothing is written to the packet itself. Returns 0, or -1 if it has none. */
static __always_inline int begin_job(struct __sk_buff *skb, const struct tcpc_target_set *set,
				     const struct tcpc_target *target, struct tcpc_pkt *pkt,
				     struct tcpc_end *ret_was)
{
	__u64 base = (__u64)skb->cb[CB_BASE_HIGH] << 32 | skb->cb[CB_BASE_LOW];
	__u32 zero_key = 0;
	struct job *job = bpf_map_lookup_elem(&jobs, &zero_key);

	if (!job)
		return -1;
	ret_was->addr = pkt->saddr;
	ret_was->port = pkt->sport;
	job->was = *ret_was;
	if (!(set->flags & TCPC_SET_MAPPED))
		return 0;
	job->pkt = *pkt;
	job->to = target->addr;
	if (map_source(base, skb->cb[CB_WHICH], skb->ingress_ifindex))
		return -1;
	pkt->saddr = job->pkt.saddr;
	pkt->sport = job->pkt.sport;
	return 0;
}

/* What stands for the connection of @skb, for all its copies. Why headers cannot be read is counted
 * where they are read again. */
__noinline int note_base(struct __sk_buff *skb, __u32 link)
{
	struct tcpc_pkt pkt;
	__u64 base;

	if (read_headers(skb, link, &pkt) != TCPC_PARSE_OK)
		return 0;
	base = source_base((__u64)pkt.saddr.w[0] << 32 | pkt.saddr.w[1],
			   (__u64)pkt.saddr.w[2] << 32 | pkt.saddr.w[3],
			   (__u64)pkt.daddr.w[0] << 32 | pkt.daddr.w[1],
			   (__u64)pkt.daddr.w[2] << 32 | pkt.daddr.w[3],
			   (__u32)pkt.sport << 16 | pkt.dport);
	skb->cb[CB_BASE_HIGH] = base >> 32;
	skb->cb[CB_BASE_LOW] = base;
	return 0;
}

/*
 * One more clone for each further target and copy. Each comes back here with its own number and
 * ends there, so that they never stand on one another, however many there are: the kernel lets no
 * more than eight do that. Places of @chosen that are empty take none of TCPC_MAX_COPIES, which
 * tcpc_spec_copies_fit() keeps.
 */
__noinline int fan_out(struct __sk_buff *skb, __u32 copies, __u32 chosen)
{
	__u32 zero_key = 0, first = tcpc_choose_first(chosen), target = first, copy = 0, i;
	struct tcpc_online_stats *st = bpf_map_lookup_elem(&stats, &zero_key);

	if (!st)
		return 0;
	for (i = 1; i < TCPC_MAX_COPIES; i++) {
		if (++copy >= copies) {
			chosen &= ~(1u << (target & 31));
			if (!chosen)
				break;
			target = tcpc_choose_first(chosen);
			copy = 0;
		}
		skb->cb[CB_WHICH] = target | copy << CB_COPY_SHIFT;
		if ((int)bpf_clone_redirect(skb, skb->ifindex, 0) < 0)
			COUNT(st, clone_failed);
	}
	skb->cb[CB_WHICH] = first;
	return 0;
}

#endif
