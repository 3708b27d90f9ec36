// SPDX-License-Identifier: GPL-2.0-only
/* test_key.c - the key file: what is taken, what is refused, and that the refusal helps. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "edge/key.h"

#define HEX_60 "000102030405060708090a0b0c0d0e0fF0F1F2F3F4F5F6F7F8F9fafbfcfd"
#define HEX_64 HEX_60 "feff"

#define HEX_ZERO "0000000000000000000000000000000000000000000000000000000000000000"
#define HEX_WORD "deadbeefcafe0123deadbeefcafe0123deadbeefcafe0123deadbeefcafe0123"

static const __u8 expected[TCPC_KEY_BYTES] = {
	0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a,
	0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5,
	0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff,
};

static char dir[] = "/tmp/tcpcopy-test-key-XXXXXX";
static char path[64];

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/key", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void write_file(const char *content, size_t n, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(content, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static const struct {
	const char *name;
	const char *content;
	size_t n_bytes; /* 0: as long as the string */
	mode_t mode;
	int status;
	const char *says; /* part of the error */
} cases[] = {
	{"digits alone", HEX_64, 0, 0600, 0, NULL},
	{"with a newline", HEX_64 "\n", 0, 0600, 0, NULL},
	{"read only", HEX_64 "\n", 0, 0400, 0, NULL},
	{"two newlines", HEX_64 "\n\n", 0, 0600, -EINVAL, "more than 64 digits"},
	{"carriage return", HEX_64 "\r\n", 0, 0600, -EINVAL, "more than 64 digits"},
	{"leading space", " " HEX_64, 0, 0600, -EINVAL, "more than 64 digits"},
	{"empty", "", 0, 0600, -EINVAL, "less than 64 digits"},
	{"only a newline", "\n", 0, 0600, -EINVAL, "less than 64 digits"},
	{"62 digits", HEX_60 "fe\n", 0, 0600, -EINVAL, "less than 64 digits"},
	{"63 digits and newline", HEX_60 "fef\n", 0, 0600, -EINVAL, "something else"},
	{"63 digits", HEX_60 "fef", 0, 0600, -EINVAL, "less than 64 digits"},
	{"66 digits", HEX_64 "00", 0, 0600, -EINVAL, "more than 64 digits"},
	{"not a digit", HEX_60 "fegf", 0, 0600, -EINVAL, "0-9 and a-f"},
	{"newline within", HEX_60 "f\nff", 0, 0600, -EINVAL, "0-9 and a-f"},
	{"NUL within", HEX_60 "f\0ff", 64, 0600, -EINVAL, "0-9 and a-f"},
	{"all zero", HEX_ZERO, 0, 0600, -EINVAL, "easy to guess"},
	{"a word again and again", HEX_WORD, 0, 0600, -EINVAL, "easy to guess"},
	{"readable by the group", HEX_64, 0, 0640, -EACCES, "chmod 600 "},
	{"readable by all", HEX_64, 0, 0644, -EACCES, "(mode 0644)"},
	{"writable by others", HEX_64, 0, 0602, -EACCES, "chmod 600 "},
};

/* Only root can make such a file. */
static void test_owner(void **state)
{
	__u8 key[TCPC_KEY_BYTES];
	struct tcpc_err err = {};

	(void)state;
	if (geteuid())
		skip();
	write_file(HEX_64, strlen(HEX_64), 0600);
	assert_int_equal(chown(path, 65534, -1), 0);
	assert_int_equal(tcpc_key_load(path, key, &err), -EACCES);
	assert_non_null(strstr(err.text, "belongs to user 65534"));
	assert_int_equal(unlink(path), 0);
}

static void test_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const size_t n = cases[i].n_bytes ? cases[i].n_bytes : strlen(cases[i].content);
		__u8 key[TCPC_KEY_BYTES], untouched[TCPC_KEY_BYTES];
		struct tcpc_err err = {};
		int status;

		memset(key, 0xee, sizeof(key));
		memset(untouched, 0xee, sizeof(untouched));
		write_file(cases[i].content, n, cases[i].mode);
		status = tcpc_key_load(path, key, &err);
		if (status != cases[i].status)
			fail_msg("%s: status %d, wanted %d: %s", cases[i].name, status,
				 cases[i].status, err.text);
		assert_memory_equal(key, status ? untouched : expected, sizeof(key));
		assert_int_equal(err.code, -status);
		if (!status)
			continue;
		if (!strstr(err.text, cases[i].says) || !strstr(err.text, path))
			fail_msg("%s: says '%s'", cases[i].name, err.text);
		if (strstr(err.text, "0001020304"))
			fail_msg("%s: the error shows the key", cases[i].name);
	}
}

static void test_not_a_file(void **state)
{
	__u8 key[TCPC_KEY_BYTES];
	struct tcpc_err err = {};

	(void)state;
	unlink(path);
	assert_int_equal(tcpc_key_load(path, key, &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(tcpc_key_load(dir, key, &err), -EINVAL);
	assert_non_null(strstr(err.text, "not a regular file"));
	/* A FIFO that nobody writes to must not hang the daemon. */
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(tcpc_key_load(path, key, &err), -EINVAL);
	assert_int_equal(tcpc_key_load(path, key, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_not_a_file),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
