/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * feedback.h - the frames of the feedback link as bytes, and back. docs/protocol-feedback.md says
 * what they mean. Pure.
 *
 * Whoever can connect to the port can send anything, so a reader never looks beyond its end, every
 * count and value has a bound, and each value has exactly one encoding: what a decoder accepts,
 * the encoder turns into the same bytes again (the fuzzer holds it to that).
 */
#ifndef TCPCOPY_FEEDBACK_H
#define TCPCOPY_FEEDBACK_H

#include <linux/types.h>

#include "tcpcopy/abi.h"
#include "tcpcopy/addr.h"
#include "tcpcopy/bytes.h"

#define TCPC_FEEDBACK_PROTOCOL 4

#define TCPC_FEEDBACK_MAGIC "TCPCLINK"
#define TCPC_FEEDBACK_MAGIC_BYTES 8
#define TCPC_FEEDBACK_KEY_BYTES 32
#define TCPC_FEEDBACK_PREAMBLE_BYTES (TCPC_FEEDBACK_MAGIC_BYTES + 8 + TCPC_FEEDBACK_KEY_BYTES)
#define TCPC_FEEDBACK_SECURE (1u << 0) /* flag of the preamble: what follows is encrypted */

/* A frame: its length (16 bits), then the body, which begins with the type. The body is what gets
 * encrypted. Online hosts have little to say, so the target reads short frames only. */
#define TCPC_FEEDBACK_LENGTH_BYTES 2
#define TCPC_FEEDBACK_BODY_MAX 16384
#define TCPC_FEEDBACK_SHORT_BODY_MAX 128

#define TCPC_FEEDBACK_VERSION_MAX 63 /* bytes of the version string */
#define TCPC_FEEDBACK_SERVICES_MAX 256
#define TCPC_FEEDBACK_PREFIXES_MAX 960
#define TCPC_FEEDBACK_RECEIPTS_MAX 512
#define TCPC_FEEDBACK_HELD_MAX 512 /* also of SHED */
#define TCPC_FEEDBACK_ENGINE_MAX 1
#define TCPC_FEEDBACK_TUNNEL_VXLAN (1u << 0)
#define TCPC_FEEDBACK_TUNNELS_MAX TCPC_FEEDBACK_TUNNEL_VXLAN
/* In PING: what the sender cannot bear more of. An online host says 0. */
#define TCPC_FEEDBACK_SHORT_OF_MEMORY (1u << 0)
#define TCPC_FEEDBACK_HOLD_FULL (1u << 1)
#define TCPC_FEEDBACK_PRESSURE_ALL (TCPC_FEEDBACK_SHORT_OF_MEMORY | TCPC_FEEDBACK_HOLD_FULL)

enum tcpc_feedback_type {
	TCPC_FEEDBACK_HELLO = 1,
	TCPC_FEEDBACK_SERVICES,
	TCPC_FEEDBACK_ALLOW,
	TCPC_FEEDBACK_RECEIPTS,
	TCPC_FEEDBACK_PING,
	TCPC_FEEDBACK_ACK,
	TCPC_FEEDBACK_BYE,
	TCPC_FEEDBACK_HELD,
	TCPC_FEEDBACK_SHED,
	TCPC_FEEDBACK_BREAK,
	TCPC_FEEDBACK_TRIAL,
	TCPC_FEEDBACK_SUMS,
	__TCPC_FEEDBACK_TYPE_MAX,
};

enum tcpc_feedback_role { TCPC_FEEDBACK_ONLINE, TCPC_FEEDBACK_TARGET, __TCPC_FEEDBACK_ROLE_MAX };

enum tcpc_feedback_allow_op {
	TCPC_FEEDBACK_ALLOW_CLEAR,
	TCPC_FEEDBACK_ALLOW_ADD,
	TCPC_FEEDBACK_ALLOW_DEL,
	__TCPC_FEEDBACK_ALLOW_MAX,
};

/* Why a connection ends; the numbers travel in BYE. Add at the end only. */
#define TCPC_FEEDBACK_REASONS(X)                                                                   \
	X(OK, "no error")                                                                          \
	X(TYPE, "frame of a type that does not exist")                                             \
	X(LENGTH, "frame length out of range")                                                     \
	X(SHORT, "frame that ends inside a field")                                                 \
	X(TRAILING, "frame with bytes behind its last field")                                      \
	X(COUNT, "count out of range")                                                             \
	X(VALUE, "field with a value that does not exist")                                         \
	X(STATE, "frame that has no place at this point")                                          \
	X(CRYPTO, "frame that does not decrypt")

