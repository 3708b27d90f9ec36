// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_target.c - align where no connection is needed (whose packets it touches, SYNs), and
 * queue_filter. Guards invariants 2 (nothing of a copy reaches a client) and 5 (one counter for
 * every way).
 */
#include "../harness/bpf_target.h"
#include "../harness/connection.h"

/* ---- whose packets --------------------------------------------------------------------------- */

static void other_mac(struct frame *f)
{
	f->data[5] = 0x77;
}

static void udp(struct frame *f)
{
	f->data[f->l3_off + 9] = IPPROTO_UDP;
}

static void fragment(struct frame *f)
{
	f->data[f->l3_off + 6] = 0x20;
}

static void short_doff(struct frame *f)
{
	f->data[f->l4_off + 12] = 0x40;
}

/* Clients by number: 16-31 are allowed, 32-47 about to be, both families. */
static void write_allow(void)
{
	const struct tcpc_addr v4[] = {V4_ADDR(16), V4_ADDR(32)};
	const struct tcpc_addr v6[] = {V6_ADDR(16), V6_ADDR(32)};

	target_allow(v4[0], 124, TCPC_ALLOW_DIRECT);
	target_allow(v4[1], 124, TCPC_ALLOW_PENDING);
	target_allow(v6[0], 124, TCPC_ALLOW_DIRECT);
	target_allow(v6[1], 124, TCPC_ALLOW_PENDING);
}

#define DRAIN_PORT 83
#define LINK_LOCAL(n)                                                                              \
	{                                                                                          \
		{                                                                                  \
			tcpc_htonl(0xfe800000), 0, 0, tcpc_htonl(n)                                \
		}                                                                                  \
	}

