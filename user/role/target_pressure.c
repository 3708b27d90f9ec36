// SPDX-License-Identifier: GPL-2.0-only
/*
 * target_pressure.c - what this host cannot bear more of, told to the online hosts with each PING:
 * they begin no new connections then, and what is open comes to its end. See target_priv.h.
 */
#include "role/target_priv.h"

#include <stdlib.h>

#include "core/guard.h"
#include "edge/log.h"
#include "edge/meminfo.h"

#define LOOK_MS 250

/** Of the role, while there is a link. */
struct pressure_room {
	struct tcpc_target_role *role;
	struct tcpc_guard_memory memory;
	uv_timer_t *timer;
	__u8 said;
};

static __u8 look(struct pressure_room *room)
{
	int available, stalled;
	__u8 what = 0;

	tcpc_meminfo_read(&available, &stalled);
	if (tcpc_guard_memory(&room->memory, uv_hrtime(), available, stalled))
		what |= TCPC_FEEDBACK_SHORT_OF_MEMORY;
	for (struct intercept *i = room->role->intercepts; i; i = i->next)
		if (hold_is_filling(i->hold, room->said & TCPC_FEEDBACK_HOLD_FULL))
			what |= TCPC_FEEDBACK_HOLD_FULL;
	return what;
}

static void on_look(uv_timer_t *timer)
{
	struct pressure_room *room = timer->data;
	__u8 what = look(room);

	if (what == room->said)
		return;
	if (what)
		tcpc_log_warn("%s: online hosts are asked to begin no new connections",
			      what & TCPC_FEEDBACK_SHORT_OF_MEMORY
				      ? "this host is short of memory"
				      : "the hold queue is nearly full");
	else
		tcpc_log_info("online hosts may begin connections again");
	room->said = what;
	tcpc_link_server_pressure(room->role->link, what);
}

struct pressure_room *pressure_open(struct tcpc_target_role *role)
{
	struct pressure_room *room = calloc(1, sizeof(*room));

	if (!room)
		return NULL;
	room->role = role;
	room->timer = tcpc_timer_start(role->config.loop, on_look, LOOK_MS, LOOK_MS, room);
	if (room->timer)
		return room;
	free(room);
	return NULL;
}

void pressure_close(struct pressure_room *room)
{
	if (!room)
		return;
	tcpc_timer_stop(&room->timer);
	free(room);
}
