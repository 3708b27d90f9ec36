/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bpf_opening.h - what the tests of connections that are not open share: the ends that a packet for
 * one can come to, and a client outside, whose request socket stays half open.
 */
#ifndef TCPCOPY_TESTS_BPF_OPENING_H
#define TCPCOPY_TESTS_BPF_OPENING_H

#include "bpf_hold.h"

#include <time.h>

#define CLIENT_PORT 43000
#define SYN_SEQ 0xffffffff /* so that the first byte of data is at 0 */
#define CLIENT_ACK 0x600dcafe
#define SYN_ACK_END 0x7ead0001
#define COOKIE_PORT 86 /* a service that holds, whose listener nobody has sent a SYN */
#define ADOPT_PORT 87  /* a service with --adopt any */
#define LONG_AGO_NS 1000000000ULL

static int arrivals; /* what comes in on live0: the other pass of a packet */
static struct bpf_run run;

static inline __u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static inline void run_align(const char *row, __u32 mark, const struct frame *frame)
{
	run.ifindex = lab.live;
	run.mark = mark;
	counters_mark(&lab.counters);
	bpf_run(row, lab.align_fd, &run, frame->data, frame->bytes);
	expect_u64(row, "mark", run.mark_out, 0);
}

/* The packet itself comes again, as it was, or nothing does. */
static inline void expect_again(const char *row, const struct frame *frame)
{
	static __u8 buf[RUN_OUT_BYTES];
	__u32 n;

	if (!frame) {
		expect_u64(row, "bytes that come again",
			   packet_read(arrivals, PACKET_HOST, buf, sizeof(buf)), 0);
		return;
	}
	n = packet_next(row, arrivals, PACKET_HOST, buf, sizeof(buf));
	expect_u64(row, "length of what comes again", n, frame->bytes);
	expect_bytes(row, buf, frame->data, n);
}

static inline struct frame_spec first_data(const struct connection *c)
{
	struct frame_spec spec = connection_frame(c);

	spec.seq = SYN_SEQ + 1;
	spec.ack = CLIENT_ACK;
	return spec;
}

static inline void tag_early(struct frame *frame, __u32 number)
{
	struct tcpc_hold_tag tag;

	tcpc_hold_tag_write(&tag, number);
	tag.magic[1] = TCPC_HOLD_EARLY;
	memcpy(frame->data + ETH_ALEN, &tag, sizeof(tag));
}

static inline void expect_waits(const char *row, const struct connection *c, __u32 mark,
				const struct frame_spec *spec)
{
	struct tcpc_target_stats moved = target_moves(COUNTER(held));
	struct frame frame = frame_build(spec), want = frame_build(spec);

	moved.held_early = 1;
	moved.returned = mark == TCPC_HOLD_MARK;
	tag_early(&want, hold_exchange(c).held + 1);
	run_align(row, mark, &frame);
	expect_run(row, &run, VERDICT_REDIRECT, &want);
	expect_moved(row, &lab.counters, &moved);
	expect_again(row, NULL);
	frame_free(&frame);
	frame_free(&want);
}

/* The packet becomes the SYN just before it, counted by @counter, and comes again. */
static inline void expect_opens(const char *row, __u32 mark, const struct frame_spec *spec,
				size_t counter)
{
	struct tcpc_target_stats moved = target_moves(counter);
	struct frame frame = frame_build(spec), want;
	struct frame_spec syn = *spec;

	moved.returned = mark == TCPC_HOLD_MARK;
	syn.flags = TCPC_TCP_SYN;
	syn.seq = spec->seq - 1;
	syn.ack = 0;
	syn.window = TCPC_OPEN_WINDOW;
	syn.payload_bytes = 0;
	syn.urgent = 0;
	syn.tcp_option_bytes = 12;
	memcpy(syn.tcp_options, "\x02\x04\x05\xb4\x01\x03\x03\x07\x04\x02\x01\x01", 12);
	want = frame_build(&syn);
	run_align(row, mark, &frame);
	expect_run(row, &run, VERDICT_NEXT, &want);
	expect_moved(row, &lab.counters, &moved);
	expect_again(row, &frame);
	frame_free(&frame);
	frame_free(&want);
}

static inline void expect_reopens(const char *row, __u32 mark, const struct frame_spec *spec)
{
	expect_opens(row, mark, spec, COUNTER(reopened));
}

