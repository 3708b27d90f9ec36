// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_dump.c - files of a recording: what is in the way, when the next one begins, which go, and
 * that a file ends with a whole packet when it cannot be written any more.
 */
#include "../harness/words.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edge/capture.h"
#include "edge/dump.h"

#define S 1000000000ULL
#define PACKET 1000

static char dir[64];
static __u8 packet[65536];

static const char *in_dir(const char *name)
{
	static char paths[32][128]; /* so many are in use at a time */
	static int n;
	char *path = paths[n++ % COUNT_OF(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static int enter(void **state)
{
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	return mkdtemp(strcpy(dir, "/tmp/tcpc-dump-XXXXXX")) ? 0 : -1;
}

static int leave(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static struct tcpc_dump_config config_for(const char *name)
{
	return (struct tcpc_dump_config){
		.path = in_dir(name), .iface = "eth0", .limit_bytes = 1 << 30};
}

static struct tcpc_dump *open_dump(const struct tcpc_dump_config *config)
{
	struct tcpc_dump *dump = NULL;
	struct tcpc_err err = words_no_err;

	expect_success(config->path, tcpc_dump_check(config, &err), &err);
	expect_success(config->path, tcpc_dump_open(config, &dump, &err), &err);
	return dump;
}

static void add(struct tcpc_dump *dump, __u64 time_ns, __u32 bytes)
{
	struct tcpc_err err = words_no_err;

	expect_success("packet", tcpc_dump_packet(dump, time_ns, packet, bytes, &err), &err);
}

static void close_dump(struct tcpc_dump *dump)
{
	struct tcpc_err err = words_no_err;

	expect_success("close", tcpc_dump_close(dump, &err), &err);
}

/* How many packets a file has; -1: there is none. Anything behind the last one is a failure. */
static int packets_in(const char *name)
{
	struct tcpc_capture_frame frame;
	struct tcpc_capture *c;
	struct tcpc_err err;
	int n = 0, r;

	if (access(in_dir(name), F_OK))
		return -1;
	if (tcpc_capture_open(in_dir(name), NULL, &c, &err))
		expect_fail("%s", err.text);
	while ((r = tcpc_capture_next(c, &frame, &err)) == 1)
		n++;
	if (r)
		expect_fail("%s", err.text);
	tcpc_capture_close(c);
	return n;
}

static void make_file(const char *name)
{
	FILE *f = fopen(in_dir(name), "w");

	assert_non_null(f);
	fputs("mine", f);
	fclose(f);
}

/* ---- one file -------------------------------------------------------------------------------- */

static void test_one(void **state)
{
	struct tcpc_dump_config config = config_for("one.pcapng");
	struct tcpc_dump *dump = open_dump(&config);
	struct stat st;

	(void)state;
	expect_u64("one", "a file without packets is whole", packets_in("one.pcapng"), 0);
	for (int i = 0; i < 1000; i++)
		add(dump, S + i, i);
	add(dump, 2 * S, 65536);
	close_dump(dump);
	expect_u64("one", "packets", packets_in("one.pcapng"), 1001);
	assert_int_equal(stat(in_dir("one.pcapng"), &st), 0);
	expect_u64("one", "mode", st.st_mode & 07777, 0600);
	close_dump(NULL);
}

static void test_in_the_way(void **state)
{
	static const struct {
		const char *name;
		bool force;
		int code;
		const char *part;
	} table[] = {
		{"file", false, EEXIST, "--force replaces it"},
		{"link", false, ELOOP, "symbolic link"},
		{"link", true, ELOOP, "symbolic link"},
		{"nowhere", true, ELOOP, "symbolic link"},
		{"dir", true, EISDIR, "is no file"},
		{"dir/", true, EISDIR, "is a directory"},
		{"fifo", true, EEXIST, "is no file"},
		{"none/a", true, ENOENT, "its directory"},
		{"file/a", true, ENOTDIR, "its directory"},
	};

	(void)state;
	make_file("file");
	assert_int_equal(symlink("file", in_dir("link")), 0);
	assert_int_equal(symlink("absent", in_dir("nowhere")), 0);
	assert_int_equal(mkdir(in_dir("dir"), 0700), 0);
	assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		struct tcpc_dump_config config = config_for(table[i].name);
		struct tcpc_err err = words_no_err;
		struct tcpc_dump *dump = NULL;

		config.force = table[i].force;
		expect_error(table[i].name, tcpc_dump_check(&config, &err), &err, table[i].code,
			     table[i].part);
		err = words_no_err;
		expect_error(table[i].name, tcpc_dump_open(&config, &dump, &err), &err,
			     table[i].code, table[i].part);
		assert_null(dump);
	}
	assert_int_equal(access(in_dir("absent"), F_OK), -1);
}

static void test_force(void **state)
{
	struct tcpc_dump_config config = config_for("old");
	struct tcpc_dump *dump;
	struct stat st;

	(void)state;
	make_file("old");
	assert_int_equal(link(in_dir("old"), in_dir("other")), 0);
	config.force = true;
	dump = open_dump(&config);
	add(dump, S, PACKET);
	close_dump(dump);
	expect_u64("force", "packets", packets_in("old"), 1);
	/* It is another file: who has the old one, by whatever name, still has it. */
	assert_int_equal(stat(in_dir("other"), &st), 0);
	expect_u64("force", "the old one", st.st_size, 4);
}

/* ---- several --------------------------------------------------------------------------------- */

static void test_by_size(void **state)
{
	struct tcpc_dump_config config = config_for("size.pcapng");
	struct tcpc_dump *dump;
	struct stat st;
	int n = 0;

	(void)state;
	config.rotate_bytes = 5000;
	dump = open_dump(&config);
	for (int i = 0; i < 10; i++)
		add(dump, S, PACKET);
	add(dump, S, 20000); /* more than a file may have: it has one by itself */
	add(dump, S, PACKET);
	close_dump(dump);
	expect_u64("size", "1", packets_in("size-00001.pcapng"), 4);
	expect_u64("size", "2", packets_in("size-00002.pcapng"), 4);
	expect_u64("size", "3", packets_in("size-00003.pcapng"), 2);
	expect_u64("size", "4", packets_in("size-00004.pcapng"), 1);
	expect_u64("size", "5", packets_in("size-00005.pcapng"), 1);
	expect_u64("size", "6", packets_in("size-00006.pcapng"), -1);
	for (n = 1; n <= 3; n++) {
		char name[32];

		snprintf(name, sizeof(name), "size-0000%d.pcapng", n);
		assert_int_equal(stat(in_dir(name), &st), 0);
		expect_true(name, "within its size", st.st_size <= 5000);
	}
}

static void test_by_time(void **state)
{
	struct tcpc_dump_config config = config_for("time.pcapng");
	struct tcpc_dump *dump;

	(void)state;
	config.rotate_ns = 2 * S;
	dump = open_dump(&config);
	add(dump, 100 * S, PACKET);
	add(dump, 102 * S - 1, PACKET);
	add(dump, 102 * S, PACKET);
	add(dump, 103 * S, PACKET);
	add(dump, 50 * S, PACKET); /* the clock was set back */
	add(dump, 51 * S, PACKET);
	close_dump(dump);
	expect_u64("time", "1", packets_in("time-00001.pcapng"), 2);
	expect_u64("time", "2", packets_in("time-00002.pcapng"), 2);
	expect_u64("time", "3", packets_in("time-00003.pcapng"), 2);
	expect_u64("time", "4", packets_in("time-00004.pcapng"), -1);
}

static void test_keep(void **state)
{
	struct tcpc_dump_config config = config_for("keep");
	struct tcpc_dump *dump;

	(void)state;
	config.rotate_bytes = 5000;
	config.keep = 2;
	dump = open_dump(&config);
	for (int i = 0; i < 18; i++)
		add(dump, S, PACKET);
	expect_u64("keep", "begun", tcpc_dump_stats(dump).files, 5);
	close_dump(dump);
	for (int i = 1; i <= 5; i++) {
		char name[32];

		snprintf(name, sizeof(name), "keep-0000%d", i);
		expect_u64(name, "packets", packets_in(name), i < 4 ? -1 : i == 4 ? 4 : 2);
	}
}

/* All files together: the oldest go if that was asked for, or it ends. */
static void test_limit(void **state)
{
	struct tcpc_dump_config config = config_for("limit");
	struct tcpc_err err = words_no_err;
	struct tcpc_dump *dump;
	int n = 0;

	(void)state;
	config.rotate_bytes = 5000;
	config.keep = 100;
	config.limit_bytes = 12000;
	dump = open_dump(&config);
	for (int i = 0; i < 40; i++)
		add(dump, S, PACKET);
	close_dump(dump);
	expect_u64("limit", "8 is gone", packets_in("limit-00008"), -1);
	expect_u64("limit", "9 is there", packets_in("limit-00009"), 4);
	config = config_for("end");
	config.limit_bytes = 12000;
	dump = open_dump(&config);
	while (!tcpc_dump_packet(dump, S, packet, PACKET, &err))
		n++;
	expect_error("end", -err.code, &err, EFBIG, "--limit-mb 0 is reached");
	expect_u64("end", "packets", tcpc_dump_stats(dump).packets, n);
	assert_int_not_equal(tcpc_dump_packet(dump, S, packet, 1, &err), 0);
	tcpc_dump_close(dump, NULL);
	expect_u64("end", "packets in it", packets_in("end"), n);
	expect_u64("end", "so many fit", n, 11);
}

static void test_names_taken(void **state)
{
	struct tcpc_dump_config config = config_for("taken.x");
	struct tcpc_err err = words_no_err;
	struct tcpc_dump *dump;

	(void)state;
	make_file("taken-00002.x");
	config.rotate_bytes = 5000;
	expect_error("taken", tcpc_dump_check(&config, &err), &err, EEXIST, "taken-00002.x exists");
	config.force = true;
	dump = open_dump(&config);
	for (int i = 0; i < 6; i++)
		add(dump, S, PACKET);
	close_dump(dump);
	expect_u64("taken", "replaced", packets_in("taken-00002.x"), 2);
	/* One that comes meanwhile. */
	assert_int_equal(unlink(in_dir("taken-00002.x")) | unlink(in_dir("taken-00001.x")), 0);
	config.force = false;
	dump = open_dump(&config);
	assert_int_equal(symlink("file", in_dir("taken-00002.x")), 0);
	for (int i = 0; i < 4; i++)
		add(dump, S, PACKET);
	err = words_no_err;
	expect_error("taken", tcpc_dump_packet(dump, S, packet, PACKET, &err), &err, EEXIST,
		     "taken-00002.x");
	tcpc_dump_close(dump, NULL);
	expect_u64("taken", "the one before", packets_in("taken-00001.x"), 4);
}

/* ---- a disk that is full --------------------------------------------------------------------- */

/* A limit on the size of files fails as a full disk does, in the middle of a block. */
static void test_full(void **state)
{
	struct rlimit before, small;
	struct tcpc_dump_config config = config_for("full");
	struct tcpc_err err = words_no_err;
	struct tcpc_dump *dump = open_dump(&config);
	int r = 0, n;

	(void)state;
	getrlimit(RLIMIT_FSIZE, &before);
	small = before;
	small.rlim_cur = 400001;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (n = 0; n < 1000 && !r; n++)
		r = tcpc_dump_packet(dump, S, packet, PACKET, &err);
	setrlimit(RLIMIT_FSIZE, &before);
	expect_error("full", r, &err, EFBIG, "cannot write full: File too large");
	assert_int_not_equal(tcpc_dump_flush(dump, &err), 0);
	expect_u64("full", "counted", tcpc_dump_stats(dump).packets, packets_in("full"));
	expect_u64("full", "bytes", tcpc_dump_stats(dump).bytes, packets_in("full") * PACKET);
	expect_true("full", "all that went", packets_in("full") >= 380);
	tcpc_dump_close(dump, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one),	    cmocka_unit_test(test_in_the_way),
		cmocka_unit_test(test_force),	    cmocka_unit_test(test_by_size),
		cmocka_unit_test(test_by_time),	    cmocka_unit_test(test_keep),
		cmocka_unit_test(test_limit),	    cmocka_unit_test(test_full),
		cmocka_unit_test(test_names_taken),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
