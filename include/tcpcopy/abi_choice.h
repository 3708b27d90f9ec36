/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * abi_choice.h - the part of abi.h that says which connections go to which targets. Its rules hold
 * here too; what they mean is in choose.h.
 */
#ifndef TCPCOPY_ABI_CHOICE_H
#define TCPCOPY_ABI_CHOICE_H

#include <linux/types.h>

#define TCPC_SPLIT_SLOTS                                                                           \
	4096		     /* parts that --mode split cuts all connections into; a power of 2    \
			      */
#define TCPC_SPLIT_SHIFT 52  /* leaves the part of a 64-bit hash */
#define TCPC_SPLIT_NONE 0xff /* no target of this family */
#define TCPC_MAX_SPLITS 64   /* tables in use or just replaced */
#define TCPC_MAX_RULES 4096  /* rules in use or just replaced; as many as 12 bits can name */

/** Online: who gets each part. Written before a rule names it, then left alone. */
struct tcpc_split {
	__u8 slot[2][TCPC_SPLIT_SLOTS]; /* of IPv4 and of IPv6: index into a target set */
};

/* Flags of struct tcpc_rule. */
#define TCPC_RULE_CLIENTS (1u << 0)   /* as TCPC_SERVICE_CLIENTS */
#define TCPC_RULE_FILTER (1u << 1)    /* as TCPC_SERVICE_FILTER */
#define TCPC_RULE_SPLIT (1u << 2)     /* to one of the targets, after @split; else to all */
#define TCPC_RULE_BY_CLIENT (1u << 3) /* the client is sampled, with all its connections */
#define TCPC_RULE_LOCALS (1u << 4)    /* only to local addresses that the filter set has */
#define TCPC_MAX_VLANS 8

/** Online: what becomes of a connection. Written whole before a choice names it. */
struct tcpc_rule {
	__u32 flags;
	__u32 filter_set;
	__u32 sample;  /* 0..TCPC_SAMPLE_ALL */
	__u32 targets; /* bit n: target n of the set */
	__u32 split;   /* index into `splits` */
	__u32 n_vlans; /* 0: whatever tag a packet has */
	__u16 vlans[TCPC_MAX_VLANS];
};

/*
 * Which rules hold for an interface: all of it in one word, so that no packet sees half of a
 * change. From bit 0 on: rule of connections that begin (12 bits), of those that had begun before
 * (12), flags (8), targets that take new connections (16), targets that there are (16).
 */
#define TCPC_CHOICE_RULE_BITS 12
#define TCPC_CHOICE_LOOK (1ULL << 24)	/* some connections are remembered: look them up */
#define TCPC_CHOICE_MOVING (1ULL << 25) /* the second rule holds for unknown running ones */
#define TCPC_CHOICE_ALL (1ULL << 26)	/* running connections go to targets that were added, too */
#define TCPC_CHOICE_ACTIVE_SHIFT 32
#define TCPC_CHOICE_VALID_SHIFT 48

/** Online: of an interface; the index is its budget's. Shared memory. */
struct tcpc_choice {
	__u64 word;
};

_Static_assert(sizeof(struct tcpc_split) == 2 * TCPC_SPLIT_SLOTS, "ABI");
_Static_assert(sizeof(struct tcpc_rule) == 40, "ABI");
_Static_assert(TCPC_MAX_RULES == 1 << TCPC_CHOICE_RULE_BITS, "an index fits its bits");

#endif
