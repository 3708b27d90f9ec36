// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_diag.c - any bytes as the kernel's answers about sockets: edge/diag.c.
 *
 * Input: messages, or what follows the header of one.
 */
#include "edge/diag.c"

#include "../harness/fuzz_netlink.h"

static void on_idle(void *user, const struct tcpc_flow *flow, __u32 idle_ms)
{
	struct tcpc_flow copy = *flow;

	(void)idle_ms;
	MUST(!memcmp(&copy, flow, sizeof(copy)));
	++*(unsigned int *)user;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	unsigned int n = 0;
	struct tcpc_diag_walk walk = {.cb = on_idle, .user = &n};
	struct inet_diag_msg found = {};

	fuzz_netlink_run(input, size, SOCK_DIAG_BY_FAMILY, on_walked, &walk);
	fuzz_netlink_run(input, size, SOCK_DIAG_BY_FAMILY, on_found, &found);
	MUST(n <= 2 * (size / sizeof(found) + 1));
	return 0;
}
