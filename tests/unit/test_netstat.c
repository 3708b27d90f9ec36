// SPDX-License-Identifier: GPL-2.0-only
/* test_netstat.c - the kernel's counters out of its text, whatever that holds. */
#include <errno.h>

#include "../harness/expect.h"
#include "core/netstat.h"

#define VALUE(name) TCPC_NETSTAT_##name

static const struct {
	const char *row, *text;
	enum tcpc_netstat_counter counter;
	__u64 want;
} rows[] = {
	{"as the kernel writes it",
	 "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 0 17 18\n"
	 "IpExt: InNoRoutes\nIpExt: 3\n",
	 VALUE(ListenOverflows), 17},
	{"the first", "TcpExt: ListenOverflows X\nTcpExt: 1 2\n", VALUE(ListenOverflows), 1},
	{"the last", "TcpExt: X BeyondWindow\nTcpExt: 1 2\n", VALUE(BeyondWindow), 2},
	{"the last, no newline", "TcpExt: X BeyondWindow\nTcpExt: 1 2", VALUE(BeyondWindow), 2},
	{"behind other lines", "IpExt: A\nIpExt: 1\nTcpExt: RcvPruned\nTcpExt: 9\n",
	 VALUE(RcvPruned), 9},
	{"64 bits", "TcpExt: RcvPruned\nTcpExt: 18446744073709551615\n", VALUE(RcvPruned),
	 18446744073709551615ULL},
	{"a longer name", "TcpExt: RcvPrunedX\nTcpExt: 9\n", VALUE(RcvPruned), 0},
	{"a shorter name", "TcpExt: RcvPrune\nTcpExt: 9\n", VALUE(RcvPruned), 0},
	{"another kernel has it not", "TcpExt: A\nTcpExt: 9\n", VALUE(IPReversePathFilter), 0},
	{"fewer values than names", "TcpExt: A RcvPruned\nTcpExt: 9\n", VALUE(RcvPruned), 0},
	{"names alone", "TcpExt: RcvPruned\n", VALUE(RcvPruned), 0},
	{"names, then other lines", "TcpExt: RcvPruned\nIpExt: 9\n", VALUE(RcvPruned), 0},
	{"nothing", "", VALUE(RcvPruned), 0},
	{"nothing in the lines", "TcpExt:\nTcpExt:\n", VALUE(RcvPruned), 0},
};

static void test_parse(void **state)
{
	struct tcpc_netstat got;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&got, 0x5a, sizeof(got));
		tcpc_netstat_parse(rows[i].text, &got);
		for (int c = 0; c < __TCPC_NETSTAT_MAX; c++)
			expect_u64(rows[i].row, tcpc_netstat_name(c), got.value[c],
				   c == (int)rows[i].counter		   ? rows[i].want
				   : i == 1 && c == VALUE(ListenOverflows) ? 1
									   : 0);
	}
}

/* Of this very kernel: a name that it does not know at all would be a slip of ours. */
static void test_names(void **state)
{
	char text[16384] = "";
	FILE *file = fopen("/proc/net/netstat", "re");
	size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	(void)state;
	if (file)
		fclose(file);
	if (!n)
		skip();
	for (int c = 0; c < __TCPC_NETSTAT_MAX; c++) {
		if (c != VALUE(TSEcrRejected) && c != VALUE(BeyondWindow))
			expect_true(tcpc_netstat_name(c), "the kernel has it",
				    !!strstr(text, tcpc_netstat_name(c)));
		expect_true(tcpc_netstat_name(c), "it is explained", *tcpc_netstat_text(c));
	}
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		int want;
		long last;
	} cases[] = {
		{"4096\t131072\t6291456\n", 3, 6291456},
		{"1", 1, 1},
		{" 1  2 ", 2, 2},
		{"", 0, 0},
		{"\n", 0, 0},
		{"-1 2", 2, 2},
		{"1 2 3 4", -EINVAL, 0},
		{"1 x", -EINVAL, 0},
		{"1x", -EINVAL, 0},
	};
	long n[3];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int got = tcpc_netstat_numbers(cases[i].text, n, 3);

		expect_u64(cases[i].text, "result", got, cases[i].want);
		if (got > 0)
			expect_u64(cases[i].text, "the last", n[got - 1], cases[i].last);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
