// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_capture.c - any bytes as a capture file, through all that `replay` does with one but the
 * sending. Every frame is either sent or has a reason, what is sent is a packet that can be read
 * again, and memory is bounded by the tables.
 *
 * Input: the file. Of an odd length: with a filter, and prefixes of clients.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The fuzzers are linked with core alone. First, for libpcap's headers want <netinet/in.h> before
 * <linux/in.h>. */
#include "../../user/edge/capture.c"
#include "core/replay.h"

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static __u8 buffer[TCPC_REPLAY_BUFFER_BYTES] __attribute__((aligned(8)));

static void check_sent(size_t bytes, bool v4)
{
	__u8 *ip = buffer + TCPC_REPLAY_PAD + TCPC_REPLAY_VNET_BYTES;
	size_t n = bytes - TCPC_REPLAY_VNET_BYTES;
	struct tcpc_pkt pkt;

	MUST(bytes <= sizeof(buffer) - TCPC_REPLAY_PAD);
	MUST(tcpc_parse(ip, ip + n, n, TCPC_LINK_NONE, &pkt) == TCPC_PARSE_OK);
	MUST(pkt.l4_off + pkt.tcp_bytes + pkt.payload_bytes == n);
	MUST(pkt.family == (v4 ? 4 : 6) && tcpc_ntohl(pkt.daddr.w[3]) == 1);
}

/* The same steps as read_frame() of the role, which owns the counters. Returns as
 * tcpc_replay_take(). */
static int play(struct tcpc_replay_flows *flows, int link, const struct tcpc_capture_frame *f)
{
	__u8 *ip = buffer + TCPC_REPLAY_PAD + TCPC_REPLAY_VNET_BYTES;
	__u32 wire = f->bytes > f->captured ? f->bytes : f->captured, have, total;
	int at = tcpc_replay_find_ip(link, f->data, f->captured), r;
	const struct tcpc_replay_conn *end;
	struct tcpc_pkt pkt;

	if (at < 0)
		return TCPC_REPLAY_SKIP_not_tcp;
	MUST((__u32)at < f->captured || (__u32)at == f->captured);
	have = f->captured - at < TCPC_IP_LEN_MAX ? f->captured - at : TCPC_IP_LEN_MAX;
	memcpy(ip, f->data + at, have);
	if (tcpc_parse(ip, ip + have, wire - at, TCPC_LINK_NONE, &pkt) != TCPC_PARSE_OK)
		return TCPC_REPLAY_SKIP_malformed;
	total = pkt.l4_off + pkt.tcp_bytes + pkt.payload_bytes;
	if (total > TCPC_IP_LEN_MAX)
		return TCPC_REPLAY_SKIP_too_big;
	r = tcpc_replay_take(flows, &pkt, have >= total, &end);
	MUST(r >= -1 && r < __TCPC_REPLAY_SKIP_MAX);
	if (r < 0)
		check_sent(tcpc_replay_packet(buffer, &pkt, 12345), pkt.family == 4);
	if (end)
		check_sent(tcpc_replay_end(buffer, end, true, 1), tcpc_addr_is_v4(&end->client));
	return r;
}

static void read_all(struct tcpc_capture *c, struct tcpc_replay_flows *flows)
{
	struct tcpc_replay_pace pace = {.speed = 1000};
	static struct tcpc_replay_late late;
	const struct tcpc_replay_conn *end;
	struct tcpc_capture_frame frame;
	struct tcpc_err err = {};
	__u64 due, before = 0;
	unsigned int n_ports;
	__u16 ports[4];
	int r;

	while ((r = tcpc_capture_next(c, &frame, &err)) == 1) {
		if (play(flows, tcpc_capture_link(c), &frame) >= 0)
			continue;
		due = tcpc_replay_pace_next(&pace, frame.time_ns);
		MUST(due >= before); /* time goes on */
		before = due;
		tcpc_replay_late_add(&late, due);
	}
	MUST(!r || (err.text[0] && !strchr(err.text, '\n')));
	MUST(tcpc_replay_late_share(&late, 500) <= tcpc_replay_late_share(&late, 990));
	while ((end = tcpc_replay_end_next(flows)))
		check_sent(tcpc_replay_end(buffer, end, false, 1), tcpc_addr_is_v4(&end->client));
	MUST(!tcpc_replay_flow_stats(flows)->open);
	n_ports = tcpc_replay_ports(flows, ports, 4);
	MUST(n_ports <= 4);
	for (unsigned int i = 0; i < n_ports; i++)
		MUST(ports[i] != 80);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct tcpc_prefix clients[] = {
		{.addr = tcpc_addr_from_v4(tcpc_htonl(0xc6120000)), .bits = 96 + 15},
		{.addr.w[0] = tcpc_htonl(0x20010002), .bits = 48},
	};
	struct tcpc_prefix excludes[] = {
		{.addr = tcpc_addr_from_v4(tcpc_htonl(0xc6120063)), .bits = 128},
	};
	const struct tcpc_filter_spec everybody = {},
				      some = {
					      .clients = {.list = clients, .n = 2},
					      .excludes = {.list = excludes, .n = 1},
				      };
	struct tcpc_replay_flows_config config = {
		.ports = {tcpc_htons(80)},
		.n_ports = 1,
		.filter = size & 1 ? &some : &everybody,
		.max_connections = 8,
	};
	struct tcpc_replay_flows *flows = tcpc_replay_flows_new(&config);
	int fd = memfd_create("capture", MFD_CLOEXEC);
	struct tcpc_capture *c = NULL;
	struct tcpc_err err = {};
	char path[64];

	MUST(flows && fd >= 0 && write(fd, input, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!tcpc_capture_open(path, size & 1 ? "tcp or ip6" : NULL, &c, &err))
		read_all(c, flows);
	else
		/* Not every type of link knows what the filter asks for. */
		MUST((err.code == EPROTO || (size & 1 && err.code == EINVAL)) && err.text[0] &&
		     !strchr(err.text, '\n'));
	tcpc_capture_close(c);
	tcpc_replay_flows_free(flows);
	close(fd);
	return 0;
}
