// SPDX-License-Identifier: GPL-2.0-only
/* err.c - see err.h. */
#include "core/err.h"

#include <stdarg.h>
#include <stdio.h>

int tcpc_err_set(struct tcpc_err *err, int code, const char *format, ...)
{
	int saved = errno;
	va_list args;
	char *p;

	if (err) {
		err->code = code;
		va_start(args, format);
		vsnprintf(err->text, sizeof(err->text), format, args);
		va_end(args);
		for (p = err->text; *p; p++)
			if ((unsigned char)*p < ' ' || *p == 0x7f)
				*p = '?';
	}
	errno = saved;
	return -code;
}
