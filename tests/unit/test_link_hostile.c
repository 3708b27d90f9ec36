// SPDX-License-Identifier: GPL-2.0-only
/* test_link_hostile.c - the feedback link among strangers: other versions, other protocols, broken
 * frames, replays, floods. Each time a good peer is linked, and is not disturbed. */
#include "../harness/link_scene.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define BYTES(s) (const __u8 *)(s), sizeof(s) - 1

/* ---- strangers at the server ---------------------------------------------------------------- */

/* Of the protocol: both of its bytes. */
#define PROTOCOL "\0\x04"
#define OTHER_PROTOCOL "\0\x03"
_Static_assert(TCPC_FEEDBACK_PROTOCOL == 4, "PROTOCOL above has it as bytes");
#define ABI "\x07"
#define OTHER_ABI "\x06"
_Static_assert(TCPC_ABI_VERSION == 7, "ABI above has it as a byte");
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define PREAMBLE "TCPCLINK" PROTOCOL "\0\0\0\0\0" ABI
#define SOME_KEY "................................"
#define HELLO "\0\x04\x01\0\x01x"

/* What is sent to an insecure server in one go, and which counter notices. */
static const struct {
	const char *name;
	const __u8 *bytes;
	size_t n;
	size_t counter;
} strangers[] = {
#define COUNTER(name) offsetof(struct tcpc_link_counters, name)
	{"a browser", BYTES("GET / HTTP/1.1\r\nHost: target\r\n\r\n"), COUNTER(alien)},
	{"one wrong byte", BYTES("TCPCLINk"), COUNTER(alien)},
	{"zeros", BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), COUNTER(alien)},
	{"unknown flag", BYTES("TCPCLINK" PROTOCOL "\x80\0\0\0\0" ABI SOME_KEY), COUNTER(alien)},
	{"flag secure", BYTES("TCPCLINK" PROTOCOL "\0\x01\0\0\0" ABI SOME_KEY), COUNTER(bad_key)},
	{"another protocol", BYTES("TCPCLINK" OTHER_PROTOCOL "\0\0\0\0\0" ABI SOME_KEY),
	 COUNTER(bad_version)},
	{"protocol 0", BYTES("TCPCLINK\0\0\0\0\0\0\0" ABI SOME_KEY), COUNTER(bad_version)},
	{"another ABI", BYTES("TCPCLINK" PROTOCOL "\0\0\0\0\0" OTHER_ABI SOME_KEY),
	 COUNTER(bad_version)},
	{"frame of length 0", BYTES(PREAMBLE SOME_KEY "\0\0"), COUNTER(broken)},
	{"frame of 65535", BYTES(PREAMBLE SOME_KEY "\xff\xff"), COUNTER(broken)},
	{"frame a byte too long", BYTES(PREAMBLE SOME_KEY "\0\x81"), COUNTER(broken)},
	{"no hello first", BYTES(PREAMBLE SOME_KEY "\0\x01\x05"), COUNTER(broken)},
	{"hello as a server", BYTES(PREAMBLE SOME_KEY "\0\x04\x01\x01\x01x"), COUNTER(broken)},
	{"hello cut short", BYTES(PREAMBLE SOME_KEY "\0\x04\x01\0\x02x"), COUNTER(broken)},
	{"hello with a tail", BYTES(PREAMBLE SOME_KEY "\0\x05\x01\0\x01xy"), COUNTER(broken)},
	{"two hellos", BYTES(PREAMBLE SOME_KEY HELLO HELLO), COUNTER(broken)},
	{"unknown type", BYTES(PREAMBLE SOME_KEY HELLO "\0\x01\x63"), COUNTER(broken)},
	{"services from a client", BYTES(PREAMBLE SOME_KEY HELLO "\0\x07\x02\0\0\0\x01\0\0"),
	 COUNTER(broken)},
	{"ping with a tail", BYTES(PREAMBLE SOME_KEY HELLO "\0\x03\x05\0\0"), COUNTER(broken)},
	{"online host under pressure", BYTES(PREAMBLE SOME_KEY HELLO "\0\x02\x05\x01"),
	 COUNTER(broken)},
	{"ack of what never was", BYTES(PREAMBLE SOME_KEY HELLO "\0\x05\x06\0\0\0\x02"),
	 COUNTER(broken)},
	{"ack backwards", BYTES(PREAMBLE SOME_KEY HELLO "\0\x05\x06\xff\xff\xff\xff"),
	 COUNTER(broken)},
	{"large frame after hello", BYTES(PREAMBLE SOME_KEY HELLO "\x40\0\x04"), COUNTER(broken)},
	{"bye", BYTES(PREAMBLE SOME_KEY HELLO "\0\x02\x07\0"), COUNTER(left)},
	{"complaint", BYTES(PREAMBLE SOME_KEY HELLO "\0\x02\x07\x03"), COUNTER(broken)},
};

