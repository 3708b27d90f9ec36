/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * common.bpf.h - what every TC program here needs: reading headers and counting.
 */
#ifndef TCPCOPY_BPF_COMMON_H
#define TCPCOPY_BPF_COMMON_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "tcpcopy/parse.h"

/* Verdicts that mean the same to TCX and to clsact (TC_ACT_UNSPEC, TC_ACT_SHOT). */
#define VERDICT_NEXT (-1)
#define VERDICT_DROP 2

#define PACKET_HOST 0 /* linux/if_packet.h */

/* The program's own element of a per-CPU counter map; no lock, no atomics. */
#define COUNT(stats, name) ((stats)->name++)
#define COUNT_N(stats, name, n) ((stats)->name += (n))

/*
 * Parse the headers of @skb. Nearly always they lie in the linear part; where a driver left them
 * in a page the first bytes are pulled in (this moves bytes of the skb, it changes none).
 * Returns: an enum tcpc_parse_result, or -1 if the kernel had no memory to pull.
 */
static __always_inline int read_headers(struct __sk_buff *skb, enum tcpc_link link,
					struct tcpc_pkt *pkt)
{
	__u32 want = skb->len < TCPC_HEADERS_MAX ? skb->len : TCPC_HEADERS_MAX;
	int result, again;

	for (again = 0; again < 2; again++) {
		result = tcpc_parse((void *)(long)skb->data, (void *)(long)skb->data_end, skb->len,
				    link, pkt);
		if (result != TCPC_PARSE_SHORT || again ||
		    (void *)(long)skb->data + want <= (void *)(long)skb->data_end)
			break;
		if (bpf_skb_pull_data(skb, want))
			return -1;
	}
	return result;
}

/* Count why headers could not be used. */
#define COUNT_PARSE_FAILURE(stats, result)                                                         \
	do {                                                                                       \
		if ((result) < 0)                                                                  \
			COUNT(stats, unreadable);                                                  \
		else if ((result) == TCPC_PARSE_NOT_TCP)                                           \
			COUNT(stats, not_tcp);                                                     \
		else if ((result) == TCPC_PARSE_FRAGMENT)                                          \
			COUNT(stats, fragment);                                                    \
		else                                                                               \
			COUNT(stats, malformed);                                                   \
	} while (0)

#endif
