// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_unwrap.c - unwrap.h: where the mirrored packet begins in what packet mirrors send, and that
 * no byte beyond the end is read (ASan), wherever a frame is cut.
 */
#include "../harness/expect.h"
#include "../harness/frames.h"
#include "../harness/random.h"

#include "tcpcopy/unwrap.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define RANDOM_FRAMES 50000
#define HEAD_MAX 64

/** What stands between the outer IP header and the mirrored packet. */
static const struct wrap {
	const char *description;
	__u8 protocol;
	__u32 bytes;
	__u8 head[HEAD_MAX];
	int result;
	__u32 id;
	enum tcpc_link link;
} wraps[] = {
	{"VXLAN",
	 17,
	 16,
	 {0, 9, 0x12, 0xb5, 0, 0, 0, 0, 8, 0, 0, 0, 0x12, 0x34, 0x56, 0xff},
	 TCPC_UNWRAP_OK,
	 0x123456,
	 TCPC_LINK_ETHER},
	{"VXLAN without a VNI",
	 17,
	 16,
	 {0, 9, 0x12, 0xb5, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0},
	 TCPC_UNWRAP_OK,
	 0,
	 TCPC_LINK_ETHER},
	{"another UDP port", 17, 16, {0x12, 0xb5, 0, 9}, TCPC_UNWRAP_NONE, 0, 0},
	{"Ethernet in GRE", 47, 4, {0, 0, 0x65, 0x58}, TCPC_UNWRAP_OK, 0, TCPC_LINK_ETHER},
	{"IPv4 in GRE", 47, 4, {0, 0, 8, 0}, TCPC_UNWRAP_OK, 0, TCPC_LINK_NONE},
	{"IPv6 in GRE, key",
	 47,
	 8,
	 {0x20, 0, 0x86, 0xdd, 1, 2, 3, 4},
	 TCPC_UNWRAP_OK,
	 0x01020304,
	 TCPC_LINK_NONE},
	{"GRE with all fields",
	 47,
	 16,
	 {0xb0, 0, 0x65, 0x58, 9, 9, 9, 9, 0xff, 0, 0, 7},
	 TCPC_UNWRAP_OK,
	 0xff000007,
	 TCPC_LINK_ETHER},
	{"another protocol in GRE", 47, 4, {0, 0, 0x88, 0x47}, TCPC_UNWRAP_NONE, 0, 0},
	{"GRE with routes", 47, 4, {0x40, 0, 8, 0}, TCPC_UNWRAP_NONE, 0, 0},
	{"PPTP", 47, 8, {0x20, 1, 0x88, 0x0b}, TCPC_UNWRAP_NONE, 0, 0},
	{"ERSPAN I", 47, 4, {0, 0, 0x88, 0xbe}, TCPC_UNWRAP_OK, 0, TCPC_LINK_ETHER},
	{"ERSPAN II",
	 47,
	 16,
	 {0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 1, 0xfd, 0x55},
	 TCPC_UNWRAP_OK,
	 0x155,
	 TCPC_LINK_ETHER},
	{"ERSPAN III",
	 47,
	 20,
	 {0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 1, 0xff, 0xff},
	 TCPC_UNWRAP_OK,
	 0x3ff,
	 TCPC_LINK_ETHER},
	{"ERSPAN III and more",
	 47,
	 28,
	 {0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1},
	 TCPC_UNWRAP_OK,
	 2,
	 TCPC_LINK_ETHER},
	{"TCP", 6, 20, {0}, TCPC_UNWRAP_NONE, 0, 0},
};

/* @head in an outer packet like @spec, and behind it @rest bytes. */
static struct frame wrapped(const struct frame_spec *outer, const struct wrap *wrap)
{
	struct frame_spec spec = *outer;
	struct frame frame;

	spec.payload_bytes = wrap->bytes; /* and TCP's 20 bytes stand for what is in it */
	frame = frame_build(&spec);
	frame.data[frame.l3_off + (spec.family == 6 ? 6 : 9)] = wrap->protocol;
	memcpy(frame.data + frame.l4_off, wrap->head, wrap->bytes);
	return frame;
}

static void expect_unwrapped(const struct frame_spec *outer, const struct wrap *wrap)
{
	struct frame frame = wrapped(outer, wrap);
	struct tcpc_unwrapped got = {};
	const char *row = wrap->description;

	expect_u64(row, "result", tcpc_unwrap(frame.data, frame.data + frame.bytes, &got),
		   wrap->result);
	if (wrap->result == TCPC_UNWRAP_OK) {
		expect_u64(row, "offset", got.off, frame.l4_off + wrap->bytes);
		expect_u64(row, "number", got.id, wrap->id);
		expect_u64(row, "link", got.link, wrap->link);
	}
	for (__u32 bytes = 0; bytes < frame.l4_off + wrap->bytes; bytes++) {
		struct frame cut = frame_cut(&frame, TCPC_LINK_ETHER, bytes);

		if (tcpc_unwrap(cut.data, cut.data + cut.bytes, &got) == TCPC_UNWRAP_OK)
			expect_true(row, "the whole wrapping is there, but for what is not read",
				    got.off <= TCPC_UNWRAP_MAX);
		frame_free(&cut);
	}
	frame_free(&frame);
}

static void test_wraps(void **state)
{
	static const struct frame_spec outers[] = {
		{.family = 4},
		{.family = 4, .vlan_tags = 2, .ip_option_words = 10},
		{.family = 6, .vlan_tags = 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(outers); i++)
		for (size_t k = 0; k < COUNT_OF(wraps); k++)
			expect_unwrapped(&outers[i], &wraps[k]);
}

static void test_fragment(void **state)
{
	const struct frame_spec outer = {.family = 4};
	struct frame frame = wrapped(&outer, &wraps[0]);
	struct tcpc_unwrapped got;

	(void)state;
	frame.data[frame.l3_off + 6] |= 0x20;
	expect_u64("a fragment", "result", tcpc_unwrap(frame.data, frame.data + frame.bytes, &got),
		   TCPC_UNWRAP_NONE);
	frame_free(&frame);
}

static void test_random(void **state)
{
	__u64 seed = 3;

	(void)state;
	for (int i = 0; i < RANDOM_FRAMES; i++) {
		struct frame_spec outer = {.family = random_below(&seed, 2) ? 6 : 4};
		const struct wrap *wrap = &wraps[random_below(&seed, COUNT_OF(wraps))];
		struct frame frame = wrapped(&outer, wrap);
		struct tcpc_unwrapped got;

		for (int k = 0; k < 4; k++)
			frame.data[random_below(&seed, frame.bytes)] = random_next(&seed);
		if (tcpc_unwrap(frame.data, frame.data + frame.bytes, &got) == TCPC_UNWRAP_OK)
			expect_true("random bytes", "the offset is in bounds",
				    got.off <= TCPC_UNWRAP_MAX);
		frame_free(&frame);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wraps),
		cmocka_unit_test(test_fragment),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
