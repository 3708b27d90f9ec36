/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * greeting.bpf.h - how much of a greeting a client had read when it first spoke; see greeting.h.
 * Part of online.bpf.c; writes to no packet.
 */
#ifndef TCPCOPY_BPF_GREETING_H
#define TCPCOPY_BPF_GREETING_H

#include "common.bpf.h"
#include "guard.bpf.h"
#include "tcpcopy/greeting.h"

/* Clients that have not spoken yet, for their server may have to speak first; see greeting.h.
 * Written by tap; the oldest of a set goes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TCPC_HANDSHAKE_SETS);
	__type(key, __u32);
	__type(value, struct tcpc_handshake_set);
} handshakes SEC(".maps");

static const __u32 zero;

static __always_inline struct tcpc_handshake_set *
handshakes_of(const struct tcpc_pkt *pkt, const struct tcpc_online_config *cfg)
{
	__u32 index = tcpc_handshake_index(cfg->hash_key, pkt);

	return bpf_map_lookup_elem(&handshakes, &index);
}

/* Was this SYN let through before? Not static for the verifier's sake, see guard.bpf.h. */
__noinline int syn_again(__u32 index, __u32 seq)
{
	struct tcpc_handshake_set *set = bpf_map_lookup_elem(&handshakes, &index);

	return set && tcpc_handshake_find(set, seq + 1) >= 0;
}

/* A packet that will be copied: how much of a greeting had its client read? */
static __always_inline __u32 greeting_of(const struct tcpc_pkt *pkt, struct tcpc_handshake_set *set,
					 __u32 epoch, struct tcpc_online_stats *st)
{
	if ((pkt->flags & (TCPC_TCP_SYN | TCPC_TCP_ACK)) == TCPC_TCP_SYN) {
		COUNT_N(st, handshakes_lost, tcpc_handshake_begin(set, pkt->seq, epoch));
		return 0;
	}
	/* Urgent data need the field themselves. */
	if ((pkt->flags & (TCPC_TCP_ACK | TCPC_TCP_URG)) != TCPC_TCP_ACK)
		return 0;
	return tcpc_handshake_greeting(set, pkt->seq, pkt->ack, epoch);
}

/* A client's first pure ACK says where the server's numbers begin. */
static __always_inline void note_pure_ack(const struct tcpc_pkt *pkt)
{
	struct tcpc_online_config *cfg = bpf_map_lookup_elem(&config, &zero);
	struct tcpc_handshake_set *set = cfg ? handshakes_of(pkt, cfg) : NULL;

	if (set)
		tcpc_handshake_ack(set, pkt->seq, pkt->ack);
}

#endif
