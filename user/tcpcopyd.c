// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcpcopyd.c - the daemon: the only file that knows all rooms. Reads the command line, opens the
 * rooms in their order, and closes them in the safe one.
 */
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <json-c/json.h>
#include <sodium.h>
#include <uv.h>

#include "edge/control.h"
#include "edge/datapath.h"
#include "edge/key.h"
#include "edge/log.h"
#include "edge/probe.h"
#include "role/config.h"
#include "role/dispatch.h"

#define DEFAULT_KEY "/etc/tcpcopy/tcpcopy.key"

struct options {
	const char *run_dir, *bpffs, *config, *key;
	bool insecure;
};

struct daemon {
	struct options options;
	uv_loop_t loop;
	uv_signal_t signals[3];
	__u8 key[TCPC_KEY_BYTES];
	int lock_fd, bpffs_fd; /* locks; -1: not ours */
	struct tcpc_dispatch dispatch;
	struct tcpc_control *control;
	struct tcpc_config *config;	 /* in force */
	struct tcpc_config *next_config; /* being applied */
	bool starting, stopping;
	bool reload_again; /* SIGHUP came while a configuration was being applied */
	int status;
};

/** A command from the control socket on its way through the roles. */
struct control_reply {
	struct tcpc_reply reply; /* first: on_answer() finds us through it */
	struct tcpc_control_request *request;
};

static void begin_stop(struct daemon *d);
static int apply_config(struct daemon *d);

/* ---- commands -------------------------------------------------------------------------------- */

static void on_answer(struct tcpc_reply *reply, struct json_object *result,
		      const struct tcpc_err *err)
{
	struct control_reply *c = (struct control_reply *)reply;

	if (err)
		tcpc_control_fail(c->request, err);
	else
		tcpc_control_answer(c->request, result);
	free(c);
}

static void on_request(void *user, struct tcpc_control_request *request)
{
	struct control_reply *c = malloc(sizeof(*c));
	struct daemon *d = user;
	struct tcpc_err err;

	if (!c || d->stopping) {
		tcpc_err_set(&err, ESHUTDOWN, "%s", c ? "the daemon is stopping" : "out of memory");
		tcpc_control_fail(request, &err);
		free(c);
		return;
	}
	c->reply.done = on_answer;
	c->request = request;
	tcpc_dispatch(&d->dispatch, tcpc_control_request_body(request), &c->reply);
}

static void run_line(void *user, struct json_object *request, struct tcpc_reply *reply)
{
	struct daemon *d = user;

	tcpc_dispatch(&d->dispatch, request, reply);
}

static void on_config_applied(void *user, unsigned int failed, const struct tcpc_err *err)
{
	struct daemon *d = user;

	if (failed)
		tcpc_log_error("%s", err->text);
	if (failed && d->starting) {
		d->status = EXIT_FAILURE;
		begin_stop(d);
	}
	tcpc_config_free(d->config);
	d->config = d->next_config;
	d->next_config = NULL;
	if (d->starting && !failed)
		tcpc_log_info("ready");
	else if (!d->starting)
		tcpc_log_info("configuration reloaded, %u commands failed", failed);
	d->starting = false;
	if (d->reload_again && !d->stopping) {
		d->reload_again = false;
		apply_config(d);
	}
}

