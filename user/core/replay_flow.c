// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay_flow.c - the connections of a capture: what is the client's, what is new, what cannot be
 * sent. See replay.h.
 *
 * The least recently seen connection makes room for a new one: a capture may be of any length, we
 * are not. What comes of one that was forgotten is taken for a connection that began before the
 * capture, which the target takes up at its next request.
 */
#include "core/replay.h"

#include <stdlib.h>
#include <string.h>

#include "tcpcopy/greeting.h"
#include "tcpcopy/hash.h"
#include "tcpcopy/seq.h"

enum {
	FLOW_SYN = 1 << 0,    /* its SYN was seen */
	FLOW_SPOKEN = 1 << 1, /* so was data */
	FLOW_CUT = 1 << 2,    /* something is missing: it was ended */
	FLOW_OVER = 1 << 3,   /* its FIN or RST was seen */
	FLOW_ACKED = 1 << 4,  /* `acked` is known */
	FLOW_SHOOK = 1 << 5,  /* an ACK of the client's was seen before it spoke */
};

#define NONE (~0U)
#define MAX_PORTS_SEEN 64

struct entry {
	struct tcpc_replay_conn conn;
	__u32 next;	    /* of the same hash value, or free */
	__u32 older, newer; /* by last use */
};

struct port_seen {
	__u16 port; /* host order */
	__u64 n;
};

struct tcpc_replay_flows {
	struct tcpc_replay_flows_config config;
	struct tcpc_replay_flow_stats stats;
	struct entry *entries;
	__u32 *buckets, mask;
	__u32 used; /* entries that have ever been taken */
	__u32 free, oldest, newest;
	struct port_seen ports[MAX_PORTS_SEEN];
	unsigned int n_ports;
	struct tcpc_replay_conn ended;
	/* The packet that was taken last needs a first ACK before it: as whose, and which one. */
	bool greeted;
	struct tcpc_replay_conn greeted_conn;
	__u32 greeted_ack;
};

/* ---- the table --------------------------------------------------------------------------------
 */

static __u32 hash_of(const struct tcpc_replay_flows *f, const struct tcpc_replay_conn *c)
{
	__u64 words[5];

	memcpy(words, &c->client, 16);
	memcpy(words + 2, &c->server, 16);
	words[4] = (__u64)c->client_port << 16 | c->server_port;
	return tcpc_siphash_words(f->config.hash_key, words, 5) & f->mask;
}

static bool same(const struct tcpc_replay_conn *a, const struct tcpc_replay_conn *b)
{
	return a->client_port == b->client_port && a->server_port == b->server_port &&
	       tcpc_addr_equal(&a->client, &b->client) && tcpc_addr_equal(&a->server, &b->server);
}

static void take_out(struct tcpc_replay_flows *f, __u32 i)
{
	struct entry *e = &f->entries[i];

	*(e->older == NONE ? &f->oldest : &f->entries[e->older].newer) = e->newer;
	*(e->newer == NONE ? &f->newest : &f->entries[e->newer].older) = e->older;
}

static void put_newest(struct tcpc_replay_flows *f, __u32 i)
{
	struct entry *e = &f->entries[i];

	e->newer = NONE;
	e->older = f->newest;
	*(f->newest == NONE ? &f->oldest : &f->entries[f->newest].newer) = i;
	f->newest = i;
}

static bool is_open(const struct tcpc_replay_conn *c)
{
	return !(c->flags & (FLOW_CUT | FLOW_OVER));
}

static void drop(struct tcpc_replay_flows *f, __u32 i)
{
	__u32 *at = &f->buckets[hash_of(f, &f->entries[i].conn)];

	while (*at != i)
		at = &f->entries[*at].next;
	*at = f->entries[i].next;
	take_out(f, i);
	f->stats.open -= is_open(&f->entries[i].conn);
	f->entries[i].next = f->free;
	f->free = i;
}

static struct tcpc_replay_conn *find(struct tcpc_replay_flows *f,
				     const struct tcpc_replay_conn *key)
{
	__u32 i = f->buckets[hash_of(f, key)];

	while (i != NONE && !same(&f->entries[i].conn, key))
		i = f->entries[i].next;
	if (i == NONE)
		return NULL;
	take_out(f, i);
	put_newest(f, i);
	return &f->entries[i].conn;
}

