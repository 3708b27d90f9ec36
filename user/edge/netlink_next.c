// SPDX-License-Identifier: GPL-2.0-only
/*
 * netlink_next.c - who takes the packets that this host sends to an address, and does he answer;
 * and whether a program stands in front of an interface. See netlink.h.
 */
#include "edge/netlink_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#define ASKED_TWICE 5 /* 3 that it would have been asked alone, and 2 to all */

/* IPv4 as ::ffff:a.b.c.d. @attr: 4 or 16 bytes. */
static struct tcpc_addr addr_of(const struct nlattr *attr)
{
	struct tcpc_addr addr = tcpc_addr_from_v4(0);
	__u16 bytes = mnl_attr_get_payload_len(attr);

	if (bytes == 4 || bytes == 16)
		memcpy(bytes == 4 ? &addr.w[3] : &addr.w[0], mnl_attr_get_payload(attr), bytes);
	return addr;
}

static void put_addr(struct nlmsghdr *nlh, __u16 type, const struct tcpc_addr *addr)
{
	if (tcpc_addr_is_v4(addr))
		mnl_attr_put(nlh, type, 4, &addr->w[3]);
	else
		mnl_attr_put(nlh, type, sizeof(*addr), addr);
}

static int on_route(const struct nlmsghdr *nlh, void *data)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct tcpc_next_hop *ret = data;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWROUTE)
		return MNL_CB_OK;
	if (rtm->rtm_type != RTN_UNICAST) {
		errno = EHOSTUNREACH;
		return MNL_CB_ERROR;
	}
	mnl_attr_for_each (attr, nlh, sizeof(*rtm)) {
		if (mnl_attr_get_type(attr) == RTA_OIF && !mnl_attr_validate(attr, MNL_TYPE_U32))
			ret->ifindex = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == RTA_GATEWAY)
			ret->addr = addr_of(attr);
	}
	return MNL_CB_OK;
}

/* Who does not answer is asked again with the next packet, so it is seldom seen as failed. The
 * count of questions begins with those that a neighbour known before would have been asked. */
static int on_neighbour(const struct nlmsghdr *nlh, void *data)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	struct tcpc_next_hop *ret = data;
	const struct nlattr *attr;
	__u32 asked = 0;

	if (nlh->nlmsg_type != RTM_NEWNEIGH)
		return MNL_CB_OK;
	mnl_attr_for_each (attr, nlh, sizeof(*ndm))
		if (mnl_attr_get_type(attr) == NDA_PROBES && !mnl_attr_validate(attr, MNL_TYPE_U32))
			asked = mnl_attr_get_u32(attr);
	ret->failed = (ndm->ndm_state & NUD_FAILED) ||
		      ((ndm->ndm_state & NUD_INCOMPLETE) && asked >= ASKED_TWICE);
	return MNL_CB_OK;
}

/* Nobody was asked for: no neighbour, and no failure either. */
static int read_neighbour(struct tcpc_next_hop *hop)
{
	char buf[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = netlink_request(buf, RTM_GETNEIGH, 0);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	int r;

	ndm->ndm_family = tcpc_addr_is_v4(&hop->addr) ? AF_INET : AF_INET6;
	ndm->ndm_ifindex = hop->ifindex;
	put_addr(nlh, NDA_DST, &hop->addr);
	nlh->nlmsg_flags |= NLM_F_ACK;
	r = netlink_transact(nlh, on_neighbour, hop);
	return r == -ENOENT ? 0 : r;
}

int tcpc_netlink_next_hop(const struct tcpc_addr *dst, struct tcpc_next_hop *ret)
{
	char buf[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = netlink_request(buf, RTM_GETROUTE, NLM_F_ACK);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	struct tcpc_next_hop hop = {.addr = *dst};
	int r;

	rtm->rtm_family = tcpc_addr_is_v4(dst) ? AF_INET : AF_INET6;
	rtm->rtm_dst_len = tcpc_addr_is_v4(dst) ? 32 : 128;
	put_addr(nlh, RTA_DST, dst);
	r = netlink_transact(nlh, on_route, &hop);
	/* What IPv4 says of blackhole and prohibit routes. */
	if (r == -EINVAL || r == -EACCES)
		r = -EHOSTUNREACH;
	if (r)
		return r;
	r = read_neighbour(&hop);
	if (!r)
		*ret = hop;
	return r;
}

static int on_link(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr, *nested;
	bool *ret = data;

	mnl_attr_for_each (attr, nlh, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(attr) != IFLA_XDP)
			continue;
		mnl_attr_for_each_nested (nested, attr)
			if (mnl_attr_get_type(nested) == IFLA_XDP_ATTACHED)
				*ret = mnl_attr_get_u8(nested) != XDP_ATTACHED_NONE;
	}
	return MNL_CB_OK;
}

bool tcpc_netlink_has_xdp(int ifindex)
{
	char buf[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = netlink_request(buf, RTM_GETLINK, NLM_F_ACK);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	bool has = false;

	ifi->ifi_index = ifindex;
	return !netlink_transact(nlh, on_link, &has) && has;
}