#define TCPC_FEEDBACK_REASON_NAME(name, text) TCPC_FEEDBACK_##name,
enum tcpc_feedback_reason {
	TCPC_FEEDBACK_REASONS(TCPC_FEEDBACK_REASON_NAME) __TCPC_FEEDBACK_REASON_MAX,
};
#undef TCPC_FEEDBACK_REASON_NAME

/** The first bytes of each side, in the clear. Host order but for the key. */
struct tcpc_feedback_preamble {
	__u16 protocol;
	__u16 flags;
	__u32 abi;
	__u8 public_key[TCPC_FEEDBACK_KEY_BYTES]; /* X25519, fresh for each connection */
};

struct tcpc_feedback_hello {
	__u8 role; /* enum tcpc_feedback_role of the sender */
	char version[TCPC_FEEDBACK_VERSION_MAX + 1];
};

/** One intercepted service. */
struct tcpc_feedback_service {
	struct tcpc_addr addr;
	__be16 port;
	__u8 engine;  /* 0: nfqueue, 1: tc */
	__u8 tunnels; /* by which copies may come, too: TCPC_FEEDBACK_TUNNEL_* */
};

/** Where decoding stands. Reading beyond @end sets @failed and yields zeros. */
struct tcpc_feedback_reader {
	const __u8 *pos;
	const __u8 *end;
	__u32 failed;
};

/** Where encoding stands. Writing beyond @end sets @failed and writes nothing. */
struct tcpc_feedback_writer {
	__u8 *start;
	__u8 *pos;
	__u8 *end;
	__u32 failed;
};

/** tcpc_feedback_reason_text - a reason in words; static storage, whatever the number. */
static inline const char *tcpc_feedback_reason_text(__u32 reason)
{
#define TCPC_FEEDBACK_REASON_TEXT(name, text) text,
	static const char *const texts[] = {TCPC_FEEDBACK_REASONS(TCPC_FEEDBACK_REASON_TEXT)};
#undef TCPC_FEEDBACK_REASON_TEXT

	return reason < __TCPC_FEEDBACK_REASON_MAX ? texts[reason] : "unknown reason";
}

/* ---- bytes ---------------------------------------------------------------------------------- */

/* The next @n bytes, or NULL and the reader failed. */
static inline const __u8 *tcpc_feedback_take(struct tcpc_feedback_reader *r, __u32 n)
{
	const __u8 *at = r->pos;

	if (r->failed || (__u64)(r->end - at) < n) {
		r->failed = 1;
		return 0;
	}
	r->pos = at + n;
	return at;
}

static inline __u8 tcpc_feedback_take_u8(struct tcpc_feedback_reader *r)
{
	const __u8 *at = tcpc_feedback_take(r, 1);

	return at ? at[0] : 0;
}

static inline __u16 tcpc_feedback_take_u16(struct tcpc_feedback_reader *r)
{
	const __u8 *at = tcpc_feedback_take(r, 2);

	return at ? (__u16)(at[0] << 8 | at[1]) : 0;
}

static inline __u32 tcpc_feedback_take_u32(struct tcpc_feedback_reader *r)
{
	const __u8 *at = tcpc_feedback_take(r, 4);

	return at ? (__u32)at[0] << 24 | (__u32)at[1] << 16 | (__u32)at[2] << 8 | at[3] : 0;
}

/* Copy what is in wire order in memory too. */
static inline void tcpc_feedback_take_bytes(struct tcpc_feedback_reader *r, void *out, __u32 n)
{
	const __u8 *at = tcpc_feedback_take(r, n);

	if (at)
		__builtin_memcpy(out, at, n);
}

static inline __u8 *tcpc_feedback_room(struct tcpc_feedback_writer *w, __u32 n)
{
	__u8 *at = w->pos;

	if (w->failed || (__u64)(w->end - at) < n) {
		w->failed = 1;
		return 0;
	}
	w->pos = at + n;
	return at;
}

