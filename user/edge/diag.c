// SPDX-License-Identifier: GPL-2.0-only
/*
 * diag.c - see diag.h. Where a connection is gone the kernel finds the listener in
 * its place, and would end that: so every ending is two steps, the first of which gets the cookie
 * that only this very socket has.
 */
#include "edge/diag.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <libmnl/libmnl.h>
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>

#include "core/nlmsg.h"
#include "tcpcopy/addr.h"

#define TIMEOUT_S 2
#define ANSWER_BYTES 32768
#define REQUEST_BYTES (MNL_NLMSG_HDRLEN + sizeof(struct inet_diag_req_v2))

/* The others end by the kernel's own timers: it retransmits, and gives up. */
#define IDLE_STATES (1u << BPF_TCP_ESTABLISHED | 1u << BPF_TCP_CLOSE_WAIT | 1u << BPF_TCP_FIN_WAIT2)

struct tcpc_diag {
	struct mnl_socket *nl;
	__u32 seq;
};

struct tcpc_diag_walk {
	struct tcpc_diag *diag;
	__u8 family; /* that is being walked */
	tcpc_diag_idle cb;
	void *user;
};

int tcpc_diag_open(struct tcpc_diag **ret, struct tcpc_err *err)
{
	const struct timeval limit = {.tv_sec = TIMEOUT_S};
	struct tcpc_diag *diag = calloc(1, sizeof(*diag));

	if (!diag)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	diag->nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	if (diag->nl &&
	    !setsockopt(mnl_socket_get_fd(diag->nl), SOL_SOCKET, SO_RCVTIMEO, &limit,
			sizeof(limit)) &&
	    !mnl_socket_bind(diag->nl, 0, MNL_SOCKET_AUTOPID)) {
		*ret = diag;
		return 0;
	}
	tcpc_err_set(err, errno, "cannot open a sock_diag socket: %s", strerror(errno));
	tcpc_diag_close(diag);
	return -err->code;
}

void tcpc_diag_close(struct tcpc_diag *diag)
{
	if (!diag)
		return;
	if (diag->nl)
		mnl_socket_close(diag->nl);
	free(diag);
}

static struct inet_diag_req_v2 *new_request(struct tcpc_diag *diag, char *buf, __u16 type,
					    __u16 flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++diag->seq; /* a late answer to an earlier request is told apart */
	req->sdiag_protocol = IPPROTO_TCP;
	req->idiag_states = ~0u;
	return req;
}

/* Take one message of answers. Returns what mnl_cb_run() does, but -errno for a failure. */
static int receive(struct tcpc_diag *diag, mnl_cb_t cb, void *data)
{
	char buf[ANSWER_BYTES] __attribute__((aligned(8)));
	int n;

	do {
		n = mnl_socket_recvfrom(diag->nl, buf, sizeof(buf));
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (n < (int)sizeof(struct nlmsghdr) || !tcpc_nlmsg_fit(buf, n))
			return -EBADMSG;
		/* An answer to an earlier request, which came too late, is passed over. */
	} while (((struct nlmsghdr *)buf)->nlmsg_seq != diag->seq);
	n = mnl_cb_run(buf, n, diag->seq, mnl_socket_get_portid(diag->nl), cb, data);
	return n < 0 ? -errno : n;
}

static int send_request(struct tcpc_diag *diag, const char *buf)
{
	const struct nlmsghdr *nlh = (const void *)buf;

	return mnl_socket_sendto(diag->nl, nlh, nlh->nlmsg_len) < 0 ? -errno : 0;
}

static void put_flow(struct inet_diag_req_v2 *req, const struct tcpc_flow *flow, int ifindex)
{
	bool v4 = tcpc_addr_is_v4(&flow->server);

	/* A connection of an IPv6 socket with an IPv4 peer is found as IPv4, too. */
	req->sdiag_family = v4 ? AF_INET : AF_INET6;
	req->id.idiag_sport = flow->server_port;
	req->id.idiag_dport = flow->client_port;
	req->id.idiag_if = ifindex;
	if (v4) {
		req->id.idiag_src[0] = flow->server.w[3];
		req->id.idiag_dst[0] = flow->client.w[3];
	} else {
		memcpy(req->id.idiag_src, &flow->server, sizeof(flow->server));
		memcpy(req->id.idiag_dst, &flow->client, sizeof(flow->client));
	}
	req->id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
	req->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
}

static int on_found(const struct nlmsghdr *nlh, void *data)
{
	struct inet_diag_msg *ret = data;

	if (!tcpc_nlmsg_is(nlh, SOCK_DIAG_BY_FAMILY, sizeof(*ret))) {
		errno = EBADMSG;
		return MNL_CB_ERROR;
	}
	memcpy(ret, mnl_nlmsg_get_payload(nlh), sizeof(*ret));
	return MNL_CB_STOP;
}

