/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nfqueue_mail.h - receipts on their way from the queues' threads to the loop. For nfqueue.c alone.
 *
 * Waking the loop for each response cost more than the response: a write, a switch of threads, a
 * turn of the loop. So it looks by itself while there are some, and is woken for the first, and for
 * those that somebody waits for.
 */
#ifndef TCPCOPY_EDGE_NFQUEUE_MAIL_H
#define TCPCOPY_EDGE_NFQUEUE_MAIL_H

#include <stdbool.h>
#include <uv.h>

#include "edge/nfqueue.h"

struct tcpc_nfqueue_mail;

/** tcpc_nfqueue_mail_open - hand on to @receipts with @user, on @loop. Returns 0 or -errno; @err
 * says why. */
int tcpc_nfqueue_mail_open(uv_loop_t *loop, tcpc_nfqueue_receipts receipts, void *user,
			   struct tcpc_nfqueue_mail **ret, struct tcpc_err *err);

/** tcpc_nfqueue_mail_push - one more. On any thread. @urgent: hand it on at once.
 * Returns: was there room? */
bool tcpc_nfqueue_mail_push(struct tcpc_nfqueue_mail *mail, const struct tcpc_receipt *receipt,
			    bool urgent);

/** tcpc_nfqueue_mail_close - hand on nothing any more; no thread may push. Frees itself later, on
 * the loop. */
void tcpc_nfqueue_mail_close(struct tcpc_nfqueue_mail *mail);

#endif
