// SPDX-License-Identifier: GPL-2.0-only
/* ask.c - see ask.h. */
#include "edge/ask.h"

#include <grp.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#define CHUNK_BYTES 65536

_Static_assert(TCPC_ASK_PATH_BYTES == sizeof(((struct sockaddr_un *)0)->sun_path), "unix(7)");

/** What has come of an answer. @data: owned. */
struct buffer {
	char *data;
	size_t used, size;
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* @buf: holds the name that is returned; NULL if there is none to tell. */
static const char *group_of(const char *path, char *buf, size_t size)
{
	struct group group, *found = NULL;
	struct stat st;

	/* The directory may be closed to us too. */
	if (stat(path, &st) || getgrgid_r(st.st_gid, &group, buf, size, &found) || !found)
		return NULL;
	return found->gr_name;
}

static int not_permitted(const char *path, struct tcpc_err *err)
{
	char buf[4096];
	const char *group = group_of(path, buf, sizeof(buf));

	if (!group)
		return tcpc_err_set(err, EACCES,
				    "not permitted to use %s: run as root or in the socket's group",
				    path);
	return tcpc_err_set(err, EACCES,
			    "not permitted to use %s: run as root or in the socket's group (%s)",
			    path, group);
}

static int connect_failed(const char *path, int code, struct tcpc_err *err)
{
	switch (code) {
	case ENOENT:
	case ENOTDIR:
		return tcpc_err_set(err, ENOENT,
				    "no daemon at %s: start tcpcopyd, or name its --run-dir", path);
	case ECONNREFUSED:
		return tcpc_err_set(err, code, "no daemon listens at %s: start tcpcopyd again",
				    path);
	case EACCES:
	case EPERM:
		return not_permitted(path, err);
	case EAGAIN:
		return tcpc_err_set(
			err, ETIMEDOUT,
			"%s takes no connection within %d s: tcpcopyd hangs, see its log", path,
			TCPC_ASK_SECONDS);
	default:
		return tcpc_err_set(err, EIO, "cannot connect to %s: %s; is it tcpcopyd's socket?",
				    path, strerror(code));
	}
}

static int open_socket(const char *path, int *ret_fd, struct tcpc_err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = TCPC_ASK_SECONDS};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), status;

	if (fd < 0)
		return tcpc_err_set(err, EIO, "cannot open a socket: %s", strerror(errno));
	strcpy(addr.sun_path, path); /* the same size, checked by set_path() */
	/* A daemon that accepts nothing fills its backlog; connect() then waits for this long. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		status = connect_failed(path, errno, err);
		close(fd);
		return status;
	}
	*ret_fd = fd;
	return 0;
}

/* Wait for @events until @deadline_ms. */
static int wait_for(int fd, short events, int64_t deadline_ms, struct tcpc_err *err)
{
	struct pollfd pfd = {.fd = fd, .events = events};
	int64_t left_ms;
	int n;

	do {
		left_ms = deadline_ms - now_ms();
		n = poll(&pfd, 1, left_ms > 0 ? (int)left_ms : 0);
	} while (n < 0 && errno == EINTR);
	if (n > 0)
		return 0;
	if (n < 0)
		return tcpc_err_set(err, EIO, "cannot wait for the daemon: %s", strerror(errno));
	return tcpc_err_set(err, ETIMEDOUT,
			    "no answer within %d s: tcpcopyd is busy or hangs, see its log",
			    TCPC_ASK_SECONDS);
}

static int send_all(int fd, const char *data, size_t n_bytes, int64_t deadline_ms,
		    struct tcpc_err *err)
{
	while (n_bytes) {
		ssize_t n = send(fd, data, n_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
		int status;

		/* The daemon need not read a request to its end to refuse it: look for the answer.
		 */
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return 0;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return tcpc_err_set(err, EIO, "cannot send to the daemon: %s",
					    strerror(errno));
		if (n < 0) {
			status = wait_for(fd, POLLOUT, deadline_ms, err);
			if (status)
				return status;
			continue;
		}
		data += n;
		n_bytes -= n;
	}
	return 0;
}

/* As read(). @ret_fd: a descriptor that came along; NULL: none is expected, and the kernel closes
 * it. */
static ssize_t receive(int sock, char *buf, size_t room, int *ret_fd)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct iovec iov = {buf, room};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = ret_fd ? control : NULL,
		.msg_controllen = ret_fd ? sizeof(control) : 0,
	};
	ssize_t n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *cmsg = n > 0 && ret_fd ? CMSG_FIRSTHDR(&msg) : NULL;

	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS &&
	    cmsg->cmsg_len == CMSG_LEN(sizeof(int))) {
		if (*ret_fd >= 0)
			close(*ret_fd);
		memcpy(ret_fd, CMSG_DATA(cmsg), sizeof(int));
	}
	return n;
}

