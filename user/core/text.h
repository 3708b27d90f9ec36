/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * text.h - addresses, ports, prefixes and shares between text and bytes. Pure.
 *
 * Parsing is strict: the whole string or nothing, no leading or trailing white space, no octal, no
 * sign. Every error names the offending word (its first 80 bytes) and shows a right one.
 */
#ifndef TCPCOPY_CORE_TEXT_H
#define TCPCOPY_CORE_TEXT_H

#include <stddef.h>
#include <linux/types.h>

#include "core/err.h"
#include "tcpcopy/addr.h"

#define TCPC_DEFAULT_FEEDBACK_PORT 36524

struct tcpc_endpoint {
	struct tcpc_addr addr;
	__be16 port;
};

/** A prefix over mapped addresses; IPv4's /n is kept as 96 + n. Host bits are zero. */
struct tcpc_prefix {
	struct tcpc_addr addr;
	__u32 bits;
};

/* Big enough for "[" IPv6 "]:65535" and for IPv6 "/128". */
#define TCPC_TEXT_BYTES 64

/* Each returns 0, or -EINVAL with @err set and @ret untouched. */

/** tcpc_text_number - "0"..@max to a number. The caller says what is wrong: -EINVAL, no @err. */
int tcpc_text_number(const char *text, unsigned long max, unsigned long *ret);

/** tcpc_text_port - "1".."65535" to wire order. */
int tcpc_text_port(const char *text, __be16 *ret, struct tcpc_err *err);

/** tcpc_text_addr - "10.0.0.9" or "2001:db8::9" (no brackets). */
int tcpc_text_addr(const char *text, struct tcpc_addr *ret, struct tcpc_err *err);

/** tcpc_text_endpoint - "10.0.0.9:80" or "[2001:db8::9]:80". */
int tcpc_text_endpoint(const char *text, struct tcpc_endpoint *ret, struct tcpc_err *err);

/** tcpc_text_host_port - "name-or-address:80", "[v6]:80"; @host gets @size bytes at most. The port
 * comes in host order and may be missing (then @default_port). What resolvers take for an IPv4
 * address has to be one as tcpc_text_addr() knows it: for them 010.0.0.9 is 8.0.0.9. */
int tcpc_text_host_port(const char *text, __u16 default_port, char *host, size_t size,
			__u16 *ret_port, struct tcpc_err *err);

/** tcpc_text_prefix - "10.0.0.0/8", or an address alone as a full-length prefix. Set host bits are
 * an error that shows the prefix meant. */
int tcpc_text_prefix(const char *text, struct tcpc_prefix *ret, struct tcpc_err *err);

/** tcpc_text_percent - "0".."100" with at most two decimals to steps of 0.01. */
int tcpc_text_percent(const char *text, __u32 *ret, struct tcpc_err *err);

/** tcpc_text_iface - an interface name the kernel could have (1..15 bytes, no '/', ':', space). */
int tcpc_text_iface(const char *text, char ret[16], struct tcpc_err *err);

/** tcpc_text_ip6tables - the name of IPv6's program beside @iptables: "ip6tables-nft" for
 * "iptables-nft", paths stay. Returns 0, or -EINVAL if @iptables is called otherwise or @ret has
 * not the room. No @err. */
int tcpc_text_ip6tables(const char *iptables, char *ret, size_t size);

/* Each writes the canonical text into @buf (TCPC_TEXT_BYTES) and returns @buf. */
const char *tcpc_text_from_addr(const struct tcpc_addr *addr, char buf[TCPC_TEXT_BYTES]);
const char *tcpc_text_from_endpoint(const struct tcpc_endpoint *ep, char buf[TCPC_TEXT_BYTES]);
const char *tcpc_text_from_prefix(const struct tcpc_prefix *p, char buf[TCPC_TEXT_BYTES]);

#endif
