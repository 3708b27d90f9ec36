// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_retention.c - what is kept of the journal's ring: tables of steps, then random ones against
 * a model that does everything in the most plain way.
 */
#include "../harness/expect.h"
#include "../harness/random.h"

#include <errno.h>
#include <stdbool.h>

#include "core/retention.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define RING 4096
#define LARGEST 1024
#define HEADER 8
#define MAX_RECORDS 20000
/* What a moved record of @bytes costs; as in retention.c. */
#define COST(bytes) (40 + (bytes) + 16)

static __u8 ring[RING + LARGEST];
static __u64 written; /* the producer's position */

/** The owner: a queue of records that it would give up, oldest last. */
static struct owner {
	struct tcpc_retention *r;
	__u64 give_up[8];
	unsigned int n_give_up, asked;
} owner;

static void on_pressure(void *user)
{
	struct owner *o = user;

	o->asked++;
	if (o->n_give_up)
		expect_u64("pressure", "release",
			   tcpc_retention_release(o->r, o->give_up[--o->n_give_up]), 0);
}

static void start(__u64 heap_bytes)
{
	struct tcpc_retention_config config = {
		.ring = ring,
		.ring_bytes = RING,
		.header_bytes = HEADER,
		.heap_bytes = heap_bytes,
		.pressure = on_pressure,
		.user = &owner,
	};

	memset(&owner, 0, sizeof(owner));
	written = 0;
	assert_int_equal(tcpc_retention_new(&config, &owner.r), 0);
}

static void stop(void)
{
	tcpc_retention_free(owner.r);
	owner.r = NULL;
}

/* As the kernel writes it, the mirror behind the end included. */
static void write_record(__u32 bytes, __u8 fill)
{
	for (__u32 i = 0; i < bytes; i++) {
		__u32 at = (written + HEADER + i) % RING;

		ring[at] = fill + i;
		if (at < LARGEST)
			ring[RING + at] = fill + i;
	}
}

static __u64 append(__u32 bytes, __u8 fill)
{
	__u32 ring_bytes = (bytes + HEADER + 7) & ~7u;
	__u64 id = ~0ULL;

	write_record(bytes, fill);
	assert_int_equal(tcpc_retention_add(owner.r, ring_bytes, bytes, &id), 0);
	written += ring_bytes;
	return id;
}

static void expect_record(const char *row, __u64 id, __u32 bytes, __u8 fill)
{
	__u32 got_bytes = 0;
	const __u8 *got = tcpc_retention_get(owner.r, id, &got_bytes);

	expect_true(row, "is kept", got != NULL);
	expect_u64(row, "length", got_bytes, bytes);
	for (__u32 i = 0; i < bytes; i++)
		expect_u64(row, "byte", got[i], (__u8)(fill + i));
}

static struct tcpc_retention_stats stats(void)
{
	struct tcpc_retention_stats s;

	tcpc_retention_stats(owner.r, &s);
	return s;
}

/* ---- tables ---------------------------------------------------------------------------------- */

enum what { END, ADD, SKIP, RELEASE, RELIEVE, GIVE_UP };

/** One step, and what holds behind it. ADD and SKIP: @n bytes. RELEASE, GIVE_UP: record @n. */
struct step {
	enum what what;
	__u32 n;
	int result;
	__u64 position, records, moved;
};

