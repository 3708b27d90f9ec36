/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nlmsg.h - netlink messages before they are read. libmnl (1.0.5) compares their lengths as signed
 * numbers, so that one of 2^31 and more passes as short, and it does not know that a message has to
 * have all of the struct that its type begins with. The kernel's are right, and nobody else may
 * write to our sockets without CAP_NET_ADMIN: this is for the day when one of the two is not so.
 */
#ifndef TCPCOPY_CORE_NLMSG_H
#define TCPCOPY_CORE_NLMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/netlink.h>

/** tcpc_nlmsg_is - is @nlh of this type, with at least @bytes behind its header? */
static inline bool tcpc_nlmsg_is(const struct nlmsghdr *nlh, __u16 type, size_t bytes)
{
	return nlh->nlmsg_type == type && nlh->nlmsg_len >= NLMSG_HDRLEN + bytes;
}

/** tcpc_nlmsg_fit - do the messages in a datagram of @n bytes, aligned to 4, end within it? What is
 * too short for a header is nobody's. */
static inline bool tcpc_nlmsg_fit(const void *datagram, size_t n)
{
	const char *at = datagram;

	while (n >= sizeof(struct nlmsghdr)) {
		const struct nlmsghdr *nlh = (const void *)at;
		size_t step = NLMSG_ALIGN((size_t)nlh->nlmsg_len);

		if (nlh->nlmsg_len < sizeof(*nlh) || nlh->nlmsg_len > n)
			return false;
		step = step < n ? step : n;
		at += step;
		n -= step;
	}
	return true;
}

#endif
