/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * capture.h - capture files, read and written through libpcap. Nothing of a file's size is kept in
 * memory.
 */
#ifndef TCPCOPY_EDGE_CAPTURE_H
#define TCPCOPY_EDGE_CAPTURE_H

#include <stdbool.h>
#include <linux/types.h>

#include "core/err.h"

struct tcpc_capture;

/** A frame of a file. */
struct tcpc_capture_frame {
	const __u8 *data; /* borrowed until the next call */
	__u32 captured;	  /* bytes at @data */
	__u32 bytes;	  /* of the frame when it was captured */
	__u64 time_ns;	  /* since 1970 */
	bool matches;	  /* the filter lets it through */
};

/**
 * tcpc_capture_open - open @path, pcap or pcapng, "-" for the standard input.
 * @filter: a BPF expression (pcap-filter(7)), or NULL.
 * Returns: 0; -ENOENT, -EACCES, ...: it cannot be opened; -EPROTO: it is no capture, or damaged;
 * -EINVAL: @filter is wrong.
 */
int tcpc_capture_open(const char *path, const char *filter, struct tcpc_capture **ret,
		      struct tcpc_err *err);

/** tcpc_capture_close - NULL is fine. */
void tcpc_capture_close(struct tcpc_capture *capture);

/** tcpc_capture_link - its type of link (DLT_*). */
int tcpc_capture_link(const struct tcpc_capture *capture);

/** tcpc_capture_link_name - the type for people. Borrowed. */
const char *tcpc_capture_link_name(const struct tcpc_capture *capture);

/** tcpc_capture_bytes - size of the file, 0 if that is not known; tcpc_capture_at - how much of it
 * was read. */
__u64 tcpc_capture_bytes(const struct tcpc_capture *capture);
__u64 tcpc_capture_at(const struct tcpc_capture *capture);

/** tcpc_capture_next - the next frame. Returns 1; 0 at the end; -EPROTO if the file is damaged or
 * cut short from here on. */
int tcpc_capture_next(struct tcpc_capture *capture, struct tcpc_capture_frame *ret,
		      struct tcpc_err *err);

#endif
