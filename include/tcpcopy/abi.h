/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * abi.h - everything that crosses between BPF and user space, and nothing else.
 *
 * Fixed-width fields, explicit zeroed padding, no pointer, bool, enum or packed field. Whoever
 * changes the layout or the meaning of a field here raises TCPC_ABI_VERSION: the version stands in
 * the pinned config maps and in the hello of the feedback link, and peers that differ part.
 */
#ifndef TCPCOPY_ABI_H
#define TCPCOPY_ABI_H

#include <linux/types.h>

#include "tcpcopy/abi_addr.h"
#include "tcpcopy/abi_copies.h"
#include "tcpcopy/abi_choice.h"
#include "tcpcopy/abi_counters.h"
#include "tcpcopy/abi_guard.h"

#define TCPC_ABI_VERSION 7

#define TCPC_MAX_PORTS 15 /* what one iptables multiport match can name */
#define TCPC_MAX_TARGETS 16
#define TCPC_MAX_SERVICES 1024
#define TCPC_MAX_FILTERS 65536
#define TCPC_MAX_ALLOW 131072
#define TCPC_MAX_EXCHANGES 65536
#define TCPC_MAX_QUEUES 16
#define TCPC_MAX_HOLD_DEVICES 64
#define TCPC_MAX_ADDRESSES 1024 /* of all intercepted interfaces */
#define TCPC_MAX_SACK 4
#define TCPC_RECEIPT_OPTIONS 40	       /* all that a TCP header can hold */
#define TCPC_RECEIPTS_BYTES (1u << 20) /* of the ring buffer: some 7,000 receipts */

/* Handshakes that are remembered until their client speaks: seven a set (see greeting.h), 57,344 in
 * 512 KB. A power of 2. */
#define TCPC_HANDSHAKE_SETS 8192

/* Copying needs a heartbeat: the daemon extends the lease every TCPC_HEARTBEAT_MS, the program
 * copies only while it is valid. The sum stays below the second of invariant 3. */
#define TCPC_LEASE_MS 750
#define TCPC_HEARTBEAT_MS 150

#define TCPC_SAMPLE_ALL 10000 /* percent in steps of 0.01 */

/** Key of the services maps: one port on one interface. */
struct tcpc_service_key {
	__u32 ifindex;
	__be16 port;
	__u16 pad;
};

/* Flags of struct tcpc_service. */
#define TCPC_SERVICE_ARMED (1u << 0)   /* at least one target is READY, or KEEP */
#define TCPC_SERVICE_CLIENTS (1u << 1) /* filter set holds include prefixes: others are skipped */
#define TCPC_SERVICE_FILTER (1u << 2)  /* filter set is not empty: look it up */
#define TCPC_SERVICE_GUARD (1u << 3)   /* has or had a budget: look at it, and at `refused` */
/* Its rules are those that `choices` names, at the budget's index, not @filter_set and @sample:
 * they have changed, or need more. */
#define TCPC_SERVICE_CHOICE (1u << 4)
/* XDP: copies for several targets, or several of them: tap_handed makes them. */
#define TCPC_SERVICE_SEVERAL (1u << 5)

/** Online: how to treat packets of one service. Replaced whole, so no packet sees half of it. */
struct tcpc_service {
	__u32 flags;
	__u32 filter_set; /* which entries of `filters` apply */
	__u32 sample;	  /* 0..TCPC_SAMPLE_ALL: share of connections copied */
	__u32 budget;	  /* index into `budgets` and `choices` */
};

/* Flags of struct tcpc_target. */
#define TCPC_TARGET_READY (1u << 0)   /* intercepts this address and port: copies may flow */
#define TCPC_TARGET_EXCLUDE (1u << 1) /* has clients in its allow-list: look up `peer_allow` */
#define TCPC_TARGET_JOURNAL (1u << 2) /* note each copy in `journal` */
#define TCPC_TARGET_GATED (1u << 3)   /* is or was in trouble: look at its gate, and at `refused` */
#define TCPC_TARGET_KEEP (1u << 4)    /* not READY: note it, the daemon sends it later */
#define TCPC_TARGET_HOP (1u << 5)     /* @hop is known */
#define TCPC_TARGET_LOCAL (1u << 6)   /* XDP: this host itself, so what is copied just goes on */
#define TCPC_TARGET_TUNNEL (1u << 7)  /* @ifindex is a tunnel's device, see tunnel.h */

