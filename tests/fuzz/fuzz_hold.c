// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_hold.c - any frames from the hold queue's device, and any view of the connections: the queue
 * stays within its bound, what it writes back is a frame, and nothing is left behind.
 *
 * Input: steps. One byte (bits 0-1: 0 a packet, 1 any frame, 2 the target has spoken, 3 time
 * passes; the rest: how much), then what the step needs.
 */
#include <errno.h>

#include "core/hold.h"
#include "tcpcopy/addr.h"
#include "tcpcopy/bytes.h"
#include "tcpcopy/parse.h"

#include "../harness/fuzz.h"

#define HEAD_BYTES 10
#define LIMIT_BYTES 65536
#define FRAME_BYTES 2048
#define IP_AT (HEAD_BYTES + 14)

/* What the fuzzer says that the kernel knows. */
static struct tcpc_exchange exchange;
static bool known;
static unsigned int emitted;

static bool read_exchange(void *user, const struct tcpc_flow *flow, struct tcpc_exchange *ret)
{
	(void)user;
	(void)flow;
	if (known)
		*ret = exchange;
	return known;
}

static int emit(void *user, const void *frame, size_t bytes)
{
	uint8_t *copy = fuzz_copy(frame, bytes);

	(void)user;
	MUST(bytes >= IP_AT + 40);
	free(copy);
	emitted++;
	return emitted % 16 ? 0 : -EIO;
}

static void taken(void *user, const struct tcpc_flow *flow, __u32 seq, __u32 end)
{
	(void)user;
	(void)flow;
	MUST((__s32)(end - seq) >= 0);
}

static void shed(void *user, const struct tcpc_flow *flow, const struct tcpc_hold_last *last)
{
	(void)user;
	(void)flow;
	(void)last;
}

static const struct tcpc_hold_ops ops = {read_exchange, emit, taken, shed};

/* One of four connections, with the numbers that the input has. Returns its bytes. */
static size_t make_packet(const uint8_t **input, size_t *size, uint8_t much, uint8_t *frame)
{
	uint8_t head[8];
	size_t payload = much * 16;
	uint8_t *ip = frame + IP_AT, *tcp = ip + 20;

	fuzz_take(input, size, head, sizeof(head));
	memset(frame, 0, IP_AT + 40 + payload);
	frame[HEAD_BYTES + 12] = 0x08;
	ip[0] = 0x45;
	ip[2] = (40 + payload) >> 8;
	ip[3] = 40 + payload;
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 12, "\xc6\x12\0\1\xc6\x12\0\2", 8);
	tcp[1] = head[0] & 3;
	tcp[3] = 80;
	/* Small steps, so that packets follow one another, overlap and leave holes. */
	tcp[6] = head[1] & 15;
	tcp[7] = head[2];
	tcp[10] = head[3] & 15;
	tcp[11] = head[4];
	tcp[12] = 0x50;
	tcp[13] = head[5];
	tcp[14] = head[6];
	tcp[19] = head[7];
	return IP_AT + 40 + payload;
}

static size_t any_frame(const uint8_t **input, size_t *size, uint8_t much, uint8_t *frame)
{
	size_t n = much * 4;

	fuzz_take(input, size, frame, n);
	return n;
}

static struct tcpc_flow flow_of(uint8_t which)
{
	return (struct tcpc_flow){
		.client = tcpc_addr_from_v4(tcpc_htonl(0xc6120001)),
		.server = tcpc_addr_from_v4(tcpc_htonl(0xc6120002)),
		.client_port = tcpc_htons(which & 3),
		.server_port = tcpc_htons(80),
	};
}

static void step(struct tcpc_hold *hold, const uint8_t **input, size_t *size, __u64 *now_ns)
{
	/* As in the daemon the IP header lies on a boundary of 4. */
	static uint8_t frame[FRAME_BYTES] __attribute__((aligned(8)));
	uint8_t what, much;
	struct tcpc_flow flow;
	size_t n;

	fuzz_take(input, size, &what, 1);
	much = what >> 2;
	*now_ns += 1000;
	if ((what & 3) < 2) {
		n = what & 1 ? any_frame(input, size, much, frame)
			     : make_packet(input, size, much, frame);
		tcpc_hold_take(hold, *now_ns, frame, HEAD_BYTES, n);
	} else if ((what & 3) == 2) {
		known = much & 1;
		if (much & 2)
			fuzz_take(input, size, &exchange, sizeof(exchange));
		flow = flow_of(much >> 2);
		tcpc_hold_touch(hold, *now_ns, &flow);
	} else {
		*now_ns += (1ULL << much) & 0xfffffffffULL;
		tcpc_hold_tick(hold, *now_ns);
	}
	MUST(tcpc_hold_stats(hold)->bytes <= LIMIT_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct tcpc_hold *hold = tcpc_hold_new(LIMIT_BYTES, 10000000000ULL, &ops, NULL);
	__u64 now_ns = 1000000000;

	MUST(hold);
	known = false;
	emitted = 0;
	memset(&exchange, 0, sizeof(exchange));
	while (size)
		step(hold, &input, &size, &now_ns);
	/* Nothing waits for longer than --max-lag, or behind a gap for longer than that may take;
	 * but what is released on the way is progress. */
	for (__u64 end_ns = now_ns + 2 * TCPC_HOLD_GAP_NS; now_ns < end_ns;)
		tcpc_hold_tick(hold, now_ns += 1000000000);
	MUST(tcpc_hold_empty(hold));
	tcpc_hold_free(hold);
	return 0;
}
