// SPDX-License-Identifier: GPL-2.0-only
/*
 * control.c - see control.h. The listening socket: who may connect, and how many. What goes over a
 * connection is control_client.c's.
 */
#include "edge/control_priv.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "edge/log.h"

#define BACKLOG 64
#define SOCKET_MODE 0660
#define WARN_MS 1000 /* those who are refused must not be able to fill the log */

static void accept_waiting(struct tcpc_control *control);

/* The last handle takes the memory with it, whichever that is. */
static void release(struct tcpc_control *control)
{
	if (!--control->open_handles)
		free(control);
}

/* ---- connections ----------------------------------------------------------------------------- */

static void on_refusal_closed(uv_handle_t *handle)
{
	struct tcpc_control *control = handle->data;

	control->refusing = false;
	accept_waiting(control);
	release(control);
}

/* Take a connection only to say that it cannot be served. Needs no memory, so that it works when
 * there is none, and the socket never gets stuck. */
static void refuse_waiting(struct tcpc_control *control)
{
	static const char line[] = "{\"ok\":false,\"error\":\"too many control connections; close "
				   "some, or try again later\",\"status\":1}\n";
	uv_buf_t buf = uv_buf_init((char *)line, sizeof(line) - 1);

	if (control->refusing)
		return; /* on_refusal_closed() comes back to it */
	control->refusing = true;
	control->waiting = false;
	control->open_handles++;
	uv_pipe_init(control->server.loop, &control->refusal, 0);
	control->refusal.data = control;
	if (!uv_accept((uv_stream_t *)&control->server, (uv_stream_t *)&control->refusal)) {
		if (!control->told)
			tcpc_log_warn("control: %d connections are open, others are refused",
				      MAX_CLIENTS);
		control->told = true;
		/* A fresh socket's buffer is empty: it takes the line at once. */
		uv_try_write((uv_stream_t *)&control->refusal, &buf, 1);
	}
	uv_close((uv_handle_t *)&control->refusal, on_refusal_closed);
}

/* The buffer is not cleared: of a short request's 64 KB only the first page is ever touched. */
static struct client *new_client(struct tcpc_control *control)
{
	struct client *client = malloc(sizeof(*client));

	if (!client)
		return NULL;
	memset(client, 0, offsetof(struct client, buf));
	client->control = control;
	client->open_handles = 2;
	client->heard_ms = uv_now(control->server.loop);
	uv_pipe_init(control->server.loop, &client->pipe, 0);
	uv_timer_init(control->server.loop, &client->timer);
	client->pipe.data = client->timer.data = client;
	control->open_handles++;
	return client;
}

/* Clients that are silent may stay, but not at the cost of others. Returns whether there will be
 * room soon. */
static bool make_room(struct tcpc_control *control)
{
	uint64_t now_ms = uv_now(control->server.loop), longest_ms = PATIENCE_MS;
	struct client *silent = NULL;

	for (int i = 0; i < MAX_CLIENTS; i++) {
		struct client *client = control->clients[i];

		if (client->state == CLOSING)
			return true;
		if (client->state != READING || now_ms - client->heard_ms < longest_ms)
			continue;
		longest_ms = now_ms - client->heard_ms;
		silent = client;
	}
	if (silent)
		tcpc_client_close(silent);
	return silent;
}

/* A place among the clients, or NULL. */
static struct client **free_place(struct tcpc_control *control)
{
	for (int i = 0; i < MAX_CLIENTS; i++)
		if (!control->clients[i])
			return &control->clients[i];
	return NULL;
}

/* Everybody who gets this far has been let in by the file's mode: that was changed by hand. */
static void turn_away(struct tcpc_control *control, struct client *client)
{
	const uint64_t now_ms = uv_now(control->server.loop);
	struct tcpc_err err;

	if (now_ms >= control->warn_after_ms)
		tcpc_log_warn("control: user %u (process %d) may not command the daemon, refused",
			      client->peer.uid, client->peer.pid);
	control->warn_after_ms = now_ms + WARN_MS;
	tcpc_err_set(&err, EACCES,
		     "not permitted for user %u: run as root or in the socket's group",
		     client->peer.uid);
	tcpc_client_turn_away(client, &err);
}

static void start_client(struct tcpc_control *control, struct client *client)
{
	uv_os_fd_t fd;

	if (uv_accept((uv_stream_t *)&control->server, (uv_stream_t *)&client->pipe) ||
	    uv_fileno((uv_handle_t *)&client->pipe, &fd) ||
	    tcpc_control_peer_read(fd, &client->peer))
		tcpc_client_close(client);
	else if (tcpc_control_peer_may(fd, &client->peer, control->group))
		tcpc_client_start(client);
	else
		turn_away(control, client);
}

/* libuv accepts no further while it holds a connection, so this is called again whenever one that
 * had to wait may have become acceptable. */
static void accept_waiting(struct tcpc_control *control)
{
	struct client **place = free_place(control);
	struct client *client;

	if (!control->waiting || control->closing || (!place && make_room(control)))
		return;
	client = place ? new_client(control) : NULL;
	if (!client) {
		refuse_waiting(control);
		return;
	}
	*place = client;
	control->waiting = control->told = false;
	start_client(control, client);
}

