/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * datapath.h - the BPF programs and maps, as the rest of the daemon sees them. The datapath*.c
 * files are the only ones that know libbpf and the skeletons.
 *
 * Programs are attached through links or filters that this process owns and never pins, so a
 * killed daemon's programs go with it; what cannot go by itself (clsact filters, pins) is found by
 * tcpc_datapath_sweep().
 */
#ifndef TCPCOPY_EDGE_DATAPATH_H
#define TCPCOPY_EDGE_DATAPATH_H

#include <stdbool.h>

#include "core/err.h"
#include "core/spec.h"
#include "core/text.h"
#include "tcpcopy/abi.h"

/** tcpc_datapath_init - route libbpf's messages to the log. Call once. */
void tcpc_datapath_init(void);

/** tcpc_datapath_probe - can this kernel run the programs? Returns 0, or -EOPNOTSUPP with the
 * feature that is missing. */
int tcpc_datapath_probe(struct tcpc_err *err);

/** Called for one feature; @present: 1, 0, or -errno when the probe itself failed. @needed: false
 * for features that only make things better. */
typedef void (*tcpc_datapath_feature)(void *user, const char *name, int present, bool needed,
				      const char *hint);

/** tcpc_datapath_each_feature - report every kernel feature the datapath looks for. */
void tcpc_datapath_each_feature(tcpc_datapath_feature cb, void *user);

/**
 * tcpc_datapath_sweep - remove what an earlier daemon left: its clsact filters on any interface
 * (recognised by the maps pinned below @bpffs) and its pins below @bpffs/@side.
 * @side: "online" or "target".  Returns: number of things removed, or -errno.
 */
int tcpc_datapath_sweep(const char *bpffs, const char *side, struct tcpc_err *err);

/* ---- how a program hangs on an interface ----------------------------------------------------- */

enum tcpc_attach_kind {
	TCPC_ATTACH_NONE,
	TCPC_ATTACH_TCX,
	TCPC_ATTACH_CLSACT,
	TCPC_ATTACH_XDP_NATIVE,
	TCPC_ATTACH_XDP_GENERIC,
};

struct tcpc_mirror;

/** One attached program. Zeroed: nothing attached. */
struct tcpc_attachment {
	enum tcpc_attach_kind kind;
	int ifindex;
	bool egress;
	int link_fd;		    /* TCX */
	bool pinned;		    /* TCX: it would outlive its descriptor */
	bool made_qdisc;	    /* clsact: the qdisc was not there before */
	__u32 handle;		    /* clsact: of the filter */
	int prog_fd;		    /* clsact: of the program, its owner's */
	struct tcpc_mirror *mirror; /* XDP: its programs, owned */
};

/** tcpc_attachment_close - detach; harmless on a zeroed one, and when the interface is gone. */
void tcpc_attachment_close(struct tcpc_attachment *attachment);

/** tcpc_attachment_ahead - programs that see packets before ours and can keep them from it: TCX
 * programs in front of it. @ret_id: of the first one, set if there is one; its name is only told to
 * who has CAP_SYS_ADMIN, which we have given up. Returns their number, 0 where the kernel cannot
 * tell. */
unsigned int tcpc_attachment_ahead(const struct tcpc_attachment *attachment, __u32 *ret_id);

/** tcpc_attach_kind_name - "tcx", "clsact" or "none". */
const char *tcpc_attach_kind_name(enum tcpc_attach_kind kind);

/* ---- online host ----------------------------------------------------------------------------- */

struct tcpc_dp_online;

/**
 * tcpc_dp_online_open - load the programs, pin the maps below @bpffs/online, attach copy to the
 * copy device.
 * @hash_key: key of the sampling hash.  @source_key: of mapped sources.
 * @journal_bytes: of the journal's ring, a power of two from TCPC_JOURNAL_RING_MIN to _MAX; 0: no
 * target will have TCPC_TARGET_JOURNAL.
 */
int tcpc_dp_online_open(const char *bpffs, int copy_ifindex, const __u64 hash_key[2],
			const __u64 source_key[2], __u32 journal_bytes, struct tcpc_dp_online **ret,
			struct tcpc_err *err);

/** tcpc_dp_online_close - unload and unpin. Attachments of the tap must be closed before. */
void tcpc_dp_online_close(struct tcpc_dp_online *dp);

