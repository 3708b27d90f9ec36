// SPDX-License-Identifier: GPL-2.0-only
/*
 * online_guard.c - what keeps copying from harming this host or a target: looked at every
 * TCPC_GUARD_TICK_MS; the rules are in core/guard.h, what they mean for a packet in
 * include/tcpcopy/guard.h. See online_priv.h.
 */
#include "role/online_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <json-c/json.h>

#include "edge/log.h"
#include "edge/meminfo.h"
#include "role/show.h"
#include "tcpcopy/bucket.h"

#define TCP_SYN 0x02 /* tcpcopy/parse.h cannot stand beside libuv's headers */
#define TCP_RST 0x04
#define TCP_ACK 0x10
#define UNHEARD_MS (TCPC_LINK_PING_MS * 3 / 2)
#define MEMORY_CALLS 2 /* memory is looked at five times a second */

/* ---- events ---------------------------------------------------------------------------------- */

static void note_event(struct tcpc_guard_event *event, bool cause, const char *what,
		       const char *effect)
{
	if (!tcpc_guard_event(event, cause, uv_hrtime()))
		return;
	if (event->on)
		tcpc_log_warn("%s: %s (tripped %llu times so far)", what, effect,
			      (unsigned long long)event->times);
	else
		tcpc_log_info("%s: over, copying as before", what);
}

/* ---- budgets of an interface ------------------------------------------------------------------
 */

static struct tcpc_budget *budget_of(const struct tap *tap)
{
	return &tcpc_dp_online_budgets(tap->online->dp)[tap->budget];
}

int guard_add_tap(struct tap *tap, struct tcpc_err *err)
{
	bool used[TCPC_MAX_BUDGETS] = {};
	__u32 i = 0;

	for (const struct tap *t = tap->online->taps; t; t = t->next)
		used[t->budget] = true;
	while (i < TCPC_MAX_BUDGETS && used[i])
		i++;
	if (i == TCPC_MAX_BUDGETS)
		return tcpc_err_set(err, ENOSPC, "%d interfaces are attached already",
				    TCPC_MAX_BUDGETS);
	tap->budget = i;
	memset(budget_of(tap), 0, sizeof(struct tcpc_budget));
	return 0;
}

static void set_max_cpu(struct tcpc_online *online)
{
	__u32 least = 0;

	for (const struct tap *t = online->taps; t; t = t->next)
		if (t->filter.budget.max_cpu && (!least || t->filter.budget.max_cpu < least))
			least = t->filter.budget.max_cpu;
	online->guard.max_cpu = least;
}

void guard_publish(struct tap *tap, unsigned int n_ready)
{
	const struct tcpc_budget_spec *spec = &tap->filter.budget;
	struct tcpc_budget *b = budget_of(tap);

	b->weight = n_ready * tap->copies.n;
	/* Once set it stays: who was refused must not be taken up in its middle. */
	if (spec->max_pps || spec->max_mbps || spec->max_cpu)
		tap->guarded = true;
	if (spec->max_pps != tap->budget_set.max_pps)
		tcpc_bucket_set(&b->packets, spec->max_pps, TCPC_GUARD_DEPTH_UNITS, uv_hrtime());
	if (spec->max_mbps != tap->budget_set.max_mbps)
		tcpc_bucket_set(&b->bytes, spec->max_mbps * 125000ULL, TCPC_GUARD_DEPTH_UNITS,
				uv_hrtime());
	tap->budget_set = *spec;
}

/* The time in @bucket stays: only what a connection takes of it changes. */
static void set_rate(struct tcpc_bucket *bucket, __u32 per_second)
{
	struct tcpc_bucket next;

	tcpc_bucket_set(&next, per_second, 2, 0);
	bucket->depth = next.depth;
	bucket->cost = next.cost;
}

static void look_at_budget(struct tap *tap)
{
	struct tcpc_budget *b = budget_of(tap);
	const struct tcpc_guard_taken taken = {b->taken_packets, b->taken_bytes, b->begun};
	__u64 seen = b->refused + b->cut;
	char what[IFNAMSIZ + 16];

	set_rate(&b->begin, tcpc_guard_admit(&tap->admit, &taken, tap->budget_set.max_pps,
					     tap->budget_set.max_mbps * 125000ULL));

	snprintf(what, sizeof(what), "%s: budget", tap->iface);
	note_event(&tap->budget_event, seen != tap->budget_seen, what,
		   "--max-pps or --max-mbps is used up, new connections are not copied");
	tap->budget_seen = seen;
}

