/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * link_news.h - what the target host tells the online host, from frames to structs. A frame is
 * read whole before anybody hears of it. Private to link_*.c.
 */
#ifndef TCPCOPY_EDGE_LINK_NEWS_H
#define TCPCOPY_EDGE_LINK_NEWS_H

#include "edge/link.h"
#include "tcpcopy/feedback.h"

union tcpc_link_decoded {
	struct tcpc_receipt receipts[TCPC_FEEDBACK_RECEIPTS_MAX];
	struct tcpc_link_service services[TCPC_FEEDBACK_SERVICES_MAX];
	struct tcpc_prefix prefixes[TCPC_FEEDBACK_PREFIXES_MAX];
	struct tcpc_held held[TCPC_FEEDBACK_HELD_MAX];
	struct tcpc_shed shed[TCPC_FEEDBACK_HELD_MAX];
	struct tcpc_trial_note trial;
};

struct tcpc_link_news {
	union tcpc_link_decoded *decoded; /* of the last frame */
	__u32 n;
	__u32 serial; /* of the last change */
	bool ack;     /* which was told and not acknowledged yet */
	enum tcpc_link_allow_op op;
};

/** tcpc_link_news_init - returns 0 or -ENOMEM. */
int tcpc_link_news_init(struct tcpc_link_news *news);

/** tcpc_link_news_read - decode the rest of a body that a target may send; other types are out of
 * place. Returns TCPC_FEEDBACK_OK, or why the frame is refused. */
enum tcpc_feedback_reason tcpc_link_news_read(struct tcpc_link_news *news,
					      enum tcpc_feedback_type type,
					      struct tcpc_feedback_reader *body);

/** tcpc_link_news_tell - call the event for what was read last, and note what to acknowledge. */
void tcpc_link_news_tell(struct tcpc_link_news *news, enum tcpc_feedback_type type,
			 const struct tcpc_link_client_events *events, void *user);

/** tcpc_link_news_free - free what @news owns. */
void tcpc_link_news_free(struct tcpc_link_news *news);

#endif
