/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * feedback_trial.h - TRIAL, the frame by which both hosts follow one SYN on its way: `doctor` sends
 * it to see how far a copy gets. Pure.
 */
#ifndef TCPCOPY_FEEDBACK_TRIAL_H
#define TCPCOPY_FEEDBACK_TRIAL_H

#include "tcpcopy/feedback_held.h"

/** How far a trial has come. The online host says ASK, the target host all others. */
enum tcpc_trial_stage {
	TCPC_TRIAL_ASK,		/* a SYN of this flow is to come: do not open the connection */
	TCPC_TRIAL_READY,	/* let it come */
	TCPC_TRIAL_REFUSED,	/* not intercepted, client allowed, or too many at once */
	TCPC_TRIAL_NO_LISTENER, /* nobody listens there: align would drop the SYN */
	TCPC_TRIAL_ARRIVED,	/* align has seen the SYN, and a listener for it */
	TCPC_TRIAL_ANSWERED, /* the target's TCP has answered; the half-open connection is gone */
	__TCPC_TRIAL_STAGE_MAX,
};

/** What a TRIAL says. */
struct tcpc_trial_note {
	struct tcpc_flow flow;
	__u32 id; /* the online host's, any number */
	__u32 stage;
};

/** tcpc_feedback_put_trial - fields of TRIAL. */
static inline void tcpc_feedback_put_trial(struct tcpc_feedback_writer *w,
					   const struct tcpc_trial_note *note)
{
	int v4 = tcpc_feedback_flow_is_v4(&note->flow);

	tcpc_feedback_put_u32(w, note->id);
	tcpc_feedback_put_u8(w, note->stage);
	tcpc_feedback_put_u8(w, v4 ? TCPC_FEEDBACK_RECEIPT_V4 : 0);
	tcpc_feedback_put_flow(w, &note->flow, v4);
}

/** tcpc_feedback_get_trial - @ret: all of it is set; undefined unless TCPC_FEEDBACK_OK is returned.
 * @from_online: what the online host may say is ASK, and nobody else may. */
static inline enum tcpc_feedback_reason tcpc_feedback_get_trial(struct tcpc_feedback_reader *r,
								int from_online,
								struct tcpc_trial_note *ret)
{
	__u8 head;

	ret->id = tcpc_feedback_take_u32(r);
	ret->stage = tcpc_feedback_take_u8(r);
	head = tcpc_feedback_take_u8(r);
	if (head & ~TCPC_FEEDBACK_RECEIPT_V4)
		return TCPC_FEEDBACK_VALUE;
	tcpc_feedback_take_flow(r, &ret->flow, head);
	if (r->failed)
		return TCPC_FEEDBACK_SHORT;
	if (ret->stage >= __TCPC_TRIAL_STAGE_MAX ||
	    (ret->stage == TCPC_TRIAL_ASK) != !!from_online ||
	    !tcpc_feedback_form_ok(&ret->flow, head))
		return TCPC_FEEDBACK_VALUE;
	return tcpc_feedback_done(r);
}

#endif
