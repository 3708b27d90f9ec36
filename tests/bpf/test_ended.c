// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_ended.c - receipts that the target's TCP does not give. Of connections that a client's reset
 * ends: how far the target came, read or not, answered or not; nothing of others' connections. All
 * are real ones. And of connections that are over, for what comes again.
 */
#include "../harness/bpf_target.h"
#include "../harness/connection.h"

#include <sched.h>

#define CLIENT_PORT 42400
#define OTHER_PORT 8888 /* not intercepted */

static struct ring_buffer *ring;
static struct bpf_link *watch;
static struct tcpc_raw_receipt last; /* the one read last */

static int on_record(void *user, void *data, size_t bytes)
{
	(void)user;
	assert_int_equal(bytes, sizeof(last));
	memcpy(&last, data, bytes);
	return 0;
}

static struct tcpc_addr host(int family, __u8 n)
{
	return frame_host(&(struct frame_spec){.family = family}, n);
}

static void expect_receipt(const char *row, const struct connection *c, __u8 flags, __u32 seq,
			   __u32 ack)
{
	struct tcpc_addr client = host(c->family, 1), server = host(c->family, 2);
	const struct tcpc_receipt *r = &last.receipt;

	memset(&last, 0xee, sizeof(last));
	expect_u64(row, "receipts", ring_buffer__consume(ring), 1);
	expect_bytes(row, &r->client, &client, sizeof(client));
	expect_bytes(row, &r->server, &server, sizeof(server));
	expect_u64(row, "client's port", r->client_port, tcpc_htons(c->client_port));
	expect_u64(row, "server's port", r->server_port, tcpc_htons(c->server_port));
	expect_u64(row, "flags", r->flags, flags);
	expect_u64(row, "seq", r->seq, seq);
	expect_u64(row, "ack", r->ack, ack);
	expect_u64(row, "payload", r->payload_bytes, 0);
	expect_u64(row, "SACK blocks", r->n_sack + last.options_bytes, 0);
}

static void expect_last(const char *row, const struct connection *c, __u32 seq, __u32 ack)
{
	expect_receipt(row, c, TCPC_TCP_RST | TCPC_TCP_ACK | TCPC_RECEIPT_BY_CLIENT, seq, ack);
}

static void expect_none(const char *row)
{
	expect_u64(row, "receipts", ring_buffer__consume(ring), 0);
}

/** What both have sent when the client resets. */
static const struct talk {
	const char *row;
	__u32 sent, read, answered;
} talks[] = {
	{"nothing was sent", 0, 0, 0},
	{"read, not answered", 100, 100, 0},
	{"not read", 100, 0, 0},
	{"answered", 100, 100, 300},
	{"part of it is read", 5000, 100, 10},
};

static void test_receipts(void **state)
{
	(void)state;
	need_netns();
	for (size_t i = 0; i < COUNT_OF(talks); i++) {
		const struct talk *t = &talks[i];
		struct connection c =
			connection_open(lab_variant.family, CLIENT_PORT, SERVICE_PORT);
		struct tcpc_target_stats moved = {.client_resets = 1};
		__u32 seq, ack;
		char byte[100];

		connection_pass(c.client, -1, t->sent);
		if (t->read)
			expect_u64(t->row, "read", recv(c.server, byte, t->read, MSG_WAITALL),
				   t->read);
		connection_pass(c.server, c.client, t->answered);
		ack = connection_snd_nxt(c.client);
		seq = connection_snd_nxt(c.server);
		counters_mark(&lab.counters);
		connection_break(&c);
		expect_last(t->row, &c, seq, ack);
		expect_moved(t->row, &lab.counters, &moved);
		connection_close(&c);
	}
}

/* Behind it nothing has to wait for an answer, but a new connection from the same port has. */
static void test_exchange(void **state)
{
	struct connection c;

	(void)state;
	need_netns();
	for (int later = 0; later < 2; later++) {
		struct tcpc_exchange x = {};
		struct tcpc_flow flow = {};
		int fd = bpf_map__fd(lab.skel->maps.exchanges);

		c = connection_open(lab_variant.family, CLIENT_PORT, SERVICE_PORT);
		flow.client = host(c.family, 1);
		flow.server = host(c.family, 2);
		flow.client_port = tcpc_htons(c.client_port);
		flow.server_port = tcpc_htons(c.server_port);
		x.syn_seq = connection_snd_nxt(c.client) - 1 + later * 1000;
		assert_int_equal(bpf_map_update_elem(fd, &flow, &x, BPF_ANY), 0);
		connection_close(&c);
		assert_int_equal(bpf_map_lookup_elem(fd, &flow, &x), 0);
		expect_u64("reset", "answer_flags", x.answer_flags, later ? 0 : TCPC_TCP_RST);
		ring_buffer__consume(ring);
	}
}

static void test_not_ours(void **state)
{
	struct tcpc_addr client = host(lab_variant.family, 1);
	struct connection c;

	(void)state;
	need_netns();
	c = connection_open(lab_variant.family, CLIENT_PORT, OTHER_PORT);
	connection_close(&c);
	expect_none("another port");

	target_allow(client, 128, TCPC_ALLOW_DIRECT);
	c = connection_open(lab_variant.family, CLIENT_PORT, SERVICE_PORT);
	connection_close(&c);
	target_allow(client, 128, TCPC_ALLOW_NONE);
	expect_none("allowed");

	/* The target ends it: its own reset is the receipt. */
	c = connection_open(lab_variant.family, CLIENT_PORT, SERVICE_PORT);
	connection_pass(c.client, -1, 10);
	close(c.server);
	c.server = -1;
	expect_none("the target resets");
	connection_close(&c);
}

