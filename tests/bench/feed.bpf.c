// SPDX-License-Identifier: GPL-2.0-only
/*
 * feed.bpf.c - what makes one packet into those of many connections: another source for each, and a
 * clone of it out by a device. Checksums stay as they were: nothing looks at them. For bench_path.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define FIRST_PORT 1024
#define PORTS 60000

/* How many sources take turns; 0: the packet stays as it is. */
__u32 connections;
__u32 device;
__u32 turn;

static __always_inline void give_source(void *address_end, __be16 *sport, __u32 n)
{
	*(__u8 *)(address_end - 1) = 1 + n / PORTS;
	*sport = bpf_htons(FIRST_PORT + n % PORTS);
}

static __always_inline void give_next_source(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;
	struct ipv6hdr *ip6 = (void *)(eth + 1);
	struct iphdr *ip = (void *)(eth + 1);
	__u32 n = turn++ % connections;

	if ((void *)(ip6 + 1) + sizeof(__be16) > end)
		return;
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		give_source(&ip6->daddr, (void *)(ip6 + 1), n);
	else
		give_source(&ip->daddr, (void *)(ip + 1), n);
}

SEC("tc")
int feed(struct __sk_buff *skb)
{
	if (connections)
		give_next_source(skb);
	bpf_clone_redirect(skb, device, 0);
	return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "GPL";
