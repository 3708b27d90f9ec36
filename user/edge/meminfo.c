// SPDX-License-Identifier: GPL-2.0-only
/* meminfo.c - see meminfo.h. */
#include "edge/meminfo.h"

#include <fcntl.h>
#include <unistd.h>

#include "core/guard.h"

/* Returns what the file holds, "" if it cannot be read. */
static const char *slurp(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, size - 1) : -1;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	return text;
}

void tcpc_meminfo_read(int *ret_available, int *ret_stalled)
{
	char text[4096];

	*ret_available = tcpc_guard_available(slurp("/proc/meminfo", text, sizeof(text)));
	*ret_stalled = tcpc_guard_stalled(slurp("/proc/pressure/memory", text, sizeof(text)));
}
