// SPDX-License-Identifier: GPL-2.0-only
/* pieces.c - see pieces.h. */
#include "core/pieces.h"

#include <errno.h>
#include <string.h>

#include "tcpcopy/csum.h"
#include "tcpcopy/hold.h"
#include "tcpcopy/reflect.h"
#include "tcpcopy/seq.h"

#define FLAGS_OFF 13 /* in a TCP header */
#define SYN_WINDOW 64240

static __u32 header_bytes(const struct tcpc_pkt *pkt)
{
	return pkt->l4_off + pkt->tcp_bytes;
}

int tcpc_pieces_begin(struct tcpc_pieces *p, const void *packet, size_t bytes, __u32 from_seq,
		      __u32 end_seq, __u32 mtu, __u32 segment_bytes)
{
	struct tcpc_pieces new = {.packet = packet};
	__u32 room, start, stop;

	if (tcpc_parse(packet, new.packet + bytes, bytes, TCPC_LINK_NONE, &new.pkt) !=
	    TCPC_PARSE_OK)
		return -EINVAL;
	start = new.pkt.seq;
	stop = start + tcpc_pkt_seq_len(&new.pkt);
	new.whole = start == stop;
	new.next = new.whole ? start : tcpc_seq_max(from_seq, start);
	new.end = !new.whole &&tcpc_seq_lt(end_seq, stop) ? end_seq : stop;
	if (!new.whole && !tcpc_seq_lt(new.next, new.end))
		return -ERANGE;
	room = mtu > header_bytes(&new.pkt) ? mtu - header_bytes(&new.pkt) : 0;
	if (mtu < header_bytes(&new.pkt) || (!room && new.pkt.payload_bytes))
		return -EMSGSIZE;
	new.segment_bytes = segment_bytes &&segment_bytes < room ? segment_bytes : room;
	*p = new;
	return 0;
}

void tcpc_pieces_from(struct tcpc_pieces *p, const struct tcpc_flow *flow)
{
	p->pkt.saddr = flow->client;
	p->pkt.daddr = flow->server;
	p->pkt.sport = flow->client_port;
	p->pkt.dport = flow->server_port;
}

static void set_ends(__u8 *out, const struct tcpc_pkt *pkt)
{
	struct tcphdr *tcp = (void *)(out + pkt->l4_off);

	if (pkt->family == 6) {
		memcpy(out + offsetof(struct ipv6hdr, saddr), &pkt->saddr, sizeof(pkt->saddr));
		memcpy(out + offsetof(struct ipv6hdr, daddr), &pkt->daddr, sizeof(pkt->daddr));
	} else {
		((struct iphdr *)out)->saddr = pkt->saddr.w[3];
		((struct iphdr *)out)->daddr = pkt->daddr.w[3];
	}
	tcp->source = pkt->sport;
	tcp->dest = pkt->dport;
}

static void set_ip(__u8 *out, const struct tcpc_pkt *pkt, __u32 total)
{
	struct ipv6hdr *ip6 = (void *)out;
	struct iphdr *ip = (void *)out;

	if (pkt->family == 6) {
		ip6->payload_len = tcpc_htons(total - sizeof(*ip6));
		return;
	}
	ip->tot_len = tcpc_htons(total);
	/* The kernel chooses one: fragments of two pieces must not have the same. */
	ip->id = 0;
	ip->check = 0;
	ip->check = tcpc_csum_fold(tcpc_csum_partial(ip, ip->ihl * 4, 0));
}

/* Which flags go with the piece [@from, @to) of the sequence space. */
static __u8 flags_of(const struct tcpc_pkt *pkt, __u32 from, __u32 to)
{
	__u8 flags = pkt->flags;

	if (from != pkt->seq)
		/* The urgent pointer counts from the packet's own beginning. */
		flags &= ~(TCPC_TCP_SYN | TCPC_TCP_CWR | TCPC_TCP_URG);
	if (to != pkt->seq + tcpc_pkt_seq_len(pkt))
		flags &= ~(TCPC_TCP_FIN | TCPC_TCP_PSH);
	return flags;
}