/* Returns 1 and what the kernel says of it, 0 if there is none, -errno. */
static int find(struct tcpc_diag *diag, const struct tcpc_flow *flow, int ifindex,
		struct inet_diag_msg *ret)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(8)));
	int r;

	put_flow(new_request(diag, buf, SOCK_DIAG_BY_FAMILY, 0), flow, ifindex);
	r = send_request(diag, buf);
	if (!r)
		r = receive(diag, on_found, ret);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return ret->idiag_state != BPF_TCP_LISTEN;
}

int tcpc_diag_has(struct tcpc_diag *diag, const struct tcpc_flow *flow, int ifindex)
{
	struct inet_diag_msg found = {};

	return find(diag, flow, ifindex, &found);
}

int tcpc_diag_end(struct tcpc_diag *diag, const struct tcpc_flow *flow, int ifindex)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(8)));
	struct inet_diag_msg found = {};
	struct inet_diag_req_v2 *req;
	int r = find(diag, flow, ifindex, &found);

	if (r <= 0)
		return r;
	req = new_request(diag, buf, SOCK_DESTROY, NLM_F_ACK);
	req->sdiag_family = found.idiag_family;
	req->id = found.id;
	r = send_request(diag, buf);
	if (!r)
		r = receive(diag, NULL, NULL);
	/* It ended by itself meanwhile; ESTALE: and the listener was found in its place. */
	if (r == -ENOENT || r == -ESTALE)
		return 0;
	return r < 0 ? r : 1;
}

/* ---- the walk -------------------------------------------------------------------------------- */

static struct tcpc_addr addr_of(__u8 family, const __be32 words[4])
{
	struct tcpc_addr addr;

	if (family == AF_INET)
		return tcpc_addr_from_v4(words[0]);
	memcpy(&addr, words, sizeof(addr));
	return addr;
}

/* @ret: milliseconds since data came or went. False for one that only waits (TIME_WAIT in
 * disguise): the kernel has its own time for that. */
static bool read_idle(const struct nlmsghdr *nlh, __u32 *ret)
{
	const struct nlattr *attr;
	struct tcp_info info;

	mnl_attr_for_each (attr, nlh, sizeof(struct inet_diag_msg)) {
		if (mnl_attr_get_type(attr) != INET_DIAG_INFO)
			continue;
		if (mnl_attr_get_payload_len(attr) < offsetof(struct tcp_info, tcpi_last_ack_recv))
			return false;
		memcpy(&info, mnl_attr_get_payload(attr),
		       offsetof(struct tcp_info, tcpi_last_ack_recv));
		*ret = info.tcpi_last_data_recv < info.tcpi_last_data_sent
			       ? info.tcpi_last_data_recv
			       : info.tcpi_last_data_sent;
		return true;
	}
	return false;
}

static int on_walked(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	struct tcpc_diag_walk *walk = data;
	struct tcpc_flow flow = {};
	__u32 idle_ms;

	if (!tcpc_nlmsg_is(nlh, SOCK_DIAG_BY_FAMILY, sizeof(*msg)) || !read_idle(nlh, &idle_ms))
		return MNL_CB_OK;
	flow.client = addr_of(msg->idiag_family, msg->id.idiag_dst);
	flow.server = addr_of(msg->idiag_family, msg->id.idiag_src);
	flow.client_port = msg->id.idiag_dport;
	flow.server_port = msg->id.idiag_sport;
	walk->cb(walk->user, &flow, idle_ms);
	return MNL_CB_OK;
}

static int begin_family(struct tcpc_diag_walk *walk, __u8 family)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(8)));
	struct inet_diag_req_v2 *req;

	walk->family = family;
	req = new_request(walk->diag, buf, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
	req->sdiag_family = family;
	req->idiag_states = IDLE_STATES;
	req->idiag_ext = 1 << (INET_DIAG_INFO - 1);
	return send_request(walk->diag, buf);
}

int tcpc_diag_walk_start(struct tcpc_diag_walk **ret, struct tcpc_err *err)
{
	struct tcpc_diag_walk *walk = calloc(1, sizeof(*walk));
	int r;

	if (!walk)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	r = tcpc_diag_open(&walk->diag, err);
	if (!r) {
		r = begin_family(walk, AF_INET);
		if (r)
			tcpc_err_set(err, -r, "cannot list connections: %s", strerror(-r));
	}
	if (r) {
		tcpc_diag_walk_free(walk);
		return r;
	}
	*ret = walk;
	return 0;
}

int tcpc_diag_walk_step(struct tcpc_diag_walk *walk, tcpc_diag_idle cb, void *user)
{
	int r;

	walk->cb = cb;
	walk->user = user;
	r = receive(walk->diag, on_walked, walk);
	/* No IPv6 in this kernel, so no such connection either. */
	if (walk->family == AF_INET6)
		return r == -ENOENT ? 0 : r;
	if (r)
		return r;
	r = begin_family(walk, AF_INET6);
	return r ? r : 1;
}

void tcpc_diag_walk_free(struct tcpc_diag_walk *walk)
{
	if (!walk)
		return;
	tcpc_diag_close(walk->diag);
	free(walk);
}
