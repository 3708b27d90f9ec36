/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * target_priv.h - what the target*.c files share: one room in several files.
 *
 * target.c          life of the datapath, `intercept`
 * target_engine.c   how responses are kept inside, and changing that while it runs
 * target_iface.c    interfaces that go, come back, change their names
 * target_link.c     what peers are told, and waiting until they have acted on it
 * target_rules.c    the iptables rules of both families
 * target_mend.c     putting back rules that others have flushed
 * target_release.c  `release` and stopping: the safe order
 * target_allow.c    the allow-list
 * target_age.c      what clients that vanished left
 * target_hold.c     the hold queue between its device and core/hold
 * target_pressure.c what this host cannot bear more of
 * target_sweep.c    what an earlier daemon left
 * target_clients.c  whom `intercept` would cut off
 * target_tunnel.c   ends of tunnels, by which copies may come (--via)
 * target_trial.c    the trial connections of `doctor`
 * target_show.c     status and counters as JSON
 */
#ifndef TCPCOPY_ROLE_TARGET_PRIV_H
#define TCPCOPY_ROLE_TARGET_PRIV_H

#include <stdatomic.h>

#include "core/netstat.h"
#include "edge/datapath.h"
#include "edge/iptables.h"
#include "edge/link.h"
#include "edge/netlink.h"
#include "edge/netwatch.h"
#include "edge/nfqueue.h"
#include "role/target.h"
#include "role/timer.h"

#define MAX_ADDRESSES 64 /* of one interface, that peers are told of */
#define MAX_PEER_NAMES TCPC_LINK_MAX_PEERS

/* SWITCHING, from one engine to the other, is as good as ACTIVE. MENDING: its rules were taken away
 * and are being put back; BROKEN: that has failed and is tried again. */
enum intercept_state {
	INTERCEPT_STARTING,
	INTERCEPT_ACTIVE,
	INTERCEPT_SWITCHING,
	INTERCEPT_RELEASING,
	INTERCEPT_MENDING,
	INTERCEPT_BROKEN,
};

/** One intercepted interface. */
struct intercept {
	struct intercept *next;
	struct tcpc_target_role *role;
	enum intercept_state state;
	char iface[IFNAMSIZ];
	int ifindex;		     /* 0: the interface is gone; waiting for one of its name */
	char absent[TCPC_ERR_BYTES]; /* what an interface that came back lacks */
	__be16 ports[TCPC_MAX_PORTS];
	unsigned int n_ports;
	struct tcpc_addr addresses[MAX_ADDRESSES];
	int n_addresses;
	int n_left_alone;	      /* IPv6 addresses, without @ipv6 */
	bool ipv6;		      /* its rules are in force */
	char no_ipv6[TCPC_ERR_BYTES]; /* why not */
	unsigned int queue_first, queue_last;
	unsigned int slot;		 /* first element of the queues map */
	struct tcpc_intercept_spec spec; /* as asked for; its engine is the one in force */
	struct tcpc_intercept service;	 /* what our programs read of it */
	struct tcpc_attachment align;
	struct tcpc_attachment absorb; /* engine tc only */
	bool tunnelled;		       /* copies may come by tunnels */
	int way;		       /* interface that tunnels lead to; 0: none does */
	unsigned char mac[6];	       /* of it */
	struct tcpc_nfqueue *nfq;
	struct hold_room *hold;		/* NULL with --order relaxed */
	atomic_bool hold_waits;		/* something is held, or may be soon; queue threads look */
	struct tcpc_iptables_rule rule; /* IPv4's, as it is in force */
	struct tcpc_iptables_rule rule6, rule_next;
	tcpc_iptables_done rules_done; /* of what is under way */
	struct tcpc_err rules_err;
	struct tcpc_reply *reply; /* of the command under way, or NULL */
	__u64 lost_ns;		  /* MENDING, BROKEN: since when */
	uv_timer_t *timer;	  /* BROKEN: the next try; RELEASING: the next pass */
	unsigned int passes;
};

