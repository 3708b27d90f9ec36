// SPDX-License-Identifier: GPL-2.0-only
/* record.c - see record.h. */
#include "role/record.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <json-c/json.h>

#include "core/record.h"
#include "core/spec.h"
#include "edge/ask.h"
#include "edge/dump.h"

static volatile sig_atomic_t stopped;

struct writer {
	int fd; /* to the daemon */
	struct tcpc_dump *dump;
	__u32 told; /* files that the daemon knows of */
	__u8 message[TCPC_RECORD_MESSAGE_MAX] __attribute__((aligned(8)));
};

static void on_signal(int signal)
{
	stopped = signal;
}

/* Whoever runs the command may leave; it ends with the recording, or by SIGTERM. */
static void detach(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a limit on files is an error like others */
	for (int fd = 0; fd <= 2 && null >= 0; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	if (chdir("/")) /* keeps no file system busy but the files' */
		return;
}

/* ---- the writer -------------------------------------------------------------------------------
 */

static void tell(struct writer *w, bool ended, const struct tcpc_err *err)
{
	const struct tcpc_dump_stats stats = tcpc_dump_stats(w->dump);
	struct tcpc_record_note note = {
		.magic = TCPC_RECORD_NOTE,
		.files = stats.files,
		.packets = stats.packets,
		.bytes = stats.bytes,
		.ended = ended,
		.code = err ? -err->code : 0,
	};

	memccpy(note.file, stats.file, 0, sizeof(note.file) - 1);
	if (err)
		memccpy(note.reason, err->text, 0, sizeof(note.reason) - 1);
	w->told = stats.files;
	/* A daemon that has gone needs to know nothing. */
	send(w->fd, &note, sizeof(note), MSG_NOSIGNAL);
}

static int write_message(struct writer *w, size_t bytes, struct tcpc_err *err)
{
	struct tcpc_record_head head;
	__u8 *packet;
	size_t at = 0;
	int r;

	while ((r = tcpc_record_next(w->message, bytes, &at, &head, &packet)) == 1) {
		tcpc_record_finish(packet, head.bytes);
		r = tcpc_dump_packet(w->dump, head.time_ns, packet, head.bytes, err);
		if (r)
			return r;
	}
	if (r)
		return tcpc_err_set(err, EPROTO,
				    "the daemon sends what is no recording: is it "
				    "tcpcopyd " TCPC_VERSION "?");
	return tcpc_dump_flush(w->dump, err);
}

/* Until the daemon says that it is over, by closing its end, or has gone. */
static int write_all(struct writer *w, struct tcpc_err *err)
{
	int r = 0;

	tell(w, false, NULL);
	while (!r && !stopped) {
		ssize_t n = recv(w->fd, w->message, sizeof(w->message), MSG_TRUNC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		r = (size_t)n > sizeof(w->message)
			    ? tcpc_err_set(err, EPROTO, "a message of %zd bytes", n)
			    : write_message(w, n, err);
		if (tcpc_dump_stats(w->dump).files != w->told)
			tell(w, false, NULL);
	}
	return r ?: tcpc_err_set(err, EINTR, "who wrote the file was ended by a signal");
}

static void run_writer(struct writer *w)
{
	struct tcpc_err err, last;
	int r;

	detach();
	r = write_all(w, &err);
	if (!r && tcpc_dump_flush(w->dump, &last)) {
		err = last;
		r = -err.code;
	}
	tell(w, true, r ? &err : NULL);
	tcpc_dump_close(w->dump, NULL);
	_exit(r ? 1 : 0);
}

/* ---- the start --------------------------------------------------------------------------------
 */

static struct tcpc_dump_config config_of(const struct tcpc_record_spec *spec)
{
	return (struct tcpc_dump_config){
		.path = spec->file,
		.iface = spec->iface,
		.force = spec->force,
		.rotate_bytes = spec->rotate_bytes,
		.rotate_ns = spec->rotate_seconds * 1000000000ULL,
		.keep = spec->keep,
		.limit_bytes = spec->limit_bytes,
	};
}

/* A process of its own. */
static int start_writer(struct writer *w, struct tcpc_err *err)
{
	pid_t pid = fork();

	if (pid < 0)
		return tcpc_err_set(err, errno, "cannot start a process: %s", strerror(errno));
	if (!pid)
		run_writer(w);
	return 0;
}

int tcpc_record_run(const char *path, struct json_object *request, char **ret_answer,
		    struct tcpc_err *err)
{
	const char *text = json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN);
	struct writer *w = calloc(1, sizeof(*w));
	struct tcpc_dump_config config;
	struct tcpc_record_spec spec;
	int r;

	if (!w)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	w->fd = -1;
	r = tcpc_spec_record(request, &spec, err);
	if (!r) {
		config = config_of(&spec);
		r = tcpc_dump_check(&config, err)
			    ?: tcpc_ask_fd(path, text, ret_answer, &w->fd, err);
	}
	/* Without a descriptor the answer says why. */
	if (!r && w->fd >= 0) {
		r = tcpc_dump_open(&config, &w->dump, err) ?: start_writer(w, err);
		if (r) {
			free(*ret_answer);
			*ret_answer = NULL;
		}
	}
	/* The daemon takes a writer that is not there for the end. The file is the child's. */
	if (w->fd >= 0)
		close(w->fd);
	tcpc_dump_close(w->dump, NULL);
	free(w);
	return r;
}
