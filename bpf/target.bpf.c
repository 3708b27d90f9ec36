// SPDX-License-Identifier: GPL-2.0-only
/*
 * target.bpf.c - the target host's half: align makes copies fit the target's own connections,
 * queue_filter tells the iptables rule which responses must stay inside.
 *
 * The kernel's socket table is the session table: align asks it for the connection and takes its
 * snd_nxt as the client's ACK number. Clients in the allow-list are touched in neither direction.
 */
#include "vmlinux.h"
#include "common.bpf.h"
#include "connection.bpf.h"
#include "absorb.bpf.h"
#include "adopt.bpf.h"
#include "ended.bpf.h"
#include "hold.bpf.h"
#include "opening.bpf.h"
#include "options.bpf.h"
#include "rewrite.bpf.h"
#include "target_maps.bpf.h"
#include "untunnel.bpf.h"
#include "tcpcopy/options.h"
#include "tcpcopy/rewrite.h"
#include "tcpcopy/seq.h"

/* linux/icmp.h drags in the C library's headers, which a BPF compiler has no use for. */
#define ICMP_DEST_UNREACH 3
#define ICMP_SOURCE_QUENCH 4
#define ICMP_REDIRECT 5
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12
#define ICMPV6_INFOMSG_MASK 0x80

/* Set ACK number and window; the client's own are made for the online host. The greeting's length
 * has served (must_hold). */
static __always_inline int rewrite_align(struct __sk_buff *skb, const struct tcpc_pkt *pkt,
					 __u32 ack)
{
	struct {
		__be32 ack;
		__u8 offset_flags[2];
		__be16 window;
	} field;
	__u32 off = pkt->l4_off + offsetof(struct tcphdr, ack_seq);
	const __be16 none = 0;

	if (bpf_skb_load_bytes(skb, off, &field, sizeof(field)))
		return -1;
	field.ack = tcpc_htonl(ack);
	field.window = tcpc_htons(TCPC_OPEN_WINDOW);
	if (bpf_l4_csum_replace(skb, pkt->l4_off + offsetof(struct tcphdr, check), 0,
				tcpc_rewrite_align_diff(pkt, ack, TCPC_OPEN_WINDOW), 0))
		return -1;
	if (pkt->greeting &&
	    bpf_skb_store_bytes(skb, pkt->l4_off + offsetof(struct tcphdr, urg_ptr), &none,
				sizeof(none), 0))
		return -1;
	return bpf_skb_store_bytes(skb, off, &field, sizeof(field), 0) ? -1 : 0;
}

/*
 * An old connection stands in the way of this SYN: end it, or let the SYN wait until its process is
 * done. While that is at work (it is closing, most likely), the FIN before this SYN may wait in the
 * socket's backlog; a reset and the SYN would queue up there too, and the SYN be lost with the old
 * socket. The same if it has outlived its reset. Returns a verdict.
 */
static __always_inline int clear_the_way(struct __sk_buff *skb, const struct tcpc_pkt *pkt,
					 const struct connection *conn, __u32 hold_ifindex,
					 enum pass pass, struct tcpc_target_stats *st)
{
	if (hold_ifindex && (conn->busy || pass == PASS_AGAIN))
		return divert(skb, pkt, hold_ifindex, 1, st);
	return end_old(skb, pkt, conn, st);
}

static __always_inline int align_syn(struct __sk_buff *skb, struct tcpc_pkt *pkt,
				     __u32 hold_ifindex, enum pass pass,
				     struct tcpc_target_stats *st)
{
	struct connection *conn = find_connection(skb, pkt);
	struct tcpc_exchange fresh = {}, *old;
	struct tcpc_flow flow;
	int err;

