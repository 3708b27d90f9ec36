// SPDX-License-Identifier: GPL-2.0-only
/*
 * datapath_receipts.c - the receipts of engine tc, from the ring buffer to the loop.
 * They are read in batches; for connections on hold the program wakes us in between (pace.h).
 */
#include "edge/datapath_priv.h"

#include <stdlib.h>
#include <string.h>

#include "edge/log.h"
#include "edge/pace.h"
#include "tcpcopy/options.h"

#define BATCH 256
#define READ_MS 8 /* what is read leaves this host at once: they gather here alone */
/* While so many came in that time that the ring could fill up in the next. */
#define READ_SOON_MS 2
#define MANY (TCPC_RECEIPTS_BYTES / sizeof(struct tcpc_raw_receipt) / 8)

struct tcpc_receipts {
	struct ring_buffer *ring;
	struct tcpc_pace *pace;
	tcpc_receipts_cb cb;
	void *user;
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

static unsigned int read_all(void *user)
{
	struct tcpc_receipts *r = user;
	int n = ring_buffer__consume(r->ring);

	hand_on(r);
	if (n < 0)
		tcpc_log_error("reading receipts: %s", strerror(-n));
	if (n <= 0)
		return 0;
	return (unsigned int)n > MANY ? READ_SOON_MS : READ_MS;
}

static void on_closed(void *user)
{
	struct tcpc_receipts *r = user;

	ring_buffer__free(r->ring);
	free(r);
}

int tcpc_receipts_start(uv_loop_t *loop, struct tcpc_dp_target *dp, tcpc_receipts_cb cb, void *user,
			struct tcpc_receipts **ret, struct tcpc_err *err)
{
	struct tcpc_pace_config pace = {
		.ring_fd = tcpc_dp_target_receipts_fd(dp),
		.sleeps = &tcpc_dp_target_config(dp)->reader_sleeps,
		.read = read_all,
		.closed = on_closed,
	};
	struct tcpc_receipts *r = calloc(1, sizeof(*r));
	int code;

	if (!r)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	r->cb = cb;
	r->user = user;
	r->ring = ring_buffer__new(pace.ring_fd, on_record, r, NULL);
	pace.user = r;
	code = r->ring ? -tcpc_pace_start(loop, &pace, &r->pace) : errno;
	if (code) {
		on_closed(r);
		return tcpc_err_set(err, code, "cannot read the ring of receipts: %s",
				    strerror(code));
	}
	*ret = r;
	return 0;
}

void tcpc_receipts_stop(struct tcpc_receipts *r)
{
	tcpc_pace_stop(r->pace);
}
