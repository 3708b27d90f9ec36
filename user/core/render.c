// SPDX-License-Identifier: GPL-2.0-only
/* render.c - see render.h. */
#include "core/render.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>

#include "core/table.h"
#include "tcpcopy/abi.h"

/* Numbers are shown as the JSON text of the value: no limit of ours to what a daemon may count. */
#define CELL(table, o, name) tcpc_table_add(table, text_of(o, name))

static struct json_object *member(struct json_object *o, const char *name)
{
	struct json_object *value = NULL;

	if (json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, name, &value);
	return value;
}

/* A member as text, NULL if it is missing, empty or not a scalar. Owned by @o. */
static const char *text_of(struct json_object *o, const char *name)
{
	struct json_object *value = member(o, name);
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

/* The same for use in a sentence. */
static const char *word(struct json_object *o, const char *name)
{
	const char *text = text_of(o, name);

	return text ? text : "-";
}

static bool is_true(struct json_object *o, const char *name)
{
	struct json_object *value = member(o, name);

	return json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

/* A number that cannot be negative, -1 if it is missing or is. */
static int64_t number(struct json_object *o, const char *name)
{
	struct json_object *value = member(o, name);
	int64_t n = json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : -1;

	return n < 0 ? -1 : n;
}

/* Length of an array member; 0 if it is none. */
static size_t length(struct json_object *o, const char *name)
{
	struct json_object *value = member(o, name);

	return json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;
}

static struct json_object *item(struct json_object *o, const char *name, size_t i)
{
	return json_object_array_get_idx(member(o, name), i);
}

static void put(FILE *out, const char *text)
{
	for (; *text; text++)
		putc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
}

static void pad(FILE *out, int n)
{
	while (n-- > 0)
		putc(' ', out);
}

void tcpc_render_line(FILE *out, const char *text)
{
	put(out, text);
	putc('\n', out);
}

/* "80,8080", or @none. */
static void put_list(FILE *out, struct json_object *o, const char *name, const char *none)
{
	size_t n = length(o, name);

	if (!n)
		fputs(none, out);
	for (size_t i = 0; i < n; i++) {
		const char *text = json_object_get_string(item(o, name, i));

		if (i)
			putc(',', out);
		put(out, text ? text : "-");
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

static void header(struct tcpc_table *table, const char *const *names)
{
	for (unsigned int i = 0; i < table->n_columns; i++)
		tcpc_table_add(table, names[i]);
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
	bool has_secure = json_object_is_type(member(o, "secure"), json_type_boolean);
	int64_t rss_bytes = number(o, "rss_bytes");

	fputs("tcpcopyd ", out);
	put(out, word(o, "version"));
	fputs(", pid ", out);
	put(out, word(o, "pid"));
	fputs(", up ", out);
	put_duration(out, number(o, "uptime_s"));
	if (rss_bytes < 0)
		fputs(", - resident, feedback link ", out);
	else
		fprintf(out, ", %.1f MB resident, feedback link ", rss_bytes / 1e6);
	fputs(is_true(o, "secure") ? "with key\n"
	      : has_secure	   ? "without key (insecure)\n"
				   : "-\n",
	      out);
}

static const char *const target_columns[] = {"TARGET", "STATE",	 "FEEDBACK", "RECEIPTS",
					     "OPENED", "RESETS", "REASON"};

static void target_cells(struct tcpc_table *table, struct json_object *target)
{
	CELL(table, target, "target");
	CELL(table, target, "state");
	CELL(table, target, "feedback");
	CELL(table, target, "receipts");
	CELL(table, target, "syn_acks");
	CELL(table, target, "resets");
	CELL(table, target, "reason");
}

static void put_tap(FILE *out, struct json_object *tap)
{
	struct tcpc_table table = {.n_columns = 7, .right = 0x38};

	fputs("  ", out);
	put(out, word(tap, "iface"));
	fputs(" (", out);
	put(out, word(tap, "hook"));
	fputs("): port ", out);
	put_list(out, tap, "ports", "-");
	fputs(", ", out);
	put(out, word(tap, "percent"));
	fputs(" % of connections from ", out);
	put_list(out, tap, "clients", "all clients");
	if (length(tap, "excludes"))
		fputs(" except ", out);
	put_list(out, tap, "excludes", "");
	fputs(is_true(tap, "copying") ? ", copying" : ", not copying: ", out);
	tcpc_render_line(out, is_true(tap, "copying") ? "" : word(tap, "reason"));
	header(&table, target_columns);
	for (size_t i = 0; i < length(tap, "targets"); i++)
		target_cells(&table, item(tap, "targets", i));
	if (length(tap, "targets"))
		tcpc_table_print(&table, out, 4);
	tcpc_table_free(&table);
}

static void put_intercept(FILE *out, struct json_object *intercept)
{
	const char *ipv6 = text_of(intercept, "ipv6");

	fputs("  ", out);
	put(out, word(intercept, "iface"));
	fputs(" (", out);
	put(out, word(intercept, "hook"));
	fputs("): port ", out);
	put_list(out, intercept, "ports", "-");
	fputs(", ", out);
	put(out, word(intercept, "state"));
	fputs(", engine ", out);
	put(out, word(intercept, "engine"));
	fputs(", queues ", out);
	put(out, word(intercept, "queues"));
	fputs(", feedback at ", out);
	put(out, word(intercept, "listen"));
	fputs(", peers ", out);
	put_list(out, intercept, "peers", "none");
	if (ipv6 && strcmp(ipv6, "intercepted")) {
		fputs("; IPv6 is left alone: ", out);
		put(out, ipv6);
	}
	putc('\n', out);
}

static void put_status(FILE *out, struct json_object *o)
{
	put_daemon(out, o);
	if (length(o, "online"))
		fputs("online\n", out);
	for (size_t i = 0; i < length(o, "online"); i++)
		put_tap(out, item(o, "online", i));
	if (length(o, "target"))
		fputs("target\n", out);
	for (size_t i = 0; i < length(o, "target"); i++)
		put_intercept(out, item(o, "target", i));
	if (!length(o, "online") && !length(o, "target"))
		fputs("nothing attached, nothing intercepted\n", out);
}

/* ---- stats ---------------------------------------------------------------------------------- */

struct meaning {
	const char *name, *text;
};

#define MEANING(name, text) {#name, text},
static const struct meaning online_meanings[] = {TCPC_ONLINE_COUNTERS(MEANING){}};
static const struct meaning target_meanings[] = {TCPC_TARGET_COUNTERS(MEANING){}};
static const struct meaning queue_meanings[] = {TCPC_QUEUE_COUNTERS(MEANING){}};
static const struct meaning hold_meanings[] = {TCPC_HOLD_COUNTERS(MEANING){}};
static const struct meaning age_meanings[] = {TCPC_AGE_COUNTERS(MEANING){}};
static const struct meaning feedback_meanings[] = {TCPC_LINK_COUNTERS(MEANING){}};
#undef MEANING

static const struct meaning link_meanings[] = {
	{"receipts", "response headers that came back from targets"},
	{"syn_acks", "connections that targets opened"},
	{"resets", "connections that targets reset"},
	{"response_bytes", "bytes of payload in the targets' responses"},
	{"held", "packets, or runs of them, that waited in a target's hold queue"},
	{"held_bytes", "bytes in these, SYN and FIN counted as one each"},
	{"shed", "connections that a target host ended itself"},
	{"shed_slow", "of these: because the target was too slow"},
	{},
};

static const struct {
	const char *name;
	const struct meaning *meanings;
} sections[] = {
	{"online", online_meanings}, {"target", target_meanings}, {"queue", queue_meanings},
	{"hold", hold_meanings},     {"age", age_meanings},	  {"feedback", feedback_meanings},
	{"link", link_meanings},
};

#define N_SECTIONS (sizeof(sections) / sizeof(sections[0]))

static const char *meaning_of(const struct meaning *meanings, const char *name)
{
	for (; meanings && meanings->name; meanings++)
		if (!strcmp(meanings->name, name))
			return meanings->text;
	return NULL;
}

static void put_section(FILE *out, const char *name, struct json_object *counters)
{
	static const char *const columns[] = {"NAME", "VALUE", "MEANING"};
	struct tcpc_table table = {.n_columns = 3, .right = 2};
	const struct meaning *meanings = NULL;

	for (size_t i = 0; i < N_SECTIONS; i++)
		if (!strcmp(sections[i].name, name))
			meanings = sections[i].meanings;
	tcpc_render_line(out, name);
	header(&table, columns);
	json_object_object_foreach (counters, counter, value) {
		(void)value;
		tcpc_table_add(&table, counter);
		CELL(&table, counters, counter);
		tcpc_table_add(&table, meaning_of(meanings, counter));
	}
	tcpc_table_print(&table, out, 2);
	tcpc_table_free(&table);
}

static void put_stats(FILE *out, struct json_object *o)
{
	unsigned int n = 0;

	json_object_object_foreach (o, name, counters) {
		if (!json_object_is_type(counters, json_type_object))
			continue;
		put_section(out, name, counters);
		n++;
	}
	if (!n)
		fputs("nothing attached, nothing intercepted: nothing to count\n", out);
}

/* ---- doctor --------------------------------------------------------------------------------- */

static int widest(struct json_object *o, const char *list, const char *name)
{
	int width = 0;

	for (size_t i = 0; i < length(o, list); i++) {
		int n = (int)strlen(word(item(o, list, i), name));

		if (n > width)
			width = n;
	}
	return width;
}

static bool has_level(struct json_object *finding, const char *level)
{
	return !strcmp(word(finding, "level"), level);
}

/* A fix stands right below its finding, under the detail, ready to be copied. */
static void put_finding(FILE *out, struct json_object *finding, int width)
{
	const char *check = word(finding, "check"), *fix = text_of(finding, "fix");
	const char *level = word(finding, "level");

	put(out, level);
	pad(out, 6 - (int)strlen(level));
	put(out, check);
	pad(out, width - (int)strlen(check) + 2);
	tcpc_render_line(out, word(finding, "detail"));
	if (has_level(finding, "ok") || !fix)
		return;
	pad(out, width + 8);
	fputs("fix: ", out);
	tcpc_render_line(out, fix);
}

static void put_doctor(FILE *out, struct json_object *o)
{
	size_t n = length(o, "findings"), n_warn = 0, n_fail = 0;
	int width = widest(o, "findings", "check");

	for (size_t i = 0; i < n; i++) {
		struct json_object *finding = item(o, "findings", i);

		put_finding(out, finding, width);
		n_warn += has_level(finding, "warn");
		n_fail += has_level(finding, "fail");
	}
	fprintf(out, "%zu checks: %zu fail, %zu warn\n", n, n_fail, n_warn);
}

bool tcpc_render_failed(const char *command, struct json_object *result)
{
	if (!command || strcmp(command, "doctor"))
		return false;
	for (size_t i = 0; i < length(result, "findings"); i++)
		if (has_level(item(result, "findings", i), "fail"))
			return true;
	return false;
}

/* ---- lists ---------------------------------------------------------------------------------- */

static void put_targets(FILE *out, struct json_object *o)
{
	struct tcpc_table table = {.n_columns = 8, .right = 0x70};

	tcpc_table_add(&table, "IFACE");
	for (unsigned int i = 0; i < 7; i++)
		tcpc_table_add(&table, target_columns[i]);
	for (size_t i = 0; i < length(o, "targets"); i++) {
		CELL(&table, item(o, "targets", i), "iface");
		target_cells(&table, item(o, "targets", i));
	}
	if (length(o, "targets"))
		tcpc_table_print(&table, out, 0);
	else
		fputs("nothing attached\n", out);
	tcpc_table_free(&table);
}

static void put_filters(FILE *out, struct json_object *o)
{
	static const char *const columns[] = {"IFACE", "PORTS", "PERCENT", "CLIENTS", "EXCLUDES"};
	struct tcpc_table table = {.n_columns = 5, .right = 4};

	header(&table, columns);
	for (size_t i = 0; i < length(o, "filters"); i++) {
		struct json_object *tap = item(o, "filters", i);

		CELL(&table, tap, "iface");
		list_cell(&table, tap, "ports", "-");
		CELL(&table, tap, "percent");
		list_cell(&table, tap, "clients", "any");
		list_cell(&table, tap, "excludes", "none");
	}
	if (length(o, "filters"))
		tcpc_table_print(&table, out, 0);
	else
		fputs("nothing attached\n", out);
	tcpc_table_free(&table);
}

static void put_allow(FILE *out, struct json_object *o)
{
	static const char *const columns[] = {"PREFIX", "STATE"};
	struct tcpc_table table = {.n_columns = 2};

	header(&table, columns);
	for (size_t i = 0; i < length(o, "allow"); i++) {
		CELL(&table, item(o, "allow", i), "prefix");
		CELL(&table, item(o, "allow", i), "state");
	}
	if (length(o, "allow"))
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
	{"status", put_status},	 {"stats", put_stats},	  {"doctor", put_doctor},
	{"target", put_targets}, {"filter", put_filters}, {"allow", put_allow},
};

void tcpc_render(FILE *out, const char *command, struct json_object *result)
{
	struct json_object *text = member(result, "text");

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
