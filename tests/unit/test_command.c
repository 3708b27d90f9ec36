// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_command.c - command.h: from words and from lines to requests, and what is said about words
 * that are no command. What the values of options come to is tested in test_spec.c.
 */
#include "../harness/words.h"

/* ---- lines that are right -------------------------------------------------------------------- */

static const struct {
	const char *line, *request; /* ' for " */
} good[] = {
	/* Each command in its shortest form. */
	{"attach eth0 --to 10.0.0.9:80",
	 "{'command':'attach','args':['eth0'],'options':{'to':'10.0.0.9:80'}}"},
	{"attach eth0 --to 10.0.0.9:80 --feedback none --force",
	 "{'command':'attach','args':['eth0'],'options':{'to':'10.0.0.9:80','feedback':'none',"
	 "'force':true}}"},
	{"detach eth0", "{'command':'detach','args':['eth0'],'options':{}}"},
	{"detach --all", "{'command':'detach','args':[],'options':{'all':true}}"},
	{"target list", "{'command':'target','args':['list'],'options':{}}"},
	{"target list eth0", "{'command':'target','args':['list','eth0'],'options':{}}"},
	{"target add eth0 10.0.0.9:80",
	 "{'command':'target','args':['add','eth0','10.0.0.9:80'],'options':{}}"},
	{"target del eth0 10.0.0.9:80",
	 "{'command':'target','args':['del','eth0','10.0.0.9:80'],'options':{}}"},
	{"filter list", "{'command':'filter','args':['list'],'options':{}}"},
	{"filter list eth0", "{'command':'filter','args':['list','eth0'],'options':{}}"},
	{"filter set eth0 --percent 5",
	 "{'command':'filter','args':['set','eth0'],'options':{'percent':'5'}}"},
	{"intercept eth0 --port 80",
	 "{'command':'intercept','args':['eth0'],'options':{'port':'80'}}"},
	{"release eth0", "{'command':'release','args':['eth0'],'options':{}}"},
	{"release --all", "{'command':'release','args':[],'options':{'all':true}}"},
	{"allow list", "{'command':'allow','args':['list'],'options':{}}"},
	{"allow add 10.0.0.0/8", "{'command':'allow','args':['add','10.0.0.0/8'],'options':{}}"},
	{"allow del 10.0.0.0/8", "{'command':'allow','args':['del','10.0.0.0/8'],'options':{}}"},
	{"status", "{'command':'status','args':[],'options':{}}"},
	{"stats", "{'command':'stats','args':[],'options':{}}"},
	{"stats --watch", "{'command':'stats','args':[],'options':{'watch':true}}"},
	{"doctor", "{'command':'doctor','args':[],'options':{}}"},
	{"intercept eth0 --port 80 --force",
	 "{'command':'intercept','args':['eth0'],'options':{'port':'80','force':true}}"},
	{"doctor eth0", "{'command':'doctor','args':['eth0'],'options':{}}"},
	{"key", "{'command':'key','args':[],'options':{}}"},
	{"version", "{'command':'version','args':[],'options':{}}"},
	/* Options anywhere, in both forms. */
	{"attach --to 10.0.0.9:80 eth0",
	 "{'command':'attach','args':['eth0'],'options':{'to':'10.0.0.9:80'}}"},
	{"attach --to=10.0.0.9:80 eth0 --percent=5",
	 "{'command':'attach','args':['eth0'],'options':{'to':'10.0.0.9:80','percent':'5'}}"},
	{"filter set --client= eth0",
	 "{'command':'filter','args':['set','eth0'],'options':{'client':''}}"},
	/* White space, quotes, comments. */
	{"\t detach \t eth0 \r\n", "{'command':'detach','args':['eth0'],'options':{}}"},
	{"detach eth0 # and why", "{'command':'detach','args':['eth0'],'options':{}}"},
	{"detach eth0 #", "{'command':'detach','args':['eth0'],'options':{}}"},
	{"detach eth0 # a \" here", "{'command':'detach','args':['eth0'],'options':{}}"},
	{"detach eth#0", "{'command':'detach','args':['eth#0'],'options':{}}"},
	{"detach \"#\"", "{'command':'detach','args':['#'],'options':{}}"},
	{"detach \"eth0\"", "{'command':'detach','args':['eth0'],'options':{}}"},
	{"\"detach\" et\"h\"0", "{'command':'detach','args':['eth0'],'options':{}}"},
	{"detach \"\"eth0\"\"", "{'command':'detach','args':['eth0'],'options':{}}"},
	{"filter set eth0 --client \"\"",
	 "{'command':'filter','args':['set','eth0'],'options':{'client':''}}"},
	{"detach \xc3\xa9", "{'command':'detach','args':['\xc3\xa9'],'options':{}}"},
};

