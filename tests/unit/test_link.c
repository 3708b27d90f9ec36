// SPDX-License-Identifier: GPL-2.0-only
/* test_link.c - the feedback link between good peers: every state, receipts, and links that are
 * lost and found again. */
#include "../harness/link_hand.h"

static const __u8 key[TCPC_LINK_KEY_BYTES] = "0123456789abcdef0123456789abcdef";
static const __u8 other_key[TCPC_LINK_KEY_BYTES] = "0123456789abcdef0123456789abcdeF";

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define SLACK_MS 1000 /* for a machine that has other things to do */

/* ---- states --------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	const char *host;
	const __u8 *server_key, *client_key;
	enum tcpc_link_state state;
	const char *says;
} pairs[] = {
	{"same key", "127.0.0.1", key, key, TCPC_LINK_READY, "version " TCPC_VERSION},
	{"same key, by name", "localhost", key, key, TCPC_LINK_READY, "linked with localhost:"},
	{"both insecure", "127.0.0.1", NULL, NULL, TCPC_LINK_READY, "linked with 127.0.0.1:"},
	{"other key", "127.0.0.1", key, other_key, TCPC_LINK_BAD_KEY,
	 "has another key: copy the file given with --key to both hosts"},
	{"client insecure", "127.0.0.1", key, NULL, TCPC_LINK_BAD_KEY,
	 "wants a key, this host runs with --insecure"},
	{"server insecure", "127.0.0.1", NULL, key, TCPC_LINK_BAD_KEY,
	 "runs with --insecure, this host with a key"},
};

static void test_pairs(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		const bool good = pairs[i].state == TCPC_LINK_READY;
		const __u16 port = lab_port();
		const char *text;
		struct lab_server s;
		struct lab_client c;

		lab_serve(&s, port, pairs[i].server_key);
		lab_dial(&c, pairs[i].host, port, pairs[i].client_key);
		assert_int_equal(tcpc_link_client_state(c.link, &text), TCPC_LINK_CONNECTING);
		assert_non_null(strstr(text, "connecting to "));
		lab_wait(lab_has_state, &c, LAB_WAIT_MS);
		lab_run(good ? 50 : 2 * TCPC_LINK_RETRY_MS + 100); /* it tries again */
		expect_u64(pairs[i].name, "state", c.state, pairs[i].state);
		expect_true(pairs[i].name, pairs[i].says, !!strstr(c.text, pairs[i].says));
		assert_int_equal(tcpc_link_client_state(c.link, &text), c.state);
		assert_string_equal(text, c.text);
		expect_u64(pairs[i].name, "peers", tcpc_link_server_peers(s.link), good);
		expect_u64(pairs[i].name, "ups", s.ups, good);
		expect_u64(pairs[i].name, "downs", s.downs, 0);
		expect_true(pairs[i].name, "further attempts", good || c.n_states >= 2);
		expect_true(pairs[i].name, "server knows why",
			    good || tcpc_link_server_counters(s.link)->bad_key >= 2);
		lab_close(&s, &c);
		lab_run(0);
	}
}

/* Either side may be started first. */
static void test_server_comes_later(void **state)
{
	const __u16 port = lab_port();
	struct lab_server s;
	struct lab_client c;
	__u64 start_ms;

	(void)state;
	lab_dial(&c, "127.0.0.1", port, key);
	assert_true(lab_wait(lab_has_state, &c, LAB_WAIT_MS));
	assert_int_equal(c.state, TCPC_LINK_REFUSED);
	assert_non_null(strstr(c.text, "nobody listens at 127.0.0.1:"));
	assert_non_null(strstr(c.text, "tcpcopyctl intercept"));
	start_ms = lab_now_ms();
	lab_serve(&s, port, key);
	assert_true(lab_wait(lab_is_ready, &c, LAB_WAIT_MS));
	assert_true(lab_now_ms() - start_ms < 2 * TCPC_LINK_RETRY_MS + SLACK_MS);
	lab_close(&s, &c);
}

