// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_absorb.c - engine tc over single responses: the ACK that each becomes, compared with the
 * pure function's, the receipts in the ring buffer, and what absorb leaves alone.
 */
#include "../harness/bpf_target.h"

#include <sys/epoll.h>

#include "tcpcopy/reflect.h"

#define CLIENT_PORT 42200
#define ENDED (-7) /* redirected to no interface: it comes out as it went in */
#define REFLECT_MARK 0x74637266

static struct bpf_run run;
static int absorb_fd;
static struct ring_buffer *ring;
static int wake_fd;		     /* edge-triggered on the ring */
static struct tcpc_raw_receipt last; /* the one read last */

/** A response of the target, and what becomes of it. */
struct response {
	const char *row;
	struct frame_spec spec;
	int verdict;
	size_t counter;
	__u32 sent_end; /* of what the target has sent before, 0: unknown */
	__u32 ack;	/* of the ACK that it becomes */
};

static int on_record(void *user, void *data, size_t bytes)
{
	(void)user;
	assert_int_equal(bytes, sizeof(last));
	memcpy(&last, data, bytes);
	return 0;
}

/* From the target's service to a client, its MACs told apart. */
static struct frame response_frame(const struct response *r, int family)
{
	struct frame_spec spec = r->spec;
	struct frame frame;

	spec.family = family;
	spec.saddr = frame_host(&spec, 2);
	spec.daddr = frame_host(&spec, 1);
	spec.sport = spec.sport ?: SERVICE_PORT;
	spec.dport = CLIENT_PORT;
	frame = frame_build(&spec);
	memset(frame.data, 0x0a, ETH_ALEN);
	memset(frame.data + ETH_ALEN, 0x0b, ETH_ALEN);
	return frame;
}

static void know_exchange(const struct frame *frame, __u32 sent_end, __u32 held)
{
	struct tcpc_exchange x = {.answer_end = sent_end, .held = held};
	struct tcpc_flow flow;
	struct tcpc_pkt pkt;

	x.answer_flags = sent_end ? TCPC_TCP_ACK : 0;
	frame_parse(frame, TCPC_LINK_ETHER, &pkt);
	flow = (struct tcpc_flow){.client = pkt.daddr,
				  .server = pkt.saddr,
				  .client_port = pkt.dport,
				  .server_port = pkt.sport};
	if (bpf_map_update_elem(bpf_map__fd(lab.skel->maps.exchanges), &flow, &x, BPF_ANY))
		expect_fail("exchanges: %s", strerror(errno));
}

static void run_absorb(const char *row, const struct frame *frame, int verdict)
{
	run.ifindex = lab.live;
	run.mark = 0;
	bpf_run(row, absorb_fd, &run, frame->data, frame->bytes);
	if (verdict == ENDED)
		verdict = VERDICT_REDIRECT;
	expect_u64(row, "verdict", (__u32)run.verdict, (__u32)verdict);
}

/* What stands in front is the ACK; the payload behind it does not belong to the packet any more. */
static void expect_ack(const struct response *r, const struct frame *frame)
{
	struct tcpc_pkt pkt, ack;
	__u8 want[TCPC_REFLECT_MAX] __attribute__((aligned(8)));
	__u32 bytes;

	frame_parse(frame, TCPC_LINK_ETHER, &pkt);
	bytes = tcpc_reflect_build(&pkt, want);
	expect_u64(r->row, "mark", run.mark_out, REFLECT_MARK);
	expect_bytes(r->row, run.out, frame->data + ETH_ALEN, ETH_ALEN);
	expect_u64(r->row, "parse",
		   tcpc_parse(run.out, run.out + run.bytes, run.bytes, TCPC_LINK_ETHER, &ack),
		   TCPC_PARSE_OK);
	expect_u64(r->row, "ACK", ack.ack, r->ack);
	expect_u64(r->row, "payload", ack.payload_bytes, 0);
	expect_u64(r->row, "checksums",
		   frame_checks_right(run.out + ack.l3_off, run.out + ack.l4_off, 20), 1);
	if (r->ack == pkt.seq + tcpc_pkt_seq_len(&pkt))
		expect_bytes(r->row, run.out + ETH_HLEN, want, bytes);
}

