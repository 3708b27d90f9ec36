// SPDX-License-Identifier: GPL-2.0-only
/* command.c - see command.h. */
#include "core/command.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>

#include "core/spec.h"

#define MAX_OPTIONS 20
#define MAX_WORDS 8192
#define MAX_WORD_BYTES 16384

/** One option of a command. */
struct option {
	const char *name;  /* without the dashes */
	const char *value; /* placeholder, NULL for a flag */
	const char *help;
};

/** One command: parsed, checked and explained from this alone. */
struct command {
	const char *name;
	const char *args; /* as the usage shows them */
	unsigned int min_args, max_args;
	int (*check)(struct json_object *request, struct tcpc_err *err);
	const char *help;
	struct option options[MAX_OPTIONS];
};

/* ---- checks that need the typed form ---------------------------------------------------------- */

static int check_attach(struct json_object *request, struct tcpc_err *err)
{
	struct tcpc_attach_spec spec = {};
	int r = tcpc_spec_attach(request, &spec, err);

	tcpc_spec_attach_free(&spec);
	return r;
}

static int check_intercept(struct json_object *request, struct tcpc_err *err)
{
	struct tcpc_intercept_spec spec = {};

	return tcpc_spec_intercept(request, &spec, err);
}

static int check_iface(struct json_object *request, struct tcpc_err *err)
{
	struct tcpc_iface_spec spec = {};

	return tcpc_spec_iface(request, &spec, err);
}

static int check_target(struct json_object *request, struct tcpc_err *err)
{
	struct tcpc_target_spec spec = {};

	return tcpc_spec_target(request, &spec, err);
}

static int check_filter(struct json_object *request, struct tcpc_err *err)
{
	struct tcpc_filter_cmd_spec spec = {};
	int r = tcpc_spec_filter(request, &spec, err);

	tcpc_spec_filter_free(&spec);
	return r;
}

static int check_allow(struct json_object *request, struct tcpc_err *err)
{
	struct tcpc_allow_spec spec = {};
	int r = tcpc_spec_allow(request, &spec, err);

	tcpc_spec_allow_free(&spec);
	return r;
}

static int check_doctor(struct json_object *request, struct tcpc_err *err)
{
	struct json_object *args = json_object_object_get(request, "args");
	char iface[16];

	if (!json_object_array_length(args))
		return 0;
	return tcpc_text_iface(json_object_get_string(json_object_array_get_idx(args, 0)), iface,
			       err);
}

static int check_nothing(struct json_object *request, struct tcpc_err *err)
{
	(void)request;
	(void)err;
	return 0;
}

static int check_ledger(struct json_object *request, struct tcpc_err *err)
{
	(void)request;
	return tcpc_err_set(err, EOPNOTSUPP,
			    "`ledger` is not available in this version; `stats` shows copies and "
			    "receipts");
}

/* ---- the table -------------------------------------------------------------------------------- */