/* ---- this host --------------------------------------------------------------------------------
 */

static __u64 busy_ns(struct tcpc_online *online)
{
	struct tcpc_online_stats stats;
	struct timespec own;

	if (tcpc_dp_online_stats(online->dp, &stats))
		stats.run_ns = 0;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
	return stats.run_ns + own.tv_sec * 1000000000ULL + own.tv_nsec;
}

static void look_at_cpu(struct tcpc_online *online)
{
	struct guard *g = &online->guard;

	set_max_cpu(online);
	tcpc_guard_cpu(&g->cpu, g->max_cpu, uv_hrtime(), g->max_cpu ? busy_ns(online) : 0);
	note_event(&g->cpu_event, g->cpu.closed_new, "processor time",
		   "--max-cpu is used up, fewer connections are copied");
}

static void look_at_memory(struct tcpc_online *online)
{
	struct guard *g = &online->guard;
	int available, stalled;

	if (g->calls++ % MEMORY_CALLS)
		return;
	tcpc_meminfo_read(&available, &stalled);
	tcpc_guard_memory(&g->memory, uv_hrtime(), available, stalled);
}

/* ---- targets ----------------------------------------------------------------------------------
 */

int guard_add_target(struct tcpc_online *online, struct target *target, struct tcpc_err *err)
{
	__u32 i = 0;

	while (i < TCPC_MAX_GATES && online->guard.gates[i])
		i++;
	if (i == TCPC_MAX_GATES)
		return tcpc_err_set(err, ENOSPC,
				    "there are %d targets already, the most there can "
				    "be",
				    TCPC_MAX_GATES);
	online->guard.gates[i] = true;
	target->gate = i;
	memset(&tcpc_dp_online_gates(online->dp)[i], 0, sizeof(struct tcpc_gate));
	return 0;
}

void guard_remove_target(struct tcpc_online *online, const struct target *target)
{
	online->guard.gates[target->gate] = false;
}

/* RFC 9293 3.10.7.1: only the reset for a packet without an ACK, a SYN, has an ACK itself and the
 * number 0. All others end what was open before, for whatever reason: the client's, the service's,
 * because it was shed or given up. */
static bool is_denial(const struct tcpc_receipt *receipt)
{
	return receipt->flags & TCP_RST && receipt->flags & TCP_ACK && !receipt->seq &&
	       !(receipt->flags & TCPC_RECEIPT_BY_CLIENT);
}

void guard_receipt(struct peer *peer, const struct tcpc_receipt *receipt)
{
	for (struct tap *tap = peer->online->taps; tap; tap = tap->next) {
		for (unsigned int i = 0; i < tap->n_targets; i++) {
			struct target *t = &tap->targets[i];

			if (t->peer != peer || t->endpoint.port != receipt->server_port ||
			    !tcpc_addr_equal(&t->endpoint.addr, &receipt->server))
				continue;
			t->opened += !!(receipt->flags & TCP_SYN);
			t->denied += is_denial(receipt);
		}
	}
}

static bool is_copied_to(const struct target *t)
{
	return t->published & TCPC_TARGET_READY;
}

/* Before the link is taken for lost, SYNs are not answered for a while. */
static bool is_heard(const struct target *t)
{
	return is_copied_to(t) && tcpc_link_client_silent_ms(t->peer->link) < UNHEARD_MS;
}

