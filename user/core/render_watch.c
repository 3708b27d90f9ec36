// SPDX-License-Identifier: GPL-2.0-only
/* render_watch.c - `stats --watch` on a terminal, see render.h: one screen, written over the last.
 */
#include "core/render_priv.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>

/* Lines that are not counters: what this is, the header, what is not shown. */
#define OTHER_LINES 3

/** One pass over all counters. */
struct watch {
	struct json_object *before;
	double seconds;
	struct tcpc_table *table; /* NULL: only count */
	bool still;		  /* also those that stand still */
	unsigned int n;		  /* rows so far */
	unsigned int most;
};

static bool is_counter(struct json_object *value)
{
	return json_object_is_type(value, json_type_int) && json_object_get_int64(value);
}

/* Change since the last answer: gauges may fall. A part that was not there yet has no rate. */
static bool change_of(const struct watch *w, const char *part, const char *name, int64_t now,
		      int64_t *ret)
{
	struct json_object *before = render_member(render_member(w->before, part), name);

	*ret = before ? now - json_object_get_int64(before) : 0;
	return before;
}

static void add_row(struct watch *w, const char *part, const char *name, struct json_object *value)
{
	int64_t now = json_object_get_int64(value), change;
	bool known = change_of(w, part, name, now, &change);
	const char *mark = change ? NULL : TCPC_PAINT_FAINT;
	char rate[32];

	if ((!change && !w->still) || w->n++ >= w->most || !w->table)
		return;
	snprintf(rate, sizeof(rate), "%.0f", change / w->seconds);
	tcpc_table_add_as(w->table, part, mark);
	tcpc_table_add_as(w->table, name, mark);
	tcpc_table_add_as(w->table, json_object_get_string(value), mark);
	tcpc_table_add_as(w->table, known ? rate : NULL, mark);
	tcpc_table_add_as(w->table, render_meaning(part, name), mark);
}

static void each_counter(struct watch *w, struct json_object *now)
{
	if (!json_object_is_type(now, json_type_object))
		return;
	json_object_object_foreach (now, part, counters) {
		if (!json_object_is_type(counters, json_type_object))
			continue;
		json_object_object_foreach (counters, name, value) {
			if (is_counter(value))
				add_row(w, part, name, value);
		}
	}
}

/* How many counters there are to show, moving ones or all. */
static unsigned int count(const struct watch *w, struct json_object *now, bool still)
{
	struct watch only = {.before = w->before, .seconds = w->seconds, .still = still};

	each_counter(&only, now);
	return only.n;
}

static void put_screen(FILE *out, struct json_object *now, struct watch *w)
{
	static const char *const columns[] = {"PART", "NAME", "VALUE", "A SECOND", "MEANING"};
	unsigned int all = count(w, now, true), shown;

	w->still = all <= w->most;
	render_header(w->table, columns);
	each_counter(w, now);
	shown = w->n < w->most ? w->n : w->most;
	fprintf(out, "%u counters have counted, each second anew; Ctrl-C ends\n", all);
	tcpc_table_print(w->table, out, 0);
	if (shown < all)
		fprintf(out, "%u more: `tcpcopyctl stats` shows all, a larger window shows more\n",
			all - shown);
}

/* The bytes of @line, up to @end, that fit @columns. */
static size_t fitting(const char *line, const char *end, unsigned int columns)
{
	const char *p = line;
	size_t n = 0;

	for (; p < end; p++) {
		char one[2] = {*p};

		n += tcpc_paint_width(one);
		if (n > columns)
			break;
	}
	return p - line;
}

/* Each line is cut, and erased behind its end (ECMA-48: EL), so that nothing flickers. */
static void put_lines(FILE *out, const char *text, const struct tcpc_render_screen *screen)
{
	const char *end;

	for (; (end = strchr(text, '\n')); text = end + 1) {
		tcpc_paint_write(out, text, fitting(text, end, screen->columns), screen->colours);
		if (screen->colours)
			fputs("\033[0m", out); /* should the cut have taken the end of a mark */
		fputs("\033[K\n", out);
	}
}

void tcpc_render_watch(FILE *out, struct json_object *now, struct json_object *before,
		       const struct tcpc_render_screen *screen)
{
	struct tcpc_table table = {.n_columns = 5, .right = 0xc};
	struct watch w = {.before = before,
			  .table = &table,
			  .seconds = screen->seconds > 0 ? screen->seconds : 1,
			  .most = screen->rows > OTHER_LINES + 1 ? screen->rows - OTHER_LINES - 1
								 : 1};
	char *text = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&text, &size);

	if (!memory)
		return;
	put_screen(memory, now, &w);
	tcpc_table_free(&table);
	fclose(memory);
	fputs("\033[H", out); /* ECMA-48: CUP, to the first column of the first line */
	if (text)
		put_lines(out, text, screen);
	fputs("\033[J", out); /* ED: what a longer screen has left */
	free(text);
}
