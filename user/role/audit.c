// SPDX-License-Identifier: GPL-2.0-only
/*
 * audit.c - see audit.h. The request's words are UTF-8 without control characters by now
 * (tcpc_command_check), so that nobody writes lines of his own into the log. No word of a command
 * is a secret: keys are files, named on the daemon's command line.
 */
#include "role/audit.h"

#include <string.h>
#include <json-c/json.h>

#include "edge/log.h"

bool tcpc_audit_changes(struct json_object *request)
{
	static const char *const reads[] = {"status", "stats",	 "ledger",
					    "doctor", "version", "feed"};
	struct json_object *args = json_object_object_get(request, "args");
	const char *command = json_object_get_string(json_object_object_get(request, "command"));
	const char *first = json_object_get_string(json_object_array_get_idx(args, 0));

	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++)
		if (!strcmp(command, reads[i]))
			return false;
	return !first || strcmp(first, "list");
}

static const char *words(struct json_object *request, const char *member)
{
	const int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;

	return json_object_to_json_string_ext(json_object_object_get(request, member), flags);
}

void tcpc_audit_log(struct json_object *request, uid_t uid, pid_t pid)
{
	if (!tcpc_audit_changes(request))
		return;
	/* A list of thousands of prefixes is not needed to see who did it. */
	tcpc_log_info("user %u (process %d): %s %.300s %.500s", uid, pid,
		      json_object_get_string(json_object_object_get(request, "command")),
		      words(request, "args"), words(request, "options"));
}
