// SPDX-License-Identifier: GPL-2.0-only
/* doctor_host.c - what does not depend on an interface. See doctor_priv.h. */
#include "role/doctor_priv.h"

#include <unistd.h>

#include "edge/datapath.h"
#include "edge/probe.h"
#include "edge/sockdiag.h"

static void on_feature(void *user, const char *name, int present, bool needed, const char *hint)
{
	struct doctor *run = user;

	if (present == 1)
		doctor_add(run, DOCTOR_OK, name, "", "present");
	else
		doctor_add(run, needed ? DOCTOR_FAIL : DOCTOR_WARN, name, hint, "missing");
}

static void check_bpffs(struct doctor *run)
{
	if (tcpc_probe_on_bpffs(run->d->bpffs) == 1)
		doctor_add(run, DOCTOR_OK, "bpf file system", "", "%s can hold pins",
			   run->d->bpffs);
	else
		doctor_add(run, DOCTOR_WARN, "bpf file system", "mount -t bpf bpf /sys/fs/bpf",
			   "%s does not lie on a mounted bpf file system", run->d->bpffs);
}

/* Only in the first network namespace; elsewhere the setting cannot be seen. */
static void check_jit(struct doctor *run)
{
	long jit;

	if (!tcpc_probe_sysctl("net/core/bpf_jit_enable", &jit) && !jit)
		doctor_add(run, DOCTOR_WARN, "BPF JIT", "sysctl -w net.core.bpf_jit_enable=1",
			   "off: programs are interpreted, which costs each packet many times as "
			   "much");
}

static void check_ip6tables(struct doctor *run)
{
	enum tcpc_probe_iptables variant = tcpc_probe_ip6tables();

	if (!tcpc_probe_ipv6())
		doctor_add(run, DOCTOR_OK, "ip6tables", "", "not needed: the kernel has no IPv6");
	else if (variant == TCPC_PROBE_IPTABLES_MISSING)
		doctor_add(run, DOCTOR_WARN, "ip6tables", "apt-get install iptables",
			   "not installed; `intercept` leaves IPv6 alone without it");
	else
		doctor_add(run, DOCTOR_OK, "ip6tables", "", "%s",
			   tcpc_probe_iptables_name(variant));
}

static void check_iptables(struct doctor *run)
{
	enum tcpc_probe_iptables variant = tcpc_probe_iptables();

	if (variant == TCPC_PROBE_IPTABLES_MISSING)
		doctor_add(run, DOCTOR_WARN, "iptables", "apt-get install iptables",
			   "not installed; `intercept` needs it");
	else
		doctor_add(run, DOCTOR_OK, "iptables", "", "%s", tcpc_probe_iptables_name(variant));
	check_ip6tables(run);
	if (tcpc_probe_nfqueue() == 1)
		doctor_add(run, DOCTOR_OK, "NFQUEUE", "", "the kernel can queue packets to us");
	else
		doctor_add(run, DOCTOR_WARN, "NFQUEUE", "modprobe nfnetlink_queue",
			   "the kernel cannot queue packets to user space; `intercept` needs it");
}

static void check_sockdiag(struct doctor *run)
{
	struct tcpc_err err;

	if (tcpc_sockdiag_check(&err))
		doctor_add(run, DOCTOR_WARN, "ending connections",
			   "modprobe tcp_diag, or a kernel with CONFIG_INET_DIAG_DESTROY=y",
			   "%s; `intercept` needs it", err.text);
	else
		doctor_add(run, DOCTOR_OK, "ending connections", "", "the kernel can");
}

static void check_tun(struct doctor *run)
{
	if (access("/dev/net/tun", R_OK | W_OK))
		doctor_add(run, DOCTOR_WARN, "tun driver", "modprobe tun",
			   "/dev/net/tun cannot be used; `intercept` needs it but with --order "
			   "relaxed");
	else
		doctor_add(run, DOCTOR_OK, "tun driver", "", "present");
}

void doctor_host(struct doctor *run)
{
	tcpc_datapath_each_feature(on_feature, run);
	check_bpffs(run);
	check_jit(run);
	check_iptables(run);
	check_sockdiag(run);
	check_tun(run);
	if (!run->d->secure)
		doctor_add(run, DOCTOR_WARN, "feedback link",
			   "make a key with `tcpcopyctl key` and give it to both daemons with "
			   "--key",
			   "runs without a key (--insecure): whoever reaches the port can read "
			   "receipts");
}
