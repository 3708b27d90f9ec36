// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcpcopyd.c - the daemon: the only file that knows all rooms. Reads the command line, opens the
 * rooms in their order, and closes them in the safe one.
 */
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <json-c/json.h>
#include <sodium.h>
#include <uv.h>

#include "edge/control.h"
#include "edge/datapath.h"
#include "edge/key.h"
#include "edge/lock.h"
#include "edge/log.h"
#include "edge/netns.h"
#include "edge/notify.h"
#include "edge/privilege.h"
#include "edge/probe.h"
#include "role/arguments.h"
#include "role/audit.h"
#include "role/config.h"
#include "role/dispatch.h"

struct daemon {
	struct tcpc_arguments options;
	uv_loop_t loop;
	struct tcpc_notify notify;
	uv_signal_t signals[3];
	__u8 *key;	       /* of sodium_malloc(): locked, in no core, between guard pages */
	gid_t group;	       /* of the control socket, -1: none */
	int lock_fd, bpffs_fd; /* locks; -1: not ours */
	struct tcpc_dispatch dispatch;
	struct tcpc_control *control;
	struct tcpc_config *config;	 /* in force */
	struct tcpc_config *next_config; /* being applied */
	bool starting, stopping;
	bool reload_again; /* SIGHUP came while a configuration was being applied */
	int status;
	char old_bpffs[PATH_MAX]; /* of the daemon to clear up after */
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
		tcpc_control_answer_fd(c->request, result, reply->fd);
	free(c);
}

static void on_request(void *user, struct tcpc_control_request *request)
{
	struct control_reply *c = malloc(sizeof(*c));
	const struct tcpc_control_peer *peer;
	struct daemon *d = user;
	struct tcpc_err err;

	if (!c || d->stopping) {
		tcpc_err_set(&err, ESHUTDOWN, "%s", c ? "the daemon is stopping" : "out of memory");
		tcpc_control_fail(request, &err);
		free(c);
		return;
	}
	c->reply = (struct tcpc_reply){.done = on_answer, .takes_fd = true, .fd = -1};
	c->request = request;
	peer = tcpc_control_request_peer(request);
	tcpc_audit_log(tcpc_control_request_body(request), peer->uid, peer->pid);
	tcpc_dispatch(&d->dispatch, tcpc_control_request_body(request), &c->reply);
}

static void run_line(void *user, struct json_object *request, struct tcpc_reply *reply)
{
	struct daemon *d = user;

	tcpc_dispatch(&d->dispatch, request, reply);
}

