/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * leave.bpf.h - the last step of a copy: out by the way to its target. Part of online.bpf.c.
 */
#ifndef TCPCOPY_BPF_LEAVE_H
#define TCPCOPY_BPF_LEAVE_H

#include "common.bpf.h"
#include "cut.bpf.h"
#include "tcpcopy/tunnel.h"

/* Give the copy the link header that it leaves with. */
static __always_inline int write_ether(struct __sk_buff *skb, const struct ethhdr *eth)
{
	void *data = (void *)(long)skb->data;

	if (data + sizeof(*eth) > (void *)(long)skb->data_end)
		return -1;
	__builtin_memcpy(data, eth, sizeof(*eth));
	return 0;
}

static __always_inline __be16 protocol_of(const struct tcpc_target *target)
{
	return tcpc_htons(tcpc_addr_is_v4(&target->addr) ? ETH_P_IP : ETH_P_IPV6);
}

/* Into the tunnel's device. Its neighbours are made up: no route, and no question to the network,
 * stands behind them. @cut: in pieces, see cut_begin(). */
static __always_inline int enter_tunnel(struct __sk_buff *skb, const struct tcpc_target *target,
					int cut, struct tcpc_online_stats *st)
{
	struct ethhdr eth = {.h_proto = protocol_of(target)};

	tcpc_tunnel_mac(&target->addr, TCPC_TUNNEL_MAC_HEAD, eth.h_dest);
	tcpc_tunnel_mac(&target->addr, TCPC_TUNNEL_MAC_SENDER, eth.h_source);
	if (write_ether(skb, &eth) || (cut && cut_up(skb))) {
		COUNT(st, rewrite_failed);
		return VERDICT_DROP;
	}
	return bpf_redirect(target->ifindex, 0);
}

/* The daemon has asked the kernel, and does so again each second, who takes it next: to look up
 * route and neighbour for each copy would be a quarter of what it costs. */
static __always_inline int enter_hop(struct __sk_buff *skb, const struct tcpc_target *target,
				     struct tcpc_online_stats *st)
{
	struct ethhdr eth = {.h_proto = protocol_of(target)};

	__builtin_memcpy(&eth, target->hop, sizeof(target->hop));
	if (write_ether(skb, &eth)) {
		COUNT(st, rewrite_failed);
		return VERDICT_DROP;
	}
	return bpf_redirect(target->ifindex, 0);
}

/* The kernel knows route, neighbour and source MAC of any other way. */
static __always_inline int leave(struct __sk_buff *skb, const struct tcpc_target *target, int cut,
				 struct tcpc_online_stats *st)
{
	if (target->flags & TCPC_TARGET_TUNNEL)
		return enter_tunnel(skb, target, cut, st);
	if ((target->flags & (TCPC_TARGET_HOP | TCPC_TARGET_LOCAL)) == TCPC_TARGET_HOP)
		return enter_hop(skb, target, st);
	return bpf_redirect_neigh(target->ifindex, NULL, 0, 0);
}

#endif
