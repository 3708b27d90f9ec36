/* SPDX-License-Identifier: GPL-2.0-only */
/* nfqueue_config.h - what a queue is told before its first packet. For nfqueue.c alone. */
#ifndef TCPCOPY_EDGE_NFQUEUE_CONFIG_H
#define TCPCOPY_EDGE_NFQUEUE_CONFIG_H

#include <libmnl/libmnl.h>

/** tcpc_nfqueue_bind - take queue @number. Waits for the kernel's answer. Returns 0 or -errno:
 * -EBUSY or -EPERM if another program has it. */
int tcpc_nfqueue_bind(struct mnl_socket *nl, unsigned int number);

/** tcpc_nfqueue_set - how much of each packet, how many packets, and large ones uncut. Likewise. */
int tcpc_nfqueue_set(struct mnl_socket *nl, unsigned int number);

#endif