static struct tcpc_replay_conn *add(struct tcpc_replay_flows *f, const struct tcpc_replay_conn *key)
{
	__u32 i, *bucket = &f->buckets[hash_of(f, key)];

	if (f->free == NONE && f->used == f->config.max_connections) {
		f->stats.forgotten += is_open(&f->entries[f->oldest].conn);
		drop(f, f->oldest);
	}
	i = f->free;
	if (i != NONE)
		f->free = f->entries[i].next;
	else
		i = f->used++;
	f->entries[i].conn = *key;
	f->entries[i].next = *bucket;
	*bucket = i;
	put_newest(f, i);
	f->stats.open++;
	f->stats.connections++;
	return &f->entries[i].conn;
}

struct tcpc_replay_flows *tcpc_replay_flows_new(const struct tcpc_replay_flows_config *config)
{
	struct tcpc_replay_flows *f = calloc(1, sizeof(*f));
	__u32 n = 1;

	if (!f)
		return NULL;
	while (n < config->max_connections)
		n <<= 1;
	f->config = *config;
	f->mask = n - 1;
	f->free = f->oldest = f->newest = NONE;
	f->entries = calloc(config->max_connections, sizeof(*f->entries));
	f->buckets = malloc(n * sizeof(*f->buckets));
	if (!f->entries || !f->buckets) {
		tcpc_replay_flows_free(f);
		return NULL;
	}
	memset(f->buckets, 0xff, n * sizeof(*f->buckets)); /* NONE */
	return f;
}

void tcpc_replay_flows_free(struct tcpc_replay_flows *f)
{
	if (!f)
		return;
	free(f->entries);
	free(f->buckets);
	free(f);
}

/* ---- one packet -------------------------------------------------------------------------------
 */

static bool has_port(const struct tcpc_replay_flows *f, __be16 port)
{
	for (__u32 i = 0; i < f->config.n_ports; i++)
		if (f->config.ports[i] == port)
			return true;
	return false;
}

static void note_port(struct tcpc_replay_flows *f, __u16 port)
{
	for (unsigned int i = 0; i < f->n_ports; i++) {
		if (f->ports[i].port != port)
			continue;
		f->ports[i].n++;
		return;
	}
	if (f->n_ports < MAX_PORTS_SEEN)
		f->ports[f->n_ports++] = (struct port_seen){port, 1};
}

/* What a server acknowledges it has had, so if we have not, the capture lacks it. */
static void note_server(struct tcpc_replay_flows *f, const struct tcpc_pkt *pkt)
{
	const struct tcpc_replay_conn key = {
		.client = pkt->daddr,
		.server = pkt->saddr,
		.client_port = pkt->dport,
		.server_port = pkt->sport,
	};
	struct tcpc_replay_conn *c = find(f, &key);

	if (!c || !(pkt->flags & TCPC_TCP_ACK) || (pkt->flags & TCPC_TCP_RST))
		return;
	if (!(c->flags & FLOW_ACKED) || tcpc_seq_lt(c->acked, pkt->ack))
		c->acked = pkt->ack;
	c->flags |= FLOW_ACKED;
}

static struct tcpc_replay_conn *open_conn(struct tcpc_replay_flows *f,
					  const struct tcpc_replay_conn *key,
					  const struct tcpc_pkt *pkt)
{
	struct tcpc_replay_conn *c = add(f, key);
	bool syn = pkt->flags & TCPC_TCP_SYN;

	c->una = c->nxt = c->gap = pkt->seq;
	c->flags = syn ? FLOW_SYN : 0;
	f->stats.midstream += !syn;
	return c;
}

/* The connection that @pkt belongs to, begun anew by a SYN that is not the one it began with; NULL
 * if there is none and it cannot begin one. */
static struct tcpc_replay_conn *conn_of(struct tcpc_replay_flows *f, const struct tcpc_pkt *pkt)
{
	const struct tcpc_replay_conn key = {
		.client = pkt->saddr,
		.server = pkt->daddr,
		.client_port = pkt->sport,
		.server_port = pkt->dport,
	};
	struct tcpc_replay_conn *c = find(f, &key);
	bool syn = pkt->flags & TCPC_TCP_SYN;

