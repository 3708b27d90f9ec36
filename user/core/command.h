/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * command.h - the words a user types, as one table: parsed here, and the usage made from it. The
 * same words stand on the command line, in the configuration file and in requests. Pure.
 */
#ifndef TCPCOPY_CORE_COMMAND_H
#define TCPCOPY_CORE_COMMAND_H

#include <stdio.h>

#include "core/err.h"

struct json_object;

/**
 * tcpc_command_parse - turn `attach eth0 --to 10.0.0.9:80` into a request, fully checked.
 * @argc, @argv: the command and what follows it, without program name and global options.
 * @ret: the request, owned by the caller (json_object_put). Untouched on failure.
 * Options may be written `--to X` and `--to=X`, anywhere after the command. A value that begins
 * with -- has to be written in the second form.
 * Returns: 0; -EINVAL for bad usage; -EOPNOTSUPP for what this version does not do yet.
 */
int tcpc_command_parse(int argc, const char *const *argv, struct json_object **ret,
		       struct tcpc_err *err);

/**
 * tcpc_command_check - check a request as tcpc_command_parse() does (for requests from a socket).
 * Words have to be UTF-8 without control characters: JSON could not carry, nor a log show others.
 * Returns: 0, -EINVAL or -EOPNOTSUPP.
 */
int tcpc_command_check(struct json_object *request, struct tcpc_err *err);

/**
 * tcpc_command_parse_line - the same for one line of a configuration file: words split at white
 * space, "double quotes" keep it, # at the beginning of a word begins a comment.
 * @ret: the request, or NULL for an empty line.
 */
int tcpc_command_parse_line(const char *line, struct json_object **ret, struct tcpc_err *err);

/** tcpc_command_usage - print the usage of @command, or of all when NULL. */
void tcpc_command_usage(FILE *out, const char *command);

#endif
