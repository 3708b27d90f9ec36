/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * spec_text.h - specs as one line of text, so that tables can hold what is expected; and requests
 * that nobody has checked yet.
 */
#ifndef TCPCOPY_TESTS_SPEC_TEXT_H
#define TCPCOPY_TESTS_SPEC_TEXT_H

#include <arpa/inet.h>

#include "words.h"
#include "core/spec.h"

#define SPEC_TEXT_BYTES 1024

/** Where the next piece of text goes. */
struct spec_text {
	char *p, *end;
};

/** spec_text_add - append to @t; the test fails when there is no room. */
static inline void __attribute__((format(printf, 2, 3)))
spec_text_add(struct spec_text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->p, t->end - t->p, format, args);
	va_end(args);
	assert_true(n >= 0 && n < t->end - t->p);
	t->p += n;
}

/** spec_text_begin - write to @buf of SPEC_TEXT_BYTES. */
static inline struct spec_text spec_text_begin(char *buf)
{
	*buf = '\0';
	return (struct spec_text){buf, buf + SPEC_TEXT_BYTES};
}

static inline void spec_text_ports(struct spec_text *t, const __be16 *ports, __u32 n)
{
	spec_text_add(t, " ports");
	for (__u32 i = 0; i < n; i++)
		spec_text_add(t, " %u", ntohs(ports[i]));
}

static inline void spec_text_prefixes(struct spec_text *t, const char *name, bool given,
				      const struct tcpc_prefix_list *list)
{
	char buf[TCPC_TEXT_BYTES];

	assert_true(given || !list->n);
	if (given)
		spec_text_add(t, " %s=", name);
	for (__u32 i = 0; i < list->n; i++)
		spec_text_add(t, "%s,", tcpc_text_from_prefix(&list->list[i], buf));
}

/** spec_text_filter - "sample 10000" by default, "sample=5" when given; lists when given. */
static inline void spec_text_filter(struct spec_text *t, const struct tcpc_filter_spec *f)
{
	spec_text_add(t, " sample%c%u", f->has_sample ? '=' : ' ', f->sample);
	if (f->ramp_s)
		spec_text_add(t, " ramp=%u", f->ramp_s);
	spec_text_prefixes(t, "clients", f->has_clients, &f->clients);
	spec_text_prefixes(t, "excludes", f->has_excludes, &f->excludes);
	spec_text_prefixes(t, "locals", f->has_locals, &f->locals);
	if (f->has_vlans)
		spec_text_add(t, " vlans=");
	for (__u32 i = 0; i < f->n_vlans; i++)
		spec_text_add(t, "%u,", f->vlans[i]);
	if (f->budget.has_pps)
		spec_text_add(t, " pps=%u", f->budget.max_pps);
	if (f->budget.has_mbps)
		spec_text_add(t, " mbps=%u", f->budget.max_mbps);
	if (f->budget.has_cpu)
		spec_text_add(t, " cpu=%u", f->budget.max_cpu);
}

/** spec_text_attach - all of @spec in @buf. */
static inline void spec_text_attach(const struct tcpc_attach_spec *spec, char *buf)
{
	struct spec_text t = spec_text_begin(buf);
	char text[TCPC_TEXT_BYTES];

	spec_text_add(&t, "%s to", spec->iface);
	for (__u32 i = 0; i < spec->n_targets; i++)
		spec_text_add(&t, " %s", tcpc_text_from_endpoint(&spec->targets[i], text));
	spec_text_ports(&t, spec->ports, spec->n_ports);
	spec_text_add(&t, " hook %u", spec->hook);
	spec_text_filter(&t, &spec->filter);
	if (spec->feedback_none)
		spec_text_add(&t, " feedback none");
	else
		spec_text_add(&t, " feedback %s:%u", spec->feedback_host, spec->feedback_port);
	if (spec->force)
		spec_text_add(&t, " force");
	if (!spec->recovery)
		spec_text_add(&t, " no recovery");
	else if (spec->has_retain || spec->retain_mb != 64)
		spec_text_add(&t, " retain %u", spec->retain_mb);
	if (spec->target_guard == spec->feedback_none)
		spec_text_add(&t, " target guard %u", spec->target_guard);
	if (spec->via)
		spec_text_add(&t, " via %u", spec->via);
}

/** spec_text_intercept - all of @spec in @buf. */
static inline void spec_text_intercept(const struct tcpc_intercept_spec *spec, char *buf)
{
	static const char *const adopt[] = {"http", "any", "none"};
	struct spec_text t = spec_text_begin(buf);
	char text[TCPC_TEXT_BYTES];

	spec_text_add(&t, "%s", spec->iface);
	spec_text_ports(&t, spec->ports, spec->n_ports);
	spec_text_add(&t, " listen %s",
		      spec->has_listen ? tcpc_text_from_endpoint(&spec->listen, text) : "-");
	spec_text_add(&t, " queue %d:%d", spec->queue_first, spec->queue_last);
	if (spec->engine == TCPC_ENGINE_TC)
		spec_text_add(&t, " tc");
	spec_text_add(&t, spec->relaxed ? " relaxed" : " strict");
	spec_text_add(&t, " adopt %s", adopt[spec->adopt]);
	spec_text_add(&t, " hold %u lag %u", spec->hold_mb, spec->max_lag_s);
	if (spec->idle_s != 7200)
		spec_text_add(&t, " idle %u", spec->idle_s);
	if (spec->force)
		spec_text_add(&t, " force");
	if (spec->via)
		spec_text_add(&t, " via %u", spec->via);
}

/* "--name value", "--name=value", "--flag" at the end or before another option. */
static inline void spec_text_option(struct json_object *options, char *word, char **rest)
{
	char *value = strchr(word, '=');

	if (value)
		*value++ = '\0';
	else if (*rest && strncmp(*rest, "--", 2))
		value = strsep(rest, " ");
	json_object_object_add(options, word + 2,
			       value ? json_object_new_string(value) : json_object_new_boolean(1));
}

/** spec_text_request - @line as a request without any check; words split at single spaces. */
static inline struct json_object *spec_text_request(const char *line)
{
	struct json_object *request = json_object_new_object();
	struct json_object *args = json_object_new_array(), *options = json_object_new_object();
	char *copy = strdup(line), *rest = copy, *word = strsep(&rest, " ");

	json_object_object_add(request, "command", json_object_new_string(word));
	while ((word = strsep(&rest, " "))) {
		if (strncmp(word, "--", 2))
			json_object_array_add(args, json_object_new_string(word));
		else
			spec_text_option(options, word, &rest);
	}
	json_object_object_add(request, "args", args);
	json_object_object_add(request, "options", options);
	free(copy);
	return request;
}

#endif
