// SPDX-License-Identifier: GPL-2.0-only
/* guard.c - see guard.h. */
#include "core/guard.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tcpcopy/abi.h"
#include "tcpcopy/feedback.h"

#define MS 1000000ULL
#define SECOND_NS (1000 * MS)

/* ---- events ---------------------------------------------------------------------------------- */

#define EVENT_OVER_NS SECOND_NS
#define LOG_GAP_NS (10 * SECOND_NS)

bool tcpc_guard_event(struct tcpc_guard_event *event, bool cause, __u64 now_ns)
{
	if (cause)
		event->last_ns = now_ns;
	if (cause && !event->on) {
		event->on = true;
		event->since_ns = now_ns;
		event->times++;
	} else if (event->on && now_ns - event->last_ns >= EVENT_OVER_NS) {
		event->on = false;
		event->since_ns = now_ns;
	}
	/* What was put off is said later, if it is still so. */
	if (event->on == event->logged || (event->log_ns && now_ns - event->log_ns < LOG_GAP_NS))
		return false;
	event->logged = event->on;
	event->log_ns = now_ns;
	return true;
}

/* ---- --max-pps, --max-mbps ------------------------------------------------------------------- */

#define TICKS_PER_S (1000 / TCPC_GUARD_TICK_MS)
#define FADE 8

static void fade(__u64 *sum, __u64 now, __u64 last)
{
	*sum = *sum - *sum / FADE + (now - last) * FADE;
}

/* Connections a second that bring nine tenths of @bound with them. @used: in FADE * FADE ticks. */
static __u32 bearable(__u64 used, __u64 begun, __u64 bound)
{
	__u64 each = used / (begun ?: 1) ?: 1, rate = bound * 9 / 10 / each;

	/* Where connections stay for long nobody knows what another one brings: one at a time. */
	if (!begun || rate < 2)
		return 2;
	return rate < UINT32_MAX ? rate : UINT32_MAX;
}

/* Half of the bound, or more? */
static bool is_near(__u64 used, __u64 bound)
{
	return bound && used / (FADE * FADE) * TICKS_PER_S >= bound / 2;
}

__u32 tcpc_guard_admit(struct tcpc_guard_admit *a, const struct tcpc_guard_taken *taken,
		       __u64 packets_s, __u64 bytes_s)
{
	__u32 rate = 0, by_bytes;

	fade(&a->packets, taken->packets, a->last.packets);
	fade(&a->bytes, taken->bytes, a->last.bytes);
	fade(&a->begun, taken->begun, a->last.begun);
	a->last = *taken;
	if (!is_near(a->packets, packets_s) && !is_near(a->bytes, bytes_s))
		return 0;
	if (packets_s)
		rate = bearable(a->packets, a->begun, packets_s);
	if (bytes_s) {
		by_bytes = bearable(a->bytes, a->begun, bytes_s);
		if (!rate || by_bytes < rate)
			rate = by_bytes;
	}
	return rate;
}

/* ---- --max-cpu ------------------------------------------------------------------------------- */

#define LEAST_SHARE                                                                                \
	(TCPC_SAMPLE_ALL / 100) /* less is nothing: it would take for ever to get there */
#define HOT_CALLS 5
#define CALM_CALLS 5

/* What remains of the open part of @closed: @use of it, where @got is used. */
static __u32 close_more(__u32 closed, __u64 use, __u64 got)
{
	__u64 open = (TCPC_SAMPLE_ALL - closed) * use / got;

	return open < LEAST_SHARE ? TCPC_SAMPLE_ALL : TCPC_SAMPLE_ALL - open;
}

/* @fast: twice as much, else a quarter more. */
static __u32 open_more(__u32 closed, bool fast)
{
	__u32 open = (TCPC_SAMPLE_ALL - closed) * (fast ? 8 : 5) / 4 + LEAST_SHARE;

	return open >= TCPC_SAMPLE_ALL ? 0 : TCPC_SAMPLE_ALL - open;
}

