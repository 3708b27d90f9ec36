/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * split.h - who gets which part of the connections (--mode split): weighted rendezvous hashing of
 * parts and targets, trimmed so that the numbers of parts are those that the weights ask for. Pure.
 *
 * The result depends on key, targets and weights alone, not on their order or on what was before:
 * hosts that share them choose alike, and a target that comes or goes moves little but its share.
 */
#ifndef TCPCOPY_CORE_SPLIT_H
#define TCPCOPY_CORE_SPLIT_H

#include "core/text.h"
#include "tcpcopy/abi.h"

#define TCPC_MAX_WEIGHT 1000

struct tcpc_split_target {
	struct tcpc_endpoint endpoint;
	__u32 weight; /* 0: gets nothing */
	__u32 slot;   /* what the table says for it */
};

/**
 * tcpc_split_build - fill @ret for both families.
 * @targets: at most TCPC_MAX_TARGETS.  @key: of the hash.
 * Returns 0 or -ENOMEM.
 */
int tcpc_split_build(const struct tcpc_split_target *targets, unsigned int n, const __u64 key[2],
		     struct tcpc_split *ret);

#endif
