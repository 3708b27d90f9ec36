// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_config.c - config.h: reading the file, and what is undone and done, in which order, when one
 * configuration takes the place of another. The runner is a fake that writes down what it is asked.
 */
#include <stdbool.h>
#include <unistd.h>
#include <sys/mman.h>

#include "../harness/words.h"
#include "role/config.h"

#define LOG_BYTES 4096

/* ---- files ----------------------------------------------------------------------------------- */

/* In memory: nothing is left behind, however the test ends. */
static char path[32];
static int memory;

static int set_up(void **state)
{
	(void)state;
	memory = memfd_create("config", MFD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
	return memory < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	return close(memory);
}

static int load_bytes(const void *bytes, size_t n, struct tcpc_config **ret, struct tcpc_err *err)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, n, file), n);
	assert_int_equal(fclose(file), 0);
	return tcpc_config_load(path, ret, err);
}

static struct tcpc_config *load(const char *text)
{
	struct tcpc_err err = words_no_err;
	struct tcpc_config *config = NULL;

	expect_success(text, load_bytes(text, strlen(text), &config, &err), &err);
	assert_non_null(config);
	return config;
}

/* ---- the fake runner ------------------------------------------------------------------------- */

/** Going from one configuration to another, as the daemon would. */
struct scene {
	struct tcpc_config *old, *next; /* freed as soon as that is allowed */
	bool later;			/* answers come after the runner has returned */
	const char *fail;		/* requests that hold this fail */
	struct tcpc_reply *pending;
	bool pending_fails;
	char log[LOG_BYTES]; /* the requests, a line each */
	size_t used;
	unsigned int n_run, n_done, failed;
	struct tcpc_err err;
};

static void answer(struct tcpc_reply *reply, bool fails)
{
	struct tcpc_err err;

	if (!fails) {
		tcpc_reply_text(reply, "done");
		return;
	}
	tcpc_err_set(&err, EBUSY, "it is in use");
	tcpc_reply_fail(reply, &err);
}

/* As the user would have typed it. */
static void write_down(struct scene *s, struct json_object *request)
{
	struct json_object *args = json_object_object_get(request, "args");
	size_t room = sizeof(s->log) - s->used;
	char line[512];
	int n = snprintf(line, sizeof(line), "%s",
			 json_object_get_string(json_object_object_get(request, "command")));

	for (size_t i = 0; i < json_object_array_length(args); i++)
		n += snprintf(line + n, sizeof(line) - n, " %s",
			      json_object_get_string(json_object_array_get_idx(args, i)));
	json_object_object_foreach (json_object_object_get(request, "options"), name, value)
		n += snprintf(line + n, sizeof(line) - n, " --%s %s", name,
			      json_object_get_string(value));
	s->pending_fails = s->fail && strstr(line, s->fail);
	if ((size_t)n + 2 < room)
		s->used += sprintf(s->log + s->used, "%s\n", line);
}

static void run(void *user, struct json_object *request, struct tcpc_reply *reply)
{
	struct tcpc_err err = words_no_err;
	struct scene *s = user;

	assert_null(s->pending); /* one after the other */
	assert_int_equal(s->n_done, 0);
	expect_success("what is run", tcpc_command_check(request, &err), &err);
	write_down(s, request);
	s->n_run++;
	if (s->later)
		s->pending = reply;
	else
		answer(reply, s->pending_fails);
}

static void on_done(void *user, unsigned int failed, const struct tcpc_err *err)
{
	struct scene *s = user;

	s->n_done++;
	s->failed = failed;
	if (err)
		s->err = *err;
	assert_int_equal(failed != 0, err != NULL);
	tcpc_config_free(s->old);
	tcpc_config_free(s->next);
}

static void play(struct scene *s)
{
	struct tcpc_err err = words_no_err;
	unsigned int answered = 0;

	assert_int_equal(tcpc_config_apply(s->old, s->next, run, on_done, s, &err), 0);
	while (s->pending) {
		struct tcpc_reply *reply = s->pending;

		assert_int_equal(s->n_run, ++answered);
		assert_int_equal(s->n_done, 0);
		s->pending = NULL;
		answer(reply, s->pending_fails);
	}
	assert_int_equal(s->n_done, 1);
}

