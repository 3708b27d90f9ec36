/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * replay_priv.h - what the files of `tcpcopyctl replay` share.
 *
 * replay.c	  files, packets, time
 * replay_feed.c  the daemon: the device, how far the targets are, how much more they may be given
 * replay_show.c  the result, and progress on a terminal
 */
#ifndef TCPCOPY_ROLE_REPLAY_PRIV_H
#define TCPCOPY_ROLE_REPLAY_PRIV_H

#include <pthread.h>

#include "core/replay.h"
#include "core/spec.h"
#include "role/replay.h"

/** What the ledgers say, of bytes or of requests. */
struct replay_sum {
	__u64 copied, acknowledged, held, in_flight, lost;
};

struct replay_amount {
	__u64 packets, bytes, requests;
};

struct replay_player {
	const char *path; /* of the control socket */
	struct json_object *request;
	struct tcpc_replay_spec spec;
	bool progress;

	/* The daemon's side. */
	int fd; /* of the device; -1: none */
	char iface[IFNAMSIZ];
	bool ready;	  /* all targets take copies */
	char reason[512]; /* why not */
	struct replay_sum bytes, requests;
	__u64 records; /* packets that no target has acknowledged */
	__u64 resent;
	struct json_object *last; /* the answer; owned */
	/* How much may be sent, by the answer: packets, bytes and requests since the beginning. */
	struct replay_amount limit;
	/* Who asks is a thread, so that no packet is late because the daemon is busy. All above
	 * is its own while it runs, under this lock. */
	pthread_mutex_t lock;
	pthread_cond_t asked, answered;
	pthread_t feeder;
	bool feeding, feeder_ends;
	__u64 wanted, got; /* answers */
	int failed;	   /* what the last one brought, with... */
	struct tcpc_err failure;

	/* The files' side. */
	struct tcpc_replay_flows *flows;
	struct tcpc_replay_pace pace;
	struct tcpc_replay_late late;
	__u64 start_ns;
	__u64 read, ends;
	struct replay_amount sent; /* with `ends`; read by the feeder */
	bool hurried;		   /* scheduled before others, see replay_hurry() */
	__u64 skipped[__TCPC_REPLAY_SKIP_MAX];
	__u32 shift; /* of sequence numbers, in this pass */
	unsigned int pass, file;
	__u64 file_bytes, file_at;
	struct json_object *damaged; /* what is wrong with files, one line each; owned */
	bool drawn;		     /* there is a line of progress on the terminal */
	/* The packet, see replay.h of core. */
	__u8 buffer[TCPC_REPLAY_BUFFER_BYTES] __attribute__((aligned(8)));
};

/** replay_now_ns - CLOCK_MONOTONIC. */
__u64 replay_now_ns(void);

/** replay_stopped - has somebody asked to end it (SIGINT, SIGTERM)? */
bool replay_stopped(void);

/** replay_sleep_until - or until a signal comes. */
void replay_sleep_until(__u64 at_ns);

/** replay_hurry - be scheduled before others, or again like them. A packet that is due must not
 * wait for a compiler; but who is behind his time would keep others off for as long. */
void replay_hurry(struct replay_player *p, bool hurry);

/* ---- replay_feed.c ---- */

/** replay_open_device - ask for a device, and that all targets be ready. From then on a thread asks
 * how far they are. */
int replay_open_device(struct replay_player *p, struct tcpc_err *err);

/** replay_feed - ask how far the targets are, now, and wait for the answer. */
int replay_feed(struct replay_player *p, struct tcpc_err *err);

/** replay_failed - was the last answer bad? */
bool replay_failed(struct replay_player *p);

/** replay_close_device - the same for the last time: the device goes. Not without a device. */
int replay_close_device(struct replay_player *p, struct tcpc_err *err);

/** replay_wait_room - until there is room for a packet of @payload bytes. Returns 0, -EINTR,
 * -ETIMEDOUT when the targets stand still, or as replay_feed(). */
int replay_wait_room(struct replay_player *p, __u32 payload, struct tcpc_err *err);

/** replay_note_sent - one more packet was. */
void replay_note_sent(struct replay_player *p, __u32 payload);

/** replay_settle - until the targets have all that was sent, or it is lost, or nothing moves any
 * more. Returns as above; that nothing moves is no failure. */
int replay_settle(struct replay_player *p, struct tcpc_err *err);

/* ---- replay_show.c ---- */

/** replay_draw - the line of progress, if wanted. From the feeder, its lock held. */
void replay_draw(struct replay_player *p);

/** replay_draw_end - take it away. */
void replay_draw_end(struct replay_player *p);

/** replay_result - all figures (a new object, owned by the caller). */
struct json_object *replay_result(const struct replay_player *p);

/** replay_ports_hint - ", it has packets to ports 80, 443", "" if there are none. */
void replay_ports_hint(const struct replay_player *p, char *ret, size_t size);

#endif
