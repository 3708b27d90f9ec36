// SPDX-License-Identifier: GPL-2.0-only
/* control_peer.c - who is at the other end of the control socket, see control_priv.h. */
#include "edge/control_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS /* libc headers before 2.27 */
#define SO_PEERGROUPS 59
#endif

int tcpc_control_peer_read(int fd, struct tcpc_control_peer *ret)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	*ret = (struct tcpc_control_peer){cred.pid, cred.uid, cred.gid};
	return 0;
}

/* The groups that the process had when it connected, not those of the user database: who was taken
 * out of a group keeps it until he logs in again, as with every file. */
static bool has_group(int fd, gid_t group)
{
	socklen_t bytes = 0;
	gid_t *groups;
	bool found = false;

	/* With no room it says how much is needed. */
	/* cppcheck-suppress nullPointer */
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &bytes) || errno != ERANGE)
		return false;
	groups = malloc(bytes);
	if (groups && !getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes))
		for (size_t i = 0; i < bytes / sizeof(*groups); i++)
			found = found || groups[i] == group;
	free(groups);
	return found;
}

bool tcpc_control_peer_may(int fd, const struct tcpc_control_peer *peer, gid_t group)
{
	if (peer->uid == 0 || peer->uid == geteuid())
		return true;
	return group != (gid_t)-1 && (peer->gid == group || has_group(fd, group));
}