/* The piece is in @out but for lengths, flags and checksums. */
static __u32 finish(__u8 *out, const struct tcpc_pkt *pkt, __u32 seq, __u8 flags,
		    __u32 payload_bytes)
{
	__u32 l4_bytes = pkt->tcp_bytes + payload_bytes;
	struct tcphdr *tcp = (void *)(out + pkt->l4_off);

	set_ends(out, pkt);
	set_ip(out, pkt, pkt->l4_off + l4_bytes);
	tcp->seq = tcpc_htonl(seq);
	((__u8 *)tcp)[FLAGS_OFF] = flags;
	/* Without URG the field is a greeting's length, which all pieces bear (greeting.h). */
	if ((pkt->flags & TCPC_TCP_URG) && !(flags & TCPC_TCP_URG))
		tcp->urg_ptr = 0;
	tcp->check = 0;
	tcp->check =
		tcpc_csum_fold(tcpc_csum_partial(tcp, l4_bytes, tcpc_pseudo_sum(pkt, l4_bytes)));
	return pkt->l4_off + l4_bytes;
}

__u32 tcpc_pieces_next(struct tcpc_pieces *p, void *out, __u32 *ret_payload)
{
	const struct tcpc_pkt *pkt = &p->pkt;
	__u32 seq = p->next, to = p->end, syn, offset, payload;

	if (!p->whole && seq == p->end)
		return 0;
	syn = (pkt->flags & TCPC_TCP_SYN) && seq == pkt->seq;
	/* Where in the payload it begins; a FIN alone begins at its end. */
	offset = seq + syn - pkt->seq - !!(pkt->flags & TCPC_TCP_SYN);
	payload = pkt->payload_bytes - offset;
	if (payload > to - seq - syn)
		payload = to - seq - syn;
	if (payload > p->segment_bytes) {
		payload = p->segment_bytes;
		to = seq + syn + payload;
	}
	memcpy(out, p->packet, header_bytes(pkt));
	memcpy((__u8 *)out + header_bytes(pkt), p->packet + header_bytes(pkt) + offset, payload);
	p->next = to;
	p->whole = false;
	*ret_payload = payload;
	return finish(out, pkt, seq, flags_of(pkt, seq, to), payload);
}

/* The response to which the client would say @seq and @ack. */
static struct tcpc_pkt response_for(const struct tcpc_flow *flow, __u32 seq, __u32 ack)
{
	return (struct tcpc_pkt){
		.saddr = flow->server,
		.daddr = flow->client,
		.sport = flow->server_port,
		.dport = flow->client_port,
		.seq = ack,
		.ack = seq,
		.family = tcpc_addr_is_v4(&flow->server) ? 4 : 6,
	};
}

/* An ACK from the client is what a response becomes, so there is one who can write it; its header
 * then says SYN instead. */
__u32 tcpc_pieces_syn(const struct tcpc_flow *flow, __u32 seq, void *out)
{
	struct tcpc_pkt response = response_for(flow, seq, 0);
	__u32 bytes = tcpc_reflect_build(&response, out);
	struct tcphdr *tcp = (void *)((__u8 *)out + bytes - sizeof(*tcp));

	tcp->ack = 0;
	tcp->ack_seq = 0;
	tcp->syn = 1;
	tcp->window = tcpc_htons(SYN_WINDOW);
	tcp->check = 0;
	tcp->check = tcpc_csum_fold(
		tcpc_csum_partial(tcp, sizeof(*tcp), tcpc_pseudo_sum(&response, sizeof(*tcp))));
	return bytes;
}

__u32 tcpc_pieces_probe(const struct tcpc_flow *flow, __u32 seq, __u32 ack, void *out)
{
	struct tcpc_pkt response = response_for(flow, seq - 1, ack - 1);
	__u32 bytes = tcpc_reflect_build(&response, out), l4_bytes = sizeof(struct tcphdr) + 1;
	struct tcphdr *tcp = (void *)((__u8 *)out + bytes - sizeof(*tcp));

	((__u8 *)out)[bytes] = 0;
	set_ip(out, &response, bytes + 1);
	tcp->check = 0;
	tcp->check = tcpc_csum_fold(
		tcpc_csum_partial(tcp, l4_bytes, tcpc_pseudo_sum(&response, l4_bytes)));
	return bytes + 1;
}
