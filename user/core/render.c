// SPDX-License-Identifier: GPL-2.0-only
/* render.c - see render.h. */
#include "core/render.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>

#include "core/render_priv.h"

struct json_object *render_member(struct json_object *o, const char *name)
{
	struct json_object *value = NULL;

	if (json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, name, &value);
	return value;
}

const char *render_text(struct json_object *o, const char *name)
{
	struct json_object *value = render_member(o, name);
	const char *text;

	switch (json_object_get_type(value)) {
	case json_type_string:
	case json_type_int:
	case json_type_double:
	case json_type_boolean:
		text = json_object_get_string(value);
		return text && *text ? text : NULL;
	default:
		return NULL;
	}
}

const char *render_word(struct json_object *o, const char *name)
{
	const char *text = render_text(o, name);

	return text ? text : "-";
}

static bool is_true(struct json_object *o, const char *name)
{
	struct json_object *value = render_member(o, name);

	return json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

/* A number that cannot be negative, -1 if it is missing or is. */
static int64_t number(struct json_object *o, const char *name)
{
	struct json_object *value = render_member(o, name);
	int64_t n = json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : -1;

	return n < 0 ? -1 : n;
}

size_t render_length(struct json_object *o, const char *name)
{
	struct json_object *value = render_member(o, name);

	return json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;
}

struct json_object *render_item(struct json_object *o, const char *name, size_t i)
{
	return json_object_array_get_idx(render_member(o, name), i);
}

void render_put(FILE *out, const char *text)
{
	for (; *text; text++)
		putc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
}

void tcpc_render_line(FILE *out, const char *text)
{
	render_put(out, text);
	putc('\n', out);
}

/* "80,8080", or @none. */
static void put_list(FILE *out, struct json_object *o, const char *name, const char *none)
{
	size_t n = render_length(o, name);

	if (!n)
		fputs(none, out);
	for (size_t i = 0; i < n; i++) {
		const char *text = json_object_get_string(render_item(o, name, i));

		if (i)
			putc(',', out);
		render_put(out, text ? text : "-");
	}
}

/* put_list() as a cell. */
static void list_cell(struct tcpc_table *table, struct json_object *o, const char *name,
		      const char *none)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out) {
		put_list(out, o, name, none);
		fclose(out);
	}
	tcpc_table_add(table, text ? text : "(out of memory)");
	free(text);
}

void render_header(struct tcpc_table *table, const char *const *names)
{
	for (unsigned int i = 0; i < table->n_columns; i++)
		tcpc_table_add_as(table, names[i], TCPC_PAINT_HEAD);
}

/* ---- status --------------------------------------------------------------------------------- */

static void put_duration(FILE *out, int64_t seconds)
{
	int64_t days = seconds / 86400, hours = seconds / 3600 % 24, minutes = seconds / 60 % 60;

	if (seconds < 0)
		putc('-', out);
	else if (days)
		fprintf(out, "%jd d %jd h", (intmax_t)days, (intmax_t)hours);
	else if (hours)
		fprintf(out, "%jd h %jd min", (intmax_t)hours, (intmax_t)minutes);
	else if (minutes)
		fprintf(out, "%jd min %jd s", (intmax_t)minutes, (intmax_t)(seconds % 60));
	else
		fprintf(out, "%jd s", (intmax_t)seconds);
}

static void put_daemon(FILE *out, struct json_object *o)
{
	bool has_secure = json_object_is_type(render_member(o, "secure"), json_type_boolean);
	int64_t rss_bytes = number(o, "rss_bytes");
	const char *pins = render_text(o, "pins");

	fputs("tcpcopyd ", out);
	render_put(out, render_word(o, "version"));
	fputs(", pid ", out);
	render_put(out, render_word(o, "pid"));
	fputs(", up ", out);
	put_duration(out, number(o, "uptime_s"));
	if (rss_bytes < 0)
		fputs(", - resident, feedback link ", out);
	else
		fprintf(out, ", %.1f MB resident, feedback link ", rss_bytes / 1e6);
	fputs(is_true(o, "secure") ? "with key\n"
	      : has_secure	   ? TCPC_PAINT_WARN "without key (insecure)" TCPC_PAINT_OFF "\n"
				   : "-\n",
	      out);
	if (pins && *pins) {
		render_put(out, pins);
		putc('\n', out);
	}
}

static const char *const target_columns[] = {"TARGET", "STATE",	 "FEEDBACK", "RECEIPTS",
					     "OPENED", "RESETS", "REASON"};

static void target_cells(struct tcpc_table *table, struct json_object *target)
{
	const char *state = render_text(target, "state");
	bool copying = state && !strcmp(state, "copying");

	RENDER_CELL(table, target, "target");
	tcpc_table_add_as(table, state, copying ? TCPC_PAINT_GOOD : TCPC_PAINT_BAD);
	RENDER_CELL(table, target, "feedback");
	RENDER_CELL(table, target, "receipts");
	RENDER_CELL(table, target, "syn_acks");
	RENDER_CELL(table, target, "resets");
	RENDER_CELL(table, target, "reason");
}

