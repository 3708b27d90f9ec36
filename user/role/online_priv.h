/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * online_priv.h - what the online*.c files share: one room in several files.
 *
 * online.c        the datapath's life, heartbeat, commands
 * online_wait.c   commands that answer once their targets have been heard of
 * online_tap.c    one attached interface: its maps
 * online_iface.c  interfaces that go, come back, change their names
 * online_mirror.c what --hook xdp needs: a port with no traffic of this host, link addresses
 * online_peer.c   one feedback link: who is ready, whom the target allows
 * online_change.c what is changed while attached: targets, filters
 * online_keep.c   targets that are away: what is copied meanwhile is kept
 * online_delivery.c  journal, ledgers, sending again
 * online_show.c   status and counters as JSON
 * online_ledger.c the ledger as JSON
 * online_trial.c  a SYN to each target and back, for `doctor`
 * online_sums.c   what target hosts are told of it all
 * online_spread.c copies that leave later
 * online_ramp.c   a share that is raised bit by bit
 * online_choose.c which connections go to which targets, and that they stay with them
 * online_guard.c  budgets, memory, targets in trouble: when less is copied, and when again
 * online_replay.c devices for packets out of files; online_tunnel.c those of tunnels
 * online_record.c what is copied, for the command that writes it to files
 */
#ifndef TCPCOPY_ROLE_ONLINE_PRIV_H
#define TCPCOPY_ROLE_ONLINE_PRIV_H

#include "core/guard.h"
#include "core/split.h"
#include "edge/link.h"
#include "edge/netlink.h"
#include "edge/netwatch.h"
#include "role/online.h"
#include "role/online_trial.h"
#include "role/online_tunnel.h"
#include "role/timer.h"

struct delivery;
struct spread;
struct tcpc_ledger_packet;
struct delivery_ledger;
struct tcpc_ledger;
struct tcpc_resend_stats;
struct tcpc_retention_stats;

/* What receipts told us so far. */
struct receipt_counts {
	__u64 receipts;
	__u64 syn_acks;	    /* connections that the target opened */
	__u64 resets;	    /* connections that it reset */
	__u64 bytes;	    /* of payload in its responses */
	__u64 held;	    /* packets or runs of them that its hold queue took */
	__u64 held_numbers; /* sequence numbers in these: bytes, SYN and FIN */
	__u64 shed;	    /* connections that the target host ended itself */
	__u64 shed_slow;    /* of these: the target was too slow */
};

/** The feedback link to one target host, shared by all targets there. */
struct peer {
	struct peer *next;
	struct tcpc_online *online;
	struct tcpc_link_client *link;
	char host[256];
	char name[264]; /* host and port as one types them */
	__u16 port;	/* host order */
	__u32 id;	/* of its entries in peer_allow */
	unsigned int refs;
	enum tcpc_link_state state;
	bool has_services; /* it has said what it intercepts */
	struct tcpc_link_service services[TCPC_LINK_MAX_SERVICES];
	unsigned int n_services;
	struct tcpc_prefix *allow;
	unsigned int n_allow;
	struct receipt_counts counts;
	struct delivery_ledger *ledger;	 /* NULL: nothing is sent again there */
	struct tcpc_addr last_client[2]; /* copied last, of IPv6 and of IPv4; 0: none yet */
};

/** One of a tap's targets. */
struct target {
	struct tcpc_endpoint endpoint;
	__u32 slot;	      /* its place in the target set; stays */
	__u32 weight;	      /* with --mode split */
	__u64 drain_until_ns; /* takes no new connections, and goes then at the latest; 0: stays */
	struct peer *peer;    /* NULL: --feedback none, copy without asking */
	struct tcpc_route route;
	struct tcpc_hop_macs macs; /* on the way to it */
	__u32 gate;		   /* index into `gates` */
	bool gated;		   /* it is or was in trouble */
	__u64 opened, denied;	   /* connections that it opened and refused */
	struct tcpc_guard_target guard;
	struct tcpc_guard_event event;
	struct tcpc_route last_route; /* the last one there was */
	__u64 away_since_ns;	      /* 0: it is not, or nothing is kept for it */
	bool was_ready;		      /* and has not said since that it does not intercept */
	bool agreed;		      /* it was ready since the link is up */
	bool keeps;		      /* what is copied is kept for it, as published */
	__u32 published;	      /* flags of struct tcpc_target, as the programs have them */
};

