#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Put packets into a tunnel that are no copies, as anybody can who reaches its UDP port.

tunnel_stranger.py HOST VNI MAC TO:PORT...   a SYN to each, in frames with this number for this link
                                             address, to the tunnel at HOST. TO has no brackets.
"""
import ipaddress
import socket
import struct
import sys

TUNNEL_PORT = 36525  # include/tcpcopy/tunnel.h
V4_CLIENT, V6_CLIENT = "198.18.18.77", "2001:2:0:18::77"


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def packed(text):
    return ipaddress.ip_address(text).packed


def tcp_syn(pseudo, port):
    def header(check):
        return struct.pack("!HHIIBBHHH", 40000, port, 1, 0, 5 << 4, 2, 65535, check, 0)
    return header(checksum(pseudo + header(0)))


def frame(mac, to, port):
    if ipaddress.ip_address(to).version == 6:
        ends = packed(V6_CLIENT) + packed(to)
        packet = struct.pack("!IHBB", 6 << 28, 20, 6, 64) + ends
        packet += tcp_syn(ends + struct.pack("!II", 20, 6), port)
        kind = 0x86dd
    else:
        ends = packed(V4_CLIENT) + packed(to)

        def header(check):
            return struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, check) + ends
        packet = header(checksum(header(0))) + tcp_syn(ends + struct.pack("!HH", 6, 20), port)
        kind = 0x0800
    return bytes.fromhex(mac.replace(":", "")) + b"\x02\x76" + b"\x01" * 4 + \
        struct.pack("!H", kind) + packet


def main(host, vni, mac, *ends):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    s = socket.socket(family, socket.SOCK_DGRAM)
    for end in ends:
        to, port = end.rsplit(":", 1)
        s.sendto(struct.pack("!II", 0x08000000, int(vni) << 8) + frame(mac, to, int(port)),
                 (host, TUNNEL_PORT))


main(*sys.argv[1:])
