// SPDX-License-Identifier: GPL-2.0-only
/* spec.c - see spec.h. */
#include "core/spec.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>

#define MAX_LIST 8192

/* ---- reading a request ------------------------------------------------------------------------ */

/* Option @name as typed, or NULL. */
static const char *option(struct json_object *request, const char *name)
{
	struct json_object *options, *value;

	if (!json_object_object_get_ex(request, "options", &options) ||
	    !json_object_object_get_ex(options, name, &value))
		return NULL;
	return json_object_get_string(value);
}

/* Word number @i behind the command, or NULL. */
static const char *arg(struct json_object *request, size_t i)
{
	struct json_object *args, *value;

	if (!json_object_object_get_ex(request, "args", &args))
		return NULL;
	value = json_object_array_get_idx(args, i);
	return value ? json_object_get_string(value) : NULL;
}

static size_t n_args(struct json_object *request)
{
	struct json_object *args;

	return json_object_object_get_ex(request, "args", &args) ? json_object_array_length(args)
								 : 0;
}

static const char *command_of(struct json_object *request)
{
	return json_object_get_string(json_object_object_get(request, "command"));
}

static int iface_arg(struct json_object *request, size_t i, char ret[IFNAMSIZ],
		     struct tcpc_err *err)
{
	const char *text = arg(request, i);

	if (!text)
		return tcpc_err_set(err, EINVAL, "%s needs an interface, like eth0",
				    command_of(request));
	return tcpc_text_iface(text, ret, err);
}

/** Called with each piece of a comma list. */
typedef int (*piece_cb)(const char *piece, void *user, struct tcpc_err *err);

static int each_piece(const char *text, piece_cb cb, void *user, struct tcpc_err *err)
{
	char *copy = strdup(text), *p = copy, *piece;
	int r = copy ? 0 : tcpc_err_set(err, ENOMEM, "out of memory");

	while (!r && (piece = strsep(&p, ",")))
		r = cb(piece, user, err);
	free(copy);
	return r;
}

/* IPv6 is parsed everywhere but not copied yet: say so before anything is done. */
static int need_v4(const struct tcpc_addr *addr, const char *text, struct tcpc_err *err)
{
	if (tcpc_addr_is_v4(addr))
		return 0;
	return tcpc_err_set(err, EOPNOTSUPP, "'%s': IPv6 is not available in this version", text);
}

/* An option of the contract that so far has a single possible value. */
static int only_value(struct json_object *request, const char *name, const char *only,
		      struct tcpc_err *err)
{
	const char *text = option(request, name);

	if (!text || (only && !strcmp(text, only)))
		return 0;
	if (only)
		return tcpc_err_set(err, EOPNOTSUPP,
				    "--%s %s is not available in this version; what it does is "
				    "--%s %s",
				    name, text, name, only);
	return tcpc_err_set(err, EOPNOTSUPP, "--%s is not available in this version", name);
}

/* ---- lists ------------------------------------------------------------------------------------ */

struct ports {
	__be16 *ports;
	__u32 n;
};

static int add_port(const char *piece, void *user, struct tcpc_err *err)
{
	struct ports *p = user;
	__be16 port;
	int r = tcpc_text_port(piece, &port, err);

	if (r)
		return r;
	for (__u32 i = 0; i < p->n; i++)
		if (p->ports[i] == port)
			return tcpc_err_set(err, EINVAL, "port %s is given twice", piece);
	if (p->n == TCPC_MAX_PORTS)
		return tcpc_err_set(err, EINVAL, "more than %d ports", TCPC_MAX_PORTS);
	p->ports[p->n++] = port;
	return 0;
}

static int port_option(struct json_object *request, __be16 ports[TCPC_MAX_PORTS], __u32 *ret_n,
		       struct tcpc_err *err)
{
	struct ports p = {.ports = ports};
	int r = each_piece(option(request, "port"), add_port, &p, err);

	if (!r)
		*ret_n = p.n;
	return r;
}

static int add_target(const char *piece, void *user, struct tcpc_err *err)
{
	struct tcpc_attach_spec *spec = user;
	struct tcpc_endpoint ep;
	int r = tcpc_text_endpoint(piece, &ep, err);

	r = r ?: need_v4(&ep.addr, piece, err);
	if (r)
		return r;
	for (__u32 i = 0; i < spec->n_targets; i++)
		if (!memcmp(&spec->targets[i], &ep, sizeof(ep)))
			return tcpc_err_set(err, EINVAL, "target %s is given twice", piece);
	if (spec->n_targets == TCPC_MAX_TARGETS)
		return tcpc_err_set(err, EINVAL, "more than %d targets", TCPC_MAX_TARGETS);
	spec->targets[spec->n_targets++] = ep;
	return 0;
}

