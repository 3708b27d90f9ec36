// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_greeting.c - greeting.h: what a handshake and the client's first words tell of the server's
 * greeting, as tables of packets; and how a set forgets.
 */
#include "../harness/expect.h"
#include "../harness/frames.h"
#include "../harness/random.h"

#include "tcpcopy/greeting.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

enum kind { END, BEGINS, ACKS, SPEAKS };

struct step {
	enum kind kind;
	__u32 seq, ack, want;
};

/* Sequence and ACK numbers as distances from the two initial ones; the greeting that is seen. */
#define SYN(seq_)                                                                                  \
	{                                                                                          \
		BEGINS, seq_, 0, 0                                                                 \
	}
#define ACK(seq_, ack_)                                                                            \
	{                                                                                          \
		ACKS, seq_, ack_, 0                                                                \
	}
#define SAYS(seq_, ack_, want_)                                                                    \
	{                                                                                          \
		SPEAKS, seq_, ack_, want_                                                          \
	}

static const struct story {
	const char *name;
	struct step steps[10];
} stories[] = {
	{"the server speaks first", {SYN(0), ACK(1, 1), SAYS(1, 41, 40)}},
	{"the client acknowledges the greeting before it speaks",
	 {SYN(0), ACK(1, 1), ACK(1, 21), ACK(1, 41), SAYS(1, 41, 40)}},
	{"the client speaks first", {SYN(0), ACK(1, 1), SAYS(1, 1, TCPC_GREETING_NONE)}},
	{"at once, in the handshake's last packet", {SYN(0), SAYS(1, 1, TCPC_GREETING_NONE)}},
	{"sent again, with more read meanwhile",
	 {SYN(0), ACK(1, 1), SAYS(1, 41, 40), SAYS(1, 41, 40), SAYS(1, 141, 140)}},
	{"what the client says later",
	 {SYN(0), ACK(1, 1), SAYS(1, 41, 40), SAYS(7, 41, TCPC_GREETING_YOUNG),
	  SAYS(2, 99, TCPC_GREETING_YOUNG),
	  SAYS(TCPC_GREETING_YOUNG_BYTES, 99, TCPC_GREETING_YOUNG),
	  SAYS(1 + TCPC_GREETING_YOUNG_BYTES, 99, 0)}},
	{"SYN sent again, before and behind the ACK",
	 {SYN(0), SYN(0), ACK(1, 1), SYN(0), SAYS(1, 41, 40)}},
	{"an old connection", {ACK(1, 1), SAYS(1, 41, 0), SAYS(41, 90, 0)}},
	{"its packets, while a new one from that port begins",
	 {SYN(0), ACK(900, 70), ACK(1, 1), SAYS(900, 99, TCPC_GREETING_YOUNG), SAYS(1, 6, 5)}},
	{"a new connection from the same port",
	 {SYN(0), ACK(1, 1), SAYS(1, 41, 40), SYN(5000), ACK(5001, 701), SAYS(5001, 711, 10)}},
	{"one byte", {SYN(0), ACK(1, 1), SAYS(1, 2, 1)}},
	{"the longest", {SYN(0), ACK(1, 1), SAYS(1, 65534, TCPC_GREETING_MAX)}},
	{"longer", {SYN(0), ACK(1, 1), SAYS(1, 65535, TCPC_GREETING_MAX)}},
	{"2 GB", {SYN(0), ACK(1, 1), SAYS(1, 0x80000000, TCPC_GREETING_MAX)}},
	{"an older ACK", {SYN(0), ACK(1, 1), SAYS(1, 0, TCPC_GREETING_NONE)}},
	{"half the numbers back", {SYN(0), ACK(1, 1), SAYS(1, 0x80000001, TCPC_GREETING_NONE)}},
};

