// SPDX-License-Identifier: GPL-2.0-only
/* knock.c - see knock.h. */
#include "core/knock.h"

#include "tcpcopy/addr.h"
#include "tcpcopy/hash.h"

#define MILLI 1000

static __u32 place_of(const struct tcpc_knock *knock, const struct tcpc_addr *from)
{
	__u64 words[1] = {(__u64)from->w[0] << 32 | from->w[1]};

	if (tcpc_addr_is_v4(from))
		words[0] = (__u64)from->w[2] << 32 | from->w[3];
	return tcpc_siphash_words(knock->key, words, 1) % TCPC_KNOCK_SOURCES;
}

bool tcpc_knock_pass(struct tcpc_knock *knock, const struct tcpc_addr *from, __u64 now_ms)
{
	const __u32 i = place_of(knock, from);
	const __u64 grown = (now_ms - knock->bucket[i].at_ms) * TCPC_KNOCK_PER_SECOND;
	__u32 *used = &knock->bucket[i].milli_used;

	*used -= grown < *used ? grown : *used;
	knock->bucket[i].at_ms = now_ms;
	if (*used > (TCPC_KNOCK_BURST - 1) * MILLI)
		return false;
	*used += MILLI;
	return true;
}

void tcpc_knock_prove(struct tcpc_knock *knock, const struct tcpc_addr *from)
{
	__u32 *used = &knock->bucket[place_of(knock, from)].milli_used;

	*used -= *used < MILLI ? *used : MILLI;
}
