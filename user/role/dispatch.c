// SPDX-License-Identifier: GPL-2.0-only
/* dispatch.c - see dispatch.h. */
#include "role/dispatch.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <json-c/json.h>

#include "role/show.h"

typedef void (*handler)(struct tcpc_dispatch *d, struct json_object *request,
			struct tcpc_reply *reply);

static void run_attach(struct tcpc_dispatch *d, struct json_object *request,
		       struct tcpc_reply *reply)
{
	struct tcpc_attach_spec spec = {};
	struct tcpc_err err;

	if (tcpc_spec_attach(request, &spec, &err))
		tcpc_reply_fail(reply, &err);
	else
		tcpc_online_attach(d->online, &spec, reply);
	tcpc_spec_attach_free(&spec);
}

static void run_detach(struct tcpc_dispatch *d, struct json_object *request,
		       struct tcpc_reply *reply)
{
	struct tcpc_iface_spec spec = {};
	struct tcpc_err err;

	if (tcpc_spec_iface(request, &spec, &err))
		tcpc_reply_fail(reply, &err);
	else
		tcpc_online_detach(d->online, &spec, reply);
}

static void run_replay(struct tcpc_dispatch *d, struct json_object *request,
		       struct tcpc_reply *reply)
{
	tcpc_online_replay(d->online, request, reply);
}

static void run_feed(struct tcpc_dispatch *d, struct json_object *request, struct tcpc_reply *reply)
{
	struct json_object *options = json_object_object_get(request, "options");
	struct tcpc_iface_spec spec = {};
	struct tcpc_err err;

	if (tcpc_spec_iface(request, &spec, &err))
		tcpc_reply_fail(reply, &err);
	else
		tcpc_online_feed(d->online, spec.iface,
				 json_object_object_get_ex(options, "end", NULL), reply);
}

static void run_record(struct tcpc_dispatch *d, struct json_object *request,
		       struct tcpc_reply *reply)
{
	struct tcpc_record_spec spec = {};
	struct tcpc_err err;

	if (tcpc_spec_record(request, &spec, &err))
		tcpc_reply_fail(reply, &err);
	else
		tcpc_online_record(d->online, &spec, reply);
}

static void reply_list(struct tcpc_dispatch *d, const char *iface, const char *what,
		       struct tcpc_reply *reply)
{
	struct tcpc_err err;
	struct json_object *list = tcpc_online_list(d->online, iface, what, &err);

	if (list)
		tcpc_reply_result(reply, list);
	else
		tcpc_reply_fail(reply, &err);
}

static void run_target(struct tcpc_dispatch *d, struct json_object *request,
		       struct tcpc_reply *reply)
{
	struct tcpc_target_spec spec = {};
	struct tcpc_err err;

	if (tcpc_spec_target(request, &spec, &err))
		tcpc_reply_fail(reply, &err);
	else if (spec.verb == TCPC_VERB_LIST)
		reply_list(d, spec.iface, "targets", reply);
	else
		tcpc_online_target(d->online, &spec, reply);
}

static void run_filter(struct tcpc_dispatch *d, struct json_object *request,
		       struct tcpc_reply *reply)
{
	struct tcpc_filter_cmd_spec spec = {};
	struct tcpc_err err;

	if (tcpc_spec_filter(request, &spec, &err))
		tcpc_reply_fail(reply, &err);
	else if (spec.verb == TCPC_VERB_LIST)
		reply_list(d, spec.iface, "filters", reply);
	else
		tcpc_online_filter(d->online, &spec, reply);
	tcpc_spec_filter_free(&spec);
}

static void run_intercept(struct tcpc_dispatch *d, struct json_object *request,
			  struct tcpc_reply *reply)
{
	struct tcpc_intercept_spec spec = {};
	struct tcpc_err err;

	if (tcpc_spec_intercept(request, &spec, &err))
		tcpc_reply_fail(reply, &err);
	else
		tcpc_target_intercept(d->target, &spec, reply);
}

static void run_release(struct tcpc_dispatch *d, struct json_object *request,
			struct tcpc_reply *reply)
{
	struct tcpc_iface_spec spec = {};
	struct tcpc_err err;

	if (tcpc_spec_iface(request, &spec, &err))
		tcpc_reply_fail(reply, &err);
	else
		tcpc_target_release(d->target, &spec, reply);
}

static void run_allow(struct tcpc_dispatch *d, struct json_object *request,
		      struct tcpc_reply *reply)
{
	struct tcpc_allow_spec spec = {};
	struct json_object *o;
	struct tcpc_err err;

