// SPDX-License-Identifier: GPL-2.0-only
/* replay_show.c - the result of a replay, and its progress on a terminal. See replay_priv.h. */
#include "role/replay_priv.h"

#include <stdio.h>
#include <string.h>
#include <json-c/json.h>

#include "role/show.h"

#define BAR 24
#define HINT_PORTS 5

void replay_draw(struct replay_player *p)
{
	unsigned int done = 0;
	char bar[BAR + 1];

	if (!p->progress)
		return;
	if (p->file_bytes)
		done = p->file_at >= p->file_bytes ? BAR : p->file_at * BAR / p->file_bytes;
	memset(bar, '.', BAR);
	memset(bar, '#', done);
	bar[BAR] = '\0';
	/* ECMA-48: to the line's begin; erase the rest of the line. */
	fprintf(stderr,
		"\r[%s] pass %u, file %u: %llu packets sent, requests: %llu arrived, %llu under "
		"way, "
		"%llu lost\033[K",
		bar, p->pass + 1, p->file + 1, p->sent.packets, p->requests.acknowledged,
		p->requests.in_flight, p->requests.lost);
	p->drawn = true;
}

void replay_draw_end(struct replay_player *p)
{
	if (p->drawn)
		fputs("\r\033[K", stderr);
	p->drawn = false;
}

void replay_ports_hint(const struct replay_player *p, char *ret, size_t size)
{
	unsigned int n;
	__u16 ports[HINT_PORTS];
	size_t used = 0;

	n = tcpc_replay_ports(p->flows, ports, HINT_PORTS);
	*ret = '\0';
	for (unsigned int i = 0; i < n && used < size; i++)
		used += snprintf(ret + used, size - used, "%s%u", i ? ", " : "; most go to ports ",
				 ports[i]);
}

static struct json_object *show_skipped(const struct replay_player *p)
{
	struct json_object *o = json_object_new_object();

	for (int i = 0; i < __TCPC_REPLAY_SKIP_MAX; i++)
		if (p->skipped[i])
			tcpc_show_number(o, tcpc_replay_skip_name(i), p->skipped[i]);
	return o;
}

static struct json_object *show_late(const struct tcpc_replay_late *late)
{
	struct json_object *o = json_object_new_object();

	tcpc_show_number(o, "p50", tcpc_replay_late_share(late, 500) / 1000);
	tcpc_show_number(o, "p99", tcpc_replay_late_share(late, 990) / 1000);
	tcpc_show_number(o, "max", late->max_ns / 1000);
	return o;
}

static void show_part(struct json_object *o, const char *name, struct json_object *from)
{
	struct json_object *part = NULL;

	if (json_object_object_get_ex(from, name, &part))
		json_object_object_add(o, name, json_object_get(part));
}

struct json_object *replay_result(const struct replay_player *p)
{
	const struct tcpc_replay_flow_stats *flows = tcpc_replay_flow_stats(p->flows);
	struct json_object *o = json_object_new_object();

	tcpc_show_number(o, "passes", p->pass);
	tcpc_show_number(o, "duration_ms", (replay_now_ns() - p->start_ns) / 1000000);
	tcpc_show_number(o, "read", p->read);
	tcpc_show_number(o, "sent", p->sent.packets - p->ends);
	tcpc_show_number(o, "sent_bytes", p->sent.bytes);
	tcpc_show_number(o, "ended", p->ends);
	tcpc_show_number(o, "connections", flows->connections);
	tcpc_show_number(o, "midstream", flows->midstream);
	tcpc_show_number(o, "forgotten", flows->forgotten);
	show_part(o, "requests", p->last);
	show_part(o, "bytes", p->last);
	tcpc_show_number(o, "resent", p->resent);
	if (p->late.n)
		json_object_object_add(o, "late_us", show_late(&p->late));
	json_object_object_add(o, "skipped", show_skipped(p));
	json_object_object_add(o, "damaged", json_object_get(p->damaged));
	return o;
}
