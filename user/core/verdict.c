// SPDX-License-Identifier: GPL-2.0-only
/* verdict.c - see verdict.h. */
#include "core/verdict.h"

#include <string.h>

#include "tcpcopy/options.h"
#include "tcpcopy/receipt.h"
#include "tcpcopy/reflect.h"

_Static_assert(TCPC_VERDICT_PACKET_BYTES == TCPC_REFLECT_MAX, "room for the reflected ACK");

#define ICMP_HEADER_BYTES 8 /* both families: type, code, checksum, 4 bytes of the rest */

static bool is_ours(__be16 port, const __be16 *ports, unsigned int n_ports)
{
	for (unsigned int i = 0; i < n_ports; i++)
		if (ports[i] == port)
			return true;
	return false;
}

static void set(struct tcpc_verdict *ret, enum tcpc_verdict_action action,
		enum tcpc_verdict_reason reason)
{
	ret->action = action;
	ret->reason = reason;
}

static void write_receipt(const struct tcpc_pkt *pkt, const __u8 *packet, __u32 captured,
			  struct tcpc_receipt *receipt)
{
	__u32 options = pkt->l4_off + sizeof(struct tcphdr);
	__u32 len = pkt->tcp_bytes - sizeof(struct tcphdr);

	tcpc_receipt_of(pkt, receipt);
	if (len && options + len <= captured)
		receipt->n_sack =
			tcpc_options_sack(packet + options, len, receipt->sack, TCPC_MAX_SACK);
}

/* Where the TCP header stands in the IPv6 packet at @inner, if it is one. */
static bool quoted_tcp_v6(const __u8 *packet, __u32 captured, __u32 inner, __u32 *ret_off)
{
	__u32 off = inner + 40;
	__u8 next;

	if (off > captured)
		return false;
	next = packet[inner + 6];
	for (int i = 0; i < TCPC_IPV6_EXT_HEADERS && tcpc_is_ipv6_ext(next); i++) {
		if (off + 2 > captured)
			return false;
		next = packet[off];
		off += 8 + packet[off + 1] * 8;
	}
	*ret_off = off;
	return next == IPPROTO_TCP;
}

/*
 * The header that an ICMP error quotes belongs to the packet it is about, here one that came to us:
 * its destination port tells whether that was a copy. RFC 792 promises 8 bytes of TCP only, so
 * this does not go through the full parser.
 */
static bool quotes_a_copy(const __u8 *packet, __u32 captured, const __be16 *ports,
			  unsigned int n_ports)
{
	__u32 outer = captured && packet[0] >> 4 == 6 ? 40 : (packet[0] & 15) * 4;
	__u32 inner = outer + ICMP_HEADER_BYTES;
	__be16 port;

	if (inner + 20 > captured)
		return false;
	if (packet[inner] >> 4 == 6) {
		if (!quoted_tcp_v6(packet, captured, inner, &inner))
			return false;
	} else {
		if (packet[inner + 9] != IPPROTO_TCP)
			return false;
		inner += (packet[inner] & 15) * 4;
	}
	if (inner + 4 > captured)
		return false;
	memcpy(&port, packet + inner + 2, sizeof(port));
	return is_ours(port, ports, n_ports);
}

void tcpc_verdict_decide(const void *packet, __u32 captured, __u32 bytes, const __be16 *ports,
			 unsigned int n_ports, struct tcpc_verdict *ret)
{
	const __u8 *begin = packet;
	struct tcpc_pkt pkt;
	enum tcpc_parse_result result = TCPC_PARSE_MALFORMED;

	ret->has_receipt = false;
	ret->packet_bytes = 0;
	if (packet)
		result = tcpc_parse(begin, begin + captured, bytes, TCPC_LINK_NONE, &pkt);
	if (result == TCPC_PARSE_NOT_TCP) {
		if (quotes_a_copy(begin, captured, ports, n_ports))
			set(ret, TCPC_VERDICT_DROP, TCPC_REASON_ICMP);
		else
			set(ret, TCPC_VERDICT_ACCEPT, TCPC_REASON_NOT_OURS);
		return;
	}
	if (result != TCPC_PARSE_OK) {
		set(ret, TCPC_VERDICT_DROP, TCPC_REASON_MALFORMED);
		return;
	}
	if (!is_ours(pkt.sport, ports, n_ports)) {
		set(ret, TCPC_VERDICT_ACCEPT, TCPC_REASON_NOT_OURS);
		return;
	}
	ret->has_receipt = true;
	write_receipt(&pkt, begin, captured, &ret->receipt);
	if (!tcpc_reflect_needed(&pkt)) {
		set(ret, TCPC_VERDICT_DROP, TCPC_REASON_NO_ACK_NEEDED);
		return;
	}
	set(ret, TCPC_VERDICT_REPLACE, TCPC_REASON_REFLECTED);
	ret->packet_bytes = tcpc_reflect_build(&pkt, ret->packet);
}

bool tcpc_verdict_answer_probe(struct tcpc_verdict *verdict, __u32 sent_end)
{
	const struct tcpc_receipt *r = &verdict->receipt;
	struct tcpc_pkt pkt = {
		.saddr = r->server,
		.daddr = r->client,
		.sport = r->server_port,
		.dport = r->client_port,
		.seq = r->seq,
		.ack = r->ack,
		.payload_bytes = r->payload_bytes,
		.flags = r->flags,
		.family = tcpc_addr_is_v4(&r->client) ? 4 : 6,
	};

	if (!verdict->has_receipt || !tcpc_is_keepalive_probe(&pkt, sent_end))
		return false;
	pkt.seq++; /* the byte that it seems to send again is there already */
	set(verdict, TCPC_VERDICT_REPLACE, TCPC_REASON_REFLECTED);
	verdict->packet_bytes = tcpc_reflect_build(&pkt, verdict->packet);
	return true;
}

/* TCP sets PSH in the last segment of what it has (RFC 9293, 3.9.1.2). */
bool tcpc_verdict_goes_on(const struct tcpc_verdict *verdict)
{
	const struct tcpc_receipt *r = &verdict->receipt;

	return verdict->has_receipt && r->payload_bytes &&
	       !(r->flags & (TCPC_TCP_PSH | TCPC_TCP_FIN));
}
