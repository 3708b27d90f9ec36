// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_greeting.c - how tap learns what a client had read before it spoke, and how copy passes it
 * on: packets go through the real tap, and what leaves by out0 is looked at. The packets themselves
 * stay as they are (invariant 1).
 */
#include "../harness/bpf_online.h"

#include "tcpcopy/greeting.h"
#include "tcpcopy/rewrite.h"

#define CLIENT_SEQ 0xfffffffe /* the SYN's; the first byte has 0xffffffff, the next one 0 */
#define SERVER_SEQ 0xffffffd8 /* a greeting of 40 bytes wraps */
#define CB_MAGIC 0x7463700a   /* as in online.bpf.c */
#define TARGETS 2	      /* of each family */

#define PSH_ACK (TCPC_TCP_PSH | TCPC_TCP_ACK)
#define FIN_ACK (TCPC_TCP_FIN | TCPC_TCP_ACK)
#define RST_ACK (TCPC_TCP_RST | TCPC_TCP_ACK)

static const struct frame_spec any[2] = {{.family = 4}, {.family = 6}};
static int out;

/* Targets 198.18.0.9, .10 and 2001:2::9, ::a are neighbours on out0. */
static void write_targets(void)
{
	struct tcpc_target_set set = {.n_targets = 2 * TARGETS};

	lab_command("ip addr add 198.18.0.254/24 dev out0 && "
		    "ip addr add 2001:2::fe/64 dev out0 nodad");
	for (__u32 i = 0; i < set.n_targets; i++) {
		__u8 host = 9 + i / 2;

		if (i & 1)
			lab_command("ip neigh replace 2001:2::%x lladdr 02:03:03:03:03:03 dev "
				    "out0",
				    host);
		else
			lab_command("ip neigh replace 198.18.0.%d lladdr 02:03:03:03:03:03 dev "
				    "out0",
				    host);
		set.target[i].addr = frame_host(&any[i & 1], host);
		set.target[i].flags = TCPC_TARGET_READY;
		set.target[i].ifindex = lab.out;
	}
	online_targets(&set);
}

/* Once more the group's setup, and copy in its place. */
static int enter(void **state)
{
	static struct tcpc_attachment copy;
	struct tcpc_err err = {};

	if (online_enter(state))
		return -1;
	if (!in_netns)
		return 0;
	write_targets();
	online_config(lab.copy, NEVER_NS);
	online_service(&armed);
	out = packet_open("out1");
	return tcpc_datapath_attach(lab.copy_fd, lab.copy, true, TCPC_HOOK_TC, &copy, &err);
}

/* What leaves is @spec with another destination and this greeting, and it is right. */
static void expect_copy(const char *row, const struct frame_spec *spec, __u16 urgent)
{
	static __u8 copy[RUN_OUT_BYTES];
	__u32 bytes = packet_next(row, out, PACKET_HOST, copy, sizeof(copy));
	struct frame_spec fitted = *spec;
	struct tcpc_pkt pkt;
	struct frame want;

	expect_u64(row, "parse", tcpc_parse(copy, copy + bytes, bytes, TCPC_LINK_ETHER, &pkt),
		   TCPC_PARSE_OK);
	fitted.daddr = pkt.daddr;
	fitted.ttl = TCPC_COPY_TTL;
	fitted.fragmentable = 1;
	fitted.urgent = urgent;
	want = frame_build(&fitted);
	expect_u64(row, "length", bytes, want.bytes);
	expect_bytes(row, copy + ETH_HLEN, want.data + ETH_HLEN, bytes - ETH_HLEN);
	frame_free(&want);
}

/* One packet through tap; if it is copied, its copies have this in their urgent pointer. */
static void expect_passed_on(const char *row, const struct frame_spec *spec, bool greets,
			     __u16 urgent)
{
	bool copied = spec->payload_bytes || spec->flags != TCPC_TCP_ACK;
	struct frame frame = frame_build(spec);
	static struct bpf_run run;
	__u64 before = stats_now().greetings;
	__u8 more[64];

	run.ifindex = run.ingress_ifindex = lab.live;
	bpf_run(row, lab.tap_fd, &run, frame.data, frame.bytes);
	expect_run(row, &run, VERDICT_NEXT, &frame);
	for (int i = 0; copied && i < TARGETS; i++)
		expect_copy(row, spec, urgent);
	expect_u64(row, "further copies", packet_read(out, PACKET_HOST, more, sizeof(more)), 0);
	expect_u64(row, "counted", stats_now().greetings - before, greets);
	frame_free(&frame);
}

/* A packet of the client, as distances from the initial numbers, and what its copies say. */
struct packet {
	const char *row;
	__u8 flags;
	__u32 seq, ack, payload_bytes;
	__u16 urgent, want;
};

