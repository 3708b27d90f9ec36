// SPDX-License-Identifier: GPL-2.0-only
/*
 * mirror.bpf.c - XDP on a port that carries only mirrored traffic (SPAN, a cloud's packet mirror):
 * the frames have no original here, so they are not cloned but rewritten and sent on.
 *
 * One object for each interface, with the maps of online.bpf.c. What is not copied goes on or ends
 * here, as the user has said. What was changed in part is never let go on.
 */
#include "vmlinux.h"

#include "common.bpf.h"
#include <bpf/bpf_core_read.h>
#include "choose.bpf.h"
#include "greeting.bpf.h"
#include "guard.bpf.h"
#include "handed.bpf.h"
#define JOURNAL_XDP
#include "journal.bpf.h"
#include "pick.bpf.h"
#include "tcpcopy/greeting.h"
#include "tcpcopy/mirror.h"
#include "tcpcopy/rewrite.h"
#include "tcpcopy/unwrap.h"

/* What becomes of frames that are not copied: XDP_PASS or XDP_DROP. */
const volatile __u32 mirror_rest = XDP_PASS;
/* 1: generic XDP, where unfinished checksums stay so, as where a frame goes on. See mirror.h. */
const volatile __u32 mirror_generic = 0;
/* The interface, for what the kernel tells of all. */
const volatile __u32 mirror_ifindex = 0;

/* --vni: only what is wrapped with this number. -1: anything, wrapped or not. */
const volatile __s64 mirror_vni = -1;

#define NEXT_FRAME (-1) /* not to be copied, unchanged */
#define HEADERS_MASK 0x1ff
#define UNWRAP_MASK 0xff
#define UNWRAPPED_IP 0x100 /* above that: no link header */
#define UNWRAPPED_SHORT 0x200
#define UNWRAPPED 0x400
#define VLAN_HLEN 4
#define VLAN_TAGS_MASK 3
#define SUM_CHUNK 512 /* what bpf_csum_diff() takes at once before Linux 6.15 */
#define SUM_CHUNKS 128

_Static_assert(TCPC_UNWRAP_MAX <= UNWRAP_MASK, "wrapping lies within");
_Static_assert(TCPC_HEADERS_MAX <= HEADERS_MASK, "headers lie within");

/* A piece of a segment while it is summed up. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u8[SUM_CHUNK]);
} chunk SEC(".maps");

/** A walk over the bytes of a frame, which may lie in several pages. */
struct sum_walk {
	struct xdp_md *ctx;
	__u32 off, left, sum;
	__u32 failed;
};

static long sum_step(__u32 i, struct sum_walk *walk)
{
	__u8 *bytes = bpf_map_lookup_elem(&chunk, &zero);
	__u32 take = walk->left;
	__s64 sum;

	(void)i;
	if (!bytes || !take)
		return 1;
	if (take > SUM_CHUNK)
		take = SUM_CHUNK;
	else
		__builtin_memset(bytes, 0, SUM_CHUNK);
	walk->failed = 1;
	if (bpf_xdp_load_bytes(walk->ctx, walk->off, bytes, take))
		return 1;
	sum = bpf_csum_diff(NULL, 0, (__be32 *)bytes, SUM_CHUNK, walk->sum);
	if (sum < 0)
		return 1;
	walk->failed = 0;
	walk->sum = sum;
	walk->off += take;
	walk->left -= take;
	return 0;
}

/* Sum of @bytes from @off on; an even offset in the segment. Returns 0 or -1. */
static __always_inline int sum_frame(struct xdp_md *ctx, __u32 off, __u32 bytes, __u32 *ret)
{
	struct sum_walk walk = {.ctx = ctx, .off = off, .left = bytes};

	bpf_loop(SUM_CHUNKS, sum_step, &walk, 0);
	if (walk.failed || walk.left)
		return -1;
	*ret = walk.sum;
	return 0;
}

/* A packet that is wanted: is it copied, and with which mark (guard.bpf.h, the greeting)? */
static __always_inline int spared(const struct tcpc_pkt *pkt, __u32 frame_bytes,
				  const struct tcpc_service *service,
				  const struct tcpc_online_config *cfg,
				  struct tcpc_online_stats *st, __u32 *ret_mark)
{
	__u32 index = tcpc_handshake_index(cfg->hash_key, pkt);
	struct tcpc_handshake_set *set = bpf_map_lookup_elem(&handshakes, &index);
	const struct guard_size size = {frame_bytes, 0};
	__u64 now_ns = bpf_ktime_get_ns();
	__u32 mark = 0, greeting;

