// SPDX-License-Identifier: GPL-2.0-only
/* gate.c - see gate.h. */
#include "core/gate.h"

#include "tcpcopy/addr.h"
#include "tcpcopy/hash.h"

#define MILLI 1000

static __u32 place_of(const struct tcpc_gate *gate, const struct tcpc_addr *from)
{
	__u64 words[1] = {(__u64)from->w[0] << 32 | from->w[1]};

	if (tcpc_addr_is_v4(from))
		words[0] = (__u64)from->w[2] << 32 | from->w[3];
	return tcpc_siphash_words(gate->key, words, 1) % TCPC_GATE_SOURCES;
}

bool tcpc_gate_pass(struct tcpc_gate *gate, const struct tcpc_addr *from, __u64 now_ms)
{
	const __u32 i = place_of(gate, from);
	const __u64 grown = (now_ms - gate->bucket[i].at_ms) * TCPC_GATE_PER_SECOND;
	__u32 *used = &gate->bucket[i].milli_used;

	*used -= grown < *used ? grown : *used;
	gate->bucket[i].at_ms = now_ms;
	if (*used > (TCPC_GATE_BURST - 1) * MILLI)
		return false;
	*used += MILLI;
	return true;
}

void tcpc_gate_prove(struct tcpc_gate *gate, const struct tcpc_addr *from)
{
	__u32 *used = &gate->bucket[place_of(gate, from)].milli_used;

	*used -= *used < MILLI ? *used : MILLI;
}
