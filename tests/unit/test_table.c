// SPDX-License-Identifier: GPL-2.0-only
/* test_table.c - columns as wide as their widest cell, nothing behind the last. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "core/table.h"

#define MAX_CELLS 9

static const struct {
	const char *name;
	unsigned int n_columns, right, indent;
	size_t n_cells;
	const char *cells[MAX_CELLS];
	const char *expected;
} cases[] = {
	{"empty", 3, 0, 2, 0, {0}, ""},
	{"one cell", 1, 0, 0, 1, {"a"}, "a\n"},
	{"widths", 2, 0, 0, 4, {"a", "b", "long", "c"}, "a     b\nlong  c\n"},
	{"indent", 2, 0, 3, 2, {"a", "b"}, "   a  b\n"},
	{"numbers to the right", 2, 2, 0, 4, {"a", "7", "b", "1234"}, "a     7\nb  1234\n"},
	{"first to the right", 2, 1, 0, 4, {"7", "a", "1234", "b"}, "   7  a\n1234  b\n"},
	{"no blanks at the end", 2, 0, 0, 4, {"a", "longer", "b", "c"}, "a  longer\nb  c\n"},
	{"nothing there", 2, 0, 0, 2, {NULL, NULL}, "-  -\n"},
	{"a row that is not whole", 2, 0, 0, 3, {"a", "b", "wide wide"}, "a  b\n"},
	{"control characters", 1, 0, 0, 2, {"\033[2Jx\n", "\x7fy"}, "?[2Jx?\n?y\n"},
	{"UTF-8 stays", 1, 0, 0, 1, {"\xc3\xa4"}, "\xc3\xa4\n"},
};

static char *print(const struct tcpc_table *table, unsigned int indent)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	tcpc_table_print(table, out, indent);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tcpc_table table = {.n_columns = cases[i].n_columns,
					   .right = cases[i].right};
		char *text;

		print_message("# %s\n", cases[i].name);
		for (size_t c = 0; c < cases[i].n_cells; c++)
			tcpc_table_add(&table, cases[i].cells[c]);
		text = print(&table, cases[i].indent);
		assert_string_equal(text, cases[i].expected);
		free(text);
		tcpc_table_free(&table);
	}
}

/* Growing moves the cells: none may be lost, and the table can be used again after it is freed. */
static void test_many(void **state)
{
	struct tcpc_table table = {.n_columns = 1};
	char cell[16], *text, *p;

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 10000; i++) {
			snprintf(cell, sizeof(cell), "%d", i);
			tcpc_table_add(&table, cell);
		}
		assert_false(table.failed);
		p = text = print(&table, 0);
		for (int i = 0; i < 10000; i++, p++)
			assert_int_equal(strtol(p, &p, 10), i);
		assert_int_equal(*p, '\0');
		free(text);
		tcpc_table_free(&table);
		assert_null(table.cells);
	}
}

/* A table that memory did not suffice for says so: half a list must not look like a whole one. */
static void test_not_whole(void **state)
{
	struct tcpc_table table = {.n_columns = 1};
	char *text;

	(void)state;
	tcpc_table_add(&table, "a");
	table.failed = true;
	tcpc_table_add(&table, "b");
	text = print(&table, 1);
	assert_string_equal(text, " a\n (out of memory: the rest is not shown)\n");
	free(text);
	tcpc_table_free(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_not_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
