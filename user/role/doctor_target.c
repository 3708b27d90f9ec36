// SPDX-License-Identifier: GPL-2.0-only
/* doctor_target.c - the target host's side: does anybody listen, do queues and buffers take what
 * comes, and what does the kernel count? See doctor_priv.h. */
#include "role/doctor_priv.h"

#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>

#include "edge/probe.h"
#include "edge/sockdiag.h"
#include "role/target_priv.h"

#define MAX_LISTENERS 64
#define MIN_BACKLOG 128
#define MIN_RCVBUF (1 << 20)
#define MIN_SYN_BACKLOG 128

/* ---- listeners -------------------------------------------------------------------------------
 */

static bool is_any(const struct tcpc_addr *a)
{
	return !a->w[0] && !a->w[1] && !a->w[3] && (!a->w[2] || tcpc_addr_is_v4(a));
}

static bool takes(const struct tcpc_listener *l, const struct intercept *i)
{
	for (int a = 0; a < i->n_addresses; a++) {
		bool v4 = tcpc_addr_is_v4(&i->addresses[a]);

		if ((v4 ? l->v4 : l->v6) &&
		    (is_any(&l->at.addr) || tcpc_addr_equal(&l->at.addr, &i->addresses[a])))
			return true;
	}
	return false;
}

static void check_backlog(struct doctor *run, const struct tcpc_listener *l, unsigned int port)
{
	struct tcpc_probe_sysctls s;

	tcpc_probe_sysctls(NULL, &s);
	if (l->waiting > l->limit)
		doctor_add(run, DOCTOR_FAIL, "accept queue", "",
			   "port %u: full, %u connections wait to be accepted: the service is too "
			   "slow or stands still",
			   port, l->waiting);
	else if (l->limit < MIN_BACKLOG && s.somaxconn >= 0 && (__u32)s.somaxconn <= l->limit)
		doctor_add(run, DOCTOR_WARN, "backlog",
			   "sysctl -w net.core.somaxconn=4096 # then restart the service",
			   "port %u: the accept queue takes %u connections, bounded by "
			   "net.core.somaxconn",
			   port, l->limit);
	else if (l->limit < MIN_BACKLOG)
		doctor_add(run, DOCTOR_WARN, "backlog",
			   "raise the listen backlog in the service's configuration",
			   "port %u: the service asked for an accept queue of %u connections", port,
			   l->limit);
	else
		doctor_add(run, DOCTOR_OK, "backlog", "",
			   "port %u: %u of %u connections wait to be accepted", port, l->waiting,
			   l->limit);
}

static void check_listener(struct doctor *run, const struct intercept *i, __be16 port)
{
	struct tcpc_listener list[MAX_LISTENERS];
	char text[TCPC_TEXT_BYTES];
	struct tcpc_err err;
	int n = tcpc_sockdiag_listeners(port, list, MAX_LISTENERS, &err), found = -1;

	for (int l = 0; l < n && l < MAX_LISTENERS; l++)
		if (found < 0 && takes(&list[l], i))
			found = l;
	if (n < 0)
		doctor_add(run, DOCTOR_WARN, "listener", "", "cannot be looked for: %s", err.text);
	else if (found >= 0)
		check_backlog(run, &list[found], ntohs(port));
	else if (n)
		doctor_add(run, DOCTOR_FAIL, "listener",
			   "let the service listen on every address of the host",
			   "the service listens on %s only, not on an address of %s",
			   tcpc_text_from_endpoint(&list[0].at, text), i->iface);
	else
		doctor_add(run, DOCTOR_FAIL, "listener",
			   "start the service, in this network namespace",
			   "nobody listens on port %u here: copies end at ingress (no_listener)",
			   ntohs(port));
}

/* ---- settings of the host ---------------------------------------------------------------------
 */

static void check_rmem(struct doctor *run)
{
	char text[128];
	long n[3];

	if (tcpc_probe_read("/proc/sys/net/ipv4/tcp_rmem", text, sizeof(text)) ||
	    tcpc_netstat_numbers(text, n, 3) != 3)
		return;
	if (n[2] < MIN_RCVBUF)
		doctor_add(run, DOCTOR_WARN, "tcp_rmem",
			   "sysctl -w net.ipv4.tcp_rmem='4096 131072 6291456'",
			   "receive buffers grow to %ld bytes only: large requests wait in the "
			   "hold queue, or are lost with --order relaxed",
			   n[2]);
	else
		doctor_add(run, DOCTOR_OK, "tcp_rmem", "", "receive buffers grow to %ld bytes",
			   n[2]);
}

