// SPDX-License-Identifier: GPL-2.0-only
/*
 * online_trial.c - trials: for each target a SYN that goes the way of copies, and how far it got.
 * See online_priv.h.
 *
 * Two for each target: one from an address of this host, one from an address that is not ours, for
 * a network that drops foreign sources looks like one that drops all. A SYN only leaves when the
 * target has said that it waits for just this one, and that it intercepts just this address and
 * port (invariant 2). It is sent again, as TCP would.
 */
#include "role/online_priv.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <sodium.h>

#include "edge/resend.h"

#define TICK_MS 10
#define AGAIN_MS 250
#define LIFE_MS 1500
#define MAX_TRIALS 32
#define TCP_SYN 0x02 /* tcpcopy/parse.h cannot stand beside libuv's headers */

struct trials {
	struct trials *next;
	struct tcpc_online *online;
	struct tcpc_resend *resend;
	uv_timer_t *timer;
	__u64 until_ns;
	online_trials_done done;
	void *user;
	struct online_trial list[MAX_TRIALS];
	unsigned int n;
};

/* ---- addresses -------------------------------------------------------------------------------
 */

/* The address from which this host would speak to @to. Nothing is sent. */
static int own_address(const struct tcpc_endpoint *to, struct tcpc_addr *ret)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = to->port};
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = to->port};
	bool v4 = tcpc_addr_is_v4(&to->addr);
	socklen_t len = v4 ? sizeof(sin) : sizeof(sin6);
	struct sockaddr *sa = v4 ? (void *)&sin : (void *)&sin6;
	int fd = socket(sa->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0;

	if (fd < 0)
		return -errno;
	sin.sin_addr.s_addr = to->addr.w[3];
	memcpy(&sin6.sin6_addr, &to->addr, sizeof(sin6.sin6_addr));
	if (connect(fd, sa, len) || getsockname(fd, sa, &len))
		r = -errno;
	close(fd);
	if (!r && v4)
		*ret = tcpc_addr_from_v4(sin.sin_addr.s_addr);
	else if (!r)
		memcpy(ret, &sin6.sin6_addr, sizeof(*ret));
	return r;
}

/* A client that was copied lately is the best witness. Else an address of those set aside for such
 * tests (RFC 2544, RFC 5180): nobody has it, and the answer stays at the target anyway. */
static struct tcpc_addr foreign_address(const struct target *target, bool *ret_stand_in)
{
	bool v4 = tcpc_addr_is_v4(&target->endpoint.addr);
	const struct tcpc_addr *seen = &target->peer->last_client[v4];
	struct tcpc_addr v6 = {{htonl(0x20010002), 0, htonl(0xffff), htonl(0xfffd)}};

	*ret_stand_in = !seen->w[3];
	if (seen->w[3])
		return *seen;
	return v4 ? tcpc_addr_from_v4(htonl(0xc613fffd)) : v6; /* 198.19.255.253 */
}

/* ---- one trial --------------------------------------------------------------------------------
 */

static void ask(struct online_trial *t)
{
	t->send_error = tcpc_link_client_trial(t->peer->link, t->id, &t->flow);
	if (t->send_error)
		t->over = true;
}

static void send_syn(struct trials *run, struct online_trial *t)
{
	t->send_error = tcpc_resend_syn(run->resend, &t->flow, t->seq, t->ifindex);
	if (!t->first_ns)
		t->first_ns = uv_hrtime();
	t->sent_ns = uv_hrtime();
	t->sent += !t->send_error;
}

static void add(struct trials *run, const struct tap *tap, const struct target *target,
		bool foreign)
{
	struct online_trial *t = &run->list[run->n];

	*t = (struct online_trial){
		.peer = target->peer,
		.ifindex = target->route.ifindex,
		.endpoint = target->endpoint,
		.foreign = foreign,
		.stage = TCPC_TRIAL_ASK,
	};
	memcpy(t->iface, tap->iface, sizeof(t->iface));
	if (foreign)
		t->flow.client = foreign_address(target, &t->stand_in);
	else if (own_address(&target->endpoint, &t->flow.client))
		return;
	t->flow.server = target->endpoint.addr;
	t->flow.server_port = target->endpoint.port;
	/* Ports that clients are not given by their kernels, so that no copy is hit. */
	t->flow.client_port = htons(20000 + randombytes_uniform(10000));
	t->seq = randombytes_random();
	t->id = randombytes_random();
	run->n++;
	ask(t);
}

/* ---- all of them ------------------------------------------------------------------------------
 */

