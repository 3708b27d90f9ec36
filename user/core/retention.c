// SPDX-License-Identifier: GPL-2.0-only
/* retention.c - see retention.h. */
#include "core/retention.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define GONE (1u << 31) /* in entry.bytes: released */
#define FIRST_ROOM 1024 /* entries */
#define FIRST_BUCKETS 64
#define MAX_RING (1u << 30)
/* What malloc() takes for itself; the bound is on memory, and small records are many. */
#define HEAP_OVERHEAD 16

/* A record in the ring. Where it ends in the ring is where the next begins. */
struct entry {
	__u32 offset; /* of the record behind its header */
	__u32 bytes;
};

/* A record that was moved. */
struct moved {
	struct moved *next;	     /* in its bucket */
	struct moved *older, *newer; /* of all */
	__u64 id;
	__u32 bytes;
	__u8 data[] __attribute__((aligned(8)));
};

struct tcpc_retention {
	struct tcpc_retention_config config;
	/* Numbers first to next - 1 are in the ring; entry of number n is entries[n % room]. The
	 * first of them is always one that is needed. */
	struct entry *entries;
	__u64 room, first, next;
	__u64 position, end; /* of the ring */
	/* Moved ones by number: they are nearly consecutive, so number % buckets spreads well. */
	struct moved **buckets;
	__u64 n_buckets, n_moved;
	struct moved *oldest, *newest; /* moved in the order of their numbers */
	struct tcpc_retention_stats stats;
};

void tcpc_retention_split(__u64 retain_bytes, __u32 min, __u32 max, __u32 *ret_ring,
			  __u64 *ret_heap)
{
	__u64 ring = min, rest;

	while (ring < max && ring * 2 <= retain_bytes)
		ring *= 2;
	rest = retain_bytes > ring ? retain_bytes - ring : 0;
	*ret_ring = ring;
	*ret_heap = rest > ring / 8 ? rest : ring / 8;
}