static inline void tcpc_feedback_put_bytes(struct tcpc_feedback_writer *w, const void *in, __u32 n)
{
	__u8 *at = tcpc_feedback_room(w, n);

	if (at)
		__builtin_memcpy(at, in, n);
}

static inline void tcpc_feedback_put_u8(struct tcpc_feedback_writer *w, __u8 v)
{
	tcpc_feedback_put_bytes(w, &v, sizeof(v));
}

static inline void tcpc_feedback_put_u16(struct tcpc_feedback_writer *w, __u16 v)
{
	__be16 wire = tcpc_htons(v);

	tcpc_feedback_put_bytes(w, &wire, sizeof(wire));
}

static inline void tcpc_feedback_put_u32(struct tcpc_feedback_writer *w, __u32 v)
{
	__be32 wire = tcpc_htonl(v);

	tcpc_feedback_put_bytes(w, &wire, sizeof(wire));
}

/* ---- preamble ------------------------------------------------------------------------------- */

/** tcpc_feedback_magic_ok - true if the first @n bytes received can begin a preamble. */
static inline int tcpc_feedback_magic_ok(const __u8 *in, __u32 n)
{
	if (n > TCPC_FEEDBACK_MAGIC_BYTES)
		n = TCPC_FEEDBACK_MAGIC_BYTES;
	return !__builtin_memcmp(in, TCPC_FEEDBACK_MAGIC, n);
}

/** tcpc_feedback_put_preamble - encode @p. */
static inline void tcpc_feedback_put_preamble(__u8 out[TCPC_FEEDBACK_PREAMBLE_BYTES],
					      const struct tcpc_feedback_preamble *p)
{
	struct tcpc_feedback_writer w = {out, out, out + TCPC_FEEDBACK_PREAMBLE_BYTES, 0};

	tcpc_feedback_put_bytes(&w, TCPC_FEEDBACK_MAGIC, TCPC_FEEDBACK_MAGIC_BYTES);
	tcpc_feedback_put_u16(&w, p->protocol);
	tcpc_feedback_put_u16(&w, p->flags);
	tcpc_feedback_put_u32(&w, p->abi);
	tcpc_feedback_put_bytes(&w, p->public_key, sizeof(p->public_key));
}

/**
 * tcpc_feedback_get_preamble - decode a preamble whose magic is right. Versions and flags are for
 * the caller to compare: with another protocol version the rest may mean something else.
 */
static inline void tcpc_feedback_get_preamble(const __u8 in[TCPC_FEEDBACK_PREAMBLE_BYTES],
					      struct tcpc_feedback_preamble *ret)
{
	struct tcpc_feedback_reader r = {in + TCPC_FEEDBACK_MAGIC_BYTES,
					 in + TCPC_FEEDBACK_PREAMBLE_BYTES, 0};

	ret->protocol = tcpc_feedback_take_u16(&r);
	ret->flags = tcpc_feedback_take_u16(&r);
	ret->abi = tcpc_feedback_take_u32(&r);
	tcpc_feedback_take_bytes(&r, ret->public_key, sizeof(ret->public_key));
}

/* ---- bodies --------------------------------------------------------------------------------- */

/** tcpc_feedback_begin - start a body of @type in @buf (@size bytes). */
static inline struct tcpc_feedback_writer tcpc_feedback_begin(void *buf, __u32 size,
							      enum tcpc_feedback_type type)
{
	struct tcpc_feedback_writer w = {buf, buf, (__u8 *)buf + size, 0};

	tcpc_feedback_put_u8(&w, type);
	return w;
}

/** tcpc_feedback_bytes - length of the body so far. */
static inline __u32 tcpc_feedback_bytes(const struct tcpc_feedback_writer *w)
{
	return w->pos - w->start;
}

/** tcpc_feedback_open - start reading a body. @ret_type: 0 if it does not exist.
 * Returns: TCPC_FEEDBACK_OK, _SHORT or _TYPE. */
static inline enum tcpc_feedback_reason tcpc_feedback_open(struct tcpc_feedback_reader *r,
							   const __u8 *body, __u32 n,
							   enum tcpc_feedback_type *ret_type)
{
	__u8 type;

	r->pos = body;
	r->end = body + n;
	r->failed = 0;
	type = tcpc_feedback_take_u8(r);
	if (r->failed)
		return TCPC_FEEDBACK_SHORT;
	if (type < TCPC_FEEDBACK_HELLO || type >= __TCPC_FEEDBACK_TYPE_MAX)
		return TCPC_FEEDBACK_TYPE;
	*ret_type = (enum tcpc_feedback_type)type;
	return TCPC_FEEDBACK_OK;
}

