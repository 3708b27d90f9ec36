/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * datapath_receipts.h - the receipts of engine tc, on the loop. A header of its own: libuv's and
 * <linux/tcp.h> exclude each other, and users of datapath.h may need the latter.
 */
#ifndef TCPCOPY_EDGE_DATAPATH_RECEIPTS_H
#define TCPCOPY_EDGE_DATAPATH_RECEIPTS_H

#include <uv.h>

#include "edge/datapath.h"

struct tcpc_receipts;

/** Called on the loop's thread, in the order in which the packets left. @receipts: valid during the
 * call. */
typedef void (*tcpc_receipts_cb)(void *user, const struct tcpc_receipt *receipts, unsigned int n);

/** tcpc_receipts_start - hand on what absorb writes. @dp must outlive it. Returns 0 or -errno. */
int tcpc_receipts_start(uv_loop_t *loop, struct tcpc_dp_target *dp, tcpc_receipts_cb cb, void *user,
			struct tcpc_receipts **ret, struct tcpc_err *err);

/** tcpc_receipts_stop - nothing is handed on any more; frees itself later, on the loop. The
 * datapath may be closed at once. */
void tcpc_receipts_stop(struct tcpc_receipts *receipts);

#endif
