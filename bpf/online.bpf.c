// SPDX-License-Identifier: GPL-2.0-only
/*
 * online.bpf.c - the online host's half: tap picks and clones, copy rewrites the clone and sends
 * it out. No session, no sequence number: the target's kernel knows the rest.
 *
 * Invariant 1: tap returns "next" on every path and never writes to a packet. All writing happens
 * in copy, which sees clones only.
 */
#include "common.bpf.h"
#include "copies.bpf.h"
#include "choose.bpf.h"
#include "cut.bpf.h"
#include "fit.bpf.h"
#include "glance.bpf.h"
#include "greeting.bpf.h"
#include "guard.bpf.h"
#define HANDED_TC
#include "handed.bpf.h"
#include "journal.bpf.h"
#include "leave.bpf.h"
#include "pick.bpf.h"
#include "write.bpf.h"
#include "tcpcopy/marks.h"

/* Mark the clone of @skb, and send it to the copy device. @mark: of guard.bpf.h. */
static __always_inline void clone(struct __sk_buff *skb, __u32 device, __u32 greeting, __u32 mark,
				  __u32 chosen, struct tcpc_online_stats *st)
{
	skb->cb[CB_MARK] = CB_MAGIC;
	/* Its targets travel where copy puts what stands for the connection. */
	skb->cb[CB_WHICH] = CB_ROOT;
	skb->cb[CB_BASE_LOW] = chosen;
	skb->cb[CB_GREETING] = greeting | mark;
	/* Positive results are the fate of the clone, which copy has counted already. */
	if ((int)bpf_clone_redirect(skb, device, 0) < 0) {
		COUNT(st, clone_failed);
		return;
	}
	COUNT(st, cloned);
	if (tcpc_greeting_bytes(greeting))
		COUNT(st, greetings);
}

/* A packet that is wanted: copied, unless something is to be spared. */
static __always_inline void tap_wanted(struct __sk_buff *skb, enum tcpc_link link,
				       const struct tcpc_pkt *pkt,
				       const struct tcpc_service *service,
				       const struct tcpc_online_config *cfg, __u32 chosen,
				       struct tcpc_online_stats *st)
{
	__u32 index = tcpc_handshake_index(cfg->hash_key, pkt);
	struct tcpc_handshake_set *set = bpf_map_lookup_elem(&handshakes, &index);
	const struct guard_size size = {skb->len, skb->gso_segs};
	__u64 now_ns = bpf_ktime_get_ns();
	__u32 mark = 0;

	if (now_ns >= cfg->lease_until_ns) {
		COUNT(st, no_heartbeat);
		return;
	}
	if (cfg->stop) {
		COUNT(st, no_memory);
		return;
	}
	if (!set)
		return;
	if (pkt->flags & TCPC_TCP_SYN && syn_again(index, pkt->seq))
		mark = GUARD_AGAIN;
	if (service->flags & TCPC_SERVICE_GUARD &&
	    guard_stops(pkt, service, cfg, size, mark == GUARD_AGAIN, now_ns, st, &mark))
		return;
	note_time(now_ns);
	clone(skb, link == TCPC_LINK_ETHER ? cfg->copy_ifindex : cfg->copy_raw_ifindex,
	      greeting_of(pkt, set, cfg->epoch, st), mark, chosen, st);
}

static __always_inline int is_for_us(const struct __sk_buff *skb, int handed,
				     struct tcpc_online_stats *st)
{
	if (!handed && skb->pkt_type != PACKET_HOST) {
		COUNT(st, not_to_us);
		return 0;
	}
	if (tcpc_mark_is_ours(skb->mark)) {
		COUNT(st, returned);
		return 0;
	}
	return 1;
}

/* A packet of a copied port, but no acknowledgement without data that could be told at a glance. */
static __always_inline void tap_parsed(struct __sk_buff *skb, enum tcpc_link link, int handed,
				       const struct tcpc_pkt *pkt, struct tcpc_online_stats *st)
{
	struct tcpc_service_key key = {.ifindex = skb->ifindex, .port = pkt->dport};
	struct tcpc_service *service = bpf_map_lookup_elem(&services, &key);
	struct tcpc_online_config *cfg;
	__u32 chosen;

	if (!service) {
		COUNT(st, no_service);
		return;
	}
	if (!is_for_us(skb, handed, st))
		return;
	if (tcpc_pkt_is_pure_ack(pkt)) {
		COUNT(st, pure_ack);
		note_pure_ack(pkt);
		return;
	}
	if (tcpc_addr_is_link_local(&pkt->saddr)) {
		COUNT(st, link_local);
		return;
	}
	cfg = bpf_map_lookup_elem(&config, &zero);
	chosen = cfg ? choose(skb, service, pkt, cfg, st) : 0;
	if (!chosen)
		return;
	if (!(service->flags & TCPC_SERVICE_ARMED)) {
		COUNT(st, not_armed);
		count_skipped(st, pkt);
		return;
	}
	tap_wanted(skb, link, pkt, service, cfg, chosen, st);
}

