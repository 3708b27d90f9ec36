// SPDX-License-Identifier: GPL-2.0-only
/* nfqueue_mail.c - see nfqueue_mail.h. */
#include "edge/nfqueue_mail.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define READ_MS 8     /* what is read leaves this host at once: they gather here alone */
#define EMPTY_READS 3 /* in a row, then the next receipt wakes the loop */

struct tcpc_nfqueue_mail {
	tcpc_nfqueue_receipts receipts;
	void *user;
	uv_async_t async;
	uv_timer_t timer; /* while receipts come */
	unsigned int open_handles;
	unsigned int empty_reads;
	struct tcpc_receipt *handing_on; /* the loop's half of the double buffer */
	pthread_mutex_t lock;		 /* guards the members below */
	struct tcpc_receipt *pending;
	unsigned int n_pending;
	bool asleep; /* the timer does not run */
};

bool tcpc_nfqueue_mail_push(struct tcpc_nfqueue_mail *mail, const struct tcpc_receipt *receipt,
			    bool urgent)
{
	bool room, wake = urgent;

	pthread_mutex_lock(&mail->lock);
	room = mail->n_pending < TCPC_NFQUEUE_RECEIPTS;
	if (room)
		mail->pending[mail->n_pending++] = *receipt;
	wake |= mail->asleep || mail->n_pending == TCPC_NFQUEUE_RECEIPTS / 2;
	mail->asleep = false;
	pthread_mutex_unlock(&mail->lock);
	if (wake)
		uv_async_send(&mail->async);
	return room;
}

/* Hand on what has come. @may_sleep: if nothing has for a while, the next must wake us. */
static void hand_on(struct tcpc_nfqueue_mail *mail, bool may_sleep)
{
	struct tcpc_receipt *swap;
	unsigned int n;

	pthread_mutex_lock(&mail->lock);
	swap = mail->pending;
	mail->pending = mail->handing_on;
	mail->handing_on = swap;
	n = mail->n_pending;
	mail->n_pending = 0;
	mail->empty_reads = n || !may_sleep ? 0 : mail->empty_reads + 1;
	mail->asleep = mail->empty_reads >= EMPTY_READS;
	pthread_mutex_unlock(&mail->lock);
	if (n)
		mail->receipts(mail->user, mail->handing_on, n);
}

static void on_timer(uv_timer_t *timer)
{
	struct tcpc_nfqueue_mail *mail = timer->data;

	if (mail->empty_reads >= EMPTY_READS - 1)
		uv_timer_stop(timer); /* unless there is something now */
	hand_on(mail, true);
	if (!mail->empty_reads && !uv_is_closing((uv_handle_t *)timer))
		uv_timer_start(timer, on_timer, READ_MS, READ_MS);
}

static void on_wake(uv_async_t *async)
{
	struct tcpc_nfqueue_mail *mail = async->data;

	hand_on(mail, false);
	if (!uv_is_closing((uv_handle_t *)async) && !uv_is_active((uv_handle_t *)&mail->timer))
		uv_timer_start(&mail->timer, on_timer, READ_MS, READ_MS);
}

static void free_mail(struct tcpc_nfqueue_mail *mail)
{
	pthread_mutex_destroy(&mail->lock);
	free(mail->pending);
	free(mail->handing_on);
	free(mail);
}

static void on_closed(uv_handle_t *handle)
{
	struct tcpc_nfqueue_mail *mail = handle->data;

	if (!--mail->open_handles)
		free_mail(mail);
}

int tcpc_nfqueue_mail_open(uv_loop_t *loop, tcpc_nfqueue_receipts receipts, void *user,
			   struct tcpc_nfqueue_mail **ret, struct tcpc_err *err)
{
	struct tcpc_nfqueue_mail *mail = calloc(1, sizeof(*mail));
	int r;

	if (!mail)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	pthread_mutex_init(&mail->lock, NULL);
	mail->receipts = receipts;
	mail->user = user;
	mail->asleep = true;
	mail->pending = calloc(TCPC_NFQUEUE_RECEIPTS, sizeof(*mail->pending));
	mail->handing_on = calloc(TCPC_NFQUEUE_RECEIPTS, sizeof(*mail->handing_on));
	r = mail->pending && mail->handing_on ? uv_async_init(loop, &mail->async, on_wake)
					      : UV_ENOMEM;
	if (r) {
		free_mail(mail);
		return tcpc_err_set(err, -r, "cannot set up the queue threads: %s", uv_strerror(r));
	}
	uv_timer_init(loop, &mail->timer);
	mail->async.data = mail->timer.data = mail;
	mail->open_handles = 2;
	*ret = mail;
	return 0;
}

void tcpc_nfqueue_mail_close(struct tcpc_nfqueue_mail *mail)
{
	uv_close((uv_handle_t *)&mail->async, on_closed);
	uv_close((uv_handle_t *)&mail->timer, on_closed);
}
