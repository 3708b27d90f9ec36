// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_pcapng.c - what is written as pcapng reads the same through libpcap: packets of every length
 * modulo 4, times to the nanosecond, names of any length; and block by block, as the draft has it.
 */
#include "../harness/expect.h"

#include <unistd.h>

#include "core/pcapng.h"
#include "edge/capture.h"

#define FIRST_NS 1700000000123456789ULL
#define PACKETS 70
#define ROOM (1 << 20)

static __u8 file[ROOM], packet[65536];
static size_t used;

static __u32 word(size_t at)
{
	__u32 value;

	memcpy(&value, file + at, sizeof(value));
	return value;
}

static void begin(const char *writer, const char *iface)
{
	const struct tcpc_pcapng_file about = {TCPC_PCAPNG_LINK_RAW, 65536, writer, iface};

	memset(file, 0xee, sizeof(file));
	used = tcpc_pcapng_begin(&about, file);
	expect_true("begin", "within its bound", used <= TCPC_PCAPNG_HEADER_MAX);
	expect_u64("begin", "byte behind", file[used], 0xee);
}

static void add(__u64 time_ns, __u32 bytes)
{
	size_t block = tcpc_pcapng_packet(time_ns, packet, bytes, file + used);

	expect_u64("packet", "length", block, tcpc_pcapng_packet_bytes(bytes));
	expect_true("packet", "within its bound", block <= bytes + TCPC_PCAPNG_PACKET_EXTRA);
	expect_u64("packet", "byte behind", file[used + block], 0xee);
	used += block;
}

/* The file through libpcap. */
static struct tcpc_capture *open_file(char path[64])
{
	struct tcpc_capture *c = NULL;
	struct tcpc_err err = {};
	int fd = mkstemp(strcpy(path, "/tmp/tcpc-pcapng-XXXXXX"));

	if (fd < 0 || write(fd, file, used) != (ssize_t)used)
		expect_fail("cannot write %s", path);
	close(fd);
	if (tcpc_capture_open(path, NULL, &c, &err))
		expect_fail("%s", err.text);
	unlink(path);
	return c;
}

static void test_read_back(void **state)
{
	struct tcpc_capture_frame frame;
	struct tcpc_capture *c;
	struct tcpc_err err;
	char path[64];
	__u32 n;

	(void)state;
	for (size_t i = 0; i < sizeof(packet); i++)
		packet[i] = i * 7 + 1;
	begin("tcpcopyctl 1.2", "eth0");
	for (n = 0; n < PACKETS; n++)
		add(FIRST_NS + n * 1000000007ULL, n * n);
	add(~0ULL >> 1, 65536);
	c = open_file(path);
	expect_u64("read", "link", tcpc_capture_link(c), 12 /* DLT_RAW here */);
	for (n = 0; n < PACKETS; n++) {
		expect_u64("read", "frame", tcpc_capture_next(c, &frame, &err), 1);
		expect_u64("read", "captured", frame.captured, n * n);
		expect_u64("read", "length", frame.bytes, n * n);
		expect_u64("read", "time", frame.time_ns, FIRST_NS + n * 1000000007ULL);
		expect_bytes("read", frame.data, packet, n * n);
	}
	expect_u64("read", "the largest", tcpc_capture_next(c, &frame, &err), 1);
	expect_u64("read", "its length", frame.captured, 65536);
	expect_u64("read", "its time", frame.time_ns, ~0ULL >> 1);
	expect_u64("read", "end", tcpc_capture_next(c, &frame, &err), 0);
	tcpc_capture_close(c);
}

/* draft-ietf-opsawg-pcapng, 3.1: type, length, body, length; 4.1 and 4.2 come first. */
static void test_blocks(void **state)
{
	static const __u32 types[] = {0x0a0d0d0a, 1, 6, 6};
	struct tcpc_pcapng_block block;
	size_t at = 0;

	(void)state;
	begin("w", "i");
	add(1, 5);
	add(2, 0);
	for (size_t i = 0; i < 4; i++) {
		expect_true("block", "is whole", tcpc_pcapng_read(file + at, used - at, &block));
		expect_u64("block", "type", word(at), types[i]);
		expect_u64("block", "length", word(at + 4), block.bytes);
		expect_u64("block", "length again", word(at + block.bytes - 4), block.bytes);
		expect_u64("block", "multiple of 4", block.bytes & 3, 0);
		expect_u64("block", "is a packet", block.is_packet, i >= 2);
		expect_u64("block", "packet", block.packet_bytes, i == 2 ? 5 : 0);
		for (size_t cut = 0; cut < block.bytes; cut++)
			expect_true("block", "is not whole",
				    !tcpc_pcapng_read(file + at, cut, &block));
		at += block.bytes;
	}
	expect_u64("blocks", "bytes", at, used);
	expect_u64("section", "byte order", word(8), 0x1a2b3c4d);
	expect_u64("section", "version", word(12), 1);
}

static void test_long_names(void **state)
{
	char name[2000], path[64];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	begin(name, name);
	tcpc_capture_close(open_file(path));
	begin("", "");
	tcpc_capture_close(open_file(path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_back),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