static __u64 counter_of(const struct scene *scene, size_t offset)
{
	__u64 value;

	memcpy(&value, (const char *)scene_counters(scene) + offset, sizeof(value));
	return value;
}

static void test_strangers(void **state)
{
	struct tcpc_link_service service = lab_service(1);
	struct scene scene;

	(void)state;
	scene_open(&scene, NULL);
	tcpc_link_server_services(scene.s.link, &service, 1);
	for (size_t i = 0; i < COUNT_OF(strangers); i++) {
		const __u64 before = counter_of(&scene, strangers[i].counter);
		const __u64 start_ms = lab_now_ms();
		struct lab_hand h;

		lab_hand_connect(&h, scene.port, NULL);
		lab_hand_send(&h, strangers[i].bytes, strangers[i].n);
		lab_hand_drain(&h);
		expect_true(strangers[i].name, "refused at once", lab_now_ms() - start_ms < 1500);
		expect_u64(strangers[i].name, "counter", counter_of(&scene, strangers[i].counter),
			   before + 1);
		lab_hand_close(&h);
		scene_check(&scene, strangers[i].name);
	}
	scene_close(&scene);
}

/* The same bytes one at a time: frames come together from any pieces. */
static void test_in_pieces(void **state)
{
	static const char bytes[] = PREAMBLE SOME_KEY HELLO "\0\x02\x05\0"
							    "\0\x02\x07\0";
	struct scene scene;
	struct lab_hand h;

	(void)state;
	scene_open(&scene, NULL);
	lab_hand_connect(&h, scene.port, NULL);
	for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
		lab_hand_send(&h, bytes + i, 1);
		lab_run(1);
	}
	lab_hand_drain(&h);
	assert_int_equal(scene.s.ups, 2);
	assert_int_equal(scene.s.downs, 1);
	assert_string_equal(scene.s.why, "closed the link");
	assert_int_equal(scene_counters(&scene)->left, 1);
	lab_hand_close(&h);
	scene_check(&scene, "in pieces");
	scene_close(&scene);
}

/* A refused version still gets our whole preamble, so that it can say which versions met. */
static void test_version_told_to_both(void **state)
{
	__u8 theirs[TCPC_FEEDBACK_PREAMBLE_BYTES];
	struct tcpc_feedback_preamble p;
	struct scene scene;
	struct lab_hand h;

	(void)state;
	scene_open(&scene, scene_key);
	lab_hand_connect(&h, scene.port, scene_key);
	lab_hand_preamble(&h, 2, 3);
	lab_hand_recv_all(&h, theirs, sizeof(theirs));
	tcpc_feedback_get_preamble(theirs, &p);
	assert_int_equal(p.protocol, TCPC_FEEDBACK_PROTOCOL);
	assert_int_equal(p.abi, TCPC_ABI_VERSION);
	lab_hand_drain(&h);
	assert_int_equal(scene_counters(&scene)->bad_version, 1);
	lab_hand_close(&h);
	scene_check(&scene, "version");
	scene_close(&scene);
}

/* ---- strange servers ------------------------------------------------------------------------ */