/** tcpc_feedback_done - after the last field: complains of bytes missing or left over. */
static inline enum tcpc_feedback_reason tcpc_feedback_done(const struct tcpc_feedback_reader *r)
{
	if (r->failed)
		return TCPC_FEEDBACK_SHORT;
	return r->pos == r->end ? TCPC_FEEDBACK_OK : TCPC_FEEDBACK_TRAILING;
}

/** tcpc_feedback_put_hello - fields of HELLO. @version: at most TCPC_FEEDBACK_VERSION_MAX bytes. */
static inline void tcpc_feedback_put_hello(struct tcpc_feedback_writer *w, __u8 role,
					   const char *version)
{
	__u32 n = __builtin_strlen(version);

	if (n > TCPC_FEEDBACK_VERSION_MAX) {
		w->failed = 1;
		return;
	}
	tcpc_feedback_put_u8(w, role);
	tcpc_feedback_put_u8(w, n);
	tcpc_feedback_put_bytes(w, version, n);
}

/** tcpc_feedback_get_hello - @ret is undefined unless TCPC_FEEDBACK_OK is returned. */
static inline enum tcpc_feedback_reason tcpc_feedback_get_hello(struct tcpc_feedback_reader *r,
								struct tcpc_feedback_hello *ret)
{
	__u32 n, i;

	ret->role = tcpc_feedback_take_u8(r);
	n = tcpc_feedback_take_u8(r);
	if (n > TCPC_FEEDBACK_VERSION_MAX)
		return TCPC_FEEDBACK_COUNT;
	tcpc_feedback_take_bytes(r, ret->version, n);
	if (r->failed)
		return TCPC_FEEDBACK_SHORT;
	if (ret->role >= __TCPC_FEEDBACK_ROLE_MAX)
		return TCPC_FEEDBACK_VALUE;
	for (i = 0; i < n; i++) /* it goes to logs and terminals */
		if (ret->version[i] <= ' ' || ret->version[i] > '~')
			return TCPC_FEEDBACK_VALUE;
	ret->version[n] = 0;
	return tcpc_feedback_done(r);
}

/** tcpc_feedback_put_service - one element of SERVICES, behind serial (u32) and count (u16). */
static inline void tcpc_feedback_put_service(struct tcpc_feedback_writer *w,
					     const struct tcpc_feedback_service *s)
{
	tcpc_feedback_put_bytes(w, &s->addr, sizeof(s->addr));
	tcpc_feedback_put_bytes(w, &s->port, sizeof(s->port));
	tcpc_feedback_put_u8(w, s->tunnels);
	tcpc_feedback_put_u8(w, s->engine);
}

/** tcpc_feedback_get_services - head of SERVICES; @ret_n elements follow. */
static inline enum tcpc_feedback_reason tcpc_feedback_get_services(struct tcpc_feedback_reader *r,
								   __u32 *ret_serial, __u32 *ret_n)
{
	*ret_serial = tcpc_feedback_take_u32(r);
	*ret_n = tcpc_feedback_take_u16(r);
	if (r->failed)
		return TCPC_FEEDBACK_SHORT;
	return *ret_n > TCPC_FEEDBACK_SERVICES_MAX ? TCPC_FEEDBACK_COUNT : TCPC_FEEDBACK_OK;
}

/** tcpc_feedback_get_service - one element. */
static inline enum tcpc_feedback_reason tcpc_feedback_get_service(struct tcpc_feedback_reader *r,
								  struct tcpc_feedback_service *ret)
{
	tcpc_feedback_take_bytes(r, &ret->addr, sizeof(ret->addr));
	tcpc_feedback_take_bytes(r, &ret->port, sizeof(ret->port));
	ret->tunnels = tcpc_feedback_take_u8(r);
	ret->engine = tcpc_feedback_take_u8(r);
	if (r->failed)
		return TCPC_FEEDBACK_SHORT;
	if (!ret->port || ret->engine > TCPC_FEEDBACK_ENGINE_MAX ||
	    ret->tunnels > TCPC_FEEDBACK_TUNNELS_MAX)
		return TCPC_FEEDBACK_VALUE;
	return TCPC_FEEDBACK_OK;
}

