// SPDX-License-Identifier: GPL-2.0-only
/* replay_pace.c - the capture's clock and ours. See replay.h. */
#include "core/replay.h"

#define SECOND_NS 1000000000ULL
#define MAX_NS (1ULL << 63) /* 292 years: nothing that is added to it comes round to the past */
#define STEPS 16	    /* of each power of two */
#define STEP_BITS 4

/* Captures of several queues are out of order by a little: that is no pause, and the time until the
 * clock is where it was is none either. A clock that was set back goes on from there. */
static __u64 pause_before(struct tcpc_replay_pace *p, __u64 capture_ns)
{
	__u64 pause = capture_ns > p->last_ns ? capture_ns - p->last_ns : 0;

	if (capture_ns > p->last_ns || p->last_ns - capture_ns > SECOND_NS)
		p->last_ns = capture_ns;
	if (p->max_gap_ns && pause > p->max_gap_ns)
		pause = p->max_gap_ns;
	return pause;
}

static __u64 sum(__u64 at_ns, __u64 pause)
{
	return pause < MAX_NS - at_ns ? at_ns + pause : MAX_NS;
}

__u64 tcpc_replay_pace_next(struct tcpc_replay_pace *p, __u64 capture_ns)
{
	unsigned __int128 due;

	if (!p->speed)
		return 0;
	if (!p->begun)
		p->last_ns = capture_ns;
	p->begun = true;
	p->at_ns = sum(p->at_ns, pause_before(p, capture_ns));
	/* 128 bits: a nonsensical time stamp must not come round to the past. */
	due = (unsigned __int128)p->at_ns * TCPC_REPLAY_SPEED_ONE / p->speed;
	return due < MAX_NS ? due : MAX_NS;
}

void tcpc_replay_pace_join(struct tcpc_replay_pace *p)
{
	if (p->begun)
		p->at_ns = sum(p->at_ns, p->max_gap_ns && p->max_gap_ns < SECOND_NS ? p->max_gap_ns
										    : SECOND_NS);
	p->begun = false;
}

/* Exact below 16, then 16 steps for each power of two. */
static unsigned int bucket(__u64 ns)
{
	unsigned int shift;

	if (ns < STEPS)
		return ns;
	shift = 63 - __builtin_clzll(ns) - STEP_BITS;
	return (shift + 1) * STEPS + ((ns >> shift) & (STEPS - 1));
}

/* The last value that falls into it. */
static __u64 bucket_end(unsigned int i)
{
	unsigned int shift = i / STEPS;

	if (!shift)
		return i;
	return ((STEPS + i % STEPS + 1ULL) << (shift - 1)) - 1;
}

void tcpc_replay_late_add(struct tcpc_replay_late *late, __u64 ns)
{
	late->n++;
	if (ns > late->max_ns)
		late->max_ns = ns;
	late->counts[bucket(ns)]++;
}

__u64 tcpc_replay_late_share(const struct tcpc_replay_late *late, unsigned int permille)
{
	__u64 seen = 0, want = (late->n * permille + 999) / 1000, end;

	if (!late->n)
		return 0;
	for (unsigned int i = 0; i < sizeof(late->counts) / sizeof(late->counts[0]); i++) {
		seen += late->counts[i];
		if (seen < want || !seen)
			continue;
		end = bucket_end(i);
		return end < late->max_ns ? end : late->max_ns;
	}
	return late->max_ns;
}
