/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * firewall.h - what a host's iptables rules do to one packet, read from the text of iptables-save.
 * Pure. Only as exact as a diagnosis needs: a rule with a match that is not known here is passed
 * over, since it may match or not.
 */
#ifndef TCPCOPY_CORE_FIREWALL_H
#define TCPCOPY_CORE_FIREWALL_H

#include <stdbool.h>

#include "tcpcopy/abi.h"

#define TCPC_FIREWALL_RULE_BYTES 200

/** A TCP packet, as far as rules ask. Host order. */
struct tcpc_firewall_packet {
	const char *in, *out; /* interface, NULL where the hook has none */
	const char *state;    /* "NEW", "ESTABLISHED" */
	__u16 sport, dport;
	bool syn;
};

enum tcpc_firewall_verdict {
	TCPC_FIREWALL_PASS, /* accepted, or no such chain */
	TCPC_FIREWALL_DROP, /* DROP, REJECT, or the chain's policy */
	TCPC_FIREWALL_NAT,  /* goes to another address */
	TCPC_FIREWALL_OURS, /* our own rule queues it */
};

/**
 * tcpc_firewall_walk - what becomes of @packet in chain @chain of table @table.
 * @text: all that iptables-save prints.  @ret_rule: the rule that decided ("policy DROP" for a
 * policy), "" where none did.
 */
enum tcpc_firewall_verdict tcpc_firewall_walk(const char *text, const char *table,
					      const char *chain,
					      const struct tcpc_firewall_packet *packet,
					      char ret_rule[TCPC_FIREWALL_RULE_BYTES]);

/** tcpc_firewall_rules - number of rules in @text, those of tcpcopyd left out. */
unsigned int tcpc_firewall_rules(const char *text);

#endif
