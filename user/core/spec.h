/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * spec.h - a request, checked and typed: what a command asks for, after every check that needs no
 * look at the machine. Both tcpcopyctl (before it sends) and tcpcopyd (which trusts nobody) read
 * requests through these functions. Pure.
 *
 * A request is a JSON object {"command": "attach", "args": ["eth0"], "options": {"to": "..."}}
 * whose strings are just what the user typed.
 */
#ifndef TCPCOPY_CORE_SPEC_H
#define TCPCOPY_CORE_SPEC_H

#include <stdbool.h>
#include <net/if.h>

#include "core/err.h"
#include "core/text.h"
#include "tcpcopy/abi.h"

struct json_object;

/* Which connections are taken up in mid-stream: at what begins an HTTP request, at any request. */
enum tcpc_adopt { TCPC_ADOPT_HTTP, TCPC_ADOPT_ANY, TCPC_ADOPT_NONE };

/* How responses are kept inside: by NFQUEUE and the daemon, by a TC program. Values are those of
 * the feedback link. */
enum tcpc_engine { TCPC_ENGINE_NFQUEUE, TCPC_ENGINE_TC };

/* How copies travel. */
enum tcpc_via { TCPC_VIA_NONE, TCPC_VIA_VXLAN };

enum tcpc_hook { TCPC_HOOK_TC, TCPC_HOOK_TCX, TCPC_HOOK_CLSACT, TCPC_HOOK_XDP };

/* Where XDP runs: in the driver, behind it, or in the first of these that takes it. */
enum tcpc_xdp_mode { TCPC_XDP_AUTO, TCPC_XDP_NATIVE, TCPC_XDP_GENERIC };

/** What --hook xdp does with a port of mirrored traffic. */
struct tcpc_mirror_spec {
	enum tcpc_xdp_mode mode;
	bool drop_rest; /* end what is not copied */
	bool has_vni;	/* only packets wrapped with this number: VNI, GRE key, ERSPAN session */
	__u32 vni;
	bool local; /* to this host itself: packets just go on. The role knows */
};

/** A list of prefixes. @list is owned and freed with the spec that holds it. */
struct tcpc_prefix_list {
	struct tcpc_prefix *list;
	__u32 n;
};

/** How much may be copied, a second. 0: no bound. */
struct tcpc_budget_spec {
	bool has_pps, has_mbps, has_cpu; /* given; `filter set` leaves the others alone */
	__u32 max_pps;
	__u32 max_mbps;
	__u32 max_cpu; /* percent of one processor, all that this daemon does */
};

/** Which connections of a service are copied. */
struct tcpc_filter_spec {
	bool has_sample, has_clients, has_excludes, has_locals,
		has_vlans;	       /* given; `filter set` leaves the others alone */
	__u32 sample;		       /* 0..TCPC_SAMPLE_ALL, default all */
	__u32 sample_now;	       /* what holds, while it is on its way to @sample */
	__u32 ramp_s;		       /* how long that takes; 0: it is there at once */
	bool has_by_client, by_client; /* clients are sampled, not connections */
	struct tcpc_prefix_list clients;
	struct tcpc_prefix_list excludes;
	struct tcpc_prefix_list locals; /* addresses of this host; empty: all */
	__u32 n_vlans;			/* 0: all */
	__u16 vlans[TCPC_MAX_VLANS];	/* 0: no tag */
	struct tcpc_budget_spec budget;
};

/** How many copies, and where they come from. Of IPv6 and of IPv4. */
struct tcpc_copies_spec {
	__u32 n;		     /* of each connection, to each target */
	__u32 spread_ms;	     /* all but the first leave up to so much later */
	bool mapped[2];		     /* --source: the first copy, too, comes from the pool */
	struct tcpc_prefix pools[2]; /* of the others at least */
};

/** `attach`. */
struct tcpc_attach_spec {
	char iface[IFNAMSIZ];
	struct tcpc_endpoint targets[TCPC_MAX_TARGETS];
	__u32 n_targets;
	__u32 weights[TCPC_MAX_TARGETS]; /* of the targets, with @split */
	bool split;			 /* each connection goes to one target */
	__be16 ports[TCPC_MAX_PORTS];	 /* inbound; filled from the targets' when not given */
	__u32 n_ports;
	enum tcpc_hook hook;
	struct tcpc_mirror_spec mirror; /* with TCPC_HOOK_XDP */
	struct tcpc_filter_spec filter;
	struct tcpc_copies_spec copies;
	bool feedback_none;	 /* --feedback none, only together with --force */
	char feedback_host[256]; /* "": each target's own address */
	__u16 feedback_port;	 /* host order */
	bool force;
	bool recovery;	   /* send again what is lost */
	bool has_retain;   /* --retain was given */
	__u32 retain_mb;   /* memory for that */
	bool target_guard; /* spare targets in trouble */
	enum tcpc_via via;
};

