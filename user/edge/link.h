/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * link.h - the feedback link between the online host (client, connects) and the target host
 * (server, listens): TCP, framed, versioned, authenticated and encrypted with a pre-shared key
 * unless --insecure. docs/protocol-feedback.md describes every field.
 *
 * The lease: the server sends something at least every TCPC_LINK_PING_MS; a side that hears
 * nothing for TCPC_LINK_LEASE_MS calls the link lost. A client without a link does not copy.
 */
#ifndef TCPCOPY_EDGE_LINK_H
#define TCPCOPY_EDGE_LINK_H

#include <stdbool.h>
#include <uv.h>

#include "core/err.h"
#include "core/text.h"
#include "tcpcopy/abi.h"
#include "tcpcopy/feedback_sums.h"
#include "tcpcopy/feedback_trial.h"

#define TCPC_LINK_PING_MS 200
#define TCPC_LINK_LEASE_MS 700
#define TCPC_LINK_RETRY_MS 250 /* between attempts to connect */
#define TCPC_LINK_MAX_PEERS 64
#define TCPC_LINK_MAX_SERVICES 256
#define TCPC_LINK_KEY_BYTES 32
#define TCPC_LINK_FLUSH_MS 5 /* between two frames of receipts that are not full */

/* How long after the end of a connection its other side may still copy: it notices within its
 * lease, and if its daemon is stuck the data path goes on for the lease of the heartbeat. */
#define TCPC_LINK_SETTLE_MS (TCPC_LINK_LEASE_MS + TCPC_LEASE_MS)

/** One intercepted service: an address of the target's interface and a port. */
struct tcpc_link_service {
	struct tcpc_addr addr;
	__be16 port;
	__u8 engine;  /* 0: nfqueue, 1: tc */
	__u8 tunnels; /* TCPC_FEEDBACK_TUNNEL_* */
};

enum tcpc_link_allow_op { TCPC_LINK_ALLOW_CLEAR, TCPC_LINK_ALLOW_ADD, TCPC_LINK_ALLOW_DEL };

/* ---- server: the target host ---------------------------------------------------------------- */

struct tcpc_link_server;

/** Called from the loop, never from within a function below. All must be set but @sums and @trial.
 */
struct tcpc_link_server_events {
	/* A peer's hello was accepted, or the peer was lost. @peer: its address as text. */
	void (*peer_up)(void *user, const char *peer);
	/* @why follows the name: "has been silent for 700 ms". @closed: by the peer, which has
	 * nothing more to send; else the way to it may be cut. */
	void (*peer_down)(void *user, const char *peer, bool closed, const char *why);
	/* Every peer that was connected at the time has acted on change @serial, or has been gone
	 * for TCPC_LINK_SETTLE_MS. Called in order of serials, on a later turn of the loop. */
	void (*settled)(void *user, __u32 serial);
	/* A peer gives a connection up: it is to be ended. */
	void (*broken)(void *user, const struct tcpc_break *what);
	/* What a peer has copied, by its own account. NULL: passed over. */
	void (*sums)(void *user, const char *peer, const struct tcpc_feedback_sums *sums);
	/* A peer asks for a trial; tcpc_link_server_trial() answers. NULL: the frame is refused. */
	void (*trial)(void *user, const struct tcpc_trial_note *note);
};

/**
 * tcpc_link_server_open - listen on @listen; NULL: on the default port of every address, of both
 * families where the kernel has both.
 * @key: TCPC_LINK_KEY_BYTES, or NULL for --insecure. Not copied, a key lies in one place only: to
 * be kept until the loop has ended. Returns: 0, -EADDRINUSE (port taken: @err names it), other
 * -errno.
 */
int tcpc_link_server_open(uv_loop_t *loop, const struct tcpc_endpoint *listen, const __u8 *key,
			  const struct tcpc_link_server_events *events, void *user,
			  struct tcpc_link_server **ret, struct tcpc_err *err);

/** tcpc_link_server_services - what is intercepted from now on; sent to every peer, and after the
 * hello to each new one. Returns the change's serial (settled() reports it), or 0, with a line in
 * the log, if it is not possible: then nothing has changed. */
__u32 tcpc_link_server_services(struct tcpc_link_server *server,
				const struct tcpc_link_service *services, unsigned int n);

/** tcpc_link_server_allow - the allow-list changed; kept as a set and sent whole to new peers
 * before their services. @prefixes: host bits zero; none for a CLEAR. Returns the change's serial
 * (a long one takes several, and settled() reports each; this is the last), or 0, with a line in
 * the log, if there are more than TCPC_MAX_ALLOW or no memory: then nothing has changed. */
__u32 tcpc_link_server_allow(struct tcpc_link_server *server, enum tcpc_link_allow_op op,
			     const struct tcpc_prefix *prefixes, unsigned int n);

/** tcpc_link_server_receipts - queue receipts for every peer; flushed in this turn of the loop or
 * TCPC_LINK_FLUSH_MS after others were, or with a full frame. Those of one connection may be made
 * into one (core/coalesce.h). Nothing happens without peers. Returns how many were dropped since
 * the last call because a peer is behind (bounded buffers). */
unsigned int tcpc_link_server_receipts(struct tcpc_link_server *server,
				       const struct tcpc_receipt *receipts, unsigned int n);