	if (tcpc_spec_allow(request, &spec, &err)) {
		tcpc_reply_fail(reply, &err);
	} else if (spec.verb == TCPC_VERB_LIST) {
		o = json_object_new_object();
		json_object_object_add(o, "allow", tcpc_target_allowed(d->target));
		tcpc_reply_result(reply, o);
	} else {
		tcpc_target_allow(d->target, &spec, reply);
	}
	tcpc_spec_allow_free(&spec);
}

/* Resident memory in bytes, 0 if /proc does not tell. */
static __u64 resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%*u %lu", &pages) != 1)
		pages = 0;
	fclose(file);
	return (__u64)pages * sysconf(_SC_PAGESIZE);
}

static void run_status(struct tcpc_dispatch *d, struct json_object *request,
		       struct tcpc_reply *reply)
{
	struct json_object *o = json_object_new_object();
	const char *pins;

	(void)request;
	tcpc_show_string(o, "version", TCPC_VERSION);
	tcpc_show_number(o, "abi_version", TCPC_ABI_VERSION);
	tcpc_show_number(o, "pid", getpid());
	tcpc_show_number(o, "uptime_s", (uv_hrtime() - d->started_ns) / 1000000000);
	tcpc_show_number(o, "rss_bytes", resident_bytes());
	json_object_object_add(o, "secure", json_object_new_boolean(d->secure));
	pins = tcpc_online_pins(d->online);
	tcpc_show_string(o, "pins", *pins ? pins : tcpc_target_pins(d->target));
	json_object_object_add(o, "online", tcpc_online_status(d->online));
	json_object_object_add(o, "target", tcpc_target_status(d->target));
	json_object_object_add(o, "hosts", tcpc_target_hosts(d->target));
	tcpc_reply_result(reply, o);
}

static void add_if(struct json_object *o, const char *name, struct json_object *part)
{
	if (part)
		json_object_object_add(o, name, part);
}

static void run_stats(struct tcpc_dispatch *d, struct json_object *request,
		      struct tcpc_reply *reply)
{
	struct json_object *o = json_object_new_object();

	(void)request;
	add_if(o, "online", tcpc_online_stats(d->online));
	add_if(o, "target", tcpc_target_stats(d->target));
	add_if(o, "queue", tcpc_target_queue_stats(d->target));
	add_if(o, "hold", tcpc_target_hold_stats(d->target));
	add_if(o, "age", tcpc_target_age_stats(d->target));
	add_if(o, "feedback", tcpc_target_link_stats(d->target));
	add_if(o, "link", tcpc_online_link_stats(d->online));
	tcpc_online_delivery_stats(d->online, o);
	add_if(o, "record", tcpc_online_record_stats(d->online));
	tcpc_reply_result(reply, o);
}

static void run_ledger(struct tcpc_dispatch *d, struct json_object *request,
		       struct tcpc_reply *reply)
{
	struct tcpc_err err;
	struct json_object *o = tcpc_online_ledger(d->online, &err);

	(void)request;
	if (o)
		tcpc_reply_result(reply, o);
	else
		tcpc_reply_fail(reply, &err);
}

static void run_doctor(struct tcpc_dispatch *d, struct json_object *request,
		       struct tcpc_reply *reply)
{
	struct json_object *args, *first = NULL;
	const char *iface = "";

	if (json_object_object_get_ex(request, "args", &args))
		first = json_object_array_get_idx(args, 0);
	if (first)
		iface = json_object_get_string(first);
	tcpc_doctor(d, iface, reply);
}

static void run_version(struct tcpc_dispatch *d, struct json_object *request,
			struct tcpc_reply *reply)
{
	struct json_object *o = json_object_new_object();

	(void)d;
	(void)request;
	tcpc_show_string(o, "version", TCPC_VERSION);
	tcpc_show_number(o, "abi_version", TCPC_ABI_VERSION);
	tcpc_reply_result(reply, o);
}

static const struct {
	const char *command;
	handler run;
} handlers[] = {
	{"attach", run_attach}, {"detach", run_detach},	      {"target", run_target},
	{"filter", run_filter}, {"intercept", run_intercept}, {"release", run_release},
	{"allow", run_allow},	{"status", run_status},	      {"stats", run_stats},
	{"doctor", run_doctor}, {"version", run_version},     {"ledger", run_ledger},
	{"replay", run_replay}, {"feed", run_feed},	      {"record", run_record},
};

void tcpc_dispatch(struct tcpc_dispatch *d, struct json_object *request, struct tcpc_reply *reply)
{
	const char *command = json_object_get_string(json_object_object_get(request, "command"));
	struct tcpc_err err;

	for (size_t i = 0; command && i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		if (strcmp(command, handlers[i].command))
			continue;
		handlers[i].run(d, request, reply);
		return;
	}
	tcpc_err_set(&err, EINVAL, "the daemon does not know the command '%s'",
		     command ? command : "");
	tcpc_reply_fail(reply, &err);
}
