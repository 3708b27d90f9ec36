// SPDX-License-Identifier: GPL-2.0-only
/*
 * ledger_table.c - the accounts of the ledger: found by flow (a hash table that grows), by time (a
 * timer wheel), by last use and by size. Knows nothing of what an account means.
 */
#include "core/ledger_priv.h"

#include <stdlib.h>
#include <string.h>

#include "tcpcopy/hash.h"

#define FIRST_BUCKETS 1024u
/* How many of the largest class are compared. Within it they differ by less than two to one. */
#define COMPARE_LARGEST 64

/* ---- lists ------------------------------------------------------------------------------------
 */

void ledger_list_init(struct ledger_link *head)
{
	head->prev = head->next = head;
}

void ledger_list_add(struct ledger_link *head, struct ledger_link *link)
{
	link->prev = head;
	link->next = head->next;
	head->next->prev = link;
	head->next = link;
}

void ledger_list_del(struct ledger_link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
}

/* ---- by flow ----------------------------------------------------------------------------------
 */

static __u64 hash_of(const struct tcpc_ledger *l, const struct tcpc_flow *f)
{
	__u64 words[5] = {(__u64)f->client.w[0] << 32 | f->client.w[1],
			  (__u64)f->client.w[2] << 32 | f->client.w[3],
			  (__u64)f->server.w[0] << 32 | f->server.w[1],
			  (__u64)f->server.w[2] << 32 | f->server.w[3],
			  (__u64)f->client_port << 16 | f->server_port};

	return tcpc_siphash_words(l->config.hash_key, words, 5);
}

static struct ledger_account **bucket_of(const struct tcpc_ledger *l, __u64 hash)
{
	return &l->buckets[hash & (l->n_buckets - 1)];
}

/* Without @flow's padding, which nobody promises to be zero. */
static bool is_same(const struct tcpc_flow *a, const struct tcpc_flow *b)
{
	return a->client_port == b->client_port && a->server_port == b->server_port &&
	       !memcmp(&a->client, &b->client, sizeof(a->client)) &&
	       !memcmp(&a->server, &b->server, sizeof(a->server));
}

struct ledger_account *ledger_find(const struct tcpc_ledger *l, const struct tcpc_flow *flow)
{
	__u64 hash = hash_of(l, flow);
	struct ledger_account *a = *bucket_of(l, hash);

	while (a && (a->hash != hash || a->state == LEDGER_REPLACED || !is_same(&a->flow, flow)))
		a = a->next;
	return a;
}

struct ledger_account *ledger_older(const struct ledger_account *newer)
{
	struct ledger_account *a = newer->next;

	/* A new account is put in front of those before it, and growing keeps their order. */
	while (a && (a->hash != newer->hash || a->state != LEDGER_REPLACED ||
		     !is_same(&a->flow, &newer->flow)))
		a = a->next;
	return a;
}

struct ledger_account *ledger_find_at(const struct tcpc_ledger *l, const struct tcpc_flow *flow,
				      __u32 seq)
{
	struct ledger_account *newest = ledger_find(l, flow), *a = newest;

	/* Initial numbers are random: that @seq fits an old one and not the new one is no chance.
	 */
	while (a && seq - a->una > a->nxt - a->una)
		a = ledger_older(a);
	return a ? a : newest;
}

struct ledger_account *ledger_current(const struct tcpc_ledger *l, const struct tcpc_flow *flow)
{
	struct ledger_account *current = ledger_find(l, flow), *a = current;

	while (a && (a = ledger_older(a)))
		if (a->flags & LEDGER_GOES_ON)
			current = a;
	return current;
}

/* Append, so that accounts of one flow keep their order: the newest is first. */
static void move_bucket(struct ledger_account *a, struct ledger_account **to, __u32 mask)
{
	struct ledger_account **at, *next;

	for (; a; a = next) {
		next = a->next;
		a->next = NULL;
		for (at = &to[a->hash & mask]; *at;)
			at = &(*at)->next;
		*at = a;
	}
}

