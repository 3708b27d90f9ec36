/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ledger_chaos.h - any bytes as events for a ledger, sensible or not: packets that overlap,
 * receipts of what never was, all in any order. After each the sums must add up, and records be
 * released once. For a random test and a fuzzer.
 */
#ifndef TCPCOPY_TESTS_LEDGER_CHAOS_H
#define TCPCOPY_TESTS_LEDGER_CHAOS_H

#include <string.h>

#include "core/ledger_priv.h"
#include "tcpcopy/parse.h"

#define CHAOS_EVENT_BYTES 8
#define CHAOS_CONNECTIONS 6
#define CHAOS_MAX_ACCOUNTS 5
#define CHAOS_RECORDS 4096

struct chaos {
	struct tcpc_ledger *ledger;
	__u64 now_ns;
	__u64 n_records, n_live;
	__u8 live[CHAOS_RECORDS];
	__u64 n_resent, n_reset;
	__u32 start;
	const char *wrong;
};

static inline int chaos_resend(void *user, const struct tcpc_ledger_resend *what)
{
	struct chaos *c = user;

	if (!c->live[what->record % CHAOS_RECORDS])
		c->wrong = "a record is sent again that was released";
	if (c->ledger->paused)
		c->wrong = "something is sent again while paused";
	if ((__s32)(what->end_seq - what->from_seq) < 0)
		c->wrong = "what is sent again ends before it begins";
	return c->n_resent++ % 16 ? 0 : -1 - (int)(c->n_resent % 3);
}

static inline void chaos_release(void *user, __u64 record)
{
	struct chaos *c = user;

	if (!c->live[record % CHAOS_RECORDS])
		c->wrong = "a record is released twice";
	c->live[record % CHAOS_RECORDS] = 0;
	c->n_live--;
}

static inline int chaos_reset(void *user, const struct tcpc_flow *flow, __u32 end, __u32 ack)
{
	struct chaos *c = user;

	(void)flow;
	(void)end;
	(void)ack;
	c->n_reset++;
	if (c->ledger->paused)
		c->wrong = "a reset is asked for while paused";
	return 0;
}

/** chaos_begin - an empty ledger. Returns: was there memory for it? */
static inline bool chaos_begin(struct chaos *c, __u32 start)
{
	static const struct tcpc_ledger_ops ops = {chaos_resend, chaos_release, chaos_reset};
	struct tcpc_ledger_config config = {.max_connections = CHAOS_MAX_ACCOUNTS,
					    .max_outage_ns = 2000 * LEDGER_MS};

	memset(c, 0, sizeof(*c));
	c->start = start;
	c->now_ns = 1;
	c->ledger = tcpc_ledger_new(&config, &ops, c, c->now_ns);
	return c->ledger;
}

static inline struct tcpc_flow chaos_flow(__u8 conn)
{
	return (struct tcpc_flow){.client_port = 1 + conn % CHAOS_CONNECTIONS};
}

static inline void chaos_copy(struct chaos *c, const __u8 *e, const struct tcpc_flow *flow)
{
	static const __u8 flags[] = {
		TCPC_TCP_ACK, TCPC_TCP_ACK,
		TCPC_TCP_ACK, TCPC_TCP_ACK | TCPC_TCP_PSH,
		TCPC_TCP_SYN, TCPC_TCP_ACK | TCPC_TCP_FIN,
		TCPC_TCP_RST, TCPC_TCP_ACK | TCPC_TCP_RST,
	};
	struct tcpc_ledger_packet p = {
		.seq = c->start + e[3],
		.ack = c->start + (e[5] >> 4),
		.payload_bytes = e[4] % 64,
		.record = c->n_records,
		.record_bytes = e[4] % 64 + 80,
		.flags = flags[e[2] % sizeof(flags)],
		.kept = c->ledger->paused || (e[6] & 3) == 3,
	};

	/* One that is still alive after so many others: leave it its place. */
	if (c->live[p.record % CHAOS_RECORDS])
		return;
	/* Now and then a connection whose beginning nobody saw. */
	if (e[4] > 250)
		p.seq += 0x50000000;
	c->live[c->n_records++ % CHAOS_RECORDS] = 1;
	c->n_live++;
	tcpc_ledger_copied(c->ledger, c->now_ns, flow, &p);
}

