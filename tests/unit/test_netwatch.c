// SPDX-License-Identifier: GPL-2.0-only
/* test_netwatch.c - what the kernel tells of interfaces and addresses, in a namespace of its own.
 */
#include "../harness/expect.h"
#include "netns.h"

#include "edge/netwatch.h"

static uv_loop_t loop;

struct heard {
	struct tcpc_netwatch *watch;
	int calls, gone[4], n_gone;
	bool stop_at_once;
};

static void on_change(void *user, int gone_ifindex)
{
	struct heard *h = user;

	h->calls++;
	if (gone_ifindex && h->n_gone < 4)
		h->gone[h->n_gone++] = gone_ifindex;
	if (h->stop_at_once) {
		tcpc_netwatch_stop(h->watch);
		h->watch = NULL;
	}
}

static bool heard_more(const struct heard *h, int calls)
{
	uv_run(&loop, UV_RUN_NOWAIT);
	return h->calls > calls;
}

static void start(struct heard *h)
{
	struct tcpc_err err = {};

	assert_int_equal(tcpc_netwatch_start(&loop, on_change, h, &h->watch, &err), 0);
	while (uv_run(&loop, UV_RUN_NOWAIT) && h->calls)
		h->calls = 0; /* of what the kernel was still busy with */
}

static void test_addresses(void **state)
{
	struct heard h = {};
	int calls;

	(void)state;
	need_netns();
	start(&h);
	assert_int_equal(run_command("ip addr add 198.18.0.1/32 dev lo"), 0);
	wait_until(heard_more(&h, 0));
	calls = h.calls;
	assert_int_equal(run_command("ip addr del 198.18.0.1/32 dev lo"), 0);
	wait_until(heard_more(&h, calls));
	assert_int_equal(h.n_gone, 0);
	tcpc_netwatch_stop(h.watch);
	uv_run(&loop, UV_RUN_DEFAULT);
}

static void test_interfaces(void **state)
{
	struct heard h = {};
	int ifindex, calls;

	(void)state;
	need_netns();
	start(&h);
	assert_int_equal(run_command("ip link add watched0 type veth peer name watched1"), 0);
	wait_until(heard_more(&h, 0));
	ifindex = if_nametoindex("watched0");
	calls = h.calls;
	assert_int_equal(run_command("ip link set watched0 name watched2"), 0);
	wait_until(heard_more(&h, calls));
	assert_int_equal(h.n_gone, 0);
	assert_int_equal(run_command("ip link del watched2"), 0);
	wait_until((heard_more(&h, 1 << 30), h.n_gone == 2));
	assert_true(h.gone[0] == ifindex || h.gone[1] == ifindex);
	tcpc_netwatch_stop(h.watch);
	uv_run(&loop, UV_RUN_DEFAULT);
}

/* A port that leaves its bridge is deleted there, but is no interface that has gone. */
static void test_bridge(void **state)
{
	struct heard h = {};
	int calls;

	(void)state;
	need_netns();
	if (run_command("ip link add bridge0 type bridge 2>/dev/null"))
		skip();
	assert_int_equal(run_command("ip link add watched0 type veth peer name watched1"), 0);
	assert_int_equal(run_command("ip link set watched0 master bridge0"), 0);
	start(&h);
	calls = h.calls;
	assert_int_equal(run_command("ip link set watched0 nomaster"), 0);
	wait_until(heard_more(&h, calls));
	assert_int_equal(h.n_gone, 0);
	tcpc_netwatch_stop(h.watch);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(run_command("ip link del watched0 && ip link del bridge0"), 0);
}

static void test_stopped_in_its_call(void **state)
{
	struct heard h = {.stop_at_once = true};

	(void)state;
	need_netns();
	start(&h);
	assert_int_equal(run_command("ip link add watched0 type veth peer name watched1"), 0);
	assert_int_equal(run_command("ip link del watched0"), 0);
	wait_until(heard_more(&h, 0));
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(h.calls, 1);
	tcpc_netwatch_stop(NULL);
}

static int enter(void **state)
{
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
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_interfaces),
		cmocka_unit_test(test_bridge),
		cmocka_unit_test(test_stopped_in_its_call),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
