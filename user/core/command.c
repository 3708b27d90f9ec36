// SPDX-License-Identifier: GPL-2.0-only
/* command.c - see command.h. */
#include "core/command.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>

#include "core/command_priv.h"
#include "core/utf8.h"

#define MAX_WORD_BYTES 16384

/* ---- "did you mean" -------------------------------------------------------------------------- */

/* Edit distance (Levenshtein) of two short words; far for long ones. */
static unsigned int distance(const char *a, const char *b)
{
	size_t n = strlen(b);
	unsigned int row[32];

	if (n >= 32 || strlen(a) >= 32)
		return 32;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; *a; i++, a++) {
		unsigned int diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			unsigned int up = row[j], best = diagonal + (*a != b[j - 1]);

			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = up;
			row[j] = best;
		}
	}
	return row[n];
}

/** The known word that is most like the one typed. */
struct guess {
	const char *word; /* NULL: none is like it */
	unsigned int distance;
};

/* Up to two slips, and something of @known has to be there. */
static void consider(struct guess *guess, const char *typed, const char *known)
{
	unsigned int d = distance(typed, known);

	if (d < 3 && d < strlen(known) && (!guess->word || d < guess->distance))
		*guess = (struct guess){known, d};
}

static int unknown_command(const char *name, struct tcpc_err *err)
{
	struct guess guess = {};

	for (size_t i = 0; command_at(i); i++)
		consider(&guess, name, command_at(i)->name);
	if (guess.word)
		return tcpc_err_set(err, EINVAL, "unknown command '%.40s': do you mean '%s'?", name,
				    guess.word);
	return tcpc_err_set(err, EINVAL,
			    "unknown command '%.40s'; `tcpcopyctl --help` lists the commands",
			    name);
}

static int unknown_option(const struct command *c, const char *name, struct tcpc_err *err)
{
	struct guess guess = {};

	if (!strcmp(name, "json") || !strcmp(name, "run-dir"))
		return tcpc_err_set(err, EINVAL,
				    "--%s stands before the command: tcpcopyctl --%s%s %s ...",
				    name, name, *name == 'r' ? " DIR" : "", c->name);
	for (const struct option *o = c->options; o < c->options + MAX_OPTIONS && o->name; o++)
		consider(&guess, name, o->name);
	if (guess.word)
		return tcpc_err_set(err, EINVAL, "%s has no option --%.40s: do you mean --%s?",
				    c->name, name, guess.word);
	return tcpc_err_set(err, EINVAL,
			    "%s has no option --%.40s; `tcpcopyctl %s --help` lists them", c->name,
			    name, c->name);
}

/* ---- words to request ------------------------------------------------------------------------ */

/* "-w": an option, if the command has one of that letter. Else any word with one dash is none. */
static const struct option *letter_of(const struct command *c, const char *word)
{
	return word[0] == '-' && word[1] && !word[2] ? command_find_letter(c, word[1]) : NULL;
}

static int add_option(const struct command *c, struct json_object *options, const char *word,
		      const char *next, bool *ret_used_next, struct tcpc_err *err)
{
	const char *name = word + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const struct option *o = letter_of(c, word) ?: command_find_option(c, name, len);
	const char *value = equals ? equals + 1 : next;

	*ret_used_next = false;
	if (!o) {
		char shown[41] = {};

		memcpy(shown, name, len < 40 ? len : 40);
		return unknown_option(c, shown, err);
	}
	if (json_object_object_get_ex(options, o->name, NULL))
		return tcpc_err_set(err, EINVAL, "--%s is given twice", o->name);
	if (!o->value) {
		if (equals)
			return tcpc_err_set(err, EINVAL, "--%s takes no value", o->name);
		json_object_object_add(options, o->name, json_object_new_boolean(true));
		return 0;
	}
	if (!value || (!equals && !strncmp(value, "--", 2)))
		return tcpc_err_set(err, EINVAL, "--%s needs a value: --%s %s", o->name, o->name,
				    o->value);
	*ret_used_next = !equals;
	json_object_object_add(options, o->name, json_object_new_string(value));
	return 0;
}

