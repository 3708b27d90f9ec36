// SPDX-License-Identifier: GPL-2.0-only
/* online_show.c - the online role's state and counters as JSON, see online_priv.h. */
#include "role/online_priv.h"

#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <json-c/json.h>

#include "role/show.h"

static const char *const state_names[] = {
	[TCPC_LINK_CONNECTING] = "connecting",	 [TCPC_LINK_READY] = "ready",
	[TCPC_LINK_REFUSED] = "unreachable",	 [TCPC_LINK_BAD_KEY] = "bad key",
	[TCPC_LINK_BAD_VERSION] = "bad version", [TCPC_LINK_LOST] = "lost",
};

/* How long a target that drains stays at the most. */
static __u64 drain_s(const struct target *target)
{
	__u64 now_ns = uv_hrtime();

	return target->drain_until_ns > now_ns ? (target->drain_until_ns - now_ns) / 1000000000 : 0;
}

static struct json_object *show_target(const struct tap *tap, const struct target *target)
{
	struct json_object *o = json_object_new_object();
	char reason[256], text[TCPC_TEXT_BYTES], feedback[300] = "none";
	bool ready = target_ready(tap, target, reason, sizeof(reason));
	const struct peer *peer = target->peer;

	tcpc_show_string(o, "target", tcpc_text_from_endpoint(&target->endpoint, text));
	tcpc_show_string(o, "state",
			 target->drain_until_ns			  ? "draining"
			 : ready				  ? "copying"
			 : peer && peer->state != TCPC_LINK_READY ? state_names[peer->state]
								  : "not ready");
	keep_explain(target, ready, reason, sizeof(reason));
	tcpc_show_string(o, "reason", reason);
	if (tap->split)
		tcpc_show_number(o, "weight", target->weight);
	if (target->drain_until_ns)
		tcpc_show_number(o, "drain_s", drain_s(target));
	if (peer) {
		snprintf(feedback, sizeof(feedback), "%s", peer->name);
		tcpc_show_number(o, "receipts", peer->counts.receipts);
		tcpc_show_number(o, "syn_acks", peer->counts.syn_acks);
		tcpc_show_number(o, "resets", peer->counts.resets);
	}
	tcpc_show_string(o, "feedback", feedback);
	tcpc_show_number(o, "mtu", target->route.mtu);
	tcpc_show_number(o, "copies", tap->copies.n);
	return o;
}

/* As one types it. */
static void show_copies(struct json_object *o, const struct tcpc_copies_spec *copies)
{
	char v4[TCPC_TEXT_BYTES] = "", v6[TCPC_TEXT_BYTES] = "", text[2 * TCPC_TEXT_BYTES + 1];

	if (copies->mapped[1])
		tcpc_text_from_prefix(&copies->pools[1], v4);
	if (copies->mapped[0])
		tcpc_text_from_prefix(&copies->pools[0], v6);
	snprintf(text, sizeof(text), "%s%s%s", v4, v4[0] && v6[0] ? "," : "", v6);
	tcpc_show_number(o, "copies", copies->n);
	tcpc_show_number(o, "spread_ms", copies->spread_ms);
	tcpc_show_string(o, "source", text[0] ? text : "keep");
}

static struct json_object *show_vlans(const struct tcpc_filter_spec *filter)
{
	struct json_object *list = json_object_new_array();

	for (__u32 i = 0; i < filter->n_vlans; i++)
		json_object_array_add(list, json_object_new_int(filter->vlans[i]));
	return list;
}

static struct json_object *show_tap(const struct tap *tap)
{
	struct json_object *o = json_object_new_object(), *targets = json_object_new_array();
	char reason[256] = "", why[256], percent[16], now[16];
	bool copying = false;

