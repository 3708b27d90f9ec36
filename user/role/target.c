// SPDX-License-Identifier: GPL-2.0-only
/*
 * target.c - the target host's role: life of datapath and link, `intercept`, what peers are told.
 *
 * Order of starting: queues have readers and the rule is in the kernel before any peer hears that
 * it may copy.
 */
#include "role/target_priv.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <net/if_arp.h>
#include <arpa/inet.h>

#include "edge/log.h"
#include "edge/probe.h"
#include "edge/sockdiag.h"
#include "edge/diag.h"
#include "role/pins.h"

#define ADDRESSES_MS 1000
#define DEFAULT_QUEUE 100
#define LAST_QUEUE 65535
#define MAX_DEFAULT_QUEUES 4
#define TCP_ACK 0x10 /* tcpcopy/parse.h cannot stand beside libuv's headers */

/* ---- datapath and link -------------------------------------------------------------------- */

static void close_all(struct tcpc_target_role *role)
{
	age_close(role);
	trial_close(role);
	tcpc_timer_stop(&role->addresses_timer);
	tcpc_netwatch_stop(role->watch);
	role->watch = NULL;
	tcpc_iptables_watch_stop(role->rules_watch);
	role->rules_watch = NULL;
	target_close_link(role);
	if (role->receipts)
		tcpc_receipts_stop(role->receipts);
	role->receipts = NULL;
	if (role->dp)
		tcpc_dp_target_close(role->dp);
	role->dp = NULL;
	tcpc_diag_close(role->diag);
	role->diag = NULL;
	target_run_awaits(role);
}

static void on_tc_receipts(void *user, const struct tcpc_receipt *receipts, unsigned int n)
{
	struct tcpc_target_role *role = user;

	/* Each queue finds its own connections. */
	for (struct intercept *i = role->intercepts; i; i = i->next)
		if (i->hold)
			hold_receipts(i->hold, receipts, n);
	/* What a peer did not take the link itself counts. */
	if (role->link)
		tcpc_link_server_receipts(role->link, receipts, n);
}

static void keep_pins(struct tcpc_target_role *role)
{
	const char *bpffs = role->config.bpffs;
	struct tcpc_err err;
	int r, result = 0;

	if (!tcpc_pins_mounted(bpffs, &role->no_pins))
		return;
	for (struct intercept *i = role->intercepts; i && result >= 0; i = i->next) {
		r = tcpc_dp_target_pin_again(role->dp, &i->absorb, &err);
		result = r < 0 ? r : result | r;
		r = r < 0 ? r : tcpc_dp_target_pin_again(role->dp, &i->align, &err);
		result = r < 0 ? r : result | r;
	}
	tcpc_pins_note(result, &err, bpffs, &role->no_pins);
}

/* We hear of changes; but a message may have been lost. */
static void on_timer(uv_timer_t *timer)
{
	target_on_netwatch(timer->data, 0);
	keep_pins(timer->data);
}

static int open_all(struct tcpc_target_role *role, const struct tcpc_endpoint *listen,
		    struct tcpc_err *err)
{
	int r = target_open_link(role, listen, err);

	if (r || role->dp)
		return r;
	r = tcpc_datapath_probe(err) ?: tcpc_sockdiag_check(err);
	r = r ?: tcpc_probe_bpffs(role->config.bpffs, err);
	r = r ?: tcpc_dp_target_open(role->config.bpffs, &role->dp, err);
	r = r
		    ?: tcpc_receipts_start(role->config.loop, role->dp, on_tc_receipts, role,
					   &role->receipts, err);
	tcpc_probe_netstat(&role->netstat);
	r = r ?: target_write_allow(role, err);
	r = r ?: tcpc_diag_open(&role->diag, err);
	r = r ?: age_open(role, err);
	r = r
		    ?: tcpc_netwatch_start(role->config.loop, target_on_netwatch, role,
					   &role->watch, err);
	r = r
		    ?: tcpc_iptables_watch_start(role->config.loop, role->tag, target_on_rules,
						 role, &role->rules_watch, err);
	if (!r) {
		role->addresses_timer = tcpc_timer_start(role->config.loop, on_timer, ADDRESSES_MS,
							 ADDRESSES_MS, role);
		if (!role->addresses_timer)
			r = tcpc_err_set(err, ENOMEM, "out of memory");
	}
	return r;
}

/* ---- intercept ------------------------------------------------------------------------------- */

static void on_receipts(void *user, const struct tcpc_receipt *receipts, unsigned int n)
{
	struct intercept *i = user;
	struct tcpc_queue_stats *stats = tcpc_dp_target_queues(i->role->dp);

	if (i->hold)
		hold_receipts(i->hold, receipts, n);
	if (i->role->link)
		stats[i->slot].receipts_lost +=
			tcpc_link_server_receipts(i->role->link, receipts, n);
}

static int check_iface(struct tcpc_target_role *role, const char *name, struct tcpc_iface *ret,
		       struct tcpc_err *err)
{
	int r = tcpc_netlink_iface(name, ret, err);

