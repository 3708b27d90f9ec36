// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_iptables_watch.c - the rules that bear our mark, counted while real iptables of both kinds
 * and both families change them, in a namespace of its own.
 */
#include "../harness/expect.h"
#include "netns.h"

#include "edge/iptables.h"

#define TAG "/run/tcpcopy-test"
#define OURS "-p tcp --sport 80 -m comment --comment tcpcopyd:" TAG " -j ACCEPT"

static uv_loop_t loop;

struct seen {
	struct tcpc_iptables_watch *watch;
	int calls, n_rules;
};

static void on_rules(void *user, int n_rules)
{
	struct seen *s = user;

	s->calls++;
	s->n_rules = n_rules;
}

static bool sees(struct seen *s, int n_rules)
{
	uv_run(&loop, UV_RUN_NOWAIT);
	return s->n_rules == n_rules;
}

static void start(struct seen *s)
{
	struct tcpc_err err = {};

	s->n_rules = -1;
	assert_int_equal(tcpc_iptables_watch_start(&loop, TAG, on_rules, s, &s->watch, &err), 0);
	wait_until(sees(s, 0));
}

static void end(struct seen *s)
{
	tcpc_iptables_watch_stop(s->watch);
	uv_run(&loop, UV_RUN_DEFAULT);
}

/* Seconds of the monotonic clock. */
static double now_s(void)
{
	return uv_hrtime() / 1e9;
}

/* @within_s: how soon a change must be seen. */
static void add_and_flush(const char *tool, double within_s)
{
	struct seen s = {};
	double at;

	need_netns();
	if (run_command("%s -w -L OUTPUT -n >/dev/null 2>&1", tool)) {
		print_message("skipped: %s does not work here\n", tool);
		skip();
	}
	start(&s);
	assert_int_equal(run_command("%s -w -A OUTPUT " OURS, tool), 0);
	wait_until(sees(&s, 1));
	assert_int_equal(run_command("%s -w -A OUTPUT " OURS, tool), 0);
	assert_int_equal(run_command("%s -w -A OUTPUT -p tcp --sport 81 -j ACCEPT", tool), 0);
	wait_until(sees(&s, 2));
	assert_int_equal(run_command("%s -w -F OUTPUT", tool), 0);
	at = now_s();
	wait_until(sees(&s, 0));
	assert_true(now_s() - at < within_s);
	end(&s);
}

static void test_nft(void **state)
{
	(void)state;
	add_and_flush("iptables-nft", 0.5);
}

static void test_nft_ipv6(void **state)
{
	(void)state;
	add_and_flush("ip6tables-nft", 0.5);
}

static void test_legacy(void **state)
{
	(void)state;
	add_and_flush("iptables-legacy", 1);
}

static void test_legacy_ipv6(void **state)
{
	(void)state;
	add_and_flush("ip6tables-legacy", 1);
}

/* Another daemon's tag may begin like ours, or end. */
static void test_other_tags(void **state)
{
	struct seen s = {};
	int calls;

	(void)state;
	need_netns();
	if (run_command("iptables-nft -w -L OUTPUT -n >/dev/null 2>&1"))
		skip();
	start(&s);
	calls = s.calls;
	assert_int_equal(run_command("iptables-nft -w -A OUTPUT -m comment --comment "
				     "tcpcopyd:" TAG "2 -j ACCEPT"),
			 0);
	assert_int_equal(run_command("iptables-nft -w -A OUTPUT -m comment --comment "
				     "tcpcopyd:/run -j ACCEPT"),
			 0);
	wait_until((sees(&s, 0), s.calls > calls));
	assert_int_equal(s.n_rules, 0);
	assert_int_equal(run_command("iptables-nft -w -F OUTPUT"), 0);
	end(&s);
	tcpc_iptables_watch_stop(NULL);
}

static int enter(void **state)
{
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	return enter_netns(state) || uv_loop_init(&loop) ? -1 : 0;
}

static int leave(void **state)
{
	(void)state;
	return uv_loop_close(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nft),	   cmocka_unit_test(test_nft_ipv6),
		cmocka_unit_test(test_legacy),	   cmocka_unit_test(test_legacy_ipv6),
		cmocka_unit_test(test_other_tags),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
