/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * link_socket.h - addresses and sockets of the feedback link, as text and as errors that help.
 * Private to link_*.c.
 */
#ifndef TCPCOPY_EDGE_LINK_SOCKET_H
#define TCPCOPY_EDGE_LINK_SOCKET_H

#include <uv.h>

#include "core/err.h"
#include "core/text.h"

/** tcpc_link_socket_prepare - once before anything else, may be repeated: start libsodium, ignore
 * SIGPIPE unless the program has a handler of its own (libuv writes with write(2), so a peer that
 * resets its connection would kill the process). Returns 0 or -ENOSYS. */
int tcpc_link_socket_prepare(struct tcpc_err *err);

/** tcpc_link_socket_addr - the address at the other end of @tcp; all zero if it is gone already. */
void tcpc_link_socket_addr(const uv_tcp_t *tcp, struct tcpc_addr *ret);

/** tcpc_link_socket_name - the address at the other end of @tcp as text; "an unknown address" if
 * it is gone already. */
void tcpc_link_socket_name(const uv_tcp_t *tcp, char *buf, size_t size);

/** tcpc_link_socket_listen - bind and listen. An IPv6 address is taken literally, [::] too; NULL is
 * every address of both families at the default port. Returns 0; -EADDRINUSE, other -errno. */
int tcpc_link_socket_listen(uv_tcp_t *tcp, const struct tcpc_endpoint *listen, int backlog,
			    uv_connection_cb cb, struct tcpc_err *err);

/** tcpc_link_socket_connect_text - why a connection could not be made, and what may help. @name:
 * "host:port".  @status: -errno. */
void tcpc_link_socket_connect_text(char *buf, size_t size, const char *name, int status);

#endif
