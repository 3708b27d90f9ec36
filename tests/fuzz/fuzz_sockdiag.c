// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_sockdiag.c - any bytes as the kernel's list of sockets to end: edge/sockdiag.c.
 *
 * Input: messages, or what follows the header of one.
 */
#include "edge/sockdiag.c"

#include "../harness/fuzz_netlink.h"

static bool match(void *user, const struct tcpc_flow *flow)
{
	(void)user;
	return flow->client_port & 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	const __be16 ports[] = {tcpc_htons(80), tcpc_htons(8080)};
	struct pass pass = {.ports = ports, .n_ports = 2, .match = match};

	fuzz_netlink_run(input, size, SOCK_DIAG_BY_FAMILY, on_socket, &pass);
	for (unsigned int i = 0; i < pass.n; i++)
		MUST(pass.victims[i].id.idiag_sport == ports[0] ||
		     pass.victims[i].id.idiag_sport == ports[1]);
	free(pass.victims);
	return 0;
}
