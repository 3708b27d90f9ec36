// SPDX-License-Identifier: GPL-2.0-only
/*
 * datapath_xdp.c - the XDP program of a mirror port, see datapath.h. Each interface has an object
 * of its own, whose constants say how it is attached; its maps are those of the online programs.
 */
#include "edge/datapath_priv.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <linux/if_link.h>

#include "mirror.skel.h"

struct tcpc_mirror {
	struct mirror_bpf *skel;
	int link_fd; /* or -1 */
	struct tcpc_attachment handed;
};

void tcpc_mirror_free(struct tcpc_mirror *mirror)
{
	if (mirror->link_fd >= 0)
		close(mirror->link_fd);
	tcpc_attachment_close(&mirror->handed); /* behind it: what it has marked must not go on */
	mirror_bpf__destroy(mirror->skel);
	free(mirror);
}

/* What both objects have under one name is one map. */
static int share_maps(struct tcpc_dp_online *dp, struct mirror_bpf *skel)
{
	struct bpf_map *map, *shared;
	int r = 0;

	bpf_object__for_each_map(map, skel->obj)
	{
		shared = tcpc_dp_online_map(dp, bpf_map__name(map));
		if (shared && !r)
			r = bpf_map__reuse_fd(map, bpf_map__fd(shared));
	}
	return r;
}

static int load(struct tcpc_dp_online *dp, int ifindex, const struct tcpc_mirror_spec *how,
		bool generic, struct mirror_bpf **ret)
{
	struct mirror_bpf *skel = mirror_bpf__open();
	int r;

	if (!skel)
		return -errno;
	skel->rodata->mirror_rest = how->drop_rest ? XDP_DROP : XDP_PASS;
	skel->rodata->mirror_generic = generic;
	skel->rodata->mirror_vni = how->has_vni ? how->vni : -1LL;
	skel->rodata->mirror_ifindex = ifindex;
	r = share_maps(dp, skel) ?: mirror_bpf__load(skel);
	if (r)
		mirror_bpf__destroy(skel);
	else
		*ret = skel;
	return r;
}

/* A device refuses some frames without a word to the program: only the kernel's tracepoints tell.
 */
static int watch_failures(struct mirror_bpf *skel)
{
	skel->links.mirror_xmit = bpf_program__attach(skel->progs.mirror_xmit);
	skel->links.mirror_error = bpf_program__attach(skel->progs.mirror_error);
	return skel->links.mirror_xmit && skel->links.mirror_error ? 0 : -errno;
}

/* What the kernel says, made a sentence. */
static int explain(int code, int ifindex, bool generic, struct tcpc_err *err)
{
	if (code == -EBUSY || code == -EEXIST)
		return tcpc_err_set(
			err, EBUSY,
			"another XDP program is on interface %d, and an interface takes "
			"one: see `ip link show`, detach it, or mirror to another port",
			ifindex);
	return tcpc_err_set(err, -code, "cannot attach by %s XDP to interface %d: %s%s",
			    generic ? "generic" : "native", ifindex, strerror(-code),
			    generic ? "" : "; --xdp-mode generic works on every driver");
}

static int open_mirror(struct tcpc_dp_online *dp, int ifindex, const struct tcpc_mirror_spec *how,
		       bool generic, struct tcpc_mirror **ret, struct tcpc_err *err)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	struct tcpc_mirror *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	m->link_fd = -1;
	r = load(dp, ifindex, how, generic, &m->skel);
	if (r) {
		tcpc_datapath_load_error(r, "the XDP program (Linux 5.18 or later)", err);
	} else if (!how->local && tcpc_dp_online_attach_handed(dp, ifindex, &m->handed, err)) {
		r = -err->code;
	} else if (watch_failures(m->skel)) {
		r = tcpc_err_set(err, errno, "cannot watch the kernel's XDP tracepoints: %s",
				 strerror(errno));
	} else {
		m->link_fd = bpf_link_create(bpf_program__fd(m->skel->progs.mirror), ifindex,
					     BPF_XDP, &opts);
		if (m->link_fd < 0)
			r = explain(-errno, ifindex, generic, err);
	}
	if (r)
		tcpc_mirror_free(m);
	else
		*ret = m;
	return r;
}

int tcpc_dp_online_mirror(struct tcpc_dp_online *dp, int ifindex,
			  const struct tcpc_mirror_spec *how, struct tcpc_attachment *ret,
			  struct tcpc_err *err)
{
	bool generic = how->mode == TCPC_XDP_GENERIC;
	struct tcpc_mirror *m;
	int r = open_mirror(dp, ifindex, how, generic, &m, err);

	if (r && r != -EBUSY && how->mode == TCPC_XDP_AUTO) {
		generic = true;
		r = open_mirror(dp, ifindex, how, generic, &m, err);
	}
	if (r)
		return r;
	*ret = (struct tcpc_attachment){
		.kind = generic ? TCPC_ATTACH_XDP_GENERIC : TCPC_ATTACH_XDP_NATIVE,
		.ifindex = ifindex,
		.link_fd = -1,
		.mirror = m,
	};
	return 0;
}
