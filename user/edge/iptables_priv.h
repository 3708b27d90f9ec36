/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * iptables_priv.h - an operation under way, as iptables.c (running, install, remove, replace) and
 * iptables_find.c share it. Nobody else includes it.
 */
#ifndef TCPCOPY_EDGE_IPTABLES_PRIV_H
#define TCPCOPY_EDGE_IPTABLES_PRIV_H

#include "edge/iptables_rule.h"
#include "edge/process.h"

#define PROGRAM_BYTES 256

struct op;
typedef void (*op_step)(struct op *op, const struct tcpc_process_end *end);

/* A rule of ours in the output of iptables-save. */
typedef void (*op_saved)(struct op *op, enum tcpc_iptables_kind kind,
			 struct tcpc_iptables_rule *rule);

enum variant { VARIANT_NFT = 1, VARIANT_LEGACY = 2 };

struct op {
	uv_loop_t *loop;
	tcpc_iptables_done done;
	tcpc_iptables_found found;
	void *user;
	op_step step; /* called when the present run ends */
	op_saved saved;
	struct tcpc_iptables_rule rule;	  /* to install or remove; tcpc_iptables_find(): the tag */
	struct tcpc_iptables_rule before; /* to be removed once @rule is there */
	char program[PROGRAM_BYTES];
	struct tcpc_err err;
	/* While iptables-save is read: */
	unsigned int position; /* in OUTPUT, from 1 */
	bool incompatible;     /* the table holds what iptables cannot show */
	bool seen_before;      /* another name of a program that was read already */
	unsigned int variants; /* enum variant bits, read so far */
	/* Removing: */
	enum tcpc_iptables_kind kind;
	bool tcp_only;		    /* the ICMP rule is another's, or stays */
	struct tcpc_err installing; /* why, if this undoes an install */
	unsigned int deleted, looks;
	unsigned int n_places, places[TCPC_IPTABLES_MAX_RULES];
	/* Finding: */
	bool too_many;
	unsigned int which, n_rules;
	struct tcpc_iptables_rule rules[TCPC_IPTABLES_MAX_RULES];
};

/** iptables_new_op - with a copy of @rule, whose family and program choose what is run. Returns 0
 * or -errno with @err set. */
int iptables_new_op(uv_loop_t *loop, const struct tcpc_iptables_rule *rule, void *user,
		    struct op **ret, struct tcpc_err *err);

/** iptables_started - hands @r, of the first step, on; frees @op if there will be no other. */
int iptables_started(struct op *op, int r);

/** iptables_run_save - read the filter table; @saved gets each rule that bears @op's tag. */
int iptables_run_save(struct op *op, op_saved saved, op_step step, struct tcpc_err *err);

/** iptables_check_save_end - 0, or -errno with @op->err set: nothing was read. */
int iptables_check_save_end(struct op *op, const struct tcpc_process_end *end);

/** iptables_finish - answer the caller and free @op. */
void iptables_finish(struct op *op, int status);

#endif