	if (now_ns >= cfg->lease_until_ns) {
		COUNT(st, no_heartbeat);
		return 1;
	}
	if (cfg->stop) {
		COUNT(st, no_memory);
		return 1;
	}
	if (!set)
		return 1;
	if (pkt->flags & TCPC_TCP_SYN && syn_again(index, pkt->seq))
		mark = GUARD_AGAIN;
	if (service->flags & TCPC_SERVICE_GUARD &&
	    guard_stops(pkt, service, cfg, size, mark == GUARD_AGAIN, now_ns, st, &mark))
		return 1;
	greeting = greeting_of(pkt, set, cfg->epoch, st);
	if (tcpc_greeting_bytes(greeting))
		COUNT(st, greetings);
	*ret_mark = mark | greeting;
	return 0;
}

/* The outer VLAN of the packet in this frame, 0 if it has no tag. */
static __always_inline __u16 vlan_in(struct xdp_md *ctx, const struct tcpc_pkt *pkt)
{
	__u8 *tci = (void *)(long)ctx->data;

	if (!pkt->vlan_tags || pkt->l3_off < VLAN_HLEN)
		return 0;
	/* Tags end where the IP header begins. */
	tci += (pkt->l3_off & HEADERS_MASK) - VLAN_HLEN * (pkt->vlan_tags & VLAN_TAGS_MASK);
	if ((void *)tci < (void *)(long)ctx->data || tci + 2 > (__u8 *)(long)ctx->data_end)
		return 0;
	return (tci[0] << 8 | tci[1]) & 0xfff;
}

/* To which target does this packet go? Counts if to none: TCPC_MAX_TARGETS. */
static __always_inline __u32 chosen_target(struct xdp_md *ctx, const struct tcpc_service *service,
					   const struct tcpc_pkt *pkt,
					   const struct tcpc_online_config *cfg,
					   struct tcpc_online_stats *st)
{
	__u32 choice = service->flags & TCPC_SERVICE_CHOICE
			       ? choose_by_rules(service, pkt, vlan_in(ctx, pkt), cfg)
			       : choose_plain(service, pkt);

	count_choice(choice, st);
	return choice & 0xffff ? tcpc_choose_first(choice) : TCPC_MAX_TARGETS;
}

/* Is this frame to be copied, and to which target? Counts and returns TCPC_MAX_TARGETS if not. */
static __always_inline __u32 picked(struct xdp_md *ctx, const struct tcpc_pkt *pkt,
				    __u32 frame_bytes, struct tcpc_online_stats *st,
				    __u32 *ret_mark)
{
	struct tcpc_service_key key = {.ifindex = ctx->ingress_ifindex, .port = pkt->dport};
	struct tcpc_service *service = bpf_map_lookup_elem(&services, &key);
	struct tcpc_online_config *cfg = bpf_map_lookup_elem(&config, &zero);
	__u32 index;

	if (!service || !cfg) {
		COUNT(st, no_service);
		return TCPC_MAX_TARGETS;
	}
	if (tcpc_pkt_is_pure_ack(pkt)) {
		COUNT(st, pure_ack);
		if (service->flags & TCPC_SERVICE_ARMED)
			note_pure_ack(pkt);
		return TCPC_MAX_TARGETS;
	}
	if (tcpc_addr_is_link_local(&pkt->saddr)) {
		COUNT(st, link_local);
		return TCPC_MAX_TARGETS;
	}
	index = chosen_target(ctx, service, pkt, cfg, st);
	if (index >= TCPC_MAX_TARGETS)
		return TCPC_MAX_TARGETS;
	if (!(service->flags & TCPC_SERVICE_ARMED)) {
		COUNT(st, not_armed);
		count_skipped(st, pkt);
		return TCPC_MAX_TARGETS;
	}
	return spared(pkt, frame_bytes, service, cfg, st, ret_mark) ? TCPC_MAX_TARGETS : index;
}

