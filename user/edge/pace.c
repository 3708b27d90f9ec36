// SPDX-License-Identifier: GPL-2.0-only
/* pace.c - see pace.h. */
#include "edge/pace.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "edge/log.h"

#define FIRST_READ_MS 1
#define EMPTY_READS 5 /* in a row, then sleep */
/* The program may have looked at `sleeps` just before it was set: one look afterwards. */
#define LAST_LOOK_MS 10

struct tcpc_pace {
	struct tcpc_pace_config config;
	int wake_fd;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned int open_handles;
	unsigned int empty_reads;
};

static void on_timer(uv_timer_t *timer);

static void stay_awake(struct tcpc_pace *p, unsigned int ms)
{
	if (uv_is_closing((uv_handle_t *)&p->timer))
		return; /* stopped by what was read */
	p->empty_reads = 0;
	__atomic_store_n(p->config.sleeps, 0, __ATOMIC_SEQ_CST);
	if (uv_timer_get_repeat(&p->timer) != ms || !uv_is_active((uv_handle_t *)&p->timer))
		uv_timer_start(&p->timer, on_timer, ms, ms);
}

static void on_timer(uv_timer_t *timer)
{
	struct tcpc_pace *p = timer->data;
	unsigned int ms = p->config.read(p->config.user);

	if (ms) {
		stay_awake(p, ms);
		return;
	}
	if (++p->empty_reads < EMPTY_READS)
		return;
	uv_timer_stop(timer);
	if (p->empty_reads > EMPTY_READS)
		return; /* that was the last look */
	__atomic_store_n(p->config.sleeps, 1, __ATOMIC_SEQ_CST);
	uv_timer_start(timer, on_timer, LAST_LOOK_MS, 0);
}

static void on_wake(uv_poll_t *poll, int status, int events)
{
	struct tcpc_pace *p = poll->data;
	struct epoll_event event;
	unsigned int ms;

	(void)events;
	while (!status && epoll_wait(p->wake_fd, &event, 1, 0) < 0 && errno == EINTR)
		;
	if (status < 0) {
		tcpc_log_error("waiting for a ring buffer: %s", uv_strerror(status));
		return;
	}
	ms = p->config.read(p->config.user);
	stay_awake(p, ms ?: FIRST_READ_MS);
}

static void on_closed(uv_handle_t *handle)
{
	struct tcpc_pace *p = handle->data;

	if (--p->open_handles)
		return;
	if (p->config.closed)
		p->config.closed(p->config.user);
	close(p->wake_fd);
	free(p);
}

/*
 * Readable once for each wake-up. The loop watches levels, and to it a ring is readable whenever
 * something lies in it: it would come round for every record. Returns a descriptor or -errno.
 */
static int open_wake_fd(int ring_fd)
{
	struct epoll_event edge = {.events = EPOLLIN | EPOLLET};
	int fd = epoll_create1(EPOLL_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	if (!epoll_ctl(fd, EPOLL_CTL_ADD, ring_fd, &edge))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int tcpc_pace_start(uv_loop_t *loop, const struct tcpc_pace_config *config, struct tcpc_pace **ret)
{
	struct tcpc_pace *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->config = *config;
	p->wake_fd = open_wake_fd(config->ring_fd);
	r = p->wake_fd < 0 ? p->wake_fd : uv_poll_init(loop, &p->poll, p->wake_fd);
	if (r) {
		if (p->wake_fd >= 0)
			close(p->wake_fd);
		free(p);
		return r;
	}
	uv_timer_init(loop, &p->timer);
	p->poll.data = p->timer.data = p;
	p->open_handles = 2;
	uv_poll_start(&p->poll, UV_READABLE, on_wake);
	stay_awake(p, FIRST_READ_MS);
	*ret = p;
	return 0;
}

void tcpc_pace_stop(struct tcpc_pace *p)
{
	uv_close((uv_handle_t *)&p->poll, on_closed);
	uv_close((uv_handle_t *)&p->timer, on_closed);
}