	if (r)
		return r;
	for (struct intercept *i = role->intercepts; i; i = i->next)
		if (!strcmp(i->iface, name))
			return tcpc_err_set(err, EEXIST,
					    "%s is intercepted already; release it first to change "
					    "anything but its engine",
					    name);
	if (!(ret->flags & IFF_UP))
		return tcpc_err_set(err, ENETDOWN, "%s is down; `ip link set %s up` first", name,
				    name);
	if (ret->type != ARPHRD_ETHER)
		return tcpc_err_set(err, EPROTONOSUPPORT,
				    "%s is not an Ethernet interface (type %u); copies arrive on "
				    "one",
				    name, ret->type);
	return 0;
}

static bool queue_is_ours(const struct tcpc_target_role *role, unsigned int queue)
{
	for (const struct intercept *i = role->intercepts; i; i = i->next)
		if (queue >= i->queue_first && queue <= i->queue_last)
			return true;
	return false;
}

static bool queues_free(const struct tcpc_target_role *role, unsigned int first, unsigned int n)
{
	unsigned int portid;

	for (unsigned int q = first; q < first + n; q++)
		if (queue_is_ours(role, q) || tcpc_probe_queue_owner(q, &portid) == 1)
			return false;
	return true;
}

/* Queues: as asked, or one a processor (four at most) from the first free ones on. */
static int choose_queues(struct intercept *i, const struct tcpc_intercept_spec *spec,
			 struct tcpc_err *err)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int n = cpus < 1 ? 1 : cpus > MAX_DEFAULT_QUEUES ? MAX_DEFAULT_QUEUES : cpus;
	unsigned int first = DEFAULT_QUEUE;

	if (spec->queue_first >= 0) {
		i->queue_first = spec->queue_first;
		i->queue_last = spec->queue_last;
		return 0;
	}
	while (first + n <= LAST_QUEUE && !queues_free(i->role, first, n))
		first++;
	if (first + n > LAST_QUEUE)
		return tcpc_err_set(err, EBUSY, "no %u free NFQUEUE queues in a row", n);
	i->queue_first = first;
	i->queue_last = first + n - 1;
	return 0;
}

/* Elements of the queues map that nobody counts in. */
static int choose_slot(struct intercept *i, struct tcpc_err *err)
{
	unsigned int n = i->queue_last - i->queue_first + 1, used = 0;

	for (const struct intercept *o = i->role->intercepts; o; o = o->next)
		used |= ((1u << (o->queue_last - o->queue_first + 1)) - 1) << o->slot;
	for (unsigned int slot = 0; slot + n <= TCPC_MAX_QUEUES; slot++) {
		if (used & (((1u << n) - 1) << slot))
			continue;
		i->slot = slot;
		memset(tcpc_dp_target_queues(i->role->dp) + slot, 0,
		       n * sizeof(struct tcpc_queue_stats));
		return 0;
	}
	return tcpc_err_set(err, ENOSPC,
			    "a daemon reads at most %d queues; give fewer with --queue",
			    TCPC_MAX_QUEUES);
}

/* On a queue's thread: the map is the kernel's. */
static bool read_sent_end(void *user, const struct tcpc_flow *flow, __u32 *ret_end)
{
	struct intercept *i = user;
	struct tcpc_exchange x;

	if (!tcpc_dp_target_exchange(i->role->dp, flow, &x) || !(x.answer_flags & TCP_ACK))
		return false;
	*ret_end = x.answer_end;
	return true;
}

static bool is_trial(void *user, const struct tcpc_flow *flow)
{
	const struct intercept *i = user;

	return trial_is(i->role, flow);
}

static bool is_urgent(void *user)
{
	const struct intercept *i = user;

	return i->hold_waits;
}

static int start_queues(struct intercept *i, struct tcpc_err *err)
{
	struct tcpc_nfqueue_options options = {
		.first = i->queue_first,
		.last = i->queue_last,
		.n_ports = i->n_ports,
		.stats = tcpc_dp_target_queues(i->role->dp) + i->slot,
		.receipts = on_receipts,
		.sent_end = read_sent_end,
		.is_trial = is_trial,
		.is_urgent = is_urgent,
		.user = i,
	};

	memcpy(options.ports, i->ports, sizeof(options.ports));
	return tcpc_nfqueue_start(i->role->config.loop, &options, &i->nfq, err);
}

int intercept_set_services(struct intercept *i, const struct tcpc_intercept *value,
			   struct tcpc_err *err)
{
	int r = 0;

	for (unsigned int p = 0; p < i->n_ports && !r; p++)
		r = tcpc_dp_target_service(i->role->dp, i->ifindex, i->ports[p], value, err);
	return r;
}

