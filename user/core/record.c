// SPDX-License-Identifier: GPL-2.0-only
/* record.c - see record.h. */
#include "core/record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tcpcopy/csum.h"
#include "tcpcopy/parse.h"
#include "tcpcopy/reflect.h"

#define MIN_DIGITS 5

__u8 *tcpc_record_put(__u8 *at, __u64 time_ns, const void *packet, __u32 bytes)
{
	const struct tcpc_record_head head = {.time_ns = time_ns, .bytes = bytes};
	__u8 *p = at + sizeof(head);

	memcpy(at, &head, sizeof(head));
	memcpy(p, packet, bytes);
	memset(p + bytes, 0, tcpc_record_room(bytes) - sizeof(head) - bytes);
	return p;
}

int tcpc_record_next(__u8 *message, size_t bytes, size_t *at, struct tcpc_record_head *ret_head,
		     __u8 **ret_packet)
{
	struct tcpc_record_head head;

	if (*at == bytes)
		return 0;
	if (bytes - *at < sizeof(head))
		return -EPROTO;
	memcpy(&head, message + *at, sizeof(head));
	if (head.bytes > TCPC_RECORD_PACKET_MAX || tcpc_record_room(head.bytes) > bytes - *at)
		return -EPROTO;
	*ret_head = head;
	*ret_packet = message + *at + sizeof(head);
	*at += tcpc_record_room(head.bytes);
	return 1;
}

bool tcpc_record_note_valid(const struct tcpc_record_note *note, size_t bytes)
{
	return bytes == sizeof(*note) && note->magic == TCPC_RECORD_NOTE &&
	       memchr(note->file, 0, sizeof(note->file)) &&
	       memchr(note->reason, 0, sizeof(note->reason));
}

void tcpc_record_finish(void *packet, __u32 bytes)
{
	__u8 *ip = packet;
	struct tcphdr *tcp;
	struct tcpc_pkt pkt;
	__u32 l4_bytes;

	if (tcpc_parse(ip, ip + bytes, bytes, TCPC_LINK_NONE, &pkt) != TCPC_PARSE_OK)
		return;
	l4_bytes = pkt.tcp_bytes + pkt.payload_bytes;
	if (pkt.family == 4) {
		struct iphdr *ip4 = packet;

		ip4->check = 0;
		ip4->check = tcpc_csum_fold(tcpc_csum_partial(ip4, ip4->ihl * 4, 0));
	}
	tcp = (void *)(ip + pkt.l4_off);
	tcp->check = 0;
	tcp->check =
		tcpc_csum_fold(tcpc_csum_partial(tcp, l4_bytes, tcpc_pseudo_sum(&pkt, l4_bytes)));
}

/* Where the number goes: in front of the last dot, if that is not the first character. */
static size_t stem_bytes(const char *base)
{
	const char *dot = strrchr(base, '.');

	return dot && dot != base ? (size_t)(dot - base) : strlen(base);
}

int tcpc_record_file_name(const char *base, bool rotate, __u32 number,
			  char ret[TCPC_RECORD_NAME_BYTES])
{
	size_t stem = stem_bytes(base);
	char name[TCPC_RECORD_NAME_BYTES + 1];
	int n;

	if (rotate)
		n = snprintf(name, sizeof(name), "%.*s-%0*u%s", (int)stem, base, MIN_DIGITS, number,
			     base + stem);
	else
		n = snprintf(name, sizeof(name), "%s", base);
	if (n >= TCPC_RECORD_NAME_BYTES)
		return -ENAMETOOLONG;
	memcpy(ret, name, n + 1);
	return 0;
}

bool tcpc_record_is_numbered(const char *base, const char *name)
{
	size_t stem = stem_bytes(base), digits;

	if (strncmp(name, base, stem) || name[stem] != '-')
		return false;
	digits = strspn(name + stem + 1, "0123456789");
	return digits >= MIN_DIGITS && !strcmp(name + stem + 1 + digits, base + stem);
}
