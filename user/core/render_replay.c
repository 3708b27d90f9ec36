// SPDX-License-Identifier: GPL-2.0-only
/* render_replay.c - the result of `replay`, and a recording, for people. */
#include "core/render_priv.h"

#include <string.h>
#include <json-c/json.h>

#include "core/replay.h"

static unsigned long long number(struct json_object *o, const char *name)
{
	struct json_object *value = render_member(o, name);

	return value ? json_object_get_int64(value) : 0;
}

static const char *meaning(const char *name)
{
	for (int i = 0; i < __TCPC_REPLAY_SKIP_MAX; i++)
		if (!strcmp(tcpc_replay_skip_name(i), name))
			return tcpc_replay_skip_text(i);
	return "";
}

static void put_sum(FILE *out, const char *what, struct json_object *sum)
{
	struct json_object *lost = render_member(sum, "lost");

	fprintf(out, "%s %llu, arrived %llu", what, number(sum, "copied"),
		number(sum, "acknowledged"));
	if (number(sum, "held") || number(sum, "in_flight"))
		fprintf(out, ", under way %llu", number(sum, "held") + number(sum, "in_flight"));
	if (json_object_is_type(lost, json_type_object)) {
		json_object_object_foreach (lost, reason, value) {
			fprintf(out, ", lost (%s) %lld", reason,
				(long long)json_object_get_int64(value));
		}
	}
	fputc('\n', out);
}

void render_replay(FILE *out, struct json_object *o)
{
	struct json_object *late = render_member(o, "late_us"), *skipped;

	fprintf(out,
		"frames read %llu, sent %llu in %.1f s, connections %llu (%llu of them from "
		"their middle on)\n",
		number(o, "read"), number(o, "sent"), number(o, "duration_ms") / 1000.0,
		number(o, "connections"), number(o, "midstream"));
	put_sum(out, "requests", render_member(o, "requests"));
	put_sum(out, "bytes", render_member(o, "bytes"));
	if (late)
		fprintf(out, "late: half of them at most %llu us, 99 %% %llu us, all %llu us\n",
			number(late, "p50"), number(late, "p99"), number(late, "max"));
	skipped = render_member(o, "skipped");
	if (!json_object_is_type(skipped, json_type_object) || !json_object_object_length(skipped))
		return;
	fputs("not sent:\n", out);
	json_object_object_foreach (skipped, name, value) {
		fprintf(out, "  %-15s %10lld  %s\n", name, (long long)json_object_get_int64(value),
			meaning(name));
	}
}

void render_record(FILE *out, struct json_object *o)
{
	const char *state = render_text(o, "state"), *file = render_text(o, "file");
	const char *reason = render_text(o, "reason");
	char line[1024];

	snprintf(line, sizeof(line), "    record: %s, %s: %llu packets, %llu missing%s%s",
		 state ?: "-", file ?: "-", number(o, "packets"),
		 number(o, "behind") + number(o, "missed"), reason ? ": " : "", reason ?: "");
	tcpc_render_line(out, line);
}
