/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pcapng.h - blocks of a pcapng file (draft-ietf-opsawg-pcapng), written: a section header, one
 * interface, packets with times in nanoseconds. libpcap reads this format and writes it not. Pure;
 * numbers are in this host's byte order, which the section header tells.
 */
#ifndef TCPCOPY_CORE_PCAPNG_H
#define TCPCOPY_CORE_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#define TCPC_PCAPNG_LINK_RAW 101    /* LINKTYPE_RAW: frames begin with the IP header */
#define TCPC_PCAPNG_TEXT_MAX 255    /* of names; what is longer is cut */
#define TCPC_PCAPNG_HEADER_MAX 640  /* both first blocks, with the longest names */
#define TCPC_PCAPNG_PACKET_EXTRA 35 /* of a packet's block, beyond the packet, at most */

struct tcpc_pcapng_file {
	__u16 link;	    /* LINKTYPE_* */
	__u32 snap_bytes;   /* no packet is longer */
	const char *writer; /* the program */
	const char *iface;
};

/**
 * tcpc_pcapng_begin - write the blocks that a file begins with.
 * @out: room for TCPC_PCAPNG_HEADER_MAX.
 * Returns: how long they are, a multiple of 4.
 */
size_t tcpc_pcapng_begin(const struct tcpc_pcapng_file *file, __u8 *out);

/** tcpc_pcapng_packet_bytes - how long the block of a packet of @bytes is. */
size_t tcpc_pcapng_packet_bytes(__u32 bytes);

/**
 * tcpc_pcapng_packet - write a packet's block.
 * @time_ns: since 1970.  @out: room for tcpc_pcapng_packet_bytes(@bytes).
 * Returns: how long it is.
 */
size_t tcpc_pcapng_packet(__u64 time_ns, const void *packet, __u32 bytes, __u8 *out);

/** A block that was read. */
struct tcpc_pcapng_block {
	size_t bytes;
	bool is_packet;
	__u32 packet_bytes; /* 0 of others */
};

/** tcpc_pcapng_read - look at a block that was written here. Returns whether all of it is in these
 * @bytes; else @ret is untouched. */
bool tcpc_pcapng_read(const __u8 *at, size_t bytes, struct tcpc_pcapng_block *ret);

#endif
