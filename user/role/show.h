/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * show.h - small pieces of JSON that both roles show.
 */
#ifndef TCPCOPY_ROLE_SHOW_H
#define TCPCOPY_ROLE_SHOW_H

#include "core/spec.h"

struct json_object;

/** tcpc_show_string - add a string member. */
void tcpc_show_string(struct json_object *o, const char *name, const char *value);

/** tcpc_show_number - add a counter. */
void tcpc_show_number(struct json_object *o, const char *name, __u64 value);

/** tcpc_show_ports - an array of ports (wire order) as numbers; owned by the caller. */
struct json_object *tcpc_show_ports(const __be16 *ports, unsigned int n);

/** tcpc_show_prefixes - an array of prefixes as text; owned by the caller. */
struct json_object *tcpc_show_prefixes(const struct tcpc_prefix_list *list);

#endif
