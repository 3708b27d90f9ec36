// SPDX-License-Identifier: GPL-2.0-only
/*
 * datapath_receipts.c - the receipts of engine tc, from the ring buffer to the loop.
 *
 * While receipts come they are read once a millisecond, in batches; the program wakes us between
 * only for connections on hold. When none come any more we say so in the shared `config`, and the
 * next one wakes us: an idle target costs nothing.
 */
#include "edge/datapath_priv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <uv.h>

#include "edge/log.h"
#include "tcpcopy/options.h"

#define READ_MS 1
#define EMPTY_READS 5 /* in a row, then sleep */
/* The program may have looked at `reader_sleeps` just before it was set: one look afterwards. */
#define LAST_LOOK_MS 10
#define BATCH 256

struct tcpc_receipts {
	struct ring_buffer *ring;
	int wake_fd;
	struct tcpc_target_config *config; /* shared memory, the datapath's */
	tcpc_receipts_cb cb;
	void *user;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned int open_handles;
	unsigned int empty_reads;
	unsigned int n;
	struct tcpc_receipt batch[BATCH];
};

static void hand_on(struct tcpc_receipts *r)
{
	if (r->n)
		r->cb(r->user, r->batch, r->n);
	r->n = 0;
}

static int on_record(void *user, void *data, size_t bytes)
{
	const struct tcpc_raw_receipt *raw = data;
	struct tcpc_receipts *r = user;
	struct tcpc_receipt *to = &r->batch[r->n];

	if (bytes != sizeof(*raw) || raw->options_bytes > sizeof(raw->options))
		return 0; /* not what our own program writes */
	*to = raw->receipt;
	if (raw->options_bytes)
		to->n_sack = tcpc_options_sack(raw->options, raw->options_bytes, to->sack,
					       TCPC_MAX_SACK);
	if (++r->n == BATCH)
		hand_on(r);
	return 0;
}

/* Returns the number of records. */
static int read_all(struct tcpc_receipts *r)
{
	int n = ring_buffer__consume(r->ring);

	hand_on(r);
	if (n < 0)
		tcpc_log_error("reading receipts: %s", strerror(-n));
	return n > 0 ? n : 0;
}

static void on_timer(uv_timer_t *timer);

static void stay_awake(struct tcpc_receipts *r)
{
	r->empty_reads = 0;
	__atomic_store_n(&r->config->reader_sleeps, 0, __ATOMIC_SEQ_CST);
	if (uv_timer_get_repeat(&r->timer) != READ_MS || !uv_is_active((uv_handle_t *)&r->timer))
		uv_timer_start(&r->timer, on_timer, READ_MS, READ_MS);
}

static void on_timer(uv_timer_t *timer)
{
	struct tcpc_receipts *r = timer->data;

	if (read_all(r)) {
		stay_awake(r);
		return;
	}
	if (++r->empty_reads < EMPTY_READS)
		return;
	uv_timer_stop(timer);
	if (r->empty_reads > EMPTY_READS)
		return; /* that was the last look */
	__atomic_store_n(&r->config->reader_sleeps, 1, __ATOMIC_SEQ_CST);
	uv_timer_start(timer, on_timer, LAST_LOOK_MS, 0);
}

static void on_wake(uv_poll_t *poll, int status, int events)
{
	struct tcpc_receipts *r = poll->data;
	struct epoll_event event;

	(void)events;
	while (!status && epoll_wait(r->wake_fd, &event, 1, 0) < 0 && errno == EINTR)
		;
	if (status < 0) {
		tcpc_log_error("receipts: %s", uv_strerror(status));
		return;
	}
	read_all(r);
	stay_awake(r);
}

static void free_receipts(struct tcpc_receipts *r)
{
	ring_buffer__free(r->ring);
	if (r->wake_fd >= 0)
		close(r->wake_fd);
	free(r);
}

static void on_closed(uv_handle_t *handle)
{
	struct tcpc_receipts *r = handle->data;

	if (!--r->open_handles)
		free_receipts(r);
}

/*
 * Readable once for each wake-up. The loop watches levels, and to it a ring is readable whenever
 * something lies in it: it would come round for every receipt. Returns a descriptor or -errno.
 */
static int open_wake_fd(int ring_fd)
{
	struct epoll_event edge = {.events = EPOLLIN | EPOLLET};
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (!epoll_ctl(fd, EPOLL_CTL_ADD, ring_fd, &edge))
		return fd;
	close(fd);
	return -errno;
}

int tcpc_receipts_start(uv_loop_t *loop, struct tcpc_dp_target *dp, tcpc_receipts_cb cb, void *user,
			struct tcpc_receipts **ret, struct tcpc_err *err)
{
	struct tcpc_receipts *r = calloc(1, sizeof(*r));
	int code;

	if (!r)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	r->config = tcpc_dp_target_config(dp);
	r->cb = cb;
	r->user = user;
	r->ring = ring_buffer__new(tcpc_dp_target_receipts_fd(dp), on_record, r, NULL);
	r->wake_fd = r->ring ? open_wake_fd(tcpc_dp_target_receipts_fd(dp)) : -errno;
	code = r->wake_fd < 0 ? -r->wake_fd : -uv_poll_init(loop, &r->poll, r->wake_fd);
	if (code) {
		free_receipts(r);
		return tcpc_err_set(err, code, "cannot read the ring of receipts: %s",
				    strerror(code));
	}
	uv_timer_init(loop, &r->timer);
	r->poll.data = r->timer.data = r;
	r->open_handles = 2;
	uv_poll_start(&r->poll, UV_READABLE, on_wake);
	stay_awake(r);
	*ret = r;
	return 0;
}

void tcpc_receipts_stop(struct tcpc_receipts *r)
{
	uv_close((uv_handle_t *)&r->poll, on_closed);
	uv_close((uv_handle_t *)&r->timer, on_closed);
}
