// SPDX-License-Identifier: GPL-2.0-only
/* log.c - see log.h. */
#include "edge/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const int syslog_priorities[] = {3, 4, 6, 7};
static atomic_int max_level = TCPC_LOG_INFO;

int tcpc_log_set_level(const char *name, struct tcpc_err *err)
{
	for (int i = 0; i <= TCPC_LOG_DEBUG; i++) {
		if (!strcmp(name, level_names[i])) {
			max_level = i;
			return 0;
		}
	}
	return tcpc_err_set(err, EINVAL, "log level '%s' is none of error, warn, info, debug",
			    name);
}

static void write_prefix(char *buf, size_t size, enum tcpc_log_level level)
{
	struct timespec now;
	struct tm tm;
	char day[32];

	if (getenv("JOURNAL_STREAM")) {
		snprintf(buf, size, "<%d>", syslog_priorities[level]);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(day, sizeof(day), "%F %T", &tm);
	snprintf(buf, size, "%s.%03ld %-5s ", day, now.tv_nsec / 1000000, level_names[level]);
}

void tcpc_log(enum tcpc_log_level level, const char *format, ...)
{
	int saved = errno;
	char prefix[64], text[1024];
	va_list args;

	if ((int)level > max_level)
		return;
	write_prefix(prefix, sizeof(prefix), level);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "%s%s\n", prefix, text);
	errno = saved;
}
