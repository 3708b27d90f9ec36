// SPDX-License-Identifier: GPL-2.0-only
/*
 * online_replay.c - devices for packets out of files. See online_priv.h.
 *
 * `tcpcopyctl` reads the files: a hostile one can harm it, not the daemon. It is given a TUN device
 * that is attached like a live interface, so that all holds for these packets that holds for
 * others: nothing is sent before the target intercepts, its allow-list, the ledger, sending again.
 * Behind the tap a second program lets nothing through: they are not for this host.
 *
 * A reader that has died asks no more; then the device goes.
 */
#include "role/online_priv.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <json-c/json.h>

#include "core/ledger.h"
#include "edge/log.h"
#include "edge/tap.h"
#include "role/show.h"

#define MAX_REPLAYS 8
/* Readers ask twice a second, while they wait for a target too. */
#define LEASE_MS 5000

/* What the ledgers of the targets had when the replay began. */
struct figures {
	struct tcpc_ledger_sum bytes, exchanges;
	__u64 records, resent;
};

struct replay {
	struct replay *next;
	struct tcpc_online *online;
	char iface[IFNAMSIZ];
	int ifindex, fd, swallow_fd;
	uv_timer_t *lease;
	struct figures before;
	struct tcpc_reply attached; /* the answer of the attach inside */
	struct tcpc_reply *reply;   /* the answer to `replay`, while that is owed */
};

static struct replay **find_replay(struct tcpc_online *online, const char *iface)
{
	struct replay **r = &online->replays;

	while (*r && strcmp((*r)->iface, iface))
		r = &(*r)->next;
	return r;
}

/* The device goes even if its reader holds on to it. */
static void end_replay(struct replay *r)
{
	struct replay **at = find_replay(r->online, r->iface);
	struct tap **tap = online_find_tap(r->online, r->iface);
	struct tcpc_err err;

	if (*at == r)
		*at = r->next;
	if (tcpc_netlink_delete(r->ifindex, &err) && err.code != ENODEV)
		tcpc_log_warn("%s stays: %s", r->iface, err.text);
	if (*tap)
		online_remove_tap(r->online, tap);
	tcpc_timer_stop(&r->lease);
	if (r->swallow_fd >= 0)
		close(r->swallow_fd);
	close(r->fd);
	tcpc_log_info("%s: the replay is over", r->iface);
	free(r);
}

void online_end_replays(struct tcpc_online *online)
{
	while (online->replays)
		end_replay(online->replays);
}

static void on_lease(uv_timer_t *timer)
{
	struct replay *r = timer->data;

	if (r->reply) /* it has not got the device yet */
		return;
	tcpc_log_warn("%s: who replays has not been heard of for %d s", r->iface, LEASE_MS / 1000);
	end_replay(r);
}

/* ---- figures ----------------------------------------------------------------------------------
 */

static void add_sum(struct tcpc_ledger_sum *to, const struct tcpc_ledger_sum *sum)
{
	to->copied += sum->copied;
	to->acknowledged += sum->acknowledged;
	to->held += sum->held;
	to->in_flight += sum->in_flight;
	for (int i = 0; i < __TCPC_LEDGER_LOST_MAX; i++)
		to->lost[i] += sum->lost[i];
}

/* Two targets on one host share its ledger. */
static bool was_counted(const struct tap *tap, unsigned int index)
{
	for (unsigned int i = 0; i < index; i++)
		if (tap->targets[i].peer == tap->targets[index].peer)
			return true;
	return false;
}

static void read_figures(const struct tap *tap, struct figures *ret)
{
	memset(ret, 0, sizeof(*ret));
	delivery_read(tap->online->delivery);
	for (unsigned int i = 0; i < tap->n_targets; i++) {
		const struct peer *peer = tap->targets[i].peer;
		const struct tcpc_ledger *ledger = peer ? delivery_ledger_of(peer) : NULL;
		struct tcpc_ledger_sum exchanges;

		if (!ledger || was_counted(tap, i))
			continue;
		exchanges = tcpc_ledger_exchanges(ledger);
		add_sum(&ret->exchanges, &exchanges);
		add_sum(&ret->bytes, tcpc_ledger_bytes(ledger));
		ret->records += tcpc_ledger_stats(ledger)->records;
		ret->resent += tcpc_ledger_stats(ledger)->resent;
	}
}

static struct json_object *show_sum(const struct tcpc_ledger_sum *now,
				    const struct tcpc_ledger_sum *before)
{
	struct json_object *o = json_object_new_object(), *lost = json_object_new_object();

	tcpc_show_number(o, "copied", now->copied - before->copied);
	tcpc_show_number(o, "acknowledged", now->acknowledged - before->acknowledged);
	tcpc_show_number(o, "held", now->held);
	tcpc_show_number(o, "in_flight", now->in_flight);
	for (int i = 0; i < __TCPC_LEDGER_LOST_MAX; i++)
		if (now->lost[i] != before->lost[i])
			tcpc_show_number(lost, tcpc_ledger_reason_name(i),
					 now->lost[i] - before->lost[i]);
	json_object_object_add(o, "lost", lost);
	return o;
}