static const struct row {
	const char *description;
	struct frame_spec spec;
	size_t counter;
	int verdict;
	void (*spoil)(struct frame *);
} rows[] = {
	{"UDP", {DATA}, COUNTS(not_tcp), .verdict = VERDICT_NEXT, .spoil = udp},
	{"fragment", {DATA}, COUNTS(fragment), .verdict = VERDICT_NEXT, .spoil = fragment},
	{"malformed", {DATA}, COUNTS(malformed), .verdict = VERDICT_NEXT, .spoil = short_doff},
	{"another port", {DATA, .dport = 81}, COUNTS(no_service), .verdict = VERDICT_NEXT},
	{"our port as source",
	 {DATA, .sport = 80, .dport = 81},
	 COUNTS(no_service),
	 .verdict = VERDICT_NEXT},
	{"another host's frame",
	 {DATA},
	 COUNTS(no_service),
	 .verdict = VERDICT_NEXT,
	 .spoil = other_mac},
	{"allowed", {DATA, .saddr = V4_ADDR(16)}, COUNTS(allowed), .verdict = VERDICT_NEXT},
	{"allowed, last", {DATA, .saddr = V4_ADDR(31)}, COUNTS(allowed), .verdict = VERDICT_NEXT},
	{"allowed, SYN",
	 {.flags = TCPC_TCP_SYN, .saddr = V4_ADDR(17)},
	 COUNTS(allowed),
	 .verdict = VERDICT_NEXT},
	{"allowed, pure ACK",
	 {.flags = TCPC_TCP_ACK, .saddr = V4_ADDR(17)},
	 COUNTS(allowed),
	 .verdict = VERDICT_NEXT},
	{"allowed, service drained",
	 {DATA, .saddr = V4_ADDR(17), .dport = DRAIN_PORT},
	 COUNTS(allowed),
	 .verdict = VERDICT_NEXT},
	{"IPv6, allowed",
	 {V6, DATA, .saddr = V6_ADDR(31)},
	 COUNTS(allowed),
	 .verdict = VERDICT_NEXT},
	{"to be allowed", {DATA, .saddr = V4_ADDR(32)}, COUNTS(draining), .verdict = VERDICT_DROP},
	{"to be allowed, SYN",
	 {.flags = TCPC_TCP_SYN, .saddr = V4_ADDR(47)},
	 COUNTS(draining),
	 .verdict = VERDICT_DROP},
	{"drained", {DATA, .dport = DRAIN_PORT}, COUNTS(draining), .verdict = VERDICT_DROP},
	{"drained, SYN",
	 {.flags = TCPC_TCP_SYN, .dport = DRAIN_PORT},
	 COUNTS(draining),
	 .verdict = VERDICT_DROP},
	{"pure ACK", {.flags = TCPC_TCP_ACK}, COUNTS(pure_ack), .verdict = VERDICT_DROP},
	{"pure ACK and padding",
	 {.flags = TCPC_TCP_ACK, .padding = 6},
	 COUNTS(pure_ack),
	 .verdict = VERDICT_DROP},
	{"beside those allowed",
	 {DATA, .saddr = V4_ADDR(15)},
	 COUNTS(no_connection),
	 .verdict = VERDICT_DROP},
	{"beside those to be allowed",
	 {DATA, .saddr = V4_ADDR(48)},
	 COUNTS(no_connection),
	 .verdict = VERDICT_DROP},
	{"SYN, no listener",
	 {.flags = TCPC_TCP_SYN, .dport = NO_LISTENER_PORT},
	 COUNTS(no_listener),
	 .verdict = VERDICT_DROP},
	{"IPv6, to be allowed",
	 {V6, DATA, .saddr = V6_ADDR(32)},
	 COUNTS(draining),
	 .verdict = VERDICT_DROP},
	{"IPv6 data", {V6, DATA}, COUNTS(no_connection), .verdict = VERDICT_DROP},
	{"IPv6 SYN, no listener",
	 {V6, .flags = TCPC_TCP_SYN, .dport = NO_LISTENER_PORT},
	 COUNTS(no_listener),
	 .verdict = VERDICT_DROP},
	{"IPv6 pure ACK", {V6, .flags = TCPC_TCP_ACK}, COUNTS(pure_ack), .verdict = VERDICT_DROP},
	{"IPv6 pure ACK, extension headers",
	 {V6, .flags = TCPC_TCP_ACK, .ext = {0, 60}, .n_ext = 2},
	 COUNTS(pure_ack),
	 .verdict = VERDICT_DROP},
	{"to another address", {DATA, .daddr = V4_ADDR(3)}, COUNTS(no_service), VERDICT_NEXT, NULL},
	{"IPv6, to another address",
	 {V6, DATA, .daddr = V6_ADDR(3)},
	 COUNTS(no_service),
	 .verdict = VERDICT_NEXT},
	{"to a link-local address",
	 {V6, DATA, .saddr = LINK_LOCAL(1), .daddr = LINK_LOCAL(2)},
	 COUNTS(no_service),
	 .verdict = VERDICT_NEXT},
	{"link-local client",
	 {V6, DATA, .saddr = LINK_LOCAL(1)},
	 COUNTS(link_local),
	 VERDICT_DROP,
	 NULL},
	{"link-local client, SYN",
	 {V6, .flags = TCPC_TCP_SYN, .saddr = LINK_LOCAL(1)},
	 COUNTS(link_local),
	 .verdict = VERDICT_DROP},
	{"nearly link-local, fec0::",
	 {V6, DATA, .saddr = {{tcpc_htonl(0xfec00000), 0, 0, 1}}},
	 COUNTS(no_connection),
	 .verdict = VERDICT_DROP},
	{"RST, no socket", {.flags = TCPC_TCP_RST}, COUNTS(no_connection), .verdict = VERDICT_DROP},
	{"FIN, no socket",
	 {.flags = TCPC_TCP_FIN | TCPC_TCP_ACK, .vlan_tags = 2},
	 COUNTS(no_connection),
	 .verdict = VERDICT_DROP},
};

/* None of these is changed by a single byte. */
static void test_whose(void **state)
{
	(void)state;
	need_netns();
	write_allow();
	target_service(DRAIN_PORT, TCPC_INTERCEPT_DRAIN);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct tcpc_target_stats moved = target_moves(rows[i].counter);
		struct frame frame = frame_build(&rows[i].spec);

		if (rows[i].spoil)
			rows[i].spoil(&frame);
		align_run(rows[i].description, &frame, rows[i].verdict, &frame, &moved);
		frame_free(&frame);
	}
}

static void test_other_interface(void **state)
{
	struct tcpc_target_stats moved = target_moves(COUNTER(no_service));
	struct frame frame = frame_build(&(struct frame_spec){.flags = TCPC_TCP_SYN});
	static struct bpf_run run;

	(void)state;
	need_netns();
	run.ifindex = if_nametoindex("live1");
	counters_mark(&lab.counters);
	bpf_run("another interface", lab.align_fd, &run, frame.data, frame.bytes);
	expect_run("another interface", &run, VERDICT_NEXT, &frame);
	expect_moved("another interface", &lab.counters, &moved);
	frame_free(&frame);
}

