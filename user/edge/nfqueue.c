// SPDX-License-Identifier: GPL-2.0-only
/*
 * nfqueue.c - threads and netlink of the interceptor, see nfqueue.h. What is done with one packet
 * is decided in core/verdict.c.
 */
#include "edge/nfqueue.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <libnetfilter_queue/libnetfilter_queue.h>

#include "core/nlmsg.h"
#include "core/verdict.h"
#include "edge/log.h"
#include "edge/nfqueue_config.h"
#include "edge/nfqueue_mail.h"
#include "edge/nfqueue_overflow.h"
#include "tcpcopy/addr.h"

#define RECV_BYTES                                                                                 \
	4096 /* of one message: TCPC_NFQUEUE_COPY_BYTES of the packet and what is said of it */
#define RECV_BATCH 32 /* messages with one call */
#define GATHER_NS 4000000
#define BATCH_BYTES 32768
#define BATCH_SLACK 8192 /* mnl_nlmsg_batch needs room for the message that overflows it */
#define OVERFLOW_POLL_MS 1000
#define TCP_SYN 0x02 /* tcpcopy/parse.h cannot stand beside libuv's headers */

struct queue {
	struct tcpc_nfqueue *owner;
	__u64 drained_ns; /* when we last had read all */
	unsigned int number;
	struct mnl_socket *nl;
	int raw_fd;  /* for the ACKs of GSO packets */
	int raw6_fd; /* the same for IPv6, -1 where the kernel has none */
	pthread_t thread;
	bool started;
	struct tcpc_queue_stats *stats;
	struct mnl_nlmsg_batch *batch;
	unsigned char send_buf[BATCH_BYTES + BATCH_SLACK];
	bool goes_on; /* of an answer among those last read more is to come */
	struct mmsghdr messages[RECV_BATCH];
	struct iovec vectors[RECV_BATCH];
	unsigned char recv_buf[RECV_BATCH][RECV_BYTES] __attribute__((aligned(8)));
};

struct tcpc_nfqueue {
	struct tcpc_nfqueue_options options;
	unsigned int n_queues;
	int stop_fd;
	struct tcpc_nfqueue_mail *mail;
	struct queue queue[];
};

/* Is anybody waiting for what comes? */
static bool is_awaited(const struct queue *q)
{
	const struct tcpc_nfqueue_options *o = &q->owner->options;

	return o->is_urgent && o->is_urgent(o->user);
}

static void push_receipt(struct queue *q, const struct tcpc_receipt *receipt)
{
	if (!tcpc_nfqueue_mail_push(q->owner->mail, receipt, is_awaited(q)))
		q->stats->receipts_lost++;
}

/* ---- verdicts -------------------------------------------------------------------------------- */

/* A verdict that could not be sent leaves its packet in the kernel's queue, so try until it goes:
 * the send only fails while the kernel is out of memory. */
static void flush_verdicts(struct queue *q)
{
	const void *head = mnl_nlmsg_batch_head(q->batch);
	size_t size = mnl_nlmsg_batch_size(q->batch);

	if (mnl_nlmsg_batch_is_empty(q->batch))
		return;
	while (mnl_socket_sendto(q->nl, head, size) < 0) {
		q->stats->send_failed++;
		if (errno != EINTR && errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM) {
			tcpc_log_error("queue %u: cannot send verdicts: %s", q->number,
				       strerror(errno));
			break;
		}
		poll(NULL, 0, 1);
	}
	mnl_nlmsg_batch_reset(q->batch);
}

/*
 * The ACK of a packet that the kernel has not cut up yet (GSO). Replacing such a packet's bytes
 * leaves its segment size behind, and the loopback device drops a 40-byte packet that says it is to
 * be cut: seen as tx_dropped on lo, and a 10 MB response crawled on retransmissions. So it ends
 * here, and its ACK takes the same way (OUTPUT, lo, the socket) on its own.
 */
static void inject(struct queue *q, struct tcpc_verdict *verdict)
{
	const struct tcpc_addr *server = &verdict->receipt.server;
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6};
	struct sockaddr_in to = {.sin_family = AF_INET};
	ssize_t n;

	verdict->action = TCPC_VERDICT_DROP;
	memcpy(&to.sin_addr, &server->w[3], sizeof(to.sin_addr));
	memcpy(&to6.sin6_addr, server, sizeof(to6.sin6_addr));
	if (tcpc_addr_is_v4(server))
		n = sendto(q->raw_fd, verdict->packet, verdict->packet_bytes, 0, (void *)&to,
			   sizeof(to));
	else
		n = sendto(q->raw6_fd, verdict->packet, verdict->packet_bytes, 0, (void *)&to6,
			   sizeof(to6));
	if (n < 0)
		q->stats->inject_failed++;
	else
		q->stats->injected++;
}

