// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_attach.c - how the programs get onto interfaces and off again, and what a killed daemon
 * leaves (invariants 2 and 3). Every daemon here is a process or a handle of its own, with its own
 * directory below the bpffs.
 */
#include "../harness/bpf_attach.h"

/* ---- hooks ----------------------------------------------------------------------------------- */

/* A program can be on an interface once; @hook is what it was attached with. */
static void expect_no_second(struct tcpc_dp_online *dp, enum tcpc_hook hook)
{
	struct tcpc_attachment a = {};
	struct tcpc_err err = {};

	expect_u64("same program", "error",
		   -tcpc_dp_online_attach(dp, lab.live, false, hook, &a, &err), EEXIST);
	expect_true("same program", "the error says so", strstr(err.text, "already") != NULL);
	expect_u64("same program", "kind", a.kind, TCPC_ATTACH_NONE);
}

static void test_tcx(void **state)
{
	struct tcpc_dp_online *dp, *another;
	struct tcpc_attachment first, second;

	(void)state;
	need_netns();
	need_tcx();
	dp = open_online(LAB_PINS, lab.copy);
	another = open_online(LAB_BPFFS "/a", lab.copy2);
	first = attach(dp, TCPC_HOOK_TC);
	expect_u64("TC", "kind", first.kind, TCPC_ATTACH_TCX);
	assert_string_equal(tcpc_attach_kind_name(first.kind), "tcx");
	wait_until(sightings(dp) >= 1);
	expect_no_second(dp, TCPC_HOOK_TC);
	expect_no_second(dp, TCPC_HOOK_TCX);
	second = attach(another, TCPC_HOOK_TCX);
	expect_u64("second", "programs", tcx_programs(lab.live), 2);
	wait_until(sightings(dp) >= 1);
	tcpc_attachment_close(&first);
	expect_u64("first closed", "programs", tcx_programs(lab.live), 1);
	expect_u64("closed", "kind", first.kind, TCPC_ATTACH_NONE);
	wait_until(sightings(another) >= 1);
	tcpc_attachment_close(&second);
	tcpc_attachment_close(&second);
	expect_u64("both closed", "programs", tcx_programs(lab.live), 0);
	expect_true("TCX", "needs no qdisc", !has_qdisc("live0"));
	tcpc_dp_online_close(dp);
	tcpc_dp_online_close(another);
}

static void test_clsact(void **state)
{
	struct tcpc_dp_online *dp, *another;
	struct tcpc_attachment first, second;

	(void)state;
	need_netns();
	dp = open_online(LAB_PINS, lab.copy);
	another = open_online(LAB_BPFFS "/a", lab.copy2);
	first = attach(dp, TCPC_HOOK_CLSACT);
	expect_u64("clsact", "kind", first.kind, TCPC_ATTACH_CLSACT);
	assert_string_equal(tcpc_attach_kind_name(first.kind), "clsact");
	expect_true("clsact", "the qdisc is ours", first.made_qdisc);
	expect_u64("clsact", "filters", tcpc_datapath_filters(lab.live), 1);
	wait_until(sightings(dp) >= 1);
	expect_no_second(dp, TCPC_HOOK_CLSACT);
	second = attach(another, TCPC_HOOK_CLSACT);
	expect_true("second", "the qdisc was there", !second.made_qdisc);
	expect_u64("second", "filters", tcpc_datapath_filters(lab.live), 2);
	wait_until(sightings(dp) >= 1 && sightings(another) >= 1);
	tcpc_attachment_close(&second);
	expect_u64("second closed", "filters", tcpc_datapath_filters(lab.live), 1);
	expect_true("second closed", "the qdisc stays", has_qdisc("live0"));
	wait_until(sightings(dp) >= 1);
	tcpc_attachment_close(&first);
	expect_true("both closed", "the qdisc is gone", !has_qdisc("live0"));
	tcpc_dp_online_close(dp);
	tcpc_dp_online_close(another);
}

/* tap and align on one interface: a host that is target and online (a cascade). */
static void test_cascade(void **state)
{
	struct tcpc_attachment tap, align = {};
	struct tcpc_target_stats stats = {};
	struct tcpc_dp_target *target;
	struct tcpc_dp_online *dp;
	struct tcpc_err err = {};

	(void)state;
	need_netns();
	dp = open_online(LAB_PINS, lab.copy);
	assert_int_equal(tcpc_dp_target_open(LAB_PINS, &target, &err), 0);
	assert_int_equal(tcpc_dp_target_attach(target, lab.live, &align, &err), 0);
	tap = attach(dp, TCPC_HOOK_TC);
	wait_until(sightings(dp) >= 1);
	assert_int_equal(tcpc_dp_target_stats(target, &stats), 0);
	expect_true("cascade", "align sees the packet too", stats.seen >= 1);
	tcpc_attachment_close(&tap);
	tcpc_attachment_close(&align);
	tcpc_dp_online_close(dp);
	tcpc_dp_target_close(target);
}

