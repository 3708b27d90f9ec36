// SPDX-License-Identifier: GPL-2.0-only
/* link_book.c - see link_book.h. A long change is cut into frames, each a change of its own with
 * its own serial: an acknowledgement then never means half of one. */
#include "edge/link_book.h"

#include <string.h>

#include "edge/log.h"

_Static_assert((int)TCPC_LINK_ALLOW_CLEAR == TCPC_FEEDBACK_ALLOW_CLEAR, "op on the wire");
_Static_assert((int)TCPC_LINK_ALLOW_ADD == TCPC_FEEDBACK_ALLOW_ADD, "op on the wire");
_Static_assert((int)TCPC_LINK_ALLOW_DEL == TCPC_FEEDBACK_ALLOW_DEL, "op on the wire");
_Static_assert(TCPC_LINK_MAX_SERVICES == TCPC_FEEDBACK_SERVICES_MAX, "services on the wire");

static void tell_all(const struct tcpc_link_peers *peers, const struct tcpc_feedback_writer *w)
{
	for (__u32 i = 0; i < peers->n; i++)
		tcpc_link_peer_must_send(peers->list[i], w->start, tcpc_feedback_bytes(w));
}

static void flush_all(const struct tcpc_link_peers *peers)
{
	for (__u32 i = 0; i < peers->n; i++)
		tcpc_link_peer_flush(peers->list[i]);
}

/* ---- services ------------------------------------------------------------------------------- */

static struct tcpc_feedback_writer encode_services(const struct tcpc_link_book *book, __u8 *buf)
{
	struct tcpc_feedback_writer w =
		tcpc_feedback_begin(buf, TCPC_FEEDBACK_BODY_MAX, TCPC_FEEDBACK_SERVICES);

	tcpc_feedback_put_u32(&w, book->settle.serial);
	tcpc_feedback_put_u16(&w, book->n_services);
	for (__u32 i = 0; i < book->n_services; i++) {
		struct tcpc_feedback_service s = {.addr = book->services[i].addr,
						  .port = book->services[i].port,
						  .engine = book->services[i].engine,
						  .tunnels = book->services[i].tunnels};

		tcpc_feedback_put_service(&w, &s);
	}
	return w;
}

static bool services_ok(const struct tcpc_link_service *services, __u32 n)
{
	if (n > TCPC_LINK_MAX_SERVICES) {
		tcpc_log_error("feedback link: %u services, at most %u can be told to the online "
			       "hosts: intercept fewer ports or addresses",
			       n, TCPC_LINK_MAX_SERVICES);
		return false;
	}
	for (__u32 i = 0; i < n; i++) {
		if (!services[i].port || services[i].engine > TCPC_FEEDBACK_ENGINE_MAX) {
			tcpc_log_error("feedback link: service %u has port 0 or engine %u", i,
				       services[i].engine);
			return false;
		}
	}
	return true;
}

__u32 tcpc_link_book_services(struct tcpc_link_book *book, const struct tcpc_link_service *services,
			      __u32 n, const struct tcpc_link_peers *peers)
{
	__u8 body[TCPC_FEEDBACK_BODY_MAX];
	struct tcpc_feedback_writer w;

	if (!services_ok(services, n))
		return 0;
	if (n)
		memcpy(book->services, services, n * sizeof(*services));
	book->n_services = n;
	tcpc_link_settle_next(&book->settle);
	w = encode_services(book, body);
	tell_all(peers, &w);
	flush_all(peers);
	return book->settle.serial;
}

/* ---- allow-list ----------------------------------------------------------------------------- */

static struct tcpc_feedback_writer encode_allow(__u32 serial, enum tcpc_link_allow_op op,
						const struct tcpc_prefix *prefixes, __u32 n,
						__u8 *buf)
{
	struct tcpc_feedback_writer w =
		tcpc_feedback_begin(buf, TCPC_FEEDBACK_BODY_MAX, TCPC_FEEDBACK_ALLOW);

	tcpc_feedback_put_u32(&w, serial);
	tcpc_feedback_put_u8(&w, op);
	tcpc_feedback_put_u16(&w, n);
	for (__u32 i = 0; i < n; i++)
		tcpc_feedback_put_prefix(&w, &prefixes[i].addr, prefixes[i].bits);
	return w;
}

