/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * iptables_program.h - which programs there may be: one for each family and variant. Private to
 * iptables.c.
 */
#ifndef TCPCOPY_EDGE_IPTABLES_PROGRAM_H
#define TCPCOPY_EDGE_IPTABLES_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"
#include "edge/iptables.h"

/** A program that may hold rules of ours. */
struct tcpc_iptables_place {
	bool ipv6;
	char program[TCPC_IPTABLES_PROGRAM_BYTES]; /* "": the default of the family */
};

/** All of them, IPv4's first; the first of each family is its default. */
#define TCPC_IPTABLES_PLACES 6
extern const struct tcpc_iptables_place tcpc_iptables_places[TCPC_IPTABLES_PLACES];

/** tcpc_iptables_program - the name of @place's program: TCPCOPY_IPTABLES in the environment names
 * the default, IPv6's is made of it. Returns 0, -EINVAL if that cannot be. */
int tcpc_iptables_program(const struct tcpc_iptables_place *place, char *ret, size_t size,
			  struct tcpc_err *err);

/** tcpc_iptables_may_hold - false if this kernel has no such tables, so that asking is needless or
 * would make them. */
bool tcpc_iptables_may_hold(const struct tcpc_iptables_place *place);

#endif