/* Are several copies of this packet wanted? */
static __always_inline int has_several(struct xdp_md *ctx, const struct tcpc_pkt *pkt)
{
	struct tcpc_service_key key = {.ifindex = ctx->ingress_ifindex, .port = pkt->dport};
	struct tcpc_service *service = bpf_map_lookup_elem(&services, &key);

	return service && service->flags & TCPC_SERVICE_SEVERAL;
}

/* May it go to @target, by its gate and its way? Counts if not. */
static __always_inline int target_can(const struct tcpc_target *target, const struct tcpc_pkt *pkt,
				      __u32 mark, struct tcpc_online_stats *st)
{
	struct tcpc_online_config *cfg = bpf_map_lookup_elem(&config, &zero);
	__u32 ip_bytes = pkt->l4_off - pkt->l3_off + pkt->tcp_bytes + pkt->payload_bytes;

	if (!target_takes(target, pkt, st))
		return 0;
	if (target->flags & TCPC_TARGET_READY && !(target->flags & TCPC_TARGET_HOP)) {
		COUNT(st, target_no_hop);
		return 0;
	}
	if (gate_closed(target, pkt, cfg, mark, st))
		return 0;
	/* XDP cannot cut a packet that was merged before it came here. */
	if (target->mtu && ip_bytes > target->mtu) {
		COUNT(st, too_big);
		return 0;
	}
	return 1;
}

/* Leave nothing before the IP header but a link header for the way to @target. */
static __always_inline int write_link(struct xdp_md *ctx, struct tcpc_pkt *pkt,
				      const struct tcpc_target *target)
{
	__u32 cut = pkt->l3_off - ETH_HLEN;
	struct ethhdr *eth;

	if (cut && bpf_xdp_adjust_head(ctx, cut))
		return -1;
	pkt->l3_off = ETH_HLEN;
	pkt->l4_off -= cut;
	eth = (void *)(long)ctx->data;
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return -1;
	__builtin_memcpy(eth, target->hop, sizeof(target->hop));
	eth->h_proto = pkt->family == 4 ? tcpc_htons(ETH_P_IP) : tcpc_htons(ETH_P_IPV6);
	return 0;
}

/** What is written into a TCP header, and what that does to its sum. */
struct tcp_edit {
	__be16 port;
	__u16 greeting;
	__u8 set_greeting;
	__u8 flags;
	__u32 diff; /* of the segment, without the pseudo header */
};

static __always_inline struct tcp_edit
edit_of(const struct tcpc_pkt *pkt, const struct tcpc_target *target, __u32 mark, __u32 l4_diff)
{
	struct tcp_edit edit = {
		.port = target->port ?: pkt->dport,
		.greeting = mark,
		.set_greeting = !(pkt->flags & TCPC_TCP_URG),
		.flags = mark & GUARD_CUT ? pkt->flags | TCPC_TCP_FIN : pkt->flags,
		.diff = l4_diff,
	};

	if (edit.set_greeting)
		edit.diff =
			tcpc_csum_add(edit.diff, tcpc_rewrite_greeting_diff(pkt, edit.greeting));
	edit.diff = tcpc_csum_diff16(tcpc_word_of(0, pkt->flags), tcpc_word_of(0, edit.flags),
				     edit.diff);
	return edit;
}

/* The TCP header of @pkt, or NULL if the frame ends before it: it does not. */
static __always_inline struct tcphdr *tcp_of(struct xdp_md *ctx, const struct tcpc_pkt *pkt)
{
	struct tcphdr *tcp = (void *)(long)ctx->data + (pkt->l4_off & HEADERS_MASK);

	return (void *)(tcp + 1) > (void *)(long)ctx->data_end ? NULL : tcp;
}

/* The checksum of a segment that came with an unfinished one, as rewritten by @edit. */
static __always_inline int finish_sum(struct xdp_md *ctx, const struct tcpc_pkt *pkt,
				      const struct tcpc_target *target, const struct tcp_edit *edit,
				      struct tcpc_online_stats *st)
{
	__u32 pseudo = tcpc_mirror_pseudo(pkt, &target->addr), was, segment;
	struct tcphdr *tcp;
	__u16 window;

