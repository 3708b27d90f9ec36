// SPDX-License-Identifier: GPL-2.0-only
/* ask_program.c - an answer from a program instead of a socket, see ask.h. */
#include "edge/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

extern char **environ;

/* Its standard output is @fd. Returns 0 or -errno. */
static int start(char *const *argv, int fd, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	int r = posix_spawn_file_actions_init(&actions);

	if (r)
		return -r;
	r = posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
	if (!r)
		r = posix_spawnp(ret_pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* Owned by the caller; NULL if there is none. What follows is read and dropped. */
static char *first_line(int fd)
{
	FILE *file = fdopen(fd, "r");
	char *line = NULL, rest[256];
	size_t size = 0;
	ssize_t n;

	if (!file)
		return NULL;
	n = getline(&line, &size, file);
	if (n > 0)
		line[strcspn(line, "\n")] = '\0';
	while (fread(rest, 1, sizeof(rest), file) > 0)
		;
	fclose(file);
	if (n > 0)
		return line;
	free(line);
	return NULL;
}

int tcpc_ask_program(char *const *argv, char **ret_answer, struct tcpc_err *err)
{
	int ends[2], r, status;
	char *line;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return tcpc_err_set(err, errno, "cannot make a pipe: %s", strerror(errno));
	r = start(argv, ends[1], &pid);
	close(ends[1]);
	if (r) {
		close(ends[0]);
		return tcpc_err_set(err, -r, "no daemon runs, and cannot run %s: %s", argv[0],
				    strerror(-r));
	}
	line = first_line(ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!line)
		return tcpc_err_set(err, EIO, "%s ended without an answer", argv[0]);
	*ret_answer = line;
	return 0;
}

const char *tcpc_ask_find_daemon(char path[PATH_MAX])
{
	static const char *const places[] = {"tcpcopyd", "../sbin/tcpcopyd"};
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n < 0 ? 0 : n] = '\0';
	slash = strrchr(self, '/');
	for (size_t i = 0; slash && i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, PATH_MAX, "%.*s/%s", (int)(slash - self), self, places[i]);
		if (!access(path, X_OK))
			return path;
	}
	return "tcpcopyd";
}
