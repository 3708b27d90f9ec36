/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ledger_table.h - scenarios for the ledger as tables of (time, event) -> what it does, and how the
 * sums stand at the end. Each runs with several starting numbers, so that they wrap in each place;
 * the numbers in the tables are distances from the start.
 *
 * What it does, as text: "B1-101" record B is sent again from 1 up to 101 ("?": it may open the
 * connection), "-B" it is released, "!1" the target is to reset the connection.
 */
#ifndef TCPCOPY_TESTS_LEDGER_TABLE_H
#define TCPCOPY_TESTS_LEDGER_TABLE_H

#include <errno.h>

#include "ledger_lab.h"

#include "tcpcopy/parse.h"

#define ACK TCPC_TCP_ACK
#define PSH_ACK (TCPC_TCP_PSH | TCPC_TCP_ACK)
#define SYN TCPC_TCP_SYN
#define SYN_ACK (TCPC_TCP_SYN | TCPC_TCP_ACK)
#define FIN_ACK (TCPC_TCP_FIN | TCPC_TCP_ACK)
#define RST TCPC_TCP_RST
#define RST_ACK (TCPC_TCP_RST | TCPC_TCP_ACK)

enum what {
	END,
	COPY,
	RECEIPT,
	TAKEN,
	SHED,
	GIVE_UP,
	LARGEST,
	PAUSE,
	RESUME,
	KEEP,
	TIME,
	FAIL,
	REFUSE
};

struct step {
	enum what what;
	__u32 ms;
	int conn;
	__u8 flags;
	__u32 seq, ack, bytes;
	__u32 sack[4];
	const char *want;
};

/* A copy leaves; records are named A, B... in their order. */
#define C(ms_, flags_, seq_, ack_, bytes_, want_)                                                  \
	{                                                                                          \
		.what = COPY, .ms = ms_, .flags = flags_, .seq = seq_, .ack = ack_,                \
		.bytes = bytes_, .want = want_                                                     \
	}
#define C1(ms_, flags_, seq_, ack_, bytes_, want_)                                                 \
	{                                                                                          \
		.what = COPY, .ms = ms_, .conn = 1, .flags = flags_, .seq = seq_, .ack = ack_,     \
		.bytes = bytes_, .want = want_                                                     \
	}
