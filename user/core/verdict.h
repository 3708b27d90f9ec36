/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * verdict.h - what becomes of one packet from the queue. Pure.
 */
#ifndef TCPCOPY_CORE_VERDICT_H
#define TCPCOPY_CORE_VERDICT_H

#include <stdbool.h>

#include "tcpcopy/abi.h"

/* IPv6 and TCP header. A number, since libuv's headers and <linux/tcp.h> exclude each other and
 * users of this header need the former. */
#define TCPC_VERDICT_PACKET_BYTES 60

enum tcpc_verdict_action { TCPC_VERDICT_ACCEPT, TCPC_VERDICT_DROP, TCPC_VERDICT_REPLACE };

enum tcpc_verdict_reason {
	TCPC_REASON_REFLECTED,	   /* replaced by its own ACK */
	TCPC_REASON_NO_ACK_NEEDED, /* ACK or RST: ended */
	TCPC_REASON_ICMP,	   /* ICMP error about a copy: ended */
	TCPC_REASON_MALFORMED,	   /* cannot be understood: ended, it could be a response */
	TCPC_REASON_NOT_OURS,	   /* another port or protocol: goes on as it is */
};

struct tcpc_verdict {
	enum tcpc_verdict_action action;
	enum tcpc_verdict_reason reason;
	bool has_receipt;
	struct tcpc_receipt receipt;
	__u32 packet_bytes; /* for TCPC_VERDICT_REPLACE */
	__u8 packet[TCPC_VERDICT_PACKET_BYTES] __attribute__((aligned(4)));
};

/**
 * tcpc_verdict_decide - decide about the packet at @packet, which begins with its IP header.
 * @captured: bytes at hand.  @bytes: the packet's whole length.  @ports: the intercepted services,
 * wire order.  @ret: always filled in.
 */
void tcpc_verdict_decide(const void *packet, __u32 captured, __u32 bytes, const __be16 *ports,
			 unsigned int n_ports, struct tcpc_verdict *ret);

/**
 * tcpc_verdict_answer_probe - a keep-alive probe takes no sequence space, but without an answer the
 * target would give its client up: change @verdict, of a packet that needs no ACK, if it is one.
 * @sent_end: SEG.SEQ + SEG.LEN of the last segment before it that took some.
 * Returns: was it one?
 */
bool tcpc_verdict_answer_probe(struct tcpc_verdict *verdict, __u32 sent_end);

/** tcpc_verdict_goes_on - was it data that more follows at once? Then its sender may be waiting for
 * the ACK, with a full window. */
bool tcpc_verdict_goes_on(const struct tcpc_verdict *verdict);

#endif
