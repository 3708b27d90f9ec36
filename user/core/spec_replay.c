// SPDX-License-Identifier: GPL-2.0-only
/* spec_replay.c - the words of `replay`, see spec.h. */
#include "core/spec.h"

#include <string.h>
#include <json-c/json.h>

#include "core/spec_priv.h"

#define DEFAULT_CONCURRENCY 256 /* at top speed */
#define MAX_CONCURRENCY 1000000
#define MAX_LOOPS 1000000
#define MAX_GAP_MS 86400000UL
#define SPEED_ONE 1000
#define MIN_SPEED (SPEED_ONE / 10)
#define MAX_SPEED (SPEED_ONE * 1000)

/* "10", "0.5", "2.125" in thousandths. */
static int speed_of(const char *text, __u32 *ret)
{
	unsigned long whole, part = 0, n = MAX_SPEED;
	const char *dot = strchr(text, '.');
	size_t len = dot ? (size_t)(dot - text) : strlen(text);
	char digits[8] = {};

	if (len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, len);
	if (tcpc_text_number(digits, MAX_SPEED, &whole))
		return -EINVAL;
	if (dot) {
		strncpy(digits, "000", sizeof(digits));
		if (!dot[1] || strlen(dot + 1) > 3)
			return -EINVAL;
		memcpy(digits, dot + 1, strlen(dot + 1));
		if (tcpc_text_number(digits, 999, &part))
			return -EINVAL;
	}
	n = whole * SPEED_ONE + part;
	if (n < MIN_SPEED || n > MAX_SPEED)
		return -EINVAL;
	*ret = n;
	return 0;
}

static int speed_option(struct json_object *request, __u32 *ret, struct tcpc_err *err)
{
	const char *text = spec_option(request, "speed");
	bool top = spec_option(request, "top-speed");

	if (text && top)
		return tcpc_err_set(err, EINVAL, "--speed and --top-speed exclude each other");
	*ret = top ? 0 : SPEED_ONE;
	if (text && speed_of(text, ret))
		return tcpc_err_set(err, EINVAL,
				    "--speed is a number from 0.1 to 1000 with at most three "
				    "decimals, not '%.80s'",
				    text);
	return 0;
}

static int number(struct json_object *request, const char *name, const char *unit,
		  unsigned long most, unsigned long otherwise, unsigned long *ret,
		  struct tcpc_err *err)
{
	const char *text = spec_option(request, name);

	*ret = otherwise;
	if (text && (tcpc_text_number(text, most, ret) || !*ret))
		return tcpc_err_set(err, EINVAL, "--%s is a number%s from 1 to %lu, not '%.80s'",
				    name, unit, most, text);
	return 0;
}

static int numbers(struct json_object *request, struct tcpc_replay_spec *spec, struct tcpc_err *err)
{
	unsigned long loops = 1, gap_ms = 0, most = 0;
	int r = number(request, "loop", "", MAX_LOOPS, 1, &loops, err);

	r = r ?: number(request, "max-gap", " of milliseconds", MAX_GAP_MS, 0, &gap_ms, err);
	r = r
		    ?: number(request, "concurrency", " of requests", MAX_CONCURRENCY,
			      spec->speed ? 0 : DEFAULT_CONCURRENCY, &most, err);
	spec->loops = loops;
	spec->max_gap_ns = gap_ms * 1000000ULL;
	spec->concurrency = most;
	return r;
}

/* What can only be read once cannot be played twice. */
static int check_files(struct json_object *request, const struct tcpc_replay_spec *spec,
		       struct tcpc_err *err)
{
	for (size_t i = 0; i < spec_n_args(request); i++)
		if (!strcmp(spec_arg(request, i), "-") &&
		    (spec->loops > 1 || spec_n_args(request) > 1))
			return tcpc_err_set(err, EINVAL,
					    "the standard input (-) can be played once, alone: "
					    "write it to a file first");
	return 0;
}

static int where_to(struct json_object *request, struct tcpc_attach_spec *ret, struct tcpc_err *err)
{
	const char *feedback = spec_option(request, "feedback");
	struct json_object *attach;
	int r;

	if (!spec_option(request, "to"))
		return tcpc_err_set(err, EINVAL, "replay needs a target: --to 10.0.0.9:8080");
	if (feedback && !strcmp(feedback, "none"))
		return tcpc_err_set(err, EINVAL,
				    "--feedback none: replay goes by what the target says it has, "
				    "so it needs an interceptor there");
	attach = tcpc_spec_replay_attach(request, "replay");
	r = tcpc_spec_attach(attach, ret, err);
	if (!r && !ret->recovery) {
		tcpc_spec_attach_free(ret);
		r = tcpc_err_set(err, EINVAL,
				 "--retain 0: replay goes by what the target says it has, so "
				 "something has to be kept until then");
	}
	json_object_put(attach);
	return r;
}

/* Prefixes are read as those of attach. */
static int who(struct json_object *request, struct tcpc_filter_spec *ret, struct tcpc_err *err)
{
	const char *clients = spec_option(request, "client");
	const char *excludes = spec_option(request, "exclude");
	int r = 0;

	if (clients)
		r = spec_each_piece(clients, spec_add_prefix, &ret->clients, err);
	if (!r && excludes)
		r = spec_each_piece(excludes, spec_add_prefix, &ret->excludes, err);
	return r ?: spec_check_contradiction(ret, err);
}

int tcpc_spec_replay(struct json_object *request, struct tcpc_replay_spec *ret,
		     struct tcpc_err *err)
{
	struct tcpc_replay_spec spec = {.filter = spec_option(request, "filter")};
	int r = where_to(request, &spec.attach, err);

	if (r)
		return r;
	r = speed_option(request, &spec.speed, err) ?: numbers(request, &spec, err);
	r = r ?: check_files(request, &spec, err);
	r = r ?: who(request, &spec.attach.filter, err);
	if (r)
		tcpc_spec_replay_free(&spec);
	else
		*ret = spec;
	return r;
}

void tcpc_spec_replay_free(struct tcpc_replay_spec *spec)
{
	tcpc_spec_attach_free(&spec->attach);
}

struct json_object *tcpc_spec_replay_attach(struct json_object *request, const char *iface)
{
	static const char *const shared[] = {"to", "port", "retain", "feedback", "via"};
	struct json_object *o = json_object_new_object(), *args = json_object_new_array();
	struct json_object *options = json_object_new_object();

	json_object_array_add(args, json_object_new_string(iface));
	for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++)
		if (spec_option(request, shared[i]))
			json_object_object_add(
				options, shared[i],
				json_object_new_string(spec_option(request, shared[i])));
	json_object_object_add(o, "command", json_object_new_string("attach"));
	json_object_object_add(o, "args", args);
	json_object_object_add(o, "options", options);
	return o;
}
