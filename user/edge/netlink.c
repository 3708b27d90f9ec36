// SPDX-License-Identifier: GPL-2.0-only
/*
 * netlink.c - interfaces, see netlink.h. Each call opens a socket of its own: calls are rare, and
 * the answer to an earlier request that timed out can never be taken for the next one's.
 */
#include "edge/netlink_priv.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include "core/nlmsg.h"
#include "core/text.h"

#define TIMEOUT_S 2
#define ANSWER_BYTES 32768 /* the kernel fills dumps up to this size */
#define DUMP_ATTEMPTS 5

/* A dump is taken whole before anybody looks at it, because it may have to start again. */
struct iface_list {
	struct tcpc_iface *list;
	int n;
};

/* Send @nlh and hand every answer to @cb. Returns 0 or -errno, the kernel's or ours. */
int netlink_transact(struct nlmsghdr *nlh, mnl_cb_t cb, void *data)
{
	const struct timeval limit = {.tv_sec = TIMEOUT_S};
	char buf[ANSWER_BYTES] __attribute__((aligned(8)));
	struct mnl_socket *nl;
	int n = -1, saved;

	nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!nl)
		return -errno;
	if (setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) ||
	    mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		goto out;
	do {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n >= 0 && !tcpc_nlmsg_fit(buf, n)) {
			errno = EBADMSG;
			n = -1;
		}
		if (n >= 0)
			n = mnl_cb_run(buf, n, nlh->nlmsg_seq, mnl_socket_get_portid(nl), cb, data);
	} while (n > MNL_CB_STOP);
out:
	saved = errno;
	mnl_socket_close(nl);
	if (n >= 0)
		return 0;
	return saved == EAGAIN ? -ETIMEDOUT : -saved;
}

struct nlmsghdr *netlink_request(char buf[NETLINK_REQUEST_BYTES], __u16 type, __u16 flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = 1;
	return nlh;
}

static struct ifinfomsg *put_link_header(struct nlmsghdr *nlh, int ifindex)
{
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	ifi->ifi_index = ifindex;
	return ifi;
}

static void copy_string(char *to, size_t size, const struct nlattr *attr)
{
	snprintf(to, size, "%.*s", (int)mnl_attr_get_payload_len(attr),
		 (const char *)mnl_attr_get_payload(attr));
}

static void read_link(const struct nlmsghdr *nlh, struct tcpc_iface *ret)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	memset(ret, 0, sizeof(*ret));
	ret->ifindex = ifi->ifi_index;
	ret->flags = ifi->ifi_flags;
	ret->type = ifi->ifi_type;
	mnl_attr_for_each (attr, nlh, sizeof(*ifi)) {
		__u16 type = mnl_attr_get_type(attr);

		if (type == IFLA_IFNAME)
			copy_string(ret->name, sizeof(ret->name), attr);
		else if (type == IFLA_IFALIAS)
			copy_string(ret->alias, sizeof(ret->alias), attr);
		else if (type == IFLA_ADDRESS && mnl_attr_get_payload_len(attr) == sizeof(ret->mac))
			memcpy(ret->mac, mnl_attr_get_payload(attr), sizeof(ret->mac));
		else if (type == IFLA_MTU && !mnl_attr_validate(attr, MNL_TYPE_U32))
			ret->mtu = mnl_attr_get_u32(attr);
	}
}

static int on_one_link(const struct nlmsghdr *nlh, void *data)
{
	if (tcpc_nlmsg_is(nlh, RTM_NEWLINK, sizeof(struct ifinfomsg)))
		read_link(nlh, data);
	return MNL_CB_OK;
}

