// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_command_json.c - command.h: requests from a socket, which may hold anything JSON can.
 */
#include "../harness/words.h"

/* ---- single rows ----------------------------------------------------------------------------- */

static const struct {
	const char *json; /* ' for " */
	int code;	  /* 0: it is good */
	const char *part;
} rows[] = {
	{"{'command':'status','args':[],'options':{}}", 0, NULL},
	{"{'options':{},'args':['eth0'],'command':'detach'}", 0, NULL},
	{"{'command':'status','args':[],'options':{},'x':[1,{'y':null}]}", 0, NULL}, /* ignored */
	{"{'command':'status','args':[],'options':{},'id':'\\u0000'}", 0, NULL},
	/* No request at all. */
	{"null", EINVAL, "a request is an object with \"command\", \"args\" and \"options\""},
	{"5", EINVAL, "a request is an object"},
	{"-1.5", EINVAL, "a request is an object"},
	{"true", EINVAL, "a request is an object"},
	{"'status'", EINVAL, "a request is an object"},
	{"[]", EINVAL, "a request is an object"},
	{"['status']", EINVAL, "a request is an object"},
	{"{}", EINVAL, "a request is an object"},
	{"{'args':[],'options':{}}", EINVAL, "a request is an object with \"command\""},
	{"{'command':'status','options':{}}", EINVAL, "\"args\" and \"options\""},
	{"{'command':'status','args':[]}", EINVAL, "\"args\" and \"options\""},
	{"{'Command':'status','args':[],'options':{}}", EINVAL, "a request is an object"},
	/* The command. */
	{"{'command':null,'args':[],'options':{}}", EINVAL, "\"command\" has to be a string"},
	{"{'command':{'x':'status'},'args':[],'options':{}}", EINVAL, "has to be a string"},
	{"{'command':'','args':[],'options':{}}", EINVAL, "unknown command ''"},
	{"{'command':'statsu','args':[],'options':{}}", EINVAL, "unknown command 'statsu': do you"},
	{"{'command':'status\\u0000x','args':[],'options':{}}", EINVAL,
	 "\"command\" has a control character or is not UTF-8 at byte 7"},
	{"{'command':'\\n','args':[],'options':{}}", EINVAL, "\"command\" has a control character"},
	/* Words. */
	{"{'command':'detach','args':'eth0','options':{}}", EINVAL,
	 "a request's \"args\" is an array of strings"},
	{"{'command':'detach','args':{'0':'eth0'},'options':{}}", EINVAL, "is an array of strings"},
	{"{'command':'detach','args':null,'options':{}}", EINVAL, "is an array of strings"},
	{"{'command':'detach','args':[0],'options':{}}", EINVAL,
	 "word 1 behind 'detach' has to be a string"},
	{"{'command':'allow','args':['add',['10.0.0.0/8']],'options':{}}", EINVAL,
	 "word 2 behind 'allow' has to be a string"},
	{"{'command':'target','args':['add','eth0',-80],'options':{}}", EINVAL,
	 "word 3 behind 'target' has to be a string"},
	{"{'command':'detach','args':['eth0\\u0000'],'options':{}}", EINVAL,
	 "word 1 behind 'detach' has a control character or is not UTF-8 at byte 5"},
	{"{'command':'detach','args':['\\u0000'],'options':{}}", EINVAL, "at byte 1"},
	{"{'command':'detach','args':['eth\\u00070'],'options':{}}", EINVAL, "at byte 4"},
	{"{'command':'detach','args':['\\u009b2J'],'options':{}}", EINVAL, "at byte 1"},
	{"{'command':'detach','args':['\\u007f'],'options':{}}", EINVAL, "at byte 1"},
	{"{'command':'detach','args':['--all'],'options':{'all':true}}", EINVAL, "not both"},
	{"{'command':'doctor','args':['../x'],'options':{}}", EINVAL, "not an interface name"},
	/* Options. */
	{"{'command':'detach','args':[],'options':[]}", EINVAL,
	 "a request's \"options\" is an object"},
	{"{'command':'detach','args':[],'options':'all'}", EINVAL, "\"options\" is an object"},
	{"{'command':'detach','args':[],'options':null}", EINVAL, "\"options\" is an object"},
	{"{'command':'detach','args':[],'options':{'all':false}}", EINVAL,
	 "the value of --all has to be true, or --all absent"},
	{"{'command':'detach','args':['eth0'],'options':{'all':false}}", EINVAL, "has to be true"},
	{"{'command':'detach','args':[],'options':{'all':'true'}}", EINVAL, "has to be true"},
	{"{'command':'detach','args':[],'options':{'all':1}}", EINVAL, "has to be true"},
	{"{'command':'detach','args':[],'options':{'all':null}}", EINVAL, "has to be true"},
	{"{'command':'detach','args':[],'options':{'--all':true}}", EINVAL,
	 "has no option ----all"},
	{"{'command':'detach','args':[],'options':{'al':true}}", EINVAL, "do you mean --all?"},
	{"{'command':'detach','args':[],'options':{'':true}}", EINVAL, "detach has no option --; "},
	{"{'command':'detach','args':[],'options':{'a\\nb':true}}", EINVAL, "no option --a?b"},
	{"{'command':'detach','args':[],'options':{'all':true,'x':1}}", EINVAL, "no option --x; "},
	{"{'command':'filter','args':['set','eth0'],'options':{'percent':5}}", EINVAL,
	 "the value of --percent has to be a string"},
	{"{'command':'filter','args':['set','eth0'],'options':{'percent':-0.5}}", EINVAL,
	 "the value of --percent has to be a string"},
	{"{'command':'filter','args':['set','eth0'],'options':{'percent':true}}", EINVAL,
	 "the value of --percent has to be a string"},
	{"{'command':'filter','args':['set','eth0'],'options':{'client':['10.0.0.0/8']}}", EINVAL,
	 "the value of --client has to be a string"},
	{"{'command':'filter','args':['set','eth0'],'options':{'client':null}}", EINVAL,
	 "the value of --client has to be a string"},
	{"{'command':'filter','args':['set','eth0'],'options':{'percent':'5\\u00000'}}", EINVAL,
	 "the value of --percent has a control character or is not UTF-8 at byte 2"},
	{"{'command':'attach','args':['eth0'],'options':{'to':'10.0.0.9:80','force':true,"
	 "'feedback':'none\\u0000'}}",
	 EINVAL, "the value of --feedback has a control character"},
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct json_object *request = words_json(rows[i].json);
		struct tcpc_err err = words_no_err;
		int r = tcpc_command_check(request, &err);

		if (rows[i].code)
			expect_error(rows[i].json, r, &err, rows[i].code, rows[i].part);
		else
			expect_success(rows[i].json, r, &err);
		assert_int_equal(tcpc_command_check(request, NULL), r);
		json_object_put(request);
	}
}

