#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Frames of every kind, and byte streams, to show that the tap leaves the originals alone.

frames.py send IFACE SRC-IP SRC-MAC DST-IP DST-MAC PORT   send the set; print each frame in hex
frames.py receive IFACE                                   print what of the set arrives, sorted
frames.py sink ADDRESS PORT                               accept once; print length and SHA-256
frames.py pour FILE ADDRESS PORT                          send FILE to a sink

The receiver's sockets are bound to one protocol each: those see a frame after the TC programs of
the interface, where a socket for all protocols (tcpdump) sees it before.
"""

import hashlib
import os
import socket
import struct
import sys

MARK_MAC = bytes.fromhex("0200000000aa")  # source of every frame of the set
LAST = b"last frame of the set"
ETH_IP, ETH_IP6, ETH_ARP, ETH_VLAN, ETH_TEST = 0x0800, 0x86DD, 0x0806, 0x8100, 0x88B5
TCP, UDP, ICMP = 6, 17, 1
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))
MSS = bytes.fromhex("020405b4")
STAMP = bytes.fromhex("0101080a0123456789abcdef")
SYN_OPTIONS = MSS + bytes.fromhex("0402080a01234567000000000103030a")
MULTIPATH = MSS + bytes.fromhex("1e0c00810011223344556677") + bytes.fromhex("2206aabbccdd0101")


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Maker:
    """Builds packets of one client to one service."""

    def __init__(self, source, dest, port):
        self.source, self.dest, self.port = source, dest, port
        self.source6 = bytes.fromhex("fd00" + "00" * 13 + "01")
        self.dest6 = bytes.fromhex("fd00" + "00" * 13 + "02")

    def tcp(self, flags, data=b"", options=b"", **change):
        offset = change.get("offset", 5 + len(options) // 4)
        head = struct.pack(
            "!HHIIBBHHH", change.get("sport", 50000), change.get("dport", self.port),
            0x10000000, change.get("ack", 0x20000000 if flags & ACK else 0),
            offset << 4 | change.get("reserved", 0), flags, 0x0200, 0, change.get("urgent", 0))
        packet = head + options + data
        pair = (self.source6 + self.dest6) if change.get("six") else (self.source + self.dest)
        total = checksum(pair + struct.pack("!HH", TCP, len(packet)) + packet)
        total ^= change.get("spoil", 0)
        return packet[:16] + struct.pack("!H", total) + packet[18:]

    def ip(self, payload, protocol=TCP, options=b"", **change):
        words = change.get("words", 5 + len(options) // 4)
        length = change.get("length", 20 + len(options) + len(payload))
        head = struct.pack(
            "!BBHHHBBH", 0x40 | words, change.get("tos", 0), length, 0x4242,
            change.get("fragment", 0x4000), change.get("ttl", 64), protocol, 0)
        head += self.source + self.dest + options
        total = checksum(head) ^ change.get("spoil", 0)
        return head[:10] + struct.pack("!H", total) + head[12:] + payload

    def ip6(self, payload, following=TCP):
        head = struct.pack("!IHBB", 6 << 28, len(payload), following, 64)
        return head + self.source6 + self.dest6 + payload


def ip_packets(make):
    """IPv4: first what is copied, then what is not, then what is broken."""
    data = b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n"
    tcp, ip = make.tcp, make.ip
    for options in SYN_OPTIONS, MULTIPATH, b"", MSS:
        yield ip(tcp(SYN, options=options))
    yield ip(tcp(SYN | ECE | CWR, options=SYN_OPTIONS))
    yield ip(tcp(SYN, data, options=MSS))
    for payload in data, data + b"?", b"x", b"y" * 1460:
        yield ip(tcp(PSH | ACK, payload))
        yield ip(tcp(ACK, payload[:1448], options=STAMP))
    yield ip(tcp(PSH | ACK | URG, data, urgent=3))
    yield ip(tcp(FIN | ACK))
    yield ip(tcp(RST))
    yield ip(tcp(RST | ACK))
    yield ip(tcp(PSH | ACK, data), options=bytes.fromhex("01010101"))
    yield ip(tcp(PSH | ACK, data), ttl=1, tos=0xB9, fragment=0)
    yield ip(tcp(ACK))
    yield ip(tcp(ACK, options=bytes.fromhex("0101050a0000000100000002")))
    yield ip(tcp(PSH | ACK, data, dport=make.port + 1))
    yield ip(struct.pack("!HHHH", 50000, make.port, 8 + len(data), 0) + data, protocol=UDP)
    yield ip(b"\x08\x00\xf7\xff\0\0\0\0", protocol=ICMP)
    yield ip(tcp(PSH | ACK, b"z" * 800), fragment=0x2000)
    yield ip(b"z" * 400, fragment=100)
    yield ip(tcp(PSH | ACK, data, spoil=0x5555))
    yield ip(tcp(PSH | ACK, data), spoil=0x5555)
    yield ip(tcp(0, data))
    yield ip(tcp(0xFF, data, reserved=0xF))
    yield ip(tcp(PSH | ACK, data, sport=0))
    yield ip(tcp(PSH | ACK)[:10])
    yield ip(tcp(PSH | ACK, offset=15))
    yield ip(tcp(PSH | ACK, data, offset=3))
    yield ip(tcp(SYN, options=bytes.fromhex("02000000")))
    yield ip(tcp(SYN, options=bytes.fromhex("080a0000")))
    yield ip(tcp(PSH | ACK, data), length=1400)
    yield ip(tcp(PSH | ACK, data), length=41)
    yield ip(tcp(PSH | ACK, data), words=4)
    yield ip(tcp(PSH | ACK, data), words=15)


def ip6_packets(make):
    data = b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n"
    segment = make.tcp(PSH | ACK, data, six=True)
    filler = bytes([TCP, 0, 1, 4, 0, 0, 0, 0])  # one header of 8 bytes, padded
    yield make.ip6(make.tcp(SYN, options=SYN_OPTIONS, six=True))
    yield make.ip6(segment)
    yield make.ip6(filler + segment, following=0)  # hop by hop
    yield make.ip6(filler + segment, following=60)  # destination options
    yield make.ip6(struct.pack("!BBHI", TCP, 0, 1, 7) + segment, following=44)  # fragment
    yield make.ip6(segment[:12])


def frames(make, dest_mac):
    """Pairs of (frame to send, frame as the receiver's socket sees it, None: not at all)."""

    def frame(protocol, payload, mac=dest_mac):
        return mac + MARK_MAC + struct.pack("!H", protocol) + payload

    def same(*args):
        return frame(*args), frame(*args)

    packet = make.ip(make.tcp(PSH | ACK, b"tagged"))
    tag = struct.pack("!HH", 7, ETH_IP)
    for payload in ip_packets(make):
        yield same(ETH_IP, payload)
    for payload in ip6_packets(make):
        yield same(ETH_IP6, payload)
    yield same(ETH_IP, make.ip(make.tcp(PSH | ACK, b"to all")), b"\xff" * 6)
    yield frame(ETH_VLAN, tag + packet), frame(ETH_IP, packet)  # the kernel takes one tag off
    yield frame(ETH_VLAN, struct.pack("!HH", 7, ETH_VLAN) + tag + packet), None
    yield same(ETH_TEST, b"not IP at all" * 4)
    yield same(ETH_IP, b"\x45")
    yield same(ETH_IP6, b"\x60\0\0")
    for protocol in ETH_IP, ETH_IP6, ETH_TEST:
        yield frame(protocol, LAST), None


def send(iface, source_ip, _source_mac, dest_ip, dest_mac, port):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one CPU: they arrive in order
    make = Maker(socket.inet_aton(source_ip), socket.inet_aton(dest_ip), int(port))
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((iface, 0))
    for sent, expected in frames(make, bytes.fromhex(dest_mac.replace(":", ""))):
        sock.send(sent)
        if expected is not None:
            print(expected.hex())


def receive(iface):
    socks = []
    for protocol in ETH_IP, ETH_IP6, ETH_TEST:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
        sock.bind((iface, protocol))
        sock.settimeout(5)
        socks.append(sock)
    print("ready", flush=True)
    found = []
    for sock in socks:
        while True:
            frame = sock.recv(65536)
            if frame[6:12] != MARK_MAC:
                continue
            if frame.endswith(LAST):
                break
            found.append(frame.hex())
    print("\n".join(sorted(found)))


def sink(address, port):
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, int(port)))
    server.listen()
    client, _ = server.accept()
    client.settimeout(20)
    digest, length = hashlib.sha256(), 0
    while True:
        part = client.recv(1 << 20)
        if not part:
            break
        digest.update(part)
        length += len(part)
    print(length, digest.hexdigest())


def pour(path, address, port):
    with open(path, "rb") as body, socket.create_connection((address, int(port)), 5) as sock:
        sock.settimeout(20)
        sock.sendfile(body)
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1)


if __name__ == "__main__":
    {"send": send, "receive": receive, "sink": sink, "pour": pour}[sys.argv[1]](*sys.argv[2:])
