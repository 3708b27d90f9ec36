// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_hold_random.c - the hold queue between modelled clients, kernel and target, at random times:
 * no request is released before the answer to the one before it, and all of them are in the end.
 * And the queue under random calls that nobody would make: no packet is lost but with its
 * connection, and none doubled.
 */
#include "../harness/hold_lab.h"
#include "../harness/random.h"

#define PSH_ACK (TCPC_TCP_PSH | TCPC_TCP_ACK)

/* ---- causality ------------------------------------------------------------------------------- */

#define CLIENTS 40
#define EXCHANGES 30
#define MAX_PARTS 3 /* packets of a request, segments of an answer */
#define MAX_PACKETS (EXCHANGES * MAX_PARTS + 1)
#define RUN_MS 60000
#define REQUEST_BYTES 20
#define SEEN_WITHIN_MS 20   /* what is written back reaches the kernel's view */
#define LOST_MS 200	    /* what is lost is sent again after so long, or up to twice that */
#define ANSWER_WITHIN_MS 60 /* of one segment of an answer; below TCPC_HOLD_QUIET_NS */

struct packet {
	int exchange; /* EXCHANGES: FIN */
	bool last;    /* of its request */
	__u32 seq, ack;
	__u32 seen_ms;	/* when align sees it, once it is released */
	__u32 again_ms; /* lost on the way, and sent again then; 0: not, or not any more */
};

/** One connection: what its client sends, how far it has come, and what the target does. */
struct client {
	struct packet packets[MAX_PACKETS];
	int n, sent, taken, released, seen;
	__u32 number;
	__u32 answer_bytes[EXCHANGES];
	int asked, answered; /* whole requests at the target, whole answers from it */
	__u32 segment_ms;    /* when the target sends the next segment */
	__u32 said;	     /* of the answer under way */
};

static struct client clients[CLIENTS];
static __u32 now_ms;
static __u64 seed;

static void plan_client(struct client *c)
{
	__u32 seq = random_next(&seed), ack = random_next(&seed);

	memset(c, 0, sizeof(*c));
	for (int e = 0; e < EXCHANGES; e++) {
		int parts = 1 + random_below(&seed, MAX_PARTS);

		for (int i = 0; i < parts; i++, seq += REQUEST_BYTES)
			c->packets[c->n++] = (struct packet){e, i == parts - 1, seq, ack, 0, 0};
		/* Of very different lengths: a short answer behind a long one is the hard case. */
		c->answer_bytes[e] = random_below(&seed, 3) ? 1 + random_below(&seed, 100)
							    : 1 + random_below(&seed, 100000);
		ack += c->answer_bytes[e];
	}
	c->packets[c->n++] = (struct packet){EXCHANGES, true, seq, ack, 0, 0};
}

/* A packet is written back: the one whose turn it is, and not before its time. */
static void on_written(struct hold_lab *lab, int conn, const struct tcpc_pkt *pkt, __u32 number)
{
	struct client *c = &clients[conn];
	struct packet *p = &c->packets[c->released++];
	char row[64];

	(void)lab;
	snprintf(row, sizeof(row), "connection %d, exchange %d, %u ms", conn, p->exchange, now_ms);
	expect_true(row, "was taken before", c->released <= c->taken && !p->again_ms);
	expect_u64(row, "SEG.SEQ", pkt->seq, p->seq);
	expect_u64(row, "flags", pkt->flags,
		   p->exchange == EXCHANGES ? TCPC_TCP_FIN | TCPC_TCP_ACK : PSH_ACK);
	expect_true(row, "comes behind the answer before it", c->answered >= p->exchange);
	expect_u64(row, "number", number, c->released == c->taken ? c->number : 0);
	p->seen_ms = now_ms + random_below(&seed, SEEN_WITHIN_MS);
	/* They keep their order on the way. */
	if (c->released > 1 && p->seen_ms < p[-1].seen_ms)
		p->seen_ms = p[-1].seen_ms;
}