/* ---- each wrong value at each place ---------------------------------------------------------- */

static const char *const lines[] = {
	"attach eth0 --to 10.0.0.9:80 --port 81 --hook tc --mode all --percent 5 --copies 1 "
	"--source "
	"keep --client 10.0.0.0/8 --exclude 10.1.0.0/16 --feedback none --force",
	"detach eth0",
	"detach --all",
	"target add eth0 10.0.0.9:80",
	"filter set eth0 --percent 5 --client 10.0.0.0/8 --exclude 10.1.0.0/16",
	"intercept eth0 --port 80 --engine nfqueue --listen 10.0.0.9:80 --queue 5",
	"release --all",
	"allow add 10.0.0.0/8 10.0.0.9",
	"stats --watch",
	"doctor eth0",
	"version",
};

/* Right nowhere: a word is a string, an option that is given a string or true. */
static const char *const wrong[] = {
	"null",
	"0",
	"-1",
	"5",
	"1.5",
	"-1e300",
	"9223372036854775807",
	"false",
	"'a\\u0000b'",
	"'\\u0000'",
	"[['eth0']]",
	"{'x':{}}",
	"[null]",
	"{'':null}",
};

static void expect_refused(const char *what, struct json_object *request)
{
	struct tcpc_err err = words_no_err;

	expect_error(what, tcpc_command_check(request, &err), &err, EINVAL, "");
	json_object_put(request);
}

static struct json_object *copy_of(struct json_object *o)
{
	struct json_object *copy = NULL;

	assert_int_equal(json_object_deep_copy(o, &copy, NULL), 0);
	return copy;
}

/* @request with @value in the place of member @name of its object @where ("": of itself). */
static struct json_object *with_member(struct json_object *request, const char *where,
				       const char *name, const char *value)
{
	struct json_object *copy = copy_of(request);
	struct json_object *o = *where ? json_object_object_get(copy, where) : copy;

	assert_int_equal(json_object_object_add(o, name, words_json(value)), 0);
	return copy;
}

