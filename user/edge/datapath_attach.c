// SPDX-License-Identifier: GPL-2.0-only
/*
 * datapath_attach.c - how a TC program hangs on an interface: a TCX link where the kernel has it
 * (6.6 and later), else a clsact filter of the highest priority.
 */
#include "edge/datapath_priv.h"

#include <dirent.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <libmnl/libmnl.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "edge/log.h"

/* libbpf 1.1 does not name these yet; values of enum bpf_attach_type, linux/bpf.h of 6.6. */
#define TCX_INGRESS 46
#define TCX_EGRESS 47
#define TCX_BEFORE (1u << 3) /* BPF_F_BEFORE: with no other program named, at the front */

/* The priority puts our filters before everybody's. One interface can have several on a side: tap
 * and align (a host that is target and online), those of another daemon. */
#define FILTER_HANDLE 0x7463
#define FILTER_HANDLES 8
#define FILTER_PRIORITY 1

const char *tcpc_attach_kind_name(enum tcpc_attach_kind kind)
{
	static const char *const names[] = {"none", "tcx", "clsact", "xdp native", "xdp generic"};

	return names[kind];
}

static int attach_tcx(int prog_fd, struct tcpc_attachment *a)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = TCX_BEFORE);
	int fd = bpf_link_create(prog_fd, a->ifindex,
				 (enum bpf_attach_type)(a->egress ? TCX_EGRESS : TCX_INGRESS),
				 &opts);

	if (fd < 0)
		return -errno;
	a->kind = TCPC_ATTACH_TCX;
	a->link_fd = fd;
	return 0;
}

/* libbpf refuses a hook whose padding is not zero, which no initializer promises. */
static void set_hook(struct bpf_tc_hook *hook, int ifindex, enum bpf_tc_attach_point point)
{
	memset(hook, 0, sizeof(*hook));
	hook->sz = sizeof(*hook);
	hook->ifindex = ifindex;
	hook->attach_point = point;
}

static void hook_of(const struct tcpc_attachment *a, struct bpf_tc_hook *ret)
{
	set_hook(ret, a->ifindex, a->egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
}

static __u32 program_id(int prog_fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(prog_fd, &info, &len) ? 0 : info.id;
}

/* Take the first handle that is free. Like TCX, this refuses a program that is there already. */
static int attach_filter(const struct bpf_tc_hook *hook, int prog_fd, __u32 *ret_handle)
{
	int r = -EEXIST;

	for (__u32 i = 0; i < FILTER_HANDLES && r == -EEXIST; i++) {
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE + i,
			    .priority = FILTER_PRIORITY, .prog_fd = prog_fd);

		r = bpf_tc_attach(hook, &opts);
		*ret_handle = FILTER_HANDLE + i;
		opts.prog_fd = 0;
		if (r == -EEXIST && !bpf_tc_query(hook, &opts) &&
		    opts.prog_id == program_id(prog_fd))
			break;
	}
	return r;
}

static int attach_clsact(int prog_fd, struct tcpc_attachment *a)
{
	struct bpf_tc_hook hook;
	int r;

	hook_of(a, &hook);
	r = bpf_tc_hook_create(&hook);
	if (r && r != -EEXIST)
		return r;
	a->made_qdisc = !r;
	r = attach_filter(&hook, prog_fd, &a->handle);
	if (r) {
		if (a->made_qdisc)
			tcpc_datapath_remove_qdisc(a->ifindex);
		return r;
	}
	a->kind = TCPC_ATTACH_CLSACT;
	a->prog_fd = prog_fd;
	return 0;
}

int tcpc_datapath_attach(int prog_fd, int ifindex, bool egress, enum tcpc_hook hook,
			 struct tcpc_attachment *ret, struct tcpc_err *err)
{
	struct tcpc_attachment a = {.ifindex = ifindex, .egress = egress};
	int r = -EOPNOTSUPP;

