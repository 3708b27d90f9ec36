// SPDX-License-Identifier: GPL-2.0-only
/* netwatch.c - see netwatch.h. */
#include "edge/netwatch.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "edge/log.h"

#define MESSAGE_BYTES 32768
#define GROUPS (RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR)

struct tcpc_netwatch {
	uv_poll_t poll; /* first: freed through it */
	struct mnl_socket *nl;
	tcpc_netwatch_cb cb;
	void *user;
	char buf[MESSAGE_BYTES] __attribute__((aligned(8)));
};

static int on_message(const struct nlmsghdr *nlh, void *data)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct tcpc_netwatch *w = data;

	/* Of family AF_BRIDGE: it has only left its bridge. */
	if (nlh->nlmsg_type == RTM_DELLINK && ifi->ifi_family == AF_UNSPEC && w->cb)
		w->cb(w->user, ifi->ifi_index);
	return MNL_CB_OK;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct tcpc_netwatch *w = (struct tcpc_netwatch *)poll;
	int fd = mnl_socket_get_fd(w->nl);
	ssize_t n;

	(void)events;
	if (status < 0)
		tcpc_log_warn("changes of interfaces are noticed late: %s", uv_strerror(status));
	/* Errors too (ENOBUFS: some were dropped) mean that there is something to look at. */
	while ((n = recv(fd, w->buf, sizeof(w->buf), MSG_DONTWAIT)) > 0)
		mnl_cb_run(w->buf, n, 0, 0, on_message, w);
	if (w->cb)
		w->cb(w->user, 0);
}

static void on_closed(uv_handle_t *handle)
{
	struct tcpc_netwatch *w = (struct tcpc_netwatch *)handle;

	mnl_socket_close(w->nl);
	free(w);
}

int tcpc_netwatch_start(uv_loop_t *loop, tcpc_netwatch_cb cb, void *user,
			struct tcpc_netwatch **ret, struct tcpc_err *err)
{
	struct tcpc_netwatch *w = calloc(1, sizeof(*w));
	int r = 0;

	if (!w)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	w->cb = cb;
	w->user = user;
	w->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!w->nl || mnl_socket_bind(w->nl, GROUPS, MNL_SOCKET_AUTOPID))
		r = -errno;
	r = r ?: uv_poll_init(loop, &w->poll, mnl_socket_get_fd(w->nl));
	if (r) {
		if (w->nl)
			mnl_socket_close(w->nl);
		free(w);
		return tcpc_err_set(err, -r, "cannot watch interfaces: %s", strerror(-r));
	}
	uv_poll_start(&w->poll, UV_READABLE, on_readable);
	*ret = w;
	return 0;
}

void tcpc_netwatch_stop(struct tcpc_netwatch *w)
{
	if (!w)
		return;
	w->cb = NULL;
	uv_poll_stop(&w->poll);
	uv_close((uv_handle_t *)&w->poll, on_closed);
}
