// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_text_prefix.c - text.h again: prefixes, percentages, interfaces.
 */
#include <arpa/inet.h>

#include "../harness/random.h"
#include "../harness/words.h"
#include "core/text.h"

/* ---- prefixes -------------------------------------------------------------------------------- */

static void test_prefix(void **state)
{
	static const struct {
		const char *text, *want;
		unsigned int bits;
	} rows[] = {
		{"10.0.0.0/8", "10.0.0.0/8", 104},
		{"10.0.0.9", "10.0.0.9/32", 128},
		{"10.0.0.9/32", "10.0.0.9/32", 128},
		{"10.0.0.8/31", "10.0.0.8/31", 127},
		{"0.0.0.0/0", "0.0.0.0/0", 96},
		{"0.0.0.0", "0.0.0.0/32", 128},
		{"0.0.0.0/32", "0.0.0.0/32", 128},
		{"128.0.0.0/1", "128.0.0.0/1", 97},
		{"2001:db8::/32", "2001:db8::/32", 32},
		{"2001:db8::9", "2001:db8::9/128", 128},
		{"::/0", "::/0", 0},
		{"::", "::/128", 128},
		{"::/128", "::/128", 128},
		{"8000::/1", "8000::/1", 1},
		{"::ffff:10.0.0.0/8", "10.0.0.0/8", 104},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", 128},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct tcpc_err err = words_no_err;
		struct tcpc_prefix p, again;
		char buf[TCPC_TEXT_BYTES];

		memset(&p, 0xa5, sizeof(p));
		memset(&again, 0x5a, sizeof(again));
		expect_success(rows[i].text, tcpc_text_prefix(rows[i].text, &p, &err), &err);
		expect_u64(rows[i].text, "bits", p.bits, rows[i].bits);
		assert_ptr_equal(tcpc_text_from_prefix(&p, buf), buf);
		assert_string_equal(buf, rows[i].want);
		expect_success(buf, tcpc_text_prefix(buf, &again, &err), &err);
		expect_bytes(rows[i].text, &again, &p, sizeof(p));
	}
}

