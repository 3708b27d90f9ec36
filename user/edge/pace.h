/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pace.h - read a BPF ring buffer on the loop without a wake-up for each record: at intervals
 * while records come, and not at all while none do.
 *
 * `sleeps` lies in memory shared with the program: set, it says that nobody reads; the program
 * then clears it and wakes (BPF_RB_FORCE_WAKEUP) with its next record. No other record need wake,
 * but may. Part of two modules of user/edge, like log.h.
 */
#ifndef TCPCOPY_EDGE_PACE_H
#define TCPCOPY_EDGE_PACE_H

#include <uv.h>
#include <linux/types.h>

struct tcpc_pace;

#define TCPC_PACE_MAX_MS 10

struct tcpc_pace_config {
	int ring_fd;   /* of the map; borrowed, must stay open until the stop */
	__u32 *sleeps; /* shared with the program; not used after the stop */
	/* Read all there is. Returns how long the next may wait, in milliseconds of at most
	 * TCPC_PACE_MAX_MS; 0: nothing has come since the last time. */
	unsigned int (*read)(void *user);
	void (*closed)(void *user); /* after the stop, when no call is under way; NULL: none */
	void *user;
};

/** tcpc_pace_start - begin to read. Returns 0 or -errno. */
int tcpc_pace_start(uv_loop_t *loop, const struct tcpc_pace_config *config, struct tcpc_pace **ret);

/** tcpc_pace_stop - read no more; frees itself later, on the loop. May be called while reading. */
void tcpc_pace_stop(struct tcpc_pace *pace);

#endif