	/* Before any data it may be the same SYN once more. */
	if (c && syn && (!is_open(c) || pkt->seq + 1 != c->una)) {
		drop(f, f->newest);
		c = NULL;
	}
	if (!c && (syn || (pkt->payload_bytes && !(pkt->flags & TCPC_TCP_RST))))
		c = open_conn(f, &key, pkt);
	return c;
}

static int end_here(struct tcpc_replay_flows *f, struct tcpc_replay_conn *c,
		    enum tcpc_replay_skip why, const struct tcpc_replay_conn **ret_end)
{
	c->flags |= FLOW_CUT;
	f->stats.open--;
	*ret_end = c;
	return why;
}

/* Put [pkt->seq, end) to what was seen. */
static void advance(struct tcpc_replay_conn *c, __u32 seq, __u32 end)
{
	if (tcpc_seq_lt(c->una, seq)) {
		if (c->nxt == c->una || tcpc_seq_lt(seq, c->gap))
			c->gap = seq;
	} else {
		c->una = tcpc_seq_max(c->una, end);
		/* What lies behind the first piece is not remembered: taken to be whole, as it is
		 * when a single packet was late. */
		if (c->nxt != c->una && tcpc_seq_leq(c->gap, c->una))
			c->una = tcpc_seq_max(c->una, c->nxt);
	}
	c->nxt = tcpc_seq_max(c->nxt, tcpc_seq_max(c->una, end));
}

static int take_ack(struct tcpc_replay_conn *c, const struct tcpc_pkt *pkt)
{
	c->ack = pkt->ack;
	/* The first one tells whether the server speaks first: the tap wants to see it. */
	if (!(c->flags & FLOW_SYN) || (c->flags & FLOW_SPOKEN))
		return TCPC_REPLAY_SKIP_pure_ack;
	c->flags |= FLOW_SHOOK;
	return -1;
}

/* Recordings have no ACKs, but say in a client's first words how much of a greeting it had read
 * (greeting.h): as much lies between the ACK that is missing and this one. */
static void take_greeting(struct tcpc_replay_flows *f, const struct tcpc_replay_conn *c,
			  const struct tcpc_pkt *pkt)
{
	__u32 bytes = tcpc_greeting_bytes(pkt->greeting);

	if (!(c->flags & FLOW_SYN) || (c->flags & (FLOW_SPOKEN | FLOW_SHOOK)) || !bytes ||
	    (pkt->flags & (TCPC_TCP_SYN | TCPC_TCP_URG)) || pkt->seq != c->una)
		return;
	f->greeted = true;
	f->greeted_conn = *c;
	f->greeted_ack = pkt->ack - bytes;
}

static int take_data(struct tcpc_replay_flows *f, struct tcpc_replay_conn *c,
		     const struct tcpc_pkt *pkt, bool whole,
		     const struct tcpc_replay_conn **ret_end)
{
	__u32 end = pkt->seq + tcpc_pkt_seq_len(pkt);
	bool syn = pkt->flags & TCPC_TCP_SYN;

	if (syn ? c->una != pkt->seq : tcpc_seq_leq(end, c->una))
		return TCPC_REPLAY_SKIP_retransmission;
	if (c->flags & FLOW_OVER)
		return TCPC_REPLAY_SKIP_after_end;
	if (!whole)
		return end_here(f, c, TCPC_REPLAY_SKIP_payload_cut, ret_end);
	if (tcpc_seq_lt(c->una, pkt->seq) && (c->flags & FLOW_ACKED) &&
	    tcpc_seq_lt(c->una, c->acked))
		return end_here(f, c, TCPC_REPLAY_SKIP_hole, ret_end);
	take_greeting(f, c, pkt);
	advance(c, pkt->seq, end);
	if (pkt->payload_bytes)
		c->flags |= FLOW_SPOKEN;
	if (!syn || pkt->payload_bytes)
		c->ack = pkt->ack;
	return -1;
}

static void note_over(struct tcpc_replay_flows *f, struct tcpc_replay_conn *c)
{
	if (is_open(c))
		f->stats.open--;
	c->flags |= FLOW_OVER;
}

static bool is_in(const struct tcpc_prefix_list *list, const struct tcpc_addr *addr)
{
	for (__u32 i = 0; i < list->n; i++) {
		const struct tcpc_prefix *p = &list->list[i];
		__u32 bits = p->bits, w = 0;

		for (; bits >= 32 && addr->w[w] == p->addr.w[w]; w++)
			bits -= 32;
		if (!bits || (bits < 32 && !((tcpc_ntohl(addr->w[w]) ^ tcpc_ntohl(p->addr.w[w])) >>
					     (32 - bits))))
			return true;
	}
	return false;
}

