// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_nfqueue.c - any bytes as a message of the kernel's queue, and any packet in a good one:
 * edge/nfqueue.c and core/verdict.c. Every packet gets just one verdict, and nothing that comes
 * from an intercepted port goes on as it is.
 *
 * Input: one byte (bit 0: the rest is a message's attributes; bit 1: GSO; bit 2: a probe's end is
 * known; the rest times 8: bytes of the packet that are not at hand), then attributes or a packet.
 */
#include <sys/socket.h>
#include <libmnl/libmnl.h>

#include "../harness/fuzz.h"

static unsigned int sent, injected;

#define mnl_socket_sendto(nl, buf, bytes) fuzz_send_verdicts(buf, bytes)
#define mnl_socket_get_portid(nl) 0
#define sendto(fd, buf, bytes, ...) fuzz_inject(buf, bytes)

static ssize_t fuzz_send_verdicts(const void *buf, size_t bytes)
{
	(void)buf;
	sent += bytes > 0;
	return bytes;
}

static ssize_t fuzz_inject(const void *buf, size_t bytes)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < bytes; i++)
		sum += ((const uint8_t *)buf)[i];
	injected += sum | 1;
	return bytes;
}

#include "edge/nfqueue.c"
#include "edge/nfqueue_config.c"

#undef sendto
#undef mnl_socket_sendto
#undef mnl_socket_get_portid

#define PORT 80

void tcpc_log(enum tcpc_log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

void tcpc_nfqueue_overflow(unsigned int number, __u64 *ret)
{
	(void)number;
	(void)ret;
}

static bool sent_end(void *user, const struct tcpc_flow *flow, __u32 *ret_end)
{
	(void)flow;
	*ret_end = 1001;
	return *(bool *)user;
}

/* The kernel's own message around @packet. */
static void put_packet(struct nlmsghdr *nlh, const uint8_t *packet, size_t n, uint8_t how)
{
	const struct nfqnl_msg_packet_hdr header = {.packet_id = htonl(7)};

	mnl_attr_put(nlh, NFQA_PACKET_HDR, sizeof(header), &header);
	if (how & 2)
		mnl_attr_put_u32(nlh, NFQA_SKB_INFO, htonl(NFQA_SKB_GSO));
	if (how >> 3)
		mnl_attr_put_u32(nlh, NFQA_CAP_LEN, htonl(n + (how >> 3) * 8));
	mnl_attr_put(nlh, NFQA_PAYLOAD, n, packet);
}

/* Does the packet come from the intercepted port, as plainly as can be? */
static bool is_answer(const uint8_t *p, size_t n)
{
	return n >= 40 && p[0] == 0x45 && p[9] == IPPROTO_TCP && !(p[6] & 0x3f) && !p[7] &&
	       p[20] == 0 && p[21] == PORT;
}

static struct queue *new_queue(struct tcpc_nfqueue *nfq, struct tcpc_queue_stats *stats)
{
	struct queue *q = calloc(1, sizeof(*q));

	MUST(q);
	q->owner = nfq;
	q->stats = stats;
	q->batch = mnl_nlmsg_batch_start(q->send_buf, BATCH_BYTES);
	MUST(q->batch);
	return q;
}

static void run(struct queue *q, const uint8_t *bytes, size_t n, uint8_t how)
{
	struct nlmsghdr *nlh = calloc(1, 512 + n), *exact;
	struct nfgenmsg *nfg;

	MUST(nlh);
	mnl_nlmsg_put_header(nlh);
	nlh->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = AF_INET;
	if (how & 1) {
		memcpy(mnl_nlmsg_get_payload_tail(nlh), bytes, n);
		nlh->nlmsg_len += n;
	} else {
		put_packet(nlh, bytes, n, how);
	}
	exact = fuzz_copy(nlh, nlh->nlmsg_len);
	mnl_cb_run(exact, exact->nlmsg_len, 0, 0, on_message, q);
	free(exact);
	free(nlh);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct tcpc_queue_stats stats = {};
	struct tcpc_nfqueue nfq = {
		.options = {.ports = {tcpc_htons(PORT)}, .n_ports = 1, .sent_end = sent_end}};
	bool known = size && input[0] & 4;
	struct queue *q;

	if (!size || size > 4096)
		return 0;
	nfq.options.user = &known;
	nfq.n_pending = TCPC_NFQUEUE_RECEIPTS; /* full: they are counted, and nobody is woken */
	pthread_mutex_init(&nfq.lock, NULL);
	q = new_queue(&nfq, &stats);
	sent = 0;
	run(q, input + 1, size - 1, input[0]);
	flush_verdicts(q);
	MUST(stats.packets + stats.malformed >= 1);
	if (!(input[0] & 1))
		MUST(sent == 1 && stats.packets == 1);
	if (!(input[0] & 1) && is_answer(input + 1, size - 1))
		MUST(!stats.accepted);
	mnl_nlmsg_batch_stop(q->batch);
	free(q);
	return 0;
}
