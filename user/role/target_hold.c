// SPDX-License-Identifier: GPL-2.0-only
/*
 * target_hold.c - the hold queue of one intercept: its device on the loop, core/hold in the middle,
 * the exchange map and the target's sockets at the other end.
 */
#include "role/target_priv.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/hold.h"
#include "edge/log.h"
#include "edge/diag.h"
#include "edge/tap.h"

/* Frames read in one turn of the loop: other rooms must get theirs (the link's pings above all). */
#define READ_BURST 256
/* Between two looks at the clock while something is held: a tick, and as much again twice over. */
#define MAX_STEP_NS (3 * TCPC_HOLD_TICK_MS * 1000000ULL)

struct hold_room {
	struct intercept *intercept;
	__u64 looked_ns, awake_ns; /* see awake_ns() */
	struct tcpc_hold *hold;
	int fd;
	int ifindex;
	struct tcpc_attachment way_back;
	uv_poll_t *poll;
	uv_timer_t *tick;
	bool logged; /* the first shedding was said */
	/* Behind the device's 10 bytes the IP header lies on a boundary of 4, as parse wants it. */
	__u8 frame[TCPC_TAP_FRAME_BYTES] __attribute__((aligned(8)));
};

/*
 * The queue's clock: time in which this daemon ran. A machine that was suspended, or a virtual one
 * whose host gave it no time, has not given the target its time to answer either.
 */
static __u64 awake_ns(struct hold_room *room)
{
	__u64 now = uv_hrtime(), passed = now - room->looked_ns;

	room->looked_ns = now;
	room->awake_ns += passed < MAX_STEP_NS ? passed : MAX_STEP_NS;
	return room->awake_ns;
}

static bool read_exchange(void *user, const struct tcpc_flow *flow, struct tcpc_exchange *ret)
{
	struct hold_room *room = user;

	return tcpc_dp_target_exchange(room->intercept->role->dp, flow, ret);
}

static int write_back(void *user, const void *frame, size_t bytes)
{
	struct hold_room *room = user;

	return write(room->fd, frame, bytes) == (ssize_t)bytes ? 0 : -errno;
}

static void taken(void *user, const struct tcpc_flow *flow, __u32 seq, __u32 end)
{
	struct hold_room *room = user;

	target_tell_held(room->intercept->role, flow, seq, end);
}

/* The target's half goes. */
static void end_connection(struct intercept *i, const struct tcpc_flow *flow)
{
	int r;

	if (target_allows(i->role, &flow->client))
		return; /* its copies ended when it was allowed; what it has now is its own */
	r = tcpc_diag_end(i->role->diag, flow, i->ifindex);
	if (r < 0)
		tcpc_log_error("%s: cannot end a connection: %s", i->iface, strerror(-r));
}

/* What the target has acknowledged is not lost with its connection, though the receipts that say so
 * are still on their way to this loop. */
static void tell_acked(struct intercept *i, const struct tcpc_flow *flow)
{
	struct tcpc_exchange x = {};
	struct tcpc_receipt last;

	if (i->role->link && tcpc_dp_target_exchange(i->role->dp, flow, &x) &&
	    tcpc_hold_last_ack(flow, &x, &last))
		tcpc_link_server_receipts(i->role->link, &last, 1);
}

/* A connection that cannot follow ends at the target too: half of it would be worse than none. */
static void shed(void *user, const struct tcpc_flow *flow, const struct tcpc_hold_last *last)
{
	struct hold_room *room = user;
	struct intercept *i = room->intercept;

	if (!room->logged)
		tcpc_log_warn("%s: the target is too slow: connections are being given up, see "
			      "`tcpcopyctl stats` (hold)",
			      i->iface);
	room->logged = true;
	tell_acked(i, flow);
	tcpc_dp_target_given_up(i->role->dp, flow, last->end, last->ack, false);
	target_tell_shed(i->role, flow, TCPC_FEEDBACK_SHED_SLOW);
	end_connection(i, flow);
}

void hold_way_lost(struct hold_room *room)
{
	if (room)
		tcpc_hold_way_lost(room->hold, awake_ns(room));
}

void hold_break(struct intercept *i, const struct tcpc_break *what)
{
	struct hold_room *room = i->hold;
	bool held = room && tcpc_hold_break(room->hold, &what->flow, what->end);

	tcpc_dp_target_given_up(i->role->dp, &what->flow, what->end, what->ack, held);
	end_connection(i, &what->flow);
	if (held)
		tcpc_hold_touch(room->hold, awake_ns(room), &what->flow);
}

static const struct tcpc_hold_ops ops = {
	.exchange = read_exchange,
	.emit = write_back,
	.taken = taken,
	.shed = shed,
};

/* Queue threads hand on answers at once, or when there are some. */
static void note_waits(struct hold_room *room)
{
	room->intercept->hold_waits = tcpc_hold_stats(room->hold)->connections > 0;
}