/* -1, or why this client's packets are not sent. */
static int check_client(const struct tcpc_filter_spec *filter, const struct tcpc_addr *client)
{
	if (tcpc_addr_is_link_local(client))
		return TCPC_REPLAY_SKIP_link_local;
	if (filter->clients.n && !is_in(&filter->clients, client))
		return TCPC_REPLAY_SKIP_not_client;
	return is_in(&filter->excludes, client) ? (int)TCPC_REPLAY_SKIP_excluded : -1;
}

static int take_client(struct tcpc_replay_flows *f, const struct tcpc_pkt *pkt, bool whole,
		       const struct tcpc_replay_conn **ret_end)
{
	struct tcpc_replay_conn *c = conn_of(f, pkt);
	int r;

	if (!c)
		return tcpc_pkt_is_pure_ack(pkt) ? TCPC_REPLAY_SKIP_pure_ack
						 : TCPC_REPLAY_SKIP_after_end;
	if (c->flags & FLOW_CUT)
		return TCPC_REPLAY_SKIP_after_cut;
	if (tcpc_pkt_is_pure_ack(pkt))
		return take_ack(c, pkt);
	if (pkt->flags & TCPC_TCP_RST) {
		if (c->flags & FLOW_OVER)
			return TCPC_REPLAY_SKIP_after_end;
		note_over(f, c);
		return -1;
	}
	r = take_data(f, c, pkt, whole, ret_end);
	/* Behind a hole that is filled later its end comes too early to be the end. */
	if (r < 0 && (pkt->flags & TCPC_TCP_FIN) && c->una == c->nxt)
		note_over(f, c);
	return r;
}

int tcpc_replay_take(struct tcpc_replay_flows *f, const struct tcpc_pkt *pkt, bool whole,
		     const struct tcpc_replay_conn **ret_end)
{
	int r;

	*ret_end = NULL;
	f->greeted = false;
	if (!has_port(f, pkt->dport)) {
		if (has_port(f, pkt->sport)) {
			note_server(f, pkt);
			return TCPC_REPLAY_SKIP_from_server;
		}
		note_port(f, tcpc_ntohs(pkt->dport));
		return TCPC_REPLAY_SKIP_other_port;
	}
	/* A server with a client at one of its own ports: the answer to a SYN is not the client's.
	 */
	if ((pkt->flags & (TCPC_TCP_SYN | TCPC_TCP_ACK)) == (TCPC_TCP_SYN | TCPC_TCP_ACK)) {
		note_server(f, pkt);
		return TCPC_REPLAY_SKIP_from_server;
	}
	r = check_client(f->config.filter, &pkt->saddr);
	return r < 0 ? take_client(f, pkt, whole, ret_end) : r;
}

const struct tcpc_replay_conn *tcpc_replay_greeted(const struct tcpc_replay_flows *f,
						   __u32 *ret_ack)
{
	if (!f->greeted)
		return NULL;
	*ret_ack = f->greeted_ack;
	return &f->greeted_conn;
}

/* ---- the end ----------------------------------------------------------------------------------
 */

const struct tcpc_replay_conn *tcpc_replay_end_next(struct tcpc_replay_flows *f)
{
	while (f->oldest != NONE) {
		f->ended = f->entries[f->oldest].conn;
		drop(f, f->oldest);
		if (is_open(&f->ended))
			return &f->ended;
	}
	return NULL;
}

const struct tcpc_replay_flow_stats *tcpc_replay_flow_stats(const struct tcpc_replay_flows *f)
{
	return &f->stats;
}

unsigned int tcpc_replay_ports(const struct tcpc_replay_flows *f, __u16 *ret, unsigned int max)
{
	bool told[MAX_PORTS_SEEN] = {};
	unsigned int n;

	for (n = 0; n < max && n < f->n_ports; n++) {
		unsigned int best = 0;

		while (told[best])
			best++;
		for (unsigned int i = best + 1; i < f->n_ports; i++)
			if (!told[i] && f->ports[i].n > f->ports[best].n)
				best = i;
		told[best] = true;
		ret[n] = f->ports[best].port;
	}
	return n;
}
