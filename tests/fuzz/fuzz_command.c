// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_command.c - any bytes as a line of a configuration, and any JSON as a request. What is taken
 * is taken again, from the request and from its JSON text, as the daemon reads it; what is not
 * taken is answered with one printable line.
 *
 * Input: 'L' and a line, or 'J' and JSON; the first byte alone decides (anything but 'J' is a
 * line).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>

#include "core/command.h"
#include "core/utf8.h"

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* Set, one line, for people. */
static void check_error(int r, const struct tcpc_err *err)
{
	size_t n = strnlen(err->text, sizeof(err->text));

	MUST(r == -EINVAL || r == -EOPNOTSUPP);
	MUST(err->code == -r);
	MUST(n > 10 && n < sizeof(err->text));
	for (size_t i = 0, step; i < n; i += step) {
		step = tcpc_utf8_length(err->text + i);
		MUST(step);
	}
}

/* As the daemon reads a line from its socket. Owned by the caller; NULL if it is not JSON. */
static struct json_object *parse(const char *text, size_t size)
{
	struct json_tokener *tokener = json_tokener_new_ex(16);
	struct json_object *o;

	MUST(tokener);
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tokener, text, size);
	if (json_tokener_get_error(tokener) != json_tokener_success) {
		json_object_put(o);
		o = NULL;
	}
	json_tokener_free(tokener);
	return o;
}

/* @request was taken: so it is when it has gone over the socket. Others' members are left out: what
 * is in them nobody reads, and JSON text does not carry all that json-c can hold. */
static void check_round_trip(struct json_object *request)
{
	static const char *const members[] = {"command", "args", "options"};
	struct json_object *sent = json_object_new_object(), *got;
	struct tcpc_err err;
	const char *text;

	for (int i = 0; i < 3; i++)
		json_object_object_add(
			sent, members[i],
			json_object_get(json_object_object_get(request, members[i])));
	text = json_object_to_json_string_ext(sent, JSON_C_TO_STRING_PLAIN);
	MUST(!strchr(text, '\n'));
	got = parse(text, strlen(text));
	MUST(got && json_object_equal(got, sent));
	MUST(!tcpc_command_check(got, &err));
	json_object_put(got);
	json_object_put(sent);
}

static void try_line(const char *line)
{
	static char mark;
	struct json_object *const untouched = (void *)&mark;
	struct json_object *request = untouched, *again = untouched;
	struct tcpc_err err = {};
	int r = tcpc_command_parse_line(line, &request, &err);

	MUST(tcpc_command_parse_line(line, &again, NULL) == r);
	if (r) {
		MUST(request == untouched && again == untouched);
		check_error(r, &err);
		return;
	}
	MUST(request != untouched && json_object_equal(request, again));
	if (request) {
		MUST(!tcpc_command_check(request, &err));
		check_round_trip(request);
	}
	json_object_put(request);
	json_object_put(again);
}

static void try_json(const char *text, size_t size)
{
	struct json_object *request = parse(text, size);
	struct tcpc_err err = {};
	int r = tcpc_command_check(request, &err);

	MUST(tcpc_command_check(request, NULL) == r);
	if (r)
		check_error(r, &err);
	else
		check_round_trip(request);
	json_object_put(request);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	char *text;

	if (!size)
		return 0;
	text = malloc(size); /* one byte goes, one for the zero comes: reading on is seen */
	if (!text)
		abort();
	memcpy(text, input + 1, size - 1);
	text[size - 1] = '\0';
	if (input[0] == 'J')
		try_json(text, size - 1);
	else
		try_line(text);
	free(text);
	return 0;
}
