/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * online_mirror.h - what a mirror port (--hook xdp) needs beside a tap: no traffic of this host's
 * own on it.
 */
#ifndef TCPCOPY_ROLE_ONLINE_MIRROR_H
#define TCPCOPY_ROLE_ONLINE_MIRROR_H

#include "role/online_priv.h"

/** mirror_check - may XDP take what comes in by @iface? Not if this host itself uses it: XDP cannot
 * clone. Targets of @spec do not count. Where one is this host itself recovery is taken out: there
 * is no way between. Returns 0 or -EBUSY, -EPROTONOSUPPORT. */
int mirror_check(const struct tcpc_iface *iface, struct tcpc_attach_spec *spec,
		 struct tcpc_err *err);

/** mirror_check_local - may @tap send to @addr of this host? With XDP, if it is an address of the
 * port itself: `align` looks at what comes in there. Returns 0, -EADDRNOTAVAIL, other -errno. */
int mirror_check_local(const struct tap *tap, const struct tcpc_addr *addr, struct tcpc_err *err);

/** mirror_check_target - is one more target, with this route, one too many? Returns 0 or
 * -EOPNOTSUPP. */
int mirror_check_target(const struct tap *tap, const struct tcpc_route *route,
			struct tcpc_err *err);

/** mirror_has_several - do copies of one packet go to several, or are there more than one, or from
 * another source? */
bool mirror_has_several(const struct tap *tap);

/** mirror_hook - attach to the interface, as asked for. Returns 0 or -errno. */
int mirror_hook(struct tap *tap, struct tcpc_err *err);

#endif
