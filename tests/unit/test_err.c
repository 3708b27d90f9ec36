// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_err.c - err.h and utf8.h: whatever comes in, the user gets one printable line of UTF-8.
 */
#include "../harness/words.h"
#include "core/utf8.h"

static void test_set(void **state)
{
	struct tcpc_err err = words_no_err;

	(void)state;
	errno = EDOM;
	assert_int_equal(tcpc_err_set(&err, EINVAL, "'%s' is %d too many", "80x", 3), -EINVAL);
	assert_int_equal(errno, EDOM);
	assert_int_equal(err.code, EINVAL);
	assert_string_equal(err.text, "'80x' is 3 too many");
	/* The next one replaces it whole. */
	assert_int_equal(tcpc_err_set(&err, ENOENT, "no"), -ENOENT);
	assert_int_equal(err.code, ENOENT);
	assert_string_equal(err.text, "no");
}

static void test_without_err(void **state)
{
	(void)state;
	errno = EDOM;
	assert_int_equal(tcpc_err_set(NULL, EPERM, "%s", "unheard"), -EPERM);
	assert_int_equal(errno, EDOM);
}

static void test_printable(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"", ""},
		{"plain ~ text", "plain ~ text"},
		{"two\nlines", "two?lines"},
		{"\t\r\x1b[2J\x7f\x01", "???[2J??"},
		{"caf\xc3\xa9", "caf\xc3\xa9"},
		{"\xe2\x82\xac 5", "\xe2\x82\xac 5"},
		{"\xf0\x9f\x90\xa7", "\xf0\x9f\x90\xa7"},
		{"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"}, /* U+10FFFF */
		{"\xc2\xa0", "\xc2\xa0"},		  /* the first behind C1 */
		{"\xc2\x9b[2J", "??[2J"},		  /* C1: CSI */
		{"\xc2\x80", "??"},
		{"\xe9t\xe9", "?t?"}, /* Latin 1 */
		{"\x80", "?"},
		{"\xbf", "?"},
		{"\xc3", "?"},			  /* ends too early */
		{"\xe2\x82", "??"},		  /* the same */
		{"\xe2\x82x", "??x"},		  /* what follows is kept */
		{"\xc0\xaf", "??"},		  /* overlong '/' */
		{"\xe0\x9f\xbf", "???"},	  /* overlong U+07FF */
		{"\xe0\xa0\x80", "\xe0\xa0\x80"}, /* U+0800 */
		{"\xf0\x8f\xbf\xbf", "????"},	  /* overlong U+FFFF */
		{"\xed\xa0\x80", "???"},	  /* surrogates: U+D800, U+DFFF */
		{"\xed\xbf\xbf", "???"},
		{"\xed\x9f\xbf", "\xed\x9f\xbf"}, /* their neighbours */
		{"\xee\x80\x80", "\xee\x80\x80"},
		{"\xf4\x90\x80\x80", "????"}, /* U+110000 */
		{"\xf5\x80\x80\x80", "????"},
		{"\xf8\x88\x80\x80\x80", "?????"},
		{"\xff\xfe", "??"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct tcpc_err err = words_no_err;

		tcpc_err_set(&err, EINVAL, "%s", rows[i].text);
		if (strcmp(err.text, rows[i].want))
			expect_fail("row %zu: '%s', expected '%s'", i, err.text, rows[i].want);
	}
}

/* Cut at the end of the buffer, and no character is cut in the middle. */
static void test_long(void **state)
{
	char text[2 * TCPC_ERR_BYTES];
	struct tcpc_err err;

	(void)state;
	for (size_t n = TCPC_ERR_BYTES - 6; n < TCPC_ERR_BYTES + 6; n++) {
		memset(text, 'x', sizeof(text));
		strcpy(text + n, "\xe2\x82\xac"); /* the euro sign */
		memset(&err, 0xa5, sizeof(err));
		tcpc_err_set(&err, EINVAL, "%s", text);
		assert_int_equal(strnlen(err.text, sizeof(err.text)),
				 n + 3 < TCPC_ERR_BYTES ? n + 3 : TCPC_ERR_BYTES - 1);
		for (const char *p = err.text; *p; p += tcpc_utf8_length(p))
			assert_int_not_equal(tcpc_utf8_length(p), 0);
	}
}

/* Every code point there is, encoded by the book. */
static void test_utf8_brute_force(void **state)
{
	unsigned int found = 0;

	(void)state;
	for (unsigned int c = 1; c < 0x110000; c++) {
		int control = c < ' ' || (c >= 0x7f && c < 0xa0);
		int surrogate = c >= 0xd800 && c < 0xe000;
		size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		char text[5] = {c};

		for (size_t i = n - 1, rest = c; n > 1 && i > 0; i--, rest >>= 6)
			text[i] = 0x80 | (rest & 0x3f);
		if (n > 1)
			text[0] = (0xf00 >> n) | (c >> 6 * (n - 1));
		if (tcpc_utf8_length(text) != (control || surrogate ? 0 : n))
			expect_fail("U+%04X: %zu bytes", c, tcpc_utf8_length(text));
		found += !control && !surrogate;
	}
	assert_int_equal(found, 0x110000 - 1 - 31 - 33 - 0x800);
	assert_int_equal(tcpc_utf8_length(""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_without_err),
		cmocka_unit_test(test_printable),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_utf8_brute_force),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