/* Read the configuration anew. Nothing changes if it has an error. Returns 0 or -errno. */
static int apply_config(struct daemon *d)
{
	struct tcpc_err err;
	int r;

	if (d->next_config) {
		d->reload_again = true; /* still busy with the last one */
		return 0;
	}
	r = tcpc_config_load(d->options.config, &d->next_config, &err);
	if (!r)
		r = tcpc_config_apply(d->config, d->next_config, run_line, on_config_applied, d,
				      &err);
	if (r) {
		tcpc_log_error("%s", err.text);
		tcpc_config_free(d->next_config);
		d->next_config = NULL;
	}
	return r;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void on_target_stopped(void *user)
{
	struct daemon *d = user;

	for (int i = 0; i < 3; i++)
		uv_close((uv_handle_t *)&d->signals[i], NULL);
	if (d->control)
		tcpc_control_close(d->control);
	d->control = NULL;
}

static void begin_stop(struct daemon *d)
{
	if (d->stopping)
		return;
	d->stopping = true;
	tcpc_log_info("stopping");
	tcpc_online_free(d->dispatch.online);
	tcpc_target_stop(d->dispatch.target, on_target_stopped, d);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct daemon *d = handle->data;

	if (number != SIGHUP)
		begin_stop(d);
	else if (!d->options.config)
		tcpc_log_warn("SIGHUP: there is no configuration to reload (--config)");
	else if (d->starting)
		d->reload_again = true;
	else if (!d->stopping)
		apply_config(d);
}

/* The target role has cleared what an earlier daemon left: commands may come. */
static void on_target_ready(void *user)
{
	struct daemon *d = user;
	char path[PATH_MAX];
	struct tcpc_err err;
	int r;

	if (d->stopping)
		return;
	snprintf(path, sizeof(path), "%s/tcpcopyd.sock", d->options.run_dir);
	r = tcpc_control_listen(&d->loop, path, on_request, d, &d->control, &err);
	if (r)
		tcpc_log_error("%s", err.text);
	else if (d->options.config)
		r = apply_config(d);
	else
		tcpc_log_info("ready");
	if (r) {
		d->status = EXIT_FAILURE;
		begin_stop(d);
	}
	if (!d->options.config)
		d->starting = false;
}

static void watch_signals(struct daemon *d)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};

	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < 3; i++) {
		uv_signal_init(&d->loop, &d->signals[i]);
		d->signals[i].data = d;
		uv_signal_start(&d->signals[i], on_signal, numbers[i]);
	}
}

/* One daemon a run directory and a bpffs directory: the locks go with the process, however it ends.
 * A start that finds them taken must leave everything alone. */
static int lock_dir(const char *dir, const char *file, int *ret_fd, struct tcpc_err *err)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s%s", dir, file);
	fd = *file ? open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600)
		   : open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return tcpc_err_set(err, errno, "cannot open %s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return tcpc_err_set(err, EBUSY,
				    "another tcpcopyd uses %s; give each its own --run-dir and "
				    "--bpffs",
				    dir);
	}
	*ret_fd = fd;
	return 0;
}

static int take_dirs(struct daemon *d, struct tcpc_err *err)
{
	const char *dir = d->options.run_dir;
	int r;

	if (mkdir(dir, 0755) && errno != EEXIST)
		return tcpc_err_set(err, errno, "cannot make the run directory %s: %s", dir,
				    strerror(errno));
	r = lock_dir(dir, "/tcpcopyd.lock", &d->lock_fd, err);
	r = r ?: tcpc_probe_bpffs(d->options.bpffs, err);
	return r ?: lock_dir(d->options.bpffs, "", &d->bpffs_fd, err);
}

static int load_key(struct daemon *d, struct tcpc_err *err)
{
	const char *path = d->options.key;

	if (d->options.insecure)
		return 0;
	if (!path && access(DEFAULT_KEY, F_OK))
		return tcpc_err_set(err, EINVAL,
				    "no key: give --key FILE (`tcpcopyctl key` makes one; both "
				    "hosts need the same), or type --insecure to go without");
	return tcpc_key_load(path ? path : DEFAULT_KEY, d->key, err);
}

static int check_machine(struct daemon *d, struct tcpc_err *err)
{
	if (geteuid() != 0)
		return tcpc_err_set(err, EPERM, "run tcpcopyd as root");
	if (sodium_init() < 0)
		return tcpc_err_set(err, EIO, "libsodium cannot be initialised");
	return tcpc_datapath_probe(err) ?: load_key(d, err) ?: take_dirs(d, err);
}

static int start(struct daemon *d, struct tcpc_err *err)
{
	struct tcpc_role_config config = {
		.loop = &d->loop,
		.run_dir = d->options.run_dir,
		.bpffs = d->options.bpffs,
		.key = d->options.insecure ? NULL : d->key,
	};
	struct tcpc_config *checked = NULL;
	int r = check_machine(d, err);

	/* A configuration with an error is refused before anything is touched. */
	if (!r && d->options.config)
		r = tcpc_config_load(d->options.config, &checked, err);
	tcpc_config_free(checked);
	if (r)
		return r;
	d->starting = true;
	d->dispatch.bpffs = d->options.bpffs;
	d->dispatch.secure = !d->options.insecure;
	d->dispatch.started_ns = uv_hrtime();
	r = tcpc_online_new(&config, &d->dispatch.online, err);
	if (r)
		return r;
	watch_signals(d);
	r = tcpc_target_new(&config, on_target_ready, d, &d->dispatch.target, err);
	if (r)
		tcpc_online_free(d->dispatch.online);
	return r;
}