/* To the log and to the service manager, which shows it with `systemctl status`. */
static void __attribute__((format(printf, 2, 3)))
say_ready(const struct daemon *d, const char *format, ...)
{
	char text[128], state[160];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	tcpc_log_info("%s", text);
	snprintf(state, sizeof(state), "READY=1\nSTATUS=%s", text);
	tcpc_notify_say(&d->notify, state);
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
		say_ready(d, "ready");
	else if (!d->starting)
		say_ready(d, "configuration reloaded, %u commands failed", failed);
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
	if (!d->starting)
		tcpc_notify_reloading(&d->notify);
	r = tcpc_config_load(d->options.config, &d->next_config, &err);
	if (!r)
		r = tcpc_config_apply(d->config, d->next_config, run_line, on_config_applied, d,
				      &err);
	if (r) {
		tcpc_log_error("%s", err.text);
		tcpc_config_free(d->next_config);
		d->next_config = NULL;
		if (!d->starting)
			say_ready(d, "configuration refused, nothing changed: see the log");
	}
	return r;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void on_target_stopped(void *user)
{
	struct daemon *d = user;

	for (int i = 0; i < 3; i++)
		uv_close((uv_handle_t *)&d->signals[i], NULL);
	tcpc_notify_close(&d->notify);
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
	tcpc_notify_say(&d->notify, "STOPPING=1");
	if (d->dispatch.online)
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

/* ---- clearing up after a daemon that is gone (`detach --all`, `release --all` without one) ----
 */

/* One line, as the control socket would say it: tcpcopyctl, which runs us, shows it. */
static void answer_sweep(unsigned int n, const struct tcpc_err *err)
{
	struct json_object *o = json_object_new_object(), *result = json_object_new_object();
	char text[128] = "no daemon runs, and none has left anything";

	if (n)
		snprintf(text, sizeof(text),
			 "no daemon runs; %u things that one had left are cleared", n);
	json_object_object_add(o, "ok", json_object_new_boolean(!err));
	json_object_object_add(result, "text", json_object_new_string(text));
	if (err) {
		json_object_object_add(o, "error", json_object_new_string(err->text));
		json_object_put(result);
	} else {
		json_object_object_add(o, "result", result);
	}
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

/* The lock file says which bpffs directory a daemon used. */
static void note_bpffs(struct daemon *d)
{
	int r = tcpc_lock_write(d->lock_fd, d->options.bpffs);

	if (r)
		tcpc_log_warn("cannot write %s/tcpcopyd.lock: %s; `tcpcopyctl release --all` would "
			      "not find what we leave if we are killed",
			      d->options.run_dir, strerror(-r));
}

static void recall_bpffs(struct daemon *d)
{
	tcpc_lock_read(d->lock_fd, d->old_bpffs, sizeof(d->old_bpffs));
	if (d->old_bpffs[0] == '/')
		d->options.bpffs = d->old_bpffs;
	else if (strcmp(d->options.run_dir, TCPC_DEFAULT_RUN_DIR))
		d->options.bpffs = TCPC_DEFAULT_BPFFS "-none"; /* not the pins of another daemon */
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
	if (d->options.sweep) {
		answer_sweep(tcpc_target_cleared(d->dispatch.target), NULL);
		begin_stop(d);
		return;
	}
	snprintf(path, sizeof(path), "%s/tcpcopyd.sock", d->options.run_dir);
	r = tcpc_control_listen(&d->loop, path, d->group, on_request, d, &d->control, &err);
	if (r)
		tcpc_log_error("%s", err.text);
	else if (d->options.config)
		r = apply_config(d);
	else
		say_ready(d, "ready");
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

/* One daemon a run directory and a bpffs directory: a start that finds them taken must leave
 * everything alone. */
static int take_dirs(struct daemon *d, struct tcpc_err *err)
{
	const char *dir = d->options.run_dir;
	int r;

	if (mkdir(dir, 0755) && errno != EEXIST)
		return tcpc_err_set(err, errno, "cannot make the run directory %s: %s", dir,
				    strerror(errno));
	r = tcpc_lock_take(dir, "tcpcopyd.lock", &d->lock_fd, err);
	if (!r && d->options.sweep)
		recall_bpffs(d);
	else if (!r)
		note_bpffs(d);
	r = r ?: tcpc_probe_bpffs(d->options.bpffs, err);
	return r ?: tcpc_lock_take(d->options.bpffs, "", &d->bpffs_fd, err);
}

static int load_key(struct daemon *d, struct tcpc_err *err)
{
	const char *path = d->options.key;

	if (d->options.insecure)
		return 0;
	if (!path && access(TCPC_DEFAULT_KEY, F_OK))
		return tcpc_err_set(err, EINVAL,
				    "no key: give --key FILE (`tcpcopyctl key` makes one; both "
				    "hosts need the same), or type --insecure to go without");
	d->key = sodium_malloc(TCPC_KEY_BYTES);
	if (!d->key)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	return tcpc_key_load(path ? path : TCPC_DEFAULT_KEY, d->key, err);
}

static int check_machine(struct daemon *d, struct tcpc_err *err)
{
	int r;

	if (geteuid() != 0)
		return tcpc_err_set(err, EPERM, "run tcpcopyd as root");
	if (sodium_init() < 0)
		return tcpc_err_set(err, EIO, "libsodium cannot be initialised");
	tcpc_privilege_hide();
	r = tcpc_privilege_check(err);
	if (!r && d->options.netns)
		r = tcpc_netns_enter(d->options.netns, err);
	if (!r && !d->options.sweep)
		r = tcpc_datapath_probe(err) ?: load_key(d, err);
	r = r ?: tcpc_privilege_join(d->options.group, &d->group, err);
	r = r ?: take_dirs(d, err);
	/* All that took more is done: no bpf file system is mounted, no group joined after this. */
	return r ?: tcpc_privilege_drop(err);
}

static int start(struct daemon *d, struct tcpc_err *err)
{
	struct tcpc_role_config config = {
		.loop = &d->loop,
		.run_dir = d->options.run_dir,
	};
	struct tcpc_config *checked = NULL;
	int r = check_machine(d, err);

	/* A configuration with an error is refused before anything is touched. */
	if (!r && d->options.config)
		r = tcpc_config_load(d->options.config, &checked, err);
	tcpc_config_free(checked);
	if (r)
		return r;
	config.bpffs = d->options.bpffs; /* a sweep has just learned which */
	/* NULL is --insecure, and nothing else leaves it NULL but a sweep, which has no links. */
	config.key = d->key;
	d->starting = true;
	d->dispatch.bpffs = d->options.bpffs;
	d->dispatch.secure = !d->options.insecure;
	d->dispatch.started_ns = uv_hrtime();
	/* Without a daemon each role's command clears its own half. */
	if (!d->options.sweep || !strcmp(d->options.sweep, "online"))
		r = tcpc_online_new(&config, &d->dispatch.online, err);
	if (r)
		return r;
	if (d->options.sweep && d->dispatch.online) {
		answer_sweep(tcpc_online_cleared(d->dispatch.online), NULL);
		tcpc_online_free(d->dispatch.online);
		return 0;
	}
	watch_signals(d);
	r = tcpc_target_new(&config, on_target_ready, d, &d->dispatch.target, err);
	if (r && d->dispatch.online)
		tcpc_online_free(d->dispatch.online);
	return r;
}

static void clean_up(struct daemon *d)
{
	char path[PATH_MAX];
	bool used = false;

	tcpc_config_free(d->config);
	tcpc_config_free(d->next_config);
	sodium_free(d->key); /* wiped */
	if (d->bpffs_fd >= 0) {
		/* Stays if somebody's pins are in it: those of the other role, after a sweep. */
		used = rmdir(d->options.bpffs) && errno == ENOTEMPTY;
		close(d->bpffs_fd);
	}
	if (d->lock_fd >= 0 && d->options.sweep && used) {
		close(d->lock_fd); /* the file will be needed for what is left */
	} else if (d->lock_fd >= 0) {
		snprintf(path, sizeof(path), "%s/tcpcopyd.sock", d->options.run_dir);
		unlink(path); /* of a daemon that was killed */
		/* The lock file goes while we hold the lock. */
		snprintf(path, sizeof(path), "%s/tcpcopyd.lock", d->options.run_dir);
		unlink(path);
		rmdir(d->options.run_dir);
		close(d->lock_fd);
	}
}

/* A manager that cannot be told is no reason not to work; it ends us if it waits for our word. */
static void listen_to_manager(struct daemon *d)
{
	int r = d->options.sweep ? 0 : tcpc_notify_open(&d->notify, &d->loop);

	if (r)
		tcpc_log_warn("NOTIFY_SOCKET: %s; the service manager will not be told",
			      strerror(-r));
}

int main(int argc, char **argv)
{
	static struct daemon d = {
		.notify = {.fd = -1},
		.lock_fd = -1,
		.bpffs_fd = -1,
	};
	struct tcpc_err err = {};
	int r = tcpc_arguments_parse(argc, argv, &d.options, &err);

	if (r > 0)
		return 0;
	if (r < 0) {
		fprintf(stderr, "tcpcopyd: %s\n", err.text);
		return 2;
	}
	tcpc_datapath_init();
	uv_loop_init(&d.loop);
	listen_to_manager(&d);
	if (start(&d, &err)) {
		if (d.options.sweep)
			answer_sweep(0, &err);
		else
			fprintf(stderr, "tcpcopyd: %s\n", err.text);
		clean_up(&d);
		return EXIT_FAILURE;
	}
	uv_run(&d.loop, UV_RUN_DEFAULT);
	uv_loop_close(&d.loop);
	clean_up(&d);
	return d.status;
}
