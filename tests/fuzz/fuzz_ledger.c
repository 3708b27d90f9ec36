// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_ledger.c - any bytes as events for the ledger: the sums add up after each, every record is
 * released once. Input: 4 bytes where numbers start, then events of 8 bytes.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../harness/ledger_chaos.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void must_be_right(const char *wrong)
{
	if (!wrong)
		return;
	fprintf(stderr, "fuzz_ledger: %s\n", wrong);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static struct chaos c;
	__u32 start;

	if (size < sizeof(start))
		return 0;
	memcpy(&start, input, sizeof(start));
	if (!chaos_begin(&c, start))
		abort();
	for (size_t at = sizeof(start); at + CHAOS_EVENT_BYTES <= size; at += CHAOS_EVENT_BYTES)
		must_be_right(chaos_event(&c, input + at));
	must_be_right(chaos_end(&c));
	return 0;
}
