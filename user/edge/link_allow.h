/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * link_allow.h - the allow-list as a set, kept to be told to new peers. Sorted, so that a change
 * of n prefixes is one merge. Private to link_*.c.
 */
#ifndef TCPCOPY_EDGE_LINK_ALLOW_H
#define TCPCOPY_EDGE_LINK_ALLOW_H

#include "core/text.h"

/** Zeroed: empty. */
struct tcpc_link_allow {
	struct tcpc_prefix *list; /* sorted, no two the same */
	__u32 n;
};

/* Both return 0, -ENOMEM, or -E2BIG for a set above TCPC_MAX_ALLOW; then the set is as it was. */

/** tcpc_link_allow_add - add @n prefixes; those that are there already change nothing. */
int tcpc_link_allow_add(struct tcpc_link_allow *set, const struct tcpc_prefix *prefixes, __u32 n);

/** tcpc_link_allow_del - remove @n prefixes; those that are not there change nothing. */
int tcpc_link_allow_del(struct tcpc_link_allow *set, const struct tcpc_prefix *prefixes, __u32 n);

/** tcpc_link_allow_clear - remove all and free the memory. */
void tcpc_link_allow_clear(struct tcpc_link_allow *set);

#endif
