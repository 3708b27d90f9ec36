// SPDX-License-Identifier: GPL-2.0-only
/* doctor_trial.c - what trials of the way to each target tell. See doctor_priv.h. */
#include "role/doctor_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "role/online_priv.h"

#define NO_SPOOFING                                                                                \
	"allow foreign sources on this way: switch off source checks (anti-spoofing, port "        \
	"security, source/destination check) of switch, hypervisor or cloud, copy within one "     \
	"network, or through a tunnel (--via vxlan of intercept and attach)"

/* Words for one SYN: whence and where to. */
static void name_it(const struct online_trial *t, char *ret, size_t size)
{
	char from[TCPC_TEXT_BYTES], to[TCPC_TEXT_BYTES];

	snprintf(ret, size, "%s, a SYN from %s (%s)", tcpc_text_from_endpoint(&t->endpoint, to),
		 tcpc_text_from_addr(&t->flow.client, from), t->foreign ? "not ours" : "this host");
}

static bool arrived(const struct online_trial *t)
{
	return t->stage >= TCPC_TRIAL_ARRIVED;
}

static double ms_since(const struct online_trial *t, __u64 at_ns)
{
	return at_ns > t->first_ns ? (at_ns - t->first_ns) / 1e6 : 0;
}

/* It left this host, and nothing more is known of it. @own: the same from our own address. */
static void not_arrived(struct doctor *run, const struct online_trial *t,
			const struct online_trial *own, const char *what)
{
	if (t->foreign && own && arrived(own))
		doctor_add(run, DOCTOR_FAIL, "foreign sources", NO_SPOOFING,
			   "%s: left this host (%u times) and did not arrive, while one from our "
			   "own address did: the network drops foreign sources",
			   what, t->sent);
	else
		doctor_add(run, DOCTOR_FAIL, "probe", "tcpdump -ni IFACE tcp # on both hosts",
			   "%s: left this host (%u times) and did not arrive at the target: "
			   "something between the hosts drops it, or takes it elsewhere",
			   what, t->sent);
}

static void not_sent(struct doctor *run, const struct online_trial *t, const char *what)
{
	if (t->send_error == -EPERM)
		doctor_add(run, DOCTOR_FAIL, "probe", "iptables -vnL OUTPUT",
			   "%s: this host's own firewall does not let it out; copies pass it, but "
			   "what is sent again does not",
			   what);
	else
		doctor_add(run, DOCTOR_FAIL, "probe", "", "%s: could not be sent: %s", what,
			   strerror(-t->send_error));
}

/* The network carries it, so the question is answered; that its way back is missing need not be
 * true of any client. */
static void not_answered(struct doctor *run, const struct online_trial *t, const char *what)
{
	doctor_add(run, DOCTOR_WARN, "probe", "tcpcopyctl doctor # on the target host",
		   "%s: arrived after %.1f ms, but was not answered: the target's reverse-path "
		   "filter or firewall, or it has no route back (this address is nobody's; no "
		   "client was copied yet)",
		   what, ms_since(t, t->arrived_ns));
}

static void judge(struct doctor *run, const struct online_trial *t, const struct online_trial *own)
{
	char what[160];

	name_it(t, what, sizeof(what));
	switch (t->stage) {
	case TCPC_TRIAL_ASK:
		doctor_add(run, DOCTOR_WARN, "probe", "",
			   "%s: not sent, the target's daemon did not say that it waits for it",
			   what);
		return;
	case TCPC_TRIAL_READY:
		if (t->send_error && !t->sent)
			not_sent(run, t, what);
		else
			not_arrived(run, t, own, what);
		return;
	case TCPC_TRIAL_REFUSED:
		doctor_add(run, DOCTOR_OK, "probe", "",
			   "%s: not tried, this address uses the target itself (allow-list), or "
			   "is the target's own",
			   what);
		return;
	case TCPC_TRIAL_NO_LISTENER:
		doctor_add(run, DOCTOR_FAIL, "probe", "start the service there",
			   "%s: not sent, nobody listens there", what);
		return;
	case TCPC_TRIAL_ARRIVED:
		if (t->stand_in) {
			not_answered(run, t, what);
			return;
		}
		doctor_add(run, DOCTOR_FAIL, "probe", "tcpcopyctl doctor # on the target host",
			   "%s: arrived after %.1f ms, but the target's TCP did not answer: its "
			   "reverse-path filter, its firewall, no route back, or a full accept "
			   "queue",
			   what, ms_since(t, t->arrived_ns));
		return;
	default:
		break;
	}
	if (t->receipt_ns)
		doctor_add(run, DOCTOR_OK, "probe", "",
			   "%s: answered there and kept inside, receipt after %.1f ms", what,
			   ms_since(t, t->receipt_ns));
	else
		doctor_add(run, DOCTOR_FAIL, "probe", "tcpcopyctl doctor # on the target host",
			   "%s: the target's TCP answered, but no receipt came back: its OUTPUT "
			   "rules may take the answer before ours does",
			   what);
}

static void on_trials(void *user, const struct online_trial *list, unsigned int n)
{
	struct doctor *run = user;
	const struct online_trial *own = NULL;

	for (unsigned int i = 0; i < n; i++) {
		if (!list[i].foreign)
			own = &list[i];
		else if (own && memcmp(&own->endpoint, &list[i].endpoint, sizeof(own->endpoint)))
			own = NULL;
		if (list[i].peer)
			judge(run, &list[i], own);
	}
	doctor_put(run);
}

/* A SYN may only go where it is certain that its answer stays inside. */
static void name_untried(struct doctor *run, const struct tap *tap)
{
	char reason[256], text[TCPC_TEXT_BYTES];

	for (unsigned int i = 0; i < tap->n_targets; i++) {
		const struct target *t = &tap->targets[i];

		if (!target_ready(tap, t, reason, sizeof(reason)) ||
		    (t->peer && peer_intercepts(t->peer, &t->endpoint, false)))
			continue;
		doctor_add(run, DOCTOR_OK, "probe", "",
			   "%s: not tried, its daemon does not name this very address",
			   tcpc_text_from_endpoint(&t->endpoint, text));
	}
}

void doctor_trial(struct doctor *run)
{
	struct tcpc_err err;

	if (!run->d->online->taps)
		return;
	for (const struct tap *tap = run->d->online->taps; tap; tap = tap->next)
		if (doctor_wants(run, tap->iface))
			name_untried(run, tap);
	run->pending++;
	if (!online_trials(run->d->online, run->iface, on_trials, run, &err))
		return;
	doctor_add(run, DOCTOR_WARN, "probe", "", "not tried: %s", err.text);
	doctor_put(run);
}