static void arrives(struct hold_lab *lab, int conn, const struct packet *p)
{
	struct client *c = &clients[conn];
	struct frame_spec spec = {
		.flags = PSH_ACK, .seq = p->seq, .ack = p->ack, .payload_bytes = REQUEST_BYTES};

	if (p->exchange == EXCHANGES) {
		spec.flags = TCPC_TCP_FIN | TCPC_TCP_ACK;
		spec.payload_bytes = 0;
	}
	c->taken++;
	lab_take(lab, now_ms * MS, conn, ++c->number, &spec);
}

/* Only the beginning of a request gets lost: more of it would not wait for what is missing. */
static void client_sends(struct hold_lab *lab, int conn)
{
	struct client *c = &clients[conn];
	struct packet *p = &c->packets[c->sent];
	bool begins = !c->sent || p[-1].last;

	for (int i = 0; i < c->sent; i++)
		if (c->packets[i].again_ms && c->packets[i].again_ms <= now_ms) {
			c->packets[i].again_ms = 0;
			arrives(lab, conn, &c->packets[i]);
		}
	if (c->sent == c->n || random_below(&seed, 4))
		return;
	c->sent++;
	if (begins && !random_below(&seed, 8))
		p->again_ms = now_ms + LOST_MS + random_below(&seed, LOST_MS);
	else
		arrives(lab, conn, p);
}

/* What align notes of each packet, and the target's application reads. */
static void kernel_sees(struct hold_lab *lab, int conn)
{
	struct tcpc_exchange *x = &lab->view[conn].x;
	struct client *c = &clients[conn];

	for (; c->seen < c->released && c->packets[c->seen].seen_ms <= now_ms; c->seen++) {
		struct packet *p = &c->packets[c->seen];

		x->acked = p->seq + (p->exchange == EXCHANGES ? 1 : REQUEST_BYTES);
		if (p->exchange == EXCHANGES)
			continue;
		x->request_end = p->seq + REQUEST_BYTES;
		if (!x->exchanges || tcpc_seq_lt(x->client_ack, p->ack)) {
			x->client_ack = p->ack;
			x->snd_nxt = x->answer_end;
			x->exchanges++;
		}
		if (p->last && c->asked++ == c->answered)
			c->segment_ms = now_ms + random_below(&seed, ANSWER_WITHIN_MS);
	}
}

static void target_answers(struct hold_lab *lab, int conn)
{
	struct tcpc_exchange *x = &lab->view[conn].x;
	struct client *c = &clients[conn];
	struct tcpc_flow flow = lab_flow(conn);
	__u32 left, n;

	if (c->asked == c->answered || c->segment_ms > now_ms)
		return;
	left = c->answer_bytes[c->answered] - c->said;
	n = random_below(&seed, 2) ? left : 1 + random_below(&seed, left);
	c->said += n;
	x->answer_end += n;
	x->answer_flags = n == left ? PSH_ACK : TCPC_TCP_ACK;
	if (n == left) {
		c->answered++;
		c->said = 0;
	}
	c->segment_ms = now_ms + random_below(&seed, ANSWER_WITHIN_MS);
	/* Some receipts get lost. */
	if (random_below(&seed, 4))
		tcpc_hold_touch(lab->hold, now_ms * MS, &flow);
}

static bool all_seen(void)
{
	for (int i = 0; i < CLIENTS; i++)
		if (clients[i].seen < clients[i].n)
			return false;
	return true;
}

static void begin_clients(struct hold_lab *lab)
{
	lab_begin(lab, 64 << 20, 10000 * MS);
	lab->written = on_written;
	for (int i = 0; i < CLIENTS; i++) {
		plan_client(&clients[i]);
		lab->view[i].known = true;
		lab->view[i].x.answer_end = random_next(&seed);
		lab->view[i].x.answer_flags = TCPC_TCP_ACK;
		lab->view[i].gaps = true;
		lab->view[i].x.start_ns = 1;
		lab->view[i].x.syn_seq = clients[i].packets[0].seq - 1;
		lab->view[i].x.acked = clients[i].packets[0].seq;
	}
}

