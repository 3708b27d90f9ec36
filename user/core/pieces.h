/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pieces.h - cut a packet of the journal, or a part of it, into packets that fit the way, with
 * right lengths and checksums: what is sent again is what a sender would have sent. Pure.
 */
#ifndef TCPCOPY_CORE_PIECES_H
#define TCPCOPY_CORE_PIECES_H

#include <stdbool.h>
#include <stddef.h>

#include "tcpcopy/parse.h"

#define TCPC_PROBE_MAX (sizeof(struct ipv6hdr) + sizeof(struct tcphdr) + 1)

/** A packet that is being cut; set up by tcpc_pieces_begin(). */
struct tcpc_pieces {
	const __u8 *packet; /* borrowed */
	struct tcpc_pkt pkt;
	__u32 next, end;     /* sequence numbers still to go */
	__u32 segment_bytes; /* of payload at most in each */
	bool whole;	     /* takes no sequence space (RST): one piece, whatever is asked */
};

/**
 * tcpc_pieces_begin - cut @bytes of @packet, which begins with its IP header.
 * @from_seq, @end_seq: the part of its sequence space that is wanted, SYN and FIN count; what lies
 * outside of the packet is left out.  @mtu: what a piece may have from its IP header on.
 * @segment_bytes: of payload in a piece at most, 0: as the MTU has it.
 * Returns 0, -EINVAL if it is no whole TCP packet, -ERANGE if nothing of that part is in it,
 * -EMSGSIZE if the MTU has no room for payload. Checksums in @packet are not looked at.
 */
int tcpc_pieces_begin(struct tcpc_pieces *pieces, const void *packet, size_t bytes, __u32 from_seq,
		      __u32 end_seq, __u32 mtu, __u32 segment_bytes);

/** tcpc_pieces_from - all pieces are @flow's, whoever the packet says that it is from and for. Both
 * are of one family. */
void tcpc_pieces_from(struct tcpc_pieces *pieces, const struct tcpc_flow *flow);

/**
 * tcpc_pieces_next - write the next piece to @out, aligned for 32-bit words, with room for the MTU.
 * SYN and CWR are in the first, PSH and FIN in the last one of the packet.
 * @ret_payload: bytes of payload in it.  Returns: its length, 0 when there is none left.
 */
__u32 tcpc_pieces_next(struct tcpc_pieces *pieces, void *out, __u32 *ret_payload);

/** tcpc_pieces_syn - write a SYN without options that comes from @flow's client, with @seq (host
 * order), to @out, which has room for it and is aligned for 32-bit words.  Returns: its length. */
__u32 tcpc_pieces_syn(const struct tcpc_flow *flow, __u32 seq, void *out);

/**
 * tcpc_pieces_probe - write what a keep-alive probe of @flow's client would be, to @out with room
 * for TCPC_PROBE_MAX: one byte, the one before @seq, from before the client had read what @ack
 * acknowledges (both host order). A target that has the connection acknowledges it, to another it
 * says that a request begins at @seq.  Returns: its length.
 */
__u32 tcpc_pieces_probe(const struct tcpc_flow *flow, __u32 seq, __u32 ack, void *out);

#endif