/* The target's TCP says @ack, in a packet with @bytes; and perhaps SACK blocks. */
#define R(ms_, flags_, ack_, bytes_, want_, ...)                                                   \
	{                                                                                          \
		.what = RECEIPT, .ms = ms_, .flags = flags_, .ack = ack_, .bytes = bytes_,         \
		.want = want_, .sack = {                                                           \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define T(ms_, seq_, end_, want_)                                                                  \
	{                                                                                          \
		.what = TAKEN, .ms = ms_, .seq = seq_, .ack = end_, .want = want_                  \
	}
#define DO(what_, ms_, want_)                                                                      \
	{                                                                                          \
		.what = what_, .ms = ms_, .want = want_                                            \
	}
#define UNTIL(ms_, want_) DO(TIME, ms_, want_)
/* Open, and acknowledged: what most scenarios begin with. Record A. */
#define OPENED C(0, SYN, 0, 0, 0, ""), R(1, SYN_ACK, 1, 0, "-A")

#define MAX_STEPS 24

/** What is expected of an account. */
struct expected {
	__u64 copied, acknowledged, held, in_flight, lost;
	__u64 other; /* lost, for other reasons than the scenario's */
};

struct scenario {
	const char *name;
	struct step steps[MAX_STEPS];
	/* In bytes, then in exchanges. */
	struct expected want, want_x;
	enum tcpc_ledger_reason reason; /* of all that is lost */
};

static inline void expect_sum(const char *row, const char *unit, const struct tcpc_ledger_sum *got,
			      const struct expected *want, enum tcpc_ledger_reason reason)
{
	char what[64];

#define EXPECT_FIELD(field, value)                                                                 \
	snprintf(what, sizeof(what), "%s " #field, unit);                                          \
	expect_u64(row, what, value, want->field)
	EXPECT_FIELD(copied, got->copied);
	EXPECT_FIELD(acknowledged, got->acknowledged);
	EXPECT_FIELD(held, got->held);
	EXPECT_FIELD(in_flight, got->in_flight);
	EXPECT_FIELD(lost, got->lost[reason]);
	EXPECT_FIELD(other, tcpc_ledger_lost(got) - got->lost[reason]);
#undef EXPECT_FIELD
}

static inline void do_receipt(struct ledger_lab *lab, const struct step *s)
{
	struct tcpc_receipt r = {
		.ack = s->ack, .flags = s->flags, .payload_bytes = s->bytes, .window = 500};

	for (int i = 0; i < 4 && s->sack[i | 1]; i++) {
		r.sack[i] = s->sack[i];
		r.n_sack = i / 2 + 1;
	}
	lab_receipt(lab, s->conn, r);
}

static inline void do_step(struct ledger_lab *lab, const struct step *s)
{
	struct tcpc_flow flow = lab_flow(s->conn);

	switch (s->what) {
	case COPY:
		lab_copied(lab, s->conn, s->flags, s->seq, s->ack, s->bytes);
		break;
	case RECEIPT:
		do_receipt(lab, s);
		break;
	case TAKEN:
		lab_taken(lab, s->conn, s->seq, s->ack);
		break;
	case SHED:
		tcpc_ledger_shed(lab->ledger, lab->now_ns, &flow, TCPC_LEDGER_LOST_too_slow);
		break;
	case GIVE_UP:
		tcpc_ledger_give_up(lab->ledger, lab->now_ns, &flow);
		break;
	case LARGEST:
		tcpc_ledger_give_up_largest(lab->ledger, lab->now_ns, ~0ULL);
		break;
	case PAUSE:
		tcpc_ledger_paused(lab->ledger, lab->now_ns);
		break;
	case RESUME:
		tcpc_ledger_resumed(lab->ledger, lab->now_ns);
		break;
	case KEEP: /* what is copied does not leave; once more: it does */
		lab->keeps = !lab->keeps;
		break;
	case REFUSE:
		lab->send_error = -EPERM;
		break;
	case FAIL:
		lab->send_error = lab->send_error ? 0 : -105;
		break;
	case TIME:
	case END:
		break;
	}
}

static inline void run_scenario(const struct scenario *sc, __u32 start)
{
	struct tcpc_ledger_sum x;
	struct ledger_lab lab;
	char row[160];

	lab_begin(&lab, MAX_STEPS, 3);
	lab.start = start;
	lab.notes = true;
	for (const struct step *s = sc->steps; s->what != END; s++) {
		snprintf(row, sizeof(row), "%s (start %u): step %d", sc->name, start,
			 (int)(s - sc->steps));
		lab.did[0] = '\0';
		lab_run_to(&lab, s->ms);
		do_step(&lab, s);
		lab_check(&lab, row);
		if (strcmp(lab.did, s->want))
			expect_fail("%s: did \"%s\", expected \"%s\"", row, lab.did, s->want);
	}
	x = tcpc_ledger_exchanges(lab.ledger);
	expect_sum(sc->name, "bytes", tcpc_ledger_bytes(lab.ledger), &sc->want, sc->reason);
	expect_sum(sc->name, "exchanges", &x, &sc->want_x, sc->reason);
	lab_end(&lab);
}

/** run_scenarios - all, with numbers that wrap nowhere, or somewhere within. */
static inline void run_scenarios(const struct scenario *scenarios, unsigned int n)
{
	static const __u32 starts[] = {1000, 0,	   -1,	 -2,	 -51,	  -101,
				       -102, -151, -202, -20000, 1u << 31};

	for (unsigned int i = 0; i < n; i++)
		for (unsigned int k = 0; k < COUNT_OF(starts); k++)
			run_scenario(&scenarios[i], starts[k]);
}

#endif