int tcpc_retention_new(const struct tcpc_retention_config *config, struct tcpc_retention **ret)
{
	struct tcpc_retention *r;
	__u32 bytes = config->ring_bytes;

	if (!bytes || (bytes & (bytes - 1)) || bytes > MAX_RING)
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->config = *config;
	r->room = FIRST_ROOM;
	r->n_buckets = FIRST_BUCKETS;
	r->entries = malloc(r->room * sizeof(*r->entries));
	r->buckets = calloc(r->n_buckets, sizeof(struct moved *));
	if (!r->entries || !r->buckets) {
		tcpc_retention_free(r);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}

void tcpc_retention_free(struct tcpc_retention *r)
{
	if (!r)
		return;
	for (__u64 i = 0; r->buckets && i < r->n_buckets; i++)
		while (r->buckets[i]) {
			struct moved *m = r->buckets[i];

			r->buckets[i] = m->next;
			free(m);
		}
	free(r->buckets);
	free(r->entries);
	free(r);
}

/* ---- in the ring ----------------------------------------------------------------------------- */

static struct entry *entry_of(const struct tcpc_retention *r, __u64 id)
{
	return &r->entries[id & (r->room - 1)];
}

/* As many as fit the ring is the bound; it is reached by doubling. */
static int make_room(struct tcpc_retention *r)
{
	__u64 room = r->room * 2;
	struct entry *entries;

	if (r->next - r->first < r->room)
		return 0;
	entries = malloc(room * sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	for (__u64 id = r->first; id < r->next; id++)
		entries[id & (room - 1)] = *entry_of(r, id);
	free(r->entries);
	r->entries = entries;
	r->room = room;
	return 0;
}

/* The ring is free up to the first record that is needed. */
static void free_front(struct tcpc_retention *r)
{
	__u32 mask = r->config.ring_bytes - 1;

	while (r->first < r->next && (entry_of(r, r->first)->bytes & GONE)) {
		r->first++;
		if (r->first == r->next)
			r->position = r->end;
		else
			r->position += (entry_of(r, r->first)->offset - (__u32)r->position) & mask;
	}
}

static int add(struct tcpc_retention *r, __u32 ring_bytes, __u32 bytes)
{
	int err = make_room(r);

	if (err)
		return err;
	*entry_of(r, r->next++) = (struct entry){r->end & (r->config.ring_bytes - 1), bytes};
	r->end += ring_bytes;
	return 0;
}

int tcpc_retention_add(struct tcpc_retention *r, __u32 ring_bytes, __u32 bytes, __u64 *ret_id)
{
	int err = add(r, ring_bytes, bytes);

	if (err)
		return err;
	r->stats.noted++;
	r->stats.records++;
	r->stats.bytes += bytes;
	*ret_id = r->next - 1;
	return 0;
}

int tcpc_retention_skip(struct tcpc_retention *r, __u32 ring_bytes)
{
	int err = add(r, ring_bytes, GONE);

	if (!err)
		free_front(r);
	return err;
}

/* ---- moved ----------------------------------------------------------------------------------- */

static struct moved **bucket_of(const struct tcpc_retention *r, __u64 id)
{
	return &r->buckets[id & (r->n_buckets - 1)];
}

/* Where @id hangs; points to NULL if it was not moved. */
static struct moved **find_moved(const struct tcpc_retention *r, __u64 id)
{
	struct moved **at = bucket_of(r, id);

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

/* Without memory for more buckets the chains grow longer, and all works as before. */
static void add_buckets(struct tcpc_retention *r)
{
	__u64 n_old = r->n_buckets;
	struct moved **old = r->buckets, **more = calloc(n_old * 2, sizeof(struct moved *));

	if (!more)
		return;
	r->buckets = more;
	r->n_buckets = n_old * 2;
	for (__u64 i = 0; i < n_old; i++)
		while (old[i]) {
			struct moved *m = old[i], **to = bucket_of(r, m->id);

			old[i] = m->next;
			m->next = *to;
			*to = m;
		}
	free(old);
}

static void join_moved(struct tcpc_retention *r, struct moved *m)
{
	m->newer = NULL;
	m->older = r->newest;
	*(r->newest ? &r->newest->newer : &r->oldest) = m;
	r->newest = m;
}

static void leave_moved(struct tcpc_retention *r, const struct moved *m)
{
	*(m->older ? &m->older->newer : &r->oldest) = m->newer;
	*(m->newer ? &m->newer->older : &r->newest) = m->older;
}

static __u64 heap_cost(__u32 bytes)
{
	return sizeof(struct moved) + bytes + HEAP_OVERHEAD;
}

/* Move the oldest record that is needed. False if the heap is full. */
static bool move_oldest(struct tcpc_retention *r)
{
	struct entry *e = entry_of(r, r->first);
	__u64 cost = heap_cost(e->bytes);
	struct moved *m, **to;

	if (r->stats.heap_bytes + cost > r->config.heap_bytes)
		return false;
	m = malloc(sizeof(*m) + e->bytes);
	if (!m)
		return false;
	m->id = r->first;
	m->bytes = e->bytes;
	memcpy(m->data, r->config.ring + e->offset + r->config.header_bytes, e->bytes);
	if (++r->n_moved > r->n_buckets)
		add_buckets(r);
	to = bucket_of(r, m->id);
	m->next = *to;
	*to = m;
	join_moved(r, m);
	r->stats.moved++;
	r->stats.heap_bytes += cost;
	e->bytes |= GONE;
	free_front(r);
	return true;
}

/* Let the owner give something up. False if nothing came of it. */
static bool ask_owner(struct tcpc_retention *r)
{
	__u64 before = r->stats.released;

	r->stats.pressure++;
	r->config.pressure(r->config.user);
	if (r->stats.released != before)
		return true;
	r->stats.stuck++;
	return false;
}

void tcpc_retention_relieve(struct tcpc_retention *r, __u64 producer)
{
	__u64 bound = r->config.ring_bytes / 4 * 3;

	/* Each round moves a record or has released one, so it ends. */
	while (producer - r->position > bound && r->first < r->next)
		if (!move_oldest(r) && !ask_owner(r))
			return;
}

/* ---- records --------------------------------------------------------------------------------- */

static int release_moved(struct tcpc_retention *r, __u64 id, __u32 *ret_bytes)
{
	struct moved **at = find_moved(r, id), *m = *at;

	if (!m)
		return -ENOENT;
	*at = m->next;
	leave_moved(r, m);
	*ret_bytes = m->bytes;
	r->n_moved--;
	r->stats.heap_bytes -= heap_cost(m->bytes);
	free(m);
	return 0;
}

static int release_in_ring(struct tcpc_retention *r, __u64 id, __u32 *ret_bytes)
{
	struct entry *e = entry_of(r, id);

	if (e->bytes & GONE)
		return -ENOENT;
	*ret_bytes = e->bytes;
	e->bytes |= GONE;
	free_front(r);
	return 0;
}

static bool is_in_ring(const struct tcpc_retention *r, __u64 id)
{
	return id >= r->first && id < r->next;
}

int tcpc_retention_release(struct tcpc_retention *r, __u64 id)
{
	__u32 bytes = 0;
	int err = is_in_ring(r, id) ? release_in_ring(r, id, &bytes) : release_moved(r, id, &bytes);

	if (err)
		return err;
	r->stats.released++;
	r->stats.records--;
	r->stats.bytes -= bytes;
	return 0;
}

const void *tcpc_retention_get(const struct tcpc_retention *r, __u64 id, __u32 *ret_bytes)
{
	const struct entry *e = entry_of(r, id);
	const struct moved *m;

	if (is_in_ring(r, id)) {
		if (e->bytes & GONE)
			return NULL;
		*ret_bytes = e->bytes;
		return r->config.ring + e->offset + r->config.header_bytes;
	}
	m = *find_moved(r, id);
	if (!m)
		return NULL;
	*ret_bytes = m->bytes;
	return m->data;
}

int tcpc_retention_oldest(const struct tcpc_retention *r, __u64 *ret_id)
{
	if (!r->oldest && r->first == r->next)
		return -ENOENT;
	*ret_id = r->oldest ? r->oldest->id : r->first;
	return 0;
}

__u64 tcpc_retention_front(const struct tcpc_retention *r)
{
	return r->first;
}

__u64 tcpc_retention_position(const struct tcpc_retention *r)
{
	return r->position;
}

__u64 tcpc_retention_end(const struct tcpc_retention *r)
{
	return r->end;
}

void tcpc_retention_stats(const struct tcpc_retention *r, struct tcpc_retention_stats *ret)
{
	*ret = r->stats;
	ret->index_bytes = r->room * sizeof(*r->entries) + r->n_buckets * sizeof(struct moved *);
}
