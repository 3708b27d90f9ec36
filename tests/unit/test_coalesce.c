// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_coalesce.c - receipts of one connection made into one: as tables of what comes and what is
 * left, with numbers that wrap; and random ones, which a small ledger must find to say the same.
 */
#include "../harness/expect.h"
#include "../harness/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/coalesce.h"
#include "tcpcopy/addr.h"
#include "tcpcopy/parse.h"
#include "tcpcopy/seq.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define ACK TCPC_TCP_ACK
#define PSH (TCPC_TCP_ACK | TCPC_TCP_PSH)
#define FIN (TCPC_TCP_ACK | TCPC_TCP_FIN)
#define SYN (TCPC_TCP_ACK | TCPC_TCP_SYN)
#define RST TCPC_TCP_RST

/* A receipt: connection, flags, ACK, payload, window, SACK blocks. */
struct row {
	__u8 conn, flags;
	__u32 ack, payload, window;
	__u32 sack[2 * TCPC_MAX_SACK]; /* up to the first 0 */
};

#define MAX_ROWS 8

#define R(conn_, flags_, ack_, payload_, window_, ...)                                             \
	{                                                                                          \
		.conn = conn_, .flags = flags_, .ack = ack_, .payload = payload_,                  \
		.window = window_, .sack = {                                                       \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

static const struct scenario {
	const char *name;
	struct row in[MAX_ROWS], out[MAX_ROWS]; /* up to the first without flags */
} scenarios[] = {
	{"one alone", {R(0, PSH, 100, 300, 9)}, {R(0, PSH, 100, 300, 9)}},
	{"two connections",
	 {R(0, PSH, 100, 300, 9), R(1, PSH, 100, 300, 9)},
	 {R(0, PSH, 100, 300, 9), R(1, PSH, 100, 300, 9)}},
	{"a large answer in parts, and other connections between them",
	 {R(0, ACK, 100, 1000, 9), R(1, PSH, 7, 7, 7), R(0, ACK, 100, 1000, 9),
	  R(0, PSH, 100, 5, 8)},
	 {R(0, PSH, 100, 2005, 8), R(1, PSH, 7, 7, 7)}},
	{"two exchanges",
	 {R(0, PSH, 100, 300, 9), R(0, PSH, 150, 300, 7)},
	 {R(0, PSH, 150, 600, 7)}},
	{"a connection: opened, answered, closed",
	 {R(0, SYN, 1, 0, 9), R(0, ACK, 100, 0, 8), R(0, PSH, 100, 300, 8), R(0, FIN, 101, 0, 8)},
	 {R(0, SYN, 1, 0, 9), R(0, ACK, 100, 0, 8), R(0, PSH | FIN, 101, 300, 8)}},
	{"ACKs that advance",
	 {R(0, ACK, 100, 0, 9), R(0, ACK, 200, 0, 8), R(0, ACK, 300, 0, 7)},
	 {R(0, ACK, 300, 0, 7)}},
	{"an ACK, and the answer with the same number: the first may have been a duplicate",
	 {R(0, ACK, 100, 0, 9), R(0, PSH, 100, 300, 9)},
	 {R(0, ACK, 100, 0, 9), R(0, PSH, 100, 300, 9)}},
	{"three duplicates stay, more are none",
	 {R(0, PSH, 100, 5, 9), R(0, ACK, 100, 0, 9), R(0, ACK, 100, 0, 9),
	  R(0, ACK, 100, 0, 9, 200, 210), R(0, ACK, 100, 0, 9, 200, 220),
	  R(0, ACK, 100, 0, 9, 200, 230)},
	 {R(0, PSH, 100, 5, 9), R(0, ACK, 100, 0, 9), R(0, ACK, 100, 0, 9),
	  R(0, ACK, 100, 0, 9, 200, 230)}},
	{"a window that changes is no duplicate, but the first may be one",
	 {R(0, ACK, 100, 0, 9), R(0, ACK, 100, 0, 8), R(0, ACK, 100, 0, 7)},
	 {R(0, ACK, 100, 0, 9), R(0, ACK, 100, 0, 8), R(0, ACK, 100, 0, 7)}},
	{"behind an advance it is a window and nothing else",
	 {R(0, ACK, 100, 0, 9), R(0, ACK, 200, 0, 8), R(0, ACK, 200, 0, 7)},
	 {R(0, ACK, 200, 0, 7)}},
	{"the hole is filled",
	 {R(0, ACK, 100, 0, 9, 200, 300), R(0, ACK, 300, 0, 9)},
	 {R(0, ACK, 300, 0, 9)}},
	{"SACK blocks, the newest first, without what is acknowledged or in a newer one",
	 {R(0, ACK, 100, 0, 9, 400, 500, 200, 300), R(0, ACK, 300, 0, 9, 700, 800, 400, 600)},
	 {R(0, ACK, 300, 0, 9, 700, 800, 400, 600)}},
	{"a block that the newer one does not name is kept",
	 {R(0, ACK, 100, 0, 9, 400, 500), R(0, ACK, 200, 0, 9, 700, 800)},
	 {R(0, ACK, 200, 0, 9, 700, 800, 400, 500)}},
	{"more blocks than a receipt holds",
	 {R(0, ACK, 100, 0, 9, 400, 500, 600, 700),
	  R(0, ACK, 200, 0, 9, 800, 900, 1000, 1100, 1200, 1300)},
	 {R(0, ACK, 100, 0, 9, 400, 500, 600, 700),
	  R(0, ACK, 200, 0, 9, 800, 900, 1000, 1100, 1200, 1300)}},
	{"a reset by itself, and what comes after it",
	 {R(0, PSH, 100, 5, 9), R(0, RST, 0, 0, 0), R(0, RST | ACK, 100, 0, 0),
	  R(0, PSH, 200, 5, 9)},
	 {R(0, PSH, 100, 5, 9), R(0, RST, 0, 0, 0), R(0, RST | ACK, 100, 0, 0),
	  R(0, PSH, 200, 5, 9)}},
	{"the port used again",
	 {R(0, FIN, 100, 5, 9), R(0, SYN, 60000, 0, 9), R(0, PSH, 60050, 5, 9)},
	 {R(0, FIN, 100, 5, 9), R(0, SYN, 60000, 0, 9), R(0, PSH, 60050, 5, 9)}},
	{"an older one behind a newer one",
	 {R(0, PSH, 200, 5, 9), R(0, PSH, 100, 5, 9)},
	 {R(0, PSH, 200, 5, 9), R(0, PSH, 100, 5, 9)}},
	{"numbers of another connection",
	 {R(0, PSH, 100, 5, 9), R(0, PSH, 100 + (1u << 30), 5, 9)},
	 {R(0, PSH, 100, 5, 9), R(0, PSH, 100 + (1u << 30), 5, 9)}},
};

static struct tcpc_receipt receipt_of(const struct row *row, __u32 start)
{
	struct tcpc_receipt r = {.client = tcpc_addr_from_v4(tcpc_htonl(0xc6120001)),
				 .server = tcpc_addr_from_v4(tcpc_htonl(0xc6120002)),
				 .client_port = tcpc_htons(1000 + row->conn),
				 .server_port = tcpc_htons(80),
				 .ack = row->ack + start,
				 .payload_bytes = row->payload,
				 .window = row->window,
				 .flags = row->flags};

	for (; r.n_sack < TCPC_MAX_SACK && row->sack[2 * r.n_sack]; r.n_sack++) {
		r.sack[2 * r.n_sack] = row->sack[2 * r.n_sack] + start;
		r.sack[2 * r.n_sack + 1] = row->sack[2 * r.n_sack + 1] + start;
	}
	return r;
}

static void expect_left(const char *name, const struct tcpc_coalesce *c, const struct row *want,
			__u32 start)
{
	char row[160];
	__u32 i;

	for (i = 0; i < MAX_ROWS && want[i].flags; i++) {
		struct tcpc_receipt r = receipt_of(&want[i], start);

		snprintf(row, sizeof(row), "%s: from 0x%x: receipt %u", name, start, i);
		expect_true(row, "is there", i < c->n);
		expect_u64(row, "ack", c->slots[i].receipt.ack, r.ack);
		expect_u64(row, "payload", c->slots[i].receipt.payload_bytes, r.payload_bytes);
		expect_u64(row, "SACK blocks", c->slots[i].receipt.n_sack, r.n_sack);
		/* Behind the last block may stand anything. */
		memset(&r.sack[2 * r.n_sack], 0, sizeof(r.sack) - 8 * r.n_sack);
		expect_bytes(row, &c->slots[i].receipt, &r, sizeof(r) - sizeof(r.sack));
		expect_bytes(row, c->slots[i].receipt.sack, r.sack, 8 * r.n_sack);
	}
	expect_u64(name, "receipts", c->n, i);
}

static void test_scenarios(void **state)
{
	static const __u32 starts[] = {0, 0xffffff60, 0xffffff00, 0x7ffffff0};
	struct tcpc_coalesce *c = calloc(1, sizeof(*c));

	(void)state;
	for (size_t i = 0; i < COUNT_OF(scenarios); i++) {
		for (size_t s = 0; s < COUNT_OF(starts); s++) {
			const struct scenario *sc = &scenarios[i];

			for (__u32 k = 0; k < MAX_ROWS && sc->in[k].flags; k++) {
				struct tcpc_receipt r = receipt_of(&sc->in[k], starts[s]);
				__u32 before = c->n;
				int merged = tcpc_coalesce_add(c, &r);

				expect_u64(sc->name, "merged", merged, c->n == before);
			}
			expect_left(sc->name, c, sc->out, starts[s]);
			tcpc_coalesce_clear(c);
		}
	}
	free(c);
}

static void test_bound(void **state)
{
	struct row row = R(0, PSH, 100, 5, 9);
	struct tcpc_coalesce *c = calloc(1, sizeof(*c));
	struct tcpc_receipt r;

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < TCPC_COALESCE_MAX; i++) {
			r = receipt_of(&row, i);
			r.client_port = tcpc_htons(i);
			expect_u64("bound", "a place", tcpc_coalesce_add(c, &r), 0);
		}
		r.client_port = tcpc_htons(TCPC_COALESCE_MAX);
		expect_u64("bound", "no place", -tcpc_coalesce_add(c, &r), ENOSPC);
		expect_u64("bound", "unchanged", c->n, TCPC_COALESCE_MAX);
		r.client_port = tcpc_htons(7);
		r.ack = 1000;
		expect_u64("bound", "goes with another", tcpc_coalesce_add(c, &r), 1);
		expect_u64("bound", "the right one", c->slots[7].receipt.ack, 1000);
		tcpc_coalesce_clear(c);
		expect_u64("bound", "empty", c->n, 0);
	}
	free(c);
}

