/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * probe.h - facts about this machine, for `doctor` and for checks before something is attached.
 * Looks, does not judge, and changes nothing but for tcpc_probe_bpffs().
 */
#ifndef TCPCOPY_EDGE_PROBE_H
#define TCPCOPY_EDGE_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"
#include "core/netstat.h"

/** tcpc_probe_btf - true if the kernel describes its types (CONFIG_DEBUG_INFO_BTF), which CO-RE
 * programs need. */
bool tcpc_probe_btf(void);

/** tcpc_probe_on_bpffs - 1 if @path, or its nearest parent that exists, lies on a bpf file system;
 * 0 if on another one; -errno. @path: absolute. */
int tcpc_probe_on_bpffs(const char *path);

/**
 * tcpc_probe_bpffs - make sure that maps can be pinned below @dir: create it (mode 0700, parents
 * too). Where it would lie in /sys/fs/bpf and no bpf file system is mounted there, mount one.
 * @dir: absolute.  Returns: 0; -EINVAL; -ENOTSUP: another file system, nothing was created and
 * @err says how to mount one; other -errno.
 */
int tcpc_probe_bpffs(const char *dir, struct tcpc_err *err);

/** tcpc_probe_sysctl - a number in /proc/sys. @name: with slashes, "net/ipv4/ip_forward": names of
 * interfaces may hold dots. Returns: 0; -ENOENT: not in this kernel or network namespace;
 * -EINVAL: no single number; other -errno. */
int tcpc_probe_sysctl(const char *name, long *ret);

/** tcpc_probe_read - a file of /proc as text, cut at @size. Returns 0 or -errno. */
int tcpc_probe_read(const char *path, char *ret, size_t size);

/** tcpc_probe_netstat - the counters of this network namespace; all 0 if they cannot be read. */
void tcpc_probe_netstat(struct tcpc_netstat *ret);

/** tcpc_probe_lro - does the interface merge packets in a way that cannot be undone (LRO)? */
bool tcpc_probe_lro(const char *iface);

/** What of the settings matters to copies; -1: not known. */
struct tcpc_probe_sysctls {
	int rp_filter; /* in force on the interface: the kernel takes the greater of it and "all" */
	int ip_forward;
	int somaxconn;
	int netdev_max_backlog; /* exists in the first network namespace only */
	int tcp_syncookies;
};

/** tcpc_probe_sysctls - read them. @iface: NULL for "all" alone. */
void tcpc_probe_sysctls(const char *iface, struct tcpc_probe_sysctls *ret);

enum tcpc_probe_iptables {
	TCPC_PROBE_IPTABLES_MISSING,
	TCPC_PROBE_IPTABLES_NFT,
	TCPC_PROBE_IPTABLES_LEGACY,
	TCPC_PROBE_IPTABLES_UNKNOWN, /* it answers in no way that we know */
};

/**
 * tcpc_probe_iptables - which variant `iptables -V` (or the program that TCPCOPY_IPTABLES names)
 * says it is. Blocks until it ends, 2 s at most.
 */
enum tcpc_probe_iptables tcpc_probe_iptables(void);

/** tcpc_probe_ip6tables - the same for IPv6's program beside it. */
enum tcpc_probe_iptables tcpc_probe_ip6tables(void);

/** tcpc_probe_ipv6 - does this kernel have IPv6, whether or not an interface uses it? */
bool tcpc_probe_ipv6(void);

/** tcpc_probe_iptables_name - "missing", "nf_tables", "legacy", "unknown"; static storage. */
const char *tcpc_probe_iptables_name(enum tcpc_probe_iptables variant);

/** Where the kernel loads on demand, absence can't be seen without using the thing. */
enum tcpc_probe_answer { TCPC_PROBE_NO, TCPC_PROBE_YES, TCPC_PROBE_UNKNOWN };

/** tcpc_probe_xt_match - is match @name ("bpf", "multiport", "comment") in the kernel now? YES or
 * UNKNOWN. */
enum tcpc_probe_answer tcpc_probe_xt_match(const char *name);

/** tcpc_probe_xt_target - the same for target @name ("NFQUEUE"). */
enum tcpc_probe_answer tcpc_probe_xt_target(const char *name);

/** tcpc_probe_nfqueue - 1 if the kernel can queue packets to user space (its module is loaded if
 * need be), 0 if not, -errno (-EPERM: cannot tell without root). */
int tcpc_probe_nfqueue(void);

/**
 * tcpc_probe_queue_owner - is somebody bound to NFQUEUE number @queue of this network namespace?
 * @ret_portid: the owner's netlink port, mostly its process id; set when taken.
 * Returns: 1 taken, 0 free, -errno.
 */
int tcpc_probe_queue_owner(unsigned int queue, unsigned int *ret_portid);

#endif