/* XDP's word to align, in a packet's metadata: it is for this host now, whoever it came for. */
#define TCPC_META_MIRRORED 0x7463706d

/** Online: where copies go. @ifindex and the neighbour below it come from the kernel's routes. */
struct tcpc_target {
	struct tcpc_addr addr;
	__be16 port; /* 0: keep the port the client used */
	__u16 mtu;   /* of the way to it, bytes; 0: no bound */
	__u32 flags;
	__u32 ifindex; /* interface that leads to @addr; 0: no route, skipped and counted */
	__u32 id;      /* key into `peer_allow` */
	__u32 gate;    /* index into `gates` */
	__u8 hop[12];  /* link addresses of who takes it next and of @ifindex, as in a frame */
};

struct tcpc_target_set {
	__u16 n_targets;
	__u16 spread_ms; /* copies but the first leave up to so much later; 0: at once */
	__u16 copies;	 /* to each target; 0: one */
	__u16 flags;	 /* TCPC_SET_* */
	struct tcpc_target target[TCPC_MAX_TARGETS];
	struct tcpc_pool pool[2]; /* of IPv6 and of IPv4; with TCPC_SET_MAPPED */
};

/** Online: key of `filters`, a longest-prefix match. @prefixlen counts the bits behind it. */
struct tcpc_filter_key {
	__u32 prefixlen;
	__u32 set;
	struct tcpc_addr addr;
};

#define TCPC_FILTER_SET_BITS 32
#define TCPC_FILTER_SET_LOCALS (1u << 31) /* beside a set of clients: one of local addresses */
#define TCPC_ADDR_V4_BITS 96		  /* leading bits of a mapped IPv4 address */

enum tcpc_filter_action {
	TCPC_FILTER_NONE,
	TCPC_FILTER_CLIENT,
	TCPC_FILTER_EXCLUDE,
	TCPC_FILTER_LOCAL, /* in a set of its own: an address of this host */
	__TCPC_FILTER_MAX,
};

/** Value of `filters` and `peer_allow`; @action is an enum tcpc_filter_action. */
struct tcpc_filter {
	__u32 action;
	__u32 pad;
};

/** Online: one element, shared memory; written by the daemon's heartbeat. */
struct tcpc_online_config {
	__u32 abi_version;
	__u32 copy_ifindex;
	__u64 lease_until_ns;	/* CLOCK_MONOTONIC; copying stops when it lies in the past */
	__u64 hash_key[2];	/* key of the sampling hash */
	__u32 copy_raw_ifindex; /* for packets without a link header; 0: none is attached */
	__u32 reader_sleeps;	/* 1: nobody reads `journal` until woken; copy wakes and clears */
	__u32 stop;		/* enum tcpc_stop */
	__u32 closed_new;	/* of TCPC_SAMPLE_ALL: new connections that --max-cpu leaves out */
	__u32 closed_running;	/* running ones, likewise */
	__u32 epoch; /* of handshakes: another one, and targets need not have the SYNs before */
	__u64 source_key[2]; /* of mapped sources: no two hosts have the same */
};

/** Target: one element, shared memory. */
struct tcpc_target_config {
	__u32 abi_version;
	__u32 reader_sleeps; /* 1: nobody reads `receipts` until woken; absorb wakes and clears */
};

/* Flags of struct tcpc_intercept. */
#define TCPC_INTERCEPT_DRAIN (1u << 0) /* being released: copies are dropped before the stack */
#define TCPC_INTERCEPT_ADOPT_HTTP                                                                  \
	(1u << 1)			   /* take up connections in mid-stream where HTTP begins */
#define TCPC_INTERCEPT_ADOPT_ANY (1u << 2) /* ... at any request */
#define TCPC_INTERCEPT_QUEUED (1u << 3)	   /* engine nfqueue: absorb sees what a rule let pass */
#define TCPC_INTERCEPT_ADOPT (TCPC_INTERCEPT_ADOPT_HTTP | TCPC_INTERCEPT_ADOPT_ANY)

/** Target: value of its services map. */
struct tcpc_intercept {
	__u32 flags;
	__u32 hold_ifindex; /* where packets that came too early go; 0: never hold */
};