/* @handed: by mirror, which has counted it, and whoever it is for. */
static __always_inline void tap_packet(struct __sk_buff *skb, enum tcpc_link link, int handed,
				       struct tcpc_online_stats *st)
{
	struct tcpc_pkt pkt;
	enum glance seen;
	int result;

	if (!handed)
		COUNT(st, seen);
	seen = glance(skb, link, &pkt);
	if (seen == GLANCE_OTHER) {
		COUNT(st, no_service);
		return;
	}
	if (seen == GLANCE_PURE_ACK) {
		if (!is_for_us(skb, handed, st))
			return;
		COUNT(st, pure_ack);
		note_pure_ack(&pkt);
		return;
	}
	result = read_headers(skb, link, &pkt);
	if (result != TCPC_PARSE_OK)
		COUNT_PARSE_FAILURE(st, result);
	else
		tap_parsed(skb, link, handed, &pkt, st);
}

/* Of the packets one in 64 is timed, clones and all: their numbers times the golden ratio, modulo
 * 1, fall evenly whatever pattern the traffic has. */
#define SAMPLE_PACKETS 64

static __always_inline int tap_timed(struct __sk_buff *skb, enum tcpc_link link, int handed)
{
	struct tcpc_online_stats *st = bpf_map_lookup_elem(&stats, &zero);
	__u64 start_ns = 0, took_ns;

	if (!st)
		return VERDICT_NEXT;
	if ((__u32)st->seen * 0x9e3779b9u < (__u32)(0x100000000ULL / SAMPLE_PACKETS))
		start_ns = bpf_ktime_get_ns();
	tap_packet(skb, link, handed, st);
	if (start_ns) {
		took_ns = bpf_ktime_get_ns() - start_ns;
		/* Longer, and it was not us: a virtual machine stood still. */
		if (took_ns < TCPC_RUN_MAX_NS)
			COUNT_N(st, run_ns, took_ns * SAMPLE_PACKETS);
	}
	return VERDICT_NEXT;
}

/* TC ingress of the live interface. */
SEC("tc")
int tap(struct __sk_buff *skb)
{
	return tap_timed(skb, TCPC_LINK_ETHER, 0);
}

/* The same on an interface whose packets begin with the IP header (tun, WireGuard, PPP). Their
 * clones need a device of that kind: the kernel gives no packet without a link header to another.
 */
SEC("tc")
int tap_raw(struct __sk_buff *skb)
{
	return tap_timed(skb, TCPC_LINK_NONE, 0);
}

/* TC ingress of a mirror port: what mirror hands on ends here, copied or not. All else goes on. */
SEC("tc")
int tap_handed(struct __sk_buff *skb)
{
	struct tcpc_online_stats *st = bpf_map_lookup_elem(&stats, &zero);
	int is = handed(skb);

	if (is < 0 && st)
		COUNT(st, rewrite_failed);
	if (is > 0)
		tap_timed(skb, TCPC_LINK_ETHER, 1);
	return is ? VERDICT_DROP : VERDICT_NEXT;
}

/* The neighbour helper wants Ethernet and IP and nothing between. */
static __always_inline void pop_vlan_tags(struct __sk_buff *skb)
{
	int i;

	for (i = 0; i <= TCPC_VLAN_TAGS; i++)
		if (skb->vlan_present || tcpc_is_vlan(skb->protocol))
			bpf_skb_vlan_pop(skb);
}

/* Note the copy of @pkt, which is ready to leave, if it is to be noted. @kept: why it does not
 * leave though it could, enum tcpc_kept. Returns 0 if it may leave; it may not while the target
 * cannot be reached (invariant 2). */
static __always_inline int note_copy(struct __sk_buff *skb, enum tcpc_link link,
				     const struct tcpc_pkt *pkt, const struct tcpc_target *target,
				     __u32 kept, struct tcpc_online_stats *st)
{
	int err = -1;

	if (target->flags & TCPC_TARGET_JOURNAL)
		err = journal_copy(skb, link == TCPC_LINK_NONE ? ETH_HLEN : pkt->l3_off, pkt,
				   target, kept);
	if (kept > TCPC_KEPT_LATER && target->flags & TCPC_TARGET_READY) {
		if (!err) {
			COUNT(st, spread);
			return -1;
		}
		COUNT(st, spread_failed);
	}
	return count_copy(target, pkt, err, st);
}

