// SPDX-License-Identifier: GPL-2.0-only
/*
 * target_release.c - the order in which intercepting ends, so that nothing leaks (invariant 2):
 *
 *   1. peers are told; wait until each has stopped copying, or its lease has run out
 *   2. what is still on the way is dropped at ingress (drain)
 *   3. the target's half of every copied connection is destroyed; its resets end in the queue
 *   4. only then the rule goes, and after it queues, align and the rest
 */
#include "role/target_priv.h"

#include <stdlib.h>
#include <string.h>

#include "edge/log.h"
#include "edge/sockdiag.h"

#define DRAIN_MS 50 /* what peers sent before they stopped has arrived by then */
#define PASS_MS 20  /* between attempts to destroy what is left */
#define MAX_PASSES 50

bool target_is_loopback(const struct tcpc_addr *a)
{
	static const struct tcpc_addr v6 = {{0, 0, 0, tcpc_htonl(1)}};

	if (tcpc_addr_is_v4(a))
		return (tcpc_ntohl(a->w[3]) >> 24) == 127;
	return tcpc_addr_equal(a, &v6);
}

static bool is_address_of(const struct intercept *i, const struct tcpc_addr *a)
{
	for (int n = 0; n < i->n_addresses; n++)
		if (tcpc_addr_equal(&i->addresses[n], a))
			return true;
	return false;
}

bool intercept_copied(void *user, const struct tcpc_flow *flow)
{
	const struct intercept *i = user;

	return is_address_of(i, &flow->server) && !is_address_of(i, &flow->client) &&
	       !target_is_loopback(&flow->client) && !target_allows(i->role, &flow->client);
}

static void next_of_all(struct tcpc_target_role *role)
{
	struct tcpc_reply *reply = role->release_all;
	tcpc_target_done stopped = role->stopped;
	void *user = role->stopped_user;

	if (role->intercepts)
		return;
	role->release_all = NULL;
	if (reply)
		tcpc_reply_text(reply, "%u interfaces released", role->n_released);
	if (stopped) {
		free(role->allow);
		free(role);
		stopped(user);
	}
}

static void on_removed(void *user, int status, const struct tcpc_err *err)
{
	struct intercept *i = user;
	struct tcpc_target_role *role = i->role;
	struct tcpc_reply *reply = i->reply;
	char iface[IFNAMSIZ];

	memcpy(iface, i->iface, sizeof(iface));
	if (status)
		tcpc_log_error("%s: the rule may be left: %s", iface, err->text);
	intercept_free(i);
	role->n_released++;
	tcpc_log_info("%s is released", iface);
	if (reply && status)
		tcpc_reply_fail(reply, err);
	else if (reply)
		tcpc_reply_text(reply, "%s is released", iface);
	next_of_all(role);
}

static void on_pass(uv_timer_t *timer)
{
	struct intercept *i = timer->data;
	unsigned int left = 0;
	struct tcpc_err err;
	int n = tcpc_sockdiag_destroy(i->ports, i->n_ports, intercept_copied, i, &left, &err);

	tcpc_log_debug("%s: pass %u: %d connections ended, %u left", i->iface, i->passes, n, left);
	if (n < 0)
		tcpc_log_error("%s: copied connections stay open and may send to clients: %s",
			       i->iface, err.text);
	/* One more look after a pass that found some: a request may have become a connection. */
	if ((n > 0 || left) && ++i->passes < MAX_PASSES)
		return;
	if (left)
		tcpc_log_error("%s: %u copied connections could not be ended", i->iface, left);
	tcpc_timer_stop(&i->timer);
	intercept_remove_rules(i, on_removed);
}

static void on_peers_stopped(void *user)
{
	const struct tcpc_intercept draining = {.flags = TCPC_INTERCEPT_DRAIN};
	struct intercept *i = user;
	struct tcpc_err err;

	for (unsigned int p = 0; p < i->n_ports; p++)
		if (tcpc_dp_target_service(i->role->dp, i->ifindex, i->ports[p], &draining, &err))
			tcpc_log_error("%s: %s", i->iface, err.text);
	i->timer = tcpc_timer_start(i->role->config.loop, on_pass, DRAIN_MS, PASS_MS, i);
	if (!i->timer)
		intercept_remove_rules(i, on_removed);
}

void intercept_release(struct intercept *i)
{
	tcpc_timer_stop(&i->timer);
	i->state = INTERCEPT_RELEASING;
	if (target_await(i->role, target_publish(i->role), on_peers_stopped, i))
		on_peers_stopped(i);
}

struct intercept *target_find(struct tcpc_target_role *role, const char *iface)
{
	struct intercept *i = role->intercepts;

	while (i && strcmp(i->iface, iface))
		i = i->next;
	return i;
}

static void release_every(struct tcpc_target_role *role)
{
	role->n_released = 0;
	for (struct intercept *i = role->intercepts, *next; i; i = next) {
		next = i->next;
		if (i->state == INTERCEPT_ACTIVE || i->state == INTERCEPT_BROKEN)
			intercept_release(i);
	}
	next_of_all(role);
}

void tcpc_target_release(struct tcpc_target_role *role, const struct tcpc_iface_spec *spec,
			 struct tcpc_reply *reply)
{
	struct intercept *i = target_find(role, spec->iface);
	struct tcpc_err err = {};

	if (spec->all && !role->intercepts) {
		tcpc_reply_text(reply, "nothing was intercepted");
		return;
	}
	if (spec->all && role->release_all)
		tcpc_err_set(&err, EALREADY, "everything is being released already");
	else if (!spec->all && !i)
		tcpc_err_set(&err, ENOENT,
			     "%s is not intercepted; `tcpcopyctl status` lists what is",
			     spec->iface);
	else if (!spec->all && i->state != INTERCEPT_ACTIVE && i->state != INTERCEPT_BROKEN)
		tcpc_err_set(&err, EALREADY, "%s is being %s just now; try again", spec->iface,
			     i->state == INTERCEPT_STARTING    ? "intercepted"
			     : i->state == INTERCEPT_RELEASING ? "released"
							       : "changed");
	if (err.code) {
		tcpc_reply_fail(reply, &err);
	} else if (spec->all) {
		role->release_all = reply;
		release_every(role);
	} else {
		i->reply = reply;
		intercept_release(i);
	}
}

void tcpc_target_stop(struct tcpc_target_role *role, tcpc_target_done done, void *user)
{
	role->stopped = done;
	role->stopped_user = user;
	release_every(role);
}