static void finish(struct trials *run)
{
	struct trials **at = &run->online->trials;

	while (*at != run)
		at = &(*at)->next;
	*at = run->next;
	tcpc_timer_stop(&run->timer);
	tcpc_resend_close(run->resend);
	run->done(run->user, run->list, run->n);
	free(run);
}

static bool is_over(const struct online_trial *t)
{
	return t->over || t->stage == TCPC_TRIAL_REFUSED || t->stage == TCPC_TRIAL_NO_LISTENER ||
	       (t->stage == TCPC_TRIAL_ANSWERED && t->receipt_ns);
}

static void on_tick(uv_timer_t *timer)
{
	struct trials *run = timer->data;
	__u64 now = uv_hrtime();
	bool all = true;

	for (unsigned int i = 0; i < run->n; i++) {
		struct online_trial *t = &run->list[i];

		all = all && is_over(t);
		if (t->stage == TCPC_TRIAL_READY && !t->over &&
		    now - t->sent_ns > AGAIN_MS * 1000000ULL)
			send_syn(run, t);
	}
	if (all || now >= run->until_ns)
		finish(run);
}

static void add_targets(struct trials *run, const struct tap *tap)
{
	for (unsigned int i = 0; i < tap->n_targets && run->n + 2 <= MAX_TRIALS; i++) {
		const struct target *target = &tap->targets[i];

		if (!target->peer || !target->route.ifindex ||
		    !peer_intercepts(target->peer, &target->endpoint, false))
			continue;
		add(run, tap, target, false);
		add(run, tap, target, true);
	}
}

int online_trials(struct tcpc_online *online, const char *iface, online_trials_done done,
		  void *user, struct tcpc_err *err)
{
	struct trials *run = calloc(1, sizeof(*run));
	int r = run ? tcpc_resend_open(&run->resend, err)
		    : tcpc_err_set(err, ENOMEM, "out of memory");
	int tunnels[2];

	if (!r) {
		run->timer = tcpc_timer_start(online->config.loop, on_tick, 0, TICK_MS, run);
		if (!run->timer)
			r = tcpc_err_set(err, ENOMEM, "out of memory");
	}
	if (r) {
		if (run)
			tcpc_resend_close(run->resend);
		free(run);
		return r;
	}
	tunnel_devices(online, tunnels);
	tcpc_resend_tunnels(run->resend, tunnels);
	run->online = online;
	run->done = done;
	run->user = user;
	run->until_ns = uv_hrtime() + LIFE_MS * 1000000ULL;
	run->next = online->trials;
	online->trials = run;
	for (const struct tap *tap = online->taps; tap; tap = tap->next)
		if (!iface[0] || !strcmp(iface, tap->iface))
			add_targets(run, tap);
	return 0;
}

/* ---- what targets say -------------------------------------------------------------------------
 */

void online_trial_note(struct peer *peer, const struct tcpc_trial_note *note)
{
	for (struct trials *run = peer->online->trials; run; run = run->next) {
		for (unsigned int i = 0; i < run->n; i++) {
			struct online_trial *t = &run->list[i];

			if (t->peer != peer || t->id != note->id || note->stage <= t->stage)
				continue;
			t->stage = note->stage;
			if (t->stage == TCPC_TRIAL_READY)
				send_syn(run, t);
			else if (t->stage >= TCPC_TRIAL_ARRIVED && !t->arrived_ns)
				t->arrived_ns = uv_hrtime();
		}
	}
}

void online_trial_receipts(struct peer *peer, const struct tcpc_receipt *receipts, unsigned int n)
{
	for (struct trials *run = peer->online->trials; run; run = run->next) {
		for (unsigned int i = 0; i < run->n * n; i++) {
			struct online_trial *t = &run->list[i / n];
			const struct tcpc_flow flow = tcpc_receipt_flow(&receipts[i % n]);

			if (t->peer == peer && !t->receipt_ns &&
			    (receipts[i % n].flags & TCP_SYN) &&
			    !memcmp(&flow, &t->flow, sizeof(flow)))
				t->receipt_ns = uv_hrtime();
		}
	}
}

void online_trial_forget(const struct peer *peer)
{
	for (struct trials *run = peer->online->trials; run; run = run->next)
		for (unsigned int i = 0; i < run->n; i++)
			if (run->list[i].peer == peer) {
				run->list[i].peer = NULL;
				run->list[i].over = true;
			}
}

void online_trials_stop(struct tcpc_online *online)
{
	while (online->trials)
		finish(online->trials);
}