	if (!conn)
		return VERDICT_DROP;
	/* A port that is forwarded (a container's) is answered by somebody else's stack, and that
	 * answer would not pass our rule. */
	if (conn->state == CONN_NONE) {
		COUNT(st, no_listener);
		return VERDICT_DROP;
	}
	if (conn->state == CONN_LISTEN && is_spent_syn(pkt)) {
		tell_again(pkt, st);
		COUNT(st, spent_syn);
		return VERDICT_DROP;
	}
	err = blank_options(skb, pkt->l4_off, pkt->tcp_bytes, TCPC_OPTS_SYN_BLANK);
	if (err > 0) {
		if (err == BLANK_SIGNED)
			COUNT(st, md5);
		else
			COUNT(st, bad_options);
		return VERDICT_DROP;
	}
	if (!exchange_of(pkt))
		hold_ifindex = 0; /* it could not be numbered */
	if ((pass < PASS_AGAIN || (pass == PASS_AGAIN && hold_ifindex)) && stands_in_way(pkt, conn))
		return clear_the_way(skb, pkt, conn, hold_ifindex, pass, st);
	/* Only now: while it waits, others have to queue up behind. */
	if (pass != PASS_FIRST)
		end_hold(skb, pkt);
	/* What routers and hosts signal by ECN is meant for the online host's connection; and the
	 * reflected ACKs could not keep up AccECN's counters (RFC 9768). */
	if (err || change_flags(skb, pkt, WORD_ECN, 0) ||
	    (pkt->payload_bytes && clone_for_another_pass(skb, TCPC_TEXT_MARK))) {
		COUNT(st, rewrite_failed);
		return VERDICT_DROP;
	}
	if (pkt->payload_bytes)
		COUNT(st, syn_data);
	flow_of(pkt, &flow);
	old = bpf_map_lookup_elem(&exchanges, &flow);
	/* Sent again, because the online host's answer was lost: all that is known holds. */
	if (old && old->syn_seq == pkt->seq && conn->state >= CONN_OPENING) {
		note_seen(old, pkt->flags);
		COUNT(st, syn);
		return VERDICT_NEXT;
	}
	if (old) {
		fresh.held = old->held; /* packets behind this SYN may still be in the queue */
		fresh.closed = old->closed & TCPC_EXCHANGE_TRIAL;
	}
	fresh.syn_seq = pkt->seq;
	fresh.start_ns = bpf_ktime_get_ns();
	fresh.seen = seen_now();
	bpf_map_update_elem(&exchanges, &flow, &fresh, BPF_ANY);
	COUNT(st, syn);
	return VERDICT_NEXT;
}

/*
 * A request that acknowledges more than the last one did begins a new exchange. While the last
 * segment of an answer is leaving, the socket's snd_nxt may still be behind it. The data of a SYN
 * begins one too, but what its client has read will only be known when it says so.
 * @sent: the flags that the client sent, which may not be the packet's any more.
 */
static __always_inline void note_exchange(const struct tcpc_pkt *pkt, const struct connection *conn,
					  __u8 sent, int from_syn, struct tcpc_target_stats *st)
{
	struct tcpc_exchange *x = exchange_of(pkt);
	__u32 snd_nxt = conn->snd_nxt, end, owed;
	int old;

	if (!x)
		return;
	note_seen(x, sent);
	/* A reset asks for nothing, and without the flag the ACK number means nothing. */
	if (!from_syn && (sent & (TCPC_TCP_ACK | TCPC_TCP_RST)) != TCPC_TCP_ACK)
		return;
	old = is_old(pkt, x);
	if (old && x->exchanges) {
		COUNT(st, again); /* TCP drops it, and says how far it is */
		return;
	}
	end = in_order(pkt, conn, x);
	if (from_syn) {
		x->snd_nxt = snd_nxt;
	} else if (tcpc_hold_can_begin(pkt->flags, pkt->payload_bytes) &&
		   (!x->exchanges || tcpc_seq_lt(x->client_ack, pkt->ack))) {
		if (x->answer_flags & TCPC_TCP_ACK)
			snd_nxt = tcpc_seq_max(snd_nxt, x->answer_end);
		/* The data of a SYN, again: its answer may be there already. */
		if (old)
			snd_nxt = x->snd_nxt;
		owed = tcpc_hold_owed(x, snd_nxt, pkt->ack);
		if (!owed)
			tcpc_hold_note_level(x, snd_nxt, pkt->ack);
		x->snd_nxt = snd_nxt;
		x->owed = owed;
		x->start_ns = bpf_ktime_get_ns();
		/* Who reads meanwhile shall see no new client_ack with an old snd_nxt. */
		barrier();
		x->client_ack = pkt->ack;
		x->exchanges++;
		COUNT(st, exchanges);
	}
	/* Behind a gap it does not count yet: the socket will tell when that is filled. */
	if (tcpc_seq_leq(pkt->seq, end))
		end = tcpc_seq_max(end, pkt->seq + tcpc_pkt_seq_len(pkt));
	x->request_end = end;
}

