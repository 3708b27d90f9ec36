/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * table.h - text in columns, each as wide as its widest cell. Pure.
 */
#ifndef TCPCOPY_CORE_TABLE_H
#define TCPCOPY_CORE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TCPC_TABLE_COLUMNS 8

/** A table under construction: set both first members and leave the others zero. */
struct tcpc_table {
	unsigned int n_columns; /* 1..TCPC_TABLE_COLUMNS */
	unsigned int right;	/* bit i: column i is aligned right (numbers) */
	char **cells;		/* owned, row by row */
	size_t n_cells, room;
	bool failed; /* out of memory: the table is not whole */
};

/**
 * tcpc_table_add - the next cell, row by row from left to right.
 * @text: copied; NULL shows as "-". Control characters are replaced, for much of what is shown
 * comes from other hosts and must not steer the user's terminal.
 */
void tcpc_table_add(struct tcpc_table *table, const char *text);

/** tcpc_table_add_as - the same, in the colour of @mark, one of TCPC_PAINT_*; NULL for none. */
void tcpc_table_add_as(struct tcpc_table *table, const char *text, const char *mark);

/**
 * tcpc_table_print - write the whole rows, each line behind @indent spaces, two spaces between
 * columns, none at the end. A table that is not whole says so in a line of its own.
 */
void tcpc_table_print(const struct tcpc_table *table, FILE *out, unsigned int indent);

/** tcpc_table_free - free the cells; the table is then empty. */
void tcpc_table_free(struct tcpc_table *table);

#endif
