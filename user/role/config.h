/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * config.h - the configuration file: the commands of the command line, one a line. Read whole and
 * checked before anything is done; on reload only what differs is done or undone.
 */
#ifndef TCPCOPY_ROLE_CONFIG_H
#define TCPCOPY_ROLE_CONFIG_H

#include "role/reply.h"

struct json_object;
struct tcpc_config;

/**
 * tcpc_config_load - read and check @path: the commands that change something, 4096 at most.
 * @ret: to be freed with tcpc_config_free(); untouched on failure.
 * Returns: 0; -errno of reading; -E2BIG, and what tcpc_command_parse_line() returns, then @err
 * names file and line.
 */
int tcpc_config_load(const char *path, struct tcpc_config **ret, struct tcpc_err *err);

/** tcpc_config_free - NULL is fine. */
void tcpc_config_free(struct tcpc_config *config);

/** Carries out one request. */
typedef void (*tcpc_config_run)(void *user, struct json_object *request, struct tcpc_reply *reply);

/** @failed: number of commands that failed; @err: the first one's error, with file and line. */
typedef void (*tcpc_config_done)(void *user, unsigned int failed, const struct tcpc_err *err);

/**
 * tcpc_config_apply - go from configuration @old (NULL: none) to @next: undo the commands that are
 * in @old alone, last first, then do those in @next alone, in their order, one after the other;
 * also those about targets and filter of an interface that had to be detached. Commands that have
 * no opposite (target del, filter set) are not undone. A command that fails does not keep the
 * others from being done.
 * @old, @next: must live until @done is called, which may be before this returns.
 * Returns: 0, then @done is called once; -ENOMEM, then it is not, and nothing was done.
 */
int tcpc_config_apply(const struct tcpc_config *old, const struct tcpc_config *next,
		      tcpc_config_run run, tcpc_config_done done, void *user, struct tcpc_err *err);

#endif
