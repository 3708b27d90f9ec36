// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay_feed.c - the daemon's side of a replay. See replay_priv.h.
 *
 * The ledger is the window: no more is written than the targets have not acknowledged yet, so that
 * neither the journal nor their queues overflow, however fast the files can be read.
 */
#include "role/replay_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <json-c/json.h>

#include "edge/ask.h"

#define MS 1000000ULL
#define FEED_NS (500 * MS)
#define AGAIN_NS (MS / 2)
#define STALL_NS (60000 * MS) /* the ledger gives up sooner, an outage included */
#define QUIET_NS (20000 * MS)
#define WINDOW_PACKETS 2048
#define WINDOW_SHARE 4 /* of --retain */
#define WINDOW_BYTES (16 << 20)

__u64 replay_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

void replay_sleep_until(__u64 at_ns)
{
	struct timespec at = {.tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

/* ---- questions and answers --------------------------------------------------------------------
 */

static __u64 number(struct json_object *o, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(o, name, &value) ? json_object_get_int64(value) : 0;
}

static struct replay_sum sum(struct json_object *root, const char *name)
{
	struct json_object *o = NULL, *lost = NULL;
	struct replay_sum ret = {};

	if (!json_object_object_get_ex(root, name, &o))
		return ret;
	ret.copied = number(o, "copied");
	ret.acknowledged = number(o, "acknowledged");
	ret.held = number(o, "held");
	ret.in_flight = number(o, "in_flight");
	if (json_object_object_get_ex(o, "lost", &lost) &&
	    json_object_is_type(lost, json_type_object)) {
		json_object_object_foreach (lost, reason, value) {
			(void)reason;
			ret.lost += json_object_get_int64(value);
		}
	}
	return ret;
}

static const char *string(struct json_object *o, const char *name)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(o, name, &value);
	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

/* @root: the answer; borrowed. */
static int take_answer(struct replay_player *p, struct json_object *root, struct tcpc_err *err)
{
	struct json_object *ok = NULL, *result = NULL;

	json_object_object_get_ex(root, "ok", &ok);
	if (!json_object_get_boolean(ok))
		return tcpc_err_set(err, number(root, "status") == 2 ? EINVAL : EIO, "%s",
				    *string(root, "error") ? string(root, "error")
							   : "the daemon's answer cannot be read");
	json_object_object_get_ex(root, "result", &result);
	p->ready = json_object_get_boolean(json_object_object_get(result, "ready"));
	snprintf(p->reason, sizeof(p->reason), "%s", string(result, "reason"));
	snprintf(p->iface, sizeof(p->iface), "%s", string(result, "iface"));
	p->bytes = sum(result, "bytes");
	p->requests = sum(result, "requests");
	p->records = number(result, "records");
	p->resent = number(result, "resent");
	json_object_put(p->last);
	p->last = json_object_get(result);
	p->next_feed_ns = replay_now_ns() + FEED_NS;
	return 0;
}

static int ask(struct replay_player *p, const char *text, int *ret_fd, struct tcpc_err *err)
{
	struct json_object *root;
	char *line = NULL;
	int r = ret_fd ? tcpc_ask_fd(p->path, text, &line, ret_fd, err)
		       : tcpc_ask(p->path, text, &line, err);

	if (r)
		return r;
	root = json_tokener_parse(line);
	free(line);
	r = take_answer(p, root, err);
	json_object_put(root);
	return r;
}

static void make_room(struct replay_player *p)
{
	__s64 most = ((__s64)p->spec.attach.retain_mb << 20) / WINDOW_SHARE;

	if (most > WINDOW_BYTES)
		most = WINDOW_BYTES;
	p->room_packets = WINDOW_PACKETS - (__s64)p->records;
	p->room_bytes = most - (__s64)(p->bytes.in_flight + p->bytes.held);
	p->room_requests = p->spec.concurrency
				   ? p->spec.concurrency - (__s64)p->requests.in_flight
				   : p->room_packets;
}

int replay_feed(struct replay_player *p, bool end, struct tcpc_err *err)
{
	char text[128];
	int r;

	snprintf(text, sizeof(text), "{\"command\":\"feed\",\"args\":[\"%s\"],\"options\":{%s}}",
		 p->iface, end ? "\"end\":true" : "");
	r = ask(p, text, NULL, err);
	make_room(p);
	replay_draw(p);
	return r;
}

int replay_open_device(struct replay_player *p, struct tcpc_err *err)
{
	const char *text = json_object_to_json_string_ext(p->request, JSON_C_TO_STRING_PLAIN);
	struct tcpc_err ignored;
	int r = ask(p, text, &p->fd, err);

	if (r)
		return r;
	if (p->fd < 0)
		return tcpc_err_set(err, EPROTO, "the daemon has sent no device: is it tcpcopyd " 
						 TCPC_VERSION "?");
	make_room(p);
	if (p->ready)
		return 0;
	r = tcpc_err_set(err, EHOSTUNREACH, "nothing was sent: %s", p->reason);
	replay_feed(p, true, &ignored);
	close(p->fd);
	p->fd = -1;
	return r;
}

/* ---- waiting ----------------------------------------------------------------------------------
 */

static bool has_room(const struct replay_player *p, __u32 payload)
{
	return p->ready && p->room_packets > 0 && p->room_bytes >= (__s64)payload &&
	       (!payload || p->room_requests > 0);
}

/* All that can change while targets work. */
static __u64 moved(const struct replay_player *p)
{
	return p->bytes.acknowledged + p->bytes.lost + p->bytes.held + p->requests.in_flight +
	       p->records;
}

int replay_wait_room(struct replay_player *p, __u32 payload, struct tcpc_err *err)
{
	__u64 since_ns = 0, now_ns, before = 0;
	int r = 0;

	while (!r && !has_room(p, payload)) {
		if (replay_stopped())
			return -EINTR;
		now_ns = replay_now_ns();
		if (!since_ns || moved(p) != before)
			since_ns = now_ns;
		before = moved(p);
		if (now_ns - since_ns > STALL_NS)
			return tcpc_err_set(err, ETIMEDOUT, "nothing moves for %llu s: %s",
					    STALL_NS / 1000000000,
					    p->ready ? "see `tcpcopyctl ledger` for what the "
						       "targets do not acknowledge"
						     : p->reason);
		replay_sleep_until(now_ns + AGAIN_NS);
		r = replay_feed(p, false, err);
	}
	return r;
}

int replay_settle(struct replay_player *p, struct tcpc_err *err)
{
	__u64 since_ns = replay_now_ns(), before = 0;
	int r;

	while (!(r = replay_feed(p, false, err)) &&
	       (p->bytes.in_flight || p->bytes.held || p->requests.in_flight || p->records)) {
		if (moved(p) != before)
			since_ns = replay_now_ns();
		before = moved(p);
		if (replay_now_ns() - since_ns > (replay_stopped() ? QUIET_NS / 10 : QUIET_NS))
			break;
		replay_sleep_until(replay_now_ns() + 4 * AGAIN_NS);
	}
	return r;
}
