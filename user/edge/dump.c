// SPDX-License-Identifier: GPL-2.0-only
/* dump.c - see dump.h. */
#include "edge/dump.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/pcapng.h"
#include "core/record.h"

#define BUFFER_BYTES (1u << 18)
#define MODE 0600 /* what clients send is nobody's business: passwords, cookies */

struct tcpc_dump {
	struct tcpc_dump_config config; /* without its path */
	char iface[64];
	char base[TCPC_RECORD_NAME_BYTES], name[TCPC_RECORD_NAME_BYTES];
	bool rotates, failed;
	int dir, fd;
	__u32 number, oldest;	    /* of files */
	__u64 file_bytes, in_files; /* with what waits; of files before that are still there */
	__u64 written;		    /* of this file */
	__u64 begun_ns;		    /* its first packet's time; 0: it has none */
	__u64 *sizes;		    /* of files, by number modulo `keep` + 1; NULL: all stay */
	struct tcpc_dump_stats stats;
	/* What waits, and what of it are packets. */
	size_t used;
	__u64 waiting_packets, waiting_bytes;
	__u8 buffer[BUFFER_BYTES] __attribute__((aligned(8)));
};

/* ---- names ------------------------------------------------------------------------------------
 */

static bool rotates(const struct tcpc_dump_config *config)
{
	return config->rotate_bytes || config->rotate_ns;
}

/* @ret_dir: of the directory of @path, opened. @ret_name: points into @path. */
static int open_dir(const char *path, int *ret_dir, const char **ret_name, struct tcpc_err *err)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? strndup(path, slash - path + 1) : strdup(".");
	int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, code = errno;

	free(dir);
	*ret_name = slash ? slash + 1 : path;
	if (fd < 0)
		return tcpc_err_set(err, code, "cannot write %.200s: its directory: %s", path,
				    strerror(code));
	*ret_dir = fd;
	if (**ret_name && strcmp(*ret_name, ".") && strcmp(*ret_name, ".."))
		return 0;
	close(fd);
	return tcpc_err_set(err, EISDIR, "%.200s is a directory; name a file in it", path);
}

static int in_the_way(const char *name, mode_t mode, bool force, struct tcpc_err *err)
{
	if (S_ISLNK(mode))
		return tcpc_err_set(
			err, ELOOP,
			"%.200s is a symbolic link, which is not followed; name the file "
			"itself",
			name);
	if (!S_ISREG(mode))
		return tcpc_err_set(err, S_ISDIR(mode) ? EISDIR : EEXIST,
				    "%.200s is no file; name one that is yet to be made", name);
	if (force)
		return 0;
	return tcpc_err_set(err, EEXIST, "%.200s exists; --force replaces it", name);
}

