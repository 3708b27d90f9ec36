// SPDX-License-Identifier: GPL-2.0-only
/* arguments.c - see arguments.h. */
#include "role/arguments.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "core/netns.h"
#include "edge/log.h"

#define MAX_RUN_DIR (sizeof(((struct sockaddr_un *)0)->sun_path) - sizeof("/tcpcopyd.sock"))

static void usage(FILE *out)
{
	fprintf(out, "usage: tcpcopyd [--run-dir DIR=" TCPC_DEFAULT_RUN_DIR
		     "] [--bpffs DIR=" TCPC_DEFAULT_BPFFS "]\n"
		     "                [--config FILE] [--key FILE | --insecure] [--group NAME]\n"
		     "                [--netns NETNS] [--log-level error|warn|info|debug]\n");
}

/* What option @c and its value say. Returns as tcpc_arguments_parse(). */
static int take(struct tcpc_arguments *o, int c, char **argv, struct tcpc_err *err)
{
	if (c == 'r')
		o->run_dir = optarg;
	else if (c == 'b')
		o->bpffs = optarg;
	else if (c == 'c')
		o->config = optarg;
	else if (c == 'k')
		o->key = optarg;
	else if (c == 's')
		o->sweep = optarg;
	else if (c == 'i')
		o->insecure = true;
	else if (c == 'g')
		o->group = optarg;
	else if (c == 'n')
		o->netns = optarg;
	else if (c == 'l')
		return tcpc_log_set_level(optarg, err);
	else if (c == 'h')
		return usage(stdout), 1;
	else if (c == 'v')
		return puts("tcpcopyd " TCPC_VERSION), 1;
	else if (c == ':')
		return tcpc_err_set(err, EINVAL, "option %s needs a value", argv[optind - 1]);
	else
		return tcpc_err_set(err, EINVAL, "unknown option %s; `tcpcopyd --help` lists them",
				    argv[optind - 1]);
	return 0;
}

/* A path that cannot be would be noticed later, and by something that does not know the option. */
static int check_paths(const struct tcpc_arguments *o, struct tcpc_err *err)
{
	const struct {
		const char *name, *value;
	} given[] = {{"run-dir", o->run_dir},
		     {"bpffs", o->bpffs},
		     {"config", o->config},
		     {"key", o->key},
		     {"group", o->group}};

	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
		if (given[i].value && !*given[i].value)
			return tcpc_err_set(err, EINVAL, "--%s is empty: leave it out, or name one",
					    given[i].name);
	if (strlen(o->run_dir) > MAX_RUN_DIR)
		return tcpc_err_set(err, EINVAL,
				    "--run-dir has %zu bytes; sockets in it allow for %zu",
				    strlen(o->run_dir), (size_t)MAX_RUN_DIR);
	if (o->bpffs[0] != '/')
		return tcpc_err_set(err, EINVAL,
				    "--bpffs is an absolute path, like " TCPC_DEFAULT_BPFFS
				    ", not '%.80s'",
				    o->bpffs);
	return 0;
}

/* What no option alone can say. */
static int check(const struct tcpc_arguments *o, const char *rest, struct tcpc_err *err)
{
	if (rest)
		return tcpc_err_set(err, EINVAL, "unexpected word '%s'; commands go to tcpcopyctl",
				    rest);
	if (o->sweep && strcmp(o->sweep, "online") && strcmp(o->sweep, "target"))
		return tcpc_err_set(err, EINVAL, "--sweep wants online or target");
	if (o->key && o->insecure)
		return tcpc_err_set(err, EINVAL, "--key and --insecure exclude each other");
	return check_paths(o, err);
}

/* A daemon in another network namespace has directories of its own, unless others are named. */
static int move_dirs(struct tcpc_arguments *o, struct tcpc_err *err)
{
	int r = 0;

	if (!o->netns)
		return 0;
	if (!strcmp(o->run_dir, TCPC_DEFAULT_RUN_DIR)) {
		r = tcpc_netns_dir(o->run_dir, o->netns, o->netns_run_dir, sizeof(o->netns_run_dir),
				   err);
		o->run_dir = o->netns_run_dir;
	}
	if (!r && !strcmp(o->bpffs, TCPC_DEFAULT_BPFFS)) {
		r = tcpc_netns_dir(o->bpffs, o->netns, o->netns_bpffs, sizeof(o->netns_bpffs), err);
		o->bpffs = o->netns_bpffs;
	}
	return r;
}

int tcpc_arguments_parse(int argc, char **argv, struct tcpc_arguments *ret, struct tcpc_err *err)
{
	static const struct option table[] = {
		{"run-dir", required_argument, NULL, 'r'},
		{"bpffs", required_argument, NULL, 'b'},
		{"config", required_argument, NULL, 'c'},
		{"key", required_argument, NULL, 'k'},
		{"insecure", no_argument, NULL, 'i'},
		{"group", required_argument, NULL, 'g'},
		{"netns", required_argument, NULL, 'n'},
		{"log-level", required_argument, NULL, 'l'},
		{"sweep", required_argument, NULL, 's'}, /* for tcpcopyctl, and ExecStopPost= */
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{NULL, 0, NULL, 0},
	};
	struct tcpc_arguments o = {.run_dir = TCPC_DEFAULT_RUN_DIR, .bpffs = TCPC_DEFAULT_BPFFS};
	int c, r = 0;

	opterr = 0;
	while (!r && (c = getopt_long(argc, argv, ":h", table, NULL)) != -1)
		r = take(&o, c, argv, err);
	r = r ?: check(&o, optind < argc ? argv[optind] : NULL, err);
	if (r)
		return r;
	*ret = o;
	return move_dirs(ret, err);
}
