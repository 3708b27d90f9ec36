// SPDX-License-Identifier: GPL-2.0-only
/* datapath_order.c - who stands in front of our programs, see datapath.h. */
#include "edge/datapath_priv.h"

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

unsigned int tcpc_attachment_ahead(const struct tcpc_attachment *a, __u32 *ret_id)
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
		*ret_id = ids[0];
	return ahead;
}