static void refuse_members(struct json_object *request, const char *value)
{
	struct json_object *options = json_object_object_get(request, "options");
	struct json_object *args = json_object_object_get(request, "args");

	expect_refused("command", with_member(request, "", "command", value));
	expect_refused("args", with_member(request, "", "args", value));
	expect_refused("options", with_member(request, "", "options", value));
	json_object_object_foreach (options, name, unused) {
		(void)unused;
		expect_refused(name, with_member(request, "options", name, value));
	}
	for (size_t i = 0; i < json_object_array_length(args); i++) {
		struct json_object *copy = copy_of(request);

		json_object_array_put_idx(json_object_object_get(copy, "args"), i,
					  words_json(value));
		expect_refused("a word", copy);
	}
}

static void test_wrong_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct json_object *request = words_request(lines[i]);

		for (size_t j = 0; j < COUNT_OF(wrong); j++)
			refuse_members(request, wrong[j]);
		expect_refused(lines[i], with_member(request, "options", "x-y", "'1'"));
		expect_refused(lines[i], with_member(request, "options", "x-y", "true"));
		json_object_put(request);
	}
}

static void test_missing_members(void **state)
{
	static const char *const members[] = {"command", "args", "options"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct json_object *request = words_request(lines[i]);

		for (size_t j = 0; j < COUNT_OF(members); j++) {
			struct json_object *copy = copy_of(request);

			json_object_object_del(copy, members[j]);
			expect_refused(members[j], copy);
		}
		json_object_put(request);
	}
}

/* A value and a flag in each other's place. */
static void test_swapped_kinds(void **state)
{
	struct json_object *attach = words_request(lines[0]),
			   *detach = words_request("detach --all");

	(void)state;
	expect_refused("a value that is true", with_member(attach, "options", "to", "true"));
	expect_refused("a flag with a value", with_member(detach, "options", "all", "'eth0'"));
	expect_refused("a flag with none", with_member(detach, "options", "all", "''"));
	json_object_put(attach);
	json_object_put(detach);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static struct json_object *request_with(const char *command, struct json_object *args)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "command", json_object_new_string(command));
	json_object_object_add(o, "args", args);
	json_object_object_add(o, "options", json_object_new_object());
	return o;
}

static void test_huge_arrays(void **state)
{
	static const char *const commands[] = {"allow", "detach", "status", "target", "attach"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		struct json_object *args = json_object_new_array(), *request;
		struct tcpc_err err = words_no_err;

		for (int j = 0; j < 200000; j++)
			json_object_array_add(args, json_object_new_string("add"));
		request = request_with(commands[i], args);
		expect_error(commands[i], tcpc_command_check(request, &err), &err, EINVAL,
			     ": too many words; usage: tcpcopyctl ");
		json_object_put(request);
	}
}

/* @bytes bytes of prefixes that are all different, and two bytes more for a zero. */
static char *prefixes(size_t bytes)
{
	char *text = malloc(bytes + 2), *p = text;

	assert_non_null(text);
	for (unsigned int i = 0; p + 30 < text + bytes; i++)
		p += sprintf(p, "10.%u.%u.%u/32,", i >> 16, i >> 8 & 0xff, i & 0xff);
	/* The last one is wrong: room is left for spaces behind it. */
	p += sprintf(p, "11.0.0.0");
	memset(p, ' ', text + bytes - p);
	text[bytes] = '\0';
	return text;
}

/* What is said of a word that is too long is just that, even where it is as well wrong. */
static void test_long_words(void **state)
{
	enum { MOST = 16384 };

	(void)state;
	for (int more = 0; more < 2; more++) {
		char *text = prefixes(MOST + more);
		const char *words[] = {"filter", "set", "eth0", "--client", text};
		struct tcpc_err err = words_no_err;
		struct json_object *got = NULL;

		expect_error(
			"a long word", tcpc_command_parse(COUNT_OF(words), words, &got, &err), &err,
			EINVAL,
			more ? "the value of --client has 16385 bytes, at most 16384 are allowed"
			     : "is not a prefix");
		while (text[strlen(text) - 1] == ' ')
			text[strlen(text) - 1] = '\0';
		expect_success("many prefixes",
			       tcpc_command_parse(COUNT_OF(words), words, &got, &err), &err);
		json_object_put(got);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_wrong_values),
		cmocka_unit_test(test_missing_members),
		cmocka_unit_test(test_swapped_kinds),
		cmocka_unit_test(test_huge_arrays),
		cmocka_unit_test(test_long_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
