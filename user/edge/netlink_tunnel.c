// SPDX-License-Identifier: GPL-2.0-only
/* netlink_tunnel.c - see netlink.h. */

#include <string.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "core/text.h"
#include "edge/netlink_priv.h"
#include "tcpcopy/tunnel.h"

/* What is cut for the way to a target is cut before it comes here; no packet is larger. */
#define MTU_BYTES 65000

static struct ifinfomsg *put_link(struct nlmsghdr *nlh)
{
	return mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
}

static void put_vxlan(struct nlmsghdr *nlh, __u32 vni, bool ipv6)
{
	static const struct tcpc_addr any;
	struct nlattr *data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);

	mnl_attr_put_u32(nlh, IFLA_VXLAN_ID, vni);
	mnl_attr_put_u16(nlh, IFLA_VXLAN_PORT, tcpc_htons(TCPC_TUNNEL_PORT));
	/* Frames come with the addresses of anybody. */
	mnl_attr_put_u8(nlh, IFLA_VXLAN_LEARNING, 0);
	/* This says no more than the family: the kernel chooses the address by the route. */
	mnl_attr_put(nlh, ipv6 ? IFLA_VXLAN_LOCAL6 : IFLA_VXLAN_LOCAL, ipv6 ? 16 : 4, &any);
	mnl_attr_nest_end(nlh, data);
}

/* Returns 0 or -errno. */
static int create(const char *name, __u32 vni, bool ipv6)
{
	char buf[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh =
		netlink_request(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK);
	struct nlattr *info;

	put_link(nlh);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	mnl_attr_put_u32(nlh, IFLA_MTU, MTU_BYTES);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_str(nlh, IFLA_INFO_KIND, "vxlan");
	put_vxlan(nlh, vni, ipv6);
	mnl_attr_nest_end(nlh, info);
	return netlink_transact(nlh, NULL, NULL);
}

static const char *hint(int code)
{
	switch (code) {
	case -EOPNOTSUPP:
		return "; the kernel has no VXLAN: CONFIG_VXLAN, or load the module vxlan";
	case -EEXIST:
		return "; another daemon in this network namespace has a tunnel: only one can";
	case -EADDRINUSE:
		return "; another program has the UDP port of tunnels, 36525";
	case -EPERM:
		return "; CAP_NET_ADMIN is needed";
	default:
		return "";
	}
}

int tcpc_netlink_tunnel(const char *name, const char *alias, __u32 vni, bool ipv6, int *ret_ifindex,
			struct tcpc_err *err)
{
	struct tcpc_iface iface;
	int r = create(name, vni, ipv6), ifindex;

	if (!r) {
		r = netlink_set_link(name, alias, false, &ifindex);
		if (r && !netlink_get_link(name, 0, &iface))
			tcpc_netlink_delete(iface.ifindex, NULL); /* @r says more */
	}
	if (r)
		return tcpc_err_set(err, -r, "cannot make the tunnel's device %s: %s%s", name,
				    strerror(-r), hint(r));
	*ret_ifindex = ifindex;
	return 0;
}

int tcpc_netlink_tunnel_up(int ifindex, struct tcpc_err *err)
{
	char buf[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = netlink_request(buf, RTM_NEWLINK, NLM_F_ACK);
	struct ifinfomsg *ifi = put_link(nlh);
	int r;

	ifi->ifi_index = ifindex;
	ifi->ifi_flags = ifi->ifi_change = IFF_UP;
	r = netlink_transact(nlh, NULL, NULL);
	return r ? tcpc_err_set(err, -r, "cannot bring the tunnel's device up: %s%s", strerror(-r),
				hint(r))
		 : 0;
}

/* A line of the device's forwarding database (bridge fdb). */
static struct nlmsghdr *put_host(char buf[NETLINK_REQUEST_BYTES], __u16 type, __u16 flags,
				 int ifindex, const struct tcpc_addr *host)
{
	struct nlmsghdr *nlh = netlink_request(buf, type, flags | NLM_F_ACK);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	__u8 mac[TCPC_TUNNEL_MAC_BYTES];

	tcpc_tunnel_mac(host, TCPC_TUNNEL_MAC_HEAD, mac);
	ndm->ndm_family = PF_BRIDGE;
	ndm->ndm_ifindex = ifindex;
	ndm->ndm_state = NUD_NOARP | NUD_PERMANENT;
	ndm->ndm_flags = NTF_SELF;
	mnl_attr_put(nlh, NDA_LLADDR, sizeof(mac), mac);
	if (tcpc_addr_is_v4(host))
		mnl_attr_put(nlh, NDA_DST, 4, &host->w[3]);
	else
		mnl_attr_put(nlh, NDA_DST, sizeof(*host), host);
	mnl_attr_put_u32(nlh, NDA_VNI, TCPC_TUNNEL_VNI);
	return nlh;
}

int tcpc_netlink_tunnel_host(int ifindex, const struct tcpc_addr *host, bool present,
			     struct tcpc_err *err)
{
	char buf[NETLINK_REQUEST_BYTES] __attribute__((aligned(8))), text[TCPC_TEXT_BYTES];
	struct nlmsghdr *nlh;
	int r;

	nlh = put_host(buf, present ? RTM_NEWNEIGH : RTM_DELNEIGH,
		       present ? NLM_F_CREATE | NLM_F_EXCL : 0, ifindex, host);
	r = netlink_transact(nlh, NULL, NULL);
	if (!r || (!present && (r == -ENOENT || r == -ENODEV)))
		return 0;
	return tcpc_err_set(err, -r, "cannot lead %s through the tunnel: %s%s",
			    tcpc_text_from_addr(host, text), strerror(-r),
			    r == -EEXIST ? " (two targets have the same mark; give one of them "
					   "another address)"
					 : "");
}