/** Which rules hold for an interface; see online_choose.c. */
struct tap_choice {
	bool written, on; /* on: its services say so */
	bool moving;	  /* `before` holds for connections that run */
	__u32 now, before;
	__u16 valid;
	struct tcpc_rule rule; /* what `now` is */
	__u64 changed_ns;
	__u32 before_set, before_split; /* what `before` names */
	struct tcpc_filter_spec
		before_filter; /* of before_set where that is not the tap's; owned */
	struct tcpc_split_target split[TCPC_MAX_TARGETS]; /* what the table was made for */
	unsigned int n_split;
};

/** How a share gets from one value to another; see online_ramp.c. */
struct tap_ramp {
	uv_timer_t *timer; /* NULL: it stands still */
	__u32 from;
	__u64 done_ns, all_ns, looked_ns;
};

/** One attached interface. */
struct tap {
	struct tap *next;
	struct tcpc_online *online;
	char iface[IFNAMSIZ];
	int ifindex;			/* 0: the interface is gone; waiting for one of its name */
	unsigned short type;		/* ARPHRD_* */
	enum tcpc_hook hook;		/* as asked for */
	struct tcpc_mirror_spec mirror; /* with TCPC_HOOK_XDP */
	char absent[TCPC_ERR_BYTES];	/* what an interface that came back lacks */
	struct tcpc_attachment attachment;
	__be16 ports[TCPC_MAX_PORTS];
	unsigned int n_ports;
	struct target targets[TCPC_MAX_TARGETS];
	unsigned int n_targets;
	__u32 next_slot;		/* of the target that comes next, if it is free */
	struct tcpc_filter_spec filter; /* lists owned */
	struct tcpc_copies_spec copies;
	__u32 filter_set;
	bool split; /* --mode split */
	struct tap_ramp ramp;
	struct tap_choice choice;
	bool feedback_none;
	char feedback_host[256]; /* "": each target's own address */
	__u16 feedback_port;
	bool recovery; /* note what is copied, send again what is lost */
	enum tcpc_via via;
	bool armed;	   /* at least one target is ready, or something is kept for it */
	bool target_guard; /* spare targets in trouble */
	__u32 budget;	   /* index into `budgets` */
	bool guarded;	   /* it has or had a bound */
	struct tcpc_budget_spec budget_set; /* what `budgets` has */
	struct tcpc_guard_admit admit;
	__u64 budget_seen; /* connections refused or cut when last looked at */
	struct tcpc_guard_event budget_event;
	struct recording *recording; /* the present or last one; NULL: none */
};

/** What guards this host; all interfaces share it. */
struct guard {
	uv_timer_t *tick;
	bool gates[TCPC_MAX_GATES]; /* in use */
	__u32 max_cpu;		    /* the least of what interfaces have; 0: no bound */
	struct tcpc_guard_cpu cpu;
	struct tcpc_guard_memory memory;
	struct tcpc_guard_event cpu_event, memory_event;
	unsigned int calls;
};

struct waiter;
struct replay;
struct recording;

/** What was recorded, of all interfaces. */
struct record_counts {
#define RECORD_FIELD(name, text) __u64 name;
	TCPC_RECORD_COUNTERS(RECORD_FIELD)
#undef RECORD_FIELD
};

struct tcpc_online {
	struct tcpc_role_config config;
	struct tcpc_dp_online *dp; /* NULL while nothing is attached */
	int copy_ifindex;
	struct delivery *delivery; /* NULL: --recovery off */
	__u32 retain_mb;	   /* of it */
	struct tunnel tunnels[2];  /* of IPv6 and of IPv4 */
	int raw_fd; /* keeps the copy device for interfaces without a link header; or -1 */
	char alias[TCPC_ALIAS_BYTES]; /* marks our copy device */
	__u64 hash_key[2];
	__u64 source_key[2]; /* of mapped sources; hosts that share a key must differ in this */
	struct tap *taps;
	struct peer *peers;
	struct waiter *waiters;
	struct trials *trials;
	struct replay *replays;
	unsigned int n_recordings; /* under way */
	struct record_counts recorded;
	uv_timer_t *heartbeat;
	uv_timer_t *routes;
	struct tcpc_netwatch *watch;
	unsigned int n_cleared;	 /* of an earlier daemon's */
	struct tcpc_err no_pins; /* why some are missing */
	struct guard guard;
	__u32 next_filter_set;
	__u32 next_rule, next_split;
	bool looks; /* connections are remembered */
	__u32 next_peer_id;
};

