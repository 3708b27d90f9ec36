// SPDX-License-Identifier: GPL-2.0-only
/* table.c - see table.h. */
#include "core/table.h"

#include <stdlib.h>
#include <string.h>

#include "core/paint.h"

static bool make_room(struct tcpc_table *table)
{
	size_t room = table->room ? 2 * table->room : 64;
	char **cells;

	if (table->n_cells < table->room)
		return true;
	cells = reallocarray(table->cells, room, sizeof(*cells));
	if (!cells)
		return false;
	table->cells = cells;
	table->room = room;
	return true;
}

/* Bytes from 0x80 up are left alone: they are UTF-8. */
static void clean(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

/* @mark, the cleaned text, and the end of the mark; NULL when out of memory. */
static char *make_cell(const char *text, const char *mark)
{
	size_t n = strlen(text);
	char *cell = malloc(n + sizeof(TCPC_PAINT_HEAD TCPC_PAINT_OFF));
	char *begin = cell;

	if (!cell)
		return NULL;
	if (mark)
		*begin++ = *mark;
	memcpy(begin, text, n + 1);
	clean(begin);
	if (mark)
		strcpy(begin + n, TCPC_PAINT_OFF);
	return cell;
}

void tcpc_table_add_as(struct tcpc_table *table, const char *text, const char *mark)
{
	char *copy;

	/* After one lost cell all that follow would stand in wrong columns. */
	if (table->failed)
		return;
	copy = make_cell(text ? text : "-", mark);
	if (!copy || !make_room(table)) {
		free(copy);
		table->failed = true;
		return;
	}
	table->cells[table->n_cells++] = copy;
}

void tcpc_table_add(struct tcpc_table *table, const char *text)
{
	tcpc_table_add_as(table, text, NULL);
}

static void measure(const struct tcpc_table *table, size_t n_cells, int *widths)
{
	for (size_t i = 0; i < n_cells; i++) {
		unsigned int column = i % table->n_columns;
		int width = (int)tcpc_paint_width(table->cells[i]);

		if (width > widths[column])
			widths[column] = width;
	}
}

void tcpc_table_print(const struct tcpc_table *table, FILE *out, unsigned int indent)
{
	size_t n_cells = table->n_cells - table->n_cells % table->n_columns;
	int widths[TCPC_TABLE_COLUMNS] = {}, fill;

	measure(table, n_cells, widths);
	for (size_t i = 0; i < n_cells; i++) {
		unsigned int column = i % table->n_columns;
		bool last = column == table->n_columns - 1;

		if (!column)
			fprintf(out, "%*s", (int)indent, "");
		fill = widths[column] - (int)tcpc_paint_width(table->cells[i]);
		if (table->right & (1u << column))
			fprintf(out, "%*s%s", fill, "", table->cells[i]);
		else
			fprintf(out, "%s%*s", table->cells[i], last ? 0 : fill, "");
		fputs(last ? "\n" : "  ", out);
	}
	if (table->failed)
		fprintf(out, "%*s(out of memory: the rest is not shown)\n", (int)indent, "");
}

void tcpc_table_free(struct tcpc_table *table)
{
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i]);
	free(table->cells);
	table->cells = NULL;
	table->n_cells = table->room = 0;
	table->failed = false;
}
