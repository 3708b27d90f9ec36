// SPDX-License-Identifier: GPL-2.0-only
/* online_ledger.c - the ledgers of all target hosts as JSON, added up, see online_priv.h. */
#include "role/online_priv.h"

#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>

#include "core/ledger.h"
#include "core/retention.h"
#include "edge/resend.h"
#include "role/show.h"

#define MAX_BEHIND 10

static void add_sum(struct tcpc_ledger_sum *total, const struct tcpc_ledger_sum *sum)
{
	total->copied += sum->copied;
	total->acknowledged += sum->acknowledged;
	total->held += sum->held;
	total->in_flight += sum->in_flight;
	for (int i = 0; i < __TCPC_LEDGER_LOST_MAX; i++)
		total->lost[i] += sum->lost[i];
}

static struct json_object *show_sum(const struct tcpc_ledger_sum *sum)
{
	struct json_object *o = json_object_new_object(), *reasons = json_object_new_object();

	tcpc_show_number(o, "copied", sum->copied);
	tcpc_show_number(o, "acknowledged", sum->acknowledged);
	tcpc_show_number(o, "held", sum->held);
	tcpc_show_number(o, "in_flight", sum->in_flight);
	tcpc_show_number(o, "lost", tcpc_ledger_lost(sum));
	for (int i = 0; i < __TCPC_LEDGER_LOST_MAX; i++)
		tcpc_show_number(reasons, tcpc_ledger_reason_name(i), sum->lost[i]);
	json_object_object_add(o, "reasons", reasons);
	return o;
}

static void add_sums(struct json_object *o, const struct tcpc_ledger_sum *bytes,
		     const struct tcpc_ledger_sum *exchanges)
{
	json_object_object_add(o, "bytes", show_sum(bytes));
	json_object_object_add(o, "exchanges", show_sum(exchanges));
}

static struct json_object *show_peer(const struct peer *peer, const struct tcpc_ledger *ledger)
{
	struct tcpc_ledger_sum exchanges = tcpc_ledger_exchanges(ledger);
	struct json_object *o = json_object_new_object();

	tcpc_show_string(o, "target", peer->name);
	tcpc_show_string(o, "state", tcpc_ledger_is_paused(ledger) ? "waiting" : "running");
	tcpc_show_number(o, "resent", tcpc_ledger_stats(ledger)->resent);
	tcpc_show_number(o, "srtt_us", tcpc_ledger_stats(ledger)->srtt_us);
	add_sums(o, tcpc_ledger_bytes(ledger), &exchanges);
	return o;
}

/* ---- the connections furthest behind ----------------------------------------------------------
 */

static struct json_object *show_line(const struct tcpc_ledger_line *line)
{
	struct tcpc_endpoint client = {line->flow.client, line->flow.client_port};
	struct tcpc_endpoint server = {line->flow.server, line->flow.server_port};
	struct json_object *o = json_object_new_object();
	char text[TCPC_TEXT_BYTES];

	tcpc_show_string(o, "client", tcpc_text_from_endpoint(&client, text));
	tcpc_show_string(o, "target", tcpc_text_from_endpoint(&server, text));
	tcpc_show_string(o, "state", line->state);
	tcpc_show_number(o, "behind_ms", line->behind_ns / 1000000);
	tcpc_show_number(o, "copied", line->copied);
	tcpc_show_number(o, "acknowledged", line->acknowledged);
	tcpc_show_number(o, "held", line->held);
	tcpc_show_number(o, "in_flight", line->in_flight);
	tcpc_show_number(o, "lost", line->lost);
	tcpc_show_number(o, "exchanges", line->exchanges);
	tcpc_show_number(o, "exchanges_in_flight", line->exchanges_in_flight);
	tcpc_show_number(o, "exchanges_lost", line->exchanges_lost);
	tcpc_show_number(o, "retained_bytes", line->retained_bytes);
	tcpc_show_number(o, "resent", line->resent);
	tcpc_show_number(o, "srtt_us", line->srtt_us);
	return o;
}

static int further_behind(const void *a, const void *b)
{
	const struct tcpc_ledger_line *x = a, *y = b;

	return (x->behind_ns < y->behind_ns) - (x->behind_ns > y->behind_ns);
}

static struct json_object *show_behind(const struct tcpc_online *online)
{
	struct tcpc_ledger_line lines[2 * MAX_BEHIND];
	struct json_object *list = json_object_new_array();
	unsigned int n = 0;