static void run_clients(void)
{
	struct tcpc_hold_stats want = {};
	struct hold_lab lab;

	begin_clients(&lab);
	for (now_ms = 0; now_ms < RUN_MS && !all_seen(); now_ms++) {
		for (int i = 0; i < CLIENTS; i++) {
			client_sends(&lab, i);
			kernel_sees(&lab, i);
			target_answers(&lab, i);
		}
		if (now_ms % TCPC_HOLD_TICK_MS == 0)
			tcpc_hold_tick(lab.hold, now_ms * MS);
		lab.did[0] = '\0';
	}
	expect_true("clients", "all got through", all_seen());
	tcpc_hold_tick(lab.hold, (now_ms + 1000) * MS);
	for (int i = 0; i < CLIENTS; i++)
		want.taken += clients[i].n;
	want.released = want.taken;
	expect_bytes("clients: counters", tcpc_hold_stats(lab.hold), &want, sizeof(want));
	tcpc_hold_free(lab.hold);
}

static void test_causality(void **state)
{
	(void)state;
	for (int run = 0; run < 10; run++) {
		seed = run;
		run_clients();
	}
}

/* ---- chaos ----------------------------------------------------------------------------------- */

#define OPERATIONS 100000
#define CHAOS_CONNECTIONS 16
#define CHAOS_LIMIT 200000
#define CHAOS_QUEUE 4096

/* The names (TCP windows) of the packets that the queue should have, by connection. Two with the
 * same name are no matter: one of them is found. */
static struct fifo {
	__u16 name[CHAOS_QUEUE];
	__u32 in, out;
	__u32 number;
} fifos[CHAOS_CONNECTIONS];
static __u64 n_written, n_again, n_lost;
static int coming = -1; /* connection whose packet is being taken */

static void on_chaos_written(struct hold_lab *lab, int conn, const struct tcpc_pkt *pkt,
			     __u32 number)
{
	struct fifo *f = &fifos[conn];
	__u32 i = f->out;

	(void)lab;
	while (i != f->in && f->name[i % CHAOS_QUEUE] != pkt->window)
		i++;
	if (i == f->in) {
		n_again++; /* was written before, or it was never taken: the sums will tell */
		expect_u64("chaos", "number of what is written again", number, 0);
		return;
	}
	for (; i != f->out; i--)
		f->name[i % CHAOS_QUEUE] = f->name[(i - 1) % CHAOS_QUEUE];
	f->out++;
	expect_u64("chaos", "number", number, f->out == f->in ? f->number : 0);
	n_written++;
}

static void on_chaos_given_up(struct hold_lab *lab, int conn)
{
	/* The packet that is just coming is not in the queue yet. */
	__u32 end = fifos[conn].in - (conn == coming);

	(void)lab;
	n_lost += end - fifos[conn].out;
	fifos[conn].out = end;
}

static void chaos_take(struct hold_lab *lab, __u64 now_ns, int conn)
{
	static const __u8 flags[] = {PSH_ACK,
				     PSH_ACK,
				     PSH_ACK,
				     TCPC_TCP_ACK,
				     TCPC_TCP_ACK | TCPC_TCP_FIN,
				     TCPC_TCP_RST,
				     TCPC_TCP_ACK | TCPC_TCP_RST,
				     TCPC_TCP_SYN};
	const __u64 before = tcpc_hold_stats(lab->hold)->duplicates;
	struct fifo *f = &fifos[conn];
	struct frame_spec spec = {
		.flags = flags[random_below(&seed, COUNT_OF(flags))],
		.seq = random_below(&seed, 2000) - 1000,
		.ack = random_below(&seed, 2000) - 1000,
		.window = random_next(&seed),
		.payload_bytes = random_below(&seed, 8) ? random_below(&seed, 3) * 700 : 30000,
	};

	f->name[f->in++ % CHAOS_QUEUE] = spec.window;
	expect_true("chaos", "the model has room", f->in - f->out < CHAOS_QUEUE);
	coming = conn;
	lab_take(lab, now_ns, conn, ++f->number, &spec);
	coming = -1;
	if (tcpc_hold_stats(lab->hold)->duplicates > before)
		f->in--;
}