static inline void expect_lost(const char *row, __u32 mark, const struct frame_spec *spec)
{
	struct tcpc_target_stats moved = target_moves(COUNTER(no_connection));
	struct frame frame = frame_build(spec);

	moved.returned = mark == TCPC_HOLD_MARK;
	run_align(row, mark, &frame);
	expect_run(row, &run, VERDICT_DROP, &frame);
	expect_moved(row, &lab.counters, &moved);
	expect_again(row, NULL);
	frame_free(&frame);
}

/* Aligned, and counted as @moved. */
static inline void expect_fitted(const char *row, __u32 mark, const struct frame_spec *spec,
				 const struct tcpc_target_stats *moved, __u32 ack)
{
	struct frame frame = frame_build(spec), want;
	struct frame_spec fitted = *spec;

	fitted.flags |= TCPC_TCP_ACK;
	fitted.ack = ack;
	fitted.window = TCPC_OPEN_WINDOW;
	want = frame_build(&fitted);
	run_align(row, mark, &frame);
	expect_run(row, &run, VERDICT_NEXT, &want);
	expect_moved(row, &lab.counters, moved);
	frame_free(&frame);
	frame_free(&want);
}

/* Aligned to a connection in the state that @counter stands for. */
static inline void expect_passes(const char *row, __u32 mark, const struct frame_spec *spec,
				 size_t counter, __u32 ack, __u32 exchanges)
{
	struct tcpc_target_stats moved = target_moves(counter);

	moved.exchanges = exchanges;
	moved.returned = mark == TCPC_HOLD_MARK;
	expect_fitted(row, mark, spec, &moved, ack);
}

static inline struct connection only_listener(__u16 port)
{
	struct connection c = {4, -1, -1, -1, CLIENT_PORT, port};

	c.listener = connection_listen(4, port);
	return c;
}

/* A SYN from outside, whose SYN-ACK nobody answers, leaves a request socket. Returns the target's
 * snd_nxt. */
static inline __u32 open_half(const struct frame_spec *data)
{
	static __u8 buf[RUN_OUT_BYTES];
	struct frame_spec syn = *data;
	struct frame frame;
	struct tcpc_pkt pkt;
	int wire = packet_open("live1");
	__u32 n;

	syn.flags = TCPC_TCP_SYN;
	syn.seq = SYN_SEQ;
	syn.ack = 0;
	syn.payload_bytes = 0;
	frame = frame_build(&syn);
	packet_send("SYN", wire, &frame);
	expect_again("SYN from outside", &frame);
	n = packet_next("SYN, ACK", wire, PACKET_HOST, buf, sizeof(buf));
	expect_u64("SYN, ACK", "parse", tcpc_parse(buf, buf + n, n, TCPC_LINK_ETHER, &pkt),
		   TCPC_PARSE_OK);
	frame_free(&frame);
	close(wire);
	return pkt.seq + 1;
}

/* The exchange of the client from outside, number 7. */
static inline struct tcpc_flow outside_flow(const struct connection *c)
{
	struct tcpc_flow flow = hold_flow(c);

	flow.client = frame_host(&(struct frame_spec){}, 7);
	return flow;
}

static inline struct tcpc_exchange outside_exchange(const struct connection *c)
{
	struct tcpc_flow flow = outside_flow(c);
	struct tcpc_exchange x;

	if (bpf_map_lookup_elem(bpf_map__fd(lab.skel->maps.exchanges), &flow, &x))
		expect_fail("there is no entry in exchanges");
	return x;
}

static inline void know_outside(const struct connection *c, __u32 held)
{
	struct tcpc_flow flow = outside_flow(c);
	struct tcpc_exchange x = {.syn_seq = SYN_SEQ, .start_ns = now_ns(), .held = held};

	if (bpf_map_update_elem(bpf_map__fd(lab.skel->maps.exchanges), &flow, &x, BPF_ANY))
		expect_fail("exchanges: %s", strerror(errno));
}

static inline int opening_enter(void **state)
{
	if (hold_enter(state))
		return -1;
	if (!in_netns)
		return 0;
	hold_service(COOKIE_PORT, 0, HOLD_IFINDEX);
	target_service(ADOPT_PORT, TCPC_INTERCEPT_ADOPT_ANY);
	arrivals = packet_open("live0");
	return 0;
}

#endif
