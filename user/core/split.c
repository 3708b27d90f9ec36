// SPDX-License-Identifier: GPL-2.0-only
/* split.c - see split.h. */
#include "core/split.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tcpcopy/addr.h"
#include "tcpcopy/hash.h"

/** How much a target wants a part: the least comes first. */
struct wish {
	double score;
	__u16 part;
	__u16 target;
};

/* With u even in (0, 1], -ln(u) / weight is the least for a target as often as its weight says. */
static double score(const struct tcpc_split_target *t, __u32 part, const __u64 key[2])
{
	const struct tcpc_addr *a = &t->endpoint.addr;
	__u64 words[4] = {(__u64)tcpc_ntohl(a->w[0]) << 32 | tcpc_ntohl(a->w[1]),
			  (__u64)tcpc_ntohl(a->w[2]) << 32 | tcpc_ntohl(a->w[3]),
			  tcpc_ntohs(t->endpoint.port), part};
	__u64 h = tcpc_siphash_words(key, words, 4);

	return -log(((double)(h >> 11) + 1) / 9007199254740992.0 /* 2^53 */) / t->weight;
}

static int by_score(const void *a, const void *b)
{
	const struct wish *x = a, *y = b;

	return (x->score > y->score) - (x->score < y->score);
}

/* Parts for each: the whole ones that its weight asks for, and one more for those whose rest is
 * largest. */
static void share_out(const struct tcpc_split_target *list, unsigned int n, __u32 *ret)
{
	__u64 weights = 0, rest[TCPC_MAX_TARGETS];
	__u32 left = TCPC_SPLIT_SLOTS;

	for (unsigned int i = 0; i < n; i++)
		weights += list[i].weight;
	for (unsigned int i = 0; i < n; i++) {
		ret[i] = (__u64)TCPC_SPLIT_SLOTS * list[i].weight / weights;
		rest[i] = (__u64)TCPC_SPLIT_SLOTS * list[i].weight % weights;
		left -= ret[i];
	}
	for (; left; left--) {
		unsigned int most = 0;

		for (unsigned int i = 1; i < n; i++)
			if (rest[i] > rest[most])
				most = i;
		rest[most] = 0;
		ret[most]++;
	}
}

static int by_endpoint(const void *a, const void *b)
{
	const struct tcpc_split_target *x = a, *y = b;

	return memcmp(&x->endpoint, &y->endpoint, sizeof(x->endpoint));
}

static int build_family(const struct tcpc_split_target *list, unsigned int n, const __u64 key[2],
			__u8 ret[TCPC_SPLIT_SLOTS])
{
	__u32 left[TCPC_MAX_TARGETS];
	const __u32 n_wishes = n * TCPC_SPLIT_SLOTS;
	struct wish *wishes;

	memset(ret, TCPC_SPLIT_NONE, TCPC_SPLIT_SLOTS);
	if (!n)
		return 0;
	wishes = malloc(n_wishes * sizeof(*wishes));
	if (!wishes)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++)
		for (__u32 part = 0; part < TCPC_SPLIT_SLOTS; part++)
			wishes[i * TCPC_SPLIT_SLOTS + part] =
				(struct wish){score(&list[i], part, key), part, i};
	qsort(wishes, n_wishes, sizeof(*wishes), by_score);
	share_out(list, n, left);
	for (const struct wish *w = wishes; w < wishes + n_wishes; w++) {
		if (ret[w->part] != TCPC_SPLIT_NONE || !left[w->target])
			continue;
		left[w->target]--;
		ret[w->part] = list[w->target].slot;
	}
	free(wishes);
	return 0;
}

int tcpc_split_build(const struct tcpc_split_target *targets, unsigned int n, const __u64 key[2],
		     struct tcpc_split *ret)
{
	struct tcpc_split_target list[2][TCPC_MAX_TARGETS];
	unsigned int in[2] = {};
	int r;

	for (unsigned int i = 0; i < n; i++) {
		int v6 = !tcpc_addr_is_v4(&targets[i].endpoint.addr);

		if (targets[i].weight)
			list[v6][in[v6]++] = targets[i];
	}
	for (int v6 = 0; v6 < 2; v6++) {
		/* Ties must not depend on the order they were given in. */
		qsort(list[v6], in[v6], sizeof(list[v6][0]), by_endpoint);
		r = build_family(list[v6], in[v6], key, ret->slot[v6]);
		if (r)
			return r;
	}
	return 0;
}