/* ---- online_tap.c ---- */

/** tap_new - a tap after @spec, not yet in the kernel; takes over the filter's lists. The targets
 * are not in it yet. */
struct tap *tap_new(struct tcpc_online *online, const struct tcpc_iface *iface,
		    struct tcpc_attach_spec *spec);

/** tap_free - detach, delete its map elements, let its peers go. */
void tap_free(struct tap *tap);

/** tap_add_target - check the route, open or share the feedback link. Not yet published. */
int tap_add_target(struct tap *tap, const struct tcpc_endpoint *endpoint, __u32 weight,
		   struct tcpc_err *err);

/** tap_free_lists - free what @filter holds, and zero it. */
void tap_free_lists(struct tcpc_filter_spec *filter);

/** tap_delete_filter - delete the elements of @set, and free the lists in @filter. */
void tap_delete_filter(struct tap *tap, __u32 set, struct tcpc_filter_spec *filter);

/** tap_take_target - take target number @index out; not yet published. Returns its peer (or NULL),
 * to be put once that is done: what the peer knows of its allow-list must outlive the last copy. */
struct peer *tap_take_target(struct tap *tap, unsigned int index);

/** tap_find_target - index of the target, or -1. */
int tap_find_target(const struct tap *tap, const struct tcpc_endpoint *endpoint);

/** tap_publish - write targets and services as they are now. */
int tap_publish(struct tap *tap, struct tcpc_err *err);

/** tap_write_filter - write the filter as a new set; the old set goes once the services point to
 * the new one. On failure the old one stays in force. @filter's lists are taken over on success. */
int tap_write_filter(struct tap *tap, const struct tcpc_filter_spec *filter, struct tcpc_err *err);

/** tap_refresh_routes - ask the kernel again; publish if something changed. */
void tap_refresh_routes(struct tap *tap);

/** target_ready - may copies flow to this target?  @ret_reason: why not, one line. */
bool target_ready(const struct tap *tap, const struct target *target, char *ret_reason,
		  size_t size);

/** tap_unhook - detach, and delete the map elements that name its interface. */
void tap_unhook(struct tap *tap);

/* ---- online_iface.c ---- */

/** online_has_no_header - do packets of this type of interface (ARPHRD_*) begin with the IP header?
 */
bool online_has_no_header(unsigned short type);

/** online_hook - attach @tap to its interface. Its filter and targets have been written. */
int online_hook(struct tap *tap, struct tcpc_err *err);

/** online_on_netwatch - look at every tap's interface and routes: follow its new name, wait for one
 * that is gone, take up one that is back. For tcpc_netwatch_start(). */
void online_on_netwatch(void *user, int gone_ifindex);

/* ---- online_keep.c ---- */

/* For how long: longer than a switch or a daemon takes to start again. */
#define KEEP_MAX_OUTAGE_NS (30 * 1000000000ULL)

/** keep_update - look at @target again; before its state is published. */
void keep_update(const struct tap *tap, struct target *target);

/** keep_is_due - is it away, and what is copied to be kept for it? @target was updated. */
bool keep_is_due(const struct target *target);

/** keep_explain - add to @reason, of @size bytes, why the target is not @ready, what that means. */
void keep_explain(const struct target *target, bool ready, char *reason, size_t size);

/* ---- online_peer.c ---- */

/** peer_get - the link to @host:@port, opened if need be. Counts a reference. */
int peer_get(struct tcpc_online *online, const char *host, __u16 port, struct peer **ret,
	     struct tcpc_err *err);
void peer_put(struct peer *peer);

/** peer_of_id - the one with this @id, or NULL. */
struct peer *peer_of_id(const struct tcpc_online *online, __u32 id);

/** peer_intercepts - has it said that it intercepts this? @any_addr: the port alone must match. */
bool peer_intercepts(const struct peer *peer, const struct tcpc_endpoint *endpoint, bool any_addr);

/** peer_settled - has the first attempt to reach it come to an end? */
bool peer_settled(const struct peer *peer);