static const struct scenario {
	const char *row;
	__u64 heap_bytes;
	struct step steps[16];
} scenarios[] = {
	{"in order",
	 0,
	 {{ADD, 92, 0, 0, 1, 0},
	  {ADD, 92, 0, 0, 2, 0},
	  {RELEASE, 0, 0, 104, 1, 0},
	  {RELEASE, 1, 0, 208, 0, 0},
	  {ADD, 8, 0, 208, 1, 0},
	  {RELEASE, 2, 0, 224, 0, 0}}},
	{"out of order",
	 0,
	 {{ADD, 92, 0, 0, 1, 0},
	  {ADD, 192, 0, 0, 2, 0},
	  {ADD, 8, 0, 0, 3, 0},
	  {RELEASE, 1, 0, 0, 2, 0},
	  {RELEASE, 2, 0, 0, 1, 0},
	  {RELEASE, 0, 0, 104 + 200 + 16, 0, 0}}},
	{"twice, unknown, not yet",
	 0,
	 {{RELEASE, 0, -ENOENT, 0, 0, 0},
	  {ADD, 92, 0, 0, 1, 0},
	  {ADD, 92, 0, 0, 2, 0},
	  {RELEASE, 1, 0, 0, 1, 0},
	  {RELEASE, 1, -ENOENT, 0, 1, 0},
	  {RELEASE, 2, -ENOENT, 0, 1, 0},
	  {RELEASE, 0, 0, 208, 0, 0},
	  {RELEASE, 0, -ENOENT, 208, 0, 0}}},
	{"what is skipped is free at once, behind a record with it",
	 0,
	 {{SKIP, 104, 0, 104, 0, 0},
	  {ADD, 92, 0, 104, 1, 0},
	  {SKIP, 48, 0, 104, 1, 0},
	  {RELEASE, 1, 0, 256, 0, 0}}},
	{"three quarters are not too much",
	 4096,
	 {{ADD, 1016, 0, 0, 1, 0},
	  {ADD, 1016, 0, 0, 2, 0},
	  {ADD, 1016, 0, 0, 3, 0},
	  {RELIEVE, 0, 0, 0, 3, 0},
	  {ADD, 8, 0, 0, 4, 0},
	  {RELIEVE, 0, 0, 1024, 4, 1},
	  {RELEASE, 0, 0, 1024, 3, 1},
	  {RELEASE, 0, -ENOENT, 1024, 3, 1}}},
	{"a straggler makes room for all behind it",
	 4096,
	 {{ADD, 8, 0, 0, 1, 0},
	  {ADD, 1016, 0, 0, 2, 0},
	  {ADD, 1016, 0, 0, 3, 0},
	  {ADD, 1016, 0, 0, 4, 0},
	  {RELEASE, 1, 0, 0, 3, 0},
	  {RELEASE, 2, 0, 0, 2, 0},
	  {RELIEVE, 0, 0, 16 + 2048, 2, 1},
	  {RELEASE, 0, 0, 16 + 2048, 1, 1}}},
	{"no place on the heap, nothing to give up",
	 COST(1016) - 1,
	 {{ADD, 1016, 0, 0, 1, 0},
	  {ADD, 1016, 0, 0, 2, 0},
	  {ADD, 1016, 0, 0, 3, 0},
	  {ADD, 1016, 0, 0, 4, 0},
	  {RELIEVE, 0, 0, 0, 4, 0}}},
	{"the owner gives up what is not the oldest: that is moved then",
	 COST(1016),
	 {{ADD, 1016, 0, 0, 1, 0},
	  {ADD, 1016, 0, 0, 2, 0},
	  {ADD, 1016, 0, 0, 3, 0},
	  {ADD, 1016, 0, 0, 4, 0},
	  {RELIEVE, 0, 0, 1024, 4, 1},
	  {ADD, 1016, 0, 1024, 5, 1},
	  {GIVE_UP, 0, 0, 1024, 5, 1},
	  {RELIEVE, 0, 0, 2048, 4, 2}}},
};

static int do_step(const struct step *s)
{
	int r = 0;

	switch (s->what) {
	case ADD:
		append(s->n, s->n);
		break;
	case SKIP:
		r = tcpc_retention_skip(owner.r, s->n);
		written += s->n;
		break;
	case RELEASE:
		r = tcpc_retention_release(owner.r, s->n);
		break;
	case RELIEVE:
		tcpc_retention_relieve(owner.r, written);
		break;
	case GIVE_UP:
		owner.give_up[owner.n_give_up++] = s->n;
		break;
	case END:
		break;
	}
	return r;
}

