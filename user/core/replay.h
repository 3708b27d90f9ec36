/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * replay.h - which packets of a capture are sent again, when, and in which form. Pure: frames and
 * times come in, packets go out into a buffer.
 *
 *	replay_frame.c	where the IP header lies, for each type of link
 *	replay_flow.c	connections: what is the client's, what is new, what cannot be sent
 *	replay_pace.c	the capture's clock and ours
 *	replay_packet.c	the packet as it is given to the device
 *
 * What was read is either sent or counted with a reason: read = sent + skipped, at any moment.
 */
#ifndef TCPCOPY_CORE_REPLAY_H
#define TCPCOPY_CORE_REPLAY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"
#include "core/spec.h"
#include "tcpcopy/parse.h"

/* Why a packet is not sent. X(name, what it means). */
#define TCPC_REPLAY_SKIPS(X)                                                                       \
	X(filtered, "--filter does not match")                                                     \
	X(not_tcp, "not TCP over IPv4 or IPv6")                                                    \
	X(malformed, "headers contradict each other")                                              \
	X(headers_cut, "the capture's snap length cut off the headers")                            \
	X(fragment, "IP fragment")                                                                 \
	X(other_port, "neither to nor from a port that is replayed (--port)")                      \
	X(from_server, "the server's half")                                                        \
	X(not_client, "client is in no --client prefix")                                           \
	X(excluded, "client is in an --exclude prefix")                                            \
	X(link_local, "client has a link-local address (fe80::), unknown to other hosts")          \
	X(pure_ack, "acknowledgement without data, the target makes its own")                      \
	X(retransmission, "sent before")                                                           \
	X(payload_cut, "the capture's snap length cut off payload: its connection ends here")      \
	X(hole, "the capture lacks bytes that the server acknowledged: its connection ends here")  \
	X(after_cut, "belongs to a connection that had to end before (payload_cut, hole)")         \
	X(after_end, "the connection had ended, or was never seen")                                \
	X(too_big, "larger than 64 KB (BIG TCP)")                                                  \
	X(send_failed, "the system refused the packet")

enum tcpc_replay_skip {
#define TCPC_REPLAY_SKIP(name, text) TCPC_REPLAY_SKIP_##name,
	TCPC_REPLAY_SKIPS(TCPC_REPLAY_SKIP)
#undef TCPC_REPLAY_SKIP
		__TCPC_REPLAY_SKIP_MAX,
};

/** tcpc_replay_skip_name, tcpc_replay_skip_text - for people; static. */
const char *tcpc_replay_skip_name(enum tcpc_replay_skip reason);
const char *tcpc_replay_skip_text(enum tcpc_replay_skip reason);

/* ---- replay_frame.c ---- */

/** tcpc_replay_link_known - can frames of this link type (DLT_*) be read? */
bool tcpc_replay_link_known(int link);

/**
 * tcpc_replay_find_ip - where the IP header lies.
 * @link: DLT_*.  @captured: bytes at @frame.
 * Returns: its offset; -ENOENT: there is none; -EMSGSIZE: it was cut off.
 */
int tcpc_replay_find_ip(int link, const __u8 *frame, __u32 captured);

/* ---- replay_flow.c ---- */

/* As many as the target's exchange map remembers. */
#define TCPC_REPLAY_CONNECTIONS 65536

/** A connection of the capture. Host order but for addresses and ports. */
struct tcpc_replay_conn {
	struct tcpc_addr client, server;
	__be16 client_port, server_port;
	__u32 una;   /* all before it was seen */
	__u32 nxt;   /* behind the last byte that was seen */
	__u32 gap;   /* where the first piece behind a hole begins, if nxt != una */
	__u32 acked; /* the server's highest ACK */
	__u32 ack;   /* the client's last ACK */
	__u8 flags;
};

struct tcpc_replay_flows;

struct tcpc_replay_flows_config {
	__be16 ports[TCPC_MAX_PORTS];
	__u32 n_ports;
	const struct tcpc_filter_spec *filter; /* clients and excludes of it; borrowed */
	__u64 hash_key[2];		       /* random: a capture may be an attacker's */
	__u32 max_connections;		       /* remembered at once */
};

struct tcpc_replay_flow_stats {
	__u64 connections; /* of which something was sent */
	__u64 midstream;   /* of these: without their SYN */
	__u64 forgotten;   /* open ones that had to make room for others */
	__u64 open;	   /* now */
};

/** tcpc_replay_flows_new - an empty table, owned by the caller, or NULL. */
struct tcpc_replay_flows *tcpc_replay_flows_new(const struct tcpc_replay_flows_config *config);

/** tcpc_replay_flows_free - NULL is fine. */
void tcpc_replay_flows_free(struct tcpc_replay_flows *flows);

/**
 * tcpc_replay_take - is this packet to be sent?
 * @whole: all of it is in the capture.
 * @ret_end: set if its connection ends here and must be reset at the target (with the reasons
 * payload_cut and hole); else NULL. Borrowed until the next call.
 * Returns: -1: send it; else an enum tcpc_replay_skip.
 */
