// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_mirror.c - mirror.h: whatever a frame's checksum was, what is written is right, both for one
 * who takes it as whole and for one who is to add the sum of the segment; also for those frames,
 * one in 65,536, of which nobody can say what it was.
 */
#include "../harness/expect.h"
#include "../harness/frames.h"
#include "../harness/random.h"

#include "tcpcopy/mirror.h"
#include "tcpcopy/rewrite.h"

#define RANDOM_FRAMES 20000

struct one {
	struct frame frame;
	struct tcpc_pkt pkt;
	struct tcpc_addr to;
	struct tcphdr *tcp;
};

static struct one build(const struct frame_spec *spec)
{
	struct one one = {.frame = frame_build(spec), .to = frame_host(spec, 9)};

	expect_u64("frame", "parse", frame_parse(&one.frame, TCPC_LINK_ETHER, &one.pkt),
		   TCPC_PARSE_OK);
	one.tcp = (void *)(one.frame.data + one.frame.l4_off);
	return one;
}

/* The sum of the segment without its checksum. */
static __u32 segment_sum(const struct one *one)
{
	return tcpc_csum_add(tcpc_csum_partial(one->tcp, one->frame.l4_bytes, 0),
			     (__u16)~one->tcp->check);
}

/* What whoever leaves the checksum to a device writes there. */
static void unfinish(struct one *one)
{
	one->tcp->check = tcpc_mirror_fold(tcpc_mirror_pseudo(&one->pkt, &one->pkt.daddr));
}

/* What the device does. */
static void finish(struct one *one)
{
	one->tcp->check = tcpc_csum_fold(tcpc_csum_partial(one->tcp, one->frame.l4_bytes, 0));
}

/* As mirror writes a frame; returns whether it was taken for unfinished. */
static int rewrite(struct one *one, int generic)
{
	struct tcpc_rewrite_diff diff =
		tcpc_rewrite_dest_diff(&one->pkt, &one->to, tcpc_htons(8080));
	int unfinished = tcpc_mirror_unfinished(&one->pkt, one->tcp->check);
	__u32 pseudo = tcpc_mirror_pseudo(&one->pkt, &one->to), segment;
	__u16 window = one->tcp->window;

	tcpc_rewrite_ip(one->frame.data + one->pkt.l3_off, &one->pkt, &one->to, diff.l3);
	one->tcp->dest = tcpc_htons(8080);
	if (!unfinished) {
		one->tcp->check =
			tcpc_csum_apply(one->tcp->check, tcpc_csum_add(diff.pseudo, diff.l4));
		return 0;
	}
	segment = segment_sum(one);
	if (!generic) {
		one->tcp->check = tcpc_csum_fold(tcpc_csum_add(pseudo, segment));
		return 1;
	}
	one->tcp->check =
		tcpc_mirror_left_open(tcpc_mirror_pseudo(&one->pkt, &one->pkt.daddr),
				      tcpc_csum_add(segment, ~diff.l4), pseudo, segment, &window);
	one->tcp->window = window;
	return 1;
}

static struct frame_spec random_spec(__u64 *seed)
{
	struct frame_spec spec = {
		.family = random_below(seed, 2) ? 6 : 4,
		.flags = TCPC_TCP_ACK,
		.seq = random_next(seed),
		.ack = random_next(seed),
		.window = random_next(seed),
		.payload_bytes = random_below(seed, 300),
	};

	return spec;
}

/* @whole: as from a wire. */
static void expect_right(int whole, int generic)
{
	__u64 seed = 1;

	for (int i = 0; i < RANDOM_FRAMES; i++) {
		struct frame_spec spec = random_spec(&seed);
		struct one one = build(&spec);

		if (!whole)
			unfinish(&one);
		rewrite(&one, generic);
		if (!whole && generic)
			finish(&one);
		expect_true("random frame", "checksums are right", frame_right(&one.frame));
		frame_free(&one.frame);
	}
}

static void test_whole(void **state)
{
	(void)state;
	expect_right(1, 0);
	expect_right(1, 1);
}

static void test_unfinished(void **state)
{
	(void)state;
	expect_right(0, 0);
	expect_right(0, 1);
}

/* Frames whose whole checksum is just what an unfinished one would be. */
static void test_doubtful(void **state)
{
	__u64 seed = 2;

	(void)state;
	for (int i = 0; i < RANDOM_FRAMES; i++) {
		struct frame_spec spec = random_spec(&seed);
		struct one one;
		__u32 twice;

		spec.payload_bytes = 64;
		one = build(&spec);
		twice = tcpc_mirror_pseudo(&one.pkt, &one.pkt.daddr);
		twice = tcpc_csum_add(tcpc_csum_add(twice, twice), segment_sum(&one));
		/* 2 P + D = 0, see mirror.h: by the acknowledgement's lower half. */
		((__u16 *)&one.tcp->ack_seq)[1] = tcpc_csum_fold(
			tcpc_csum_add(twice, (__u16) ~((__u16 *)&one.tcp->ack_seq)[1]));
		unfinish(&one);
		expect_true("doubtful frame", "is right as it came", frame_right(&one.frame));
		expect_true("doubtful frame", "taken for unfinished", rewrite(&one, 1));
		expect_true("doubtful frame", "right, if it was whole", frame_right(&one.frame));
		finish(&one);
		expect_true("doubtful frame", "right, if it is added", frame_right(&one.frame));
		frame_free(&one.frame);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_unfinished),
		cmocka_unit_test(test_doubtful),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
