/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options_ref.h - the obvious way to blank TCP options: jump from option to option. The oracle for
 * options.h, which goes byte by byte for the sake of the BPF verifier. Keep it obvious.
 */
#ifndef TCPCOPY_TESTS_OPTIONS_REF_H
#define TCPCOPY_TESTS_OPTIONS_REF_H

#include <string.h>

#include "tcpcopy/options.h"

/** options_ref_blank - what tcpc_options_blank() must do, for any @len. */
static inline void options_ref_blank(__u8 *opts, __u32 len, __u64 blank, struct tcpc_options *found)
{
	__u32 at = 0;

	memset(found, 0, sizeof(*found));
	while (at < len && opts[at] != TCPC_OPT_EOL) {
		__u8 kind = opts[at];
		__u8 bytes;

		if (kind == TCPC_OPT_NOP) {
			at++;
			continue;
		}
		if (at + 1 == len || opts[at + 1] < 2 || at + opts[at + 1] > len) {
			found->malformed = 1;
			return;
		}
		bytes = opts[at + 1];
		if (kind < 64)
			found->kinds |= 1ULL << kind;
		if (kind < 64 && (blank & 1ULL << kind)) {
			memset(opts + at, TCPC_OPT_NOP, bytes);
			found->blanked += bytes;
		}
		at += bytes;
	}
}

#endif
