/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * hold.h - causality: what a client sent after reading the online host's answer must not reach the
 * target before the target has answered. The rule, and the tag that a held packet carries. Pure.
 */
#ifndef TCPCOPY_HOLD_H
#define TCPCOPY_HOLD_H

#include "tcpcopy/abi.h"
#include "tcpcopy/bytes.h"
#include "tcpcopy/greeting.h"
#include "tcpcopy/marks.h"
#include "tcpcopy/parse.h"
#include "tcpcopy/seq.h"

/*
 * A held frame's source MAC, which nobody needs, carries its number: how many packets of this
 * connection have been diverted since its hold began. On the way back it says that the queue is
 * empty behind this frame; if nothing was diverted meanwhile, the hold ends (compare and swap in
 * align). So no packet on the direct way can overtake one that is still in the device.
 */
struct tcpc_hold_tag {
	__u8 magic[2];
	__u8 number[4]; /* network order; on the way back 0: more are queued */
};

#define TCPC_HOLD_MAGIC0 0x02 /* a locally administered unicast address */
#define TCPC_HOLD_MAGIC1 0x74
#define TCPC_HOLD_EARLY 0x65 /* instead of MAGIC1: there is no connection for it yet */

static inline void tcpc_hold_tag_write(struct tcpc_hold_tag *tag, __u32 number)
{
	__be32 wire = tcpc_htonl(number);

	tag->magic[0] = TCPC_HOLD_MAGIC0;
	tag->magic[1] = TCPC_HOLD_MAGIC1;
	__builtin_memcpy(tag->number, &wire, sizeof(wire));
}

/** tcpc_hold_tag_read - the number, or 0 if there is no tag. */
static inline __u32 tcpc_hold_tag_read(const struct tcpc_hold_tag *tag)
{
	__be32 wire;

	if (tag->magic[0] != TCPC_HOLD_MAGIC0 ||
	    (tag->magic[1] != TCPC_HOLD_MAGIC1 && tag->magic[1] != TCPC_HOLD_EARLY))
		return 0;
	__builtin_memcpy(&wire, tag->number, sizeof(wire));
	return tcpc_ntohl(wire);
}

/** tcpc_hold_tag_is_early - the target has not opened the connection: on a packet that was there
 * before, it is back where it was. */
static inline int tcpc_hold_tag_is_early(const struct tcpc_hold_tag *tag)
{
	return tcpc_hold_tag_read(tag) && tag->magic[1] == TCPC_HOLD_EARLY;
}

/**
 * tcpc_hold_answered - has the target answered an exchange?
 * @got: bytes it has sent since the exchange began.  @expected: bytes of the online host's answer
 * that the client had read when it went on.  @idle: the target has nothing more at hand.
 * An answer of another length (another version, another date) counts once the target is idle and
 * it is nearly as long: between two writes of a large answer a target looks idle, too.
 */
static inline int tcpc_hold_answered(__u32 got, __u32 expected, int idle)
{
	if (!got || (__s32)got < 0)
		return 0;
	return got >= expected || (idle && got >= expected - expected / 8);
}

/**
 * tcpc_hold_may_close - may FIN or RST by itself go on at once? Servers abort the answer they are
 * writing when it comes, so the answer must be whole: the target has closed as well, or it has sent
 * just what the client had read. A client that closed in the middle of an answer had read less.
 * @fin: the target has sent its own FIN.  The rest: as above.
 */
static inline int tcpc_hold_may_close(__u32 got, __u32 expected, int idle, int fin)
{
	return fin || (got && got == expected && idle);
}

/** tcpc_hold_is_closing - FIN or RST by itself: it has to wait for the answer before it. */
static inline int tcpc_hold_is_closing(__u8 flags, __u32 payload_bytes)
{
	return (flags & (TCPC_TCP_FIN | TCPC_TCP_RST)) && !payload_bytes;
}

/**
 * tcpc_hold_can_begin - may such a packet begin an exchange? Not if it only closes, which asks for
 * nothing, nor if its ACK number means nothing.
 */
static inline int tcpc_hold_can_begin(__u8 flags, __u32 payload_bytes)
{
	return (flags & (TCPC_TCP_ACK | TCPC_TCP_RST)) == TCPC_TCP_ACK &&
	       !tcpc_hold_is_closing(flags, payload_bytes);
}

/**
 * tcpc_hold_expected - bytes of answer that the client of @pkt has read beyond those it had read
 * when the last exchange began; 0 if it has read none (or does not say: RST without ACK).
 * @client_ack: ACK number that began the last exchange.
 */
static inline __u32 tcpc_hold_expected(__u32 client_ack, __u32 ack, __u8 flags)
{
	if (!(flags & TCPC_TCP_ACK) || tcpc_seq_leq(ack, client_ack))
		return 0;
	return ack - client_ack;
}

/**
 * tcpc_hold_in_order - up to which number of the client's nothing is missing, for all that is
 * known.
 * @seq: the answer where nothing is known.
 */