static void chaos_view(struct lab_view *view)
{
	static const __u8 flags[] = {
		0, TCPC_TCP_ACK, PSH_ACK, TCPC_TCP_ACK | TCPC_TCP_FIN, TCPC_TCP_ACK, TCPC_TCP_RST};

	view->known = random_below(&seed, 20);
	view->x.exchanges = random_below(&seed, 4);
	view->x.client_ack = random_below(&seed, 2000) - 1000;
	view->x.snd_nxt = random_below(&seed, 100) - 50;
	view->x.answer_end = random_below(&seed, 1000) - 100;
	view->x.answer_flags = flags[random_below(&seed, COUNT_OF(flags))];
	view->x.window_end = random_below(&seed, 3) ? 0 : random_below(&seed, 2000) - 1000;
}

static void chaos_operation(struct hold_lab *lab, __u64 now_ns)
{
	int conn = random_below(&seed, CHAOS_CONNECTIONS);
	struct tcpc_flow flow = lab_flow(conn);

	switch (random_below(&seed, 8)) {
	case 0:
		chaos_view(&lab->view[conn]);
		break;
	case 1:
		tcpc_hold_touch(lab->hold, now_ns, &flow);
		break;
	case 2:
		tcpc_hold_tick(lab->hold, now_ns);
		break;
	default:
		chaos_take(lab, now_ns, conn);
	}
	lab->did[0] = '\0';
}

static void expect_chaos(const struct hold_lab *lab)
{
	const struct tcpc_hold_stats *s = tcpc_hold_stats(lab->hold);
	__u64 in = 0, queued = 0;

	for (int i = 0; i < CHAOS_CONNECTIONS; i++) {
		in += fifos[i].in;
		queued += fifos[i].in - fifos[i].out;
	}
	expect_u64("chaos", "taken", s->taken, in);
	expect_u64("chaos", "released", s->released, n_written);
	expect_u64("chaos", "lost", s->lost, n_lost);
	expect_u64("chaos", "in the queue", s->taken - s->released - s->lost - s->write_failed,
		   queued);
	expect_u64("chaos", "written again", s->again, n_again);
	expect_true("chaos", "what is queued takes memory", s->bytes || !queued);
	expect_true("chaos", "memory is bounded", s->bytes <= CHAOS_LIMIT);
	expect_true("chaos", "connections", s->connections <= CHAOS_CONNECTIONS);
}

/* What has not happened has not been tested. */
static void expect_often(const char *what, __u64 n, __u64 least)
{
	if (n < least)
		expect_fail("chaos: %s: only %llu times", what, (unsigned long long)n);
	print_message("%s: %llu\n", what, (unsigned long long)n);
}

static void test_chaos(void **state)
{
	struct hold_lab lab;
	__u64 now_ns = 0;

	(void)state;
	seed = 1;
	lab_begin(&lab, CHAOS_LIMIT, 1000 * MS);
	lab.written = on_chaos_written;
	lab.given_up = on_chaos_given_up;
	for (int i = 0; i < OPERATIONS; i++) {
		/* Mostly within a tick, now and then later than any limit. */
		now_ns += random_below(&seed, 50) ? random_below(&seed, 2 * MS)
						  : random_below(&seed, 1500 * MS);
		chaos_operation(&lab, now_ns);
		expect_chaos(&lab);
	}
	expect_often("late", tcpc_hold_stats(lab.hold)->released_late, 10);
	expect_often("after quiet", tcpc_hold_stats(lab.hold)->released_quiet, 10);
	expect_often("shed at the bound", tcpc_hold_stats(lab.hold)->shed_full, 100);
	expect_often("shed for its lag", tcpc_hold_stats(lab.hold)->shed_lag, 100);
	expect_often("came again", tcpc_hold_stats(lab.hold)->duplicates, 100);
	expect_often("released", n_written, OPERATIONS / 10);
	expect_often("written again", n_again, 100);
	/* With packets still in it: nothing may leak. */
	chaos_take(&lab, now_ns, 0);
	tcpc_hold_free(lab.hold);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_causality),
		cmocka_unit_test(test_chaos),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
