// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay.c - `tcpcopyctl replay`: files, packets, time. See replay.h and replay_priv.h.
 */
#include "role/replay_priv.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <json-c/json.h>
#include <sodium.h>

#include "edge/capture.h"

#define MS 1000000ULL
#define OVERDUE_NS (20 * MS)
#define GLANCE_NS (200 * MS) /* at whether somebody wants it to end, or the daemon has */
#define TRIES 1000
#define HINT_BYTES 128

static volatile sig_atomic_t stopped;

static void on_signal(int signal)
{
	stopped = signal;
}

bool replay_stopped(void)
{
	return stopped;
}

static void watch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

/* ---- one packet -------------------------------------------------------------------------------
 */

/* Returns 0, -EIO if the device has gone, other -errno if this packet was refused. */
static int write_packet(struct replay_player *p, const __u8 *buffer, size_t bytes)
{
	for (int i = 0; i < TRIES; i++) {
		if (write(p->fd, buffer + TCPC_REPLAY_PAD, bytes) == (ssize_t)bytes)
			return 0;
		if (errno == EBADFD || errno == EIO)
			return -EIO;
		if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
			return -errno;
		replay_sleep_until(replay_now_ns() + MS / 10);
	}
	return -EAGAIN;
}

/* The device went: the daemon says why. */
static int device_gone(struct replay_player *p, struct tcpc_err *err)
{
	int r = replay_feed(p, err);

	return r ?: tcpc_err_set(err, EIO, "%s takes no packets any more", p->iface);
}

/* Of the lowest real-time priority: before all that is not real-time. Without the right to it
 * packets are as late as the machine is busy. */
void replay_hurry(struct replay_player *p, bool hurry)
{
	const struct sched_param param = {.sched_priority = hurry};

	if (p->hurried != hurry)
		pthread_setschedparam(pthread_self(), hurry ? SCHED_FIFO : SCHED_OTHER, &param);
	p->hurried = hurry;
}

static int wait_until(struct replay_player *p, __u64 due_ns)
{
	__u64 now_ns = replay_now_ns();

	replay_hurry(p, now_ns < due_ns + OVERDUE_NS);
	while (now_ns < due_ns && !stopped) {
		replay_sleep_until(due_ns < now_ns + GLANCE_NS ? due_ns : now_ns + GLANCE_NS);
		if (replay_failed(p))
			return 0; /* replay_wait_room() says what it is */
		now_ns = replay_now_ns();
	}
	return stopped ? -EINTR : 0;
}

static void skip(struct replay_player *p, int reason)
{
	p->skipped[reason]++;
}

/* A FIN or RST of ours. */
static int send_end(struct replay_player *p, const struct tcpc_replay_conn *conn, bool reset,
		    struct tcpc_err *err)
{
	size_t bytes = tcpc_replay_end(p->buffer, conn, reset, p->shift);
	int r = replay_wait_room(p, 0, err);

	if (r)
		return r;
	r = write_packet(p, p->buffer, bytes);
	replay_note_sent(p, 0);
	p->ends += !r;
	return r == -EIO ? device_gone(p, err) : 0;
}

/* What a recording has left out, and the tap has to see first. If it cannot be written the packet
 * behind it tells. */
static void send_ack(struct replay_player *p)
{
	__u8 buffer[TCPC_REPLAY_ACK_BYTES] __attribute__((aligned(8)));
	__u32 ack;
	const struct tcpc_replay_conn *conn = tcpc_replay_greeted(p->flows, &ack);

	if (conn)
		write_packet(p, buffer, tcpc_replay_ack(buffer, conn, ack, p->shift));
}

static int send_packet(struct replay_player *p, const struct tcpc_pkt *pkt, __u64 time_ns,
		       struct tcpc_err *err)
{
	size_t bytes = tcpc_replay_packet(p->buffer, pkt, p->shift);
	__u64 due_ns = p->start_ns + tcpc_replay_pace_next(&p->pace, time_ns), now_ns;
	int r = p->pace.speed ? wait_until(p, due_ns) : 0;

	r = r ?: replay_wait_room(p, pkt->payload_bytes, err);
	if (r)
		return r;
	now_ns = replay_now_ns();
	send_ack(p);
	r = write_packet(p, p->buffer, bytes);
	if (r == -EIO)
		return device_gone(p, err);
	if (r) {
		skip(p, TCPC_REPLAY_SKIP_send_failed);
		return 0;
	}
	if (p->pace.speed)
		tcpc_replay_late_add(&p->late, now_ns > due_ns ? now_ns - due_ns : 0);
	replay_note_sent(p, pkt->payload_bytes);
	return 0;
}

