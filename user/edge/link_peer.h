/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * link_peer.h - one connection of the feedback link, the same on both sides: the handshake, frames
 * in and out, the lease. Private to link_*.c; what frames mean is for link_server.c and
 * link_client.c.
 *
 * Nothing here calls back into the owner while the owner is calling: a connection that fails in
 * send or flush is marked and ends on the next turn of the loop.
 */
#ifndef TCPCOPY_EDGE_LINK_PEER_H
#define TCPCOPY_EDGE_LINK_PEER_H

#include <stdbool.h>
#include <uv.h>

#include "core/err.h"
#include "core/text.h"
#include "edge/link_crypto.h"
#include "edge/link_queue.h"
#include "tcpcopy/feedback.h"

#define TCPC_LINK_HELLO_MS 2000 /* from the connection to an accepted hello */

/* Bounds of what waits for one peer. Receipts stop first, so that a peer that is behind can still
 * be told of changes; a peer for which a change has no room any more is dropped. */
#define TCPC_LINK_OUT_RECEIPTS_BYTES (2u << 20)
#define TCPC_LINK_OUT_BYTES (4u << 20)

#define TCPC_LINK_NAME_BYTES 272 /* host name and port */

/* How a connection ended. */
enum tcpc_link_end {
	TCPC_LINK_END_CLOSED, /* the peer closed it, or the network did */
	TCPC_LINK_END_SILENT, /* nothing heard for the lease, or no hello in time */
	TCPC_LINK_END_ALIEN,  /* the peer does not speak this protocol */
	TCPC_LINK_END_BROKEN, /* a frame that is not acceptable */
	TCPC_LINK_END_BAD_KEY,
	TCPC_LINK_END_BAD_VERSION,
	TCPC_LINK_END_CROWDED, /* had to make room for another one */
	TCPC_LINK_END_BEHIND,  /* the peer does not take what it has to know */
	TCPC_LINK_END_FAILED,  /* something went wrong on our side: memory, sockets */
};

enum tcpc_link_phase {
	TCPC_LINK_IDLE,	    /* not connected yet */
	TCPC_LINK_PREAMBLE, /* waiting for the peer's preamble */
	TCPC_LINK_HEADER,   /* for the header of its encrypted stream */
	TCPC_LINK_HELLO,    /* for its hello */
	TCPC_LINK_UP,
	TCPC_LINK_DOWN, /* over; waiting for the loop to close the handles */
};

struct tcpc_link_peer;

/** What the owner does about a connection. All are called from the loop. */
struct tcpc_link_peer_ops {
	/* The peer's hello was accepted. */
	void (*up)(struct tcpc_link_peer *peer);
	/* A frame other than HELLO, PING and BYE. Returns TCPC_FEEDBACK_OK, or why it is refused.
	 */
	enum tcpc_feedback_reason (*frame)(struct tcpc_link_peer *peer,
					   enum tcpc_feedback_type type,
					   struct tcpc_feedback_reader *body);
	/* All frames that had arrived are handled. */
	void (*idle)(struct tcpc_link_peer *peer);
	/* The connection is over; called once. @was_up: up() had been called. @why: to follow the
	 * peer's name, "has another key". */
	void (*ended)(struct tcpc_link_peer *peer, bool was_up, enum tcpc_link_end end,
		      const char *why);
	/* The memory of @peer is about to be freed. */
	void (*gone)(struct tcpc_link_peer *peer);
};

struct tcpc_link_peer {
	uv_tcp_t tcp;
	uv_timer_t deadline; /* of the handshake, then of the lease */
	uv_timer_t nudge;    /* after something was sent, until it is acknowledged */
	uv_connect_t connect;
	uv_write_t write;
	const struct tcpc_link_peer_ops *ops;
	void *owner;
	const __u8 *key; /* NULL: insecure; the owner's */
	bool server;
	bool writing;	  /* @write is under way with @writing_bytes of the queue's head */
	bool last_chance; /* the lease has run out, one more look at the socket */
	bool doomed;
	int handles;	  /* still to be closed before the memory is freed */
	__u8 says, hears; /* in PING: what we, and the peer, cannot bear more of */
	enum tcpc_link_phase phase;
	enum tcpc_link_end end; /* valid if @doomed */
	__u32 writing_bytes;
	__u64 heard_ms;	       /* uv_now() */
	struct tcpc_addr from; /* for the server: whose */
	__u32 acked;	       /* for the server: last change the peer has acted on */
	__u8 preamble[TCPC_FEEDBACK_PREAMBLE_BYTES]; /* ours */
	struct tcpc_link_crypto crypto;
	struct tcpc_link_queue out;
	__u8 *in;   /* as received; allocated with the first read */
	__u8 *body; /* one frame decrypted, behind @in in the same allocation */
	__u32 in_bytes, in_size, body_max;
	char version[TCPC_FEEDBACK_VERSION_MAX + 1]; /* the peer's, from its hello */
	char name[TCPC_LINK_NAME_BYTES];	     /* of the peer, for people */
	char why[TCPC_ERR_BYTES];
};

/**
 * tcpc_link_peer_new - a connection, not connected yet: uv_accept() or uv_tcp_connect() its @tcp.
 * @key: borrowed, NULL for insecure.  @server: this is the side that listens.
 * @body_max: longest body accepted from the peer.
 * Returns: NULL if out of memory. To be ended with tcpc_link_peer_end() or _close(); it frees
 * itself on the loop after that.
 */
struct tcpc_link_peer *tcpc_link_peer_new(uv_loop_t *loop, const __u8 *key, bool server,
					  __u32 body_max, const struct tcpc_link_peer_ops *ops,
					  void *owner);

/** tcpc_link_peer_start - the connection stands: send the preamble, read, watch the time. */
void tcpc_link_peer_start(struct tcpc_link_peer *peer);

/** tcpc_link_peer_send - encrypt @body and queue it, unless more than @limit bytes would wait.
 * Returns: 0; nothing queued: -ENOBUFS, -ENOMEM, -EPIPE (not up, or about to end). */
int tcpc_link_peer_send(struct tcpc_link_peer *peer, const __u8 *body, __u32 n, __u32 limit);

/** tcpc_link_peer_frame_bytes - bytes on the wire for a body of @n. */
__u32 tcpc_link_peer_frame_bytes(const struct tcpc_link_peer *peer, __u32 n);

/** tcpc_link_peer_must_send - the same for what the peer has to know: if there is no room for it,
 * the connection ends soon. */
void tcpc_link_peer_must_send(struct tcpc_link_peer *peer, const __u8 *body, __u32 n);

/** tcpc_link_peer_flush - hand to the socket what it takes, the rest when it can take more. */
void tcpc_link_peer_flush(struct tcpc_link_peer *peer);

/** tcpc_link_peer_ping - send PING and flush. */
void tcpc_link_peer_ping(struct tcpc_link_peer *peer);

/** tcpc_link_peer_end - end the connection now. Reports ended(), unless over already. Never from a
 * function that the owner's user has called. */
void tcpc_link_peer_end(struct tcpc_link_peer *peer, enum tcpc_link_end end, const char *why, ...)
	__attribute__((format(printf, 3, 4)));

/** tcpc_link_peer_drop - close without a word and without a trace (a reset leaves no TIME_WAIT).
 * ended() is not reported. */
void tcpc_link_peer_drop(struct tcpc_link_peer *peer);

/** tcpc_link_peer_close - say goodbye if up, and close without reporting ended(). */
void tcpc_link_peer_close(struct tcpc_link_peer *peer);

#endif
