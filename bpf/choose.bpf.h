/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * choose.bpf.h - which connections are copied and to which given; see choose.h. Part of
 * online.bpf.c; writes to no packet.
 */
#ifndef TCPCOPY_BPF_CHOOSE_H
#define TCPCOPY_BPF_CHOOSE_H

#include "common.bpf.h"
#include "copies.bpf.h"
#include "greeting.bpf.h"
#include "guard.bpf.h"
#include "tcpcopy/choose.h"
#include "tcpcopy/known.h"

/* --client and --exclude prefixes by filter set. Written by the daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, TCPC_MAX_FILTERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tcpc_filter_key);
	__type(value, struct tcpc_filter);
} filters SEC(".maps");

/* What `choices` and rules name. Written by the daemon: none that is in use is changed. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TCPC_MAX_RULES);
	__type(key, __u32);
	__type(value, struct tcpc_rule);
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TCPC_MAX_SPLITS);
	__type(key, __u32);
	__type(value, struct tcpc_split);
} splits SEC(".maps");

/* Of interfaces, at their budget's index. Shared memory with the daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TCPC_MAX_BUDGETS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct tcpc_choice);
} choices SEC(".maps");

/* Connections that began under another rule. Written by tap, read by the daemon; the oldest goes.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TCPC_WAYS_SETS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct tcpc_ways);
} known SEC(".maps");

/* What choose_targets() has to know of a packet: more than it has arguments. */
struct choosing {
	struct tcpc_addr client, local;
	__be16 port;
	__u16 vlan;
	__u32 family;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct choosing);
} choosing SEC(".maps");

/* Why a connection goes nowhere; above its targets. */
#define CHOOSE_FILTERED (1u << 16)
#define CHOOSE_EXCLUDED (1u << 17)
#define CHOOSE_NOT_SAMPLED (1u << 18)
#define CHOOSE_NO_TARGET (1u << 19)
#define CHOOSE_KNOWN_OUT (1u << 20)
#define CHOOSE_GONE (1u << 21)
#define CHOOSE_NOT_LOCAL (1u << 23)
#define CHOOSE_NOT_VLAN (1u << 24)
#define CHOOSE_LOST (1u << 22) /* beside targets: another connection had to be forgotten */

/* In the second argument of choose_targets(), below SEG.SEQ. */
#define CHOOSE_BEGINS (1u << 0)
#define CHOOSE_ENDS (1u << 1)

static __always_inline int filter_verdict(__u32 flags, __u32 set, const struct tcpc_addr *client)
{
	int action;

	if (!(flags & TCPC_SERVICE_FILTER))
		return 0;
	action = filter_lookup(&filters, set, client);
	if (action == TCPC_FILTER_EXCLUDE)
		return CHOOSE_EXCLUDED;
	return flags & TCPC_SERVICE_CLIENTS && action != TCPC_FILTER_CLIENT ? CHOOSE_FILTERED : 0;
}

static __always_inline int in_vlans(const struct tcpc_rule *rule, __u32 vlan)
{
	__u32 i;

	for (i = 0; i < TCPC_MAX_VLANS; i++)
		if (i < rule->n_vlans && rule->vlans[i] == vlan)
			return 1;
	return !rule->n_vlans;
}

static __always_inline __u32 rule_verdict(const struct tcpc_rule *rule, const struct choosing *c)
{
	__u32 flags = 0;

	if (!in_vlans(rule, c->vlan))
		return CHOOSE_NOT_VLAN;
	if (rule->flags & TCPC_RULE_LOCALS &&
	    filter_lookup(&filters, rule->filter_set | TCPC_FILTER_SET_LOCALS, &c->local) !=
		    TCPC_FILTER_LOCAL)
		return CHOOSE_NOT_LOCAL;
	if (rule->flags & TCPC_RULE_FILTER)
		flags |= TCPC_SERVICE_FILTER;
	if (rule->flags & TCPC_RULE_CLIENTS)
		flags |= TCPC_SERVICE_CLIENTS;
	return filter_verdict(flags, rule->filter_set, &c->client);
}

