// SPDX-License-Identifier: GPL-2.0-only
/* pins.c - see pins.h. */
#include "role/pins.h"

#include <string.h>

#include "edge/log.h"
#include "edge/probe.h"

static void note(const struct tcpc_err *err, struct tcpc_err *state)
{
	if (!state->code || strcmp(state->text, err->text))
		tcpc_log_warn("%s", err->text);
	*state = *err;
}

bool tcpc_pins_mounted(const char *bpffs, struct tcpc_err *state)
{
	struct tcpc_err err;

	if (tcpc_probe_on_bpffs(bpffs) == 1 && !tcpc_probe_bpffs(bpffs, &err))
		return true;
	tcpc_err_set(&err, ENODEV,
		     "the pins below %s are gone: somebody has unmounted the bpf file system; they "
		     "come back when it is mounted again",
		     bpffs);
	note(&err, state);
	return false;
}

void tcpc_pins_note(int result, const struct tcpc_err *err, const char *bpffs,
		    struct tcpc_err *state)
{
	if (result < 0) {
		note(err, state);
		return;
	}
	if (result > 0)
		tcpc_log_info("pins that were gone are back below %s", bpffs);
	state->code = 0;
}
