/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * timer.h - timers that the roles keep on the heap, so that they can be closed while their owner
 * goes.
 */
#ifndef TCPCOPY_ROLE_TIMER_H
#define TCPCOPY_ROLE_TIMER_H

#include <uv.h>

/** tcpc_timer_start - calls @cb after @first_ms, then each @repeat_ms (0: once); its data is @data.
 * Returns NULL without memory. tcpc_timer_stop() closes and frees it, and makes the pointer NULL;
 * it may be NULL. */
uv_timer_t *tcpc_timer_start(uv_loop_t *loop, uv_timer_cb cb, unsigned int first_ms,
			     unsigned int repeat_ms, void *data);
void tcpc_timer_stop(uv_timer_t **timer);

#endif
