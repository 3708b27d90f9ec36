// SPDX-License-Identifier: GPL-2.0-only
/* netns.c - see netns.h. */
#include "core/netns.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static int check(const char *which, int n, size_t size, struct tcpc_err *err)
{
	if (*which && strcmp(which, ".") && strcmp(which, "..") && n >= 0 && (size_t)n < size)
		return 0;
	return tcpc_err_set(err, EINVAL,
			    "--netns is the name of a network namespace (`ip netns` lists them), "
			    "a path like /proc/1234/ns/net, or the number of a process in it, not "
			    "'%.80s'",
			    which);
}

int tcpc_netns_path(const char *which, char *ret, size_t size, struct tcpc_err *err)
{
	int n;

	if (strchr(which, '/'))
		n = snprintf(ret, size, "%s", which);
	else if (which[strspn(which, "0123456789")])
		n = snprintf(ret, size, "/run/netns/%s", which);
	else
		n = snprintf(ret, size, "/proc/%s/ns/net", which);
	return check(which, n, size, err);
}

int tcpc_netns_dir(const char *base, const char *which, char *ret, size_t size,
		   struct tcpc_err *err)
{
	const char *label = which + strspn(which, "/");
	int n = snprintf(ret, size, "%s-%s", base, label), r = check(which, n, size, err);

	for (char *p = ret + strlen(base); !r && *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr(".-_", *p))
			*p = '-';
	return r;
}
