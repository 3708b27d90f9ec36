// SPDX-License-Identifier: GPL-2.0-only
/* spec_record.c - the words of `record`, see spec.h. */
#include "core/spec.h"

#include <string.h>
#include <json-c/json.h>

#include "core/spec_priv.h"

#define MAX_MB (1UL << 30)
#define MAX_SECONDS 31536000UL
#define MAX_KEEP 10000
#define DEFAULT_LIMIT_MB 1024

static int number(struct json_object *request, const char *name, unsigned long most,
		  unsigned long *ret, struct tcpc_err *err)
{
	const char *text = spec_option(request, name);

	if (text && (tcpc_text_number(text, most, ret) || !*ret))
		return tcpc_err_set(err, EINVAL, "--%s is a number from 1 to %lu, not '%.80s'",
				    name, most, text);
	return 0;
}

static int check_stop(struct json_object *request, struct tcpc_err *err)
{
	struct json_object *options = json_object_object_get(request, "options");

	if (json_object_object_length(options) == 1)
		return 0;
	return tcpc_err_set(err, EINVAL, "--stop ends a recording and takes no other option");
}

static int check_bounds(const struct tcpc_record_spec *spec, struct tcpc_err *err)
{
	if (spec->keep && !spec->rotate_bytes && !spec->rotate_seconds)
		return tcpc_err_set(err, EINVAL,
				    "--keep is a number of files: say with --rotate-mb or "
				    "--rotate-seconds when the next one begins");
	if (spec->rotate_bytes > spec->limit_bytes)
		return tcpc_err_set(err, EINVAL,
				    "--rotate-mb %llu is more than --limit-mb %llu allows for all "
				    "files",
				    spec->rotate_bytes >> 20, spec->limit_bytes >> 20);
	return 0;
}

int tcpc_spec_record(struct json_object *request, struct tcpc_record_spec *ret,
		     struct tcpc_err *err)
{
	struct tcpc_record_spec spec = {
		.stop = spec_option(request, "stop"),
		.file = spec_option(request, "write"),
		.force = spec_option(request, "force"),
	};
	unsigned long mb = 0, limit = DEFAULT_LIMIT_MB, seconds = 0, keep = 0;
	int r = spec_iface(request, 0, spec.iface, err);

	if (!r && spec.stop)
		r = check_stop(request, err);
	else if (!r && (!spec.file || !*spec.file))
		r = tcpc_err_set(err, EINVAL,
				 "record needs a file, -w FILE, or --stop to end a recording");
	r = r ?: number(request, "rotate-mb", MAX_MB, &mb, err);
	r = r ?: number(request, "rotate-seconds", MAX_SECONDS, &seconds, err);
	r = r ?: number(request, "keep", MAX_KEEP, &keep, err);
	r = r ?: number(request, "limit-mb", MAX_MB, &limit, err);
	if (r)
		return r;
	spec.rotate_bytes = (__u64)mb << 20;
	spec.limit_bytes = (__u64)limit << 20;
	spec.rotate_seconds = seconds;
	spec.keep = keep;
	r = check_bounds(&spec, err);
	if (!r)
		*ret = spec;
	return r;
}
