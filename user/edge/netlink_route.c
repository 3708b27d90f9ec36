// SPDX-License-Identifier: GPL-2.0-only
/* netlink_route.c - the way to an address, and an interface's own addresses, see netlink.h. */
#include "edge/netlink_priv.h"

#include <string.h>
#include <linux/rtnetlink.h>

#include "core/nlmsg.h"
#include "core/text.h"

struct addr_list {
	int ifindex;
	struct tcpc_addr *list;
	int n, max;
};

static void read_metrics(const struct nlattr *metrics, struct tcpc_route *ret)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, metrics)
		if (mnl_attr_get_type(attr) == RTAX_MTU && !mnl_attr_validate(attr, MNL_TYPE_U32))
			ret->mtu = mnl_attr_get_u32(attr);
}

/* Returns through errno what IPv6 says in the route's type where IPv4 answers with an error. */
static int on_route(const struct nlmsghdr *nlh, void *data)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct tcpc_route *ret = data;
	const struct nlattr *attr;

	if (!tcpc_nlmsg_is(nlh, RTM_NEWROUTE, sizeof(*rtm)))
		return MNL_CB_OK;
	if (rtm->rtm_type == RTN_UNREACHABLE || rtm->rtm_type == RTN_BLACKHOLE ||
	    rtm->rtm_type == RTN_PROHIBIT) {
		errno = EHOSTUNREACH;
		return MNL_CB_ERROR;
	}
	ret->local = rtm->rtm_type == RTN_LOCAL;
	ret->unicast = rtm->rtm_type == RTN_UNICAST;
	mnl_attr_for_each (attr, nlh, sizeof(*rtm)) {
		if (mnl_attr_get_type(attr) == RTA_OIF && !mnl_attr_validate(attr, MNL_TYPE_U32))
			ret->ifindex = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == RTA_METRICS)
			read_metrics(attr, ret);
	}
	return MNL_CB_OK;
}

static int get_route(const struct tcpc_addr *dst, struct tcpc_route *ret)
{
	char buf[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = netlink_request(buf, RTM_GETROUTE, NLM_F_ACK);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	int r;

	rtm->rtm_flags = RTM_F_LOOKUP_TABLE;
	if (tcpc_addr_is_v4(dst)) {
		rtm->rtm_family = AF_INET;
		rtm->rtm_dst_len = 32;
		mnl_attr_put(nlh, RTA_DST, 4, &dst->w[3]);
	} else {
		rtm->rtm_family = AF_INET6;
		rtm->rtm_dst_len = 128;
		mnl_attr_put(nlh, RTA_DST, sizeof(*dst), dst);
	}
	r = netlink_transact(nlh, on_route, ret);
	/* What IPv4 says of blackhole and prohibit routes. */
	return r == -EINVAL || r == -EACCES ? -EHOSTUNREACH : r;
}

int tcpc_netlink_route(const struct tcpc_addr *dst, struct tcpc_route *ret, struct tcpc_err *err)
{
	struct tcpc_route route = {};
	struct tcpc_iface iface;
	char text[TCPC_TEXT_BYTES];
	int r = get_route(dst, &route);

	if (!r && !route.local && !route.unicast)
		route.ifindex = 0;
	if (!r && route.ifindex && !route.mtu) {
		r = netlink_get_link(NULL, route.ifindex, &iface);
		route.mtu = r ? 0 : iface.mtu;
	}
	if (r)
		return tcpc_err_set(err, -r, "no route to %s: %s; see: ip route get %s",
				    tcpc_text_from_addr(dst, text), strerror(-r), text);
	*ret = route;
	return 0;
}

static bool is_link_local(const struct tcpc_addr *addr)
{
	if (tcpc_addr_is_v4(addr))
		return (tcpc_ntohl(addr->w[3]) >> 16) == 0xa9fe; /* RFC 3927: 169.254/16 */
	return (tcpc_ntohl(addr->w[0]) >> 22) == 0xfe80 >> 6;	 /* RFC 4291, 2.4: fe80::/10 */
}

static int on_address(const struct nlmsghdr *nlh, void *data)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct addr_list *addrs = data;
	const struct nlattr *attr;
	struct tcpc_addr addr;
	bool own = false, found = false;
	size_t bytes;

	if (!tcpc_nlmsg_is(nlh, RTM_NEWADDR, sizeof(*ifa)) ||
	    (int)ifa->ifa_index != addrs->ifindex ||
	    (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6))
		return MNL_CB_OK;
	bytes = ifa->ifa_family == AF_INET ? 4 : 16;
	mnl_attr_for_each (attr, nlh, sizeof(*ifa)) {
		__u16 type = mnl_attr_get_type(attr);

		/* On point-to-point links IFA_ADDRESS is the other side's, IFA_LOCAL ours. */
		if ((type != IFA_LOCAL && (own || type != IFA_ADDRESS)) ||
		    mnl_attr_get_payload_len(attr) != bytes)
			continue;
		own = type == IFA_LOCAL;
		found = true;
		addr = tcpc_addr_from_v4(0);
		memcpy(bytes == 4 ? &addr.w[3] : &addr.w[0], mnl_attr_get_payload(attr), bytes);
	}
	if (found && !is_link_local(&addr)) {
		if (addrs->n < addrs->max)
			addrs->list[addrs->n] = addr;
		addrs->n++;
	}
	return MNL_CB_OK;
}

int tcpc_netlink_addresses(int ifindex, struct tcpc_addr *ret, int max, struct tcpc_err *err)
{
	struct addr_list addrs = {.ifindex = ifindex, .list = ret, .max = max};
	int r;

	r = netlink_dump(RTM_GETADDR, on_address, &addrs, &addrs.n);
	if (r)
		return tcpc_err_set(err, -r, "cannot list the addresses of interface %d: %s",
				    ifindex, strerror(-r));
	return addrs.n;
}
