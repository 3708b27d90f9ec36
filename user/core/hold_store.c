// SPDX-License-Identifier: GPL-2.0-only
/*
 * hold_store.c - the hold queue's connections, and the packets of each. They stand in the order of
 * their bytes, not in that of their coming: what was lost on the way is sent again and comes late,
 * and what is behind it would wait for an answer that the target cannot give without it.
 */
#include <stdlib.h>
#include <string.h>

#include "core/hold_cut.h"
#include "core/hold_priv.h"
#include "tcpcopy/hash.h"
#include "tcpcopy/hold.h"

/* What has overtaken its SYN, which was lost on the way, is not much. */
#define BEHIND_SYN (16u << 20)

/* ---- connections ------------------------------------------------------------------------------
 */

struct tcpc_flow hold_flow(const struct tcpc_pkt *pkt)
{
	return (struct tcpc_flow){.client = pkt->saddr,
				  .server = pkt->daddr,
				  .client_port = pkt->sport,
				  .server_port = pkt->dport};
}

struct held **hold_find(struct tcpc_hold *hold, const struct tcpc_flow *flow)
{
	/* Our own clients' ports: a hash without a secret is enough behind a bound. */
	static const __u64 key[2] = {1, 2};
	__u64 words[3] = {(__u64)flow->client.w[0] << 32 | flow->client.w[1],
			  (__u64)flow->client.w[2] << 32 | flow->client.w[3],
			  (__u64)flow->client_port << 16 | flow->server_port};
	struct held **p = &hold->buckets[tcpc_siphash_words(key, words, 3) % BUCKETS];

	while (*p && memcmp(&(*p)->flow, flow, sizeof(*flow)))
		p = &(*p)->next;
	return p;
}

struct held **hold_need(struct tcpc_hold *hold, const struct tcpc_flow *flow, __u64 now_ns)
{
	struct held **at = hold_find(hold, flow);

	if (*at)
		return at;
	*at = calloc(1, sizeof(**at));
	if (!*at)
		return NULL;
	(*at)->flow = *flow;
	(*at)->tail = &(*at)->head;
	(*at)->progress_ns = now_ns;
	hold->stats.connections++;
	return at;
}

void hold_forget(struct tcpc_hold *hold, struct held **at)
{
	struct held *f = *at;

	while (f->head)
		free(hold_pop(hold, f));
	*at = f->next;
	free(f);
	hold->stats.connections--;
}

/* ---- packets ----------------------------------------------------------------------------------
 */

struct packet *hold_new_packet(const struct tcpc_pkt *pkt, __u64 now_ns, const void *data,
			       size_t head_bytes, size_t bytes)
{
	struct packet *p = malloc(sizeof(*p) + bytes);

	if (!p)
		return NULL;
	p->next = NULL;
	p->since_ns = now_ns;
	p->seq_end = pkt->seq + pkt->payload_bytes;
	p->ack = pkt->ack;
	p->payload_bytes = pkt->payload_bytes;
	p->flags = pkt->flags;
	p->greeting = pkt->greeting;
	p->head_bytes = head_bytes;
	p->bytes = p->room = bytes;
	p->cut_unit = tcpc_hold_cut_unit(data, head_bytes);
	memcpy(p->data, data, bytes);
	return p;
}

struct packet *hold_pop(struct tcpc_hold *hold, struct held *f)
{
	struct packet *p = f->head;

	f->head = p->next;
	if (!f->head)
		f->tail = &f->head;
	f->bytes -= hold_size(p);
	hold->stats.bytes -= hold_size(p);
	if (p->told == HOLD_NOT_TOLD) {
		hold_is_told(hold, p);
		p->told = HOLD_GOES_ON;
	}
	return p;
}

/* The last packet, or NULL. Its first field is what the tail points to. */
static struct packet *last_of(const struct held *f)
{
	return f->head ? (struct packet *)f->tail : NULL;
}

/* Where the connection begins in the queue that @seq belongs to: the client may have used its port
 * again, with a SYN that waits for the end of what is before it. */
static struct packet *const *begin_of(const struct held *f, __u32 seq)
{
	struct packet *const *begin = &f->head;

	for (struct packet *const *at = begin; *at; at = &(*at)->next)
		if (((*at)->flags & TCPC_TCP_SYN) && seq - hold_seq(*at) < HOLD_SAME_CONNECTION)
			begin = &(*at)->next;
	return begin;
}

static bool is_end(const struct packet *p)
{
	return !p || (p->flags & TCPC_TCP_SYN);
}

static bool has_syn(const struct held *f, __u32 seq)
{
	for (const struct packet *p = f->head; p; p = p->next)
		if ((p->flags & TCPC_TCP_SYN) && hold_seq(p) == seq)
			return true;
	return false;
}

/* Is there a packet with the same FIN or RST at the same place? */
static bool has_close(const struct packet *p, __u32 seq_end, __u8 flags)
{
	const __u8 close = TCPC_TCP_FIN | TCPC_TCP_RST;

	for (; !is_end(p); p = p->next)
		if (p->seq_end == seq_end && (p->flags & close) == (flags & close))
			return true;
	return false;
}