	for (const struct peer *peer = online->peers; peer; peer = peer->next) {
		const struct tcpc_ledger *ledger = delivery_ledger_of(peer);

		if (!ledger)
			continue;
		n += tcpc_ledger_behind(ledger, uv_hrtime(), &lines[n], MAX_BEHIND);
		qsort(lines, n, sizeof(lines[0]), further_behind);
		n = n < MAX_BEHIND ? n : MAX_BEHIND;
	}
	for (unsigned int i = 0; i < n; i++)
		json_object_array_add(list, show_line(&lines[i]));
	return list;
}

/* ---- counters ---------------------------------------------------------------------------------
 */

#define SHOW(name, text) tcpc_show_number(part, #name, stats.name);
#define ADD(name, text) stats.name += one->name;

static struct json_object *show_ledgers(const struct tcpc_online *online)
{
	struct json_object *part = json_object_new_object();
	struct tcpc_ledger_stats stats = {};
	__u64 srtt_us = 0;

	for (const struct peer *peer = online->peers; peer; peer = peer->next) {
		const struct tcpc_ledger *ledger = delivery_ledger_of(peer);
		const struct tcpc_ledger_stats *one;

		if (!ledger)
			continue;
		one = tcpc_ledger_stats(ledger);
		TCPC_LEDGER_COUNTERS(ADD)
		srtt_us = one->srtt_us > srtt_us ? one->srtt_us : srtt_us;
	}
	stats.srtt_us = srtt_us; /* of the slowest: a sum of times means nothing */
	TCPC_LEDGER_COUNTERS(SHOW)
	return part;
}

static struct json_object *show_journal(const struct tcpc_retention_stats *s)
{
	struct json_object *part = json_object_new_object();
	struct tcpc_retention_stats stats = *s;

	TCPC_RETENTION_COUNTERS(SHOW)
	return part;
}

static struct json_object *show_resend(const struct tcpc_resend_stats *s)
{
	struct json_object *part = json_object_new_object();
	struct tcpc_resend_stats stats = *s;

	TCPC_RESEND_COUNTERS(SHOW)
	return part;
}

static struct json_object *show_delivery(const struct delivery_stats *s)
{
	struct json_object *part = json_object_new_object();
	struct delivery_stats stats = *s;

	TCPC_DELIVERY_COUNTERS(SHOW)
	return part;
}

#undef SHOW
#undef ADD

void tcpc_online_delivery_stats(const struct tcpc_online *online, struct json_object *o)
{
	struct tcpc_retention_stats journal;
	struct tcpc_resend_stats resend;
	struct delivery_stats delivery;

	if (!online->delivery)
		return;
	delivery_stats(online->delivery, &delivery, &journal, &resend);
	json_object_object_add(o, "ledger", show_ledgers(online));
	json_object_object_add(o, "journal", show_journal(&journal));
	json_object_object_add(o, "resend", show_resend(&resend));
	json_object_object_add(o, "delivery", show_delivery(&delivery));
}

/* ---- the command ------------------------------------------------------------------------------
 */

/* What the ledger cannot know: nobody was there for it, so it was not copied. */
static struct json_object *show_skipped(const struct tcpc_online *online)
{
	struct json_object *o = json_object_new_object();
	struct tcpc_online_stats stats = {};

	if (online->dp && tcpc_dp_online_stats(online->dp, &stats))
		memset(&stats, 0, sizeof(stats)); /* said in the log */
	tcpc_show_number(o, "packets", stats.skipped_data);
	tcpc_show_number(o, "bytes", stats.skipped_bytes);
	tcpc_show_number(o, "connections", stats.skipped_opens);
	return o;
}

struct json_object *tcpc_online_ledger(const struct tcpc_online *online, struct tcpc_err *err)
{
	struct json_object *o, *total, *targets;
	struct tcpc_ledger_sum bytes = {}, exchanges = {};

	if (!online->delivery) {
		tcpc_err_set(err, ENOENT,
			     online->taps ? "there is no ledger: recovery is off; detach, and "
					    "attach without --recovery off"
					  : "there is no ledger: nothing is attached");
		return NULL;
	}
	o = json_object_new_object();
	total = json_object_new_object();
	targets = json_object_new_array();
	for (const struct peer *peer = online->peers; peer; peer = peer->next) {
		const struct tcpc_ledger *ledger = delivery_ledger_of(peer);
		struct tcpc_ledger_sum sum;

		if (!ledger)
			continue;
		sum = tcpc_ledger_exchanges(ledger);
		add_sum(&exchanges, &sum);
		add_sum(&bytes, tcpc_ledger_bytes(ledger));
		json_object_array_add(targets, show_peer(peer, ledger));
	}
	add_sums(total, &bytes, &exchanges);
	json_object_object_add(o, "total", total);
	json_object_object_add(o, "skipped", show_skipped(online));
	json_object_object_add(o, "targets", targets);
	json_object_object_add(o, "behind", show_behind(online));
	tcpc_online_delivery_stats(online, o);
	return o;
}
