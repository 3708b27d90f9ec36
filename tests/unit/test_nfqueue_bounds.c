// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_nfqueue_bounds.c - the interceptor's queues: several of them, one that is taken, one that
 * nobody listens to any more (invariant 2: responses stay inside), and what is too much for them
 * (invariants 5 and 6: a bound and a counter).
 */
#include "../harness/nfqueue_lab.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* ---- queues ---------------------------------------------------------------------------------- */

#define PAIRS 12
#define ROUNDS 20

/* Each connection keeps to one queue, so its receipts stay in order. */
static void test_several_queues(void **state)
{
	struct pair p[PAIRS];
	__u32 next[PAIRS] = {};
	struct watch *w;
	__u64 packets = 0;

	(void)state;
	need_nfqueue();
	for (int i = 0; i < PAIRS; i++) {
		p[i] = connect_pair(PORT, 41100 + i);
		close(p[i].listener);
		p[i].listener = -1;
	}
	add_rule("--queue-balance 5:8");
	w = watch_start(QUEUE, QUEUE + N_QUEUES - 1);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < PAIRS; i++)
			send_bytes(p[i].server, 100);
		for (int i = 0; i < PAIRS; i++)
			wait_until(unacknowledged(p[i].server) == 0);
	}
	wait_until(receipts_now(w) == PAIRS * ROUNDS);
	for (unsigned int i = 0; i < w->n; i++) {
		const struct tcpc_receipt *r = &w->receipts[i];
		int pair = ntohs(r->client_port) - 41100;

		assert_in_range(pair, 0, PAIRS - 1);
		if (next[pair])
			expect_u64("several queues", "seq", r->seq, next[pair]);
		next[pair] = r->seq + 100;
	}
	for (int i = 0; i < N_QUEUES; i++)
		packets += __atomic_load_n(&w->stats[i].packets, __ATOMIC_RELAXED);
	expect_u64("several queues", "packets", packets, PAIRS * ROUNDS);
	watch_stop(w);
	remove_rules();
	for (int i = 0; i < PAIRS; i++)
		close_pair(&p[i]);
}

/* A queue that is taken: nothing is started, and the error says which one. */
static void test_busy(void **state)
{
	struct watch *w, *other;
	struct tcpc_nfqueue_options options;
	struct tcpc_nfqueue *none = NULL;
	struct tcpc_err err = {};

	(void)state;
	need_nfqueue();
	w = watch_start(QUEUE + 2, QUEUE + 2);
	other = calloc(1, sizeof(*other));
	assert_non_null(other);
	assert_int_equal(uv_loop_init(&other->loop), 0);
	options = options_for(other, QUEUE, QUEUE + 3);
	assert_int_equal(tcpc_nfqueue_start(&other->loop, &options, &none, &err), -EBUSY);
	expect_true("busy", "the error names the queue", strstr(err.text, "queue 7 ") != NULL);
	expect_true("busy", "and says what to do", strstr(err.text, "--queue") != NULL);
	assert_null(none);
	watch_free(other);
	/* The two before it are free again. */
	watch_stop(watch_start(QUEUE, QUEUE + 1));
	watch_stop(w);
	watch_stop(watch_start(QUEUE, QUEUE + 3));
}

/* The rule without its daemon: responses stay inside. */
static void test_stopped(void **state)
{
	struct watch *w;
	struct pair p;

	(void)state;
	need_nfqueue();
	p = connect_pair(PORT, 41007);
	add_rule("--queue-num 5");
	w = watch_start(QUEUE, QUEUE);
	send_bytes(p.server, 10);
	/* Taken by the thread, but not yet handed on when we stop. */
	wait_until(stat(w, packets) == 1);
	tcpc_nfqueue_stop(w->nfq);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	expect_u64("stopped", "receipts", w->n, 0);
	watch_free(w);
	send_bytes(p.server, 10);
	expect_nothing(p.client);
	expect_true("stopped", "the response stays", unacknowledged(p.server) >= 10);
	remove_rules();
	close_pair(&p);
}

/* ---- the bound ------------------------------------------------------------------------------- */

#define FLOOD (TCPC_NFQUEUE_RECEIPTS + 500)

/* What waits in a queue counts as unsent here, and must not make us wait. */
static int raw_socket(void)
{
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW), size = 64 << 20;

	assert_return_code(fd, errno);
	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)), errno);
	return fd;
}

/* An ACK from PORT, made by hand: no connection bounds how many there can be, and it ends here
 * without making further packets. */
