/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pins.h - what both roles do about pins that somebody has removed, or whose file system he has
 * unmounted. The programs go on without them; bpftool, the iptables rules of legacy tables (all of
 * them, when one is changed) and the next daemon, should this one be killed, do not.
 */
#ifndef TCPCOPY_ROLE_PINS_H
#define TCPCOPY_ROLE_PINS_H

#include <stdbool.h>

#include "core/err.h"

/** tcpc_pins_mounted - can pins be made below @bpffs? The directory is made, where a bpf file
 * system is; none is mounted. If not, @state says so, and it is logged once. */
bool tcpc_pins_mounted(const char *bpffs, struct tcpc_err *state);

/** tcpc_pins_note - what came of pinning again: @result and @err of tcpc_dp_..._pin_again(). Logs
 * what is new; @state: why pins are missing, its code 0 while none is. */
void tcpc_pins_note(int result, const struct tcpc_err *err, const char *bpffs,
		    struct tcpc_err *state);

#endif