/* ---- SYN ------------------------------------------------------------------------------------- */

static void expect_fresh_exchange(const char *row, const struct frame *frame)
{
	struct tcpc_exchange x = {.exchanges = 77}, fresh = {};
	struct tcpc_flow flow = {};
	struct tcpc_pkt pkt;

	expect_u64(row, "parse", frame_parse(frame, TCPC_LINK_ETHER, &pkt), TCPC_PARSE_OK);
	flow.client = pkt.saddr;
	flow.server = pkt.daddr;
	flow.client_port = pkt.sport;
	flow.server_port = pkt.dport;
	if (bpf_map_lookup_elem(bpf_map__fd(lab.skel->maps.exchanges), &flow, &x))
		expect_fail("%s: no entry in exchanges", row);
	fresh.syn_seq = pkt.seq;
	fresh.start_ns = x.start_ns;
	expect_true(row, "seen just now", x.seen);
	fresh.seen = x.seen;
	expect_bytes(row, &x, &fresh, sizeof(x));
	if (!x.start_ns)
		expect_fail("%s: the time of the SYN is not noted", row);
}

/* The frame with its options blanked by the plain walk, built anew: the checksum is a full one. */
static void expect_syn(const char *row, const struct frame_spec *spec)
{
	struct frame frame = frame_build(spec), want;
	struct tcpc_target_stats moved;
	struct frame_spec blank = *spec;
	struct tcpc_options found;
	bool signed_too, passes;

	options_ref_blank(blank.tcp_options, blank.tcp_option_bytes, TCPC_OPTS_SYN_BLANK, &found);
	blank.flags &= ~(TCPC_TCP_ECE | TCPC_TCP_CWR);
	signed_too = found.kinds & TCPC_OPTS_SIGNATURE;
	passes = !signed_too && !found.malformed;
	want = passes ? frame_build(&blank) : frame_build(spec);
	moved = target_moves(signed_too	       ? COUNTER(md5)
			     : found.malformed ? COUNTER(bad_options)
					       : COUNTER(syn));
	moved.syn_data = passes && spec->payload_bytes;
	align_run(row, &frame, passes ? VERDICT_NEXT : VERDICT_DROP, &want, &moved);
	if (passes)
		expect_fresh_exchange(row, &frame);
	frame_free(&frame);
	frame_free(&want);
}

#define MSS 2, 4, 5, 180
#define WSCALE 3, 3, 7
#define SACK_OK 4, 2
#define TIMESTAMPS 8, 10, 1, 2, 3, 4, 0, 0, 0, 0
#define MPTCP 30, 12, 0, 1, 9, 8, 7, 6, 5, 4, 3, 2
#define COOKIE 34, 10, 11, 12, 13, 14, 15, 16, 17, 18

static const struct syn {
	const char *description;
	struct frame_spec spec;
} syns[] = {
	{"no options", {.flags = TCPC_TCP_SYN}},
	{"MSS", {.tcp_options = {MSS}, .tcp_option_bytes = 4}},
	{"as Linux sends it",
	 {.tcp_options = {MSS, SACK_OK, TIMESTAMPS, 1, WSCALE}, .tcp_option_bytes = 20}},
	{"as others do",
	 {.tcp_options = {MSS, 1, WSCALE, 1, 1, TIMESTAMPS, SACK_OK, 0, 0},
	  .tcp_option_bytes = 24}},
	{"MPTCP",
	 {.tcp_options = {MSS, SACK_OK, TIMESTAMPS, 1, WSCALE, MPTCP}, .tcp_option_bytes = 32}},
	{"fast open with data",
	 {.tcp_options = {MSS, 1, 1, COOKIE}, .tcp_option_bytes = 16, .payload_bytes = 77}},
	{"timestamps at an odd offset",
	 {.tcp_options = {WSCALE, TIMESTAMPS, 0, 0, 0}, .tcp_option_bytes = 16}},
	{"all 40 bytes",
	 {.tcp_options = {MSS, WSCALE, 1, TIMESTAMPS, COOKIE, SACK_OK, TIMESTAMPS},
	  .tcp_option_bytes = 40}},
	{"signed",
	 {.tcp_options = {MSS, 19, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, 0},
	  .tcp_option_bytes = 24}},
	{"signed in the new way",
	 {.tcp_options = {1, 29, 16, 1, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14},
	  .tcp_option_bytes = 20}},
	{"behind the end", {.tcp_options = {MSS, 0, TIMESTAMPS}, .tcp_option_bytes = 16}},
	{"length 0", {.tcp_options = {MSS, 8, 0}, .tcp_option_bytes = 8}},
	{"length 1", {.tcp_options = {MSS, 8, 1}, .tcp_option_bytes = 8}},
	{"length beyond the header", {.tcp_options = {MSS, 8, 10}, .tcp_option_bytes = 12}},
	{"kind as the last byte", {.tcp_options = {MSS, 1, 1, 1, 8}, .tcp_option_bytes = 8}},
};

