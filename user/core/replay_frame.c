// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay_frame.c - where the IP header lies in a captured frame. See replay.h. The numbers are
 * libpcap's DLT_* of savefiles, which never change (pcap-linktype(7)); its header is not needed for
 * them. The raw types have got several.
 */
#include "core/replay.h"

#include <errno.h>
#include <string.h>

#define LINK_NULL 0
#define LINK_ETHERNET 1
#define LINK_RAW_LINUX 12
#define LINK_RAW_BSD 14
#define LINK_RAW 101
#define LINK_LOOP 108
#define LINK_SLL 113
#define LINK_IPV4 228
#define LINK_IPV6 229
#define LINK_SLL2 276

#define VLAN_TAGS 2
#define SLL_BYTES 16
#define SLL2_BYTES 20
#define NULL_BYTES 4

static bool is_ip(const __u8 *type)
{
	return (type[0] == 0x08 && type[1] == 0x00) || (type[0] == 0x86 && type[1] == 0xdd);
}

static bool is_tag(const __u8 *type)
{
	return (type[0] == 0x81 && type[1] == 0x00) || (type[0] == 0x88 && type[1] == 0xa8);
}

/* @type_at: of the EtherType.  @ip_at: what follows the link header, if that is no tag. */
static int behind_tags(const __u8 *frame, __u32 captured, __u32 type_at, __u32 ip_at)
{
	for (int i = 0; i <= VLAN_TAGS; i++) {
		if (captured < ip_at || captured < type_at + 2)
			return -EMSGSIZE;
		if (is_ip(frame + type_at))
			return ip_at;
		if (!is_tag(frame + type_at))
			return -ENOENT;
		type_at = ip_at + 2;
		ip_at += 4;
	}
	return -ENOENT;
}

/* The address family, in the byte order of whoever captured; IPv6's differs from system to system,
 * so the version in the IP header decides. */
static int behind_family(const __u8 *frame, __u32 captured, __u32 at)
{
	if (captured <= at)
		return -EMSGSIZE;
	return frame[at] >> 4 == 4 || frame[at] >> 4 == 6 ? (int)at : -ENOENT;
}

bool tcpc_replay_link_known(int link)
{
	__u8 frame[1] = {0x45};

	return tcpc_replay_find_ip(link, frame, sizeof(frame)) != -EPROTONOSUPPORT;
}

int tcpc_replay_find_ip(int link, const __u8 *frame, __u32 captured)
{
	switch (link) {
	case LINK_ETHERNET:
		return behind_tags(frame, captured, 12, 14);
	case LINK_SLL:
		return behind_tags(frame, captured, 14, SLL_BYTES);
	case LINK_SLL2:
		return behind_tags(frame, captured, 0, SLL2_BYTES);
	case LINK_NULL:
	case LINK_LOOP:
		return behind_family(frame, captured, NULL_BYTES);
	case LINK_RAW_LINUX:
	case LINK_RAW_BSD:
	case LINK_RAW:
	case LINK_IPV4:
	case LINK_IPV6:
		return behind_family(frame, captured, 0);
	default:
		return -EPROTONOSUPPORT;
	}
}

static const struct {
	const char *name, *text;
} skips[__TCPC_REPLAY_SKIP_MAX] = {
#define SKIP(name, text) {#name, text},
	TCPC_REPLAY_SKIPS(SKIP)
#undef SKIP
};

const char *tcpc_replay_skip_name(enum tcpc_replay_skip reason)
{
	return reason < __TCPC_REPLAY_SKIP_MAX ? skips[reason].name : NULL;
}

const char *tcpc_replay_skip_text(enum tcpc_replay_skip reason)
{
	return reason < __TCPC_REPLAY_SKIP_MAX ? skips[reason].text : NULL;
}