static int read_some(int fd, char *buf, size_t room, size_t *ret_n, int *ret_fd,
		     struct tcpc_err *err)
{
	ssize_t n;

	do {
		n = receive(fd, buf, room, ret_fd);
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		*ret_n = n;
		return 0;
	}
	if (!n || errno == ECONNRESET)
		return tcpc_err_set(
			err, EIO,
			"the daemon ended without an answer: see its log, start it again");
	return tcpc_err_set(err, EIO, "cannot read the daemon's answer: %s", strerror(errno));
}

static int make_room(struct buffer *buf, struct tcpc_err *err)
{
	size_t size = buf->size ? 2 * buf->size : CHUNK_BYTES;
	char *data;

	if (buf->used < buf->size)
		return 0;
	if (size > TCPC_ASK_MAX_BYTES)
		return tcpc_err_set(err, EMSGSIZE,
				    "the answer is longer than %u MB: is that tcpcopyd?",
				    TCPC_ASK_MAX_BYTES >> 20);
	data = realloc(buf->data, size);
	if (!data)
		return tcpc_err_set(err, ENOMEM, "out of memory for an answer beyond %zu bytes",
				    buf->used);
	buf->data = data;
	buf->size = size;
	return 0;
}

/* @ret: a line without its newline, owned by the caller. What follows it is left out. */
static int read_line(int fd, int64_t deadline_ms, char **ret, int *ret_fd, struct tcpc_err *err)
{
	struct buffer buf = {};
	char *end = NULL;
	size_t n = 0;
	int status;

	do {
		status = make_room(&buf, err) ?: wait_for(fd, POLLIN, deadline_ms, err)
			?: read_some(fd, buf.data + buf.used, buf.size - buf.used, &n, ret_fd,
				    err);
		if (status) {
			free(buf.data);
			return status;
		}
		end = memchr(buf.data + buf.used, '\n', n);
		buf.used += n;
	} while (!end);
	*end = '\0';
	*ret = buf.data;
	return 0;
}

/** Whom to tell how long an answer is waited for; @waiting NULL: nobody. */
struct patience {
	tcpc_ask_waiting waiting;
	void *user;
};

/* Until the answer begins to come; that it does not, read_line() will find. */
static void wait_told(int fd, const struct patience *patience)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	for (unsigned int s = 1; patience->waiting && s < TCPC_ASK_SECONDS; s++) {
		if (poll(&pfd, 1, 1000))
			return;
		patience->waiting(patience->user, s);
	}
}

static int ask(const char *path, const char *request, const struct patience *patience,
	       char **ret_answer, int *ret_fd, struct tcpc_err *err)
{
	int64_t deadline_ms = now_ms() + TCPC_ASK_SECONDS * 1000;
	int fd = -1, status;

	status = open_socket(path, &fd, err);
	if (status)
		return status;
	status = send_all(fd, request, strlen(request), deadline_ms, err)
			 ?: send_all(fd, "\n", 1, deadline_ms, err);
	if (!status)
		wait_told(fd, patience);
	status = status ?: read_line(fd, deadline_ms, ret_answer, ret_fd, err);
	close(fd);
	return status;
}

int tcpc_ask(const char *path, const char *request, char **ret_answer, struct tcpc_err *err)
{
	return ask(path, request, &(struct patience){}, ret_answer, NULL, err);
}

int tcpc_ask_patiently(const char *path, const char *request, tcpc_ask_waiting waiting, void *user,
		       char **ret_answer, struct tcpc_err *err)
{
	return ask(path, request, &(struct patience){waiting, user}, ret_answer, NULL, err);
}

int tcpc_ask_fd(const char *path, const char *request, char **ret_answer, int *ret_fd,
		struct tcpc_err *err)
{
	int fd = -1, status = ask(path, request, &(struct patience){}, ret_answer, &fd, err);

	if (!status)
		*ret_fd = fd;
	else if (fd >= 0)
		close(fd);
	return status;
}
