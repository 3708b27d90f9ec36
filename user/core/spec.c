// SPDX-License-Identifier: GPL-2.0-only
/* spec.c - see spec.h. */
#include "core/spec.h"

#include <arpa/inet.h>
#include <string.h>

#include "core/spec_priv.h"

#define DEFAULT_HOLD_MB 256
#define DEFAULT_MAX_LAG_S 10
#define DEFAULT_IDLE_S 7200	    /* as TCP's own keep-alive */
#define MAX_IDLE_S (30 * 24 * 3600) /* what the kernel tells in milliseconds, 32 bits of them */
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* ---- attach ---------------------------------------------------------------------------------- */

static int add_target(const char *piece, void *user, struct tcpc_err *err)
{
	struct tcpc_attach_spec *spec = user;
	struct tcpc_endpoint ep;
	int r = tcpc_text_endpoint(piece, &ep, err);

	r = r ?: spec_host(&ep.addr, piece, err);
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

static int feedback_option(struct json_object *request, struct tcpc_attach_spec *spec,
			   struct tcpc_err *err)
{
	const char *text = spec_option(request, "feedback");
	struct tcpc_addr addr;
	int r;

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
	r = tcpc_text_host_port(text, TCPC_DEFAULT_FEEDBACK_PORT, spec->feedback_host,
				sizeof(spec->feedback_host), &spec->feedback_port, err);
	if (r || tcpc_text_addr(spec->feedback_host, &addr, NULL))
		return r;
	return spec_host(&addr, text, err);
}

/* Without --port: what the targets listen on. */
static int default_ports(struct tcpc_attach_spec *spec, struct tcpc_err *err)
{
	__u32 n = 0;

	for (__u32 i = 0; i < spec->n_targets; i++) {
		__u32 j = 0;

		while (j < n && spec->ports[j] != spec->targets[i].port)
			j++;
		if (j == TCPC_MAX_PORTS)
			return tcpc_err_set(err, EINVAL,
					    "the targets have more than %d ports; name the ports "
					    "to copy with --port",
					    TCPC_MAX_PORTS);
		if (j == n)
			spec->ports[n++] = spec->targets[i].port;
	}
	spec->n_ports = n;
	return 0;
}

int tcpc_spec_attach(struct json_object *request, struct tcpc_attach_spec *ret,
		     struct tcpc_err *err)
{
	const char *to = spec_option(request, "to");
	struct tcpc_attach_spec spec = {};
	int r = spec_iface(request, 0, spec.iface, err);

	if (!r && !to)
		r = tcpc_err_set(err, EINVAL, "attach needs a target: --to 10.0.0.9:8080");
	spec.force = spec_option(request, "force");
	r = r ?: spec_each_piece(to, add_target, &spec, err);
	r = r ?: spec_sharing(request, &spec, err);
	r = r ?: spec_hook_options(request, &spec, err);
	r = r ?: spec_copies_options(request, &spec.copies, err);
	for (__u32 i = 0; i < spec.n_targets && !r; i++)
		r = tcpc_spec_copies_fit(&spec.copies, &spec.targets[i].addr, spec.n_targets, err);
	r = r ?: feedback_option(request, &spec, err);
	r = r ?: spec_recovery(request, &spec, err);
	r = r ?: spec_target_guard(request, &spec, err);
	r = r ?: spec_via(request, &spec.via, err);
	r = r ?: spec_check_mirror(&spec, err);
	r = r ?: spec_filter_options(request, &spec.filter, err);
	if (!r)
		r = spec_option(request, "port")
			    ? spec_ports(request, spec.ports, &spec.n_ports, err)
			    : default_ports(&spec, err);
	if (r)
		tcpc_spec_attach_free(&spec);
	else
		*ret = spec;
	return r;
}

void tcpc_spec_attach_free(struct tcpc_attach_spec *spec)
{
	spec_filter_free(&spec->filter);
}

/* ---- intercept ------------------------------------------------------------------------------- */

static int queue_option(struct json_object *request, struct tcpc_intercept_spec *spec,
			struct tcpc_err *err)
{
	const char *text = spec_option(request, "queue");
	unsigned long first, last;
	char digits[8] = {};
	const char *colon;
	size_t len;

	spec->queue_first = spec->queue_last = -1;
	if (!text)
		return 0;
	colon = strchr(text, ':');
	len = colon ? (size_t)(colon - text) : strlen(text);
	if (len >= sizeof(digits))
		goto bad;
	memcpy(digits, text, len);
	if (tcpc_text_number(digits, 65535, &first) ||
	    tcpc_text_number(colon ? colon + 1 : digits, 65535, &last) || last < first)
		goto bad;
	spec->queue_first = first;
	spec->queue_last = last;
	if (last - first >= TCPC_MAX_QUEUES)
		return tcpc_err_set(err, EINVAL, "--queue %.80s: at most %d queues", text,
				    TCPC_MAX_QUEUES);
	return 0;
bad:
	return tcpc_err_set(err, EINVAL,
			    "--queue is FIRST or FIRST:LAST, numbers from 0 to 65535, like "
			    "100:103, not '%.80s'",
			    text);
}

static int listen_option(struct json_object *request, struct tcpc_intercept_spec *spec,
			 struct tcpc_err *err)
{
	const char *text = spec_option(request, "listen");

	spec->has_listen = text;
	if (!text)
		return 0;
	return tcpc_text_endpoint(text, &spec->listen, err)
		       ?: spec_not_link_local(&spec->listen.addr, text, err);
}

static int engine_option(struct json_object *request, enum tcpc_engine *ret, struct tcpc_err *err)
{
	const char *text = spec_option(request, "engine");

	if (text && strcmp(text, "nfqueue") && strcmp(text, "tc"))
		return tcpc_err_set(err, EINVAL, "--engine is nfqueue or tc, not '%.80s'", text);
	*ret = text && !strcmp(text, "tc") ? TCPC_ENGINE_TC : TCPC_ENGINE_NFQUEUE;
	return 0;
}

static int adopt_option(struct json_object *request, enum tcpc_adopt *ret, struct tcpc_err *err)
{
	static const char *const names[] = {"http", "any", "none"};
	const char *text = spec_option(request, "adopt");

	*ret = TCPC_ADOPT_HTTP;
	for (int i = 0; text && i < 3; i++) {
		if (strcmp(text, names[i]))
			continue;
		*ret = i;
		return 0;
	}
	return text ? tcpc_err_set(err, EINVAL, "--adopt is http, any or none, not '%.80s'", text)
		    : 0;
}

static int order_option(struct json_object *request, bool *ret_relaxed, struct tcpc_err *err)
{
	const char *text = spec_option(request, "order");

	if (text && strcmp(text, "strict") && strcmp(text, "relaxed"))
		return tcpc_err_set(err, EINVAL, "--order is strict or relaxed, not '%.80s'", text);
	*ret_relaxed = text && !strcmp(text, "relaxed");
	return 0;
}

/** A whole number from 1 to @most; @otherwise when the option is not given. */
struct number {
	const char *name, *unit;
	__u32 most, otherwise;
};

static int number_option(struct json_object *request, struct number option, __u32 *ret,
			 struct tcpc_err *err)
{
	const char *text = spec_option(request, option.name);
	unsigned long n = option.otherwise;

	if (text && (tcpc_text_number(text, option.most, &n) || !n))
		return tcpc_err_set(err, EINVAL, "--%s is a number of %s from 1 to %u, not '%.80s'",
				    option.name, option.unit, option.most, text);
	*ret = n;
	return 0;
}

/* What is held back, how much and for how long. */
static int hold_options(struct json_object *request, struct tcpc_intercept_spec *spec,
			struct tcpc_err *err)
{
	static const struct number hold = {"hold", "megabytes", 1 << 20, DEFAULT_HOLD_MB};
	static const struct number lag = {"max-lag", "seconds", 3600, DEFAULT_MAX_LAG_S};
	int r = order_option(request, &spec->relaxed, err);

	if (!r && spec->relaxed &&
	    (spec_option(request, "hold") || spec_option(request, "max-lag")))
		return tcpc_err_set(err, EINVAL,
				    "--hold and --max-lag are for --order strict: with relaxed "
				    "nothing is held back");
	return r		? r
	       : number_option(request, hold, &spec->hold_mb, err)
		       ?: number_option(request, lag, &spec->max_lag_s, err);
}

int tcpc_spec_intercept(struct json_object *request, struct tcpc_intercept_spec *ret,
			struct tcpc_err *err)
{
	static const struct number idle = {"idle", "seconds", MAX_IDLE_S, DEFAULT_IDLE_S};
	struct tcpc_intercept_spec spec = {.force = spec_option(request, "force")};
	int r = spec_iface(request, 0, spec.iface, err);

	if (!r && !spec_option(request, "port"))
		r = tcpc_err_set(err, EINVAL, "intercept needs the service's port: --port 8080");
	r = r ?: engine_option(request, &spec.engine, err);
	r = r ?: adopt_option(request, &spec.adopt, err);
	r = r ?: hold_options(request, &spec, err);
	r = r ?: number_option(request, idle, &spec.idle_s, err);
	r = r ?: spec_ports(request, spec.ports, &spec.n_ports, err);
	r = r ?: listen_option(request, &spec, err);
	r = r ?: queue_option(request, &spec, err);
	r = r ?: spec_via(request, &spec.via, err);
	if (!r)
		*ret = spec;
	return r;
}

/* ---- the others ------------------------------------------------------------------------------ */

int tcpc_spec_iface(struct json_object *request, struct tcpc_iface_spec *ret, struct tcpc_err *err)
{
	struct tcpc_iface_spec spec = {.all = spec_option(request, "all")};
	size_t n = spec_n_args(request);
	int r = 0;

	if (spec.all == (n == 1))
		return tcpc_err_set(err, EINVAL, "%s needs an interface or --all%s",
				    spec_command(request), n ? ", not both" : "");
	if (!spec.all)
		r = spec_iface(request, 0, spec.iface, err);
	if (!r)
		*ret = spec;
	return r;
}

/* Elsewhere prefixes are a list with commas; here each is a word, for there may be thousands. */
static int no_comma(const char *word, struct tcpc_err *err)
{
	if (!strchr(word, ','))
		return 0;
	return tcpc_err_set(err, EINVAL,
			    "'%.80s': prefixes of allow are words of their own: write them with "
			    "blanks, like 10.0.0.0/8 192.168.0.0/16",
			    word);
}

int tcpc_spec_allow(struct json_object *request, struct tcpc_allow_spec *ret, struct tcpc_err *err)
{
	struct tcpc_allow_spec spec = {};
	int r = spec_verb(request, "list, add or del", &spec.verb, err);

	if (r)
		return r;
	if (spec.verb == TCPC_VERB_LIST)
		r = spec_word_count(request, 1, 1, "list", err);
	else
		r = spec_word_count(request, 2, SPEC_MAX_LIST + 1, "add|del CIDR...", err);
	for (size_t i = 1; !r && i < spec_n_args(request); i++)
		r = no_comma(spec_arg(request, i), err)
			    ?: spec_add_prefix(spec_arg(request, i), &spec.prefixes, err);
	if (r)
		tcpc_spec_allow_free(&spec);
	else
		*ret = spec;
	return r;
}

void tcpc_spec_allow_free(struct tcpc_allow_spec *spec)
{
	spec_free_prefixes(&spec->prefixes);
}
