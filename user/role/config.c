// SPDX-License-Identifier: GPL-2.0-only
/* config.c - see config.h. */
#include "role/config.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>

#include "core/command.h"

#define MAX_LINES 4096

struct entry {
	struct json_object *request;
	unsigned int line;
};

struct tcpc_config {
	char *path;
	struct entry entries[MAX_LINES];
	unsigned int n;
};

/** Going from one configuration to another: a list of requests, done one by one. */
struct apply {
	struct tcpc_reply reply; /* first: on_done() finds us through it */
	tcpc_config_run run;
	tcpc_config_done done;
	void *user;
	const char *path;
	struct entry *steps;
	unsigned int n, next, failed;
	struct tcpc_err first;
};

void tcpc_config_free(struct tcpc_config *config)
{
	if (!config)
		return;
	for (unsigned int i = 0; i < config->n; i++)
		json_object_put(config->entries[i].request);
	free(config->path);
	free(config);
}

/* A query in a configuration would have nobody to answer to. */
static int check_kind(struct json_object *request, struct tcpc_err *err)
{
	static const char *const allowed[] = {"attach", "intercept", "allow", "target", "filter"};
	const char *command = json_object_get_string(json_object_object_get(request, "command"));

	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		if (!strcmp(command, allowed[i]))
			return 0;
	return tcpc_err_set(err, EINVAL,
			    "'%s' does not belong in a configuration; attach, intercept, allow, "
			    "target and filter do",
			    command);
}

static int read_line(struct tcpc_config *config, const char *line, unsigned int number,
		     struct tcpc_err *err)
{
	struct json_object *request = NULL;
	struct tcpc_err why;
	int r = tcpc_command_parse_line(line, &request, &why);

	if (!r && !request)
		return 0;
	if (!r)
		r = check_kind(request, &why);
	if (!r && config->n == MAX_LINES)
		r = tcpc_err_set(&why, E2BIG, "more than %d commands", MAX_LINES);
	if (r) {
		json_object_put(request);
		return tcpc_err_set(err, why.code, "%s:%u: %s", config->path, number, why.text);
	}
	config->entries[config->n++] = (struct entry){request, number};
	return 0;
}

int tcpc_config_load(const char *path, struct tcpc_config **ret, struct tcpc_err *err)
{
	struct tcpc_config *config = calloc(1, sizeof(*config));
	FILE *file = fopen(path, "re");
	unsigned int number = 0;
	char *line = NULL;
	size_t size = 0;
	int r = 0;

	if (!file)
		r = tcpc_err_set(err, errno, "cannot open the configuration %s: %s", path,
				 strerror(errno));
	else if (!config || !(config->path = strdup(path)))
		r = tcpc_err_set(err, ENOMEM, "out of memory");
	while (!r && getline(&line, &size, file) >= 0)
		r = read_line(config, line, ++number, err);
	if (!r && ferror(file))
		r = tcpc_err_set(err, EIO, "cannot read the configuration %s", path);
	free(line);
	if (file)
		fclose(file);
	if (r)
		tcpc_config_free(config);
	else
		*ret = config;
	return r;
}

static bool contains(const struct tcpc_config *config, struct json_object *request)
{
	for (unsigned int i = 0; config && i < config->n; i++)
		if (json_object_equal(config->entries[i].request, request))
			return true;
	return false;
}

static struct json_object *request_of(const char *command, const char *arg)
{
	struct json_object *o = json_object_new_object(), *args = json_object_new_array();

	json_object_object_add(o, "command", json_object_new_string(command));
	json_object_array_add(args, json_object_new_string(arg));
	json_object_object_add(o, "args", args);
	json_object_object_add(o, "options", json_object_new_object());
	return o;
}

/* The same request with another verb: `allow add X` and `allow del X`. */
static struct json_object *with_verb(struct json_object *request, const char *verb)
{
	struct json_object *copy = NULL, *args;

	if (json_object_deep_copy(request, &copy, NULL))
		return NULL;
	args = json_object_object_get(copy, "args");
	json_object_array_put_idx(args, 0, json_object_new_string(verb));
	return copy;
}

/* The command that takes @request back, or NULL. Owned by the caller. */
static struct json_object *opposite(struct json_object *request)
{
	const char *command = json_object_get_string(json_object_object_get(request, "command"));
	struct json_object *args = json_object_object_get(request, "args");
	const char *first = json_object_get_string(json_object_array_get_idx(args, 0));

	if (!first)
		return NULL;
	if (!strcmp(command, "attach"))
		return request_of("detach", first);
	if (!strcmp(command, "intercept"))
		return request_of("release", first);
	if ((!strcmp(command, "allow") || !strcmp(command, "target")) && !strcmp(first, "add"))
		return with_verb(request, "del");
	return NULL;
}

static void next_step(struct apply *a);

static void on_done(struct tcpc_reply *reply, struct json_object *result,
		    const struct tcpc_err *err)
{
	struct apply *a = (struct apply *)reply;

	json_object_put(result);
	if (err && !a->failed++)
		tcpc_err_set(&a->first, err->code, "%s:%u: %s", a->path, a->steps[a->next].line,
			     err->text);
	a->next++;
	next_step(a);
}

static void next_step(struct apply *a)
{
	if (a->next < a->n) {
		a->run(a->user, a->steps[a->next].request, &a->reply);
		return;
	}
	a->done(a->user, a->failed, a->failed ? &a->first : NULL);
	for (unsigned int i = 0; i < a->n; i++)
		json_object_put(a->steps[i].request);
	free(a->steps);
	free(a);
}

static void plan(struct apply *a, const struct tcpc_config *old, const struct tcpc_config *next)
{
	for (unsigned int i = old ? old->n : 0; i-- > 0;) {
		const struct entry *e = &old->entries[i];
		struct json_object *undo = contains(next, e->request) ? NULL : opposite(e->request);

		if (undo)
			a->steps[a->n++] = (struct entry){undo, e->line};
	}
	for (unsigned int i = 0; i < next->n; i++) {
		const struct entry *e = &next->entries[i];

		if (!contains(old, e->request))
			a->steps[a->n++] = (struct entry){json_object_get(e->request), e->line};
	}
}

int tcpc_config_apply(const struct tcpc_config *old, const struct tcpc_config *next,
		      tcpc_config_run run, tcpc_config_done done, void *user, struct tcpc_err *err)
{
	struct apply *a = calloc(1, sizeof(*a));

	if (a)
		a->steps = calloc((old ? old->n : 0) + next->n + 1, sizeof(*a->steps));
	if (!a || !a->steps) {
		free(a);
		return tcpc_err_set(err, ENOMEM, "out of memory");
	}
	a->reply.done = on_done;
	a->run = run;
	a->done = done;
	a->user = user;
	a->path = next->path;
	plan(a, old, next);
	next_step(a);
	return 0;
}
