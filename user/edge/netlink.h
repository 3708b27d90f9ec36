/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * netlink.h - what we ask the kernel's routing socket (through libmnl): interfaces, the private
 * copy device, routes. Every call is one short synchronous request.
 */
#ifndef TCPCOPY_EDGE_NETLINK_H
#define TCPCOPY_EDGE_NETLINK_H

#include <stdbool.h>
#include <net/if.h>

#include "core/err.h"
#include "tcpcopy/addr.h"

#define TCPC_ALIAS_BYTES 256

/** An interface. */
struct tcpc_iface {
	int ifindex;
	char name[IFNAMSIZ];
	unsigned int flags;	      /* IFF_* */
	unsigned short type;	      /* ARPHRD_* */
	unsigned int mtu;	      /* bytes */
	unsigned char mac[6];	      /* zeros where it has none of this size */
	char alias[TCPC_ALIAS_BYTES]; /* "" if none */
};

/** A route to one address. */
struct tcpc_route {
	bool local;	  /* the address is this host's own */
	bool unicast;	  /* packets can be sent there */
	int ifindex;	  /* outgoing interface, 0 if neither */
	unsigned int mtu; /* of that interface or of the route, bytes */
	bool tunnel;	  /* @ifindex is a tunnel's device of ours; never set by the kernel */
};

/** tcpc_netlink_iface - look up interface @name. Returns 0, or -ENODEV with an error that lists
 * the interfaces there are. */
int tcpc_netlink_iface(const char *name, struct tcpc_iface *ret, struct tcpc_err *err);

/** Called for each interface; a non-zero result ends the walk and becomes its result. */
typedef int (*tcpc_iface_cb)(void *user, const struct tcpc_iface *iface);

/** tcpc_netlink_each_iface - walk all interfaces. */
int tcpc_netlink_each_iface(tcpc_iface_cb cb, void *user, struct tcpc_err *err);

/**
 * tcpc_netlink_create_sink - make a device that swallows what is sent to it: dummy, else ifb, else
 * one end of a veth pair (peer left down). Without ARP and IPv6 autoconfiguration noise, up.
 * @name: must be free.  @alias: written on the device (and a veth peer), marks it as ours.
 * @ret_kind: "dummy", "ifb" or "veth", static storage.
 * Returns: 0 or -errno; on failure nothing is left.
 */
int tcpc_netlink_create_sink(const char *name, const char *alias, int *ret_ifindex,
			     const char **ret_kind, struct tcpc_err *err);

/** tcpc_netlink_delete - delete the device. Returns 0, -ENODEV, other -errno. */
int tcpc_netlink_delete(int ifindex, struct tcpc_err *err);

/** tcpc_netlink_route - how the kernel would send to @dst now. Returns 0 (look at @ret) or -errno
 * (-ENETUNREACH, -EHOSTUNREACH: no route). */
int tcpc_netlink_route(const struct tcpc_addr *dst, struct tcpc_route *ret, struct tcpc_err *err);

/** Who takes what is sent to an address. */
struct tcpc_next_hop {
	int ifindex;
	struct tcpc_addr addr; /* the gateway, or the address itself */
	bool failed;	       /* it did not answer when it was asked for its link address last */
};

/** tcpc_netlink_next_hop - returns 0 or -errno: no way there (-ENETUNREACH, -EHOSTUNREACH), or this
 * host's own address (the latter). */
int tcpc_netlink_next_hop(const struct tcpc_addr *dst, struct tcpc_next_hop *ret);

/** Link addresses of a frame that goes to an address. */
struct tcpc_hop_macs {
	__u8 dst[6], src[6]; /* who takes it next; the interface it leaves by */
	int ifindex;	     /* that interface */
	bool known;
};

/** tcpc_netlink_macs - what a frame to @dst has to have now. The kernel is made to ask for what it
 * does not know, or has not heard of for a while: look again. Returns 0 (look at @ret->known) or
 * -errno: no way there, or one without Ethernet (-EPROTONOSUPPORT). */
int tcpc_netlink_macs(const struct tcpc_addr *dst, struct tcpc_hop_macs *ret);

/** tcpc_netlink_own_macs - what a frame that comes in by @ifindex has to have to be for this host.
 * Returns 0 or -errno. */
int tcpc_netlink_own_macs(int ifindex, struct tcpc_hop_macs *ret);

/** tcpc_netlink_has_xdp - does an XDP program see the interface's packets before all others? */
bool tcpc_netlink_has_xdp(int ifindex);

/** tcpc_netlink_addresses - addresses of an interface, both families, link-local ones left out.
 * @ret: room for @max.  Returns: how many there are (may exceed @max), or -errno. */
int tcpc_netlink_addresses(int ifindex, struct tcpc_addr *ret, int max, struct tcpc_err *err);

/* ---- devices of tunnels between online hosts and targets (--via), netlink_tunnel.c ---- */

/**
 * tcpc_netlink_tunnel - make a VXLAN device that learns nothing and has no host to send to yet,
 * down.
 * @ipv6: of the packets that it makes.  @vni, TCPC_TUNNEL_PORT: see tunnel.h.
 * @alias: written on it, marks it as ours.
 * Returns 0 or -errno; on failure nothing is left. -EOPNOTSUPP: the kernel has no VXLAN.
 */
int tcpc_netlink_tunnel(const char *name, const char *alias, __u32 vni, bool ipv6, int *ret_ifindex,
			struct tcpc_err *err);

/** tcpc_netlink_tunnel_up - bring it up, once a program watches what comes in. Returns 0 or -errno.
 */
int tcpc_netlink_tunnel_up(int ifindex, struct tcpc_err *err);

/** tcpc_netlink_tunnel_host - what is for @host, an address of the device's family, goes there
 * (@present), or nowhere. Returns 0 or -errno; a host that was not there can be taken away. */
int tcpc_netlink_tunnel_host(int ifindex, const struct tcpc_addr *host, bool present,
			     struct tcpc_err *err);

#endif
