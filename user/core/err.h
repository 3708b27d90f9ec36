/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * err.h - one line for the user: what is wrong and what would be right. Pure.
 */
#ifndef TCPCOPY_CORE_ERR_H
#define TCPCOPY_CORE_ERR_H

#include <errno.h>

#define TCPC_ERR_BYTES 512

/** An error on its way to the user. @text is a single line without a final newline or stop. */
struct tcpc_err {
	int code;		   /* positive errno value; 0: no error */
	char text[TCPC_ERR_BYTES]; /* always terminated */
};

/**
 * tcpc_err_set - note an error.
 * @err: may be NULL, then only the code is returned.  @code: positive errno value.
 * Control characters and what is not UTF-8 become '?': parts come from other people's input. What
 * goes beyond TCPC_ERR_BYTES is cut, so long words of a user are to be shown with a precision.
 * Returns: -@code, so that callers can write `return tcpc_err_set(...)`. Keeps errno.
 */
int tcpc_err_set(struct tcpc_err *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
