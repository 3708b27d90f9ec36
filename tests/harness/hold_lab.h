/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hold_lab.h - the hold queue with a kernel made of numbers: what it knows of each connection is
 * what the test says, what is written back is noted as text. Time is a number too.
 */
#ifndef TCPCOPY_TESTS_HOLD_LAB_H
#define TCPCOPY_TESTS_HOLD_LAB_H

#include "expect.h"
#include "frames.h"

#include "core/hold.h"
#include "tcpcopy/hold.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

#define MS 1000000ULL
#define LAB_CONNECTIONS 64
#define LAB_PORT 40000 /* client port of connection 0 */

/** What the kernel knows of a connection; the queue sees it only while @known. */
struct lab_view {
	bool known;
	bool gaps; /* request_end and acked hold; else nothing is missing before what was taken, and
		    * what was written back is acknowledged */
	__u32 reach;
	__u32 written;
	struct tcpc_exchange x;
};

/** One queue, the kernel's view, and all that the queue did since lab_clear(). */
struct hold_lab {
	struct tcpc_hold *hold;
	struct lab_view view[LAB_CONNECTIONS];
	int write_error;  /* what writing a frame back returns */
	__u32 head_bytes; /* what the device puts before each frame, see lab_head_byte() */
	/* Called for each frame that is written back, if not NULL. */
	void (*written)(struct hold_lab *lab, int conn, const struct tcpc_pkt *pkt, __u32 number);
	void (*given_up)(struct hold_lab *lab, int conn);
	bool note_taken; /* what was taken stands in @did as well */
	__u32 start;	 /* number that its distances are from */
	unsigned int n_taken;
	struct tcpc_hold_last last; /* of the connection that was shed last */
	char did[512]; /* "A0 B2 !1": frame A, tag 0; frame B, tag 2; connection 1 shed */
};

/** lab_flow - of connection number @conn. */
static inline struct tcpc_flow lab_flow(int conn)
{
	struct tcpc_flow flow = {
		.client = frame_host(&(struct frame_spec){}, 1),
		.server = frame_host(&(struct frame_spec){}, 2),
		.client_port = tcpc_htons(LAB_PORT + conn),
		.server_port = tcpc_htons(80),
	};

	return flow;
}

static inline void lab_note(struct hold_lab *lab, const char *format, int a, __u32 b)
{
	size_t at = strlen(lab->did);

	/* cppcheck-suppress wrongPrintfScanfArgNum ; the shorter formats leave the second one out
	 */
	snprintf(lab->did + at, sizeof(lab->did) - at, format, a, b);
}

static inline bool lab_exchange(void *user, const struct tcpc_flow *flow, struct tcpc_exchange *ret)
{
	struct hold_lab *lab = user;
	int conn = tcpc_ntohs(flow->client_port) - LAB_PORT;
	struct tcpc_flow whole = lab_flow(conn);

	expect_bytes("exchange()", flow, &whole, sizeof(whole));
	if (!lab->view[conn].known)
		return false;
	*ret = lab->view[conn].x;
	if (lab->view[conn].gaps)
		return true;
	ret->request_end = lab->view[conn].reach;
	ret->acked = lab->view[conn].reach;
	if (lab->view[conn].written)
		ret->acked = tcpc_seq_max(ret->acked, lab->view[conn].written);
	return true;
}

static inline __u8 lab_head_byte(__u32 i)
{
	return 0xa0 + i;
}