int tcpc_replay_take(struct tcpc_replay_flows *flows, const struct tcpc_pkt *pkt, bool whole,
		     const struct tcpc_replay_conn **ret_end);

/**
 * tcpc_replay_greeted - does the packet that was taken last need an ACK of its client's before it,
 * so that it is known how much of the server's greeting had been read?
 * @ret_ack: that ACK number, in host order.
 * Returns: the connection as it is without the packet, or NULL. Borrowed until the next packet.
 */
const struct tcpc_replay_conn *tcpc_replay_greeted(const struct tcpc_replay_flows *flows,
						   __u32 *ret_ack);

/** tcpc_replay_end_next - take one open connection out of the table: the capture is over, and its
 * end was not in it. NULL when there is none left; then the table is empty, for the next pass.
 * Borrowed until the next call. */
const struct tcpc_replay_conn *tcpc_replay_end_next(struct tcpc_replay_flows *flows);

/** tcpc_replay_flow_stats - the counters, borrowed. */
const struct tcpc_replay_flow_stats *tcpc_replay_flow_stats(const struct tcpc_replay_flows *flows);

/** tcpc_replay_ports - the ports that most packets of the capture went to, for "there is nothing
 * to port 80 in it". @ret: room for @max, host order.  Returns: how many. */
unsigned int tcpc_replay_ports(const struct tcpc_replay_flows *flows, __u16 *ret, unsigned int max);

/* ---- replay_pace.c ---- */

#define TCPC_REPLAY_SPEED_ONE 1000 /* a speed of 1, as the capture was */

struct tcpc_replay_pace {
	__u32 speed;	  /* in 1/TCPC_REPLAY_SPEED_ONE; 0: as fast as can be */
	__u64 max_gap_ns; /* longer pauses are cut to it; 0: they are not */
	bool begun;
	__u64 last_ns; /* the capture's time of the packet before */
	__u64 at_ns;   /* the capture's time since the first packet, pauses cut */
};

/** tcpc_replay_pace_next - when is a packet due that was captured at @capture_ns? Returns: time
 * since the first one; 0 at full speed. */
__u64 tcpc_replay_pace_next(struct tcpc_replay_pace *pace, __u64 capture_ns);

/** tcpc_replay_pace_join - the next packet is from another file, or the first one again: a second
 * passes between at most, whatever their clocks say. */
void tcpc_replay_pace_join(struct tcpc_replay_pace *pace);

/** How late packets were: counts by size, fine enough for percentiles within 7 %. */
struct tcpc_replay_late {
	__u64 n, max_ns;
	__u64 counts[64 * 16];
};

/** tcpc_replay_late_add - one packet was sent @ns after it was due. */
void tcpc_replay_late_add(struct tcpc_replay_late *late, __u64 ns);

/** tcpc_replay_late_share - @permille of all packets were not later than this, in nanoseconds. */
__u64 tcpc_replay_late_share(const struct tcpc_replay_late *late, unsigned int permille);

/* ---- replay_packet.c ---- */

/* The packet as the device wants it: struct virtio_net_hdr, then from the IP header on. */
#define TCPC_REPLAY_VNET_BYTES 10
/* So that the IP header lies on a 4-byte boundary. */
#define TCPC_REPLAY_PAD 2
#define TCPC_REPLAY_BUFFER_BYTES (TCPC_REPLAY_PAD + TCPC_REPLAY_VNET_BYTES + 65536)

/**
 * tcpc_replay_packet - make the packet behind the headers' room of @buffer, which tcpc_parse() has
 * read as @pkt (without a link header), ready to be written.
 * @buffer: TCPC_REPLAY_BUFFER_BYTES, on a 4-byte boundary; the IP packet lies behind
 * TCPC_REPLAY_PAD + TCPC_REPLAY_VNET_BYTES.
 * @shift: added to the sequence number, so that a second pass is another connection.
 * It gets a destination that no stack takes (0.0.0.1, ::1): where it goes the copying program says,
 * and if that has gone, nowhere.
 * Returns: bytes to write from @buffer + TCPC_REPLAY_PAD on.
 */
size_t tcpc_replay_packet(__u8 *buffer, const struct tcpc_pkt *pkt, __u32 shift);

/** tcpc_replay_end - the same for the end of a connection: a FIN behind its last byte, or a RST if
 * @reset. Made from nothing. Returns as above. */
size_t tcpc_replay_end(__u8 *buffer, const struct tcpc_replay_conn *conn, bool reset, __u32 shift);

#define TCPC_REPLAY_ACK_BYTES (TCPC_REPLAY_PAD + TCPC_REPLAY_VNET_BYTES + 60)

/** tcpc_replay_ack - the same for the acknowledgement of @ack. @buffer: TCPC_REPLAY_ACK_BYTES. */
size_t tcpc_replay_ack(__u8 *buffer, const struct tcpc_replay_conn *conn, __u32 ack, __u32 shift);

#endif