/** tcpc_dp_online_pin_again - pin again what somebody has removed or unmounted; also the note of
 * @attachment. Their file system must be there. Returns 1 if something was missing, 0, or -errno.
 */
int tcpc_dp_online_pin_again(struct tcpc_dp_online *dp, const struct tcpc_attachment *attachment,
			     struct tcpc_err *err);

/** tcpc_dp_online_raw - take @copy_ifindex, which has no link header, as the copy device of
 * interfaces like that. Once; closed with the rest. */
int tcpc_dp_online_raw(struct tcpc_dp_online *dp, int copy_ifindex, struct tcpc_err *err);

/** tcpc_dp_online_attach - attach the tap at the front of an interface's ingress. @raw: its packets
 * begin with the IP header; tcpc_dp_online_raw() comes first. */
int tcpc_dp_online_attach(struct tcpc_dp_online *dp, int ifindex, bool raw, enum tcpc_hook hook,
			  struct tcpc_attachment *ret, struct tcpc_err *err);

/** tcpc_dp_online_swallow - let nothing go further that comes in by an interface of ours, once the
 * tap has seen it.  @ret_fd: ends it when closed; -1: it ends with the interface. */
int tcpc_dp_online_swallow(struct tcpc_dp_online *dp, int ifindex, int *ret_fd,
			   struct tcpc_err *err);

/** tcpc_dp_online_mirror - attach mirror, by XDP, to an interface that carries only mirrored
 * traffic, and tap_handed behind it. They go with this process. Returns 0 or -errno: -EBUSY,
 * another XDP program is there. */
int tcpc_dp_online_mirror(struct tcpc_dp_online *dp, int ifindex,
			  const struct tcpc_mirror_spec *how, struct tcpc_attachment *ret,
			  struct tcpc_err *err);

/** tcpc_dp_online_deafen - let nothing come in by the device of a tunnel, which only sends. It
 * stays when this process is killed, for the device does: who reaches the tunnel's port could else
 * put any packet into this host. */
int tcpc_dp_online_deafen(struct tcpc_dp_online *dp, int ifindex, struct tcpc_attachment *ret,
			  struct tcpc_err *err);

/** tcpc_dp_online_lease - let the tap copy until @until_ns (CLOCK_MONOTONIC). No system call. */
void tcpc_dp_online_lease(struct tcpc_dp_online *dp, __u64 until_ns);

/** tcpc_dp_online_budgets - TCPC_MAX_BUDGETS elements of memory shared with the programs, valid
 * until close. tcpc_dp_online_gates: TCPC_MAX_GATES likewise. */
struct tcpc_budget *tcpc_dp_online_budgets(struct tcpc_dp_online *dp);
struct tcpc_gate *tcpc_dp_online_gates(struct tcpc_dp_online *dp);

/** tcpc_dp_online_choose - from now on @word (see choose.h) holds for the interface with the budget
 * @index. What it names has been written. No system call. */
void tcpc_dp_online_choose(struct tcpc_dp_online *dp, __u32 index, __u64 word);

struct tcpc_ways;

/** tcpc_dp_online_known - TCPC_WAYS_SETS elements of memory shared with the programs, valid until
 * close. */
struct tcpc_ways *tcpc_dp_online_known(struct tcpc_dp_online *dp);

/** tcpc_dp_online_rule - write a rule, tcpc_dp_online_split a table, that no word names now. */
int tcpc_dp_online_rule(struct tcpc_dp_online *dp, __u32 index, const struct tcpc_rule *rule,
			struct tcpc_err *err);
int tcpc_dp_online_split(struct tcpc_dp_online *dp, __u32 index, const struct tcpc_split *split,
			 struct tcpc_err *err);

/** tcpc_dp_online_guard - let less be copied, see struct tcpc_online_config. No system call. */
void tcpc_dp_online_guard(struct tcpc_dp_online *dp, enum tcpc_stop stop, __u32 closed_new,
			  __u32 closed_running);

/** tcpc_dp_online_epoch - a target goes away, or is new: it need not have the SYNs that were copied
 * before now. No system call. */
void tcpc_dp_online_epoch(struct tcpc_dp_online *dp);

/**
 * tcpc_dp_online_journal - the journal's ring buffer, for tcpc_journal_open().
 * @ret_reader_sleeps: shared memory; like the descriptor, valid until close.
 */
