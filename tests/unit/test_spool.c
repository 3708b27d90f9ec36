// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_spool.c - the daemon's end of a recording, with a writer of this test's: all in order, a
 * writer that does not read, one that ends, one that was killed, one that never ends.
 */
#include "../harness/words.h"

#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "edge/spool.h"

#define PACKET 1000

static struct {
	struct tcpc_spool *spool;
	int fd;
	unsigned int notes, gone;
	struct tcpc_record_note last;
	__u64 read; /* packets */
} lab;

static __u8 packet[PACKET];

static void on_note(void *user, const struct tcpc_record_note *note)
{
	(void)user;
	lab.notes++;
	lab.last = *note;
}

static void on_gone(void *user)
{
	(void)user;
	lab.gone++;
	lab.spool = NULL;
}

static void begin(void)
{
	const struct tcpc_spool_config config = {.note = on_note, .gone = on_gone};
	struct tcpc_err err = words_no_err;

	memset(&lab, 0, sizeof(lab));
	expect_success("open",
		       tcpc_spool_open(uv_default_loop(), &config, &lab.spool, &lab.fd, &err),
		       &err);
}

static uv_timer_t alive; /* a spool by itself keeps no loop going */

static void on_alive(uv_timer_t *timer)
{
	(void)timer;
}

static void turn(void)
{
	for (int i = 0; i < 5; i++)
		uv_run(uv_default_loop(), UV_RUN_NOWAIT);
}

/* What has come; each packet has its number. Returns whether more may come. */
static bool read_all(void)
{
	static __u8 message[TCPC_RECORD_MESSAGE_MAX] __attribute__((aligned(8)));
	struct tcpc_record_head head;
	__u8 *p;
	ssize_t n;

	while ((n = recv(lab.fd, message, sizeof(message), MSG_DONTWAIT)) > 0) {
		size_t at = 0;

		while (tcpc_record_next(message, n, &at, &head, &p) == 1) {
			expect_u64("read", "length", head.bytes, PACKET);
			expect_u64("read", "number", head.time_ns, lab.read);
			expect_bytes("read", p, packet, PACKET);
			lab.read++;
		}
		expect_u64("read", "all of the message", at, n);
	}
	return n < 0;
}

static void tell(bool ended, const char *reason)
{
	struct tcpc_record_note note = {.magic = TCPC_RECORD_NOTE, .ended = ended};

	strcpy(note.reason, reason);
	expect_u64("tell", "sent", send(lab.fd, &note, sizeof(note), MSG_NOSIGNAL), sizeof(note));
}

static __u64 put(__u64 first, unsigned int n)
{
	unsigned int i = 0;

	while (i < n && tcpc_spool_put(lab.spool, first + i, packet, PACKET))
		i++;
	return i;
}

static void test_in_order(void **state)
{
	(void)state;
	begin();
	for (int i = 0; i < 10; i++) {
		expect_u64("put", "all", put(i * 100, 100), 100);
		turn();
		read_all();
	}
	expect_u64("read", "all", lab.read, 1000);
	tell(false, "hello");
	turn();
	expect_u64("note", "heard", lab.notes, 1);
	assert_string_equal(lab.last.reason, "hello");
	expect_u64("put", "a last one", put(1000, 1), 1);
	tcpc_spool_end(lab.spool);
	turn();
	expect_u64("end", "nobody has gone", lab.gone, 0);
	assert_false(read_all());
	expect_u64("end", "all", lab.read, 1001);
	tell(true, "done");
	close(lab.fd);
	turn();
	expect_u64("end", "gone", lab.gone, 1);
	expect_u64("end", "its last word", lab.last.ended, 1);
}

/* What does not fit is refused, and nothing of what was taken is lost. */
static void test_slow(void **state)
{
	__u64 taken;

	(void)state;
	begin();
	taken = put(0, 100000);
	expect_true("slow", "some were refused", taken < 100000);
	expect_u64("slow", "still", put(0, 1), 0);
	turn();
	read_all();
	turn();
	read_all();
	expect_u64("slow", "all that was taken came", lab.read, taken);
	expect_u64("slow", "and it goes on", put(taken, 3), 3);
	/* It ends while it is behind: all the same all comes. */
	taken += 3 + put(taken + 3, 100000);
	tcpc_spool_end(lab.spool);
	expect_true("slow", "no more", !tcpc_spool_put(lab.spool, 0, packet, PACKET));
	turn();
	while (read_all())
		turn();
	expect_u64("slow", "all at the end", lab.read, taken);
	close(lab.fd);
	turn();
	expect_u64("slow", "gone", lab.gone, 1);
}

/* It has not read all, so the kernel resets the socket, its last word in it. */
static void test_killed(void **state)
{
	(void)state;
	begin();
	put(0, 100);
	turn();
	tell(true, "full disk");
	close(lab.fd);
	turn();
	expect_u64("killed", "notes", lab.notes, 1);
	assert_string_equal(lab.last.reason, "full disk");
	expect_u64("killed", "gone", lab.gone, 1);
	begin();
	close(lab.fd);
	put(0, 100); /* before anybody has noticed */
	turn();
	expect_u64("killed at once", "gone", lab.gone, 1);
	expect_u64("killed at once", "notes", lab.notes, 0);
}

static void test_hostile(void **state)
{
	(void)state;
	begin();
	expect_u64("hostile", "sent", send(lab.fd, "x", 1, 0), 1);
	expect_u64("hostile", "sent", send(lab.fd, packet, PACKET, 0), PACKET);
	turn();
	expect_u64("hostile", "notes", lab.notes, 0);
	expect_u64("hostile", "gone", lab.gone, 0);
	expect_true("too long", "refused",
		    !tcpc_spool_put(lab.spool, 0, packet, TCPC_RECORD_PACKET_MAX + 1));
	/* Nobody hears of its end, and all that was put comes. */
	put(0, 10);
	tcpc_spool_leave(lab.spool);
	turn();
	assert_false(read_all());
	expect_u64("left", "all", lab.read, 10);
	tell(true, "");
	close(lab.fd);
	turn();
	expect_u64("left", "notes", lab.notes, 0);
	expect_u64("left", "gone", lab.gone, 0);
	tcpc_spool_leave(NULL);
}

static int enter(void **state)
{
	(void)state;
	uv_timer_init(uv_default_loop(), &alive);
	return uv_timer_start(&alive, on_alive, 600000, 0);
}

static int leave(void **state)
{
	(void)state;
	turn();
	uv_close((uv_handle_t *)&alive, NULL);
	turn();
	return uv_loop_close(uv_default_loop()); /* -EBUSY: something was left open */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_hostile),
	};

	for (size_t i = 0; i < sizeof(packet); i++)
		packet[i] = i;
	return cmocka_run_group_tests(tests, enter, leave);
}