/*
 * A reset throws away what the application has not read, and makes its answer fail. The online
 * server had answered when the client sent it; the target, somewhat behind, may not have. Then the
 * client shall seem to have closed instead: its requests are still read and answered.
 */
static __always_inline int is_early_reset(const struct tcpc_pkt *pkt, const struct connection *conn)
{
	struct tcpc_exchange *x;
	struct tcpc_flow flow;

	/* Text in a reset (RFC 9293, 3.5.3) would be read as a request behind a FIN. */
	if (!(pkt->flags & TCPC_TCP_RST) || pkt->payload_bytes || conn->state != CONN_OPEN)
		return 0;
	if (conn->unread)
		return 1;
	flow_of(pkt, &flow);
	x = bpf_map_lookup_elem(&exchanges, &flow);
	return x && x->exchanges && (__s32)tcpc_hold_got(x, conn->snd_nxt) <= 0;
}

/* RST becomes FIN, ACK. Its own sequence number is where the client's data ended. */
static __always_inline int soften_reset(struct __sk_buff *skb, struct tcpc_pkt *pkt)
{
	return change_flags(skb, pkt, TCPC_TCP_RST, TCPC_TCP_FIN | TCPC_TCP_ACK);
}

static __always_inline int align_segment(struct __sk_buff *skb, struct tcpc_pkt *pkt,
					 const struct tcpc_intercept *service, enum pass pass,
					 struct tcpc_target_stats *st)
{
	struct connection *conn = find_connection(skb, pkt);
	__u8 sent = pkt->flags;
	enum opening opening;
	int err, from_syn, waits;

	if (!conn)
		goto failed;
	err = care_for_options(skb, pkt, conn->state);
	if (err == BLANK_SIGNED) {
		COUNT(st, md5);
		return VERDICT_DROP;
	}
	if (err < 0)
		goto failed;
	opening = service->hold_ifindex ? opening_of(pkt, conn, pass)
					: opening_at_once(pkt, conn, pass);
	if (opening == OPENING_EARLY)
		return divert(skb, pkt, service->hold_ifindex, 1, st);
	/* Only now: while it waits, others have to queue up behind. */
	if (pass == PASS_HELD)
		end_hold(skb, pkt);
	if (opening == OPENING_AGAIN || may_adopt(skb, pkt, conn, service->flags, pass))
		return conn->state == CONN_LISTEN ? adopt(skb, pkt, opening == OPENING_AGAIN, st)
						  : end_old(skb, pkt, conn, st);
	if (conn->state < CONN_CLOSING || awaits_syn(pkt, conn)) {
		note_missed(pkt, pass == PASS_HELD);
		tell_again(pkt, st);
		COUNT(st, no_connection);
		return VERDICT_DROP;
	}
	/* What its connection was opened anew for may have to wait for a greeting still. */
	waits = pass == PASS_FIRST || (pass == PASS_LAST && tcpc_greeting_is_first(pkt->greeting));
	if (waits && service->hold_ifindex && !is_mute(pkt) && must_hold(pkt, conn, st))
		return divert(skb, pkt, service->hold_ifindex, pass == PASS_LAST, st);
	if (is_early_reset(pkt, conn)) {
		if (soften_reset(skb, pkt))
			goto failed;
		COUNT(st, early_reset);
	}
	from_syn = pass != PASS_FIRST && is_mute(pkt);
	if (from_syn && change_flags(skb, pkt, 0, TCPC_TCP_ACK))
		goto failed;
	if ((pkt->flags & TCPC_TCP_ACK) && rewrite_align(skb, pkt, conn->snd_nxt))
		goto failed;
	note_exchange(pkt, conn, sent, from_syn, st);
	if (conn->state == CONN_OPENING)
		COUNT(st, syn_recv);
	else if (conn->state == CONN_CLOSING)
		COUNT(st, closing);
	else
		COUNT(st, aligned);
	return VERDICT_NEXT;
failed:
	COUNT(st, rewrite_failed);
	return VERDICT_DROP;
}