int tcpc_dp_online_journal(struct tcpc_dp_online *dp, __u32 *ret_bytes, __u32 **ret_reader_sleeps);

/* Each writes or deletes one map element; NULL deletes (a missing one is no error). Returns 0 or
 * -errno with @err set. */
int tcpc_dp_online_service(struct tcpc_dp_online *dp, int ifindex, __be16 port,
			   const struct tcpc_service *service, struct tcpc_err *err);
int tcpc_dp_online_targets(struct tcpc_dp_online *dp, int ifindex,
			   const struct tcpc_target_set *set, struct tcpc_err *err);
int tcpc_dp_online_filter(struct tcpc_dp_online *dp, __u32 set, const struct tcpc_prefix *prefix,
			  const struct tcpc_filter *filter, struct tcpc_err *err);
int tcpc_dp_online_peer_allow(struct tcpc_dp_online *dp, __u32 id, const struct tcpc_prefix *prefix,
			      bool present, struct tcpc_err *err);

/** tcpc_dp_online_peer_allows - is @client in the allow-list of target host @id? As copy sees it.
 */
bool tcpc_dp_online_peer_allows(struct tcpc_dp_online *dp, __u32 id,
				const struct tcpc_addr *client);

/** tcpc_dp_online_stats - the counters, summed over processors. */
int tcpc_dp_online_stats(struct tcpc_dp_online *dp, struct tcpc_online_stats *ret);

/* ---- target host ----------------------------------------------------------------------------- */

struct tcpc_dp_target;

/** tcpc_dp_target_open - load the programs, pin maps and queue_filter below @bpffs/target. */
int tcpc_dp_target_open(const char *bpffs, struct tcpc_dp_target **ret, struct tcpc_err *err);
void tcpc_dp_target_close(struct tcpc_dp_target *dp);

/** tcpc_dp_target_pin_again - as tcpc_dp_online_pin_again(); @attachment: of align or absorb. */
int tcpc_dp_target_pin_again(struct tcpc_dp_target *dp, const struct tcpc_attachment *attachment,
			     struct tcpc_err *err);

/** tcpc_dp_target_pin - path of the pinned queue_filter, for the iptables rule. Borrowed. */
const char *tcpc_dp_target_pin(const struct tcpc_dp_target *dp);

/** tcpc_dp_target_attach - attach align to an interface's ingress. */
int tcpc_dp_target_attach(struct tcpc_dp_target *dp, int ifindex, struct tcpc_attachment *ret,
			  struct tcpc_err *err);

/** tcpc_dp_target_absorb - attach absorb to an interface's egress, before everybody else's
 * programs. From then on what leaves there from an intercepted address and port becomes its own
 * ACK. It stays when this process is killed, and goes with tcpc_attachment_close() or
 * tcpc_datapath_sweep(). */
int tcpc_dp_target_absorb(struct tcpc_dp_target *dp, int ifindex, struct tcpc_attachment *ret,
			  struct tcpc_err *err);

/** tcpc_dp_target_untunnel - attach untunnel to the device of a tunnel. As with absorb, it stays
 * when this process is killed: without it all that the tunnel carries would reach the stack. */
int tcpc_dp_target_untunnel(struct tcpc_dp_target *dp, int ifindex, struct tcpc_attachment *ret,
			    struct tcpc_err *err);

/** tcpc_dp_target_way - copies out of a tunnel may come in by the interface, whose address is @mac
 * (6 bytes), or (NULL) no longer. */
int tcpc_dp_target_way(struct tcpc_dp_target *dp, int ifindex, const unsigned char *mac,
		       struct tcpc_err *err);

int tcpc_dp_target_service(struct tcpc_dp_target *dp, int ifindex, __be16 port,
			   const struct tcpc_intercept *service, struct tcpc_err *err);
/** tcpc_dp_target_address - @addr is (or is no longer) one of an intercepted interface: responses
 * from it stay inside. */
int tcpc_dp_target_address(struct tcpc_dp_target *dp, const struct tcpc_addr *addr, int ifindex,
			   bool present, struct tcpc_err *err);
int tcpc_dp_target_allow(struct tcpc_dp_target *dp, const struct tcpc_prefix *prefix,
			 enum tcpc_allow_state state, struct tcpc_err *err);

