// SPDX-License-Identifier: GPL-2.0-only
/*
 * ledger_rtt.c - how long an answer takes, and what follows from that: when silence means a loss
 * (RFC 6298), when a hole does (RFC 8985), and how soon a burst may follow another.
 */
#include "core/ledger_priv.h"

/* Before anything has been measured. */
#define GUESS_US 20000
/* Receipts are collected and the wheel turns in steps: no finer than this. */
#define GRANULARITY_US 10000

/* RFC 6298, 2.2 and 2.3. */
static void smooth(__u32 *srtt, __u32 *rttvar, __u32 sample)
{
	__u32 error;

	if (!*srtt) {
		*srtt = sample;
		*rttvar = sample / 2;
		return;
	}
	error = *srtt > sample ? *srtt - sample : sample - *srtt;
	*rttvar = ((__u64)*rttvar * 3 + error) / 4;
	*srtt = ((__u64)*srtt * 7 + sample) / 8;
}

static void sample_rtt(struct tcpc_ledger *l, struct ledger_account *a, __u64 rtt_ns)
{
	__u64 us = rtt_ns / 1000;

	/* A clock that does not move still means that there was an answer. */
	if (!us)
		us = 1;
	if (us > TCPC_LEDGER_RTO_MAX_MS * 1000u)
		us = TCPC_LEDGER_RTO_MAX_MS * 1000u;
	smooth(&a->srtt_us, &a->rttvar_us, us);
	smooth(&l->path.srtt_us, &l->path.rttvar_us, us);
	if (!l->path.min_us || us < l->path.min_us)
		l->path.min_us = us;
	l->stats.srtt_us = l->path.srtt_us;
}

__u64 ledger_timeout_ns(const struct tcpc_ledger *l, const struct ledger_account *a)
{
	__u64 srtt = a->srtt_us ? a->srtt_us : l->path.srtt_us;
	__u64 var = 4 * (__u64)(a->srtt_us ? a->rttvar_us : l->path.rttvar_us);
	__u64 ms = (srtt + (var > GRANULARITY_US ? var : GRANULARITY_US)) / 1000;

	if (!srtt)
		ms = TCPC_LEDGER_RTO_FIRST_MS;
	if (ms < TCPC_LEDGER_RTO_MIN_MS)
		ms = TCPC_LEDGER_RTO_MIN_MS;
	ms <<= a->tries;
	return (ms < TCPC_LEDGER_RTO_MAX_MS ? ms : TCPC_LEDGER_RTO_MAX_MS) * LEDGER_MS;
}

static __u64 round_trip_ns(const struct tcpc_ledger *l, const struct ledger_account *a)
{
	__u64 us = a->srtt_us ? a->srtt_us : l->path.srtt_us;

	return (us ? us : GUESS_US) * 1000;
}

/* How soon a burst may follow another. The time to a receipt has what the target takes to answer in
 * it, and grows when the link stands still: at 70 ms an upload of 100 MB/s of which a twentieth is
 * lost would not be mended before the journal is full. */
__u64 ledger_burst_ns(const struct tcpc_ledger *l, const struct ledger_account *a)
{
	__u64 rtt = round_trip_ns(l, a);

	return rtt < GRANULARITY_US * 1000ULL ? rtt : GRANULARITY_US * 1000ULL;
}

/* A packet that was overtaken by another may still come: RFC 8985 waits a quarter of a round trip.
 */
__u64 ledger_patience_ns(const struct tcpc_ledger *l, const struct ledger_account *a)
{
	__u64 rtt = round_trip_ns(l, a), more = rtt / 4;

	return rtt + (more > 2 * LEDGER_MS ? more : 2 * LEDGER_MS);
}

/* An answer to the second copy cannot be here sooner than any answer ever was: it is the first
 * one's. Counts too few rather than too many. */
static bool was_needless(const struct tcpc_ledger *l, const struct ledger_piece *p, __u64 now_ns)
{
	return (p->flags & LEDGER_PIECE_RESENT) && l->path.min_us &&
	       now_ns - p->sent_ns < (__u64)l->path.min_us * 1000;
}

void ledger_acknowledge(struct tcpc_ledger *l, struct ledger_account *a, __u64 now_ns, __u32 ack)
{
	/* What was held, or waited behind a hole, for the link or for the end of an outage, says
	 * nothing of the way. */
	const __u32 blind = LEDGER_PIECE_TWICE | LEDGER_PIECE_HELD | LEDGER_PIECE_SACKED;
	__u64 sent_ns = l->resumed_ns;

	if (a->flags & LEDGER_HAS_SYN && a->una == a->syn_seq)
		ledger_is_there(l, a, now_ns);
	while (a->head && tcpc_seq_lt(a->head->seq, ack)) {
		const struct ledger_piece *p = a->head;

		if (!(p->flags & blind) && p->sent_ns > sent_ns && p->sent_ns >= l->path.resumed_ns)
			sent_ns = p->sent_ns;
		l->stats.spurious += was_needless(l, p, now_ns);
		ledger_pop(l, a, ack);
	}
	if (sent_ns > l->resumed_ns)
		sample_rtt(l, a, now_ns - sent_ns);
	a->una = ack;
	a->tries = a->dup_acks = 0;
	a->rto_ns = LEDGER_NEVER; /* RFC 6298, 5.3: ledger_await starts it anew */
	ledger_moved(l, a, now_ns);
}
