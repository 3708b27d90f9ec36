// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench_progs.c - what the programs cost a packet: nanoseconds under BPF_PROG_TEST_RUN, next to a
 * program that does nothing, all in one run. Figures of different runs or machines do not compare;
 * those of one run do. Not a test: nothing here passes or fails.
 *
 * Each run works on one packet again and again, so what is rewritten is rewritten to what it is
 * already, and options are blanked once and then only walked.
 */
#include "../harness/bench_live.h"
#include "../harness/bpf_run.h"
#include "../harness/connection.h"

#include <sys/mman.h>

#include "online.skel.h"
#include "tcpcopy/guard.h"
#include "target.skel.h"

#define REPEAT 500000
#define ROUNDS 5
#define JOURNAL_BYTES (64u << 20)
#define JOURNALED 40000 /* full frames that fit it */
#define SERVICE_PORT 80
#define FILTERS 10000
#define ALLOWED 100000
#define FANNED 20000 /* packets of a row with many copies */

/* As in online.bpf.c. */
#define CB_MAGIC 0x7463700a

static struct {
	struct online_bpf *online;
	struct target_bpf *target;
	int live, copy; /* indices of the interfaces */
	int fan, out;	/* a copy device with its program; what swallows all */
	int floor_fd;
	struct connection open;
	__u32 prefixes; /* in each allow-list */
} bench;

/** What a row's set_up() has to know. */
static struct {
	__u16 targets, copies;
	__u32 prefixes;
} asked;

static void write_map(struct bpf_map *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY))
		expect_fail("map %s: %s", bpf_map__name(map), strerror(errno));
}

/* ---- what has to be set up before a row ------------------------------------------------------ */

static void set_service(__u32 flags, __u64 lease_until_ns, int copy_ifindex)
{
	struct tcpc_service_key key = {bench.live, tcpc_htons(SERVICE_PORT), 0};
	struct tcpc_service service = {.flags = flags, .filter_set = 1, .sample = TCPC_SAMPLE_ALL};
	struct tcpc_online_config config = {
		.copy_ifindex = copy_ifindex,
		.lease_until_ns = lease_until_ns,
	};
	__u32 zero = 0;

	bench.online->bss->copied_ports[SERVICE_PORT / 64] |= 1ULL << SERVICE_PORT % 64;
	write_map(bench.online->maps.services, &key, &service);
	write_map(bench.online->maps.config, &zero, &config);
}

/* Without a copy device a packet goes all the way but for the clone. */
static void all_but_clone(void)
{
	set_service(TCPC_SERVICE_ARMED, UINT64_MAX, 0);
}

static void not_armed(void)
{
	set_service(0, UINT64_MAX, bench.copy);
}

static void with_filter(void)
{
	set_service(TCPC_SERVICE_ARMED | TCPC_SERVICE_FILTER, UINT64_MAX, 0);
}

static void remove_filters(void)
{
	int fd = bpf_map__fd(bench.online->maps.filters);
	struct tcpc_filter_key key;

	while (!bpf_map_get_next_key(fd, NULL, &key) && !bpf_map_delete_elem(fd, &key))
		;
}

/* Just @n prefixes; the client is in one of them. */
static void write_filters(__u32 n)
{
	struct tcpc_filter value = {.action = TCPC_FILTER_CLIENT};
	struct tcpc_filter_key key = {.prefixlen = TCPC_FILTER_SET_BITS + 128, .set = 1};

	remove_filters();
	for (__u32 i = 1; i < n; i++) {
		key.addr = tcpc_addr_from_v4(tcpc_htonl(0x0a000000 + i * 2654435761u % 0xffffff));
		write_map(bench.online->maps.filters, &key, &value);
	}
	key.addr = frame_host(&(struct frame_spec){}, 1);
	write_map(bench.online->maps.filters, &key, &value);
}

static void one_filter(void)
{
	write_filters(1);
	with_filter();
}

static void many_filters(void)
{
	write_filters(FILTERS);
	with_filter();
}

static void with_clone(void)
{
	set_service(TCPC_SERVICE_ARMED, UINT64_MAX, bench.copy);
}

