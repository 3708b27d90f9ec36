/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * target.h - the role of the target host: which ports are intercepted, which clients are allowed
 * past us, and the order in which things start and end so that no response ever leaves. Everything
 * runs on the loop's thread.
 */
#ifndef TCPCOPY_ROLE_TARGET_H
#define TCPCOPY_ROLE_TARGET_H

#include "core/spec.h"
#include "role/online.h"
#include "role/reply.h"

struct tcpc_target_role;
struct json_object;

/** Something has come to its end. */
typedef void (*tcpc_target_done)(void *user);

/**
 * tcpc_target_new - clear what an earlier daemon left (rules, connections, pins), then call
 * @ready. No command may be given before. With nothing left @ready comes within a few turns of the
 * loop, else after the leases of peers have run out.
 */
int tcpc_target_new(const struct tcpc_role_config *config, tcpc_target_done ready, void *user,
		    struct tcpc_target_role **ret, struct tcpc_err *err);

/** tcpc_target_pins - "", or why pins are missing. Borrowed. */
const char *tcpc_target_pins(const struct tcpc_target_role *role);

/** tcpc_target_cleared - how many things of an earlier daemon's were cleared; once it is ready. */
unsigned int tcpc_target_cleared(const struct tcpc_target_role *role);

/** tcpc_target_stop - release everything in safe order, free the role, then call @done. */
void tcpc_target_stop(struct tcpc_target_role *role, tcpc_target_done done, void *user);

/* The commands; specs are borrowed. */
void tcpc_target_intercept(struct tcpc_target_role *role, const struct tcpc_intercept_spec *spec,
			   struct tcpc_reply *reply);
void tcpc_target_release(struct tcpc_target_role *role, const struct tcpc_iface_spec *spec,
			 struct tcpc_reply *reply);
void tcpc_target_allow(struct tcpc_target_role *role, const struct tcpc_allow_spec *spec,
		       struct tcpc_reply *reply);

/* State and counters, new objects owned by the caller; the counters may be NULL. */
struct json_object *tcpc_target_hosts(const struct tcpc_target_role *role);
struct json_object *tcpc_target_status(const struct tcpc_target_role *role);
struct json_object *tcpc_target_allowed(const struct tcpc_target_role *role);
struct json_object *tcpc_target_stats(struct tcpc_target_role *role);
struct json_object *tcpc_target_queue_stats(struct tcpc_target_role *role);
struct json_object *tcpc_target_hold_stats(struct tcpc_target_role *role);
struct json_object *tcpc_target_age_stats(struct tcpc_target_role *role);
struct json_object *tcpc_target_link_stats(struct tcpc_target_role *role);

#endif
