/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * arguments.h - the command line of tcpcopyd.
 */
#ifndef TCPCOPY_ROLE_ARGUMENTS_H
#define TCPCOPY_ROLE_ARGUMENTS_H

#include <stdbool.h>

#include "core/err.h"

#define TCPC_DEFAULT_RUN_DIR "/run/tcpcopy"
#define TCPC_DEFAULT_BPFFS "/sys/fs/bpf/tcpcopy"
#define TCPC_DEFAULT_KEY "/etc/tcpcopy/tcpcopy.key"

/** What was asked for; words belong to argv. NULL: not given. */
struct tcpc_arguments {
	const char *run_dir, *bpffs; /* never NULL */
	const char *config, *key, *group;
	const char *netns; /* network namespace to work in, see core/netns.h */
	const char *sweep; /* "online", "target": clear what a daemon left that is gone, and end */
	bool insecure;
	char netns_run_dir[128], netns_bpffs[128]; /* what the first two are with @netns */
};

/**
 * tcpc_arguments_parse - read @argv into @ret, and set the log level. --help and --version are
 * answered here, on stdout.
 * Returns: 0 to go on; 1 when all is said; -EINVAL for bad usage.
 */
int tcpc_arguments_parse(int argc, char **argv, struct tcpc_arguments *ret, struct tcpc_err *err);

#endif
