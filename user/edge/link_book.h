/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * link_book.h - what every online host has to know: services, allow-list, and how far the news of
 * them has come. Private to link_*.c.
 */
#ifndef TCPCOPY_EDGE_LINK_BOOK_H
#define TCPCOPY_EDGE_LINK_BOOK_H

#include "edge/link.h"
#include "edge/link_allow.h"
#include "edge/link_peer.h"
#include "edge/link_settle.h"

/** Zeroed: nothing intercepted, nobody allowed. */
struct tcpc_link_book {
	struct tcpc_link_service services[TCPC_LINK_MAX_SERVICES];
	__u32 n_services;
	struct tcpc_link_allow allow;
	struct tcpc_link_settle settle;
};

/** The connections to tell; those that are not up are passed over. */
struct tcpc_link_peers {
	struct tcpc_link_peer *list[TCPC_LINK_MAX_PEERS]; /* oldest first */
	__u32 n;
};

/** tcpc_link_peers_remove - @peer, which is among them, is not any more. */
void tcpc_link_peers_remove(struct tcpc_link_peers *peers, const struct tcpc_link_peer *peer);

/* Both take note of a change and send it to @peers, flushed. Return: its serial; 0 if it is not
 * possible (too many, a value that has no encoding, out of memory): then it is logged and nothing
 * has changed. */

/** tcpc_link_book_services - all services, in place of those before. */
__u32 tcpc_link_book_services(struct tcpc_link_book *book, const struct tcpc_link_service *services,
			      __u32 n, const struct tcpc_link_peers *peers);

/** tcpc_link_book_allow - a change of the allow-list. @prefixes: none for a CLEAR. */
__u32 tcpc_link_book_allow(struct tcpc_link_book *book, enum tcpc_link_allow_op op,
			   const struct tcpc_prefix *prefixes, __u32 n,
			   const struct tcpc_link_peers *peers);

/** tcpc_link_book_brief - tell a new peer everything: allow-list first, so that by the time it may
 * copy it knows whom not to copy. Flushed. */
void tcpc_link_book_brief(const struct tcpc_link_book *book, struct tcpc_link_peer *peer);

/** tcpc_link_book_free - free what the book owns. */
void tcpc_link_book_free(struct tcpc_link_book *book);

#endif
