// SPDX-License-Identifier: GPL-2.0-only
/* link_nudge.c - see link_nudge.h. Not in link_peer.c because libuv's header brings in the C
 * library's TCP header, whose struct tcp_info is older than what is read here. */
#include "edge/link_nudge.h"

#include <sys/socket.h>
#include <netinet/in.h>
#include <linux/tcp.h>

/* Round trips that an answer may take; the peer may delay its ACK, but not that of a second one. */
#define PATIENCE_TRIPS 2

enum tcpc_link_nudge tcpc_link_nudge_look(int fd)
{
	struct tcp_info info = {};
	socklen_t size = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size))
		return TCPC_LINK_NUDGE_DONE;
	if (!info.tcpi_unacked && !info.tcpi_notsent_bytes)
		return TCPC_LINK_NUDGE_DONE;
	/* What waits in the socket will show the hole as well, and a nudge would only wait behind
	 * it. */
	if (info.tcpi_notsent_bytes ||
	    info.tcpi_last_data_sent * 1000 < PATIENCE_TRIPS * info.tcpi_rtt)
		return TCPC_LINK_NUDGE_WAIT;
	return TCPC_LINK_NUDGE_SEND;
}
