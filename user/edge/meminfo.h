/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * meminfo.h - how short of memory this host is, as the kernel says in /proc/meminfo and
 * /proc/pressure/memory.
 */
#ifndef TCPCOPY_EDGE_MEMINFO_H
#define TCPCOPY_EDGE_MEMINFO_H

/** tcpc_meminfo_read - what core/guard.h judges by. @ret_available: in thousandths of all memory.
 * @ret_stalled: of the last 10 s, in hundredths of a percent. -1: not known. */
void tcpc_meminfo_read(int *ret_available, int *ret_stalled);

#endif
