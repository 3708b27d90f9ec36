// SPDX-License-Identifier: GPL-2.0-only
/* show.c - see show.h. */
#include "role/show.h"

#include <arpa/inet.h>
#include <json-c/json.h>

void tcpc_show_string(struct json_object *o, const char *name, const char *value)
{
	json_object_object_add(o, name, json_object_new_string(value));
}

void tcpc_show_number(struct json_object *o, const char *name, __u64 value)
{
	json_object_object_add(o, name, json_object_new_int64(value));
}

struct json_object *tcpc_show_ports(const __be16 *ports, unsigned int n)
{
	struct json_object *array = json_object_new_array();

	for (unsigned int i = 0; i < n; i++)
		json_object_array_add(array, json_object_new_int(ntohs(ports[i])));
	return array;
}

struct json_object *tcpc_show_prefixes(const struct tcpc_prefix_list *list)
{
	struct json_object *array = json_object_new_array();
	char text[TCPC_TEXT_BYTES];

	for (__u32 i = 0; i < list->n; i++)
		json_object_array_add(
			array, json_object_new_string(tcpc_text_from_prefix(&list->list[i], text)));
	return array;
}
