/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * online_trial.h - a SYN to each target and back, for `doctor`. A part of online_priv.h, which
 * includes it.
 */
#ifndef TCPCOPY_ROLE_ONLINE_TRIAL_H
#define TCPCOPY_ROLE_ONLINE_TRIAL_H

#include <stdbool.h>
#include <net/if.h>

#include "core/spec.h"
#include "tcpcopy/abi.h"
#include "tcpcopy/feedback_trial.h"

struct peer;
struct tcpc_online;

/** How far one SYN got. Times by uv_hrtime(), 0: not so far. */
struct online_trial {
	struct peer *peer; /* NULL: gone meanwhile */
	char iface[IFNAMSIZ];
	struct tcpc_endpoint endpoint;
	struct tcpc_flow flow;
	int ifindex; /* by which it leaves */
	__u32 seq, id;
	bool foreign;	  /* from an address that is not ours */
	bool stand_in;	  /* from an address that is nobody\'s: no client was copied yet */
	bool over;	  /* nothing more will come */
	__u32 stage;	  /* enum tcpc_trial_stage */
	__u32 sent;	  /* SYNs that left */
	int send_error;	  /* of the last one, or of asking: 0 or -errno */
	__u64 first_ns;	  /* the first SYN left */
	__u64 sent_ns;	  /* the last one */
	__u64 arrived_ns; /* the target's word that it is there has come */
	__u64 receipt_ns; /* the receipt of the target's SYN-ACK has */
};

/** Comes once. @list: valid during the call. */
typedef void (*online_trials_done)(void *user, const struct online_trial *list, unsigned int n);

/** online_trials - try every target of @iface ("": of all) that intercepts just what is copied to
 * it. @done comes within 2 s, never from within this call. Returns 0, else it never comes. */
int online_trials(struct tcpc_online *online, const char *iface, online_trials_done done,
		  void *user, struct tcpc_err *err);

/** online_trials_stop - end them; what they know so far is told. */
void online_trials_stop(struct tcpc_online *online);

/** online_trial_forget - the peer goes. */
void online_trial_forget(const struct peer *peer);

/* What a peer says. */
void online_trial_note(struct peer *peer, const struct tcpc_trial_note *note);
void online_trial_receipts(struct peer *peer, const struct tcpc_receipt *receipts, unsigned int n);

#endif
