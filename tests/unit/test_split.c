// SPDX-License-Identifier: GPL-2.0-only
/* test_split.c - who gets which part of the connections: shares, order, and what moves. */
#include "../harness/expect.h"

#include "core/split.h"
#include "tcpcopy/choose.h"
#include "tcpcopy/known.h"

static const __u64 key[2] = {0x0123456789abcdefULL, 42};

static struct tcpc_split_target target(__u32 n, __u32 weight)
{
	struct tcpc_split_target t;

	memset(&t, 0, sizeof(t));
	t.endpoint.addr = tcpc_addr_from_v4(tcpc_htonl(0xc6120000 + n));
	t.endpoint.port = tcpc_htons(8080);
	t.weight = weight;
	t.slot = n;
	return t;
}

static void build(const struct tcpc_split_target *list, unsigned int n, struct tcpc_split *ret)
{
	assert_int_equal(tcpc_split_build(list, n, key, ret), 0);
}

static __u32 parts_of(const __u8 *slots, __u8 slot)
{
	__u32 n = 0;

	for (__u32 i = 0; i < TCPC_SPLIT_SLOTS; i++)
		n += slots[i] == slot;
	return n;
}

/* To the part just what the weights ask for; nothing for weight 0, nor in the other family. */
static void test_shares(void **state)
{
	struct tcpc_split_target list[] = {target(0, 1), target(1, 2), target(2, 0), target(3, 5)};
	struct tcpc_split split;

	(void)state;
	build(list, 4, &split);
	assert_int_equal(parts_of(split.slot[0], 0), TCPC_SPLIT_SLOTS / 8);
	assert_int_equal(parts_of(split.slot[0], 1), TCPC_SPLIT_SLOTS / 4);
	assert_int_equal(parts_of(split.slot[0], 2), 0);
	assert_int_equal(parts_of(split.slot[0], 3), TCPC_SPLIT_SLOTS / 8 * 5);
	assert_int_equal(parts_of(split.slot[1], TCPC_SPLIT_NONE), TCPC_SPLIT_SLOTS);
	list[2].weight = 1;
	build(list + 2, 1, &split);
	assert_int_equal(parts_of(split.slot[0], 2), TCPC_SPLIT_SLOTS);
}

/* Whatever order they are given in. */
static void test_order(void **state)
{
	struct tcpc_split_target a[] = {target(0, 3), target(1, 3), target(2, 7)};
	struct tcpc_split_target b[] = {a[2], a[0], a[1]};
	struct tcpc_split one, other;

	(void)state;
	build(a, 3, &one);
	build(b, 3, &other);
	assert_memory_equal(&one, &other, sizeof(one));
}

static __u32 moved(const struct tcpc_split *a, const struct tcpc_split *b)
{
	__u32 n = 0;

	for (__u32 i = 0; i < TCPC_SPLIT_SLOTS; i++)
		n += a->slot[0][i] != b->slot[0][i];
	return n;
}

/* One more or one less moves its share, and one part in 25 of all beside it at the most. */
static void test_movement(void **state)
{
	struct tcpc_split_target list[TCPC_MAX_TARGETS];
	struct tcpc_split before, after;

	(void)state;
	for (__u32 n = 0; n < TCPC_MAX_TARGETS; n++)
		list[n] = target(n, 1 + n % 3);
	for (__u32 n = 1; n < TCPC_MAX_TARGETS; n++) {
		__u32 share;

		build(list, n, &before);
		build(list, n + 1, &after);
		share = parts_of(after.slot[0], n);
		assert_in_range(moved(&before, &after), share, share + TCPC_SPLIT_SLOTS / 25);
	}
}

/* Connections fall evenly into the parts, whether they are sampled or not. */
static void test_connections(void **state)
{
	struct tcpc_split_target list[] = {target(0, 1), target(1, 2), target(2, 3)};
	__u32 all[3] = {}, few[3] = {}, n_few = 0;
	struct tcpc_split split;

	(void)state;
	build(list, 3, &split);
	for (__u32 i = 0; i < 600000; i++) {
		struct tcpc_addr client = tcpc_addr_from_v4(tcpc_htonl(0x0a000000 + i / 1000));
		__u64 hash = tcpc_connection_hash(key, &client, tcpc_htons(10000 + i % 1000));
		__u8 slot = split.slot[0][tcpc_split_part(hash)];

		all[slot]++;
		if (tcpc_hash_sampled(hash, 1000)) {
			few[slot]++;
			n_few++;
		}
	}
	assert_in_range(n_few, 59300, 60700);
	for (__u32 i = 0; i < 3; i++) {
		/* Three standard deviations: 1,160 of 600,000. */
		assert_in_range(all[i], 100000 * (i + 1) - 1160, 100000 * (i + 1) + 1160);
		assert_in_range(few[i], 10000 * (i + 1) - 600, 10000 * (i + 1) + 600);
	}
}

