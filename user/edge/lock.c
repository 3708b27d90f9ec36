// SPDX-License-Identifier: GPL-2.0-only
/* lock.c - see lock.h. */
#include "edge/lock.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/file.h>

int tcpc_lock_take(const char *dir, const char *file, int *ret_fd, struct tcpc_err *err)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s%s%s", dir, *file ? "/" : "", file);
	fd = *file ? open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600)
		   : open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return tcpc_err_set(err, errno, "cannot open %s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return tcpc_err_set(err, EBUSY,
				    "another tcpcopyd uses %s; give each its own --run-dir and "
				    "--bpffs",
				    dir);
	}
	*ret_fd = fd;
	return 0;
}

int tcpc_lock_write(int fd, const char *text)
{
	size_t n = strlen(text);
	ssize_t written;

	if (ftruncate(fd, 0))
		return -errno;
	written = pwrite(fd, text, n, 0);
	return written < 0 ? -errno : written == (ssize_t)n ? 0 : -ENOSPC;
}

void tcpc_lock_read(int fd, char *ret, size_t size)
{
	ssize_t n = pread(fd, ret, size - 1, 0);

	ret[n < 0 ? 0 : n] = '\0';
}
