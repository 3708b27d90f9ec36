/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * leave.bpf.h - the last step of a copy: out by the way to its target. Part of online.bpf.c.
 */
#ifndef TCPCOPY_BPF_LEAVE_H
#define TCPCOPY_BPF_LEAVE_H

#include "common.bpf.h"
#include "cut.bpf.h"
#include "tcpcopy/tunnel.h"

/* Into the tunnel's device. Its neighbours are made up: no route, and no question to the network,
 * stands behind them. @cut: in pieces, see cut_begin(). */
static __always_inline int enter_tunnel(struct __sk_buff *skb, const struct tcpc_target *target,
					int cut, struct tcpc_online_stats *st)
{
	struct ethhdr eth;

	tcpc_tunnel_mac(&target->addr, TCPC_TUNNEL_MAC_HEAD, eth.h_dest);
	tcpc_tunnel_mac(&target->addr, TCPC_TUNNEL_MAC_SENDER, eth.h_source);
	eth.h_proto = tcpc_htons(tcpc_addr_is_v4(&target->addr) ? ETH_P_IP : ETH_P_IPV6);
	if (bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0) || (cut && cut_up(skb))) {
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
	return bpf_redirect_neigh(target->ifindex, NULL, 0, 0);
}

#endif
