/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * choose.h - to which targets a connection goes, and that it stays so. Pure: time is an argument.
 *
 * The choice is a function of the connection and of a rule, so nothing has to be remembered while
 * the rule stays. When it changes, the old one goes on to hold for connections that run (they are
 * those whose SYN was not seen since), and both kinds that the rules treat differently are
 * remembered as they are met. Once that has gone on for long enough the old rule goes.
 */
#ifndef TCPCOPY_CHOOSE_H
#define TCPCOPY_CHOOSE_H

#include "tcpcopy/abi.h"
#include "tcpcopy/hash.h"

/** tcpc_choice_word - @now, @before: rules.  @flags: TCPC_CHOICE_*.  @active, @valid: bit n stands
 * for target n. */
static inline __u64 tcpc_choice_word(__u32 now, __u32 before, __u64 flags, __u16 active,
				     __u16 valid)
{
	return (__u64)valid << TCPC_CHOICE_VALID_SHIFT | (__u64)active << TCPC_CHOICE_ACTIVE_SHIFT |
	       flags | (before & (TCPC_MAX_RULES - 1)) << TCPC_CHOICE_RULE_BITS |
	       (now & (TCPC_MAX_RULES - 1));
}

/** tcpc_choice_now, tcpc_choice_before - the rules in a word. */
static inline __u32 tcpc_choice_now(__u64 word)
{
	return word & (TCPC_MAX_RULES - 1);
}

static inline __u32 tcpc_choice_before(__u64 word)
{
	return word >> TCPC_CHOICE_RULE_BITS & (TCPC_MAX_RULES - 1);
}

/**
 * tcpc_choice_targets - where a packet goes of a connection that was given @targets.
 * A connection that is copied to nobody stays so; one that is copied goes to targets that were
 * added, too, where each gets everything. Those that are gone get nothing.
 */
static inline __u32 tcpc_choice_targets(__u64 word, __u32 given)
{
	if (given && word & TCPC_CHOICE_ALL)
		given |= word >> TCPC_CHOICE_ACTIVE_SHIFT;
	return given & 0xffff & word >> TCPC_CHOICE_VALID_SHIFT;
}

/**
 * tcpc_choose_first - the lowest of the targets in @chosen (16 bits); the last place if there is
 * none. Without a branch or a loop: the verifier would follow each number by itself.
 */
static inline __u32 tcpc_choose_first(__u32 chosen)
{
	__u32 low = chosen & -chosen & 0xffff;
	__u32 none = 1 - ((low + 0xffff) >> 16);

	return none * (TCPC_MAX_TARGETS - 1) | ((low & 0xaaaa) + 0xffff) >> 16 |
	       ((low & 0xcccc) + 0xffff) >> 16 << 1 | ((low & 0xf0f0) + 0xffff) >> 16 << 2 |
	       ((low & 0xff00) + 0xffff) >> 16 << 3;
}

/** tcpc_split_part - the part of all connections that one with this hash is in. */
static inline __u32 tcpc_split_part(__u64 hash)
{
	return hash >> TCPC_SPLIT_SHIFT & (TCPC_SPLIT_SLOTS - 1);
}

#endif