static void set_target(__u32 flags)
{
	struct tcpc_target_set set = {.n_targets = 1};
	__u32 key = bench.live;

	set.target[0].addr = frame_host(&(struct frame_spec){}, 9);
	set.target[0].port = tcpc_htons(8080);
	set.target[0].flags = TCPC_TARGET_READY | flags;
	set.target[0].ifindex = bench.copy;
	write_map(bench.online->maps.targets, &key, &set);
}

static void one_target(void)
{
	set_target(0);
}

#ifdef TCPC_MAX_COPIES
/* The copies have sources of their own. */
static void mapped(void)
{
	struct tcpc_target_set set = {.n_targets = 1, .copies = 1};
	__u32 key = bench.live;

	set.flags = TCPC_SET_MAPPED | TCPC_SET_FIRST_MAPPED;
	set.pool[1].addr = tcpc_addr_from_v4(tcpc_htonl(0xc6130000));
	set.pool[1].mask = 0xffff;
	set.target[0].addr = frame_host(&(struct frame_spec){}, 9);
	set.target[0].port = tcpc_htons(8080);
	set.target[0].flags = TCPC_TARGET_READY;
	set.target[0].ifindex = bench.copy;
	write_map(bench.online->maps.targets, &key, &set);
}
#endif

#ifdef TCPC_SERVICE_GUARD
/* A budget that nothing uses up. */
static void with_budget(void)
{
	struct tcpc_budget budget = {.weight = 1};
	__u32 zero = 0;

	tcpc_bucket_set(&budget.packets, 100000000, TCPC_GUARD_DEPTH_UNITS, 0);
	tcpc_bucket_set(&budget.bytes, 12500000000, TCPC_GUARD_DEPTH_UNITS, 0);
	write_map(bench.online->maps.budgets, &zero, &budget);
	set_service(TCPC_SERVICE_ARMED | TCPC_SERVICE_GUARD, UINT64_MAX, 0);
}

static void gated(void)
{
	set_target(TCPC_TARGET_GATED);
}
#endif

/* An empty ring; the row's packets must fit it, for nobody reads them. */
static void with_journal(void)
{
	int fd = bpf_map__fd(bench.online->maps.journal);
	size_t page = sysconf(_SC_PAGESIZE);
	unsigned long *consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	unsigned long *producer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, page);

	if (consumer == MAP_FAILED || producer == MAP_FAILED)
		expect_fail("journal: %s", strerror(errno));
	*consumer = *producer;
	munmap(consumer, page);
	munmap(producer, page);
	set_target(TCPC_TARGET_JOURNAL);
}

/* To so many targets, so many copies each; with all that the kernel does for them up to the device.
 */
static void fanned(void)
{
	struct tcpc_target_set set = {.n_targets = asked.targets, .copies = asked.copies};
	__u32 key = bench.live;

	set.flags = asked.copies > 1 ? TCPC_SET_MAPPED : 0;
	set.pool[1].addr = tcpc_addr_from_v4(tcpc_htonl(0xc6130000));
	set.pool[1].mask = 0xffff;
	for (__u32 i = 0; i < set.n_targets; i++) {
		set.target[i].addr = frame_host(&(struct frame_spec){}, 9);
		set.target[i].port = tcpc_htons(8080 + i);
		set.target[i].flags = TCPC_TARGET_READY;
		set.target[i].ifindex = bench.out;
	}
	write_map(bench.online->maps.targets, &key, &set);
	set_service(TCPC_SERVICE_ARMED, UINT64_MAX, bench.fan);
}

/* Spread over all of 10.0.0.0/8, no two the same. */
static struct tcpc_addr allowed_addr(__u32 i)
{
	return tcpc_addr_from_v4(tcpc_htonl(0x0a000000 + (i * 2654435761u & 0xffffff)));
}

/* In the allow-lists of both hosts there are so many, the client is not among them. */
static void write_allowed(__u32 n)
{
	struct tcpc_filter_key key = {.prefixlen = TCPC_FILTER_SET_BITS + 128, .set = 0};
	struct tcpc_filter value = {.action = TCPC_FILTER_EXCLUDE};
	struct tcpc_allow_key at_target = {.prefixlen = 128};
	struct tcpc_allow direct = {.state = TCPC_ALLOW_DIRECT};
	int online = bpf_map__fd(bench.online->maps.peer_allow);
	int target = bpf_map__fd(bench.target->maps.allow);

	for (; bench.prefixes > n; bench.prefixes--) {
		key.addr = at_target.addr = allowed_addr(bench.prefixes);
		bpf_map_delete_elem(online, &key);
		bpf_map_delete_elem(target, &at_target);
	}
	for (; bench.prefixes < n; bench.prefixes++) {
		key.addr = at_target.addr = allowed_addr(bench.prefixes + 1);
		write_map(bench.online->maps.peer_allow, &key, &value);
		write_map(bench.target->maps.allow, &at_target, &direct);
	}
}