/* Give the clone what it is to be: without tags, small enough, for this target. Returns 0, FIT_CUT
 * (it leaves in pieces), or -1 and counts why it does not leave. */
static __always_inline int prepare_copy(struct __sk_buff *skb, enum tcpc_link link,
					const struct tcpc_target_set *set,
					const struct tcpc_target *target,
					struct tcpc_online_stats *st)
{
	struct tcpc_online_config *cfg = bpf_map_lookup_elem(&config, &zero);
	__u32 mark = skb->cb[CB_GREETING], kept;
	struct writing w = {.greeting = mark, .fin = !!(mark & GUARD_CUT)};
	struct tcpc_pkt pkt;
	int result, cut;

	if (link == TCPC_LINK_ETHER)
		pop_vlan_tags(skb);
	result = read_headers(skb, link, &pkt);
	if (result != TCPC_PARSE_OK) {
		COUNT_PARSE_FAILURE(st, result);
		return -1;
	}
	if (!target_takes(target, &pkt, st))
		return -1;
	if (begin_job(skb, set, target, &pkt, &w.was))
		return -1;
	w.to.addr = target->addr;
	w.to.port = target->port ?: pkt.dport;
	kept = spread_of(skb, set);
	if (gate_closed(target, &pkt, cfg, mark, st))
		return -1;
	cut = fit_mtu(skb, &pkt, target, st);
	if (cut < 0)
		return -1;
	if (write_copy(skb, &pkt, &w) ||
	    (link == TCPC_LINK_NONE && bpf_skb_change_head(skb, ETH_HLEN, 0)) ||
	    (cut && cut_begin(&pkt, link == TCPC_LINK_NONE ? ETH_HLEN : pkt.l3_off, target))) {
		COUNT(st, rewrite_failed);
		return -1;
	}
	return note_copy(skb, link, &pkt, target, kept, st) ? -1 : cut;
}

static __always_inline int send_copy(struct __sk_buff *skb, enum tcpc_link link,
				     const struct tcpc_target_set *set, __u32 index,
				     struct tcpc_online_stats *st)
{
	const struct tcpc_target *target;
	int cut;

	if (index >= TCPC_MAX_TARGETS || index >= set->n_targets) {
		COUNT(st, stray);
		return VERDICT_DROP;
	}
	target = &set->target[index];
	cut = prepare_copy(skb, link, set, target, st);
	return cut < 0 ? VERDICT_DROP : leave(skb, target, cut, st);
}

static __always_inline int copy_packet(struct __sk_buff *skb, enum tcpc_link link)
{
	struct tcpc_online_stats *st = bpf_map_lookup_elem(&stats, &zero);
	__u32 iface = skb->ingress_ifindex;
	struct tcpc_target_set *set;
	__u32 which, chosen = 0xffff;

	if (!st)
		return VERDICT_DROP;
	set = skb->cb[CB_MARK] == CB_MAGIC ? bpf_map_lookup_elem(&targets, &iface) : NULL;
	if (!set) {
		COUNT(st, stray);
		return VERDICT_DROP;
	}
	which = skb->cb[CB_WHICH];
	if (!which || which & CB_ROOT) {
		if (which)
			chosen = skb->cb[CB_BASE_LOW];
		chosen &= (1u << (set->n_targets & 31)) - 1;
		which = tcpc_choose_first(chosen);
		skb->cb[CB_WHICH] = which;
		begin_packet();
		if (set->flags & TCPC_SET_MAPPED)
			note_base(skb, link);
		if (set->n_targets > 1 || set->copies > 1)
			fan_out(skb, set->copies ?: 1, chosen);
	}
	return send_copy(skb, link, set, which & CB_TARGET_MASK, st);
}

/* TC egress of the private copy device: sees clones only, and ends every one of them. */
SEC("tc")
int copy(struct __sk_buff *skb)
{
	return copy_packet(skb, TCPC_LINK_ETHER);
}

/* The same for what tap_raw has cloned, on a device without a link header. */
SEC("tc")
int copy_raw(struct __sk_buff *skb)
{
	return copy_packet(skb, TCPC_LINK_NONE);
}

/* TC ingress of a device that `replay` writes to, behind tap_raw: what was copied has no further
 * way to go on this host. */
SEC("tc")
int swallow(struct __sk_buff *skb)
{
	(void)skb;
	return VERDICT_DROP;
}

char LICENSE[] SEC("license") = "GPL";
