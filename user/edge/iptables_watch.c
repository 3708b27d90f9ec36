// SPDX-License-Identifier: GPL-2.0-only
/*
 * iptables_watch.c - are our rules still there? See iptables.h.
 *
 * Others flush tables, restore their own, or reload a firewall, and each millisecond without our
 * rules is one in which responses are kept inside by nothing but absorb. So iptables-save, which
 * takes 5 ms and more of processor time, is not run for this: nftables tells of changes and shows
 * one chain on request, and the legacy tables, which tell nothing, are cheap to look at.
 */
#include "edge/iptables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "edge/iptables_rule.h"
#include "edge/log.h"

#define LEGACY_MS 200
#define FULL_EVERY 5 /* of these: look everywhere */
#define ANSWER_BYTES 32768
#define ANSWER_S 2
#define LEGACY_MAX_BYTES (64u << 20)
#define LEGACY_ATTEMPTS 3

/* linux/netfilter_ipv4/ip_tables.h cannot stand beside libuv's headers; IPv6 has the same. */
#define SO_GET_INFO 64
#define SO_GET_ENTRIES 65
struct legacy_info {
	char name[32];
	unsigned int valid_hooks, hook_entry[5], underflow[5], num_entries, size;
};
struct legacy_entries {
	char name[32];
	unsigned int size;
	char entries[] __attribute__((aligned(8))); /* counters of 64 bits are in them */
};

struct tcpc_iptables_watch {
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned int closing;
	struct mnl_socket *events;
	tcpc_iptables_watch_cb cb;
	void *user;
	char mark[sizeof(TCPC_IPTABLES_COMMENT_PREFIX) + TCPC_IPTABLES_TAG_BYTES];
	size_t mark_bytes; /* with its zero: a longer tag is another daemon's */
	unsigned int ticks;
	int n_legacy;
	char buf[ANSWER_BYTES] __attribute__((aligned(8)));
};

/* A comment stands in the rule as text, whether as a match (iptables up to 1.8.7) or as user data.
 */
static int count_marks(const struct tcpc_iptables_watch *w, const void *data, size_t bytes)
{
	const char *from = data, *end = from + bytes;
	int n = 0;

	while ((from = memmem(from, end - from, w->mark, w->mark_bytes))) {
		from += w->mark_bytes;
		n++;
	}
	return n;
}

/* ---- nftables -------------------------------------------------------------------------------- */

struct dump {
	const struct tcpc_iptables_watch *w;
	int n;
};

static int on_rule(const struct nlmsghdr *nlh, void *data)
{
	struct dump *dump = data;

	dump->n += count_marks(dump->w, nlh, nlh->nlmsg_len);
	return MNL_CB_OK;
}

static int ask_nft(struct mnl_socket *nl, const struct tcpc_iptables_watch *w, __u8 family, int *n)
{
	char buf[ANSWER_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	struct dump dump = {.w = w};
	int r;

	nlh->nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETRULE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = family;
	nfg->nfgen_family = family;
	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, "filter");
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, "OUTPUT");
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		r = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (r >= 0)
			r = mnl_cb_run(buf, r, family, mnl_socket_get_portid(nl), on_rule, &dump);
	} while (r > MNL_CB_STOP);
	if (r < 0)
		return -errno;
	*n += dump.n;
	return 0;
}

/* A kernel without nf_tables, or without the table or the chain, has no rules. */
static int nothing_there(int r)
{
	return r == -ENOENT || r == -EOPNOTSUPP || r == -EAFNOSUPPORT || r == -EINVAL ? 0 : r;
}

/* A dump during which the rules changed (EINTR) starts again. */
static int count_nft(const struct tcpc_iptables_watch *w)
{
	const struct timeval limit = {.tv_sec = ANSWER_S};
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int r, n, tries = 5;

	if (!nl)
		return nothing_there(-errno);
	setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	r = mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) ? -errno : -EINTR;
	while (r == -EINTR && tries--) {
		n = 0;
		r = nothing_there(ask_nft(nl, w, NFPROTO_IPV4, &n));
		r = r ?: nothing_there(ask_nft(nl, w, NFPROTO_IPV6, &n));
	}
	mnl_socket_close(nl);
	return r ?: n;
}

/* ---- legacy tables --------------------------------------------------------------------------- */

/* Asking for a table makes it, so ask only where it is. */
static bool has_table(bool ipv6)
{
	FILE *names = fopen(ipv6 ? "/proc/thread-self/net/ip6_tables_names"
				 : "/proc/thread-self/net/ip_tables_names",
			    "re");
	bool found = false;
	char name[64];

	while (names && !found && fgets(name, sizeof(name), names))
		found = !strcmp(name, "filter\n");
	if (names)
		fclose(names);
	return found;
}

