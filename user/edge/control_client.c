// SPDX-License-Identifier: GPL-2.0-only
/*
 * control_client.c - one connection of the control socket, see control.h. It is in one state at a
 * time (reading a line, waiting for the handler, writing the answer), so that answers keep their
 * order and a connection never holds more than one line and one answer. What a command means is
 * not known here.
 *
 * libuv writes with write(2): the process has to ignore SIGPIPE.
 */
#include "edge/control_priv.h"

#include <string.h>
#include <sys/socket.h>
#include <json-c/json.h>

#include "core/command.h"
#include "edge/log.h"

#define JSON_DEPTH 16

static void next_line(struct client *client);

/* ---- answers --------------------------------------------------------------------------------- */

/* Pipe and timer end in no promised order; the memory is both's. */
static void on_client_handle_closed(uv_handle_t *handle)
{
	struct client *client = handle->data;

	if (--client->open_handles)
		return;
	json_object_put(client->answer);
	tcpc_control_client_gone(client);
}

/* libuv ends a write that is under way with ECANCELED, before the handles' own callbacks. */
void tcpc_client_close(struct client *client)
{
	if (client->state == CLOSING)
		return;
	client->state = CLOSING;
	uv_close((uv_handle_t *)&client->pipe, on_client_handle_closed);
	uv_close((uv_handle_t *)&client->timer, on_client_handle_closed);
}

/* The loop's time is as old as its turn; a handler that took long must not cost the client. */
static void start_timer(struct client *client, uv_timer_cb on_late)
{
	uv_update_time(client->timer.loop);
	uv_timer_start(&client->timer, on_late, PATIENCE_MS, 0);
}

static void on_written(uv_write_t *write, int status)
{
	struct client *client = write->data;

	if (client->state == CLOSING) /* its memory goes with the handles */
		return;
	json_object_put(client->answer);
	client->answer = NULL;
	uv_timer_stop(&client->timer);
	client->heard_ms = uv_now(client->pipe.loop);
	if (status < 0 || client->last || client->control->closing)
		tcpc_client_close(client);
	else
		next_line(client);
}

/* A reader may be slow, but an answer must not stay in memory for one that is stuck. */
static void on_not_taken(uv_timer_t *timer)
{
	tcpc_log_warn("control: a client did not read its answer within %d s; disconnected",
		      PATIENCE_MS / 1000);
	tcpc_client_close(timer->data);
}

/* The first byte with @fd, past libuv, which passes on handles of its own kinds only. Nothing is in
 * the socket's buffer: the answer before was taken. Returns 0 or -errno. */
static int send_first(struct client *client, const char *text, int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] __attribute__((aligned(8))) = {};
	struct iovec iov = {(char *)text, 1};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	uv_os_fd_t sock;

	if (uv_fileno((uv_handle_t *)&client->pipe, &sock))
		return -EBADF;
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

/* Write @answer (ownership taken). The text is not copied: @answer keeps it till on_written(). */
static void write_answer(struct client *client, struct json_object *answer, int fd)
{
	const int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
	size_t bytes = 0;
	const char *text = json_object_to_json_string_length(answer, flags, &bytes);
	uv_buf_t bufs[2] = {uv_buf_init((char *)text, bytes), uv_buf_init("\n", 1)};
	int r = UV_ENOMEM;

	client->state = WRITING;
	client->answer = answer;
	client->write.data = client;
	if (text && fd >= 0) {
		r = send_first(client, text, fd);
		if (!r)
			bufs[0] = uv_buf_init((char *)text + 1, bytes - 1);
		text = r ? NULL : text;
	}
	if (text)
		r = uv_write(&client->write, (uv_stream_t *)&client->pipe, bufs, 2, on_written);
	if (r) {
		tcpc_log_warn("control: cannot answer: %s; disconnected", uv_strerror(r));
		tcpc_client_close(client);
		return;
	}
	start_timer(client, on_not_taken);
}

/* EINVAL and EOPNOTSUPP mean that asking again in the same words cannot help. */
static struct json_object *failure(const struct tcpc_err *err)
{
	bool usage = err->code == EINVAL || err->code == EOPNOTSUPP;
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "ok", json_object_new_boolean(false));
	json_object_object_add(o, "error", json_object_new_string(err->text));
	json_object_object_add(o, "status", json_object_new_int(usage ? 2 : 1));
	return o;
}

/* @result may hold parts of the body: json-c counts references. */
void tcpc_control_answer_fd(struct tcpc_control_request *request, struct json_object *result,
			    int fd)
{
	struct json_object *o = json_object_new_object();

	json_object_put(request->body);
	request->body = NULL;
	json_object_object_add(o, "ok", json_object_new_boolean(true));
	json_object_object_add(o, "result", result ? result : json_object_new_object());
	write_answer(request->client, o, fd);
}

void tcpc_control_answer(struct tcpc_control_request *request, struct json_object *result)
{
	tcpc_control_answer_fd(request, result, -1);
}

void tcpc_control_fail(struct tcpc_control_request *request, const struct tcpc_err *err)
{
	struct json_object *answer = failure(err);

	json_object_put(request->body);
	request->body = NULL;
	write_answer(request->client, answer, -1);
}

/* ---- requests -------------------------------------------------------------------------------- */