static void allow_list(void)
{
	write_allowed(asked.prefixes);
	set_target(TCPC_TARGET_EXCLUDE);
}

static void allowed(void)
{
	struct tcpc_addr server = frame_host(&(struct frame_spec){}, 2);
	__u32 ifindex = bench.live;

	write_allowed(asked.prefixes);
	write_map(bench.target->maps.addresses, &server, &ifindex);
}

/* So many exchanges of other connections, in the place of prefixes. */
static void beside_others(void)
{
	struct tcpc_flow flow = {.server = frame_host(&(struct frame_spec){}, 2)};
	struct tcpc_exchange exchange = {};
	static __u32 n;

	while (n != asked.prefixes) {
		bool more = n < asked.prefixes;
		__u32 i = more ? ++n : n--;

		flow.client = tcpc_addr_from_v4(tcpc_htonl(0xc6130000 + i / 50000));
		flow.client_port = i % 50000;
		if (more)
			write_map(bench.target->maps.exchanges, &flow, &exchange);
		else
			bpf_map_delete_elem(bpf_map__fd(bench.target->maps.exchanges), &flow);
	}
}

/* ---- the rows -------------------------------------------------------------------------------- */

enum program { FLOOR, TAP, COPY, ALIGN, QUEUE };

#define ACK TCPC_TCP_ACK
#define TS_OPTIONS .tcp_options = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}, .tcp_option_bytes = 12
#define SYN_OPTIONS                                                                                \
	.tcp_options = {2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7},            \
	.tcp_option_bytes = 20
#define REQUEST .flags = ACK | TCPC_TCP_PSH, .payload_bytes = 100, TS_OPTIONS

#define FULL .flags = ACK, .payload_bytes = 1460

#define ANSWER                                                                                     \
	.link = TCPC_LINK_ETHER, .flags = ACK | TCPC_TCP_PSH, .payload_bytes = 100,                \
	.saddr = {{0, 0, TCPC_V4_MAPPED, tcpc_htonl(0xc6120002)}},                                 \
	.daddr = {{0, 0, TCPC_V4_MAPPED, tcpc_htonl(0xc6120001)}}, .sport = SERVICE_PORT,          \
	.dport = 40000
#define FANNED_ROW(n, each)                                                                        \
	.set_up = fanned, .targets = n, .copies = each, .repeat = FANNED / (n) / (each)

enum known_row { OTHER_PORT, PURE_ACK };

