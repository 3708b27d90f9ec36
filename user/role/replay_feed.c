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
	return 0;
}

/* @ret: the answer, owned by the caller; NULL if it is no JSON. */
static int ask(const struct replay_player *p, const char *text, int *ret_fd,
	       struct json_object **ret, struct tcpc_err *err)
{
	char *line = NULL;
	int r = ret_fd ? tcpc_ask_fd(p->path, text, &line, ret_fd, err)
		       : tcpc_ask(p->path, text, &line, err);

	if (r)
		return r;
	*ret = json_tokener_parse(line);
	free(line);
	return 0;
}

static __u64 beyond(__u64 sent, __s64 most, __u64 used)
{
	__s64 room = most - (__s64)used;

	return sent + (room > 0 ? room : 0);
}

/* @sent: when the question was asked. What was sent since may be in the answer, and then counts
 * twice for a while. */
static void set_limit(struct replay_player *p, const struct replay_amount *sent)
{
	__s64 bytes = ((__s64)p->spec.attach.retain_mb << 20) / WINDOW_SHARE;

	if (bytes > WINDOW_BYTES)
		bytes = WINDOW_BYTES;
	p->limit = (struct replay_amount){
		.packets = beyond(sent->packets, WINDOW_PACKETS, p->records),
		.bytes = beyond(sent->bytes, bytes, p->bytes.in_flight + p->bytes.held),
		.requests = ~0ULL,
	};
	if (p->spec.concurrency)
		p->limit.requests =
			beyond(sent->requests, p->spec.concurrency, p->requests.in_flight);
	if (!p->ready)
		p->limit = (struct replay_amount){};
}

static struct replay_amount sent_now(const struct replay_player *p)
{
	return (struct replay_amount){
		__atomic_load_n(&p->sent.packets, __ATOMIC_RELAXED),
		__atomic_load_n(&p->sent.bytes, __ATOMIC_RELAXED),
		__atomic_load_n(&p->sent.requests, __ATOMIC_RELAXED),
	};
}

void replay_note_sent(struct replay_player *p, __u32 payload)
{
	__atomic_store_n(&p->sent.packets, p->sent.packets + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&p->sent.bytes, p->sent.bytes + payload, __ATOMIC_RELAXED);
	__atomic_store_n(&p->sent.requests, p->sent.requests + !!payload, __ATOMIC_RELAXED);
}

/* ---- the feeder -------------------------------------------------------------------------------
 */

static int question(struct replay_player *p, bool end, struct json_object **ret,
		    struct tcpc_err *err)
{
	char text[128];

	snprintf(text, sizeof(text), "{\"command\":\"feed\",\"args\":[\"%s\"],\"options\":{%s}}",
		 p->iface, end ? "\"end\":true" : "");
	return ask(p, text, NULL, ret, err);
}

/* The lock is held; not while the daemon thinks. */
static void ask_once(struct replay_player *p)
{
	struct replay_amount sent = sent_now(p);
	struct json_object *root = NULL;
	__u64 wanted = p->wanted;
	struct tcpc_err err;
	int r;

	pthread_mutex_unlock(&p->lock);
	r = question(p, false, &root, &err);
	pthread_mutex_lock(&p->lock);
	p->failed = r ?: take_answer(p, root, &err);
	json_object_put(root);
	if (p->failed)
		p->failure = err;
	else
		set_limit(p, &sent);
	p->got = wanted;
	pthread_cond_broadcast(&p->answered);
	replay_draw(p);
}

static struct timespec in_ns(__u64 ns)
{
	__u64 at = replay_now_ns() + ns;

	return (struct timespec){.tv_sec = at / 1000000000, .tv_nsec = at % 1000000000};
}

