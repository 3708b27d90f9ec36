// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_journal_keep.c - what becomes of records in the real ring: a full one, the wake-up, and
 * thousands of records let go in any order.
 */
#include "../harness/bpf_journal.h"

#define KEPT 64
#define WAIT_MS 5000

/* ---- a full ring ----------------------------------------------------------------------------- */

static void test_full(void **state)
{
	const struct frame_spec spec = {.payload_bytes = 1400, .flags = TCPC_TCP_ACK};
	__u64 n = 0, kept;

	(void)state;
	need_netns();
	begin(0, on_pressure);
	set_target(4, TCPC_TARGET_JOURNAL);
	while (n < 1000 && !stats_now().journal_full) {
		run_copy("full", &spec); /* which also says that the copy left */
		tcpc_journal_read(owner.journal);
		n++;
	}
	kept = journal_stats().records;
	expect_u64("full", "of all but the last one there is a record", kept, n - 1);
	expect_true("full", "most of the ring was used",
		    kept * 1592 > TCPC_JOURNAL_RING_MIN * 9 / 10);
	expect_true("full", "the owner was asked", journal_stats().stuck > 0);
	/* The newest goes: that makes no room. The oldest goes: it does. */
	assert_int_equal(tcpc_journal_release(owner.journal, kept - 1), 0);
	run_copy("full", &spec);
	tcpc_journal_read(owner.journal);
	expect_u64("still full", "journal_full", stats_now().journal_full, 2);
	assert_int_equal(tcpc_journal_release(owner.journal, 0), 0);
	tcpc_journal_read(owner.journal);
	run_copy("room", &spec);
	expect_u64("room", "records", tcpc_journal_read(owner.journal), 1);
	expect_u64("room", "journal_full", stats_now().journal_full, 2);
	end();
}

/* ---- many, in any order ---------------------------------------------------------------------- */

static struct {
	__u64 id;
	__u32 seq, payload_bytes;
	bool used;
} kept[KEPT];

static __u64 rng;

static void let_go(unsigned int i)
{
	const struct tcpc_journal_head *head = tcpc_journal_get(owner.journal, kept[i].id);
	const __u8 *payload;

	expect_true("many", "is kept", head != NULL);
	expect_u64("many", "seq", head->seq, kept[i].seq);
	expect_u64("many", "payload", head->payload_bytes, kept[i].payload_bytes);
	payload = (const __u8 *)(head + 1) + head->l4_off;
	for (__u32 at = head->tcp_bytes; at < head->tcp_bytes + kept[i].payload_bytes; at++)
		expect_u64("many", "byte", payload[at], 'a' + at % 23);
	assert_int_equal(tcpc_journal_release(owner.journal, kept[i].id), 0);
	kept[i].used = false;
}

static void give_up_one(void *user)
{
	unsigned int i = random_below(&rng, KEPT);

	(void)user;
	for (unsigned int n = 0; n < KEPT; n++)
		if (kept[(i + n) % KEPT].used) {
			let_go((i + n) % KEPT);
			return;
		}
}

static void test_many(void **state)
{
	(void)state;
	need_netns();
	rng = 99;
	memset(kept, 0, sizeof(kept));
	begin(30000, give_up_one);
	set_target(6, TCPC_TARGET_JOURNAL);
	for (__u32 n = 0; n < 5000; n++) {
		struct frame_spec spec = {V6, .seq = n * 1000003u, .flags = TCPC_TCP_ACK};
		unsigned int i = random_below(&rng, KEPT);

		spec.payload_bytes = random_below(&rng, RUN_MAX);
		if (kept[i].used)
			let_go(i);
		run_copy("many", &spec);
		expect_u64("many", "records", tcpc_journal_read(owner.journal), 1);
		kept[i].id = owner.last_id;
		kept[i].seq = spec.seq;
		kept[i].payload_bytes = spec.payload_bytes;
		kept[i].used = true;
	}
	expect_u64("many", "journal_full", stats_now().journal_full, 0);
	expect_true("many", "some were moved", journal_stats().moved > 10);
	expect_true("many", "within the bound", journal_stats().heap_bytes <= 30000);
	end();
}

/* ---- the wake-up ----------------------------------------------------------------------------- */

static bool sleeps(void)
{
	return __atomic_load_n(owner.sleeps, __ATOMIC_SEQ_CST);
}

static void on_limit(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

/* Run the loop until there are @records and the reader sleeps (or not). */
static void run_loop(const char *row, __u64 records, bool asleep)
{
	bool late = false;
	uv_timer_t limit;

	uv_timer_init(uv_default_loop(), &limit);
	limit.data = &late;
	uv_timer_start(&limit, on_limit, WAIT_MS, 0);
	while (!late && (owner.records < records || sleeps() != asleep))
		uv_run(uv_default_loop(), UV_RUN_ONCE);
	uv_close((uv_handle_t *)&limit, NULL);
	uv_run(uv_default_loop(), UV_RUN_NOWAIT);
	expect_true(row, "came in time", !late);
	expect_u64(row, "records", owner.records, records);
}

/* Long enough asleep for the last look to be over, each time: only the wake-up is left. */
static void sleep_well(const char *row, __u64 records)
{
	__u64 until = uv_hrtime() + 50000000;

	run_loop(row, records, true);
	while (uv_hrtime() < until)
		uv_run(uv_default_loop(), UV_RUN_NOWAIT);
}

static void test_wake(void **state)
{
	(void)state;
	need_netns();
	begin(1 << 16, on_pressure);
	set_target(4, TCPC_TARGET_JOURNAL);
	for (__u64 n = 0; n < 3; n++) {
		sleep_well("asleep", 2 * n);
		run_copy("wake", &(struct frame_spec){DATA});
		expect_true("wake", "the program says that it woke", !sleeps());
		run_loop("woken", 2 * n + 1, false);
		run_copy("awake", &(struct frame_spec){DATA});
		run_loop("awake", 2 * n + 2, false);
	}
	end();
}

/* A second reader of a ring would free what the first one keeps. */
static void test_read_before(void **state)
{
	struct tcpc_journal *second = NULL;
	struct tcpc_journal_config config = {
		.reader_sleeps = NULL,
		.record = on_record,
		.pressure = on_pressure,
	};
	struct tcpc_err err = {};

	(void)state;
	need_netns();
	begin(0, on_pressure);
	set_target(4, TCPC_TARGET_JOURNAL);
	run_copy("first", &(struct frame_spec){DATA});
	tcpc_journal_read(owner.journal);
	tcpc_journal_release(owner.journal, owner.last_id);
	tcpc_journal_read(owner.journal);
	config.ring_fd = bpf_map__fd(lab.skel->maps.journal);
	config.ring_bytes = bpf_map__max_entries(lab.skel->maps.journal);
	config.reader_sleeps = owner.sleeps;
	assert_int_equal(tcpc_journal_open(uv_default_loop(), &config, &second, &err), -EBUSY);
	assert_null(second);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_wake),
		cmocka_unit_test(test_read_before),
	};

	return cmocka_run_group_tests(tests, online_enter, online_leave);
}