static const struct command commands[] = {
	{"attach", "IFACE", 1, 1, check_attach, "copy what reaches IFACE to the targets",
	 {{"to", "IP:PORT[,IP:PORT...]", "the targets"},
	  {"port", "PORT[,PORT...]", "inbound ports to copy; default: the targets' ports"},
	  {"hook", "tc|tcx|clsact|xdp", "how to attach; tc takes tcx where there is one"},
	  {"mode", "all|split", "each target gets everything, or each connection goes to one"},
	  {"percent", "P", "share of connections to copy, in steps of 0.01"},
	  {"copies", "N", "copies of each connection"},
	  {"source", "keep|CIDR", "source addresses of copies"},
	  {"client", "CIDR,...", "copy only these clients"},
	  {"exclude", "CIDR,...", "do not copy these clients"},
	  {"max-pps", "N", "bound on packets a second"},
	  {"max-mbps", "N", "bound on megabits a second"},
	  {"retain", "MB", "memory for re-sending"},
	  {"feedback", "HOST:PORT|none", "where the interceptor listens; default: the target, "
					 "36524"},
	  {"force", NULL, "with --feedback none: copy without an interceptor"}}},
	{"detach", "IFACE | --all", 0, 1, check_iface, "end copying",
	 {{"all", NULL, "all interfaces"}}},
	{"target", "list [IFACE] | add IFACE IP:PORT | del IFACE IP:PORT", 1, 3, check_target,
	 "show or change the targets of an attached interface", {}},
	{"filter", "list [IFACE] | set IFACE", 1, 2, check_filter,
	 "show or change which connections are copied",
	 {{"percent", "P", "share of connections to copy, in steps of 0.01"},
	  {"client", "CIDR,...", "copy only these clients; '' for all"},
	  {"exclude", "CIDR,...", "do not copy these clients; '' for none"}}},
	{"intercept", "IFACE", 1, 1, check_intercept,
	 "keep the responses of a service on this host, return their headers",
	 {{"port", "PORT[,PORT...]", "the service's ports"},
	  {"engine", "nfqueue|tc", "how responses are taken"},
	  {"listen", "IP:PORT", "where online hosts connect; default: 0.0.0.0:36524"},
	  {"queue", "FIRST[:LAST]", "NFQUEUE queue numbers; default: free ones from 100"},
	  {"order", "strict|relaxed", "hold back what a client sent after an answer"},
	  {"adopt", "http|any|none", "take up connections in mid-stream"},
	  {"hold", "MB", "memory for what is held back"},
	  {"max-lag", "SECONDS", "how far behind a connection may be"}}},
	{"release", "IFACE | --all", 0, 1, check_iface, "end intercepting",
	 {{"all", NULL, "all interfaces"}}},
	{"allow", "list | add CIDR... | del CIDR...", 1, MAX_WORDS, check_allow,
	 "clients that use the target directly", {}},
	{"status", "", 0, 0, check_nothing, "what is attached and intercepted, and how it goes", {}},
	{"stats", "", 0, 0, check_nothing, "every counter",
	 {{"watch", NULL, "again each second"}}},
	{"ledger", "", 0, 0, check_ledger, "what was copied, acknowledged, lost", {}},
	{"doctor", "[IFACE]", 0, 1, check_doctor, "what keeps copies from arriving, and the cure",
	 {}},
	{"key", "", 0, 0, check_nothing, "print a new key for the feedback link", {}},
	{"version", "", 0, 0, check_nothing, "versions of command and daemon", {}},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static const struct option *find_option(const struct command *c, const char *name, size_t len)
{
	for (const struct option *o = c->options; o < c->options + MAX_OPTIONS && o->name; o++)
		if (strlen(o->name) == len && !strncmp(o->name, name, len))
			return o;
	return NULL;
}

/* ---- "did you mean" --------------------------------------------------------------------------- */

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

static int unknown_command(const char *name, struct tcpc_err *err)
{
	const char *near = "status";
	unsigned int best = 3;

	for (size_t i = 0; i < N_COMMANDS; i++) {
		unsigned int d = distance(name, commands[i].name);

		if (d < best) {
			best = d;
			near = commands[i].name;
		}
	}
	if (best < 3)
		return tcpc_err_set(err, EINVAL, "unknown command '%.40s': do you mean '%s'?", name,
				    near);
	return tcpc_err_set(err, EINVAL,
			    "unknown command '%.40s'; `tcpcopyctl --help` lists the commands", name);
}

static int unknown_option(const struct command *c, const char *name, struct tcpc_err *err)
{
	const char *near = NULL;
	unsigned int best = 3;

	for (const struct option *o = c->options; o < c->options + MAX_OPTIONS && o->name; o++) {
		unsigned int d = distance(name, o->name);

		if (d < best) {
			best = d;
			near = o->name;
		}
	}
	if (near)
		return tcpc_err_set(err, EINVAL, "%s has no option --%.40s: do you mean --%s?",
				    c->name, name, near);
	return tcpc_err_set(err, EINVAL,
			    "%s has no option --%.40s; `tcpcopyctl %s --help` lists them", c->name,
			    name, c->name);
}

/* ---- words to request ------------------------------------------------------------------------- */

static int add_option(const struct command *c, struct json_object *options, const char *word,
		      const char *next, bool *ret_used_next, struct tcpc_err *err)
{
	const char *name = word + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const struct option *o = find_option(c, name, len);
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
		if (strncmp(argv[i], "--", 2)) {
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
	const struct command *c = argc > 0 ? find_command(argv[0]) : NULL;
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

/* ---- requests from elsewhere ------------------------------------------------------------------ */

static bool is_word(struct json_object *o)
{
	/* Embedded zero bytes would hide what follows them from every later check. */
	return json_object_is_type(o, json_type_string) &&
	       json_object_get_string_len(o) <= MAX_WORD_BYTES &&
	       strlen(json_object_get_string(o)) == (size_t)json_object_get_string_len(o);
}

static int check_args(const struct command *c, struct json_object *args, struct tcpc_err *err)
{
	size_t n;

	if (!json_object_is_type(args, json_type_array))
		return tcpc_err_set(err, EINVAL, "a request's \"args\" is an array of strings");
	n = json_object_array_length(args);
	if (n < c->min_args || n > c->max_args)
		return tcpc_err_set(err, EINVAL, "%s: too %s words; usage: tcpcopyctl %s %s",
				    c->name, n < c->min_args ? "few" : "many", c->name, c->args);
	for (size_t i = 0; i < n; i++)
		if (!is_word(json_object_array_get_idx(args, i)))
			return tcpc_err_set(err, EINVAL,
					    "a request's \"args\" is an array of strings");
	return 0;
}

static int check_options(const struct command *c, struct json_object *options,
			 struct tcpc_err *err)
{
	if (!json_object_is_type(options, json_type_object))
		return tcpc_err_set(err, EINVAL, "a request's \"options\" is an object");
	json_object_object_foreach(options, name, value)
	{
		const struct option *o = find_option(c, name, strlen(name));

		if (!o)
			return unknown_option(c, name, err);
		if (o->value ? !is_word(value)
			     : !json_object_is_type(value, json_type_boolean) ||
				       !json_object_get_boolean(value))
			return tcpc_err_set(err, EINVAL, "the value of --%s is %s", name,
					    o->value ? "a string" : "true or absent");
	}
	return 0;
}

int tcpc_command_check(struct json_object *request, struct tcpc_err *err)
{
	struct json_object *name = NULL, *args = NULL, *options = NULL;
	const struct command *c;
	int r;

	if (!json_object_is_type(request, json_type_object) ||
	    !json_object_object_get_ex(request, "command", &name) || !is_word(name) ||
	    !json_object_object_get_ex(request, "args", &args) ||
	    !json_object_object_get_ex(request, "options", &options))
		return tcpc_err_set(err, EINVAL,
				    "a request is an object with \"command\", \"args\" and "
				    "\"options\"");
	c = find_command(json_object_get_string(name));
	if (!c)
		return unknown_command(json_object_get_string(name), err);
	r = check_args(c, args, err) ?: check_options(c, options, err);
	return r ?: c->check(request, err);
}

/* ---- lines of a configuration ----------------------------------------------------------------- */

/* Cut one word off *@p in place. Returns it, NULL at the end, with @ret_bad set at an open quote. */
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

/* ---- usage ------------------------------------------------------------------------------------ */

static void print_command(FILE *out, const struct command *c)
{
	fprintf(out, "usage: tcpcopyctl %s %s\n  %s\n", c->name, c->args, c->help);
	for (const struct option *o = c->options; o < c->options + MAX_OPTIONS && o->name; o++)
		fprintf(out, "  --%s %-*s %s\n", o->name, (int)(30 - strlen(o->name)),
			o->value ? o->value : "", o->help);
}

void tcpc_command_usage(FILE *out, const char *command)
{
	const struct command *c = command ? find_command(command) : NULL;

	if (c) {
		print_command(out, c);
		return;
	}
	fprintf(out, "usage: tcpcopyctl [--run-dir DIR=/run/tcpcopy] [--json] COMMAND ...\n"
		     "commands (`tcpcopyctl COMMAND --help` for one):\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
}