/* Returns the number of marks, -EAGAIN when the table changed meanwhile, other -errno. */
static int read_legacy(const struct tcpc_iptables_watch *w, int fd, int level)
{
	struct legacy_info info = {.name = "filter"};
	socklen_t len = sizeof(info);
	struct legacy_entries *all;
	int n;

	if (getsockopt(fd, level, SO_GET_INFO, &info, &len))
		return -errno;
	if (info.size > LEGACY_MAX_BYTES)
		return -E2BIG;
	all = calloc(1, sizeof(*all) + info.size);
	if (!all)
		return -ENOMEM;
	strcpy(all->name, "filter");
	all->size = info.size;
	len = sizeof(*all) + info.size;
	if (getsockopt(fd, level, SO_GET_ENTRIES, all, &len))
		n = -errno;
	else
		n = count_marks(w, all->entries, info.size);
	free(all);
	return n;
}

static int count_legacy(const struct tcpc_iptables_watch *w, bool ipv6)
{
	int fd, n = -EAGAIN;

	if (!has_table(ipv6))
		return 0;
	fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0)
		return -errno;
	for (int i = 0; i < LEGACY_ATTEMPTS && n == -EAGAIN; i++)
		n = read_legacy(w, fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP);
	close(fd);
	return n;
}

/* ---- when ------------------------------------------------------------------------------------ */

static void look(struct tcpc_iptables_watch *w)
{
	int v4 = count_legacy(w, false), v6 = count_legacy(w, true), nft = count_nft(w);
	int bad = v4 < 0 ? v4 : v6 < 0 ? v6 : nft < 0 ? nft : 0;

	w->n_legacy = bad ? w->n_legacy : v4 + v6;
	w->cb(w->user, bad ?: v4 + v6 + nft);
}

static void on_tick(uv_timer_t *timer)
{
	struct tcpc_iptables_watch *w = timer->data;

	if (++w->ticks % FULL_EVERY == 0 || w->n_legacy)
		look(w);
}

/* Whatever it says: what counts is what is there. A reload of thousands of rules is many messages,
 * but read in few turns of the loop. */
static void on_event(uv_poll_t *poll, int status, int events)
{
	struct tcpc_iptables_watch *w = poll->data;
	int fd = mnl_socket_get_fd(w->events);

	(void)events;
	if (status < 0)
		tcpc_log_warn("changes of nftables are noticed late: %s", uv_strerror(status));
	while (recv(fd, w->buf, sizeof(w->buf), MSG_DONTWAIT) > 0)
		;
	look(w);
}

static void on_closed(uv_handle_t *handle)
{
	struct tcpc_iptables_watch *w = handle->data;

	if (--w->closing)
		return;
	if (w->events)
		mnl_socket_close(w->events);
	free(w);
}

static struct mnl_socket *open_events(void)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int group = NFNLGRP_NFTABLES;

	if (nl && !mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) &&
	    !mnl_socket_setsockopt(nl, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
		return nl;
	tcpc_log_warn("cannot hear of changes of nftables (%s): looking once a second",
		      strerror(errno));
	if (nl)
		mnl_socket_close(nl);
	return NULL;
}

int tcpc_iptables_watch_start(uv_loop_t *loop, const char *tag, tcpc_iptables_watch_cb cb,
			      void *user, struct tcpc_iptables_watch **ret, struct tcpc_err *err)
{
	struct tcpc_iptables_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	w->cb = cb;
	w->user = user;
	w->mark_bytes = snprintf(w->mark, sizeof(w->mark), TCPC_IPTABLES_COMMENT_PREFIX "%s", tag);
	w->mark_bytes++;
	w->poll.data = w->timer.data = w;
	w->events = open_events();
	if (w->events && !uv_poll_init(loop, &w->poll, mnl_socket_get_fd(w->events))) {
		uv_poll_start(&w->poll, UV_READABLE, on_event);
		w->closing++;
	}
	uv_timer_init(loop, &w->timer);
	uv_timer_start(&w->timer, on_tick, LEGACY_MS, LEGACY_MS);
	w->closing++;
	*ret = w;
	return 0;
}

void tcpc_iptables_watch_stop(struct tcpc_iptables_watch *w)
{
	if (!w)
		return;
	if (w->closing > 1) {
		uv_poll_stop(&w->poll);
		uv_close((uv_handle_t *)&w->poll, on_closed);
	}
	uv_close((uv_handle_t *)&w->timer, on_closed);
}
