// SPDX-License-Identifier: GPL-2.0-only
/* test_link_changes.c - the feedback link: what peers are told of services and allow-list, and when
 * a change is settled. */
#include "../harness/link_hand.h"

static const __u8 key[TCPC_LINK_KEY_BYTES] = "0123456789abcdef0123456789abcdef";

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define SLACK_MS 1000 /* for a machine that has other things to do */

static bool all_settled(void *arg)
{
	struct lab_server *s = arg;

	return s->settled >= 4;
}

/* Invariant 7: what a new peer is told first is whom not to copy, and it is told all of it. */
static void test_brief(void **state)
{
	const struct lab_note expected[] = {{'c', 0}, {'a', 960}, {'a', 960}, {'a', 79}, {'s', 2}};
	static struct tcpc_prefix prefixes[2000];
	struct tcpc_link_service services[] = {lab_service(1), lab_service(2)};
	const __u16 port = lab_port();
	struct lab_server s;
	struct lab_client c;

	(void)state;
	for (__u32 i = 0; i < COUNT_OF(prefixes); i++)
		prefixes[i] = (struct tcpc_prefix){tcpc_addr_from_v4(htonl(0xc6120000 + i)), 128};
	lab_serve(&s, port, key);
	/* 2,000 are three frames, each with a serial. */
	assert_int_equal(tcpc_link_server_allow(s.link, TCPC_LINK_ALLOW_ADD, prefixes, 2000), 3);
	assert_int_equal(tcpc_link_server_allow(s.link, TCPC_LINK_ALLOW_DEL, prefixes + 5, 1), 4);
	assert_int_equal(s.settled, 0); /* never within the call */
	assert_true(lab_wait(all_settled, &s, LAB_WAIT_MS));
	assert_int_equal(tcpc_link_server_services(s.link, services, 2), 5);
	lab_dial(&c, "127.0.0.1", port, key);
	assert_true(lab_wait(lab_has_services, &c, LAB_WAIT_MS));
	assert_int_equal(c.n_notes, COUNT_OF(expected));
	assert_memory_equal(c.notes, expected, sizeof(expected));
	assert_memory_equal(c.services, services, sizeof(services));
	assert_memory_equal(&c.last_prefix, &prefixes[1999], sizeof(prefixes[0]));
	lab_close(&s, &c);
}

struct settle_wait {
	struct lab_server *s;
	__u32 serial;
};

static bool has_settled(void *arg)
{
	struct settle_wait *w = arg;

	return w->s->settled >= w->serial;
}

static void test_settled_when_acknowledged(void **state)
{
	struct tcpc_prefix prefix = {tcpc_addr_from_v4(htonl(0xc6120000)), 96 + 16};
	struct tcpc_link_service service = lab_service(1);
	const __u16 port = lab_port();
	struct lab_server s;
	struct lab_client a, b;
	struct settle_wait w = {&s, 1};

	(void)state;
	lab_serve(&s, port, key);
	lab_dial(&a, "127.0.0.1", port, key);
	lab_dial(&b, "127.0.0.1", port, key);
	assert_true(lab_wait(lab_is_ready, &a, LAB_WAIT_MS));
	assert_true(lab_wait(lab_is_ready, &b, LAB_WAIT_MS));
	assert_int_equal(tcpc_link_server_services(s.link, &service, 1), 1);
	assert_true(lab_wait(has_settled, &w, TCPC_LINK_LEASE_MS));
	/* Both had been told, and had acted, by the time it was reported. */
	assert_true(a.n_services == 1 && b.n_services == 1);
	w.serial = tcpc_link_server_allow(s.link, TCPC_LINK_ALLOW_ADD, &prefix, 1);
	assert_true(lab_wait(has_settled, &w, TCPC_LINK_LEASE_MS));
	assert_true(a.notes[a.n_notes - 1].what == 'a' && b.notes[b.n_notes - 1].what == 'a');
	assert_memory_equal(&a.last_prefix, &prefix, sizeof(prefix));
	w.serial = tcpc_link_server_allow(s.link, TCPC_LINK_ALLOW_CLEAR, NULL, 0);
	assert_true(lab_wait(has_settled, &w, TCPC_LINK_LEASE_MS));
	assert_int_equal(b.notes[b.n_notes - 1].what, 'c');
	tcpc_link_client_close(b.link);
	lab_close(&s, &a);
}

