/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * control_lab.h - a real control socket on a real loop, with clients that behave and clients that
 * do not. One thread: the clients are plain non-blocking sockets, looked at between the loop's
 * turns. Each test has its own directory, which must be empty at its end.
 */
#ifndef TCPCOPY_TESTS_CONTROL_LAB_H
#define TCPCOPY_TESTS_CONTROL_LAB_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <json-c/json.h>

#include "edge/control.h"

#define LIMIT_MS 30000
#define LINE_BYTES 65536
#define MAX_CLIENTS 64
#define PATIENCE_MS 10000
#define BIG_BYTES (4 << 20)
#define REQUEST(name) "{\"command\":\"" name "\",\"args\":[],\"options\":{}}\n"
#define OK(result) "{\"ok\":true,\"result\":" result "}\n"

/** What the handler does with a request. */
enum mode { MODE_ECHO, MODE_HOLD, MODE_FAIL, MODE_NOTHING, MODE_BIG };

struct lab {
	char dir[64], path[96];
	uv_loop_t loop;
	uv_timer_t limit;
	struct tcpc_control *control;
	enum mode mode;
	int fail_code;
	int asked; /* times the handler was called */
	struct tcpc_control_request *held;
};

/** A client, and what it has read so far. */
struct peer {
	int fd;
	bool ended;
	size_t bytes;
	char text[LINE_BYTES];
};

static inline void answer_echo(struct tcpc_control_request *request)
{
	struct json_object *result = json_object_new_object();
	struct json_object *body = tcpc_control_request_body(request);

	json_object_object_add(result, "echo",
			       json_object_get(json_object_object_get(body, "command")));
	tcpc_control_answer(request, result);
}

static inline void answer_big(struct tcpc_control_request *request)
{
	struct json_object *result = json_object_new_object();
	char *text = malloc(BIG_BYTES);

	assert_non_null(text);
	memset(text, 'b', BIG_BYTES);
	json_object_object_add(result, "text", json_object_new_string_len(text, BIG_BYTES));
	free(text);
	tcpc_control_answer(request, result);
}

static inline void on_request(void *user, struct tcpc_control_request *request)
{
	struct lab *lab = user;
	struct tcpc_err err;

	lab->asked++;
	if (lab->mode == MODE_ECHO) {
		answer_echo(request);
	} else if (lab->mode == MODE_NOTHING) {
		tcpc_control_answer(request, NULL);
	} else if (lab->mode == MODE_BIG) {
		answer_big(request);
	} else if (lab->mode == MODE_FAIL) {
		tcpc_err_set(&err, lab->fail_code, "it is \"so\"");
		tcpc_control_fail(request, &err);
	} else {
		assert_null(lab->held); /* one at a time */
		lab->held = request;
	}
}

static inline void on_limit(uv_timer_t *timer)
{
	(void)timer;
	fail_msg("waited for %d s in vain", LIMIT_MS / 1000);
}

static inline void listen_again(struct lab *lab)
{
	struct tcpc_err err = {};
	int r = tcpc_control_listen(&lab->loop, lab->path, -1, on_request, lab, &lab->control,
				    &err);

	assert_string_equal(err.text, "");
	assert_int_equal(r, 0);
}

static inline int setup(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	snprintf(lab->dir, sizeof(lab->dir), "/tmp/tcpc-control-XXXXXX");
	assert_non_null(mkdtemp(lab->dir));
	snprintf(lab->path, sizeof(lab->path), "%s/sock", lab->dir);
	assert_int_equal(uv_loop_init(&lab->loop), 0);
	uv_timer_init(&lab->loop, &lab->limit);
	uv_timer_start(&lab->limit, on_limit, LIMIT_MS, 0);
	signal(SIGPIPE, SIG_IGN);
	listen_again(lab);
	*state = lab;
	return 0;
}

