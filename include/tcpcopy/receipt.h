/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * receipt.h - what a response's headers say, for the online host. Pure.
 */
#ifndef TCPCOPY_RECEIPT_H
#define TCPCOPY_RECEIPT_H

#include "tcpcopy/abi.h"
#include "tcpcopy/parse.h"

/** tcpc_receipt_of - the receipt of response @pkt but for its SACK blocks, which stand in its
 * options. */
static inline void tcpc_receipt_of(const struct tcpc_pkt *pkt, struct tcpc_receipt *receipt)
{
	__builtin_memset(receipt, 0, sizeof(*receipt));
	receipt->client = pkt->daddr;
	receipt->server = pkt->saddr;
	receipt->client_port = pkt->dport;
	receipt->server_port = pkt->sport;
	receipt->seq = pkt->seq;
	receipt->ack = pkt->ack;
	receipt->payload_bytes = pkt->payload_bytes;
	receipt->window = pkt->window;
	receipt->flags = pkt->flags;
}

#endif