struct allow_entry {
	struct tcpc_prefix prefix;
	enum tcpc_allow_state state;
};

/** Something that goes on once every peer has acted on a change. */
struct await {
	struct await *next;
	__u32 serial;
	void (*cb)(void *user);
	void *user;
};

/** The device of tunnels that carry one family. */
struct tunnel_end {
	int ifindex; /* 0: there is none */
	struct tcpc_attachment attachment;
	char absent[TCPC_ERR_BYTES]; /* why it could not be made */
};

/** An online host that is linked. */
struct online_host {
	char name[TCPC_TEXT_BYTES];
	__u64 since_ns; /* uv_hrtime() */
	bool has_sums;	/* it has said what it copied */
	struct tcpc_feedback_sums sums;
};

struct tcpc_target_role {
	struct tcpc_role_config config;
	struct tunnel_end tunnels[2];	   /* of IPv6 and of IPv4 */
	unsigned int n_tunnelled;	   /* intercepts that take copies out of them */
	char tag[TCPC_IPTABLES_TAG_BYTES]; /* marks our rules */
	struct tcpc_dp_target *dp;	   /* NULL while nothing is intercepted */
	struct tcpc_diag *diag;		   /* likewise */
	struct age_room *age;		   /* likewise */
	struct tcpc_link_server *link;	   /* likewise */
	struct pressure_room *pressure;	   /* likewise */
	struct tcpc_receipts *receipts;	   /* likewise: those of engine tc */
	__u64 receipts_lost;		   /* of engine tc, not taken by the link */
	struct tcpc_endpoint listen;	   /* port 0: the default */
	struct intercept *intercepts;
	struct allow_entry *allow;
	unsigned int n_allow;
	struct await *awaits;
	struct online_host peers[MAX_PEER_NAMES];
	unsigned int n_peers;
	uv_timer_t *addresses_timer;
	struct tcpc_netwatch *watch;
	struct tcpc_iptables_watch *rules_watch;
	int n_rules;	/* the most that were seen since we changed some; 0: not known */
	__u64 n_mended; /* times that rules were put back */
	struct tcpc_netstat netstat; /* when `doctor` looked last, or the first `intercept` came */
	struct trial *trials;
	atomic_uint n_trials; /* queue threads look */
	/* stopping */
	tcpc_target_done stopped;
	void *stopped_user;
	/* `release --all` under way */
	struct tcpc_reply *release_all;
	unsigned int n_released;
	unsigned int n_cleared;	 /* of an earlier daemon's */
	struct tcpc_err no_pins; /* why some are missing */
};

/* ---- target.c ---- */

/** intercept_free - take all of it out of the kernel but for the iptables rules, which must be gone
 * or never have been. Closes datapath and link with the last one. */
void intercept_free(struct intercept *intercept);

/** intercept_set_services - write @value for each of its ports, or delete them (NULL). */
int intercept_set_services(struct intercept *intercept, const struct tcpc_intercept *value,
			   struct tcpc_err *err);

/* ---- target_iface.c ---- */

/** intercept_hook - attach what belongs on its interface. Services must have been written. */
int intercept_hook(struct intercept *intercept, struct tcpc_err *err);

/** intercept_why - why nothing is copied to it, or "". */
void intercept_why(const struct intercept *intercept, char ret[TCPC_ERR_BYTES]);

/** target_on_netwatch - look at interfaces and addresses again. For tcpc_netwatch_start(). */
void target_on_netwatch(void *user, int gone_ifindex);

/* ---- target_engine.c ---- */

/** intercept_rule - the iptables rule for its engine. */
void intercept_rule(const struct intercept *intercept, struct tcpc_iptables_rule *ret);

/** intercept_is_active - responses stay inside, so copies may come. */
bool intercept_is_active(const struct intercept *intercept);

/**
 * intercept_switch - give @intercept, which is active, the engine of @spec. Answers @reply, at once
 * or later. Refuses a @spec that asks for anything else to change.
 */
void intercept_switch(struct intercept *intercept, const struct tcpc_intercept_spec *spec,
		      struct tcpc_reply *reply);

