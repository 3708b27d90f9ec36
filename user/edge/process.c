// SPDX-License-Identifier: GPL-2.0-only
/*
 * process.c - see process.h. Memory is bounded whatever the program prints: stdout is handed on
 * line by line, and of stderr the beginning is kept.
 */
#include "edge/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/close_range.h>

#define HANDLES 4
#define READ_BYTES 4096

struct process {
	uv_process_t process;
	uv_pipe_t out, err;
	uv_timer_t timer;
	int open_handles; /* memory is free when the loop has let go of all of them */
	int open_pipes;
	bool exited;
	struct tcpc_process_end end;
	tcpc_process_line line;
	tcpc_process_done done; /* NULL: it could not be started */
	void *user;
	size_t line_bytes, message_bytes;
	char line_buf[TCPC_PROCESS_LINE_BYTES];
	char message[TCPC_PROCESS_MESSAGE_BYTES];
	char read_buf[READ_BYTES];
};

static void on_closed(uv_handle_t *handle)
{
	struct process *p = handle->data;

	if (--p->open_handles)
		return;
	if (p->done)
		p->done(p->user, &p->end);
	free(p);
}

/* libuv lets go of a handle only in its next turn; its memory must stay until then. */
static void close_all(struct process *p)
{
	uv_close((uv_handle_t *)&p->process, on_closed);
	uv_close((uv_handle_t *)&p->out, on_closed);
	uv_close((uv_handle_t *)&p->err, on_closed);
	uv_close((uv_handle_t *)&p->timer, on_closed);
}

static void end_line(struct process *p)
{
	p->line_buf[p->line_bytes] = '\0';
	p->line_bytes = 0;
	if (p->line)
		p->line(p->user, p->line_buf);
}

/* The end of output and the end of the program come in any order. */
static void finish_if_ended(struct process *p)
{
	if (!p->exited || p->open_pipes)
		return;
	if (p->line_bytes)
		end_line(p);
	p->message[p->message_bytes] = '\0';
	p->end.message = p->message;
	close_all(p);
}

static void on_exit_status(uv_process_t *process, int64_t exit_code, int signal)
{
	struct process *p = process->data;

	p->exited = true;
	p->end.exit_code = signal ? -1 : (int)exit_code;
	finish_if_ended(p);
}

/* Also ends the wait for a pipe that a child of the program still holds. */
static void on_timeout(uv_timer_t *timer)
{
	struct process *p = timer->data;

	p->end.timed_out = true;
	uv_read_stop((uv_stream_t *)&p->out);
	uv_read_stop((uv_stream_t *)&p->err);
	p->open_pipes = 0;
	if (!p->exited)
		uv_process_kill(&p->process, SIGKILL);
	finish_if_ended(p);
}

/* What does not fit into the line is dropped up to its end: the next line is whole again. */
static void take_output(struct process *p, const char *bytes, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (bytes[i] == '\n')
			end_line(p);
		else if (p->line_bytes < sizeof(p->line_buf) - 1)
			p->line_buf[p->line_bytes++] = bytes[i];
	}
}

static void take_message(struct process *p, const char *bytes, size_t n)
{
	size_t room = sizeof(p->message) - 1 - p->message_bytes;

	if (n > room)
		n = room;
	memcpy(p->message + p->message_bytes, bytes, n);
	p->message_bytes += n;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct process *p = handle->data;

	(void)suggested;
	*ret = uv_buf_init(p->read_buf, sizeof(p->read_buf));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct process *p = stream->data;

	if (n < 0) {
		uv_read_stop(stream);
		p->open_pipes--;
		finish_if_ended(p);
	} else if (stream == (uv_stream_t *)&p->out) {
		take_output(p, buf->base, n);
	} else {
		take_message(p, buf->base, n);
	}
}

/* One allocation for all handles: they end together, see on_closed(). None of the calls below can
 * fail on Unix. */
static struct process *new_process(uv_loop_t *loop)
{
	struct process *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	uv_pipe_init(loop, &p->out, 0);
	uv_pipe_init(loop, &p->err, 0);
	uv_timer_init(loop, &p->timer);
	p->process.data = p->out.data = p->err.data = p->timer.data = p;
	p->open_handles = HANDLES;
	p->open_pipes = 2;
	return p;
}

/*
 * Nothing but stdio is inherited. Not for tidiness alone: iptables compares a rule with a pinned
 * program by everything in it, and in it is the number of the descriptor under which the pin was
 * opened. A stray descriptor of ours would shift it, and the rule would not be found again.
 */
static void keep_descriptors(void)
{
	int fd;

	if (!close_range(3, ~0u, CLOSE_RANGE_CLOEXEC))
		return;
	for (fd = 3; fd < 256; fd++) /* Linux before 5.11; mostly there is nothing to mark */
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static int spawn(uv_loop_t *loop, struct process *p, const char *const *argv, int stdin_fd)
{
	uv_stdio_container_t stdio[3] = {
		{.flags = stdin_fd < 0 ? UV_IGNORE : UV_INHERIT_FD, .data.fd = stdin_fd},
		{.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&p->out},
		{.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&p->err},
	};
	uv_process_options_t options = {
		.exit_cb = on_exit_status,
		.file = argv[0],
		.args = (char **)argv, /* libuv only hands them to execvp() */
		.stdio = stdio,
		.stdio_count = 3,
	};

	return uv_spawn(loop, &p->process, &options);
}

int tcpc_process_run(uv_loop_t *loop, const char *const *argv, int stdin_fd,
		     unsigned int timeout_ms, tcpc_process_line line, tcpc_process_done done,
		     void *user)
{
	struct process *p = new_process(loop);
	int r;

	if (!p)
		return -ENOMEM;
	keep_descriptors();
	r = spawn(loop, p, argv, stdin_fd);
	/* A handle whose spawn failed must be closed all the same. */
	if (r) {
		close_all(p);
		return r;
	}
	p->line = line;
	p->done = done;
	p->user = user;
	uv_timer_start(&p->timer, on_timeout, timeout_ms, 0);
	uv_read_start((uv_stream_t *)&p->out, on_alloc, on_read);
	uv_read_start((uv_stream_t *)&p->err, on_alloc, on_read);
	return 0;
}