/* Why nothing flows to one of the targets; "" if all are ready. */
static void reason_of(const struct tap *tap, char *ret, size_t size)
{
	char reason[256], text[TCPC_TEXT_BYTES];

	*ret = '\0';
	for (unsigned int i = 0; i < tap->n_targets && !*ret; i++)
		if (!target_ready(tap, &tap->targets[i], reason, sizeof(reason)))
			snprintf(ret, size, "target %s: %s",
				 tcpc_text_from_endpoint(&tap->targets[i].endpoint, text), reason);
}

static struct json_object *show_replay(const struct replay *r, const struct tap *tap)
{
	struct json_object *o = json_object_new_object();
	struct figures now;
	char reason[400];

	read_figures(tap, &now);
	reason_of(tap, reason, sizeof(reason));
	tcpc_show_string(o, "iface", r->iface);
	json_object_object_add(o, "ready", json_object_new_boolean(!*reason));
	tcpc_show_string(o, "reason", reason);
	json_object_object_add(o, "bytes", show_sum(&now.bytes, &r->before.bytes));
	json_object_object_add(o, "requests", show_sum(&now.exchanges, &r->before.exchanges));
	tcpc_show_number(o, "records", now.records);
	tcpc_show_number(o, "resent", now.resent - r->before.resent);
	return o;
}

/* ---- the commands -----------------------------------------------------------------------------
 */

void tcpc_online_feed(struct tcpc_online *online, const char *iface, bool end,
		      struct tcpc_reply *reply)
{
	struct replay *r = *find_replay(online, iface);
	struct tap *tap = *online_find_tap(online, iface);
	struct json_object *o;
	struct tcpc_err err;

	if (r && r->reply) {
		tcpc_err_set(&err, EBUSY, "%s is still being attached", iface);
		tcpc_reply_fail(reply, &err);
		return;
	}
	if (!r || !tap) {
		tcpc_err_set(&err, ENOENT, "the replay to %s was ended%s", iface,
			     r ? ": somebody has detached it" : "");
		if (r)
			end_replay(r);
		tcpc_reply_fail(reply, &err);
		return;
	}
	uv_timer_again(r->lease);
	o = show_replay(r, tap);
	if (end)
		end_replay(r);
	tcpc_reply_result(reply, o);
}

static void on_attached(struct tcpc_reply *attached, struct json_object *result,
			const struct tcpc_err *err)
{
	struct replay *r = (struct replay *)((char *)attached - offsetof(struct replay, attached));
	struct tcpc_reply *reply = r->reply;
	struct tap *tap = *online_find_tap(r->online, r->iface);
	struct tcpc_err mine = {};

	json_object_put(result);
	r->reply = NULL;
	if (!err && !tap)
		tcpc_err_set(&mine, ENODEV, "%s was detached meanwhile", r->iface);
	else if (!err)
		tcpc_dp_online_swallow(r->online->dp, r->ifindex, &r->swallow_fd, &mine);
	if (err || mine.code) {
		tcpc_reply_fail(reply, err ?: &mine);
		end_replay(r);
		return;
	}
	read_figures(tap, &r->before);
	uv_timer_start(r->lease, on_lease, LEASE_MS, LEASE_MS);
	reply->fd = r->fd;
	tcpc_reply_result(reply, show_replay(r, tap));
}

static struct replay *new_replay(struct tcpc_online *online, struct tcpc_err *err)
{
	struct replay *r = calloc(1, sizeof(*r));
	unsigned int n = 0;

	for (const struct replay *other = online->replays; other; other = other->next)
		n++;
	if (!r || n == MAX_REPLAYS) {
		tcpc_err_set(err, r ? EBUSY : ENOMEM,
			     r ? "%d replays are under way, the most there can be"
			       : "out of memory",
			     MAX_REPLAYS);
		free(r);
		return NULL;
	}
	r->online = online;
	r->swallow_fd = -1;
	r->attached = (struct tcpc_reply){.done = on_attached, .fd = -1};
	r->fd = tcpc_tap_open_source(&r->ifindex, err);
	if (r->fd >= 0 && !if_indextoname(r->ifindex, r->iface))
		tcpc_err_set(err, errno, "the new device has gone: %s", strerror(errno));
	if (r->fd >= 0 && *r->iface)
		r->lease = tcpc_timer_start(online->config.loop, on_lease, LEASE_MS, 0, r);
	if (r->lease)
		return r;
	if (r->fd >= 0)
		close(r->fd);
	free(r);
	return NULL;
}

void tcpc_online_replay(struct tcpc_online *online, struct json_object *request,
			struct tcpc_reply *reply)
{
	struct tcpc_attach_spec spec = {};
	struct json_object *attach;
	struct replay *r = NULL;
	struct tcpc_err err;

	if (!reply->takes_fd)
		tcpc_err_set(&err, EINVAL,
			     "replay is for the command line: tcpcopyctl reads the files");
	else
		r = new_replay(online, &err);
	if (!r) {
		tcpc_reply_fail(reply, &err);
		return;
	}
	r->reply = reply;
	r->next = online->replays;
	online->replays = r;
	attach = tcpc_spec_replay_attach(request, r->iface);
	if (tcpc_spec_attach(attach, &spec, &err))
		on_attached(&r->attached, NULL, &err);
	else
		tcpc_online_attach(online, &spec, &r->attached);
	tcpc_spec_attach_free(&spec);
	json_object_put(attach);
}
