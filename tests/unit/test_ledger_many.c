// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_ledger_many.c - ten million short connections, two hours at 1,400 a second: memory stays
 * flat, nothing is lost, and nothing is left. With the sanitizers one million, else it takes too
 * long for a test: the plain build (make build/tests/unit/test_ledger_many) runs the whole, or
 * TCPC_CONNECTIONS says how many.
 */
#include "../harness/ledger_lab.h"

#ifdef __SANITIZE_ADDRESS__
/* Not every compiler brings <sanitizer/allocator_interface.h>. */
size_t __sanitizer_get_current_allocated_bytes(void);
#else
#include <malloc.h>
#endif

#include "tcpcopy/parse.h"

#ifdef __SANITIZE_ADDRESS__
#define DEFAULT_CONNECTIONS 1000000u
#else
#define DEFAULT_CONNECTIONS 10000000u
#endif
#define BETWEEN_NS (MS * 1000 / 1400)
#define FLOWS 400000u /* then the clients' ports begin anew: far later than a minute */
#define OPEN_AT_ONCE 2800u
#define REQUEST_BYTES 200

static struct ledger_lab lab;
static __u32 n_connections = DEFAULT_CONNECTIONS;

static void copy(__u32 i, __u8 flags, __u32 seq, __u32 bytes)
{
	struct tcpc_flow flow = lab_flow(i % FLOWS);
	struct tcpc_ledger_packet packet = {
		.seq = i * 65537 + seq,
		.ack = seq,
		.flags = flags,
		.payload_bytes = bytes,
		.record = lab.n_records++ % lab.room_records,
		.record_bytes = bytes + 100,
	};

	expect_true("copy", "the record is free again", !lab.live[packet.record]);
	lab.live[packet.record] = 1;
	lab.n_live++;
	tcpc_ledger_copied(lab.ledger, lab.now_ns, &flow, &packet);
}

static void acknowledge(__u32 i, __u8 flags, __u32 ack, __u32 bytes)
{
	struct tcpc_receipt receipt = {.ack = i * 65537 + ack,
				       .flags = flags | TCPC_TCP_ACK,
				       .payload_bytes = bytes,
				       .window = 500};

	lab_receipt(&lab, i % FLOWS, receipt);
}

/* Every thousandth is lost at the first try; its connection is answered later. */
static void connect_once(__u32 i)
{
	copy(i, TCPC_TCP_SYN, 0, 0);
	acknowledge(i, TCPC_TCP_SYN, 1, 0);
	copy(i, TCPC_TCP_ACK | TCPC_TCP_PSH, 1, REQUEST_BYTES);
	copy(i, TCPC_TCP_ACK | TCPC_TCP_FIN, 1 + REQUEST_BYTES, 0);
	if (i % 1000)
		acknowledge(i, TCPC_TCP_FIN, 2 + REQUEST_BYTES, 300);
}

static void on_resend(struct ledger_lab *l, const struct tcpc_ledger_resend *what)
{
	(void)l;
	(void)what;
}

static __u64 heap_bytes(void)
{
#ifdef __SANITIZE_ADDRESS__
	return __sanitizer_get_current_allocated_bytes();
#else
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
#endif
}

static void expect_flat(__u32 i, __u64 after_warm_up)
{
	const struct tcpc_ledger_stats *s = tcpc_ledger_stats(lab.ledger);

	expect_true("many", "no more accounts than those of the last second or two",
		    s->connections <= OPEN_AT_ONCE);
	if (i >= n_connections / 10 && heap_bytes() > after_warm_up + after_warm_up / 10)
		expect_fail("after %u connections memory has grown from %llu to %llu bytes", i,
			    (unsigned long long)after_warm_up, (unsigned long long)heap_bytes());
}

static void expect_all_delivered(void)
{
	const struct tcpc_ledger_sum *b = tcpc_ledger_bytes(lab.ledger);
	struct tcpc_ledger_sum x = tcpc_ledger_exchanges(lab.ledger);
	const struct tcpc_ledger_stats *s = tcpc_ledger_stats(lab.ledger);

	expect_u64("many", "copied", b->copied, (__u64)n_connections * REQUEST_BYTES);
	expect_u64("many", "acknowledged", b->acknowledged, b->copied);
	expect_u64("many", "exchanges", x.acknowledged, n_connections);
	expect_u64("many", "accounts opened", s->opened, n_connections);
	expect_u64("many", "accounts left", s->connections, 0);
	expect_u64("many", "sent again once each", s->resent, n_connections / 1000);
}

static void test_many(void **state)
{
	__u64 peak_bytes = 0, warm = 0;

	(void)state;
	if (getenv("TCPC_CONNECTIONS"))
		n_connections = strtoul(getenv("TCPC_CONNECTIONS"), NULL, 10);
	expect_true("many", "at least 10000 connections", n_connections >= 10000);
	lab_begin(&lab, 4000, OPEN_AT_ONCE * 2);
	lab.unchecked = true;
	lab.resend = on_resend;
	for (__u32 i = 0; i < n_connections; i++) {
		connect_once(i);
		/* Half a second later, when it has been sent again. */
		if (i >= 700 && (i - 700) % 1000 == 0)
			acknowledge(i - 700, TCPC_TCP_FIN, 2 + REQUEST_BYTES, 300);
		lab.now_ns += BETWEEN_NS;
		tcpc_ledger_tick(lab.ledger, lab.now_ns);
		if (lab.ledger->stats.memory_bytes > peak_bytes)
			peak_bytes = lab.ledger->stats.memory_bytes;
		if (i == n_connections / 10)
			warm = heap_bytes();
		if (i % 10000 == 0)
			expect_flat(i, warm);
	}
	for (int i = 0; i < 1000; i++)
		tcpc_ledger_tick(lab.ledger, lab.now_ns += TCPC_LEDGER_TICK_MS * MS);
	print_message("# %u connections; an account has %zu bytes, a packet %zu more; at most %llu "
		      "bytes in the ledger; the heap had %llu after a tenth and has %llu now\n",
		      n_connections, sizeof(struct ledger_account),
		      sizeof(struct ledger_piece) + sizeof(struct ledger_record),
		      (unsigned long long)peak_bytes, (unsigned long long)warm,
		      (unsigned long long)heap_bytes());
	expect_all_delivered();
	assert_null(ledger_check(lab.ledger));
	lab_end(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