/* How many of @left go into the next frame. */
static __u32 chunk(__u32 left)
{
	return left < TCPC_FEEDBACK_PREFIXES_MAX ? left : TCPC_FEEDBACK_PREFIXES_MAX;
}

/* Change the set. Returns false, after a line in the log, if that is not possible. */
static bool note_allow(struct tcpc_link_book *book, enum tcpc_link_allow_op op,
		       const struct tcpc_prefix *prefixes, __u32 n)
{
	int ret = 0;

	for (__u32 i = 0; i < n; i++) {
		if (!tcpc_feedback_prefix_ok(&prefixes[i].addr, prefixes[i].bits)) {
			tcpc_log_error("feedback link: prefix %u has host bits set", i);
			return false;
		}
	}
	if (op == TCPC_LINK_ALLOW_CLEAR)
		tcpc_link_allow_clear(&book->allow);
	else if (op == TCPC_LINK_ALLOW_ADD)
		ret = tcpc_link_allow_add(&book->allow, prefixes, n);
	else
		ret = tcpc_link_allow_del(&book->allow, prefixes, n);
	if (ret == -E2BIG)
		tcpc_log_error("feedback link: allow-list not changed: it would have more than %u "
			       "prefixes, use shorter ones",
			       TCPC_MAX_ALLOW);
	else if (ret)
		tcpc_log_error("feedback link: allow-list not changed: %s", strerror(-ret));
	return !ret;
}

__u32 tcpc_link_book_allow(struct tcpc_link_book *book, enum tcpc_link_allow_op op,
			   const struct tcpc_prefix *prefixes, __u32 n,
			   const struct tcpc_link_peers *peers)
{
	__u8 body[TCPC_FEEDBACK_BODY_MAX];
	struct tcpc_feedback_writer w;
	__u32 done = 0;

	if (op == TCPC_LINK_ALLOW_CLEAR)
		n = 0;
	if (!note_allow(book, op, prefixes, n))
		return 0;
	do { /* also with nothing in it: the caller waits for the serial */
		w = encode_allow(tcpc_link_settle_next(&book->settle), op, prefixes + done,
				 chunk(n - done), body);
		tell_all(peers, &w);
		done += chunk(n - done);
	} while (done < n);
	flush_all(peers);
	return book->settle.serial;
}

/* ---- a new peer ----------------------------------------------------------------------------- */

void tcpc_link_book_brief(const struct tcpc_link_book *book, struct tcpc_link_peer *peer)
{
	const __u32 serial = book->settle.serial;
	__u8 body[TCPC_FEEDBACK_BODY_MAX];
	struct tcpc_feedback_writer w;
	__u32 done, n;

	w = encode_allow(serial, TCPC_LINK_ALLOW_CLEAR, NULL, 0, body);
	tcpc_link_peer_must_send(peer, body, tcpc_feedback_bytes(&w));
	for (done = 0; done < book->allow.n; done += n) {
		n = chunk(book->allow.n - done);
		w = encode_allow(serial, TCPC_LINK_ALLOW_ADD, book->allow.list + done, n, body);
		tcpc_link_peer_must_send(peer, body, tcpc_feedback_bytes(&w));
	}
	w = encode_services(book, body);
	tcpc_link_peer_must_send(peer, body, tcpc_feedback_bytes(&w));
	tcpc_link_peer_flush(peer);
}

void tcpc_link_book_free(struct tcpc_link_book *book)
{
	tcpc_link_allow_clear(&book->allow);
}

void tcpc_link_peers_remove(struct tcpc_link_peers *peers, const struct tcpc_link_peer *peer)
{
	__u32 i = 0;

	while (peers->list[i] != peer)
		i++;
	peers->n--;
	memmove(&peers->list[i], &peers->list[i + 1], (peers->n - i) * sizeof(peers->list[0]));
}