static void clean_up(struct daemon *d)
{
	char path[PATH_MAX];

	tcpc_config_free(d->config);
	tcpc_config_free(d->next_config);
	sodium_memzero(d->key, sizeof(d->key));
	if (d->bpffs_fd >= 0) {
		rmdir(d->options.bpffs); /* stays if somebody's pins are in it */
		close(d->bpffs_fd);
	}
	if (d->lock_fd >= 0) {
		/* The lock file goes while we hold the lock. */
		snprintf(path, sizeof(path), "%s/tcpcopyd.lock", d->options.run_dir);
		unlink(path);
		rmdir(d->options.run_dir);
		close(d->lock_fd);
	}
}

/* ---- command line ---------------------------------------------------------------------------- */

static void usage(FILE *out)
{
	fprintf(out,
		"usage: tcpcopyd [--run-dir DIR=/run/tcpcopy] [--bpffs DIR=/sys/fs/bpf/tcpcopy]\n"
		"                [--config FILE] [--key FILE | --insecure] [--log-level "
		"error|warn|info|debug]\n");
}

/* Returns 0 to go on, 1 when all is said (help, version), -EINVAL. */
static int parse_options(int argc, char **argv, struct options *o, struct tcpc_err *err)
{
	static const struct option table[] = {
		{"run-dir", required_argument, NULL, 'r'},
		{"bpffs", required_argument, NULL, 'b'},
		{"config", required_argument, NULL, 'c'},
		{"key", required_argument, NULL, 'k'},
		{"insecure", no_argument, NULL, 'i'},
		{"log-level", required_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{NULL, 0, NULL, 0},
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
		if (c == 'r')
			o->run_dir = optarg;
		else if (c == 'b')
			o->bpffs = optarg;
		else if (c == 'c')
			o->config = optarg;
		else if (c == 'k')
			o->key = optarg;
		else if (c == 'i')
			o->insecure = true;
		else if (c == 'l' && tcpc_log_set_level(optarg, err))
			return -EINVAL;
		else if (c == 'h')
			return usage(stdout), 1;
		else if (c == 'v')
			return puts("tcpcopyd " TCPC_VERSION), 1;
		else if (c == ':')
			return tcpc_err_set(err, EINVAL, "option %s needs a value",
					    argv[optind - 1]);
		else if (c == '?')
			return tcpc_err_set(err, EINVAL,
					    "unknown option %s; `tcpcopyd --help` lists "
					    "them",
					    argv[optind - 1]);
	}
	if (optind < argc)
		return tcpc_err_set(err, EINVAL, "unexpected word '%s'; commands go to tcpcopyctl",
				    argv[optind]);
	if (o->key && o->insecure)
		return tcpc_err_set(err, EINVAL, "--key and --insecure exclude each other");
	return 0;
}

int main(int argc, char **argv)
{
	static struct daemon d = {
		.options = {.run_dir = "/run/tcpcopy", .bpffs = "/sys/fs/bpf/tcpcopy"},
		.lock_fd = -1,
		.bpffs_fd = -1,
	};
	struct tcpc_err err = {};
	int r = parse_options(argc, argv, &d.options, &err);

	if (r > 0)
		return 0;
	if (r < 0) {
		fprintf(stderr, "tcpcopyd: %s\n", err.text);
		return 2;
	}
	tcpc_datapath_init();
	uv_loop_init(&d.loop);
	if (start(&d, &err)) {
		fprintf(stderr, "tcpcopyd: %s\n", err.text);
		clean_up(&d);
		return EXIT_FAILURE;
	}
	uv_run(&d.loop, UV_RUN_DEFAULT);
	uv_loop_close(&d.loop);
	clean_up(&d);
	return d.status;
}
