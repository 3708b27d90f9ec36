// SPDX-License-Identifier: GPL-2.0-only
/* test_link_parts.c - the parts of the feedback link that need no socket: the bookkeeping of what
 * is settled, the allow-list as a set, the queue of bytes, keys and encryption. */
#include "../harness/expect.h"
#include "../harness/random.h"

#include <errno.h>
#include <stdlib.h>

#include "edge/link_allow.h"
#include "edge/link_crypto.h"
#include "edge/link_queue.h"
#include "edge/link_settle.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* ---- settled -------------------------------------------------------------------------------- */

/* Serials count from @base, so that every row is also tried across the end of the number space. */
struct settle_row {
	const char *description;
	__u32 changes;
	__u32 acked; /* least of the connected peers; @changes without any */
	struct {
		__u32 acked;
		__u64 until_ms;
	} lost[3];
	__u64 now_ms;
	__u32 upto;
	__s64 wait_ms;
};

static const struct settle_row settle_rows[] = {
	{"nobody to wait for", 3, 3, {}, 0, 3, -1},
	{"a peer that has not acted", 3, 0, {}, 0, 0, -1},
	{"a peer on its way", 3, 2, {}, 0, 2, -1},
	{"a lost peer", 3, 3, {{1, 500}}, 499, 1, 1},
	{"a lost peer whose time is over", 3, 3, {{1, 500}}, 500, 3, -1},
	{"a lost peer that had acted", 3, 3, {{3, 500}}, 100, 3, -1},
	{"two lost peers", 3, 3, {{2, 500}, {1, 300}}, 100, 1, 200},
	{"one of two over", 3, 3, {{2, 500}, {1, 300}}, 300, 2, 200},
	{"a slow peer and a lost one", 3, 1, {{2, 500}}, 300, 1, 200},
	{"three lost, the second over", 5, 5, {{2, 500}, {1, 300}, {4, 900}}, 400, 2, 100},
};

static void check_settle(const struct settle_row *row, __u32 base)
{
	struct tcpc_link_settle s = {.serial = base, .reported = base};

	for (__u32 i = 0; i < row->changes; i++)
		tcpc_link_settle_next(&s);
	for (__u32 i = 0; i < COUNT_OF(row->lost); i++)
		if (row->lost[i].until_ms)
			tcpc_link_settle_lost(&s, base + row->lost[i].acked, row->lost[i].until_ms);
	tcpc_link_settle_expire(&s, row->now_ms);
	expect_u64(row->description, "settled", tcpc_link_settle_upto(&s, base + row->acked) - base,
		   row->upto);
	expect_u64(row->description, "wait", tcpc_link_settle_wait(&s, row->now_ms), row->wait_ms);
}

static void test_settle(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(settle_rows); i++) {
		check_settle(&settle_rows[i], 0);
		check_settle(&settle_rows[i], 0x7ffffffe);
		check_settle(&settle_rows[i], 0xfffffffa);
	}
}

static void test_settle_never_zero(void **state)
{
	struct tcpc_link_settle s = {.serial = 0xfffffffe, .reported = 0xfffffffe};

	(void)state;
	assert_int_equal(tcpc_link_settle_next(&s), 0xffffffff);
	assert_int_equal(tcpc_link_settle_next(&s), 1);
	assert_int_equal(tcpc_link_settle_upto(&s, s.serial), 1);
}

/* More lost peers than are kept apart: none is forgotten. */
static void test_settle_bound(void **state)
{
	struct tcpc_link_settle s = {};

	(void)state;
	for (__u32 i = 0; i < 5; i++)
		tcpc_link_settle_next(&s);
	for (__u32 i = 0; i < TCPC_LINK_LOST_MAX + 10; i++)
		tcpc_link_settle_lost(&s, i == TCPC_LINK_LOST_MAX + 3 ? 1 : 4, 100 + i);
	assert_int_equal(s.n_lost, TCPC_LINK_LOST_MAX);
	assert_int_equal(tcpc_link_settle_upto(&s, 5), 1);
	tcpc_link_settle_expire(&s, 100 + TCPC_LINK_LOST_MAX + 8);
	assert_int_equal(tcpc_link_settle_upto(&s, 5), 1);
	tcpc_link_settle_expire(&s, 100 + TCPC_LINK_LOST_MAX + 9);
	assert_int_equal(s.n_lost, 0);
	assert_int_equal(tcpc_link_settle_upto(&s, 5), 5);
}

/* ---- allow-list ----------------------------------------------------------------------------- */

#define UNIVERSE 200

static struct tcpc_prefix nth_prefix(__u32 n)
{
	struct tcpc_prefix p = {.addr.w = {0, 0, TCPC_V4_MAPPED, tcpc_htonl((n / 2) << 16)},
				.bits = n & 1 ? 112 : 128};

