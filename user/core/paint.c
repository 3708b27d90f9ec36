// SPDX-License-Identifier: GPL-2.0-only
/* paint.c - see paint.h. */
#include "core/paint.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_MARKS 7

/* ECMA-48, 8.3.117. Of the sixteen colours those that are readable on light and on dark. */
static const char *const sequences[N_MARKS] = {
	[1] = "\033[32m", [2] = "\033[33m", [3] = "\033[31m",
	[4] = "\033[1m",  [5] = "\033[2m",  [6] = "\033[0m",
};

size_t tcpc_paint_width(const char *text)
{
	size_t n = 0;

	/* RFC 3629: bytes 10xxxxxx go on with a character. */
	for (; *text; text++)
		n += (unsigned char)*text >= N_MARKS && (*text & 0xc0) != 0x80;
	return n;
}

void tcpc_paint_write(FILE *out, const char *text, size_t n, bool colours)
{
	for (; n; n--, text++) {
		if ((unsigned char)*text >= N_MARKS)
			putc(*text, out);
		else if (colours && sequences[(unsigned char)*text])
			fputs(sequences[(unsigned char)*text], out);
	}
}

bool tcpc_paint_wanted(int fd)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fd) && !(no_color && *no_color) && !(term && !strcmp(term, "dumb"));
}
