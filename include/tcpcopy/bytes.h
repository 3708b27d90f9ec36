/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * bytes.h - byte order, in one spelling for BPF and user space. Pure.
 */
#ifndef TCPCOPY_BYTES_H
#define TCPCOPY_BYTES_H

#include <linux/types.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define tcpc_htons(x) ((__be16)__builtin_bswap16(x))
#define tcpc_htonl(x) ((__be32)__builtin_bswap32(x))
#define tcpc_ntohs(x) ((__u16)__builtin_bswap16(x))
#define tcpc_ntohl(x) ((__u32)__builtin_bswap32(x))
#else
#define tcpc_htons(x) ((__be16)(x))
#define tcpc_htonl(x) ((__be32)(x))
#define tcpc_ntohs(x) ((__u16)(x))
#define tcpc_ntohl(x) ((__u32)(x))
#endif

/* For what every packet goes through: left to itself clang makes BPF functions of it, and where the
 * processor guards each return against speculation a call costs as much as all the rest. */
#ifdef __bpf__
#define TCPC_INLINE static inline __attribute__((always_inline))
#else
#define TCPC_INLINE static inline
#endif

#endif
