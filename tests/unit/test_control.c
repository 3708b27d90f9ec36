// SPDX-License-Identifier: GPL-2.0-only
/* test_control.c - what goes over a control connection. Needs no root. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../harness/control_lab.h"

/* ---- what goes over a connection ------------------------------------------------------------- */

static const struct {
	const char *line;
	size_t bytes;
	const char *part; /* of the error; NULL: it is a good request */
} lines[] = {
#define LINE(text, part)                                                                           \
	{                                                                                          \
		text "\n", sizeof(text), part                                                      \
	}
	LINE("{\"command\":\"status\",\"args\":[],\"options\":{}}", NULL),
	LINE(" \t{\"command\" : \"status\", \"options\":{}, \"args\":[] } \r", NULL),
	LINE("{\"command\":\"detach\",\"args\":[\"eth0\"],\"options\":{}}", NULL),
	LINE("", "one JSON object"),
	LINE("   ", "one JSON object"),
	LINE("null", "one JSON object"),
	LINE("42", "one JSON object"),
	LINE("\"status\"", "one JSON object"),
	LINE("[{\"command\":\"status\"}]", "one JSON object"),
	LINE("{\"command\":\"status\"", "one JSON object"),
	LINE("{\"command\":\"status\",\"args\":[],\"options\":{}}\0", "one JSON object"),
	LINE("{\"command\":\"status\",\"args\":[],\"options\":{}}\0{", "one JSON object"),
	LINE("{\"command\":\"status\",\"args\":[],\"options\":{}}{}", "not JSON"),
	LINE("{\"command\":\"status\",\"args\":[],\"options\":{}} x", "not JSON"),
	LINE("status", "not JSON"),
	LINE("{'command':'status','args':[],'options':{}}", "not JSON"),
	LINE("{\"command\":\"status\",\"args\":[],\"options\":{},}", "not JSON"),
	LINE("{\"command\":\"st\xff\xfe\",\"args\":[],\"options\":{}}", "not JSON"),
	LINE("{\"a\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}", "nesting"),
	LINE("{}", "\"command\""),
	LINE("{\"command\":7,\"args\":[],\"options\":{}}", "\"command\""),
	LINE("{\"command\":\"statsu\",\"args\":[],\"options\":{}}", "statsu"),
	LINE("{\"command\":\"detach\",\"args\":[\"not an interface\"],\"options\":{}}", "not an"),
};

/* Bad lines are answered without the handler, and do not spoil the connection. */
static void test_lines(void **state)
{
	struct lab *lab = *state;
	struct peer *peer = join(lab);
	int asked = 0;

	lab->mode = MODE_NOTHING;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		print_message("line %zu\n", i);
		say_bytes(peer, lines[i].line, lines[i].bytes);
		if (lines[i].part)
			hears_failure(lab, peer, 2, lines[i].part);
		else
			hears(lab, peer, OK("{}"));
		asked += !lines[i].part;
		assert_int_equal(lab->asked, asked);
	}
	leave(peer);
}

static void test_exit_status(void **state)
{
	static const struct {
		int code;
		const char *answer;
	} cases[] = {
		{EINVAL, "{\"ok\":false,\"error\":\"it is \\\"so\\\"\",\"status\":2}\n"},
		{EOPNOTSUPP, "{\"ok\":false,\"error\":\"it is \\\"so\\\"\",\"status\":2}\n"},
		{ENOENT, "{\"ok\":false,\"error\":\"it is \\\"so\\\"\",\"status\":1}\n"},
		{EEXIST, "{\"ok\":false,\"error\":\"it is \\\"so\\\"\",\"status\":1}\n"},
	};
	struct lab *lab = *state;
	struct peer *peer = join(lab);

	lab->mode = MODE_FAIL;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		lab->fail_code = cases[i].code;
		say(peer, REQUEST("status"));
		hears(lab, peer, cases[i].answer);
	}
	leave(peer);
}

/* Sent in one piece, asked one by one; a second connection does not wait for the first. */
static void test_order(void **state)
{
	struct lab *lab = *state;
	struct peer *peer = join(lab), *other = join(lab);

	lab->mode = MODE_HOLD;
	say(peer, REQUEST("status") "rubbish\n" REQUEST("stats") REQUEST("version"));
	wait_held(lab);
	lab->mode = MODE_ECHO;
	say(other, REQUEST("doctor"));
	hears(lab, other, OK("{\"echo\":\"doctor\"}"));
	assert_int_equal(lab->asked, 2);
	assert_false(look(peer));
	answer_echo(take_held(lab));
	hears(lab, peer, OK("{\"echo\":\"status\"}"));
	hears_failure(lab, peer, 2, "not JSON");
	hears(lab, peer, OK("{\"echo\":\"stats\"}"));
	hears(lab, peer, OK("{\"echo\":\"version\"}"));
	leave(other);
	leave(peer);
}