/* ---- loading --------------------------------------------------------------------------------- */

static void test_load(void **state)
{
	static const char text[] = "# the service\n"
				   "\n"
				   "  intercept eth0 --port 80\t# of the shop\r\n"
				   "allow add 10.0.0.9\n"
				   "attach \"eth1\" --to 10.0.0.9:80\n"
				   "\t\n"
				   "target add eth1 10.0.0.8:80\n"
				   "target del eth1 10.0.0.9:80\n"
				   "allow del 10.0.0.9\n"
				   "filter set eth1 --client \"\""; /* no newline */
	struct scene s = {.next = load(text)};

	(void)state;
	play(&s);
	assert_int_equal(s.failed, 0);
	assert_string_equal(s.log, "intercept eth0 --port 80\n"
				   "allow add 10.0.0.9\n"
				   "attach eth1 --to 10.0.0.9:80\n"
				   "target add eth1 10.0.0.8:80\n"
				   "target del eth1 10.0.0.9:80\n"
				   "allow del 10.0.0.9\n"
				   "filter set eth1 --client \n");
}

static const struct {
	const char *text;
	int code;
	unsigned int line;
	const char *part;
} bad[] = {
	{"frobnicate\n", EINVAL, 1, "unknown command 'frobnicate'"},
	{"# one\nintercept eth0 --port 80\nallow add 198.18.0.0/33\n", EINVAL, 3, "/33': the"},
	{"\n\n\nallow add 10.0.0.1/8", EINVAL, 4, "do you mean 10.0.0.0/8?"},
	{"allow add 10.0.0.9\nallow add \"10.0.0.8\n", EINVAL, 2, "a \" is not closed"},
	{"allow add 10.0.0.9 \\\n10.0.0.8\n", EINVAL, 1, "'\\' is not a prefix"},
	{"frobnicate\nallow add nonsense\n", EINVAL, 1, "'frobnicate'"}, /* the first one */
	{"attach eth0 --to [fe80::9]:80\n", EINVAL, 1, "is link-local"},
	{"ledger\n", EINVAL, 1, "'ledger' does not belong in a configuration"},
	/* What answers a question, or takes something back that is not in the file. */
	{"status\n", EINVAL, 1, "'status' does not belong in a configuration; attach, intercept,"},
	{"stats\n", EINVAL, 1, "'stats' does not belong in a configuration"},
	{"doctor\n", EINVAL, 1, "'doctor' does not belong in a configuration"},
	{"key\n", EINVAL, 1, "'key' does not belong in a configuration"},
	{"version\n", EINVAL, 1, "'version' does not belong in a configuration"},
	{"detach eth0\n", EINVAL, 1, "'detach' does not belong in a configuration"},
	{"release --all\n", EINVAL, 1, "'release' does not belong in a configuration"},
	{"allow list\n", EINVAL, 1, "'allow list' does not belong in a configuration"},
	{"\ntarget list eth0\n", EINVAL, 2, "'target list' does not belong in a configuration"},
	{"filter list\n", EINVAL, 1, "'filter list' does not belong in a configuration"},
};

static void test_bad_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct tcpc_config *config = (void *)&bad;
		struct tcpc_err err = words_no_err;
		char begin[64];
		int r = load_bytes(bad[i].text, strlen(bad[i].text), &config, &err);

		expect_error(bad[i].text, r, &err, bad[i].code, bad[i].part);
		snprintf(begin, sizeof(begin), "%s:%u: ", path, bad[i].line);
		expect_true(bad[i].text, err.text, !strncmp(err.text, begin, strlen(begin)));
		assert_ptr_equal(config, &bad);
	}
}

/* What stands behind a zero byte must not be overlooked. */
static void test_zero_byte(void **state)
{
	static const char text[] = "allow add 10.0.0.9\nallow add 10.0.0.8\0 10.0.0.7\n";
	static const char comment[] = "# \0\n", lone[] = "\0";
	struct tcpc_config *config = NULL;
	struct tcpc_err err = words_no_err;

	(void)state;
	expect_error("in a line", load_bytes(text, sizeof(text) - 1, &config, &err), &err, EINVAL,
		     ":2: there is a zero byte; a configuration is text");
	expect_error("in a comment", load_bytes(comment, sizeof(comment) - 1, &config, &err), &err,
		     EINVAL, ":1: there is a zero byte");
	expect_error("alone", load_bytes(lone, 1, &config, &err), &err, EINVAL,
		     ":1: there is a zero byte");
	assert_null(config);
}

