/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tap.h - the hold queue's device: a TAP interface that exists as long as its file is open, so it
 * goes with a killed daemon. Frames come whole: without IFF_VNET_HDR the kernel cuts and checksums
 * them before we read.
 */
#ifndef TCPCOPY_EDGE_TAP_H
#define TCPCOPY_EDGE_TAP_H

#include <stddef.h>
#include <sys/types.h>
#include <linux/types.h>

#include "core/err.h"

#define TCPC_TAP_FRAME_BYTES 65536

/** tcpc_tap_open - make a TAP device with the first free name of tcpchold0, tcpchold1, ..., up,
 * quiet (no IPv6, no ARP), with a long queue. The file does not block. Returns: the file, owned by
 * the caller, or -errno. */
int tcpc_tap_open(int *ret_ifindex, struct tcpc_err *err);

/** tcpc_tap_dropped - packets that the device dropped because the queue was full. */
__u64 tcpc_tap_dropped(int ifindex);

#endif
