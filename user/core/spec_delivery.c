// SPDX-License-Identifier: GPL-2.0-only
/* spec_delivery.c - options of `attach` that rest on what is heard of the target, see spec_priv.h.
 */
#include "core/spec_priv.h"

#include <string.h>

#define DEFAULT_RETAIN_MB 64
#define MAX_RETAIN_MB 65536

/* What was copied is kept until the target has said that it has it, so a target that says nothing
 * (--feedback none) has none. --retain 0 means off. */
int spec_recovery(struct json_object *request, struct tcpc_attach_spec *spec, struct tcpc_err *err)
{
	const char *retain = spec_option(request, "retain");
	const char *text = spec_option(request, "recovery");
	unsigned long mb = DEFAULT_RETAIN_MB;
	bool on = !spec->feedback_none;

	if (spec_on_off(request, "recovery", &on, err))
		return -EINVAL;
	if (retain && tcpc_text_number(retain, MAX_RETAIN_MB, &mb))
		return tcpc_err_set(err, EINVAL,
				    "--retain is a number of megabytes from 0 (off) to %d, not "
				    "'%.80s'",
				    MAX_RETAIN_MB, retain);
	if (text && retain && on != !!mb)
		return tcpc_err_set(
			err, EINVAL,
			"--recovery %s and --retain %.20s contradict each other: leave one "
			"of them out",
			text, retain);
	if (on && spec->feedback_none)
		return tcpc_err_set(err, EINVAL,
				    "--recovery on needs to hear of the target: not together with "
				    "--feedback none");
	spec->recovery = mb && on;
	if (spec->copies.spread_ms && !spec->recovery)
		return tcpc_err_set(err, EINVAL,
				    "--spread keeps copies in the journal of --recovery on until "
				    "their time has come: not with --recovery off");
	spec->has_retain = retain;
	spec->retain_mb = mb;
	return 0;
}

int spec_target_guard(struct json_object *request, struct tcpc_attach_spec *spec,
		      struct tcpc_err *err)
{
	spec->target_guard = !spec->feedback_none;
	if (spec_on_off(request, "target-guard", &spec->target_guard, err))
		return -EINVAL;
	if (spec->target_guard && spec->feedback_none)
		return tcpc_err_set(err, EINVAL,
				    "--target-guard on needs to hear of the target: "
				    "not together with --feedback none");
	return 0;
}

int spec_via(struct json_object *request, enum tcpc_via *ret, struct tcpc_err *err)
{
	const char *text = spec_option(request, "via");

	*ret = text ? TCPC_VIA_VXLAN : TCPC_VIA_NONE;
	if (!text || !strcmp(text, "vxlan"))
		return 0;
	if (!strcmp(text, "geneve") || !strcmp(text, "ipip"))
		return tcpc_err_set(err, EOPNOTSUPP,
				    "--via %s is not available in this version; what it does is "
				    "--via vxlan",
				    text);
	return tcpc_err_set(err, EINVAL, "--via is vxlan, not '%.80s'", text);
}
