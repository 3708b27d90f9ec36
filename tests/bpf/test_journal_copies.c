// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_journal_copies.c - of the copies of one packet, to all targets and from all sources, the
 * journal has each, exactly one is the first, and each says as whom the packet came.
 */
#include "../harness/bpf_journal.h"

#define MOST 12

static struct {
	struct tcpc_journal_head head[MOST];
	__u8 addresses[MOST][32];
	__u32 n, firsts;
} got;

static void on_copy(void *user, __u64 id, const struct tcpc_journal_head *head)
{
	bool v4 = tcpc_addr_is_v4(&head->flow.client);
	const __u8 *ip = (const __u8 *)(head + 1);

	(void)user;
	if (got.n < MOST) {
		got.head[got.n] = *head;
		memcpy(got.addresses[got.n], ip + (v4 ? 12 : 8), v4 ? 8 : 32);
	}
	got.n++;
	got.firsts += head->first;
	tcpc_journal_release(owner.journal, id);
}

static void begin_copies(struct tcpc_attachment *tap, struct tcpc_attachment *copy)
{
	struct tcpc_journal_config c = {
		.ring_fd = -1,
		.record = on_copy,
		.pressure = on_pressure,
	};
	struct tcpc_err err = {};

	begin(0, on_pressure);
	end(); /* nothing was read: another can read it from its beginning */
	c.ring_fd = bpf_map__fd(lab.skel->maps.journal);
	c.ring_bytes = bpf_map__max_entries(lab.skel->maps.journal);
	c.reader_sleeps = owner.sleeps;
	if (tcpc_journal_open(uv_default_loop(), &c, &owner.journal, &err) ||
	    tcpc_datapath_attach(lab.tap_fd, lab.live, false, TCPC_HOOK_TC, tap, &err) ||
	    tcpc_datapath_attach(lab.copy_fd, lab.copy, true, TCPC_HOOK_TC, copy, &err))
		expect_fail("%s", err.text);
	online_service(&armed);
	online_config(lab.copy, NEVER_NS);
}

/* Two targets, three copies each. @noting: flags of the first target. */
static void set_targets(int family, __u32 noting, __u16 flags)
{
	struct tcpc_target_set set = {.n_targets = 2, .copies = 3, .flags = flags};

	set.pool[0] =
		(struct tcpc_pool){{{tcpc_htonl(0x20010002), tcpc_htonl(0x10000)}}, 0xffff, 0};
	set.pool[1] = (struct tcpc_pool){tcpc_addr_from_v4(tcpc_htonl(0xc6130000)), 0xffff, 0};
	set.target[0] = journal_target(family, noting);
	set.target[1] = journal_target(family, TCPC_TARGET_JOURNAL);
	set.target[1].port = tcpc_htons(9090);
	online_targets(&set);
}

static void expect_records(const char *row, const struct frame_spec *spec, __u32 n)
{
	struct frame frame = frame_build(spec);
	bool v4 = spec->family != 6;
	int wire = packet_open("live1");

	memset(&got, 0, sizeof(got));
	packet_send(row, wire, &frame);
	wait_until(tcpc_journal_read(owner.journal) + got.n >= n);
	tcpc_journal_read(owner.journal);
	expect_u64(row, "records", got.n, n);
	expect_u64(row, "firsts", got.firsts, 1);
	for (__u32 i = 0; i < n; i++) {
		expect_bytes(row, got.addresses[i], frame.data + frame.l3_off + (v4 ? 12 : 8),
			     v4 ? 8 : 32);
		expect_bytes(row, &got.head[i].client_port, frame.data + frame.l4_off, 2);
		expect_bytes(row, &got.head[i].server_port, frame.data + frame.l4_off + 2, 2);
		expect_u64(row, "where it came in", got.head[i].tap_ifindex, lab.live);
	}
	close(wire);
	frame_free(&frame);
}

static void test_first(void **state)
{
	static const struct frame_spec specs[] = {{DATA, .seq = 7}, {V6, DATA, .seq = 9}};
	struct tcpc_attachment tap = {}, copy = {};

	(void)state;
	need_netns();
	begin_copies(&tap, &copy);
	for (size_t i = 0; i < COUNT_OF(specs); i++) {
		int family = specs[i].family ?: 4;

		set_targets(family, TCPC_TARGET_JOURNAL, TCPC_SET_MAPPED);
		expect_records("all", &specs[i], 6);
		expect_records("again", &specs[i], 6);
		set_targets(family, TCPC_TARGET_JOURNAL, TCPC_SET_MAPPED | TCPC_SET_FIRST_MAPPED);
		expect_records("all mapped", &specs[i], 6);
		/* The copy that is made last is not noted: another one is the first. */
		set_targets(family, 0, TCPC_SET_MAPPED);
		expect_records("half", &specs[i], 3);
	}
	tcpc_attachment_close(&tap);
	tcpc_attachment_close(&copy);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first),
	};

	return cmocka_run_group_tests(tests, online_enter, online_leave);
}
