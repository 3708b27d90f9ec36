// SPDX-License-Identifier: GPL-2.0-only
/* test_control_socket.c - the control socket's bounds, its file, and its end. Needs no root. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <poll.h>

#include "../harness/control_lab.h"

/* ---- bounds ---------------------------------------------------------------------------------- */

static void test_too_many(void **state)
{
	struct peer *peers[MAX_CLIENTS], *extra[3];
	struct lab *lab = *state;

	for (int i = 0; i < MAX_CLIENTS; i++) {
		peers[i] = join(lab);
		say(peers[i], REQUEST("status"));
		hears(lab, peers[i], OK("{\"echo\":\"status\"}"));
	}
	for (int i = 0; i < 3; i++)
		extra[i] = join(lab);
	for (int i = 0; i < 3; i++) {
		hears_failure(lab, extra[i], 1, "too many");
		hears_end(lab, extra[i]);
		leave(extra[i]);
	}
	leave(peers[7]);
	uv_run(&lab->loop, UV_RUN_ONCE);
	uv_run(&lab->loop, UV_RUN_NOWAIT);
	peers[7] = join(lab);
	say(peers[7], REQUEST("stats"));
	hears(lab, peers[7], OK("{\"echo\":\"stats\"}"));
	for (int i = 0; i < MAX_CLIENTS; i++)
		leave(peers[i]);
}

struct drip {
	uv_timer_t timer;
	struct peer *peer;
	int drops;
};

static void on_drip(uv_timer_t *timer)
{
	struct drip *drip = timer->data;

	if (send(drip->peer->fd, "{", 1, MSG_NOSIGNAL) == 1)
		drip->drops++;
	else
		uv_timer_stop(timer);
}

/* The other side has closed; says so without reading. */
static bool hung_up(const struct peer *peer)
{
	struct pollfd pollfd = {.fd = peer->fd};

	assert_true(poll(&pollfd, 1, 0) >= 0);
	return pollfd.revents & POLLHUP;
}

/* Ten real seconds: of half a line, of a byte a second, of an answer that nobody reads. */
static void spend_patience(struct lab *lab)
{
	struct peer *half = join(lab), *dripping = join(lab), *deaf = join(lab);
	struct drip drip = {.peer = dripping, .timer.data = &drip};
	uint64_t began_ms;

	say(half, REQUEST("status") "{\"comm");
	hears(lab, half, OK("{\"echo\":\"status\"}"));
	began_ms = uv_now(&lab->loop);
	uv_timer_init(&lab->loop, &drip.timer);
	uv_timer_start(&drip.timer, on_drip, 0, 1000);
	lab->mode = MODE_BIG;
	say(deaf, REQUEST("status"));
	hears_failure(lab, half, 1, "newline within 10 s");
	assert_in_range(uv_now(&lab->loop) - began_ms, PATIENCE_MS - 100, PATIENCE_MS + 15000);
	hears_failure(lab, dripping, 1, "newline within 10 s");
	assert_in_range(drip.drops, 2, 30);
	while (!hung_up(deaf))
		uv_run(&lab->loop, UV_RUN_ONCE);
	assert_in_range(uv_now(&lab->loop) - began_ms, PATIENCE_MS - 100, PATIENCE_MS + 15000);
	/* What was written before stays readable, but it is not the whole answer. */
	while (!deaf->ended) {
		assert_true(look(deaf));
		assert_null(memchr(deaf->text, '\n', deaf->bytes));
		deaf->bytes = 0;
	}
	uv_close((uv_handle_t *)&drip.timer, NULL);
	uv_run(&lab->loop, UV_RUN_NOWAIT);
	leave(half);
	leave(dripping);
	leave(deaf);
}

/* Silence is allowed as long as nothing is begun, and until the place is needed: then the one who
 * was silent for longest goes. */
static void test_patience(void **state)
{
	struct peer *peers[MAX_CLIENTS], *late;
	struct lab *lab = *state;

	peers[0] = join(lab);
	say(peers[0], REQUEST("status"));
	hears(lab, peers[0], OK("{\"echo\":\"status\"}"));
	spend_patience(lab);
	assert_false(look(peers[0]));
	lab->mode = MODE_ECHO;
	for (int i = 1; i < MAX_CLIENTS; i++) {
		peers[i] = join(lab);
		say(peers[i], REQUEST("stats"));
		hears(lab, peers[i], OK("{\"echo\":\"stats\"}"));
	}
	assert_false(look(peers[0]));
	late = join(lab);
	say(late, REQUEST("version"));
	hears(lab, late, OK("{\"echo\":\"version\"}"));
	hears_end(lab, peers[0]);
	for (int i = 0; i < MAX_CLIENTS; i++)
		leave(peers[i]);
	leave(late);
}

