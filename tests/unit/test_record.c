// SPDX-License-Identifier: GPL-2.0-only
/* test_record.c - messages between daemon and writer, checksums, names of files, and the words. */
#include "../harness/words.h"

#include "../harness/frames.h"
#include "core/record.h"
#include "core/spec.h"

#define MB (1ULL << 20)

/* ---- messages -------------------------------------------------------------------------------- */

static __u8 message[TCPC_RECORD_MESSAGE_MAX] __attribute__((aligned(8)));

static void test_messages(void **state)
{
	static __u8 packet[TCPC_RECORD_PACKET_MAX];
	struct tcpc_record_head head;
	size_t used = 0, at = 0;
	__u8 *got;

	(void)state;
	for (size_t i = 0; i < sizeof(packet); i++)
		packet[i] = i * 3;
	for (__u32 n = 0; n < 40; n++) {
		memset(message + used, 0xee, 128);
		got = tcpc_record_put(message + used, 1000 + n, packet, n);
		expect_u64("put", "aligned", (uintptr_t)got & 7, 0);
		used += tcpc_record_room(n);
	}
	for (__u32 n = 0; n < 40; n++) {
		expect_u64("next", "result", tcpc_record_next(message, used, &at, &head, &got), 1);
		expect_u64("next", "time", head.time_ns, 1000 + n);
		expect_u64("next", "length", head.bytes, n);
		expect_bytes("next", got, packet, n);
	}
	expect_u64("next", "end", tcpc_record_next(message, used, &at, &head, &got), 0);
	/* The largest one fits behind a message that is nearly full. */
	used = TCPC_RECORD_MESSAGE_FULL - 8;
	got = tcpc_record_put(message + used, 1, packet, TCPC_RECORD_PACKET_MAX);
	expect_true("largest", "fits", got + TCPC_RECORD_PACKET_MAX <= message + sizeof(message));
	expect_u64("largest", "result",
		   tcpc_record_next(message, sizeof(message), &used, &head, &got), 1);
}

static void test_bad_messages(void **state)
{
	static const __u32 lengths[] = {1, 100, TCPC_RECORD_PACKET_MAX + 1, 0xffffffff, 0xfffffff9};
	struct tcpc_record_head head = {.bytes = 77};
	__u8 *got = NULL;
	size_t at;

	(void)state;
	tcpc_record_put(message, 1, "12345678", 8);
	for (size_t bytes = 1; bytes < 24; bytes++) {
		at = 0;
		expect_u64("cut", "result", tcpc_record_next(message, bytes, &at, &head, &got),
			   -EPROTO);
		expect_u64("cut", "at", at, 0);
	}
	for (size_t i = 0; i < COUNT_OF(lengths); i++) {
		at = 0;
		memcpy(message + 8, &lengths[i], 4);
		expect_u64("length", "result", tcpc_record_next(message, 16, &at, &head, &got),
			   -EPROTO);
	}
	expect_u64("bad", "untouched", head.bytes, 77);
}

static void test_notes(void **state)
{
	struct tcpc_record_note note = {.magic = TCPC_RECORD_NOTE};

	(void)state;
	assert_true(tcpc_record_note_valid(&note, sizeof(note)));
	assert_false(tcpc_record_note_valid(&note, sizeof(note) - 1));
	assert_false(tcpc_record_note_valid(&note, sizeof(note) + 1));
	memset(note.reason, 'x', sizeof(note.reason));
	assert_false(tcpc_record_note_valid(&note, sizeof(note)));
	note.reason[sizeof(note.reason) - 1] = '\0';
	memset(note.file, 'x', sizeof(note.file));
	assert_false(tcpc_record_note_valid(&note, sizeof(note)));
	note.file[0] = '\0';
	note.magic++;
	assert_false(tcpc_record_note_valid(&note, sizeof(note)));
}

/* ---- packets --------------------------------------------------------------------------------- */

static void test_checksums(void **state)
{
	static const struct frame_spec specs[] = {
		{.link = TCPC_LINK_NONE, .payload_bytes = 100},
		{.link = TCPC_LINK_NONE, .payload_bytes = 101, .ip_option_words = 3},
		{.link = TCPC_LINK_NONE, .flags = 2, .tcp_option_bytes = 40},
		{.link = TCPC_LINK_NONE, .family = 6, .payload_bytes = 1001},
		{.link = TCPC_LINK_NONE, .family = 6, .ext = {0, 60}, .n_ext = 2},
		{.link = TCPC_LINK_NONE, .payload_bytes = 60000},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(specs); i++) {
		struct frame frame = frame_build(&specs[i]);
		__u8 *want = malloc(frame.bytes);

		memcpy(want, frame.data, frame.bytes);
		memset(frame.data + frame.l4_off + 16, 0x55, 2);
		if (specs[i].family != 6)
			memset(frame.data + 10, 0x55, 2);
		tcpc_record_finish(frame.data, frame.bytes);
		expect_bytes("finished", frame.data, want, frame.bytes);
		/* What is not whole stays as it is. */
		for (__u32 n = 0; n < frame.bytes; n += 7) {
			struct frame cut = frame_cut(&frame, TCPC_LINK_NONE, n);

			tcpc_record_finish(cut.data, n);
			expect_bytes("cut", cut.data, want, n);
			frame_free(&cut);
		}
		free(want);
		frame_free(&frame);
	}
}

