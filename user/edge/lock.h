/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lock.h - one daemon a directory: a lock that goes with the process, however it ends, and a line
 * in the locked file for whoever clears up after it.
 */
#ifndef TCPCOPY_EDGE_LOCK_H
#define TCPCOPY_EDGE_LOCK_H

#include <stddef.h>

#include "core/err.h"

/**
 * tcpc_lock_take - lock @dir/@file, which is made, or @dir itself if @file is "".
 * @ret_fd: holds the lock until it is closed.
 * Returns: 0; -EBUSY: another process has it; other -errno.
 */
int tcpc_lock_take(const char *dir, const char *file, int *ret_fd, struct tcpc_err *err);

/** tcpc_lock_write - make @text what the locked file says. Returns 0 or -errno. */
int tcpc_lock_write(int fd, const char *text);

/** tcpc_lock_read - what the last one wrote, "" if nothing; cut to @size. */
void tcpc_lock_read(int fd, char *ret, size_t size);

#endif
