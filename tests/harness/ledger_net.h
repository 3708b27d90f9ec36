/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ledger_net.h - a network for the ledger, in virtual time: a way that loses, repeats and reorders,
 * and a target's TCP with receive queue, SACK and delayed ACKs. Numbers are distances from the
 * start. The test copies packets, calls travel() for them, and lets events happen.
 */
#ifndef TCPCOPY_TESTS_LEDGER_NET_H
#define TCPCOPY_TESTS_LEDGER_NET_H

#include "ledger_lab.h"
#include "random.h"

#include "tcpcopy/parse.h"

#define CONNECTIONS 40
#define EXCHANGES 30
#define MAX_SPACE 400000 /* sequence numbers of a connection */
#define MAX_EVENTS 65536
#define MSS 1448
#define US 1000ULL
#define ANSWER_BYTES 300

/** What the way is like. Of 1,000 packets so many... */
struct weather {
	const char *name;
	__u32 lost, twice, late;
	__u32 receipts_lost;
	__u32 hold_ms; /* the target takes data into its hold queue, up to that long */
	__u32 outage_from_ms, outage_ms; /* nothing arrives */
	bool link_too;			 /* receipts neither, and the daemon knows it */
	bool keeps;			 /* what is copied then does not leave */
	bool resets;			 /* every third client ends with RST */
};

enum kind { CLIENT_SENDS, ARRIVES, DELIVERED, DELAYED_ACK, ANSWERS, RECEIPT, TAKEN };

struct event {
	__u64 ns, order;
	enum kind kind;
	__u32 conn, from, end;
	__u8 flags;
	struct tcpc_receipt receipt;
};

static struct event heap[MAX_EVENTS];
static __u32 n_events;
static __u64 n_order;

static struct conn {
	__u32 request[EXCHANGES], request_end[EXCHANGES];
	__u32 space; /* where FIN (or RST) stands */
	bool rst;
	/* the client */
	__u32 exchange, sent;
	/* the target */
	__u8 got[MAX_SPACE + 1];
	__u32 rcv_nxt, asked, unacked, newest;
	__u32 syn, times_reset;
	__u64 held_until_ns, receipt_ns, way_ns;
	bool ack_is_due, rst_lost;
} conns[CONNECTIONS];

static const struct weather *weather;
static struct ledger_lab lab;
static __u64 seed, n_lost_on_way, n_needless, n_copied_packets;

/* ---- events -----------------------------------------------------------------------------------
 */

static inline bool is_before(const struct event *a, const struct event *b)
{
	return a->ns < b->ns || (a->ns == b->ns && a->order < b->order);
}

static inline void swap(struct event *a, struct event *b)
{
	struct event t = *a;

	*a = *b;
	*b = t;
}

