// SPDX-License-Identifier: GPL-2.0-only
/* test_nlmsg.c - netlink messages that are whole, and those that only say so. */
#include "../harness/expect.h"
#include <stdbool.h>

#include "core/nlmsg.h"

static const struct {
	const char *name;
	__u32 length[3]; /* of messages, 0: no more */
	size_t n;
	bool fit;
} cases[] = {
	{"nothing", {0}, 0, true},
	{"less than a header", {0}, 15, true},
	{"a header alone", {16}, 16, true},
	{"two", {20, 16}, 36, true},
	{"the last one ends without what fills it up", {16, 17}, 33, true},
	{"a tail too short for a header", {16}, 20, true},
	{"shorter than its header", {15}, 64, false},
	{"no length", {0}, 16, false},
	{"one byte beyond", {33}, 32, false},
	{"the second one beyond", {16, 32}, 40, false},
	{"negative as a signed number", {0xe3e3e3e3}, 64, false},
	{"the largest there is", {0xffffffff}, 64, false},
};

static void test_fit(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *datagram = calloc(1, 64 + cases[i].n), *at = datagram, *exact;

		for (int k = 0; k < 3 && cases[i].length[k]; k++) {
			((struct nlmsghdr *)at)->nlmsg_len = cases[i].length[k];
			if (cases[i].length[k] > 40)
				break;
			at += NLMSG_ALIGN(cases[i].length[k]);
		}
		exact = malloc(cases[i].n + 1);
		memcpy(exact, datagram, cases[i].n);
		expect_u64(cases[i].name, "fit", tcpc_nlmsg_fit(exact, cases[i].n), cases[i].fit);
		free(exact);
		free(datagram);
	}
}

static void test_is(void **state)
{
	struct nlmsghdr nlh = {.nlmsg_len = 24, .nlmsg_type = 20};

	(void)state;
	expect_true("as long as it is", "taken", tcpc_nlmsg_is(&nlh, 20, 8));
	expect_true("a byte short", "not taken", !tcpc_nlmsg_is(&nlh, 20, 9));
	expect_true("another type", "not taken", !tcpc_nlmsg_is(&nlh, 21, 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fit),
		cmocka_unit_test(test_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
