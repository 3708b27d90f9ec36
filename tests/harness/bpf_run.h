/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bpf_run.h - run the real programs over frames (BPF_PROG_TEST_RUN), and the room for it: a private
 * network and mount namespace with veth pairs and a bpffs of its own, all gone with the process.
 */
#ifndef TCPCOPY_TESTS_BPF_RUN_H
#define TCPCOPY_TESTS_BPF_RUN_H

#include "expect.h"
#include "frames.h"
#include "../unit/netns.h"

#include <errno.h>
#include <poll.h>
#include <sys/stat.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_packet.h>

#include "edge/datapath_priv.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* A place for pins; the private bpffs is mounted over the machine's. */
#define LAB_BPFFS "/sys/fs/bpf"
#define LAB_PINS LAB_BPFFS "/tcpcopy"

/* frames.h gives frames this destination, so the interface they arrive on has it. */
#define LAB_MAC "02:02:02:02:02:02"

/* Initializers: 198.18.0.0 + n, 2001:2:: + n. */
#define V4_ADDR(n)                                                                                 \
	{                                                                                          \
		{                                                                                  \
			0, 0, TCPC_V4_MAPPED, tcpc_htonl(0xc6120000 | (n))                         \
		}                                                                                  \
	}
#define V6_ADDR(n)                                                                                 \
	{                                                                                          \
		{                                                                                  \
			tcpc_htonl(0x20010002), 0, 0, tcpc_htonl(n)                                \
		}                                                                                  \
	}

#define VERDICT_NEXT (-1)
#define VERDICT_DROP 2
#define VERDICT_REDIRECT 7

/* ---- variants of a test -----------------------------------------------------------------------
 */

/* As in linux/bpf.h since 6.16: the packet comes with the sum that a device has made of all of it
 * (CHECKSUM_COMPLETE), and the run fails with EBADMSG when this is not right any more. */
#define RUN_CHECKSUM_COMPLETE (1u << 2)

/** The test runs once for each: the family of its frames, and who has summed them up. */
static struct lab_variant {
	int family;
	bool device_sum;
} lab_variant = {4, false};

/* What a test before has left, see target_enter(). */
static void (*variant_reset)(void);

static inline int variant_set(int family, bool device_sum)
{
	lab_variant = (struct lab_variant){family, device_sum};
	if (variant_reset)
		variant_reset();
	return 0;
}

#define VARIANT(name, family, device_sum)                                                          \
	static inline int name(void **state)                                                       \
	{                                                                                          \
		(void)state;                                                                       \
		return variant_set(family, device_sum);                                            \
	}

VARIANT(variant_v4, 4, false)
VARIANT(variant_v6, 6, false)
VARIANT(variant_v4_sum, 4, true)
VARIANT(variant_v6_sum, 6, true)

