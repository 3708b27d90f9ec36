// SPDX-License-Identifier: GPL-2.0-only
/* netns.c - see netns.h. */
#include "edge/netns.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "core/netns.h"

static const char *hint(int code)
{
	switch (code) {
	case ENOENT:
		return "; `ip netns` lists those with names, others go by a path or the number of "
		       "a "
		       "process";
	case EINVAL:
		return "; that is no network namespace";
	case EPERM:
		return "; it takes CAP_SYS_ADMIN: start tcpcopyd as root, or in a unit give "
		       "NetworkNamespacePath= instead";
	default:
		return "";
	}
}

int tcpc_netns_enter(const char *which, struct tcpc_err *err)
{
	int fd, code = 0, r;
	char path[PATH_MAX];

	r = tcpc_netns_path(which, path, sizeof(path), err);
	if (r)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		code = errno;
	if (fd >= 0)
		close(fd);
	return code ? tcpc_err_set(err, code, "cannot enter network namespace %.80s (%.200s): %s%s",
				   which, path, strerror(code), hint(code))
		    : 0;
}
