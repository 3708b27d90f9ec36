// SPDX-License-Identifier: GPL-2.0-only
/* link_allow.c - see link_allow.h. */
#include "edge/link_allow.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	const struct tcpc_prefix *x = a, *y = b;
	int diff = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	return diff ? diff : (x->bits > y->bits) - (x->bits < y->bits);
}

/* A sorted copy of @prefixes without doubles. Returns NULL if out of memory. */
static struct tcpc_prefix *sorted(const struct tcpc_prefix *prefixes, __u32 *n)
{
	struct tcpc_prefix *list = malloc((*n + 1) * sizeof(*list));
	__u32 kept = 0;

	if (!list)
		return NULL;
	if (*n)
		memcpy(list, prefixes, *n * sizeof(*list));
	qsort(list, *n, sizeof(*list), compare);
	for (__u32 i = 0; i < *n; i++)
		if (!kept || compare(&list[kept - 1], &list[i]))
			list[kept++] = list[i];
	*n = kept;
	return list;
}

/* All of @a; with @join also what is only in @b, without it less what is in @b. Both sorted.
 * Returns how many were written to @out. */
static __u32 merge(struct tcpc_prefix *out, const struct tcpc_link_allow *a,
		   const struct tcpc_prefix *b, __u32 n_b, int join)
{
	__u32 i = 0, j = 0, n = 0;
	int order;

	while (i < a->n || j < n_b) {
		order = i == a->n ? 1 : j == n_b ? -1 : compare(&a->list[i], &b[j]);
		if (order < 0)
			out[n++] = a->list[i];
		else if (join)
			out[n++] = b[j];
		i += order <= 0;
		j += order >= 0;
	}
	return n;
}

static int change(struct tcpc_link_allow *set, const struct tcpc_prefix *prefixes, __u32 n,
		  int join)
{
	struct tcpc_prefix *list, *other;
	int ret = 0;

	if (n > TCPC_MAX_ALLOW)
		return -E2BIG;
	other = sorted(prefixes, &n);
	list = malloc((set->n + n + 1) * sizeof(*list));
	if (!other || !list) {
		ret = -ENOMEM;
		goto out;
	}
	n = merge(list, set, other, n, join);
	if (n > TCPC_MAX_ALLOW) {
		ret = -E2BIG;
		goto out;
	}
	free(set->list);
	set->list = list;
	set->n = n;
	list = NULL;
out:
	free(other);
	free(list);
	return ret;
}

int tcpc_link_allow_add(struct tcpc_link_allow *set, const struct tcpc_prefix *prefixes, __u32 n)
{
	return change(set, prefixes, n, 1);
}

int tcpc_link_allow_del(struct tcpc_link_allow *set, const struct tcpc_prefix *prefixes, __u32 n)
{
	return change(set, prefixes, n, 0);
}

void tcpc_link_allow_clear(struct tcpc_link_allow *set)
{
	free(set->list);
	set->list = NULL;
	set->n = 0;
}
