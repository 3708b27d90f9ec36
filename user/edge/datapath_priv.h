/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * datapath_priv.h - what the datapath*.c files share among themselves. Nobody else includes it.
 */
#ifndef TCPCOPY_EDGE_DATAPATH_PRIV_H
#define TCPCOPY_EDGE_DATAPATH_PRIV_H

#include <bpf/libbpf.h>
#include <limits.h>

#include "edge/datapath.h"

/** A map and the name it is pinned under; the contract's names. */
struct tcpc_pin {
	struct bpf_map *map;
	const char *name;
};

/** tcpc_datapath_attach - attach @prog_fd to one side of an interface, at the front. */
int tcpc_datapath_attach(int prog_fd, int ifindex, bool egress, enum tcpc_hook hook,
			 struct tcpc_attachment *ret, struct tcpc_err *err);

/** tcpc_datapath_attach_last - attach @prog_fd to an interface's ingress, behind all others. For
 * interfaces of ours: what is attached goes with the interface.
 * @ret_link_fd: to be closed; -1 where there is no TCX. */
int tcpc_datapath_attach_last(int prog_fd, int ifindex, int *ret_link_fd, struct tcpc_err *err);

/** tcpc_mirror_free - unload an interface's XDP programs, which detaches them. */
void tcpc_mirror_free(struct tcpc_mirror *mirror);

/** tcpc_dp_online_attach_handed - attach tap_handed behind an interface's XDP program. */
int tcpc_dp_online_attach_handed(struct tcpc_dp_online *dp, int ifindex,
				 struct tcpc_attachment *ret, struct tcpc_err *err);

/** tcpc_dp_online_map - a map of the online programs by its name, or NULL. */
struct bpf_map *tcpc_dp_online_map(struct tcpc_dp_online *dp, const char *name);

/** tcpc_datapath_note - pin notes below @dir of what a crash would leave of @attachment: that the
 * program of a clsact filter is ours, and the qdisc if it is. @map_fd: any map. */
void tcpc_datapath_note(const char *dir, int map_fd, const struct tcpc_attachment *attachment);

/** tcpc_datapath_keep - pin the TCX link of @attachment below @dir as @name-IFINDEX: it stays when
 * this process is killed. On failure it is detached. */
int tcpc_datapath_keep(const char *dir, const char *name, struct tcpc_attachment *attachment,
		       struct tcpc_err *err);

/** tcpc_datapath_remove_qdisc - remove the clsact qdisc with all that hangs on it. */
void tcpc_datapath_remove_qdisc(int ifindex);

/** tcpc_datapath_filters - filters on the interface's clsact qdisc, both sides, or -errno. */
int tcpc_datapath_filters(int ifindex);

/** tcpc_datapath_sweep_filters - detach from all interfaces the clsact filters whose programs are
 * noted below @dir, and drop the qdiscs noted there. */
int tcpc_datapath_sweep_filters(const char *dir);

/** tcpc_datapath_pin_again - pin @fd as @dir/@name unless something is there. Returns 1 if it was
 * not, 0, or -errno. */
int tcpc_datapath_pin_again(const char *dir, const char *name, int fd, struct tcpc_err *err);

/** tcpc_datapath_pins_again - the same for maps. */
int tcpc_datapath_pins_again(const char *dir, const struct tcpc_pin *pins, unsigned int n_pins,
			     struct tcpc_err *err);

/** tcpc_datapath_keep_again - the same for what tcpc_datapath_keep() or _note() have pinned.
 * @name, @map_fd: as given there. */
int tcpc_datapath_keep_again(const char *dir, const char *name, int map_fd,
			     const struct tcpc_attachment *attachment, struct tcpc_err *err);

/**
 * tcpc_datapath_pin - pin maps below @bpffs/@side, which is made. All or nothing.
 * @ret_dir: the directory, PATH_MAX bytes.
 */
int tcpc_datapath_pin(const char *bpffs, const char *side, const struct tcpc_pin *pins,
		      unsigned int n_pins, char *ret_dir, struct tcpc_err *err);

/** tcpc_datapath_unpin - remove everything below @dir and @dir itself. Returns files removed. */
int tcpc_datapath_unpin(const char *dir);

/** tcpc_datapath_write - update one map element, or delete it when @value is NULL. */
int tcpc_datapath_write(struct bpf_map *map, const void *key, const void *value, const char *what,
			struct tcpc_err *err);

/** tcpc_datapath_sum - add up a one-element per-CPU map of @n counters. */
int tcpc_datapath_sum(struct bpf_map *map, __u64 *counters, unsigned int n);

/** tcpc_datapath_map_shared - map a BPF_F_MMAPABLE array into this process, or NULL. */
void *tcpc_datapath_map_shared(struct bpf_map *map, size_t bytes);

/** tcpc_dp_target_config - the `config` element, shared memory. */
struct tcpc_target_config *tcpc_dp_target_config(struct tcpc_dp_target *dp);

/** tcpc_dp_target_receipts_fd - the ring buffer of receipts. */
int tcpc_dp_target_receipts_fd(struct tcpc_dp_target *dp);

/** tcpc_datapath_has_tracepoints - can programs hang on the kernel's tracepoints? */
bool tcpc_datapath_has_tracepoints(void);

/** tcpc_datapath_load_error - describe a failed load with libbpf's last words. */
int tcpc_datapath_load_error(int code, const char *what, struct tcpc_err *err);

#endif
