/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * control_priv.h - shared by control.c (the listening socket) and control_client.c (one
 * connection); nobody else includes it.
 */
#ifndef TCPCOPY_EDGE_CONTROL_PRIV_H
#define TCPCOPY_EDGE_CONTROL_PRIV_H

#include "edge/control.h"

#include <stdbool.h>
#include <stdint.h>

#define LINE_BYTES 65536 /* with the newline */
#define MAX_CLIENTS 64
#define PATIENCE_MS 10000 /* for the rest of a line, and for an answer to be taken */

enum client_state { READING, ASKING, WRITING, CLOSING };

/** One of these lives in each client: only one can be outstanding. */
struct tcpc_control_request {
	struct client *client;
	struct json_object *body; /* owned until it is answered */
};

/** One connection. Allocated by control.c, freed on the loop after tcpc_client_close(). */
struct client {
	struct tcpc_control *control;
	uv_pipe_t pipe;
	uv_timer_t timer; /* READING half a line, or WRITING */
	int open_handles;
	struct tcpc_control_peer peer;
	enum client_state state;
	bool last;	   /* close it when the answer is written */
	uint64_t heard_ms; /* loop time of the last sign of life */
	struct tcpc_control_request request;
	uv_write_t write;
	struct json_object *answer; /* owns the text being written */
	size_t begin, scanned, end; /* of what is in buf; no newline before scanned */
	char buf[LINE_BYTES];
};

struct tcpc_control {
	uv_pipe_t server;
	uv_pipe_t refusal; /* for the one connection at a time that gets no client */
	bool refusing, closing;
	bool told;	  /* that it is full; one line in the log for each time is enough */
	bool waiting;	  /* libuv holds a connection until we accept it */
	int open_handles; /* server, refusal and clients that the loop has not let go of yet */
	struct client *clients[MAX_CLIENTS];
	tcpc_control_handler handler;
	void *user;
	gid_t group; /* (gid_t)-1: none */
	uint64_t warn_after_ms;
};

/** tcpc_client_start - begin to read requests from the accepted pipe of @client. */
void tcpc_client_start(struct client *client);

/** tcpc_client_turn_away - say @why, and disconnect. */
void tcpc_client_turn_away(struct client *client, const struct tcpc_err *why);

/** tcpc_control_peer_read - who is at the other end of Unix socket @fd. Returns 0 or -errno. */
int tcpc_control_peer_read(int fd, struct tcpc_control_peer *ret);

/** tcpc_control_peer_may - is he root, our own user, or a member of @group, as his main group or as
 * another? */
bool tcpc_control_peer_may(int fd, const struct tcpc_control_peer *peer, gid_t group);

/** tcpc_client_close - disconnect, at once. Harmless on one that is closing. An outstanding
 * request must have been answered. */
void tcpc_client_close(struct client *client);

/** tcpc_control_client_gone - the loop has let go of @client: forget and free it. */
void tcpc_control_client_gone(struct client *client);

#endif