/* ---- random -----------------------------------------------------------------------------------
 * What a ledger takes from receipts: the highest ACK number, the most duplicates that it counted
 * for it (up to three), which numbers were in SACK blocks, flags, payload.
 */

#define CONNECTIONS 5
#define SPACE 64 /* numbers of a connection */

struct account {
	__u32 ack, window, best_dups, dups, payload, flags, resets;
	__u8 sacked[SPACE];
};

static void book(struct account *a, const struct tcpc_receipt *r)
{
	a->flags |= r->flags;
	a->payload += r->payload_bytes;
	a->resets += !!(r->flags & RST);
	for (__u32 i = 0; i < r->n_sack; i++)
		for (__u32 k = r->sack[2 * i]; k < r->sack[2 * i + 1]; k++)
			a->sacked[k] = 1;
	if ((r->flags & RST) || r->ack < a->ack)
		return;
	if (r->ack > a->ack)
		a->dups = 0;
	else if (!r->payload_bytes && r->window == a->window && !(r->flags & (SYN | FIN) & ~ACK))
		a->dups++;
	a->ack = r->ack;
	a->window = r->window;
	a->best_dups = a->dups > 3 ? 3 : a->dups;
}

static struct tcpc_receipt random_receipt(__u64 *seed, const __u32 *ack)
{
	struct row row = {.conn = random_below(seed, CONNECTIONS), .flags = ACK};
	struct tcpc_receipt r;

