// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_hash.c - hash.h against the vectors of SipHash's authors and against libsodium, and what
 * sampling promises: shares that are right, nested, and unlike for every key.
 */
#include <sodium.h>

#include "../harness/expect.h"
#include "../harness/random.h"
#include "tcpcopy/addr.h"
#include "tcpcopy/hash.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define CONNECTIONS 100000

static __u64 le64(const __u8 *p)
{
	__u64 v = 0;
	int i;

	for (i = 0; i < 8; i++)
		v |= (__u64)p[i] << 8 * i;
	return v;
}

/* SipHash-2-4 of the first @len of 00 01 02 ... with the key 00 .. 0f. */
static __u64 vector_hash(__u32 len)
{
	__u64 words[8] = {0}, key[2];
	__u8 bytes[64] = {0};
	__u32 i;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = i;
	key[0] = le64(bytes);
	key[1] = le64(bytes + 8);
	for (i = 0; i < len / 8; i++)
		words[i] = le64(bytes + 8 * i);
	return tcpc_siphash_words(key, words, len / 8);
}

/* Appendix A of the paper (and its reference code) for the lengths that are whole words. */
static void test_official_vectors(void **state)
{
	static const struct {
		const char *description;
		__u32 len;
		__u64 want;
	} rows[] = {
		{"empty", 0, 0x726fdb47dd0e0e31ULL},
		{"8 bytes", 8, 0x93f5f5799a932462ULL},
		{"16 bytes", 16, 0x3f2acc7f57c29bdbULL},
		{"24 bytes", 24, 0xb8ad50c6f649af94ULL},
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++)
		expect_u64(rows[i].description, "hash", vector_hash(rows[i].len), rows[i].want);
}

static void put_le64(__u8 *p, __u64 v)
{
	int i;

	for (i = 0; i < 8; i++)
		p[i] = v >> 8 * i;
}

/* libsodium's crypto_shorthash is another implementation of the same function. */
static void test_agrees_with_libsodium(void **state)
{
	__u64 seed = 24, key[2], words[3];
	__u8 key_bytes[16], in[24], out[8];
	int i, k;

	(void)state;
	for (i = 0; i < 10000; i++) {
		__u32 n = random_below(&seed, 4);

		for (k = 0; k < 2; k++)
			put_le64(key_bytes + 8 * k, key[k] = random_next(&seed));
		for (k = 0; k < 3; k++)
			put_le64(in + 8 * k, words[k] = random_next(&seed));
		crypto_shorthash_siphash24(out, in, 8 * n, key_bytes);
		assert_true(tcpc_siphash_words(key, words, n) == le64(out));
	}
}

struct connection {
	struct tcpc_addr client;
	__be16 port;
};

/* Not random but what a site sees: addresses in a row, ephemeral ports. */
static struct connection connection_number(__u32 n)
{
	struct connection c;

	c.client = tcpc_addr_from_v4(tcpc_htonl(0xc6120000 + n / 50));
	c.port = tcpc_htons(32768 + n % 50 * 7);
	return c;
}

static __u32 count_sampled(const __u64 key[2], __u32 share)
{
	__u32 n, count = 0;

	for (n = 0; n < CONNECTIONS; n++) {
		struct connection c = connection_number(n);

		count += !!tcpc_sampled(key, &c.client, c.port, share);
	}
	return count;
}

static const __u64 keys[][2] = {
	{0, 0},
	{0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL},
	{0xdeadbeefcafef00dULL, 1},
};

/* Within three standard deviations of a binomial distribution; seeds are fixed, so this is no
 * matter of luck at run time. Squared, to do without sqrt(). */
static void test_share_is_right(void **state)
{
	static const __u32 shares[] = {1, 10, 100, 1000, 2500, 5000, 9000, 9999};
	size_t i, k;

	(void)state;
	for (k = 0; k < COUNT_OF(keys); k++)
		for (i = 0; i < COUNT_OF(shares); i++) {
			double p = (double)shares[i] / TCPC_SAMPLE_ALL;
			double off = count_sampled(keys[k], shares[i]) - p * CONNECTIONS;
			double variance = CONNECTIONS * p * (1 - p);

			if (off * off > 9 * variance)
				expect_fail("key %zu, share %u: %.0f connections off", k, shares[i],
					    off);
		}
}

static void test_none_and_all(void **state)
{
	size_t k;

	(void)state;
	for (k = 0; k < COUNT_OF(keys); k++) {
		assert_int_equal(count_sampled(keys[k], 0), 0);
		assert_int_equal(count_sampled(keys[k], TCPC_SAMPLE_ALL), CONNECTIONS);
		assert_int_equal(count_sampled(keys[k], TCPC_SAMPLE_ALL + 1), CONNECTIONS);
	}
}

/* A connection in a share is in every larger one: raising --percent cuts no connection off. */
static void test_shares_are_nested(void **state)
{
	__u32 n, share;

	(void)state;
	for (n = 0; n < 2000; n++) {
		struct connection c = connection_number(n);
		int before = 0;

		for (share = 0; share <= TCPC_SAMPLE_ALL; share += 20) {
			int now = tcpc_sampled(keys[1], &c.client, c.port, share);

			assert_true(now >= before);
			before = now;
		}
		assert_true(before);
	}
}

/* Address and port both count, and the key decides: half of the choices differ from key to key. */
static void test_every_input_counts(void **state)
{
	struct connection c = connection_number(0);
	__u32 n, by_port = 0, by_addr = 0, by_key = 0;

	(void)state;
	for (n = 0; n < 10000; n++) {
		struct tcpc_addr other = tcpc_addr_from_v4(tcpc_htonl(0xc6120000 + n));
		__u64 key[2] = {n, 0};

		by_port += !!tcpc_sampled(keys[1], &c.client, tcpc_htons(n), 5000);
		by_addr += !!tcpc_sampled(keys[1], &other, c.port, 5000);
		by_key += !!tcpc_sampled(key, &c.client, c.port, 5000);
	}
	assert_in_range(by_port, 4850, 5150);
	assert_in_range(by_addr, 4850, 5150);
	assert_in_range(by_key, 4850, 5150);
}

/* The words that are hashed are defined by value: 2001:db8::1 port 40000, on any CPU. */
static void test_hashed_words(void **state)
{
	__u8 bytes[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
	__u64 words[3] = {0x20010db800000000ULL, 1, 40000};
	__u32 draw = tcpc_siphash_words(keys[1], words, 3) % TCPC_SAMPLE_ALL;
	struct tcpc_addr addr;

	(void)state;
	memcpy(&addr, bytes, sizeof(addr));
	assert_false(tcpc_sampled(keys[1], &addr, tcpc_htons(40000), draw));
	assert_true(tcpc_sampled(keys[1], &addr, tcpc_htons(40000), draw + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_official_vectors),
		cmocka_unit_test(test_agrees_with_libsodium),
		cmocka_unit_test(test_share_is_right),
		cmocka_unit_test(test_none_and_all),
		cmocka_unit_test(test_shares_are_nested),
		cmocka_unit_test(test_every_input_counts),
		cmocka_unit_test(test_hashed_words),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
