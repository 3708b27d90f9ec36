// SPDX-License-Identifier: GPL-2.0-only
/*
 * target_trial.c - trials of online hosts: a SYN that comes like a copy, and whose connection is
 * never opened. See target_priv.h.
 *
 * The exchange is made before the SYN comes, with a mark: then neither engine acknowledges the
 * SYN-ACK, so the application never hears of it. What became of it is read from that exchange; the
 * half-open connection is taken away, and nothing of it leaves this host.
 */
#include "role/target_priv.h"

#include <stdlib.h>
#include <string.h>

#include "edge/diag.h"
#include "edge/log.h"
#include "edge/sockdiag.h"

#define MAX_TRIALS 64
#define MAX_LISTENERS 64 /* of one port */
#define LOOK_MS 5
#define LIFE_MS 3000
#define TCP_ACK 0x10 /* tcpcopy/parse.h cannot stand beside libuv's headers */

struct trial {
	struct trial *next;
	struct tcpc_target_role *role;
	struct tcpc_trial_note note;
	int ifindex;
	__u64 until_ns;
	uv_timer_t *timer;
};

static void say(const struct trial *t)
{
	if (t->role->link)
		tcpc_link_server_trial(t->role->link, &t->note);
}

/* Which intercept is it for? NULL: no copy could come there either. */
static const struct intercept *service_of(const struct tcpc_target_role *role,
					  const struct tcpc_flow *flow)
{
	for (struct intercept *i = role->intercepts; i; i = i->next) {
		if (!intercept_is_active(i) || !intercept_copied(i, flow))
			continue;
		for (unsigned int p = 0; p < i->n_ports; p++)
			if (i->ports[p] == flow->server_port)
				return i;
	}
	return NULL;
}

/* The mark goes last: until the connection is gone its SYN-ACK may be sent again. */
static void end(struct trial *t)
{
	struct tcpc_target_role *role = t->role;
	struct trial **at = &role->trials;
	int r = tcpc_diag_end(role->diag, &t->note.flow, t->ifindex);

	if (r < 0)
		tcpc_log_warn("a trial connection stays half-open until it times out: %s",
			      strerror(-r));
	tcpc_dp_target_forget(role->dp, &t->note.flow);
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	atomic_fetch_sub(&role->n_trials, 1);
	tcpc_timer_stop(&t->timer);
	free(t);
}

static void look(uv_timer_t *timer)
{
	struct trial *t = timer->data;
	struct tcpc_exchange x = {};
	__u32 stage = t->note.stage;

	if (tcpc_dp_target_exchange(t->role->dp, &t->note.flow, &x) && x.start_ns)
		stage = x.answer_flags & TCP_ACK ? TCPC_TRIAL_ANSWERED : TCPC_TRIAL_ARRIVED;
	if (stage != t->note.stage) {
		t->note.stage = stage;
		say(t);
	}
	if (stage == TCPC_TRIAL_ANSWERED || uv_hrtime() >= t->until_ns)
		end(t);
}

/* Where nobody listens align drops the SYN, without a trace of this one. */
static bool has_listener(const struct tcpc_flow *flow)
{
	static const struct tcpc_addr any6, any4 = {{0, 0, tcpc_htonl(0xffff), 0}};
	struct tcpc_listener list[MAX_LISTENERS];
	bool v4 = tcpc_addr_is_v4(&flow->server);
	struct tcpc_err err;
	int n = tcpc_sockdiag_listeners(flow->server_port, list, MAX_LISTENERS, &err);

	for (int l = 0; l < n && l < MAX_LISTENERS; l++)
		if ((v4 ? list[l].v4 : list[l].v6) &&
		    (tcpc_addr_equal(&list[l].at.addr, &flow->server) ||
		     tcpc_addr_equal(&list[l].at.addr, &any4) ||
		     tcpc_addr_equal(&list[l].at.addr, &any6)))
			return true;
	return n < 0 || n > MAX_LISTENERS; /* not known */
}

/* Returns the stage that it is in then. */
static __u32 begin(struct tcpc_target_role *role, const struct tcpc_trial_note *note)
{
	const struct intercept *i = service_of(role, &note->flow);
	struct trial *t;

	/* A connection in use is no trial's: nothing of it is touched. */
	if (!i || atomic_load(&role->n_trials) >= MAX_TRIALS ||
	    tcpc_diag_has(role->diag, &note->flow, i->ifindex))
		return TCPC_TRIAL_REFUSED;
	if (!has_listener(&note->flow))
		return TCPC_TRIAL_NO_LISTENER;
	if (tcpc_dp_target_trial(role->dp, &note->flow))
		return TCPC_TRIAL_REFUSED;
	t = calloc(1, sizeof(*t));
	if (t)
		t->timer = tcpc_timer_start(role->config.loop, look, LOOK_MS, LOOK_MS, t);
	if (!t || !t->timer) {
		free(t);
		tcpc_dp_target_forget(role->dp, &note->flow);
		return TCPC_TRIAL_REFUSED;
	}
	t->role = role;
	t->note = *note;
	t->note.stage = TCPC_TRIAL_READY;
	t->ifindex = i->ifindex;
	t->until_ns = uv_hrtime() + LIFE_MS * 1000000ULL;
	t->next = role->trials;
	role->trials = t;
	atomic_fetch_add(&role->n_trials, 1);
	return TCPC_TRIAL_READY;
}

void trial_asked(struct tcpc_target_role *role, const struct tcpc_trial_note *note)
{
	struct tcpc_trial_note answer = *note;

	answer.stage = begin(role, note);
	if (role->link)
		tcpc_link_server_trial(role->link, &answer);
}

bool trial_is(const struct tcpc_target_role *role, const struct tcpc_flow *flow)
{
	struct tcpc_exchange x;

	/* Nearly always there is none, and a look at the map is a system call. */
	return atomic_load(&role->n_trials) && tcpc_dp_target_exchange(role->dp, flow, &x) &&
	       (x.closed & TCPC_EXCHANGE_TRIAL);
}

void trial_close(struct tcpc_target_role *role)
{
	while (role->trials)
		end(role->trials);
}