static void run_step(const char *name, struct tcpc_handshake_set *set, const struct step *s,
		     __u32 client, __u32 server)
{
	if (s->kind == BEGINS)
		expect_u64(name, "lost", tcpc_handshake_begin(set, client + s->seq, 0), 0);
	else if (s->kind == ACKS)
		tcpc_handshake_ack(set, client + s->seq, server + s->ack);
	else
		expect_u64(name, "greeting",
			   tcpc_handshake_greeting(set, client + s->seq, server + s->ack, 0),
			   s->want);
}

/* With numbers that wrap in each place. (0 as the number after the SYN's stands for none.) */
static void test_stories(void **state)
{
	static const __u32 starts[] = {1000, 0, 0xfffffffe, 0xffffffd8, 0x7fffffff, 0x80000000};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(stories); i++)
		for (size_t c = 0; c < COUNT_OF(starts); c++)
			for (size_t s = 0; s < COUNT_OF(starts); s++) {
				struct tcpc_handshake_set set = {};

				for (const struct step *p = stories[i].steps; p->kind; p++)
					run_step(stories[i].name, &set, p, starts[c], starts[s]);
			}
}

/* The one number in four billion that means "none" costs a wait, and nothing else. */
static void test_none(void **state)
{
	struct tcpc_handshake_set set = {}, empty = {};

	(void)state;
	tcpc_handshake_ack(&set, 0, 77);
	expect_u64("empty set", "greeting", tcpc_handshake_greeting(&set, 0, 99, 0), 0);
	expect_bytes("empty set", &set, &empty, sizeof(set));
	tcpc_handshake_begin(&set, 0xffffffff, 0);
	tcpc_handshake_ack(&set, 0, 77);
	expect_u64("SYN at the end", "greeting", tcpc_handshake_greeting(&set, 0, 99, 0), 0);
	tcpc_handshake_begin(&set, 10, 0);
	tcpc_handshake_ack(&set, 11, 0);
	expect_u64("ACK 0", "greeting", tcpc_handshake_greeting(&set, 11, 40, 0),
		   TCPC_GREETING_NONE);
}

/* Soon behind a SYN that the target must have: only those of the present epoch. */
static void test_epochs(void **state)
{
	struct tcpc_handshake_set set = {};
	const __u32 near = 5 + TCPC_GREETING_YOUNG_BYTES;

	(void)state;
	tcpc_handshake_begin(&set, 5, 1);
	expect_u64("own epoch", "young", tcpc_handshake_greeting(&set, near, 9, 1),
		   TCPC_GREETING_YOUNG);
	expect_u64("own epoch", "far behind", tcpc_handshake_greeting(&set, near + 1, 9, 1), 0);
	expect_u64("next epoch", "young", tcpc_handshake_greeting(&set, near, 9, 2), 0);
	expect_u64("next epoch", "first", tcpc_handshake_greeting(&set, 6, 9, 2),
		   TCPC_GREETING_NONE);
	tcpc_handshake_begin(&set, 1u << 30, 2);
	expect_u64("another's SYN", "young", tcpc_handshake_greeting(&set, near, 9, 2), 0);
	expect_u64("another's SYN", "its own",
		   tcpc_handshake_greeting(&set, (1u << 30) + 100, 9, 2), TCPC_GREETING_YOUNG);
	tcpc_handshake_begin(&set, 5, 2);
	expect_u64("the same SYN again", "young", tcpc_handshake_greeting(&set, near, 9, 2), 0);
}

/* A set holds its ways' worth of handshakes, and then forgets the oldest. */
static void test_forgetting(void **state)
{
	struct tcpc_handshake_set set = {};
	__u32 n;

	(void)state;
	for (n = 0; n < 3 * TCPC_HANDSHAKE_WAYS; n++) {
		expect_u64("silent clients", "lost", tcpc_handshake_begin(&set, n * 100, 0),
			   n >= TCPC_HANDSHAKE_WAYS);
		tcpc_handshake_ack(&set, n * 100 + 1, 7);
	}
	for (n = 0; n < 3 * TCPC_HANDSHAKE_WAYS; n++)
		expect_u64("silent clients", "greeting",
			   tcpc_handshake_greeting(&set, n * 100 + 1, 17, 0),
			   n < 2 * TCPC_HANDSHAKE_WAYS ? 0 : 10);
	/* All that is left has spoken now. */
	for (n = 0; n < TCPC_HANDSHAKE_WAYS; n++)
		expect_u64("after them", "lost", tcpc_handshake_begin(&set, n * 100, 0), 0);
	expect_u64("after them", "lost", tcpc_handshake_begin(&set, 5, 0), 1);
}

