/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * paint.h - marks in rendered text that a terminal shows as colours and nobody else sees. They are
 * control characters: all that others say is cleaned of these before, so that a mark is ours. Pure.
 */
#ifndef TCPCOPY_CORE_PAINT_H
#define TCPCOPY_CORE_PAINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* From a mark on, until TCPC_PAINT_OFF. */
#define TCPC_PAINT_GOOD "\001"
#define TCPC_PAINT_WARN "\002"
#define TCPC_PAINT_BAD "\003"
#define TCPC_PAINT_HEAD "\004"
#define TCPC_PAINT_FAINT "\005"
#define TCPC_PAINT_OFF "\006"

/** tcpc_paint_width - columns that @text takes on a screen: UTF-8 characters, marks not counted. */
size_t tcpc_paint_width(const char *text);

/**
 * tcpc_paint_write - write @text, @n bytes of it.
 * @colours: marks become ECMA-48 sequences; else they are left out.
 */
void tcpc_paint_write(FILE *out, const char *text, size_t n, bool colours);

/** tcpc_paint_wanted - is @fd a terminal whose user wants colours? NO_COLOR (no-color.org) set to
 * anything but the empty text says no, and so does TERM=dumb. */
bool tcpc_paint_wanted(int fd);

#endif