static int add_prefix(const char *piece, void *user, struct tcpc_err *err)
{
	struct tcpc_prefix_list *list = user;
	struct tcpc_prefix prefix, *bigger;
	int r = tcpc_text_prefix(piece, &prefix, err);

	r = r ?: need_v4(&prefix.addr, piece, err);
	if (r)
		return r;
	for (__u32 i = 0; i < list->n; i++)
		if (!memcmp(&list->list[i], &prefix, sizeof(prefix)))
			return tcpc_err_set(err, EINVAL, "prefix %s is given twice", piece);
	if (list->n == MAX_LIST)
		return tcpc_err_set(err, EINVAL, "more than %d prefixes at once", MAX_LIST);
	bigger = realloc(list->list, (list->n + 1) * sizeof(*bigger));
	if (!bigger)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	list->list = bigger;
	list->list[list->n++] = prefix;
	return 0;
}

static void free_list(struct tcpc_prefix_list *list)
{
	free(list->list);
	memset(list, 0, sizeof(*list));
}

/* ---- attach ----------------------------------------------------------------------------------- */

static int filter_options(struct json_object *request, struct tcpc_filter_spec *f,
			  struct tcpc_err *err)
{
	const char *percent = option(request, "percent");
	const char *clients = option(request, "client");
	const char *excludes = option(request, "exclude");
	int r = 0;

	f->has_sample = percent;
	f->has_clients = clients;
	f->has_excludes = excludes;
	f->sample = TCPC_SAMPLE_ALL;
	if (percent)
		r = tcpc_text_percent(percent, &f->sample, err);
	if (!r && clients && *clients)
		r = each_piece(clients, add_prefix, &f->clients, err);
	if (!r && excludes && *excludes)
		r = each_piece(excludes, add_prefix, &f->excludes, err);
	for (__u32 i = 0; !r && i < f->clients.n; i++)
		for (__u32 j = 0; !r && j < f->excludes.n; j++)
			if (!memcmp(&f->clients.list[i], &f->excludes.list[j],
				    sizeof(struct tcpc_prefix)))
				r = tcpc_err_set(err, EINVAL,
						 "a prefix stands in both --client and --exclude");
	return r;
}

static int hook_option(struct json_object *request, enum tcpc_hook *ret, struct tcpc_err *err)
{
	static const char *const names[] = {"tc", "tcx", "clsact"};
	const char *text = option(request, "hook");

	*ret = TCPC_HOOK_TC;
	if (!text)
		return 0;
	for (int i = 0; i < 3; i++) {
		if (strcmp(text, names[i]))
			continue;
		*ret = i;
		return 0;
	}
	if (!strcmp(text, "xdp"))
		return only_value(request, "hook", "tc", err);
	return tcpc_err_set(err, EINVAL, "--hook is tc, tcx or clsact, not '%s'", text);
}

static int feedback_option(struct json_object *request, struct tcpc_attach_spec *spec,
			   struct tcpc_err *err)
{
	const char *text = option(request, "feedback");

	spec->feedback_port = TCPC_DEFAULT_FEEDBACK_PORT;
	if (!text)
		return 0;
	if (!strcmp(text, "none")) {
		if (!spec->force)
			return tcpc_err_set(err, EINVAL,
					    "--feedback none copies without knowing that the "
					    "target keeps its responses in; add --force if you "
					    "mean it");
		spec->feedback_none = true;
		return 0;
	}
	return tcpc_text_host_port(text, TCPC_DEFAULT_FEEDBACK_PORT, spec->feedback_host,
				   sizeof(spec->feedback_host), &spec->feedback_port, err);
}

static int later_attach_options(struct json_object *request, struct tcpc_err *err)
{
	return only_value(request, "mode", "all", err) ?: only_value(request, "copies", "1", err)
	       ?: only_value(request, "source", "keep", err)
	       ?: only_value(request, "max-pps", NULL, err)
	       ?: only_value(request, "max-mbps", NULL, err)
	       ?: only_value(request, "retain", NULL, err);
}

