/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * online_hop.h - who takes copies next, by link addresses: XDP has no other way to send them, and
 * TC needs not ask for route and neighbour with each copy. The kernel goes on to look after its
 * neighbours: it is asked for them each second.
 */
#ifndef TCPCOPY_ROLE_ONLINE_HOP_H
#define TCPCOPY_ROLE_ONLINE_HOP_H

#include "role/online_priv.h"

/** hop_refresh - look up link addresses on the ways to the targets of @tap, as its routes are now.
 * Returns true if what is known of one has changed. */
bool hop_refresh(struct tap *tap);

/** hop_tick - each heartbeat: look again for what mirror ports cannot do without. */
void hop_tick(struct tcpc_online *online);

#endif
