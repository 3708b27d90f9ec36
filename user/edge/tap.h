/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tap.h - devices that we make of /dev/net/tun.
 *
 * The hold queue's device: a TAP interface that exists as long as its file is open, so it
 * goes with a killed daemon. With IFF_VNET_HDR, so that a GRO packet of 64 KB passes as one frame
 * and unfinished checksums stay unfinished: without it the kernel cuts every upload into segments,
 * and the ring overflows (32 KB POSTs at full speed: 17,559 packets became 363,791).
 */
#ifndef TCPCOPY_EDGE_TAP_H
#define TCPCOPY_EDGE_TAP_H

#include <stddef.h>
#include <sys/types.h>
#include <linux/types.h>

#include "core/err.h"

/* What stands before each frame: struct virtio_net_hdr, to be given back as it came. */
#define TCPC_TAP_HEADER_BYTES 10
#define TCPC_TAP_FRAME_BYTES (TCPC_TAP_HEADER_BYTES + 65536 + 64)

/** tcpc_tap_open - make a TAP device with the first free name of tcpchold0, tcpchold1, ..., up,
 * quiet (no IPv6, no ARP), with a long queue. The file does not block. Returns: the file, owned by
 * the caller, or -errno. */
int tcpc_tap_open(int *ret_ifindex, struct tcpc_err *err);

/** tcpc_tap_open_sink - make a TUN device tcpcopyraw0, ...: the copy device for interfaces without
 * a link header. Nothing is ever to be read from it. Returns: the file, which keeps it alive, owned
 * by the caller, or -errno. */
int tcpc_tap_open_sink(int *ret_ifindex, struct tcpc_err *err);

/** tcpc_tap_open_source - make a TUN device tcpcreplay0, ...: what is written to it comes in there,
 * each packet behind its TCPC_TAP_HEADER_BYTES. Returns as the above. */
int tcpc_tap_open_source(int *ret_ifindex, struct tcpc_err *err);

/** tcpc_tap_dropped - packets that the device dropped because the queue was full. */
__u64 tcpc_tap_dropped(int ifindex);

#endif