static const struct {
	const char *name;
	const __u8 *bytes;
	size_t n;
	enum tcpc_link_state state;
	const char *says;
} servers[] = {
	{"web server", BYTES("HTTP/1.1 400 Bad Request\r\n"), TCPC_LINK_REFUSED,
	 "does not speak this protocol: is this the port of 'tcpcopyctl intercept'?"},
	{"another protocol", BYTES("TCPCLINK" OTHER_PROTOCOL "\0\0\0\0\0" ABI SOME_KEY),
	 TCPC_LINK_BAD_VERSION,
	 "speaks protocol 3 / ABI " TEXT(TCPC_ABI_VERSION) ", we speak 4 / " TEXT(
		 TCPC_ABI_VERSION) ": install the same tcpcopy version on both"},
	{"ABI 0", BYTES("TCPCLINK" PROTOCOL "\0\0\0\0\0\0" SOME_KEY), TCPC_LINK_BAD_VERSION,
	 "speaks protocol 4 / ABI 0, we speak 4 / " TEXT(TCPC_ABI_VERSION)},
	{"another client", BYTES(PREAMBLE SOME_KEY HELLO), TCPC_LINK_REFUSED,
	 "sent a frame that has no place at this point"},
	{"huge hello", BYTES(PREAMBLE SOME_KEY "\x40\0"), TCPC_LINK_REFUSED,
	 "sent a frame length out of range"},
	{"broken receipts", BYTES(PREAMBLE SOME_KEY "\0\x04\x01\x01\x01x\0\x03\x04\0\x01"),
	 TCPC_LINK_LOST, "sent a frame that ends inside a field"},
	{"hello, then an ack", BYTES(PREAMBLE SOME_KEY "\0\x04\x01\x01\x01x\0\x05\x06\0\0\0\0"),
	 TCPC_LINK_LOST, "sent a frame that has no place at this point"},
};

static bool has_state(void *arg)
{
	struct lab_client *c = arg;

	return c->n_states && c->state != TCPC_LINK_READY;
}

static void test_strange_servers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(servers); i++) {
		const __u16 port = lab_port();
		struct lab_client c;
		struct lab_hand h;
		int listener = lab_hand_listen(port);

		lab_dial(&c, "127.0.0.1", port, NULL);
		lab_hand_accept(&h, listener, NULL);
		lab_hand_send(&h, servers[i].bytes, servers[i].n);
		expect_true(servers[i].name, "an outcome", lab_wait(has_state, &c, 1500));
		expect_u64(servers[i].name, "state", c.state, servers[i].state);
		expect_true(servers[i].name, c.text, !!strstr(c.text, servers[i].says));
		expect_u64(servers[i].name, "receipts", c.receipts, 0);
		lab_hand_close(&h);
		close(listener);
		lab_close(NULL, &c);
		lab_run(0);
	}
}

/* ---- with a key ----------------------------------------------------------------------------- */

/* Whoever recorded a session and sends its bytes again gets nowhere: the keys are fresh. */
static void test_replay(void **state)
{
	const __u8 hello[] = {TCPC_FEEDBACK_HELLO, TCPC_FEEDBACK_ONLINE, 1, 'x'};
	__u8 theirs[TCPC_FEEDBACK_PREAMBLE_BYTES], header[TCPC_LINK_CRYPTO_HEADER_BYTES] = {};
	__u8 frame[64] = {}, body[TCPC_FEEDBACK_BODY_MAX];
	struct lab_hand first, again;
	struct scene scene;
	__u32 n, n_frame;

	(void)state;
	scene_open(&scene, scene_key);
	lab_hand_connect(&first, scene.port, scene_key);
	lab_hand_preamble(&first, TCPC_FEEDBACK_PROTOCOL, TCPC_ABI_VERSION);
	lab_hand_recv_all(&first, theirs, sizeof(theirs));
	tcpc_link_crypto_agree(&first.crypto, scene_key, false, first.preamble, theirs, header);
	n_frame = lab_hand_frame(&first, hello, sizeof(hello), frame);
	lab_hand_send(&first, header, sizeof(header));
	lab_hand_send(&first, frame, n_frame);
	lab_hand_recv_all(&first, theirs, sizeof(header));
	tcpc_link_crypto_accept(&first.crypto, theirs);
	assert_int_equal(lab_hand_read(&first, body, &n), TCPC_FEEDBACK_HELLO);
	assert_int_equal(lab_hand_read(&first, body, &n), TCPC_FEEDBACK_ALLOW);
	assert_int_equal(scene.s.ups, 2);

	lab_hand_connect(&again, scene.port, scene_key);
	lab_hand_send(&again, first.preamble, sizeof(first.preamble));
	lab_hand_send(&again, header, sizeof(header));
	lab_hand_send(&again, frame, n_frame);
	lab_hand_drain(&again);
	assert_int_equal(scene.s.ups, 2);
	assert_int_equal(scene_counters(&scene)->bad_key, 1);
	lab_hand_close(&first);
	lab_hand_close(&again);
	scene_check(&scene, "replay");
	scene_close(&scene);
}

