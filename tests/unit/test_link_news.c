// SPDX-License-Identifier: GPL-2.0-only
/* test_link_news.c - what the hold queue has and gave up, over the link: whole, in its order among
 * the receipts, bounded, and nothing for a peer that is not there. */
#include "../harness/link_scene.h"

static struct tcpc_flow flow_of(unsigned int n)
{
	return (struct tcpc_flow){.client = tcpc_addr_from_v4(htonl(0xc6120000 + n % 251)),
				  .server = tcpc_addr_from_v4(htonl(0xc6130001)),
				  .client_port = htons(n),
				  .server_port = htons(80)};
}

static void send_held(struct scene *scene, unsigned int n, __u32 seq, __u32 end)
{
	struct tcpc_flow flow = flow_of(n);

	tcpc_link_server_held(scene->s.link, &flow, seq, end);
}

static void send_shed(struct scene *scene, unsigned int n, enum tcpc_feedback_shed_reason reason)
{
	struct tcpc_flow flow = flow_of(n);

	tcpc_link_server_shed(scene->s.link, &flow, reason);
}

static void send_receipt(struct scene *scene, unsigned int n, __u32 ack)
{
	struct tcpc_flow flow = flow_of(n);
	struct tcpc_receipt r = {.client = flow.client,
				 .server = flow.server,
				 .client_port = flow.client_port,
				 .server_port = flow.server_port,
				 .ack = ack,
				 .payload_bytes = 1,
				 .flags = 0x10};

	assert_int_equal(tcpc_link_server_receipts(scene->s.link, &r, 1), 0);
}

/* How many of each kind the good peer waits for. */
static unsigned int want_order;

static bool got_order(void *arg)
{
	return ((struct scene *)arg)->good.n_order >= want_order;
}

static void expect_order(struct scene *scene, const char *row, const char *want)
{
	want_order = strlen(want);
	expect_true(row, "all has come", lab_wait(got_order, scene, LAB_WAIT_MS));
	lab_run(5);
	scene->good.order[scene->good.n_order] = '\0';
	if (strcmp(scene->good.order, want))
		fail_msg("%s: came \"%s\", wanted \"%s\"", row, scene->good.order, want);
	memset(scene->good.order, 0, sizeof(scene->good.order));
	scene->good.n_order = scene->good.n_held = scene->good.n_shed = 0;
}

static void test_order(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene, scene_key);
	send_held(&scene, 1, 100, 150);
	send_receipt(&scene, 2, 5);
	expect_order(&scene, "no order among these", "hr");

	/* The connection from the same port that begins behind it is another one. */
	send_receipt(&scene, 1, 100);
	send_held(&scene, 1, 100, 150);
	send_shed(&scene, 1, TCPC_FEEDBACK_SHED_SLOW);
	send_receipt(&scene, 1, 7000);
	send_held(&scene, 1, 7000, 7050);
	expect_order(&scene, "SHED behind all before it, before all after it", "hrshr");

	send_shed(&scene, 1, TCPC_FEEDBACK_SHED_SLOW);
	send_receipt(&scene, 1, 7000);
	send_shed(&scene, 1, TCPC_FEEDBACK_SHED_SLOW);
	expect_order(&scene, "and between two of them", "srs");
	scene_close(&scene);
}

/* Connections may change places. */
static void expect_held(struct scene *scene, unsigned int n, __u32 seq, __u32 end)
{
	struct tcpc_flow flow = flow_of(n);

	for (unsigned int i = 0; i < scene->good.n_held; i++) {
		const struct tcpc_held *held = &scene->good.held[i];

		if (held->seq == seq && held->end == end &&
		    !memcmp(&held->flow, &flow, sizeof(flow)))
			return;
	}
	fail_msg("connection %u: nothing told from %u to %u", n, seq, end);
}

static void test_content(void **state)
{
	struct tcpc_flow flow = flow_of(1);
	struct scene scene;

	(void)state;
	scene_open(&scene, NULL);
	send_held(&scene, 1, 0xfffffff0, 0);
	send_held(&scene, 1, 0, 50); /* goes on where the one before ends */
	send_held(&scene, 2, 50, 60);
	send_held(&scene, 1, 60, 70); /* it does not */
	want_order = 3;
	assert_true(lab_wait(got_order, &scene, LAB_WAIT_MS));
	assert_int_equal(scene.good.n_held, 3);
	expect_held(&scene, 1, 0xfffffff0, 50);
	expect_held(&scene, 2, 50, 60);
	expect_held(&scene, 1, 60, 70);
	assert_int_equal(scene_counters(&scene)->held, 3);

	send_shed(&scene, 1, TCPC_FEEDBACK_SHED_SLOW);
	send_shed(&scene, 1, TCPC_FEEDBACK_SHED_AGED);
	send_shed(&scene, 1, TCPC_FEEDBACK_SHED_ALLOWED);
	want_order = 6;
	assert_true(lab_wait(got_order, &scene, LAB_WAIT_MS));
	for (unsigned int i = 0; i < 3; i++) {
		assert_memory_equal(&scene.good.shed[i].flow, &flow, sizeof(flow));
		assert_int_equal(scene.good.shed[i].reason, i + 1);
	}
	assert_int_equal(scene_counters(&scene)->shed, 3);
	assert_int_equal(scene_counters(&scene)->frames, 2);
	assert_int_equal(scene_counters(&scene)->frame_bytes, 2 + 3 + 3 * 21 + 2 + 3 + 3 * 14);
	assert_int_equal(scene_counters(&scene)->held_dropped, 0);
	scene_close(&scene);
}

