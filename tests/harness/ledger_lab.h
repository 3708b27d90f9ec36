/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ledger_lab.h - a ledger whose daemon is a text: what it did is noted, records are watched (each
 * is released once, and not sent again after that), and after every event the sums must add up.
 */
#ifndef TCPCOPY_TESTS_LEDGER_LAB_H
#define TCPCOPY_TESTS_LEDGER_LAB_H

#include "expect.h"

#include "core/ledger_priv.h"
#include "tcpcopy/addr.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

#define MS 1000000ULL
#define LAB_PORT 10000 /* client port of connection 0 */

struct ledger_lab {
	struct tcpc_ledger *ledger;
	__u64 now_ns;
	bool notes;	/* write @did */
	bool unchecked; /* sums are looked at by the test, not after every event */
	bool keeps;	/* what is copied does not leave */
	int send_error; /* what sending again returns */
	__u32 start;	/* added to every number of a packet: where numbers wrap */
	__u8 *live;	/* by record: the ledger has it */
	__u64 n_records, room_records, n_live;
	void (*resend)(struct ledger_lab *lab, const struct tcpc_ledger_resend *what);
	void (*reset)(struct ledger_lab *lab, const struct tcpc_flow *flow);
	char did[512];
};

static inline struct tcpc_flow lab_flow(__u32 conn)
{
	return (struct tcpc_flow){
		.client = tcpc_addr_from_v4(tcpc_htonl(0xc6120000 + (conn >> 14))),
		.server = tcpc_addr_from_v4(tcpc_htonl(0xc6130001)),
		.client_port = tcpc_htons(LAB_PORT + (conn & 0x3fff)),
		.server_port = tcpc_htons(80),
	};
}

static inline __u32 lab_conn(const struct tcpc_flow *flow)
{
	return (tcpc_ntohl(flow->client.w[3]) - 0xc6120000) << 14 |
	       (tcpc_ntohs(flow->client_port) - LAB_PORT);
}

static inline void lab_note(struct ledger_lab *lab, const char *text)
{
	size_t at = strlen(lab->did);

	if (lab->notes)
		snprintf(lab->did + at, sizeof(lab->did) - at, "%s%s", at ? " " : "", text);
}

/* Record 0 is A, 1 is B... */
static inline int lab_on_resend(void *user, const struct tcpc_ledger_resend *what)
{
	struct ledger_lab *lab = user;
	char text[64];

	expect_true("resend", "the record is still there", lab->live[what->record]);
	snprintf(text, sizeof(text), "%c%u-%u%s", (char)('A' + what->record % 26),
		 what->from_seq - lab->start, what->end_seq - lab->start,
		 what->may_open ? "?" : "");
	lab_note(lab, text);
	if (lab->send_error)
		return lab->send_error;
	if (lab->resend)
		lab->resend(lab, what);
	return 0;
}

static inline void lab_on_release(void *user, __u64 record)
{
	struct ledger_lab *lab = user;
	char text[4] = {'-', (char)('A' + record % 26)};

	expect_true("release", "the record was there", lab->live[record]);
	lab->live[record] = 0;
	lab->n_live--;
	lab_note(lab, text);
}

static inline int lab_on_reset(void *user, const struct tcpc_flow *flow, __u32 end, __u32 ack)
{
	struct ledger_lab *lab = user;
	char text[32];

	(void)ack;
	snprintf(text, sizeof(text), "!%u", end - lab->start);
	lab_note(lab, text);
	if (lab->reset)
		lab->reset(lab, flow);
	return 0;
}

/** lab_begin - an empty ledger; at most @records packets can be copied. */
static inline void lab_begin(struct ledger_lab *lab, __u64 records, __u32 max_connections)
{
	static const struct tcpc_ledger_ops ops = {lab_on_resend, lab_on_release, lab_on_reset};
	struct tcpc_ledger_config config = {
		.hash_key = {3, 4},
		.max_connections = max_connections,
		.max_outage_ns = 20000 * MS,
	};

	memset(lab, 0, sizeof(*lab));
	lab->now_ns = 1000 * MS;
	lab->room_records = records;
	lab->live = calloc(records, 1);
	lab->ledger = tcpc_ledger_new(&config, &ops, lab, lab->now_ns);
	assert_non_null(lab->live);
	assert_non_null(lab->ledger);
}

/** lab_end - nothing may be left behind. */
static inline void lab_end(struct ledger_lab *lab)
{
	tcpc_ledger_free(lab->ledger);
	expect_u64("end", "records that were not released", lab->n_live, 0);
	free(lab->live);
}

static inline void lab_check(const struct ledger_lab *lab, const char *row)
{
	const char *wrong = lab->unchecked ? NULL : ledger_check(lab->ledger);

	if (wrong)
		expect_fail("%s: %s", row, wrong);
}

/** lab_copied - a copy of connection @conn leaves; numbers are distances from the start. */
static inline void lab_copied(struct ledger_lab *lab, __u32 conn, __u8 flags, __u32 seq, __u32 ack,
			      __u32 payload_bytes)
{
	struct tcpc_flow flow = lab_flow(conn);
	struct tcpc_ledger_packet packet = {
		.seq = lab->start + seq,
		.ack = lab->start + ack,
		.flags = flags,
		.payload_bytes = payload_bytes,
		.record = lab->n_records++,
		.record_bytes = payload_bytes + 100,
		.kept = lab->keeps,
	};

	expect_true("copied", "the lab has room for records", packet.record < lab->room_records);
	lab->live[packet.record] = 1;
	lab->n_live++;
	tcpc_ledger_copied(lab->ledger, lab->now_ns, &flow, &packet);
	lab_check(lab, "copied");
}

/** lab_receipt - @receipt, with its flow and the start of its numbers filled in here. */
static inline void lab_receipt(struct ledger_lab *lab, __u32 conn, struct tcpc_receipt receipt)
{
	struct tcpc_flow flow = lab_flow(conn);

	receipt.client = flow.client;
	receipt.server = flow.server;
	receipt.client_port = flow.client_port;
	receipt.server_port = flow.server_port;
	receipt.ack += lab->start;
	for (int i = 0; i < 2 * receipt.n_sack; i++)
		receipt.sack[i] += lab->start;
	tcpc_ledger_receipt(lab->ledger, lab->now_ns, &receipt);
	lab_check(lab, "receipt");
}

static inline void lab_taken(struct ledger_lab *lab, __u32 conn, __u32 seq, __u32 end)
{
	struct tcpc_flow flow = lab_flow(conn);

	tcpc_ledger_taken(lab->ledger, lab->now_ns, &flow, lab->start + seq, lab->start + end);
	lab_check(lab, "taken");
}

/** lab_run_to - ticks up to @ms after the start. */
static inline void lab_run_to(struct ledger_lab *lab, __u32 ms)
{
	__u64 to_ns = (1000 + ms) * MS;

	while (lab->now_ns + TCPC_LEDGER_TICK_MS * MS < to_ns) {
		lab->now_ns += TCPC_LEDGER_TICK_MS * MS;
		tcpc_ledger_tick(lab->ledger, lab->now_ns);
		lab_check(lab, "tick");
	}
	lab->now_ns = to_ns;
	tcpc_ledger_tick(lab->ledger, lab->now_ns);
	lab_check(lab, "tick");
}

#endif
