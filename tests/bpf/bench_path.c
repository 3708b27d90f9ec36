// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench_path.c - what one small request costs the online host on its whole way: tap, clone, copy,
 * journal, route and neighbour, to a device that swallows it; next to the kernel's own mirror
 * (`tc mirred`) with the same packet to the same device. Beside: a veth device, which does send.
 * Not a test: nothing here passes or fails.
 *
 * Packets come in at TC ingress of live0 as they would from a driver, and end behind it by one
 * filter that all variants have; without any other it is the floor, which is taken off. Variants
 * take turns, and each is compared with the floor of its own round.
 */
#include "../harness/bpf_online.h"
#include "../harness/bench_live.h"

#include <sys/mman.h>

#include "edge/netlink.h"

#define BARE_DEVICE 4242 /* both as in bare.bpf.c */
#define BENCH_PORT 8080
#define BATCH 16384 /* packets between two times that the journal is emptied */
#define BATCHES 4
#define WARM_UP 2048
#define ROUNDS 9
#define JOURNAL_BYTES (16u << 20)
/* By u32: the kernels of small virtual machines have no matchall. */
#define MIRROR                                                                                     \
	"tc filter add dev live0 ingress pref 50 protocol all u32 match u32 0 0"                   \
	" action mirred egress mirror dev %s continue"
#define NO_MIRROR "tc filter del dev live0 ingress pref 50"

/* ASKED: each copy asks for route and neighbour, as it has to until they are known. */
enum exit { SINK, VETH, VETH_ASKED };
enum way { FLOOR, MIRRED, MIRRED_TWICE, BARE, TWICE, TAP, OURS, JOURNAL };

#define REQUEST .flags = TCPC_TCP_ACK | TCPC_TCP_PSH, .payload_bytes = 100, .dport = BENCH_PORT
#define PURE_ACK .flags = TCPC_TCP_ACK, .dport = BENCH_PORT

static const struct row {
	const char *description;
	enum way way;
	struct frame_spec spec;
	size_t floor, mirred; /* rows to compare with */
	__u32 connections;    /* 0: one */
	enum exit exit;
} rows[] = {
	{"nothing (the floor)", FLOOR, {REQUEST}, 0, 1, 0, SINK},
	{"tc mirred egress mirror", MIRRED, {REQUEST}, 0, 1, 0, SINK},
	{"bare clone by BPF", BARE, {REQUEST}, 0, 1, 0, SINK},
	{"tap: another port", TAP, {DATA}, 0, 1, 0, SINK},
	{"tap: pure ACK", TAP, {PURE_ACK}, 0, 1, 0, SINK},
	{"copied, --recovery off", OURS, {REQUEST}, 0, 1, 0, SINK},
	{"copied, with journal", JOURNAL, {REQUEST}, 0, 1, 0, SINK},
	{"veth: tc mirred egress mirror", MIRRED, {REQUEST}, 0, 7, 0, VETH},
	{"veth: copied, --recovery off", OURS, {REQUEST}, 0, 7, 0, VETH},
	{"veth: copied, with journal", JOURNAL, {REQUEST}, 0, 7, 0, VETH},
	{"IPv6: nothing", FLOOR, {V6, REQUEST}, 10, 11, 0, SINK},
	{"IPv6: tc mirred egress mirror", MIRRED, {V6, REQUEST}, 10, 11, 0, SINK},
	{"IPv6: copied, --recovery off", OURS, {V6, REQUEST}, 10, 11, 0, SINK},
	{"IPv6: copied, with journal", JOURNAL, {V6, REQUEST}, 10, 11, 0, SINK},
	{"100,000 connections: nothing", FLOOR, {REQUEST}, 14, 15, 100000, SINK},
	{"100,000: tc mirred egress mirror", MIRRED, {REQUEST}, 14, 15, 100000, SINK},
	{"10: copied, with journal", JOURNAL, {REQUEST}, 14, 15, 10, SINK},
	{"1,000: copied, with journal", JOURNAL, {REQUEST}, 14, 15, 1000, SINK},
	{"100,000: copied, with journal", JOURNAL, {REQUEST}, 14, 15, 100000, SINK},
	{"veth: --recovery off, hop unknown", OURS, {REQUEST}, 0, 7, 0, VETH_ASKED},
	{"veth: bare clone, by a second one", TWICE, {REQUEST}, 0, 7, 0, VETH},
	{"veth: tc mirred, by a second one", MIRRED_TWICE, {REQUEST}, 0, 7, 0, VETH},
};

/* Who takes copies next, and who sends them: what the sink takes has none. */
static const __u8 next_hop[12] = {2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2};

static struct {
	int sink, copy; /* indices of the devices */
	int feed_fd, bare_fd;
	struct bpf_map *feed, *bare; /* their variables */
	int through;		     /* a device like the copy device, for TWICE */
	unsigned long *consumer, *producer;
} bench;

/* ---- variants -------------------------------------------------------------------------------- */

/* Without a record of the ring that is in use: nobody runs meanwhile. */
static void empty_journal(void)
{
	*bench.consumer = *bench.producer;
}