void intercept_free(struct intercept *i)
{
	struct tcpc_target_role *role = i->role;
	struct intercept **p = &role->intercepts;
	struct tcpc_err err;

	while (*p && *p != i)
		p = &(*p)->next;
	if (*p)
		*p = i->next;
	tcpc_timer_stop(&i->timer);
	/* Before align goes: what comes out of the queue is a copy. */
	tunnel_end_close(i);
	hold_close(i->hold);
	i->hold = NULL;
	tcpc_attachment_close(&i->align);
	tcpc_attachment_close(&i->absorb);
	if (role->dp && intercept_set_services(i, NULL, &err))
		tcpc_log_warn("%s: %s", i->iface, err.text);
	if (role->dp)
		intercept_forget_addresses(i);
	if (i->nfq)
		tcpc_nfqueue_stop(i->nfq);
	free(i);
	if (!role->intercepts)
		close_all(role);
}

static void on_installed(void *user, int status, const struct tcpc_err *err)
{
	struct intercept *i = user;
	struct tcpc_reply *reply = i->reply;
	char iface[IFNAMSIZ];

	i->reply = NULL;
	if (status) {
		intercept_free(i);
		tcpc_reply_fail(reply, err);
		return;
	}
	i->state = INTERCEPT_ACTIVE;
	memcpy(iface, i->iface, sizeof(iface));
	target_publish(i->role);
	tcpc_log_info("%s is intercepted (%s, queues %u-%u)", iface,
		      target_engine_name(i->spec.engine), i->queue_first, i->queue_last);
	tcpc_reply_text(reply, "%s is intercepted (%s, queues %u-%u)%s%s", iface,
			target_engine_name(i->spec.engine), i->queue_first, i->queue_last,
			i->n_left_alone ? "; IPv6 is left alone: " : "",
			i->n_left_alone ? i->no_ipv6 : "");
	if (i->role->stopped || i->role->release_all)
		intercept_release(i);
}

/* Peers are told of each address and port: more than a frame holds must not be cut in silence. */
static int check_services(const struct tcpc_target_role *role, struct tcpc_err *err)
{
	unsigned int n = 0;

	for (const struct intercept *i = role->intercepts; i; i = i->next)
		n += (i->n_addresses + i->n_left_alone) * i->n_ports;
	if (n <= TCPC_LINK_MAX_SERVICES)
		return 0;
	return tcpc_err_set(err, ENOSPC,
			    "%u pairs of address and port; a daemon announces at most %d: give "
			    "fewer ports",
			    n, TCPC_LINK_MAX_SERVICES);
}

/* Everything up to the iptables rule, which comes later and may still fail. */
static int set_up(struct intercept *i, const struct tcpc_intercept_spec *spec, struct tcpc_err *err)
{
	int r = open_all(i->role, spec->has_listen ? &spec->listen : NULL, err);

	r = r ?: choose_queues(i, spec, err);
	r = r ?: choose_slot(i, err);
	if (r)
		return r;
	i->next = i->role->intercepts;
	i->role->intercepts = i;
	intercept_refresh_addresses(i);
	r = check_services(i->role, err);
	if (r)
		return r;
	intercept_rule(i, &i->rule);
	r = start_queues(i, err);
	if (!r && !spec->relaxed)
		r = hold_open(i, spec, err);
	i->service.hold_ifindex = hold_ifindex(i->hold);
	i->service.flags = spec->engine == TCPC_ENGINE_NFQUEUE ? TCPC_INTERCEPT_QUEUED : 0;
	if (spec->adopt != TCPC_ADOPT_NONE)
		i->service.flags |= spec->adopt == TCPC_ADOPT_ANY ? TCPC_INTERCEPT_ADOPT_ANY
								  : TCPC_INTERCEPT_ADOPT_HTTP;
	r = r ?: intercept_set_services(i, &i->service, err);
	r = r ?: intercept_hook(i, err);
	r = r ?: tunnel_end_open(i, err);
	return r ?: intercept_install_rules(i, on_installed, err);
}

void tcpc_target_intercept(struct tcpc_target_role *role, const struct tcpc_intercept_spec *spec,
			   struct tcpc_reply *reply)
{
	struct intercept *i = target_find(role, spec->iface);
	struct tcpc_iface iface;
	struct tcpc_err err;
	int r;

	if (i && i->state == INTERCEPT_ACTIVE && i->spec.engine != spec->engine) {
		intercept_switch(i, spec, reply);
		return;
	}
	i = NULL;
	r = check_iface(role, spec->iface, &iface, &err);
	r = r ?: target_check_clients(role, spec, iface.ifindex, &err);
	if (!r) {
		i = calloc(1, sizeof(*i));
		if (!i)
			r = tcpc_err_set(&err, ENOMEM, "out of memory");
	}
	if (!r) {
		i->role = role;
		i->spec = *spec;
		i->reply = reply;
		i->ifindex = iface.ifindex;
		memcpy(i->iface, iface.name, sizeof(i->iface));
		memcpy(i->ports, spec->ports, sizeof(i->ports));
		i->n_ports = spec->n_ports;
		r = set_up(i, spec, &err);
	}
	if (!r)
		return;
	if (i)
		intercept_free(i);
	tcpc_reply_fail(reply, &err);
}