/* ---- the socket file ------------------------------------------------------------------------- */

static void test_mode(void **state)
{
	struct lab *lab = *state;
	struct stat st;

	assert_int_equal(stat(lab->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0660);
}

static int listen_fails(struct lab *lab, const char *path, const char *part)
{
	struct tcpc_control *control = NULL;
	struct tcpc_err err = {};
	int r = tcpc_control_listen(&lab->loop, path, -1, on_request, lab, &control, &err);

	assert_null(control);
	assert_int_equal(err.code, -r);
	assert_non_null(strstr(err.text, part));
	return r;
}

static void test_live_socket(void **state)
{
	struct lab *lab = *state;
	struct peer *peer;

	assert_int_equal(listen_fails(lab, lab->path, "another daemon listens"), -EADDRINUSE);
	peer = join(lab);
	say(peer, REQUEST("status"));
	hears(lab, peer, OK("{\"echo\":\"status\"}"));
	leave(peer);
}

/* What a killed daemon leaves: a bound file with nobody behind it. */
static void leave_stale(struct lab *lab)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", lab->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
	assert_int_equal(access(lab->path, F_OK), 0);
}

static void close_control(struct lab *lab)
{
	tcpc_control_close(lab->control);
	lab->control = NULL;
	assert_int_equal(access(lab->path, F_OK), -1);
}

static void test_stale_socket(void **state)
{
	struct lab *lab = *state;
	struct peer *peer;

	close_control(lab);
	leave_stale(lab);
	listen_again(lab);
	test_mode(state);
	peer = join(lab);
	say(peer, REQUEST("status"));
	hears(lab, peer, OK("{\"echo\":\"status\"}"));
	leave(peer);
}

static void test_bad_paths(void **state)
{
	struct lab *lab = *state;
	char path[256];
	int fd;

	close_control(lab);
	fd = open(lab->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(listen_fails(lab, lab->path, "not a socket"), -EEXIST);
	assert_int_equal(unlink(lab->path), 0); /* it was left alone */
	snprintf(path, sizeof(path), "%s/missing/sock", lab->dir);
	assert_int_equal(listen_fails(lab, path, "directory is missing"), -EACCES);
	snprintf(path, sizeof(path), "%s/%0*d", lab->dir, 100, 0);
	assert_int_equal(listen_fails(lab, path, "must have 1 to 107"), -ENAMETOOLONG);
	assert_int_equal(listen_fails(lab, "", "must have 1 to 107"), -ENAMETOOLONG);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Idle connections end at once; one that is owed an answer gets it first, but no further one. */
static void test_close(void **state)
{
	struct lab *lab = *state;
	struct peer *idle = join(lab), *half = join(lab), *owed = join(lab);

	say(half, "{");
	lab->mode = MODE_HOLD;
	say(owed, REQUEST("status") REQUEST("stats"));
	wait_held(lab);
	close_control(lab);
	assert_int_equal(try_connect(lab), -1);
	hears_end(lab, idle);
	hears_end(lab, half);
	assert_false(look(owed));
	answer_echo(take_held(lab));
	hears(lab, owed, OK("{\"echo\":\"status\"}"));
	hears_end(lab, owed);
	assert_int_equal(lab->asked, 1);
	leave(idle);
	leave(half);
	leave(owed);
}

/* Closing while an answer is on its way, and while one is owed to a client that is gone. */
static void test_close_while_writing(void **state)
{
	struct lab *lab = *state;
	struct peer *peer = join(lab), *gone = join(lab);
	size_t bytes = 0;

	lab->mode = MODE_HOLD;
	say(gone, REQUEST("status"));
	wait_held(lab);
	leave(gone);
	lab->mode = MODE_BIG;
	say(peer, REQUEST("status"));
	while (lab->asked < 2)
		uv_run(&lab->loop, UV_RUN_ONCE);
	close_control(lab);
	tcpc_control_answer(take_held(lab), NULL);
	while (!peer->ended) {
		if (!look(peer))
			uv_run(&lab->loop, UV_RUN_ONCE);
		bytes += peer->bytes;
		peer->bytes = 0;
	}
	assert_true(bytes > BIG_BYTES);
	leave(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_too_many),	 TEST(test_patience),
		TEST(test_mode),	 TEST(test_live_socket),
		TEST(test_stale_socket), TEST(test_bad_paths),
		TEST(test_close),	 TEST(test_close_while_writing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