static const struct row {
	const char *description;
	enum program program;
	struct frame_spec spec;
	void (*set_up)(void);
	__u32 repeat;	       /* 0: REPEAT */
	int open;	       /* of the open connection */
	__u32 copy;	       /* its number */
	__u16 targets, copies; /* with fanned() */
	__u32 prefixes;	       /* with allow_list() and allowed() */
} rows[] = {
	/* The numbers of these two are known below. */
	[OTHER_PORT] = {"tap: another port", TAP, .spec = {REQUEST, .dport = 81}},
	[PURE_ACK] = {"tap: pure ACK", TAP, .spec = {.flags = ACK, TS_OPTIONS},
		      .set_up = all_but_clone},
	{"return -1 (the floor)", FLOOR, .spec = {REQUEST}},
	{"tap: SYN", TAP, .spec = {.flags = TCPC_TCP_SYN, SYN_OPTIONS}, .set_up = all_but_clone},
	{"tap: not armed", TAP, .spec = {REQUEST}, .set_up = not_armed},
	{"tap: request, all but the clone", TAP, .spec = {REQUEST}, .set_up = all_but_clone},
	{"tap: same, IPv6", TAP, .spec = {.family = 6, REQUEST}, .set_up = all_but_clone},
	{"tap: same, two tags", TAP, .spec = {REQUEST, .vlan_tags = 2}, .set_up = all_but_clone},
	{"tap: same, filter of 1 prefix", TAP, .spec = {REQUEST}, .set_up = one_filter},
	{"tap: same, filter of 10,000", TAP, .spec = {REQUEST}, .set_up = many_filters},
#ifdef TCPC_SERVICE_GUARD
	{"tap: same, budget", TAP, .spec = {REQUEST}, .set_up = with_budget},
	{"copy: request, gated", COPY, .spec = {REQUEST}, .set_up = gated},
#endif
	{"copy: SYN", COPY, .spec = {.flags = TCPC_TCP_SYN, SYN_OPTIONS}, .set_up = one_target},
	{"tap: request, cloned to a veth", TAP, .spec = {REQUEST}, .set_up = with_clone,
	 .repeat = REPEAT / 5},
	{"copy: request", COPY, .spec = {REQUEST}, .set_up = one_target},
#ifdef TCPC_MAX_COPIES
	{"copy: request, mapped, new client", COPY, .spec = {REQUEST}, .set_up = mapped},
	{"copy: request, another, mapped", COPY, .spec = {REQUEST}, .set_up = mapped, .copy = 1},
#endif
	{"tap, copy: 1 target", TAP, .spec = {REQUEST}, FANNED_ROW(1, 1)},
	{"tap, copy: 2 targets", TAP, .spec = {REQUEST}, FANNED_ROW(2, 1)},
	{"tap, copy: 16 targets", TAP, .spec = {REQUEST}, FANNED_ROW(16, 1)},
	{"tap, copy: 2 copies", TAP, .spec = {REQUEST}, FANNED_ROW(1, 2)},
	{"tap, copy: 16 copies", TAP, .spec = {REQUEST}, FANNED_ROW(1, 16)},
	{"tap, copy: 128 copies", TAP, .spec = {REQUEST}, FANNED_ROW(1, 128)},
	{"copy: request, allow-list of 1", COPY, .spec = {REQUEST}, .set_up = allow_list,
	 .prefixes = 1},
	{"copy: request, allow-list of 100,000", COPY, .spec = {REQUEST}, .set_up = allow_list,
	 .prefixes = ALLOWED},
	{"copy: 3 KB", COPY, .spec = {.flags = ACK, .payload_bytes = 3000}, .set_up = one_target},
	{"copy: 100 B", COPY, .spec = {REQUEST}, .set_up = one_target, .repeat = JOURNALED},
	{"copy: 100 B, journal", COPY, .spec = {REQUEST}, .set_up = with_journal,
	 .repeat = JOURNALED},
	{"copy: 1,460 B", COPY, .spec = {FULL}, .set_up = one_target, .repeat = JOURNALED},
	{"copy: 1,460 B, journal", COPY, .spec = {FULL}, .set_up = with_journal,
	 .repeat = JOURNALED},
	{"align: another port", ALIGN, .spec = {REQUEST, .dport = 81}},
	{"align: SYN", ALIGN, .spec = {.flags = TCPC_TCP_SYN, SYN_OPTIONS}},
	{"align: data, timestamps", ALIGN, .spec = {REQUEST}, .open = 1},
	{"align: data, no options", ALIGN, .spec = {.flags = ACK, .payload_bytes = 100}, .open = 1},
	{"align: no connection", ALIGN, .spec = {REQUEST, .sport = 50000}},
	{"align: data, allow-list of 1", ALIGN, .spec = {REQUEST}, .set_up = allowed, .prefixes = 1,
	 .open = 1},
	{"align: data, allow-list of 100,000", ALIGN, .spec = {REQUEST}, .set_up = allowed,
	 .prefixes = ALLOWED, .open = 1},
	{"align: data, 10 connections", ALIGN, .spec = {REQUEST}, .set_up = beside_others,
	 .prefixes = 10, .open = 1},
	{"align: data, 60,000 connections", ALIGN, .spec = {REQUEST}, .set_up = beside_others,
	 .prefixes = 60000, .open = 1},
	{"queue_filter: answer, list of 1", QUEUE, .spec = {ANSWER}, .set_up = allowed,
	 .prefixes = 1},
	{"queue_filter: answer, list of 100,000", QUEUE, .spec = {ANSWER}, .set_up = allowed,
	 .prefixes = ALLOWED},
};

