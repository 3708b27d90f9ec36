/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * link_lab.h - the feedback link in one process over 127.0.0.1: servers and clients that keep what
 * they are told. Waits for events, each with a time limit; never sleeps.
 */
#ifndef TCPCOPY_TESTS_LINK_LAB_H
#define TCPCOPY_TESTS_LINK_LAB_H

#include <stdlib.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/socket.h>

#include "expect.h"
#include "edge/link.h"

#define LAB_WAIT_MS 5000
#define LAB_STATES 64
#define LAB_NOTES 512
#define LAB_NEWS 4096

/* ---- loop and time -------------------------------------------------------------------------- */

static uv_loop_t lab_loop;

static inline void lab_on_tick(uv_timer_t *timer)
{
	(void)timer;
}

/* Run the loop until @done(@arg), or until @ms have passed. Returns what @done says last. */
static inline bool lab_wait(bool (*done)(void *), void *arg, unsigned int ms)
{
	const __u64 until_ns = uv_hrtime() + ms * 1000000ULL;
	uv_timer_t tick;

	/* The loop runs timers first and then waits for I/O: without the tick, what a timer made
	 * come true would be seen only after the next I/O. */
	uv_update_time(&lab_loop);
	uv_timer_init(&lab_loop, &tick);
	uv_timer_start(&tick, lab_on_tick, 2, 2);
	uv_unref((uv_handle_t *)&tick);
	while (!done(arg) && uv_hrtime() < until_ns)
		uv_run(&lab_loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(&lab_loop, UV_RUN_NOWAIT); /* @tick lives on this stack */
	return done(arg);
}

static inline bool lab_never(void *arg)
{
	(void)arg;
	return false;
}

/* Let @ms pass with everything running. */
static inline void lab_run(unsigned int ms)
{
	lab_wait(lab_never, NULL, ms);
}

static inline __u64 lab_now_ms(void)
{
	return uv_hrtime() / 1000000;
}

/* A port that nobody listens at just now. */
static inline __u16 lab_port(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	close(fd);
	return ntohs(sin.sin_port);
}

/* ---- a server that keeps what it is told ---------------------------------------------------- */

struct lab_server {
	struct tcpc_link_server *link;
	unsigned int ups, downs;
	char why[256]; /* of the last peer lost */
	__u64 down_ms;
	__u32 settled; /* the last serial */
	__u64 settled_ms;
	struct tcpc_break broken; /* the last one */
	unsigned int n_broken;
	bool close_on_up, close_on_settled;
};

static inline void lab_peer_up(void *user, const char *peer)
{
	struct lab_server *s = user;

	assert_non_null(strstr(peer, ":"));
	s->ups++;
	if (s->close_on_up) {
		tcpc_link_server_close(s->link);
		s->link = NULL;
	}
}

static inline void lab_peer_down(void *user, const char *peer, bool closed, const char *why)
{
	struct lab_server *s = user;

	assert_non_null(strstr(peer, ":"));
	(void)closed;
	s->downs++;
	s->down_ms = lab_now_ms();
	snprintf(s->why, sizeof(s->why), "%s", why);
}

static inline void lab_broken(void *user, const struct tcpc_break *what)
{
	struct lab_server *s = user;

	s->broken = *what;
	s->n_broken++;
}

static inline void lab_settled(void *user, __u32 serial)
{
	struct lab_server *s = user;

	assert_int_equal(serial, s->settled + 1);
	s->settled = serial;
	s->settled_ms = lab_now_ms();
	if (s->close_on_settled) {
		tcpc_link_server_close(s->link);
		s->link = NULL;
	}
}

static const struct tcpc_link_server_events lab_server_events = {
	.peer_up = lab_peer_up,
	.peer_down = lab_peer_down,
	.settled = lab_settled,
	.broken = lab_broken,
};

static inline int lab_listen(struct lab_server *s, __u16 port, const __u8 *key,
			     struct tcpc_err *err)
{
	struct tcpc_endpoint ep = {.addr = tcpc_addr_from_v4(htonl(INADDR_LOOPBACK)),
				   .port = htons(port)};

	return tcpc_link_server_open(&lab_loop, &ep, key, &lab_server_events, s, &s->link, err);
}

static inline void lab_serve(struct lab_server *s, __u16 port, const __u8 *key)
{
	struct tcpc_err err = {};

	memset(s, 0, sizeof(*s));
	if (lab_listen(s, port, key, &err))
		fail_msg("%s", err.text);
}

/* ---- a client that keeps what it is told ---------------------------------------------------- */

/* One call of services() or allow(). */
struct lab_note {
	char what; /* 's'ervices, 'c'lear, 'a'dd, 'd'el */
	unsigned int n;
};

struct lab_client {
	struct tcpc_link_client *link;
	enum tcpc_link_state states[LAB_STATES]; /* the last ones are left out beyond that */
	unsigned int n_states, ready, lost;
	enum tcpc_link_state state;
	char text[512];
	__u64 state_ms;
	struct lab_note notes[LAB_NOTES];
	unsigned int n_notes;
	struct tcpc_link_service services[TCPC_LINK_MAX_SERVICES];
	unsigned int n_services;
	struct tcpc_prefix last_prefix;
	__u64 receipts;
	void (*on_receipt)(__u64 nth, const struct tcpc_receipt *receipt);
	struct tcpc_held held[LAB_NEWS]; /* the last ones are left out beyond that */
	struct tcpc_shed shed[LAB_NEWS];
	unsigned int n_held, n_shed;
	char order[LAB_NEWS + 1]; /* 'r', 'h', 's': a receipt, HELD, SHED */
	unsigned int n_order;
	bool close_on_ready, close_on_services;
};

static inline void lab_hang_up(struct lab_client *c)
{
	tcpc_link_client_close(c->link);
	c->link = NULL;
}

static inline void lab_state(void *user, enum tcpc_link_state state, const char *text)
{
	struct lab_client *c = user;

	if (c->n_states < LAB_STATES)
		c->states[c->n_states++] = state;
	c->state = state;
	c->state_ms = lab_now_ms();
	c->ready += state == TCPC_LINK_READY;
	c->lost += state == TCPC_LINK_LOST;
	snprintf(c->text, sizeof(c->text), "%s", text);
	if (c->close_on_ready && state == TCPC_LINK_READY)
		lab_hang_up(c);
}

static inline void lab_note(struct lab_client *c, char what, unsigned int n)
{
	assert_true(c->n_notes < LAB_NOTES);
	c->notes[c->n_notes++] = (struct lab_note){what, n};
}

static inline void lab_services(void *user, const struct tcpc_link_service *services,
				unsigned int n)
{
	struct lab_client *c = user;

	lab_note(c, 's', n);
	memcpy(c->services, services, n * sizeof(*services));
	c->n_services = n;
	if (c->close_on_services)
		lab_hang_up(c);
}

static inline void lab_allow(void *user, enum tcpc_link_allow_op op,
			     const struct tcpc_prefix *prefixes, unsigned int n)
{
	struct lab_client *c = user;

	lab_note(c, "cad"[op], n);
	if (n)
		c->last_prefix = prefixes[n - 1];
}

static inline void lab_order(struct lab_client *c, char what)
{
	if (c->n_order < LAB_NEWS)
		c->order[c->n_order++] = what;
}

static inline void lab_held(void *user, const struct tcpc_held *held, unsigned int n)
{
	struct lab_client *c = user;

	for (unsigned int i = 0; i < n; i++) {
		if (c->n_held < LAB_NEWS)
			c->held[c->n_held++] = held[i];
		lab_order(c, 'h');
	}
}

static inline void lab_shed(void *user, const struct tcpc_shed *shed, unsigned int n)
{
	struct lab_client *c = user;

	for (unsigned int i = 0; i < n; i++) {
		if (c->n_shed < LAB_NEWS)
			c->shed[c->n_shed++] = shed[i];
		lab_order(c, 's');
	}
}

static inline void lab_receipts(void *user, const struct tcpc_receipt *receipts, unsigned int n)
{
	struct lab_client *c = user;

	for (unsigned int i = 0; i < n; i++) {
		if (c->on_receipt)
			c->on_receipt(c->receipts + i, &receipts[i]);
		lab_order(c, 'r');
	}
	c->receipts += n;
}

static const struct tcpc_link_client_events lab_client_events = {
	.state = lab_state,
	.services = lab_services,
	.allow = lab_allow,
	.receipts = lab_receipts,
	.held = lab_held,
	.shed = lab_shed,
};

static inline void lab_dial(struct lab_client *c, const char *host, __u16 port, const __u8 *key)
{
	struct tcpc_err err = {};

	memset(c, 0, sizeof(*c));
	if (tcpc_link_client_open(&lab_loop, host, port, key, &lab_client_events, c, &c->link,
				  &err))
		fail_msg("%s", err.text);
}

/* Conditions for lab_wait(). */
static inline bool lab_is_ready(void *c)
{
	return ((struct lab_client *)c)->state == TCPC_LINK_READY;
}

static inline bool lab_has_services(void *c)
{
	return ((struct lab_client *)c)->n_services > 0;
}

static inline bool lab_is_lost(void *c)
{
	return ((struct lab_client *)c)->lost > 0;
}

static inline bool lab_has_state(void *c)
{
	return ((struct lab_client *)c)->n_states > 0;
}

/* Some service, told from others by @n. */
static inline struct tcpc_link_service lab_service(unsigned int n)
{
	return (struct tcpc_link_service){.addr = tcpc_addr_from_v4(htonl(0xc6120000 + n)),
					  .port = htons(8000 + n),
					  .engine = n & 1};
}

/* ---- fixture -------------------------------------------------------------------------------- */

static inline int lab_setup(void **state)
{
	(void)state;
	return uv_loop_init(&lab_loop);
}

static inline bool lab_is_over(void *arg)
{
	(void)arg;
	return !uv_loop_alive(&lab_loop);
}

/* Whatever the test did, every handle is closed and freed by now, or the loop cannot be. A test
 * that failed half-way has not closed its own. */
static inline int lab_teardown(void **state)
{
	(void)state;
	lab_wait(lab_is_over, NULL, 1000);
	return uv_loop_close(&lab_loop);
}

static inline void lab_close(struct lab_server *s, struct lab_client *c)
{
	if (s && s->link)
		tcpc_link_server_close(s->link);
	if (c && c->link)
		tcpc_link_client_close(c->link);
}

#endif