static void expect_receipt(const struct response *r, const struct frame *frame)
{
	struct tcpc_pkt pkt;

	memset(&last, 0, sizeof(last));
	expect_u64(r->row, "receipts", ring_buffer__consume(ring), 1);
	frame_parse(frame, TCPC_LINK_ETHER, &pkt);
	expect_bytes(r->row, &last.receipt.client, &pkt.daddr, sizeof(pkt.daddr));
	expect_u64(r->row, "receipt's port", last.receipt.client_port, tcpc_htons(CLIENT_PORT));
	expect_u64(r->row, "receipt's seq", last.receipt.seq, pkt.seq);
	expect_u64(r->row, "receipt's ack", last.receipt.ack, pkt.ack);
	expect_u64(r->row, "receipt's length", last.receipt.payload_bytes, pkt.payload_bytes);
	expect_u64(r->row, "receipt's flags", last.receipt.flags, pkt.flags);
	expect_u64(r->row, "receipt's options", last.options_bytes, r->spec.tcp_option_bytes);
	expect_bytes(r->row, last.options, r->spec.tcp_options, last.options_bytes);
}

static const struct response responses[] = {
	{"SYN, ACK",
	 {.flags = TCPC_TCP_SYN | TCPC_TCP_ACK, .seq = 99, .ack = 7},
	 VERDICT_REDIRECT,
	 COUNTER(absorbed),
	 0,
	 100},
	{"data",
	 {.flags = TCPC_TCP_ACK, .seq = 100, .ack = 7, .payload_bytes = 1000},
	 VERDICT_REDIRECT,
	 COUNTER(absorbed),
	 100,
	 1100},
	{"data that wraps",
	 {.flags = TCPC_TCP_ACK, .seq = -10, .ack = -1, .payload_bytes = 30},
	 VERDICT_REDIRECT,
	 COUNTER(absorbed),
	 -10,
	 20},
	{"an odd length",
	 {.flags = TCPC_TCP_ACK, .seq = 5, .payload_bytes = 777},
	 VERDICT_REDIRECT,
	 COUNTER(absorbed),
	 0,
	 782},
	{"data with FIN",
	 {.flags = TCPC_TCP_ACK | TCPC_TCP_FIN, .seq = 1, .payload_bytes = 9},
	 VERDICT_REDIRECT,
	 COUNTER(absorbed),
	 1,
	 11},
	{"FIN",
	 {.flags = TCPC_TCP_ACK | TCPC_TCP_FIN, .seq = 11},
	 VERDICT_REDIRECT,
	 COUNTER(absorbed),
	 11,
	 12},
	{"SACK",
	 {.flags = TCPC_TCP_ACK,
	  .seq = 12,
	  .payload_bytes = 3,
	  .tcp_option_bytes = 12,
	  .tcp_options = {1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2}},
	 VERDICT_REDIRECT,
	 COUNTER(absorbed),
	 12,
	 15},
	{"ACK",
	 {.flags = TCPC_TCP_ACK, .seq = 15, .ack = 9},
	 ENDED,
	 COUNTER(absorbed_quiet),
	 15,
	 0},
	{"ACK, nothing known",
	 {.flags = TCPC_TCP_ACK, .seq = 15, .ack = 9},
	 ENDED,
	 COUNTER(absorbed_quiet),
	 0,
	 0},
	{"keep-alive probe",
	 {.flags = TCPC_TCP_ACK, .seq = 14, .ack = 9},
	 VERDICT_REDIRECT,
	 COUNTER(absorbed),
	 15,
	 15},
	{"RST", {.flags = TCPC_TCP_RST, .seq = 14}, ENDED, COUNTER(absorbed_quiet), 15, 0},
	{"RST, ACK",
	 {.flags = TCPC_TCP_RST | TCPC_TCP_ACK, .seq = 15},
	 ENDED,
	 COUNTER(absorbed_quiet),
	 15,
	 0},
	{"another port",
	 {.flags = TCPC_TCP_ACK, .sport = 8888, .payload_bytes = 9},
	 VERDICT_NEXT,
	 0,
	 0,
	 0},
};