	if (hook != TCPC_HOOK_CLSACT)
		r = attach_tcx(prog_fd, &a);
	/* Kernels before 6.6 say EINVAL to the unknown attach type. */
	if (hook == TCPC_HOOK_CLSACT || (r == -EINVAL && hook != TCPC_HOOK_TCX))
		r = attach_clsact(prog_fd, &a);
	if (r == -EEXIST)
		return tcpc_err_set(err, EEXIST, "this program is attached to interface %d already",
				    ifindex);
	if (r)
		return tcpc_err_set(err, -r,
				    "cannot attach a TC program to interface %d: %s; needs %s",
				    ifindex, strerror(-r),
				    hook == TCPC_HOOK_TCX ? "Linux 6.6 or later (TCX)"
							  : "CONFIG_NET_CLS_BPF and "
							    "CONFIG_NET_SCH_INGRESS");
	*ret = a;
	return 0;
}

int tcpc_datapath_attach_last(int prog_fd, int ifindex, int *ret_link_fd, struct tcpc_err *err)
{
	LIBBPF_OPTS(bpf_link_create_opts, last, .flags = 0);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY + 1,
		    .prog_fd = prog_fd);
	int fd = bpf_link_create(prog_fd, ifindex, (enum bpf_attach_type)TCX_INGRESS, &last);
	int r = fd < 0 ? -errno : 0;
	struct bpf_tc_hook hook;

	if (r == -EINVAL) { /* before 6.6, as above */
		set_hook(&hook, ifindex, BPF_TC_INGRESS);
		r = bpf_tc_hook_create(&hook);
		r = r && r != -EEXIST ? r : bpf_tc_attach(&hook, &opts);
	}
	if (r)
		return tcpc_err_set(err, -r, "cannot attach a TC program to interface %d: %s",
				    ifindex, strerror(-r));
	*ret_link_fd = fd;
	return 0;
}

void tcpc_datapath_remove_qdisc(int ifindex)
{
	struct bpf_tc_hook hook;

	/* Both sides named: libbpf then deletes the qdisc itself, with whatever hangs on it. */
	set_hook(&hook, ifindex, BPF_TC_INGRESS | BPF_TC_EGRESS);
	bpf_tc_hook_destroy(&hook);
}

static int detach_clsact(const struct tcpc_attachment *a)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = a->handle, .priority = FILTER_PRIORITY);
	struct bpf_tc_hook hook;
	int r;

	hook_of(a, &hook);
	r = bpf_tc_detach(&hook, &opts);
	if (!r && a->made_qdisc && tcpc_datapath_filters(a->ifindex) == 0)
		tcpc_datapath_remove_qdisc(a->ifindex);
	return r;
}

void tcpc_attachment_close(struct tcpc_attachment *a)
{
	int r = 0;

	if (a->kind == TCPC_ATTACH_TCX && a->pinned)
		r = bpf_link_detach(a->link_fd);
	if (a->kind == TCPC_ATTACH_TCX)
		close(a->link_fd);
	else if (a->kind == TCPC_ATTACH_CLSACT)
		r = detach_clsact(a);
	else if (a->mirror)
		tcpc_mirror_free(a->mirror);
	/* With the interface everything on it is gone already. */
	if (r && r != -ENODEV && r != -ENOENT && r != -EINVAL)
		tcpc_log_warn("cannot detach from interface %d: %s", a->ifindex, strerror(-r));
	memset(a, 0, sizeof(*a));
}

/* ---- what is on the qdisc, and what a killed daemon left there --------------------------------
 */

static int count_filter(const struct nlmsghdr *nlh, void *data)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(nlh);
	int *n = data;

	/* Each priority also reports its head, whose handle is 0. */
	if (nlh->nlmsg_type == RTM_NEWTFILTER && tc->tcm_handle)
		(*n)++;
	return MNL_CB_OK;
}

/* Filters below one parent of the interface. Returns their number or -errno. */
static int dump_filters(struct mnl_socket *nl, int ifindex, __u32 parent)
{
	char buf[MNL_SOCKET_BUFFER_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct tcmsg *tc = mnl_nlmsg_put_extra_header(nlh, sizeof(*tc));
	int n = 0, r = MNL_CB_OK;

	nlh->nlmsg_type = RTM_GETTFILTER;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	tc->tcm_family = AF_UNSPEC;
	tc->tcm_ifindex = ifindex;
	tc->tcm_parent = parent;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (r == MNL_CB_OK) {
		ssize_t got = mnl_socket_recvfrom(nl, buf, sizeof(buf));

		if (got < 0)
			return -errno;
		r = mnl_cb_run(buf, got, 0, mnl_socket_get_portid(nl), count_filter, &n);
	}
	return r < 0 ? -errno : n;
}

int tcpc_datapath_filters(int ifindex)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int in, out = 0;

	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	in = dump_filters(nl, ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS));
	if (in >= 0)
		out = dump_filters(nl, ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS));
	mnl_socket_close(nl);
	return in < 0 ? in : out < 0 ? out : in + out;
}