	COUNT(st, sum_finished);
	/* Its own field is 0 now. */
	if (sum_frame(ctx, pkt->l4_off, pkt->tcp_bytes + pkt->payload_bytes, &segment))
		return -1;
	tcp = tcp_of(ctx, pkt);
	if (!tcp)
		return -1;
	if (!mirror_generic && !(target->flags & TCPC_TARGET_LOCAL)) {
		tcp->check = tcpc_csum_fold(tcpc_csum_add(pseudo, segment));
		return 0;
	}
	was = tcpc_csum_add(segment, ~edit->diff);
	window = tcp->window;
	tcp->check = tcpc_mirror_left_open(tcpc_mirror_pseudo(pkt, &pkt->daddr), was, pseudo,
					   segment, &window);
	tcp->window = window;
	return 0;
}

/* Give the frame its new destination. */
static __always_inline int write_dest(struct xdp_md *ctx, struct tcpc_pkt *pkt,
				      const struct tcpc_target *target, __u32 mark,
				      struct tcpc_online_stats *st)
{
	struct tcpc_rewrite_diff diff =
		tcpc_rewrite_dest_diff(pkt, &target->addr, target->port ?: pkt->dport);
	struct tcp_edit edit = edit_of(pkt, target, mark, diff.l4);
	__u8 *ip = (void *)(long)ctx->data + ETH_HLEN;
	struct tcphdr *tcp = tcp_of(ctx, pkt);
	int unfinished;

	if (!tcp || ip + sizeof(struct ipv6hdr) > (__u8 *)(long)ctx->data_end)
		return -1;
	tcpc_rewrite_ip(ip, pkt, &target->addr, diff.l3);
	unfinished = tcpc_mirror_unfinished(pkt, tcp->check);
	tcp->check =
		unfinished ? 0 : tcpc_csum_apply(tcp->check, tcpc_csum_add(diff.pseudo, edit.diff));
	tcp->dest = edit.port;
	((__u8 *)tcp)[TCPC_TCP_FLAGS_OFF] = edit.flags;
	pkt->flags = edit.flags;
	if (edit.set_greeting)
		tcp->urg_ptr = tcpc_htons(edit.greeting);
	return unfinished ? finish_sum(ctx, pkt, target, &edit, st) : 0;
}

/* Note the copy of @pkt, which is ready to leave. Returns 0 if it may. */
static __always_inline int note_copy(struct xdp_md *ctx, const struct tcpc_pkt *pkt,
				     const struct tcpc_target *target, struct tcpc_online_stats *st)
{
	int err = -1;

	if (target->flags & TCPC_TARGET_JOURNAL)
		err = journal_copy(ctx, ETH_HLEN, pkt, target, 0);
	if (count_copy(target, pkt, err, st))
		return -1;
	COUNT(st, mirrored);
	return 0;
}

/* Make the frame a copy for @target. Returns 0, NEXT_FRAME (nothing was changed), or -2. */
static __always_inline int become_copy(struct xdp_md *ctx, struct tcpc_pkt *pkt,
				       const struct tcpc_target *target, __u32 mark,
				       struct tcpc_online_stats *st)
{
	if (!target_can(target, pkt, mark, st))
		return NEXT_FRAME;
	if (write_link(ctx, pkt, target) || write_dest(ctx, pkt, target, mark, st)) {
		COUNT(st, rewrite_failed);
		return -2;
	}
	return note_copy(ctx, pkt, target, st) ? -2 : 0;
}

/* Where the mirrored packet begins, below UNWRAPPED_*, and its number above 32 bits. Not static for
 * the verifier's sake, see guard.bpf.h. */
__noinline __u64 unwrap(struct xdp_md *ctx)
{
	struct tcpc_unwrapped in;
	int result = tcpc_unwrap((void *)(long)ctx->data, (void *)(long)ctx->data_end, &in);

	if (result == TCPC_UNWRAP_MALFORMED)
		return UNWRAPPED_SHORT;
	if (result != TCPC_UNWRAP_OK)
		return 0;
	return (__u64)in.id << 32 | UNWRAPPED | (in.link == TCPC_LINK_NONE ? UNWRAPPED_IP : 0) |
	       (in.off & UNWRAP_MASK);
}

/* Read the headers of the packet in this frame, unwrapped. Counts if there is none for us. */
static __always_inline int read_mirrored(struct xdp_md *ctx, __u32 frame_bytes,
					 struct tcpc_pkt *pkt, struct tcpc_online_stats *st)
{
	__u64 in = unwrap(ctx);
	__u32 off = in & UNWRAP_MASK;
	__u8 *data, *end;
	int result;

