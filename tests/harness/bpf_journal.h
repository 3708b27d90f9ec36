/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bpf_journal.h - the program copy with a journal behind it. To be included first: <uv.h> and
 * <linux/tcp.h> exclude each other, but for a trick.
 */
#ifndef TCPCOPY_TESTS_BPF_JOURNAL_H
#define TCPCOPY_TESTS_BPF_JOURNAL_H

#define _NETINET_TCP_H 1 /* <uv.h> includes it without need */
#include <uv.h>

#include "bpf_online.h"
#include "random.h"

#include "edge/journal.h"

#define TARGET_ID 77

/** The journal's owner. */
static struct {
	struct tcpc_journal *journal;
	__u32 *sleeps;
	__u64 last_id, records;
	struct tcpc_journal_head last;
	__u8 packet[TCPC_JOURNAL_PACKET_MAX]; /* of the last record */
} owner;

static inline void on_record(void *user, __u64 id, const struct tcpc_journal_head *head)
{
	(void)user;
	owner.records++;
	owner.last_id = id;
	owner.last = *head;
	memcpy(owner.packet, head + 1, head->ip_bytes);
}

static inline void on_pressure(void *user)
{
	(void)user;
}

static inline struct tcpc_online_config *shared_config(void)
{
	struct tcpc_online_config *config =
		tcpc_datapath_map_shared(lab.skel->maps.config, sizeof(*config));

	if (!config)
		expect_fail("cannot share the config map");
	return config;
}

static inline void open_journal(__u64 heap_bytes, void (*pressure)(void *))
{
	struct tcpc_online_config *config = shared_config(); /* until the process ends */
	struct tcpc_journal_config c = {
		.ring_fd = bpf_map__fd(lab.skel->maps.journal),
		.ring_bytes = bpf_map__max_entries(lab.skel->maps.journal),
		.heap_bytes = heap_bytes,
		.record = on_record,
		.pressure = pressure,
	};
	struct tcpc_err err = {};

	c.reader_sleeps = owner.sleeps = &config->reader_sleeps;
	owner.records = 0;
	if (tcpc_journal_open(uv_default_loop(), &c, &owner.journal, &err))
		expect_fail("%s", err.text);
}

/* The ring can be read once: a reader that comes later would not know what is still in it. So each
 * test loads the programs anew. */
static inline void begin(__u64 heap_bytes, void (*pressure)(void *))
{
	void *state = NULL;

	online_leave(&state);
	lab.skel = online_bpf__open_and_load();
	if (!lab.skel)
		expect_fail("loading the online programs: %s", strerror(errno));
	lab.copy_fd = bpf_program__fd(lab.skel->progs.copy);
	lab.tap_fd = bpf_program__fd(lab.skel->progs.tap);
	lab.counters.map = lab.skel->maps.stats;
	open_journal(heap_bytes, pressure);
}

static inline void end(void)
{
	tcpc_journal_close(owner.journal);
	for (int i = 0; i < 4; i++) /* what it has closed */
		uv_run(uv_default_loop(), UV_RUN_NOWAIT);
}

static inline struct tcpc_target journal_target(int family, __u32 flags)
{
	struct tcpc_target target = {
		.addr = frame_host(&(struct frame_spec){.family = family}, 9),
		.port = tcpc_htons(8080),
		.flags = TCPC_TARGET_READY | flags,
		.ifindex = lab.out,
		.id = TARGET_ID,
	};

	return target;
}

static inline void set_target(int family, __u32 flags)
{
	struct tcpc_target_set set = {.n_targets = 1};

	set.target[0] = journal_target(family, flags);
	online_targets(&set);
}

/* Runs copy over a frame, and expects its verdict. */
static inline struct bpf_run *run_copy_for(const char *row, const struct frame_spec *spec,
					   __u32 verdict)
{
	static struct bpf_run run;
	struct frame frame = frame_build(spec);

	run.ifindex = lab.copy;
	run.ingress_ifindex = lab.live;
	run.cb[0] = CB_MAGIC;
	run.cb[1] = 0;
	bpf_run(row, lab.copy_fd, &run, frame.data, frame.bytes);
	expect_u64(row, "verdict", run.verdict, verdict);
	frame_free(&frame);
	return &run;
}

/* The copy leaves, whatever the journal does. */
static inline struct bpf_run *run_copy(const char *row, const struct frame_spec *spec)
{
	return run_copy_for(row, spec, VERDICT_REDIRECT);
}

/* The last record has the addresses with which @came did, its ports stand beside it. They are
 * written into @ip as well, the IP header that left. */
static inline void expect_origin(const char *row, const struct frame_spec *came, __u8 *ip, bool v4)
{
	const struct tcpc_journal_head *head = &owner.last;
	struct frame frame = frame_build(came);
	const __u8 *tcp = frame.data + frame.l4_off;
	__u32 at = v4 ? 12 : 8, n = v4 ? 8 : 32;

	expect_bytes(row, owner.packet + at, frame.data + frame.l3_off + at, n);
	memcpy(ip + at, frame.data + frame.l3_off + at, n);
	expect_bytes(row, &head->client_port, tcp, 2);
	expect_bytes(row, &head->server_port, tcp + 2, 2);
	expect_u64(row, "where it came in", head->tap_ifindex, lab.live);
	expect_u64(row, "first", head->first, 1);
	frame_free(&frame);
}

static inline struct tcpc_retention_stats journal_stats(void)
{
	struct tcpc_retention_stats s;

	tcpc_journal_stats(owner.journal, &s);
	return s;
}

#endif