/* Is this packet for us, or was it before `mirror` made it one for us? See TCPC_META_MIRRORED. */
static __always_inline int is_for_us(struct __sk_buff *skb)
{
	__u32 *meta;

	if (skb->pkt_type == PACKET_HOST)
		return 1;
	meta = (void *)(long)skb->data_meta;
	if ((void *)(meta + 1) > (void *)(long)skb->data || *meta != TCPC_META_MIRRORED)
		return 0;
	return !bpf_skb_change_type(skb, PACKET_HOST);
}

static __always_inline int align_packet(struct __sk_buff *skb, struct tcpc_pkt *pkt,
					struct tcpc_target_stats *st)
{
	struct tcpc_service_key key = {.ifindex = skb->ifindex};
	enum pass pass = pass_of(skb);
	struct tcpc_intercept *service;
	__u32 state, *ours;
	int result;

	COUNT(st, seen);
	result = read_headers(skb, TCPC_LINK_ETHER, pkt);
	if (result != TCPC_PARSE_OK) {
		COUNT_PARSE_FAILURE(st, result);
		return result < 0 ? VERDICT_DROP : VERDICT_NEXT;
	}
	key.port = pkt->dport;
	service = bpf_map_lookup_elem(&services, &key);
	/* Only responses from these addresses are kept inside: others are not for us to change. */
	ours = bpf_map_lookup_elem(&addresses, &pkt->daddr);
	if (pass == PASS_FIRST && (!service || !ours || !is_for_us(skb))) {
		COUNT(st, no_service);
		return VERDICT_NEXT;
	}
	state = allow_state(&pkt->saddr);
	if (pass == PASS_FIRST && state == TCPC_ALLOW_DIRECT) {
		COUNT(st, allowed);
		return VERDICT_NEXT;
	}
	/* What was held is a copy whatever has changed since: it must not reach the stack as it is.
	 */
	if (state != TCPC_ALLOW_NONE || !service || !ours ||
	    (service->flags & TCPC_INTERCEPT_DRAIN)) {
		COUNT(st, draining);
		return VERDICT_DROP;
	}
	/* Its responses would come back over lo, another link, where the socket does not know it.
	 */
	if (tcpc_addr_is_link_local(&pkt->saddr)) {
		COUNT(st, link_local);
		return VERDICT_DROP;
	}
	if (tcpc_pkt_is_pure_ack(pkt)) {
		COUNT(st, pure_ack);
		return VERDICT_DROP;
	}
	if (pass == PASS_HELD)
		COUNT(st, returned);
	if (pass == PASS_TEXT) {
		if (split_syn(skb, pkt)) {
			COUNT(st, rewrite_failed);
			return VERDICT_DROP;
		}
		pass = PASS_LAST;
	}
	if ((pkt->flags & (TCPC_TCP_SYN | TCPC_TCP_ACK)) == TCPC_TCP_SYN) {
		if (pass == PASS_FIRST && service->hold_ifindex && is_syn_held(pkt))
			return divert(skb, pkt, service->hold_ifindex, 0, st);
		return align_syn(skb, pkt, service->hold_ifindex, pass, st);
	}
	return align_segment(skb, pkt, service, pass, st);
}

/* TC ingress of the interface on which copies arrive. */
SEC("tc")
int align(struct __sk_buff *skb)
{
	struct tcpc_target_stats *st = bpf_map_lookup_elem(&stats, &zero);
	struct align_scratch *s = bpf_map_lookup_elem(&scratch, &zero);

	if (is_reflected(skb))
		return VERDICT_NEXT;
	return st && s ? align_packet(skb, &s->pkt, st) : VERDICT_NEXT;
}

/* ICMP errors quote the packet they are about: one about a copy would tell its client of it. */
static __always_inline int is_icmp_error(__u8 protocol, __u8 type)
{
	if (protocol == IPPROTO_ICMP)
		return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH ||
		       type == ICMP_REDIRECT || type == ICMP_TIME_EXCEEDED ||
		       type == ICMP_PARAMETERPROB;
	return !(type & ICMPV6_INFOMSG_MASK);
}