/** A packet of a connection that is over: the client had sent up to 200, and all was acknowledged
 * up to 201, FIN included. */
static const struct late {
	const char *row;
	__u8 flags;
	__u32 seq, payload_bytes;
	size_t counter;
	bool told;
} lates[] = {
	{"a request", TCPC_TCP_ACK | TCPC_TCP_PSH, 0, 100, COUNTER(no_connection), true},
	{"the last one, with FIN", TCPC_TCP_ACK | TCPC_TCP_FIN, 100, 100, COUNTER(no_connection),
	 true},
	{"FIN", TCPC_TCP_ACK | TCPC_TCP_FIN, 200, 0, COUNTER(no_connection), true},
	{"SYN", TCPC_TCP_SYN, -1, 0, COUNTER(spent_syn), true},
	{"partly new", TCPC_TCP_ACK | TCPC_TCP_PSH, 100, 102, COUNTER(no_connection), false},
	{"new", TCPC_TCP_ACK | TCPC_TCP_PSH, 201, 10, COUNTER(no_connection), false},
	{"RST", TCPC_TCP_RST, 200, 0, COUNTER(no_connection), false},
};

static void expect_late(const struct late *l, __u32 base)
{
	struct connection c = {lab_variant.family, -1, -1, -1, CLIENT_PORT, SERVICE_PORT};
	struct tcpc_target_stats moved = target_moves(l->counter);
	struct tcpc_exchange x = {.exchanges = 1,
				  .start_ns = 1,
				  .syn_seq = base - 1,
				  .request_end = base + 201,
				  .answer_end = 777,
				  .answer_flags = TCPC_TCP_ACK,
				  .acked = base + 201};
	struct tcpc_flow flow = {.client = host(c.family, 1),
				 .server = host(c.family, 2),
				 .client_port = tcpc_htons(c.client_port),
				 .server_port = tcpc_htons(c.server_port)};
	struct frame_spec spec = connection_frame(&c);
	struct frame frame;

	spec.flags = l->flags;
	spec.seq = base + l->seq;
	spec.payload_bytes = l->payload_bytes;
	frame = frame_build(&spec);
	moved.again = l->told;
	assert_int_equal(
		bpf_map_update_elem(bpf_map__fd(lab.skel->maps.exchanges), &flow, &x, BPF_ANY), 0);
	align_run(l->row, &frame, VERDICT_DROP, &frame, &moved);
	if (l->told) {
		expect_receipt(l->row, &c, TCPC_TCP_ACK, 777, base + 201);
	} else {
		expect_none(l->row);
	}
	frame_free(&frame);
}

/* What had come already and is sent again, because the word of that was lost. */
static void test_late(void **state)
{
	struct connection c = {.family = lab_variant.family, .client = -1, .server = -1};

	(void)state;
	need_netns();
	c.listener = connection_listen(lab_variant.family, SERVICE_PORT);
	for (size_t i = 0; i < COUNT_OF(lates); i++) {
		expect_late(&lates[i], 1000);
		expect_late(&lates[i], -150);
	}
	connection_close(&c);
}

/* The same addresses in another namespace of this machine. */
static void test_other_namespace(void **state)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct connection c;

	(void)state;
	need_netns();
	if (home < 0 || unshare(CLONE_NEWNET) ||
	    run_command(
		    "ip link set lo up && ip addr add 198.18.0.1/32 dev lo && "
		    "ip addr add 198.18.0.2/32 dev lo && ip addr add 2001:2::1/128 dev lo nodad && "
		    "ip addr add 2001:2::2/128 dev lo nodad"))
		expect_fail("no namespace: %s", strerror(errno));
	c = connection_open(lab_variant.family, CLIENT_PORT, SERVICE_PORT);
	connection_close(&c);
	if (setns(home, CLONE_NEWNET))
		expect_fail("no way back: %s", strerror(errno));
	close(home);
	expect_none("another namespace");
}

/* An IPv4 client of a [::] listener: the socket is one of IPv6. */
static void test_mapped(void **state)
{
	struct connection c = {
		.family = 4, .client_port = CLIENT_PORT, .server_port = SERVICE_PORT};
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = tcpc_htons(SERVICE_PORT)};
	union any_address to;
	socklen_t len = host_address(4, 2, SERVICE_PORT, &to);
	int off = 0, on = 1;
	__u32 seq, ack;

	(void)state;
	need_netns();
	c.listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(c.listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(c.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	c.client = bound_socket(4, 1, CLIENT_PORT);
	if (bind(c.listener, (void *)&any, sizeof(any)) || listen(c.listener, 1) ||
	    connect(c.client, &to.sa, len))
		expect_fail("[::] listener: %s", strerror(errno));
	c.server = accept4(c.listener, NULL, NULL, SOCK_CLOEXEC);
	connection_pass(c.client, c.server, 10);
	ack = connection_snd_nxt(c.client);
	seq = connection_snd_nxt(c.server);
	connection_break(&c);
	expect_last("[::] listener", &c, seq, ack);
	connection_close(&c);
}

static int enter(void **state)
{
	if (target_enter(state))
		return -1;
	if (!in_netns)
		return 0;
	watch = bpf_program__attach(lab.skel->progs.note_reset);
	ring = ring_buffer__new(bpf_map__fd(lab.skel->maps.receipts), on_record, NULL, NULL);
	return watch && ring ? 0 : -1;
}

static int leave(void **state)
{
	bpf_link__destroy(watch);
	ring_buffer__free(ring);
	return target_leave(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		both_families(test_receipts),
		both_families(test_exchange),
		both_families(test_late),
		both_families(test_not_ours),
		both_families(test_other_namespace),
		cmocka_unit_test(test_mapped),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