/* Whatever the memory holds, nothing is read or written beyond it (ASan, UBSan). */
static void test_garbage(void **state)
{
	__u64 seed = 42;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct tcpc_handshake_set set = {};
		__u64 *words = (void *)&set;

		for (size_t k = 0; k < sizeof(set) / 8; k++)
			words[k] = random_next(&seed) & random_next(&seed);
		tcpc_handshake_begin(&set, i, 0);
		expect_true("garbage", "next is one", set.next <= TCPC_HANDSHAKE_WAYS);
		tcpc_handshake_ack(&set, i + 1, 7);
		expect_u64("garbage", "greeting", tcpc_handshake_greeting(&set, i + 1, 17, 0), 10);
	}
}

static struct tcpc_pkt pkt_of(int family, __u32 client, __u16 sport, __u16 dport)
{
	struct frame_spec spec = {.family = family};
	struct tcpc_pkt pkt = {
		.family = family,
		.saddr = frame_host(&spec, client),
		.sport = tcpc_htons(sport),
		.dport = tcpc_htons(dport),
	};

	return pkt;
}

/* Clients' ports come one after the other, and so may their addresses: no set gets many more than
 * its share. With 7 ways and 4 to a set on average, 24 are far beyond what chance does. */
static void test_spread(void **state)
{
	static const __u64 keys[][2] = {{0, 0}, {1, 2}, {0xdeadbeefcafef00d, ~0ULL}};
	static __u16 count[TCPC_HANDSHAKE_SETS];

	(void)state;
	for (size_t k = 0; k < COUNT_OF(keys); k++)
		for (int family = 4; family <= 6; family += 2) {
			memset(count, 0, sizeof(count));
			for (__u32 i = 0; i < 4 * TCPC_HANDSHAKE_SETS; i++) {
				struct tcpc_pkt pkt = pkt_of(family, i & 255, 32768 + (i >> 8), 25);
				__u32 n = tcpc_handshake_index(keys[k], &pkt);

				expect_true("index", "is one", n < TCPC_HANDSHAKE_SETS);
				expect_true("set", "has no more than its share", ++count[n] < 24);
			}
		}
}

/* Both ports, the address and either half of the key matter. */
static void test_index_depends(void **state)
{
	static const __u64 key[2] = {1, 2}, other0[2] = {3, 2}, other1[2] = {1, 5};
	struct tcpc_pkt a = pkt_of(4, 1, 40000, 25), port = pkt_of(4, 1, 40001, 25),
			service = pkt_of(4, 1, 40000, 26), host = pkt_of(4, 2, 40000, 25),
			v6 = pkt_of(6, 1, 40000, 25);
	__u32 n = tcpc_handshake_index(key, &a);

	(void)state;
	expect_true("index", "client port", n != tcpc_handshake_index(key, &port));
	expect_true("index", "service", n != tcpc_handshake_index(key, &service));
	expect_true("index", "client", n != tcpc_handshake_index(key, &host));
	expect_true("index", "family", n != tcpc_handshake_index(key, &v6));
	expect_true("index", "first half of the key", n != tcpc_handshake_index(other0, &a));
	expect_true("index", "second half", n != tcpc_handshake_index(other1, &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stories),	      cmocka_unit_test(test_none),
		cmocka_unit_test(test_epochs),	      cmocka_unit_test(test_forgetting),
		cmocka_unit_test(test_garbage),	      cmocka_unit_test(test_spread),
		cmocka_unit_test(test_index_depends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
