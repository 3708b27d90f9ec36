/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * spool.h - the daemon's end of a recording: a socket to the command that writes the files. The
 * daemon itself opens none, so the command's own rights decide what it may write, and neither a
 * slow disk nor a full one is the daemon's matter: what the other end does not take in time is left
 * out, and counted.
 */
#ifndef TCPCOPY_EDGE_SPOOL_H
#define TCPCOPY_EDGE_SPOOL_H

#include <stdbool.h>

#include "core/err.h"
#include "core/record.h"

/* What waits for the writer, in the kernel: a tenth of a second at a gigabit a second. */
#define TCPC_SPOOL_BYTES (8u << 20)
/* How long the writer has to end its file. */
#define TCPC_SPOOL_END_MS 10000

struct tcpc_spool;
struct uv_loop_s; /* a uv_loop_t; <uv.h> and <linux/tcp.h> exclude each other */

struct tcpc_spool_config {
	/* The writer says something; borrowed for the call. */
	void (*note)(void *user, const struct tcpc_record_note *note);
	/* The writer has gone, or had its time after tcpc_spool_end(): comes once, and is the last
	 * one. The spool is closed. */
	void (*gone)(void *user);
	void *user;
};

/**
 * tcpc_spool_open - make the socket.
 * @ret_fd: its other end; the caller's, to be given away and closed.
 * Returns 0 or -errno.
 */
int tcpc_spool_open(struct uv_loop_s *loop, const struct tcpc_spool_config *config,
		    struct tcpc_spool **ret, int *ret_fd, struct tcpc_err *err);

/**
 * tcpc_spool_put - give a packet to the writer, soon.
 * @time_ns: since 1970.  @bytes: from the IP header on, TCPC_RECORD_PACKET_MAX at most.
 * Returns: where it lies until the next call, 4-byte aligned, so that headers can be changed; NULL
 * if the writer is behind: it is left out.
 */
__u8 *tcpc_spool_put(struct tcpc_spool *spool, __u64 time_ns, const void *packet, __u32 bytes);

/** tcpc_spool_end - that was all: the writer ends its file, then `gone` comes. */
void tcpc_spool_end(struct tcpc_spool *spool);

/** tcpc_spool_leave - the same, but nobody hears of it any more: no call comes from now on. Frees
 * itself. NULL is fine. Not from one of its callbacks. */
void tcpc_spool_leave(struct tcpc_spool *spool);

#endif
