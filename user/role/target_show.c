// SPDX-License-Identifier: GPL-2.0-only
/* target_show.c - the target role's state and counters as JSON, see target_priv.h. */
#include "role/target_priv.h"

#include <stdio.h>
#include <json-c/json.h>

#include "role/show.h"

struct json_object *tcpc_target_hosts(const struct tcpc_target_role *role)
{
	struct json_object *all = json_object_new_array();

	for (unsigned int i = 0; i < role->n_peers; i++) {
		const struct online_host *host = &role->peers[i];
		struct json_object *o = json_object_new_object();

		tcpc_show_string(o, "host", host->name);
		tcpc_show_number(o, "linked_s", (uv_hrtime() - host->since_ns) / 1000000000);
#define SHOW(name, text)                                                                           \
	if (host->has_sums)                                                                        \
		tcpc_show_number(o, #name, host->sums.name);
		TCPC_FEEDBACK_SUM_FIELDS(SHOW)
#undef SHOW
		json_object_array_add(all, o);
	}
	return all;
}

static struct json_object *show_intercept(const struct intercept *i)
{
	static const char *const states[] = {"starting",  "active",  "switching",
					     "releasing", "mending", "broken"};
	struct json_object *o = json_object_new_object(), *peers = json_object_new_array();
	const struct tcpc_target_role *role = i->role;
	char queues[32], text[TCPC_TEXT_BYTES], why[TCPC_ERR_BYTES];

	snprintf(queues, sizeof(queues), "%u:%u", i->queue_first, i->queue_last);
	tcpc_show_string(o, "iface", i->iface);
	json_object_object_add(o, "ports", tcpc_show_ports(i->ports, i->n_ports));
	tcpc_show_string(o, "engine", target_engine_name(i->spec.engine));
	tcpc_show_string(o, "queues", queues);
	tcpc_show_string(o, "order", i->hold ? "strict" : "relaxed");
	tcpc_show_number(o, "idle_s", i->spec.idle_s);
	tcpc_show_string(o, "hook", tcpc_attach_kind_name(i->align.kind));
	tcpc_show_string(o, "state", i->ifindex ? states[i->state] : "waiting");
	intercept_why(i, why);
	tcpc_show_string(o, "reason", why);
	tcpc_show_string(o, "ipv6", i->ipv6 ? "intercepted" : i->no_ipv6);
	tcpc_show_string(o, "via", i->tunnelled ? "vxlan" : "");
	target_listen_text(role, text);
	tcpc_show_string(o, "listen", text);
	for (unsigned int p = 0; p < role->n_peers; p++)
		json_object_array_add(peers, json_object_new_string(role->peers[p].name));
	json_object_object_add(o, "peers", peers);
	return o;
}

const char *tcpc_target_pins(const struct tcpc_target_role *role)
{
	return role->dp && role->no_pins.code ? role->no_pins.text : "";
}

struct json_object *tcpc_target_status(const struct tcpc_target_role *role)
{
	struct json_object *all = json_object_new_array();

	for (const struct intercept *i = role->intercepts; i; i = i->next)
		json_object_array_add(all, show_intercept(i));
	return all;
}

struct json_object *tcpc_target_allowed(const struct tcpc_target_role *role)
{
	static const char *const states[] = {"none", "pending", "direct"};
	struct json_object *all = json_object_new_array();
	char text[TCPC_TEXT_BYTES];

	for (unsigned int i = 0; i < role->n_allow; i++) {
		struct json_object *o = json_object_new_object();

		tcpc_show_string(o, "prefix", tcpc_text_from_prefix(&role->allow[i].prefix, text));
		tcpc_show_string(o, "state", states[role->allow[i].state]);
		json_object_array_add(all, o);
	}
	return all;
}

struct json_object *tcpc_target_stats(struct tcpc_target_role *role)
{
	struct tcpc_target_stats stats;
	struct json_object *o;

	if (!role->dp || tcpc_dp_target_stats(role->dp, &stats))
		return NULL;
	o = json_object_new_object();
#define SHOW(name, text) tcpc_show_number(o, #name, stats.name);
	TCPC_TARGET_COUNTERS(SHOW)
#undef SHOW
	return o;
}

struct json_object *tcpc_target_link_stats(struct tcpc_target_role *role)
{
	const struct tcpc_link_counters *counters;
	struct json_object *o;

	if (!role->link)
		return NULL;
	counters = tcpc_link_server_counters(role->link);
	o = json_object_new_object();
#define SHOW(name, text) tcpc_show_number(o, #name, counters->name);
	TCPC_LINK_COUNTERS(SHOW)
#undef SHOW
	return o;
}

struct json_object *tcpc_target_hold_stats(struct tcpc_target_role *role)
{
	struct tcpc_hold_stats sum = {};
	struct json_object *o;

	if (!role->dp)
		return NULL;
	for (struct intercept *i = role->intercepts; i; i = i->next)
		hold_add_stats(i->hold, &sum);
	o = json_object_new_object();
#define SHOW(name, text) tcpc_show_number(o, #name, sum.name);
	TCPC_HOLD_COUNTERS(SHOW)
#undef SHOW
	return o;
}

struct json_object *tcpc_target_age_stats(struct tcpc_target_role *role)
{
	struct json_object *o;

	if (!role->age)
		return NULL;
	o = json_object_new_object();
#define SHOW(name, text) tcpc_show_number(o, #name, age_stats(role)->name);
	TCPC_AGE_COUNTERS(SHOW)
#undef SHOW
	return o;
}

struct json_object *tcpc_target_queue_stats(struct tcpc_target_role *role)
{
	struct tcpc_queue_stats sum = {};
	const struct tcpc_queue_stats *q;
	struct json_object *o;

	if (!role->dp)
		return NULL;
	q = tcpc_dp_target_queues(role->dp);
	o = json_object_new_object();
#define SUM(name, text)                                                                            \
	for (int i = 0; i < TCPC_MAX_QUEUES; i++)                                                  \
		sum.name += q[i].name;                                                             \
	tcpc_show_number(o, #name, sum.name);
	TCPC_QUEUE_COUNTERS(SUM)
#undef SUM
	return o;
}