/* A frame's TTL is its name in these tests, so that nothing else has to be the same on the way. */
static inline int lab_emit(void *user, const void *frame, size_t bytes)
{
	struct hold_lab *lab = user;
	struct tcpc_hold_tag tag;
	struct tcpc_pkt pkt;
	__u8 *aligned = malloc(bytes + FRAME_ETHER_ALIGN), *data = aligned + FRAME_ETHER_ALIGN;

	for (__u32 i = 0; i < lab->head_bytes; i++)
		expect_u64("emit()", "head", ((const __u8 *)frame)[i], lab_head_byte(i));
	bytes -= lab->head_bytes;
	memcpy(data, (const __u8 *)frame + lab->head_bytes, bytes);
	if (tcpc_parse(data, data + bytes, bytes, TCPC_LINK_ETHER, &pkt))
		expect_fail("a frame was written back that is none");
	memcpy(&tag, data + ETH_ALEN, sizeof(tag));
	free(aligned);
	lab_note(lab, "%c%u ", pkt.ttl, tcpc_hold_tag_read(&tag));
	lab->view[tcpc_ntohs(pkt.sport) - LAB_PORT].written = pkt.seq + tcpc_pkt_seq_len(&pkt);
	if (lab->written && !lab->write_error)
		lab->written(lab, tcpc_ntohs(pkt.sport) - LAB_PORT, &pkt, tcpc_hold_tag_read(&tag));
	return lab->write_error;
}

/* "=0:100-150 ": what of connection 0 was taken, distances from @start. Only if the test asks. */
static inline void lab_taken(void *user, const struct tcpc_flow *flow, __u32 seq, __u32 end)
{
	struct hold_lab *lab = user;
	char text[40];

	lab->n_taken++;
	if (!lab->note_taken)
		return;
	snprintf(text, sizeof(text), "=%d:%d-%d ", tcpc_ntohs(flow->client_port) - LAB_PORT,
		 (int)(seq - lab->start), (int)(end - lab->start));
	strncat(lab->did, text, sizeof(lab->did) - strlen(lab->did) - 1);
}

static inline void lab_shed(void *user, const struct tcpc_flow *flow,
			    const struct tcpc_hold_last *last)
{
	struct hold_lab *lab = user;
	int conn = tcpc_ntohs(flow->client_port) - LAB_PORT;

	lab->last = *last;
	lab_note(lab, "!%d ", conn, 0);
	if (lab->given_up)
		lab->given_up(lab, conn);
}

static const struct tcpc_hold_ops lab_ops = {
	.exchange = lab_exchange,
	.emit = lab_emit,
	.taken = lab_taken,
	.shed = lab_shed,
};

/** lab_begin - an empty queue and a kernel that knows nothing. */
static inline void lab_begin(struct hold_lab *lab, size_t limit_bytes, __u64 max_lag_ns)
{
	memset(lab, 0, sizeof(*lab));
	lab->hold = tcpc_hold_new(limit_bytes, max_lag_ns, &lab_ops, lab);
	if (!lab->hold)
		expect_fail("no queue");
}

/** lab_take - the frame @spec of connection @conn, numbered @number, comes out of the device. The
 * buffer ends where the frame ends, and goes at once: the queue has to copy it. */
static inline void lab_take(struct hold_lab *lab, __u64 now_ns, int conn, __u32 number,
			    const struct frame_spec *spec)
{
	struct frame_spec own = *spec;
	struct tcpc_hold_tag tag;
	struct frame frame;

	own.sport = LAB_PORT + conn;
	if (!lab->view[conn].reach || tcpc_seq_lt(lab->view[conn].reach, own.seq))
		lab->view[conn].reach = own.seq;
	frame = frame_build(&own);
	tcpc_hold_tag_write(&tag, number);
	memcpy(frame.data + ETH_ALEN, &tag, sizeof(tag));
	tcpc_hold_take(lab->hold, now_ns, frame.data, 0, frame.bytes);
	frame_free(&frame);
}

/** expect_did - fail unless the queue has done just @want since the last call. */
static inline void expect_did(const char *scenario, const char *step, struct hold_lab *lab,
			      const char *want)
{
	size_t len = strlen(lab->did);

	if (len)
		lab->did[len - 1] = '\0'; /* the last blank */
	if (strcmp(lab->did, want))
		expect_fail("%s: %s: did \"%s\", expected \"%s\"", scenario, step, lab->did, want);
	lab->did[0] = '\0';
}

#endif