/* Each with and without what else a SYN may bring along. */
static void test_syn(void **state)
{
	int listener;

	(void)state;
	need_netns();
	listener = connection_listen(lab_variant.family, SERVICE_PORT);
	for (size_t i = 0; i < COUNT_OF(syns); i++)
		for (int variant = 0; variant < 8; variant++) {
			struct frame_spec spec = syns[i].spec;

			spec.family = lab_variant.family;
			spec.flags = TCPC_TCP_SYN;
			if (variant & 1) {
				spec.ip_option_words = 3;
				spec.n_ext = 2;
				spec.ext[1] = IPPROTO_DSTOPTS;
			}
			if (variant & 2)
				spec.vlan_tags = 2;
			if (variant & 4) {
				spec.flags |= TCPC_TCP_ECE | TCPC_TCP_CWR;
				spec.payload_bytes += 3;
				spec.padding = 5;
			}
			expect_syn(syns[i].description, &spec);
		}
	close(listener);
}

#define RANDOM_SYNS 3000

static void test_random_syns(void **state)
{
	__u64 seed = 20;
	int listener;

	(void)state;
	need_netns();
	listener = connection_listen(lab_variant.family, SERVICE_PORT);
	for (int i = 0; i < RANDOM_SYNS; i++) {
		struct frame_spec spec = {
			.family = lab_variant.family,
			.flags = TCPC_TCP_SYN,
			.vlan_tags = i % 3,
		};
		char row[64];

		spec.sport = 1 + random_below(&seed, 65535);
		spec.seq = random_next(&seed);
		spec.window = random_next(&seed);
		spec.payload_bytes = i & 2 ? random_below(&seed, 9) : 0;
		random_options(&seed, &spec);
		snprintf(row, sizeof(row), "random SYN %d", i);
		expect_syn(row, &spec);
	}
	close(listener);
}

/* ---- queue_filter ---------------------------------------------------------------------------- */

