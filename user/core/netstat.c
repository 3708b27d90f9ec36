// SPDX-License-Identifier: GPL-2.0-only
/* netstat.c - see netstat.h. */
#include "core/netstat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "TcpExt:"

static const struct {
	const char *name, *text, *fix;
} counters[] = {
#define TCPC_NETSTAT_ROW(name, text, fix) {#name, text, fix},
	TCPC_NETSTAT_LIST(TCPC_NETSTAT_ROW)
#undef TCPC_NETSTAT_ROW
};

const char *tcpc_netstat_name(enum tcpc_netstat_counter counter)
{
	return counters[counter].name;
}

const char *tcpc_netstat_text(enum tcpc_netstat_counter counter)
{
	return counters[counter].text;
}

const char *tcpc_netstat_fix(enum tcpc_netstat_counter counter)
{
	return counters[counter].fix;
}

static const char *line_behind(const char *line)
{
	line += strcspn(line, "\n");
	return *line ? line + 1 : NULL;
}

/* The next word on this line, or NULL. */
static const char *word(const char *at, size_t *ret_bytes)
{
	at += strspn(at, " ");
	*ret_bytes = strcspn(at, " \n");
	return *ret_bytes ? at : NULL;
}

static void note(const char *name, size_t bytes, const char *value, struct tcpc_netstat *ret)
{
	for (int i = 0; i < __TCPC_NETSTAT_MAX; i++)
		if (strlen(counters[i].name) == bytes && !strncmp(counters[i].name, name, bytes))
			ret->value[i] = strtoull(value, NULL, 10);
}

void tcpc_netstat_parse(const char *text, struct tcpc_netstat *ret)
{
	const size_t prefix = strlen(PREFIX);
	const char *name, *value, *values;
	size_t n_name, n_value;

	memset(ret, 0, sizeof(*ret));
	for (; text; text = line_behind(text)) {
		values = line_behind(text);
		if (strncmp(text, PREFIX, prefix) || !values || strncmp(values, PREFIX, prefix))
			continue;
		name = word(text + prefix, &n_name);
		value = word(values + prefix, &n_value);
		for (; name && value; value = word(value + n_value, &n_value)) {
			note(name, n_name, value, ret);
			name = word(name + n_name, &n_name);
		}
		return;
	}
}

int tcpc_netstat_numbers(const char *text, long *ret, int max)
{
	char *end;
	int n = 0;

	for (;;) {
		text += strspn(text, " \t\n");
		if (!*text)
			return n;
		if (n == max)
			return -EINVAL;
		ret[n++] = strtol(text, &end, 10);
		if (end == text || (*end && !strchr(" \t\n", *end)))
			return -EINVAL;
		text = end;
	}
}
