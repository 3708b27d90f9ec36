/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ended.bpf.h - receipts that the target's TCP does not give: how far a connection had come that
 * has ended. Part of target.bpf.c.
 *
 * TCP answers a reset by nothing, so without note_reset nobody could tell whether the data before
 * it was read. align cannot know it: when it sees the reset, that data may be in the same batch of
 * packets, or in the socket's backlog.
 */
#ifndef TCPCOPY_BPF_ENDED_H
#define TCPCOPY_BPF_ENDED_H

#include <bpf/bpf_core_read.h>

#include "absorb.bpf.h"
#include "target_maps.bpf.h"

#define AF_INET6 10

/* The daemon's network namespace, by its number in /proc/self/ns/net: the kernel tells of the
 * sockets of all. 0: any. */
const volatile __u32 our_netns = 0;

/* How far a number can be from the SYN before it and still be of its connection. */
#define SAME_CONNECTION (1u << 30)

static __always_inline void read_flow(struct sock_common *sk, struct tcpc_flow *flow)
{
	flow->client_port = BPF_CORE_READ(sk, skc_dport);
	flow->server_port = tcpc_htons(BPF_CORE_READ(sk, skc_num));
	flow->pad = 0;
	if (bpf_core_field_exists(sk->skc_v6_daddr) && BPF_CORE_READ(sk, skc_family) == AF_INET6) {
		BPF_CORE_READ_INTO(&flow->client, sk, skc_v6_daddr);
		BPF_CORE_READ_INTO(&flow->server, sk, skc_v6_rcv_saddr);
	} else {
		flow->client = tcpc_addr_from_v4(BPF_CORE_READ(sk, skc_daddr));
		flow->server = tcpc_addr_from_v4(BPF_CORE_READ(sk, skc_rcv_saddr));
	}
}

/* Is it a copied connection's? */
static __always_inline int is_copied(const struct tcpc_flow *flow)
{
	struct tcpc_service_key key = {.port = flow->server_port};
	__u32 *ifindex = bpf_map_lookup_elem(&addresses, &flow->server);

	if (!ifindex)
		return 0;
	key.ifindex = *ifindex;
	return bpf_map_lookup_elem(&services, &key) &&
	       allow_state(&flow->client) != TCPC_ALLOW_DIRECT;
}

/* Nothing that waits behind the reset has anything to wait for. (Its port may be in use again.) */
static __always_inline void note_ended(const struct tcpc_flow *flow, __u32 rcv_nxt)
{
	struct tcpc_exchange *x = bpf_map_lookup_elem(&exchanges, flow);

	if (x && rcv_nxt - x->syn_seq < SAME_CONNECTION)
		x->answer_flags |= TCPC_TCP_RST;
}

/* As if the target's TCP had said how far it is. Returns 0 if there was room for it. */
static __always_inline int send_made_receipt(const struct tcpc_flow *flow, __u32 seq, __u32 ack,
					     __u8 flags, struct tcpc_target_stats *st)
{
	struct tcpc_raw_receipt *r = bpf_ringbuf_reserve(&receipts, sizeof(*r), 0);

	if (!r) {
		COUNT(st, receipts_lost);
		return -1;
	}
	__builtin_memset(r, 0, sizeof(*r));
	r->receipt.client = flow->client;
	r->receipt.server = flow->server;
	r->receipt.client_port = flow->client_port;
	r->receipt.server_port = flow->server_port;
	r->receipt.seq = seq;
	r->receipt.ack = ack;
	r->receipt.flags = flags;
	bpf_ringbuf_submit(r, wake_flags(0));
	return 0;
}

/* The target had this packet, has answered it and is done with its connection: nobody would say so,
 * and it would come again and again. */
static __always_inline void tell_again(const struct tcpc_pkt *pkt, struct tcpc_target_stats *st)
{
	struct tcpc_exchange *x = exchange_of(pkt);
	__u32 end = pkt->seq + tcpc_pkt_seq_len(pkt);
	struct tcpc_flow flow;

	if (!x || !x->exchanges || !(x->answer_flags & TCPC_TCP_ACK) || end == pkt->seq ||
	    !tcpc_seq_leq(end, x->acked) || x->acked - end >= SAME_CONNECTION)
		return;
	flow_of(pkt, &flow);
	if (!send_made_receipt(&flow, x->answer_end, x->acked, TCPC_TCP_ACK, st))
		COUNT(st, again);
}

/* TCP has taken a reset, and is about to end the connection (tcp_reset()). */
SEC("raw_tp/tcp_receive_reset")
int note_reset(struct bpf_raw_tracepoint_args *ctx)
{
	struct tcpc_target_stats *st = bpf_map_lookup_elem(&stats, &zero);
	struct sock_common *sk = (void *)ctx->args[0];
	struct tcp_sock *tcp = (void *)ctx->args[0];
	struct tcpc_flow flow = {};
	__u32 rcv_nxt;

	if (!st || (our_netns && BPF_CORE_READ(sk, skc_net.net, ns.inum) != our_netns))
		return 0;
	read_flow(sk, &flow);
	if (!is_copied(&flow))
		return 0;
	rcv_nxt = BPF_CORE_READ(tcp, rcv_nxt);
	note_ended(&flow, rcv_nxt);
	if (!send_made_receipt(&flow, BPF_CORE_READ(tcp, snd_nxt), rcv_nxt,
			       TCPC_TCP_RST | TCPC_TCP_ACK | TCPC_RECEIPT_BY_CLIENT, st))
		COUNT(st, client_resets);
	return 0;
}

#endif
