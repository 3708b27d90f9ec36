/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * resend.h - send a packet of the journal again, or a part of it, through raw sockets: by the
 * interface the copy left by, with the client's address as source, in pieces that fit.
 *
 * Unlike copies, what is sent here passes this host's own OUTPUT and POSTROUTING rules.
 */
#ifndef TCPCOPY_EDGE_RESEND_H
#define TCPCOPY_EDGE_RESEND_H

#include "core/err.h"
#include "tcpcopy/abi.h"

#define TCPC_RESEND_FIELD(name, text) __u64 name;
struct tcpc_resend_stats {
	TCPC_RESEND_COUNTERS(TCPC_RESEND_FIELD)
};
#undef TCPC_RESEND_FIELD

struct tcpc_resend;

/** tcpc_resend_open - open the sockets; one of the two families may be missing on this host. */
int tcpc_resend_open(struct tcpc_resend **ret, struct tcpc_err *err);

/** tcpc_resend_close - NULL is fine. */
void tcpc_resend_close(struct tcpc_resend *resend);

/**
 * tcpc_resend_packet - send [@from_seq, @end_seq) of a record again.
 * @head: the packet lies behind it; what of the part is not in it is left out. A packet without
 * sequence space (RST) goes whole.
 * @mtu: of the way to the target; 0: of the interface it leaves by.
 * Never blocks. Returns 0, -ERANGE if nothing of the part is in the record, or the -errno of the
 * first piece that could not be sent, counted: -EAGAIN and -ENOBUFS may be tried later. Pieces
 * before it are on their way.
 */
int tcpc_resend_packet(struct tcpc_resend *resend, const struct tcpc_journal_head *head,
		       __u32 from_seq, __u32 end_seq, __u32 mtu);

/** tcpc_resend_syn - send a SYN with @seq (host order) for @flow by interface @ifindex: that of a
 * trial. Returns as the above. */
int tcpc_resend_syn(struct tcpc_resend *resend, const struct tcpc_flow *flow, __u32 seq,
		    __u32 ifindex);

/** tcpc_resend_probe - send tcpc_pieces_probe() for the request that begins at @seq, by @ifindex.
 * Returns 0 or -errno. */
int tcpc_resend_probe(struct tcpc_resend *resend, const struct tcpc_flow *flow, __u32 seq,
		      __u32 ack, __u32 ifindex);

/** tcpc_resend_tunnels - packets that leave by these interfaces (0: none) go into a tunnel, in a
 * frame and a UDP packet of ours, from now on. */
void tcpc_resend_tunnels(struct tcpc_resend *resend, const int ifindex[2]);

/** tcpc_resend_stats - the counters. Borrowed. */
const struct tcpc_resend_stats *tcpc_resend_stats(const struct tcpc_resend *resend);

#endif