static void test_unreadable(void **state)
{
	struct tcpc_config *config = NULL;
	struct tcpc_err err = words_no_err;

	(void)state;
	expect_error("missing", tcpc_config_load("/nonexistent/tcpc.conf", &config, &err), &err,
		     ENOENT,
		     "cannot open the configuration /nonexistent/tcpc.conf: No such file or dir");
	expect_error("no name", tcpc_config_load("", &config, &err), &err, ENOENT, "cannot open");
	expect_error("a directory", tcpc_config_load("/tmp", &config, &err), &err, EISDIR,
		     "cannot read the configuration /tmp: Is a directory");
	assert_null(config);
	tcpc_config_free(NULL);
}

/* ---- applying -------------------------------------------------------------------------------- */

#define SHOP "intercept eth0 --port 80\n"
#define A "attach eth1 --to 10.0.0.9:80\n"

static const struct {
	const char *old, *next; /* old NULL: none */
	const char *log;
} changes[] = {
	{NULL, "", ""},
	{NULL, "# nothing\n", ""},
	{NULL, SHOP A, SHOP A},
	{"", SHOP A, SHOP A},
	{SHOP A, SHOP A, ""},
	{SHOP A, "# moved\n\n" A "\n" SHOP, ""},
	/* The same in other words. */
	{"attach eth1 --to 10.0.0.9:80 --percent 5\n",
	 "attach --percent=5 \"eth1\" --to=10.0.0.9:80 # five\n", ""},
	/* Last first. */
	{SHOP A "allow add 10.0.0.8\ntarget add eth1 10.0.0.7:80\n", "",
	 "target del eth1 10.0.0.7:80\nallow del 10.0.0.8\ndetach eth1\nrelease eth0\n"},
	{"intercept eth0 --port 80 --queue 5\nattach eth1 --to 10.0.0.9:80 --percent 5\n", "",
	 "detach eth1\nrelease eth0\n"},
	/* Everything is undone before anything is done. */
	{SHOP A, "attach eth2 --to 10.0.0.9:80\nintercept eth3 --port 80\n",
	 "detach eth1\nrelease eth0\nattach eth2 --to 10.0.0.9:80\nintercept eth3 --port 80\n"},
	/* A change is both. */
	{SHOP A, SHOP "attach eth1 --to 10.0.0.8:80\n",
	 "detach eth1\nattach eth1 --to 10.0.0.8:80\n"},
	{SHOP A, "intercept eth0 --port 81\n" A, "release eth0\nintercept eth0 --port 81\n"},
	{"allow add 10.0.0.8 10.0.0.7\n", "allow add 10.0.0.8\n",
	 "allow del 10.0.0.8 10.0.0.7\nallow add 10.0.0.8\n"},
	{"allow add 10.0.0.8\n", "allow add 10.0.0.8\nallow add 10.0.0.7\n",
	 "allow add 10.0.0.7\n"},
	/* What has no opposite stays as it is. */
	{A "filter set eth1 --percent 5\ntarget del eth1 10.0.0.9:80\nallow del 10.0.0.8\n", A, ""},
	{A "filter set eth1 --percent 5\n", A "filter set eth1 --percent 6\n",
	 "filter set eth1 --percent 6\n"},
	/* A line more than once is one wish. */
	{A A, A, ""},
	{A, A A, ""},
	/* What belongs to an interface goes with it, and comes again with it, but for others'. */
	{A
	 "target add eth1 10.0.0.7:80\nfilter set eth1 --percent 5\ntarget add eth2 10.0.0.7:80\n",
	 "attach eth1 --to 10.0.0.8:80\ntarget add eth1 10.0.0.7:80\nfilter set eth1 --percent 5\n"
	 "target add eth2 10.0.0.7:80\n",
	 "detach eth1\nattach eth1 --to 10.0.0.8:80\ntarget add eth1 10.0.0.7:80\n"
	 "filter set eth1 --percent 5\n"},
	{A "target add eth1 10.0.0.7:80\n",
	 "attach eth1 --to 10.0.0.8:80\ntarget add eth1 10.0.0.6:80\n",
	 "target del eth1 10.0.0.7:80\ndetach eth1\nattach eth1 --to 10.0.0.8:80\n"
	 "target add eth1 10.0.0.6:80\n"},
	/* The allow-list belongs to no interface. */
	{SHOP "allow add 10.0.0.8\n", "intercept eth0 --port 81\nallow add 10.0.0.8\n",
	 "release eth0\nintercept eth0 --port 81\n"},
	{"intercept eth1 --port 80\ntarget add eth1 10.0.0.7:80\n",
	 "intercept eth1 --port 81\ntarget add eth1 10.0.0.7:80\n",
	 "release eth1\nintercept eth1 --port 81\n"},
};