/* Without --port: what the targets listen on. */
static void default_ports(struct tcpc_attach_spec *spec)
{
	struct ports p = {.ports = spec->ports};

	for (__u32 i = 0; i < spec->n_targets; i++) {
		__u32 j = 0;

		while (j < p.n && p.ports[j] != spec->targets[i].port)
			j++;
		if (j == p.n && p.n < TCPC_MAX_PORTS)
			p.ports[p.n++] = spec->targets[i].port;
	}
	spec->n_ports = p.n;
}

int tcpc_spec_attach(struct json_object *request, struct tcpc_attach_spec *ret,
		     struct tcpc_err *err)
{
	const char *to = option(request, "to");
	struct tcpc_attach_spec spec = {};
	int r = iface_arg(request, 0, spec.iface, err);

	if (!r && !to)
		r = tcpc_err_set(err, EINVAL, "attach needs a target: --to 10.0.0.9:8080");
	spec.force = option(request, "force");
	r = r ?: later_attach_options(request, err);
	r = r ?: each_piece(to, add_target, &spec, err);
	r = r ?: hook_option(request, &spec.hook, err);
	r = r ?: feedback_option(request, &spec, err);
	r = r ?: filter_options(request, &spec.filter, err);
	if (!r && option(request, "port"))
		r = port_option(request, spec.ports, &spec.n_ports, err);
	else if (!r)
		default_ports(&spec);
	if (r)
		tcpc_spec_attach_free(&spec);
	else
		*ret = spec;
	return r;
}

void tcpc_spec_attach_free(struct tcpc_attach_spec *spec)
{
	free_list(&spec->filter.clients);
	free_list(&spec->filter.excludes);
}

/* ---- intercept -------------------------------------------------------------------------------- */

static int queue_number(const char *text, int *ret)
{
	char *end;
	long n;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	n = strtol(text, &end, 10);
	if (*end || n > 65535)
		return -EINVAL;
	*ret = n;
	return 0;
}

static int queue_option(struct json_object *request, struct tcpc_intercept_spec *spec,
			struct tcpc_err *err)
{
	const char *text = option(request, "queue");
	char first[8] = {};
	const char *colon;
	size_t len;

	spec->queue_first = spec->queue_last = -1;
	if (!text)
		return 0;
	colon = strchr(text, ':');
	len = colon ? (size_t)(colon - text) : strlen(text);
	if (len >= sizeof(first))
		goto bad;
	memcpy(first, text, len);
	if (queue_number(first, &spec->queue_first) ||
	    queue_number(colon ? colon + 1 : first, &spec->queue_last) ||
	    spec->queue_last < spec->queue_first)
		goto bad;
	if (spec->queue_last - spec->queue_first >= TCPC_MAX_QUEUES)
		return tcpc_err_set(err, EINVAL, "--queue %s: at most %d queues", text,
				    TCPC_MAX_QUEUES);
	return 0;
bad:
	return tcpc_err_set(err, EINVAL,
			    "--queue is FIRST or FIRST:LAST, numbers from 0 to 65535, like 100:103; "
			    "not '%s'",
			    text);
}

static int listen_option(struct json_object *request, struct tcpc_endpoint *ret,
			 struct tcpc_err *err)
{
	const char *text = option(request, "listen");
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->addr = tcpc_addr_from_v4(0);
	ret->port = htons(TCPC_DEFAULT_FEEDBACK_PORT);
	if (!text)
		return 0;
	r = tcpc_text_endpoint(text, ret, err);
	return r ?: need_v4(&ret->addr, text, err);
}

int tcpc_spec_intercept(struct json_object *request, struct tcpc_intercept_spec *ret,
			struct tcpc_err *err)
{
	struct tcpc_intercept_spec spec = {};
	int r = iface_arg(request, 0, spec.iface, err);

	if (!r && !option(request, "port"))
		r = tcpc_err_set(err, EINVAL, "intercept needs the service's port: --port 8080");
	r = r ?: only_value(request, "engine", "nfqueue", err);
	r = r ?: only_value(request, "order", "relaxed", err);
	r = r ?: only_value(request, "adopt", "none", err);
	r = r ?: only_value(request, "hold", NULL, err);
	r = r ?: only_value(request, "max-lag", NULL, err);
	r = r ?: port_option(request, spec.ports, &spec.n_ports, err);
	r = r ?: listen_option(request, &spec.listen, err);
	r = r ?: queue_option(request, &spec, err);
	if (!r)
		*ret = spec;
	return r;
}

/* ---- the others ------------------------------------------------------------------------------- */

