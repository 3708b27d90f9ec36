// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay_packet.c - a captured packet as it is given to the device. See replay.h.
 *
 * The TCP checksum is left to whoever sends (NEEDS_CSUM), as in a packet of this host's own: that
 * costs nothing, and captures of outgoing packets have none that is right.
 */
#include "core/replay.h"

#include <string.h>
#include <linux/virtio_net.h>

#include "tcpcopy/csum.h"

/* What a large packet is cut to; `copy` makes it smaller where the way takes less. */
#define SEGMENT_IP_BYTES 1500
#define TTL 64
#define TCP_MIN_BYTES 20

_Static_assert(sizeof(struct virtio_net_hdr) == TCPC_REPLAY_VNET_BYTES, "the device's header");

static __u8 *ip_of(__u8 *buffer)
{
	return buffer + TCPC_REPLAY_PAD + TCPC_REPLAY_VNET_BYTES;
}

static void put_be16(__u8 *at, __u16 value)
{
	__be16 wire = tcpc_htons(value);

	memcpy(at, &wire, sizeof(wire));
}

static void put_be32(__u8 *at, __u32 value)
{
	__be32 wire = tcpc_htonl(value);

	memcpy(at, &wire, sizeof(wire));
}

/* A packet to 0.0.0.1 or, from outside, to ::1 ends at routing (RFC 1122, 3.2.1.3; RFC
 * 4291, 2.5.3), if it ever gets there. */
static void finish_ip(__u8 *ip, const struct tcpc_pkt *pkt, __u32 bytes)
{
	__u16 check;

	if (pkt->family == 6) {
		memset(ip + 24, 0, 16);
		ip[39] = 1;
		ip[7] = TTL;
		put_be16(ip + 4, bytes - sizeof(struct ipv6hdr));
		return;
	}
	put_be16(ip + 2, bytes);
	put_be16(ip + 6, 0);
	ip[8] = TTL;
	put_be32(ip + 16, 1);
	memset(ip + 10, 0, 2);
	check = tcpc_csum_fold(tcpc_csum_partial(ip, (ip[0] & 15) * 4, 0));
	memcpy(ip + 10, &check, sizeof(check));
}

/* The sum of the pseudo header (RFC 9293, 3.1; RFC 8200, 8.1), not complemented: the device adds
 * the rest. */
static void put_pseudo_sum(__u8 *ip, const struct tcpc_pkt *pkt, __u32 l4_bytes)
{
	__u32 at = pkt->family == 6 ? 8 : 12, len = pkt->family == 6 ? 32 : 8;
	__u32 sum = tcpc_csum_partial(ip + at, len, 0);
	__u8 tail[8] = {};
	__u16 check;

	put_be32(tail, l4_bytes);
	tail[7] = IPPROTO_TCP;
	check = ~tcpc_csum_fold(tcpc_csum_partial(tail, sizeof(tail), sum));
	memcpy(ip + pkt->l4_off + offsetof(struct tcphdr, check), &check, sizeof(check));
}

static void put_vnet(__u8 *at, const struct tcpc_pkt *pkt, __u32 bytes)
{
	__u32 headers = pkt->l4_off + pkt->tcp_bytes;
	struct virtio_net_hdr h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = pkt->l4_off,
		.csum_offset = offsetof(struct tcphdr, check),
	};

	if (bytes > SEGMENT_IP_BYTES && headers < SEGMENT_IP_BYTES) {
		h.gso_type = pkt->family == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
		h.gso_size = SEGMENT_IP_BYTES - headers;
		h.hdr_len = headers;
	}
	memcpy(at, &h, sizeof(h));
}

size_t tcpc_replay_packet(__u8 *buffer, const struct tcpc_pkt *pkt, __u32 shift)
{
	__u32 bytes = pkt->l4_off + pkt->tcp_bytes + pkt->payload_bytes;
	__u8 *ip = ip_of(buffer);

	finish_ip(ip, pkt, bytes);
	put_be32(ip + pkt->l4_off + offsetof(struct tcphdr, seq), pkt->seq + shift);
	put_pseudo_sum(ip, pkt, bytes - pkt->l4_off);
	put_vnet(buffer + TCPC_REPLAY_PAD, pkt, bytes);
	return TCPC_REPLAY_VNET_BYTES + bytes;
}

/* A packet without options and payload, made from nothing. */
static size_t bare(__u8 *buffer, const struct tcpc_replay_conn *conn, __u32 ack, __u8 flags,
		   __u32 shift)
{
	bool v4 = tcpc_addr_is_v4(&conn->client);
	struct tcpc_pkt pkt = {
		.family = v4 ? 4 : 6,
		.l4_off = v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr),
		.tcp_bytes = TCP_MIN_BYTES,
		.seq = conn->nxt,
	};
	__u8 *ip = ip_of(buffer), *tcp = ip + pkt.l4_off;

	memset(buffer, 0, TCPC_REPLAY_PAD + TCPC_REPLAY_VNET_BYTES + pkt.l4_off + TCP_MIN_BYTES);
	ip[0] = v4 ? 0x45 : 0x60;
	ip[v4 ? 9 : 6] = IPPROTO_TCP;
	if (v4)
		memcpy(ip + 12, &conn->client.w[3], 4);
	else
		memcpy(ip + 8, &conn->client, 16);
	memcpy(tcp, &conn->client_port, 2);
	memcpy(tcp + 2, &conn->server_port, 2);
	put_be32(tcp + 8, ack);
	tcp[12] = (TCP_MIN_BYTES / 4) << 4;
	tcp[13] = flags;
	put_be16(tcp + 14, 0xffff);
	return tcpc_replay_packet(buffer, &pkt, shift);
}

size_t tcpc_replay_end(__u8 *buffer, const struct tcpc_replay_conn *conn, bool reset, __u32 shift)
{
	return bare(buffer, conn, conn->ack, TCPC_TCP_ACK | (reset ? TCPC_TCP_RST : TCPC_TCP_FIN),
		    shift);
}

size_t tcpc_replay_ack(__u8 *buffer, const struct tcpc_replay_conn *conn, __u32 ack, __u32 shift)
{
	return bare(buffer, conn, ack, TCPC_TCP_ACK, shift);
}