static void test_changes(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * COUNT_OF(changes); i++) {
		struct scene s = {.later = i % 2};

		if (changes[i / 2].old)
			s.old = load(changes[i / 2].old);
		s.next = load(changes[i / 2].next);
		play(&s);
		assert_int_equal(s.failed, 0);
		if (strcmp(s.log, changes[i / 2].log))
			expect_fail("change %zu%s:\n%s", i / 2, s.later ? ", later" : "", s.log);
	}
}

static const struct {
	const char *old, *next, *fail;
	unsigned int failed;
	const char *err; /* behind the path */
	unsigned int n_run;
} failures[] = {
	{"", "\n" SHOP A, "intercept", 1, ":2: it is in use", 2},
	{"", SHOP A, "attach", 1, ":2: it is in use", 2},
	{"", SHOP "# here\n" A, "eth", 2, ":1: it is in use", 2},
	{SHOP "\n" A, "", "detach", 1, ":3 (as it was): it is in use", 2},
	{SHOP A, "attach eth1 --to 10.0.0.8:80\n", "eth1", 2, ":2 (as it was): it is in use", 3},
	{SHOP A, SHOP "\nattach eth1 --to 10.0.0.8:80\n", "attach", 1, ":3: it is in use", 2},
};

/* One that fails does not keep the others from being done; the first one's error is told. */
static void test_failures(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * COUNT_OF(failures); i++) {
		struct scene s = {.later = i % 2, .fail = failures[i / 2].fail};
		char want[128];

		s.old = load(failures[i / 2].old);
		s.next = load(failures[i / 2].next);
		play(&s);
		assert_int_equal(s.failed, failures[i / 2].failed);
		assert_int_equal(s.n_run, failures[i / 2].n_run);
		assert_int_equal(s.err.code, EBUSY);
		snprintf(want, sizeof(want), "%s%s", path, failures[i / 2].err);
		assert_string_equal(s.err.text, want);
	}
}

/* ---- much of it ------------------------------------------------------------------------------ */

static char *many_lines(unsigned int n, unsigned int net)
{
	char *text = malloc(n * 32 + 1), *p = text;

	assert_non_null(text);
	*p = '\0';
	for (unsigned int i = 0; i < n; i++)
		p += sprintf(p, "allow add 10.%u.%u.%u\n", net, i / 256, i % 256);
	return text;
}

/* As many lines as there may be, all of them other ones, answered at once: on a small stack, and in
 * a time that the daemon has between two heartbeats. */
static void test_many(void **state)
{
	char *old = many_lines(4096, 1), *next = many_lines(4096, 2);

	(void)state;
	for (int later = 0; later < 2; later++) {
		struct scene s = {.old = load(old), .next = load(next), .later = later};

		play(&s);
		assert_int_equal(s.n_run, 8192);
		assert_int_equal(s.failed, 0);
	}
	free(old);
	free(next);
}

static void test_too_many(void **state)
{
	char *text = many_lines(4097, 1);
	struct tcpc_config *config = NULL;
	struct tcpc_err err = words_no_err;

	(void)state;
	expect_error("4097 lines", load_bytes(text, strlen(text), &config, &err), &err, E2BIG,
		     ":4097: more than 4096 commands");
	assert_null(config);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load),	  cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_zero_byte), cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_changes),	  cmocka_unit_test(test_failures),
		cmocka_unit_test(test_many),	  cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