static int add_words(const struct command *c, int argc, const char *const *argv,
		     struct json_object *args, struct json_object *options, struct tcpc_err *err)
{
	bool used_next;
	int r = 0;

	for (int i = 1; i < argc && !r; i++) {
		if (strncmp(argv[i], "--", 2) && !letter_of(c, argv[i])) {
			json_object_array_add(args, json_object_new_string(argv[i]));
			continue;
		}
		r = add_option(c, options, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &used_next,
			       err);
		i += !r && used_next;
	}
	return r;
}

int tcpc_command_parse(int argc, const char *const *argv, struct json_object **ret,
		       struct tcpc_err *err)
{
	const struct command *c = argc > 0 ? command_find(argv[0]) : NULL;
	struct json_object *request, *args, *options;
	int r;

	if (argc < 1)
		return tcpc_err_set(err, EINVAL,
				    "no command; `tcpcopyctl --help` lists the commands");
	if (!c)
		return unknown_command(argv[0], err);
	request = json_object_new_object();
	args = json_object_new_array();
	options = json_object_new_object();
	json_object_object_add(request, "command", json_object_new_string(c->name));
	json_object_object_add(request, "args", args);
	json_object_object_add(request, "options", options);
	r = add_words(c, argc, argv, args, options, err);
	if (!r)
		r = tcpc_command_check(request, err);
	if (r) {
		json_object_put(request);
		return r;
	}
	*ret = request;
	return 0;
}

/* ---- requests from elsewhere ----------------------------------------------------------------- */

static int check_word(struct json_object *o, const char *what, struct tcpc_err *err)
{
	size_t n, i = 0, step = 1;
	const char *text;

	if (!json_object_is_type(o, json_type_string))
		return tcpc_err_set(err, EINVAL, "%s has to be a string", what);
	text = json_object_get_string(o);
	n = json_object_get_string_len(o);
	if (n > MAX_WORD_BYTES)
		return tcpc_err_set(err, EINVAL, "%s has %zu bytes, at most %d are allowed", what,
				    n, MAX_WORD_BYTES);
	/* A zero byte would hide what follows it from every later check. */
	for (; i < n && step; i += step)
		step = tcpc_utf8_length(text + i);
	if (i == n && step)
		return 0;
	return tcpc_err_set(err, EINVAL, "%s has a control character or is not UTF-8 at byte %zu",
			    what, i + 1);
}

/* "-to" is a slip, not a word too many. "-" alone is the standard input. */
static int check_dashes(const struct command *c, struct json_object *o, struct tcpc_err *err)
{
	const char *word = json_object_get_string(o);

	if (!json_object_is_type(o, json_type_string) || word[0] != '-' || !word[1] ||
	    word[1] == '-')
		return 0;
	return tcpc_err_set(err, EINVAL,
			    "'%.40s': options have two dashes, and files that begin with one are "
			    "./%.40s; `tcpcopyctl %s --help` lists the options",
			    word, word, c->name);
}

static int check_args(const struct command *c, struct json_object *args, struct tcpc_err *err)
{
	char what[64];
	int r = 0;
	size_t n;

	if (!json_object_is_type(args, json_type_array))
		return tcpc_err_set(err, EINVAL, "a request's \"args\" is an array of strings");
	n = json_object_array_length(args);
	for (size_t i = 0; i < n && !r; i++)
		r = check_dashes(c, json_object_array_get_idx(args, i), err);
	if (!r && (n < c->min_args || n > c->max_args))
		return tcpc_err_set(err, EINVAL, "%s: too %s words; usage: tcpcopyctl %s%s%s",
				    c->name, n < c->min_args ? "few" : "many", c->name,
				    *c->args ? " " : "", c->args);
	for (size_t i = 0; i < n && !r; i++) {
		snprintf(what, sizeof(what), "word %zu behind '%s'", i + 1, c->name);
		r = check_word(json_object_array_get_idx(args, i), what, err);
	}
	return r;
}

static int check_value(const struct option *o, struct json_object *value, struct tcpc_err *err)
{
	char what[64];

	snprintf(what, sizeof(what), "the value of --%s", o->name);
	if (o->value)
		return check_word(value, what, err);
	if (json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value))
		return 0;
	return tcpc_err_set(err, EINVAL, "%s has to be true, or --%s absent", what, o->name);
}

