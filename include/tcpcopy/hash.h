/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * hash.h - the keyed hash that decides whether a connection is copied. SipHash-2-4 (Aumasson and
 * Bernstein, 2012): clients cannot choose ports so as to be sampled, and hosts that share a key
 * choose alike. Pure.
 */
#ifndef TCPCOPY_HASH_H
#define TCPCOPY_HASH_H

#include <linux/types.h>

#include "tcpcopy/abi.h"
#include "tcpcopy/bytes.h"

#define TCPC_ROTL64(x, n) (((x) << (n)) | ((x) >> (64 - (n))))

static inline void tcpc_sip_round(__u64 v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = TCPC_ROTL64(v[1], 13) ^ v[0];
	v[3] = TCPC_ROTL64(v[3], 16) ^ v[2];
	v[0] = TCPC_ROTL64(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = TCPC_ROTL64(v[1], 17) ^ v[2];
	v[3] = TCPC_ROTL64(v[3], 21) ^ v[0];
	v[2] = TCPC_ROTL64(v[2], 32);
}

static inline void tcpc_sip_word(__u64 v[4], __u64 word)
{
	v[3] ^= word;
	tcpc_sip_round(v);
	tcpc_sip_round(v);
	v[0] ^= word;
}

/** tcpc_siphash_words - SipHash-2-4 of @n 64-bit words (host order, as a little-endian string). */
static inline __u64 tcpc_siphash_words(const __u64 key[2], const __u64 *words, __u32 n)
{
	__u64 v[4] = {key[0] ^ 0x736f6d6570736575ULL, key[1] ^ 0x646f72616e646f6dULL,
		      key[0] ^ 0x6c7967656e657261ULL, key[1] ^ 0x7465646279746573ULL};
	__u32 i;

	for (i = 0; i < n; i++)
		tcpc_sip_word(v, words[i]);
	tcpc_sip_word(v, (__u64)(n * 8) << 56);
	v[2] ^= 0xff;
	for (i = 0; i < 4; i++)
		tcpc_sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/** tcpc_connection_hash - of a client and its port; without @port of the client alone. */
static inline __u64 tcpc_connection_hash(const __u64 key[2], const struct tcpc_addr *client,
					 __be16 port)
{
	/* By value, not as they lie in memory: hosts of either byte order choose alike. */
	__u64 words[3] = {(__u64)tcpc_ntohl(client->w[0]) << 32 | tcpc_ntohl(client->w[1]),
			  (__u64)tcpc_ntohl(client->w[2]) << 32 | tcpc_ntohl(client->w[3]),
			  tcpc_ntohs(port)};

	return tcpc_siphash_words(key, words, 3);
}

/** tcpc_hash_sampled - does what has this @hash belong to the @share copied? */
static inline int tcpc_hash_sampled(__u64 hash, __u32 share)
{
	return hash % TCPC_SAMPLE_ALL < share;
}

/**
 * tcpc_sampled - true if the connection of @client and @port belongs to the @share copied.
 * @share: 0..TCPC_SAMPLE_ALL. A connection that belongs to a share belongs to every larger one.
 */
static inline int tcpc_sampled(const __u64 key[2], const struct tcpc_addr *client, __be16 port,
			       __u32 share)
{
	return share >= TCPC_SAMPLE_ALL ||
	       tcpc_hash_sampled(tcpc_connection_hash(key, client, port), share);
}

#endif
