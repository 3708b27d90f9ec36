// SPDX-License-Identifier: GPL-2.0-only
/* coalesce.c - see coalesce.h. */
#include "core/coalesce.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "tcpcopy/addr.h"
#include "tcpcopy/hash.h"
#include "tcpcopy/parse.h"
#include "tcpcopy/seq.h"

/* What is further apart belongs to different connections. */
#define SAME_CONNECTION (1u << 30)

static __u16 bucket_of(const struct tcpc_receipt *r)
{
	/* Without a secret: whoever makes receipts collide makes his own go slower, and no more
	 * than TCPC_COALESCE_MAX of them are looked at. */
	static const __u64 key[2] = {1, 2};
	__u64 words[3] = {(__u64)r->client.w[0] << 32 | r->client.w[1],
			  (__u64)r->client.w[2] << 32 | r->client.w[3],
			  (__u64)r->client_port << 16 | r->server_port};

	return tcpc_siphash_words(key, words, 3) % TCPC_COALESCE_BUCKETS;
}

static bool is_same_flow(const struct tcpc_receipt *a, const struct tcpc_receipt *b)
{
	return a->client_port == b->client_port && a->server_port == b->server_port &&
	       tcpc_addr_equal(&a->client, &b->client) && tcpc_addr_equal(&a->server, &b->server);
}

/* The latest of the connection, or NULL. */
static struct tcpc_coalesce_slot *find(struct tcpc_coalesce *c, const struct tcpc_receipt *r,
				       __u16 bucket)
{
	for (__u16 i = c->buckets[bucket]; i; i = c->slots[i - 1].next)
		if (is_same_flow(&c->slots[i - 1].receipt, r))
			return &c->slots[i - 1];
	return NULL;
}

/* ---- SACK -------------------------------------------------------------------------------------
 */

static bool is_covered(const struct tcpc_receipt *r, __u32 left, __u32 right)
{
	for (__u32 i = 0; i < r->n_sack; i++)
		if (tcpc_seq_leq(r->sack[2 * i], left) && tcpc_seq_leq(right, r->sack[2 * i + 1]))
			return true;
	return false;
}

/* Put the blocks of @old behind those of @into, which are newer, but for what is acknowledged or in
 * a newer one. False: there is no room for all of them. */
static bool add_sacks(struct tcpc_receipt *into, const struct tcpc_receipt *old)
{
	for (__u32 i = 0; i < old->n_sack; i++) {
		__u32 left = old->sack[2 * i], right = old->sack[2 * i + 1];

		if (tcpc_seq_leq(right, into->ack) || is_covered(into, left, right))
			continue;
		if (into->n_sack == TCPC_MAX_SACK)
			return false;
		into->sack[2 * into->n_sack] = left;
		into->sack[2 * into->n_sack + 1] = right;
		into->n_sack++;
	}
	return true;
}

/* ---- merging ----------------------------------------------------------------------------------
 */

static bool is_bare(const struct tcpc_receipt *r)
{
	return !r->payload_bytes && !(r->flags & (TCPC_TCP_SYN | TCPC_TCP_FIN));
}

/* Would the ledger count @r as a duplicate ACK behind @s? RFC 5681, 2. */
static bool is_dup(const struct tcpc_coalesce_slot *s, const struct tcpc_receipt *r)
{
	return is_bare(r) && r->ack == s->receipt.ack && r->window == s->receipt.window &&
	       !(s->receipt.flags & TCPC_TCP_RST);
}

/* Can @s be a duplicate of what was sent before? Then it must stay one. */
static bool may_be_dup(const struct tcpc_coalesce_slot *s)
{
	return is_bare(&s->receipt) && !s->moved;
}

static bool may_merge(const struct tcpc_coalesce_slot *s, const struct tcpc_receipt *r)
{
	if (!(s->receipt.flags & r->flags & TCPC_TCP_ACK))
		return false;
	/* The ACK number of a SYN says where the target's half begins, the next one does not. */
	if ((s->receipt.flags | r->flags) & (TCPC_TCP_RST | TCPC_TCP_SYN))
		return false;
	if (r->ack - s->receipt.ack >= SAME_CONNECTION)
		return false; /* goes back: two packets have changed places */
	if (r->ack != s->receipt.ack)
		return true;
	if (is_dup(s, r))
		return s->dups >= TCPC_COALESCE_DUP_ACKS;
	return !may_be_dup(s);
}

static bool merge(struct tcpc_coalesce_slot *s, const struct tcpc_receipt *r)
{
	struct tcpc_receipt all = *r;

	if (!may_merge(s, r) || !add_sacks(&all, &s->receipt))
		return false;
	all.seq = s->receipt.seq;
	all.payload_bytes += s->receipt.payload_bytes;
	all.flags |= s->receipt.flags;
	if (r->ack != s->receipt.ack) {
		s->moved = 1;
		s->dups = 0;
	}
	s->receipt = all;
	return true;
}

int tcpc_coalesce_add(struct tcpc_coalesce *c, const struct tcpc_receipt *receipt)
{
	__u16 bucket = bucket_of(receipt);
	struct tcpc_coalesce_slot *before = find(c, receipt, bucket);

	if (before && merge(before, receipt))
		return 1;
	if (c->n == TCPC_COALESCE_MAX)
		return -ENOSPC;
	c->slots[c->n] = (struct tcpc_coalesce_slot){
		.receipt = *receipt,
		.next = c->buckets[bucket],
		.bucket = bucket,
		.dups = before && is_dup(before, receipt) ? before->dups + 1 : 0,
	};
	c->buckets[bucket] = ++c->n;
	return 0;
}

void tcpc_coalesce_clear(struct tcpc_coalesce *c)
{
	for (__u32 i = 0; i < c->n; i++)
		c->buckets[c->slots[i].bucket] = 0;
	c->n = 0;
}
