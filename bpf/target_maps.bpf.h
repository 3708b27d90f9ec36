/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * target_maps.bpf.h - the maps of the target host's programs. Included by target.bpf.c and its
 * parts.
 */
#ifndef TCPCOPY_BPF_TARGET_MAPS_H
#define TCPCOPY_BPF_TARGET_MAPS_H

#include "common.bpf.h"
#include "tcpcopy/options.h"

/* Which ports of which interface are intercepted. Written by the daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TCPC_MAX_SERVICES);
	__type(key, struct tcpc_service_key);
	__type(value, struct tcpc_intercept);
} services SEC(".maps");

/* Clients that use the target themselves. Written by the daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, TCPC_MAX_ALLOW);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tcpc_allow_key);
	__type(value, struct tcpc_allow);
} allow SEC(".maps");

/* The addresses of the intercepted interfaces: responses come from one of them, whichever way they
 * leave. Value: the ifindex. Written by the daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TCPC_MAX_ADDRESSES);
	__type(key, struct tcpc_addr);
	__type(value, __u32);
} addresses SEC(".maps");

/* The exchange each copied connection is in. Written by align; the least recently used goes. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, TCPC_MAX_EXCHANGES);
	__type(key, struct tcpc_flow);
	__type(value, struct tcpc_exchange);
} exchanges SEC(".maps");

/* Constants of this daemon, and whether it sleeps. Shared memory. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct tcpc_target_config);
} config SEC(".maps");

/* One counter for every way a packet can go. Written by the programs only. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tcpc_target_stats);
} stats SEC(".maps");

/* Counters of the queue threads, one element each. Shared memory, written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TCPC_MAX_QUEUES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct tcpc_queue_stats);
} queues SEC(".maps");

/* Receipts of engine tc. Written by absorb, read by the daemon; when full, new ones are lost and
 * counted. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, TCPC_RECEIPTS_BYTES);
} receipts SEC(".maps");

/* The devices of the hold queue: the interface to which each gives packets back. Written by the
 * daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TCPC_MAX_HOLD_DEVICES);
	__type(key, __u32);
	__type(value, __u32);
} hold_devices SEC(".maps");

/* The interfaces by which packets out of a tunnel come in. Written by the daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TCPC_MAX_HOLD_DEVICES);
	__type(key, __u32);
	__type(value, struct tcpc_way);
} ways SEC(".maps");

/* What the socket table says of a copied segment. */
enum state { CONN_NONE, CONN_LISTEN, CONN_CLOSING, CONN_OPENING, CONN_OPEN };

struct connection {
	enum state state;
	__u32 snd_nxt;
	__u32 rcv_nxt;
	int fin_wait; /* CONN_CLOSING: in FIN_WAIT_2, not yet in TIME_WAIT */
	/* CONN_LISTEN, CONN_OPENING: */
	__s32 room;	 /* connections that the listener's accept queue can take, less one */
	int nearly_full; /* it can take less than may come in one batch of packets */
	/* CONN_OPEN only: */
	int busy;	  /* packets may wait for the process that holds it: the rest may be old */
	__u32 unread;	  /* bytes that the application has not read yet */
	__u32 unsent;	  /* bytes that it has written and that have not left yet */
	__u32 window_end; /* right edge of the receive window */
};

/*
 * align's room. Options: see options.h for why it is not the stack. The packet: what the verifier
 * knew of it on the stack (family, offsets) it would carry along every way from there on; with both
 * families that was 319,000 instructions, 2 s to load. Here it forgets: 47,000.
 */
struct align_scratch {
	struct tcpc_pkt pkt;
	__u8 before[TCPC_OPTIONS_MAX];
	__u8 after[TCPC_OPTIONS_MAX];
	struct tcpc_options found;
	__u64 address; /* of a socket, see read_request() */
	struct connection conn;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct align_scratch);
} scratch SEC(".maps");

static const __u32 zero;

static __always_inline __u32 allow_state(const struct tcpc_addr *client)
{
	struct tcpc_allow_key key = {.prefixlen = 128, .addr = *client};
	struct tcpc_allow *found = bpf_map_lookup_elem(&allow, &key);

	return found ? found->state : TCPC_ALLOW_NONE;
}

/* Now, in the unit of struct tcpc_exchange. */
static __always_inline __u32 seen_now(void)
{
	return bpf_ktime_get_ns() >> TCPC_SEEN_SHIFT;
}

/* The key of a packet from a client. */
static __always_inline void flow_of(const struct tcpc_pkt *pkt, struct tcpc_flow *flow)
{
	flow->client = pkt->saddr;
	flow->server = pkt->daddr;
	flow->client_port = pkt->sport;
	flow->server_port = pkt->dport;
	flow->pad = 0;
}

#endif