struct json_object *tcpc_control_request_body(const struct tcpc_control_request *request)
{
	return request->body;
}

const struct tcpc_control_peer *
tcpc_control_request_peer(const struct tcpc_control_request *request)
{
	return &request->client->peer;
}

/* Parse one line, newline included: with it json-c knows that a number is complete. */
static int parse_line(const char *line, size_t bytes, struct json_object **ret,
		      struct tcpc_err *err)
{
	struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH);
	enum json_tokener_error error;
	struct json_object *o;
	size_t parsed;

	if (!tokener)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tokener, line, bytes);
	error = json_tokener_get_error(tokener);
	parsed = json_tokener_get_parse_end(tokener);
	json_tokener_free(tokener);
	/* json-c takes a NUL byte for the end of the text, hence the look at what it has eaten. */
	if (error == json_tokener_success && parsed == bytes &&
	    json_object_is_type(o, json_type_object)) {
		*ret = o;
		return 0;
	}
	json_object_put(o);
	if (error == json_tokener_success || error == json_tokener_continue)
		return tcpc_err_set(err, EINVAL,
				    "a request is one JSON object on one line, like "
				    "{\"command\":\"status\",\"args\":[],\"options\":{}}, with "
				    "nothing behind it");
	return tcpc_err_set(err, EINVAL, "the request is not JSON: %s at byte %zu",
			    json_tokener_error_desc(error), parsed);
}

/* Say what is wrong with what @client sends. */
static void refuse(struct client *client, const struct tcpc_err *err)
{
	uv_read_stop((uv_stream_t *)&client->pipe);
	write_answer(client, failure(err), -1);
}

static void take_line(struct client *client, const char *line, size_t bytes)
{
	struct tcpc_control *control = client->control;
	struct json_object *body = NULL;
	struct tcpc_err err;
	int r = parse_line(line, bytes, &body, &err);

	if (!r)
		r = tcpc_command_check(body, &err);
	if (r) {
		json_object_put(body);
		refuse(client, &err);
		return;
	}
	/* Not reading holds back a client that sends faster than we work: its bytes stay in the
	 * kernel, within the socket's buffer. One that goes away now is noticed when its answer
	 * cannot be written. */
	uv_read_stop((uv_stream_t *)&client->pipe);
	client->state = ASKING;
	client->request = (struct tcpc_control_request){client, body};
	control->handler(control->user, &client->request);
}

static void on_half_line(uv_timer_t *timer)
{
	struct client *client = timer->data;
	struct tcpc_err err;

	/* What may yet come is the rest of a line that was refused: there is no going on. */
	client->last = true;
	tcpc_err_set(&err, ETIMEDOUT, "the request was not ended by a newline within %d s",
		     PATIENCE_MS / 1000);
	refuse(client, &err);
}

/* Read right behind what is there. There is always room: a full buffer is a line or is refused. */
static void on_room_needed(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct client *client = handle->data;

	(void)suggested;
	*buf = uv_buf_init(client->buf + client->end, LINE_BYTES - client->end);
}

static void on_end(struct client *client)
{
	struct tcpc_err err;

	if (client->begin == client->end) {
		tcpc_client_close(client);
		return;
	}
	/* It may have closed only its writing side, and wonder why nothing happens. */
	client->last = true;
	tcpc_err_set(&err, EINVAL, "the request has no newline at its end");
	refuse(client, &err);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct client *client = stream->data;

	(void)buf;
	client->heard_ms = uv_now(stream->loop);
	if (n > 0) {
		client->end += n;
		next_line(client);
	} else if (n == UV_EOF) {
		on_end(client);
	} else if (n < 0) {
		tcpc_client_close(client);
	}
}

/* No line is complete: wait for more. The time for a line runs from its first bytes, or a byte
 * every nine seconds would keep it open for ever. */
static void read_more(struct client *client)
{
	struct tcpc_err err;
	int r;

	if (client->begin)
		memmove(client->buf, client->buf + client->begin, client->end - client->begin);
	client->end -= client->begin;
	client->begin = 0;
	client->scanned = client->end;
	if (client->end == LINE_BYTES) {
		client->last = true;
		tcpc_err_set(&err, EMSGSIZE, "the request is longer than %d bytes", LINE_BYTES - 1);
		refuse(client, &err);
		return;
	}
	client->state = READING;
	if (client->end && !uv_is_active((uv_handle_t *)&client->timer))
		start_timer(client, on_half_line);
	r = uv_read_start((uv_stream_t *)&client->pipe, on_room_needed, on_read);
	if (r && r != UV_EALREADY)
		tcpc_client_close(client);
}

/* Look for a complete line in what has arrived. One line for each turn of the loop: on_written()
 * comes back here, and others have their turn between. */
static void next_line(struct client *client)
{
	char *from = client->buf + client->scanned, *line = client->buf + client->begin;
	char *newline = memchr(from, '\n', client->end - client->scanned);

	if (!newline) {
		read_more(client);
		return;
	}
	uv_timer_stop(&client->timer);
	client->begin = client->scanned = newline + 1 - client->buf;
	take_line(client, line, newline + 1 - line);
}

void tcpc_client_start(struct client *client)
{
	read_more(client);
}

void tcpc_client_turn_away(struct client *client, const struct tcpc_err *why)
{
	client->last = true;
	write_answer(client, failure(why), -1);
}