/* Too much. A tenth below the bound is aimed at, or noise would cross it all the time. */
static void cool(struct tcpc_guard_cpu *cpu, __u32 bound)
{
	cpu->calm = 0;
	if (cpu->closed_new < TCPC_SAMPLE_ALL)
		cpu->closed_new = close_more(cpu->closed_new, bound * 9ULL / 10, cpu->usage);
	else if (++cpu->hot >= HOT_CALLS) {
		cpu->hot = 0; /* what was closed shows in the usage some calls later */
		cpu->closed_running =
			close_more(cpu->closed_running, bound * 9ULL / 10, cpu->usage);
	}
}

/* What runs comes back before more may begin; a connection that begins must be let run. */
static void warm(struct tcpc_guard_cpu *cpu, __u32 bound)
{
	bool fast;

	cpu->hot = 0;
	if (cpu->usage * 5ULL / 4 >= bound || ++cpu->calm < CALM_CALLS)
		return;
	cpu->calm = 0;
	fast = cpu->usage * 2ULL < bound;
	if (cpu->closed_running)
		cpu->closed_running = open_more(cpu->closed_running, fast);
	else
		cpu->closed_new = open_more(cpu->closed_new, fast);
}

void tcpc_guard_cpu(struct tcpc_guard_cpu *cpu, __u32 percent, __u64 now_ns, __u64 busy_ns)
{
	__u64 passed = now_ns - cpu->at_ns, busy = busy_ns - cpu->busy_ns;
	bool first = !cpu->at_ns;

	if (!percent) {
		memset(cpu, 0, sizeof(*cpu));
		return;
	}
	if (!first && !passed)
		return;
	cpu->at_ns = now_ns;
	cpu->busy_ns = busy_ns;
	if (first)
		return;
	cpu->usage = (cpu->usage + busy * 10000 / passed) / 2;
	if (cpu->usage > percent * 100)
		cool(cpu, percent * 100);
	else
		warm(cpu, percent * 100);
}

/* ---- memory ---------------------------------------------------------------------------------- */

#define SHORT_AVAILABLE 30
#define ENOUGH_AVAILABLE 50
#define SHORT_STALLED 1000
#define ENOUGH_STALLED 500
#define CALM_NS (2 * SECOND_NS)

int tcpc_guard_available(const char *meminfo)
{
	const char *total_at = strstr(meminfo, "MemTotal:");
	const char *available_at = strstr(meminfo, "MemAvailable:");
	unsigned long long total, available;

	if (!total_at || !available_at || sscanf(total_at, "MemTotal: %llu", &total) != 1 ||
	    sscanf(available_at, "MemAvailable: %llu", &available) != 1 || !total)
		return -1;
	return available >= total ? 1000 : available * 1000 / total;
}

int tcpc_guard_stalled(const char *pressure)
{
	const char *full = strstr(pressure, "full avg10=");
	unsigned int percent, hundredths;

	if (!full || sscanf(full, "full avg10=%u.%2u", &percent, &hundredths) != 2 || percent > 100)
		return -1;
	return percent * 100 + hundredths;
}

bool tcpc_guard_memory(struct tcpc_guard_memory *memory, __u64 now_ns, int available, int stalled)
{
	if ((available >= 0 && available < SHORT_AVAILABLE) || stalled >= SHORT_STALLED) {
		memory->short_of = true;
		memory->calm_ns = 0;
		return true;
	}
	if ((available >= 0 && available < ENOUGH_AVAILABLE) || stalled >= ENOUGH_STALLED)
		memory->calm_ns = 0;
	else if (!memory->calm_ns)
		memory->calm_ns = now_ns;
	if (memory->calm_ns && now_ns - memory->calm_ns >= CALM_NS)
		memory->short_of = false;
	return memory->short_of;
}

/* ---- targets --------------------------------------------------------------------------------- */

/* As long as the hold queue bears by default. A target that stands still for less comes back to the
 * connections that began meanwhile, since their SYNs are sent again. */
#define SILENT_NS (10 * SECOND_NS)
#define SILENT_SYNS 5
/* Rules of a firewall that are loaded anew refuse for less. */
#define DENIED_NS SECOND_NS
#define DENIED_SYNS 3
/* Who is given one connection a second is judged by each of them. */
#define PROBE_NS SECOND_NS
#define FIRST_STEP_NS SECOND_NS
#define STEP_NS (SECOND_NS / 2)
#define STEP_TIMES 4
#define RATE_MAX 65536

