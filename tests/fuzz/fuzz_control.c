// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_control.c - any bytes on the control socket, in any pieces: edge/control_client.c with the
 * loop replaced by stand-ins. Each line gets one answer, one line of JSON, in its order; what
 * reaches the handler is a good request.
 *
 * Input: one byte (how many bytes come at a time, less 1), then what the client sends.
 */
#include <stdbool.h>
#include <uv.h>

#include "../harness/fuzz.h"

#define uv_write fuzz_write
#define uv_close fuzz_close
#define uv_read_start fuzz_read_start
#define uv_read_stop fuzz_read_stop
#define uv_timer_start fuzz_timer_start
#define uv_timer_stop fuzz_timer_stop
#define uv_is_active fuzz_is_active
#define uv_update_time(loop) ((void)(loop))

static unsigned int answers;
static bool reading, closed;
static uv_write_t *writing;
static uv_write_cb written;

static int fuzz_write(uv_write_t *req, uv_stream_t *stream, const uv_buf_t *bufs, unsigned int n,
		      uv_write_cb cb)
{
	(void)stream;
	MUST(n == 2 && bufs[1].len == 1 && bufs[1].base[0] == '\n');
	MUST(bufs[0].len > 2 && bufs[0].base[0] == '{' && !memchr(bufs[0].base, '\n', bufs[0].len));
	MUST(!writing);
	answers++;
	writing = req;
	written = cb;
	return 0;
}

static void fuzz_close(uv_handle_t *handle, uv_close_cb cb)
{
	(void)handle;
	(void)cb;
	closed = true;
}

static int fuzz_read_start(uv_stream_t *stream, uv_alloc_cb alloc, uv_read_cb read)
{
	(void)stream;
	(void)alloc;
	(void)read;
	reading = true;
	return 0;
}

static int fuzz_read_stop(uv_stream_t *stream)
{
	(void)stream;
	reading = false;
	return 0;
}

static int fuzz_timer_start(uv_timer_t *timer, uv_timer_cb cb, uint64_t ms, uint64_t repeat)
{
	(void)timer;
	(void)cb;
	(void)ms;
	(void)repeat;
	return 0;
}

static int fuzz_timer_stop(uv_timer_t *timer)
{
	(void)timer;
	return 0;
}

static int fuzz_is_active(const uv_handle_t *handle)
{
	(void)handle;
	return 0;
}

#include "edge/control_client.c"

void tcpc_log(enum tcpc_log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

void tcpc_control_client_gone(struct client *client)
{
	(void)client;
}

static void on_request(void *user, struct tcpc_control_request *request)
{
	struct tcpc_err err = {};

	(void)user;
	MUST(!tcpc_command_check(tcpc_control_request_body(request), &err));
	tcpc_control_answer(request, NULL);
}

/* The answer is taken at once: then the next line has its turn. */
static void finish_writes(void)
{
	while (writing) {
		uv_write_t *req = writing;

		writing = NULL;
		written(req, 0);
	}
}

static size_t feed(struct client *client, const uint8_t *bytes, size_t n, size_t at_a_time)
{
	uv_buf_t buf;
	size_t fed = 0, now;

	while (fed < n && reading && !closed) {
		on_room_needed((uv_handle_t *)&client->pipe, 65536, &buf);
		MUST(buf.len);
		now = n - fed < at_a_time ? n - fed : at_a_time;
		now = now < buf.len ? now : buf.len;
		memcpy(buf.base, bytes + fed, now);
		fed += now;
		on_read((uv_stream_t *)&client->pipe, now, &buf);
		finish_writes();
	}
	return fed;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct tcpc_control control = {.handler = on_request};
	struct client *client;
	unsigned int lines = 0;
	size_t fed;
	uv_loop_t loop = {};

	if (!size)
		return 0;
	client = calloc(1, sizeof(*client));
	MUST(client);
	client->control = &control;
	client->pipe.data = client->timer.data = client;
	client->pipe.loop = client->timer.loop = &loop;
	answers = 0;
	closed = false;
	writing = NULL;
	tcpc_client_start(client);
	fed = feed(client, input + 1, size - 1, (size_t)input[0] + 1);
	for (size_t i = 0; i < fed; i++)
		lines += input[1 + i] == '\n';
	/* One more for a line that is too long. */
	MUST(answers == lines || (closed && answers == lines + 1));
	json_object_put(client->answer);
	free(client);
	return 0;
}