bool hold_has(const struct held *f, const struct tcpc_pkt *pkt)
{
	__u32 at = pkt->seq, end = at + pkt->payload_bytes;
	const struct packet *last = last_of(f), *begin;

	if (!last)
		return false;
	if (pkt->flags & TCPC_TCP_SYN)
		return has_syn(f, at);
	/* In order, which is nearly always. */
	if (tcpc_seq_leq(hold_end_of(last->seq_end, last->flags), at) &&
	    !(last->flags & TCPC_TCP_RST))
		return false;
	begin = *begin_of(f, at);
	for (const struct packet *p = begin; !is_end(p) && tcpc_seq_leq(hold_seq(p), at);
	     p = p->next)
		if (tcpc_seq_lt(at, p->seq_end))
			at = p->seq_end;
	if (tcpc_seq_lt(at, end))
		return false;
	if (pkt->flags & (TCPC_TCP_FIN | TCPC_TCP_RST))
		return has_close(begin, end, pkt->flags);
	return pkt->payload_bytes;
}

/* FIN or RST by itself comes behind the data before it, which begins with the same number if that
 * is late. */
static bool is_before(const struct packet *p, const struct packet *of, bool early)
{
	if (hold_seq(p) != hold_seq(of))
		return tcpc_seq_lt(hold_seq(p), hold_seq(of));
	return !early && !(tcpc_hold_is_closing(p->flags, p->payload_bytes) && of->payload_bytes);
}

void hold_is_told(struct tcpc_hold *hold, struct packet *p)
{
	hold->untold_bytes -= p->payload_bytes;
	*(p->older ? &p->older->newer : &hold->oldest) = p->newer;
	*(p->newer ? &p->newer->older : &hold->newest) = p->older;
	p->told = HOLD_TOLD;
}

static void is_not_told(struct tcpc_hold *hold, struct packet *p)
{
	hold->untold_bytes += p->payload_bytes;
	p->told = HOLD_NOT_TOLD;
	p->newer = NULL;
	p->older = hold->newest;
	*(hold->newest ? &hold->newest->newer : &hold->oldest) = p;
	hold->newest = p;
}

/* A SYN goes behind all that is there, but in front of what belongs to it: it may be late, too. */
static struct packet **place_of_syn(struct held *f, __u32 seq)
{
	struct packet **at = &f->head;

	while (*at && hold_seq(*at) - seq - 1 >= BEHIND_SYN)
		at = &(*at)->next;
	return at;
}

static void put_in_order(struct held *f, struct packet *p, bool early)
{
	struct packet *last = last_of(f), **at = f->tail;

	if (early)
		at = &f->head;
	else if (p->flags & TCPC_TCP_SYN)
		at = place_of_syn(f, hold_seq(p));
	else if (last && !is_before(last, p, false))
		at = (struct packet **)begin_of(f, hold_seq(p));
	while (!is_end(*at) && is_before(*at, p, early))
		at = &(*at)->next;
	p->next = *at;
	*at = p;
	if (!p->next)
		f->tail = &p->next;
	/* Sent again later than what is behind it, it may speak of an answer to that. */
	else if (!(p->next->flags & TCPC_TCP_SYN) && tcpc_seq_lt(p->next->ack, p->ack))
		p->ack = p->next->ack;
	/* Nor is the connection less behind for it: it may come again and again. */
	if (p->next && p->next->since_ns < p->since_ns)
		p->since_ns = p->next->since_ns;
}

void hold_put(struct tcpc_hold *hold, struct held *f, struct packet *p, bool early)
{
	p->of = f;
	put_in_order(f, p, early);
	is_not_told(hold, p);
	f->bytes += hold_size(p);
	hold->stats.bytes += hold_size(p);
}

int hold_write(struct tcpc_hold *hold, struct packet *p, __u32 number)
{
	struct tcpc_hold_tag tag;

	tcpc_hold_tag_write(&tag, number);
	memcpy(p->data + p->head_bytes + SOURCE_MAC_OFF, &tag, sizeof(tag));
	return hold->ops.emit(hold->user, p->data, p->bytes);
}

bool hold_cut_head(struct tcpc_hold *hold, struct held *f, __u32 n)
{
	struct packet *p = f->head, *front;
	__u32 left = p->payload_bytes - n;
	struct tcpc_pkt pkt;

	tcpc_parse(p->data + p->head_bytes, p->data + p->bytes, p->bytes - p->head_bytes,
		   TCPC_LINK_ETHER, &pkt);
	front = malloc(sizeof(*front) + p->bytes - left);
	if (!front)
		return false;
	*front = *p;
	tcpc_hold_cut(p->data, p->head_bytes, &pkt, n, front->data);
	front->next = p;
	front->told = p->told == HOLD_TOLD ? HOLD_TOLD : HOLD_GOES_ON;
	front->payload_bytes = n;
	front->seq_end -= left;
	front->bytes = front->room = p->bytes - left;
	front->flags &= ~(TCPC_TCP_PSH | TCPC_TCP_FIN);
	hold->untold_bytes -= p->told == HOLD_NOT_TOLD ? n : 0;
	p->payload_bytes = left;
	p->bytes -= n;
	f->head = front;
	f->bytes += hold_size(front);
	hold->stats.bytes += hold_size(front);
	return true;
}