static void test_good_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct json_object *want = words_json(good[i].request);
		struct json_object *got = words_request(good[i].line);
		struct tcpc_err err = words_no_err;

		if (!json_object_equal(got, want))
			expect_fail("'%s': %s", good[i].line, json_object_to_json_string(got));
		expect_success(good[i].line, tcpc_command_check(got, &err), &err);
		expect_success(good[i].line, tcpc_command_check(want, &err), &err);
		json_object_put(got);
		json_object_put(want);
	}
}

static void test_empty_lines(void **state)
{
	static const char *const lines[] = {"",	 " ",	     "\n",	" \t\r\n",
					    "#", "# detach", " \t# \"", "##"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct json_object *got = (void *)&lines;
		struct tcpc_err err = words_no_err;

		expect_success(lines[i], tcpc_command_parse_line(lines[i], &got, &err), &err);
		assert_null(got);
	}
}

/* ---- lines that are wrong -------------------------------------------------------------------- */

static const struct {
	const char *line;
	int code;
	const char *part;
} bad[] = {
	/* Commands. */
	{"frobnicate", EINVAL, "unknown command 'frobnicate'; `tcpcopyctl --help` lists"},
	{"\"\"", EINVAL, "unknown command ''; `tcpcopyctl --help`"},
	{"attch eth0", EINVAL, "unknown command 'attch': do you mean 'attach'?"},
	{"atach eth0", EINVAL, "do you mean 'attach'?"},
	{"detatch eth0", EINVAL, "do you mean 'detach'?"},
	{"Status", EINVAL, "do you mean 'status'?"},
	{"stat", EINVAL, "do you mean 'stats'?"},
	{"statu", EINVAL, "do you mean 'status'?"},
	{"statsu", EINVAL, "do you mean 'stat"},
	{"targets list", EINVAL, "do you mean 'target'?"},
	{"intercpt eth0", EINVAL, "do you mean 'intercept'?"},
	{"ke", EINVAL, "do you mean 'key'?"},
	{"--all", EINVAL, "unknown command '--all'; `tcpcopyctl --help`"},
	{WORDS_LONG, EINVAL, "xxx'; `tcpcopyctl --help` lists the commands"},
	/* Options. */
	{"attach eth0 --frobnicate 1", EINVAL,
	 "attach has no option --frobnicate; `tcpcopyctl att"},
	{"attach eth0 --tos 10.0.0.9:80", EINVAL, "has no option --tos: do you mean --to?"},
	{"attach eth0 --prt 80", EINVAL, "do you mean --port?"},
	{"attach eth0 --percnt=5", EINVAL, "has no option --percnt: do you mean --percent?"},
	{"attach eth0 --max-psp 5", EINVAL, "do you mean --max-pps?"},
	{"attach eth0 --", EINVAL, "attach has no option --; `tcpcopyctl attach --help` lists"},
	{"attach eth0 --=5", EINVAL, "attach has no option --; "},
	{"attach eth0 --zz", EINVAL, "attach has no option --zz; "}, /* not: --to */
	{"attach eth0 --listen 10.0.0.9:80", EINVAL, "attach has no option --listen; "},
	{"detach eth0 --al", EINVAL, "do you mean --all?"},
	{"status --watch", EINVAL, "status has no option --watch; "},
	{"attach eth0 --" WORDS_LONG, EINVAL, "; `tcpcopyctl attach --help` lists them"},
	{"attach eth0 --to 10.0.0.9:80 --to 10.0.0.8:80", EINVAL, "--to is given twice"},
	{"attach eth0 --to 10.0.0.9:80 --to=10.0.0.9:80", EINVAL, "--to is given twice"},
	{"detach --all --all", EINVAL, "--all is given twice"},
	{"attach eth0 --to", EINVAL, "--to needs a value: --to IP:PORT[,IP:PORT...]"},
	{"attach eth0 --to --force", EINVAL, "--to needs a value: --to IP:PORT"},
	{"attach eth0 --to --", EINVAL, "--to needs a value: --to IP:PORT"},
	{"attach eth0 --to=--force", EINVAL, "'--force' is not IP:PORT"},
	{"attach eth0 --to=", EINVAL, "'' is not IP:PORT"},
	{"filter set eth0 --percent -5", EINVAL, "'-5' is not a percentage"},
	{"detach --all=yes", EINVAL, "--all takes no value"},
	{"detach --all=", EINVAL, "--all takes no value"},
	{"detach --all yes", EINVAL, "detach needs an interface or --all, not both"},
	{"stats --watch 5", EINVAL, "stats: too many words; usage: tcpcopyctl stats"},
	/* Words. */
	{"attach", EINVAL, "attach: too few words; usage: tcpcopyctl attach IFACE"},
	{"attach --to 10.0.0.9:80", EINVAL, "attach: too few words"},
	{"attach eth0 -to 10.0.0.9:80", EINVAL, "'-to': options have two dashes"},
	{"status --json", EINVAL, "--json stands before the command: tcpcopyctl --json status"},
	{"status --run-dir /x", EINVAL, "before the command: tcpcopyctl --run-dir DIR status"},
	{"attach eth0 eth1 --to 10.0.0.9:80", EINVAL, "attach: too many words; usage: tcpcopyctl"},
	{"attach \"\" --to 10.0.0.9:80", EINVAL, "'' is not an interface name"},
	{"detach", EINVAL, "detach needs an interface or --all"},
	{"detach eth0 --all", EINVAL, "detach needs an interface or --all, not both"},
	{"detach eth0 eth1", EINVAL,
	 "detach: too many words; usage: tcpcopyctl detach IFACE | --all"},
	{"release", EINVAL, "release needs an interface or --all"},
	{"release --all eth0", EINVAL, "release needs an interface or --all, not both"},
	{"target", EINVAL, "target: too few words; usage: tcpcopyctl target list"},
	{"target show", EINVAL, "target is followed by list, add or del, not 'show'"},
	{"target set eth0 10.0.0.9:80", EINVAL,
	 "target is followed by list, add or del, not 'set'"},
	{"target \"list, add\"", EINVAL, "target is followed by list, add or del"},
	{"target \"\"", EINVAL, "target is followed by list, add or del, not ''"},
	{"target add eth0", EINVAL, "usage: tcpcopyctl target add|del IFACE IP:PORT"},
	{"target add 10.0.0.9:80", EINVAL, "usage: tcpcopyctl target add|del IFACE IP:PORT"},
	{"target list eth0 10.0.0.9:80", EINVAL, "usage: tcpcopyctl target list [IFACE]"},
	{"target add eth0 10.0.0.9:80 10.0.0.8:80", EINVAL, "target: too many words"},
	{"filter", EINVAL, "filter: too few words; usage: tcpcopyctl filter list"},
	{"filter add eth0", EINVAL, "filter is followed by list or set, not 'add'"},
	{"filter list eth0 eth1", EINVAL, "filter: too many words"},
	{"intercept --port 80", EINVAL,
	 "intercept: too few words; usage: tcpcopyctl intercept IFACE"},
	{"allow", EINVAL, "allow: too few words; usage: tcpcopyctl allow list | add CIDR..."},
	{"allow add", EINVAL, "usage: tcpcopyctl allow add|del CIDR..."},
	{"allow del", EINVAL, "usage: tcpcopyctl allow add|del CIDR..."},
	{"allow list 10.0.0.0/8", EINVAL, "usage: tcpcopyctl allow list"},
	{"allow 10.0.0.0/8", EINVAL, "allow is followed by list, add or del, not '10.0.0.0/8'"},
	{"allow " WORDS_LONG, EINVAL, "allow is followed by list, add or del, not 'xxx"},
	{"status eth0", EINVAL, "status: too many words; usage: tcpcopyctl status"},
	{"doctor eth0 eth1", EINVAL, "doctor: too many words; usage: tcpcopyctl doctor [IFACE]"},
	{"doctor eth0/1", EINVAL, "'eth0/1' is not an interface name"},
	{"key k", EINVAL, "key: too many words"},
	{"version 1", EINVAL, "version: too many words"},
	{"ledger 1", EINVAL, "ledger: too many words; usage: tcpcopyctl ledger"},
	/* What a terminal would obey and JSON could not carry. */
	{"detach \"eth\n0\"", EINVAL,
	 "word 1 behind 'detach' has a control character or is not UTF-8 "
	 "at byte 4"},
	{"detach eth\x1b[2J", EINVAL, "control character or is not UTF-8 at byte 4"},
	{"detach \xe9th0", EINVAL,
	 "word 1 behind 'detach' has a control character or is not UTF-8 at "
	 "byte 1"},
	{"attach eth0 --to 10.0.0.9:80\x7f", EINVAL,
	 "the value of --to has a control character or is "
	 "not UTF-8 at byte 12"},
	/* Quotes. */
	{"detach \"eth0", EINVAL, "a \" is not closed"},
	{"detach eth0\"", EINVAL, "a \" is not closed"},
	{"detach eth0 \"# comment", EINVAL, "a \" is not closed"},
	{"detach \"eth0\" \" --all", EINVAL, "a \" is not closed"},
	{"detach 'eth0 x'", EINVAL, "detach: too many words"}, /* ' does not quote */
	{"detach \"eth0 x\"", EINVAL, "'eth0 x' is not an interface name"},
};

