// SPDX-License-Identifier: GPL-2.0-only
/*
 * doctor.c - looks for what keeps copies from arriving, and names cause and cure: one run of all
 * checks. See doctor_priv.h.
 */
#include "role/doctor_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>

#include "role/show.h"

void doctor_add(struct doctor *run, enum doctor_level level, const char *check, const char *fix,
		const char *format, ...)
{
	static const char *const levels[] = {"fail", "warn", "ok"};
	struct json_object *o = json_object_new_object();
	char detail[768];
	va_list args;

	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	tcpc_show_string(o, "level", levels[level]);
	tcpc_show_string(o, "check", check);
	tcpc_show_string(o, "detail", detail);
	tcpc_show_string(o, "fix", fix);
	json_object_array_add(run->found[level], o);
}

bool doctor_wants(const struct doctor *run, const char *iface)
{
	return !run->iface[0] || !strcmp(run->iface, iface);
}

void doctor_put(struct doctor *run)
{
	struct json_object *o, *list;

	if (--run->pending)
		return;
	o = json_object_new_object();
	list = json_object_new_array();
	for (int level = 0; level < __DOCTOR_LEVEL_MAX; level++) {
		struct json_object *from = run->found[level];

		for (size_t i = 0; i < json_object_array_length(from); i++)
			json_object_array_add(list,
					      json_object_get(json_object_array_get_idx(from, i)));
		json_object_put(from);
	}
	json_object_object_add(o, "findings", list);
	tcpc_reply_result(run->reply, o);
	free(run);
}

void tcpc_doctor(const struct tcpc_dispatch *d, const char *iface, struct tcpc_reply *reply)
{
	static void (*const checks[])(struct doctor *) = {
		doctor_host,   doctor_ifaces,	doctor_online,
		doctor_target, doctor_firewall, doctor_trial,
	};
	struct doctor *run = calloc(1, sizeof(*run));
	struct tcpc_err err;

	if (!run) {
		tcpc_err_set(&err, ENOMEM, "out of memory");
		tcpc_reply_fail(reply, &err);
		return;
	}
	run->d = d;
	run->reply = reply;
	run->pending = 1;
	snprintf(run->iface, sizeof(run->iface), "%s", iface);
	for (int level = 0; level < __DOCTOR_LEVEL_MAX; level++)
		run->found[level] = json_object_new_array();
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		checks[i](run);
	doctor_put(run);
}
