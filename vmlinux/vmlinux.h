/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmlinux.h - the few kernel-internal types that BPF programs read, cut down to the fields used.
 * libbpf finds the real offsets in the running kernel's BTF (CO-RE). UAPI headers serve for all
 * else, so this file never clashes with them.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#include <linux/types.h>
#include <linux/in6.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum; /* its number in /proc/PID/ns */
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

/* include/net/sock.h: the part that all kinds of sockets begin with. */
struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num; /* our port, host order */
	unsigned short skc_family;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr; /* CONFIG_IPV6 */
	struct in6_addr skc_v6_rcv_saddr;
	union {
		__u32 skc_tw_snd_nxt; /* struct tcp_timewait_sock keeps its snd_nxt here; host order
				       */
	};
	union {
		__u32 skc_tw_rcv_nxt; /* and its rcv_nxt here */
	};
	union {
		struct sock *skc_listener; /* struct request_sock: whose connection it will be */
	};
};

struct sock {
	__u32 sk_ack_backlog;	  /* connections that wait for accept() */
	__u32 sk_max_ack_backlog; /* one less than may wait */
	struct {
		int owned; /* a process is at work on it: packets go to its backlog */
	} sk_lock;
	struct {
		int len; /* bytes that wait there */
	} sk_backlog;
};

struct inet_sock {
	struct sock sk;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
};

struct request_sock {
	struct sock_common __req_common;
};

struct inet_request_sock {
	struct request_sock req;
};

/* include/linux/tcp.h: a connection that is being opened. */
struct tcp_request_sock {
	struct inet_request_sock req;
	__u32 rcv_isn; /* the client's initial sequence number, host order */
	__u32 snt_isn; /* ours */
};

struct inet_timewait_sock {
	struct sock_common __tw_common;
	volatile unsigned char tw_substate; /* TCP_FIN_WAIT2 or TCP_TIME_WAIT */
};

/* include/linux/tcp.h: what is left of a connection in FIN_WAIT_2 (once its application has closed)
 * and TIME_WAIT. */
struct tcp_timewait_sock {
	struct inet_timewait_sock tw_sk;
};

/* include/linux/tcp.h: a connection, or a listener. */
struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 snd_nxt;	  /* next sequence number we send */
	__u32 write_seq;  /* end of what the application has written */
	__u32 rcv_nxt;	  /* next byte expected from the client */
	__u32 rcv_wup;	  /* rcv_nxt when the window was last announced */
	__u32 rcv_wnd;	  /* that window, bytes */
	__u32 copied_seq; /* next byte that the application will read */
};

struct net_device {
	int ifindex;
};

#pragma clang attribute pop

#endif
