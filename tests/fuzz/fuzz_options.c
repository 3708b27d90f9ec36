// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_options.c - any bytes as TCP options: blanking agrees with the reference walk, changes
 * nothing but what it has to and is done the first time; SACK blocks come from inside the options.
 *
 * Input: 8 bytes of kinds to blank, then the options (what goes beyond 40 bytes is ignored).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../harness/options_ref.h"

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* Bytes either stay or become NOP, as many as @found says at most (some were NOP before). */
static void check_changes(const __u8 *before, const __u8 *after, const struct tcpc_options *found)
{
	__u32 i, changed = 0;

	for (i = 0; i < TCPC_OPTIONS_MAX; i++)
		if (before[i] != after[i]) {
			MUST(after[i] == TCPC_OPT_NOP);
			changed++;
		}
	MUST(changed <= found->blanked);
}

/* A second walk finds what was kept, and nothing more to do. */
static void check_idempotent(const __u8 *once, __u32 len, __u64 blank,
			     const struct tcpc_options *found)
{
	__u8 twice[TCPC_OPTIONS_MAX];
	struct tcpc_options again;

	memcpy(twice, once, sizeof(twice));
	tcpc_options_blank(twice, len, blank, &again);
	MUST(!memcmp(twice, once, sizeof(twice)));
	MUST(!again.blanked && again.kinds == (found->kinds & ~blank));
	MUST(again.malformed == found->malformed);
}

static void check_blank(const __u8 *opts, __u32 len, __u64 blank)
{
	__u8 got[TCPC_OPTIONS_MAX] = {0}, want[TCPC_OPTIONS_MAX] = {0}, before[TCPC_OPTIONS_MAX];
	struct tcpc_options found, ref;

	memcpy(got, opts, len);
	memcpy(want, opts, len);
	memcpy(before, got, sizeof(before));
	tcpc_options_blank(got, len, blank, &found);
	options_ref_blank(want, len, blank, &ref);
	MUST(!memcmp(got, want, sizeof(got)));
	MUST(found.kinds == ref.kinds && found.blanked == ref.blanked);
	MUST(found.malformed == ref.malformed);
	check_changes(before, got, &found);
	check_idempotent(got, len, blank, &found);
}

/* @opts ends where its buffer ends. */
static void check_sack(const __u8 *opts, __u32 len)
{
	__u32 edges[10], i, max, blocks[5];
	__u8 copy[TCPC_OPTIONS_MAX] = {0};
	struct tcpc_options found;

	memcpy(copy, opts, len);
	options_ref_blank(copy, len, 0, &found);
	for (max = 0; max < 5; max++) {
		memset(edges, 0xa5, sizeof(edges));
		blocks[max] = tcpc_options_sack(opts, len, edges, max);
		MUST(blocks[max] <= max && blocks[max] * 8 + 2 <= len + 2);
		MUST(!max || blocks[max] >= blocks[max - 1]);
		for (i = 2 * blocks[max]; i < 10; i++)
			MUST(edges[i] == 0xa5a5a5a5);
	}
	if (!(found.kinds & TCPC_OPT_BIT(TCPC_OPT_SACK)))
		MUST(!blocks[4]);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	__u64 blank;
	__u8 *opts;
	__u32 len;

	if (size < sizeof(blank))
		return 0;
	memcpy(&blank, input, sizeof(blank));
	len = size - sizeof(blank);
	if (len > TCPC_OPTIONS_MAX)
		len = TCPC_OPTIONS_MAX;
	opts = malloc(len + !len);
	if (!opts)
		abort();
	memcpy(opts, input + sizeof(blank), len);
	check_blank(opts, len, blank);
	check_sack(opts, len);
	free(opts);
	return 0;
}