/* Read the headers into the buffer, where the packet will be made. Returns -1, or why not. */
static int read_frame(struct replay_player *p, int link, const struct tcpc_capture_frame *f,
		      struct tcpc_pkt *pkt, bool *ret_whole)
{
	__u8 *ip = p->buffer + TCPC_REPLAY_PAD + TCPC_REPLAY_VNET_BYTES;
	__u32 wire = f->bytes > f->captured ? f->bytes : f->captured, have, total;
	int at = tcpc_replay_find_ip(link, f->data, f->captured);

	if (!f->matches)
		return TCPC_REPLAY_SKIP_filtered;
	if (at < 0)
		return at == -EMSGSIZE ? TCPC_REPLAY_SKIP_headers_cut : TCPC_REPLAY_SKIP_not_tcp;
	have = f->captured - at;
	if (have > TCPC_IP_LEN_MAX)
		have = TCPC_IP_LEN_MAX;
	memcpy(ip, f->data + at, have);
	switch (tcpc_parse(ip, ip + have, wire - at, TCPC_LINK_NONE, pkt)) {
	case TCPC_PARSE_OK:
		break;
	case TCPC_PARSE_NOT_TCP:
		return TCPC_REPLAY_SKIP_not_tcp;
	case TCPC_PARSE_FRAGMENT:
		return TCPC_REPLAY_SKIP_fragment;
	case TCPC_PARSE_SHORT:
		return f->captured < f->bytes ? TCPC_REPLAY_SKIP_headers_cut
					      : TCPC_REPLAY_SKIP_malformed;
	default:
		return TCPC_REPLAY_SKIP_malformed;
	}
	total = pkt->l4_off + pkt->tcp_bytes + pkt->payload_bytes;
	if (total > TCPC_IP_LEN_MAX)
		return TCPC_REPLAY_SKIP_too_big;
	*ret_whole = have >= total;
	return -1;
}

static int play_frame(struct replay_player *p, int link, const struct tcpc_capture_frame *f,
		      struct tcpc_err *err)
{
	const struct tcpc_replay_conn *end = NULL;
	struct tcpc_pkt pkt;
	bool whole = false;
	int reason = read_frame(p, link, f, &pkt, &whole);

	p->read++;
	if (reason < 0)
		reason = tcpc_replay_take(p->flows, &pkt, whole, &end);
	if (reason < 0)
		return send_packet(p, &pkt, f->time_ns, err);
	skip(p, reason);
	return end ? send_end(p, end, true, err) : 0;
}

/* ---- files ------------------------------------------------------------------------------------
 */

static size_t n_files(const struct replay_player *p)
{
	return json_object_array_length(json_object_object_get(p->request, "args"));
}

static const char *file_name(const struct replay_player *p, size_t i)
{
	return json_object_get_string(
		json_object_array_get_idx(json_object_object_get(p->request, "args"), i));
}

static int open_file(const struct replay_player *p, size_t i, struct tcpc_capture **ret,
		     struct tcpc_err *err)
{
	struct tcpc_capture *c;
	int r = tcpc_capture_open(file_name(p, i), p->spec.filter, &c, err);

	if (r)
		return r;
	if (tcpc_replay_link_known(tcpc_capture_link(c))) {
		*ret = c;
		return 0;
	}
	r = tcpc_err_set(
		err, EPROTONOSUPPORT,
		"%s has link headers that are not known here (%s, %d); known are Ethernet, "
		"Linux cooked (any), loopback and raw IP",
		file_name(p, i), tcpc_capture_link_name(c), tcpc_capture_link(c));
	tcpc_capture_close(c);
	return r;
}

/* Before anything is sent. The standard input can be opened only once. */
static int check_files(const struct replay_player *p, struct tcpc_err *err)
{
	int r = 0;

	for (size_t i = 0; i < n_files(p) && !r; i++) {
		struct tcpc_capture *c = NULL;

		if (!strcmp(file_name(p, i), "-"))
			continue;
		r = open_file(p, i, &c, err);
		tcpc_capture_close(c);
	}
	return r;
}

/* A file that ends in the middle of a frame was still being written, or its disk was full: what is
 * whole has been sent, and the others come after it. */
static void note_damage(struct replay_player *p, const struct tcpc_err *err)
{
	if (p->pass)
		return; /* once is enough */
	json_object_array_add(p->damaged, json_object_new_string(err->text));
}

