/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nfqueue.h - the interceptor: takes the target's responses from NFQUEUE queues, answers each with
 * one verdict, and hands their headers on as receipts. One thread a queue.
 *
 * A response that takes sequence space is accepted with its bytes replaced by its own ACK, which
 * the kernel routes back to the target's socket; what needs no ACK ends here.
 */
#ifndef TCPCOPY_EDGE_NFQUEUE_H
#define TCPCOPY_EDGE_NFQUEUE_H

#include <stdbool.h>
#include <uv.h>

#include "core/err.h"
#include "tcpcopy/abi.h"

/* Packets the kernel holds for us before it drops: a burst of some 100 ms at 100,000 a second. */
#define TCPC_NFQUEUE_LENGTH 16384
/* Bytes of a packet that are copied to us: IPv4 and TCP with all options, IPv6 with some. */
#define TCPC_NFQUEUE_COPY_BYTES 160
/* Socket buffer; the kernel charges about 1 KB for each small packet. */
#define TCPC_NFQUEUE_RCVBUF_BYTES (16 << 20)
/* Receipts that wait for the loop's thread; more are dropped and counted. */
#define TCPC_NFQUEUE_RECEIPTS 8192

struct tcpc_nfqueue;

/** Called on the loop's thread, in the order of each queue. @receipts: valid during the call. */
typedef void (*tcpc_nfqueue_receipts)(void *user, const struct tcpc_receipt *receipts,
				      unsigned int n);

/** Called on a queue's thread: SEG.SEQ + SEG.LEN of the last segment that the target has sent on
 * @flow. Returns false if that is not known. May be called by several threads at once. */
typedef bool (*tcpc_nfqueue_sent_end)(void *user, const struct tcpc_flow *flow, __u32 *ret_end);

/** Called on a queue's thread, for SYN-ACKs only: is the connection of @flow not to be opened? Then
 * the packet ends here, without its ACK. */
typedef bool (*tcpc_nfqueue_is_trial)(void *user, const struct tcpc_flow *flow);

/** Called on a queue's thread, often: does anybody wait for a receipt? Then they are handed on at
 * once, else some milliseconds later, together. */
typedef bool (*tcpc_nfqueue_is_urgent)(void *user);

struct tcpc_nfqueue_options {
	unsigned int first, last; /* queue numbers; at most TCPC_MAX_QUEUES of them */
	__be16 ports[TCPC_MAX_PORTS];
	unsigned int n_ports;
	struct tcpc_queue_stats *stats; /* one for each queue, outlives the threads */
	tcpc_nfqueue_receipts receipts;
	tcpc_nfqueue_sent_end sent_end;
	tcpc_nfqueue_is_trial is_trial;	  /* NULL: none is */
	tcpc_nfqueue_is_urgent is_urgent; /* NULL: nobody does */
	void *user;
};

/**
 * tcpc_nfqueue_start - bind the queues and start their threads.
 * @options: copied.
 * Returns: 0; -EBUSY if a queue is taken (@err names it); other -errno. All or nothing.
 */
int tcpc_nfqueue_start(uv_loop_t *loop, const struct tcpc_nfqueue_options *options,
		       struct tcpc_nfqueue **ret, struct tcpc_err *err);

/** tcpc_nfqueue_stop - end the threads and unbind; the kernel drops what is still queued. No
 * receipts are handed on any more. Of @nfq some is freed later, on the loop. */
void tcpc_nfqueue_stop(struct tcpc_nfqueue *nfq);

#endif