/* Rows for a table of tests; the four are for programs that write to packets. */
#define both_families(f)                                                                           \
	{#f " (IPv4)", f, variant_v4, NULL, NULL},                                                 \
	{                                                                                          \
#f " (IPv6)", f, variant_v6, NULL, NULL                                            \
	}
#define all_variants(f)                                                                            \
	both_families(f), {#f " (IPv4, sum of the device)", f, variant_v4_sum, NULL, NULL},        \
	{                                                                                          \
#f " (IPv6, sum of the device)", f, variant_v6_sum, NULL, NULL                     \
	}

/* ---- one run --------------------------------------------------------------------------------- */

/* Room for any frame of these tests. The kernel takes less than a page for a run (RUN_MAX). */
#define RUN_OUT_BYTES 70000
#define RUN_MAX 3400

/** One run of a program: what it is told of the packet, and what it made of it. */
struct bpf_run {
	int ifindex; /* as skb->ifindex; 0 is lo */
	int ingress_ifindex;
	__u32 cb[5];
	__u32 mark;  /* as skb->mark */
	int verdict; /* from here on: set by bpf_run() */
	__u32 bytes;
	__u32 mark_out;
	__u8 out[RUN_OUT_BYTES];
};

/** bpf_run - run program @fd once over @bytes of @data; fails the test @row if it cannot be run. */
static inline void bpf_run(const char *row, int fd, struct bpf_run *run, const void *data,
			   __u32 bytes)
{
	struct __sk_buff ctx = {
		.ifindex = run->ifindex,
		.ingress_ifindex = run->ingress_ifindex,
		.mark = run->mark,
	};
	struct __sk_buff ctx_out = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .data_size_in = bytes,
		    .data_out = run->out, .data_size_out = sizeof(run->out), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .ctx_out = &ctx_out,
		    .ctx_size_out = sizeof(ctx_out), .repeat = 1);

	memcpy(ctx.cb, run->cb, sizeof(ctx.cb));
	if (lab_variant.device_sum)
		opts.flags = RUN_CHECKSUM_COMPLETE;
	if (bpf_prog_test_run_opts(fd, &opts))
		expect_fail("%s: BPF_PROG_TEST_RUN over %u bytes: %s", row, bytes, strerror(errno));
	run->verdict = opts.retval;
	run->bytes = opts.data_size_out;
	run->mark_out = ctx_out.mark;
}

/** xdp_run - the same for an XDP program, as if the frame came in by @ifindex. */
static inline void xdp_run(const char *row, int fd, int ifindex, struct bpf_run *run,
			   const void *data, __u32 bytes)
{
	struct xdp_md ctx = {.data_end = bytes, .ingress_ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .data_size_in = bytes,
		    .data_out = run->out, .data_size_out = sizeof(run->out), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1);

	if (bpf_prog_test_run_opts(fd, &opts))
		expect_fail("%s: BPF_PROG_TEST_RUN over %u bytes: %s", row, bytes, strerror(errno));
	run->verdict = opts.retval;
	run->bytes = opts.data_size_out;
}

/** expect_run - fail unless the last run gave @verdict and its packet is @want. */
static inline void expect_run(const char *row, const struct bpf_run *run, int verdict,
			      const struct frame *want)
{
	expect_u64(row, "verdict", (__u32)run->verdict, (__u32)verdict);
	expect_u64(row, "length", run->bytes, want->bytes);
	expect_bytes(row, run->out, want->data, want->bytes);
}

/* ---- counters -------------------------------------------------------------------------------- */

#define COUNTER_NAME(name, text) #name,

/** A one-element map of counters and what they stood at. */
struct counters {
	struct bpf_map *map;
	const char *const *names;
	unsigned int n;
	__u64 before[80];
};

/** counters_mark - from here on, see expect_moved(). */
static inline void counters_mark(struct counters *c)
{
	if (c->n > COUNT_OF(c->before) || tcpc_datapath_sum(c->map, c->before, c->n))
		expect_fail("cannot read the counters");
}

/** expect_moved - fail unless the counters have moved by just @deltas (a struct of counters). */
static inline void expect_moved(const char *row, const struct counters *c, const void *deltas)
{
	const __u64 *want = deltas;
	__u64 now[80];

	if (tcpc_datapath_sum(c->map, now, c->n))
		expect_fail("%s: cannot read the counters", row);
	for (unsigned int i = 0; i < c->n; i++)
		if (strcmp(c->names[i], "run_ns")) /* what is left to chance and the clock */
			expect_u64(row, c->names[i], now[i] - c->before[i], want[i]);
}

/* ---- the lab --------------------------------------------------------------------------------- */

/** lab_command - run a command of the shell, which must go well. */
#define lab_command(...)                                                                           \
	do {                                                                                       \
		if (run_command(__VA_ARGS__))                                                      \
			expect_fail("failed: " __VA_ARGS__);                                       \
	} while (0)

/** lab_link - a veth pair, both ends up; @name has LAB_MAC. Returns the index of @name. */
static inline int lab_link(const char *name, const char *peer)
{
	/* The peer is the outside: it has no addresses and says nothing by itself. */
	if (run_command("ip link add %s mtu 65535 address " LAB_MAC
			" type veth peer name %s mtu 65535 address 02:02:02:02:02:01 &&"
			" sysctl -q net.ipv6.conf.%s.disable_ipv6=1 &&"
			" ip link set %s addrgenmode none && ip link set %s up &&"
			" ip link set %s up",
			name, peer, peer, name, name, peer))
		expect_fail("cannot make the veth pair %s", name);
	return if_nametoindex(name);
}

/* Group setup: the namespaces, and a bpffs that nobody else sees. Without root the tests skip. */
static inline int lab_enter(void **state)
{
	if (enter_netns(state))
		return -1;
	if (!in_netns)
		return 0;
	if (mount("bpf", LAB_BPFFS, "bpf", 0, NULL) || mkdir(LAB_PINS, 0700)) {
		perror("private bpffs at " LAB_BPFFS);
		return -1;
	}
	tcpc_datapath_init();
	return 0;
}

/* ---- packets on a device --------------------------------------------------------------------- */

#define PACKET_WAIT_MS 5000

/** packet_open - a packet socket on device @name; it sees what comes in and what goes out. */
static inline int packet_open(const char *name)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = tcpc_htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(name),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), size = 4 << 20, on = 1;

	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		expect_fail("packet socket on %s: %s", name, strerror(errno));
	return fd;
}

/* Receive one packet, or nothing (0). A tag that the kernel keeps beside it fails the test: the
 * bytes alone would not show it. */
static inline ssize_t packet_receive(int fd, __u8 *buf, __u32 size, struct sockaddr_ll *from)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {buf, size};
	struct msghdr msg = {
		.msg_name = from,
		.msg_namelen = sizeof(*from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); n > 0 && c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA &&
		    ((struct tpacket_auxdata *)CMSG_DATA(c))->tp_status & TP_STATUS_VLAN_VALID)
			expect_fail("a packet has a VLAN tag still");
	return n > 0 ? n : 0;
}

/* One packet of direction @type (PACKET_OUTGOING, or PACKET_HOST for all that comes in); 0: none.
 * Only TCP counts, the rest is the network talking to itself. */
static inline __u32 packet_read(int fd, int type, __u8 *buf, __u32 size)
{
	struct sockaddr_ll from;
	struct tcpc_pkt pkt;
	ssize_t n;

	while ((n = packet_receive(fd, buf, size, &from)) > 0)
		if ((from.sll_pkttype == PACKET_OUTGOING) == (type == PACKET_OUTGOING) &&
		    tcpc_parse(buf, buf + n, n, TCPC_LINK_ETHER, &pkt) == TCPC_PARSE_OK)
			break;
	return n;
}

/** packet_next - wait for the next TCP packet on @fd. Returns its length; fails when none comes. */
static inline __u32 packet_next(const char *row, int fd, int type, __u8 *buf, __u32 size)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	__u32 n = packet_read(fd, type, buf, size);

	while (!n && poll(&ready, 1, PACKET_WAIT_MS) > 0)
		n = packet_read(fd, type, buf, size);
	if (!n)
		expect_fail("%s: no packet came", row);
	return n;
}

/** packet_send - put @frame on the wire. */
static inline void packet_send(const char *row, int fd, const struct frame *frame)
{
	if (send(fd, frame->data, frame->bytes, 0) != (ssize_t)frame->bytes)
		expect_fail("%s: cannot send %u bytes: %s", row, frame->bytes, strerror(errno));
}

#endif
