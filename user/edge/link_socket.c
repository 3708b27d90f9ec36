// SPDX-License-Identifier: GPL-2.0-only
/* link_socket.c - see link_socket.h. */
#include "edge/link_socket.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include <sodium.h>

#include "tcpcopy/addr.h"

int tcpc_link_socket_prepare(struct tcpc_err *err)
{
	struct sigaction old;

	if (sodium_init() < 0)
		return tcpc_err_set(err, ENOSYS,
				    "libsodium cannot be used: the system gives no random numbers");
	if (!sigaction(SIGPIPE, NULL, &old) && old.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
	return 0;
}

static int endpoint_from_sockaddr(const struct sockaddr_storage *ss, struct tcpc_endpoint *ret)
{
	const struct sockaddr_in *v4 = (const void *)ss;
	const struct sockaddr_in6 *v6 = (const void *)ss;

	if (ss->ss_family == AF_INET) {
		ret->addr = tcpc_addr_from_v4(v4->sin_addr.s_addr);
		ret->port = v4->sin_port;
	} else if (ss->ss_family == AF_INET6) {
		memcpy(&ret->addr, &v6->sin6_addr, sizeof(ret->addr));
		ret->port = v6->sin6_port;
	} else {
		return -EAFNOSUPPORT;
	}
	return 0;
}

static void sockaddr_from_endpoint(const struct tcpc_endpoint *ep, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (void *)ret;
	struct sockaddr_in6 *v6 = (void *)ret;

	memset(ret, 0, sizeof(*ret));
	if (tcpc_addr_is_v4(&ep->addr)) {
		v4->sin_family = AF_INET;
		v4->sin_addr.s_addr = ep->addr.w[3];
		v4->sin_port = ep->port;
	} else {
		v6->sin6_family = AF_INET6;
		memcpy(&v6->sin6_addr, &ep->addr, sizeof(ep->addr));
		v6->sin6_port = ep->port;
	}
}

static int peer_endpoint(const uv_tcp_t *tcp, struct tcpc_endpoint *ret)
{
	struct sockaddr_storage ss = {};
	int len = sizeof(ss);
	int r = uv_tcp_getpeername(tcp, (struct sockaddr *)&ss, &len);

	return r ? r : endpoint_from_sockaddr(&ss, ret);
}

void tcpc_link_socket_addr(const uv_tcp_t *tcp, struct tcpc_addr *ret)
{
	struct tcpc_endpoint ep;

	*ret = (struct tcpc_addr){};
	if (!peer_endpoint(tcp, &ep))
		*ret = ep.addr;
}

void tcpc_link_socket_name(const uv_tcp_t *tcp, char *buf, size_t size)
{
	char text[TCPC_TEXT_BYTES];
	struct tcpc_endpoint ep;

	if (peer_endpoint(tcp, &ep))
		snprintf(buf, size, "an unknown address");
	else
		snprintf(buf, size, "%s", tcpc_text_from_endpoint(&ep, text));
}

/* Both families by one socket; IPv4 alone where the kernel has no other. */
static int bind_default(uv_tcp_t *tcp)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
				  .sin6_port = htons(TCPC_DEFAULT_FEEDBACK_PORT)};
	struct sockaddr_in v4 = {.sin_family = AF_INET,
				 .sin_port = htons(TCPC_DEFAULT_FEEDBACK_PORT)};
	int ret = uv_tcp_bind(tcp, (struct sockaddr *)&v6, 0);

	if (ret != -EAFNOSUPPORT && ret != -EADDRNOTAVAIL)
		return ret;
	return uv_tcp_bind(tcp, (struct sockaddr *)&v4, 0);
}

static int bind_literally(uv_tcp_t *tcp, const struct tcpc_endpoint *listen)
{
	struct sockaddr_storage ss;

	sockaddr_from_endpoint(listen, &ss);
	return uv_tcp_bind(tcp, (struct sockaddr *)&ss,
			   ss.ss_family == AF_INET6 ? UV_TCP_IPV6ONLY : 0);
}

int tcpc_link_socket_listen(uv_tcp_t *tcp, const struct tcpc_endpoint *listen, int backlog,
			    uv_connection_cb cb, struct tcpc_err *err)
{
	char text[TCPC_TEXT_BYTES];
	int ret = listen ? bind_literally(tcp, listen) : bind_default(tcp);

	if (!ret)
		ret = uv_listen((uv_stream_t *)tcp, backlog, cb);
	if (!ret)
		return 0;
	if (listen)
		tcpc_text_from_endpoint(listen, text);
	else
		snprintf(text, sizeof(text), "port %d", TCPC_DEFAULT_FEEDBACK_PORT);
	if (ret == -EADDRINUSE)
		return tcpc_err_set(err, EADDRINUSE,
				    "feedback link: %s is taken by another program: choose another "
				    "address or port with --listen",
				    text);
	if (ret == -EADDRNOTAVAIL)
		return tcpc_err_set(err, EADDRNOTAVAIL,
				    "feedback link: cannot listen on %s: no interface has this "
				    "address",
				    text);
	return tcpc_err_set(err, -ret, "feedback link: cannot listen on %s: %s", text,
			    uv_strerror(ret));
}

void tcpc_link_socket_connect_text(char *buf, size_t size, const char *name, int status)
{
	switch (status) {
	case -ECONNREFUSED:
		snprintf(buf, size,
			 "nobody listens at %s: run 'tcpcopyctl intercept' on the target host",
			 name);
		return;
	case -ETIMEDOUT:
		snprintf(buf, size,
			 "no answer from %s: check the address, and that firewalls let this TCP "
			 "port pass",
			 name);
		return;
	default:
		snprintf(buf, size, "cannot connect to %s: %s", name, uv_strerror(status));
	}
}