/**
 * tcpc_dp_target_hold_device - let what is written to the hold queue's device @hold_ifindex come in
 * by @ifindex. @ret: to be closed like the others; closing ends it.
 */
int tcpc_dp_target_hold_device(struct tcpc_dp_target *dp, int hold_ifindex, int ifindex,
			       struct tcpc_attachment *ret, struct tcpc_err *err);

/** tcpc_dp_target_hold_gives - change the interface by which it comes in. */
int tcpc_dp_target_hold_gives(struct tcpc_dp_target *dp, int hold_ifindex, int ifindex,
			      struct tcpc_err *err);

/** tcpc_dp_target_exchange - the exchange @flow is in; false if none is known. */
bool tcpc_dp_target_exchange(struct tcpc_dp_target *dp, const struct tcpc_flow *flow,
			     struct tcpc_exchange *ret);

/** tcpc_dp_target_trial - the SYN-ACK of @flow, whose SYN is to come, shall not be acknowledged.
 * Ends with tcpc_dp_target_forget(). Returns 0, -EEXIST if the flow is in use, other -errno. */
int tcpc_dp_target_trial(struct tcpc_dp_target *dp, const struct tcpc_flow *flow);

/** How far a walk over the exchanges has come. Zeroed: at its beginning. */
struct tcpc_dp_cursor {
	bool begun;
	__u32 batch; /* the kernel's own mark */
};

typedef void (*tcpc_dp_exchange_cb)(void *user, const struct tcpc_flow *flow,
				    const struct tcpc_exchange *x);

/**
 * tcpc_dp_target_exchanges - show @cb up to @max (256 at most) further exchanges. It may forget
 * them. What comes or goes during a walk may be missed.
 * Returns: 1 if there may be more, 0 at the end, -errno.
 */
int tcpc_dp_target_exchanges(struct tcpc_dp_target *dp, struct tcpc_dp_cursor *cursor, __u32 max,
			     tcpc_dp_exchange_cb cb, void *user);

/** tcpc_dp_target_forget - forget the exchange of @flow, and that it is held. */
void tcpc_dp_target_forget(struct tcpc_dp_target *dp, const struct tcpc_flow *flow);

/**
 * tcpc_dp_target_given_up - the target is to lose its half of @flow. Where its client stood is
 * remembered, so that the next request can open it anew.
 * @end: where that begins.  @ack: ACK number before it.  Both in host order.
 * @held: something is held still.
 */
void tcpc_dp_target_given_up(struct tcpc_dp_target *dp, const struct tcpc_flow *flow, __u32 end,
			     __u32 ack, bool held);

int tcpc_dp_target_stats(struct tcpc_dp_target *dp, struct tcpc_target_stats *ret);

/** tcpc_dp_target_queues - counters of the queue threads: TCPC_MAX_QUEUES elements of shared
 * memory, valid until close. */
struct tcpc_queue_stats *tcpc_dp_target_queues(struct tcpc_dp_target *dp);

struct tcpc_receipts;
struct uv_loop_s; /* libuv's headers and <linux/tcp.h> exclude each other */

/** Called on the loop's thread, in the order in which the packets left. @receipts: valid during the
 * call. */
typedef void (*tcpc_receipts_cb)(void *user, const struct tcpc_receipt *receipts, unsigned int n);

/** tcpc_receipts_start - hand on what absorb writes (engine tc). @dp must outlive it. Returns 0 or
 * -errno. */
int tcpc_receipts_start(struct uv_loop_s *loop, struct tcpc_dp_target *dp, tcpc_receipts_cb cb,
			void *user, struct tcpc_receipts **ret, struct tcpc_err *err);

/** tcpc_receipts_stop - nothing is handed on any more; frees itself later, on the loop. The
 * datapath may be closed at once. */
void tcpc_receipts_stop(struct tcpc_receipts *receipts);

/** tcpc_datapath_ports_before - the ports that an earlier daemon intercepted, by the map that it
 * left pinned below @bpffs. @ret: room for @max, wire order. Returns how many, 0 if nothing was
 * left. */
unsigned int tcpc_datapath_ports_before(const char *bpffs, __be16 *ret, unsigned int max);

/** tcpc_datapath_allowed_before - was @client allowed by the map that an earlier daemon left
 * pinned below @bpffs? */
bool tcpc_datapath_allowed_before(const char *bpffs, const struct tcpc_addr *client);

#endif