int tcpc_spec_iface(struct json_object *request, struct tcpc_iface_spec *ret,
		    struct tcpc_err *err)
{
	struct tcpc_iface_spec spec = {.all = option(request, "all")};
	size_t n = n_args(request);
	int r = 0;

	if (spec.all == (n == 1))
		return tcpc_err_set(err, EINVAL, "%s needs an interface or --all%s",
				    command_of(request), n ? ", not both" : "");
	if (!spec.all)
		r = iface_arg(request, 0, spec.iface, err);
	if (!r)
		*ret = spec;
	return r;
}

/* "list", "add", ... to a verb; @known: those the command has, as the error shows them. */
static int verb_arg(struct json_object *request, const char *known, enum tcpc_list_verb *ret,
		    struct tcpc_err *err)
{
	static const char *const names[] = {"list", "add", "del", "set"};
	const char *text = arg(request, 0);

	for (int i = 0; text && i < 4; i++) {
		if (strcmp(text, names[i]) || !strstr(known, text))
			continue;
		*ret = i;
		return 0;
	}
	return tcpc_err_set(err, EINVAL, "%s is followed by %s, not '%s'", command_of(request),
			    known, text ? text : "");
}

static int word_count(struct json_object *request, size_t least, size_t most, const char *usage,
		      struct tcpc_err *err)
{
	size_t n = n_args(request);

	if (n >= least && n <= most)
		return 0;
	return tcpc_err_set(err, EINVAL, "usage: tcpcopyctl %s %s", command_of(request), usage);
}

int tcpc_spec_target(struct json_object *request, struct tcpc_target_spec *ret,
		     struct tcpc_err *err)
{
	struct tcpc_target_spec spec = {};
	int r = verb_arg(request, "list, add or del", &spec.verb, err);

	if (r)
		return r;
	if (spec.verb == TCPC_VERB_LIST)
		r = word_count(request, 1, 2, "list [IFACE]", err);
	else
		r = word_count(request, 3, 3, "add|del IFACE IP:PORT", err)
		    ?: tcpc_text_endpoint(arg(request, 2), &spec.target, err)
		    ?: need_v4(&spec.target.addr, arg(request, 2), err);
	if (!r && n_args(request) > 1)
		r = iface_arg(request, 1, spec.iface, err);
	if (!r)
		*ret = spec;
	return r;
}

int tcpc_spec_filter(struct json_object *request, struct tcpc_filter_cmd_spec *ret,
		     struct tcpc_err *err)
{
	struct tcpc_filter_cmd_spec spec = {};
	int r = verb_arg(request, "list or set", &spec.verb, err);
	bool any;

	if (r)
		return r;
	r = filter_options(request, &spec.filter, err);
	any = spec.filter.has_sample || spec.filter.has_clients || spec.filter.has_excludes;
	if (!r && spec.verb == TCPC_VERB_LIST && any)
		r = tcpc_err_set(err, EINVAL, "filter list takes no options");
	if (!r && spec.verb == TCPC_VERB_SET && (!any || n_args(request) != 2))
		r = tcpc_err_set(err, EINVAL, "usage: tcpcopyctl filter set IFACE [--percent P] "
					      "[--client CIDR,...] [--exclude CIDR,...]");
	if (!r && n_args(request) > 1)
		r = iface_arg(request, 1, spec.iface, err);
	if (r)
		tcpc_spec_filter_free(&spec);
	else
		*ret = spec;
	return r;
}

void tcpc_spec_filter_free(struct tcpc_filter_cmd_spec *spec)
{
	free_list(&spec->filter.clients);
	free_list(&spec->filter.excludes);
}

int tcpc_spec_allow(struct json_object *request, struct tcpc_allow_spec *ret, struct tcpc_err *err)
{
	struct tcpc_allow_spec spec = {};
	int r = verb_arg(request, "list, add or del", &spec.verb, err);

	if (r)
		return r;
	if (spec.verb == TCPC_VERB_LIST)
		r = word_count(request, 1, 1, "list", err);
	else
		r = word_count(request, 2, MAX_LIST + 1, "add|del CIDR...", err);
	for (size_t i = 1; !r && i < n_args(request); i++)
		r = add_prefix(arg(request, i), &spec.prefixes, err);
	if (r)
		tcpc_spec_allow_free(&spec);
	else
		*ret = spec;
	return r;
}

void tcpc_spec_allow_free(struct tcpc_allow_spec *spec)
{
	free_list(&spec->prefixes);
}
