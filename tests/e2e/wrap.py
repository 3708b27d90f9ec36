#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A packet mirror that wraps: what comes in by one interface leaves by another, in GRE or ERSPAN.

    wrap.py KIND NUMBER IN OUT    KIND: gre (Ethernet in it, with a key), gre-ip, erspan1, erspan2,
                                  erspan3; NUMBER: the key or the session

For kernels without these tunnels. Prints "ready" and goes on until it is ended.
"""
import socket
import struct
import sys

ETH_P_ALL, SO_RCVBUFFORCE, OUTGOING = 3, 33, 4
ETHER_IN_GRE, ERSPAN_12, ERSPAN_3 = 0x6558, 0x88BE, 0x22EB
KEY, SEQUENCE = 0x2000, 0x1000


def gre(kind, number, n, frame):
    """RFC 2784, 2890; draft-foschiano-erspan."""
    if kind == "gre":
        return struct.pack("!HHI", KEY, ETHER_IN_GRE, number) + frame
    if kind == "gre-ip":
        return struct.pack("!H2sI", KEY, frame[12:14], number) + frame[14:]
    if kind == "erspan1":
        return struct.pack("!HH", 0, ERSPAN_12) + frame
    if kind == "erspan2":
        return struct.pack("!HHIHHI", SEQUENCE, ERSPAN_12, n, 0x1000, number, 0) + frame
    # With the optional part, as the last bit says.
    return struct.pack("!HHIHHIHHQ", SEQUENCE, ERSPAN_3, n, 0x2000, number, 0, 0, 1, 0) + frame


def outer(payload):
    """Ethernet and IPv4, protocol 47; from and to nobody."""
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, 47, 0,
                     bytes((198, 18, 99, 2)), bytes((198, 18, 99, 4)))
    total = sum(struct.unpack("!10H", ip))
    total = (total & 0xFFFF) + (total >> 16)
    ip = ip[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + ip[12:]
    return bytes.fromhex("020000000099" "020000000098" "0800") + ip + payload


def main():
    kind, number, come, go = sys.argv[1:]
    source = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    source.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    source.bind((come, ETH_P_ALL))
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    out.bind((go, 0))
    print("ready", flush=True)
    n = 0
    while True:
        frame, address = source.recvfrom(65536)
        if address[2] != OUTGOING:
            out.send(outer(gre(kind, int(number), n & 0xFFFFFFFF, frame)))
            n += 1


main()