/* ---- what is remembered ---------------------------------------------------------------------- */

static void test_known(void **state)
{
	struct tcpc_ways set = {};
	__u32 live[TCPC_MAX_TARGETS] = {};

	(void)state;
	assert_int_equal(tcpc_known_get(&set, 7, 1, 0), -1);
	assert_int_equal(tcpc_known_put(&set, 7, 0x8001, 1), 0);
	assert_int_equal(tcpc_known_put(&set, 8, 0, 1), 0);
	assert_int_equal(tcpc_known_get(&set, 7, 2, 0), 0x8001);
	assert_int_equal(tcpc_known_get(&set, 8, 1, 0), 0);
	assert_int_equal(tcpc_known_live(&set, 2, 1, live), 2);
	assert_int_equal(live[0], 1);
	assert_int_equal(live[15], 1);
	assert_int_equal(live[1], 0);
	assert_int_equal(tcpc_known_live(&set, 2, 0, live), 1); /* 8 is silent */
	assert_int_equal(tcpc_known_get(&set, 7, 2, 1), 0x8001);
	assert_int_equal(tcpc_known_get(&set, 7, 2, 0), 0x8001); /* its end, sent again */
	assert_int_equal(tcpc_known_live(&set, 2, 100, live), 1);
	tcpc_ways_forget(&set, 8);
	assert_int_equal(tcpc_known_get(&set, 8, 2, 0), -1);
	assert_int_equal(tcpc_known_live(&set, 1, 100, live), 0);
}

/* Who has ended makes room first; then the oldest goes, which is told. */
static void test_known_full(void **state)
{
	struct tcpc_ways set = {};

	(void)state;
	for (__u32 tag = 1; tag <= TCPC_WAYS; tag++)
		assert_int_equal(tcpc_known_put(&set, tag, tag, 0), 0);
	tcpc_known_get(&set, 3, 0, 1);
	assert_int_equal(tcpc_known_put(&set, 100, 1, 0), 0);
	assert_int_equal(tcpc_known_get(&set, 3, 0, 0), -1);
	assert_int_equal(tcpc_known_put(&set, 100, 2, 0), 0);
	assert_int_equal(tcpc_known_get(&set, 100, 0, 0), 2);
	assert_int_equal(tcpc_known_put(&set, 101, 1, 0), 1);
	assert_int_equal(tcpc_known_get(&set, 1, 0, 0), -1);
	assert_int_equal(tcpc_known_get(&set, 2, 0, 0), 2);
}

/* The word carries all it is made of; targets that are gone or were added count as they should. */
static void test_word(void **state)
{
	__u64 word = tcpc_choice_word(4095, 17, TCPC_CHOICE_LOOK, 0x0006, 0x000e);

	(void)state;
	assert_int_equal(tcpc_choice_now(word), 4095);
	assert_int_equal(tcpc_choice_before(word), 17);
	assert_int_equal(word & (TCPC_CHOICE_LOOK | TCPC_CHOICE_MOVING | TCPC_CHOICE_ALL),
			 TCPC_CHOICE_LOOK);
	assert_int_equal(tcpc_choice_targets(word, 0x0009), 0x0008);
	assert_int_equal(tcpc_choice_targets(word, 0x0001), 0);
	word |= TCPC_CHOICE_ALL;
	assert_int_equal(tcpc_choice_targets(word, 0x0008), 0x000e);
	assert_int_equal(tcpc_choice_targets(word, 0), 0);
	assert_int_equal(tcpc_choice_targets(tcpc_choice_word(1, 1, 0, 0x8000, 0x8000), 0x8000),
			 0x8000);
}

/* Each set of targets there can be, against the plain way. */
static void test_choose_first(void **state)
{
	(void)state;
	for (__u32 chosen = 0; chosen <= 0xffff; chosen++) {
		__u32 want = chosen ? __builtin_ctz(chosen) : TCPC_MAX_TARGETS - 1;

		assert_int_equal(tcpc_choose_first(chosen), want);
		assert_int_equal(tcpc_choose_first(chosen | 0xabcd0000), want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares),	 cmocka_unit_test(test_order),
		cmocka_unit_test(test_movement), cmocka_unit_test(test_connections),
		cmocka_unit_test(test_known),	 cmocka_unit_test(test_known_full),
		cmocka_unit_test(test_word),	 cmocka_unit_test(test_choose_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