/** target_engine_name - as the user types it. */
const char *target_engine_name(enum tcpc_engine engine);

/* ---- target_link.c ---- */

/** target_open_link - listen, unless the link is there already; all intercepts share one.
 * @listen: NULL for the default. */
int target_open_link(struct tcpc_target_role *role, const struct tcpc_endpoint *listen,
		     struct tcpc_err *err);
void target_close_link(struct tcpc_target_role *role);

/** target_listen_text - where it listens; "*" is every address of both families. */
void target_listen_text(const struct tcpc_target_role *role, char text[TCPC_TEXT_BYTES]);

/** intercept_refresh_addresses - read the interface's addresses. Returns: did they change? */
bool intercept_refresh_addresses(struct intercept *intercept);

/** intercept_forget_addresses - responses from them need not stay inside any more. */
void intercept_forget_addresses(struct intercept *intercept);

/** target_refresh_addresses - do so for all, publish a change. */
void target_refresh_addresses(struct tcpc_target_role *role);

/** target_tell_held - peers hear that the hold queue has this of @flow, see ledger.h: `taken`. */
void target_tell_held(struct tcpc_target_role *role, const struct tcpc_flow *flow, __u32 seq,
		      __u32 end);

/** target_owner_of - the intercept in force that @flow's copies come to, or NULL. */
struct intercept *target_owner_of(const struct tcpc_target_role *role,
				  const struct tcpc_flow *flow);

/** target_tell_shed - peers hear that we, not the service, have ended @flow. To be called in
 * the turn of the loop in which it is ended: the reset that follows tells nothing new then. */
void target_tell_shed(struct tcpc_target_role *role, const struct tcpc_flow *flow,
		      enum tcpc_feedback_shed_reason reason);

/** target_run_awaits - nobody is left to wait for. */
void target_run_awaits(struct tcpc_target_role *role);

/** target_publish - tell peers what is intercepted now. Returns the change's serial. */
__u32 target_publish(struct tcpc_target_role *role);

/** target_await - call @cb once all peers have acted on change @serial; at once, but never from
 * within this call, if there is no link. Returns 0 or -ENOMEM. */
int target_await(struct tcpc_target_role *role, __u32 serial, void (*cb)(void *user), void *user);

/* ---- target_rules.c ---- */

/** intercept_install_rules - install those of both families; @done gets the intercept. Without
 * those for IPv6 it is no failure: intercept->no_ipv6 says why. Returns 0, else @done never comes.
 */
int intercept_install_rules(struct intercept *intercept, tcpc_iptables_done done,
			    struct tcpc_err *err);

/** intercept_replace_rules - put @now, for both families, in the place of what is in force, as
 * tcpc_iptables_replace() does. When @done gets an error, intercept->rule and rule6 tell how far it
 * came: IPv4's goes first. @done may come from within the call. Returns 0, else it never comes. */
int intercept_replace_rules(struct intercept *intercept, const struct tcpc_iptables_rule *now,
			    tcpc_iptables_done done, struct tcpc_err *err);

/** intercept_remove_rules - remove what was installed; @done may come from within the call. */
void intercept_remove_rules(struct intercept *intercept, tcpc_iptables_done done);

/* ---- target_mend.c ---- */

/** target_on_rules - so many of our rules are there: if some are missing, put them back. For
 * tcpc_iptables_watch_start(). */
void target_on_rules(void *user, int n_rules);

/* ---- target_hold.c ---- */

/** hold_open - make the hold queue of @intercept, which must not be in force yet. */
int hold_open(struct intercept *intercept, const struct tcpc_intercept_spec *spec,
	      struct tcpc_err *err);

/** hold_close - drop what is held; NULL is fine. */
void hold_close(struct hold_room *room);

/** hold_way_lost - an online host cannot be heard, see tcpc_hold_way_lost(). NULL is fine. */
void hold_way_lost(struct hold_room *room);