	return p;
}

/* The set against an array of flags, through random changes with doubles in them. */
static void test_allow_is_a_set(void **state)
{
	struct tcpc_prefix change[40];
	struct tcpc_link_allow set = {};
	char in[UNIVERSE] = {};
	__u64 seed = 9293;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		const __u32 n = random_below(&seed, COUNT_OF(change) + 1);
		const int add = random_below(&seed, 2);
		__u32 count = 0;

		for (__u32 i = 0; i < n; i++) {
			const __u32 which = random_below(&seed, UNIVERSE);

			change[i] = nth_prefix(which);
			in[which] = add;
		}
		if (add)
			assert_int_equal(tcpc_link_allow_add(&set, change, n), 0);
		else
			assert_int_equal(tcpc_link_allow_del(&set, change, n), 0);
		for (__u32 i = 0; i < UNIVERSE; i++) {
			const struct tcpc_prefix p = nth_prefix(i);
			__u32 k = 0;

			while (k < set.n && memcmp(&set.list[k], &p, sizeof(p)))
				k++;
			assert_int_equal(k < set.n, in[i]);
			count += in[i];
		}
		assert_int_equal(set.n, count);
	}
	tcpc_link_allow_clear(&set);
	assert_int_equal(set.n, 0);
}

static void test_allow_bound(void **state)
{
	struct tcpc_prefix *all = calloc(TCPC_MAX_ALLOW + 1, sizeof(*all));
	struct tcpc_link_allow set = {};

	(void)state;
	for (__u32 i = 0; i <= TCPC_MAX_ALLOW; i++)
		all[i] = (struct tcpc_prefix){tcpc_addr_from_v4(tcpc_htonl(i)), 128};
	assert_int_equal(tcpc_link_allow_add(&set, all, TCPC_MAX_ALLOW), 0);
	assert_int_equal(tcpc_link_allow_add(&set, all + TCPC_MAX_ALLOW, 1), -E2BIG);
	assert_int_equal(set.n, TCPC_MAX_ALLOW);
	assert_int_equal(tcpc_link_allow_add(&set, all, TCPC_MAX_ALLOW), 0);
	assert_int_equal(tcpc_link_allow_del(&set, all, 1), 0);
	assert_int_equal(tcpc_link_allow_add(&set, all + TCPC_MAX_ALLOW, 1), 0);
	assert_int_equal(set.n, TCPC_MAX_ALLOW);
	tcpc_link_allow_clear(&set);
	free(all);
}

/* ---- queue ---------------------------------------------------------------------------------- */

/* What goes in comes out, whatever the sizes and however much waits. */
static void test_queue(void **state)
{
	struct tcpc_link_queue q = {};
	__u64 seed = 1;
	__u8 put = 0, get = 0, *at;
	__u32 n, k, waiting = 0;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		if (random_below(&seed, 2)) {
			n = random_below(&seed, round % 100 ? 500 : TCPC_LINK_BLOCK_BYTES) + 1;
			at = tcpc_link_queue_reserve(&q, n);
			assert_non_null(at);
			for (k = 0; k < n; k++)
				at[k] = put++;
			tcpc_link_queue_commit(&q, n);
			waiting += n;
		} else {
			n = tcpc_link_queue_peek(&q, &at);
			if (n)
				n = random_below(&seed, n) + 1;
			for (k = 0; k < n; k++)
				assert_int_equal(at[k], get++);
			if (n)
				tcpc_link_queue_consume(&q, n);
			waiting -= n;
		}
		assert_int_equal(q.n_bytes, waiting);
	}
	assert_null(tcpc_link_queue_reserve(&q, TCPC_LINK_BLOCK_BYTES + 1));
	tcpc_link_queue_clear(&q);
	assert_int_equal(tcpc_link_queue_peek(&q, &at), 0);
}

/* ---- keys ----------------------------------------------------------------------------------- */

struct end {
	struct tcpc_link_crypto crypto;
	__u8 preamble[TCPC_FEEDBACK_PREAMBLE_BYTES];
	__u8 header[TCPC_LINK_CRYPTO_HEADER_BYTES];
};

static const __u8 psk[] = "0123456789abcdef0123456789abcdef";

static void begin(struct end *e)
{
	struct tcpc_feedback_preamble p = {.protocol = 1, .flags = 1, .abi = 1};

	tcpc_link_crypto_begin(&e->crypto, p.public_key);
	tcpc_feedback_put_preamble(e->preamble, &p);
}