static void on_tick(uv_timer_t *timer)
{
	struct hold_room *room = timer->data;

	tcpc_hold_tick(room->hold, awake_ns(room));
	if (tcpc_hold_empty(room->hold))
		uv_timer_stop(timer);
	note_waits(room);
}

static void keep_ticking(struct hold_room *room)
{
	if (!tcpc_hold_empty(room->hold) && !uv_is_active((uv_handle_t *)room->tick))
		uv_timer_start(room->tick, on_tick, TCPC_HOLD_TICK_MS, TCPC_HOLD_TICK_MS);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct hold_room *room = poll->data;
	__u64 now_ns = awake_ns(room);

	(void)events;
	if (status < 0) {
		/* libuv has stopped watching it. */
		tcpc_log_error("%s: the hold queue's device is gone (%s): what should wait is "
			       "lost; release and intercept again",
			       room->intercept->iface, uv_strerror(status));
		return;
	}
	/* Before what comes is compared with what the target has answered. */
	room->intercept->hold_waits = true;
	for (int i = 0; i < READ_BURST; i++) {
		ssize_t n = read(room->fd, room->frame, sizeof(room->frame));

		if (n <= 0)
			break;
		tcpc_hold_take(room->hold, now_ns, room->frame, TCPC_TAP_HEADER_BYTES, n);
	}
	note_waits(room);
	keep_ticking(room);
}

void hold_receipts(struct hold_room *room, const struct tcpc_receipt *receipts, unsigned int n)
{
	__u64 now_ns = awake_ns(room);

	for (unsigned int i = 0; i < n && !tcpc_hold_empty(room->hold); i++) {
		struct tcpc_flow flow = {
			.client = receipts[i].client,
			.server = receipts[i].server,
			.client_port = receipts[i].client_port,
			.server_port = receipts[i].server_port,
		};

		tcpc_hold_touch(room->hold, now_ns, &flow);
	}
	note_waits(room);
}

int hold_give_to(struct hold_room *room, int ifindex, struct tcpc_err *err)
{
	if (!room)
		return 0;
	return tcpc_dp_target_hold_gives(room->intercept->role->dp, room->ifindex, ifindex, err);
}

int hold_ifindex(const struct hold_room *room)
{
	return room ? room->ifindex : 0;
}

bool hold_is_filling(struct hold_room *room, bool was)
{
	__u64 limit;

	if (!room)
		return false;
	limit = (__u64)room->intercept->spec.hold_mb << 20;
	return tcpc_hold_stats(room->hold)->bytes > limit / 8 * (was ? 6 : 7);
}

void hold_add_stats(struct hold_room *room, struct tcpc_hold_stats *sum)
{
	struct tcpc_hold_stats *s;

	if (!room)
		return;
	s = tcpc_hold_stats(room->hold);
	s->device_dropped = tcpc_tap_dropped(room->ifindex);
#define ADD(name, text) sum->name += s->name;
	TCPC_HOLD_COUNTERS(ADD)
#undef ADD
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

void hold_close(struct hold_room *room)
{
	if (!room)
		return;
	tcpc_attachment_close(&room->way_back);
	tcpc_timer_stop(&room->tick);
	if (room->poll) {
		uv_poll_stop(room->poll);
		uv_close((uv_handle_t *)room->poll, free_handle);
	}
	if (room->hold)
		tcpc_hold_free(room->hold);
	if (room->fd >= 0)
		close(room->fd);
	free(room);
}

static int start(struct hold_room *room, const struct tcpc_intercept_spec *spec,
		 struct tcpc_err *err)
{
	uv_loop_t *loop = room->intercept->role->config.loop;

	room->hold = tcpc_hold_new((size_t)spec->hold_mb << 20, spec->max_lag_s * 1000000000ULL,
				   &ops, room);
	room->tick = tcpc_timer_start(loop, on_tick, TCPC_HOLD_TICK_MS, 0, room);
	room->poll = malloc(sizeof(*room->poll));
	if (!room->hold || !room->tick || !room->poll || uv_poll_init(loop, room->poll, room->fd)) {
		free(room->poll); /* not the loop's yet */
		room->poll = NULL;
		return tcpc_err_set(err, ENOMEM, "out of memory for the hold queue");
	}
	room->poll->data = room;
	uv_poll_start(room->poll, UV_READABLE, on_readable);
	return 0;
}

int hold_open(struct intercept *i, const struct tcpc_intercept_spec *spec, struct tcpc_err *err)
{
	struct hold_room *room = calloc(1, sizeof(*room));
	int r;

	if (!room)
		return tcpc_err_set(err, ENOMEM, "out of memory for the hold queue");
	room->intercept = i;
	room->fd = tcpc_tap_open(&room->ifindex, err);
	r = room->fd < 0 ? room->fd : 0;
	r = r
		    ?: tcpc_dp_target_hold_device(i->role->dp, room->ifindex, i->ifindex,
						  &room->way_back, err);
	r = r ?: start(room, spec, err);
	if (r) {
		hold_close(room);
		return r;
	}
	i->hold = room;
	return 0;
}
