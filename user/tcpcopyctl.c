// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcpcopyctl.c - the command: one request over the daemon's socket, the answer shown. It knows no
 * command but those that need something here: `key`, `version`, `stats --watch`, and `detach --all`
 * and `release --all` when there is no daemon.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <json-c/json.h>
#include <sodium.h>

#include "core/command.h"
#include "core/paint.h"
#include "core/render.h"
#include "edge/ask.h"
#include "edge/key.h"
#include "role/arguments.h"
#include "role/elsewhere.h"
#include "role/patience.h"
#include "role/record.h"
#include "role/replay.h"
#include "tcpcopy/abi.h"

struct options {
	const char *run_dir, *netns; /* the latter NULL: this one */
	bool json;
	char dir[TCPC_ASK_PATH_BYTES]; /* of the daemon in @netns */
	char path[TCPC_ASK_PATH_BYTES];
};

/** An answer: @line as it came, without its newline; @root parsed; both owned. */
struct answer {
	char *line;
	struct json_object *root;
	struct json_object *result; /* borrowed from @root, NULL if it has none */
	bool ok;
};

/* ---- request and answer --------------------------------------------------------------------- */

static void answer_free(struct answer *answer)
{
	json_object_put(answer->root);
	free(answer->line);
}

/* @line: taken over on success. */
static int parse_answer(char *line, struct answer *ret, struct tcpc_err *err)
{
	struct json_object *root = json_tokener_parse(line), *ok, *result = NULL;

	if (!json_object_is_type(root, json_type_object) ||
	    !json_object_object_get_ex(root, "ok", &ok) ||
	    !json_object_is_type(ok, json_type_boolean)) {
		json_object_put(root);
		return tcpc_err_set(err, EPROTO,
				    "the answer cannot be understood: is that tcpcopyd "
				    "%s, and not something else in --run-dir?",
				    TCPC_VERSION);
	}
	json_object_object_get_ex(root, "result", &result);
	*ret = (struct answer){line, root, result, json_object_get_boolean(ok)};
	return 0;
}

static const char *command_of(struct json_object *request)
{
	return json_object_get_string(json_object_object_get(request, "command"));
}

/* Has the request this option? */
static bool has_option(struct json_object *request, const char *name)
{
	struct json_object *words;

	return json_object_object_get_ex(request, "options", &words) &&
	       json_object_object_get_ex(words, name, NULL);
}

static int ask(const struct options *options, struct json_object *request, struct answer *ret,
	       struct tcpc_err *err)
{
	const char *text = json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN);
	const char *command = command_of(request);
	/* Who writes a recording stays behind when the answer has come. */
	bool records = !strcmp(command, "record") && !has_option(request, "stop");
	char *line = NULL;
	int status = records ? tcpc_record_run(options->path, request, &line, err)
			     : tcpc_patience_ask(options->path, command, text, &line, err);

	if (status)
		return tcpc_elsewhere_explain(options->netns, options->run_dir, err);
	status = parse_answer(line, ret, err);
	if (status)
		free(line);
	return status;
}

/* What a daemon has left that was killed, tcpcopyd itself clears: it does so at each start. */
static int sweep(const struct options *options, struct json_object *request, struct answer *ret,
		 struct tcpc_err *err)
{
	bool online = !strcmp(command_of(request), "detach");
	char path[PATH_MAX], *line = NULL;
	const char *const argv[] = {tcpc_ask_find_daemon(path),
				    "--run-dir",
				    options->run_dir,
				    "--log-level",
				    "warn",
				    "--sweep",
				    online ? "online" : "target",
				    options->netns ? "--netns" : NULL,
				    options->netns,
				    NULL};
	int status = tcpc_ask_program((char *const *)argv, &line, err);

	if (status)
		return status;
	status = parse_answer(line, ret, err);
	if (status)
		free(line);
	return status;
}

static int status_of(const struct tcpc_err *err)
{
	return err->code == EINVAL || err->code == EOPNOTSUPP ? 2 : 1;
}

static int complain(const struct tcpc_err *err)
{
	fprintf(stderr, "tcpcopyctl: %s\n", err->text);
	return status_of(err);
}

/* As the daemon would say it. */
static struct json_object *failure(const struct tcpc_err *err)
{
	struct json_object *root = json_object_new_object();

	json_object_object_add(root, "ok", json_object_new_boolean(false));
	json_object_object_add(root, "error", json_object_new_string(err->text));
	json_object_object_add(root, "status", json_object_new_int(status_of(err)));
	return root;
}

/* Exit status of a failure on this side. Who reads JSON gets it, too. */
static int fail(const struct options *options, const struct tcpc_err *err)
{
	int status = complain(err);
	struct json_object *root;

	if (!options->json)
		return status;
	root = failure(err);
	puts(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN));
	json_object_put(root);
	return status;
}

