/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * mix.h - other sources for copies: of one connection there may be many at one target, and of
 * several online hosts' connections, which all seem to come from one load balancer. Pure.
 *
 * A keyed hash of the whole connection, mixed with the number of the copy, chooses an address and a
 * port in a pool. There are more connections than sources, so no such choice is free of
 * collisions: whoever maps has to remember who has a source (bpf/copies.bpf.h), and tries a few
 * others where it is taken. Hosts that copy to one target have a key each: that is their salt.
 */
#ifndef TCPCOPY_MIX_H
#define TCPCOPY_MIX_H

#include "tcpcopy/addr.h"
#include "tcpcopy/hash.h"

#define TCPC_MIX_TRIES 4 /* sources a copy of a connection may have */
#define TCPC_MIX_FIRST_PORT 1024
#define TCPC_MIX_PORTS (65536 - TCPC_MIX_FIRST_PORT)

/* A connection that said nothing for so many units of 1.07 s has lost its source; one that has
 * ended needs it for a while, since its end may be sent again. */
#define TCPC_MIX_IDLE 6720 /* two hours */
#define TCPC_MIX_ENDED 8

/* Spreads every bit of @h over all others; no two values become the same (Stafford's mix 13). */
static inline __u64 tcpc_mix_spread(__u64 h)
{
	h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9ULL;
	h = (h ^ h >> 27) * 0x94d049bb133111ebULL;
	return h ^ h >> 31;
}

/**
 * tcpc_mix_base - what stands for a connection.
 * @key: of this host, secret.  @words: both addresses, two words each, as they lie in memory; then
 * the ports, the client's above.
 */
static inline __u64 tcpc_mix_base(const __u64 key[2], const __u64 words[5])
{
	return tcpc_siphash_words(key, words, 5);
}

/** tcpc_mix_who - copy number @copy of a connection, from 0. */
static inline __u64 tcpc_mix_who(__u64 base, __u32 copy)
{
	return tcpc_mix_spread(base + copy * 0x9e3779b97f4a7c15ULL);
}

/**
 * tcpc_mix_source - the source that @who has at try number @attempt, below TCPC_MIX_TRIES.
 * @pool_last: the last word of the pool's address, wire order.  @mask: of the pool.
 * @ret_port: wire order, from TCPC_MIX_FIRST_PORT on.
 * Returns the last word of the source's address, wire order. In pools of 256 addresses and more it
 * does not end with 0 or 255: that might be a network or its broadcast.
 */
static inline __be32 tcpc_mix_source(__u64 who, __u32 attempt, __be32 pool_last, __u32 mask,
				     __be16 *ret_port)
{
	__u64 h = tcpc_mix_spread(who + attempt * 0xd1342543de82ef95ULL);
	__u32 last = h >> 32 & mask;

	if (mask >= 0xff)
		last = (last & ~0xffu) | (1 + ((__u32)(h >> 16 & 0xffff) * 254 >> 16));
	*ret_port = tcpc_htons(TCPC_MIX_FIRST_PORT + ((__u32)(h & 0xffff) * TCPC_MIX_PORTS >> 16));
	return pool_last | tcpc_htonl(last);
}

/** tcpc_mix_delay - how long this copy waits, 1 to @most: as long with each packet of its
 * connection, so that they stay in their order. */
static inline __u32 tcpc_mix_delay(__u64 who, __u32 most)
{
	return 1 + (__u32)((tcpc_mix_spread(who) >> 32) * most >> 32);
}

/** tcpc_mix_in_pool - is @addr one that copies may get from @pool? */
static inline int tcpc_mix_in_pool(const struct tcpc_pool *pool, const struct tcpc_addr *addr)
{
	return addr->w[0] == pool->addr.w[0] && addr->w[1] == pool->addr.w[1] &&
	       addr->w[2] == pool->addr.w[2] &&
	       (addr->w[3] & ~tcpc_htonl(pool->mask)) == pool->addr.w[3];
}

/**
 * tcpc_mix_near - are these IPv4 addresses (wire order) in one /24? The target would look for such
 * a source on its own link, where nobody answers.
 */
static inline int tcpc_mix_near(__be32 a, __be32 b)
{
	return !((a ^ b) & tcpc_htonl(0xffffff00));
}

/** tcpc_mix_sources - how many sources there are in a pool with this mask. */
static inline __u64 tcpc_mix_sources(__u32 mask)
{
	__u64 addrs = (__u64)mask + 1;

	return (mask >= 0xff ? addrs / 256 * 254 : addrs) * TCPC_MIX_PORTS;
}

/** tcpc_source_free - may another connection have what @source has? @now: in its unit. */
static inline int tcpc_source_free(const struct tcpc_source *source, __u32 now)
{
	return now - source->seen > (source->ended ? TCPC_MIX_ENDED : TCPC_MIX_IDLE);
}

#endif
