/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * render.h - the daemon's answers for people: lines and tables out of JSON. Pure.
 *
 * The daemon may be older or newer than we are: members that are missing or of another type show
 * as "-", counters that we do not know are shown without their meaning.
 */
#ifndef TCPCOPY_CORE_RENDER_H
#define TCPCOPY_CORE_RENDER_H

#include <stdbool.h>
#include <stdio.h>

struct json_object;

/**
 * tcpc_render - write @result for a reader.
 * @command: the first word of what was asked; NULL or an unknown one is rendered as JSON, unless
 * the result carries a line of text.  @result: borrowed; NULL is an empty result.
 * @colours: for a terminal that shows them.
 */
void tcpc_render(FILE *out, const char *command, struct json_object *result, bool colours);

/** What `stats --watch` shows on a terminal. */
struct tcpc_render_screen {
	unsigned int rows, columns; /* of the terminal; more is not written */
	double seconds;		    /* from @before to @now */
	bool colours;
};

/**
 * tcpc_render_watch - the counters that have counted, each with how much a second, over what was
 * there before. If they do not fit, those that move.
 * @now, @before: two answers to `stats`, borrowed; @before may be NULL.
 */
void tcpc_render_watch(FILE *out, struct json_object *now, struct json_object *before,
		       const struct tcpc_render_screen *screen);

/** tcpc_render_line - write @text and a newline, control characters replaced. */
void tcpc_render_line(FILE *out, const char *text);

/** tcpc_render_failed - is this the result of a `doctor` that found a failure? The command was
 * answered, yet its exit status is to be 1. */
bool tcpc_render_failed(const char *command, struct json_object *result);

#endif
