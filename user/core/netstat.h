/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * netstat.h - counters of the kernel's TCP that tell where copies end, read from the text of
 * /proc/net/netstat; and numbers of settings. Pure.
 */
#ifndef TCPCOPY_CORE_NETSTAT_H
#define TCPCOPY_CORE_NETSTAT_H

#include <stdbool.h>

#include "tcpcopy/abi.h"

/** What is looked at: name in the file, what it means for copies, what to do about it. */
#define TCPC_NETSTAT_LIST(X)                                                                       \
	X(ListenOverflows, "connections that did not fit the accept queue of their listener",      \
	  "raise the service's listen backlog, and: sysctl -w net.core.somaxconn=4096")            \
	X(TCPReqQFullDrop, "SYNs that did not fit the queue of half-open connections",             \
	  "sysctl -w net.ipv4.tcp_max_syn_backlog=4096")                                           \
	X(TSEcrRejected, "packets whose timestamps belong to another connection", "")              \
	X(PAWSEstab, "packets whose timestamps went back", "")                                     \
	X(BeyondWindow, "packets beyond the receive window: their connections stand still",        \
	  "release, then intercept with --order strict")                                           \
	X(RcvPruned, "packets for which a socket had no memory",                                   \
	  "sysctl -w net.ipv4.tcp_rmem='4096 131072 6291456'")                                     \
	X(TCPRcvQDrop, "packets for which no TCP memory was left",                                 \
	  "sysctl -w net.ipv4.tcp_rmem='4096 131072 6291456'")                                     \
	X(TCPBacklogDrop, "packets that came while a process held the socket too long", "")        \
	X(IPReversePathFilter, "packets dropped by the reverse-path filter",                       \
	  "sysctl -w net.ipv4.conf.all.rp_filter=2")

#define TCPC_NETSTAT_NAME(name, text, fix) TCPC_NETSTAT_##name,
enum tcpc_netstat_counter { TCPC_NETSTAT_LIST(TCPC_NETSTAT_NAME) __TCPC_NETSTAT_MAX };
#undef TCPC_NETSTAT_NAME

/** Values, 0 for those that this kernel does not have. */
struct tcpc_netstat {
	__u64 value[__TCPC_NETSTAT_MAX];
};

/** tcpc_netstat_name, _text, _fix - static storage. */
const char *tcpc_netstat_name(enum tcpc_netstat_counter counter);
const char *tcpc_netstat_text(enum tcpc_netstat_counter counter);
const char *tcpc_netstat_fix(enum tcpc_netstat_counter counter);

/** tcpc_netstat_parse - read the pairs of lines "TcpExt: names", "TcpExt: values". Lines that do
 * not fit together are passed over. */
void tcpc_netstat_parse(const char *text, struct tcpc_netstat *ret);

/** tcpc_netstat_numbers - up to @max numbers parted by white space, as in tcp_rmem. Returns how
 * many there are, -EINVAL if something else stands there. */
int tcpc_netstat_numbers(const char *text, long *ret, int max);

#endif