static bool is_gso(struct nlattr *const *attr)
{
	return attr[NFQA_SKB_INFO] && (ntohl(mnl_attr_get_u32(attr[NFQA_SKB_INFO])) & NFQA_SKB_GSO);
}

static void put_verdict(struct queue *q, __u32 packet_id, const struct tcpc_verdict *verdict)
{
	int action = verdict->action == TCPC_VERDICT_DROP ? NF_DROP : NF_ACCEPT;
	struct nlmsghdr *nlh =
		nfq_nlmsg_put(mnl_nlmsg_batch_current(q->batch), NFQNL_MSG_VERDICT, q->number);

	nfq_nlmsg_verdict_put(nlh, packet_id, action);
	if (verdict->action == TCPC_VERDICT_REPLACE)
		nfq_nlmsg_verdict_put_pkt(nlh, verdict->packet, verdict->packet_bytes);
	/* "false" means that the batch is full; the message then lies in the slack behind it. */
	if (!mnl_nlmsg_batch_next(q->batch))
		flush_verdicts(q);
}

static void count_verdict(struct tcpc_queue_stats *stats, const struct tcpc_verdict *verdict)
{
	stats->packets++;
	switch (verdict->reason) {
	case TCPC_REASON_REFLECTED:
		stats->reflected++;
		break;
	case TCPC_REASON_NO_ACK_NEEDED:
		stats->dropped++;
		break;
	case TCPC_REASON_ICMP:
		stats->icmp_dropped++;
		break;
	case TCPC_REASON_MALFORMED:
		stats->malformed++;
		break;
	case TCPC_REASON_NOT_OURS:
		stats->accepted++;
		break;
	}
}

/* A keep-alive probe looks like any other ACK; only who knows the connection can tell. */
static void answer_probe(struct queue *q, struct tcpc_verdict *verdict)
{
	const struct tcpc_nfqueue_options *o = &q->owner->options;
	const struct tcpc_flow flow = tcpc_receipt_flow(&verdict->receipt);
	__u32 end;

	if (verdict->reason == TCPC_REASON_NO_ACK_NEEDED && o->sent_end(o->user, &flow, &end))
		tcpc_verdict_answer_probe(verdict, end);
}

/* The handshake of a trial stops half-way. */
static void leave_half_open(struct queue *q, struct tcpc_verdict *verdict)
{
	const struct tcpc_nfqueue_options *o = &q->owner->options;
	struct tcpc_flow flow;

	if (verdict->action != TCPC_VERDICT_REPLACE || !(verdict->receipt.flags & TCP_SYN) ||
	    !o->is_trial)
		return;
	flow = tcpc_receipt_flow(&verdict->receipt);
	if (!o->is_trial(o->user, &flow))
		return;
	verdict->action = TCPC_VERDICT_DROP;
	verdict->reason = TCPC_REASON_NO_ACK_NEEDED;
}

