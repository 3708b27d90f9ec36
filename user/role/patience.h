/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * patience.h - asks the daemon, and says on a terminal what takes so long.
 */
#ifndef TCPCOPY_ROLE_PATIENCE_H
#define TCPCOPY_ROLE_PATIENCE_H

#include "core/err.h"

/**
 * tcpc_patience_ask - tcpc_ask(), with a line on the standard error, if that is a terminal, that
 * tells after a second what is waited for, and is gone at the end.
 * @command: the first word of @request.  Others: as tcpc_ask().
 */
int tcpc_patience_ask(const char *path, const char *command, const char *request, char **ret_answer,
		      struct tcpc_err *err);

#endif