static void set_target(const struct row *row)
{
	struct tcpc_target_set set = {.n_targets = 1};

	set.target[0].addr = frame_host(&row->spec, row->exit != SINK ? 10 : 9);
	set.target[0].port = tcpc_htons(BENCH_PORT);
	set.target[0].flags = TCPC_TARGET_READY;
	if (row->way == JOURNAL)
		set.target[0].flags |= TCPC_TARGET_JOURNAL;
	set.target[0].ifindex = row->exit != SINK ? lab.out : bench.sink;
	if (row->exit != VETH_ASKED) {
		set.target[0].flags |= TCPC_TARGET_HOP;
		memcpy(set.target[0].hop, next_hop, sizeof(next_hop));
	}
	online_targets(&set);
}

static void attach(int fd, struct tcpc_attachment *ret)
{
	struct tcpc_err err;

	if (tcpc_datapath_attach(fd, lab.live, false, TCPC_HOOK_TC, ret, &err))
		expect_fail("%s", err.text);
}

/* Several sources, or the frame's own. */
static void feed_from(__u32 connections)
{
	__u32 value[3] = {connections, if_nametoindex("live1"), 0}, zero = 0;

	if (bpf_map_update_elem(bpf_map__fd(bench.feed), &zero, value, BPF_ANY))
		expect_fail("feed: %s", strerror(errno));
}

/* What a bare clone goes through, on its way out by out0; 0: it ends in the sink. */
static void bare_goes(__u32 through)
{
	__u32 value[2] = {through, lab.out}, zero = 0;

	if (bpf_map_update_elem(bpf_map__fd(bench.bare), &zero, value, BPF_ANY))
		expect_fail("bare: %s", strerror(errno));
}

/* So many packets out by live1, which come in by live0; nanoseconds for each. */
static double run(const struct row *row, const struct frame *frame, __u32 repeat)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->data, .data_size_in = frame->bytes,
		    .repeat = repeat);

	if (bpf_prog_test_run_opts(bench.feed_fd, &opts))
		expect_fail("%s: %s", row->description, strerror(errno));
	return opts.duration;
}

static double run_batches(const struct row *row, const struct frame *frame)
{
	double ns = 0;

	run(row, frame, WARM_UP);
	for (int i = 0; i < BATCHES; i++) {
		empty_journal();
		ns += run(row, frame, BATCH);
	}
	empty_journal();
	return ns / BATCHES;
}

/* Nanoseconds a packet, the floor included. */
static double measure(const struct row *row)
{
	struct tcpc_attachment attached;
	struct frame frame = frame_build(&row->spec);
	double ns;

	if (row->way == MIRRED)
		lab_command(MIRROR, row->exit != SINK ? "out0" : "sink0");
	if (row->way == MIRRED_TWICE)
		lab_command(MIRROR, "copy3");
	if (row->way >= TAP)
		set_target(row);
	if (row->way == BARE || row->way == TWICE)
		bare_goes(row->way == TWICE ? bench.through : 0);
	if (row->way >= BARE)
		attach(row->way < TAP ? bench.bare_fd : lab.tap_fd, &attached);
	feed_from(row->connections);
	ns = run_batches(row, &frame);
	if (row->way == MIRRED || row->way == MIRRED_TWICE)
		lab_command(NO_MIRROR);
	if (row->way >= BARE)
		tcpc_attachment_close(&attached);
	frame_free(&frame);
	return ns;
}

/* ---- set-up ---------------------------------------------------------------------------------- */

static int map_journal(void)
{
	int fd = bpf_map__fd(lab.skel->maps.journal);
	size_t page = sysconf(_SC_PAGESIZE);

	bench.consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	bench.producer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, page);
	return bench.consumer == MAP_FAILED || bench.producer == MAP_FAILED ? -1 : 0;
}

/* Where all packets end that came in, and what the sink is: an ifb would give back what a program
 * has redirected to it. */
static int drop_all(int ifindex, enum bpf_tc_attach_point side)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = VERDICT_DROP},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = side);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 100);

	opts.prog_fd =
		bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "drop", "GPL", insns, COUNT_OF(insns), NULL);
	return opts.prog_fd < 0 ? -1 : bpf_tc_hook_create(&hook) ?: bpf_tc_attach(&hook, &opts);
}