void tcpc_control_client_gone(struct client *client)
{
	struct tcpc_control *control = client->control;

	for (int i = 0; i < MAX_CLIENTS; i++)
		if (control->clients[i] == client)
			control->clients[i] = NULL;
	free(client);
	accept_waiting(control);
	release(control);
}

/* Out of file descriptors, libuv itself drops the connections that wait; errors here are others. */
static void on_connection(uv_stream_t *server, int status)
{
	struct tcpc_control *control = server->data;

	if (status < 0) {
		tcpc_log_warn("control: cannot accept a connection: %s", uv_strerror(status));
		return;
	}
	control->waiting = true;
	accept_waiting(control);
}

/* ---- the socket file ------------------------------------------------------------------------- */

/* What connect() says, with a backlog that is full (EAGAIN) not waited for. Returns 0 or -errno. */
static int try_connect(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	if (fd < 0)
		return -errno;
	strncpy(sun.sun_path, path, sizeof(sun.sun_path) - 1);
	r = connect(fd, (struct sockaddr *)&sun, sizeof(sun)) ? -errno : 0;
	close(fd);
	return r;
}

/* A daemon that was killed leaves its socket file behind. Only a socket that nobody listens on is
 * removed. */
static int remove_stale(const char *path, struct tcpc_err *err)
{
	struct stat st;
	int r;

	if (lstat(path, &st))
		return errno == ENOENT ? 0
				       : tcpc_err_set(err, errno, "cannot look at %s: %s", path,
						      strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return tcpc_err_set(err, EEXIST,
				    "%s is not a socket; remove it, or choose another directory",
				    path);
	r = try_connect(path);
	if (!r || r == -EAGAIN || r == -EPROTOTYPE)
		return tcpc_err_set(err, EADDRINUSE,
				    "another daemon listens on %s; stop it, or choose another "
				    "directory",
				    path);
	if (r != -ECONNREFUSED && r != -ENOENT)
		return tcpc_err_set(err, -r, "cannot tell whether a daemon listens on %s: %s", path,
				    strerror(-r));
	if (unlink(path) && errno != ENOENT)
		return tcpc_err_set(err, errno, "cannot remove the stale socket %s: %s", path,
				    strerror(errno));
	return 0;
}

/* A path that libuv or the kernel would not take as it is. */
static int check_path(const char *path, struct tcpc_err *err)
{
	const size_t max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

	/* libuv would cut it short without a word. */
	if (!path[0] || strlen(path) > max)
		return tcpc_err_set(err, ENAMETOOLONG,
				    "the control socket's path has %zu characters, must have 1 to "
				    "%zu: %s",
				    strlen(path), max, path);
	return 0;
}

/* The mode is set between bind and listen, while nobody can connect: no umask is needed, which
 * other threads would see. */
static int open_socket(struct tcpc_control *control, const char *path, struct tcpc_err *err)
{
	int r = uv_pipe_bind(&control->server, path);
	struct stat st;

	if (r)
		return tcpc_err_set(err, -r, "cannot make the control socket %s: %s", path,
				    r == -EACCES ? "its directory is missing or not writable"
						 : uv_strerror(r));
	if (chmod(path, SOCKET_MODE))
		return tcpc_err_set(err, errno, "cannot set the mode of %s: %s", path,
				    strerror(errno));
	if (stat(path, &st))
		return tcpc_err_set(err, errno, "cannot look at %s: %s", path, strerror(errno));
	if (control->group != (gid_t)-1 && st.st_gid != control->group &&
	    chown(path, -1, control->group))
		return tcpc_err_set(err, errno, "cannot give %s to group %u: %s", path,
				    control->group, strerror(errno));
	r = uv_listen((uv_stream_t *)&control->server, BACKLOG, on_connection);
	if (r)
		return tcpc_err_set(err, -r, "cannot listen on %s: %s", path, uv_strerror(r));
	return 0;
}

static void on_server_closed(uv_handle_t *handle)
{
	release(handle->data);
}

int tcpc_control_listen(uv_loop_t *loop, const char *path, gid_t group,
			tcpc_control_handler handler, void *user, struct tcpc_control **ret,
			struct tcpc_err *err)
{
	int r = check_path(path, err) ?: remove_stale(path, err);
	struct tcpc_control *control;

	if (r)
		return r;
	control = calloc(1, sizeof(*control));
	if (!control)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	control->handler = handler;
	control->user = user;
	control->group = group;
	control->open_handles = 1;
	uv_pipe_init(loop, &control->server, 0);
	control->server.data = control;
	r = open_socket(control, path, err);
	if (r) {
		/* A handle cannot be freed before the loop has let go of it. */
		control->closing = true;
		uv_close((uv_handle_t *)&control->server, on_server_closed);
		return r;
	}
	*ret = control;
	return 0;
}

void tcpc_control_close(struct tcpc_control *control)
{
	control->closing = true;
	/* libuv unlinks the file that it has bound. */
	uv_close((uv_handle_t *)&control->server, on_server_closed);
	/* The others close when their answer is written, or not taken in time. */
	for (int i = 0; i < MAX_CLIENTS; i++) {
		struct client *client = control->clients[i];

		if (client && client->state == READING)
			tcpc_client_close(client);
	}
}
