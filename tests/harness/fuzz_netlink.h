/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fuzz_netlink.h - input as one datagram of netlink messages: their lengths are made to fit, which
 * the kernel sees to as well, and what is in them is the fuzzer's.
 */
#ifndef TCPCOPY_TESTS_FUZZ_NETLINK_H
#define TCPCOPY_TESTS_FUZZ_NETLINK_H

#include <libmnl/libmnl.h>

#include "fuzz.h"
#include "core/nlmsg.h"

/** fuzz_netlink_run - hand @bytes to @cb as mnl_cb_run() does: whole, then as one message of @type
 * with the bytes behind its header. Up to a multiple of 4 libmnl takes what follows for a part of
 * the message: those bytes are there, as they are in the daemon's buffers. */
static inline void fuzz_netlink_run(const uint8_t *bytes, size_t n, __u16 type, mnl_cb_t cb,
				    void *data)
{
	struct nlmsghdr *nlh = calloc(1, NLMSG_ALIGN(n) + 4);
	size_t whole = sizeof(*nlh) + n;

	MUST(nlh);
	memcpy(nlh, bytes, n);
	if (tcpc_nlmsg_fit(nlh, n))
		mnl_cb_run(nlh, n, 0, 0, cb, data);
	free(nlh);
	nlh = calloc(1, NLMSG_ALIGN(whole));
	MUST(nlh);
	*nlh = (struct nlmsghdr){.nlmsg_len = whole, .nlmsg_type = type};
	memcpy(nlh + 1, bytes, n);
	mnl_cb_run(nlh, whole, 0, 0, cb, data);
	free(nlh);
}

#endif
