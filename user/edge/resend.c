// SPDX-License-Identifier: GPL-2.0-only
/* resend.c - see resend.h. */
#include "edge/resend.h"

#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/if_ether.h>

#include "core/pieces.h"
#include "tcpcopy/tunnel.h"

#define VXLAN_HAS_VNI 0x08000000
#define MAX_MTU 65535 /* what an IP header can say */

/* A raw socket of one family, and the interface it is bound to. */
struct raw {
	int fd; /* -1: this host has no such family */
	__u32 ifindex;
};

struct tcpc_resend {
	struct raw v4, v6;
	int tunnel_fd[2]; /* UDP over IPv6, IPv4; -1: not needed yet */
	__u32 tunnels[2]; /* their devices; 0: none */
	struct tcpc_resend_stats stats;
	__u8 piece[MAX_MTU] __attribute__((aligned(8)));
};

/* What the kernel's device would put in front of a packet: RFC 7348, 5. */
struct tunnel_head {
	__be32 flags, vni;
	struct ethhdr eth;
} __attribute__((packed));

/* One message: where to, by which interface, and as whom, for routes may depend on the source. */
struct outgoing {
	__u32 ifindex;
	bool tunnel;
	struct tunnel_head head; /* with @tunnel */
	struct sockaddr_storage to;
	socklen_t to_bytes;
	char control[CMSG_SPACE(sizeof(struct in6_pktinfo))] __attribute__((aligned(8)));
	size_t control_bytes;
};

static void set_control(struct outgoing *o, int level, int type, const void *data, size_t bytes)
{
	struct cmsghdr *cmsg = (void *)o->control;

	cmsg->cmsg_level = level;
	cmsg->cmsg_type = type;
	cmsg->cmsg_len = CMSG_LEN(bytes);
	memcpy(CMSG_DATA(cmsg), data, bytes);
	o->control_bytes = CMSG_SPACE(bytes);
}

/* No route leads into a tunnel's device, so the packet gets its outer frame here. */
static void address_tunnel(struct outgoing *o, const struct tcpc_addr *host)
{
	bool v4 = tcpc_addr_is_v4(host);

	o->head.flags = htonl(VXLAN_HAS_VNI);
	o->head.vni = htonl(TCPC_TUNNEL_VNI << 8);
	tcpc_tunnel_mac(host, TCPC_TUNNEL_MAC_HEAD, o->head.eth.h_dest);
	tcpc_tunnel_mac(host, TCPC_TUNNEL_MAC_SENDER, o->head.eth.h_source);
	o->head.eth.h_proto = htons(v4 ? ETH_P_IP : ETH_P_IPV6);
	if (v4)
		((struct sockaddr_in *)&o->to)->sin_port = htons(TCPC_TUNNEL_PORT);
	else
		((struct sockaddr_in6 *)&o->to)->sin6_port = htons(TCPC_TUNNEL_PORT);
	o->control_bytes = 0; /* it comes from this host */
}