static inline void chaos_receipt(struct chaos *c, const __u8 *e, const struct tcpc_flow *flow)
{
	static const __u8 flags[] = {
		TCPC_TCP_ACK,
		TCPC_TCP_ACK,
		TCPC_TCP_ACK,
		TCPC_TCP_ACK,
		TCPC_TCP_ACK | TCPC_TCP_SYN,
		TCPC_TCP_ACK | TCPC_TCP_FIN,
		TCPC_TCP_ACK | TCPC_TCP_RST,
		TCPC_TCP_RST,
	};
	struct tcpc_receipt r = {
		.client_port = flow->client_port,
		.ack = c->start + e[3],
		.flags = flags[e[2] % sizeof(flags)],
		.window = e[4] & 1,
		.payload_bytes = e[4] & 2,
		.n_sack = e[4] >> 2 & 3,
		.sack = {c->start + e[5], c->start + e[5] + e[6] % 32, c->start + e[6],
			 c->start + e[6] + 20, c->start + e[6] - 9, c->start + e[5]},
	};

	tcpc_ledger_receipt(c->ledger, c->now_ns, &r);
}

static inline void chaos_other(struct chaos *c, const __u8 *e, const struct tcpc_flow *flow)
{
	switch (e[2] % 8) {
	case 0:
		tcpc_ledger_shed(c->ledger, c->now_ns, flow, e[4] % __TCPC_LEDGER_LOST_MAX);
		break;
	case 1:
		tcpc_ledger_give_up(c->ledger, c->now_ns, flow);
		break;
	case 2:
		tcpc_ledger_give_up_largest(c->ledger, c->now_ns, ~0ULL);
		break;
	case 3:
		tcpc_ledger_paused(c->ledger, c->now_ns);
		break;
	case 4:
	case 5:
		tcpc_ledger_resumed(c->ledger, c->now_ns);
		break;
	case 6:
		c->now_ns += e[3] * 300 * LEDGER_MS;
		break;
	default: /* nobody says anything */
		for (int i = 0; i < 64; i++)
			tcpc_ledger_tick(c->ledger, c->now_ns += e[3] * 3 * LEDGER_MS);
	}
}

/** chaos_event - the one that @e (CHAOS_EVENT_BYTES) says. Returns: NULL, or what is wrong. */
static inline const char *chaos_event(struct chaos *c, const __u8 *e)
{
	struct tcpc_flow flow = chaos_flow(e[1]);
	const char *wrong;

	c->now_ns += (__u64)e[7] * e[7] * 10000; /* up to 650 ms */
	if (e[0] < 100)
		chaos_copy(c, e, &flow);
	else if (e[0] < 190)
		chaos_receipt(c, e, &flow);
	else if (e[0] < 210)
		tcpc_ledger_taken(c->ledger, c->now_ns, &flow, c->start + e[3],
				  c->start + e[3] + e[4] % 64);
	else if (e[0] < 246)
		tcpc_ledger_tick(c->ledger, c->now_ns);
	else
		chaos_other(c, e, &flow);
	wrong = ledger_check(c->ledger);
	if (!wrong && tcpc_ledger_stats(c->ledger)->connections > CHAOS_MAX_ACCOUNTS)
		wrong = "more accounts than allowed";
	if (!wrong && c->n_live != tcpc_ledger_stats(c->ledger)->records)
		wrong = "a record was forgotten";
	return wrong ? wrong : c->wrong;
}

/** chaos_end - free all. Returns: NULL, or what is wrong. */
static inline const char *chaos_end(struct chaos *c)
{
	tcpc_ledger_free(c->ledger);
	if (!c->wrong && c->n_live)
		c->wrong = "not all records were released";
	return c->wrong;
}

#endif