/* By @ifindex, or by @name where that is 0. Returns 0 or -errno. */
int netlink_get_link(const char *name, int ifindex, struct tcpc_iface *ret)
{
	char buf[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = netlink_request(buf, RTM_GETLINK, NLM_F_ACK);
	struct tcpc_iface iface = {};
	int r;

	put_link_header(nlh, ifindex);
	if (!ifindex)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	r = netlink_transact(nlh, on_one_link, &iface);
	if (r)
		return r;
	if (!iface.ifindex)
		return -ENODEV;
	*ret = iface;
	return 0;
}

/* A dump that changed under way starts again; @n counts what @cb has collected. */
int netlink_dump(__u16 type, mnl_cb_t cb, void *data, int *n)
{
	char buf[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;
	int i, r = -EINTR;

	for (i = 0; i < DUMP_ATTEMPTS && r == -EINTR; i++) {
		*n = 0;
		nlh = netlink_request(buf, type, NLM_F_DUMP);
		mnl_nlmsg_put_extra_header(nlh, sizeof(struct rtgenmsg)); /* AF_UNSPEC */
		r = netlink_transact(nlh, cb, data);
	}
	return r;
}

static int on_listed_link(const struct nlmsghdr *nlh, void *data)
{
	struct iface_list *links = data;
	struct tcpc_iface *more;

	if (!tcpc_nlmsg_is(nlh, RTM_NEWLINK, sizeof(struct ifinfomsg)))
		return MNL_CB_OK;
	more = reallocarray(links->list, links->n + 1, sizeof(*more));
	if (!more)
		return MNL_CB_ERROR; /* errno is ENOMEM */
	links->list = more;
	read_link(nlh, &links->list[links->n++]);
	return MNL_CB_OK;
}

int tcpc_netlink_each_iface(tcpc_iface_cb cb, void *user, struct tcpc_err *err)
{
	struct iface_list links = {};
	int i, r;

	r = netlink_dump(RTM_GETLINK, on_listed_link, &links, &links.n);
	if (r)
		tcpc_err_set(err, -r, "cannot list interfaces: %s", strerror(-r));
	for (i = 0; !r && i < links.n; i++)
		r = cb(user, &links.list[i]);
	free(links.list);
	return r;
}

static int add_name(void *user, const struct tcpc_iface *iface)
{
	char *names = user;
	size_t used = strlen(names);

	if (used + strlen(iface->name) + sizeof(", ...") > TCPC_ERR_BYTES / 2) {
		strcat(names, ", ...");
		return 1;
	}
	sprintf(names + used, "%s%s", used ? ", " : "", iface->name);
	return 0;
}

static int no_such_iface(const char *name, struct tcpc_err *err)
{
	char names[TCPC_ERR_BYTES] = "";
	int r = tcpc_netlink_each_iface(add_name, names, err);

	if (r < 0)
		return r;
	return tcpc_err_set(err, ENODEV, "there is no interface '%s'; there are: %s", name, names);
}

int tcpc_netlink_iface(const char *name, struct tcpc_iface *ret, struct tcpc_err *err)
{
	int r = -ENODEV;

	if (*name && strlen(name) < IFNAMSIZ)
		r = netlink_get_link(name, 0, ret);
	if (r == -ENODEV)
		return no_such_iface(name, err);
	if (r)
		return tcpc_err_set(err, -r, "cannot look up interface '%s': %s", name,
				    strerror(-r));
	return 0;
}

/* The other end is named, so that it can be found and marked as ours. */
static void peer_name(const char *name, char ret[IFNAMSIZ])
{
	snprintf(ret, IFNAMSIZ, "%.*sp", IFNAMSIZ - 2, name);
}

static void put_veth_peer(struct nlmsghdr *nlh, const char *name)
{
	struct nlattr *data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	struct nlattr *peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	char other[IFNAMSIZ];

	put_link_header(nlh, 0);
	peer_name(name, other);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, other);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, data);
}

