/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * connection.bpf.h - the target's own half of a copied connection, as its socket tells it.
 */
#ifndef TCPCOPY_BPF_CONNECTION_H
#define TCPCOPY_BPF_CONNECTION_H

#include "vmlinux.h"
#include "common.bpf.h"
#include "target_maps.bpf.h"

/* More packets than a driver hands over before the first of them is delivered. */
#define ACCEPT_BATCH 64

/* @listener is not followed by the verifier where it comes from: read it as the kernel's memory. */
static __always_inline void read_backlog(struct sock *listener, struct connection *conn)
{
	__u32 waiting, limit, spare;

	if (bpf_probe_read_kernel(&waiting, sizeof(waiting), &listener->sk_ack_backlog) ||
	    bpf_probe_read_kernel(&limit, sizeof(limit), &listener->sk_max_ack_backlog))
		return;
	spare = limit / 2 < ACCEPT_BATCH ? limit / 2 : ACCEPT_BATCH;
	conn->room = limit - waiting; /* the kernel's sk_acceptq_is_full(): waiting > limit */
	conn->nearly_full = conn->room < (__s32)spare;
}

/*
 * A connection that is being opened. The kernel's own cast to struct tcp_request_sock wants the
 * protocol to be plain TCP, which it is not where the application listens with MPTCP (as Go's do);
 * and the verifier allows no arithmetic with what a lookup returns. In a map it is a plain number.
 */
static __always_inline void read_request(struct bpf_sock *sk, struct connection *conn)
{
	struct align_scratch *s = bpf_map_lookup_elem(&scratch, &zero);
	struct tcp_request_sock *req;
	struct sock *listener;
	__u32 ours, theirs;

	if (!s)
		return;
	*(volatile __u64 *)&s->address = (__u64)sk;
	req = (void *)*(volatile __u64 *)&s->address;
	if (bpf_probe_read_kernel(&ours, sizeof(ours), &req->snt_isn) ||
	    bpf_probe_read_kernel(&theirs, sizeof(theirs), &req->rcv_isn) ||
	    bpf_probe_read_kernel(&listener, sizeof(listener),
				  &req->req.req.__req_common.skc_listener))
		return;
	conn->snd_nxt = ours + 1;
	conn->rcv_nxt = theirs + 1;
	conn->state = CONN_OPENING;
	read_backlog(listener, conn);
}

/* Read the connection's numbers from its socket, whichever kind it is. */
static __always_inline void read_socket(struct bpf_sock *sk, struct connection *conn)
{
	struct tcp_timewait_sock *tw;
	struct tcp_sock *tcp;

	switch (sk->state) {
	case BPF_TCP_LISTEN:
		conn->state = CONN_LISTEN;
		tcp = bpf_skc_to_tcp_sock(sk);
		if (tcp)
			read_backlog(&tcp->inet_conn.icsk_inet.sk, conn);
		return;
	case BPF_TCP_TIME_WAIT:
		/* Also FIN_WAIT_2 after close(): the client's FIN must get through, or the next
		 * connection from that port is refused for a minute. */
		tw = bpf_skc_to_tcp_timewait_sock(sk);
		if (tw) {
			conn->snd_nxt = tw->tw_sk.__tw_common.skc_tw_snd_nxt;
			conn->rcv_nxt = tw->tw_sk.__tw_common.skc_tw_rcv_nxt;
			conn->fin_wait = tw->tw_sk.tw_substate != BPF_TCP_TIME_WAIT;
			conn->state = CONN_CLOSING;
		}
		return;
	case BPF_TCP_NEW_SYN_RECV:
		read_request(sk, conn);
		return;
	default:
		tcp = bpf_skc_to_tcp_sock(sk);
		if (tcp) {
			conn->snd_nxt = tcp->snd_nxt;
			conn->rcv_nxt = tcp->rcv_nxt;
			conn->unread = tcp->rcv_nxt - tcp->copied_seq;
			conn->unsent = tcp->write_seq - tcp->snd_nxt;
			conn->window_end = tcp->rcv_wup + tcp->rcv_wnd;
			conn->busy = tcp->inet_conn.icsk_inet.sk.sk_lock.owned ||
				     tcp->inet_conn.icsk_inet.sk.sk_backlog.len;
			conn->state = CONN_OPEN;
		}
	}
}

/* The socket that a packet is for: the connection's, or the listener's. To be released. */
static __always_inline struct bpf_sock *socket_of(struct __sk_buff *skb, const struct tcpc_pkt *pkt)
{
	struct bpf_sock_tuple tuple = {};

	if (pkt->family == 4) {
		tuple.ipv4.saddr = pkt->saddr.w[3];
		tuple.ipv4.daddr = pkt->daddr.w[3];
		tuple.ipv4.sport = pkt->sport;
		tuple.ipv4.dport = pkt->dport;
		return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(tuple.ipv6.saddr, &pkt->saddr, sizeof(pkt->saddr));
	__builtin_memcpy(tuple.ipv6.daddr, &pkt->daddr, sizeof(pkt->daddr));
	tuple.ipv6.sport = pkt->sport;
	tuple.ipv6.dport = pkt->dport;
	return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
}

/* Find the target's half of the connection; CONN_LISTEN if only a listener would take the packet,
 * CONN_NONE if nobody would. Not on the stack: all ways through read_socket() would stay apart for
 * the verifier, each with the whole program behind it. */
static __always_inline struct connection *find_connection(struct __sk_buff *skb,
							  const struct tcpc_pkt *pkt)
{
	struct align_scratch *s = bpf_map_lookup_elem(&scratch, &zero);
	struct bpf_sock *sk;

	if (!s)
		return NULL;
	__builtin_memset(&s->conn, 0, sizeof(s->conn));
	sk = socket_of(skb, pkt);
	if (!sk)
		return &s->conn;
	read_socket(sk, &s->conn);
	bpf_sk_release(sk);
	return &s->conn;
}

#endif