static int program_fd(enum program program)
{
	switch (program) {
	case FLOOR:
		return bench.floor_fd;
	case TAP:
		return bpf_program__fd(bench.online->progs.tap);
	case COPY:
		return bpf_program__fd(bench.online->progs.copy);
	case ALIGN:
		return bpf_program__fd(bench.target->progs.align);
	case QUEUE:
		return bpf_program__fd(bench.target->progs.queue_filter);
	}
	return -1;
}

/* Nanoseconds a packet, as the kernel says. */
static double measure(const struct row *row)
{
	struct __sk_buff ctx = {.ifindex = bench.live, .ingress_ifindex = bench.live};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));
	struct frame_spec spec = row->spec;
	struct frame frame;
	int r;

	asked.targets = row->targets;
	asked.copies = row->copies;
	asked.prefixes = row->prefixes;
	if (row->set_up)
		row->set_up();
	if (row->program == COPY) {
		ctx.ifindex = bench.copy;
		ctx.cb[0] = CB_MAGIC;
		ctx.cb[1] = row->copy << 16;
	}
	if (row->open)
		spec.sport = bench.open.client_port;
	frame = frame_build(&spec);
	opts.data_in = frame.data;
	opts.data_size_in = frame.bytes;
	opts.repeat = row->repeat ?: REPEAT;
	r = bpf_prog_test_run_opts(program_fd(row->program), &opts);
	frame_free(&frame);
	if (r)
		expect_fail("%s: %s", row->description, strerror(errno));
	return opts.duration;
}

static int load_floor(void)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = -1},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "floor", "GPL", insns, COUNT_OF(insns), NULL);
}

static int set_up(void)
{
	struct tcpc_service_key key = {.port = tcpc_htons(SERVICE_PORT)};
	static struct tcpc_attachment fan;
	struct tcpc_intercept service = {};
	struct tcpc_err err;
	void *state = NULL;

	if (lab_enter(&state) || !in_netns)
		return -1;
	bench.online = online_bpf__open();
	if (!bench.online || bpf_map__set_max_entries(bench.online->maps.journal, JOURNAL_BYTES) ||
	    online_bpf__load(bench.online))
		return -1;
	bench.target = target_bpf__open_and_load();
	bench.floor_fd = load_floor();
	if (!bench.online || !bench.target || bench.floor_fd < 0)
		return -1;
	bench.live = lab_link("live0", "live1");
	bench.copy = lab_link("copy0", "copy1");
	bench.fan = lab_link("fan0", "fan1");
	key.ifindex = bench.live;
	write_map(bench.target->maps.services, &key, &service);
	if (run_command("ip addr add 198.18.0.2/24 dev live0 && "
			"ip addr add 198.18.0.1/32 dev lo && ip link add out0 type ifb && "
			"ip link set out0 up && ip addr add 198.18.0.254/24 dev out0") ||
	    tcpc_datapath_attach(bpf_program__fd(bench.online->progs.copy), bench.fan, true,
				 TCPC_HOOK_TC, &fan, &err))
		return -1;
	bench.out = if_nametoindex("out0");
	bench.open = connection_open(4, 42000, SERVICE_PORT);
	return 0;
}

/* The rounds alternate, so that a busy moment of the machine hits all rows alike. */
static void run_rounds(double ns[COUNT_OF(rows)][ROUNDS])
{
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < COUNT_OF(rows); i++)
			ns[i][round] = measure(&rows[i]);
}

int main(void)
{
	static double ns[COUNT_OF(rows)][ROUNDS];

	if (set_up()) {
		fprintf(stderr, "bench_progs: needs root, and a kernel that takes the programs\n");
		return 1;
	}
	run_rounds(ns);
	printf("%-34s %8s %8s %8s   (ns a packet, %d rounds)\n", "program: packet", "median", "min",
	       "max", ROUNDS);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		live_sort(ns[i], ROUNDS);
		printf("%-34s %8.0f %8.0f %8.0f\n", rows[i].description, ns[i][ROUNDS / 2],
		       ns[i][0], ns[i][ROUNDS - 1]);
	}
	live_figure("tap, packet for another port, ns", ns[OTHER_PORT][ROUNDS / 2], 30);
	live_figure("tap, pure ACK of a copied service, ns", ns[PURE_ACK][ROUNDS / 2], 60);
	connection_close(&bench.open);
	online_bpf__destroy(bench.online);
	target_bpf__destroy(bench.target);
	return 0;
}
