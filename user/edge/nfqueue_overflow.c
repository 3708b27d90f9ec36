// SPDX-License-Identifier: GPL-2.0-only
/* nfqueue_overflow.c - see nfqueue_overflow.h. */
#include "edge/nfqueue_overflow.h"

#include <stdio.h>

void tcpc_nfqueue_overflow(unsigned int number, __u64 *ret)
{
	/* Of the calling thread's network namespace. */
	FILE *file = fopen("/proc/thread-self/net/netfilter/nfnetlink_queue", "re");
	unsigned long long dropped;
	unsigned int queue;
	char line[256];

	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%u %*u %*u %*u %*u %llu", &queue, &dropped) == 2 &&
		    queue == number)
			*ret = dropped;
	fclose(file);
}
