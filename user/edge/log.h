/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * log.h - one line an event, on stderr, with a level. Under systemd (JOURNAL_STREAM set) lines
 * carry the <N> priority prefix instead of a time.
 */
#ifndef TCPCOPY_EDGE_LOG_H
#define TCPCOPY_EDGE_LOG_H

#include "core/err.h"

enum tcpc_log_level { TCPC_LOG_ERROR, TCPC_LOG_WARN, TCPC_LOG_INFO, TCPC_LOG_DEBUG };

/** tcpc_log_set_level - "error", "warn", "info" or "debug". Returns 0 or -EINVAL. */
int tcpc_log_set_level(const char *name, struct tcpc_err *err);

/** tcpc_log - write one line if @level is enabled. Safe from any thread. Keeps errno. */
void tcpc_log(enum tcpc_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define tcpc_log_error(...) tcpc_log(TCPC_LOG_ERROR, __VA_ARGS__)
#define tcpc_log_warn(...) tcpc_log(TCPC_LOG_WARN, __VA_ARGS__)
#define tcpc_log_info(...) tcpc_log(TCPC_LOG_INFO, __VA_ARGS__)
#define tcpc_log_debug(...) tcpc_log(TCPC_LOG_DEBUG, __VA_ARGS__)

#endif
