// SPDX-License-Identifier: GPL-2.0-only
/*
 * online_wait.c - commands that answer once their targets have been heard of. See online_priv.h.
 */
#include "role/online_priv.h"

#include <stdlib.h>
#include <string.h>

#include "edge/log.h"

/* How long a command waits to hear from the targets before it says "not yet". */
#define SETTLE_MS 1500

/** A command that answers once its tap's peers have been heard of. */
struct waiter {
	struct waiter *next;
	struct tcpc_online *online;
	struct tcpc_reply *reply;
	char iface[IFNAMSIZ];
	bool is_attach; /* else: target add of @endpoint */
	bool is_new;	/* it was not there before */
	struct tcpc_endpoint endpoint;
	uv_timer_t *deadline;
};

static bool all_settled(const struct tap *tap)
{
	for (unsigned int i = 0; i < tap->n_targets; i++)
		if (tap->targets[i].peer && !peer_settled(tap->targets[i].peer))
			return false;
	return true;
}

/* A wrong key or version does not mend itself: the command fails, whatever else went well. */
static bool hopeless(const struct tap *tap, struct tcpc_err *err)
{
	const char *why;

	for (unsigned int i = 0; i < tap->n_targets; i++) {
		struct peer *peer = tap->targets[i].peer;

		if (!peer ||
		    (peer->state != TCPC_LINK_BAD_KEY && peer->state != TCPC_LINK_BAD_VERSION))
			continue;
		tcpc_link_client_state(peer->link, &why);
		tcpc_err_set(err, EPROTO, "feedback link to %s:%u: %s", peer->host, peer->port,
			     why);
		return true;
	}
	return false;
}

static void reply_waiting(struct waiter *w, const struct tap *tap)
{
	char reason[256], text[TCPC_TEXT_BYTES];

	for (unsigned int i = 0; i < tap->n_targets; i++) {
		if (target_ready(tap, &tap->targets[i], reason, sizeof(reason)))
			continue;
		tcpc_text_from_endpoint(&tap->targets[i].endpoint, text);
		tcpc_reply_text(
			w->reply, "%s is attached (%s), but nothing is copied to %s yet: %s",
			tap->iface, tcpc_attach_kind_name(tap->attachment.kind), text, reason);
		return;
	}
	tcpc_reply_text(w->reply, "%s is attached (%s) and copied", tap->iface,
			tcpc_attach_kind_name(tap->attachment.kind));
}

static void undo(struct waiter *w, struct tap **at)
{
	struct tap *tap = *at;
	int i = tap_find_target(tap, &w->endpoint);

	if (w->is_attach) {
		online_remove_tap(w->online, at);
		return;
	}
	if (i >= 0 && w->is_new)
		choice_remove(tap, i, NULL);
}

void online_finish_waiter(struct waiter *w)
{
	struct tap **at = online_find_tap(w->online, w->iface);
	struct waiter **p = &w->online->waiters;
	struct tcpc_err err = {};

	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	tcpc_timer_stop(&w->deadline);
	if (!*at) {
		tcpc_err_set(&err, ENODEV, "%s was detached meanwhile", w->iface);
		tcpc_reply_fail(w->reply, &err);
	} else if (hopeless(*at, &err)) {
		undo(w, at);
		tcpc_reply_fail(w->reply, &err);
	} else {
		reply_waiting(w, *at);
	}
	free(w);
}

static void on_deadline(uv_timer_t *timer)
{
	online_finish_waiter(timer->data);
}

void online_wait(struct tap *tap, bool is_attach, bool is_new, const struct tcpc_endpoint *endpoint,
		 struct tcpc_reply *reply)
{
	struct tcpc_online *online = tap->online;
	struct waiter *w = calloc(1, sizeof(*w));
	struct tcpc_err err;

	/* Loading the programs may have taken longer than the wait: it begins now. */
	uv_update_time(online->config.loop);
	if (w)
		w->deadline = tcpc_timer_start(online->config.loop, on_deadline,
					       all_settled(tap) ? 0 : SETTLE_MS, 0, w);
	if (!w || !w->deadline) {
		/* It is in force all the same; only the wait cannot be had. */
		free(w);
		tcpc_err_set(&err, ENOMEM, "attached, but out of memory; see `tcpcopyctl status`");
		tcpc_reply_fail(reply, &err);
		return;
	}
	w->online = online;
	w->reply = reply;
	w->is_attach = is_attach;
	w->is_new = is_new;
	w->endpoint = *endpoint;
	memcpy(w->iface, tap->iface, sizeof(w->iface));
	w->next = online->waiters;
	online->waiters = w;
}

void online_peer_changed(struct tcpc_online *online, struct peer *peer)
{
	struct tcpc_err err;

	for (struct tap *tap = online->taps; tap; tap = tap->next)
		for (unsigned int i = 0; i < tap->n_targets; i++)
			if (tap->targets[i].peer == peer) {
				if (tap_publish(tap, &err))
					tcpc_log_error("%s: %s", tap->iface, err.text);
				break;
			}
	/* Not at once: finishing may close the very link that is calling. */
	for (struct waiter *w = online->waiters; w; w = w->next) {
		struct tap **at = online_find_tap(online, w->iface);

		if (!*at || all_settled(*at))
			uv_timer_start(w->deadline, on_deadline, 0, 0);
	}
}