/* Whose part of all connections is this one's? */
static __always_inline __u32 split_target(__u32 split_index, __u64 hash, __u32 family)
{
	struct tcpc_split *split = bpf_map_lookup_elem(&splits, &split_index);
	__u32 slot;

	if (!split)
		return CHOOSE_NO_TARGET;
	slot = split->slot[family == 6][tcpc_split_part(hash)];
	return slot < TCPC_MAX_TARGETS ? 1u << slot : CHOOSE_NO_TARGET;
}

/* The targets that a rule gives the connection in `choosing`, or CHOOSE_*. Not static for the
 * verifier's sake, see guard.bpf.h. */
__noinline int rule_targets(__u32 index)
{
	struct choosing *c = bpf_map_lookup_elem(&choosing, &zero);
	struct tcpc_online_config *cfg = bpf_map_lookup_elem(&config, &zero);
	struct tcpc_rule *rule = bpf_map_lookup_elem(&rules, &index);
	__u32 verdict, by_client;
	__u64 hash = 0;

	if (!c || !cfg || !rule)
		return CHOOSE_NO_TARGET;
	verdict = rule_verdict(rule, c);
	if (verdict)
		return verdict;
	by_client = rule->flags & TCPC_RULE_BY_CLIENT;
	if (rule->sample < TCPC_SAMPLE_ALL) {
		hash = tcpc_connection_hash(cfg->hash_key, &c->client, by_client ? 0 : c->port);
		if (!tcpc_hash_sampled(hash, rule->sample))
			return CHOOSE_NOT_SAMPLED;
	}
	if (!(rule->flags & TCPC_RULE_SPLIT))
		return rule->targets & 0xffff;
	if (by_client || rule->sample >= TCPC_SAMPLE_ALL)
		hash = tcpc_connection_hash(cfg->hash_key, &c->client, c->port);
	return split_target(rule->split, hash, c->family);
}

/* A connection of which nothing is remembered. */
static __always_inline __u32 choose_unknown(struct tcpc_ways *set, __u32 tag, __u64 word,
					    __u32 begins, __u16 when)
{
	__u32 given =
		rule_targets(begins || !(word & TCPC_CHOICE_MOVING) ? tcpc_choice_now(word)
								    : tcpc_choice_before(word));

	if (!(word & TCPC_CHOICE_MOVING))
		return given;
	if (!begins && (given & 0xffff) == (rule_targets(tcpc_choice_now(word)) & 0xffff))
		return given;
	return given | (tcpc_known_put(set, tag, given, when) ? CHOOSE_LOST : 0);
}

/* Where the packet in `choosing` goes: given, or CHOOSE_*. @who: as tcpc_ways_key() says. */
__noinline int choose_targets(__u32 index, __u64 who, __u32 about, __u32 when)
{
	struct tcpc_choice *choice = bpf_map_lookup_elem(&choices, &index);
	__u32 set_index = who >> 32, given, tag = who;
	struct tcpc_ways *set = bpf_map_lookup_elem(&known, &set_index);
	int before = -1;
	__u64 word;

	if (!choice || !set)
		return CHOOSE_NO_TARGET;
	word = *(volatile __u64 *)&choice->word;
	if (word & TCPC_CHOICE_LOOK && !(about & CHOOSE_BEGINS))
		before = tcpc_known_get(set, tag, when, about & CHOOSE_ENDS);
	else if (word & TCPC_CHOICE_LOOK)
		tcpc_ways_forget(set, tag);
	if (before >= 0)
		given = before ? before : CHOOSE_KNOWN_OUT;
	else
		given = choose_unknown(set, tag, word, about & CHOOSE_BEGINS, when);
	if (!(given & 0xffff))
		return given;
	about = tcpc_choice_targets(word, given & 0xffff);
	return (about ?: CHOOSE_GONE) | (given & CHOOSE_LOST);
}