static void test_bad_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct json_object *got = (void *)&bad;
		struct tcpc_err err = words_no_err;
		int r = tcpc_command_parse_line(bad[i].line, &got, &err);

		expect_error(bad[i].line, r, &err, bad[i].code, bad[i].part);
		assert_ptr_equal(got, &bad);
		/* Whoever does not want to know why. */
		assert_int_equal(tcpc_command_parse_line(bad[i].line, &got, NULL), r);
	}
}

/* ---- words ----------------------------------------------------------------------------------- */

static void test_no_words(void **state)
{
	struct tcpc_err err = words_no_err;
	struct json_object *got = NULL;

	(void)state;
	expect_error("nothing", tcpc_command_parse(0, NULL, &got, &err), &err, EINVAL,
		     "no command; `tcpcopyctl --help` lists the commands");
	assert_null(got);
}

/* On the command line the shell has done the splitting: # and " are as good as other characters. */
static void test_words_as_they_are(void **state)
{
	static const char *const words[] = {"attach", "#\"", "--to", "10.0.0.9:80", "--client", ""};
	struct tcpc_err err = words_no_err;
	struct json_object *got = NULL, *want;

	(void)state;
	want = words_json("{'command':'attach','args':['#\\u0022'],'options':{'to':'10.0.0.9:80',"
			  "'client':''}}");
	expect_success("words", tcpc_command_parse(COUNT_OF(words), words, &got, &err), &err);
	assert_true(json_object_equal(got, want));
	json_object_put(got);
	json_object_put(want);
}