static void check_syn_backlog(struct doctor *run)
{
	long n;

	if (tcpc_probe_sysctl("net/ipv4/tcp_max_syn_backlog", &n))
		return;
	if (n < MIN_SYN_BACKLOG)
		doctor_add(run, DOCTOR_WARN, "tcp_max_syn_backlog",
			   "sysctl -w net.ipv4.tcp_max_syn_backlog=4096",
			   "%ld half-open connections a listener are kept", n);
	else
		doctor_add(run, DOCTOR_OK, "tcp_max_syn_backlog", "",
			   "%ld half-open connections a listener are kept", n);
}

/* In the first network namespace alone: there it can be seen and set. */
static void check_netdev_backlog(struct doctor *run)
{
	struct tcpc_probe_sysctls s;

	tcpc_probe_sysctls(NULL, &s);
	if (s.netdev_max_backlog >= 0 && s.netdev_max_backlog < 1000)
		doctor_add(run, DOCTOR_WARN, "netdev_max_backlog",
			   "sysctl -w net.core.netdev_max_backlog=1000",
			   "%d packets a processor: our acknowledgements pass this queue",
			   s.netdev_max_backlog);
}

/* Every client's connection has an entry, though its answers never leave. */
static void check_conntrack(struct doctor *run)
{
	long count, max;

	if (tcpc_probe_sysctl("net/netfilter/nf_conntrack_count", &count) ||
	    tcpc_probe_sysctl("net/netfilter/nf_conntrack_max", &max) || max <= 0)
		return;
	if (count > max / 10 * 9)
		doctor_add(run, DOCTOR_FAIL, "conntrack",
			   "sysctl -w net.netfilter.nf_conntrack_max=1048576",
			   "%ld of %ld entries are in use: new connections are dropped at the "
			   "bound",
			   count, max);
	else
		doctor_add(run, DOCTOR_OK, "conntrack", "", "%ld of %ld entries are in use", count,
			   max);
}

/* What the kernel has counted since we looked last: what is mended counts no more. */
static void check_netstat(struct doctor *run, struct tcpc_target_role *role)
{
	struct tcpc_netstat now;
	unsigned int n = 0;

	tcpc_probe_netstat(&now);
	for (int c = 0; c < __TCPC_NETSTAT_MAX; c++) {
		__u64 more = now.value[c] - role->netstat.value[c];

		if (!more)
			continue;
		n++;
		doctor_add(run, DOCTOR_WARN, tcpc_netstat_name(c), tcpc_netstat_fix(c),
			   "%llu %s (since doctor looked last, or since `intercept`)",
			   (unsigned long long)more, tcpc_netstat_text(c));
	}
	role->netstat = now;
	if (!n)
		doctor_add(run, DOCTOR_OK, "TCP counters", "",
			   "none that tells of lost copies has grown");
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static void check_intercept(struct doctor *run, const struct intercept *i)
{
	char fix[DOCTOR_FIX_BYTES];

	if (i->n_left_alone)
		doctor_add(run, DOCTOR_WARN, "IPv6", "apt-get install iptables",
			   "%s: %d addresses are left alone: %s", i->iface, i->n_left_alone,
			   i->no_ipv6);
	snprintf(fix, sizeof(fix), "ip address add ADDRESS/24 dev %s", i->iface);
	if (!i->n_addresses)
		doctor_add(run, DOCTOR_FAIL, "addresses", fix,
			   "%s has no address, so nothing can be copied to it", i->iface);
	if (!i->role->n_peers)
		doctor_add(run, DOCTOR_WARN, "peers",
			   "tcpcopyctl attach IFACE --to ADDRESS:PORT # on the online host",
			   "no online host is linked");
	for (unsigned int p = 0; p < i->n_ports; p++)
		check_listener(run, i, i->ports[p]);
	doctor_way_back(run, i);
}

void doctor_target(struct doctor *run)
{
	struct tcpc_target_role *role = run->d->target;
	bool any = false;

	for (struct intercept *i = role->intercepts; i; i = i->next) {
		if (!intercept_is_active(i) || !doctor_wants(run, i->iface))
			continue;
		any = true;
		check_intercept(run, i);
	}
	if (!any)
		return;
	check_rmem(run);
	check_syn_backlog(run);
	check_netdev_backlog(run);
	check_conntrack(run);
	check_netstat(run, role);
}
