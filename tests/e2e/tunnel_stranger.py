#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Put packets into a tunnel that are no copies.

tunnel_stranger.py TARGET OTHER PORT   a SYN to PORT + 1 of TARGET, and one to PORT of OTHER

Sent as anybody can who reaches the tunnel's UDP port. Checksums are left out: nothing that comes out
of the tunnel may look at them.
"""
import ipaddress
import socket
import struct
import sys

TUNNEL_PORT, VNI = 36525, 36524  # include/tcpcopy/tunnel.h


def syn(to, port):
    address = ipaddress.ip_address(to)
    tcp = struct.pack("!HHIIBBHHH", 40000, port, 1, 0, 5 << 4, 2, 65535, 0, 0)
    if address.version == 4:
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0,
                         ipaddress.ip_address("198.18.18.77").packed, address.packed)
        return 0x0800, ip + tcp
    ip = struct.pack("!IHBB16s16s", 6 << 28, 20, 6, 64,
                     ipaddress.ip_address("2001:2:0:18::77").packed, address.packed)
    return 0x86dd, ip + tcp


def main(target, other, port):
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    s = socket.socket(family, socket.SOCK_DGRAM)
    for to, to_port in ((target, port + 1), (other, port)):
        ethertype, packet = syn(to, to_port)
        frame = b"\x02\x74" + b"\x01" * 4 + b"\x02\x76" + b"\x01" * 4
        frame += struct.pack("!H", ethertype) + packet
        s.sendto(struct.pack("!II", 0x08000000, VNI << 8) + frame, (target, TUNNEL_PORT))


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