/* One message from the kernel. Every packet gets its verdict, whatever it holds. */
static int on_message(const struct nlmsghdr *nlh, void *data)
{
	struct nlattr *attr[NFQA_MAX + 1] = {};
	struct nfqnl_msg_packet_hdr *header;
	struct tcpc_verdict verdict;
	const void *payload = NULL;
	__u32 captured = 0, bytes;
	struct queue *q = data;

	if (nfq_nlmsg_parse(nlh, attr) < 0 || !attr[NFQA_PACKET_HDR]) {
		q->stats->malformed++; /* no packet id: there is nothing to give a verdict on */
		return MNL_CB_OK;
	}
	header = mnl_attr_get_payload(attr[NFQA_PACKET_HDR]);
	if (attr[NFQA_PAYLOAD]) {
		payload = mnl_attr_get_payload(attr[NFQA_PAYLOAD]);
		captured = mnl_attr_get_payload_len(attr[NFQA_PAYLOAD]);
	}
	bytes = attr[NFQA_CAP_LEN] ? ntohl(mnl_attr_get_u32(attr[NFQA_CAP_LEN])) : captured;
	tcpc_verdict_decide(payload, captured, bytes, q->owner->options.ports,
			    q->owner->options.n_ports, &verdict);
	answer_probe(q, &verdict);
	leave_half_open(q, &verdict);
	q->goes_on |= is_gso(attr) || tcpc_verdict_goes_on(&verdict);
	if (verdict.action == TCPC_VERDICT_REPLACE && is_gso(attr))
		inject(q, &verdict);
	put_verdict(q, ntohl(header->packet_id), &verdict);
	count_verdict(q->stats, &verdict);
	if (verdict.has_receipt)
		push_receipt(q, &verdict.receipt);
	return MNL_CB_OK;
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* Is it time for that again? A queue that is never idle is the one that overflows. */
static bool is_due(__u64 *next_ms)
{
	struct timespec now;
	__u64 now_ms;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	now_ms = now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
	if (now_ms < *next_ms)
		return false;
	*next_ms = now_ms + OVERFLOW_POLL_MS;
	return true;
}

static void on_messages(struct queue *q, unsigned int n)
{
	unsigned int portid = mnl_socket_get_portid(q->nl);

	for (unsigned int i = 0; i < n; i++) {
		size_t bytes = q->messages[i].msg_len;

		if (q->messages[i].msg_hdr.msg_flags & MSG_TRUNC ||
		    !tcpc_nlmsg_fit(q->recv_buf[i], bytes)) {
			q->stats->malformed++;
			continue;
		}
		if (mnl_cb_run(q->recv_buf[i], bytes, 0, portid, on_message, q) < 0 &&
		    errno != EPROTO)
			tcpc_log_warn("queue %u: %s", q->number, strerror(errno));
	}
}

/* Read until the socket is empty, then send all verdicts at once. Returns how many packets came. */
static unsigned int drain(struct queue *q)
{
	unsigned int packets = 0;
	int n;

	q->goes_on = false;
	do {
		n = recvmmsg(mnl_socket_get_fd(q->nl), q->messages, RECV_BATCH, MSG_DONTWAIT, NULL);
		if (n < 0 && errno == ENOBUFS)
			q->stats->enobufs++;
		if (n > 0)
			on_messages(q, n);
		packets += n > 0 ? n : 0;
	} while (n == RECV_BATCH || (n < 0 && (errno == EINTR || errno == ENOBUFS)));
	flush_verdicts(q);
	return packets;
}

/*
 * Being woken costs as much as what is done for a small answer, so while these come close together
 * a few are let gather: their ACKs take then no longer than a client's mostly do. Not where
 * anybody waits for one: what is held, and who has more to send, a window at a time.
 */
static bool may_gather(struct queue *q, unsigned int packets)
{
	struct timespec now;
	__u64 now_ns, since_ns;

	if (!packets)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &now);
	now_ns = now.tv_sec * 1000000000ULL + now.tv_nsec;
	since_ns = now_ns - q->drained_ns;
	q->drained_ns = now_ns;
	if (packets >= RECV_BATCH || q->goes_on || is_awaited(q))
		return false;
	return packets > 1 || since_ns < 2 * GATHER_NS;
}

/* Wait for packets or, while these are left alone to gather, for the end of that. Returns whether
 * to go on; @ret_packets: may there be some? */
static bool await_packets(struct queue *q, bool gathering, bool *ret_packets)
{
	const struct timespec pause = {.tv_nsec = GATHER_NS};
	struct pollfd fds[2] = {
		{.fd = q->owner->stop_fd, .events = POLLIN},
		{.fd = mnl_socket_get_fd(q->nl), .events = POLLIN},
	};

	if (gathering)
		ppoll(fds, 1, &pause, NULL);
	else
		poll(fds, 2, OVERFLOW_POLL_MS);
	*ret_packets = gathering || fds[1].revents;
	return !(fds[0].revents & POLLIN);
}

static void *queue_thread(void *data)
{
	struct queue *q = data;
	bool gathering = false, packets;
	__u64 next_ms = 0;

	while (await_packets(q, gathering, &packets)) {
		gathering = packets && may_gather(q, drain(q));
		if (is_due(&next_ms))
			tcpc_nfqueue_overflow(q->number, &q->stats->overflow);
	}
	return NULL;
}

/* ---- set-up ---------------------------------------------------------------------------------- */