const char *tcpc_trouble_text(enum tcpc_trouble trouble)
{
	static const char *const texts[] = {
		[TCPC_TROUBLE_NONE] = "no trouble",
		[TCPC_TROUBLE_SILENT] = "it answers nothing at all",
		[TCPC_TROUBLE_REFUSES] = "it refuses each new connection",
		[TCPC_TROUBLE_MEMORY] = "its host is short of memory",
		[TCPC_TROUBLE_HOLD] = "it is too slow, its hold queue is nearly full",
	};

	return texts[trouble];
}

static enum tcpc_trouble look(const struct tcpc_guard_target *t, __u64 now_ns)
{
	bool probing = t->rate;

	if (t->last.pressure & TCPC_FEEDBACK_SHORT_OF_MEMORY)
		return TCPC_TROUBLE_MEMORY;
	if (t->last.pressure & TCPC_FEEDBACK_HOLD_FULL)
		return TCPC_TROUBLE_HOLD;
	if (t->denied >= (probing ? 1 : DENIED_SYNS) &&
	    (probing || now_ns - t->denied_ns >= DENIED_NS))
		return TCPC_TROUBLE_REFUSES;
	if (t->asked >= (probing ? 1 : SILENT_SYNS) &&
	    now_ns - t->asked_ns >= (probing ? PROBE_NS : SILENT_NS))
		return TCPC_TROUBLE_SILENT;
	return TCPC_TROUBLE_NONE;
}

static void step(struct tcpc_guard_target *t, __u64 now_ns, __u32 rate)
{
	t->rate = rate;
	t->step_ns = now_ns;
	t->step_opened = t->step_refused = 0;
}

/* It answers: a little more, or all if nothing was refused. */
static void probe(struct tcpc_guard_target *t, __u64 now_ns)
{
	if (!t->step_opened || now_ns - t->step_ns < (t->rate == 1 ? FIRST_STEP_NS : STEP_NS))
		return;
	if (t->rate >= RATE_MAX || (!t->step_refused && (t->rate > 1 || t->step_opened > 1))) {
		step(t, now_ns, 0);
		t->trouble = TCPC_TROUBLE_NONE;
	} else {
		step(t, now_ns, t->rate * STEP_TIMES);
	}
}

/* @more were seen; @ret_n of them since @ret_ns. */
static void gather(__u64 *ret_n, __u64 *ret_ns, __u64 more, __u64 now_ns)
{
	if (more && !*ret_n)
		*ret_ns = now_ns;
	*ret_n += more;
}

static void count(struct tcpc_guard_target *t, __u64 now_ns, const struct tcpc_guard_counts *counts)
{
	__u64 opened = counts->opened - t->last.opened;

	gather(&t->asked, &t->asked_ns, counts->begun - t->last.begun, now_ns);
	gather(&t->denied, &t->denied_ns, counts->denied - t->last.denied, now_ns);
	if (counts->heard != t->last.heard)
		t->asked = 0;
	if (opened)
		t->denied = 0;
	t->step_opened += opened;
	t->step_refused += counts->refused - t->last.refused;
	t->last = *counts;
}

void tcpc_guard_target(struct tcpc_guard_target *t, __u64 now_ns,
		       const struct tcpc_guard_counts *counts)
{
	enum tcpc_trouble trouble;

	count(t, now_ns, counts);
	trouble = look(t, now_ns);
	if (trouble) {
		t->trouble = trouble;
		t->asked = t->denied = 0;
		step(t, now_ns, 1);
	} else if (t->rate) {
		probe(t, now_ns);
	}
}

void tcpc_guard_target_away(struct tcpc_guard_target *t, __u64 now_ns,
			    const struct tcpc_guard_counts *counts, bool gone)
{
	count(t, now_ns, counts);
	t->asked = t->denied = 0;
	if (!gone)
		return;
	t->trouble = TCPC_TROUBLE_NONE;
	step(t, now_ns, 0);
}