static void test_byte_by_byte(void **state)
{
	static const char text[] = REQUEST("status") REQUEST("stats");
	struct lab *lab = *state;
	struct peer *peer = join(lab);

	for (const char *p = text; *p; p++) {
		say_bytes(peer, p, 1);
		uv_run(&lab->loop, UV_RUN_NOWAIT);
	}
	hears(lab, peer, OK("{\"echo\":\"status\"}"));
	hears(lab, peer, OK("{\"echo\":\"stats\"}"));
	leave(peer);
}

/* A request padded with blanks to @bytes, the newline included. */
static char *padded(size_t bytes)
{
	static const char request[] = REQUEST("status");
	char *text = malloc(bytes);

	assert_non_null(text);
	memset(text, ' ', bytes);
	memcpy(text + bytes - (sizeof(request) - 1), request, sizeof(request) - 1);
	return text;
}

static void test_longest_line(void **state)
{
	struct lab *lab = *state;
	struct peer *fits = join(lab), *too_long = join(lab);
	char *text = padded(LINE_BYTES);

	say_bytes(fits, text, LINE_BYTES);
	say_bytes(fits, text, LINE_BYTES);
	hears(lab, fits, OK("{\"echo\":\"status\"}"));
	hears(lab, fits, OK("{\"echo\":\"status\"}"));
	free(text);
	text = padded(LINE_BYTES + 1);
	say_bytes(too_long, text, LINE_BYTES + 1);
	hears_failure(lab, too_long, 1, "longer than 65535 bytes");
	hears_end(lab, too_long);
	free(text);
	assert_int_equal(lab->asked, 2);
	leave(fits);
	leave(too_long);
}

/* `printf ... | socat - UNIX:...` closes its writing side at once. */
static void test_half_closed(void **state)
{
	struct lab *lab = *state;
	struct peer *whole = join(lab), *part = join(lab);

	say(whole, REQUEST("status") REQUEST("stats"));
	shutdown(whole->fd, SHUT_WR);
	hears(lab, whole, OK("{\"echo\":\"status\"}"));
	hears(lab, whole, OK("{\"echo\":\"stats\"}"));
	hears_end(lab, whole);
	say(part, "{\"command\":\"status\",\"args\":[],\"options\":{}}");
	shutdown(part->fd, SHUT_WR);
	hears_failure(lab, part, 2, "no newline");
	hears_end(lab, part);
	assert_int_equal(lab->asked, 2);
	leave(whole);
	leave(part);
}

/* The request stays whole till it is answered, and the socket goes on. */
static void test_client_gone(void **state)
{
	struct lab *lab = *state;
	struct peer *peer = join(lab);
	struct json_object *body;

	lab->mode = MODE_HOLD;
	say(peer, REQUEST("status") REQUEST("stats"));
	wait_held(lab);
	leave(peer);
	lab->mode = MODE_ECHO;
	peer = join(lab);
	say(peer, REQUEST("doctor"));
	hears(lab, peer, OK("{\"echo\":\"doctor\"}"));
	body = tcpc_control_request_body(lab->held);
	assert_string_equal(json_object_get_string(json_object_object_get(body, "command")),
			    "status");
	answer_echo(take_held(lab));
	say(peer, REQUEST("version"));
	hears(lab, peer, OK("{\"echo\":\"version\"}"));
	assert_int_equal(lab->asked, 3); /* `stats` went with its client */
	leave(peer);
}

static void test_big_answer(void **state)
{
	static const char head[] = "{\"ok\":true,\"result\":{\"text\":\"";
	size_t expected = sizeof(head) - 1 + BIG_BYTES + sizeof("\"}}\n") - 1, bytes = 0;
	struct lab *lab = *state;
	struct peer *peer = join(lab);
	bool newline = false;

	lab->mode = MODE_BIG;
	say(peer, REQUEST("status"));
	while (!newline) {
		if (!look(peer))
			uv_run(&lab->loop, UV_RUN_ONCE);
		assert_false(peer->ended);
		if (!bytes && peer->bytes)
			assert_memory_equal(peer->text, head, sizeof(head) - 1);
		newline = peer->bytes && peer->text[peer->bytes - 1] == '\n';
		bytes += peer->bytes;
		peer->bytes = 0;
	}
	assert_int_equal(bytes, expected);
	leave(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lines),	 TEST(test_exit_status),  TEST(test_order),
		TEST(test_byte_by_byte), TEST(test_longest_line), TEST(test_half_closed),
		TEST(test_client_gone),	 TEST(test_big_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