static void test_port_taken(void **state)
{
	const __u16 port = lab_port();
	struct lab_server s, second = {};
	struct tcpc_err err = {};

	(void)state;
	lab_serve(&s, port, key);
	assert_int_equal(lab_listen(&second, port, key, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, "127.0.0.1:"));
	assert_non_null(strstr(err.text, "--listen"));
	assert_null(second.link);
	lab_close(&s, NULL);
}

/* A label of 64 bytes is in no DNS: the answer comes without asking anybody. */
static void test_no_such_host(void **state)
{
	const char *host = "x123456789012345678901234567890123456789012345678901234567890123";
	struct lab_client c;

	(void)state;
	lab_dial(&c, host, 1, key);
	assert_true(lab_wait(lab_has_state, &c, LAB_WAIT_MS));
	assert_int_equal(c.state, TCPC_LINK_REFUSED);
	assert_non_null(strstr(c.text, "cannot find the address of 'x12"));
	lab_close(NULL, &c);
	/* And closed while the question is under way. */
	lab_dial(&c, host, 1, key);
	uv_run(&lab_loop, UV_RUN_NOWAIT);
	lab_close(NULL, &c);
}

static void test_close_within_events(void **state)
{
	const __u16 port = lab_port();
	struct tcpc_link_service service = lab_service(1);
	struct lab_server s;
	struct lab_client c;

	(void)state;
	lab_serve(&s, port, key);
	tcpc_link_server_services(s.link, &service, 1);
	lab_dial(&c, "127.0.0.1", port, key);
	c.close_on_ready = true;
	assert_true(lab_wait(lab_is_ready, &c, LAB_WAIT_MS));
	assert_null(c.link);
	lab_dial(&c, "127.0.0.1", port, key);
	c.close_on_services = true;
	assert_true(lab_wait(lab_has_services, &c, LAB_WAIT_MS));
	assert_null(c.link);
	lab_dial(&c, "127.0.0.1", port, key);
	s.close_on_up = true;
	assert_true(lab_wait(lab_is_lost, &c, LAB_WAIT_MS));
	assert_null(s.link);
	assert_non_null(strstr(c.text, "closed the link"));
	lab_close(NULL, &c);

	lab_serve(&s, port, key);
	s.close_on_settled = true;
	tcpc_link_server_services(s.link, &service, 1);
	tcpc_link_server_services(s.link, &service, 1);
	lab_run(20);
	assert_null(s.link);
	assert_int_equal(s.settled, 1);
}

/* ---- receipts ------------------------------------------------------------------------------- */

#define N_RECEIPTS 100000

static struct tcpc_receipt nth_receipt(__u64 n)
{
	struct tcpc_receipt r = {.client = tcpc_addr_from_v4(htonl(0xc6120000 + n % 251)),
				 .server = tcpc_addr_from_v4(htonl(0xc6130001)),
				 .client_port = n,
				 .server_port = htons(80),
				 .seq = n,
				 .ack = ~n,
				 .payload_bytes = n * 3,
				 .window = n,
				 .flags = n,
				 .n_sack = n % 7 ? 0 : n % (TCPC_MAX_SACK + 1)};

	if (n % 100 == 99)
		r.client.w[0] = htonl(0x20010db8);
	for (__u32 i = 0; i < 2u * r.n_sack; i++)
		r.sack[i] = n + i;
	return r;
}

static void check_receipt(__u64 nth, const struct tcpc_receipt *receipt)
{
	const struct tcpc_receipt expected = nth_receipt(nth);

	if (memcmp(receipt, &expected, sizeof(expected)))
		fail_msg("receipt %llu came changed or out of order", (unsigned long long)nth);
}

static bool has_all_receipts(void *arg)
{
	return ((struct lab_client *)arg)->receipts == N_RECEIPTS;
}