	row.ack = ack[row.conn] + (random_below(seed, 4) ? 0 : random_below(seed, 3));
	row.window = 7 + !random_below(seed, 5);
	row.payload = random_below(seed, 3) ? 0 : 1 + random_below(seed, 9);
	row.flags |= random_below(seed, 30) ? 0 : random_below(seed, 2) ? RST : FIN;
	r = receipt_of(&row, 0);
	while (r.n_sack < TCPC_MAX_SACK && !random_below(seed, 3)) {
		__u32 left = row.ack + 1 + random_below(seed, SPACE - row.ack - 4);

		r.sack[2 * r.n_sack] = left;
		r.sack[2 * r.n_sack++ + 1] = left + 1 + random_below(seed, 3);
	}
	return r;
}

static void expect_same(const struct account *all, const struct account *merged)
{
	for (int i = 0; i < CONNECTIONS; i++) {
		expect_u64("random", "ack", merged[i].ack, all[i].ack);
		expect_u64("random", "window", merged[i].window, all[i].window);
		expect_u64("random", "duplicates", merged[i].best_dups, all[i].best_dups);
		expect_u64("random", "payload", merged[i].payload, all[i].payload);
		expect_u64("random", "flags", merged[i].flags, all[i].flags);
		expect_u64("random", "resets", merged[i].resets, all[i].resets);
		/* What is acknowledged needs no block. */
		expect_bytes("random: SACK", merged[i].sacked + all[i].ack,
			     all[i].sacked + all[i].ack, SPACE - all[i].ack);
	}
}

static void test_random(void **state)
{
	struct tcpc_coalesce *c = calloc(1, sizeof(*c));
	__u64 seed = 1, merged_away = 0;

	(void)state;
	for (int run = 0; run < 20000; run++) {
		struct account all[CONNECTIONS] = {}, merged[CONNECTIONS] = {};
		__u32 ack[CONNECTIONS] = {}, flushes = 1 + random_below(&seed, 3);

		while (flushes--) {
			for (__u32 n = random_below(&seed, 30); n; n--) {
				struct tcpc_receipt r = random_receipt(&seed, ack);
				int conn = tcpc_ntohs(r.client_port) - 1000;

				ack[conn] = r.ack;
				book(&all[conn], &r);
				merged_away += tcpc_coalesce_add(c, &r);
			}
			for (__u32 i = 0; i < c->n; i++)
				book(&merged[tcpc_ntohs(c->slots[i].receipt.client_port) - 1000],
				     &c->slots[i].receipt);
			tcpc_coalesce_clear(c);
		}
		expect_same(all, merged);
	}
	expect_true("random", "many are merged", merged_away > 10000);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenarios),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
