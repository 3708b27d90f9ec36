// SPDX-License-Identifier: GPL-2.0-only
/*
 * link_crypto.c - see link_crypto.h. Only calls libsodium; there is no cryptography of our own
 * beyond what is hashed in which order.
 */
#include "edge/link_crypto.h"

#include <errno.h>
#include <string.h>

/* Keeps these keys apart from whatever else the same pre-shared key may serve for. */
static const char purpose[] = "tcpcopy feedback link, session key";

void tcpc_link_crypto_begin(struct tcpc_link_crypto *c, __u8 ret_public[TCPC_FEEDBACK_KEY_BYTES])
{
	_Static_assert(crypto_kx_PUBLICKEYBYTES == TCPC_FEEDBACK_KEY_BYTES, "preamble");
	crypto_kx_keypair(ret_public, c->secret_key);
}

/*
 * Key of one direction: BLAKE2b under the pre-shared key, over the shared secret of this direction
 * and all that both sides said in the clear, so that a changed preamble changes the keys.
 */
static void mix(__u8 ret_key[crypto_secretstream_xchacha20poly1305_KEYBYTES], const __u8 *psk,
		const __u8 shared[crypto_kx_SESSIONKEYBYTES], const __u8 *client,
		const __u8 *server)
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, psk, TCPC_FEEDBACK_KEY_BYTES,
				crypto_secretstream_xchacha20poly1305_KEYBYTES);
	crypto_generichash_update(&state, (const __u8 *)purpose, sizeof(purpose));
	crypto_generichash_update(&state, shared, crypto_kx_SESSIONKEYBYTES);
	crypto_generichash_update(&state, client, TCPC_FEEDBACK_PREAMBLE_BYTES);
	crypto_generichash_update(&state, server, TCPC_FEEDBACK_PREAMBLE_BYTES);
	crypto_generichash_final(&state, ret_key, crypto_secretstream_xchacha20poly1305_KEYBYTES);
	sodium_memzero(&state, sizeof(state));
}

int tcpc_link_crypto_agree(struct tcpc_link_crypto *c, const __u8 *psk, bool server,
			   const __u8 mine[TCPC_FEEDBACK_PREAMBLE_BYTES],
			   const __u8 theirs[TCPC_FEEDBACK_PREAMBLE_BYTES],
			   __u8 ret_header[TCPC_LINK_CRYPTO_HEADER_BYTES])
{
	const size_t key_at = TCPC_FEEDBACK_PREAMBLE_BYTES - TCPC_FEEDBACK_KEY_BYTES;
	__u8 rx[crypto_kx_SESSIONKEYBYTES], tx[crypto_kx_SESSIONKEYBYTES];
	__u8 tx_key[crypto_secretstream_xchacha20poly1305_KEYBYTES];
	int bad;

	if (server)
		bad = crypto_kx_server_session_keys(rx, tx, mine + key_at, c->secret_key,
						    theirs + key_at);
	else
		bad = crypto_kx_client_session_keys(rx, tx, mine + key_at, c->secret_key,
						    theirs + key_at);
	if (!bad) {
		mix(c->rx_key, psk, rx, server ? theirs : mine, server ? mine : theirs);
		mix(tx_key, psk, tx, server ? theirs : mine, server ? mine : theirs);
		crypto_secretstream_xchacha20poly1305_init_push(&c->tx, ret_header, tx_key);
	}
	sodium_memzero(c->secret_key, sizeof(c->secret_key));
	sodium_memzero(rx, sizeof(rx));
	sodium_memzero(tx, sizeof(tx));
	sodium_memzero(tx_key, sizeof(tx_key));
	return bad ? -EPROTO : 0;
}

void tcpc_link_crypto_accept(struct tcpc_link_crypto *c,
			     const __u8 header[TCPC_LINK_CRYPTO_HEADER_BYTES])
{
	crypto_secretstream_xchacha20poly1305_init_pull(&c->rx, header, c->rx_key);
	sodium_memzero(c->rx_key, sizeof(c->rx_key));
}

void tcpc_link_crypto_seal(struct tcpc_link_crypto *c, const __u8 *body, __u32 n, __u8 *out)
{
	crypto_secretstream_xchacha20poly1305_push(
		&c->tx, out, NULL, body, n, NULL, 0,
		crypto_secretstream_xchacha20poly1305_TAG_MESSAGE);
}

int tcpc_link_crypto_open(struct tcpc_link_crypto *c, const __u8 *in, __u32 n, __u8 *out)
{
	unsigned char tag;

	if (n < TCPC_LINK_CRYPTO_OVERHEAD)
		return -EBADMSG;
	if (crypto_secretstream_xchacha20poly1305_pull(&c->rx, out, NULL, &tag, in, n, NULL, 0))
		return -EBADMSG;
	return tag == crypto_secretstream_xchacha20poly1305_TAG_MESSAGE ? 0 : -EBADMSG;
}

void tcpc_link_crypto_wipe(struct tcpc_link_crypto *c)
{
	sodium_memzero(c, sizeof(*c));
}
