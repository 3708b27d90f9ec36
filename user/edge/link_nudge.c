// SPDX-License-Identifier: GPL-2.0-only
/* link_nudge.c - see link_nudge.h. Not in link_peer.c because libuv's header brings in the C
 * library's TCP header, whose struct tcp_info is older than what is read here. */
#include "edge/link_nudge.h"

#include <sys/socket.h>
#include <netinet/in.h>
#include <linux/tcp.h>

/* In linux/tcp.h since Linux 6.15. */
#ifndef TCP_RTO_MIN_US
#define TCP_RTO_MIN_US 45
#endif

/* The peer delays ACKs by 40 ms. A second copy that is lost, too, shows by a timeout alone: by then
 * few packets are on the way, and TCP sends nothing new behind it. */
#define RTO_MIN_US 60000

/* What an answer may take: round trips, but no more than this. The peer may delay the ACK of a
 * single packet by 40 ms, and the round trip that is measured grows with that. */
#define PATIENCE_TRIPS 2
#define PATIENCE_US 25000

void tcpc_link_nudge_prepare(int fd)
{
	int us = RTO_MIN_US;

	/* Where it is not known all is as it was. */
	setsockopt(fd, IPPROTO_TCP, TCP_RTO_MIN_US, &us, sizeof(us));
}

enum tcpc_link_nudge tcpc_link_nudge_look(int fd)
{
	struct tcp_info info = {};
	socklen_t size = sizeof(info);
	__u32 patience_us;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size))
		return TCPC_LINK_NUDGE_DONE;
	if (!info.tcpi_unacked && !info.tcpi_notsent_bytes)
		return TCPC_LINK_NUDGE_DONE;
	/* What waits in the socket will show the hole as well, and a nudge would only wait behind
	 * it. */
	patience_us = PATIENCE_TRIPS * info.tcpi_rtt;
	if (patience_us > PATIENCE_US)
		patience_us = PATIENCE_US;
	if (info.tcpi_notsent_bytes || info.tcpi_last_data_sent * 1000 < patience_us)
		return TCPC_LINK_NUDGE_WAIT;
	return TCPC_LINK_NUDGE_SEND;
}
