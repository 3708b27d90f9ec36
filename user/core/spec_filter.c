// SPDX-License-Identifier: GPL-2.0-only
/* spec_filter.c - which connections are copied, and how much of them: options of `attach` and of
 * `filter set`. See spec.h. */
#include "core/spec_priv.h"

#include <string.h>

#define MAX_PPS 100000000
#define MAX_MBPS 100000 /* a byte of more takes no whole unit of a bucket's time */
#define MAX_CPU 100000	/* of 1,000 processors */
#define MAX_VLAN 4094
#define MAX_RAMP_S 86400

int spec_check_contradiction(const struct tcpc_filter_spec *f, struct tcpc_err *err)
{
	char text[TCPC_TEXT_BYTES];

	for (__u32 i = 0; i < f->clients.n; i++)
		for (__u32 j = 0; j < f->excludes.n; j++)
			if (!memcmp(&f->clients.list[i], &f->excludes.list[j],
				    sizeof(struct tcpc_prefix)))
				return tcpc_err_set(
					err, EINVAL, "%s stands in both --client and --exclude",
					tcpc_text_from_prefix(&f->clients.list[i], text));
	return 0;
}

/* They are never copied, so that such a filter would let nobody through. */
static int add_client(const char *piece, void *user, struct tcpc_err *err)
{
	struct tcpc_prefix_list *list = user;

	return spec_add_prefix(piece, list, err)
		       ?: spec_not_link_local(&list->list[list->n - 1].addr, piece, err);
}

static int budget_option(struct json_object *request, const char *name, __u32 most, bool *ret_has,
			 __u32 *ret, struct tcpc_err *err)
{
	const char *text = spec_option(request, name);
	unsigned long n = 0;

	if (text && tcpc_text_number(text, most, &n))
		return tcpc_err_set(err, EINVAL,
				    "--%s is a number from 1 to %u, or 0 for no bound, not "
				    "'%.80s'",
				    name, most, text);
	*ret_has = text;
	*ret = n;
	return 0;
}

static int budget_options(struct json_object *request, struct tcpc_budget_spec *b,
			  struct tcpc_err *err)
{
	return budget_option(request, "max-pps", MAX_PPS, &b->has_pps, &b->max_pps, err)
		       ?: budget_option(request, "max-mbps", MAX_MBPS, &b->has_mbps, &b->max_mbps,
					err)
		       ?: budget_option(request, "max-cpu", MAX_CPU, &b->has_cpu, &b->max_cpu,
					err);
}

static int add_vlan(const char *piece, void *user, struct tcpc_err *err)
{
	struct tcpc_filter_spec *f = user;
	unsigned long n;

	if (tcpc_text_number(piece, MAX_VLAN, &n))
		return tcpc_err_set(err, EINVAL,
				    "--vlan is a list of numbers from 1 to %d, and 0 for packets "
				    "without a tag; not '%.80s'",
				    MAX_VLAN, piece);
	for (__u32 i = 0; i < f->n_vlans; i++)
		if (f->vlans[i] == n)
			return tcpc_err_set(err, EINVAL, "VLAN %lu is given twice", n);
	if (f->n_vlans == TCPC_MAX_VLANS)
		return tcpc_err_set(err, EINVAL, "more than %d VLANs", TCPC_MAX_VLANS);
	f->vlans[f->n_vlans++] = n;
	return 0;
}

static int vlan_option(struct json_object *request, struct tcpc_filter_spec *f,
		       struct tcpc_err *err)
{
	const char *text = spec_option(request, "vlan");

	f->has_vlans = text;
	return text && *text ? spec_each_piece(text, add_vlan, f, err) : 0;
}

static int ramp_option(struct json_object *request, struct tcpc_filter_spec *f,
		       struct tcpc_err *err)
{
	const char *text = spec_option(request, "ramp");
	unsigned long n = 0;

	if (text && (tcpc_text_number(text, MAX_RAMP_S, &n) || !n))
		return tcpc_err_set(err, EINVAL,
				    "--ramp is a number of seconds from 1 to %d, not '%.80s'",
				    MAX_RAMP_S, text);
	f->ramp_s = n;
	f->sample_now = n ? 0 : f->sample;
	return 0;
}

int spec_filter_options(struct json_object *request, struct tcpc_filter_spec *f,
			struct tcpc_err *err)
{
	const char *percent = spec_option(request, "percent");
	const char *clients = spec_option(request, "client");
	const char *excludes = spec_option(request, "exclude");
	const char *locals = spec_option(request, "local");
	int r = 0;

	f->has_sample = percent;
	f->has_clients = clients;
	f->has_excludes = excludes;
	f->has_locals = locals;
	f->sample = TCPC_SAMPLE_ALL;
	if (percent)
		r = tcpc_text_percent(percent, &f->sample, err);
	r = r ?: budget_options(request, &f->budget, err);
	r = r ?: spec_sample_by(request, f, err);
	if (!r && clients && *clients)
		r = spec_each_piece(clients, add_client, &f->clients, err);
	if (!r && excludes && *excludes)
		r = spec_each_piece(excludes, spec_add_prefix, &f->excludes, err);
	if (!r && locals && *locals)
		r = spec_each_piece(locals, add_client, &f->locals, err);
	r = r ?: vlan_option(request, f, err);
	r = r ?: ramp_option(request, f, err);
	return r ?: spec_check_contradiction(f, err);
}

void spec_filter_free(struct tcpc_filter_spec *f)
{
	spec_free_prefixes(&f->clients);
	spec_free_prefixes(&f->excludes);
	spec_free_prefixes(&f->locals);
}

int tcpc_spec_filter(struct json_object *request, struct tcpc_filter_cmd_spec *ret,
		     struct tcpc_err *err)
{
	struct tcpc_filter_cmd_spec spec = {};
	int r = spec_verb(request, "list or set", &spec.verb, err);
	bool any;

	if (r)
		return r;
	r = spec_filter_options(request, &spec.filter, err);
	if (!r && spec.filter.ramp_s && !spec.filter.has_sample)
		r = tcpc_err_set(err, EINVAL,
				 "--ramp says how long it takes to come to --percent P: give both");
	any = spec.filter.has_sample || spec.filter.has_by_client || spec.filter.has_clients ||
	      spec.filter.has_excludes || spec.filter.has_locals || spec.filter.has_vlans ||
	      spec.filter.budget.has_pps || spec.filter.budget.has_mbps ||
	      spec.filter.budget.has_cpu;
	if (!r && spec.verb == TCPC_VERB_LIST && any)
		r = tcpc_err_set(err, EINVAL, "filter list takes no options");
	if (!r && spec.verb == TCPC_VERB_SET && (!any || spec_n_args(request) != 2))
		r = tcpc_err_set(
			err, EINVAL,
			"usage: tcpcopyctl filter set IFACE [--percent P [--ramp SECONDS]] "
			"[--sample-by client|connection] "
			"[--client CIDR,...] [--exclude CIDR,...] [--local ADDR,...] "
			"[--vlan N,...] [--max-pps N] "
			"[--max-mbps N] [--max-cpu PERCENT]");
	if (!r && spec_n_args(request) > 1)
		r = spec_iface(request, 1, spec.iface, err);
	if (r)
		tcpc_spec_filter_free(&spec);
	else
		*ret = spec;
	return r;
}

void tcpc_spec_filter_free(struct tcpc_filter_cmd_spec *spec)
{
	spec_filter_free(&spec->filter);
}
