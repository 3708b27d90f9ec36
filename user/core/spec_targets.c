// SPDX-License-Identifier: GPL-2.0-only
/* spec_targets.c - who gets what: the targets of an interface, their weights, and who is sampled.
 * See spec.h. */
#include "core/spec.h"

#include <string.h>

#include "core/spec_priv.h"
#include "core/split.h"

#define DEFAULT_DRAIN_S 300
#define MAX_DRAIN_S 86400

/* ---- attach ---------------------------------------------------------------------------------- */

static int weight(const char *text, __u32 *ret, struct tcpc_err *err)
{
	unsigned long n;

	if (tcpc_text_number(text, TCPC_MAX_WEIGHT, &n))
		return tcpc_err_set(err, EINVAL,
				    "a weight is a number from 0 (no new connections) to %d, not "
				    "'%.80s'",
				    TCPC_MAX_WEIGHT, text);
	*ret = n;
	return 0;
}

/** Weights as they are typed, one for each target. */
struct weights {
	struct tcpc_attach_spec *spec;
	__u32 n, sum;
};

static int add_weight(const char *piece, void *user, struct tcpc_err *err)
{
	struct weights *w = user;
	int r;

	if (w->n == w->spec->n_targets)
		return tcpc_err_set(err, EINVAL, "--weight has more numbers than --to has targets");
	r = weight(piece, &w->spec->weights[w->n], err);
	if (!r)
		w->sum += w->spec->weights[w->n++];
	return r;
}

int spec_sharing(struct json_object *request, struct tcpc_attach_spec *spec, struct tcpc_err *err)
{
	const char *mode = spec_option(request, "mode"), *text = spec_option(request, "weight");
	struct weights w = {.spec = spec};
	int r;

	if (mode && strcmp(mode, "all") && strcmp(mode, "split"))
		return tcpc_err_set(err, EINVAL, "--mode is all or split, not '%.80s'", mode);
	spec->split = mode && !strcmp(mode, "split");
	for (__u32 i = 0; i < spec->n_targets; i++)
		spec->weights[i] = 1;
	if (!text)
		return 0;
	if (!spec->split)
		return tcpc_err_set(err, EINVAL,
				    "--weight is for --mode split; with --mode all each target "
				    "gets everything");
	r = spec_each_piece(text, add_weight, &w, err);
	if (!r && w.n < spec->n_targets)
		r = tcpc_err_set(err, EINVAL, "--weight needs a number for each of %u targets",
				 spec->n_targets);
	if (!r && !w.sum)
		r = tcpc_err_set(err, EINVAL, "--weight: one target at least has to have some");
	return r;
}

int spec_sample_by(struct json_object *request, struct tcpc_filter_spec *f, struct tcpc_err *err)
{
	const char *text = spec_option(request, "sample-by");

	if (text && strcmp(text, "client") && strcmp(text, "connection"))
		return tcpc_err_set(err, EINVAL, "--sample-by is client or connection, not '%.80s'",
				    text);
	f->has_by_client = text;
	f->by_client = text && !strcmp(text, "client");
	return 0;
}

/* ---- target ---------------------------------------------------------------------------------- */

static int change_options(struct json_object *request, struct tcpc_target_spec *spec,
			  struct tcpc_err *err)
{
	const char *text = spec_option(request, "weight"), *drain = spec_option(request, "drain");
	unsigned long seconds = DEFAULT_DRAIN_S;

	spec->has_weight = text;
	spec->weight = 1;
	if (text && spec->verb != TCPC_VERB_ADD)
		return tcpc_err_set(err, EINVAL, "--weight is for target add");
	if (drain && spec->verb != TCPC_VERB_DEL)
		return tcpc_err_set(err, EINVAL, "--drain is for target del");
	if (drain && tcpc_text_number(drain, MAX_DRAIN_S, &seconds))
		return tcpc_err_set(err, EINVAL,
				    "--drain is a number of seconds from 0 (at once) to %d, not "
				    "'%.80s'",
				    MAX_DRAIN_S, drain);
	spec->drain_s = seconds;
	return text ? weight(text, &spec->weight, err) : 0;
}

int tcpc_spec_target(struct json_object *request, struct tcpc_target_spec *ret,
		     struct tcpc_err *err)
{
	struct tcpc_target_spec spec = {};
	int r = spec_verb(request, "list, add or del", &spec.verb, err);

	if (r)
		return r;
	if (spec.verb == TCPC_VERB_LIST)
		r = spec_word_count(request, 1, 2, "list [IFACE]", err);
	else
		r = spec_word_count(request, 3, 3, "add|del IFACE IP:PORT", err)
		    ?: tcpc_text_endpoint(spec_arg(request, 2), &spec.target, err)
		    ?: spec_host(&spec.target.addr, spec_arg(request, 2), err);
	if (!r && spec_n_args(request) > 1)
		r = spec_iface(request, 1, spec.iface, err);
	r = r ?: change_options(request, &spec, err);
	if (!r)
		*ret = spec;
	return r;
}
