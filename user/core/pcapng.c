// SPDX-License-Identifier: GPL-2.0-only
/* pcapng.c - see pcapng.h. Sections are those of draft-ietf-opsawg-pcapng. */
#include "core/pcapng.h"

#include <string.h>

#define BLOCK_SECTION 0x0a0d0d0au /* 4.1; reads the same in either byte order */
#define BLOCK_INTERFACE 1u	  /* 4.2 */
#define BLOCK_PACKET 6u		  /* 4.3, "enhanced" */
#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define PACKET_HEAD 28
#define PACKET_CAPTURED 20 /* where its length stands */

enum option {
	OPTION_END = 0,
	OPTION_NAME = 2,     /* of the interface */
	OPTION_WRITER = 4,   /* of the section */
	OPTION_TIME_UNIT = 9 /* of the interface: a power of 10 */
};

/* Where the next byte goes. */
struct out {
	__u8 *begin, *at;
};

static void put(struct out *o, const void *data, size_t bytes)
{
	memcpy(o->at, data, bytes);
	o->at += bytes;
}

static void put16(struct out *o, __u16 value)
{
	put(o, &value, sizeof(value));
}

static void put32(struct out *o, __u32 value)
{
	put(o, &value, sizeof(value));
}

/* Everything begins at a multiple of 4 bytes (3.1). */
static void put_padding(struct out *o)
{
	while ((o->at - o->begin) & 3)
		*o->at++ = 0;
}

static void put_option(struct out *o, enum option code, const void *value, size_t bytes)
{
	put16(o, code);
	put16(o, bytes);
	put(o, value, bytes);
	put_padding(o);
}

static void put_text(struct out *o, enum option code, const char *text)
{
	size_t n = strlen(text);

	put_option(o, code, text, n < TCPC_PCAPNG_TEXT_MAX ? n : TCPC_PCAPNG_TEXT_MAX);
}

static struct out block(__u8 *begin, __u32 type)
{
	struct out o = {begin, begin};

	put32(&o, type);
	put32(&o, 0); /* its length, once that is known */
	return o;
}

/* The length stands at both ends, so that a file can be read backwards (3.1). */
static __u8 *end_block(struct out *o)
{
	__u32 bytes;

	put_padding(o);
	bytes = o->at - o->begin + sizeof(bytes);
	put32(o, bytes);
	memcpy(o->begin + 4, &bytes, sizeof(bytes));
	return o->at;
}

static __u8 *put_section(const struct tcpc_pcapng_file *file, __u8 *at)
{
	static const __u64 unknown_bytes = ~0ULL; /* of the section: it is still being written */
	struct out o = block(at, BLOCK_SECTION);

	put32(&o, BYTE_ORDER_MAGIC);
	put16(&o, 1); /* version 1.0 */
	put16(&o, 0);
	put(&o, &unknown_bytes, sizeof(unknown_bytes));
	put_text(&o, OPTION_WRITER, file->writer);
	put_option(&o, OPTION_END, "", 0);
	return end_block(&o);
}

static __u8 *put_interface(const struct tcpc_pcapng_file *file, __u8 *at)
{
	static const __u8 nanoseconds = 9;
	struct out o = block(at, BLOCK_INTERFACE);

	put16(&o, file->link);
	put16(&o, 0);
	put32(&o, file->snap_bytes);
	put_text(&o, OPTION_NAME, file->iface);
	put_option(&o, OPTION_TIME_UNIT, &nanoseconds, sizeof(nanoseconds));
	put_option(&o, OPTION_END, "", 0);
	return end_block(&o);
}

size_t tcpc_pcapng_begin(const struct tcpc_pcapng_file *file, __u8 *out)
{
	return put_interface(file, put_section(file, out)) - out;
}

size_t tcpc_pcapng_packet_bytes(__u32 bytes)
{
	return PACKET_HEAD + (((size_t)bytes + 3) & ~(size_t)3) + sizeof(__u32);
}

size_t tcpc_pcapng_packet(__u64 time_ns, const void *packet, __u32 bytes, __u8 *out)
{
	struct out o = block(out, BLOCK_PACKET);

	put32(&o, 0); /* of the one interface */
	put32(&o, time_ns >> 32);
	put32(&o, time_ns);
	put32(&o, bytes); /* captured */
	put32(&o, bytes); /* as it was */
	put(&o, packet, bytes);
	return end_block(&o) - out;
}

bool tcpc_pcapng_read(const __u8 *at, size_t bytes, struct tcpc_pcapng_block *ret)
{
	struct tcpc_pcapng_block block = {};
	__u32 head[2];

	if (bytes < sizeof(head))
		return false;
	memcpy(head, at, sizeof(head));
	block.bytes = head[1];
	block.is_packet = head[0] == BLOCK_PACKET;
	if (block.bytes < sizeof(head) || block.bytes > bytes)
		return false;
	if (block.is_packet && block.bytes >= PACKET_HEAD)
		memcpy(&block.packet_bytes, at + PACKET_CAPTURED, sizeof(block.packet_bytes));
	*ret = block;
	return true;
}