static void test_bad_prefix(void **state)
{
	static const struct {
		const char *text, *part;
	} rows[] = {
		{"", "'' is not a prefix: write it as 10.0.0.0/8"},
		{"/8", "is not a prefix"},
		{"10.0.0.0/33", "'10.0.0.0/33': the prefix length is a number from 0 to 32"},
		{"10.0.0.0/-1", "the prefix length is a number from 0 to 32"},
		{"10.0.0.0/032", "the prefix length is a number from 0 to 32"},
		{"10.0.0.0/00", "the prefix length is a number from 0 to 32"},
		{"10.0.0.0/+8", "the prefix length is a number from 0 to 32"},
		{"10.0.0.0/", "the prefix length is a number from 0 to 32"},
		{"10.0.0.0/8/8", "the prefix length is a number from 0 to 32"},
		{"10.0.0.0/8 ", "the prefix length is a number from 0 to 32"},
		{"10.0.0.0/255.0.0.0", "the prefix length is a number from 0 to 32"},
		{"10.0.0.0/4294967304", "the prefix length is a number from 0 to 32"},
		{"10.0.0.0 /8", "is not a prefix: write it as 10.0.0.0/8"},
		{"10/8", "is not a prefix: write it as 10.0.0.0/8"},
		{"10.0.0/24", "is not a prefix: write it as 10.0.0.0/8"},
		{"010.0.0.0/8", "is not a prefix: write it as 10.0.0.0/8"},
		{"nonsense", "is not a prefix: write it as 10.0.0.0/8"},
		{"*", "is not a prefix"},
		{"2001:db8::/129", "the prefix length is a number from 0 to 128"},
		{"2001:db8::/-1", "the prefix length is a number from 0 to 128"},
		{"::ffff:10.0.0.0/104", "the prefix length is a number from 0 to 32"},
		{"2001:db8:/32", "is not a prefix: write it as 2001:db8::/32"},
		{"[2001:db8::]/32", "is not a prefix: write it as 2001:db8::/32"},
		{"198.18.18.1/24", "do you mean 198.18.18.0/24?"},
		{"10.0.0.1/0", "do you mean 0.0.0.0/0?"},
		{"10.0.0.1/31", "do you mean 10.0.0.0/31?"},
		{"128.0.0.0/0", "do you mean 0.0.0.0/0?"},
		{"255.255.255.255/1", "do you mean 128.0.0.0/1?"},
		{"2001:db8::1/32", "do you mean 2001:db8::/32?"},
		{"8000::/0", "do you mean ::/0?"},
		{"::1/127", "do you mean ::/127?"},
		{WORDS_LONG, "is not a prefix: write it as 10.0.0.0/8"},
		{WORDS_LONG "/8", "is not a prefix: write it as 10.0.0.0/8"},
		{"10.0.0.0/" WORDS_LONG, "the prefix length is a number from 0 to 32"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct tcpc_err err = words_no_err;
		struct tcpc_prefix got, before;

		memset(&before, 0xa5, sizeof(before));
		got = before;
		expect_error(rows[i].text, tcpc_text_prefix(rows[i].text, &got, &err), &err, EINVAL,
			     rows[i].part);
		expect_bytes(rows[i].text, &got, &before, sizeof(got));
	}
}

/* Not from text, but from a peer or a map it may come: host bits set, and shorter than ::ffff:. */
static void test_odd_prefix(void **state)
{
	struct tcpc_prefix p = {.addr = tcpc_addr_from_v4(htonl(0x0a000009)), .bits = 95};
	char buf[TCPC_TEXT_BYTES];

	(void)state;
	assert_string_equal(tcpc_text_from_prefix(&p, buf), "::ffff:10.0.0.9/95");
	p.bits = 96;
	assert_string_equal(tcpc_text_from_prefix(&p, buf), "10.0.0.9/0");
}

/* The prefix of @bits around @addr, by the book: one bit after the other. */
static struct tcpc_addr masked(const struct tcpc_addr *addr, unsigned int bits)
{
	struct tcpc_addr ret = *addr;

	for (unsigned int i = bits; i < 128; i++)
		((__u8 *)&ret)[i / 8] &= ~(0x80 >> i % 8);
	return ret;
}

/* Every length, with addresses whose host bits are zero but for the last one: taken or not, and the
 * one that is meant can be typed as it is shown. */
static void test_prefix_lengths(void **state)
{
	__u64 seed = 1;

	(void)state;
	for (unsigned int i = 0; i < 129 + 33; i++) {
		unsigned int shown = i < 129 ? i : i - 129, bits = i < 129 ? i : 96 + shown;
		struct tcpc_addr addr = {.w = {0x80000000u | random_next(&seed), random_next(&seed),
					       random_next(&seed), random_next(&seed)}};
		struct tcpc_err err = words_no_err;
		char text[128], whole[TCPC_TEXT_BYTES];
		struct tcpc_addr want;
		struct tcpc_prefix p;

		if (i >= 129)
			addr = tcpc_addr_from_v4(addr.w[3]);
		want = masked(&addr, bits);
		snprintf(text, sizeof(text), "%s/%u", tcpc_text_from_addr(&want, whole), shown);
		expect_success(text, tcpc_text_prefix(text, &p, &err), &err);
		expect_u64(text, "bits", p.bits, bits);
		expect_bytes(text, &p.addr, &want, sizeof(want));
		if (bits == 128)
			continue;
		((__u8 *)&want)[15] |= 1;
		snprintf(text, sizeof(text), "%s/%u", tcpc_text_from_addr(&want, whole), shown);
		tcpc_text_from_prefix(&p, whole);
		expect_error(text, tcpc_text_prefix(text, &p, &err), &err, EINVAL, whole);
	}
}

/* ---- percentages and interfaces -------------------------------------------------------------- */

static void test_percent(void **state)
{
	static const char *const bad[] = {
		"",    "100.01", "101",	  "1000",	 "0.001",   "12.345", ".5",	  "5.",
		".",   "1..5",	 "1.5.5", "-5",		 "+5",	    "05",     "00.5",	  "5%",
		"5 ",  " 5",	 "1e2",	  "0x10",	 "1,5",	    "1. 5",   "1.-5",	  "1.5x",
		"all", "10/2",	 "nan",	  "12345678901", "100.001", "99.999", WORDS_LONG,
	};
	char text[16];

	(void)state;
	for (unsigned int i = 0; i <= TCPC_SAMPLE_ALL; i++) {
		struct tcpc_err err = words_no_err;
		__u32 got = 0;

		snprintf(text, sizeof(text), "%u.%02u", i / 100, i % 100);
		expect_success(text, tcpc_text_percent(text, &got, &err), &err);
		expect_u64(text, "steps", got, i);
		if (i % 10)
			continue;
		snprintf(text, sizeof(text), "%u.%u", i / 100, i / 10 % 10);
		expect_success(text, tcpc_text_percent(text, &got, &err), &err);
		expect_u64(text, "steps", got, i);
		snprintf(text, sizeof(text), "%u", i / 100);
		expect_success(text, tcpc_text_percent(text, &got, &err), &err);
		expect_u64(text, "steps", got, i / 100 * 100);
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct tcpc_err err = words_no_err;
		__u32 got = 4711;

		expect_error(bad[i], tcpc_text_percent(bad[i], &got, &err), &err, EINVAL,
			     "is not a percentage: give a number from 0 to 100, at most two");
		expect_u64(bad[i], "untouched steps", got, 4711);
	}
}

static void test_iface(void **state)
{
	static const char *const good[] = {
		"eth0", "e", "eth0.100", "a23456789012345", "br-lan", "...", "veth@1", "\xc3\xa9",
	};
	static const char *const bad[] = {
		"",	 ".",	   "..",       "a234567890123456", "eth0/1", "eth0:1",
		"eth 0", "eth0\n", "\teth0",   "eth\v0",	   "eth\f0", "eth\r0",
		" ",	 "/",	   "\xc3\xa0", WORDS_LONG,
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct tcpc_err err = words_no_err;
		char got[16], want[16] = {0};

		memset(got, 0xa5, sizeof(got));
		strcpy(want, good[i]);
		expect_success(good[i], tcpc_text_iface(good[i], got, &err), &err);
		expect_bytes(good[i], got, want, sizeof(want)); /* zeroes to the end */
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct tcpc_err err = words_no_err;
		char got[16] = "before";

		expect_error(bad[i], tcpc_text_iface(bad[i], got, &err), &err, EINVAL,
			     "is not an interface name: 1 to 15 bytes, like eth0");
		assert_string_equal(got, "before");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefix),	       cmocka_unit_test(test_bad_prefix),
		cmocka_unit_test(test_prefix_lengths), cmocka_unit_test(test_odd_prefix),
		cmocka_unit_test(test_percent),	       cmocka_unit_test(test_iface),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
