// SPDX-License-Identifier: GPL-2.0-only
/* test_link_slow.c - the feedback link with peers that do not read, or go away while they are
 * written to. A good peer is linked each time, and is not disturbed. */
#include "../harness/link_scene.h"

#include <signal.h>

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static bool two_are_up(void *arg)
{
	return ((struct scene *)arg)->s.ups == 2;
}

/* A peer with a small window that has said hello and reads nothing after it. */
static void connect_deaf(struct lab_hand *h, struct scene *scene)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(scene->port)};
	int small = 4096;

	memset(h, 0, sizeof(*h));
	h->key = scene_key;
	h->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(h->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(h->fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	lab_hand_shake(h);
	assert_true(lab_wait(two_are_up, scene, LAB_WAIT_MS));
}

static void test_deaf_peer_loses_receipts(void **state)
{
	struct tcpc_receipt batch[500] = {};
	unsigned int dropped = 0;
	struct scene scene;
	struct lab_hand deaf;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(batch); i++) {
		batch[i].client.w[0] = htonl(0x20010db8); /* the long form */
		batch[i].seq = i;
	}
	scene_open(&scene, scene_key);
	connect_deaf(&deaf, &scene);
	/* At most the two buffers, the kernel's and ours: 4 MB and 2 MB, at 52 bytes each. */
	for (int i = 0; i < 400 && !dropped; i++) {
		dropped += tcpc_link_server_receipts(scene.s.link, batch, COUNT_OF(batch));
		scene.sent += COUNT_OF(batch);
		uv_run(&lab_loop, UV_RUN_NOWAIT);
	}
	assert_true(dropped > 0);
	/* They were dropped for the deaf one alone. */
	assert_true(lab_wait(scene_got_all, &scene, LAB_WAIT_MS));
	/* Those that waited for company are reported with the next call. */
	dropped += tcpc_link_server_receipts(scene.s.link, NULL, 0);
	assert_int_equal(scene_counters(&scene)->receipts_dropped, dropped);
	assert_int_equal(scene.good.lost, 0);
	lab_hand_close(&deaf);
	lab_run(20);
	scene_check(&scene, "after the deaf peer");
	scene_close(&scene);
}

static bool one_is_down(void *arg)
{
	return ((struct scene *)arg)->s.downs > 0;
}

static void test_deaf_peer_misses_change(void **state)
{
	static struct tcpc_prefix prefixes[TCPC_MAX_ALLOW];
	struct scene scene;
	struct lab_hand deaf;

	(void)state;
	for (__u32 i = 0; i < COUNT_OF(prefixes); i++)
		prefixes[i] = (struct tcpc_prefix){tcpc_addr_from_v4(htonl(0x0a000000 + i)), 128};
	scene_open(&scene, scene_key);
	connect_deaf(&deaf, &scene);
	for (int i = 0; i < 5 && !scene.s.downs; i++) {
		assert_int_not_equal(tcpc_link_server_allow(scene.s.link, TCPC_LINK_ALLOW_ADD,
							    prefixes, COUNT_OF(prefixes)),
				     0);
		scene.good.n_notes = 0;
		lab_run(10);
	}
	assert_true(lab_wait(one_is_down, &scene, LAB_WAIT_MS));
	assert_non_null(strstr(scene.s.why, "does not take what it is sent"));
	assert_int_equal(scene_counters(&scene)->behind, 1);
	lab_hand_close(&deaf);
	scene_check(&scene, "after the deaf peer");
	scene_close(&scene);
}

/* Writing to a peer that has reset its connection: an error, not a SIGPIPE that kills the daemon.
 */
static void test_reset_while_writing(void **state)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	struct tcpc_receipt r = {};
	struct lab_hand h;
	struct scene scene;

	(void)state;
	signal(SIGPIPE, SIG_DFL);
	scene_open(&scene, scene_key);
	for (int i = 0; i < 20; i++) {
		lab_hand_connect(&h, scene.port, scene_key);
		lab_hand_shake(&h);
		setsockopt(h.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		lab_hand_close(&h);
		/* Without the loop in between: the server does not know yet. */
		for (int k = 0; k < TCPC_FEEDBACK_RECEIPTS_MAX + 1; k++)
			tcpc_link_server_receipts(scene.s.link, &r, 1);
		scene.sent += TCPC_FEEDBACK_RECEIPTS_MAX + 1;
		assert_true(lab_wait(scene_got_all, &scene, LAB_WAIT_MS));
	}
	assert_true(lab_wait(one_is_down, &scene, LAB_WAIT_MS));
	scene_check(&scene, "after resets");
	assert_int_equal(scene.s.downs, 20);
	assert_int_equal(scene_counters(&scene)->left, 20);
	scene_close(&scene);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_deaf_peer_loses_receipts),
		TEST(test_deaf_peer_misses_change),
		TEST(test_reset_while_writing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
