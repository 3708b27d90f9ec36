/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * link_scene.h - a server of the feedback link with one good peer, which must not be disturbed by
 * what others do.
 */
#ifndef TCPCOPY_TESTS_LINK_SCENE_H
#define TCPCOPY_TESTS_LINK_SCENE_H

#include "link_hand.h"

static const __u8 scene_key[TCPC_LINK_KEY_BYTES] = "0123456789abcdef0123456789abcdef";

/* A server with one good peer. */
struct scene {
	__u16 port;
	struct lab_server s;
	struct lab_client good;
	__u64 sent; /* receipts */
};

static inline void scene_open(struct scene *scene, const __u8 *with_key)
{
	scene->sent = 0;
	scene->port = lab_port();
	lab_serve(&scene->s, scene->port, with_key);
	lab_dial(&scene->good, "127.0.0.1", scene->port, with_key);
	assert_true(lab_wait(lab_is_ready, &scene->good, LAB_WAIT_MS));
}

static inline bool scene_got_all(void *arg)
{
	struct scene *scene = arg;

	return scene->good.receipts == scene->sent;
}

/* The good peer is still there, never was not, and still gets what it is sent. */
static inline void scene_check(struct scene *scene, const char *row)
{
	struct tcpc_receipt r = {.client = tcpc_addr_from_v4(htonl(0xc6120001)),
				 .server = tcpc_addr_from_v4(htonl(0xc6120002))};

	assert_int_equal(tcpc_link_server_receipts(scene->s.link, &r, 1), 0);
	scene->sent++;
	expect_true(row, "receipts still arrive", lab_wait(scene_got_all, scene, LAB_WAIT_MS));
	expect_u64(row, "links made", scene->good.ready, 1);
	expect_u64(row, "links lost", scene->good.lost, 0);
	expect_true(row, "peer is there", tcpc_link_server_peers(scene->s.link) >= 1);
}

static inline void scene_close(struct scene *scene)
{
	lab_close(&scene->s, &scene->good);
	lab_run(0);
}

static inline const struct tcpc_link_counters *scene_counters(const struct scene *scene)
{
	return tcpc_link_server_counters(scene->s.link);
}

#endif
