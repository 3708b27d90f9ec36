// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_text.c - text.h: what is taken, what it comes to, and what is said about the rest. Canonical
 * text goes through both ways.
 */
#include <arpa/inet.h>

#include "../harness/words.h"
#include "core/text.h"

/* ---- numbers and ports ----------------------------------------------------------------------- */

static void test_number(void **state)
{
	static const struct {
		const char *text;
		unsigned long max;
		int good;
		unsigned long want;
	} rows[] = {
		{"0", 0, 1, 0},
		{"1", 0, 0, 0},
		{"9", 9, 1, 9},
		{"9", 8, 0, 0},
		{"10", 9, 0, 0},
		{"65535", 65535, 1, 65535},
		{"65536", 65535, 0, 0},
		{"655350", 65535, 0, 0},
		{"18446744073709551615", ~0UL, 1, ~0UL},
		{"18446744073709551616", ~0UL, 0, 0}, /* would come round to 0 */
		{"18446744073709551625", ~0UL, 0, 0},
		{"99999999999999999999999999", ~0UL, 0, 0},
		{"", 9, 0, 0},
		{"00", 9, 0, 0},
		{"01", 9, 0, 0},
		{"-1", ~0UL, 0, 0},
		{"+1", 9, 0, 0},
		{" 1", 9, 0, 0},
		{"1 ", 9, 0, 0},
		{"/", 9, 0, 0}, /* before '0' and behind '9' */
		{":", 99, 0, 0},
		{"0x1", 99, 0, 0},
		{"1e1", 99, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		unsigned long got = 4711;
		int r = tcpc_text_number(rows[i].text, rows[i].max, &got);

		expect_u64(rows[i].text, "result", r, rows[i].good ? 0 : -EINVAL);
		expect_u64(rows[i].text, "number", got, rows[i].good ? rows[i].want : 4711);
	}
}

static void test_port(void **state)
{
	static const char *const bad[] = {
		"",    "0",   "65536", "80x", "+80",  "-80",  "080",	    "00080", "0x50", " 80",
		"80 ", "8 0", "80.0",  "8e1", "\t80", "80\n", "4294967376", "http",  "*",
	};

	(void)state;
	for (unsigned int port = 1; port < 65536; port++) {
		struct tcpc_err err = words_no_err;
		char text[8];
		__be16 got;

		snprintf(text, sizeof(text), "%u", port);
		expect_success(text, tcpc_text_port(text, &got, &err), &err);
		expect_u64(text, "port", ntohs(got), port);
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct tcpc_err err = words_no_err;
		__be16 got = 4711;

		expect_error(bad[i], tcpc_text_port(bad[i], &got, &err), &err, EINVAL,
			     "is not a port: give a number from 1 to 65535");
		expect_u64(bad[i], "untouched port", got, 4711);
	}
}

/* ---- addresses ------------------------------------------------------------------------------- */

static void test_addr(void **state)
{
	static const struct {
		const char *text, *want; /* canonical */
	} rows[] = {
		{"10.0.0.9", "10.0.0.9"},
		{"0.0.0.0", "0.0.0.0"},
		{"255.255.255.255", "255.255.255.255"},
		{"2001:db8::9", "2001:db8::9"},
		{"2001:DB8:0:0:0:0:0:9", "2001:db8::9"},
		{"2001:0db8::0009", "2001:db8::9"},
		{"::", "::"},
		{"::1", "::1"},
		{"64:ff9b::10.0.0.9", "64:ff9b::a00:9"},
		{"::ffff:10.0.0.9", "10.0.0.9"}, /* the same address, says addr.h */
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct tcpc_err err = words_no_err;
		char buf[TCPC_TEXT_BYTES];
		struct tcpc_addr addr;

		expect_success(rows[i].text, tcpc_text_addr(rows[i].text, &addr, &err), &err);
		assert_ptr_equal(tcpc_text_from_addr(&addr, buf), buf);
		assert_string_equal(buf, rows[i].want);
	}
}

static void test_bad_addr(void **state)
{
	static const struct {
		const char *text, *right;
	} rows[] = {
		{"", "10.0.0.9"},
		{"10.0.0", "10.0.0.9"},
		{"10.0.0.9.1", "10.0.0.9"},
		{"10.0.0.", "10.0.0.9"},
		{"10..0.9", "10.0.0.9"},
		{"198.18.300.1", "10.0.0.9"},
		{"10.0.0.256", "10.0.0.9"},
		{"010.0.0.9", "10.0.0.9"}, /* octal for some */
		{"10.0.0.09", "10.0.0.9"},
		{"10.0.0.00", "10.0.0.9"},
		{"0xa.0.0.9", "10.0.0.9"},
		{"167772169", "10.0.0.9"},
		{" 10.0.0.9", "10.0.0.9"},
		{"10.0.0.9 ", "10.0.0.9"},
		{"10.0.0. 9", "10.0.0.9"},
		{"10.0.0.9x", "10.0.0.9"},
		{"10.0.0.9\n", "10.0.0.9"},
		{"10.0.0.9/32", "10.0.0.9"},
		{"10.0.0.-1", "10.0.0.9"},
		{"10.0.0.+9", "10.0.0.9"},
		{"localhost", "10.0.0.9"},
		{"2001:db8::g", "2001:db8::9"},
		{"2001:db8::9::1", "2001:db8::9"},
		{"2001:db8:0:0:0:0:0:0:9", "2001:db8::9"},
		{"2001:db8:9", "2001:db8::9"},
		{"2001:db8::12345", "2001:db8::9"},
		{"[2001:db8::9]", "2001:db8::9"},
		{"2001:db8::9 ", "2001:db8::9"},
		{"fe80::1%eth0", "2001:db8::9"},
		{"::ffff:10.0.0.256", "2001:db8::9"},
		{"::ffff:010.0.0.9", "2001:db8::9"},
		{":", "2001:db8::9"},
		{WORDS_LONG, "10.0.0.9"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct tcpc_err err = words_no_err;
		struct tcpc_addr got, before;
		char part[128];

		memset(&before, 0xa5, sizeof(before));
		got = before;
		snprintf(part, sizeof(part), "is not an address: write it as %s", rows[i].right);
		expect_error(rows[i].text, tcpc_text_addr(rows[i].text, &got, &err), &err, EINVAL,
			     part);
		expect_bytes(rows[i].text, &got, &before, sizeof(got));
	}
}

/* ---- endpoints ------------------------------------------------------------------------------- */

static void test_endpoint(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"10.0.0.9:80", "10.0.0.9:80"},
		{"0.0.0.0:36524", "0.0.0.0:36524"},
		{"255.255.255.255:65535", "255.255.255.255:65535"},
		{"[2001:db8::9]:80", "[2001:db8::9]:80"},
		{"[::]:1", "[::]:1"},
		{"[2001:DB8:0::9]:65535", "[2001:db8::9]:65535"},
		{"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
		 "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct tcpc_err err = words_no_err;
		struct tcpc_endpoint ep, again;
		char buf[TCPC_TEXT_BYTES];

		/* Compared as bytes by others: padding has to be the same, too. */
		memset(&ep, 0xa5, sizeof(ep));
		memset(&again, 0x5a, sizeof(again));
		expect_success(rows[i].text, tcpc_text_endpoint(rows[i].text, &ep, &err), &err);
		assert_ptr_equal(tcpc_text_from_endpoint(&ep, buf), buf);
		assert_string_equal(buf, rows[i].want);
		expect_success(buf, tcpc_text_endpoint(buf, &again, &err), &err);
		expect_bytes(rows[i].text, &again, &ep, sizeof(ep));
	}
}

static void test_bad_endpoint(void **state)
{
	static const struct {
		const char *text, *part;
	} rows[] = {
		{"", "'' is not IP:PORT: write it as 10.0.0.9:8080"},
		{"10.0.0.9", "'10.0.0.9' is not IP:PORT: write it as 10.0.0.9:8080"},
		{":80", "':80' is not IP:PORT"},
		{"10.0.0.9:", "'' is not a port"},
		{"10.0.0.9:0", "'0' is not a port"},
		{"10.0.0.9:65536", "'65536' is not a port"},
		{"10.0.0.9:80x", "'80x' is not a port"},
		{"10.0.0.9:080", "'080' is not a port"},
		{"10.0.0.9: 80", "' 80' is not a port"},
		{"10.0.0.9 :80", "'10.0.0.9 ' is not an address"},
		{" 10.0.0.9:80", "' 10.0.0.9' is not an address"},
		{"10.0.0.9:80 ", "'80 ' is not a port"},
		{"010.0.0.9:80", "'010.0.0.9' is not an address"},
		{"198.18.18:80", "'198.18.18' is not an address"},
		{"target.example:80", "'target.example' is not an address"},
		{"10.0.0.9:80:81", "write it as [2001:db8::9]:8080"},
		{"2001:db8::9", "write it as [2001:db8::9]:8080"},
		{"2001:db8::9:80", "write it as [2001:db8::9]:8080"},
		{"[2001:db8::9]", "write it as [2001:db8::9]:8080"},
		{"[2001:db8::9]80", "write it as [2001:db8::9]:8080"},
		{"[2001:db8::9", "write it as [2001:db8::9]:8080"},
		{"[2001:db8::9]:", "'' is not a port"},
		{"[2001:db8::9]:0", "'0' is not a port"},
		{"[2001:db8::9]::80", "':80' is not a port"},
		{"[2001:db8::g]:80", "'2001:db8::g' is not an address: write it as 2001:db8::9"},
		{"[fe80::1%eth0]:80", "'fe80::1%eth0' is not an address"},
		{"[]:80", "is not IP:PORT"},
		{"[[::1]]:80", "is not IP:PORT"},
		{"[10.0.0.9]:80", "brackets are for IPv6; write IPv4 as 10.0.0.9:8080"},
		{"[::ffff:10.0.0.9]:80", "brackets are for IPv6"},
		{"http://10.0.0.9:80", "is not IP:PORT"},
		{WORDS_LONG, "is not IP:PORT: write it as 10.0.0.9:8080"},
		{WORDS_LONG ":80", "is not IP:PORT: write it as 10.0.0.9:8080"},
		{"[" WORDS_LONG "]:80", "is not IP:PORT: write it as 10.0.0.9:8080"},
		{"10.0.0.9:" WORDS_LONG, "is not a port: give a number"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct tcpc_err err = words_no_err;
		struct tcpc_endpoint got, before;

		memset(&before, 0xa5, sizeof(before));
		memcpy(&got, &before, sizeof(got));
		expect_error(rows[i].text, tcpc_text_endpoint(rows[i].text, &got, &err), &err,
			     EINVAL, rows[i].part);
		expect_bytes(rows[i].text, &got, &before, sizeof(got));
	}
}

/* Around the sizes of the buffers that hosts are cut out into. */
static void test_host_lengths(void **state)
{
	(void)state;
	for (int n = 1; n < 300; n++) {
		struct tcpc_err err = words_no_err;
		struct tcpc_endpoint ep;
		char text[320], host[512];
		__u16 port;
		int r;

		memset(host, 'x', sizeof(host));
		snprintf(text, sizeof(text), "%.*s:80", n, host);
		expect_error(text, tcpc_text_endpoint(text, &ep, &err), &err, EINVAL, " is not ");
		r = tcpc_text_host_port(text, 1, host, sizeof(host), &port, &err);
		assert_int_equal(r, n < 256 ? 0 : -EINVAL);
		snprintf(text, sizeof(text), "[%.*s]:80", n, host);
		expect_error(text, tcpc_text_endpoint(text, &ep, &err), &err, EINVAL, " is not ");
		snprintf(text, sizeof(text), "%.*s/8", n, host);
		expect_error(text, tcpc_text_prefix(text, &(struct tcpc_prefix){}, &err), &err,
			     EINVAL, " is not ");
	}
}

/* ---- host and port --------------------------------------------------------------------------- */

static void test_host_port(void **state)
{
	static const struct {
		const char *text, *host;
		unsigned int port;
	} rows[] = {
		{"target.example:80", "target.example", 80},
		{"target.example", "target.example", 36524},
		{"target", "target", 36524},
		{"target.example.:80", "target.example.", 80},
		{"my_host-1:65535", "my_host-1", 65535},
		{"10.0.0.9:80", "10.0.0.9", 80},
		{"10.0.0.9", "10.0.0.9", 36524},
		{"[2001:db8::9]:80", "2001:db8::9", 80},
		{"[2001:db8::9]", "2001:db8::9", 36524},
		{"9front", "9front", 36524},
		{"10.0.0.9.in-addr.arpa", "10.0.0.9.in-addr.arpa", 36524},
		{WORDS_X100 WORDS_X100, WORDS_X100 WORDS_X100, 36524},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct tcpc_err err = words_no_err;
		char host[256];
		__u16 port;
		int r = tcpc_text_host_port(rows[i].text, 36524, host, sizeof(host), &port, &err);

		expect_success(rows[i].text, r, &err);
		assert_string_equal(host, rows[i].host);
		expect_u64(rows[i].text, "port", port, rows[i].port);
	}
}

static void test_bad_host_port(void **state)
{
	static const struct {
		const char *text, *part;
	} rows[] = {
		{"", "'' is not HOST:PORT: write it as target.example:36524"},
		{":80", "is not HOST:PORT"},
		{"target:", "'' is not a port"},
		{"target:0", "'0' is not a port"},
		{"target:65536", "'65536' is not a port"},
		{"target:80x", "'80x' is not a port"},
		{"target:+80", "'+80' is not a port"},
		{"tar get:80", "is not HOST:PORT"},
		{" target:80", "is not HOST:PORT"},
		{"target\n:80", "is not HOST:PORT"},
		{"target/x:80", "is not HOST:PORT"},
		{"t\xc3\xa4rget", "is not HOST:PORT"},
		{"user@target:80", "is not HOST:PORT"},
		{"2001:db8::9", "write it as [2001:db8::9]:36524"},
		{"2001:db8::9:80", "write it as [2001:db8::9]:36524"},
		{"[2001:db8::9]80", "write it as [2001:db8::9]:36524"},
		{"[2001:db8::g]:80", "is not HOST:PORT"},
		{"[target]:80", "is not HOST:PORT"},
		{"[10.0.0.9]:80", "is not HOST:PORT"},
		{"[]:80", "is not HOST:PORT"},
		/* The resolver would take these for addresses, and for which. */
		{"010.0.0.9:80", "or 10.0.0.9:36524"},
		{"0x0a.0.0.9", "or 10.0.0.9:36524"},
		{"0x0a000009", "or 10.0.0.9:36524"},
		{"10.9", "or 10.0.0.9:36524"},
		{"167772169", "or 10.0.0.9:36524"},
		/* And these for names, which they can't be. */
		{"10.0.0.300", "or 10.0.0.9:36524"},
		{"10.0.0.9.1:80", "or 10.0.0.9:36524"},
		{"target.1", "or 10.0.0.9:36524"},
		{WORDS_LONG, "is not HOST:PORT: write it as target.example:36524"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct tcpc_err err = words_no_err;
		char host[256] = "before";
		__u16 port = 4711;
		int r = tcpc_text_host_port(rows[i].text, 36524, host, sizeof(host), &port, &err);

		expect_error(rows[i].text, r, &err, EINVAL, rows[i].part);
		assert_string_equal(host, "before");
		expect_u64(rows[i].text, "untouched port", port, 4711);
	}
}

/* The host fits with its final zero, or not at all. */
static void test_host_size(void **state)
{
	struct tcpc_err err = words_no_err;
	char host[7] = "before";
	__u16 port = 1;

	(void)state;
	assert_int_equal(tcpc_text_host_port("sevenxx", 2, host, sizeof(host), &port, &err),
			 -EINVAL);
	assert_string_equal(host, "before");
	assert_int_equal(tcpc_text_host_port("sixxxx", 2, host, sizeof(host), &port, &err), 0);
	assert_string_equal(host, "sixxxx");
	assert_int_equal(port, 2);
}

static void test_ip6tables(void **state)
{
	static const struct {
		const char *iptables, *want;
	} rows[] = {
		{"iptables", "ip6tables"},
		{"iptables-nft", "ip6tables-nft"},
		{"/usr/sbin/iptables-legacy", "/usr/sbin/ip6tables-legacy"},
		{"/iptables/iptables", "/iptables/ip6tables"},
		{"./iptables", "./ip6tables"},
		{"xtables", NULL},
		{"/usr/sbin/my-iptables", NULL},
		{"/iptables/", NULL},
		{"", NULL},
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		strcpy(text, "untouched");
		assert_int_equal(tcpc_text_ip6tables(rows[i].iptables, text, sizeof(text)),
				 rows[i].want ? 0 : -EINVAL);
		assert_string_equal(text, rows[i].want ?: "untouched");
	}
	assert_int_equal(tcpc_text_ip6tables("iptables", text, sizeof("ip6tables") - 1), -EINVAL);
	assert_int_equal(tcpc_text_ip6tables("iptables", text, sizeof("ip6tables")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ip6tables),     cmocka_unit_test(test_number),
		cmocka_unit_test(test_port),	      cmocka_unit_test(test_addr),
		cmocka_unit_test(test_bad_addr),      cmocka_unit_test(test_endpoint),
		cmocka_unit_test(test_bad_endpoint),  cmocka_unit_test(test_host_port),
		cmocka_unit_test(test_bad_host_port), cmocka_unit_test(test_host_size),
		cmocka_unit_test(test_host_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