/* As many prefixes as one command takes, and one more. */
static void test_many_words(void **state)
{
	enum { MOST = 8191 };
	const char **words = calloc(MOST + 3, sizeof(*words));
	char(*texts)[32] = calloc(MOST + 1, sizeof(*texts));
	struct tcpc_err err = words_no_err;
	struct json_object *got = NULL;

	(void)state;
	assert_non_null(words);
	assert_non_null(texts);
	words[0] = "allow";
	words[1] = "add";
	for (int i = 0; i <= MOST; i++) {
		snprintf(texts[i], sizeof(texts[i]), "10.0.%d.%d", i / 256, i % 256);
		words[i + 2] = texts[i];
	}
	expect_success("as many", tcpc_command_parse(MOST + 2, words, &got, &err), &err);
	json_object_put(got);
	expect_error("one more", tcpc_command_parse(MOST + 3, words, &got, &err), &err, EINVAL,
		     "allow: too many words; usage: tcpcopyctl allow");
	words[MOST + 1] = words[2];
	expect_error("one twice", tcpc_command_parse(MOST + 2, words, &got, &err), &err, EINVAL,
		     "prefix 10.0.0.0 is given twice");
	free(words);
	free(texts);
}

/* ---- usage ----------------------------------------------------------------------------------- */

