/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * journal.bpf.h - what was copied, whole, for the daemon: so that it can be sent again. The ring
 * buffer is also where it is kept. Part of online.bpf.c and, with JOURNAL_XDP, of mirror.bpf.c;
 * writes to no packet.
 */
#ifndef TCPCOPY_BPF_JOURNAL_H
#define TCPCOPY_BPF_JOURNAL_H

#include "common.bpf.h"

#ifdef JOURNAL_XDP
#define JOURNAL_CTX struct xdp_md
#define JOURNAL_LOAD bpf_xdp_load_bytes
#define JOURNAL_SEGMENT(ctx)                                                                       \
	((void)(ctx), 0) /* nothing is merged before XDP, and cut again behind it */
#else
#include "copies.bpf.h"
#define JOURNAL_CTX struct __sk_buff
#define JOURNAL_LOAD bpf_skb_load_bytes
#define JOURNAL_SEGMENT(ctx) ((ctx)->gso_size)
#endif

/* Copies of one daemon; sized before it is loaded (--retain). copy writes, the daemon frees. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, TCPC_JOURNAL_RING_MIN);
} journal SEC(".maps");

/*
 * Room for a record. Before Linux 5.19 the size must be a constant, so there are classes: close
 * together where packets are (up to an Ethernet frame), and such that merged segments of 1,448
 * bytes fit well. @len must keep its register: its bound is what the verifier knows of the packet.
 */
#define CLASS(n)                                                                                   \
	if (len <= (n) - sizeof(struct tcpc_journal_head))                                         \
		return bpf_ringbuf_reserve(&journal, n, 0);

static __always_inline struct tcpc_journal_head *journal_reserve(__u32 len)
{
	TCPC_JOURNAL_CLASSES(CLASS)
	return NULL;
}

#undef CLASS

/* As whom the packet came, and when. Of its copies none was noted before: head->first. */
static __always_inline void journal_came(struct tcpc_journal_head *head, const struct tcpc_pkt *pkt,
					 struct tcpc_end *ret_was)
{
#ifdef JOURNAL_XDP /* there a packet has one copy, from its own source */
	ret_was->addr = pkt->saddr;
	ret_was->port = pkt->sport;
	head->first = 1;
	head->time_ns = bpf_ktime_get_ns();
#else
	__u32 zero_key = 0;
	struct job *job = bpf_map_lookup_elem(&jobs, &zero_key);

	(void)pkt;
	if (!job) /* never; the verifier cannot know */
		return;
	*ret_was = job->was;
	head->first = !job->noted;
	job->noted = 1;
	head->time_ns = job->came_ns ?: bpf_ktime_get_ns(); /* 0: copy runs by itself */
#endif
}

/* That goes over what the packet was made into. Every record has room for an IPv6 header. */
static __always_inline void journal_origin(struct tcpc_journal_head *head,
					   const struct tcpc_pkt *pkt)
{
	__u8 *ip = (__u8 *)(head + 1);
	struct tcpc_end was = {};

	journal_came(head, pkt, &was);
	if (pkt->family == 4) {
		__builtin_memcpy(ip + 12, &was.addr.w[3], 4);
		__builtin_memcpy(ip + 16, &pkt->daddr.w[3], 4);
	} else {
		__builtin_memcpy(ip + 8, &was.addr, 16);
		__builtin_memcpy(ip + 24, &pkt->daddr, 16);
	}
	head->client_port = was.port;
	head->server_port = pkt->dport;
}

static __always_inline void journal_fill(struct tcpc_journal_head *head, JOURNAL_CTX *ctx,
					 const struct tcpc_pkt *pkt,
					 const struct tcpc_target *target, __u32 kept)
{
	head->flow.client = pkt->saddr;
	head->flow.server = target->addr;
	head->flow.client_port = pkt->sport;
	head->flow.server_port = target->port ?: pkt->dport;
	head->flow.pad = 0;
	head->seq = pkt->seq;
	head->ack = pkt->ack;
	head->payload_bytes = pkt->payload_bytes;
	head->target_id = target->id;
	head->ifindex = target->ifindex;
	head->tap_ifindex = ctx->ingress_ifindex;
	head->kept = target->flags & TCPC_TARGET_READY ? kept : TCPC_KEPT_AWAY;
	head->segment_bytes = JOURNAL_SEGMENT(ctx);
	head->l4_off = pkt->l4_off - pkt->l3_off;
	head->tcp_bytes = pkt->tcp_bytes;
	head->flags = pkt->flags;
}

/* Waking the reader for each record would cost more than the record; see reader_sleeps. */
static __always_inline __u64 journal_wake_flags(struct tcpc_online_config *cfg)
{
	if (!cfg || !cfg->reader_sleeps)
		return BPF_RB_NO_WAKEUP;
	cfg->reader_sleeps = 0;
	return BPF_RB_FORCE_WAKEUP;
}

/*
 * Note the copy @ctx of @pkt, rewritten for @target, its IP header now at @l3_off. @kept: why it
 * does not leave though the target can be reached, enum tcpc_kept. Returns 0, or -1 and counts why
 * not: a copy that leaves does so all the same.
 * Verified once, by itself: each class of records is a way of its own, and all of them would be
 * followed for each way on which a copy can come here.
 */
__noinline int journal_copy(JOURNAL_CTX *ctx, __u32 l3_off, const struct tcpc_pkt *pkt,
			    const struct tcpc_target *target, __u32 kept)
{
	__u32 zero_key = 0, len;
	struct tcpc_online_config *cfg = bpf_map_lookup_elem(&config, &zero_key);
	struct tcpc_online_stats *st = bpf_map_lookup_elem(&stats, &zero_key);
	struct tcpc_journal_head *head;

	if (!pkt || !target || !st) /* never; the verifier cannot know */
		return -1;
	len = pkt->l4_off - pkt->l3_off + pkt->tcp_bytes + pkt->payload_bytes;
	asm volatile("" : "+r"(len)); /* or clang compares another register than the one used */
	if (!len || len > TCPC_JOURNAL_PACKET_MAX) {
		COUNT(st, journal_too_big);
		return -1;
	}
	head = journal_reserve(len);
	if (!head) {
		COUNT(st, journal_full);
		return -1;
	}
	if (JOURNAL_LOAD(ctx, l3_off, head + 1, len)) {
		bpf_ringbuf_discard(head, BPF_RB_NO_WAKEUP);
		COUNT(st, journal_failed);
		return -1;
	}
	head->ip_bytes = len;
	journal_fill(head, ctx, pkt, target, kept);
	journal_origin(head, pkt);
	bpf_ringbuf_submit(head, journal_wake_flags(cfg));
	return 0;
}

#endif
