// SPDX-License-Identifier: GPL-2.0-only
/* render_hosts.c - the online hosts that copy to this one, see render_priv.h. */
#include "core/render_priv.h"

void render_hosts(FILE *out, struct json_object *o)
{
	static const char *const columns[] = {"ONLINE HOST", "LINKED",	 "PACKETS", "BYTES",
					      "OPENED",	     "REQUESTS", "LOST"};
	struct tcpc_table table = {.n_columns = 7, .right = 0x7e};

	render_header(&table, columns);
	for (size_t i = 0; i < render_length(o, "hosts"); i++) {
		struct json_object *host = render_item(o, "hosts", i);
		char linked[32];

		snprintf(linked, sizeof(linked), "%.20s s", render_text(host, "linked_s") ?: "-");
		RENDER_CELL(&table, host, "host");
		tcpc_table_add(&table, linked);
		RENDER_CELL(&table, host, "packets");
		RENDER_CELL(&table, host, "bytes");
		RENDER_CELL(&table, host, "opened");
		RENDER_CELL(&table, host, "exchanges");
		RENDER_CELL(&table, host, "lost");
	}
	if (render_length(o, "hosts"))
		tcpc_table_print(&table, out, 4);
	tcpc_table_free(&table);
}
