// SPDX-License-Identifier: GPL-2.0-only
/* patience.c - see patience.h. */
#include "role/patience.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "edge/ask.h"

/* What may take longer than a second, and what it waits for. */
static const char *awaited(const char *command)
{
	static const char *const known[][2] = {
		{"attach", "for the targets' daemons"},
		{"target", "for the targets' daemons"},
		{"intercept", "for the kernel to take programs and rules"},
		{"release", "for copied connections to end"},
		{"allow", "for online hosts to stop, and connections to end"},
		{"doctor", "for what comes back of the probes"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i][0], command))
			return known[i][1];
	return "for the daemon";
}

/** The line on the terminal. */
struct line {
	const char *command;
	bool drawn;
};

/* ECMA-48: to the line's begin; erase the rest of the line. */
static void show_waiting(void *user, unsigned int seconds)
{
	struct line *line = user;

	fprintf(stderr, "\r%s: waiting %s, %u s\033[K", line->command, awaited(line->command),
		seconds);
	line->drawn = true;
}

int tcpc_patience_ask(const char *path, const char *command, const char *request, char **ret_answer,
		      struct tcpc_err *err)
{
	struct line line = {.command = command};
	bool terminal = isatty(STDERR_FILENO);
	int status = tcpc_ask_patiently(path, request, terminal ? show_waiting : NULL, &line,
					ret_answer, err);

	if (line.drawn)
		fputs("\r\033[K", stderr);
	return status;
}
