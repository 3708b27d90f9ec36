// SPDX-License-Identifier: GPL-2.0-only
/* datapath_order.c - who stands in front of our programs, see datapath.h. */
#include "edge/datapath_priv.h"

#include <stdio.h>
#include <unistd.h>
#include <bpf/bpf.h>

/* libbpf 1.1 does not name these yet; values of enum bpf_attach_type, linux/bpf.h of 6.6. */
#define TCX_INGRESS 46
#define TCX_EGRESS 47
#define MAX_PROGRAMS 64

static __u32 program_of_link(int link_fd)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(link_fd, &info, &len) ? 0 : info.prog_id;
}

static void read_name(__u32 id, char *ret)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	snprintf(ret, BPF_OBJ_NAME_LEN, "program %u", id);
	if (fd < 0)
		return;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len) && info.name[0])
		snprintf(ret, BPF_OBJ_NAME_LEN, "%s", info.name);
	close(fd);
}

unsigned int tcpc_attachment_ahead(const struct tcpc_attachment *a, char *ret_name)
{
	__u32 ids[MAX_PROGRAMS], n = MAX_PROGRAMS, ours = 0, ahead = 0;

	/* Links of TCX all run before any filter of clsact. */
	if (a->kind == TCPC_ATTACH_NONE ||
	    bpf_prog_query(a->ifindex, (enum bpf_attach_type)(a->egress ? TCX_EGRESS : TCX_INGRESS),
			   0, NULL, ids, &n))
		return 0;
	if (a->kind == TCPC_ATTACH_TCX)
		ours = program_of_link(a->link_fd);
	while (ahead < n && ids[ahead] != ours)
		ahead++;
	if (ahead)
		read_name(ids[0], ret_name);
	return ahead;
}
