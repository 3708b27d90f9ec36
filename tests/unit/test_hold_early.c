// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_hold_early.c - the hold queue and packets whose connection the target has not opened: tried
 * again and again, in their order, and given up in the end. The kernel made of numbers sends each
 * of them back at once for as long as the test says.
 */
#include "../harness/hold_lab.h"

#define PSH_ACK (TCPC_TCP_PSH | TCPC_TCP_ACK)
#define MAX_LAG_MS 10000
#define BEGIN_MS 5000 /* what is not open since 0 is open */

/* A frame comes from the device, tagged as too early; its name is its TTL. */
static void take_early(struct hold_lab *lab, __u64 ms, char id, __u8 flags, __u32 seq, __u32 number)
{
	struct frame_spec spec = {
		.ttl = id, .flags = flags, .seq = seq, .sport = LAB_PORT, .payload_bytes = 50};
	struct frame frame = frame_build(&spec);
	struct tcpc_hold_tag tag;

	tcpc_hold_tag_write(&tag, number);
	tag.magic[1] = TCPC_HOLD_EARLY;
	memcpy(frame.data + ETH_ALEN, &tag, sizeof(tag));
	tcpc_hold_take(lab->hold, ms * MS, frame.data, 0, frame.bytes);
	frame_free(&frame);
}

static void expect_at(struct hold_lab *lab, __u64 ms, const char *want)
{
	char step[32];

	snprintf(step, sizeof(step), "%llu ms", (unsigned long long)ms);
	tcpc_hold_tick(lab->hold, ms * MS);
	expect_did("early", step, lab, want);
}

static void begin(struct hold_lab *lab)
{
	lab_begin(lab, 1 << 20, MAX_LAG_MS * MS);
	lab->view[0].known = true; /* its SYN was seen, and nothing since */
}

static void test_again(void **state)
{
	struct hold_lab lab;

	(void)state;
	begin(&lab);
	take_early(&lab, 0, 'A', PSH_ACK, 0xffffffce, 1);
	take_early(&lab, 1, 'B', PSH_ACK, 0, 2);
	expect_at(&lab, 10, "");
	expect_at(&lab, 11, "A0 B2");
	/* Both are back, the second one first, and a third came meanwhile. */
	take_early(&lab, 11, 'C', PSH_ACK, 50, 3);
	take_early(&lab, 11, 'B', PSH_ACK, 0, 4);
	take_early(&lab, 11, 'A', PSH_ACK, 0xffffffce, 5);
	expect_at(&lab, 20, "");
	expect_at(&lab, 21, "A0 B0 C5");
	expect_at(&lab, 2000, "");
	expect_true("early", "is empty", tcpc_hold_empty(lab.hold));
	tcpc_hold_free(lab.hold);
}

/* The target says something: the SYN cookie is back. */
static void test_touch(void **state)
{
	struct tcpc_flow flow = lab_flow(0);
	struct hold_lab lab;

	(void)state;
	begin(&lab);
	take_early(&lab, 0, 'A', PSH_ACK, 100, 1);
	tcpc_hold_touch(lab.hold, 0, &flow);
	expect_did("touch", "at once", &lab, "A1");
	lab.view[0].x.exchanges = 1;
	expect_at(&lab, 1, "");
	expect_true("touch", "is empty", tcpc_hold_empty(lab.hold));
	tcpc_hold_free(lab.hold);
}

/* What comes in the usual way waits behind; the next connection's SYN is nobody's predecessor. */
static void test_behind(void **state)
{
	struct frame_spec more = {.ttl = 'B', .flags = PSH_ACK, .seq = 150, .payload_bytes = 50};
	struct frame_spec syn = {.ttl = 'S', .flags = TCPC_TCP_SYN, .seq = 90000000};
	struct hold_lab lab;

	(void)state;
	begin(&lab);
	take_early(&lab, 0, 'A', PSH_ACK, 100, 1);
	lab_take(&lab, 1, 0, 2, &more);
	lab_take(&lab, 1, 0, 3, &syn);
	tcpc_hold_tick(lab.hold, 2 * MS);
	expect_did("behind", "too soon", &lab, "");
	expect_at(&lab, 10, "A0 B0 S3");
	take_early(&lab, 10, 'C', PSH_ACK, 1, 4);
	lab_take(&lab, 10, 0, 5, &syn);
	take_early(&lab, 10, 'D', PSH_ACK, 50, 6);
	expect_at(&lab, 30, "C0 D0 S6");
	lab.view[0].x.answer_flags = TCPC_TCP_ACK; /* it has opened it */
	expect_at(&lab, 2000, "");
	tcpc_hold_free(lab.hold);
}

static unsigned int tries;
static __u64 now_ms;

static void send_back(struct hold_lab *lab, int conn, const struct tcpc_pkt *pkt, __u32 number)
{
	(void)conn;
	(void)number;
	tries++;
	take_early(lab, now_ms, pkt->ttl, PSH_ACK, pkt->seq, tries + 1);
}

/* The target never opens it: fewer and fewer tries, and an end. */
static void test_never(void **state)
{
	struct hold_lab lab;

	(void)state;
	begin(&lab);
	lab.written = send_back;
	tries = 0;
	take_early(&lab, BEGIN_MS, 'A', PSH_ACK, 100, 1);
	for (now_ms = BEGIN_MS; now_ms < BEGIN_MS + MAX_LAG_MS; now_ms += 10) {
		tcpc_hold_tick(lab.hold, now_ms * MS);
		lab.did[0] = '\0';
		if (now_ms == BEGIN_MS + 100)
			expect_true("never", "8 tries in 100 ms", tries >= 8);
	}
	expect_true("never", "tries", tries > 30 && tries < 60);
	expect_at(&lab, BEGIN_MS + MAX_LAG_MS, "!0");
	expect_u64("never", "shed_lag", tcpc_hold_stats(lab.hold)->shed_lag, 1);
	expect_u64("never", "lost", tcpc_hold_stats(lab.hold)->lost, 1);
	expect_true("never", "is empty", tcpc_hold_empty(lab.hold));
	tcpc_hold_free(lab.hold);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_touch),
		cmocka_unit_test(test_behind),
		cmocka_unit_test(test_never),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