	if (in & UNWRAPPED_SHORT || off > frame_bytes) {
		COUNT(st, malformed);
		return -1;
	}
	if (mirror_vni >= 0 && (!(in & UNWRAPPED) || in >> 32 != (__u64)mirror_vni)) {
		COUNT(st, other_vni);
		return -1;
	}
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	result = tcpc_parse(data + off, end, frame_bytes - off,
			    in & UNWRAPPED_IP ? TCPC_LINK_NONE : TCPC_LINK_ETHER, pkt);
	if (result != TCPC_PARSE_OK) {
		COUNT_PARSE_FAILURE(st, result);
		return -1;
	}
	pkt->l3_off += off;
	pkt->l4_off += off;
	if (in & UNWRAPPED)
		COUNT(st, unwrapped);
	return 0;
}

/* The frame stays here. Drivers look whom it is for behind XDP, but veth, which has looked before:
 * so align is told. A driver that has no room for this is none that needs it. */
static __always_inline int go_on(struct xdp_md *ctx)
{
	__u32 *meta;

	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*meta)))
		return XDP_PASS;
	meta = (void *)(long)ctx->data_meta;
	if ((void *)(meta + 1) <= (void *)(long)ctx->data)
		*meta = TCPC_META_MIRRORED;
	return XDP_PASS;
}

static __always_inline int mirror_frame(struct xdp_md *ctx, struct tcpc_online_stats *st)
{
	__u32 frame_bytes = bpf_xdp_get_buff_len(ctx), ifindex = ctx->ingress_ifindex, mark = 0;
	const struct tcpc_target *target;
	struct tcpc_target_set *set;
	struct tcpc_pkt pkt;
	__u32 index;
	int result;

	COUNT(st, seen);
	if (read_mirrored(ctx, frame_bytes, &pkt, st))
		return NEXT_FRAME;
	if (has_several(ctx, &pkt))
		return hand_on(ctx, &pkt, st);
	index = picked(ctx, &pkt, frame_bytes, st, &mark);
	if (index >= TCPC_MAX_TARGETS)
		return NEXT_FRAME;
	set = bpf_map_lookup_elem(&targets, &ifindex);
	asm volatile("" : "+r"(index)); /* or clang checks another register than the one used */
	if (!set || index >= TCPC_MAX_TARGETS || index >= set->n_targets) {
		COUNT(st, target_not_ready);
		return NEXT_FRAME;
	}
	target = &set->target[index];
	asm volatile(""
		     : "+r"(target)); /* nor makes it anew from what it is no longer known to be */
	result = become_copy(ctx, &pkt, target, mark, st);
	if (result)
		return result == NEXT_FRAME ? NEXT_FRAME : XDP_DROP;
	return target->flags & TCPC_TARGET_LOCAL ? go_on(ctx) : bpf_redirect(target->ifindex, 0);
}

/* XDP of a mirror port. */
SEC("xdp.frags")
int mirror(struct xdp_md *ctx)
{
	struct tcpc_online_stats *st = bpf_map_lookup_elem(&stats, &zero);
	int result = st ? mirror_frame(ctx, st) : NEXT_FRAME;

	if (result != NEXT_FRAME)
		return result;
	if (st && mirror_rest == XDP_DROP)
		COUNT(st, rest_dropped);
	return mirror_rest;
}

/* What a device does not take is dropped, and only these two tracepoints tell of it. */
SEC("raw_tracepoint/xdp_devmap_xmit")
int mirror_xmit(struct bpf_raw_tracepoint_args *ctx)
{
	const struct net_device *from = (void *)ctx->args[0];
	struct tcpc_online_stats *st = bpf_map_lookup_elem(&stats, &zero);
	int drops = ctx->args[3];

	if (st && drops > 0 && (__u32)BPF_CORE_READ(from, ifindex) == mirror_ifindex)
		COUNT_N(st, redirect_failed, drops);
	return 0;
}

SEC("raw_tracepoint/xdp_redirect_err")
int mirror_error(struct bpf_raw_tracepoint_args *ctx)
{
	const struct net_device *from = (void *)ctx->args[0];
	struct tcpc_online_stats *st = bpf_map_lookup_elem(&stats, &zero);

	if (st && (__u32)BPF_CORE_READ(from, ifindex) == mirror_ifindex)
		COUNT(st, redirect_failed);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