/* Returns true if the target has to be published anew. */
static bool look_at_target(struct tap *tap, struct target *t)
{
	struct tcpc_gate *gate = &tcpc_dp_online_gates(tap->online->dp)[t->gate];
	const struct tcpc_guard_counts counts = {
		.begun = gate->begun,
		.opened = t->opened,
		.denied = t->denied,
		.heard = t->peer->counts.receipts,
		.refused = gate->refused,
		.pressure = tcpc_link_client_pressure(t->peer->link),
	};
	char what[TCPC_TEXT_BYTES + 16], effect[160], text[TCPC_TEXT_BYTES];
	__u32 rate = t->guard.rate;

	if (is_heard(t))
		tcpc_guard_target(&t->guard, uv_hrtime(), &counts);
	else
		tcpc_guard_target_away(&t->guard, uv_hrtime(), &counts, !is_copied_to(t));
	if (t->guard.rate != rate) {
		tcpc_bucket_set(&gate->begin, t->guard.rate, 0, uv_hrtime());
		tcpc_log_debug("target guard: %u connections a second", t->guard.rate);
	}
	snprintf(what, sizeof(what), "target %s", tcpc_text_from_endpoint(&t->endpoint, text));
	snprintf(effect, sizeof(effect),
		 "%s, so it is given one a second to see whether it does "
		 "again",
		 tcpc_trouble_text(t->guard.trouble));
	note_event(&t->event, t->guard.rate, what, effect);
	if (!t->guard.rate || t->gated)
		return false;
	t->gated = true;
	return true;
}

static void look_at_targets(struct tap *tap)
{
	bool changed = false;
	struct tcpc_err err;

	if (!tap->target_guard)
		return;
	for (unsigned int i = 0; i < tap->n_targets; i++)
		if (tap->targets[i].peer && look_at_target(tap, &tap->targets[i]))
			changed = true;
	if (changed && tap_publish(tap, &err))
		tcpc_log_error("%s: %s", tap->iface, err.text);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void on_tick(uv_timer_t *timer)
{
	struct tcpc_online *online = timer->data;
	struct guard *g = &online->guard;

	look_at_memory(online);
	note_event(&g->memory_event, g->memory.short_of, "memory",
		   "this host is short of it, nothing is copied");
	look_at_cpu(online);
	tcpc_dp_online_guard(online->dp, g->memory.short_of ? TCPC_STOP_MEMORY : TCPC_STOP_NONE,
			     g->cpu.closed_new, g->cpu.closed_running);
	for (struct tap *tap = online->taps; tap; tap = tap->next) {
		look_at_budget(tap);
		look_at_targets(tap);
	}
}

int guard_open(struct tcpc_online *online)
{
	memset(&online->guard, 0, sizeof(online->guard));
	online->guard.tick = tcpc_timer_start(online->config.loop, on_tick, TCPC_GUARD_TICK_MS,
					      TCPC_GUARD_TICK_MS, online);
	return online->guard.tick ? 0 : -ENOMEM;
}

void guard_close(struct tcpc_online *online)
{
	tcpc_timer_stop(&online->guard.tick);
}

/* ---- status ---------------------------------------------------------------------------------- */

static void show_event(struct json_object *list, const struct tcpc_guard_event *event,
		       const char *what, const char *reason)
{
	struct json_object *o;

	if (!event->times)
		return;
	o = json_object_new_object();
	tcpc_show_string(o, "what", what);
	json_object_object_add(o, "tripped", json_object_new_boolean(event->on));
	tcpc_show_number(o, "since_s", (uv_hrtime() - event->since_ns) / 1000000000);
	tcpc_show_number(o, "times", event->times);
	tcpc_show_string(o, "reason", event->on ? reason : "");
	json_object_array_add(list, o);
}

struct json_object *guard_show(const struct tap *tap)
{
	const struct guard *g = &tap->online->guard;
	struct json_object *list = json_object_new_array();
	char reason[160], text[TCPC_TEXT_BYTES];

	show_event(list, &tap->budget_event, "budget",
		   "--max-pps or --max-mbps is used up: new connections are not copied");
	snprintf(reason, sizeof(reason),
		 "--max-cpu %u is used up: %.2f %% of new connections and "
		 "%.2f %% of running ones are copied",
		 g->max_cpu, (TCPC_SAMPLE_ALL - g->cpu.closed_new) / 100.0,
		 (TCPC_SAMPLE_ALL - g->cpu.closed_running) / 100.0);
	show_event(list, &g->cpu_event, "cpu", reason);
	show_event(list, &g->memory_event, "memory",
		   "this host is short of memory: nothing is copied");
	for (unsigned int i = 0; i < tap->n_targets; i++) {
		const struct target *t = &tap->targets[i];

		snprintf(reason, sizeof(reason), "%s: %u new connections a second are copied",
			 tcpc_trouble_text(t->guard.trouble), t->guard.rate);
		show_event(list, &t->event, tcpc_text_from_endpoint(&t->endpoint, text), reason);
	}
	return list;
}