/* What the IP header of a locally made packet says. */
struct output {
	struct tcpc_addr saddr;
	struct tcpc_addr daddr;
	__u32 l4_off; /* from the IP header on */
	__u8 protocol;
};

/* The same bound for extension headers as in tcpcopy/parse.h. */
static __always_inline int skip_extensions(struct __sk_buff *skb, struct output *out)
{
	__u8 ext[2];
	int i;

	for (i = 0; i < TCPC_IPV6_EXT_HEADERS; i++) {
		if (!tcpc_is_ipv6_ext(out->protocol))
			return 0;
		if (bpf_skb_load_bytes_relative(skb, out->l4_off, ext, sizeof(ext),
						BPF_HDR_START_NET))
			return -1;
		out->protocol = ext[0];
		out->l4_off += 8 + ext[1] * 8;
	}
	return 0;
}

static __always_inline int read_output(struct __sk_buff *skb, struct output *out)
{
	struct ipv6hdr ip6;
	struct iphdr ip;

	if (bpf_skb_load_bytes_relative(skb, 0, &ip, sizeof(ip), BPF_HDR_START_NET))
		return -1;
	if (ip.version != 6) {
		out->saddr = tcpc_addr_from_v4(ip.saddr);
		out->daddr = tcpc_addr_from_v4(ip.daddr);
		out->protocol = ip.protocol;
		out->l4_off = ip.ihl * 4;
		return 0;
	}
	if (bpf_skb_load_bytes_relative(skb, 0, &ip6, sizeof(ip6), BPF_HDR_START_NET))
		return -1;
	__builtin_memcpy(&out->saddr, &ip6.saddr, sizeof(out->saddr));
	__builtin_memcpy(&out->daddr, &ip6.daddr, sizeof(out->daddr));
	out->protocol = ip6.nexthdr;
	out->l4_off = sizeof(ip6);
	return skip_extensions(skb, out);
}

/* Is it TCP or an ICMP error? More extension headers than we walk are left to user space to see. */
static __always_inline int may_be_about_copy(struct __sk_buff *skb, const struct output *out)
{
	__u8 type;

	if (out->protocol == IPPROTO_TCP || tcpc_is_ipv6_ext(out->protocol))
		return 1;
	if (out->protocol != IPPROTO_ICMP && out->protocol != IPPROTO_ICMPV6)
		return 0;
	if (bpf_skb_load_bytes_relative(skb, out->l4_off, &type, sizeof(type), BPF_HDR_START_NET))
		return 0;
	return is_icmp_error(out->protocol, type);
}

/* Read it from a packet that begins with its IP header. Returns 0 if it is no TCP segment. */
static __always_inline int read_answer(struct __sk_buff *skb, const struct output *out,
				       struct answer *ret)
{
	struct tcphdr tcp;

	if (out->protocol != IPPROTO_TCP ||
	    bpf_skb_load_bytes_relative(skb, out->l4_off, &tcp, sizeof(tcp), BPF_HDR_START_NET))
		return 0;
	ret->flow.client = out->daddr;
	ret->flow.server = out->saddr;
	ret->flow.client_port = tcp.dest;
	ret->flow.server_port = tcp.source;
	ret->ack = tcpc_ntohl(tcp.ack_seq);
	ret->end = tcpc_ntohl(tcp.seq) + skb->len - out->l4_off - tcp.doff * 4 + tcp.syn + tcp.fin;
	ret->flags = ((__u8 *)&tcp)[13];
	return 1;
}

/*
 * For the iptables rule, which has matched the port already: non-zero for a packet that
 * must not leave. (xt_bpf cannot invert a pinned program, so this one says what to queue.)
 */
SEC("socket")
int queue_filter(struct __sk_buff *skb)
{
	struct tcpc_target_stats *st = bpf_map_lookup_elem(&stats, &zero);
	struct answer answer = {};
	struct output out = {};

	if (!st || read_output(skb, &out) || !may_be_about_copy(skb, &out))
		return 0;
	if (!bpf_map_lookup_elem(&addresses, &out.saddr))
		return 0;
	if (allow_state(&out.daddr) == TCPC_ALLOW_DIRECT) {
		COUNT(st, allowed_out);
		return 0;
	}
	COUNT(st, queued);
	if (read_answer(skb, &out, &answer))
		note_answer(skb, &answer);
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