/** Target: value of `ways`, how frames out of a tunnel come in by an interface. */
struct tcpc_way {
	__u8 mac[6]; /* the interface's own */
	__u16 pad;
};

/** Target: key of `allow`, a longest-prefix match over client addresses. */
struct tcpc_allow_key {
	__u32 prefixlen;
	struct tcpc_addr addr;
};

/* How far `allow add` has come for a prefix: first copies are dropped at ingress (and responses
 * still queued) while old connections are ended, then both directions are left alone. */
enum tcpc_allow_state {
	TCPC_ALLOW_NONE,
	TCPC_ALLOW_PENDING,
	TCPC_ALLOW_DIRECT,
	__TCPC_ALLOW_MAX,
};

struct tcpc_allow {
	__u32 state;
	__u32 pad;
};

/** One copied connection as the target sees it. */
struct tcpc_flow {
	struct tcpc_addr client;
	struct tcpc_addr server;
	__be16 client_port;
	__be16 server_port;
	__u32 pad;
};

/* The journal's ring buffer: a power of two, at least one page and room for the largest record. */
#define TCPC_JOURNAL_RING_MIN (1u << 17)
#define TCPC_JOURNAL_RING_MAX (1u << 30)
#define TCPC_JOURNAL_PACKET_MAX 65536 /* from the IP header on */

/* Sizes of a record: its head, a whole packet, and what is left over. X(bytes), ascending. */
/* clang-format off */
#define TCPC_JOURNAL_CLASSES(X)                                                                    \
	X(144) X(192) X(256) X(320) X(400) X(512) X(640) X(800) X(1024) X(1280) X(1592)            \
	X(2048) X(3072) X(4488) X(6144) X(9088) X(12288) X(16640) X(24576) X(33792) X(49152)       \
	X(65624)
/* clang-format on */

/* Why a copy in `journal` has not left: the target cannot be reached now; above LATER: the daemon
 * sends it, so many steps later. */
enum tcpc_kept { TCPC_KEPT_NOT, TCPC_KEPT_AWAY, TCPC_KEPT_LATER };
#define TCPC_MAX_SPREAD_MS 60000
#define TCPC_SPREAD_STEPS 252 /* of --spread; what a byte has above LATER */

/** Online: one copy, in `journal`. Its packet of @ip_bytes follows, from the IP header on, as it
 * left but for the addresses in its IP header: these, and the ports here, are those with which it
 * came, for a recording. So its checksums are wrong. Host order but for the flow and ports. */
struct tcpc_journal_head {
	__u64 time_ns;	       /* CLOCK_MONOTONIC, when the packet came */
	struct tcpc_flow flow; /* server: the target, as the copy has it */
	__u32 seq;
	__u32 ack; /* the client's, made for the online host */
	__u32 payload_bytes;
	__u32 ip_bytes;
	__u32 target_id;    /* struct tcpc_target's */
	__u32 ifindex;	    /* where it left */
	__u32 tap_ifindex;  /* where the packet came in */
	__be16 client_port; /* the packet's own, as it came */
	__be16 server_port;
	__u8 kept;	     /* enum tcpc_kept */
	__u8 first;	     /* 1: of the copies of this packet none was noted before */
	__u16 segment_bytes; /* payload of each segment of a large packet; 0: it is one */
	__u16 l4_off;	     /* of the TCP header in the packet */
	__u8 tcp_bytes;	     /* TCP header with options */
	__u8 flags;	     /* TCPC_TCP_* */
};

/** Target: the exchange (a request and its answer) a connection is in. Sequence numbers in host
 * order. align writes the first part, queue_filter the answer's. */
