/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * greeting.h - how much a client had read when it first spoke. Where the server speaks first (SMTP,
 * MySQL, FTP, SSH), that is its greeting, and the target has to greet before the client's words
 * may come. Only the handshake tells: the client's first ACK is one beyond the server's initial
 * sequence number, its first data acknowledge the greeting too. Pure.
 *
 * That a packet has a client's first words the target must know too: if the SYN before it was lost
 * it can open the connection with them, and must not wait for the second request to do so.
 *
 * The greeting's length travels in the urgent pointer of that packet's copy, where nobody looks
 * without URG (RFC 9293, 3.8.5); align clears it.
 *
 * Handshakes lie in sets, 64 bytes each, that the connection's hash picks; within a set the
 * sequence number tells them apart. A set forgets its oldest one for a new one. Measured, this
 * costs a packet 5 to 15 ns; an LRU hash of the kernel, 30 to 40, and 160 for a SYN. Another
 * connection's packet may bear the very number of one in its set (1 in 600 million): it matters
 * only if that is the first the target hears of it.
 */
#ifndef TCPCOPY_GREETING_H
#define TCPCOPY_GREETING_H

#include "tcpcopy/abi.h"
#include "tcpcopy/parse.h"

#define TCPC_GREETING_MAX 65533 /* what fits into the urgent pointer; longer ones count as this */
/* Instead of a greeting's length: the client's first words, before which it had read nothing. No
 * server greets with a single byte. */
#define TCPC_GREETING_NONE 1
/* Instead: not the client's first words, but soon behind them. The connection's SYN was copied, and
 * the target was there all the time since. So if it does not know the connection the SYN is still
 * to come: what was lost is sent again, and in its order. */
#define TCPC_GREETING_YOUNG 65534
#define TCPC_GREETING_YOUNG_BYTES (256u << 10)
#define TCPC_HANDSHAKE_WAYS 7

/** A handshake; sequence numbers in host order. */
struct tcpc_handshake {
	__u32 seq; /* of the client's first byte; 0: none */
	__u32 ack; /* the client's first ACK number; 0: none yet */
};

struct tcpc_handshake_set {
	__u8 next;   /* which one goes next */
	__u8 spoken; /* bit n: the client of way n has spoken, nothing is lost with it */
	__u8 old;    /* bit n: way n is of an epoch before */
	__u8 pad;
	__u32 epoch;
	struct tcpc_handshake way[TCPC_HANDSHAKE_WAYS];
};

_Static_assert(sizeof(struct tcpc_handshake_set) == 64, "a cache line");

/**
 * tcpc_handshake_index - the set of the connection of @pkt, 0..TCPC_HANDSHAKE_SETS - 1.
 * @key: a secret, so that nobody can aim at the set of another client.
 */
static inline __u32 tcpc_handshake_index(const __u64 key[2], const struct tcpc_pkt *pkt)
{
	const __u64 odd = 0x9e3779b97f4a7c15ULL; /* 2^64 over the golden ratio */
	__u64 h = key[0];

	h = (h ^ ((__u64)pkt->saddr.w[0] << 32 | pkt->saddr.w[1])) * odd;
	h = (h ^ h >> 32 ^ ((__u64)pkt->saddr.w[2] << 32 | pkt->saddr.w[3])) * odd;
	h = (h ^ h >> 32 ^ key[1] ^ ((__u32)pkt->sport << 16 | pkt->dport)) * odd;
	return h >> 32 & (TCPC_HANDSHAKE_SETS - 1);
}

/* Returns the way of the handshake after which @seq is the first byte, or -1. */
static inline int tcpc_handshake_find(const struct tcpc_handshake_set *set, __u32 seq)
{
	int i;

	for (i = 0; i < TCPC_HANDSHAKE_WAYS; i++)
		if (seq && set->way[i].seq == seq)
			return i;
	return -1;
}

/** tcpc_greeting_is_first - does the urgent pointer @greeting say that these are a client's first
 * words? */
static inline int tcpc_greeting_is_first(__u16 greeting)
{
	return greeting && greeting <= TCPC_GREETING_MAX;
}

/** tcpc_greeting_bytes - how long a greeting has the client read, if it says so? */
static inline __u32 tcpc_greeting_bytes(__u16 greeting)
{
	return greeting > TCPC_GREETING_NONE && greeting <= TCPC_GREETING_MAX ? greeting : 0;
}

/* Was there a handshake in @epoch of which @seq is not far behind? Another connection's in the same
 * set looks like it for one packet in 2,300. */
static inline int tcpc_handshake_is_young(const struct tcpc_handshake_set *set, __u32 seq,
					  __u32 epoch)
{
	int i;

	if (set->epoch != epoch)
		return 0;
	for (i = 0; i < TCPC_HANDSHAKE_WAYS; i++)
		if (set->way[i].seq && !(set->old & 1u << i) &&
		    seq - set->way[i].seq < TCPC_GREETING_YOUNG_BYTES)
			return 1;
	return 0;
}

/**
 * tcpc_handshake_begin - a SYN with @seq in @epoch. If it was seen before, nothing changes.
 * Returns: 1 if another handshake had to be forgotten whose client has not spoken yet, else 0.
 */
static inline int tcpc_handshake_begin(struct tcpc_handshake_set *set, __u32 seq, __u32 epoch)
{
	__u32 i = set->next;
	int lost;

	if (tcpc_handshake_find(set, seq + 1) >= 0)
		return 0;
	if (i >= TCPC_HANDSHAKE_WAYS)
		i = 0;
	lost = set->way[i].seq && !(set->spoken & 1u << i);
	set->way[i].seq = 0; /* what another CPU reads meanwhile is nobody's */
	set->way[i].ack = 0;
	if (set->epoch != epoch)
		set->old = ~0;
	set->epoch = epoch;
	set->spoken &= ~(1u << i);
	set->old &= ~(1u << i);
	set->way[i].seq = seq + 1;
	set->next = i + 1;
	return lost;
}

/** tcpc_handshake_ack - a pure ACK; the first one of a client that has not spoken is noted. */
static inline void tcpc_handshake_ack(struct tcpc_handshake_set *set, __u32 seq, __u32 ack)
{
	int i = tcpc_handshake_find(set, seq);

	if (i >= 0 && !set->way[i].ack)
		set->way[i].ack = ack;
}

/**
 * tcpc_handshake_greeting - a packet with data, FIN or RST.
 * Returns: how many bytes of the server's its client had read, if it is the connection's first
 * one (again, if it is sent again), up to TCPC_GREETING_MAX; TCPC_GREETING_NONE if none were read;
 * if it is not the first, TCPC_GREETING_YOUNG or 0.
 * @epoch: the present one.
 */
static inline __u32 tcpc_handshake_greeting(struct tcpc_handshake_set *set, __u32 seq, __u32 ack,
					    __u32 epoch)
{
	int i = tcpc_handshake_find(set, seq);
	__u32 bytes;

	if (i < 0)
		return tcpc_handshake_is_young(set, seq, epoch) ? TCPC_GREETING_YOUNG : 0;
	set->spoken |= 1u << i;
	if (!set->way[i].ack)
		return TCPC_GREETING_NONE;
	bytes = ack - set->way[i].ack;
	if ((__s32)bytes <= 0)
		return TCPC_GREETING_NONE;
	return bytes > TCPC_GREETING_MAX ? TCPC_GREETING_MAX : bytes;
}

#endif
