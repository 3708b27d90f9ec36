// SPDX-License-Identifier: GPL-2.0-only
/* link_news.c - see link_news.h. */
#include "edge/link_news.h"

#include <stdlib.h>

#include "tcpcopy/feedback_trial.h"

int tcpc_link_news_init(struct tcpc_link_news *news)
{
	/* Not calloc: what no frame ever filled is never resident. */
	news->decoded = malloc(sizeof(*news->decoded));
	return news->decoded ? 0 : -ENOMEM;
}

static enum tcpc_feedback_reason read_services(struct tcpc_link_news *news,
					       struct tcpc_feedback_reader *body)
{
	enum tcpc_feedback_reason reason;
	struct tcpc_feedback_service s = {};

	reason = tcpc_feedback_get_services(body, &news->serial, &news->n);
	for (__u32 i = 0; !reason && i < news->n; i++) {
		reason = tcpc_feedback_get_service(body, &s);
		news->decoded->services[i] = (struct tcpc_link_service){
			.addr = s.addr,
			.port = s.port,
			.engine = s.engine,
			.tunnels = s.tunnels,
		};
	}
	return reason ? reason : tcpc_feedback_done(body);
}

static enum tcpc_feedback_reason read_allow(struct tcpc_link_news *news,
					    struct tcpc_feedback_reader *body)
{
	enum tcpc_feedback_reason reason;
	__u8 op = 0;

	reason = tcpc_feedback_get_allow(body, &news->serial, &op, &news->n);
	news->op = (enum tcpc_link_allow_op)op;
	for (__u32 i = 0; !reason && i < news->n; i++) {
		struct tcpc_prefix *prefix = &news->decoded->prefixes[i];

		reason = tcpc_feedback_get_prefix(body, &prefix->addr, &prefix->bits);
	}
	return reason ? reason : tcpc_feedback_done(body);
}

static enum tcpc_feedback_reason read_receipts(struct tcpc_link_news *news,
					       struct tcpc_feedback_reader *body)
{
	enum tcpc_feedback_reason reason;

	reason = tcpc_feedback_get_receipts(body, &news->n);
	for (__u32 i = 0; !reason && i < news->n; i++)
		reason = tcpc_feedback_get_receipt(body, &news->decoded->receipts[i]);
	return reason ? reason : tcpc_feedback_done(body);
}

static enum tcpc_feedback_reason read_held(struct tcpc_link_news *news,
					   struct tcpc_feedback_reader *body)
{
	enum tcpc_feedback_reason reason;

	reason = tcpc_feedback_get_news(body, &news->n);
	for (__u32 i = 0; !reason && i < news->n; i++)
		reason = tcpc_feedback_get_held(body, &news->decoded->held[i]);
	return reason ? reason : tcpc_feedback_done(body);
}

static enum tcpc_feedback_reason read_shed(struct tcpc_link_news *news,
					   struct tcpc_feedback_reader *body)
{
	enum tcpc_feedback_reason reason;

	reason = tcpc_feedback_get_news(body, &news->n);
	for (__u32 i = 0; !reason && i < news->n; i++)
		reason = tcpc_feedback_get_shed(body, &news->decoded->shed[i]);
	return reason ? reason : tcpc_feedback_done(body);
}

enum tcpc_feedback_reason tcpc_link_news_read(struct tcpc_link_news *news,
					      enum tcpc_feedback_type type,
					      struct tcpc_feedback_reader *body)
{
	switch (type) {
	case TCPC_FEEDBACK_SERVICES:
		return read_services(news, body);
	case TCPC_FEEDBACK_ALLOW:
		return read_allow(news, body);
	case TCPC_FEEDBACK_RECEIPTS:
		return read_receipts(news, body);
	case TCPC_FEEDBACK_HELD:
		return read_held(news, body);
	case TCPC_FEEDBACK_SHED:
		return read_shed(news, body);
	case TCPC_FEEDBACK_TRIAL:
		return tcpc_feedback_get_trial(body, false, &news->decoded->trial);
	default:
		return TCPC_FEEDBACK_STATE;
	}
}

void tcpc_link_news_tell(struct tcpc_link_news *news, enum tcpc_feedback_type type,
			 const struct tcpc_link_client_events *events, void *user)
{
	switch (type) {
	case TCPC_FEEDBACK_SERVICES:
		events->services(user, news->decoded->services, news->n);
		break;
	case TCPC_FEEDBACK_ALLOW:
		events->allow(user, news->op, news->decoded->prefixes, news->n);
		break;
	case TCPC_FEEDBACK_HELD:
		events->held(user, news->decoded->held, news->n);
		return;
	case TCPC_FEEDBACK_SHED:
		events->shed(user, news->decoded->shed, news->n);
		return;
	case TCPC_FEEDBACK_TRIAL:
		if (events->trial)
			events->trial(user, &news->decoded->trial);
		return;
	default:
		events->receipts(user, news->decoded->receipts, news->n);
		return;
	}
	/* A change, and it is made. */
	news->ack = true;
}

void tcpc_link_news_free(struct tcpc_link_news *news)
{
	free(news->decoded);
}
