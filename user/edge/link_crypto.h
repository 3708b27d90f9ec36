/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * link_crypto.h - keys and encryption of one connection of the feedback link (libsodium).
 * Private to link_*.c.
 *
 * Each connection has fresh X25519 keys, so recorded bytes cannot be replayed and a key that leaks
 * later opens no old recording. The pre-shared key goes into the session keys: who has another
 * one gets other session keys and cannot read or write a single frame.
 */
#ifndef TCPCOPY_EDGE_LINK_CRYPTO_H
#define TCPCOPY_EDGE_LINK_CRYPTO_H

#include <stdbool.h>
#include <sodium.h>
#include <linux/types.h>

#include "tcpcopy/feedback.h"

#define TCPC_LINK_CRYPTO_HEADER_BYTES crypto_secretstream_xchacha20poly1305_HEADERBYTES
#define TCPC_LINK_CRYPTO_OVERHEAD crypto_secretstream_xchacha20poly1305_ABYTES

struct tcpc_link_crypto {
	__u8 secret_key[crypto_kx_SECRETKEYBYTES];
	__u8 rx_key[crypto_secretstream_xchacha20poly1305_KEYBYTES];
	crypto_secretstream_xchacha20poly1305_state tx;
	crypto_secretstream_xchacha20poly1305_state rx;
};

/** tcpc_link_crypto_begin - make the connection's own key pair. @ret_public: goes into the
 * preamble. */
void tcpc_link_crypto_begin(struct tcpc_link_crypto *c, __u8 ret_public[TCPC_FEEDBACK_KEY_BYTES]);

/**
 * tcpc_link_crypto_agree - compute the session keys and start the outgoing stream.
 * @psk: TCPC_FEEDBACK_KEY_BYTES.  @server: true on the side that listens.
 * @mine, @theirs: both preambles as they went over the wire.
 * @ret_header: to be sent before the first frame.
 * Returns: 0, or -EPROTO if the peer's public key is not a proper one.
 */
int tcpc_link_crypto_agree(struct tcpc_link_crypto *c, const __u8 *psk, bool server,
			   const __u8 mine[TCPC_FEEDBACK_PREAMBLE_BYTES],
			   const __u8 theirs[TCPC_FEEDBACK_PREAMBLE_BYTES],
			   __u8 ret_header[TCPC_LINK_CRYPTO_HEADER_BYTES]);

/** tcpc_link_crypto_accept - start the incoming stream with the peer's header. Any header is taken:
 * a wrong one shows when the first frame does not open. */
void tcpc_link_crypto_accept(struct tcpc_link_crypto *c,
			     const __u8 header[TCPC_LINK_CRYPTO_HEADER_BYTES]);

/** tcpc_link_crypto_seal - encrypt @n bytes; @out gets @n + TCPC_LINK_CRYPTO_OVERHEAD. What is
 * sealed has to be sent: the stream counts. @body and @out must not overlap. */
void tcpc_link_crypto_seal(struct tcpc_link_crypto *c, const __u8 *body, __u32 n, __u8 *out);

/** tcpc_link_crypto_open - decrypt @n bytes; @out gets @n - TCPC_LINK_CRYPTO_OVERHEAD.
 * Returns: 0, or -EBADMSG if they were not made with our keys, or not in this place. */
int tcpc_link_crypto_open(struct tcpc_link_crypto *c, const __u8 *in, __u32 n, __u8 *out);

/** tcpc_link_crypto_wipe - forget all keys. */
void tcpc_link_crypto_wipe(struct tcpc_link_crypto *c);

#endif