/* Whatever hangs there already comes after us: it must not hide packets from the tap. */
static void test_front(void **state)
{
	static const enum tcpc_hook hooks[] = {TCPC_HOOK_TC, TCPC_HOOK_CLSACT};
	LIBBPF_OPTS(bpf_link_create_opts, opts);
	struct tcpc_attachment a;
	struct tcpc_dp_online *dp;
	int link = -1;

	(void)state;
	need_netns();
	dp = open_online(LAB_PINS, lab.copy);
	for (size_t i = 0; i < COUNT_OF(hooks); i++) {
		if (hooks[i] == TCPC_HOOK_TC && has_tcx()) {
			link = bpf_link_create(lab.dropping_fd, lab.live, TCX_INGRESS, &opts);
			assert_return_code(link, errno);
		} else {
			lab_command("tc qdisc add dev live0 clsact");
			add_foreign_filter(lab.dropping_fd, 1);
		}
		a = attach(dp, hooks[i]);
		wait_until(sightings(dp) >= 1);
		tcpc_attachment_close(&a);
		if (link >= 0)
			close(link);
		link = -1;
	}
	tcpc_dp_online_close(dp);
	remove_qdiscs();
}

/* ---- the qdisc ------------------------------------------------------------------------------- */

static void test_qdisc_of_another(void **state)
{
	struct tcpc_dp_online *dp;
	struct tcpc_attachment a;

	(void)state;
	need_netns();
	dp = open_online(LAB_PINS, lab.copy);
	lab_command("tc qdisc add dev live0 clsact");
	a = attach(dp, TCPC_HOOK_CLSACT);
	expect_true("clsact", "the qdisc was there", !a.made_qdisc);
	tcpc_attachment_close(&a);
	expect_u64("closed", "filters", tcpc_datapath_filters(lab.live), 0);
	expect_true("closed", "the qdisc stays", has_qdisc("live0"));
	remove_qdiscs();
	/* The older ingress qdisc can take a filter too. */
	lab_command("tc qdisc add dev live0 ingress");
	a = attach(dp, TCPC_HOOK_CLSACT);
	wait_until(sightings(dp) >= 1);
	tcpc_attachment_close(&a);
	lab_command("tc qdisc del dev live0 ingress");
	tcpc_dp_online_close(dp);
}

static void test_filter_of_another(void **state)
{
	struct tcpc_dp_online *dp;
	struct tcpc_attachment a;

	(void)state;
	need_netns();
	dp = open_online(LAB_PINS, lab.copy);
	a = attach(dp, TCPC_HOOK_CLSACT);
	add_foreign_filter(lab.foreign_fd, 5);
	tcpc_attachment_close(&a);
	expect_true("closed", "the qdisc stays", has_qdisc("live0"));
	expect_u64("closed", "filters", tcpc_datapath_filters(lab.live), 1);
	tcpc_dp_online_close(dp);
	remove_qdiscs();
}

static void test_interface_gone(void **state)
{
	static const enum tcpc_hook hooks[] = {TCPC_HOOK_TC, TCPC_HOOK_CLSACT};
	struct tcpc_dp_online *dp;
	struct tcpc_err err = {};

	(void)state;
	need_netns();
	dp = open_online(LAB_PINS, lab.copy);
	for (size_t i = 0; i < COUNT_OF(hooks); i++) {
		struct tcpc_attachment a = {};
		int ifindex = lab_link("gone0", "gone1");

		assert_int_equal(tcpc_dp_online_attach(dp, ifindex, false, hooks[i], &a, &err), 0);
		lab_command("ip link del gone0");
		tcpc_attachment_close(&a);
		expect_u64("closed", "kind", a.kind, TCPC_ATTACH_NONE);
		expect_true("gone", "an error",
			    tcpc_dp_online_attach(dp, ifindex, false, hooks[i], &a, &err) < 0);
		expect_true("gone", "the error has words", err.code && err.text[0]);
		expect_u64("gone", "kind", a.kind, TCPC_ATTACH_NONE);
	}
	tcpc_dp_online_close(dp);
}

/* ---- pins ------------------------------------------------------------------------------------ */

/* The names of the command contract, and what is pinned there. */
static const struct pin {
	const char *path;
	const char *map; /* NULL: a program */
} pins[] = {
	{"online/services", "services"},   {"online/targets", "targets"},
	{"online/filters", "filters"},	   {"online/peer_allow", "peer_allow"},
	{"online/config", "config"},	   {"online/stats", "stats"},
	{"target/services", "services"},   {"target/allow", "allow"},
	{"target/exchanges", "exchanges"}, {"target/config", "config"},
	{"target/stats", "stats"},	   {"target/queues", "queues"},
	{"target/queue_filter", NULL},
};