/* Exit status of a failure the daemon reports. Through tcpc_err, so that it is one line. */
static int complain_answer(const struct answer *answer)
{
	struct json_object *text = NULL, *status = NULL;
	struct tcpc_err err;
	bool usage;

	json_object_object_get_ex(answer->root, "error", &text);
	json_object_object_get_ex(answer->root, "status", &status);
	usage = json_object_is_type(status, json_type_int) && json_object_get_int(status) == 2;
	tcpc_err_set(&err, usage ? EINVAL : EIO, "%s",
		     json_object_is_type(text, json_type_string)
			     ? json_object_get_string(text)
			     : "the daemon failed and gives no reason: see its log");
	return complain(&err);
}

/* Show one answer. Returns the exit status. */
static int show(const struct options *options, const char *command, const struct answer *answer)
{
	if (options->json)
		puts(answer->line);
	if (!answer->ok)
		return complain_answer(answer);
	if (!options->json)
		tcpc_render(stdout, command, answer->result, tcpc_paint_wanted(STDOUT_FILENO));
	return tcpc_render_failed(command, answer->result) ? 1 : 0;
}

/* ---- commands ------------------------------------------------------------------------------- */

static int run_once(const struct options *options, struct json_object *request)
{
	struct answer answer;
	struct tcpc_err err;
	int status = ask(options, request, &answer, &err);

	/* No other command with --all ends something. */
	if ((status == -ENOENT || status == -ECONNREFUSED) && has_option(request, "all"))
		status = sweep(options, request, &answer, &err);
	if (status)
		return fail(options, &err);
	status = show(options, command_of(request), &answer);
	answer_free(&answer);
	return status;
}

static void wait_second(struct timespec *next)
{
	next->tv_sec++;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL) == EINTR)
		;
}

/* Every second, by the clock and not by how long the daemon takes, until it fails or Ctrl-C. */
static int run_watch(const struct options *options, struct json_object *request)
{
	struct timespec next;
	int status;

	clock_gettime(CLOCK_MONOTONIC, &next);
	for (bool first = true;; first = false) {
		if (!options->json && !first)
			putc('\n', stdout);
		status = run_once(options, request);
		if (status || fflush(stdout) || ferror(stdout))
			return status;
		wait_second(&next);
	}
}

static struct tcpc_render_screen screen_now(double seconds)
{
	struct tcpc_render_screen screen = {24, 80, seconds, tcpc_paint_wanted(STDOUT_FILENO)};
	struct winsize size;

	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row && size.ws_col) {
		screen.rows = size.ws_row;
		screen.columns = size.ws_col;
	}
	return screen;
}

/* On a terminal one screen is written over the other; the last one stays. */
static int run_screen(const struct options *options, struct json_object *request)
{
	struct answer answer, before = {};
	struct tcpc_render_screen screen;
	struct timespec next, now;
	double last = 0;
	struct tcpc_err err;
	int status;

	clock_gettime(CLOCK_MONOTONIC, &next);
	fputs("\033[2J", stdout); /* ECMA-48: erase display */
	while (!(status = ask(options, request, &answer, &err)) && answer.ok) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		screen = screen_now(now.tv_sec + now.tv_nsec / 1e9 - last);
		tcpc_render_watch(stdout, answer.result, before.result, &screen);
		last += screen.seconds;
		answer_free(&before);
		before = answer;
		if (fflush(stdout) || ferror(stdout))
			break;
		wait_second(&next);
	}
	answer_free(&before);
	if (status)
		return fail(options, &err);
	/* If all was well the terminal is gone: main() says so. */
	status = answer.ok ? 1 : complain_answer(&answer);
	if (!answer.ok)
		answer_free(&answer);
	return status;
}

static int run_key(const struct options *options)
{
	__u8 key[TCPC_KEY_BYTES];
	char hex[2 * TCPC_KEY_BYTES + 1];
	struct tcpc_err err;

	if (sodium_init() < 0) {
		tcpc_err_set(&err, EIO, "libsodium finds no source of random numbers");
		return fail(options, &err);
	}
	randombytes_buf(key, sizeof(key));
	sodium_bin2hex(hex, sizeof(hex), key, sizeof(key));
	printf(options->json ? "{\"ok\":true,\"result\":{\"key\":\"%s\"}}\n" : "%s\n", hex);
	sodium_memzero(key, sizeof(key));
	sodium_memzero(hex, sizeof(hex));
	return 0;
}

/* What was sent is shown even when it did not end well. */
static int run_replay(const struct options *options, struct json_object *request)
{
	struct json_object *result = NULL, *root;
	struct tcpc_err err;
	int status = tcpc_replay_run(options->path, request,
				     !options->json && isatty(STDERR_FILENO), &result, &err);

	if (result && options->json) {
		root = status ? failure(&err) : json_object_new_object();
		if (!status)
			json_object_object_add(root, "ok", json_object_new_boolean(true));
		json_object_object_add(root, "result", json_object_get(result));
		puts(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN));
		json_object_put(root);
	} else if (result) {
		tcpc_render(stdout, "replay", result, tcpc_paint_wanted(STDOUT_FILENO));
	}
	json_object_put(result);
	if (!status)
		return 0;
	/* Its own object has said so. */
	return result ? complain(&err) : fail(options, &err);
}