static void test_receipts(void **state)
{
	const __u8 *keys[] = {key, NULL};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		const __u16 port = lab_port();
		struct tcpc_receipt batch[10];
		struct lab_server s;
		struct lab_client c;

		lab_serve(&s, port, keys[i]);
		batch[0] = nth_receipt(0);
		/* Nobody there: not an error, and nothing is kept for later. */
		assert_int_equal(tcpc_link_server_receipts(s.link, batch, 1), 0);
		lab_dial(&c, "127.0.0.1", port, keys[i]);
		c.on_receipt = check_receipt;
		assert_true(lab_wait(lab_is_ready, &c, LAB_WAIT_MS));
		for (__u64 n = 0; n < N_RECEIPTS; n += COUNT_OF(batch)) {
			for (__u64 k = 0; k < COUNT_OF(batch); k++)
				batch[k] = nth_receipt(n + k);
			assert_int_equal(tcpc_link_server_receipts(s.link, batch, COUNT_OF(batch)),
					 0);
			if (n % 5000 == 0)
				uv_run(&lab_loop, UV_RUN_NOWAIT);
		}
		assert_true(lab_wait(has_all_receipts, &c, LAB_WAIT_MS));
		assert_int_equal(tcpc_link_server_counters(s.link)->receipts, N_RECEIPTS);
		lab_close(&s, &c);
		lab_run(0);
	}
}

/* A receipt alone does not wait for company: it has, where it was read. The next one does. */
static bool has_two_receipts(void *arg)
{
	return ((struct lab_client *)arg)->receipts == 2;
}

static void test_receipt_alone(void **state)
{
	const __u16 port = lab_port();
	struct tcpc_receipt r = nth_receipt(0), bad = nth_receipt(1), second = nth_receipt(2);
	struct lab_server s;
	struct lab_client c;

	(void)state;
	lab_serve(&s, port, key);
	lab_dial(&c, "127.0.0.1", port, key);
	assert_true(lab_wait(lab_is_ready, &c, LAB_WAIT_MS));
	bad.n_sack = TCPC_MAX_SACK + 1;
	assert_int_equal(tcpc_link_server_receipts(s.link, &bad, 1), 1);
	assert_int_equal(tcpc_link_server_receipts(s.link, &r, 1), 0);
	uv_run(&lab_loop, UV_RUN_NOWAIT);
	assert_int_equal(tcpc_link_server_counters(s.link)->receipts, 1);
	assert_int_equal(tcpc_link_server_receipts(s.link, &second, 1), 0);
	assert_true(lab_wait(has_two_receipts, &c, LAB_WAIT_MS));
	lab_close(&s, &c);
}

/* ---- lost and found ------------------------------------------------------------------------- */

static bool peer_is_down(void *arg)
{
	return ((struct lab_server *)arg)->downs > 0;
}

static void test_lost_by_close(void **state)
{
	struct tcpc_link_service service = lab_service(1);
	const __u16 port = lab_port();
	struct lab_server s;
	struct lab_client c;
	__u64 start_ms;

	(void)state;
	lab_serve(&s, port, key);
	lab_dial(&c, "127.0.0.1", port, key);
	assert_true(lab_wait(lab_is_ready, &c, LAB_WAIT_MS));
	start_ms = lab_now_ms();
	tcpc_link_server_close(s.link);
	assert_true(lab_wait(lab_is_lost, &c, LAB_WAIT_MS));
	assert_true(lab_now_ms() - start_ms < TCPC_LINK_LEASE_MS);
	assert_non_null(strstr(c.text, "link lost: 127.0.0.1:"));
	assert_non_null(strstr(c.text, "closed the link"));
	lab_serve(&s, port, key);
	tcpc_link_server_services(s.link, &service, 1);
	assert_true(lab_wait(lab_is_ready, &c, LAB_WAIT_MS));
	assert_true(lab_wait(lab_has_services, &c, LAB_WAIT_MS));
	assert_int_equal(c.ready, 2);

	tcpc_link_client_close(c.link);
	c.link = NULL;
	assert_true(lab_wait(peer_is_down, &s, TCPC_LINK_LEASE_MS));
	assert_string_equal(s.why, "closed the link");
	assert_int_equal(tcpc_link_server_peers(s.link), 0);
	lab_close(&s, &c);
}