static int check_name(int dir, const char *name, bool force, struct tcpc_err *err)
{
	struct stat st;

	if (!fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return in_the_way(name, st.st_mode, force, err);
	if (errno == ENOENT)
		return 0;
	return tcpc_err_set(err, errno, "cannot write %.200s: %s", name, strerror(errno));
}

/* Files of an earlier recording would be taken for this one's. */
static int check_numbered(int dir, const char *base, bool force, struct tcpc_err *err)
{
	int r = 0, fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		r = tcpc_err_set(err, errno, "cannot read the directory of %.200s: %s", base,
				 strerror(errno));
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (!r && (e = readdir(d)))
		if (tcpc_record_is_numbered(base, e->d_name))
			r = check_name(dir, e->d_name, force, err);
	closedir(d);
	return r;
}

static int check_names(const struct tcpc_dump_config *config, int *ret_dir, const char **ret_base,
		       struct tcpc_err *err)
{
	char name[TCPC_RECORD_NAME_BYTES];
	int r = open_dir(config->path, ret_dir, ret_base, err);

	if (r)
		return r;
	if (tcpc_record_file_name(*ret_base, rotates(config), ~0U, name))
		r = tcpc_err_set(err, ENAMETOOLONG, "the name '%.80s...' is too long", *ret_base);
	r = r
		    ?: (rotates(config) ? check_numbered(*ret_dir, *ret_base, config->force, err)
					: check_name(*ret_dir, *ret_base, config->force, err));
	if (!r && faccessat(*ret_dir, ".", W_OK | X_OK, AT_EACCESS))
		r = tcpc_err_set(err, errno, "cannot write %.200s: its directory: %s", config->path,
				 strerror(errno));
	if (r)
		close(*ret_dir);
	return r;
}

int tcpc_dump_check(const struct tcpc_dump_config *config, struct tcpc_err *err)
{
	const char *base;
	int dir, r = check_names(config, &dir, &base, err);

	if (!r)
		close(dir);
	return r;
}

/* ---- files ------------------------------------------------------------------------------------
 */

static int failed(struct tcpc_dump *d, int code, struct tcpc_err *err)
{
	d->failed = true;
	return tcpc_err_set(err, code, "cannot write %.200s: %s", d->name, strerror(code));
}

/* What was written, of @done bytes of the buffer, in whole blocks; their packets are counted. */
static size_t whole_blocks(struct tcpc_dump *d, size_t done)
{
	struct tcpc_pcapng_block block;
	size_t at = 0;

	while (tcpc_pcapng_read(d->buffer + at, done - at, &block)) {
		d->stats.packets += block.is_packet;
		d->stats.bytes += block.packet_bytes;
		at += block.bytes;
	}
	return at;
}

/* A block that is only half there would make the file a damaged one. */
static int write_failed(struct tcpc_dump *d, int code, size_t done, struct tcpc_err *err)
{
	d->written += whole_blocks(d, done);
	d->file_bytes = d->written;
	d->used = 0;
	if (ftruncate(d->fd, d->written))
		return failed(d, errno, err);
	return failed(d, code, err);
}

int tcpc_dump_flush(struct tcpc_dump *d, struct tcpc_err *err)
{
	size_t done = 0;

	if (d->failed)
		return tcpc_err_set(err, EIO, "%.200s is over", d->name);
	while (done < d->used) {
		ssize_t n = write(d->fd, d->buffer + done, d->used - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return write_failed(d, n ? errno : EIO, done, err);
		done += n;
	}
	d->written += d->used;
	d->stats.packets += d->waiting_packets;
	d->stats.bytes += d->waiting_bytes;
	d->waiting_packets = d->waiting_bytes = d->used = 0;
	return 0;
}

static __u64 *size_of(struct tcpc_dump *d, __u32 number)
{
	return &d->sizes[number % (d->config.keep + 1)];
}

/* Whatever else may have its name by now goes: nobody but us was to have it. */
static void remove_oldest(struct tcpc_dump *d)
{
	char name[TCPC_RECORD_NAME_BYTES];

	if (!tcpc_record_file_name(d->base, true, d->oldest, name))
		unlinkat(d->dir, name, 0);
	d->in_files -= *size_of(d, d->oldest++);
}

/* O_EXCL follows no link and opens nothing that is there (open(2)). */
static int create(struct tcpc_dump *d)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(d->dir, d->name, flags, MODE);
	struct tcpc_err ignored;

	if (fd < 0 && errno == EEXIST && d->config.force &&
	    !check_name(d->dir, d->name, true, &ignored)) {
		unlinkat(d->dir, d->name, 0);
		fd = openat(d->dir, d->name, flags, MODE);
	}
	return fd;
}

static int begin_file(struct tcpc_dump *d, struct tcpc_err *err)
{
	const struct tcpc_pcapng_file file = {
		.link = TCPC_PCAPNG_LINK_RAW,
		.snap_bytes = TCPC_RECORD_PACKET_MAX,
		.writer = "tcpcopyctl " TCPC_VERSION,
		.iface = d->iface,
	};

	d->number++;
	tcpc_record_file_name(d->base, d->rotates, d->number, d->name);
	d->fd = create(d);
	if (d->fd < 0)
		return failed(d, errno, err);
	d->stats.files++;
	d->begun_ns = 0;
	d->written = 0;
	d->file_bytes = d->used = tcpc_pcapng_begin(&file, d->buffer);
	if (d->sizes && d->number - d->oldest >= d->config.keep)
		remove_oldest(d);
	return 0;
}

static int end_file(struct tcpc_dump *d, struct tcpc_err *err)
{
	int r = tcpc_dump_flush(d, err), fd = d->fd;

	d->fd = -1;
	/* Where writing is put off (NFS, quotas), this is where it fails. */
	if (close(fd) && !r)
		r = failed(d, errno, err);
	d->in_files += d->file_bytes;
	if (d->sizes)
		*size_of(d, d->number) = d->file_bytes;
	return r;
}

/* ---- packets ----------------------------------------------------------------------------------
 */

static bool is_full(const struct tcpc_dump *d, __u64 time_ns, size_t bytes)
{
	if (!d->begun_ns)
		return false;
	if (d->config.rotate_bytes && d->file_bytes + bytes > d->config.rotate_bytes)
		return true;
	/* A clock that was set back begins a new file too. */
	return d->config.rotate_ns &&
	       (time_ns < d->begun_ns || time_ns - d->begun_ns >= d->config.rotate_ns);
}

/* Old files make room for new ones, where that was asked for. */
static int keep_limit(struct tcpc_dump *d, size_t bytes, struct tcpc_err *err)
{
	int r;

	while (d->in_files + d->file_bytes + bytes > d->config.limit_bytes) {
		if (d->sizes && d->oldest != d->number) {
			remove_oldest(d);
			continue;
		}
		r = tcpc_dump_flush(d, err);
		d->failed = true;
		return r
			       ?: tcpc_err_set(err, EFBIG, "--limit-mb %llu is reached",
					       d->config.limit_bytes >> 20);
	}
	return 0;
}

int tcpc_dump_packet(struct tcpc_dump *d, __u64 time_ns, const void *packet, __u32 bytes,
		     struct tcpc_err *err)
{
	size_t block = tcpc_pcapng_packet_bytes(bytes);
	int r = 0;

	if (d->failed)
		return tcpc_err_set(err, EIO, "%.200s is over", d->name);
	if (is_full(d, time_ns, block))
		r = end_file(d, err) ?: begin_file(d, err);
	if (!r && d->used + block > sizeof(d->buffer))
		r = tcpc_dump_flush(d, err);
	r = r ?: keep_limit(d, block, err);
	if (r)
		return r;
	d->used += tcpc_pcapng_packet(time_ns, packet, bytes, d->buffer + d->used);
	d->file_bytes += block;
	d->begun_ns = d->begun_ns ?: time_ns ?: 1;
	d->waiting_packets++;
	d->waiting_bytes += bytes;
	return 0;
}

/* ---- life -------------------------------------------------------------------------------------
 */

int tcpc_dump_open(const struct tcpc_dump_config *config, struct tcpc_dump **ret,
		   struct tcpc_err *err)
{
	struct tcpc_dump *d = calloc(1, sizeof(*d));
	const char *base;
	int r, dir;

	if (!d)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	d->fd = d->dir = -1;
	d->config = *config;
	d->config.path = NULL;
	d->rotates = rotates(config);
	d->oldest = 1;
	if (config->keep && d->rotates)
		d->sizes = calloc((size_t)config->keep + 1, sizeof(*d->sizes));
	r = config->keep && d->rotates && !d->sizes ? tcpc_err_set(err, ENOMEM, "out of memory")
						    : check_names(config, &dir, &base, err);
	if (!r) {
		d->dir = dir;
		memccpy(d->base, base, 0, sizeof(d->base) - 1);
		memccpy(d->iface, config->iface, 0, sizeof(d->iface) - 1);
		r = begin_file(d, err) ?: tcpc_dump_flush(d, err);
	}
	if (r) {
		if (d->fd >= 0)
			unlinkat(d->dir, d->name, 0);
		tcpc_dump_close(d, NULL);
		return r;
	}
	*ret = d;
	return 0;
}

struct tcpc_dump_stats tcpc_dump_stats(const struct tcpc_dump *d)
{
	struct tcpc_dump_stats stats = d->stats;

	stats.file = d->name;
	return stats;
}

int tcpc_dump_close(struct tcpc_dump *d, struct tcpc_err *err)
{
	int r = 0;

	if (!d)
		return 0;
	if (d->fd >= 0 && !d->failed)
		r = end_file(d, err);
	if (d->fd >= 0)
		close(d->fd);
	if (d->dir >= 0)
		close(d->dir);
	free(d->sizes);
	free(d);
	return r;
}