/** `intercept`. */
struct tcpc_intercept_spec {
	char iface[IFNAMSIZ];
	__be16 ports[TCPC_MAX_PORTS];
	__u32 n_ports;
	enum tcpc_engine engine;
	bool has_listen; /* else port 36524 of every address */
	struct tcpc_endpoint listen;
	int queue_first, queue_last; /* -1: the daemon chooses */
	enum tcpc_adopt adopt;
	bool relaxed;	   /* --order relaxed: never hold */
	__u32 hold_mb;	   /* bound of the hold queue */
	__u32 max_lag_s;   /* how far behind a connection may be */
	__u32 idle_s;	   /* how long it may be silent */
	bool force;	   /* cut off the clients that are connected now */
	enum tcpc_via via; /* copies may come by a tunnel, too */
};

/** `record`. */
struct tcpc_record_spec {
	char iface[IFNAMSIZ];
	bool stop;
	const char *file; /* borrowed from the request; NULL with `stop` */
	bool force;
	__u64 rotate_bytes, limit_bytes;
	__u32 rotate_seconds;
	__u32 keep; /* files; 0: all */
};

/** `replay`: what is done with the files. Where it goes is an attach_spec, see below. */
struct tcpc_replay_spec {
	struct tcpc_attach_spec attach; /* of an interface that is still to be made */
	__u32 speed;			/* in 1/1000; 0: as fast as can be */
	__u64 max_gap_ns;		/* 0: pauses stay as they are */
	__u32 loops;
	__u32 concurrency;  /* 0: no bound */
	const char *filter; /* NULL: everything; borrowed from the request */
};

/** `detach`, `release`: one interface, or all. */
struct tcpc_iface_spec {
	char iface[IFNAMSIZ]; /* "": all */
	bool all;
};

/** `target list|add|del`. */
enum tcpc_list_verb { TCPC_VERB_LIST, TCPC_VERB_ADD, TCPC_VERB_DEL, TCPC_VERB_SET };

struct tcpc_target_spec {
	enum tcpc_list_verb verb;
	char iface[IFNAMSIZ]; /* "" only for list */
	struct tcpc_endpoint target;
	bool has_weight;
	__u32 weight;  /* default 1 */
	__u32 drain_s; /* how long connections may go on; 0: not at all */
};

/** `filter list|set`. */
struct tcpc_filter_cmd_spec {
	enum tcpc_list_verb verb;
	char iface[IFNAMSIZ]; /* "" only for list */
	struct tcpc_filter_spec filter;
};

/** `allow list|add|del`. */
struct tcpc_allow_spec {
	enum tcpc_list_verb verb;
	struct tcpc_prefix_list prefixes;
};

/*
 * Each reads a request. @request: borrowed.  @ret: set on success only; release with the matching
 * _free where there is one.  @err: says which word is wrong and what would be right.
 * Return 0 or -EINVAL (the user's input, exit status 2), -ENOMEM, -EOPNOTSUPP (a word of the
 * contract that this version does not do yet).
 */
int tcpc_spec_attach(struct json_object *request, struct tcpc_attach_spec *ret,
		     struct tcpc_err *err);
int tcpc_spec_intercept(struct json_object *request, struct tcpc_intercept_spec *ret,
			struct tcpc_err *err);
int tcpc_spec_iface(struct json_object *request, struct tcpc_iface_spec *ret, struct tcpc_err *err);
int tcpc_spec_target(struct json_object *request, struct tcpc_target_spec *ret,
		     struct tcpc_err *err);
int tcpc_spec_replay(struct json_object *request, struct tcpc_replay_spec *ret,
		     struct tcpc_err *err);
int tcpc_spec_filter(struct json_object *request, struct tcpc_filter_cmd_spec *ret,
		     struct tcpc_err *err);
int tcpc_spec_allow(struct json_object *request, struct tcpc_allow_spec *ret, struct tcpc_err *err);

/** tcpc_spec_copies_fit - can there be so many copies to @n_targets, @target among them? Returns 0,
 * or -EINVAL with the arithmetic. */
int tcpc_spec_copies_fit(const struct tcpc_copies_spec *spec, const struct tcpc_addr *target,
			 __u32 n_targets, struct tcpc_err *err);

/** tcpc_spec_pool - @prefix as the programs have it. */
struct tcpc_pool tcpc_spec_pool(const struct tcpc_prefix *prefix);

/** tcpc_spec_replay_attach - the request that attaches @iface as @request, a `replay`, wants it;
 * owned by the caller. Which clients are let through is not in it: the reader of the files knows.
 */
struct json_object *tcpc_spec_replay_attach(struct json_object *request, const char *iface);

/** Free what a spec owns; the spec itself stays with the caller. Harmless on a zeroed spec. */
void tcpc_spec_attach_free(struct tcpc_attach_spec *spec);
void tcpc_spec_replay_free(struct tcpc_replay_spec *spec);
int tcpc_spec_record(struct json_object *request, struct tcpc_record_spec *ret,
		     struct tcpc_err *err);
void tcpc_spec_filter_free(struct tcpc_filter_cmd_spec *spec);
void tcpc_spec_allow_free(struct tcpc_allow_spec *spec);

#endif
