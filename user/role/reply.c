// SPDX-License-Identifier: GPL-2.0-only
/* reply.c - see reply.h. */
#include "role/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <json-c/json.h>

void tcpc_reply_result(struct tcpc_reply *reply, struct json_object *result)
{
	reply->done(reply, result, NULL);
}

void tcpc_reply_text(struct tcpc_reply *reply, const char *format, ...)
{
	struct json_object *result = json_object_new_object();
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_object_object_add(result, "text", json_object_new_string(text));
	reply->done(reply, result, NULL);
}

void tcpc_reply_fail(struct tcpc_reply *reply, const struct tcpc_err *err)
{
	reply->done(reply, NULL, err);
}
