/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * online.h - the role of the online host: which interfaces are copied, where to, and whether the
 * targets are ready. Everything runs on the loop's thread.
 */
#ifndef TCPCOPY_ROLE_ONLINE_H
#define TCPCOPY_ROLE_ONLINE_H

#include <stdbool.h>
#include <uv.h>

#include "core/spec.h"
#include "role/reply.h"

/** What both roles need to know about their daemon. Strings and key are borrowed. */
struct tcpc_role_config {
	uv_loop_t *loop;
	const char *run_dir;
	const char *bpffs;
	const __u8 *key; /* TCPC_LINK_KEY_BYTES, or NULL for --insecure */
};

struct tcpc_online;

/** tcpc_online_new - clear what an earlier daemon left, and be ready. Nothing is loaded yet. */
int tcpc_online_new(const struct tcpc_role_config *config, struct tcpc_online **ret,
		    struct tcpc_err *err);

/** tcpc_online_pins - "", or why pins are missing. Borrowed. */
const char *tcpc_online_pins(const struct tcpc_online *online);

/** tcpc_online_cleared - how many things of an earlier daemon's were cleared. */
unsigned int tcpc_online_cleared(const struct tcpc_online *online);

/** tcpc_online_free - detach everything; freed when this returns, but for handles that the loop
 * closes later. */
void tcpc_online_free(struct tcpc_online *online);

/* The commands. @spec: borrowed; attach and filter take over the prefix lists in it. */
void tcpc_online_attach(struct tcpc_online *online, struct tcpc_attach_spec *spec,
			struct tcpc_reply *reply);
void tcpc_online_detach(struct tcpc_online *online, const struct tcpc_iface_spec *spec,
			struct tcpc_reply *reply);
void tcpc_online_target(struct tcpc_online *online, const struct tcpc_target_spec *spec,
			struct tcpc_reply *reply);
void tcpc_online_filter(struct tcpc_online *online, struct tcpc_filter_cmd_spec *spec,
			struct tcpc_reply *reply);

struct json_object;

/** tcpc_online_replay - make a device that copies what is written to it, as @request (borrowed)
 * says, and hand it over with the reply. It goes when nobody has asked tcpc_online_feed() for a
 * while. */
void tcpc_online_replay(struct tcpc_online *online, struct json_object *request,
			struct tcpc_reply *reply);

/** tcpc_online_feed - what became of all that was written to the device @iface so far.
 * @end: the last question, the device goes with it. */
void tcpc_online_feed(struct tcpc_online *online, const char *iface, bool end,
		      struct tcpc_reply *reply);

/** tcpc_online_record - `record`; with the reply goes the socket from which to read it. */
void tcpc_online_record(struct tcpc_online *online, const struct tcpc_record_spec *spec,
			struct tcpc_reply *reply);

/** tcpc_online_record_stats - the part `record` of stats (a new object, owned by the caller), or
 * NULL if nothing was ever recorded. */
struct json_object *tcpc_online_record_stats(const struct tcpc_online *online);

/** tcpc_online_status - the "online" part of status (a new array, owned by the caller). */
struct json_object *tcpc_online_status(const struct tcpc_online *online);

/** tcpc_online_list - `target list` ("targets") or `filter list` ("filters"), of @iface or of all
 * when it is "". NULL with @err set if @iface is not attached. Owned by the caller. */
struct json_object *tcpc_online_list(const struct tcpc_online *online, const char *iface,
				     const char *what, struct tcpc_err *err);

/** tcpc_online_stats - counters of the datapath and of the links, or NULL if nothing is attached
 * (new objects, owned by the caller). */
struct json_object *tcpc_online_stats(struct tcpc_online *online);
struct json_object *tcpc_online_link_stats(const struct tcpc_online *online);

/** tcpc_online_delivery_stats - add the parts `ledger`, `journal`, `resend` and `delivery` to @o;
 * none if nothing is sent again. */
void tcpc_online_delivery_stats(const struct tcpc_online *online, struct json_object *o);

/** tcpc_online_ledger - the answer to `ledger` (a new object, owned by the caller), or NULL with
 * @err set if there is none. */
struct json_object *tcpc_online_ledger(const struct tcpc_online *online, struct tcpc_err *err);

#endif