static int play_file(struct replay_player *p, size_t i, struct tcpc_err *err)
{
	struct tcpc_capture_frame frame;
	struct tcpc_capture *c;
	int r = open_file(p, i, &c, err), got;

	if (r)
		return r;
	p->file = i;
	p->file_bytes = tcpc_capture_bytes(c);
	while (!r && (got = tcpc_capture_next(c, &frame, err)) == 1) {
		r = stopped ? -EINTR : play_frame(p, tcpc_capture_link(c), &frame, err);
		if (!(p->read & 63))
			p->file_at = tcpc_capture_at(c);
	}
	if (!r && got < 0)
		note_damage(p, err);
	tcpc_capture_close(c);
	return r;
}

/* Their clients would have gone on: at the target they must not stay open for ever, nor meet what
 * comes in the next pass. */
static int end_open(struct replay_player *p, struct tcpc_err *err)
{
	const struct tcpc_replay_conn *conn;
	int r = 0;

	while (!r && (conn = tcpc_replay_end_next(p->flows)))
		r = send_end(p, conn, false, err);
	return r;
}

static int play_pass(struct replay_player *p, struct tcpc_err *err)
{
	struct timespec now;
	int r = 0;

	/* RFC 9293, 3.4.1: numbers go up with time, so that a connection that the target has just
	 * closed does not take this one's SYN for an old one. */
	clock_gettime(CLOCK_REALTIME, &now);
	p->shift = (now.tv_sec * 1000000000ULL + now.tv_nsec) >> 6;
	for (size_t i = 0; i < n_files(p) && !r; i++) {
		r = play_file(p, i, err);
		tcpc_replay_pace_join(&p->pace);
	}
	if (r && r != -EINTR)
		return r;
	return end_open(p, err) ?: replay_settle(p, err) ?: r;
}

/* ---- from start to end ------------------------------------------------------------------------
 */

static int set_up(struct replay_player *p, struct tcpc_err *err)
{
	struct tcpc_replay_flows_config config = {
		.n_ports = p->spec.attach.n_ports,
		.filter = &p->spec.attach.filter,
		.max_connections = TCPC_REPLAY_CONNECTIONS,
	};

	if (sodium_init() < 0)
		return tcpc_err_set(err, EIO, "libsodium finds no source of random numbers");
	memcpy(config.ports, p->spec.attach.ports, sizeof(config.ports));
	randombytes_buf(config.hash_key, sizeof(config.hash_key));
	p->pace.speed = p->spec.speed;
	p->pace.max_gap_ns = p->spec.max_gap_ns;
	p->damaged = json_object_new_array();
	p->flows = tcpc_replay_flows_new(&config);
	return p->flows ? 0 : tcpc_err_set(err, ENOMEM, "out of memory");
}

static int check_result(const struct replay_player *p, struct tcpc_err *err)
{
	char hint[HINT_BYTES];

	if (json_object_array_length(p->damaged))
		return tcpc_err_set(
			err, EPROTO, "%s; what came before it was sent",
			json_object_get_string(json_object_array_get_idx(p->damaged, 0)));
	if (p->sent.packets > p->ends)
		return 0;
	replay_ports_hint(p, hint, sizeof(hint));
	return tcpc_err_set(err, ENODATA,
			    "nothing was sent: no client's packet to port %u in %llu frames%s",
			    tcpc_ntohs(p->spec.attach.ports[0]), p->read, hint);
}

static int play(struct replay_player *p, struct json_object **ret, struct tcpc_err *err)
{
	struct tcpc_err ignored;
	int r = 0;

	watch_signals();
	prctl(PR_SET_TIMERSLACK, 1); /* the default is 50 us */
	p->start_ns = replay_now_ns();
	for (p->pass = 0; p->pass < p->spec.loops && !r; p->pass++)
		r = play_pass(p, err);
	if (r == -EINTR)
		tcpc_err_set(err, EINTR, "interrupted; what is shown was sent until then");
	/* What went wrong first is what is told. */
	replay_hurry(p, false);
	if (!r)
		r = replay_close_device(p, err);
	else
		replay_close_device(p, &ignored);
	replay_draw_end(p);
	*ret = replay_result(p);
	return r ?: check_result(p, err);
}

int tcpc_replay_run(const char *path, struct json_object *request, bool progress,
		    struct json_object **ret, struct tcpc_err *err)
{
	struct replay_player *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	p->path = path;
	p->request = request;
	p->progress = progress;
	p->fd = -1;
	r = tcpc_spec_replay(request, &p->spec, err);
	r = r ?: set_up(p, err) ?: check_files(p, err) ?: replay_open_device(p, err);
	r = r ?: play(p, ret, err);
	tcpc_replay_flows_free(p->flows);
	json_object_put(p->damaged);
	json_object_put(p->last);
	tcpc_spec_replay_free(&p->spec);
	free(p);
	return r;
}
