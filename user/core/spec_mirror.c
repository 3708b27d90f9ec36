// SPDX-License-Identifier: GPL-2.0-only
/* spec_mirror.c - --hook, and what goes with --hook xdp, see spec_priv.h. */
#include "core/spec_priv.h"

#include <stdint.h>
#include <string.h>

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* Which of @names is option @name? 0, the first, when it is not given; -EINVAL with @err set. */
static int choice(struct json_object *request, const char *name, const char *const *names, int n,
		  const char *known, struct tcpc_err *err)
{
	const char *text = spec_option(request, name);

	if (!text)
		return 0;
	for (int i = 0; i < n; i++)
		if (!strcmp(text, names[i]))
			return i;
	return tcpc_err_set(err, EINVAL, "--%s is %s, not '%.80s'", name, known, text);
}

int spec_hook_options(struct json_object *request, struct tcpc_attach_spec *ret,
		      struct tcpc_err *err)
{
	static const char *const hooks[] = {"tc", "tcx", "clsact", "xdp"};
	static const char *const modes[] = {"auto", "native", "generic"};
	static const char *const rests[] = {"pass", "drop"};
	static const char *const only[] = {"xdp-mode", "rest", "vni"};
	int hook = choice(request, "hook", hooks, 4, "tc, tcx, clsact or xdp", err);
	const char *vni = spec_option(request, "vni");
	unsigned long number = 0;
	int mode, rest;

	if (hook < 0)
		return hook;
	for (size_t i = 0; i < COUNT_OF(only) && hook != TCPC_HOOK_XDP; i++)
		if (spec_option(request, only[i]))
			return tcpc_err_set(err, EINVAL, "--%s goes with --hook xdp", only[i]);
	mode = choice(request, "xdp-mode", modes, 3, "native, generic or auto", err);
	if (mode < 0)
		return mode;
	rest = choice(request, "rest", rests, 2, "pass or drop", err);
	if (rest < 0)
		return rest;
	if (vni && tcpc_text_number(vni, UINT32_MAX, &number))
		return tcpc_err_set(
			err, EINVAL,
			"--vni is a number: a VXLAN VNI, a GRE key or an ERSPAN session, "
			"not '%.80s'",
			vni);
	ret->hook = hook;
	ret->mirror.has_vni = vni;
	ret->mirror.vni = number;
	ret->mirror.mode = mode;
	ret->mirror.drop_rest = rest;
	return 0;
}

int spec_check_mirror(const struct tcpc_attach_spec *spec, struct tcpc_err *err)
{
	if (spec->hook != TCPC_HOOK_XDP)
		return 0;
	if (spec->via != TCPC_VIA_NONE)
		return tcpc_err_set(err, EINVAL,
				    "--hook xdp sends packets as they are, not through a tunnel: "
				    "leave --via out");
	return 0;
}