static void run_response(const struct response *r, int family)
{
	struct tcpc_target_stats moved = {};
	struct frame frame = response_frame(r, family);

	if (r->verdict != VERDICT_NEXT)
		*(__u64 *)((char *)&moved + r->counter) = 1;
	know_exchange(&frame, r->sent_end, 0);
	counters_mark(&lab.counters);
	run_absorb(r->row, &frame, r->verdict);
	expect_moved(r->row, &lab.counters, &moved);
	if (r->verdict == VERDICT_REDIRECT)
		expect_ack(r, &frame);
	else
		expect_bytes(r->row, run.out, frame.data, frame.bytes);
	if (r->verdict == VERDICT_NEXT)
		expect_u64(r->row, "receipts", ring_buffer__consume(ring), 0);
	else
		expect_receipt(r, &frame);
	frame_free(&frame);
}

static void test_responses(void **state)
{
	(void)state;
	need_netns();
	for (int family = 4; family <= 6; family += 2)
		for (size_t i = 0; i < COUNT_OF(responses); i++)
			run_response(&responses[i], family);
}

/* Clients in the allow-list, and packets from other addresses of this host, go out as they are. */
static void test_left_alone(void **state)
{
	const struct response *data = &responses[1];

	(void)state;
	need_netns();
	for (int family = 4; family <= 6; family += 2) {
		struct frame frame = response_frame(data, family);
		struct tcpc_addr client = frame_host(&(struct frame_spec){.family = family}, 1);

		target_allow(client, 128, TCPC_ALLOW_DIRECT);
		run_absorb("allowed", &frame, VERDICT_NEXT);
		expect_bytes("allowed", run.out, frame.data, frame.bytes);
		target_allow(client, 128, TCPC_ALLOW_PENDING);
		run_absorb("not yet allowed", &frame, VERDICT_REDIRECT);
		target_allow(client, 128, TCPC_ALLOW_NONE);
		frame_put16(frame.data + frame.l3_off + (family == 4 ? 14 : 22), 0x4242);
		run_absorb("another address of ours", &frame, VERDICT_NEXT);
		frame_free(&frame);
	}
	ring_buffer__consume(ring);
}

/* With engine nfqueue it sees what no rule has queued, and counts that. */
static void test_past_rule(void **state)
{
	struct tcpc_target_stats moved = {.past_rule = 1, .absorbed = 1};
	struct frame frame = response_frame(&responses[1], 4);
	struct tcpc_addr client = frame_host(&(struct frame_spec){.family = 4}, 1);

	(void)state;
	need_netns();
	target_service(SERVICE_PORT, TCPC_INTERCEPT_QUEUED);
	counters_mark(&lab.counters);
	run_absorb("no rule", &frame, VERDICT_REDIRECT);
	expect_moved("no rule", &lab.counters, &moved);
	target_allow(client, 128, TCPC_ALLOW_DIRECT);
	counters_mark(&lab.counters);
	run_absorb("allowed", &frame, VERDICT_NEXT);
	moved = (struct tcpc_target_stats){};
	expect_moved("allowed: queue_filter has counted it", &lab.counters, &moved);
	target_allow(client, 128, TCPC_ALLOW_NONE);
	target_service(SERVICE_PORT, 0);
	ring_buffer__consume(ring);
	frame_free(&frame);
}

