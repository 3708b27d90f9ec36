// SPDX-License-Identifier: GPL-2.0-only
/* tap.c - see tap.h. */
#include "edge/tap.h"

#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "edge/log.h"

/* Packets in the device while the loop is busy elsewhere: 100 ms at 160,000 a second. The ring
 * takes 8 bytes for each. */
#define QUEUE_PACKETS 16384
/* Room for packets of any interface; what is written here never meets a real wire. */
#define MTU_BYTES 65000
#define MAX_DEVICES 64
/* What the reader takes as it is: unfinished checksums, TCP of any size with any flag. */
#define OFFLOADS (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)

_Static_assert(TCPC_TAP_HEADER_BYTES == sizeof(struct virtio_net_hdr), "the device's header");

/* One ioctl on the interface. Returns 0 or -errno. */
static int configure(int sock, unsigned long request, struct ifreq *ifr)
{
	return ioctl(sock, request, ifr) ? -errno : 0;
}

static int set_up(const char *name, struct tcpc_err *err)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {};
	int r = sock < 0 ? -errno : 0;

	memcpy(ifr.ifr_name, name, IFNAMSIZ);
	ifr.ifr_qlen = QUEUE_PACKETS;
	r = r ?: configure(sock, SIOCSIFTXQLEN, &ifr);
	ifr.ifr_mtu = MTU_BYTES;
	r = r ?: configure(sock, SIOCSIFMTU, &ifr);
	r = r ?: configure(sock, SIOCGIFFLAGS, &ifr);
	ifr.ifr_flags |= IFF_UP | IFF_NOARP;
	r = r ?: configure(sock, SIOCSIFFLAGS, &ifr);
	if (sock >= 0)
		close(sock);
	return r ? tcpc_err_set(err, -r, "cannot set up %s: %s", name, strerror(-r)) : 0;
}

/* Before it is up, so that the kernel never sends anything of its own there. */
static void quiet_ipv6(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* no IPv6 here: as quiet as can be */
	if (write(fd, "1", 1) != 1)
		tcpc_log_warn("cannot switch IPv6 off on %s: %s", name, strerror(errno));
	close(fd);
}

/* Of the first free name. @flags: IFF_TAP or IFF_TUN, and more. */
static int create(int fd, const char *name, short flags, struct ifreq *ifr)
{
	for (int i = 0; i < MAX_DEVICES; i++) {
		memset(ifr, 0, sizeof(*ifr));
		ifr->ifr_flags = flags;
		snprintf(ifr->ifr_name, IFNAMSIZ, "%s%d", name, i);
		if (!ioctl(fd, TUNSETIFF, ifr))
			return ioctl(fd, TUNSETOFFLOAD, OFFLOADS) ? -errno : 0;
		if (errno != EBUSY)
			return -errno;
	}
	return -EBUSY;
}

/* @need: who needs the driver, and what would do without. */
static int open_device(const char *name, short flags, const char *need, int *ret_ifindex,
		       struct tcpc_err *err)
{
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), r;
	struct ifreq ifr;

	if (fd < 0)
		return tcpc_err_set(err, errno, "cannot open /dev/net/tun: %s; %s", strerror(errno),
				    need);
	r = create(fd, name, flags, &ifr);
	if (r) {
		tcpc_err_set(err, -r, "cannot make a device %s: %s", name, strerror(-r));
	} else {
		quiet_ipv6(ifr.ifr_name);
		r = set_up(ifr.ifr_name, err);
	}
	if (r) {
		close(fd);
		return r;
	}
	*ret_ifindex = if_nametoindex(ifr.ifr_name);
	return fd;
}

int tcpc_tap_open(int *ret_ifindex, struct tcpc_err *err)
{
	return open_device("tcpchold", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR,
			   "the hold queue needs the tun driver (modprobe tun), or intercept with "
			   "--order relaxed",
			   ret_ifindex, err);
}

int tcpc_tap_open_sink(int *ret_ifindex, struct tcpc_err *err)
{
	return open_device("tcpcopyraw", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR,
			   "interfaces without an Ethernet header need the tun driver (modprobe "
			   "tun)",
			   ret_ifindex, err);
}

int tcpc_tap_open_source(int *ret_ifindex, struct tcpc_err *err)
{
	return open_device("tcpcreplay", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR,
			   "replay needs the tun driver (modprobe tun)", ret_ifindex, err);
}

__u64 tcpc_tap_dropped(int ifindex)
{
	/* Not /sys/class/net: that shows the interfaces of whoever mounted it. */
	FILE *file = fopen("/proc/thread-self/net/dev", "re");
	unsigned long long n = 0, dropped;
	char name[IFNAMSIZ], line[512];
	size_t len;

	if (!file || !if_indextoname(ifindex, name))
		goto out;
	len = strlen(name);
	while (fgets(line, sizeof(line), file)) {
		char *p = line + strspn(line, " ");

		if (strncmp(p, name, len) || p[len] != ':')
			continue;
		if (sscanf(p + len + 1, "%*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %llu",
			   &dropped) == 1)
			n = dropped;
	}
out:
	if (file)
		fclose(file);
	return n;
}