static inline __u32 tcpc_hold_in_order(const struct tcpc_exchange *x, __u32 seq)
{
	__u32 end = seq;

	if (x->exchanges || x->request_end)
		end = x->request_end;
	else if (x->start_ns)
		end = x->syn_seq + 1;
	return x->answer_flags & TCPC_TCP_ACK ? tcpc_seq_max(end, x->acked) : end;
}

/**
 * tcpc_hold_needs_all - must such a packet not go on while something before it is missing? TCP
 * would hand out both at once, when the lost one comes: the end of the connection, and the request
 * of a client who had the answer to the one before. More of one request goes on: what the target
 * says of it (SACK) tells soonest what is missing. A reset asks where the target is.
 */
static inline int tcpc_hold_needs_all(const struct tcpc_exchange *x, __u32 ack, __u8 flags,
				      __u32 payload_bytes)
{
	if ((flags & (TCPC_TCP_ACK | TCPC_TCP_RST)) != TCPC_TCP_ACK)
		return 0;
	return tcpc_hold_is_closing(flags, payload_bytes) || !x->exchanges ||
	       tcpc_seq_lt(x->client_ack, ack);
}

/* Answers equally long so recently tell that both servers say the same. */
#define TCPC_HOLD_LEVEL_EXCHANGES 16

/**
 * tcpc_hold_note_level - an exchange begins: its packet has this ACK number, the target is at
 * @snd_nxt. To be called before the rest is noted in @x.
 *
 * Where a client speaks on before it is answered (HTTP/2, gRPC, WebSocket), the target may have
 * answered more than the client has read when an exchange begins. What it sent then is not sent
 * again, so bytes must count from the connection's first exchange on, not from this one. A target
 * that answers less is forgiven the difference each time.
 */
static inline void tcpc_hold_note_level(struct tcpc_exchange *x, __u32 snd_nxt, __u32 ack)
{
	__s32 ahead = snd_nxt - ack - x->lead;

	if (!x->exchanges || ahead < 0)
		x->lead = snd_nxt - ack;
	if (!x->exchanges || !ahead)
		x->level_at = x->exchanges + 1;
}

/** tcpc_hold_is_ahead - has the target, up to @end, sent all that a client with @ack has read? */
static inline int tcpc_hold_is_ahead(const struct tcpc_exchange *x, __u32 end, __u32 ack)
{
	return x->level_at && (__s32)(end - ack - x->lead) >= 0;
}

/** tcpc_hold_is_level - have both servers' answers been equally long, not only at the start? */
static inline int tcpc_hold_is_level(const struct tcpc_exchange *x)
{
	return x->level_at > 1 && x->exchanges - x->level_at < TCPC_HOLD_LEVEL_EXCHANGES;
}

/**
 * tcpc_hold_got - bytes of the answer to the last exchange, when the target has sent all up to
 * @end: negative as long as answers before it are not whole.
 */
static inline __u32 tcpc_hold_got(const struct tcpc_exchange *x, __u32 end)
{
	return end - x->snd_nxt - x->owed;
}

/**
 * tcpc_hold_owed - an exchange begins, as for tcpc_hold_note_level(): what of the answer before it
 * may still come? It was taken for answered when it was nearly as long as online. In the middle of
 * several writes, or of the answers to pipelined requests, the rest follows, and if it counted as
 * the next answer's that would be taken for whole even sooner, and so on. Where there is no rest,
 * since the target answers less, the next answer seems too short by it; once that is an eighth,
 * the target has to be silent first (TCPC_HOLD_SHORT_NS), and owes nothing any more.
 */
static inline __u32 tcpc_hold_owed(const struct tcpc_exchange *x, __u32 snd_nxt, __u32 ack)
{
	__u32 expected = ack - x->client_ack, got = tcpc_hold_got(x, snd_nxt);

	if (!x->exchanges || tcpc_hold_is_ahead(x, snd_nxt, ack) || got >= expected ||
	    !tcpc_hold_answered(got, expected, 1))
		return 0;
	return expected - got;
}

/**
 * tcpc_hold_answered_in_all - has the target answered, though it sent little or nothing since the
 * exchange began? It is ahead, and has spoken since it got all that came before @seq. The latter
 * makes sure where its answers are longer: being ahead then tells nothing.
 */
static inline int tcpc_hold_answered_in_all(const struct tcpc_exchange *x, __u32 end, int idle,
					    __u32 seq, __u32 ack)
{
	return idle && tcpc_hold_is_ahead(x, end, ack) && tcpc_seq_leq(seq, x->answer_ack);
}

/**
 * tcpc_hold_awaited - bytes of the answer that has to come before a packet with these headers: the
 * one to the last exchange, or before the first of them the server's greeting.  0: none.
 * @greeting: as the packet says, see greeting.h.
 */
static inline __u32 tcpc_hold_awaited(const struct tcpc_exchange *x, __u32 ack, __u8 flags,
				      __u16 greeting)
{
	if (x->exchanges)
		return tcpc_hold_expected(x->client_ack, ack, flags);
	return tcpc_greeting_bytes(greeting);
}

#endif
