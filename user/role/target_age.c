// SPDX-License-Identifier: GPL-2.0-only
/*
 * target_age.c - what clients that vanished left behind. Their FIN never came, so the target's half
 * of the connection would stay for ever, and so would what the kernel programs remember of it.
 *
 * A connection is ended when no data has come or gone on it for --idle seconds. Those that the
 * application has closed end by the kernel's own timers. An exchange without a connection may still
 * be needed, to take the connection up again at the client's next request: it goes after the same
 * time, or after a minute if the client has closed.
 *
 * Little at a time: a pass over everything is many ticks, with a rest behind it.
 */
#include "role/target_priv.h"

#include <stdlib.h>
#include <string.h>

#include "edge/log.h"
#include "edge/diag.h"

#define TICK_MS 50
#define REST_MIN_MS 1000
#define REST_MAX_MS 30000
#define CLOSED_S 60
#define HELD_S 3600 /* as long as --max-lag can be: then no packet waits any more */
#define BATCH 256   /* exchanges a tick */

struct age_room {
	struct tcpc_target_role *role;
	uv_timer_t *timer;
	struct tcpc_diag_walk *walk; /* NULL: no pass, or its first half is over */
	struct tcpc_dp_cursor cursor;
	bool busy; /* a pass is under way */
	bool logged;
	__u64 now_ns;
	struct tcpc_age_stats stats;
};

static void on_error(struct age_room *room, int r)
{
	room->stats.failed++;
	if (!room->logged)
		tcpc_log_warn("cannot look after idle connections: %s", strerror(-r));
	room->logged = true;
}

static void end_idle(void *user, const struct tcpc_flow *flow, __u32 idle_ms)
{
	struct age_room *room = user;
	const struct intercept *i = target_owner_of(room->role, flow);
	int r;

	if (!i || idle_ms / 1000 < i->spec.idle_s)
		return;
	r = tcpc_diag_end(room->role->diag, flow, i->ifindex);
	if (r < 0) {
		on_error(room, r);
		return;
	}
	room->stats.connections += r;
	if (r)
		target_tell_shed(room->role, flow, TCPC_FEEDBACK_SHED_AGED);
	tcpc_dp_target_forget(room->role->dp, flow);
}

/* How long may an exchange without a connection be silent? Seconds. */
static __u32 patience(const struct intercept *i, const struct tcpc_exchange *x)
{
	if (!i)
		return CLOSED_S;
	if (x->held)
		return i->spec.idle_s + HELD_S;
	return x->closed && i->spec.idle_s > CLOSED_S ? CLOSED_S : i->spec.idle_s;
}

static void forget_exchange(void *user, const struct tcpc_flow *flow, const struct tcpc_exchange *x)
{
	struct age_room *room = user;
	const struct intercept *i = target_owner_of(room->role, flow);
	struct tcpc_exchange now;
	int r;

	if (tcpc_exchange_age_s(x, room->now_ns) < patience(i, x))
		return;
	r = tcpc_diag_has(room->role->diag, flow, i ? i->ifindex : 0);
	if (r < 0)
		on_error(room, r);
	if (r)
		return;
	/* A new connection may have begun since it was read. */
	if (!tcpc_dp_target_exchange(room->role->dp, flow, &now) || now.seen != x->seen)
		return;
	tcpc_dp_target_forget(room->role->dp, flow);
	room->stats.exchanges++;
}

/* Returns: is there more to do in this pass? */
static bool step(struct age_room *room)
{
	int r;

	if (room->walk) {
		r = tcpc_diag_walk_step(room->walk, end_idle, room);
		if (r < 0)
			on_error(room, r);
		if (r <= 0) {
			tcpc_diag_walk_free(room->walk);
			room->walk = NULL;
		}
		return true;
	}
	r = tcpc_dp_target_exchanges(room->role->dp, &room->cursor, BATCH, forget_exchange, room);
	if (r < 0)
		on_error(room, r);
	return r > 0;
}

static void begin(struct age_room *room)
{
	struct tcpc_err err;

	memset(&room->cursor, 0, sizeof(room->cursor));
	if (tcpc_diag_walk_start(&room->walk, &err))
		on_error(room, -err.code);
}

/* A quarter of the shortest --idle: nothing is ended much later than it should be. */
static unsigned int rest_ms(const struct tcpc_target_role *role)
{
	__u64 rest = REST_MAX_MS;

	for (const struct intercept *i = role->intercepts; i; i = i->next)
		if (i->spec.idle_s * 250ULL < rest)
			rest = i->spec.idle_s * 250ULL;
	return rest < REST_MIN_MS ? REST_MIN_MS : rest;
}

static void on_tick(uv_timer_t *timer)
{
	struct age_room *room = timer->data;

	room->now_ns = uv_hrtime();
	if (!room->busy)
		begin(room);
	room->busy = step(room);
	uv_timer_start(timer, on_tick, room->busy ? TICK_MS : rest_ms(room->role), 0);
}

int age_open(struct tcpc_target_role *role, struct tcpc_err *err)
{
	struct age_room *room = calloc(1, sizeof(*room));

	if (!room)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	room->role = role;
	role->age = room;
	room->timer = tcpc_timer_start(role->config.loop, on_tick, REST_MIN_MS, 0, room);
	return room->timer ? 0 : tcpc_err_set(err, ENOMEM, "out of memory");
}

void age_close(struct tcpc_target_role *role)
{
	if (!role->age)
		return;
	tcpc_timer_stop(&role->age->timer);
	tcpc_diag_walk_free(role->age->walk);
	free(role->age);
	role->age = NULL;
}

const struct tcpc_age_stats *age_stats(const struct tcpc_target_role *role)
{
	return &role->age->stats;
}