/** peer_allows - is @client in its allow-list? Such a client uses the target itself. */
bool peer_allows(const struct peer *peer, const struct tcpc_addr *client);

/* ---- online_delivery.c ---- */

/** What is counted here. */
struct delivery_stats {
#define DELIVERY_FIELD(name, text) __u64 name;
	TCPC_DELIVERY_COUNTERS(DELIVERY_FIELD)
#undef DELIVERY_FIELD
};

/** delivery_split - the parts of --retain @retain_mb, in bytes: the ring that the programs are
 * loaded with, and the bound of what is moved out of it. */
void delivery_split(__u32 retain_mb, __u32 *ret_ring, __u64 *ret_heap);

/** delivery_open - read the journal of @online's datapath from now on. @heap_bytes: bound of what
 * is kept outside of its ring. Returns 0 or -errno. */
int delivery_open(struct tcpc_online *online, __u64 heap_bytes, struct delivery **ret,
		  struct tcpc_err *err);

/** delivery_close - NULL is fine. Every peer must have been removed, the datapath be open. */
void delivery_close(struct delivery *delivery);

/** delivery_add_peer - keep a ledger for what goes to this target host. Once more: no effect. */
int delivery_add_peer(struct delivery *delivery, struct peer *peer, struct tcpc_err *err);

/** delivery_remove_peer - close its accounts, with all that is kept of them. */
void delivery_remove_peer(struct peer *peer);

/** delivery_peer_changed - its readiness may have changed: nothing is sent again, and no try
 * counts, while it takes no copies. */
void delivery_peer_changed(struct peer *peer);

/** delivery_is_behind - is there something to be sent first that was kept for it? Then all that is
 * copied must be kept too, or it would overtake that. NULL is fine. */
bool delivery_is_behind(const struct peer *peer);

/** delivery_receipts - what the target's TCP said; no effect without a ledger, as the next two. */
void delivery_receipts(struct peer *peer, const struct tcpc_receipt *receipts, unsigned int n);

/** delivery_held - the target's hold queue has [@seq, @end) of @flow, in host order. */
void delivery_held(struct peer *peer, const struct tcpc_flow *flow, __u32 seq, __u32 end);

/** delivery_shed - the target host has ended @flow itself, for an enum tcpc_feedback_shed_reason.
 */
void delivery_shed(struct peer *peer, const struct tcpc_flow *flow, __u32 reason);

/** delivery_read - look at what was copied up to now. No effect without a journal. */
void delivery_read(struct delivery *delivery);

/** delivery_ledger_of - the peer's ledger, borrowed, or NULL. */
const struct tcpc_ledger *delivery_ledger_of(const struct peer *peer);

/** delivery_stats - the counters of all parts but the ledgers'. */
void delivery_stats(const struct delivery *delivery, struct delivery_stats *ret,
		    struct tcpc_retention_stats *ret_journal, struct tcpc_resend_stats *ret_resend);

/* ---- online_sums.c ---- */

/** sums_tell - each target host hears how much was copied to it. */
void sums_tell(const struct tcpc_online *online);

/* ---- online_spread.c ---- */

/** Something has waited, and its time has come. */
typedef void (*spread_due)(void *user, __u32 target_id, const struct tcpc_flow *flow,
			   const struct tcpc_ledger_packet *packet);

/** spread_open - nothing waits yet. @due comes from @loop, for each connection in the order in
 * which its packets were added. NULL if out of memory. */
struct spread *spread_open(uv_loop_t *loop, spread_due due, void *user);

/** spread_close - what waits is forgotten, not released. NULL is fine. */
void spread_close(struct spread *spread);

/** spread_add - @packet, of @head, is due as @head says, @spread_ms later at most. Returns 0 or
 * -ENOMEM. */
int spread_add(struct spread *spread, const struct tcpc_journal_head *head, __u32 spread_ms,
	       const struct tcpc_ledger_packet *packet);

/** spread_ms_of - what --spread says where the packet came in; 0 if that has gone. */
__u32 spread_ms_of(const struct tcpc_online *online, const struct tcpc_journal_head *head);

/** spread_waiting - how many. */
__u64 spread_waiting(const struct spread *spread);

/* ---- online_choose.c ---- */

/** choice_publish - write the rule that follows from the tap as it is now, and let it hold. Its
 * target set has been written. Returns 0, -ENOSPC, -ENOMEM or what the kernel said. */