static void test_scenarios(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(scenarios); i++) {
		const struct scenario *c = &scenarios[i];

		start(c->heap_bytes);
		for (const struct step *s = c->steps; s->what != END; s++) {
			char row[128];

			snprintf(row, sizeof(row), "%s, step %d", c->row, (int)(s - c->steps) + 1);
			expect_u64(row, "result", do_step(s), s->result);
			expect_u64(row, "position", tcpc_retention_position(owner.r), s->position);
			expect_u64(row, "records", stats().records, s->records);
			expect_u64(row, "moved", stats().moved, s->moved);
			expect_u64(row, "end", tcpc_retention_end(owner.r), written);
		}
		stop();
	}
}

static void test_moved_bytes_stay(void **state)
{
	__u32 bytes = 0;
	__u64 oldest;

	(void)state;
	start(100000);
	for (__u64 i = 0; i < 500; i++) {
		__u64 id = append(100 + i % 7, i);

		expect_u64("moved", "number", id, i);
		tcpc_retention_relieve(owner.r, written);
	}
	for (__u64 i = 0; i < 500; i++)
		expect_record("moved", i, 100 + i % 7, i);
	expect_true("moved", "most have moved", stats().moved > 460);
	expect_true("moved", "none is known beyond", !tcpc_retention_get(owner.r, 500, &bytes));
	for (__u64 i = 0; i < 500; i++) {
		assert_int_equal(tcpc_retention_oldest(owner.r, &oldest), 0);
		expect_u64("moved", "oldest", oldest, i < 200 ? i : 200);
		assert_int_equal(tcpc_retention_release(owner.r, i < 200 ? i : 699 - i), 0);
	}
	assert_int_equal(tcpc_retention_oldest(owner.r, &oldest), -ENOENT);
	expect_u64("moved", "heap", stats().heap_bytes, 0);
	expect_u64("moved", "bytes", stats().bytes, 0);
	expect_u64("moved", "position", tcpc_retention_position(owner.r), written);
	stop();
}

static void test_pressure_is_counted(void **state)
{
	__u64 oldest;

	(void)state;
	start(0);
	for (int i = 0; i < 4; i++)
		append(1016, i);
	tcpc_retention_relieve(owner.r, written);
	expect_u64("stuck", "asked", owner.asked, 1);
	expect_u64("stuck", "pressure", stats().pressure, 1);
	expect_u64("stuck", "stuck", stats().stuck, 1);
	assert_int_equal(tcpc_retention_oldest(owner.r, &oldest), 0);
	expect_u64("stuck", "oldest", oldest, 0);
	owner.give_up[owner.n_give_up++] = 0;
	tcpc_retention_relieve(owner.r, written);
	expect_u64("given up", "asked", owner.asked, 2);
	expect_u64("given up", "stuck", stats().stuck, 1);
	expect_u64("given up", "position", tcpc_retention_position(owner.r), 1024);
	assert_int_equal(tcpc_retention_oldest(owner.r, &oldest), 0);
	expect_u64("given up", "oldest", oldest, 1);
	expect_u64("given up", "front", tcpc_retention_front(owner.r), 1);
	stop();
}

static void test_bad_rings(void **state)
{
	static const __u32 sizes[] = {0, 1000, 4097, 1u << 31};
	struct tcpc_retention *r = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		struct tcpc_retention_config config = {.ring = ring, .ring_bytes = sizes[i]};

		assert_int_equal(tcpc_retention_new(&config, &r), -EINVAL);
		assert_null(r);
	}
	tcpc_retention_free(NULL);
}