/* One entry a bucket on average. Without memory for more they share, which is slower, no more. */
static void grow(struct tcpc_ledger *l)
{
	__u32 n = l->n_buckets * 2;
	struct ledger_account **to;

	if (l->stats.connections <= l->n_buckets)
		return;
	to = calloc(n, sizeof(*to));
	if (!to)
		return;
	for (__u32 i = 0; i < l->n_buckets; i++)
		move_bucket(l->buckets[i], to, n - 1);
	free(l->buckets);
	l->stats.memory_bytes += (n - l->n_buckets) * sizeof(*to);
	l->buckets = to;
	l->n_buckets = n;
}

/* ---- by time ----------------------------------------------------------------------------------
 */

/* An account moves in the wheel only when it is due earlier. Due later, which is the rule (each ACK
 * puts the timeout off), it stays where it is and is looked at once too often. */
void ledger_arm(struct tcpc_ledger *l, struct ledger_account *a, __u64 due_ns)
{
	__u64 slot = (due_ns >> LEDGER_WHEEL_SHIFT) + 1, last = l->wheel_at + LEDGER_WHEEL_SLOTS;

	if (slot <= l->wheel_at)
		slot = l->wheel_at + 1;
	/* Beyond the horizon: it comes up in between, and is put in again. */
	if (slot > last)
		slot = last;
	if (a->wheel_ns <= slot << LEDGER_WHEEL_SHIFT)
		return;
	a->wheel_ns = slot << LEDGER_WHEEL_SHIFT;
	ledger_list_del(&a->wheel);
	ledger_list_add(l->wheel[slot % LEDGER_WHEEL_SLOTS].prev, &a->wheel);
}

static void fire_slot(struct tcpc_ledger *l, struct ledger_link *slot, __u64 now_ns)
{
	struct ledger_link due;

	if (slot->next == slot)
		return;
	/* Those that are put in again can't come into this list. */
	due = *slot;
	due.prev->next = due.next->prev = &due;
	ledger_list_init(slot);
	while (due.next != &due) {
		struct ledger_account *a = LEDGER_ACCOUNT_OF(due.next, wheel);

		ledger_list_del(&a->wheel);
		ledger_list_init(&a->wheel);
		a->wheel_ns = LEDGER_NEVER;
		ledger_fire(l, a, now_ns);
	}
}

void tcpc_ledger_tick(struct tcpc_ledger *l, __u64 now_ns)
{
	__u64 to = now_ns >> LEDGER_WHEEL_SHIFT;

	/* After a long sleep once round is enough: whatever is due is found. */
	if (to > l->wheel_at + LEDGER_WHEEL_SLOTS)
		l->wheel_at = to - LEDGER_WHEEL_SLOTS;
	while (l->wheel_at < to) {
		l->wheel_at++;
		fire_slot(l, &l->wheel[l->wheel_at % LEDGER_WHEEL_SLOTS], now_ns);
	}
	ledger_catch_up(l, now_ns);
}

/* ---- by size ----------------------------------------------------------------------------------
 */

static __u8 class_of(__u32 bytes)
{
	return bytes ? 32 - __builtin_clz(bytes) : 0;
}

void ledger_resize(struct tcpc_ledger *l, struct ledger_account *a, __s64 bytes)
{
	__u8 size_class;

	a->retained += bytes;
	l->stats.retained_bytes += bytes;
	size_class = class_of(a->retained);
	if (size_class == a->size_class)
		return;
	ledger_list_del(&a->size);
	ledger_list_add(&l->sizes[size_class], &a->size);
	a->size_class = size_class;
}

struct ledger_account *ledger_largest(const struct tcpc_ledger *l)
{
	struct ledger_account *largest = NULL;

	for (int c = LEDGER_CLASSES - 1; c > 0 && !largest; c--) {
		const struct ledger_link *head = &l->sizes[c], *at = head->next;

		for (int i = 0; at != head && i < COMPARE_LARGEST; i++, at = at->next)
			if (!largest || LEDGER_ACCOUNT_OF(at, size)->retained > largest->retained)
				largest = LEDGER_ACCOUNT_OF(at, size);
	}
	return largest;
}