static int make_devices(void)
{
	static struct tcpc_attachment copy;
	const char *kind;
	struct tcpc_err err;

	if (tcpc_netlink_create_sink("copy2", "bench", &bench.copy, &kind, &err))
		return -1;
	if (run_command("ip link add sink0 index %d type ifb && ip link set sink0 up &&"
			" ip addr add 198.18.0.2/24 dev sink0 &&"
			" ip -6 addr add 2001:2::2/64 dev sink0 nodad &&"
			" ip neigh add 198.18.0.9 lladdr 02:02:02:02:02:09 dev sink0 &&"
			" ip neigh add 2001:2::9 lladdr 02:02:02:02:02:09 dev sink0 &&"
			" ip route add 198.18.0.10/32 dev out0 &&"
			" ip neigh add 198.18.0.10 lladdr 02:02:02:02:02:01 dev out0",
			BARE_DEVICE))
		return -1;
	printf("# the copy device is of kind %s, the sink drops\n", kind);
	bench.sink = BARE_DEVICE;
	if (drop_all(lab.live, BPF_TC_INGRESS) || drop_all(bench.sink, BPF_TC_EGRESS) ||
	    drop_all(if_nametoindex("out1"), BPF_TC_INGRESS))
		return -1;
	return tcpc_datapath_attach(lab.copy_fd, bench.copy, true, TCPC_HOOK_TC, &copy, &err);
}

/* A copy device without copying: what is given to it leaves by out0. */
static int make_through(int fd)
{
	static struct tcpc_attachment onward;
	const char *kind;
	struct tcpc_err err;

	if (fd < 0 || tcpc_netlink_create_sink("copy3", "bench", &bench.through, &kind, &err))
		return -1;
	return tcpc_datapath_attach(fd, bench.through, true, TCPC_HOOK_TC, &onward, &err);
}

static void open_service(void)
{
	struct tcpc_service_key key = {lab.live, tcpc_htons(BENCH_PORT), 0};

	lab.skel->bss->copied_ports[BENCH_PORT / 64] |= 1ULL << BENCH_PORT % 64;
	online_write(lab.skel->maps.services, &key, &armed);
	online_config(bench.copy, NEVER_NS);
}

static int set_up(void)
{
	struct bpf_object *feed, *bare;
	void *state = NULL;

	online_journal_bytes = JOURNAL_BYTES;
	if (online_enter(&state) || !in_netns || map_journal() || make_devices())
		return -1;
	feed = live_object("feed");
	bench.feed = bpf_object__find_map_by_name(feed, ".bss");
	bench.feed_fd = live_program(feed, "feed");
	bare = live_object("bare");
	bench.bare = bpf_object__find_map_by_name(bare, ".bss");
	bench.bare_fd = live_program(bare, "bare");
	if (!bench.feed || bench.feed_fd < 0 || !bench.bare || bench.bare_fd < 0)
		return -1;
	open_service();
	return make_through(live_program(bare, "onward"));
}

/* ---- figures --------------------------------------------------------------------------------- */

/* The same rounds for all, so that a busy moment of the machine is in the floor too. */
static void above_floor(double ns[COUNT_OF(rows)][ROUNDS], double above[COUNT_OF(rows)][ROUNDS])
{
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		for (int round = 0; round < ROUNDS; round++)
			above[i][round] = ns[i][round] - ns[rows[i].floor][round];
		live_sort(above[i], ROUNDS);
	}
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		live_sort(ns[i], ROUNDS);
}

static double to_mirred(double above[COUNT_OF(rows)][ROUNDS], size_t row)
{
	double mirred = above[rows[row].mirred][ROUNDS / 2];

	return mirred > 0 ? above[row][ROUNDS / 2] / mirred : 0;
}

static void show(double ns[COUNT_OF(rows)][ROUNDS], double above[COUNT_OF(rows)][ROUNDS])
{
	printf("%-34s %8s %8s %8s %8s %9s   (ns a packet, %d rounds)\n", "way", "all", "to floor",
	       "min", "max", "to mirred", ROUNDS);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		printf("%-34s %8.0f ", rows[i].description, ns[i][ROUNDS / 2]);
		if (rows[i].way == FLOOR)
			printf("%8s %8s %8s %9s\n", "-", "-", "-", "-");
		else
			printf("%8.0f %8.0f %8.0f %9.2f\n", above[i][ROUNDS / 2], above[i][0],
			       above[i][ROUNDS - 1], to_mirred(above, i));
	}
}

/* The rows that have one, by their numbers. */
static void show_limits(double above[COUNT_OF(rows)][ROUNDS])
{
	live_figure("a copied request to a device that drops, --recovery off, to tc mirred",
		    to_mirred(above, 5), 1.5);
	live_figure("the same, with journal", to_mirred(above, 6), 2);
	live_figure("a copied request to a veth device, --recovery off, to tc mirred",
		    to_mirred(above, 8), 1.5);
	live_figure("the same, with journal", to_mirred(above, 9), 2);
}

int main(void)
{
	static double ns[COUNT_OF(rows)][ROUNDS], above[COUNT_OF(rows)][ROUNDS];
	struct tcpc_online_stats now;

	if (set_up()) {
		fprintf(stderr, "bench_path: needs root, and a kernel that takes the programs\n");
		return 1;
	}
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < COUNT_OF(rows); i++)
			ns[i][round] = measure(&rows[i]);
	above_floor(ns, above);
	show(ns, above);
	show_limits(above);
	now = stats_now();
	printf("# cloned %llu, copied %llu, not noted for want of room %llu, not sent %llu\n",
	       now.cloned, now.copied, now.journal_full, now.clone_failed);
	return online_leave(NULL);
}