/* What has tripped, and what did before. */
static void put_guard(FILE *out, struct json_object *event)
{
	bool tripped = is_true(event, "tripped");

	fputs(tripped ? "    " TCPC_PAINT_WARN "guard" TCPC_PAINT_OFF ": " : "    guard, was: ",
	      out);
	render_put(out, render_word(event, "what"));
	if (tripped) {
		fputs(": ", out);
		render_put(out, render_word(event, "reason"));
	}
	fputs(tripped ? ", since " : ", over since ", out);
	put_duration(out, number(event, "since_s"));
	fprintf(out, ", tripped %jd times\n", (intmax_t)number(event, "times"));
}

/* Only where it is not the usual: one copy, from its client. */
static void put_copies(FILE *out, struct json_object *tap)
{
	const char *copies = render_text(tap, "copies"), *source = render_text(tap, "source");

	if (copies && strcmp(copies, "1")) {
		fputs(", ", out);
		render_put(out, copies);
		fputs(" copies", out);
	}
	if (source && strcmp(source, "keep")) {
		fputs(", from ", out);
		render_put(out, source);
	}
}

/* What connections come to, if not all is copied. */
static void put_where(FILE *out, struct json_object *tap)
{
	if (render_length(tap, "locals"))
		fputs(" to ", out);
	put_list(out, tap, "locals", "");
	if (render_length(tap, "vlans"))
		fputs(" in VLAN ", out);
	put_list(out, tap, "vlans", "");
}

/* With --ramp, too, how far it is. */
static void put_percent(FILE *out, struct json_object *tap)
{
	bool ramp = strcmp(render_word(tap, "ramp_left_s"), "0") && render_text(tap, "ramp_left_s");

	fputs(", ", out);
	render_put(out, render_word(tap, ramp ? "percent_now" : "percent"));
	fputs(" % of connections ", out);
	if (ramp) {
		putc('(', out);
		render_put(out, render_word(tap, "percent"));
		fputs(" % in ", out);
		render_put(out, render_word(tap, "ramp_left_s"));
		fputs(" s) ", out);
	}
	fputs("from ", out);
}

/* A reason that stands in the line of a target is not said twice. */
static bool is_told(struct json_object *tap, const char *reason)
{
	for (size_t i = 0; i < render_length(tap, "targets"); i++)
		if (!strcmp(render_word(render_item(tap, "targets", i), "reason"), reason))
			return true;
	return false;
}

static void put_copying(FILE *out, struct json_object *tap)
{
	const char *reason = render_word(tap, "reason");

	if (is_true(tap, "copying")) {
		fputs(", " TCPC_PAINT_GOOD "copying" TCPC_PAINT_OFF "\n", out);
		return;
	}
	fputs(", " TCPC_PAINT_BAD "not copying" TCPC_PAINT_OFF, out);
	if (!is_told(tap, reason)) {
		fputs(": ", out);
		render_put(out, reason);
	}
	putc('\n', out);
}

static void put_tap(FILE *out, struct json_object *tap)
{
	struct tcpc_table table = {.n_columns = 7, .right = 0x38};

	fputs("  ", out);
	render_put(out, render_word(tap, "iface"));
	fputs(" (", out);
	render_put(out, render_word(tap, "hook"));
	fputs("): port ", out);
	put_list(out, tap, "ports", "-");
	put_percent(out, tap);
	put_list(out, tap, "clients", "all clients");
	if (render_length(tap, "excludes"))
		fputs(" except ", out);
	put_list(out, tap, "excludes", "");
	put_where(out, tap);
	put_copies(out, tap);
	put_copying(out, tap);
	for (size_t i = 0; i < render_length(tap, "guard"); i++)
		put_guard(out, render_item(tap, "guard", i));
	if (render_member(tap, "record"))
		render_record(out, render_member(tap, "record"));
	render_header(&table, target_columns);
	for (size_t i = 0; i < render_length(tap, "targets"); i++)
		target_cells(&table, render_item(tap, "targets", i));
	if (render_length(tap, "targets"))
		tcpc_table_print(&table, out, 4);
	tcpc_table_free(&table);
}

static void put_intercept(FILE *out, struct json_object *intercept)
{
	const char *ipv6 = render_text(intercept, "ipv6");
	const char *reason = render_text(intercept, "reason");

	fputs("  ", out);
	render_put(out, render_word(intercept, "iface"));
	fputs(" (", out);
	render_put(out, render_word(intercept, "hook"));
	fputs("): port ", out);
	put_list(out, intercept, "ports", "-");
	fputs(", ", out);
	render_put(out, render_word(intercept, "state"));
	fputs(", engine ", out);
	render_put(out, render_word(intercept, "engine"));
	fputs(", queues ", out);
	render_put(out, render_word(intercept, "queues"));
	fputs(", feedback at ", out);
	render_put(out, render_word(intercept, "listen"));
	fputs(", peers ", out);
	put_list(out, intercept, "peers", "none");
	if (ipv6 && strcmp(ipv6, "intercepted")) {
		fputs("; IPv6 is left alone: ", out);
		render_put(out, ipv6);
	}
	if (reason && *reason) {
		fputs("; ", out);
		render_put(out, reason);
	}
	putc('\n', out);
}