/** hold_give_to - what it gives back comes in by interface @ifindex from now on. NULL is fine. */
int hold_give_to(struct hold_room *room, int ifindex, struct tcpc_err *err);

/** hold_ifindex - its device, 0 without one. */
int hold_ifindex(const struct hold_room *room);

/** hold_receipts - the target has sent these. */
void hold_receipts(struct hold_room *room, const struct tcpc_receipt *receipts, unsigned int n);

/** hold_break - an online host gives a connection of @intercept up: end the target's half, and
 * forget what is held of it in front of what may open it anew. */
void hold_break(struct intercept *intercept, const struct tcpc_break *what);

/** hold_is_filling - is more than 7/8 of its memory in use; 3/4, if it @was? */
bool hold_is_filling(struct hold_room *room, bool was);

/** hold_add_stats - add its counters to @sum. */
void hold_add_stats(struct hold_room *room, struct tcpc_hold_stats *sum);

/* ---- target_age.c ---- */

/** age_open - begin to look after idle connections, as long as there is a datapath. */
int age_open(struct tcpc_target_role *role, struct tcpc_err *err);
void age_close(struct tcpc_target_role *role);

/** age_stats - its counters, borrowed; only while it is open. */
const struct tcpc_age_stats *age_stats(const struct tcpc_target_role *role);

/* ---- target_release.c ---- */

/** target_find - the intercept of an interface, or NULL. */
struct intercept *target_find(struct tcpc_target_role *role, const char *iface);

/** target_is_loopback - 127.0.0.0/8 or ::1. */
bool target_is_loopback(const struct tcpc_addr *addr);

/** intercept_copied - is it a copied connection: to an address of the interface, from neither this
 * host nor an allowed client? The port is not looked at. @intercept: as void, for sockdiag. */
bool intercept_copied(void *intercept, const struct tcpc_flow *flow);

/** intercept_release - begin; intercept->reply, if any, gets the outcome. */
void intercept_release(struct intercept *intercept);

/* ---- target_tunnel.c ---- */

/** tunnel_end_open - let copies for @intercept come by tunnels too, if its user wants that. The
 * devices are made for the first. Returns 0, also without a device for IPv6, or -errno. */
int tunnel_end_open(struct intercept *intercept, struct tcpc_err *err);

/** tunnel_end_close - no longer. Harmless if it was not open. */
void tunnel_end_close(struct intercept *intercept);

/** tunnel_end_here - @address may be reached by a tunnel. */
bool tunnel_end_here(const struct intercept *intercept, const struct tcpc_addr *address);

/** tunnel_end_mend - make devices again that are gone; follow the addresses of interfaces. */
void tunnel_end_mend(struct tcpc_target_role *role);

/* ---- target_pressure.c ---- */

/** pressure_open - look after it while there is a link. NULL: out of memory. */
struct pressure_room *pressure_open(struct tcpc_target_role *role);
void pressure_close(struct pressure_room *room);

/* ---- target_trial.c ---- */

/** trial_asked - a peer wants to send a SYN and know how far it gets. */
void trial_asked(struct tcpc_target_role *role, const struct tcpc_trial_note *note);

/** trial_is - is the connection of @flow a trial's? On any thread, while the datapath is open. */
bool trial_is(const struct tcpc_target_role *role, const struct tcpc_flow *flow);

/** trial_close - end them all. */
void trial_close(struct tcpc_target_role *role);

/* ---- target_clients.c ---- */

/** target_check_clients - 0 if nobody who is connected to the ports now would be cut off, or with
 * --force; else -EBUSY, @err names the first of them. */
int target_check_clients(const struct tcpc_target_role *role,
			 const struct tcpc_intercept_spec *spec, int ifindex, struct tcpc_err *err);

/* ---- target_allow.c ---- */

/** target_write_allow - write the whole allow-list into a datapath and link just opened. */
int target_write_allow(struct tcpc_target_role *role, struct tcpc_err *err);

/** target_allows - is @client one that uses the target itself? */
bool target_allows(const struct tcpc_target_role *role, const struct tcpc_addr *client);

#endif
