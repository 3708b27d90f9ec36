// SPDX-License-Identifier: GPL-2.0-only
/* spool.c - see spool.h. */
#include "edge/spool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define HANDLES 3

struct tcpc_spool {
	struct tcpc_spool_config config;
	bool silent; /* nobody is called any more */
	uv_poll_t poll;
	uv_prepare_t turn; /* before the loop sleeps: what has come leaves */
	uv_timer_t limit;
	int fd, open_handles;
	bool ending, shut, closed;
	bool blocked; /* the socket is full */
	size_t used;
	__u8 message[TCPC_RECORD_MESSAGE_MAX] __attribute__((aligned(8)));
};

/* ---- the end ----------------------------------------------------------------------------------
 */

static void on_closed(uv_handle_t *handle)
{
	struct tcpc_spool *s = handle->data;

	if (--s->open_handles)
		return;
	close(s->fd);
	free(s);
}

static void close_all(struct tcpc_spool *s)
{
	bool silent = s->silent;

	if (s->closed)
		return;
	s->closed = s->silent = true;
	uv_close((uv_handle_t *)&s->poll, on_closed);
	uv_close((uv_handle_t *)&s->turn, on_closed);
	uv_close((uv_handle_t *)&s->limit, on_closed);
	if (!silent)
		s->config.gone(s->config.user);
}

static void on_limit(uv_timer_t *timer)
{
	close_all(timer->data);
}

/* ---- to the writer ----------------------------------------------------------------------------
 */

static void watch(struct tcpc_spool *s);

/* A message leaves whole or not at all. False if it did not. */
static bool flush(struct tcpc_spool *s)
{
	if (!s->used || s->closed)
		return true;
	if (send(s->fd, s->message, s->used, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR) {
			s->blocked = true;
			watch(s);
			return false;
		}
		s->used = 0; /* it has gone, and its end of the socket tells so */
		return true;
	}
	s->used = 0;
	return true;
}

static void finish(struct tcpc_spool *s)
{
	if (!s->ending || s->shut || !flush(s))
		return;
	s->shut = true;
	shutdown(s->fd, SHUT_WR);
}

static void on_turn(uv_prepare_t *turn)
{
	struct tcpc_spool *s = turn->data;

	if (!s->blocked)
		flush(s);
}

__u8 *tcpc_spool_put(struct tcpc_spool *s, __u64 time_ns, const void *packet, __u32 bytes)
{
	__u8 *at;

	if (s->ending || s->closed || bytes > TCPC_RECORD_PACKET_MAX)
		return NULL;
	if (s->used >= TCPC_RECORD_MESSAGE_FULL && (s->blocked || !flush(s)))
		return NULL;
	at = tcpc_record_put(s->message + s->used, time_ns, packet, bytes);
	s->used += tcpc_record_room(bytes);
	return at;
}

/* ---- from the writer --------------------------------------------------------------------------
 */

/* False at the end. A writer that has left messages unread resets the socket with its last note
 * still in it: the error comes first, once. */
static bool read_notes(struct tcpc_spool *s)
{
	struct tcpc_record_note note;
	bool reset = false;
	ssize_t n;

	for (;;) {
		n = recv(s->fd, &note, sizeof(note), MSG_DONTWAIT | MSG_TRUNC);
		if (n > 0 && !s->silent && tcpc_record_note_valid(&note, n))
			s->config.note(s->config.user, &note);
		else if (n < 0 && errno == ECONNRESET && !reset)
			reset = true;
		else if (n <= 0)
			return n < 0 && (errno == EAGAIN || errno == EINTR);
	}
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct tcpc_spool *s = poll->data;

	if (events & UV_WRITABLE) {
		s->blocked = false;
		flush(s);
		finish(s);
	}
	/* A socket that was reset has a bad status, and notes all the same. */
	if (!read_notes(s) || status)
		close_all(s);
	else
		watch(s);
}

static void watch(struct tcpc_spool *s)
{
	if (!s->closed)
		uv_poll_start(&s->poll,
			      UV_READABLE | UV_DISCONNECT | (s->blocked ? UV_WRITABLE : 0),
			      on_event);
}

/* ---- life -------------------------------------------------------------------------------------
 */

/* Returns 0 or -errno. */
static int open_pair(int fds[2])
{
	int bytes = TCPC_SPOOL_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return -errno;
	/* The second is for those who may exceed net.core.wmem_max; without, it is behind sooner.
	 */
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	return 0;
}

int tcpc_spool_open(struct uv_loop_s *loop, const struct tcpc_spool_config *config,
		    struct tcpc_spool **ret, int *ret_fd, struct tcpc_err *err)
{
	struct tcpc_spool *s = calloc(1, sizeof(*s));
	int fds[2], r = s ? open_pair(fds) : -ENOMEM;

	if (r) {
		free(s);
		return tcpc_err_set(err, -r, "cannot make a socket: %s", strerror(-r));
	}
	s->config = *config;
	s->fd = fds[0];
	r = uv_poll_init(loop, &s->poll, s->fd);
	if (r) {
		close(fds[0]);
		close(fds[1]);
		free(s);
		return tcpc_err_set(err, -r, "cannot watch a socket: %s", uv_strerror(r));
	}
	uv_prepare_init(loop, &s->turn);
	uv_timer_init(loop, &s->limit);
	s->poll.data = s->turn.data = s->limit.data = s;
	s->open_handles = HANDLES;
	uv_prepare_start(&s->turn, on_turn);
	/* None of these keeps a daemon alive that has nothing else to do. */
	uv_unref((uv_handle_t *)&s->poll);
	uv_unref((uv_handle_t *)&s->turn);
	uv_unref((uv_handle_t *)&s->limit);
	watch(s);
	*ret = s;
	*ret_fd = fds[1];
	return 0;
}

void tcpc_spool_end(struct tcpc_spool *s)
{
	if (s->ending || s->closed)
		return;
	s->ending = true;
	uv_timer_start(&s->limit, on_limit, TCPC_SPOOL_END_MS, 0);
	finish(s);
}

void tcpc_spool_leave(struct tcpc_spool *s)
{
	if (!s)
		return;
	s->silent = true;
	tcpc_spool_end(s);
}