static void expect_story(__u16 sport, const struct packet *packets, size_t n)
{
	for (int family = 4; family <= 6; family += 2)
		for (const struct packet *p = packets; p < packets + n; p++) {
			struct frame_spec spec = {
				.family = family,
				.sport = sport,
				.flags = p->flags,
				.seq = CLIENT_SEQ + p->seq,
				.ack = p->flags & TCPC_TCP_ACK ? SERVER_SEQ + p->ack : 0,
				.payload_bytes = p->payload_bytes,
				.urgent = p->urgent,
			};

			expect_passed_on(p->row, &spec,
					 tcpc_greeting_bytes(p->want) && p->want != p->urgent,
					 p->want);
		}
}

static void test_server_first(void **state)
{
	static const struct packet packets[] = {
		{"SYN", TCPC_TCP_SYN, 0, 0, 0, 0, 0},
		{"SYN again", TCPC_TCP_SYN, 0, 0, 0, 0, 0},
		{"handshake's ACK", TCPC_TCP_ACK, 1, 1, 0, 0, 0},
		{"ACK of the greeting", TCPC_TCP_ACK, 1, 41, 0, 0, 0},
		{"first words", PSH_ACK, 1, 41, 10, 0, 40},
		{"again", PSH_ACK, 1, 41, 10, 0, 40},
		{"next words", PSH_ACK, 11, 61, 10, 0, TCPC_GREETING_YOUNG},
		{"FIN", FIN_ACK, 21, 81, 0, 0, TCPC_GREETING_YOUNG},
	};

	(void)state;
	need_netns();
	expect_story(41000, packets, COUNT_OF(packets));
}

static void test_client_first(void **state)
{
	static const struct packet packets[] =
		{
			{"SYN", TCPC_TCP_SYN, 0, 0, 0, 0, 0},
			{"handshake's ACK", TCPC_TCP_ACK, 1, 1, 0, 0, 0},
			{"request", PSH_ACK, 1, 1, 1000, 0, TCPC_GREETING_NONE},
			{"next request", PSH_ACK, 1001, 301, 10, 0, TCPC_GREETING_YOUNG},
			{"much later", PSH_ACK, 1 + TCPC_GREETING_YOUNG_BYTES, 301, 10, 0, 0},
		},
				   at_once[] =
					   {
						   {"SYN", TCPC_TCP_SYN, 0, 0, 0, 0, 0},
						   {"request with the handshake's ACK", PSH_ACK, 1,
						    1, 1000, 0, TCPC_GREETING_NONE},
					   },
				   unknown[] = {
					   {"ACK", TCPC_TCP_ACK, 1, 1, 0, 0, 0},
					   {"data of an old connection", PSH_ACK, 1, 41, 10, 0, 0},
				   };

	(void)state;
	need_netns();
	expect_story(41001, packets, COUNT_OF(packets));
	expect_story(41002, at_once, COUNT_OF(at_once));
	expect_story(41003, unknown, COUNT_OF(unknown));
}

/* FIN and RST have to wait as well. Without an ACK number nothing is known. */
static void test_leaving(void **state)
{
	static const struct packet fin[] =
		{
			{"SYN", TCPC_TCP_SYN, 0, 0, 0, 0, 0},
			{"handshake's ACK", TCPC_TCP_ACK, 1, 1, 0, 0, 0},
			{"FIN behind the greeting", FIN_ACK, 1, 41, 0, 0, 40},
		},
				   rst[] = {
					   {"SYN", TCPC_TCP_SYN, 0, 0, 0, 0, 0},
					   {"handshake's ACK", TCPC_TCP_ACK, 1, 1, 0, 0, 0},
					   {"RST without ACK", TCPC_TCP_RST, 1, 0, 0, 0, 0},
					   {"RST behind the greeting", RST_ACK, 1, 41, 0, 0, 40},
				   };

	(void)state;
	need_netns();
	expect_story(41010, fin, COUNT_OF(fin));
	expect_story(41011, rst, COUNT_OF(rst));
}

/* What a client puts into the field: with URG it means something, without it must not arrive. */
static void test_urgent(void **state)
{
	static const struct packet packets[] =
		{
			{"SYN", TCPC_TCP_SYN, 0, 0, 0, 77, 0},
			{"handshake's ACK", TCPC_TCP_ACK, 1, 1, 0, 9, 0},
			{"first words, urgent", PSH_ACK | TCPC_TCP_URG, 1, 41, 10, 3, 3},
			{"first words, with something there", PSH_ACK, 1, 41, 10, 0xffff, 40},
			{"next words, with something there", PSH_ACK, 11, 61, 10, 0x100,
			 TCPC_GREETING_YOUNG},
			{"urgent", PSH_ACK | TCPC_TCP_URG, 21, 61, 10, 0xffff, 0xffff},
			{"RST", TCPC_TCP_RST, 31, 0, 0, 40, 0},
		},
				   longest[] = {
					   {"SYN", TCPC_TCP_SYN, 0, 0, 0, 0, 0},
					   {"handshake's ACK", TCPC_TCP_ACK, 1, 1, 0, 0, 0},
					   {"behind 1 MB", PSH_ACK, 1, 1 << 20, 10, 0,
					    TCPC_GREETING_MAX},
				   };

	(void)state;
	need_netns();
	expect_story(41020, packets, COUNT_OF(packets));
	expect_story(41021, longest, COUNT_OF(longest));
}

