/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * connection.bpf.h - the target's own half of a copied connection, as its socket tells it.
 */
#ifndef TCPCOPY_BPF_CONNECTION_H
#define TCPCOPY_BPF_CONNECTION_H

#include "vmlinux.h"
#include "common.bpf.h"

/* What the socket table says of a copied segment. */
enum state { CONN_NONE, CONN_LISTEN, CONN_CLOSING, CONN_OPENING, CONN_OPEN };

struct connection {
	enum state state;
	__u32 snd_nxt;
	__u32 rcv_nxt;
	int fin_wait; /* CONN_CLOSING: in FIN_WAIT_2, not yet in TIME_WAIT */
	/* CONN_OPEN only: */
	__u32 unread;	  /* bytes that the application has not read yet */
	__u32 unsent;	  /* bytes that it has written and that have not left yet */
	__u32 window_end; /* right edge of the receive window */
};

/* Read the connection's numbers from its socket, whichever kind it is. */
static __always_inline void read_socket(struct bpf_sock *sk, struct connection *conn)
{
	struct tcp_timewait_sock *tw;
	struct tcp_request_sock *req;
	struct tcp_sock *tcp;

	switch (sk->state) {
	case BPF_TCP_LISTEN:
		conn->state = CONN_LISTEN;
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
		req = bpf_skc_to_tcp_request_sock(sk);
		if (req) {
			conn->snd_nxt = req->snt_isn + 1;
			conn->rcv_nxt = req->rcv_isn + 1;
			conn->state = CONN_OPENING;
		}
		return;
	default:
		tcp = bpf_skc_to_tcp_sock(sk);
		if (tcp) {
			conn->snd_nxt = tcp->snd_nxt;
			conn->rcv_nxt = tcp->rcv_nxt;
			conn->unread = tcp->rcv_nxt - tcp->copied_seq;
			conn->unsent = tcp->write_seq - tcp->snd_nxt;
			conn->window_end = tcp->rcv_wup + tcp->rcv_wnd;
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
 * CONN_NONE if nobody would. */
static __always_inline void find_connection(struct __sk_buff *skb, const struct tcpc_pkt *pkt,
					    struct connection *conn)
{
	struct bpf_sock *sk = socket_of(skb, pkt);

	if (!sk)
		return;
	read_socket(sk, conn);
	bpf_sk_release(sk);
}

#endif
