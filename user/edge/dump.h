/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dump.h - capture files that are being written: one, or one after the other, within bounds. Files
 * are made with the caller's rights in a directory that is looked up once; a file that is there is
 * never written to, and no link is followed.
 */
#ifndef TCPCOPY_EDGE_DUMP_H
#define TCPCOPY_EDGE_DUMP_H

#include <stdbool.h>
#include <linux/types.h>

#include "core/err.h"

struct tcpc_dump;

struct tcpc_dump_config {
	const char *path; /* as typed; borrowed during tcpc_dump_open() */
	const char *iface;
	bool force;	    /* files in the way are replaced */
	__u64 rotate_bytes; /* a file has no more; 0: no bound */
	__u64 rotate_ns;    /* a file has packets of no more time; 0: no bound */
	__u32 keep;	    /* the newest so many files stay; 0: all do */
	__u64 limit_bytes;  /* of all that stay */
};

struct tcpc_dump_stats {
	__u32 files;	      /* begun */
	__u64 packets, bytes; /* that are in files, or were: of packets, not of blocks */
	const char *file;     /* the present one's name, without its directory; borrowed */
};

/** tcpc_dump_check - would tcpc_dump_open() find its way free? Changes nothing. */
int tcpc_dump_check(const struct tcpc_dump_config *config, struct tcpc_err *err);

/**
 * tcpc_dump_open - begin the first file.
 * Returns 0; -EEXIST: there is such a file; -ELOOP, -EISDIR, ...: or something else of that name;
 * or what the system said.
 */
int tcpc_dump_open(const struct tcpc_dump_config *config, struct tcpc_dump **ret,
		   struct tcpc_err *err);

/**
 * tcpc_dump_packet - add a packet; it may wait in memory until tcpc_dump_flush().
 * Returns 0; -EFBIG: there is no room within limit_bytes; or as tcpc_dump_flush().
 */
int tcpc_dump_packet(struct tcpc_dump *dump, __u64 time_ns, const void *packet, __u32 bytes,
		     struct tcpc_err *err);

/** tcpc_dump_flush - write what waits. Returns 0, or -ENOSPC, ...: the file ends behind the last
 * packet that was written whole, and nothing can be added any more. */
int tcpc_dump_flush(struct tcpc_dump *dump, struct tcpc_err *err);

/** tcpc_dump_stats - what has been written. */
struct tcpc_dump_stats tcpc_dump_stats(const struct tcpc_dump *dump);

/** tcpc_dump_close - flush, close. Returns as tcpc_dump_flush(); freed in any case. NULL is fine.
 */
int tcpc_dump_close(struct tcpc_dump *dump, struct tcpc_err *err);

#endif
