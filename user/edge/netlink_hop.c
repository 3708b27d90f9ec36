// SPDX-License-Identifier: GPL-2.0-only
/*
 * netlink_hop.c - the link addresses of a frame, for programs that send without the kernel's
 * neighbour table (XDP). See netlink.h.
 */
#include "edge/netlink_priv.h"

#include <errno.h>
#include <string.h>
#include <net/if_arp.h>
#include <sys/socket.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "core/nlmsg.h"

/* States in which the kernel itself would send to what it knows. */
#define USABLE (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)

/** One link address out of an answer. */
struct answer {
	__u8 *mac;
	__u16 attr;
	bool found;
	unsigned short type; /* ARPHRD_*, of links */
};

static void take(const struct nlmsghdr *nlh, size_t header, struct answer *a)
{
	const struct nlattr *attr;

	mnl_attr_for_each (attr, nlh, header) {
		if (mnl_attr_get_type(attr) != a->attr || mnl_attr_get_payload_len(attr) != 6)
			continue;
		memcpy(a->mac, mnl_attr_get_payload(attr), 6);
		a->found = true;
	}
}

static int on_neighbour(const struct nlmsghdr *nlh, void *data)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);

	if (tcpc_nlmsg_is(nlh, RTM_NEWNEIGH, sizeof(*ndm)) && (ndm->ndm_state & USABLE))
		take(nlh, sizeof(*ndm), data);
	return MNL_CB_OK;
}

static int on_link(const struct nlmsghdr *nlh, void *data)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct answer *a = data;

	if (!tcpc_nlmsg_is(nlh, RTM_NEWLINK, sizeof(*ifi)))
		return MNL_CB_OK;
	a->type = ifi->ifi_type;
	take(nlh, sizeof(*ifi), a);
	return MNL_CB_OK;
}

/* @flags: of the entry.  @type: RTM_GETNEIGH or RTM_NEWNEIGH. */
static int neighbour(__u16 type, __u16 request_flags, __u8 flags, const struct tcpc_next_hop *hop,
		     mnl_cb_t cb, void *data)
{
	char buf[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = netlink_request(buf, type, request_flags | NLM_F_ACK);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	bool v4 = tcpc_addr_is_v4(&hop->addr);

	ndm->ndm_family = v4 ? AF_INET : AF_INET6;
	ndm->ndm_ifindex = hop->ifindex;
	ndm->ndm_flags = flags;
	mnl_attr_put(nlh, NDA_DST, v4 ? 4 : 16, v4 ? &hop->addr.w[3] : &hop->addr.w[0]);
	return netlink_transact(nlh, cb, data);
}

static int link_address(int ifindex, __u8 ret[6])
{
	char buf[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = netlink_request(buf, RTM_GETLINK, NLM_F_ACK);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	struct answer a = {.mac = ret, .attr = IFLA_ADDRESS};
	int r;

	ifi->ifi_index = ifindex;
	r = netlink_transact(nlh, on_link, &a);
	if (!r && (!a.found || a.type != ARPHRD_ETHER))
		r = -EPROTONOSUPPORT;
	return r;
}

int tcpc_netlink_macs(const struct tcpc_addr *dst, struct tcpc_hop_macs *ret)
{
	struct tcpc_hop_macs macs = {};
	struct answer a = {.mac = macs.dst, .attr = NDA_LLADDR};
	struct tcpc_next_hop hop;
	int r = tcpc_netlink_next_hop(dst, &hop);

	r = r ?: link_address(hop.ifindex, macs.src);
	if (r)
		return r;
	/* As a packet of the kernel's own would: an entry is made, or looked after when it is old.
	 */
	r = neighbour(RTM_NEWNEIGH, NLM_F_CREATE, NTF_USE, &hop, NULL, NULL);
	r = r ?: neighbour(RTM_GETNEIGH, 0, 0, &hop, on_neighbour, &a);
	if (r == -ENOENT) /* gone already */
		r = 0;
	if (r)
		return r;
	macs.ifindex = hop.ifindex;
	macs.known = a.found;
	*ret = macs;
	return 0;
}

int tcpc_netlink_own_macs(int ifindex, struct tcpc_hop_macs *ret)
{
	struct tcpc_hop_macs macs = {.ifindex = ifindex, .known = true};
	int r = link_address(ifindex, macs.dst);

	if (r)
		return r;
	memcpy(macs.src, macs.dst, sizeof(macs.src));
	*ret = macs;
	return 0;
}