static void address(const struct tcpc_resend *r, struct outgoing *o, const struct tcpc_flow *flow,
		    __u32 ifindex)
{
	memset(o, 0, sizeof(*o));
	o->ifindex = ifindex;
	o->tunnel = ifindex && (ifindex == r->tunnels[0] || ifindex == r->tunnels[1]);
	if (tcpc_addr_is_v4(&flow->server)) {
		struct in_pktinfo info = {.ipi_spec_dst.s_addr = flow->client.w[3]};
		struct sockaddr_in *to = (void *)&o->to;

		to->sin_family = AF_INET;
		to->sin_addr.s_addr = flow->server.w[3];
		o->to_bytes = sizeof(*to);
		set_control(o, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else {
		struct in6_pktinfo info = {};
		struct sockaddr_in6 *to = (void *)&o->to;

		memcpy(&info.ipi6_addr, &flow->client, sizeof(info.ipi6_addr));
		to->sin6_family = AF_INET6;
		memcpy(&to->sin6_addr, &flow->server, sizeof(to->sin6_addr));
		o->to_bytes = sizeof(*to);
		set_control(o, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
	if (o->tunnel)
		address_tunnel(o, &flow->server);
}

/* Count what became of one packet. */
static int note(struct tcpc_resend *r, int err)
{
	switch (err) {
	case 0:
		break;
	case -EAGAIN:
	case -ENOBUFS:
		r->stats.busy++;
		break;
	case -EMSGSIZE:
		r->stats.too_big++;
		break;
	default:
		r->stats.failed++;
	}
	return err;
}

/* With IP_RECVERR the kernel also queues what sendmsg() has said already. */
static void forget_errors(int fd)
{
	char buf[1];

	while (recv(fd, buf, sizeof(buf), MSG_ERRQUEUE | MSG_DONTWAIT | MSG_TRUNC) >= 0)
		;
}

/* The interface in a control message would not do: IPv6 takes it for a wish when the source is
 * given, and goes by the most specific route. It nearly always is the one of the packet before. */
static int bind_to(struct raw *raw, __u32 ifindex)
{
	int index = ifindex;

	if (raw->ifindex == ifindex)
		return 0;
	if (setsockopt(raw->fd, SOL_SOCKET, SO_BINDTOIFINDEX, &index, sizeof(index)))
		return -errno;
	raw->ifindex = ifindex;
	return 0;
}

/* Opened when the first tunnel needs it. What is sent fits, as far as we know; should it not, a
 * router may cut it. Returns it or -errno. */
static int tunnel_socket(struct tcpc_resend *r, bool v4)
{
	int *fd = &r->tunnel_fd[v4], any_size = IP_PMTUDISC_DONT;

	if (*fd >= 0)
		return *fd;
	*fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return -errno;
	if (v4 && setsockopt(*fd, IPPROTO_IP, IP_MTU_DISCOVER, &any_size, sizeof(any_size)))
		return -errno;
	return *fd;
}

/* The socket for @o, bound to its interface, or -errno. */
static int socket_of(struct tcpc_resend *r, const struct outgoing *o)
{
	struct raw *raw = o->to.ss_family == AF_INET ? &r->v4 : &r->v6;
	int err;

	if (o->tunnel)
		return tunnel_socket(r, o->to.ss_family == AF_INET);
	if (raw->fd < 0)
		return -EAFNOSUPPORT;
	err = bind_to(raw, o->ifindex);
	return err ? err : raw->fd;
}

static int send_one(struct tcpc_resend *r, const struct outgoing *o, size_t bytes)
{
	struct iovec iov[2] = {{(void *)&o->head, sizeof(o->head)}, {r->piece, bytes}};
	struct msghdr msg = {
		.msg_name = (void *)&o->to,
		.msg_namelen = o->to_bytes,
		.msg_iov = o->tunnel ? iov : iov + 1,
		.msg_iovlen = o->tunnel ? 2 : 1,
		.msg_control = o->control_bytes ? (void *)o->control : NULL,
		.msg_controllen = o->control_bytes,
	};
	int fd = socket_of(r, o), err = fd < 0 ? fd : 0;

	if (!err && sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		err = -errno;
		forget_errors(fd);
	}
	return note(r, err);
}

/* Returns the MTU or -errno. */
static int device_mtu(const struct tcpc_resend *r, __u32 ifindex)
{
	struct ifreq ifr = {};

	if (!if_indextoname(ifindex, ifr.ifr_name) ||
	    ioctl(r->v4.fd >= 0 ? r->v4.fd : r->v6.fd, SIOCGIFMTU, &ifr))
		return -errno;
	return ifr.ifr_mtu;
}

int tcpc_resend_packet(struct tcpc_resend *r, const struct tcpc_journal_head *head, __u32 from_seq,
		       __u32 end_seq, __u32 mtu)
{
	int err, limit = mtu ? (int)mtu : device_mtu(r, head->ifindex);
	struct tcpc_pieces pieces;
	struct outgoing o;
	__u32 bytes, payload;

	if (limit < 0)
		return note(r, limit);
	err = tcpc_pieces_begin(&pieces, head + 1, head->ip_bytes, from_seq, end_seq,
				limit < MAX_MTU ? limit : MAX_MTU, head->segment_bytes);
	if (err)
		return err == -ERANGE ? err : note(r, err);
	tcpc_pieces_from(&pieces, &head->flow);
	address(r, &o, &head->flow, head->ifindex);
	while ((bytes = tcpc_pieces_next(&pieces, r->piece, &payload))) {
		err = send_one(r, &o, bytes);
		if (err)
			return err;
		r->stats.packets++;
		r->stats.bytes += payload;
	}
	return 0;
}

int tcpc_resend_syn(struct tcpc_resend *r, const struct tcpc_flow *flow, __u32 seq, __u32 ifindex)
{
	struct outgoing o;
	int err;

	address(r, &o, flow, ifindex);
	err = send_one(r, &o, tcpc_pieces_syn(flow, seq, r->piece));
	if (!err)
		r->stats.packets++;
	return err;
}

int tcpc_resend_probe(struct tcpc_resend *r, const struct tcpc_flow *flow, __u32 seq, __u32 ack,
		      __u32 ifindex)
{
	struct outgoing o;
	int err;

	address(r, &o, flow, ifindex);
	err = send_one(r, &o, tcpc_pieces_probe(flow, seq, ack, r->piece));
	if (!err)
		r->stats.probes++;
	return err;
}

void tcpc_resend_tunnels(struct tcpc_resend *r, const int ifindex[2])
{
	for (int i = 0; i < 2; i++)
		r->tunnels[i] = ifindex[i];
}

const struct tcpc_resend_stats *tcpc_resend_stats(const struct tcpc_resend *r)
{
	return &r->stats;
}

/* A socket that sends headers as they are, from addresses that are not ours. IPPROTO_RAW receives
 * nothing. Returns it or -errno. */
static int open_raw(int family)
{
	int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6, on = 1, err;
	int headers = family == AF_INET ? IP_HDRINCL : IPV6_HDRINCL;
	int freebind = family == AF_INET ? IP_FREEBIND : IPV6_FREEBIND;
	int errors = family == AF_INET ? IP_RECVERR : IPV6_RECVERR;
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	if (fd < 0)
		return -errno;
	/* Without `errors` a device's full queue would look like success. */
	if (!setsockopt(fd, level, headers, &on, sizeof(on)) &&
	    !setsockopt(fd, level, freebind, &on, sizeof(on)) &&
	    !setsockopt(fd, level, errors, &on, sizeof(on)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int tcpc_resend_open(struct tcpc_resend **ret, struct tcpc_err *err)
{
	struct tcpc_resend *r = calloc(1, sizeof(*r));
	int code;

	if (!r)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	r->tunnel_fd[0] = r->tunnel_fd[1] = -1;
	r->v6.fd = open_raw(AF_INET6);
	r->v4.fd = code = open_raw(AF_INET);
	if (r->v4.fd < 0 && r->v6.fd < 0) {
		free(r);
		return tcpc_err_set(err, -code,
				    "cannot open a raw socket for sending again: %s; needed: root "
				    "(CAP_NET_RAW)",
				    strerror(-code));
	}
	*ret = r;
	return 0;
}

void tcpc_resend_close(struct tcpc_resend *r)
{
	if (!r)
		return;
	if (r->v4.fd >= 0)
		close(r->v4.fd);
	if (r->v6.fd >= 0)
		close(r->v6.fd);
	for (int i = 0; i < 2; i++)
		if (r->tunnel_fd[i] >= 0)
			close(r->tunnel_fd[i]);
	free(r);
}
