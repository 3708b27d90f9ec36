// SPDX-License-Identifier: GPL-2.0-only
/* elsewhere.c - see elsewhere.h. */
#include "role/elsewhere.h"

#include <errno.h>
#include <string.h>

#include "core/netns.h"
#include "role/arguments.h"

int tcpc_elsewhere_take(int *argc, const char **argv, char *dir, size_t size,
			const char **ret_netns, const char **ret_run_dir, struct tcpc_err *err)
{
	const char *netns = NULL;
	int n = 1, r;

	for (int i = 1; i < *argc; i++) {
		if (!strncmp(argv[i], "--netns=", 8))
			netns = argv[i] + 8;
		else if (strcmp(argv[i], "--netns"))
			argv[n++] = argv[i];
		else if (++i < *argc)
			netns = argv[i];
		else
			return tcpc_err_set(err, EINVAL,
					    "--netns needs a network namespace: its name, a path, "
					    "or the number of a process in it");
	}
	*argc = n;
	if (!netns)
		return 0;
	r = tcpc_netns_dir(TCPC_DEFAULT_RUN_DIR, netns, dir, size, err);
	if (r)
		return r;
	*ret_netns = netns;
	*ret_run_dir = dir;
	return 0;
}

int tcpc_elsewhere_explain(const char *netns, const char *run_dir, struct tcpc_err *err)
{
	if (!netns || (err->code != ENOENT && err->code != ECONNREFUSED))
		return -err->code;
	return tcpc_err_set(err, err->code,
			    "no daemon for network namespace %.80s at %.200s: start one, `tcpcopyd "
			    "--netns %.80s`",
			    netns, run_dir, netns);
}
