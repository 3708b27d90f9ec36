/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * words.h - what tests of the user's words share: what an error has to look like, and requests from
 * lines and from JSON text.
 */
#ifndef TCPCOPY_TESTS_WORDS_H
#define TCPCOPY_TESTS_WORDS_H

#include <json-c/json.h>

#include "expect.h"
#include "core/command.h"
#include "core/err.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

#define WORDS_X10 "xxxxxxxxxx"
#define WORDS_X100                                                                                 \
	WORDS_X10 WORDS_X10 WORDS_X10 WORDS_X10 WORDS_X10 WORDS_X10 WORDS_X10 WORDS_X10 WORDS_X10  \
		WORDS_X10

/* A word longer than an error: the reason has to be seen all the same. */
#define WORDS_LONG WORDS_X100 WORDS_X100 WORDS_X100 WORDS_X100 WORDS_X100 WORDS_X100

/* What an error looks like before: whatever is left of it afterwards was not set. */
static const struct tcpc_err words_no_err = {.code = -1, .text = "untouched"};

/**
 * expect_error - fail the test, naming row @row, unless @r and @err are the error @code (positive)
 * in one line that mentions @part.
 */
static inline void expect_error(const char *row, int r, const struct tcpc_err *err, int code,
				const char *part)
{
	size_t n = strnlen(err->text, sizeof(err->text));

	if (r != -code || err->code != code)
		expect_fail("'%s': returned %d with code %d, expected -%d; said: %s", row, r,
			    err->code, code, err->text);
	if (!strstr(err->text, part))
		expect_fail("'%s': '%s' does not mention '%s'", row, err->text, part);
	expect_true(row, "the error is terminated", n < sizeof(err->text));
	expect_true(row, "the error is one line", !strchr(err->text, '\n'));
	expect_true(row, "no space at the end", n && err->text[n - 1] != ' ');
	expect_true(row, "no stop at the end",
		    err->text[n - 1] != '.' || (n > 3 && !strcmp(err->text + n - 3, "...")));
}

/** expect_success - fail the test, naming row @row and what was said, unless @r is 0. */
static inline void expect_success(const char *row, int r, const struct tcpc_err *err)
{
	if (r)
		expect_fail("'%s': returned %d and said: %s", row, r, err->text);
}

/** words_request - the request of one good configuration line. Owned by the caller. */
static inline struct json_object *words_request(const char *line)
{
	struct json_object *request = NULL;
	struct tcpc_err err = words_no_err;

	expect_success(line, tcpc_command_parse_line(line, &request, &err), &err);
	expect_true(line, "there is a request", request != NULL);
	return request;
}

/** words_json - @text as an object, with ' for ". Owned by the caller. */
static inline struct json_object *words_json(const char *text)
{
	char *copy = strdup(text);
	struct json_object *o;

	assert_non_null(copy);
	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	o = json_tokener_parse(copy);
	expect_true(text, "the test's JSON is right", o || !strcmp(text, "null"));
	free(copy);
	return o;
}

#endif
