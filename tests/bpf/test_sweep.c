// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_sweep.c - what a killed daemon leaves, and that the next one clears just that: clsact
 * filters, qdiscs and pins stay in the kernel, TCX links do not. The daemons are real processes
 * that die of SIGKILL.
 */
#include "../harness/bpf_attach.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/** What a daemon does before it is killed. */
struct daemon {
	const char *bpffs;
	enum tcpc_hook hook;
	bool target;	   /* align on live0; else tap there */
	const char *iface; /* NULL: live0 */
	bool absorbs;	   /* a target that has absorb there, too */
	bool allows;	   /* a target that has host 7 in its allow-list */
};

static int online_daemon(const struct daemon *d, int ifindex)
{
	const __u64 key[2] = {1, 2};
	struct tcpc_attachment a;
	struct tcpc_dp_online *dp;
	struct tcpc_err err = {};

	return tcpc_dp_online_open(d->bpffs, lab.copy, key, key, 0, &dp, &err) ||
	       tcpc_dp_online_attach(dp, ifindex, false, d->hook, &a, &err);
}

static int target_daemon(const struct daemon *d, int ifindex)
{
	struct tcpc_prefix prefix = {frame_host(&(struct frame_spec){}, 7), 128};
	struct tcpc_attachment a, absorb;
	struct tcpc_dp_target *dp;
	struct tcpc_err err = {};

	if (tcpc_dp_target_open(d->bpffs, &dp, &err) ||
	    tcpc_dp_target_attach(dp, ifindex, &a, &err))
		return -1;
	if (d->absorbs && tcpc_dp_target_absorb(dp, ifindex, &absorb, &err))
		return -1;
	return d->allows ? tcpc_dp_target_allow(dp, &prefix, TCPC_ALLOW_DIRECT, &err) : 0;
}

/* Start a daemon, wait until it is in force, kill it. */
static void run_and_kill(const struct daemon *d)
{
	int ifindex = if_nametoindex(d->iface ?: "live0"), ready[2], status;
	char word = 'n';
	pid_t pid;

	assert_return_code(pipe(ready), errno);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		word = (d->target ? target_daemon : online_daemon)(d, ifindex) ? 'n' : 'y';
		if (write(ready[1], &word, 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &word, 1), 1);
	close(ready[0]);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	expect_u64("daemon", "attached", word, 'y');
}

static int sweep(const char *bpffs, const char *side)
{
	struct tcpc_err err = {};
	int r = tcpc_datapath_sweep(bpffs, side, &err);

	if (r < 0)
		expect_fail("sweep: %s", err.text);
	return r;
}

#define A LAB_BPFFS "/a"
#define B LAB_BPFFS "/b"

static bool exists(const char *path)
{
	return !access(path, F_OK);
}

static void test_nothing_left(void **state)
{
	(void)state;
	need_netns();
	expect_u64("nothing", "removed", sweep(A, "online"), 0);
	expect_u64("nothing", "removed", sweep(LAB_BPFFS "/none", "target"), 0);
}

/* A link dies with the daemon: only the pins are left. */
static void test_tcx(void **state)
{
	const struct daemon d = {.bpffs = A, .hook = TCPC_HOOK_TC};

	(void)state;
	need_netns();
	need_tcx();
	run_and_kill(&d);
	wait_until(tcx_programs(lab.live) == 0);
	expect_true("killed", "pins are left", exists(A "/online/config"));
	expect_true("sweep", "removes something", sweep(A, "online") > 0);
	expect_true("swept", "pins are gone", !exists(A "/online"));
	expect_u64("again", "removed", sweep(A, "online"), 0);
}

/* Responses stay inside after the daemon has been killed: absorb stays until the sweep. */
static void test_absorb_stays(void **state)
{
	const struct daemon d = {.bpffs = A, .target = true, .absorbs = true};

	(void)state;
	need_netns();
	need_tcx();
	run_and_kill(&d);
	wait_until(tcx_programs_on(lab.live, TCX_INGRESS) == 0);
	expect_u64("killed", "programs in egress", tcx_programs_on(lab.live, TCX_EGRESS), 1);
	sweep(A, "online");
	expect_u64("wrong side", "programs in egress", tcx_programs_on(lab.live, TCX_EGRESS), 1);
	sweep(A, "target");
	wait_until(tcx_programs_on(lab.live, TCX_EGRESS) == 0);
	expect_true("swept", "pins are gone", !exists(A "/target"));
}

static void test_clsact(void **state)
{
	const struct daemon d = {.bpffs = A, .hook = TCPC_HOOK_CLSACT};
	const int pins = 6;

	(void)state;
	need_netns();
	run_and_kill(&d);
	expect_u64("killed", "filters", tcpc_datapath_filters(lab.live), 1);
	expect_true("killed", "the qdisc stays", has_qdisc("live0"));
	expect_u64("wrong side", "removed", sweep(A, "target"), 0);
	expect_u64("wrong side", "filters", tcpc_datapath_filters(lab.live), 1);
	/* The filter, the pins and the notes: of the qdisc and of the program. */
	expect_u64("sweep", "removed", sweep(A, "online"), 1 + pins + 2);
	expect_true("swept", "the qdisc is gone", !has_qdisc("live0"));
	expect_true("swept", "pins are gone", !exists(A "/online"));
}

static void test_qdisc_of_another(void **state)
{
	const struct daemon d = {.bpffs = A, .hook = TCPC_HOOK_CLSACT};

	(void)state;
	need_netns();
	lab_command("tc qdisc add dev live0 clsact");
	run_and_kill(&d);
	sweep(A, "online");
	expect_u64("swept", "filters", tcpc_datapath_filters(lab.live), 0);
	expect_true("swept", "the qdisc stays", has_qdisc("live0"));
	remove_qdiscs();
}