static void put_status(FILE *out, struct json_object *o)
{
	put_daemon(out, o);
	if (render_length(o, "online"))
		fputs("online\n", out);
	for (size_t i = 0; i < render_length(o, "online"); i++)
		put_tap(out, render_item(o, "online", i));
	if (render_length(o, "target"))
		fputs("target\n", out);
	for (size_t i = 0; i < render_length(o, "target"); i++)
		put_intercept(out, render_item(o, "target", i));
	render_hosts(out, o);
	if (!render_length(o, "online") && !render_length(o, "target"))
		fputs("nothing attached, nothing intercepted\n", out);
}

/* ---- lists ---------------------------------------------------------------------------------- */

static void put_targets(FILE *out, struct json_object *o)
{
	struct tcpc_table table = {.n_columns = 8, .right = 0x70};

	tcpc_table_add(&table, "IFACE");
	for (unsigned int i = 0; i < 7; i++)
		tcpc_table_add(&table, target_columns[i]);
	for (size_t i = 0; i < render_length(o, "targets"); i++) {
		RENDER_CELL(&table, render_item(o, "targets", i), "iface");
		target_cells(&table, render_item(o, "targets", i));
	}
	if (render_length(o, "targets"))
		tcpc_table_print(&table, out, 0);
	else
		fputs("nothing attached\n", out);
	tcpc_table_free(&table);
}

static void put_filters(FILE *out, struct json_object *o)
{
	static const char *const columns[] = {"IFACE",	  "PORTS", "PERCENT", "CLIENTS",
					      "EXCLUDES", "LOCAL", "VLAN"};
	struct tcpc_table table = {.n_columns = 7, .right = 4};

	render_header(&table, columns);
	for (size_t i = 0; i < render_length(o, "filters"); i++) {
		struct json_object *tap = render_item(o, "filters", i);

		RENDER_CELL(&table, tap, "iface");
		list_cell(&table, tap, "ports", "-");
		RENDER_CELL(&table, tap, "percent");
		list_cell(&table, tap, "clients", "any");
		list_cell(&table, tap, "excludes", "none");
		list_cell(&table, tap, "locals", "any");
		list_cell(&table, tap, "vlans", "any");
	}
	if (render_length(o, "filters"))
		tcpc_table_print(&table, out, 0);
	else
		fputs("nothing attached\n", out);
	tcpc_table_free(&table);
}

static void put_allow(FILE *out, struct json_object *o)
{
	static const char *const columns[] = {"PREFIX", "STATE"};
	struct tcpc_table table = {.n_columns = 2};

	render_header(&table, columns);
	for (size_t i = 0; i < render_length(o, "allow"); i++) {
		RENDER_CELL(&table, render_item(o, "allow", i), "prefix");
		RENDER_CELL(&table, render_item(o, "allow", i), "state");
	}
	if (render_length(o, "allow"))
		tcpc_table_print(&table, out, 0);
	else
		fputs("the allow-list is empty\n", out);
	tcpc_table_free(&table);
}

/* ---- which ---------------------------------------------------------------------------------- */

static const struct {
	const char *command;
	void (*put)(FILE *out, struct json_object *result);
} renderers[] = {
	{"status", put_status},	   {"stats", render_stats},   {"doctor", render_doctor},
	{"target", put_targets},   {"filter", put_filters},   {"allow", put_allow},
	{"ledger", render_ledger}, {"replay", render_replay},
};

static void render(FILE *out, const char *command, struct json_object *result)
{
	struct json_object *text = render_member(result, "text");

	if (json_object_is_type(text, json_type_string)) {
		tcpc_render_line(out, json_object_get_string(text));
		return;
	}
	for (size_t i = 0; command && i < sizeof(renderers) / sizeof(renderers[0]); i++) {
		if (strcmp(renderers[i].command, command))
			continue;
		if (json_object_is_type(result, json_type_object)) {
			renderers[i].put(out, result);
			return;
		}
	}
	if (!result ||
	    (json_object_is_type(result, json_type_object) && !json_object_object_length(result))) {
		fputs("done\n", out);
		return;
	}
	/* Valid for everything: json-c escapes control characters in strings. */
	fprintf(out, "%s\n",
		json_object_to_json_string_ext(result,
					       JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED));
}

void tcpc_render(FILE *out, const char *command, struct json_object *result, bool colours)
{
	char *text = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&text, &size);

	if (memory) {
		render(memory, command, result);
		fclose(memory);
	}
	if (text)
		tcpc_paint_write(out, text, size, colours);
	else
		fputs("(out of memory)\n", out);
	free(text);
}