/* Copy by itself, whoever has summed up the packet: any greeting in place of any other value. */
static void test_written(void **state)
{
	static const __u16 values[] = {0, 1, 40, 0x100, 0xffff};
	struct frame_spec spec = {DATA, .family = lab_variant.family}, fitted = spec;
	static struct bpf_run run;
	struct frame frame, want;
	__u8 rest[256];

	(void)state;
	need_netns();
	fitted.daddr = frame_host(&spec, 9);
	fitted.ttl = TCPC_COPY_TTL;
	fitted.fragmentable = 1;
	run.ifindex = lab.copy;
	run.ingress_ifindex = lab.live;
	run.cb[0] = CB_MAGIC;
	/* Behind the first of a set all others get clones of their own. */
	run.cb[1] = spec.family == 6;
	for (size_t i = 0; i < COUNT_OF(values) * COUNT_OF(values); i++) {
		spec.urgent = values[i % COUNT_OF(values)];
		run.cb[2] = fitted.urgent = values[i / COUNT_OF(values)];
		frame = frame_build(&spec);
		want = frame_build(&fitted);
		bpf_run("written", lab.copy_fd, &run, frame.data, frame.bytes);
		expect_run("written", &run, VERDICT_REDIRECT, &want);
		frame_free(&frame);
		frame_free(&want);
	}
	/* What its further clones have become is test_server_first()'s. */
	while (packet_read(out, PACKET_HOST, rest, sizeof(rest)))
		;
}

/* Not a packet of what is not copied comes into the table. */
static void test_not_armed(void **state)
{
	struct tcpc_service not_armed = {.sample = TCPC_SAMPLE_ALL}, nobody = armed;
	struct frame_spec syn = {.flags = TCPC_TCP_SYN, .seq = 99, .sport = 41030};
	struct tcpc_handshake_set set, empty = {};
	const __u64 key[2] = {1, 2}; /* as in online_config() */
	struct frame frame = frame_build(&syn);
	static struct bpf_run run;
	struct tcpc_pkt pkt;
	__u32 index;

	(void)state;
	need_netns();
	nobody.sample = 0;
	frame_parse(&frame, TCPC_LINK_ETHER, &pkt);
	index = tcpc_handshake_index(key, &pkt);
	online_write(lab.skel->maps.handshakes, &index, &empty);
	run.ifindex = lab.live;
	for (int i = 0; i < 3; i++) {
		online_service(i == 0 ? &not_armed : i == 1 ? &nobody : &armed);
		bpf_run("SYN", lab.tap_fd, &run, frame.data, frame.bytes);
		assert_int_equal(
			bpf_map_lookup_elem(bpf_map__fd(lab.skel->maps.handshakes), &index, &set),
			0);
		expect_u64(i < 2 ? "not copied" : "copied", "noted",
			   tcpc_handshake_find(&set, 100) >= 0, i == 2);
	}
	frame_free(&frame);
}

/* A full set: the oldest goes, and it is counted if its client has not spoken. */
static void test_full(void **state)
{
	struct tcpc_online_stats want = one_of(COUNTER(cloned));
	struct tcpc_handshake_set full = {.next = 2, .spoken = 1 << 2}, set;
	struct frame_spec syn = {.flags = TCPC_TCP_SYN, .sport = 41040};
	const __u64 key[2] = {1, 2};
	static struct bpf_run run;
	struct frame frame;
	struct tcpc_pkt pkt;
	__u32 index;

	(void)state;
	need_netns();
	for (int i = 0; i < TCPC_HANDSHAKE_WAYS; i++)
		full.way[i] = (struct tcpc_handshake){1000 + i, 7};
	run.ifindex = run.ingress_ifindex = lab.live;
	for (int i = 2; i < 4; i++) {
		syn.seq = 2000 + i;
		frame = frame_build(&syn);
		frame_parse(&frame, TCPC_LINK_ETHER, &pkt);
		index = tcpc_handshake_index(key, &pkt);
		if (i == 2)
			online_write(lab.skel->maps.handshakes, &index, &full);
		want.copied = TARGETS;
		want.target_no_route = TARGETS; /* of the other family */
		want.handshakes_lost = i == 3;
		counters_mark(&lab.counters);
		bpf_run("full set", lab.tap_fd, &run, frame.data, frame.bytes);
		expect_moved("full set", &lab.counters, &want);
		bpf_map_lookup_elem(bpf_map__fd(lab.skel->maps.handshakes), &index, &set);
		expect_u64("full set", "new one", set.way[i].seq, 2001 + i);
		expect_u64("full set", "its ACK", set.way[i].ack, 0);
		frame_free(&frame);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server_first), cmocka_unit_test(test_client_first),
		cmocka_unit_test(test_leaving),	     cmocka_unit_test(test_urgent),
		all_variants(test_written),	     cmocka_unit_test(test_not_armed),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, enter, online_leave);
}
