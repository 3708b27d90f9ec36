// SPDX-License-Identifier: GPL-2.0-only
/* render_stats.c - every counter with what it means, see render.h. */
#include "core/render_priv.h"

#include <string.h>
#include <json-c/json.h>

#include "core/ledger.h"
#include "core/retention.h"
#include "tcpcopy/abi.h"

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
static const struct meaning ledger_meanings[] = {TCPC_LEDGER_COUNTERS(MEANING){}};
static const struct meaning journal_meanings[] = {TCPC_RETENTION_COUNTERS(MEANING){}};
static const struct meaning resend_meanings[] = {TCPC_RESEND_COUNTERS(MEANING){}};
static const struct meaning delivery_meanings[] = {TCPC_DELIVERY_COUNTERS(MEANING){}};
static const struct meaning record_meanings[] = {TCPC_RECORD_COUNTERS(MEANING){}};
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
	{"online", online_meanings},	 {"target", target_meanings},
	{"queue", queue_meanings},	 {"hold", hold_meanings},
	{"age", age_meanings},		 {"feedback", feedback_meanings},
	{"link", link_meanings},	 {"ledger", ledger_meanings},
	{"journal", journal_meanings},	 {"resend", resend_meanings},
	{"delivery", delivery_meanings}, {"record", record_meanings},
};

#define N_SECTIONS (sizeof(sections) / sizeof(sections[0]))

static const char *meaning_of(const struct meaning *meanings, const char *name)
{
	for (; meanings && meanings->name; meanings++)
		if (!strcmp(meanings->name, name))
			return meanings->text;
	return NULL;
}

static const struct meaning *meanings_of(const char *section)
{
	for (size_t i = 0; i < N_SECTIONS; i++)
		if (!strcmp(sections[i].name, section))
			return sections[i].meanings;
	return NULL;
}

const char *render_meaning(const char *section, const char *name)
{
	return meaning_of(meanings_of(section), name);
}

/* One row: what has counted nothing steps back. */
static void counter_row(struct tcpc_table *table, struct json_object *counters, const char *counter,
			const char *text, bool zeros)
{
	const char *value = render_text(counters, counter);
	const char *mark = value && !strcmp(value, "0") ? TCPC_PAINT_FAINT : NULL;

	if (mark && !zeros)
		return;
	tcpc_table_add_as(table, counter, mark);
	tcpc_table_add_as(table, value, mark);
	tcpc_table_add_as(table, text, mark);
}

void render_counters(FILE *out, const char *name, struct json_object *counters, bool zeros)
{
	static const char *const columns[] = {"NAME", "VALUE", "MEANING"};
	struct tcpc_table table = {.n_columns = 3, .right = 2};
	const struct meaning *meanings = meanings_of(name);

	tcpc_render_line(out, name);
	render_header(&table, columns);
	json_object_object_foreach (counters, counter, value) {
		(void)value;
		counter_row(&table, counters, counter, meaning_of(meanings, counter), zeros);
	}
	tcpc_table_print(&table, out, 2);
	tcpc_table_free(&table);
}

void render_stats(FILE *out, struct json_object *o)
{
	unsigned int n = 0;

	json_object_object_foreach (o, name, counters) {
		if (!json_object_is_type(counters, json_type_object))
			continue;
		render_counters(out, name, counters, true);
		n++;
	}
	if (!n)
		fputs("nothing attached, nothing intercepted: nothing to count\n", out);
}
