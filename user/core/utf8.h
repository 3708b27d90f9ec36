/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * utf8.h - which bytes may be shown to a user and put into JSON. Pure.
 */
#ifndef TCPCOPY_CORE_UTF8_H
#define TCPCOPY_CORE_UTF8_H

#include <stddef.h>

/**
 * tcpc_utf8_length - bytes of the printable character at @text, which ends with a zero byte.
 * Returns: 1 to 4; 0 at the end, at a control character (C0, DEL, C1: a terminal would obey them)
 * and at what RFC 3629 does not allow: stray or missing bytes, overlong forms, surrogates.
 */
static inline size_t tcpc_utf8_length(const char *text)
{
	static const unsigned int least[] = {0, 0, 0xa0, 0x800, 0x10000}; /* 0x80-0x9f are C1 */
	const unsigned char *p = (const unsigned char *)text;
	size_t n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
	unsigned int c;

	if (*p < 0x80)
		return *p >= ' ' && *p != 0x7f;
	if (*p < 0xc0 || *p >= 0xf8)
		return 0;
	c = *p & (0x7f >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n;
}

#endif
