/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bpf_hold.h - what the tests of hold's two programs share: a service that holds, the exchange of a
 * real connection, and where its receive window ends.
 */
#ifndef TCPCOPY_TESTS_BPF_HOLD_H
#define TCPCOPY_TESTS_BPF_HOLD_H

#include "bpf_target.h"
#include "connection.h"

#include "tcpcopy/hold.h"

#define HOLD_PORT 83 /* a service that holds */
#define HOLD_IFINDEX 4711

#define PSH_ACK (TCPC_TCP_PSH | TCPC_TCP_ACK)
#define FIN_ACK (TCPC_TCP_FIN | TCPC_TCP_ACK)
#define RST_ACK (TCPC_TCP_RST | TCPC_TCP_ACK)

/** hold_service - intercept @port on live0; 0 for @hold_ifindex: hold nothing. */
static inline void hold_service(__u16 port, __u32 flags, __u32 hold_ifindex)
{
	struct tcpc_service_key key = {lab.live, tcpc_htons(port), 0};
	struct tcpc_intercept service = {.flags = flags, .hold_ifindex = hold_ifindex};

	if (bpf_map_update_elem(bpf_map__fd(lab.skel->maps.services), &key, &service, BPF_ANY))
		expect_fail("services: %s", strerror(errno));
}

static inline struct tcpc_flow hold_flow(const struct connection *c)
{
	struct tcpc_flow flow = {
		.client = frame_host(&(struct frame_spec){.family = c->family}, 1),
		.server = frame_host(&(struct frame_spec){.family = c->family}, 2),
		.client_port = tcpc_htons(c->client_port),
		.server_port = tcpc_htons(c->server_port),
	};

	return flow;
}

/** hold_exchange - the entry of @c, which there must be. */
static inline struct tcpc_exchange hold_exchange(const struct connection *c)
{
	struct tcpc_flow flow = hold_flow(c);
	struct tcpc_exchange x;

	if (bpf_map_lookup_elem(bpf_map__fd(lab.skel->maps.exchanges), &flow, &x))
		expect_fail("there is no entry in exchanges");
	return x;
}

static inline void hold_write_exchange(const struct connection *c, const struct tcpc_exchange *x)
{
	struct tcpc_flow flow = hold_flow(c);

	if (bpf_map_update_elem(bpf_map__fd(lab.skel->maps.exchanges), &flow, x, BPF_ANY))
		expect_fail("exchanges: %s", strerror(errno));
}

/** hold_window_end - the right edge of @fd's receive window, as its TCP has announced it. */
static inline __u32 hold_window_end(int fd)
{
	int on = TCP_REPAIR_ON, off = TCP_REPAIR_OFF_NO_WP, reuse = 1;
	struct tcp_repair_window window;
	socklen_t len = sizeof(window);

	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) ||
	    getsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, &len) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse)))
		expect_fail("TCP_REPAIR_WINDOW: %s", strerror(errno));
	return window.rcv_wup + window.rcv_wnd;
}

/* Group setup. */
static inline int hold_enter(void **state)
{
	if (target_enter(state))
		return -1;
	if (!in_netns)
		return 0;
	hold_service(HOLD_PORT, 0, HOLD_IFINDEX);
	return 0;
}

#endif