/* A frame changed on its way ends the link; nothing of it is acted on. */
static void test_tampering(void **state)
{
	const __u8 ack[] = {TCPC_FEEDBACK_ACK, 0, 0, 0, 0};
	struct scene scene;
	struct lab_hand h;
	__u8 frame[64] = {};
	__u32 n;

	(void)state;
	scene_open(&scene, scene_key);
	lab_hand_connect(&h, scene.port, scene_key);
	lab_hand_shake(&h);
	n = lab_hand_frame(&h, ack, sizeof(ack), frame);
	frame[n - 1] ^= 1;
	lab_hand_send(&h, frame, n);
	lab_hand_drain(&h);
	assert_int_equal(scene.s.downs, 1);
	assert_string_equal(scene.s.why, "sent a frame that does not decrypt");
	lab_hand_close(&h);
	scene_check(&scene, "tampering");
	scene_close(&scene);
}

/* ---- floods --------------------------------------------------------------------------------- */

/* 200 silent connections: bounded, and neither a linked peer nor a new one suffers. */
static void test_flood(void **state)
{
	struct lab_hand hands[200];
	struct lab_client late;
	struct scene scene;
	__u64 start_ms;

	(void)state;
	scene_open(&scene, scene_key);
	for (size_t i = 0; i < COUNT_OF(hands); i++) {
		lab_hand_connect(&hands[i], scene.port, scene_key);
		if (i % 3 == 0)
			lab_hand_send(&hands[i], PREAMBLE, 10); /* half a preamble */
		uv_run(&lab_loop, UV_RUN_NOWAIT);
	}
	lab_run(20);
	/* Most are not even let in: all come from one address. */
	assert_int_equal(scene_counters(&scene)->connections + scene_counters(&scene)->throttled,
			 1 + COUNT_OF(hands));
	assert_true(scene_counters(&scene)->throttled >= 100);
	assert_true(scene_counters(&scene)->turned_away >= 1);
	scene_check(&scene, "flood");

	start_ms = lab_now_ms();
	lab_dial(&late, "127.0.0.1", scene.port, scene_key);
	assert_true(lab_wait(lab_is_ready, &late, LAB_WAIT_MS));
	assert_true(lab_now_ms() - start_ms < 1500);
	/* Those who stay silent are gone after the time for a hello. */
	for (size_t i = 0; i < COUNT_OF(hands); i++)
		lab_hand_drain(&hands[i]);
	assert_true(lab_now_ms() - start_ms < 3500);
	assert_true(scene_counters(&scene)->silent >= 1);
	for (size_t i = 0; i < COUNT_OF(hands); i++)
		lab_hand_close(&hands[i]);
	scene_check(&scene, "after the flood");
	assert_int_equal(late.lost, 0);
	lab_close(NULL, &late);
	scene_close(&scene);
}

/* With every place taken by a peer that knows the key, one more is turned away. */
static void test_all_places_taken(void **state)
{
	static struct lab_client clients[TCPC_LINK_MAX_PEERS - 1];
	struct lab_client late;
	struct scene scene;

	(void)state;
	scene_open(&scene, scene_key);
	for (size_t i = 0; i < COUNT_OF(clients); i++)
		lab_dial(&clients[i], "127.0.0.1", scene.port, scene_key);
	for (size_t i = 0; i < COUNT_OF(clients); i++)
		assert_true(lab_wait(lab_is_ready, &clients[i], LAB_WAIT_MS));
	assert_int_equal(tcpc_link_server_peers(scene.s.link), TCPC_LINK_MAX_PEERS);
	lab_dial(&late, "127.0.0.1", scene.port, scene_key);
	assert_true(lab_wait(lab_has_state, &late, LAB_WAIT_MS));
	assert_int_equal(late.state, TCPC_LINK_REFUSED);
	assert_true(scene_counters(&scene)->turned_away >= 1);
	scene_check(&scene, "all places taken");
	/* One leaves: the next attempt succeeds. */
	tcpc_link_client_close(clients[0].link);
	assert_true(lab_wait(lab_is_ready, &late, LAB_WAIT_MS));
	for (size_t i = 1; i < COUNT_OF(clients); i++)
		tcpc_link_client_close(clients[i].link);
	lab_close(NULL, &late);
	scene_close(&scene);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_strangers),
		TEST(test_in_pieces),
		TEST(test_version_told_to_both),
		TEST(test_strange_servers),
		TEST(test_replay),
		TEST(test_tampering),
		TEST(test_flood),
		TEST(test_all_places_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
