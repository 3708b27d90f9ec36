/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fuzz.h - what fuzzers share: what has to be so, and input that ends where its memory ends.
 */
#ifndef TCPCOPY_TESTS_FUZZ_H
#define TCPCOPY_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/** fuzz_copy - @n bytes on their own, so that a byte too far is seen. free() it. */
static inline void *fuzz_copy(const void *bytes, size_t n)
{
	void *copy = malloc(n + !n);

	MUST(copy);
	memcpy(copy, bytes, n);
	return copy;
}

/** fuzz_take - the next @n bytes of the input, zeros where it has ended. */
static inline void fuzz_take(const uint8_t **input, size_t *size, void *to, size_t n)
{
	size_t have = *size < n ? *size : n;

	memset(to, 0, n);
	memcpy(to, *input, have);
	*input += have;
	*size -= have;
}

#endif
