// SPDX-License-Identifier: GPL-2.0-only
/*
 * online_ramp.c - a share of connections that is raised (or lowered) bit by bit, so that a target
 * gets warm before it gets everything. Each step is a change of --percent like any other: whoever
 * runs goes on as before. See online_priv.h.
 */
#include "role/online_priv.h"

#include "edge/log.h"

#define STEPS 100
#define STEP_MIN_MS 100
#define STEP_MAX_MS 1000

/* The share that is due. */
static __u32 share(const struct tap *tap)
{
	const struct tap_ramp *ramp = &tap->ramp;
	__s64 way = (__s64)tap->filter.sample - ramp->from;

	if (ramp->done_ns >= ramp->all_ns)
		return tap->filter.sample;
	return ramp->from + way * (__s64)(ramp->done_ns / 1000) / (__s64)(ramp->all_ns / 1000);
}

static void step(struct tap *tap)
{
	__u32 next = share(tap), old = tap->filter.sample_now;
	struct tcpc_err err;

	if (next == old)
		return;
	tap->filter.sample_now = next;
	if (!tap_publish(tap, &err))
		return;
	tcpc_log_error("%s: --ramp: %s", tap->iface, err.text);
	tap->filter.sample_now = old; /* the next step tries again */
}

static void on_step(uv_timer_t *timer)
{
	struct tap *tap = timer->data;
	struct tap_ramp *ramp = &tap->ramp;
	__u64 now_ns = uv_hrtime();

	/* While no target takes copies none gets warm. */
	if (tap->armed)
		ramp->done_ns += now_ns - ramp->looked_ns;
	ramp->looked_ns = now_ns;
	step(tap);
	if (ramp->done_ns < ramp->all_ns || tap->filter.sample_now != tap->filter.sample)
		return;
	tcpc_log_info("%s: --ramp has come to its end", tap->iface);
	ramp_stop(tap);
}

void ramp_start(struct tap *tap, __u32 seconds)
{
	unsigned int ms = seconds * 1000 / STEPS;

	ramp_stop(tap);
	ms = ms < STEP_MIN_MS ? STEP_MIN_MS : ms > STEP_MAX_MS ? STEP_MAX_MS : ms;
	tap->ramp = (struct tap_ramp){
		.from = tap->filter.sample_now,
		.all_ns = seconds * 1000000000ULL,
		.looked_ns = uv_hrtime(),
	};
	tap->ramp.timer = tcpc_timer_start(tap->online->config.loop, on_step, ms, ms, tap);
	if (tap->ramp.timer)
		return;
	tcpc_log_error("%s: --ramp: out of memory", tap->iface);
	tap->ramp.done_ns = tap->ramp.all_ns;
	step(tap);
}

void ramp_stop(struct tap *tap)
{
	tcpc_timer_stop(&tap->ramp.timer);
}

__u32 ramp_left_s(const struct tap *tap)
{
	const struct tap_ramp *ramp = &tap->ramp;

	if (!ramp->timer || ramp->done_ns >= ramp->all_ns)
		return 0;
	return (ramp->all_ns - ramp->done_ns + 999999999) / 1000000000;
}
