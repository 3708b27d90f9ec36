/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * marks.h - what skb->mark says of a packet that the target's programs put back onto the interface
 * on which it came. align reads and clears it; tap, on the same interface in a cascade, has copied
 * the packet when it came.
 */
#ifndef TCPCOPY_MARKS_H
#define TCPCOPY_MARKS_H

#define TCPC_HOLD_MARK 0x7463686cu  /* back from the hold queue: not held again */
#define TCPC_AGAIN_MARK 0x74636167u /* after the reset of an old connection */
#define TCPC_LAST_MARK 0x74636c61u  /* after its SYN */
#define TCPC_TEXT_MARK 0x74637478u  /* a SYN whose data is to be taken by itself */

/** tcpc_mark_is_ours - has the target's half put this packet back? */
static inline int tcpc_mark_is_ours(unsigned int mark)
{
	return mark == TCPC_HOLD_MARK || mark == TCPC_AGAIN_MARK || mark == TCPC_LAST_MARK ||
	       mark == TCPC_TEXT_MARK;
}

#endif
