/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dispatch.h - from a request to the role that carries it out; and what concerns both roles:
 * status, stats, version, doctor.
 */
#ifndef TCPCOPY_ROLE_DISPATCH_H
#define TCPCOPY_ROLE_DISPATCH_H

#include "role/online.h"
#include "role/target.h"

/** The two roles and what status says about the daemon. */
struct tcpc_dispatch {
	struct tcpc_online *online;
	struct tcpc_target_role *target;
	const char *bpffs;
	bool secure;	  /* links use a key */
	__u64 started_ns; /* uv_hrtime() */
};

/** tcpc_dispatch - carry out @request (borrowed); the outcome goes to @reply. */
void tcpc_dispatch(struct tcpc_dispatch *d, struct json_object *request, struct tcpc_reply *reply);

/** tcpc_doctor - look at the machine and the configuration, and try the way to each target.
 * @iface: "" for all.  @reply: gets {"findings": [...]}, worst first, within some seconds. */
void tcpc_doctor(const struct tcpc_dispatch *d, const char *iface, struct tcpc_reply *reply);

#endif