static int create_link(const char *name, const char *kind)
{
	char buf[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;
	struct nlattr *info;

	nlh = netlink_request(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK);
	put_link_header(nlh, 0);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_str(nlh, IFLA_INFO_KIND, kind);
	if (!strcmp(kind, "veth"))
		put_veth_peer(nlh, name);
	mnl_attr_nest_end(nlh, info);
	return netlink_transact(nlh, NULL, NULL);
}

/*
 * The device must send nothing by itself: router solicitations, duplicate address detection and
 * multicast reports would all meet the copy program, which counts them as strays. That is all the
 * harm, so kernels without IPv6 and containers with a read-only /proc/sys are fine.
 */
static int disable_ipv6(const char *name)
{
	/* Mode 1 makes up no link-local address. */
	static const char *const settings[] = {"addr_gen_mode", "disable_ipv6"};
	char path[128];
	unsigned int i;
	int fd, r = 0;

	for (i = 0; !r && i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", name, settings[i]);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 && (errno == ENOENT || errno == EROFS))
			continue;
		if (fd < 0)
			return -errno;
		if (write(fd, "1", 1) != 1)
			r = -errno;
		close(fd);
	}
	return r;
}

/* Aliases can't be set at creation. */
int netlink_set_link(const char *name, const char *alias, bool up, int *ret_ifindex)
{
	char buf[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = netlink_request(buf, RTM_NEWLINK, NLM_F_ACK);
	struct tcpc_iface iface;
	struct ifinfomsg *ifi;
	int r;

	r = netlink_get_link(name, 0, &iface);
	if (!r)
		r = disable_ipv6(name);
	if (r)
		return r;
	ifi = put_link_header(nlh, iface.ifindex);
	ifi->ifi_flags = IFF_NOARP | (up ? IFF_UP : 0);
	ifi->ifi_change = ifi->ifi_flags;
	mnl_attr_put(nlh, IFLA_IFALIAS, strlen(alias), alias);
	r = netlink_transact(nlh, NULL, NULL);
	if (!r && ret_ifindex)
		*ret_ifindex = iface.ifindex;
	return r;
}

static int set_up_sink(const char *name, const char *kind, const char *alias, int *ret_ifindex)
{
	char other[IFNAMSIZ];
	struct tcpc_iface iface;
	int r = 0;

	if (!strcmp(kind, "veth")) {
		peer_name(name, other);
		r = netlink_set_link(other, alias, false, NULL);
	}
	if (!r)
		r = netlink_set_link(name, alias, true, ret_ifindex);
	if (r && !netlink_get_link(name, 0, &iface))
		tcpc_netlink_delete(iface.ifindex, NULL); /* @r says more than its result */
	return r;
}

int tcpc_netlink_create_sink(const char *name, const char *alias, int *ret_ifindex,
			     const char **ret_kind, struct tcpc_err *err)
{
	/* dummy is the cheapest; kernels of small virtual machines may lack it, and ifb too. */
	static const char *const kinds[] = {"dummy", "ifb", "veth"};
	int r = -EOPNOTSUPP;
	unsigned int i;

	if (!*name || strlen(name) >= IFNAMSIZ || strlen(alias) >= TCPC_ALIAS_BYTES)
		return tcpc_err_set(err, EINVAL, "'%s' is no name for a device: 1 to %d bytes",
				    name, IFNAMSIZ - 1);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && r == -EOPNOTSUPP; i++)
		r = create_link(name, kinds[i]);
	if (!r)
		r = set_up_sink(name, kinds[i - 1], alias, ret_ifindex);
	if (r == -EEXIST)
		return tcpc_err_set(err, EEXIST,
				    "device '%s' (or its peer) exists already: if it "
				    "is not in use, ip link del %s",
				    name, name);
	if (r == -EOPNOTSUPP)
		return tcpc_err_set(err, EOPNOTSUPP,
				    "cannot create device '%s': the kernel has "
				    "none of dummy, ifb, veth; load one of these modules",
				    name);
	if (r)
		return tcpc_err_set(err, -r, "cannot create device '%s': %s%s", name, strerror(-r),
				    r == -EPERM ? " (CAP_NET_ADMIN is needed)" : "");
	*ret_kind = kinds[i - 1];
	return 0;
}

int tcpc_netlink_delete(int ifindex, struct tcpc_err *err)
{
	char buf[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = netlink_request(buf, RTM_DELLINK, NLM_F_ACK);
	int r;

	/* The kernel takes an index of 0 for "see the other attributes" and says EINVAL. */
	if (ifindex <= 0)
		return tcpc_err_set(err, ENODEV, "there is no interface with index %d", ifindex);
	put_link_header(nlh, ifindex);
	r = netlink_transact(nlh, NULL, NULL);
	if (r)
		return tcpc_err_set(err, -r, "cannot delete interface %d: %s", ifindex,
				    strerror(-r));
	return 0;
}