static void send_raw(int fd, __u32 seq)
{
	struct sockaddr_in to = address(CLIENT, 0), from = address(SERVER, 0);
	unsigned char ip[40] = {0x45, [3] = 40, [8] = 64, [9] = IPPROTO_TCP};

	memcpy(ip + 12, &from.sin_addr, 4);
	memcpy(ip + 16, &to.sin_addr, 4);
	ip[21] = PORT;
	ip[22] = 0xa0;
	seq = htonl(seq);
	memcpy(ip + 24, &seq, 4);
	ip[32] = 5 << 4;
	ip[33] = TCP_FLAG_ACK;
	assert_int_equal(sendto(fd, ip, sizeof(ip), 0, (struct sockaddr *)&to, sizeof(to)),
			 sizeof(ip));
}

/* The loop does not run while receipts come: the first ones wait, the rest are counted as lost. */
static void test_receipts_lost(void **state)
{
	struct watch *w;
	int fd;

	(void)state;
	need_nfqueue();
	fd = raw_socket();
	add_rule("--queue-num 5");
	w = watch_start(QUEUE, QUEUE);
	for (__u32 i = 0; i < FLOOD; i++)
		send_raw(fd, i);
	wait_until(stat(w, packets) == FLOOD);
	expect_u64("flood", "lost", stat(w, receipts_lost), FLOOD - TCPC_NFQUEUE_RECEIPTS);
	expect_u64("flood", "dropped by the kernel", stat(w, enobufs), 0);
	wait_until(receipts_now(w) == TCPC_NFQUEUE_RECEIPTS);
	for (__u32 i = 0; i < w->n; i++)
		expect_u64("flood", "seq", w->receipts[i].seq, i);
	/* There is room again. */
	send_raw(fd, FLOOD);
	wait_until(receipts_now(w) == TCPC_NFQUEUE_RECEIPTS + 1);
	expect_u64("after", "seq", w->receipts[w->n - 1].seq, FLOOD);
	watch_stop(w);
	remove_rules();
	close(fd);
}

/* An interceptor in a process of its own, which can be stopped. */
static void run_child(struct tcpc_queue_stats *shared, int ready)
{
	struct tcpc_nfqueue_options options;
	struct tcpc_nfqueue *nfq;
	struct watch *w = calloc(1, sizeof(*w));

	if (w && !uv_loop_init(&w->loop)) {
		options = options_for(w, QUEUE, QUEUE);
		options.stats = shared;
		if (!tcpc_nfqueue_start(&w->loop, &options, &nfq, NULL) &&
		    write(ready, "y", 1) == 1)
			pause();
	}
	_exit(1);
}

static pid_t start_child(struct tcpc_queue_stats *shared)
{
	int ready[2];
	char word;
	pid_t pid;

	assert_return_code(pipe(ready), errno);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run_child(shared, ready[1]);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &word, 1), 1);
	close(ready[0]);
	return pid;
}

/* Sent while the interceptor stands still, and as much as the kernel's queue can take. */
#define OVERFLOWING (TCPC_NFQUEUE_LENGTH + 1000)

static void test_overflow(void **state)
{
	struct tcpc_queue_stats *shared;
	__u64 sent = OVERFLOWING;
	int fd, status;
	pid_t pid;

	(void)state;
	need_nfqueue();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	fd = raw_socket();
	pid = start_child(shared);
	add_rule("--queue-num 5");
	kill(pid, SIGSTOP);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	for (__u32 i = 0; i < OVERFLOWING; i++)
		send_raw(fd, i);
	kill(pid, SIGCONT);
	/* Now it is never idle for long, and must find time to look all the same. */
	wait_until((send_raw(fd, sent++), __atomic_load_n(&shared->overflow, __ATOMIC_RELAXED)));
	expect_true("overflow", "what was too much",
		    shared->overflow >= OVERFLOWING - TCPC_NFQUEUE_LENGTH);
	wait_until(__atomic_load_n(&shared->packets, __ATOMIC_RELAXED) + shared->overflow >= sent ||
		   __atomic_load_n(&shared->enobufs, __ATOMIC_RELAXED));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	remove_rules();
	close(fd);
	munmap(shared, sizeof(*shared));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_several_queues), cmocka_unit_test(test_busy),
		cmocka_unit_test(test_stopped),	       cmocka_unit_test(test_receipts_lost),
		cmocka_unit_test(test_overflow),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
