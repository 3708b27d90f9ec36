// SPDX-License-Identifier: GPL-2.0-only
/* render_ledger.c - the ledger for people, see render.h: the account, what is lost and why, each
 * target's share, and which connections are furthest behind. */
#include "core/render_priv.h"

#include <inttypes.h>
#include <string.h>
#include <json-c/json.h>

#include "core/ledger.h"

static const char *text_of_reason(const char *name)
{
	for (int i = 0; i < __TCPC_LEDGER_LOST_MAX; i++)
		if (!strcmp(tcpc_ledger_reason_name(i), name))
			return tcpc_ledger_reason_text(i);
	return NULL;
}

/* ---- the account ------------------------------------------------------------------------------
 */

static bool is_nothing(struct json_object *o, const char *name)
{
	const char *text = render_text(o, name);

	return !text || !strcmp(text, "0");
}

static void sum_row(struct tcpc_table *table, const char *name, struct json_object *sum)
{
	tcpc_table_add(table, name);
	RENDER_CELL(table, sum, "copied");
	RENDER_CELL(table, sum, "acknowledged");
	RENDER_CELL(table, sum, "held");
	RENDER_CELL(table, sum, "in_flight");
	tcpc_table_add_as(table, render_text(sum, "lost"),
			  is_nothing(sum, "lost") ? NULL : TCPC_PAINT_BAD);
}

static void put_account(FILE *out, struct json_object *o)
{
	static const char *const columns[] = {"",     "COPIED",	   "ACKNOWLEDGED",
					      "HELD", "IN FLIGHT", "LOST"};
	struct tcpc_table table = {.n_columns = 6, .right = 0x3e};
	struct json_object *total = render_member(o, "total");

	render_header(&table, columns);
	sum_row(&table, "bytes", render_member(total, "bytes"));
	sum_row(&table, "exchanges", render_member(total, "exchanges"));
	tcpc_table_print(&table, out, 0);
	tcpc_table_free(&table);
}

/* What was never copied is in no account. */
static void put_skipped(FILE *out, struct json_object *o)
{
	struct json_object *skipped = render_member(o, "skipped");

	if (!skipped || (is_nothing(skipped, "packets") && is_nothing(skipped, "connections")))
		return;
	fprintf(out,
		"not copied while nobody intercepted: %s packets with data, %s bytes, %s new "
		"connections\n",
		render_text(skipped, "packets"), render_text(skipped, "bytes"),
		render_text(skipped, "connections"));
}

static void put_lost(FILE *out, struct json_object *o)
{
	static const char *const columns[] = {"LOST", "BYTES", "EXCHANGES", "WHY"};
	struct tcpc_table table = {.n_columns = 4, .right = 6};
	struct json_object *total = render_member(o, "total");
	struct json_object *bytes = render_member(render_member(total, "bytes"), "reasons");
	struct json_object *exchanges = render_member(render_member(total, "exchanges"), "reasons");
	unsigned int n = 0;

	if (!json_object_is_type(bytes, json_type_object))
		return;
	render_header(&table, columns);
	json_object_object_foreach (bytes, reason, value) {
		(void)value;
		if (is_nothing(bytes, reason) && is_nothing(exchanges, reason))
			continue;
		tcpc_table_add(&table, reason);
		RENDER_CELL(&table, bytes, reason);
		RENDER_CELL(&table, exchanges, reason);
		tcpc_table_add(&table, text_of_reason(reason));
		n++;
	}
	if (n) {
		putc('\n', out);
		tcpc_table_print(&table, out, 0);
	}
	tcpc_table_free(&table);
}

/* ---- targets and connections ------------------------------------------------------------------
 */

static void put_targets(FILE *out, struct json_object *o)
{
	static const char *const columns[] = {"TARGET HOST", "STATE",	  "COPIED", "ACKNOWLEDGED",
					      "HELD",	     "IN FLIGHT", "LOST",   "RESENT"};
	struct tcpc_table table = {.n_columns = 8, .right = 0xfc};

	render_header(&table, columns);
	for (size_t i = 0; i < render_length(o, "targets"); i++) {
		struct json_object *target = render_item(o, "targets", i);

		RENDER_CELL(&table, target, "target");
		RENDER_CELL(&table, target, "state");
		RENDER_CELL(&table, render_member(target, "bytes"), "copied");
		RENDER_CELL(&table, render_member(target, "bytes"), "acknowledged");
		RENDER_CELL(&table, render_member(target, "bytes"), "held");
		RENDER_CELL(&table, render_member(target, "bytes"), "in_flight");
		RENDER_CELL(&table, render_member(target, "bytes"), "lost");
		RENDER_CELL(&table, target, "resent");
	}
	if (render_length(o, "targets")) {
		putc('\n', out);
		tcpc_table_print(&table, out, 0);
	}
	tcpc_table_free(&table);
}

static void behind_cell(struct tcpc_table *table, struct json_object *line)
{
	struct json_object *value = render_member(line, "behind_ms");
	char text[32];

	if (!json_object_is_type(value, json_type_int)) {
		tcpc_table_add(table, NULL);
		return;
	}
	snprintf(text, sizeof(text), "%.1f s", json_object_get_int64(value) / 1000.0);
	tcpc_table_add(table, text);
}

static void put_behind(FILE *out, struct json_object *o)
{
	static const char *const columns[] = {"FURTHEST BEHIND", "TARGET", "STATE", "BEHIND",
					      "IN FLIGHT",	 "HELD",   "LOST",  "RESENT"};
	struct tcpc_table table = {.n_columns = 8, .right = 0xf8};

	render_header(&table, columns);
	for (size_t i = 0; i < render_length(o, "behind"); i++) {
		struct json_object *line = render_item(o, "behind", i);

		RENDER_CELL(&table, line, "client");
		RENDER_CELL(&table, line, "target");
		RENDER_CELL(&table, line, "state");
		behind_cell(&table, line);
		RENDER_CELL(&table, line, "in_flight");
		RENDER_CELL(&table, line, "held");
		RENDER_CELL(&table, line, "lost");
		RENDER_CELL(&table, line, "resent");
	}
	if (render_length(o, "behind")) {
		putc('\n', out);
		tcpc_table_print(&table, out, 0);
	}
	tcpc_table_free(&table);
}

static bool has_counted(struct json_object *part)
{
	if (!json_object_is_type(part, json_type_object))
		return false;
	json_object_object_foreach (part, name, value) {
		(void)value;
		if (!is_nothing(part, name))
			return true;
	}
	return false;
}

void render_ledger(FILE *out, struct json_object *o)
{
	static const char *const parts[] = {"ledger", "journal", "resend", "delivery"};

	put_account(out, o);
	put_lost(out, o);
	put_skipped(out, o);
	put_targets(out, o);
	put_behind(out, o);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct json_object *part = render_member(o, parts[i]);

		/* The others are in `stats`. */
		if (!has_counted(part))
			continue;
		putc('\n', out);
		render_counters(out, parts[i], part, false);
	}
}
