// SPDX-License-Identifier: GPL-2.0-only
/* timer.c - timers of the roles. */
#include "role/timer.h"

#include <stdlib.h>

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

uv_timer_t *tcpc_timer_start(uv_loop_t *loop, uv_timer_cb cb, unsigned int first_ms,
			     unsigned int repeat_ms, void *data)
{
	uv_timer_t *timer = malloc(sizeof(*timer));

	if (!timer)
		return NULL;
	uv_timer_init(loop, timer);
	timer->data = data;
	uv_timer_start(timer, cb, first_ms, repeat_ms);
	return timer;
}

void tcpc_timer_stop(uv_timer_t **timer)
{
	if (*timer)
		uv_close((uv_handle_t *)*timer, free_handle);
	*timer = NULL;
}
