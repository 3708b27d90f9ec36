// SPDX-License-Identifier: GPL-2.0-only
/* config.c - see config.h. */
#include "role/config.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>
#include <linux/types.h>

#include "core/command.h"

#define MAX_LINES 4096

struct entry {
	struct json_object *request;
	unsigned int line;
	__u32 hash; /* equal requests have equal ones */
	bool undo;  /* takes back what @line of the configuration before has done */
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
	bool running; /* within @run */
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

static const char *command_of(struct json_object *request)
{
	return json_object_get_string(json_object_object_get(request, "command"));
}

/* Word number @i behind the command, or NULL. */
static const char *word_of(struct json_object *request, size_t i)
{
	struct json_object *args = json_object_object_get(request, "args");

	return json_object_get_string(json_object_array_get_idx(args, i));
}

/* FNV-1a over the words that are not options, whose order does not matter. To compare thousands of
 * requests with one another, member by member, would keep the daemon from its heartbeat. */
static __u32 hash_words(struct json_object *request)
{
	const char *word = command_of(request);
	__u32 hash = 2166136261;

	for (size_t i = 0; word; word = word_of(request, i++)) {
		for (const char *p = word; *p; p++)
			hash = (hash ^ (unsigned char)*p) * 16777619;
		hash *= 16777619; /* where one word ends counts, too */
	}
	return hash;
}

/* A query in a configuration would have nobody to answer to. */
static int check_kind(struct json_object *request, struct tcpc_err *err)
{
	static const char *const allowed[] = {"attach", "intercept", "allow", "target", "filter"};
	const char *command = command_of(request), *first = word_of(request, 0);

	if (first && !strcmp(first, "list"))
		return tcpc_err_set(err, EINVAL,
				    "'%s list' does not belong in a configuration: nobody would "
				    "see the list",
				    command);
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		if (!strcmp(command, allowed[i]))
			return 0;
	return tcpc_err_set(err, EINVAL,
			    "'%s' does not belong in a configuration; attach, intercept, allow, "
			    "target and filter do",
			    command);
}

static int read_line(struct tcpc_config *config, const char *line, size_t bytes,
		     unsigned int number, struct tcpc_err *err)
{
	struct json_object *request = NULL;
	struct tcpc_err why;
	int r;

	if (strlen(line) != bytes)
		r = tcpc_err_set(&why, EINVAL, "there is a zero byte; a configuration is text");
	else
		r = tcpc_command_parse_line(line, &request, &why);
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
	config->entries[config->n++] = (struct entry){request, number, hash_words(request), false};
	return 0;
}

int tcpc_config_load(const char *path, struct tcpc_config **ret, struct tcpc_err *err)
{
	struct tcpc_config *config = calloc(1, sizeof(*config));
	FILE *file = fopen(path, "re");
	unsigned int number = 0;
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int r = 0;

	if (!file)
		r = tcpc_err_set(err, errno, "cannot open the configuration %s: %s", path,
				 strerror(errno));
	else if (!config || !(config->path = strdup(path)))
		r = tcpc_err_set(err, ENOMEM, "out of memory");
	while (!r && (n = getline(&line, &size, file)) >= 0)
		r = read_line(config, line, n, ++number, err);
	if (!r && !feof(file)) /* when memory runs out, ferror() is not set */
		r = tcpc_err_set(err, errno, "cannot read the configuration %s: %s", path,
				 strerror(errno));
	free(line);
	if (file)
		fclose(file);
	if (r)
		tcpc_config_free(config);
	else
		*ret = config;
	return r;
}

static bool contains(const struct tcpc_config *config, const struct entry *e)
{
	for (unsigned int i = 0; config && i < config->n; i++)
		if (config->entries[i].hash == e->hash &&
		    json_object_equal(config->entries[i].request, e->request))
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
	const char *command = command_of(request), *first = word_of(request, 0);

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
		tcpc_err_set(&a->first, err->code, "%s:%u%s: %s", a->path, a->steps[a->next].line,
			     a->steps[a->next].undo ? " (as it was)" : "", err->text);
	a->next++;
	if (!a->running)
		next_step(a);
}

/* A loop, since thousands of answers that come at once would not fit on the stack. */
static void next_step(struct apply *a)
{
	while (a->next < a->n) {
		unsigned int now = a->next;

		a->running = true;
		a->run(a->user, a->steps[now].request, &a->reply);
		a->running = false;
		if (a->next == now)
			return; /* on_done() will go on */
	}
	a->done(a->user, a->failed, a->failed ? &a->first : NULL);
	for (unsigned int i = 0; i < a->n; i++)
		json_object_put(a->steps[i].request);
	free(a->steps);
	free(a);
}

/* An interface that is detached loses the targets that were added and its filter, so they are given
 * anew even where their lines have stayed the same. */
static bool is_lost(const struct tcpc_config *old, const struct tcpc_config *next,
		    struct json_object *request)
{
	const char *iface = word_of(request, 1);

	if (!iface ||
	    (strcmp(command_of(request), "target") && strcmp(command_of(request), "filter")))
		return false;
	for (unsigned int i = 0; old && i < old->n; i++) {
		const struct entry *e = &old->entries[i];

		if (!strcmp(command_of(e->request), "attach") &&
		    !strcmp(word_of(e->request, 0), iface) && !contains(next, e))
			return true;
	}
	return false;
}

static void plan(struct apply *a, const struct tcpc_config *old, const struct tcpc_config *next)
{
	for (unsigned int i = old ? old->n : 0; i-- > 0;) {
		const struct entry *e = &old->entries[i];
		struct json_object *undo = contains(next, e) ? NULL : opposite(e->request);

		if (undo)
			a->steps[a->n++] = (struct entry){undo, e->line, 0, true};
	}
	for (unsigned int i = 0; i < next->n; i++) {
		const struct entry *e = &next->entries[i];

		if (!contains(old, e) || is_lost(old, next, e->request))
			a->steps[a->n++] =
				(struct entry){json_object_get(e->request), e->line, 0, false};
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