static inline void push(__u64 after_ns, struct event event)
{
	__u32 i = n_events++;

	expect_true("net", "the list of events has room", n_events < MAX_EVENTS);
	event.ns = lab.now_ns + after_ns;
	event.order = n_order++;
	heap[i] = event;
	for (; i && is_before(&heap[i], &heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&heap[i], &heap[(i - 1) / 2]);
}

static inline struct event pop(void)
{
	struct event first = heap[0];
	__u32 i = 0, child;

	heap[0] = heap[--n_events];
	while ((child = 2 * i + 1) < n_events) {
		if (child + 1 < n_events && is_before(&heap[child + 1], &heap[child]))
			child++;
		if (is_before(&heap[i], &heap[child]))
			break;
		swap(&heap[i], &heap[child]);
		i = child;
	}
	return first;
}

static inline bool chance(__u32 of_thousand)
{
	return random_below(&seed, 1000) < of_thousand;
}

static inline bool is_out(void)
{
	__u64 ms = lab.now_ns / MS - 1000;

	return weather->outage_ms && ms >= weather->outage_from_ms &&
	       ms < weather->outage_from_ms + weather->outage_ms;
}

/* ---- the way ----------------------------------------------------------------------------------
 */

static inline void travel(struct event event)
{
	struct conn *c = &conns[event.conn];
	__u64 ns = 200 * US + random_below(&seed, 100) * US;

	if (chance(weather->lost) || is_out()) {
		n_lost_on_way++;
		c->rst_lost |= !!(event.flags & TCPC_TCP_RST);
		return;
	}
	/* In order, but for those that are late. */
	if (chance(weather->late))
		ns += random_below(&seed, 5000) * US;
	else if (lab.now_ns + ns <= c->way_ns)
		ns = c->way_ns + 1 - lab.now_ns;
	else
		c->way_ns = lab.now_ns + ns;
	push(ns, event);
	if (chance(weather->twice))
		push(ns + random_below(&seed, 1000) * US, event);
}

/* As the network card cuts a large packet. RST has no room of its own. */
static inline void send_range(__u32 conn, __u32 from, __u32 end, __u8 flags)
{
	struct event event = {
		.kind = ARRIVES, .conn = conn, .from = from, .end = end, .flags = flags};

	for (; from != end; from = event.end) {
		event.from = from;
		event.end = end - from > MSS ? from + MSS : end;
		travel(event);
	}
	if (flags & TCPC_TCP_RST)
		travel(event);
}

static inline void on_resend(struct ledger_lab *l, const struct tcpc_ledger_resend *what)
{
	__u32 from = what->from_seq - l->start, end = what->end_seq - l->start;

	expect_true("net", "nothing is sent again while paused", !l->ledger->paused);
	send_range(lab_conn(&what->flow), from, end, from == end ? TCPC_TCP_RST : 0);
}

/* ---- the target -------------------------------------------------------------------------------
 */

/* The run of received numbers that begins at or behind @at. False: there is none. */
static inline bool next_block(const struct conn *c, __u32 at, __u32 *ret_left, __u32 *ret_right)
{
	while (at <= c->space && !c->got[at])
		at++;
	if (at > c->space)
		return false;
	*ret_left = at;
	while (at <= c->space && c->got[at])
		at++;
	*ret_right = at;
	return true;
}

/* RFC 2018, 4: the block that changed last comes first. */
static inline void put_sacks(const struct conn *c, struct tcpc_receipt *r)
{
	__u32 at = c->rcv_nxt, left, right;

	r->n_sack = 1;
	while (r->n_sack < TCPC_MAX_SACK && next_block(c, at, &left, &right)) {
		bool newest = left <= c->newest && c->newest < right;
		int place = newest ? 0 : r->n_sack++;

		r->sack[2 * place] = left;
		r->sack[2 * place + 1] = right;
		at = right;
	}
	if (!r->sack[1]) /* the newest did not leave a hole */
		memset(r->sack, 0, sizeof(r->sack));
	if (!r->sack[1])
		r->n_sack = 0;
}

/* The link keeps their order, as TCP does. */
static inline void send_receipt(struct conn *c, struct event event)
{
	__u64 ns = lab.now_ns + 200 * US + random_below(&seed, 1500) * US;

	if (chance(weather->receipts_lost) || (weather->link_too && is_out()))
		return;
	if (ns <= c->receipt_ns)
		ns = c->receipt_ns + 1;
	c->receipt_ns = ns;
	push(ns - lab.now_ns, event);
}

static inline void answer(__u32 conn, __u8 flags, __u32 payload_bytes)
{
	struct conn *c = &conns[conn];
	struct event event = {.kind = RECEIPT, .conn = conn};

	c->unacked = 0;
	c->ack_is_due = false;
	event.receipt = (struct tcpc_receipt){.ack = c->rcv_nxt,
					      .flags = flags | TCPC_TCP_ACK,
					      .window = 500,
					      .payload_bytes = payload_bytes};
	if (c->rcv_nxt <= c->newest)
		put_sacks(c, &event.receipt);
	send_receipt(c, event);
}

/* Every second segment is acknowledged at once, a single one after 40 ms or with the answer. */
static inline void acknowledge(__u32 conn)
{
	struct conn *c = &conns[conn];

	while (c->asked < EXCHANGES && c->request_end[c->asked] <= c->rcv_nxt) {
		c->asked++;
		push(random_below(&seed, 60000) * US,
		     (struct event){.kind = ANSWERS, .conn = conn});
	}
	if (++c->unacked >= 2 || c->rcv_nxt > c->space) {
		answer(conn, 0, 0);
	} else if (!c->ack_is_due) {
		c->ack_is_due = true;
		push(40 * MS, (struct event){.kind = DELAYED_ACK, .conn = conn});
	}
}

static inline void on_segment(const struct event *e)
{
	struct conn *c = &conns[e->conn];
	__u32 before = c->rcv_nxt, fresh = 0;

	if (e->from && !c->got[0])
		return; /* no such connection yet */
	for (__u32 i = e->from; i < e->end; i++) {
		fresh += !c->got[i];
		c->got[i] = 1;
	}
	while (c->rcv_nxt <= c->space && c->got[c->rcv_nxt])
		c->rcv_nxt++;
	c->newest = e->end - 1;
	n_needless += !fresh;
	if (before == 0 && c->rcv_nxt)
		answer(e->conn, TCPC_TCP_SYN, 0);
	else if (c->rcv_nxt == before || c->rcv_nxt < e->from)
		answer(e->conn, 0, 0); /* out of order, or there already: an ACK at once */
	else
		acknowledge(e->conn);
}

/* RFC 5961, 3.2: a RST that does not fit exactly is challenged. */
static inline void on_rst(const struct event *e)
{
	struct conn *c = &conns[e->conn];

	if (c->rcv_nxt == c->space)
		c->times_reset++;
	else if (c->got[0])
		answer(e->conn, 0, 0);
}

static inline void delivered(const struct event *e)
{
	if (conns[e->conn].times_reset)
		return; /* align drops what belongs to no connection */
	if (e->flags & TCPC_TCP_RST)
		on_rst(e);
	else
		on_segment(e);
}

/* The hold queue in front of the target keeps the order. */
static inline void arrives(const struct event *e)
{
	struct conn *c = &conns[e->conn];
	struct event taken = *e, later = *e;

	if (weather->hold_ms && c->got[0] && c->held_until_ns <= lab.now_ns && chance(50))
		c->held_until_ns = lab.now_ns + random_below(&seed, weather->hold_ms) * MS;
	if (c->held_until_ns <= lab.now_ns) {
		delivered(e);
		return;
	}
	taken.kind = TAKEN;
	send_receipt(c, taken);
	later.kind = DELIVERED;
	push(c->held_until_ns - lab.now_ns, later);
}

#endif