/* Nothing may be left: no handle, no socket file. */
static inline int teardown(void **state)
{
	struct lab *lab = *state;

	if (lab->control)
		tcpc_control_close(lab->control);
	uv_close((uv_handle_t *)&lab->limit, NULL);
	uv_run(&lab->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&lab->loop), 0);
	assert_int_equal(rmdir(lab->dir), 0);
	free(lab);
	return 0;
}

static inline int try_connect(const struct lab *lab)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", lab->path);
	if (!connect(fd, (struct sockaddr *)&sun, sizeof(sun)))
		return fd;
	close(fd);
	return -1;
}

static inline struct peer *join(const struct lab *lab)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	peer->fd = try_connect(lab);
	assert_true(peer->fd >= 0);
	return peer;
}

static inline void leave(struct peer *peer)
{
	close(peer->fd);
	free(peer);
}

static inline void say_bytes(struct peer *peer, const char *text, size_t bytes)
{
	assert_int_equal(send(peer->fd, text, bytes, MSG_NOSIGNAL), bytes);
}

static inline void say(struct peer *peer, const char *text)
{
	say_bytes(peer, text, strlen(text));
}

/* Read what is there. Returns whether anything happened. */
static inline bool look(struct peer *peer)
{
	size_t room = sizeof(peer->text) - 1 - peer->bytes;
	ssize_t n = recv(peer->fd, peer->text + peer->bytes, room, 0);

	if (n < 0 && errno == EAGAIN)
		return false;
	/* Whoever is cut off with bytes unread gets a reset after the answer. */
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		peer->ended = true;
	else
		assert_true(n > 0);
	if (n > 0)
		peer->bytes += n;
	peer->text[peer->bytes] = '\0';
	return true;
}

/* Turn the loop until @peer has read a whole line or the connection ended. */
static inline void hear(struct lab *lab, struct peer *peer)
{
	while (!peer->ended && !memchr(peer->text, '\n', peer->bytes))
		if (!look(peer))
			uv_run(&lab->loop, UV_RUN_ONCE);
}

/* The next line is @expected; it is taken away. */
static inline void hears(struct lab *lab, struct peer *peer, const char *expected)
{
	size_t bytes;

	hear(lab, peer);
	assert_non_null(memchr(peer->text, '\n', peer->bytes));
	bytes = strchr(peer->text, '\n') + 1 - peer->text;
	assert_int_equal(bytes, strlen(expected));
	assert_memory_equal(peer->text, expected, bytes);
	peer->bytes -= bytes;
	memmove(peer->text, peer->text + bytes, peer->bytes + 1);
}

/* The next line is a failure with @status whose text contains @part; it is taken away. */
static inline void hears_failure(struct lab *lab, struct peer *peer, int status, const char *part)
{
	struct json_object *o;
	char *newline;

	hear(lab, peer);
	newline = strchr(peer->text, '\n');
	assert_non_null(newline);
	*newline = '\0';
	o = json_tokener_parse(peer->text);
	assert_non_null(o);
	assert_false(json_object_get_boolean(json_object_object_get(o, "ok")));
	assert_int_equal(json_object_get_int(json_object_object_get(o, "status")), status);
	assert_non_null(strstr(json_object_get_string(json_object_object_get(o, "error")), part));
	assert_int_equal(json_object_object_length(o), 3);
	json_object_put(o);
	peer->bytes -= newline + 1 - peer->text;
	memmove(peer->text, newline + 1, peer->bytes + 1);
}

/* The connection ends with nothing more said. */
static inline void hears_end(struct lab *lab, struct peer *peer)
{
	while (!peer->ended)
		if (!look(peer))
			uv_run(&lab->loop, UV_RUN_ONCE);
	assert_string_equal(peer->text, "");
}

static inline void wait_held(struct lab *lab)
{
	while (!lab->held)
		uv_run(&lab->loop, UV_RUN_ONCE);
}

static inline struct tcpc_control_request *take_held(struct lab *lab)
{
	struct tcpc_control_request *request = lab->held;

	lab->held = NULL;
	return request;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