static int open_queue(struct queue *q, struct tcpc_err *err)
{
	int size = TCPC_NFQUEUE_RCVBUF_BYTES, r;

	/* IPPROTO_RAW: we write the IP header ourselves, in both families. */
	q->raw_fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (q->raw_fd >= 0)
		q->raw6_fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (q->raw_fd < 0 || (q->raw6_fd < 0 && errno != EAFNOSUPPORT))
		return tcpc_err_set(err, errno, "cannot open a raw socket: %s; run as root",
				    strerror(errno));
	q->nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!q->nl || mnl_socket_bind(q->nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return tcpc_err_set(err, errno, "cannot open a netfilter netlink socket: %s",
				    strerror(errno));
	r = tcpc_nfqueue_bind(q->nl, q->number);
	if (r == -EBUSY || r == -EPERM)
		return tcpc_err_set(err, EBUSY,
				    "NFQUEUE queue %u is taken by another program; choose a free "
				    "one with --queue",
				    q->number);
	if (!r)
		r = tcpc_nfqueue_set(q->nl, q->number);
	if (r)
		return tcpc_err_set(err, -r,
				    "NFQUEUE queue %u cannot be set up: %s; the kernel needs "
				    "CONFIG_NETFILTER_NETLINK_QUEUE",
				    q->number, strerror(-r));
	if (setsockopt(mnl_socket_get_fd(q->nl), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		tcpc_log_warn("queue %u: socket buffer stays small: %s", q->number,
			      strerror(errno));
	q->batch = mnl_nlmsg_batch_start(q->send_buf, BATCH_BYTES);
	return q->batch ? 0 : tcpc_err_set(err, ENOMEM, "out of memory");
}

static int start_thread(struct queue *q, struct tcpc_err *err)
{
	sigset_t all, old;
	int r;

	/* Signals are the loop's; a thread must not take them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&q->thread, NULL, queue_thread, q);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r)
		return tcpc_err_set(err, r, "cannot start a queue thread: %s", strerror(r));
	q->started = true;
	return 0;
}

static void stop_threads(struct tcpc_nfqueue *nfq)
{
	uint64_t one = 1;

	if (write(nfq->stop_fd, &one, sizeof(one)) < 0)
		tcpc_log_error("cannot stop the queue threads: %s", strerror(errno));
	for (unsigned int i = 0; i < nfq->n_queues; i++) {
		struct queue *q = &nfq->queue[i];

		if (q->started)
			pthread_join(q->thread, NULL);
		if (q->batch)
			mnl_nlmsg_batch_stop(q->batch);
		if (q->nl)
			mnl_socket_close(q->nl);
		if (q->raw_fd >= 0)
			close(q->raw_fd);
		if (q->raw6_fd >= 0)
			close(q->raw6_fd);
	}
}

static void free_nfqueue(struct tcpc_nfqueue *nfq)
{
	if (nfq->stop_fd >= 0)
		close(nfq->stop_fd);
	if (nfq->mail)
		tcpc_nfqueue_mail_close(nfq->mail);
	free(nfq);
}

static void init_queue(struct queue *q, struct tcpc_nfqueue *owner, unsigned int index)
{
	q->owner = owner;
	q->number = owner->options.first + index;
	q->raw_fd = q->raw6_fd = -1;
	q->stats = &owner->options.stats[index];
	for (unsigned int i = 0; i < RECV_BATCH; i++) {
		q->vectors[i] = (struct iovec){q->recv_buf[i], sizeof(q->recv_buf[i])};
		q->messages[i].msg_hdr.msg_iov = &q->vectors[i];
		q->messages[i].msg_hdr.msg_iovlen = 1;
	}
}

static struct tcpc_nfqueue *new_nfqueue(const struct tcpc_nfqueue_options *options)
{
	unsigned int n = options->last - options->first + 1;
	struct tcpc_nfqueue *nfq = calloc(1, sizeof(*nfq) + n * sizeof(nfq->queue[0]));

	if (!nfq)
		return NULL;
	nfq->options = *options;
	nfq->n_queues = n;
	nfq->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (nfq->stop_fd < 0) {
		free_nfqueue(nfq);
		return NULL;
	}
	for (unsigned int i = 0; i < n; i++)
		init_queue(&nfq->queue[i], nfq, i);
	return nfq;
}

int tcpc_nfqueue_start(uv_loop_t *loop, const struct tcpc_nfqueue_options *options,
		       struct tcpc_nfqueue **ret, struct tcpc_err *err)
{
	struct tcpc_nfqueue *nfq = new_nfqueue(options);
	int r;

	if (!nfq)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	r = tcpc_nfqueue_mail_open(loop, options->receipts, options->user, &nfq->mail, err);
	for (unsigned int i = 0; i < nfq->n_queues && !r; i++)
		r = open_queue(&nfq->queue[i], err);
	for (unsigned int i = 0; i < nfq->n_queues && !r; i++)
		r = start_thread(&nfq->queue[i], err);
	if (r) {
		tcpc_nfqueue_stop(nfq);
		return r;
	}
	*ret = nfq;
	return 0;
}

void tcpc_nfqueue_stop(struct tcpc_nfqueue *nfq)
{
	stop_threads(nfq);
	free_nfqueue(nfq);
}