	for (unsigned int i = 0; i < tap->n_targets; i++) {
		json_object_array_add(targets, show_target(tap, &tap->targets[i]));
		if (target_ready(tap, &tap->targets[i], why, sizeof(why))) {
			copying = true;
			continue;
		}
		memcpy(reason, why, sizeof(reason));
		keep_explain(&tap->targets[i], false, reason, sizeof(reason));
	}
	snprintf(percent, sizeof(percent), "%g", tap->filter.sample / 100.0);
	snprintf(now, sizeof(now), "%g", tap->filter.sample_now / 100.0);
	tcpc_show_string(o, "iface", tap->iface);
	tcpc_show_string(o, "hook", tcpc_attach_kind_name(tap->attachment.kind));
	json_object_object_add(o, "ports", tcpc_show_ports(tap->ports, tap->n_ports));
	json_object_object_add(o, "copying", json_object_new_boolean(copying));
	tcpc_show_string(o, "reason", copying ? "" : reason);
	tcpc_show_string(o, "percent", percent);
	tcpc_show_string(o, "percent_now", now);
	tcpc_show_number(o, "ramp_left_s", ramp_left_s(tap));
	tcpc_show_string(o, "mode", tap->split ? "split" : "all");
	tcpc_show_string(o, "sample_by", tap->filter.by_client ? "client" : "connection");
	json_object_object_add(o, "moving", json_object_new_boolean(tap->choice.moving));
	json_object_object_add(o, "clients", tcpc_show_prefixes(&tap->filter.clients));
	json_object_object_add(o, "excludes", tcpc_show_prefixes(&tap->filter.excludes));
	json_object_object_add(o, "locals", tcpc_show_prefixes(&tap->filter.locals));
	json_object_object_add(o, "vlans", show_vlans(&tap->filter));
	show_copies(o, &tap->copies);
	tcpc_show_string(o, "via", tap->via == TCPC_VIA_VXLAN ? "vxlan" : "");
	tcpc_show_number(o, "max_pps", tap->filter.budget.max_pps);
	tcpc_show_number(o, "max_mbps", tap->filter.budget.max_mbps);
	tcpc_show_number(o, "max_cpu", tap->filter.budget.max_cpu);
	json_object_object_add(o, "target_guard", json_object_new_boolean(tap->target_guard));
	json_object_object_add(o, "guard", guard_show(tap));
	json_object_object_add(o, "targets", targets);
	if (tap->recording)
		json_object_object_add(o, "record", record_show(tap));
	return o;
}

static void list_targets(const struct tap *tap, struct json_object *list)
{
	for (unsigned int i = 0; i < tap->n_targets; i++) {
		struct json_object *o = show_target(tap, &tap->targets[i]);

		tcpc_show_string(o, "iface", tap->iface);
		json_object_array_add(list, o);
	}
}

struct json_object *tcpc_online_list(const struct tcpc_online *online, const char *iface,
				     const char *what, struct tcpc_err *err)
{
	struct json_object *o, *list = json_object_new_array();
	bool found = !iface[0];

	for (const struct tap *tap = online->taps; tap; tap = tap->next) {
		if (iface[0] && strcmp(tap->iface, iface))
			continue;
		found = true;
		if (!strcmp(what, "targets"))
			list_targets(tap, list);
		else
			json_object_array_add(list, show_tap(tap));
	}
	if (!found) {
		json_object_put(list);
		tcpc_err_set(err, ENOENT, "%s is not attached; `tcpcopyctl status` lists what is",
			     iface);
		return NULL;
	}
	o = json_object_new_object();
	json_object_object_add(o, what, list);
	return o;
}

const char *tcpc_online_pins(const struct tcpc_online *online)
{
	return online->dp && online->no_pins.code ? online->no_pins.text : "";
}

struct json_object *tcpc_online_status(const struct tcpc_online *online)
{
	struct json_object *all = json_object_new_array();

	for (const struct tap *tap = online->taps; tap; tap = tap->next)
		json_object_array_add(all, show_tap(tap));
	return all;
}

struct json_object *tcpc_online_stats(struct tcpc_online *online)
{
	struct tcpc_online_stats stats;
	struct json_object *o;

	if (!online->dp || tcpc_dp_online_stats(online->dp, &stats))
		return NULL;
	o = json_object_new_object();
#define SHOW(name, text) tcpc_show_number(o, #name, stats.name);
	TCPC_ONLINE_COUNTERS(SHOW)
#undef SHOW
	return o;
}

struct json_object *tcpc_online_link_stats(const struct tcpc_online *online)
{
	struct receipt_counts sum = {};
	struct json_object *o;

	if (!online->peers)
		return NULL;
	for (const struct peer *peer = online->peers; peer; peer = peer->next) {
		sum.receipts += peer->counts.receipts;
		sum.syn_acks += peer->counts.syn_acks;
		sum.resets += peer->counts.resets;
		sum.bytes += peer->counts.bytes;
		sum.held += peer->counts.held;
		sum.held_numbers += peer->counts.held_numbers;
		sum.shed += peer->counts.shed;
		sum.shed_slow += peer->counts.shed_slow;
	}
	o = json_object_new_object();
	tcpc_show_number(o, "receipts", sum.receipts);
	tcpc_show_number(o, "syn_acks", sum.syn_acks);
	tcpc_show_number(o, "resets", sum.resets);
	tcpc_show_number(o, "response_bytes", sum.bytes);
	tcpc_show_number(o, "held", sum.held);
	tcpc_show_number(o, "held_bytes", sum.held_numbers);
	tcpc_show_number(o, "shed", sum.shed);
	tcpc_show_number(o, "shed_slow", sum.shed_slow);
	return o;
}