static __always_inline void count_choice(__u32 choice, struct tcpc_online_stats *st)
{
	if (choice & CHOOSE_LOST)
		COUNT(st, known_lost);
	if (choice & CHOOSE_EXCLUDED)
		COUNT(st, excluded);
	else if (choice & CHOOSE_FILTERED)
		COUNT(st, filtered);
	else if (choice & CHOOSE_NOT_SAMPLED)
		COUNT(st, not_sampled);
	else if (choice & CHOOSE_NO_TARGET)
		COUNT(st, target_no_route);
	else if (choice & CHOOSE_KNOWN_OUT)
		COUNT(st, known_out);
	else if (choice & CHOOSE_GONE)
		COUNT(st, target_gone);
	else if (choice & CHOOSE_NOT_LOCAL)
		COUNT(st, not_local);
	else if (choice & CHOOSE_NOT_VLAN)
		COUNT(st, not_vlan);
}

/* A service whose rules never changed and need no more than itself says. */
static __always_inline __u32 choose_plain(const struct tcpc_service *service,
					  const struct tcpc_pkt *pkt)
{
	__u32 verdict = filter_verdict(service->flags, service->filter_set, &pkt->saddr);

	if (!verdict && !sampled(pkt, service->sample))
		verdict = CHOOSE_NOT_SAMPLED;
	return verdict ?: 0xffff;
}

/* The outer VLAN of a packet, 0 if it has no tag. The kernel mostly takes it out of the packet. */
static __always_inline __u16 vlan_of(struct __sk_buff *skb, const struct tcpc_pkt *pkt)
{
	__be16 tci = 0;

	if (skb->vlan_present)
		return skb->vlan_tci & 0xfff;
	if (pkt->vlan_tags)
		bpf_skb_load_bytes(skb, ETH_HLEN, &tci, sizeof(tci));
	return tcpc_ntohs(tci) & 0xfff;
}

/* @vlan: the outer one, 0 if there is none. */
static __always_inline __u32 choose_by_rules(const struct tcpc_service *service,
					     const struct tcpc_pkt *pkt, __u16 vlan,
					     const struct tcpc_online_config *cfg)
{
	struct choosing *c = bpf_map_lookup_elem(&choosing, &zero);
	__u32 about = 0;

	if (!c)
		return CHOOSE_NO_TARGET;
	c->client = pkt->saddr;
	c->local = pkt->daddr;
	c->port = pkt->sport;
	c->family = pkt->family;
	c->vlan = vlan;
	if ((pkt->flags & (TCPC_TCP_SYN | TCPC_TCP_ACK)) == TCPC_TCP_SYN &&
	    !syn_again(tcpc_handshake_index(cfg->hash_key, pkt), pkt->seq))
		about |= CHOOSE_BEGINS;
	if (pkt->flags & (TCPC_TCP_FIN | TCPC_TCP_RST))
		about |= CHOOSE_ENDS;
	return choose_targets(service->budget, tcpc_refused_key(cfg->hash_key, pkt, TCPC_KNOWN_WHO),
			      about, tcpc_known_time(bpf_ktime_get_ns()));
}

/* To which of the targets does @pkt go? Returns 0 and counts if to none. */
static __always_inline __u32 choose(struct __sk_buff *skb, const struct tcpc_service *service,
				    const struct tcpc_pkt *pkt,
				    const struct tcpc_online_config *cfg,
				    struct tcpc_online_stats *st)
{
	__u32 choice = service->flags & TCPC_SERVICE_CHOICE
			       ? (__u32)choose_by_rules(service, pkt, vlan_of(skb, pkt), cfg)
			       : choose_plain(service, pkt);

	count_choice(choice, st);
	return choice & 0xffff;
}

#endif