int tcpc_datapath_keep(const char *dir, const char *name, struct tcpc_attachment *a,
		       struct tcpc_err *err)
{
	char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s-%d", dir, name, a->ifindex);
	unlink(path); /* of an interface that had this number before */
	if (bpf_obj_pin(a->link_fd, path)) {
		tcpc_err_set(err, errno, "cannot pin %s: %s", path, strerror(errno));
		tcpc_attachment_close(a);
		return -err->code;
	}
	a->pinned = true;
	return 0;
}

/* Pinned, a program keeps its number: whoever hangs a filter with this number hangs our program. */
static void note_filter(const char *dir, int prog_fd)
{
	char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/filter-%u", dir, program_id(prog_fd));
	if (bpf_obj_pin(prog_fd, path) && errno != EEXIST)
		tcpc_log_warn("cannot note the program of a filter at %s: %s", path,
			      strerror(errno));
}

int tcpc_datapath_keep_again(const char *dir, const char *name, int map_fd,
			     const struct tcpc_attachment *a, struct tcpc_err *err)
{
	char file[64];

	if (a->kind == TCPC_ATTACH_CLSACT)
		note_filter(dir, a->prog_fd);
	if (!a->pinned && !a->made_qdisc)
		return 0;
	snprintf(file, sizeof(file), "%s-%d", a->pinned ? name : "clsact", a->ifindex);
	return tcpc_datapath_pin_again(dir, file, a->pinned ? a->link_fd : map_fd, err);
}

void tcpc_datapath_note(const char *dir, int map_fd, const struct tcpc_attachment *a)
{
	char path[PATH_MAX + 32];

	if (a->kind == TCPC_ATTACH_CLSACT)
		note_filter(dir, a->prog_fd);
	if (!a->made_qdisc)
		return;
	snprintf(path, sizeof(path), "%s/clsact-%d", dir, a->ifindex);
	if (bpf_obj_pin(map_fd, path) && errno != EEXIST)
		tcpc_log_warn("cannot note the clsact qdisc at %s: %s", path, strerror(errno));
}

/* To open a program by its number would take CAP_SYS_ADMIN. */
static bool is_our_program(const char *dir, __u32 id)
{
	char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/filter-%u", dir, id);
	return !access(path, F_OK);
}

static int sweep_side(const char *dir, int ifindex, bool egress)
{
	struct tcpc_attachment a = {.ifindex = ifindex, .egress = egress};
	struct bpf_tc_hook hook;
	int removed = 0;

	hook_of(&a, &hook);
	for (__u32 i = 0; i < FILTER_HANDLES; i++) {
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE + i,
			    .priority = FILTER_PRIORITY);

		if (bpf_tc_query(&hook, &opts) || !is_our_program(dir, opts.prog_id))
			continue;
		a.handle = FILTER_HANDLE + i;
		removed += !detach_clsact(&a);
	}
	return removed;
}

int tcpc_datapath_sweep_filters(const char *dir)
{
	struct if_nameindex *all = if_nameindex();
	char path[PATH_MAX + 32];
	int removed = 0;

	if (!all)
		return 0;
	for (struct if_nameindex *i = all; i->if_index; i++) {
		removed += sweep_side(dir, i->if_index, false);
		removed += sweep_side(dir, i->if_index, true);
		snprintf(path, sizeof(path), "%s/clsact-%u", dir, i->if_index);
		if (!access(path, F_OK) && tcpc_datapath_filters(i->if_index) == 0)
			tcpc_datapath_remove_qdisc(i->if_index);
	}
	if_freenameindex(all);
	return removed;
}
