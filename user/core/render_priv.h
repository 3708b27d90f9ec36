/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * render_priv.h - reading the daemon's JSON, for the render*.c files alone. What is missing, or of
 * another type, is NULL, 0 or "-", never an error.
 */
#ifndef TCPCOPY_CORE_RENDER_PRIV_H
#define TCPCOPY_CORE_RENDER_PRIV_H

#include "core/paint.h"
#include "core/render.h"
#include "core/table.h"

/* Numbers are shown as the JSON text of the value: no limit of ours to what a daemon may count. */
#define RENDER_CELL(table, o, name) tcpc_table_add(table, render_text(o, name))

/** render_member - member @name of @o, or NULL. Borrowed from @o, as all here. */
struct json_object *render_member(struct json_object *o, const char *name);

/** render_text - a member as text, NULL if it is missing, empty or not a scalar. */
const char *render_text(struct json_object *o, const char *name);

/** render_word - the same for use in a sentence: "-" if there is none. */
const char *render_word(struct json_object *o, const char *name);

/** render_put - write @text, control characters replaced. */
void render_put(FILE *out, const char *text);

/** render_length - length of an array member; 0 if it is none. */
size_t render_length(struct json_object *o, const char *name);

/** render_item - number @i of an array member, or NULL. */
struct json_object *render_item(struct json_object *o, const char *name, size_t i);

/** render_header - @names as the first row of @table, one for each column. */
void render_header(struct tcpc_table *table, const char *const *names);

/** render_meaning - what counter @name of the part @section of `stats` means, or NULL. */
const char *render_meaning(const char *section, const char *name);

/** render_counters - the part @name of `stats`: each counter with what it means.
 * @zeros: also those that have counted nothing. */
void render_counters(FILE *out, const char *name, struct json_object *counters, bool zeros);

/** render_hosts - the online hosts in the answer to `status`; nothing if there is none. */
void render_hosts(FILE *out, struct json_object *o);

/** render_stats, render_ledger, render_replay, render_doctor - the whole answer to that command. */
void render_stats(FILE *out, struct json_object *o);
void render_ledger(FILE *out, struct json_object *o);
void render_replay(FILE *out, struct json_object *o);
void render_doctor(FILE *out, struct json_object *o);

/** render_record - a line of `status` about a recording. */
void render_record(FILE *out, struct json_object *record);

#endif
