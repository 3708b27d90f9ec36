/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * iptables.h - our rules in the OUTPUT chain. iptables is run as a program (`-w`, no shell), never
 * blocking the loop: each call answers through a callback. Works with iptables-nft and
 * iptables-legacy; TCPCOPY_IPTABLES in the environment names another program than "iptables", its
 * NAME-save and NAME-restore are found beside it, and so is ip6tables for IPv6. A comment marks a
 * rule as ours: "tcpcopyd:<tag>".
 *
 * For one intercept and family two rules are kept in the filter table:
 *   ! -o lo -p tcp -m multiport --sports P,P -m bpf --object-pinned PIN -m comment ... -j NFQUEUE
 *   ! -o lo -p icmp (ipv6-icmp)              -m bpf --object-pinned PIN -m comment ... -j NFQUEUE
 * inserted at the head of OUTPUT; never with --queue-bypass: without a reader nothing leaves.
 *
 * Calls return 0, then the callback comes exactly once, later, on the loop (which must run until
 * then); or -errno with @err set, then it never comes: -ENOENT iptables is not installed, -EINVAL
 * bad rule. Rules, tags and @user are copied or kept, never freed.
 *
 * PIN must exist while rules come and go: iptables-legacy looks it up for every rule of the table
 * whenever any rule changes. Any socket filter will do for removing.
 */
#ifndef TCPCOPY_EDGE_IPTABLES_H
#define TCPCOPY_EDGE_IPTABLES_H

#include <stdbool.h>
#include <uv.h>
#include <net/if.h>

#include "core/err.h"
#include "tcpcopy/abi.h"

#define TCPC_IPTABLES_TAG_BYTES 128
#define TCPC_IPTABLES_PIN_BYTES 256
#define TCPC_IPTABLES_PROGRAM_BYTES 32
#define TCPC_IPTABLES_MAX_RULES 128 /* of ours, four an intercept */

/** One intercept's rules. */
struct tcpc_iptables_rule {
	bool ipv6;	      /* for ip6tables */
	char iface[IFNAMSIZ]; /* "": all interfaces but lo ("! -o lo") */
	/* Beside iface "": for TCP, all interfaces but this one, and no clients on this host
	 * ("! -o EXCEPT -m addrtype ! --dst-type LOCAL"). "": lo alone is left out. */
	char except[IFNAMSIZ];
	__be16 ports[TCPC_MAX_PORTS];
	unsigned int n_ports;
	unsigned int queue_first, queue_last;
	char pin[TCPC_IPTABLES_PIN_BYTES]; /* of the queue_filter program */
	/* Names the daemon: letters, digits, '/', '.', '-', '_'. */
	char tag[TCPC_IPTABLES_TAG_BYTES];
	/* "iptables-nft", "ip6tables-legacy"...; "": the default. Set by tcpc_iptables_find(). */
	char program[TCPC_IPTABLES_PROGRAM_BYTES];
};

/** @status: 0 or -errno with @err set (iptables' own message in it). */
typedef void (*tcpc_iptables_done)(void *user, int status, const struct tcpc_err *err);

/** tcpc_iptables_install - insert both rules; if the second fails the first is taken back. */
int tcpc_iptables_install(uv_loop_t *loop, const struct tcpc_iptables_rule *rule,
			  tcpc_iptables_done done, void *user, struct tcpc_err *err);

/**
 * tcpc_iptables_remove - remove both rules and their duplicates; rules already gone are not an
 * error. Looks afterwards whether they are gone. n_ports of 0: only the ICMP rule was found.
 */
int tcpc_iptables_remove(uv_loop_t *loop, const struct tcpc_iptables_rule *rule,
			 tcpc_iptables_done done, void *user, struct tcpc_err *err);

/**
 * tcpc_iptables_replace - put @now in the place of @before, which differs in @except alone: first
 * the new TCP rule is inserted, then the old one removed, so that one is there at any time. If that
 * fails both may be there, which keeps more inside and not less.
 */
int tcpc_iptables_replace(uv_loop_t *loop, const struct tcpc_iptables_rule *before,
			  const struct tcpc_iptables_rule *now, tcpc_iptables_done done, void *user,
			  struct tcpc_err *err);

/** @rules: those found, valid during the call. */
typedef void (*tcpc_iptables_found)(void *user, int status, const struct tcpc_iptables_rule *rules,
				    unsigned int n_rules, const struct tcpc_err *err);

/**
 * tcpc_iptables_find - rules marked with exactly @tag (what an earlier daemon left), merged to one
 * entry an intercept and family, IPv4's first. Looks with both variants of iptables; an entry's
 * @program says which has it. Without ip6tables there are none for IPv6.
 * An entry may be half an intercept (n_ports of 0: ICMP alone); removing it is right all the same.
 */
int tcpc_iptables_find(uv_loop_t *loop, const char *tag, tcpc_iptables_found found, void *user,
		       struct tcpc_err *err);

struct tcpc_iptables_watch;

/** @n_rules: how many rules in OUTPUT bear the tag now, in both families and variants; or -errno.
 */
typedef void (*tcpc_iptables_watch_cb)(void *user, int n_rules);

/**
 * tcpc_iptables_watch_start - count the rules marked with @tag from now on: at once when the kernel
 * says that nftables' rules were changed, each 200 ms where the legacy tables have some, each
 * second in any case. Asks the kernel itself and runs no program. Returns 0 or -errno.
 */
int tcpc_iptables_watch_start(uv_loop_t *loop, const char *tag, tcpc_iptables_watch_cb cb,
			      void *user, struct tcpc_iptables_watch **ret, struct tcpc_err *err);

/** tcpc_iptables_watch_stop - no more calls; frees itself later, on the loop. NULL is fine. */
void tcpc_iptables_watch_stop(struct tcpc_iptables_watch *watch);

#endif
