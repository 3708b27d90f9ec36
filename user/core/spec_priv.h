/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * spec_priv.h - reading the words of a request, for spec.c alone. Requests have passed
 * tcpc_command_check() for form: every word is a string. Texts are borrowed from the request.
 */
#ifndef TCPCOPY_CORE_SPEC_PRIV_H
#define TCPCOPY_CORE_SPEC_PRIV_H

#include "core/spec.h"

#define SPEC_MAX_LIST 8192 /* prefixes in one command */

/** spec_option - option @name as typed ("true" for a flag), or NULL. */
const char *spec_option(struct json_object *request, const char *name);

/** spec_arg - word number @i behind the command, or NULL. */
const char *spec_arg(struct json_object *request, size_t i);

/** spec_n_args - how many words there are behind the command. */
size_t spec_n_args(struct json_object *request);

/** spec_command - the command's name. */
const char *spec_command(struct json_object *request);

/** spec_iface - word number @i as an interface name. Returns 0 or -EINVAL with @err set. */
int spec_iface(struct json_object *request, size_t i, char ret[IFNAMSIZ], struct tcpc_err *err);

/** spec_verb - the first word: list, add, ... @known: those the command has, as the error shows
 * them. Returns 0 or -EINVAL. */
int spec_verb(struct json_object *request, const char *known, enum tcpc_list_verb *ret,
	      struct tcpc_err *err);

/** spec_word_count - are there @least to @most words? @usage: what it says if not. */
int spec_word_count(struct json_object *request, size_t least, size_t most, const char *usage,
		    struct tcpc_err *err);

/** spec_sharing - --mode and --weight, behind the targets. Returns 0 or -EINVAL. */
int spec_sharing(struct json_object *request, struct tcpc_attach_spec *spec, struct tcpc_err *err);

/** spec_sample_by - --sample-by. Returns 0 or -EINVAL. */
int spec_sample_by(struct json_object *request, struct tcpc_filter_spec *f, struct tcpc_err *err);

/** spec_filter_options - those that say which connections are copied. Returns 0, -EINVAL or
 * -ENOMEM; what @f holds then is the caller's to free, too. */
int spec_filter_options(struct json_object *request, struct tcpc_filter_spec *f,
			struct tcpc_err *err);

/** spec_check_contradiction - no prefix is both wanted and not wanted. Returns 0 or -EINVAL. */
int spec_check_contradiction(const struct tcpc_filter_spec *f, struct tcpc_err *err);

/** spec_filter_free - free the lists of @f. */
void spec_filter_free(struct tcpc_filter_spec *f);

/** Called with each piece of a comma list; other than 0 ends the walk. */
typedef int (*spec_piece)(const char *piece, void *user, struct tcpc_err *err);

/** spec_each_piece - @text cut at its commas. Returns 0, what @cb returned, or -ENOMEM. */
int spec_each_piece(const char *text, spec_piece cb, void *user, struct tcpc_err *err);

/** spec_not_link_local - such an address means nothing without an interface, and the other host can
 * do nothing with it. @text: @addr as typed.  Returns 0 or -EINVAL. */
int spec_not_link_local(const struct tcpc_addr *addr, const char *text, struct tcpc_err *err);

/** spec_host - neither link-local nor an address that no host has (unspecified, multicast,
 * broadcast). @text: @addr as typed.  Returns 0 or -EINVAL. */
int spec_host(const struct tcpc_addr *addr, const char *text, struct tcpc_err *err);

/** spec_ports - option --port, which must be there. Returns 0, -EINVAL or -ENOMEM. */
int spec_ports(struct json_object *request, __be16 ports[TCPC_MAX_PORTS], __u32 *ret_n,
	       struct tcpc_err *err);

/** spec_recovery - options --recovery and --retain. @spec: what --feedback says is in it already.
 * Returns 0 or -EINVAL. */
int spec_recovery(struct json_object *request, struct tcpc_attach_spec *spec, struct tcpc_err *err);

/** spec_target_guard - option --target-guard. As above. */
int spec_target_guard(struct json_object *request, struct tcpc_attach_spec *spec,
		      struct tcpc_err *err);

/** spec_via - option --via. Returns 0, -EINVAL or -EOPNOTSUPP. */
int spec_via(struct json_object *request, enum tcpc_via *ret, struct tcpc_err *err);

/** spec_on_off - option @name. Not given: @ret is left alone. Returns 0 or -EINVAL. */
int spec_on_off(struct json_object *request, const char *name, bool *ret, struct tcpc_err *err);

/** spec_copies_options - --copies and --source; what can be checked without the targets. Returns 0,
 * -EINVAL or -ENOMEM. */
int spec_copies_options(struct json_object *request, struct tcpc_copies_spec *ret,
			struct tcpc_err *err);

/** spec_hook_options - --hook and what goes with it: --xdp-mode, --rest. Returns 0 or -EINVAL. */
int spec_hook_options(struct json_object *request, struct tcpc_attach_spec *ret,
		      struct tcpc_err *err);

/** spec_check_mirror - what --hook xdp does not do; the rest of @spec has been read. Returns 0 or
 * -EINVAL. */
int spec_check_mirror(const struct tcpc_attach_spec *spec, struct tcpc_err *err);

/** spec_add_prefix - a spec_piece: append @piece to the struct tcpc_prefix_list @user. What it
 * holds stays the caller's on failure, too. */
int spec_add_prefix(const char *piece, void *user, struct tcpc_err *err);

/** spec_free_prefixes - free what @list holds. Harmless on a zeroed list. */
void spec_free_prefixes(struct tcpc_prefix_list *list);

#endif