static void show_version_json(struct json_object *daemon)
{
	struct json_object *root = json_object_new_object(), *o = json_object_new_object();

	json_object_object_add(o, "version", json_object_new_string(TCPC_VERSION));
	json_object_object_add(o, "abi_version", json_object_new_int(TCPC_ABI_VERSION));
	json_object_object_add(o, "daemon", json_object_get(daemon));
	json_object_object_add(root, "ok", json_object_new_boolean(true));
	json_object_object_add(root, "result", o);
	puts(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN));
	json_object_put(root);
}

/* Our own version is always told; that no daemon answers is no failure, but is said. */
static int run_version(const struct options *options, struct json_object *request)
{
	struct json_object *version = NULL;
	struct answer answer = {};
	struct tcpc_err err;
	int status = ask(options, request, &answer, &err);

	if (!status && json_object_is_type(answer.result, json_type_object))
		json_object_object_get_ex(answer.result, "version", &version);
	if (options->json) {
		show_version_json(answer.ok ? answer.result : NULL);
	} else {
		puts("tcpcopyctl " TCPC_VERSION);
		fputs(status ? "tcpcopyd: " : "tcpcopyd ", stdout);
		tcpc_render_line(stdout, status	   ? err.text
					 : version ? json_object_get_string(version)
						   : "does not tell its version");
	}
	answer_free(&answer);
	return 0;
}

static int run(const struct options *options, struct json_object *request)
{
	const char *command = command_of(request);

	if (!strcmp(command, "key"))
		return run_key(options);
	if (!strcmp(command, "version"))
		return run_version(options, request);
	if (!strcmp(command, "replay"))
		return run_replay(options, request);
	if (has_option(request, "watch") && !options->json && isatty(STDOUT_FILENO))
		return run_screen(options, request);
	if (has_option(request, "watch"))
		return run_watch(options, request);
	return run_once(options, request);
}

/* ---- the command line ----------------------------------------------------------------------- */

static int set_path(struct options *options, struct tcpc_err *err)
{
	int n = snprintf(options->path, sizeof(options->path), "%s/tcpcopyd.sock",
			 options->run_dir);

	if (n > 0 && (size_t)n < sizeof(options->path) && options->run_dir[0])
		return 0;
	return tcpc_err_set(err, EINVAL,
			    "--run-dir '%.80s' cannot be: give a directory of 1 to %zu bytes",
			    options->run_dir, sizeof(options->path) - sizeof("/tcpcopyd.sock"));
}

/* Options before the command. @ret_next: index of the command in @argv, or @argc if none. */
static int parse_options(int argc, const char *const *argv, struct options *options, int *ret_next,
			 struct tcpc_err *err)
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--json"))
			options->json = true;
		else if (!strncmp(argv[i], "--run-dir=", 10))
			options->run_dir = argv[i] + 10;
		else if (strcmp(argv[i], "--run-dir"))
			return tcpc_err_set(err, EINVAL,
					    "unknown option '%s' before the command; "
					    "known are --run-dir DIR, --netns NETNS, --json, "
					    "--help",
					    argv[i]);
		else if (++i == argc)
			return tcpc_err_set(err, EINVAL,
					    "--run-dir needs a directory, such as "
					    "--run-dir /run/tcpcopy");
		else
			options->run_dir = argv[i];
	}
	*ret_next = i;
	return set_path(options, err);
}

/* Is help asked for?  @ret_command: the command it is about, NULL for all. */
static bool wants_help(int argc, const char *const *argv, const char **ret_command)
{
	const char *command = NULL;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help")) {
			*ret_command = command;
			return true;
		}
		if (!strcmp(argv[i], "--run-dir"))
			i++;
		else if (!command && argv[i][0] != '-')
			command = argv[i];
	}
	return false;
}

static int usage(FILE *out, const char *command, int status)
{
	tcpc_command_usage(out, command);
	return status;
}

static int parse_and_run(int argc, const char **argv)
{
	struct options options = {.run_dir = TCPC_DEFAULT_RUN_DIR};
	struct json_object *request = NULL;
	const char *command;
	struct tcpc_err err;
	int next = argc, status;

	if (tcpc_elsewhere_take(&argc, argv, options.dir, sizeof(options.dir), &options.netns,
				&options.run_dir, &err))
		return complain(&err);
	if (wants_help(argc, argv, &command))
		return usage(stdout, command, 0);
	if (parse_options(argc, argv, &options, &next, &err))
		return fail(&options, &err);
	if (next == argc)
		return usage(stderr, NULL, 2);
	if (tcpc_command_parse(argc - next, argv + next, &request, &err))
		return fail(&options, &err);
	status = run(&options, request);
	json_object_put(request);
	return status;
}

int main(int argc, char **argv)
{
	int status = parse_and_run(argc, (const char **)argv), code = 0;

	/* A full disk must not look like success. */
	if (fflush(stdout))
		code = errno;
	else if (ferror(stdout))
		code = EIO;
	if (!code)
		return status;
	fprintf(stderr, "tcpcopyctl: cannot write to the standard output: %s\n", strerror(code));
	return 1;
}