static void test_split(void **state)
{
	static const struct {
		__u64 retain;
		__u32 ring;
		__u64 heap;
	} rows[] = {
		{0, 1 << 17, 1 << 14},	       {1 << 20, 1 << 20, 1 << 17},
		{64 << 20, 64 << 20, 8 << 20}, {100 << 20, 64 << 20, 36 << 20},
		{65 << 20, 64 << 20, 8 << 20}, {4ULL << 30, 1 << 30, 3ULL << 30},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		__u32 got = 0;
		__u64 heap = 0;

		tcpc_retention_split(rows[i].retain, 1 << 17, 1 << 30, &got, &heap);
		expect_u64("split", "ring", got, rows[i].ring);
		expect_u64("split", "heap", heap, rows[i].heap);
	}
}

/* ---- against a model ------------------------------------------------------------------------- */

static struct {
	__u32 bytes;
	bool kept;

} model[MAX_RECORDS];

/* Whatever was moved, the ring is never free beyond a record that is kept and lies there. */
static void check_model(__u64 n, __u64 *rng)
{
	__u64 records = 0, bytes = 0;

	for (__u64 i = n > 200 ? n - 200 : 0; i < n; i++)
		if (model[i].kept && !random_below(rng, 50))
			expect_record("random", i, model[i].bytes, i);
	for (__u64 i = 0; i < n; i++) {
		records += model[i].kept;
		bytes += model[i].kept ? model[i].bytes : 0;
	}
	expect_u64("random", "records", stats().records, records);
	expect_u64("random", "bytes", stats().bytes, bytes);
	expect_true("random", "heap within its bound", stats().heap_bytes <= 20000);
	expect_true("random", "ring within its size",
		    written - tcpc_retention_position(owner.r) <= RING);
}

static __u64 model_n;
static __u64 model_rng;

/* Gives up the record of a random age. */
static void give_up_some(void *user)
{
	(void)user;
	for (int tries = 0; tries < 1000; tries++) {
		__u64 id = random_below(&model_rng, model_n);

		if (!model[id].kept)
			continue;
		model[id].kept = false;
		assert_int_equal(tcpc_retention_release(owner.r, id), 0);
		return;
	}
}

static void release_random(void)
{
	__u64 back = random_below(&model_rng, 300), id = model_n - 1 - back;
	int want;

	if (back >= model_n)
		return;
	want = model[id].kept ? 0 : -ENOENT;
	expect_u64("random", "release", tcpc_retention_release(owner.r, id), want);
	model[id].kept = false;
}

static void test_random(void **state)
{
	(void)state;
	start(20000);
	tcpc_retention_free(owner.r);
	assert_int_equal(
		tcpc_retention_new(&(struct tcpc_retention_config){.ring = ring,
								   .ring_bytes = RING,
								   .header_bytes = HEADER,
								   .heap_bytes = 20000,
								   .pressure = give_up_some},
				   &owner.r),
		0);
	memset(model, 0, sizeof(model));
	model_rng = 4711;
	for (model_n = 0; model_n < MAX_RECORDS;) {
		__u32 bytes = 8 + random_below(&model_rng, 500);

		tcpc_retention_relieve(owner.r, written);
		if (written + bytes + 16 - tcpc_retention_position(owner.r) <= RING) {
			model[model_n].bytes = bytes;
			model[model_n].kept = true;
			expect_u64("random", "number", append(bytes, model_n), model_n);
			model_n++;
		}
		for (int i = random_below(&model_rng, 4); i; i--)
			release_random();
		if (!random_below(&model_rng, 100))
			check_model(model_n, &model_rng);
	}
	expect_true("random", "some were moved", stats().moved > 100);
	expect_true("random", "some were given up", stats().pressure > 10);
	for (__u64 i = 0; i < model_n; i++)
		if (model[i].kept)
			assert_int_equal(tcpc_retention_release(owner.r, i), 0);
	expect_u64("random", "heap at the end", stats().heap_bytes, 0);
	expect_u64("random", "position at the end", tcpc_retention_position(owner.r), written);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenarios),
		cmocka_unit_test(test_moved_bytes_stay),
		cmocka_unit_test(test_pressure_is_counted),
		cmocka_unit_test(test_bad_rings),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