int choice_publish(struct tap *tap, struct tcpc_err *err);

/** choice_shrink - targets that are gone get nothing from now on. */
void choice_shrink(struct tap *tap);

/** choice_keeps_filter - is filter @set still needed for connections that run? Then @filter's lists
 * are taken over. */
bool choice_keeps_filter(struct tap *tap, __u32 set, const struct tcpc_filter_spec *filter);

/** choice_drop_filter - what choice_keeps_filter() took over goes. */
void choice_drop_filter(struct tap *tap);

/** choice_drain - let @target end the connections it has, for @seconds at most. Not yet published.
 */
void choice_drain(struct tap *tap, struct target *target, __u32 seconds);

/** choice_remove - take target number @index out, publish, let its peer go. */
int choice_remove(struct tap *tap, unsigned int index, struct tcpc_err *err);

/** choice_tick - once a second: what was changed long enough ago is complete. */
void choice_tick(struct tcpc_online *online);

/* ---- online_ramp.c ---- */

/** ramp_start - the share that is copied goes from what it is now to that of the tap's filter, in
 * @seconds, not counting those in which nothing is copied. Without memory for a timer it does so at
 * once. */
void ramp_start(struct tap *tap, __u32 seconds);

/** ramp_stop - it stays what it is. */
void ramp_stop(struct tap *tap);

/** ramp_left_s - how long it will take yet, rounded up; 0: there is no ramp. */
__u32 ramp_left_s(const struct tap *tap);

/* ---- online_guard.c ---- */

/** guard_open - look after @online's datapath from now on. Returns 0 or -ENOMEM. */
int guard_open(struct tcpc_online *online);

/** guard_close - the datapath goes. Harmless if it was not opened. */
void guard_close(struct tcpc_online *online);

/** guard_add_tap - give @tap a budget's place. Returns 0 or -ENOSPC. */
int guard_add_tap(struct tap *tap, struct tcpc_err *err);

/** guard_add_target - give a target of @online its gate. Returns 0 or -ENOSPC. */
int guard_add_target(struct tcpc_online *online, struct target *target, struct tcpc_err *err);

/** guard_remove_target - the gate is free again. */
void guard_remove_target(struct tcpc_online *online, const struct target *target);

/** guard_publish - write the tap's budget as its filter has it. @n_ready: targets that take
 * copies. */
void guard_publish(struct tap *tap, unsigned int n_ready);

/** guard_receipt - a SYN+ACK or RST of a target. */
void guard_receipt(struct peer *peer, const struct tcpc_receipt *receipt);

/** guard_show - all that has ever tripped and concerns @tap, as a JSON array. */
struct json_object *guard_show(const struct tap *tap);

/* ---- online.c ---- */

/** online_find_tap - where the tap of @iface hangs; points to NULL if there is none. */
struct tap **online_find_tap(struct tcpc_online *online, const char *iface);

/** online_remove_tap - detach and free it; the datapath goes with the last one. */
void online_remove_tap(struct tcpc_online *online, struct tap **at);

/* ---- online_replay.c ---- */

/** online_end_replays - all of them, their taps and devices too. */
void online_end_replays(struct tcpc_online *online);

/* ---- online_record.c ---- */

/** record_packet - a packet that the journal has read; while there are recordings. */
void record_packet(struct tcpc_online *online, const struct tcpc_journal_head *head);

/** record_forget - end the recording of @tap, which goes, with all that was copied until now. */
void record_forget(struct tap *tap);

/** record_show - the recording of @tap as JSON, owned by the caller; NULL if there was none. */
struct json_object *record_show(const struct tap *tap);

/* ---- online_wait.c ---- */

/** online_wait - answer @reply when the tap's peers have been heard of, or after a while. A wrong
 * key or version undoes the attach, or the target add of @endpoint if it @is_new. */
void online_wait(struct tap *tap, bool is_attach, bool is_new, const struct tcpc_endpoint *endpoint,
		 struct tcpc_reply *reply);

/** online_finish_waiter - answer now, as things stand. */
void online_finish_waiter(struct waiter *waiter);

/** online_peer_changed - a peer's readiness changed: publish its taps, wake those who wait. */
void online_peer_changed(struct tcpc_online *online, struct peer *peer);

#endif
