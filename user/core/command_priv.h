/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * command_priv.h - the table of commands, for command*.c alone. Parsing, checks and usage are made
 * from it; a new option is a line here and its meaning in spec.c.
 */
#ifndef TCPCOPY_CORE_COMMAND_PRIV_H
#define TCPCOPY_CORE_COMMAND_PRIV_H

#include <stddef.h>

#include "core/err.h"

#define MAX_OPTIONS 32

struct json_object;

/** One option of a command. */
struct option {
	const char *name;  /* without the dashes */
	const char *value; /* placeholder, NULL for a flag */
	const char *help;
};

/** One command: parsed, checked and explained from this alone. */
struct command {
	const char *name;
	const char *args; /* as the usage shows them */
	unsigned int min_args, max_args;
	/* What needs the typed form. Returns as tcpc_command_check(). */
	int (*check)(struct json_object *request, struct tcpc_err *err);
	const char *help;		    /* NULL: not for people, the usage leaves it out */
	struct option options[MAX_OPTIONS]; /* the rest is zero */
};

/** command_at - command number @i, NULL behind the last one. */
const struct command *command_at(size_t i);

/** command_find - the command called @name, or NULL. */
const struct command *command_find(const char *name);

/** command_find_letter - the option of @c that is also called -@letter, or NULL. */
const struct option *command_find_letter(const struct command *c, char letter);

/** command_find_option - the option of @c that the first @len bytes at @name call, or NULL. */
const struct option *command_find_option(const struct command *c, const char *name, size_t len);

#endif
