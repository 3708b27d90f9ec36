/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * doctor_priv.h - what the doctor*.c files share: one room in several files.
 *
 * doctor.c           a run: starts the checks, waits for the slow ones, answers
 * doctor_host.c      kernel, iptables, link key
 * doctor_iface.c     one interface
 * doctor_online.c    targets of attached interfaces: way, link, what stands in front of us
 * doctor_target.c    intercepted interfaces: listeners, queues, the kernel's counters
 * doctor_way.c       the way back to clients: routes, reverse-path filter
 * doctor_firewall.c  what iptables rules do to copies and responses
 * doctor_trial.c     the live probe
 */
#ifndef TCPCOPY_ROLE_DOCTOR_PRIV_H
#define TCPCOPY_ROLE_DOCTOR_PRIV_H

#include "role/dispatch.h"

struct json_object;

/* Worst first: the order in which they are shown. */
enum doctor_level { DOCTOR_FAIL, DOCTOR_WARN, DOCTOR_OK, __DOCTOR_LEVEL_MAX };

#define DOCTOR_FIX_BYTES 256

/** A run. */
struct doctor {
	const struct tcpc_dispatch *d;
	struct tcpc_reply *reply;
	char iface[IFNAMSIZ]; /* "": all */
	struct json_object *found[__DOCTOR_LEVEL_MAX];
	unsigned int pending; /* checks that go on, and the run itself while it starts them */
};

/** doctor_add - one finding. @fix: what to type, "" where nothing need be done. @format: the
 * detail, with what was measured. */
void doctor_add(struct doctor *run, enum doctor_level level, const char *check, const char *fix,
		const char *format, ...) __attribute__((format(printf, 5, 6)));

/** doctor_put - a check that was pending is over; the last one answers and frees @run. */
void doctor_put(struct doctor *run);

/** doctor_wants - is this interface asked about? */
bool doctor_wants(const struct doctor *run, const char *iface);

/* The checks. Those that take their time raise @pending, and put it later. */
void doctor_host(struct doctor *run);
void doctor_ifaces(struct doctor *run);
void doctor_online(struct doctor *run);
void doctor_target(struct doctor *run);
void doctor_firewall(struct doctor *run);
void doctor_trial(struct doctor *run);

struct intercept;
struct tcpc_iface;

/** doctor_way_back - are clients' copies taken, and can they be answered? Part of doctor_target().
 */
void doctor_way_back(struct doctor *run, const struct intercept *i);

/** doctor_rp_filter - of an interface that is not intercepted yet. */
void doctor_rp_filter(struct doctor *run, const struct tcpc_iface *iface);

#endif
