// SPDX-License-Identifier: GPL-2.0-only
/* hold_cut.c - see hold_cut.h. */
#include "core/hold_cut.h"

#include <string.h>
#include <linux/virtio_net.h>

#include "tcpcopy/bytes.h"
#include "tcpcopy/csum.h"

#define FLAGS_OFF 13 /* in a TCP header */

/* Only with an unfinished checksum: whole ones would have to be made anew, over all the data. */
__u32 tcpc_hold_cut_unit(const void *data, size_t head_bytes)
{
	struct virtio_net_hdr head;

	if (head_bytes != sizeof(head))
		return 0;
	memcpy(&head, data, sizeof(head));
	if (!(head.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return 0;
	switch (head.gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return head.gso_size;
	default:
		return 0;
	}
}

static void set_ip_length(__u8 *frame, const struct tcpc_pkt *pkt, __u32 l4_bytes)
{
	__u32 total = pkt->l4_off - pkt->l3_off + l4_bytes;
	__be16 length;

	if (pkt->family == 4) {
		struct iphdr *ip = (void *)(frame + pkt->l3_off);

		length = tcpc_htons(total);
		ip->check = tcpc_csum_apply(ip->check, tcpc_csum_diff16(ip->tot_len, length, 0));
		ip->tot_len = length;
	} else {
		struct ipv6hdr *ip = (void *)(frame + pkt->l3_off);

		ip->payload_len = tcpc_htons(total - sizeof(*ip));
	}
}

/* The payload is @bytes long now: say so wherever a length stands. An unfinished checksum is the
 * sum over the pseudo header, which has TCP's length in it. */
static void set_payload(__u8 *data, size_t head_bytes, const struct tcpc_pkt *pkt, __u32 bytes)
{
	struct tcphdr *tcp = (void *)(data + head_bytes + pkt->l4_off);
	__be16 from = tcpc_htons(pkt->tcp_bytes + pkt->payload_bytes);
	__be16 to = tcpc_htons(pkt->tcp_bytes + bytes);
	struct virtio_net_hdr head;

	set_ip_length(data + head_bytes, pkt, pkt->tcp_bytes + bytes);
	tcp->check = ~tcpc_csum_fold(tcpc_csum_diff16(from, to, tcp->check));
	memcpy(&head, data, sizeof(head));
	if (bytes <= head.gso_size) {
		head.gso_type = VIRTIO_NET_HDR_GSO_NONE;
		head.gso_size = 0;
	}
	memcpy(data, &head, sizeof(head));
}

void tcpc_hold_cut(__u8 *data, size_t head_bytes, const struct tcpc_pkt *pkt, __u32 n, __u8 *front)
{
	size_t headers = head_bytes + pkt->l4_off + pkt->tcp_bytes;
	struct tcphdr *tcp = (void *)(data + head_bytes + pkt->l4_off);
	__u32 rest = pkt->payload_bytes - n;

	memcpy(front, data, headers + n);
	front[head_bytes + pkt->l4_off + FLAGS_OFF] &= ~(TCPC_TCP_PSH | TCPC_TCP_FIN);
	set_payload(front, head_bytes, pkt, n);
	memmove(data + headers, data + headers + n, rest);
	tcp->seq = tcpc_htonl(pkt->seq + n);
	set_payload(data, head_bytes, pkt, rest);
}
