/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * expect.h - comparisons for table-driven tests: a failure names the row it comes from. Includes
 * cmocka with what cmocka wants before it.
 */
#ifndef TCPCOPY_TESTS_EXPECT_H
#define TCPCOPY_TESTS_EXPECT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

/* cmocka leaves by longjmp, which compilers are not told: abort() tells them. */
#define expect_fail(...)                                                                           \
	do {                                                                                       \
		fail_msg(__VA_ARGS__);                                                             \
		abort();                                                                           \
	} while (0)

/** expect_u64 - fail the test, naming row @row and value @what, unless @got equals @want. */
static inline void expect_u64(const char *row, const char *what, uint64_t got, uint64_t want)
{
	if (got != want)
		expect_fail("%s: %s is %llu (0x%llx), expected %llu (0x%llx)", row, what,
			    (unsigned long long)got, (unsigned long long)got,
			    (unsigned long long)want, (unsigned long long)want);
}

/** expect_bytes - fail the test at the first of @len bytes that differs. */
static inline void expect_bytes(const char *row, const void *got, const void *want, size_t len)
{
	const uint8_t *g = got, *w = want;
	size_t i;

	for (i = 0; i < len; i++)
		if (g[i] != w[i])
			expect_fail("%s: byte %zu is 0x%02x, expected 0x%02x", row, i, g[i], w[i]);
}

/** expect_true - fail the test, naming row @row and what should hold, unless @holds. */
static inline void expect_true(const char *row, const char *what, int holds)
{
	if (!holds)
		expect_fail("%s: not true: %s", row, what);
}

#endif