/** tcpc_link_server_held - the hold queue has what lies from @seq up to @end of @flow (host order;
 * SYN and FIN count one each). Flushed and bounded as receipts are. */
void tcpc_link_server_held(struct tcpc_link_server *server, const struct tcpc_flow *flow, __u32 seq,
			   __u32 end);

/** tcpc_link_server_shed - this host has ended the connection. Peers hear of it behind all that was
 * said of it before, and before all that is said later. */
void tcpc_link_server_shed(struct tcpc_link_server *server, const struct tcpc_flow *flow,
			   enum tcpc_feedback_shed_reason reason);

/** tcpc_link_server_trial - tell how far a trial has come. Every peer hears it: the id is the
 * asking one's, to others it means nothing. */
void tcpc_link_server_trial(struct tcpc_link_server *server, const struct tcpc_trial_note *note);

/** tcpc_link_server_pressure - what this host cannot bear more of from now on, TCPC_FEEDBACK_*:
 * told with each PING. */
void tcpc_link_server_pressure(struct tcpc_link_server *server, __u8 pressure);

/** tcpc_link_server_peers - number of accepted peers. */
unsigned int tcpc_link_server_peers(const struct tcpc_link_server *server);

/** tcpc_link_server_counters - valid as long as @server. */
const struct tcpc_link_counters *tcpc_link_server_counters(const struct tcpc_link_server *server);

/** tcpc_link_server_close - close listener and peers. @server is freed later, on the loop; no
 * event is reported any more. */
void tcpc_link_server_close(struct tcpc_link_server *server);

/* ---- client: the online host ---------------------------------------------------------------- */

struct tcpc_link_client;

enum tcpc_link_state {
	TCPC_LINK_CONNECTING, /* no answer yet, or between attempts */
	TCPC_LINK_READY,      /* hello accepted */
	TCPC_LINK_REFUSED,    /* nobody listens, unreachable, timed out; tries again */
	TCPC_LINK_BAD_KEY,    /* the peer has another key, or one side is --insecure; tries again */
	TCPC_LINK_BAD_VERSION, /* the peer speaks another protocol or ABI version; tries again */
	TCPC_LINK_LOST,	       /* was ready; tries again */
};

/** Called from the loop, never from within a function below. All must be set but @trial. */
struct tcpc_link_client_events {
	/* The state changed, or another attempt ended the same way. @text: one line for the user.
	 */
	void (*state)(void *user, enum tcpc_link_state state, const char *text);
	/* The peer's services, whole. Acknowledged to the peer when the call returns. */
	void (*services)(void *user, const struct tcpc_link_service *services, unsigned int n);
	/* The peer's allow-list changed. Acknowledged when the call returns. */
	void (*allow)(void *user, enum tcpc_link_allow_op op, const struct tcpc_prefix *prefixes,
		      unsigned int n);
	void (*receipts)(void *user, const struct tcpc_receipt *receipts, unsigned int n);
	/* The peer's hold queue has these packets; it has them still, or again. */
	void (*held)(void *user, const struct tcpc_held *held, unsigned int n);
	/* The peer has ended these connections itself. */
	void (*shed)(void *user, const struct tcpc_shed *shed, unsigned int n);
	/* How far a trial has come, maybe another host's. NULL: passed over. */
	void (*trial)(void *user, const struct tcpc_trial_note *note);
};

/**
 * tcpc_link_client_open - connect to @host:@port and stay connected.
 * @key: as for the server.  Returns: 0 or -errno; the outcome of attempts comes by state().
 */
int tcpc_link_client_open(uv_loop_t *loop, const char *host, __u16 port, const __u8 *key,
			  const struct tcpc_link_client_events *events, void *user,
			  struct tcpc_link_client **ret, struct tcpc_err *err);

/** tcpc_link_client_state - the present state and its text (borrowed until the next change). */
enum tcpc_link_state tcpc_link_client_state(const struct tcpc_link_client *client,
					    const char **ret_text);

/** tcpc_link_client_silent_ms - for how long nothing has been heard; ~0 without a link. */
__u64 tcpc_link_client_silent_ms(const struct tcpc_link_client *client);

/** tcpc_link_client_pressure - what the peer cannot bear more of, TCPC_FEEDBACK_*; 0 without a
 * link. */
__u8 tcpc_link_client_pressure(const struct tcpc_link_client *client);

/** tcpc_link_client_break - have the peer end a connection. Sent at once.
 * Returns: 0, -EPIPE (no link), -ENOBUFS (the peer is far behind) or -ENOMEM. */
int tcpc_link_client_break(struct tcpc_link_client *client, const struct tcpc_break *what);

/** tcpc_link_client_sums - tell the peer what was copied to it. Returns as the above. */
int tcpc_link_client_sums(struct tcpc_link_client *client, const struct tcpc_feedback_sums *sums);

/** tcpc_link_client_trial - ask the peer for a trial of @flow, under @id. Returns: 0, or -EPIPE and
 * -ENOBUFS: there is no link, or it is full. */
int tcpc_link_client_trial(struct tcpc_link_client *client, __u32 id, const struct tcpc_flow *flow);

/** tcpc_link_client_close - no event is reported any more; freed later, on the loop. */
void tcpc_link_client_close(struct tcpc_link_client *client);

#endif
