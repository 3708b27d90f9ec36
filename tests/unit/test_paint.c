// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_paint.c - colours are for terminals alone, and take no room in a table; the screen of
 * `stats --watch`: what it shows, and that it stays within the terminal.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <json-c/json.h>

#include "core/paint.h"
#include "core/render.h"
#include "core/table.h"

#define MARKED TCPC_PAINT_BAD "bad" TCPC_PAINT_OFF " and " TCPC_PAINT_GOOD "\xc3\xa4" TCPC_PAINT_OFF

static char *painted(const char *text, bool colours)
{
	char *out = NULL;
	size_t size;
	FILE *file = open_memstream(&out, &size);

	assert_non_null(file);
	tcpc_paint_write(file, text, strlen(text), colours);
	assert_int_equal(fclose(file), 0);
	return out;
}

static void test_marks(void **state)
{
	char *plain = painted(MARKED, false), *colours = painted(MARKED, true);

	(void)state;
	assert_string_equal(plain, "bad and \xc3\xa4");
	assert_string_equal(colours, "\033[31mbad\033[0m and \033[32m\xc3\xa4\033[0m");
	assert_int_equal(tcpc_paint_width(MARKED), 9);
	free(plain);
	free(colours);
}

/* Columns are as wide with marks as without. */
static void test_table(void **state)
{
	struct tcpc_table table = {.n_columns = 2, .right = 2};
	char *text = NULL, *plain;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	tcpc_table_add_as(&table, "\xc3\xa4\xc3\xb6", TCPC_PAINT_HEAD);
	tcpc_table_add_as(&table, "1", TCPC_PAINT_BAD);
	tcpc_table_add(&table, "abc");
	/* What others say cannot steer: their control characters are gone, marks included. */
	tcpc_table_add_as(&table, "2\0033", TCPC_PAINT_GOOD);
	tcpc_table_print(&table, out, 0);
	assert_int_equal(fclose(out), 0);
	plain = painted(text, false);
	assert_string_equal(plain, "\xc3\xa4\xc3\xb6     1\nabc  2?3\n");
	tcpc_table_free(&table);
	free(text);
	free(plain);
}

static void test_wanted(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_false(tcpc_paint_wanted(fds[1]));
	close(fds[0]);
	close(fds[1]);
}

/* ---- the screen of `stats --watch` ----------------------------------------------------------- */

#define BEFORE "{\"online\":{\"seen\":100,\"copied\":5,\"malformed\":0},\"hold\":{\"bytes\":900}}"
#define NOW                                                                                        \
	"{\"online\":{\"seen\":300,\"copied\":5,\"malformed\":0},\"hold\":{\"bytes\":100},"        \
	"\"queue\":{\"packets\":7}}"

static char *screen(const char *now, const char *before, unsigned int rows, unsigned int columns)
{
	struct tcpc_render_screen at = {rows, columns, 2.0, false};
	struct json_object *a = json_tokener_parse(now);
	struct json_object *b = before ? json_tokener_parse(before) : NULL;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	tcpc_render_watch(out, a, b, &at);
	assert_int_equal(fclose(out), 0);
	json_object_put(a);
	json_object_put(b);
	return text;
}

/* Rates are over the time between the answers; gauges fall; what is new has none. */
static void test_screen(void **state)
{
	char *text = screen(NOW, BEFORE, 24, 80);

	(void)state;
	assert_string_equal(
		text,
		"\033[H4 counters have counted, each second anew; Ctrl-C ends\033[K\n"
		"PART    NAME     VALUE  A SECOND  MEANING\033[K\n"
		"online  seen       300       100  packets that the tap looked at\033[K\n"
		"online  copied       5         0  copies sent towards a target\033[K\n"
		"hold    bytes      100      -400  memory the queue takes now, in bytes\033[K\n"
		"queue   packets      7         -  packets taken from the queue\033[K\n\033[J");
	free(text);
}

static unsigned int lines(const char *text)
{
	unsigned int n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

/* Where not all fits, what moves; and one line less than there are, or the terminal would scroll.
 */
static void test_small(void **state)
{
	char *text = screen(NOW, BEFORE, 6, 30);

	(void)state;
	assert_int_equal(lines(text), 5);
	assert_non_null(strstr(text, "seen"));
	assert_null(strstr(text, "copied"));
	assert_non_null(strstr(text, "2 more: "));
	for (const char *p = strchr(text, 'H') + 1, *end; (end = strstr(p, "\033[K\n"));
	     p = end + 4)
		assert_true(end - p <= 30);
	free(text);
	for (unsigned int rows = 1; rows < 12; rows++) {
		text = screen(NOW, NULL, rows, 1);
		assert_true(lines(text) < (rows < 5 ? 5 : rows));
		free(text);
	}
}

static void test_odd(void **state)
{
	static const char *const odd[] = {"null",  "[]",
					  "{}",	   "{\"online\":7}",
					  "\"x\"", "{\"online\":{\"seen\":\"x\",\"copied\":{}}}"};

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		char *a = screen(odd[i], BEFORE, 24, 80), *b = screen(NOW, odd[i], 24, 80);

		assert_non_null(strstr(a, "0 counters"));
		assert_non_null(strstr(b, "4 counters"));
		free(a);
		free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_marks),  cmocka_unit_test(test_table),
		cmocka_unit_test(test_wanted), cmocka_unit_test(test_screen),
		cmocka_unit_test(test_small),  cmocka_unit_test(test_odd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
