/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * feedback_sums.h - SUMS, the frame by which an online host says how much it has copied to this
 * target host, so that the target can show who sends what. Pure.
 */
#ifndef TCPCOPY_FEEDBACK_SUMS_H
#define TCPCOPY_FEEDBACK_SUMS_H

#include "tcpcopy/feedback.h"

/** What SUMS says: sums since the online host's ledger was opened. X(name, what it means). */
#define TCPC_FEEDBACK_SUM_FIELDS(X)                                                                \
	X(packets, "packets copied")                                                               \
	X(bytes, "bytes of payload copied")                                                        \
	X(opened, "connections that the target opened")                                            \
	X(exchanges, "requests copied")                                                            \
	X(lost, "requests lost")

#define TCPC_FEEDBACK_SUM_FIELD(name, text) __u64 name;
struct tcpc_feedback_sums {
	TCPC_FEEDBACK_SUM_FIELDS(TCPC_FEEDBACK_SUM_FIELD)
};
#undef TCPC_FEEDBACK_SUM_FIELD

/** tcpc_feedback_put_sums - fields of SUMS. */
static inline void tcpc_feedback_put_sums(struct tcpc_feedback_writer *w,
					  const struct tcpc_feedback_sums *sums)
{
	const __u64 *v = &sums->packets;
	__u32 i;

	for (i = 0; i < sizeof(*sums) / sizeof(*v); i++) {
		tcpc_feedback_put_u32(w, v[i] >> 32);
		tcpc_feedback_put_u32(w, v[i]);
	}
}

/** tcpc_feedback_get_sums - @ret is undefined unless TCPC_FEEDBACK_OK is returned. Whatever the
 * numbers are: they are only shown. */
static inline enum tcpc_feedback_reason tcpc_feedback_get_sums(struct tcpc_feedback_reader *r,
							       struct tcpc_feedback_sums *ret)
{
	__u64 *v = &ret->packets;
	__u32 i;

	for (i = 0; i < sizeof(*ret) / sizeof(*v); i++) {
		v[i] = (__u64)tcpc_feedback_take_u32(r) << 32;
		v[i] |= tcpc_feedback_take_u32(r);
	}
	return tcpc_feedback_done(r);
}

#endif