/* More than a frame holds, at once. */
static void test_many(void **state)
{
	const unsigned int n = 1500;
	struct scene scene;

	(void)state;
	scene_open(&scene, scene_key);
	for (unsigned int i = 0; i < n; i++)
		send_held(&scene, i, i, i + 1);
	for (unsigned int i = 0; i < n; i++)
		send_shed(&scene, i, TCPC_FEEDBACK_SHED_AGED);
	want_order = 2 * n;
	assert_true(lab_wait(got_order, &scene, LAB_WAIT_MS));
	for (unsigned int i = 0; i < n; i++) {
		struct tcpc_flow flow = flow_of(i);

		expect_held(&scene, i, i, i + 1);
		assert_memory_equal(&scene.good.shed[i].flow, &flow, sizeof(flow));
	}
	scene_check(&scene, "many");
	scene_close(&scene);
}

/* Packets of a few connections, told in turns: one each. */
static void test_in_turns(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene, scene_key);
	for (__u32 i = 0; i < 64; i++)
		send_held(&scene, i % 16, 10 * (i / 16), 10 * (i / 16) + 10);
	want_order = 16;
	assert_true(lab_wait(got_order, &scene, LAB_WAIT_MS));
	lab_run(5);
	assert_true(scene.good.n_held <= 20); /* two may share a slot */
	scene_close(&scene);
}

/* Receipts of one connection come as one, of others as they are. */
static void test_coalesced(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene, scene_key);
	for (__u32 i = 0; i < 100; i++)
		send_receipt(&scene, i % 2, i);
	want_order = 2;
	assert_true(lab_wait(got_order, &scene, LAB_WAIT_MS));
	lab_run(5);
	assert_int_equal(scene.good.receipts, 2);
	assert_int_equal(scene_counters(&scene)->receipts, 2);
	assert_int_equal(scene_counters(&scene)->coalesced, 98);
	scene_close(&scene);
}

/* Nobody is there: nothing is kept for later. What has no encoding is counted and not sent. */
static void test_nobody(void **state)
{
	struct scene scene;

	(void)state;
	scene.port = lab_port();
	lab_serve(&scene.s, scene.port, scene_key);
	send_held(&scene, 1, 1, 2);
	send_shed(&scene, 1, TCPC_FEEDBACK_SHED_SLOW);
	lab_dial(&scene.good, "127.0.0.1", scene.port, scene_key);
	assert_true(lab_wait(lab_is_ready, &scene.good, LAB_WAIT_MS));
	send_held(&scene, 1, 2, 1);
	tcpc_link_server_held(scene.s.link, &(struct tcpc_flow){}, 1, 2);
	send_shed(&scene, 1, TCPC_FEEDBACK_SHED_NONE);
	send_shed(&scene, 1, TCPC_FEEDBACK_SHED_SLOW);
	want_order = 1;
	assert_true(lab_wait(got_order, &scene, LAB_WAIT_MS));
	lab_run(5);
	assert_string_equal(scene.good.order, "s");
	assert_int_equal(scene_counters(&scene)->held_dropped, 3);
	scene_close(&scene);
}

static bool got_broken(void *arg)
{
	return ((struct scene *)arg)->s.n_broken >= 3;
}

/* The other way: an online host gives connections up. Without a link nobody hears of it. */
static void test_broken(void **state)
{
	struct tcpc_break what = {.end = 0xfffffff0, .ack = 7};
	struct scene scene;

	(void)state;
	scene_open(&scene, scene_key);
	for (unsigned int n = 1; n <= 3; n++) {
		what.flow = flow_of(n);
		assert_int_equal(tcpc_link_client_break(scene.good.link, &what), 0);
	}
	assert_true(lab_wait(got_broken, &scene, LAB_WAIT_MS));
	assert_memory_equal(&scene.s.broken, &what, sizeof(what));
	assert_int_equal(scene_counters(&scene)->breaks, 3);
	tcpc_link_server_close(scene.s.link);
	scene.s.link = NULL;
	assert_true(lab_wait(lab_is_lost, &scene.good, LAB_WAIT_MS));
	assert_int_equal(tcpc_link_client_break(scene.good.link, &what), -EPIPE);
	scene_close(&scene);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_order),  TEST(test_content),	TEST(test_many),   TEST(test_coalesced),
		TEST(test_nobody), TEST(test_in_turns), TEST(test_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