static int check_options(const struct command *c, struct json_object *options, struct tcpc_err *err)
{
	int r = 0;

	if (!json_object_is_type(options, json_type_object))
		return tcpc_err_set(err, EINVAL, "a request's \"options\" is an object");
	json_object_object_foreach (options, name, value) {
		const struct option *o = command_find_option(c, name, strlen(name));

		if (!o)
			return unknown_option(c, name, err);
		r = check_value(o, value, err);
		if (r)
			break;
	}
	return r;
}

int tcpc_command_check(struct json_object *request, struct tcpc_err *err)
{
	struct json_object *name = NULL, *args = NULL, *options = NULL;
	const struct command *c;
	int r;

	if (!json_object_is_type(request, json_type_object) ||
	    !json_object_object_get_ex(request, "command", &name) ||
	    !json_object_object_get_ex(request, "args", &args) ||
	    !json_object_object_get_ex(request, "options", &options))
		return tcpc_err_set(err, EINVAL,
				    "a request is an object with \"command\", \"args\" and "
				    "\"options\"");
	r = check_word(name, "\"command\"", err);
	if (r)
		return r;
	c = command_find(json_object_get_string(name));
	if (!c)
		return unknown_command(json_object_get_string(name), err);
	r = check_args(c, args, err) ?: check_options(c, options, err);
	return r ?: c->check(request, err);
}

/* ---- lines of a configuration ---------------------------------------------------------------- */

/* Cut one word off *@p in place. Returns it, NULL at the end, with @ret_bad set at an open quote.
 */
static char *next_word(char **p, bool *ret_bad)
{
	char *in = *p + strspn(*p, " \t\r\n"), *out = in, *word = in;
	bool quoted = false;

	if (!*in || *in == '#')
		return NULL;
	for (; *in && (quoted || !strchr(" \t\r\n", *in)); in++) {
		if (*in == '"')
			quoted = !quoted;
		else
			*out++ = *in;
	}
	*ret_bad = quoted;
	*p = *in ? in + 1 : in;
	*out = '\0';
	return word;
}

int tcpc_command_parse_line(const char *line, struct json_object **ret, struct tcpc_err *err)
{
	const char **words = NULL;
	char *copy = strdup(line), *p = copy, *word;
	bool bad = false;
	int n = 0, r = 0;

	if (copy)
		words = calloc(strlen(line) / 2 + 2, sizeof(*words));
	if (!words) {
		free(copy);
		return tcpc_err_set(err, ENOMEM, "out of memory");
	}
	while ((word = next_word(&p, &bad)) && !bad)
		words[n++] = word;
	if (bad)
		r = tcpc_err_set(err, EINVAL, "a \" is not closed");
	else if (n)
		r = tcpc_command_parse(n, words, ret, err);
	else
		*ret = NULL;
	free(words);
	free(copy);
	return r;
}

/* ---- usage ----------------------------------------------------------------------------------- */

static void print_command(FILE *out, const struct command *c)
{
	fprintf(out, "usage: tcpcopyctl %s%s%s\n  %s\n", c->name, *c->args ? " " : "", c->args,
		c->help ?: "asked by tcpcopyctl itself");
	for (const struct option *o = c->options; o < c->options + MAX_OPTIONS && o->name; o++)
		fprintf(out, "  --%s %-*s %s\n", o->name, (int)(30 - strlen(o->name)),
			o->value ? o->value : "", o->help);
}

void tcpc_command_usage(FILE *out, const char *command)
{
	const struct command *c = command ? command_find(command) : NULL;

	if (c) {
		print_command(out, c);
		return;
	}
	fprintf(out, "usage: tcpcopyctl [--run-dir DIR=/run/tcpcopy] [--netns NETNS] [--json] "
		     "COMMAND ...\n"
		     "commands (`tcpcopyctl COMMAND --help` for one):\n");
	for (size_t i = 0; command_at(i); i++)
		if (command_at(i)->help)
			fprintf(out, "  %-10s %s\n", command_at(i)->name, command_at(i)->help);
}