/* @flip: which byte of the server's preamble is changed on its way, or -1. */
static int agree(struct end *client, struct end *server, const __u8 *client_psk, int flip)
{
	__u8 seen[TCPC_FEEDBACK_PREAMBLE_BYTES];
	int ret;

	begin(client);
	begin(server);
	memcpy(seen, server->preamble, sizeof(seen));
	if (flip >= 0)
		seen[flip] ^= 1;
	ret = tcpc_link_crypto_agree(&client->crypto, client_psk, false, client->preamble, seen,
				     client->header);
	ret = ret ? ret
		  : tcpc_link_crypto_agree(&server->crypto, psk, true, server->preamble,
					   client->preamble, server->header);
	tcpc_link_crypto_accept(&client->crypto, server->header);
	tcpc_link_crypto_accept(&server->crypto, client->header);
	return ret;
}

#define SEALED (4 + TCPC_LINK_CRYPTO_OVERHEAD)

/* Whether what @from seals can be opened by @to. */
static bool passes(struct end *from, struct end *to)
{
	__u8 wire[SEALED], out[SEALED];

	tcpc_link_crypto_seal(&from->crypto, (const __u8 *)"ping", 4, wire);
	return !tcpc_link_crypto_open(&to->crypto, wire, sizeof(wire), out) &&
	       !memcmp(out, "ping", 4);
}

static void test_keys_agree(void **state)
{
	__u8 other[sizeof(psk)];
	struct end c, s;

	(void)state;
	assert_int_equal(agree(&c, &s, psk, -1), 0);
	for (int i = 0; i < 100; i++)
		assert_true(passes(&c, &s) && passes(&s, &c));
	/* One bit of the pre-shared key. */
	for (int bit = 0; bit < 256; bit += 17) {
		memcpy(other, psk, sizeof(psk));
		other[bit / 8] ^= 1 << bit % 8;
		assert_int_equal(agree(&c, &s, other, -1), 0);
		assert_false(passes(&c, &s));
		assert_false(passes(&s, &c));
	}
	/* One bit of what was said in the clear, versions and flags included. */
	for (int at = 0; at < TCPC_FEEDBACK_PREAMBLE_BYTES; at++) {
		assert_int_equal(agree(&c, &s, psk, at), 0);
		assert_false(passes(&c, &s));
		assert_false(passes(&s, &c));
	}
}

static void test_stream(void **state)
{
	__u8 a[SEALED], b[SEALED], out[SEALED];
	struct end c, s;

	(void)state;
	assert_int_equal(agree(&c, &s, psk, -1), 0);
	tcpc_link_crypto_seal(&c.crypto, (const __u8 *)"aaaa", 4, a);
	tcpc_link_crypto_seal(&c.crypto, (const __u8 *)"bbbb", 4, b);
	/* Out of order, changed, cut, reflected, repeated: not one opens. */
	assert_int_equal(tcpc_link_crypto_open(&s.crypto, b, SEALED, out), -EBADMSG);
	for (__u32 i = 0; i < SEALED; i++) {
		a[i] ^= 0x10;
		assert_int_equal(tcpc_link_crypto_open(&s.crypto, a, SEALED, out), -EBADMSG);
		a[i] ^= 0x10;
		assert_int_equal(tcpc_link_crypto_open(&s.crypto, a, i, out), -EBADMSG);
	}
	assert_int_equal(tcpc_link_crypto_open(&c.crypto, a, SEALED, out), -EBADMSG);
	assert_int_equal(tcpc_link_crypto_open(&s.crypto, a, SEALED, out), 0);
	assert_memory_equal(out, "aaaa", 4);
	assert_int_equal(tcpc_link_crypto_open(&s.crypto, a, SEALED, out), -EBADMSG);
	assert_int_equal(tcpc_link_crypto_open(&s.crypto, b, SEALED, out), 0);
}

/* A public key of small order would make the shared secret known to all. */
static void test_improper_key(void **state)
{
	struct end c, s;

	(void)state;
	begin(&c);
	begin(&s);
	memset(s.preamble + TCPC_FEEDBACK_PREAMBLE_BYTES - TCPC_FEEDBACK_KEY_BYTES, 0,
	       TCPC_FEEDBACK_KEY_BYTES);
	assert_int_equal(
		tcpc_link_crypto_agree(&c.crypto, psk, false, c.preamble, s.preamble, c.header),
		-EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settle),	     cmocka_unit_test(test_settle_never_zero),
		cmocka_unit_test(test_settle_bound), cmocka_unit_test(test_allow_is_a_set),
		cmocka_unit_test(test_allow_bound),  cmocka_unit_test(test_queue),
		cmocka_unit_test(test_keys_agree),   cmocka_unit_test(test_stream),
		cmocka_unit_test(test_improper_key),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