static void *feed(void *user)
{
	struct replay_player *p = user;
	struct timespec at;

	pthread_mutex_lock(&p->lock);
	while (!p->feeder_ends) {
		ask_once(p);
		/* What was asked while the daemon thought comes at once, but not more often than
		 * it is of use. */
		pthread_mutex_unlock(&p->lock);
		replay_sleep_until(replay_now_ns() + AGAIN_NS);
		pthread_mutex_lock(&p->lock);
		at = in_ns(FEED_NS);
		while (!p->feeder_ends && p->wanted <= p->got &&
		       !pthread_cond_timedwait(&p->asked, &p->lock, &at))
			;
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static int start_feeder(struct replay_player *p, struct tcpc_err *err)
{
	pthread_condattr_t monotonic;
	int code;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->asked, &monotonic);
	pthread_cond_init(&p->answered, &monotonic);
	pthread_condattr_destroy(&monotonic);
	code = pthread_create(&p->feeder, NULL, feed, p);
	p->feeding = !code;
	return code ? tcpc_err_set(err, code, "cannot start a thread: %s", strerror(code)) : 0;
}

/* For the next answer; it may be late, or bring nothing good. The lock is held. */
static void want(struct replay_player *p)
{
	if (p->wanted > p->got)
		return;
	p->wanted = p->got + 1;
	pthread_cond_signal(&p->asked);
}

static int result_of(const struct replay_player *p, struct tcpc_err *err)
{
	if (p->failed && err)
		*err = p->failure;
	return p->failed;
}

bool replay_failed(struct replay_player *p)
{
	bool failed;

	pthread_mutex_lock(&p->lock);
	failed = p->failed;
	pthread_mutex_unlock(&p->lock);
	return failed;
}

int replay_feed(struct replay_player *p, struct tcpc_err *err)
{
	struct timespec at;
	__u64 number;
	int r;

	pthread_mutex_lock(&p->lock);
	want(p);
	number = p->wanted;
	/* Not only one that was asked for before. */
	while (p->got < number) {
		at = in_ns(FEED_NS);
		pthread_cond_timedwait(&p->answered, &p->lock, &at);
	}
	r = result_of(p, err);
	pthread_mutex_unlock(&p->lock);
	return r;
}

int replay_close_device(struct replay_player *p, struct tcpc_err *err)
{
	struct json_object *root = NULL;
	int r;

	if (p->feeding) {
		pthread_mutex_lock(&p->lock);
		p->feeder_ends = true;
		pthread_cond_signal(&p->asked);
		pthread_mutex_unlock(&p->lock);
		pthread_join(p->feeder, NULL);
	}
	p->feeding = false;
	r = question(p, true, &root, err) ?: take_answer(p, root, err);
	json_object_put(root);
	close(p->fd);
	p->fd = -1;
	return r;
}

int replay_open_device(struct replay_player *p, struct tcpc_err *err)
{
	const char *text = json_object_to_json_string_ext(p->request, JSON_C_TO_STRING_PLAIN);
	struct json_object *root = NULL;
	struct tcpc_err ignored;
	int r = ask(p, text, &p->fd, &root, err) ?: take_answer(p, root, err);

	json_object_put(root);
	if (r)
		return r;
	if (p->fd < 0)
		return tcpc_err_set(err, EPROTO,
				    "the daemon has sent no device: is it tcpcopyd " TCPC_VERSION
				    "?");
	if (!p->ready)
		r = tcpc_err_set(err, EHOSTUNREACH, "nothing was sent: %s", p->reason);
	r = r ?: start_feeder(p, err);
	if (r)
		replay_close_device(p, &ignored);
	return r;
}

/* ---- waiting ----------------------------------------------------------------------------------
 */

static bool has_room(const struct replay_player *p, __u32 payload)
{
	return p->sent.packets < p->limit.packets && p->sent.bytes + payload <= p->limit.bytes &&
	       (!payload || p->sent.requests < p->limit.requests);
}

/* Half of it is used up: time to ask. */
static bool is_low(const struct replay_player *p)
{
	return p->sent.packets + WINDOW_PACKETS / 2 > p->limit.packets ||
	       p->sent.requests + p->spec.concurrency / 2 > p->limit.requests;
}

/* All that can change while targets work. */
static __u64 moved(const struct replay_player *p)
{
	return p->bytes.acknowledged + p->bytes.lost + p->bytes.held + p->requests.in_flight +
	       p->records;
}

static int stalled(const struct replay_player *p, struct tcpc_err *err)
{
	return tcpc_err_set(err, ETIMEDOUT, "nothing moves for %llu s: %s", STALL_NS / 1000000000,
			    p->ready ? "see `tcpcopyctl ledger` for what the targets do not "
				       "acknowledge"
				     : p->reason);
}

int replay_wait_room(struct replay_player *p, __u32 payload, struct tcpc_err *err)
{
	__u64 since_ns = 0, before = 0;
	struct timespec at;
	int r;

	pthread_mutex_lock(&p->lock);
	while (!(r = result_of(p, err)) && !has_room(p, payload)) {
		if (!since_ns || moved(p) != before)
			since_ns = replay_now_ns();
		before = moved(p);
		if (replay_stopped())
			r = -EINTR;
		else if (replay_now_ns() - since_ns > STALL_NS)
			r = stalled(p, err);
		if (r)
			break;
		want(p);
		at = in_ns(FEED_NS / 5);
		pthread_cond_timedwait(&p->answered, &p->lock, &at);
	}
	if (!r && is_low(p))
		want(p);
	pthread_mutex_unlock(&p->lock);
	return r;
}

int replay_settle(struct replay_player *p, struct tcpc_err *err)
{
	__u64 since_ns = replay_now_ns(), before = 0, quiet_ns;
	int r;

	/* Twice: an answer that was under way knows nothing of what was sent last. */
	r = replay_feed(p, err);
	while (!r && !(r = replay_feed(p, err)) &&
	       (p->bytes.in_flight || p->bytes.held || p->requests.in_flight || p->records)) {
		quiet_ns = replay_stopped() ? QUIET_NS / 10 : QUIET_NS;
		if (moved(p) != before)
			since_ns = replay_now_ns();
		before = moved(p);
		if (replay_now_ns() - since_ns > quiet_ns)
			break;
	}
	return r;
}
