// SPDX-License-Identifier: GPL-2.0-only
/* render_doctor.c - what `doctor` found, for people, see render.h. */
#include "core/render_priv.h"

#include <string.h>
#include <json-c/json.h>

static void pad(FILE *out, int n)
{
	while (n-- > 0)
		putc(' ', out);
}

static int widest(struct json_object *o, const char *list, const char *name)
{
	int width = 0;

	for (size_t i = 0; i < render_length(o, list); i++) {
		int n = (int)strlen(render_word(render_item(o, list, i), name));

		if (n > width)
			width = n;
	}
	return width;
}

static bool has_level(struct json_object *finding, const char *level)
{
	return !strcmp(render_word(finding, "level"), level);
}

/* A fix stands right below its finding, under the detail, ready to be copied. */
static void put_finding(FILE *out, struct json_object *finding, int width)
{
	const char *check = render_word(finding, "check"), *fix = render_text(finding, "fix");
	const char *level = render_word(finding, "level");

	fputs(has_level(finding, "fail")   ? TCPC_PAINT_BAD
	      : has_level(finding, "warn") ? TCPC_PAINT_WARN
					   : TCPC_PAINT_GOOD,
	      out);
	render_put(out, level);
	fputs(TCPC_PAINT_OFF, out);
	pad(out, 6 - (int)strlen(level));
	render_put(out, check);
	pad(out, width - (int)strlen(check) + 2);
	tcpc_render_line(out, render_word(finding, "detail"));
	if (has_level(finding, "ok") || !fix)
		return;
	pad(out, width + 8);
	fputs("fix: ", out);
	tcpc_render_line(out, fix);
}

void render_doctor(FILE *out, struct json_object *o)
{
	size_t n = render_length(o, "findings"), n_warn = 0, n_fail = 0;
	int width = widest(o, "findings", "check");

	for (size_t i = 0; i < n; i++) {
		struct json_object *finding = render_item(o, "findings", i);

		put_finding(out, finding, width);
		n_warn += has_level(finding, "warn");
		n_fail += has_level(finding, "fail");
	}
	fprintf(out, "%zu checks: %zu fail, %zu warn\n", n, n_fail, n_warn);
}

bool tcpc_render_failed(const char *command, struct json_object *result)
{
	if (!command || strcmp(command, "doctor"))
		return false;
	for (size_t i = 0; i < render_length(result, "findings"); i++)
		if (has_level(render_item(result, "findings", i), "fail"))
			return true;
	return false;
}