static void expect_pin(const struct pin *pin)
{
	struct bpf_prog_info prog = {};
	struct bpf_map_info map = {};
	__u32 len = pin->map ? sizeof(map) : sizeof(prog);
	char path[128];
	int fd;

	snprintf(path, sizeof(path), LAB_PINS "/%s", pin->path);
	fd = bpf_obj_get(path);
	expect_true(path, "is pinned", fd >= 0);
	if (bpf_obj_get_info_by_fd(fd, pin->map ? (void *)&map : (void *)&prog, &len))
		expect_fail("%s: %s", path, strerror(errno));
	if (pin->map) {
		assert_string_equal(map.name, pin->map);
		/* Without BTF bpftool could not name the fields. */
		expect_true(path, "has BTF", map.btf_id && map.btf_value_type_id);
	} else {
		expect_u64(path, "program type", prog.type, BPF_PROG_TYPE_SOCKET_FILTER);
	}
	close(fd);
}

static void test_pins(void **state)
{
	struct tcpc_dp_target *target;
	struct tcpc_dp_online *dp;
	struct tcpc_err err = {};

	(void)state;
	need_netns();
	dp = open_online(LAB_PINS, lab.copy);
	assert_int_equal(tcpc_dp_target_open(LAB_PINS, &target, &err), 0);
	for (size_t i = 0; i < COUNT_OF(pins); i++)
		expect_pin(&pins[i]);
	assert_string_equal(tcpc_dp_target_pin(target), LAB_PINS "/target/queue_filter");
	tcpc_dp_online_close(dp);
	expect_true("closed", "online is gone", access(LAB_PINS "/online", F_OK));
	expect_true("closed", "target stays", !access(LAB_PINS "/target/allow", F_OK));
	tcpc_dp_target_close(target);
	expect_true("closed", "target is gone", access(LAB_PINS "/target", F_OK));
}

/* A second daemon with the same directory fails, and takes nothing of the first with it. */
static void test_pins_in_use(void **state)
{
	const __u64 key[2] = {1, 2};
	struct tcpc_dp_target *target, *no_target = NULL;
	struct tcpc_dp_online *dp, *no_dp = NULL;
	struct tcpc_err err = {};

	(void)state;
	need_netns();
	dp = open_online(LAB_PINS, lab.copy);
	assert_int_equal(tcpc_dp_target_open(LAB_PINS, &target, &err), 0);
	/* Half of the way there is something in the way, too. */
	assert_return_code(unlink(LAB_PINS "/online/services"), errno);
	assert_int_equal(tcpc_dp_online_open(LAB_PINS, lab.copy2, key, key, 0, &no_dp, &err),
			 -EEXIST);
	expect_true("second", "the error names the pin", strstr(err.text, "/online/") != NULL);
	assert_int_equal(tcpc_dp_target_open(LAB_PINS, &no_target, &err), -EEXIST);
	expect_true("second", "nothing is handed out", !no_dp && !no_target);
	for (size_t i = 1; i < COUNT_OF(pins); i++)
		expect_pin(&pins[i]);
	expect_true("second", "what it pinned is gone", access(LAB_PINS "/online/services", F_OK));
	tcpc_dp_online_close(dp);
	tcpc_dp_target_close(target);
	expect_true("closed", "all is gone",
		    access(LAB_PINS "/online", F_OK) && access(LAB_PINS "/target", F_OK));
}

static void test_no_bpffs(void **state)
{
	const __u64 key[2] = {1, 2};
	struct tcpc_dp_target *target;
	struct tcpc_dp_online *dp;
	struct tcpc_err err = {};

	(void)state;
	need_netns();
	assert_int_equal(tcpc_dp_online_open(LAB_BPFFS "/none", lab.copy, key, key, 0, &dp, &err),
			 -ENOENT);
	expect_true("no directory", "the error names it", strstr(err.text, "/none") != NULL);
	assert_int_equal(tcpc_dp_target_open(LAB_BPFFS "/none", &target, &err), -ENOENT);
	expect_true("no directory", "the error names it", strstr(err.text, "/none") != NULL);
	assert_int_equal(tcpc_datapath_probe(&err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcx),
		cmocka_unit_test(test_clsact),
		cmocka_unit_test(test_cascade),
		cmocka_unit_test(test_front),
		cmocka_unit_test(test_qdisc_of_another),
		cmocka_unit_test(test_filter_of_another),
		cmocka_unit_test(test_interface_gone),
		cmocka_unit_test(test_pins),
		cmocka_unit_test(test_pins_in_use),
		cmocka_unit_test(test_no_bpffs),
	};

	return cmocka_run_group_tests(tests, attach_enter, NULL);
}