__u64 ledger_thin_largest(struct tcpc_ledger *l)
{
	__u64 bytes = 0;

	for (int c = LEDGER_CLASSES - 1; c > 0 && !bytes; c--) {
		struct ledger_link *head = &l->sizes[c], *at = head->next, *next;

		for (int i = 0; at != head && i < COMPARE_LARGEST && !bytes; i++, at = next) {
			next = at->next; /* what releases something changes its class */
			bytes = ledger_thin(l, LEDGER_ACCOUNT_OF(at, size));
		}
	}
	return bytes;
}

/* ---- making and end ---------------------------------------------------------------------------
 */

void ledger_touch(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns)
{
	a->last_ns = now_ns;
	if (l->lru.next == &a->lru)
		return;
	ledger_list_del(&a->lru);
	ledger_list_add(&l->lru, &a->lru);
}

/* At the bound the account that nothing was heard of for longest makes room. */
static void make_room(struct tcpc_ledger *l, __u64 now_ns)
{
	while (l->stats.connections && l->stats.connections >= l->config.max_connections) {
		struct ledger_account *a = LEDGER_ACCOUNT_OF(l->lru.prev, lru);

		if (a->head)
			ledger_give_up(l, a, now_ns, TCPC_LEDGER_LOST_full);
		ledger_close(l, a);
	}
}

struct ledger_account *ledger_open(struct tcpc_ledger *l, __u64 now_ns,
				   const struct tcpc_flow *flow)
{
	struct ledger_account *a, **bucket;

	make_room(l, now_ns);
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->flow = *flow;
	a->hash = hash_of(l, flow);
	a->since_ns = a->last_ns = now_ns;
	a->why = TCPC_LEDGER_LOST_no_connection;
	a->rto_ns = a->look_ns = a->wheel_ns = LEDGER_NEVER;
	ledger_list_init(&a->wheel);
	ledger_list_init(&a->turn);
	ledger_list_add(&l->lru, &a->lru);
	ledger_list_add(&l->sizes[0], &a->size);
	l->stats.opened++;
	l->stats.connections++;
	l->stats.memory_bytes += sizeof(*a);
	grow(l);
	bucket = bucket_of(l, a->hash);
	a->next = *bucket;
	*bucket = a;
	return a;
}

void ledger_close(struct tcpc_ledger *l, struct ledger_account *a)
{
	struct ledger_account **at = bucket_of(l, a->hash);

	ledger_forget(l, a);
	while (*at != a) {
		if ((*at)->hash == a->hash) /* which may have waited for this one */
			ledger_give_turn(l, *at);
		at = &(*at)->next;
	}
	*at = a->next;
	ledger_list_del(&a->lru);
	ledger_list_del(&a->wheel);
	ledger_list_del(&a->size);
	ledger_list_del(&a->turn);
	l->stats.connections--;
	l->stats.memory_bytes -= sizeof(*a);
	free(a);
}

struct tcpc_ledger *tcpc_ledger_new(const struct tcpc_ledger_config *config,
				    const struct tcpc_ledger_ops *ops, void *user, __u64 now_ns)
{
	struct tcpc_ledger *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->buckets = calloc(FIRST_BUCKETS, sizeof(struct ledger_account *));
	if (!l->buckets) {
		free(l);
		return NULL;
	}
	l->n_buckets = FIRST_BUCKETS;
	l->config = *config;
	l->ops = *ops;
	l->user = user;
	l->wheel_at = now_ns >> LEDGER_WHEEL_SHIFT;
	l->stats.memory_bytes = sizeof(*l) + FIRST_BUCKETS * sizeof(struct ledger_account *);
	ledger_list_init(&l->lru);
	ledger_list_init(&l->turns);
	for (int i = 0; i < LEDGER_WHEEL_SLOTS; i++)
		ledger_list_init(&l->wheel[i]);
	for (int i = 0; i < LEDGER_CLASSES; i++)
		ledger_list_init(&l->sizes[i]);
	return l;
}

void tcpc_ledger_free(struct tcpc_ledger *l)
{
	if (!l)
		return;
	while (l->lru.next != &l->lru)
		ledger_close(l, LEDGER_ACCOUNT_OF(l->lru.next, lru));
	free(l->buckets);
	free(l);
}
