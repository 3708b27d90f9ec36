// SPDX-License-Identifier: GPL-2.0-only
/* err.c - see err.h. */
#include "core/err.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/utf8.h"

/* In place. The last character may have been cut in the middle, too. */
static void make_printable(char *text)
{
	while (*text) {
		size_t n = tcpc_utf8_length(text);

		if (!n)
			*text = '?';
		text += n ?: 1;
	}
}

int tcpc_err_set(struct tcpc_err *err, int code, const char *format, ...)
{
	int saved = errno;
	va_list args;

	if (err) {
		err->code = code;
		va_start(args, format);
		vsnprintf(err->text, sizeof(err->text), format, args);
		va_end(args);
		make_printable(err->text);
	}
	errno = saved;
	return -code;
}