/* ---- names ----------------------------------------------------------------------------------- */

static void test_names(void **state)
{
	static const struct {
		const char *base;
		bool rotate;
		__u32 number;
		const char *want;
	} table[] = {
		{"a.pcapng", false, 7, "a.pcapng"},
		{"a.pcapng", true, 1, "a-00001.pcapng"},
		{"a.b.pcapng", true, 99999, "a.b-99999.pcapng"},
		{"a", true, 123456, "a-123456"},
		{".hidden", true, 2, ".hidden-00002"},
		{"a.", true, 2, "a-00002."},
	};
	char name[TCPC_RECORD_NAME_BYTES] = "untouched", base[TCPC_RECORD_NAME_BYTES + 1];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		assert_int_equal(tcpc_record_file_name(table[i].base, table[i].rotate,
						       table[i].number, name),
				 0);
		assert_string_equal(name, table[i].want);
		expect_u64(name, "is numbered", tcpc_record_is_numbered(table[i].base, name),
			   table[i].rotate);
	}
	assert_false(tcpc_record_is_numbered("a.pcapng", "a-0001.pcapng"));
	assert_false(tcpc_record_is_numbered("a.pcapng", "a-00001.pcap"));
	assert_false(tcpc_record_is_numbered("a.pcapng", "a-00001x.pcapng"));
	assert_false(tcpc_record_is_numbered("a.pcapng", "b-00001.pcapng"));
	assert_false(tcpc_record_is_numbered("a.pcapng", "a"));
	assert_false(tcpc_record_is_numbered("a.pcapng", ""));
	memset(base, 'x', sizeof(base));
	base[TCPC_RECORD_NAME_BYTES] = '\0';
	assert_int_equal(tcpc_record_file_name(base, false, 1, name), -ENAMETOOLONG);
	base[TCPC_RECORD_NAME_BYTES - 1] = '\0';
	assert_int_equal(tcpc_record_file_name(base, false, 1, name), 0);
	assert_int_equal(tcpc_record_file_name(base, true, 1, name), -ENAMETOOLONG);
}

/* ---- words ----------------------------------------------------------------------------------- */

static void test_spec(void **state)
{
	static const struct {
		const char *line;
		struct tcpc_record_spec want;
	} table[] = {
		{"record eth0 -w /a", {"eth0", false, "/a", false, 0, 1024 * MB, 0, 0}},
		{"record -w a eth0 --force", {"eth0", false, "a", true, 0, 1024 * MB, 0, 0}},
		{"record eth0 --write=a --rotate-mb 3 --keep 10000 --limit-mb 3",
		 {"eth0", false, "a", false, 3 * MB, 3 * MB, 0, 10000}},
		{"record eth0 --write a --rotate-seconds 60",
		 {"eth0", false, "a", false, 0, 1024 * MB, 60, 0}},
		{"record eth0 --stop", {"eth0", true, NULL, false, 0, 1024 * MB, 0, 0}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		struct json_object *request = words_request(table[i].line);
		const struct tcpc_record_spec *want = &table[i].want;
		struct tcpc_err err = words_no_err;
		struct tcpc_record_spec spec;

		expect_success(table[i].line, tcpc_spec_record(request, &spec, &err), &err);
		assert_string_equal(spec.iface, want->iface);
		assert_true(!spec.file == !want->file);
		if (spec.file)
			assert_string_equal(spec.file, want->file);
		expect_u64(table[i].line, "stop", spec.stop, want->stop);
		expect_u64(table[i].line, "force", spec.force, want->force);
		expect_u64(table[i].line, "rotate", spec.rotate_bytes, want->rotate_bytes);
		expect_u64(table[i].line, "seconds", spec.rotate_seconds, want->rotate_seconds);
		expect_u64(table[i].line, "limit", spec.limit_bytes, want->limit_bytes);
		expect_u64(table[i].line, "keep", spec.keep, want->keep);
		json_object_put(request);
	}
}

static void test_bad_words(void **state)
{
	static const struct {
		const char *line, *part;
	} table[] = {
		{"record", "too few words"},
		{"record eth0", "-w FILE"},
		{"record eth0 -w", "--write needs a value"},
		{"record eth0 -w a -w b", "--write is given twice"},
		{"record eth0 -w \"\"", "-w FILE"},
		{"record eth0 a", "too many words"},
		{"record eth0 --stop -w a", "takes no other option"},
		{"record eth0 -w a --keep 3", "--rotate-mb or"},
		{"record eth0 -w a --keep 0 --rotate-mb 1", "--keep is a number from 1"},
		{"record eth0 -w a --rotate-mb x", "--rotate-mb is a number from 1"},
		{"record eth0 -w a --rotate-mb 2000", "--limit-mb 1024"},
		{"record eth0 -w a --limit-mb 99999999999", "--limit-mb is a number"},
		{"status -w a", "two dashes"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		struct json_object *request = NULL;
		struct tcpc_err err = words_no_err;
		int r = tcpc_command_parse_line(table[i].line, &request, &err);

		expect_error(table[i].line, r, &err, EINVAL, table[i].part);
		assert_null(request);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),  cmocka_unit_test(test_bad_messages),
		cmocka_unit_test(test_notes),	  cmocka_unit_test(test_checksums),
		cmocka_unit_test(test_names),	  cmocka_unit_test(test_spec),
		cmocka_unit_test(test_bad_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
