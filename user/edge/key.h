/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * key.h - the pre-shared key of the feedback link: a file with 64 hexadecimal digits.
 */
#ifndef TCPCOPY_EDGE_KEY_H
#define TCPCOPY_EDGE_KEY_H

#include <linux/types.h>

#include "core/err.h"

#define TCPC_KEY_BYTES 32

/**
 * tcpc_key_load - read the key from @path: 64 hexadecimal digits, at most one newline behind them.
 * @key: untouched on failure. The caller wipes it with sodium_memzero() when done.
 * Returns: 0; -EACCES if group or others can read or write the file, or it belongs to somebody else
 * than root and us; -EINVAL if it is not a regular file, its content is something else or no random
 * key; other -errno from opening and reading it.
 */
int tcpc_key_load(const char *path, __u8 key[TCPC_KEY_BYTES], struct tcpc_err *err);

#endif
