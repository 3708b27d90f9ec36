/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guard.h - what the online daemon decides so that neither its own host nor a target comes to harm:
 * how much --max-cpu leaves, when memory is too short to copy, how many connections a target in
 * trouble is given. Called at regular times with what was counted until then; all of it recovers by
 * itself. Pure.
 */
#ifndef TCPCOPY_CORE_GUARD_H
#define TCPCOPY_CORE_GUARD_H

#include <stdbool.h>
#include <linux/types.h>

#define TCPC_GUARD_TICK_MS 100

/* ---- events ---------------------------------------------------------------------------------- */

/** Something that trips and recovers. Zeroed: it has never tripped. */
struct tcpc_guard_event {
	bool on;
	__u64 since_ns; /* since when it is on, or off */
	__u64 last_ns;	/* when its cause was last seen */
	__u64 times;	/* how often it has tripped */
	__u64 log_ns;	/* when it was last logged */
	bool logged;	/* the log's reader thinks that it is on */
};

/**
 * tcpc_guard_event - the cause was (@cause) or was not seen now. It trips at once, and is over when
 * no cause was seen for a second.
 * Returns: true if the change is to be logged: ten seconds apart at least, so that a cause that
 * comes and goes does not fill the log.
 */
bool tcpc_guard_event(struct tcpc_guard_event *event, bool cause, __u64 now_ns);

/* ---- --max-pps, --max-mbps ------------------------------------------------------------------- */

/** What was taken of a budget until now; never less than before. */
struct tcpc_guard_taken {
	__u64 packets, bytes, begun;
};

/** Zeroed: nothing was taken yet. Sums fade away over 0.8 s. */
struct tcpc_guard_admit {
	struct tcpc_guard_taken last;
	__u64 packets, bytes, begun; /* times 8, see fade() */
};

/**
 * tcpc_guard_admit - how many connections may begin in a second, so that what they bring with them
 * stays within the bounds: or a bucket that was full for a moment would let in more than can be
 * borne when they speak, and they would have to be ended. Call each TCPC_GUARD_TICK_MS.
 * @packets_s, @bytes_s: the bounds; 0: none.
 * Returns: 0 if there is no bound, for less than half of a budget is used.
 */
__u32 tcpc_guard_admit(struct tcpc_guard_admit *admit, const struct tcpc_guard_taken *taken,
		       __u64 packets_s, __u64 bytes_s);

/* ---- --max-cpu ------------------------------------------------------------------------------- */

/** Zeroed: everything is copied. Shares are 0..TCPC_SAMPLE_ALL. */
struct tcpc_guard_cpu {
	__u64 at_ns, busy_ns; /* of the last call; 0: none */
	__u32 usage;	      /* smoothed, in 0.01 % of a processor */
	__u32 closed_new;     /* share of connections that may not begin */
	__u32 closed_running; /* of those that may not go on */
	__u32 calm;	      /* calls in a row with room for more */
	__u32 hot;	      /* calls in a row in which nothing began, and it was too much still */
};

/**
 * tcpc_guard_cpu - how much may be copied from now on.
 * @percent: of one processor; 0: no bound.  @busy_ns: all that was used so far, never less than
 * before.
 * Connections that begin are left out first; if that does not help within 0.5 s running ones are.
 */
void tcpc_guard_cpu(struct tcpc_guard_cpu *cpu, __u32 percent, __u64 now_ns, __u64 busy_ns);

/* ---- memory ---------------------------------------------------------------------------------- */

/** Zeroed: enough memory. */
struct tcpc_guard_memory {
	bool short_of;
	__u64 calm_ns; /* since when there is enough again; 0: there is not */
};

/** tcpc_guard_available - MemAvailable of /proc/meminfo in thousandths of MemTotal, or -1. */
int tcpc_guard_available(const char *meminfo);

/** tcpc_guard_stalled - `full avg10` of /proc/pressure/memory in hundredths of a percent, or -1. */
int tcpc_guard_stalled(const char *pressure);

/**
 * tcpc_guard_memory - is it too short to copy? From less than 3 % available, or 10 % of the time
 * lost to a lack of it, until there was 5 % and less than half of that for two seconds.
 * @available, @stalled: as above; what is not known (-1) says nothing.
 */
bool tcpc_guard_memory(struct tcpc_guard_memory *memory, __u64 now_ns, int available, int stalled);

/* ---- targets --------------------------------------------------------------------------------- */

enum tcpc_trouble {
	TCPC_TROUBLE_NONE,
	TCPC_TROUBLE_SILENT,  /* nothing at all comes back, not even for older connections: nobody
			       * listens (`align` drops SYNs then), or the service hangs */
	TCPC_TROUBLE_REFUSES, /* answers each SYN with a reset: a firewall does not let them in */
	TCPC_TROUBLE_MEMORY,  /* its host says that it is short of memory */
	TCPC_TROUBLE_HOLD,    /* ... that its hold queue is nearly full: it is too slow */
	__TCPC_TROUBLE_MAX,
};

/** tcpc_trouble_text - what is wrong, in words; static storage. */
const char *tcpc_trouble_text(enum tcpc_trouble trouble);

/** What was counted of a target until now; never less than before. */
struct tcpc_guard_counts {
	__u64 begun;   /* SYNs copied to it */
	__u64 opened;  /* SYN+ACKs it sent */
	__u64 denied;  /* RSTs it sent as the answer to a SYN */
	__u64 heard;   /* packets of any kind that its host sent for copies */
	__u64 refused; /* SYNs not copied because of the rate below */
	__u8 pressure; /* what its host says now, see tcpcopy/feedback.h */
};

/** Zeroed: no trouble. */
struct tcpc_guard_target {
	enum tcpc_trouble trouble;
	__u32 rate; /* connections that may begin in a second; 0: all */
	struct tcpc_guard_counts last;
	__u64 asked, asked_ns;	 /* SYNs since it was last heard, and when the first was seen */
	__u64 denied, denied_ns; /* RSTs since its last SYN+ACK, likewise */
	__u64 step_ns, step_opened, step_refused; /* since the rate was last changed */
};

/**
 * tcpc_guard_target - how many connections may begin from now on, see @rate.
 * A target that only is slow (as long as its hold queue has room), resets what it has opened, or
 * cannot be reached for a while, is in no trouble: what does not arrive is sent again, and what it
 * does with a connection is its own affair. In trouble one a second may. Each time these are
 * answered the rate is four times as high, until nothing is refused any more.
 */
void tcpc_guard_target(struct tcpc_guard_target *target, __u64 now_ns,
		       const struct tcpc_guard_counts *counts);

/**
 * tcpc_guard_target_away - instead of the above while it is not heard of: that it does not answer
 * is no fault of its service then.
 * @gone: nothing goes there any more; all may begin when it is back.
 */
void tcpc_guard_target_away(struct tcpc_guard_target *target, __u64 now_ns,
			    const struct tcpc_guard_counts *counts, bool gone);

#endif