/* What cannot be told to the peers is not taken, and nothing has changed. */
static void test_changes_refused(void **state)
{
	static struct tcpc_link_service many[TCPC_LINK_MAX_SERVICES + 1];
	struct tcpc_prefix bad = {tcpc_addr_from_v4(htonl(0xc6120001)), 96 + 16};
	const __u16 port = lab_port();
	struct tcpc_prefix *prefixes;
	struct lab_server s;
	struct lab_client c;

	(void)state;
	for (__u32 i = 0; i < COUNT_OF(many); i++)
		many[i] = lab_service(i);
	prefixes = calloc(TCPC_MAX_ALLOW + 1, sizeof(*prefixes));
	for (__u32 i = 0; i <= TCPC_MAX_ALLOW; i++)
		prefixes[i] = (struct tcpc_prefix){tcpc_addr_from_v4(htonl(0x0a000000 + i)), 128};
	lab_serve(&s, port, key);
	assert_int_equal(tcpc_link_server_services(s.link, many, COUNT_OF(many)), 0);
	assert_int_equal(tcpc_link_server_services(s.link, many, COUNT_OF(many) - 1), 1);
	many[0].engine = 2;
	assert_int_equal(tcpc_link_server_services(s.link, many, 1), 0);
	many[0].engine = 0;
	many[0].port = 0;
	assert_int_equal(tcpc_link_server_services(s.link, many, 1), 0);
	assert_int_equal(tcpc_link_server_allow(s.link, TCPC_LINK_ALLOW_ADD, &bad, 1), 0);
	assert_int_equal(
		tcpc_link_server_allow(s.link, TCPC_LINK_ALLOW_ADD, prefixes, TCPC_MAX_ALLOW + 1),
		0);
	lab_dial(&c, "127.0.0.1", port, key);
	assert_true(lab_wait(lab_has_services, &c, LAB_WAIT_MS));
	assert_int_equal(c.n_services, TCPC_LINK_MAX_SERVICES);
	assert_int_equal(c.n_notes, 2); /* CLEAR and services: no prefix is in the list */
	/* As many as there may be fit into what is buffered for a peer. */
	lab_close(NULL, &c);
	assert_int_not_equal(
		tcpc_link_server_allow(s.link, TCPC_LINK_ALLOW_ADD, prefixes, TCPC_MAX_ALLOW), 0);
	lab_dial(&c, "127.0.0.1", port, key);
	assert_true(lab_wait(lab_has_services, &c, LAB_WAIT_MS));
	assert_int_equal(c.n_notes, 2 + (TCPC_MAX_ALLOW + 959) / 960);
	assert_int_equal(c.lost, 0);
	free(prefixes);
	lab_close(&s, &c);
}

static bool peer_is_down(void *arg)
{
	return ((struct lab_server *)arg)->downs > 0;
}

static bool peer_is_up(void *arg)
{
	return ((struct lab_server *)arg)->ups > 0;
}

/* Invariant 2: a peer that is gone may go on copying for a while; a change it has not acted on is
 * not settled before that. */
static void test_settled_after_lost_peer(void **state)
{
	struct tcpc_link_service service = lab_service(1);
	const __u16 port = lab_port();
	struct settle_wait w;
	struct lab_server s;
	struct lab_hand h;

	(void)state;
	lab_serve(&s, port, key);
	w.s = &s;
	lab_hand_connect(&h, port, key);
	lab_hand_shake(&h);
	assert_true(lab_wait(peer_is_up, &s, LAB_WAIT_MS));
	w.serial = tcpc_link_server_services(s.link, &service, 1);
	/* Not while it is connected and says nothing about it... */
	assert_false(lab_wait(has_settled, &w, 200));
	lab_hand_close(&h);
	assert_true(lab_wait(peer_is_down, &s, LAB_WAIT_MS));
	/* ...nor for some time after; and a later change waits for the same peer. */
	assert_int_equal(tcpc_link_server_services(s.link, NULL, 0), 2);
	w.serial = 2;
	assert_true(lab_wait(has_settled, &w, LAB_WAIT_MS));
	assert_true(s.settled_ms - s.down_ms >= TCPC_LINK_SETTLE_MS - 1);
	assert_true(s.settled_ms - s.down_ms <= TCPC_LINK_SETTLE_MS + SLACK_MS);

	/* One that had acted on it is not waited for. */
	s.ups = s.downs = 0;
	lab_hand_connect(&h, port, key);
	lab_hand_shake(&h);
	assert_true(lab_wait(peer_is_up, &s, LAB_WAIT_MS));
	w.serial = tcpc_link_server_services(s.link, &service, 1);
	lab_hand_ack(&h, w.serial);
	lab_hand_close(&h);
	assert_true(lab_wait(has_settled, &w, TCPC_LINK_LEASE_MS));
	lab_close(&s, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_brief),
		TEST(test_settled_when_acknowledged),
		TEST(test_changes_refused),
		TEST(test_settled_after_lost_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
