/* SPDX-License-Identifier: GPL-2.0-only */
/* nfqueue_overflow.h - what the kernel itself says of a queue. For nfqueue.c alone. */
#ifndef TCPCOPY_EDGE_NFQUEUE_OVERFLOW_H
#define TCPCOPY_EDGE_NFQUEUE_OVERFLOW_H

#include <linux/types.h>

/** tcpc_nfqueue_overflow - packets that the kernel dropped because queue @number was full, counted
 * by the kernel since the queue was bound (invariant 5). @ret: left alone if that cannot be read.
 */
void tcpc_nfqueue_overflow(unsigned int number, __u64 *ret);

#endif