/* The ACK passes align once, unmarked and untouched; without the mark it would be dropped. */
static void test_comes_in(void **state)
{
	const struct response *data = &responses[1];
	static const struct tcpc_target_stats nothing;
	struct frame frame = response_frame(data, 4);
	static struct bpf_run in;

	(void)state;
	need_netns();
	run_absorb("out", &frame, VERDICT_REDIRECT);
	in.ifindex = lab.live;
	in.mark = run.mark_out;
	counters_mark(&lab.counters);
	bpf_run("in", lab.align_fd, &in, run.out, run.bytes);
	expect_u64("in", "verdict", (__u32)in.verdict, (__u32)VERDICT_NEXT);
	expect_u64("in", "mark", in.mark_out, 0);
	expect_bytes("in", in.out, run.out, run.bytes);
	expect_moved("in", &lab.counters, &nothing);
	ring_buffer__consume(ring);
	frame_free(&frame);
}

/* Was the ring's reader woken since the last call? */
static int woken(void)
{
	struct epoll_event event;

	return epoll_wait(wake_fd, &event, 1, 0);
}

/* One wake-up for a sleeping reader, none for one that is awake, one for each held connection. */
static void test_wake_ups(void **state)
{
	const struct response *data = &responses[1];
	struct frame frame = response_frame(data, 4);
	struct tcpc_target_config config = {.abi_version = TCPC_ABI_VERSION, .reader_sleeps = 1};
	int fd = bpf_map__fd(lab.skel->maps.config);
	__u32 key = 0;

	(void)state;
	need_netns();
	ring_buffer__consume(ring);
	woken();
	know_exchange(&frame, 100, 0);
	assert_int_equal(bpf_map_update_elem(fd, &key, &config, BPF_ANY), 0);
	run_absorb("asleep", &frame, VERDICT_REDIRECT);
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &config), 0);
	expect_u64("asleep", "reader_sleeps", config.reader_sleeps, 0);
	expect_u64("asleep", "woken", woken(), 1);
	ring_buffer__consume(ring);
	run_absorb("awake", &frame, VERDICT_REDIRECT);
	expect_u64("awake", "woken", woken(), 0);
	know_exchange(&frame, 100, 3);
	run_absorb("held", &frame, VERDICT_REDIRECT);
	expect_u64("held", "woken", woken(), 1);
	ring_buffer__consume(ring);
	frame_free(&frame);
}

/* A reader that does not read loses receipts, counted; the responses stay inside all the same. */
static void test_full(void **state)
{
	const struct response *data = &responses[1];
	struct frame frame = response_frame(data, 4);
	struct tcpc_target_stats sum;
	int n;

	(void)state;
	need_netns();
	ring_buffer__consume(ring);
	for (n = 0; n < 20000; n++) {
		run_absorb("full", &frame, VERDICT_REDIRECT);
		assert_int_equal(
			tcpc_datapath_sum(lab.skel->maps.stats, (__u64 *)&sum, sizeof(sum) / 8), 0);
		if (sum.receipts_lost)
			break;
	}
	if (n < 5000 || n == 20000)
		fail_msg("the ring took %d receipts", n);
	assert_int_equal(ring_buffer__consume(ring), n);
	frame_free(&frame);
}

static int enter(void **state)
{
	struct epoll_event edge = {.events = EPOLLIN | EPOLLET};

	if (target_enter(state))
		return -1;
	if (!in_netns)
		return 0;
	absorb_fd = bpf_program__fd(lab.skel->progs.absorb);
	ring = ring_buffer__new(bpf_map__fd(lab.skel->maps.receipts), on_record, NULL, NULL);
	wake_fd = epoll_create1(EPOLL_CLOEXEC);
	target_address(4, 2);
	target_address(6, 2);
	return !ring ||
	       epoll_ctl(wake_fd, EPOLL_CTL_ADD, bpf_map__fd(lab.skel->maps.receipts), &edge);
}

static int leave(void **state)
{
	ring_buffer__free(ring);
	return target_leave(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_responses), cmocka_unit_test(test_left_alone),
		cmocka_unit_test(test_comes_in),  cmocka_unit_test(test_wake_ups),
		cmocka_unit_test(test_full),	  cmocka_unit_test(test_past_rule),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