/** tcpc_feedback_get_allow - head of ALLOW; @ret_n prefixes follow, none after a CLEAR. */
static inline enum tcpc_feedback_reason tcpc_feedback_get_allow(struct tcpc_feedback_reader *r,
								__u32 *ret_serial, __u8 *ret_op,
								__u32 *ret_n)
{
	*ret_serial = tcpc_feedback_take_u32(r);
	*ret_op = tcpc_feedback_take_u8(r);
	*ret_n = tcpc_feedback_take_u16(r);
	if (r->failed)
		return TCPC_FEEDBACK_SHORT;
	if (*ret_op >= __TCPC_FEEDBACK_ALLOW_MAX)
		return TCPC_FEEDBACK_VALUE;
	if (*ret_n > TCPC_FEEDBACK_PREFIXES_MAX || (*ret_op == TCPC_FEEDBACK_ALLOW_CLEAR && *ret_n))
		return TCPC_FEEDBACK_COUNT;
	return TCPC_FEEDBACK_OK;
}

/** tcpc_feedback_put_prefix - one element of ALLOW. @bits: 0..128, host bits of @addr zero. */
static inline void tcpc_feedback_put_prefix(struct tcpc_feedback_writer *w,
					    const struct tcpc_addr *addr, __u32 bits)
{
	tcpc_feedback_put_bytes(w, addr, sizeof(*addr));
	tcpc_feedback_put_u8(w, bits);
}

/** tcpc_feedback_prefix_ok - true if @bits is in range and no bit of @addr lies behind them. */
static inline int tcpc_feedback_prefix_ok(const struct tcpc_addr *addr, __u32 bits)
{
	__u32 i, word, used;

	if (bits > 128)
		return 0;
	for (i = 0; i < 4; i++) {
		word = tcpc_ntohl(addr->w[i]);
		used = bits > i * 32 ? bits - i * 32 : 0;
		if (used < 32 && word & 0xffffffffu >> used)
			return 0;
	}
	return 1;
}

/** tcpc_feedback_get_prefix - one element of ALLOW. */
static inline enum tcpc_feedback_reason tcpc_feedback_get_prefix(struct tcpc_feedback_reader *r,
								 struct tcpc_addr *ret_addr,
								 __u32 *ret_bits)
{
	tcpc_feedback_take_bytes(r, ret_addr, sizeof(*ret_addr));
	*ret_bits = tcpc_feedback_take_u8(r);
	if (r->failed)
		return TCPC_FEEDBACK_SHORT;
	return tcpc_feedback_prefix_ok(ret_addr, *ret_bits) ? TCPC_FEEDBACK_OK
							    : TCPC_FEEDBACK_VALUE;
}

/** tcpc_feedback_get_ack - the only field of ACK. */
static inline enum tcpc_feedback_reason tcpc_feedback_get_ack(struct tcpc_feedback_reader *r,
							      __u32 *ret_serial)
{
	*ret_serial = tcpc_feedback_take_u32(r);
	return tcpc_feedback_done(r);
}

/** tcpc_feedback_get_ping - the only field of PING. @from_target: an online host says 0. */
static inline enum tcpc_feedback_reason tcpc_feedback_get_ping(struct tcpc_feedback_reader *r,
							       int from_target, __u8 *ret_pressure)
{
	const __u8 most = from_target ? TCPC_FEEDBACK_PRESSURE_ALL : 0;
	__u8 pressure = tcpc_feedback_take_u8(r);
	enum tcpc_feedback_reason reason = tcpc_feedback_done(r);

	if (reason)
		return reason;
	if (pressure & ~most)
		return TCPC_FEEDBACK_VALUE;
	*ret_pressure = pressure;
	return TCPC_FEEDBACK_OK;
}

/** tcpc_feedback_get_bye - the only field of BYE. */
static inline enum tcpc_feedback_reason tcpc_feedback_get_bye(struct tcpc_feedback_reader *r,
							      __u8 *ret_reason)
{
	*ret_reason = tcpc_feedback_take_u8(r);
	if (!r->failed && *ret_reason >= __TCPC_FEEDBACK_REASON_MAX)
		return TCPC_FEEDBACK_VALUE;
	return tcpc_feedback_done(r);
}

#endif
