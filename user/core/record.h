/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * record.h - a recording on its way from the daemon, which has the packets, to the command, which
 * writes them to files. Both are of one version and on one host. Pure.
 *
 * Messages to the writer hold packets, one behind the other: a head, the packet, zeros up to a
 * multiple of 8. The writer sends notes: one for each file that it begins, and one at its end.
 */
#ifndef TCPCOPY_CORE_RECORD_H
#define TCPCOPY_CORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#define TCPC_RECORD_PACKET_MAX 65536
#define TCPC_RECORD_NAME_BYTES 256 /* of a file's name, with the zero behind it */

/** In front of a packet. */
struct tcpc_record_head {
	__u64 time_ns; /* since 1970 */
	__u32 bytes;   /* of the packet, from its IP header on */
	__u32 pad;
};

/* A message is sent when it has this much; the last packet in it may go beyond. */
#define TCPC_RECORD_MESSAGE_FULL 32768
#define TCPC_RECORD_MESSAGE_MAX                                                                    \
	(TCPC_RECORD_MESSAGE_FULL + sizeof(struct tcpc_record_head) + TCPC_RECORD_PACKET_MAX)

/** What the writer says. */
struct tcpc_record_note {
	__u32 magic;	      /* TCPC_RECORD_NOTE */
	__u32 files;	      /* begun so far */
	__u64 packets, bytes; /* written to all of them */
	__s32 code;	      /* what has ended it: 0: nothing or nobody, else -errno, with: */
	__u32 ended;	      /* 1: the last note */
	char file[TCPC_RECORD_NAME_BYTES]; /* the present one */
	char reason[TCPC_RECORD_NAME_BYTES];
};

#define TCPC_RECORD_NOTE 0x7463726eu

/** tcpc_record_room - what a packet of @bytes takes in a message. */
static inline size_t tcpc_record_room(__u32 bytes)
{
	return sizeof(struct tcpc_record_head) + (((size_t)bytes + 7) & ~(size_t)7);
}

/**
 * tcpc_record_put - write a packet to a message.
 * @at: 8-byte aligned, with tcpc_record_room() bytes.
 * Returns: where the packet lies now, so that its headers can be changed.
 */
__u8 *tcpc_record_put(__u8 *at, __u64 time_ns, const void *packet, __u32 bytes);

/**
 * tcpc_record_next - the next packet of a message.
 * @at: what was read of it so far, 0 at first.  @ret_packet: borrowed from @message.
 * Returns: 1; 0 at the end; -EPROTO if it is no such message.
 */
int tcpc_record_next(__u8 *message, size_t bytes, size_t *at, struct tcpc_record_head *ret_head,
		     __u8 **ret_packet);

/** tcpc_record_note_valid - is @note, of which @bytes came, one? Then its texts end. */
bool tcpc_record_note_valid(const struct tcpc_record_note *note, size_t bytes);

/**
 * tcpc_record_finish - write the checksums of a packet anew: the journal's has those of the copy,
 * or what a device had still to finish.
 * @packet: 4-byte aligned, @bytes from its IP header on. One that is no whole TCP packet is left
 * alone.
 */
void tcpc_record_finish(void *packet, __u32 bytes);

/**
 * tcpc_record_file_name - the name of file @number, from 1 on: a.pcapng, or if they @rotate
 * a-00001.pcapng. In order of their names they are in order of time.
 * Returns 0, or -ENAMETOOLONG.
 */
int tcpc_record_file_name(const char *base, bool rotate, __u32 number,
			  char ret[TCPC_RECORD_NAME_BYTES]);

/** tcpc_record_is_numbered - is @name one of those that tcpc_record_file_name() makes of @base? */
bool tcpc_record_is_numbered(const char *base, const char *name);

#endif
