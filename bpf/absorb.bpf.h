/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * absorb.bpf.h - engine tc: a response becomes its own ACK on its way out, and comes in again.
 *
 * Hangs on the intercepted interface; what leaves by another one is caught in OUTPUT and goes to
 * the daemon's queue. ICMP errors always do. With engine nfqueue it is the second line: it sees
 * what no rule has queued, because somebody flushed the rules or put his own before them. Part of
 * target.bpf.c.
 */
#ifndef TCPCOPY_BPF_ABSORB_H
#define TCPCOPY_BPF_ABSORB_H

#include "hold.bpf.h"
#include "target_maps.bpf.h"
#include "tcpcopy/receipt.h"
#include "tcpcopy/reflect.h"

/* On the ACK that absorb makes: align must let it through. */
#define REFLECT_MARK 0x74637266

#define ETH_BYTES 14

/* No interface has this number. */
#define NOWHERE 0x7fffffff

/*
 * The end of a packet. TCX knows no STOLEN, and SHOT is told to TCP as congestion; what is
 * redirected counts as sent, even if there is no such interface.
 */
static __always_inline int end_here(void)
{
	return bpf_redirect(NOWHERE, 0);
}

/* Is this what absorb has made? Clears the mark, which is not the stack's business. */
static __always_inline int is_reflected(struct __sk_buff *skb)
{
	if (skb->mark != REFLECT_MARK)
		return 0;
	skb->mark = 0;
	return 1;
}

/*
 * How to hand in a receipt. Waking the daemon for each would cost more than all the rest, so it
 * reads every few milliseconds; it is woken when it sleeps, and when @awaited: packets wait for
 * this very answer.
 */
static __always_inline __u64 wake_flags(int awaited)
{
	struct tcpc_target_config *cfg = bpf_map_lookup_elem(&config, &zero);

	if (cfg && cfg->reader_sleeps)
		cfg->reader_sleeps = 0;
	else if (!awaited)
		return BPF_RB_NO_WAKEUP;
	return BPF_RB_FORCE_WAKEUP;
}

/* Tell the daemon. */
static __always_inline void send_receipt(struct __sk_buff *skb, const struct tcpc_pkt *pkt,
					 const struct tcpc_exchange *x,
					 struct tcpc_target_stats *st)
{
	__u32 len = pkt->tcp_bytes - sizeof(struct tcphdr);
	struct tcpc_raw_receipt *r = bpf_ringbuf_reserve(&receipts, sizeof(*r), 0);

	if (!r) {
		COUNT(st, receipts_lost);
		return;
	}
	tcpc_receipt_of(pkt, &r->receipt);
	r->options_bytes = 0;
	if (len && len <= sizeof(r->options) &&
	    !bpf_skb_load_bytes(skb, pkt->l4_off + sizeof(struct tcphdr), r->options, len))
		r->options_bytes = len;
	bpf_ringbuf_submit(r, wake_flags(x && x->held));
}

/* The frame's source is the interface's own MAC: what comes in has that as its destination. */
static __always_inline int turn_frame(struct __sk_buff *skb)
{
	__u8 mac[6];

	return bpf_skb_load_bytes(skb, 6, mac, sizeof(mac)) ||
	       bpf_skb_store_bytes(skb, 0, mac, sizeof(mac), 0);
}

/*
 * Write the ACK over the headers. The payload stays behind it: the receiving IP layer cuts a packet
 * to the length its header says (Ethernet pads, too), and does so without touching the pages of a
 * 64 KB response, which bpf_skb_change_tail would copy into one piece first.
 */
static __always_inline int morph(struct __sk_buff *skb, const struct tcpc_pkt *pkt)
{
	__u8 ack[TCPC_REFLECT_MAX] __attribute__((aligned(8)));
	__u32 plain = pkt->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);

	/* IP options would be in the way of the checksum that the device is to fill in. */
	if (pkt->l3_off != ETH_BYTES || pkt->l4_off != ETH_BYTES + plain || turn_frame(skb))
		return -1;
	tcpc_reflect_build(pkt, ack);
	if (pkt->family == 4)
		return bpf_skb_store_bytes(skb, ETH_BYTES, ack,
					   sizeof(struct iphdr) + sizeof(struct tcphdr), 0);
	return bpf_skb_store_bytes(skb, ETH_BYTES, ack, sizeof(ack), 0);
}

static __always_inline void answer_of(const struct tcpc_pkt *pkt, struct answer *ret)
{
	ret->flow.client = pkt->daddr;
	ret->flow.server = pkt->saddr;
	ret->flow.client_port = pkt->dport;
	ret->flow.server_port = pkt->sport;
	ret->flow.pad = 0;
	ret->flags = pkt->flags;
	ret->end = pkt->seq + tcpc_pkt_seq_len(pkt);
	ret->ack = pkt->ack;
}

static __always_inline int absorb_response(struct __sk_buff *skb, struct tcpc_pkt *pkt,
					   struct tcpc_target_stats *st)
{
	struct tcpc_exchange *x;
	struct answer answer;
	int probe;

	answer_of(pkt, &answer);
	x = note_answer(skb, &answer);
	send_receipt(skb, pkt, x, st);
	probe = x && (x->answer_flags & TCPC_TCP_ACK) &&
		tcpc_is_keepalive_probe(pkt, x->answer_end);
	if ((!tcpc_reflect_needed(pkt) && !probe) || (x && (x->closed & TCPC_EXCHANGE_TRIAL))) {
		COUNT(st, absorbed_quiet);
		return end_here();
	}
	pkt->seq += probe; /* the byte that it seems to send again is there already */
	if (morph(skb, pkt)) {
		COUNT(st, absorb_failed);
		return end_here();
	}
	skb->mark = REFLECT_MARK;
	COUNT(st, absorbed);
	return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

/* TC egress of an intercepted interface. */
SEC("tc")
int absorb(struct __sk_buff *skb)
{
	struct tcpc_target_stats *st = bpf_map_lookup_elem(&stats, &zero);
	struct tcpc_service_key key = {.ifindex = skb->ifindex};
	struct tcpc_intercept *service;
	struct tcpc_pkt pkt;
	int result, queued;

	if (!st)
		return end_here();
	result = read_headers(skb, TCPC_LINK_ETHER, &pkt);
	if (result < 0) {
		COUNT(st, absorb_failed);
		return end_here(); /* it could be a response */
	}
	if (result != TCPC_PARSE_OK)
		return VERDICT_NEXT;
	key.port = pkt.sport;
	service = bpf_map_lookup_elem(&services, &key);
	if (!service || !bpf_map_lookup_elem(&addresses, &pkt.saddr))
		return VERDICT_NEXT;
	queued = service->flags & TCPC_INTERCEPT_QUEUED;
	if (allow_state(&pkt.daddr) == TCPC_ALLOW_DIRECT) {
		if (!queued) /* else queue_filter has counted it */
			COUNT(st, allowed_out);
		return VERDICT_NEXT;
	}
	if (queued)
		COUNT(st, past_rule);
	return absorb_response(skb, &pkt, st);
}

#endif