/* Filters of others stay where they are, on a qdisc that we made as well, even at our own place. */
static void test_filter_of_another(void **state)
{
	const struct daemon d = {.bpffs = A, .hook = TCPC_HOOK_CLSACT};

	(void)state;
	need_netns();
	run_and_kill(&d);
	add_foreign_filter(lab.foreign_fd, 1);
	add_foreign_filter(lab.foreign_fd, 5);
	expect_u64("before", "filters", tcpc_datapath_filters(lab.live), 3);
	sweep(A, "online");
	expect_u64("swept", "filters", tcpc_datapath_filters(lab.live), 2);
	expect_true("swept", "the qdisc stays", has_qdisc("live0"));
	remove_qdiscs();
}

/* Two daemons of one machine, killed both: each sweep takes its own, also from one interface. */
static void expect_not_mixed_up(const char *iface_b)
{
	const struct daemon a = {.bpffs = A, .hook = TCPC_HOOK_CLSACT};
	const struct daemon b = {.bpffs = B, .hook = TCPC_HOOK_CLSACT, .iface = iface_b};
	int other = if_nametoindex(iface_b), before;

	run_and_kill(&a);
	run_and_kill(&b);
	before = tcpc_datapath_filters(other);
	sweep(A, "online");
	expect_u64(iface_b, "filters of b", tcpc_datapath_filters(other),
		   other == lab.live ? before - 1 : before);
	expect_true(iface_b, "pins of b", exists(B "/online/config"));
	expect_true(iface_b, "no pins of a", !exists(A "/online"));
	sweep(B, "online");
	expect_u64(iface_b, "filters", tcpc_datapath_filters(other), 0);
	expect_u64(iface_b, "filters", tcpc_datapath_filters(lab.live), 0);
	remove_qdiscs();
}

static void test_two_daemons(void **state)
{
	(void)state;
	need_netns();
	expect_not_mixed_up("copy2");
	expect_not_mixed_up("live0");
}

/* A daemon that died before it had pinned anything has attached nothing: what there is belongs to
 * others. */
static void test_half_started(void **state)
{
	struct tcpc_dp_online *living;
	struct tcpc_attachment tap;

	(void)state;
	need_netns();
	living = open_online(B, lab.copy);
	tap = attach(living, TCPC_HOOK_CLSACT);
	assert_return_code(mkdir(A "/online", 0700), errno);
	sweep(A, "online");
	expect_u64("swept", "filters", tcpc_datapath_filters(lab.live), 1);
	expect_true("swept", "the directory is gone", !exists(A "/online"));
	wait_until(sightings(living) >= 1);
	tcpc_attachment_close(&tap);
	tcpc_dp_online_close(living);
}

/* Who was allowed before the crash is known until the sweep. */
static void test_allowed_before(void **state)
{
	const struct daemon d = {.bpffs = A, .hook = TCPC_HOOK_TC, .target = true, .allows = true};
	const struct tcpc_addr yes = frame_host(&(struct frame_spec){}, 7);
	const struct tcpc_addr no = frame_host(&(struct frame_spec){}, 8);

	(void)state;
	need_netns();
	run_and_kill(&d);
	expect_true("killed", "allowed", tcpc_datapath_allowed_before(A, &yes));
	expect_true("killed", "another is not", !tcpc_datapath_allowed_before(A, &no));
	expect_true("elsewhere", "is not", !tcpc_datapath_allowed_before(B, &yes));
	expect_true("sweep", "removes something", sweep(A, "target") > 0);
	expect_true("swept", "is not", !tcpc_datapath_allowed_before(A, &yes));
	expect_true("swept", "pins are gone", !exists(A "/target"));
}

/* Too many prefixes are refused in words (invariant 6), and the others stay in force. */
static void test_map_full(void **state)
{
	struct tcpc_filter value = {.action = TCPC_FILTER_CLIENT};
	struct tcpc_prefix prefix = {.bits = 128};
	struct tcpc_dp_online *dp;
	struct tcpc_err err = {};

	(void)state;
	need_netns();
	dp = open_online(A, lab.copy);
	for (__u32 i = 0; i < TCPC_MAX_FILTERS; i++) {
		prefix.addr.w[3] = i;
		assert_int_equal(tcpc_dp_online_filter(dp, 1, &prefix, &value, &err), 0);
	}
	prefix.addr.w[3] = TCPC_MAX_FILTERS;
	assert_int_equal(tcpc_dp_online_filter(dp, 1, &prefix, &value, &err), -ENOSPC);
	expect_true("full", "the error says how many", strstr(err.text, "65536") != NULL);
	prefix.addr.w[3] = 5;
	assert_int_equal(tcpc_dp_online_filter(dp, 1, &prefix, NULL, &err), 0);
	assert_int_equal(tcpc_dp_online_filter(dp, 1, &prefix, NULL, &err), 0);
	prefix.addr.w[3] = TCPC_MAX_FILTERS;
	assert_int_equal(tcpc_dp_online_filter(dp, 1, &prefix, &value, &err), 0);
	tcpc_dp_online_close(dp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_left),	 cmocka_unit_test(test_tcx),
		cmocka_unit_test(test_absorb_stays),	 cmocka_unit_test(test_clsact),
		cmocka_unit_test(test_qdisc_of_another), cmocka_unit_test(test_filter_of_another),
		cmocka_unit_test(test_two_daemons),	 cmocka_unit_test(test_half_started),
		cmocka_unit_test(test_allowed_before),	 cmocka_unit_test(test_map_full),
	};

	return cmocka_run_group_tests(tests, attach_enter, NULL);
}