struct tcpc_exchange {
	__u64 start_ns;	    /* CLOCK_MONOTONIC, first packet of the request; before it, the SYN */
	__u32 client_ack;   /* ACK number the client sent, made for the online host */
	__u32 request_end;  /* up to there all was let through that the client sent */
	__u32 snd_nxt;	    /* the target's snd_nxt when the exchange began, or the connection */
	__u32 exchanges;    /* how many this connection had */
	__u32 answer_end;   /* SEG.SEQ + SEG.LEN of the target's last segment */
	__u32 answer_flags; /* its PSH and FIN, RST if one was sent; no ACK: there was no segment */
	__u32 window_end;   /* right edge of the target's receive window */
	__u32 held;	    /* packets diverted since the hold began; 0: not held */
	__u32 syn_seq;	    /* SEG.SEQ of the SYN that opened the connection */
	__u32 lead;	    /* target's number less the online host's, for answers equally long */
	__u32 answer_ack;   /* SEG.ACK of the target's last segment with text */
	__u32 level_at; /* last exchange that began with answers equally long; 0: none began; of a
			 * connection that the target never had, if noted while it was young: `seen`
			 * of the packet it was noted for */
	__u32 seen;	/* CLOCK_MONOTONIC >> TCPC_SEEN_SHIFT: the client's last packet */
	__u32 closed;	/* TCPC_TCP_FIN, TCPC_TCP_RST: the client has sent one; or the below */
	__u32 acked;	/* the highest SEG.ACK of the target, if answer_flags has ACK */
	__u32 owed;	/* bytes of earlier answers that may still have come after snd_nxt */
};

/* Written by the daemon before the SYN comes: what the target answers must not be acknowledged, so
 * that the connection is never opened. Above all TCP flags. */
#define TCPC_EXCHANGE_TRIAL (1u << 8)

/* A unit of 1.07 s: a program divides no 64-bit number for each packet. */
#define TCPC_SEEN_SHIFT 30

/** tcpc_exchange_age_s - seconds, rounded down, since the client's last packet. */
static inline __u32 tcpc_exchange_age_s(const struct tcpc_exchange *x, __u64 now_ns)
{
	__u32 units = (__u32)(now_ns >> TCPC_SEEN_SHIFT) - x->seen;

	return units ? (((__u64)(units - 1) << TCPC_SEEN_SHIFT) / 1000000000) : 0;
}

/** A response header, the receipt for what the target accepted. Host order but for ports. */
struct tcpc_receipt {
	struct tcpc_addr client;
	struct tcpc_addr server;
	__be16 client_port;
	__be16 server_port;
	__u32 seq;
	__u32 ack;
	__u32 payload_bytes;
	__u16 window; /* as on the wire, unscaled */
	__u8 flags;   /* TCPC_TCP_*, TCPC_RECEIPT_BY_CLIENT */
	__u8 n_sack;
	__u32 sack[2 * TCPC_MAX_SACK]; /* left and right edge, n_sack pairs */
};

/* With RST and ACK: no packet, but what a client's own reset has ended. In the place of CWR, which
 * no answer to a copy has: what asks for it is taken out of copies. */
#define TCPC_RECEIPT_BY_CLIENT 0x80

/** tcpc_receipt_flow - the connection that it is about. */
static inline struct tcpc_flow tcpc_receipt_flow(const struct tcpc_receipt *receipt)
{
	struct tcpc_flow flow = {.client = receipt->client,
				 .server = receipt->server,
				 .client_port = receipt->client_port,
				 .server_port = receipt->server_port};

	return flow;
}

/** What `receipts` carries: a receipt whose SACK blocks are still in the options. */
struct tcpc_raw_receipt {
	struct tcpc_receipt receipt;
	__u32 options_bytes;
	__u8 options[TCPC_RECEIPT_OPTIONS];
};

_Static_assert(sizeof(struct tcpc_addr) == 16, "ABI");
_Static_assert(sizeof(struct tcpc_service_key) == 8, "ABI");
_Static_assert(sizeof(struct tcpc_service) == 16, "ABI");
_Static_assert(sizeof(struct tcpc_target) == 48, "ABI");
_Static_assert(sizeof(struct tcpc_target_set) == 56 + 48 * TCPC_MAX_TARGETS, "ABI");
_Static_assert(sizeof(struct tcpc_filter_key) == 24, "ABI");
_Static_assert(sizeof(struct tcpc_online_config) == 72, "ABI");
_Static_assert(sizeof(struct tcpc_journal_head) == 88, "ABI");
_Static_assert(sizeof(struct tcpc_allow_key) == 20, "ABI");
_Static_assert(sizeof(struct tcpc_way) == 8, "ABI");
_Static_assert(sizeof(struct tcpc_flow) == 40, "ABI");
_Static_assert(sizeof(struct tcpc_exchange) == 72, "ABI");
_Static_assert(sizeof(struct tcpc_receipt) == 84, "ABI");
_Static_assert(sizeof(struct tcpc_raw_receipt) == 128, "ABI");

#endif
