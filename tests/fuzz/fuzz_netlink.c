// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_netlink.c - any bytes as the kernel's answers about interfaces, addresses and routes:
 * edge/netlink*.c.
 *
 * Input: messages, or what follows the header of one.
 */
#include "edge/netlink.c"
#include "edge/netlink_route.c"

#include "../harness/fuzz_netlink.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct addr_list addrs = {.ifindex = 1, .max = 4};
	struct tcpc_addr list[4];
	struct iface_list links = {};
	struct tcpc_iface iface = {};
	struct tcpc_route route = {};

	addrs.list = list;
	fuzz_netlink_run(input, size, RTM_NEWLINK, on_one_link, &iface);
	MUST(strnlen(iface.name, sizeof(iface.name)) < sizeof(iface.name));
	MUST(strnlen(iface.alias, sizeof(iface.alias)) < sizeof(iface.alias));
	fuzz_netlink_run(input, size, RTM_NEWLINK, on_listed_link, &links);
	free(links.list);
	fuzz_netlink_run(input, size, RTM_NEWADDR, on_address, &addrs);
	fuzz_netlink_run(input, size, RTM_NEWROUTE, on_route, &route);
	return 0;
}