static const struct output {
	const char *description;
	struct frame_spec spec;
	__u8 protocol; /* 0: TCP */
	__u8 type;     /* of an ICMP message */
	size_t counter;
	__u32 want;
	bool uncounted;
} outputs[] = {
	{"response", {DATA}, COUNTS(queued), .want = 1},
	{"SYN-ACK", {.flags = TCPC_TCP_SYN | TCPC_TCP_ACK}, COUNTS(queued), .want = 1},
	{"RST", {.flags = TCPC_TCP_RST}, COUNTS(queued), .want = 1},
	{"IP options", {DATA, .ip_option_words = 10}, COUNTS(queued), .want = 1},
	{"IPv6 response", {V6, DATA}, COUNTS(queued), .want = 1},
	{"IPv6, extension header", {V6, DATA, .ext = {60}, .n_ext = 1}, COUNTS(queued), .want = 1},
	{"IPv6, too many of them",
	 {V6, DATA, .ext = {60, 60, 60, 60, 60}, .n_ext = 5},
	 COUNTS(queued),
	 .want = 1},
	{"IPv6 unreachable, extension header",
	 {V6, DATA, .ext = {60}, .n_ext = 1},
	 .protocol = 58,
	 .type = 1,
	 COUNTS(queued),
	 .want = 1},
	{"multicast report, extension header",
	 {V6, DATA, .n_ext = 1},
	 .protocol = 58,
	 .type = 143,
	 .uncounted = true},
	{"client to be allowed", {DATA, .daddr = V4_ADDR(32)}, COUNTS(queued), .want = 1},
	{"allowed client", {DATA, .daddr = V4_ADDR(16)}, COUNTS(allowed_out)},
	{"IPv6, allowed client", {V6, DATA, .daddr = V6_ADDR(16)}, COUNTS(allowed_out)},
	{"IPv6, beside", {V6, DATA, .daddr = V6_ADDR(15)}, COUNTS(queued), .want = 1},
	{"from another address", {DATA, .saddr = V4_ADDR(200)}, .uncounted = true},
	{"IPv6, from another address", {V6, DATA, .saddr = V6_ADDR(200)}, .uncounted = true},
	{"unreachable, from another address",
	 {DATA, .saddr = V4_ADDR(200)},
	 .protocol = 1,
	 .type = 3,
	 .uncounted = true},
	{"unreachable", {DATA}, .protocol = 1, .type = 3, COUNTS(queued), .want = 1},
	{"source quench", {DATA}, .protocol = 1, .type = 4, COUNTS(queued), .want = 1},
	{"redirect", {DATA}, .protocol = 1, .type = 5, COUNTS(queued), .want = 1},
	{"time exceeded",
	 {DATA, .ip_option_words = 3},
	 .protocol = 1,
	 .type = 11,
	 COUNTS(queued),
	 .want = 1},
	{"parameter problem", {DATA}, .protocol = 1, .type = 12, COUNTS(queued), .want = 1},
	{"unreachable, allowed client",
	 {DATA, .daddr = V4_ADDR(16)},
	 .protocol = 1,
	 .type = 3,
	 COUNTS(allowed_out)},
	{"echo request", {DATA}, .protocol = 1, .type = 8, .uncounted = true},
	{"echo reply", {DATA}, .protocol = 1, .type = 0, .uncounted = true},
	{"timestamp reply", {DATA}, .protocol = 1, .type = 14, .uncounted = true},
	{"IPv6 unreachable", {V6, DATA}, .protocol = 58, .type = 1, COUNTS(queued), .want = 1},
	{"IPv6 too big", {V6, DATA}, .protocol = 58, .type = 2, COUNTS(queued), .want = 1},
	{"IPv6 time exceeded", {V6, DATA}, .protocol = 58, .type = 3, COUNTS(queued), .want = 1},
	{"IPv6 parameter problem",
	 {V6, DATA},
	 .protocol = 58,
	 .type = 4,
	 COUNTS(queued),
	 .want = 1},
	{"IPv6 echo", {V6, DATA}, .protocol = 58, .type = 128, .uncounted = true},
	{"neighbour advertisement", {V6, DATA}, .protocol = 58, .type = 136, .uncounted = true},
	{"UDP", {DATA}, .protocol = 17, .type = 3, .uncounted = true},
	{"IPv6 UDP", {V6, DATA}, .protocol = 17, .type = 1, .uncounted = true},
};

static void test_queue_filter(void **state)
{
	static struct bpf_run run;

	(void)state;
	need_netns();
	write_allow();
	target_address(4, 1);
	target_address(6, 1);
	for (size_t i = 0; i < COUNT_OF(outputs); i++) {
		const struct output *o = &outputs[i];
		struct frame frame = frame_build(&o->spec);
		struct tcpc_target_stats moved = {};

		if (o->protocol) {
			__u32 next = o->spec.n_ext ? 40 : o->spec.family == 6 ? 6 : 9;

			frame.data[frame.l3_off + next] = o->protocol;
			frame.data[frame.l4_off] = o->type;
		}
		if (!o->uncounted) {
			moved = target_moves(o->counter);
			moved.seen = 0; /* that is align's */
		}
		counters_mark(&lab.counters);
		bpf_run(o->description, lab.queue_filter_fd, &run, frame.data, frame.bytes);
		expect_u64(o->description, "queue it", run.verdict, o->want);
		expect_moved(o->description, &lab.counters, &moved);
		frame_free(&frame);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whose),
		cmocka_unit_test(test_other_interface),
		all_variants(test_syn),
		all_variants(test_random_syns),
		cmocka_unit_test(test_queue_filter),
	};

	return cmocka_run_group_tests(tests, target_enter, target_leave);
}
