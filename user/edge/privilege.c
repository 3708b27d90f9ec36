// SPDX-License-Identifier: GPL-2.0-only
/*
 * privilege.c - see privilege.h.
 *
 * The daemon stays uid 0: files of /proc/sys, of the bpf file system and the lock of iptables are
 * root's, and as their owner it needs no capability for them. But a program that uid 0 executes
 * gets all of the bounding set (capabilities(7)), whatever its parent had dropped. So the bounding
 * set is cut down too: iptables then has just what we have, which is what it needs, and neither of
 * us has a way back. SECBIT_NOROOT with ambient capabilities would come to the same, in more steps.
 */
#include "edge/privilege.h"

#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/capability.h>

#ifndef CAP_PERFMON /* headers before Linux 5.8 */
#define CAP_PERFMON 38
#define CAP_BPF 39
#endif

#define BIT(cap) (1ULL << (cap))
#define GROUPS_MAX 64

static const struct {
	int cap;
	const char *name;
} wanted[] = {
	{CAP_BPF, "CAP_BPF"},
	{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
	{CAP_NET_RAW, "CAP_NET_RAW"},
	{CAP_PERFMON, "CAP_PERFMON"},
};

/* -1: the kernel has no such capability. */
static int in_bounding_set(int cap)
{
	return prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
}

/* What is to be kept, of what this kernel has. */
static __u64 kept_bits(void)
{
	__u64 bits = 0;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		bits |= BIT(wanted[i].cap);
	if (in_bounding_set(CAP_BPF) < 0)
		bits = BIT(CAP_NET_ADMIN) | BIT(CAP_NET_RAW) | BIT(CAP_SYS_ADMIN);
	return bits;
}

/* The C library has no wrapper; libcap has, and little more that we would use. */
static int get_caps(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

	return syscall(SYS_capget, &header, data) ? -errno : 0;
}

static int set_caps(__u64 bits)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct data[2] = {
		{.effective = bits, .permitted = bits},
		{.effective = bits >> 32, .permitted = bits >> 32},
	};
	struct __user_cap_data_struct now[2] = {};

	/* A unit that gives no more than that may forbid the call, too. */
	if (!get_caps(now) && !memcmp(now, data, sizeof(data)))
		return 0;
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

__u64 tcpc_privilege_kept(void)
{
	struct __user_cap_data_struct data[2] = {};

	if (get_caps(data))
		return 0;
	return data[0].effective | (__u64)data[1].effective << 32;
}

int tcpc_privilege_check(struct tcpc_err *err)
{
	const __u64 missing = kept_bits() & ~tcpc_privilege_kept();

	if (!missing)
		return 0;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (missing & BIT(wanted[i].cap))
			return tcpc_err_set(err, EPERM,
					    "tcpcopyd has not got %s: run it as root with CAP_BPF, "
					    "CAP_NET_ADMIN, CAP_NET_RAW and CAP_PERFMON",
					    wanted[i].name);
	return tcpc_err_set(err, EPERM,
			    "tcpcopyd has not got CAP_SYS_ADMIN, which kernels before "
			    "5.8 want for BPF: run it as root");
}

void tcpc_privilege_hide(void)
{
	const struct rlimit none = {}, all = {RLIM_INFINITY, RLIM_INFINITY};

	setrlimit(RLIMIT_CORE, &none);
	/* Before 5.11 maps count as locked memory. Without CAP_SYS_RESOURCE it stays as it was
	 * given, and a map that does not fit is an error of its own. */
	setrlimit(RLIMIT_MEMLOCK, &all);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static bool is_member(gid_t gid)
{
	gid_t groups[GROUPS_MAX];
	int n = getgroups(GROUPS_MAX, groups);

	if (getegid() == gid)
		return true;
	for (int i = 0; i < n; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

int tcpc_privilege_join(const char *name, gid_t *ret_gid, struct tcpc_err *err)
{
	/* There are no threads yet. */
	/* cppcheck-suppress getgrnamCalled */
	struct group *found = name ? getgrnam(name) : NULL;
	gid_t gid = found ? found->gr_gid : (gid_t)-1;

	if (name && !found)
		return tcpc_err_set(err, EINVAL,
				    "there is no group '%s'; make it: groupadd --system %s", name,
				    name);
	if (setgroups(!!found, &gid) && found && (errno != EPERM || !is_member(gid)))
		return tcpc_err_set(err, errno,
				    "cannot join group %s: %s; without CAP_SETGID the process has "
				    "to be in it from its start (Group= of a unit)",
				    name, strerror(errno));
	*ret_gid = gid;
	return 0;
}

/* Returns 0 or -errno. */
static int cut_bounding_set(__u64 keep)
{
	int in;

	for (int cap = 0; (in = in_bounding_set(cap)) >= 0; cap++)
		if (in && !(keep & BIT(cap)) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0))
			return -errno;
	return 0;
}

int tcpc_privilege_drop(struct tcpc_err *err)
{
	const __u64 keep = kept_bits();
	int r;

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	r = cut_bounding_set(keep); /* first: it takes CAP_SETPCAP */
	r = r ?: set_caps(keep);
	if (!r && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		r = -errno;
	if (r == -EPERM)
		return tcpc_err_set(
			err, EPERM,
			"cannot give up capabilities: CAP_SETPCAP is missing; start with "
			"it, or with no more than CAP_BPF, CAP_NET_ADMIN, CAP_NET_RAW and "
			"CAP_PERFMON in the bounding set");
	return r ? tcpc_err_set(err, -r, "cannot give up capabilities: %s", strerror(-r)) : 0;
}
