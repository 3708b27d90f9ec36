// SPDX-License-Identifier: GPL-2.0-only
/*
 * key.c - see key.h. No copy of the key stays behind on the stack, and no part of it gets into an
 * error text.
 */
#include "edge/key.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sodium.h>

#define LEAST_DIFFERENT 12
#define KEY_DIGITS (2 * TCPC_KEY_BYTES)

/* Digits, newline, and one more byte to notice that the file goes on. */
#define KEY_READ_BYTES (KEY_DIGITS + 2)

#define KEY_RIGHT "write 64 hexadecimal digits into it, for example with 'tcpcopyctl key'"

static int check_file(int fd, const char *path, struct tcpc_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return tcpc_err_set(err, errno, "key file %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return tcpc_err_set(err, EINVAL, "key file %s is not a regular file: " KEY_RIGHT,
				    path);
	/* Its owner can read it, and change its mode, whatever that is. */
	if (st.st_uid && st.st_uid != geteuid())
		return tcpc_err_set(err, EACCES, "key file %s belongs to user %u: chown root %s",
				    path, st.st_uid, path);
	if (st.st_mode & 077)
		return tcpc_err_set(err, EACCES,
				    "key file %s is open to other users (mode %04o): chmod 600 %s",
				    path, (unsigned int)st.st_mode & 07777, path);
	return 0;
}

/* Returns the number of bytes read, up to @size. */
static ssize_t read_all(int fd, char *buf, size_t size)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = read(fd, buf + done, size - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		done += n;
	}
	return done;
}

/* 32 random bytes have 30 different values, give or take a few, and never as few as that: whoever
 * sees a handshake could try out a key that was typed. */
static bool is_random(const __u8 bytes[TCPC_KEY_BYTES])
{
	bool seen[256] = {};
	int different = 0;

	for (int i = 0; i < TCPC_KEY_BYTES; i++) {
		different += !seen[bytes[i]];
		seen[bytes[i]] = true;
	}
	sodium_memzero(seen, sizeof(seen));
	return different >= LEAST_DIFFERENT;
}

static int decode(const char *text, size_t n, const char *path, __u8 key[TCPC_KEY_BYTES],
		  struct tcpc_err *err)
{
	__u8 bytes[TCPC_KEY_BYTES];
	size_t n_bytes;
	int ret = 0;

	if (n == KEY_DIGITS + 1 && text[KEY_DIGITS] == '\n')
		n--;
	if (n != KEY_DIGITS)
		return tcpc_err_set(err, EINVAL, "key file %s has %s than 64 digits: " KEY_RIGHT,
				    path, n < KEY_DIGITS ? "less" : "more");
	if (sodium_hex2bin(bytes, sizeof(bytes), text, n, NULL, &n_bytes, NULL) ||
	    n_bytes != sizeof(bytes))
		ret = tcpc_err_set(err, EINVAL,
				   "key file %s holds something else than 0-9 and a-f: " KEY_RIGHT,
				   path);
	else if (!is_random(bytes))
		ret = tcpc_err_set(err, EINVAL,
				   "key file %s holds a key that is easy to guess: " KEY_RIGHT,
				   path);
	else
		memcpy(key, bytes, sizeof(bytes));
	sodium_memzero(bytes, sizeof(bytes));
	return ret;
}

int tcpc_key_load(const char *path, __u8 key[TCPC_KEY_BYTES], struct tcpc_err *err)
{
	char text[KEY_READ_BYTES];
	ssize_t n;
	int fd, ret;

	/* O_NONBLOCK: a FIFO without a writer must give an error, not hang the daemon. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return tcpc_err_set(err, errno, "key file %s: %s%s", path, strerror(errno),
				    errno == ENOENT ? "; `tcpcopyctl key` makes one, both hosts "
						      "need the same"
						    : "");
	ret = check_file(fd, path, err);
	if (ret)
		goto out;
	n = read_all(fd, text, sizeof(text));
	if (n < 0)
		ret = tcpc_err_set(err, -n, "key file %s: %s", path, strerror(-n));
	else
		ret = decode(text, n, path, key, err);
	sodium_memzero(text, sizeof(text));
out:
	close(fd);
	return ret;
}
