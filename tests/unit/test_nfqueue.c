// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_nfqueue.c - the interceptor on a real NFQUEUE: what becomes of each kind of packet. Guards
 * invariant 2: clients see nothing of what the queue takes.
 */
#include "../harness/nfqueue_lab.h"

#include <fcntl.h>

/* ---- what becomes of packets ----------------------------------------------------------------- */

/* The server's data is acknowledged, and the client has not seen it. */
static void test_response(void **state)
{
	struct watch *w;
	struct pair p;

	(void)state;
	need_nfqueue();
	p = connect_pair(PORT, 41001);
	add_rule("--queue-num 5");
	w = watch_start(QUEUE, QUEUE);
	send_bytes(p.server, 1000);
	wait_until(receipts_now(w) == 1);
	expect_receipt(&w->receipts[0], &p, 1000);
	wait_until(unacknowledged(p.server) == 0);
	send_bytes(p.server, 20000);
	wait_until(unacknowledged(p.server) == 0 && receipts_now(w) >= 2);
	expect_u64("second", "seq", w->receipts[1].seq, w->receipts[0].seq + 1000);
	expect_u64("second", "ack", w->receipts[1].ack, w->receipts[0].ack);
	expect_nothing(p.client);
	expect_u64("counters", "reflected", stat(w, reflected), w->n);
	expect_u64("counters", "packets", stat(w, packets), w->n);
	watch_stop(w);
	remove_rules();
	close_pair(&p);
}

/* What the network card would cut up comes as one packet, whose ACK takes a way of its own. */
static void test_large_response(void **state)
{
	struct watch *w;
	struct pair p;

	(void)state;
	need_nfqueue();
	assert_int_equal(run_command("ip link set lo mtu 1500"), 0);
	p = connect_pair(PORT, 41008);
	add_rule("--queue-num 5");
	w = watch_start(QUEUE, QUEUE);
	for (int i = 0; i < 20; i++) {
		send_bytes(p.server, 20000);
		wait_until(unacknowledged(p.server) == 0);
	}
	wait_until(receipts_now(w) == stat(w, packets));
	expect_true("large", "packets larger than the MTU came", w->n < 20 * 20000 / 1448);
	expect_true("large", "injected", stat(w, injected) > 0);
	expect_u64("large", "failed", stat(w, inject_failed), 0);
	expect_nothing(p.client);
	watch_stop(w);
	remove_rules();
	close_pair(&p);
	assert_int_equal(run_command("ip link set lo mtu 65536"), 0);
}

/* The answer to a SYN opens the connection at the server, and only there. */
static void test_handshake(void **state)
{
	struct sockaddr_in addr = address(SERVER, PORT);
	struct pair p = {.client_port = 41002};
	struct watch *w;

	(void)state;
	need_nfqueue();
	p.listener = bound(SERVER, PORT);
	assert_return_code(listen(p.listener, 8), errno);
	add_rule("--queue-num 5");
	w = watch_start(QUEUE, QUEUE);
	p.client = bound(CLIENT, p.client_port);
	assert_return_code(fcntl(p.client, F_SETFL, O_NONBLOCK), errno);
	assert_int_equal(connect(p.client, (struct sockaddr *)&addr, sizeof(addr)), -1);
	assert_int_equal(errno, EINPROGRESS);
	p.server = accept4(p.listener, NULL, NULL, SOCK_CLOEXEC);
	assert_return_code(p.server, errno);
	wait_until(receipts_now(w) >= 1);
	expect_receipt(&w->receipts[0], &p, 0);
	expect_true("receipt", "SYN flag", w->receipts[0].flags & TCP_FLAG_SYN);
	expect_true("client", "still tries",
		    connect(p.client, (struct sockaddr *)&addr, sizeof(addr)) == -1 &&
			    errno == EALREADY);
	watch_stop(w);
	remove_rules();
	close_pair(&p);
}

/* A FIN takes a sequence number and is acknowledged; the client does not see it. */
static void test_fin(void **state)
{
	struct watch *w;
	struct pair p;

	(void)state;
	need_nfqueue();
	p = connect_pair(PORT, 41003);
	add_rule("--queue-num 5");
	w = watch_start(QUEUE, QUEUE);
	assert_return_code(shutdown(p.server, SHUT_WR), errno);
	wait_until(receipts_now(w) == 1);
	expect_true("receipt", "FIN flag", w->receipts[0].flags & TCP_FLAG_FIN);
	wait_until(unacknowledged(p.server) == 0);
	expect_nothing(p.client);
	watch_stop(w);
	remove_rules();
	close_pair(&p);
}