/* Invariant 3: a peer that says nothing any more is lost after the lease, on either side. */
static void test_lost_by_silence(void **state)
{
	const __u16 port = lab_port(), hand_port = lab_port();
	struct lab_hand h, served;
	struct lab_server s;
	struct lab_client c;
	__u64 silent_ms;
	int listener;

	(void)state;
	lab_serve(&s, port, key);
	lab_hand_connect(&h, port, key);
	lab_hand_shake(&h);
	silent_ms = lab_now_ms();
	assert_true(lab_wait(peer_is_down, &s, LAB_WAIT_MS));
	assert_true(s.down_ms - silent_ms >= TCPC_LINK_LEASE_MS - 50);
	assert_true(s.down_ms - silent_ms <= TCPC_LINK_LEASE_MS + SLACK_MS);
	assert_string_equal(s.why, "has been silent for 700 ms");
	assert_int_equal(tcpc_link_server_counters(s.link)->silent, 1);
	lab_hand_close(&h);

	listener = lab_hand_listen(hand_port);
	lab_dial(&c, "127.0.0.1", hand_port, key);
	lab_hand_accept(&served, listener, key);
	lab_hand_shake(&served);
	silent_ms = lab_now_ms();
	assert_true(lab_wait(lab_is_lost, &c, LAB_WAIT_MS));
	assert_true(c.state_ms - silent_ms >= TCPC_LINK_LEASE_MS - 50);
	assert_true(c.state_ms - silent_ms <= TCPC_LINK_LEASE_MS + SLACK_MS);
	assert_non_null(strstr(c.text, "has been silent for 700 ms"));
	lab_hand_close(&served);
	close(listener);
	lab_close(&s, &c);
}

/* Idle links stay up; and a process that did not get to run reads first and judges then. */
static void test_kept(void **state)
{
	const __u16 port = lab_port();
	struct lab_server s;
	struct lab_client c;

	(void)state;
	lab_serve(&s, port, key);
	lab_dial(&c, "127.0.0.1", port, key);
	assert_true(lab_wait(lab_is_ready, &c, LAB_WAIT_MS));
	lab_run(3 * TCPC_LINK_LEASE_MS);
	poll(NULL, 0, TCPC_LINK_LEASE_MS + 100); /* the stall is what is tested */
	lab_run(TCPC_LINK_LEASE_MS);
	assert_int_equal(c.lost, 0);
	assert_int_equal(s.downs, 0);
	lab_close(&s, &c);
}

/* A server that accepts and says nothing is no server; nor is one that hangs up. */
static void test_no_hello(void **state)
{
	const __u16 port = lab_port();
	struct lab_hand served;
	struct lab_client c;
	int listener = lab_hand_listen(port);

	(void)state;
	lab_dial(&c, "127.0.0.1", port, key);
	lab_hand_accept(&served, listener, key);
	assert_true(lab_wait(lab_has_state, &c, LAB_WAIT_MS));
	assert_int_equal(c.state, TCPC_LINK_REFUSED);
	assert_non_null(strstr(c.text, "said no hello within 2 s"));
	lab_hand_close(&served);
	c.n_states = 0;
	lab_hand_accept(&served, listener, key);
	lab_hand_close(&served);
	assert_true(lab_wait(lab_has_state, &c, LAB_WAIT_MS));
	assert_int_equal(c.state, TCPC_LINK_REFUSED);
	assert_non_null(strstr(c.text, "before its hello"));
	close(listener);
	lab_close(NULL, &c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_pairs),
		TEST(test_server_comes_later),
		TEST(test_port_taken),
		TEST(test_no_such_host),
		TEST(test_close_within_events),
		TEST(test_receipts),
		TEST(test_receipt_alone),
		TEST(test_lost_by_close),
		TEST(test_lost_by_silence),
		TEST(test_kept),
		TEST(test_no_hello),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
