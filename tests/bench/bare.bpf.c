// SPDX-License-Identifier: GPL-2.0-only
/*
 * bare.bpf.c - the least that copying can cost: a clone of each packet to the service, given to a
 * device that drops it. No checks, no new destination, no way to a target. A floor for benchmarks.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* online_cpu.sh gives the device this index: bpftool sets no constants. */
#define DEVICE 4242

/* Where clones go instead, and from there onward: as copies do. */
__u32 through;
__u32 out;

#define SERVICE_PORT 8080
#define PORT_OFF (ETH_HLEN + sizeof(struct iphdr) + 2)

SEC("tc")
int bare(struct __sk_buff *skb)
{
	__be16 port;

	if (skb->protocol == bpf_htons(ETH_P_IP) &&
	    !bpf_skb_load_bytes(skb, PORT_OFF, &port, sizeof(port)) &&
	    port == bpf_htons(SERVICE_PORT))
		bpf_clone_redirect(skb, through ?: DEVICE, 0);
	return TC_ACT_UNSPEC;
}

/* Writes, as whoever gives a clone another destination has to: its head must be its own. */
SEC("tc")
int onward(struct __sk_buff *skb)
{
	struct ethhdr *eth = (void *)(long)skb->data;

	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return TC_ACT_SHOT;
	eth->h_dest[0] = 2;
	return bpf_redirect(out, 0);
}

char LICENSE[] SEC("license") = "GPL";