static char *usage_of(const char *command)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	tcpc_command_usage(out, command);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(strlen(text), size);
	for (char *p = strchr(text, '\n'); p; p = strchr(p + 1, '\n'))
		assert_int_not_equal(p[-1], ' ');
	return text;
}

static const struct {
	const char *command, *line, *options; /* all of them, as in the contract */
} usages[] = {
	{"attach", "usage: tcpcopyctl attach IFACE\n",
	 "--to --port --hook --xdp-mode --rest --vni --mode --weight --percent --ramp --sample-by "
	 "--copies --spread --source "
	 "--client "
	 "--exclude --local --vlan --max-pps "
	 "--max-mbps --max-cpu --retain --recovery --target-guard "
	 "--feedback --via --force"},
	{"detach", "usage: tcpcopyctl detach IFACE | --all\n", "--all"},
	{"target",
	 "usage: tcpcopyctl target list [IFACE] | add IFACE IP:PORT | del IFACE IP:PORT\n",
	 "--weight --drain"},
	{"filter", "usage: tcpcopyctl filter list [IFACE] | set IFACE\n",
	 "--percent --ramp --sample-by --client --exclude --local --vlan --max-pps --max-mbps "
	 "--max-cpu"},
	{"intercept", "usage: tcpcopyctl intercept IFACE\n",
	 "--port --engine --listen --queue --order --adopt --hold --max-lag --idle --via --force"},
	{"release", "usage: tcpcopyctl release IFACE | --all\n", "--all"},
	{"allow", "usage: tcpcopyctl allow list | add CIDR... | del CIDR...\n", ""},
	{"replay", "usage: tcpcopyctl replay FILE...\n",
	 "--to --port --speed --top-speed --loop --max-gap --concurrency --client --exclude "
	 "--filter --retain --via --feedback"},
	{"record", "usage: tcpcopyctl record IFACE -w FILE | --stop\n",
	 "--write --rotate-mb --rotate-seconds --keep --limit-mb --force --stop"},
	{"status", "usage: tcpcopyctl status\n", ""},
	{"stats", "usage: tcpcopyctl stats\n", "--watch"},
	{"ledger", "usage: tcpcopyctl ledger\n", ""},
	{"doctor", "usage: tcpcopyctl doctor [IFACE]\n", ""},
	{"key", "usage: tcpcopyctl key\n", ""},
	{"version", "usage: tcpcopyctl version\n", ""},
};

/* Each option has a line of its own, and there are no others. */
static void test_usage_of_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(usages); i++) {
		char *text = usage_of(usages[i].command), *o;
		char *options = strdup(usages[i].options), *rest = *options ? options : NULL;
		unsigned int lines = 2;

		if (strncmp(text, usages[i].line, strlen(usages[i].line)))
			expect_fail("%s: %s", usages[i].command, text);
		for (; (o = strsep(&rest, " ")); lines++) {
			char begin[32];

			snprintf(begin, sizeof(begin), "\n  %s ", o);
			expect_true(o, usages[i].command, strstr(text, begin) != NULL);
		}
		for (char *p = text; *p; p++)
			lines -= *p == '\n';
		expect_u64(usages[i].command, "lines missing", lines, 0);
		free(options);
		free(text);
	}
}

static void test_usage_of_all(void **state)
{
	char *text = usage_of(NULL), *other = usage_of("frobnicate");
	unsigned int lines = 0;

	(void)state;
	assert_string_equal(text, other);
	assert_int_equal(
		strncmp(text, "usage: tcpcopyctl [--run-dir DIR=/run/tcpcopy] [--netns NETNS]", 62),
		0);
	for (size_t i = 0; i < COUNT_OF(usages); i++) {
		char begin[32];

		snprintf(begin, sizeof(begin), "\n  %s ", usages[i].command);
		expect_true(usages[i].command, "is listed", strstr(text, begin) != NULL);
	}
	for (char *p = text; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, COUNT_OF(usages) + 2);
	free(text);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_lines),	  cmocka_unit_test(test_empty_lines),
		cmocka_unit_test(test_bad_lines),	  cmocka_unit_test(test_no_words),
		cmocka_unit_test(test_words_as_they_are), cmocka_unit_test(test_many_words),
		cmocka_unit_test(test_usage_of_one),	  cmocka_unit_test(test_usage_of_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