/* ACKs and resets end here; their receipts tell what the target has. */
static void test_no_ack_needed(void **state)
{
	struct linger hard = {.l_onoff = 1};
	struct watch *w;
	struct pair p;
	char data[10];

	(void)state;
	need_nfqueue();
	p = connect_pair(PORT, 41004);
	add_rule("--queue-num 5");
	w = watch_start(QUEUE, QUEUE);
	send_bytes(p.client, sizeof(data));
	assert_int_equal(recv(p.server, data, sizeof(data), MSG_WAITALL), sizeof(data));
	/* Delayed until then, so this is the reset. */
	setsockopt(p.server, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(p.server);
	wait_until(stat(w, dropped) >= 1);
	wait_until(receipts_now(w) == stat(w, dropped));
	expect_u64("counters", "reflected", stat(w, reflected), 0);
	expect_nothing(p.client);
	watch_stop(w);
	remove_rules();
	p.server = -1;
	close_pair(&p);
}

/* A target that asks whether its client is there hears that it is, as often as it asks. */
static void test_keepalive_probes(void **state)
{
	int on = 1, one = 1, error = 0;
	socklen_t len = sizeof(error);
	struct watch *w;
	struct pair p;

	(void)state;
	need_nfqueue();
	p = connect_pair(PORT, 41006);
	add_rule("--queue-num 5");
	w = watch_start(QUEUE, QUEUE);
	send_bytes(p.server, 10);
	wait_until(receipts_now(w) == 1);
	__atomic_store_n(&target_sent.end, w->receipts[0].seq + 10, __ATOMIC_RELEASE);
	__atomic_store_n(&target_sent.known, true, __ATOMIC_RELEASE);
	/* One probe without an answer would end it. */
	setsockopt(p.server, IPPROTO_TCP, TCP_KEEPIDLE, &one, sizeof(one));
	setsockopt(p.server, IPPROTO_TCP, TCP_KEEPINTVL, &one, sizeof(one));
	setsockopt(p.server, IPPROTO_TCP, TCP_KEEPCNT, &one, sizeof(one));
	setsockopt(p.server, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	wait_until(receipts_now(w) == 4);
	assert_return_code(getsockopt(p.server, SOL_SOCKET, SO_ERROR, &error, &len), errno);
	expect_true("server", "its client is still there", error == 0);
	expect_true("counter", "reflected", stat(w, reflected) == 4);
	__atomic_store_n(&target_sent.known, false, __ATOMIC_RELEASE);
	watch_stop(w);
	remove_rules();
	close_pair(&p);
}

static void test_not_ours(void **state)
{
	struct watch *w;
	struct pair p;
	char data[100];

	(void)state;
	need_nfqueue();
	add_rule("--queue-num 5");
	w = watch_start(QUEUE, QUEUE);
	p = connect_pair(OTHER_PORT, 41005);
	send_bytes(p.server, sizeof(data));
	assert_int_equal(recv(p.client, data, sizeof(data), MSG_WAITALL), sizeof(data));
	expect_true("counters", "accepted", stat(w, accepted) >= 2);
	expect_u64("counters", "others", stat(w, reflected) + stat(w, dropped), 0);
	expect_u64("receipts", "none", receipts_now(w), 0);
	watch_stop(w);
	remove_rules();
	close_pair(&p);
}

/* An ICMP error about a copy ends here, another one goes on. */
static void test_icmp(void **state)
{
	struct sockaddr_in addr = address(SERVER, PORT), no_service = address(SERVER, 9);
	int tcp, udp;
	struct watch *w;
	char byte = 0;

	(void)state;
	need_nfqueue();
	if (run_command("iptables -w -A INPUT -p tcp --dport %d -j REJECT "
			"--reject-with icmp-port-unreachable 2>/dev/null",
			PORT)) {
		print_message("skipped: no iptables with REJECT here\n");
		skip();
	}
	assert_int_equal(run_command("iptables -w -A OUTPUT -o lo -p icmp -j NFQUEUE "
				     "--queue-num 5"),
			 0);
	w = watch_start(QUEUE, QUEUE);
	tcp = bound(CLIENT, 41006);
	assert_return_code(fcntl(tcp, F_SETFL, O_NONBLOCK), errno);
	connect(tcp, (struct sockaddr *)&addr, sizeof(addr));
	wait_until(stat(w, icmp_dropped) == 1);
	expect_true("client", "still tries",
		    connect(tcp, (struct sockaddr *)&addr, sizeof(addr)) == -1 &&
			    errno == EALREADY);
	udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_return_code(connect(udp, (struct sockaddr *)&no_service, sizeof(addr)), errno);
	assert_int_equal(send(udp, &byte, 1, 0), 1);
	wait_until(recv(udp, &byte, 1, MSG_DONTWAIT) == -1 && errno == ECONNREFUSED);
	expect_u64("counters", "accepted", stat(w, accepted), 1);
	expect_u64("receipts", "none", receipts_now(w), 0);
	close(tcp);
	close(udp);
	watch_stop(w);
	remove_rules();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_response),      cmocka_unit_test(test_large_response),
		cmocka_unit_test(test_handshake),     cmocka_unit_test(test_fin),
		cmocka_unit_test(test_no_ack_needed), cmocka_unit_test(test_keepalive_probes),
		cmocka_unit_test(test_not_ours),      cmocka_unit_test(test_icmp),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
