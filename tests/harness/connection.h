/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * connection.h - real TCP connections between two addresses of this host, and a look into the
 * kernel's end of them: the oracle for what align finds in the socket table.
 */
#ifndef TCPCOPY_TESTS_CONNECTION_H
#define TCPCOPY_TESTS_CONNECTION_H

#include "bpf_run.h"

#include <linux/sockios.h>

/** Both ends of a connection, blocking sockets. Ports in host order. */
struct connection {
	int family; /* 4 or 6 */
	int listener, client, server;
	__u16 client_port, server_port;
};

union any_address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Host number @n of the test network as a socket address. Returns its length. */
static inline socklen_t host_address(int family, __u8 n, __u16 port, union any_address *ret)
{
	struct tcpc_addr addr = frame_host(&(struct frame_spec){.family = family}, n);

	memset(ret, 0, sizeof(*ret));
	if (family == 6) {
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = tcpc_htons(port);
		memcpy(&ret->v6.sin6_addr, &addr, sizeof(addr));
		return sizeof(ret->v6);
	}
	ret->v4.sin_family = AF_INET;
	ret->v4.sin_port = tcpc_htons(port);
	ret->v4.sin_addr.s_addr = addr.w[3];
	return sizeof(ret->v4);
}

/* A socket bound to host @n; a test that hangs is worse than one that fails, so it has time-outs.
 */
static inline int bound_socket(int family, __u8 n, __u16 port)
{
	int fd = socket(family == 6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	struct timeval limit = {.tv_sec = 5};
	union any_address addr;
	socklen_t len = host_address(family, n, port, &addr);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) ||
	    bind(fd, &addr.sa, len))
		expect_fail("socket of host %u, port %u: %s", n, port, strerror(errno));
	return fd;
}

/** connection_listen - a listening socket of host 2, the target. */
static inline int connection_listen(int family, __u16 port)
{
	int fd = bound_socket(family, 2, port);

	if (listen(fd, 16))
		expect_fail("listen: %s", strerror(errno));
	return fd;
}

/** connection_open - connect host 1, the client, to host 2, which listens on @port. */
static inline struct connection connection_open(int family, __u16 client_port, __u16 port)
{
	struct connection c = {.family = family, .client_port = client_port, .server_port = port};
	union any_address addr;
	socklen_t len = host_address(family, 2, port, &addr);

	c.listener = connection_listen(family, port);
	c.client = bound_socket(family, 1, client_port);
	if (connect(c.client, &addr.sa, len))
		expect_fail("connect: %s", strerror(errno));
	c.server = accept4(c.listener, NULL, NULL, SOCK_CLOEXEC);
	if (c.server < 0)
		expect_fail("accept: %s", strerror(errno));
	return c;
}

/** connection_break - end the connection in the kernel (RST), as far as it is open; whoever listens
 * goes on. */
static inline void connection_break(struct connection *c)
{
	struct linger hard = {.l_onoff = 1};

	if (c->client >= 0) {
		setsockopt(c->client, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		close(c->client);
	}
	if (c->server >= 0)
		close(c->server);
	c->client = c->server = -1;
}

/** connection_close - close what is open and forget the connection in the kernel (RST). */
static inline void connection_close(struct connection *c)
{
	connection_break(c);
	if (c->listener >= 0)
		close(c->listener);
}

/** connection_pass - send @bytes from one end and, if @to is one, read them at the other. */
static inline void connection_pass(int from, int to, __u32 bytes)
{
	static char data[65536];

	if (!bytes)
		return; /* recv() of nothing would wait for something to be there */
	if (bytes > sizeof(data) || send(from, data, bytes, MSG_NOSIGNAL) != (ssize_t)bytes ||
	    (to >= 0 && recv(to, data, bytes, MSG_WAITALL) != (ssize_t)bytes))
		expect_fail("passing %u bytes: %s", bytes, strerror(errno));
}

/* The sequence number of what the application of @fd will write next. */
static inline __u32 write_seq(int fd)
{
	int on = TCP_REPAIR_ON, off = TCP_REPAIR_OFF_NO_WP, queue = TCP_SEND_QUEUE;
	socklen_t len = sizeof(__u32);
	__u32 seq = 0;

	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)) ||
	    getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, &len) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)) ||
	    /* Leaving this mode forgets it, and the port is wanted again. */
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		expect_fail("TCP_REPAIR: %s", strerror(errno));
	return seq;
}

/** connection_snd_nxt - SND.NXT of @fd: what it has written less what has not been sent yet. */
static inline __u32 connection_snd_nxt(int fd)
{
	int unsent = 0;

	if (ioctl(fd, SIOCOUTQNSD, &unsent))
		expect_fail("SIOCOUTQNSD: %s", strerror(errno));
	return write_seq(fd) - unsent;
}

/**
 * connection_state - the state (as in /proc/net/tcp, 1: established, 6: TIME_WAIT) of the end of
 * @c that has the server's port; 0 if there is none. Request sockets count too (3).
 */
static inline int connection_state(const struct connection *c)
{
	FILE *file = fopen(c->family == 6 ? "/proc/net/tcp6" : "/proc/net/tcp", "re");
	unsigned int local, remote, state;
	char line[512];
	int found = 0;

	if (!file)
		expect_fail("/proc/net/tcp: %s", strerror(errno));
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%*u: %*[0-9A-F]:%x %*[0-9A-F]:%x %x", &local, &remote, &state) ==
			    3 &&
		    local == c->server_port && remote == c->client_port)
			found = state;
	fclose(file);
	return found;
}

/** connection_frame - begin a frame of @c from client to server. */
static inline struct frame_spec connection_frame(const struct connection *c)
{
	struct frame_spec spec = {
		.family = c->family,
		.sport = c->client_port,
		.dport = c->server_port,
		.flags = TCPC_TCP_ACK | TCPC_TCP_PSH,
		.payload_bytes = 100,
		.ack = 0x600dcafe, /* made for the online host */
		.window = 77,
	};

	return spec;
}

#endif
