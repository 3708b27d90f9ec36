#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Capture files for t_replay.sh, in all the shapes that they come in.

    captures.py big FILE BYTES REQUESTS    mostly a server's answers; sparse on disk
    captures.py shapes DIR FILE            FILE in other shapes, and broken
    captures.py uploads FILE BYTES REQUEST  clients' halves alone; prints how many requests
"""
import os
import socket
import struct
import sys

CLIENT, SERVER, PORT = "198.18.18.101", "198.18.18.2", 8080
ETHER = b"\2\0\0\0\0\2" + b"\2\0\0\0\0\1"
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def packet(sport, dport, seq, ack, flags, payload=b"", length=None):
    """IPv4 without checksums: nobody may rely on those in a capture."""
    source, dest = (SERVER, CLIENT) if sport == PORT else (CLIENT, SERVER)
    total = 40 + (len(payload) if length is None else length)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, total, 0, 0, 64, 6, 0,
                     socket.inet_aton(source), socket.inet_aton(dest))
    tcp = struct.pack(">HHIIBBHHH", sport, dport, seq & 0xffffffff, ack & 0xffffffff, 0x50,
                      flags, 65535, 0, 0)
    return ip + tcp + payload


def header(link, snap=262144):
    return struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, snap, link)


def frame(at_us, data, length=None):
    return struct.pack("<IIII", 1000 + at_us // 1000000, at_us % 1000000, len(data),
                       len(data) if length is None else length) + data


def big(path, want, requests):
    """Answers are holes in the file: 64 KB of zeros each take no room on disk."""
    filler = 65000
    fillers = want // (filler + 70) + 1
    every = max(1, fillers // requests)
    with open(path, "wb") as out:
        out.write(header(1))
        at, sport, seq, ack, sent = 0, 20000, 1000, 5000, 0
        for i in range(fillers):
            if i % every == 0 and sent < requests:
                if sent % 20 == 0:
                    sport += 1
                    seq, ack = 1000, 5000
                    syn = packet(sport, PORT, seq, 0, SYN)
                    out.write(frame(at, ETHER + b"\x08\0" + syn))
                    seq += 1
                get = b"GET /?%d HTTP/1.1\r\nHost: replay\r\n\r\n" % sent
                out.write(frame(at, ETHER + b"\x08\0" + packet(sport, PORT, seq, ack, PSH | ACK,
                                                                 get)))
                seq += len(get)
                sent += 1
            head = ETHER + b"\x08\0" + packet(PORT, sport, ack, seq, ACK, length=filler)
            out.write(struct.pack("<IIII", 1000 + at // 1000000, at % 1000000,
                                  len(head) + filler, len(head) + filler) + head)
            out.seek(filler, os.SEEK_CUR)
            ack += filler
            at += 100
        out.truncate()


def uploads(path, want, size):
    """16 clients in turns, each with a body of this size in a merged packet a request."""
    body = bytes(size)
    head = b"POST /post HTTP/1.1\r\nHost: replay\r\nContent-Length: %d\r\n\r\n" % size
    clients = [[20000 + i, 1000, 5000] for i in range(16)]
    written, count = 24, 0
    with open(path, "wb") as out:
        out.write(header(1))
        for client in clients:
            out.write(frame(0, ETHER + b"\x08\0" + packet(client[0], PORT, 999, 0, SYN)))
        while written < want:
            client = clients[count % len(clients)]
            data = frame(count * 100, ETHER + b"\x08\0" + packet(
                client[0], PORT, client[1], client[2], PSH | ACK, head + body))
            out.write(data)
            client[1] += len(head) + size
            client[2] += 100  # less than any answer: the target need not be waited for
            written += len(data)
            count += 1
    print(count)


def read(path):
    """(seconds, microseconds, IP packet) of an Ethernet capture of tcpdump's."""
    data = open(path, "rb").read()
    at = 24
    while at + 16 <= len(data):
        sec, usec, captured, _ = struct.unpack_from("<IIII", data, at)
        yield sec, usec, data[at + 16 + 14:at + 16 + captured]
        at += 16 + captured


def block(kind, body):
    body += b"\0" * (-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def pcapng(packets):
    out = block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1))
    out += block(1, struct.pack("<HHI", 101, 0, 0))
    for sec, usec, ip in packets:
        at = sec * 1000000 + usec
        out += block(6, struct.pack("<IIIII", 0, at >> 32, at & 0xffffffff, len(ip), len(ip)) + ip)
    return out


def typed(before, ip):
    """The link header for what follows: the EtherType IPv4, if there is one, is a place holder."""
    return before.replace(b"\x08\0", b"\x86\xdd") if ip[0] >> 4 == 6 else before


def shapes(where, path):
    packets = list(read(path))

    def put(name, link, before, cut=None, snap=262144, pause=0):
        with open(os.path.join(where, name), "wb") as out:
            out.write(header(link, snap))
            for i, (sec, usec, ip) in enumerate(packets):
                data = typed(before, ip) + ip
                kept = data[:cut]
                out.write(struct.pack("<IIII", sec + i * pause, usec, len(kept), len(data)) + kept)

    put("vlan.pcap", 1, ETHER + b"\x81\0\0\5\x08\0")
    put("vlans.pcap", 1, ETHER + b"\x88\xa8\0\7\x81\0\0\5\x08\0")
    put("cooked.pcap", 113, b"\0" * 14 + b"\x08\0")
    put("cooked2.pcap", 276, b"\x08\0" + b"\0" * 18)
    put("raw.pcap", 101, b"")
    put("null.pcap", 0, b"\2\0\0\0")
    put("snap.pcap", 1, ETHER + b"\x08\0", 96, 96)
    put("pauses.pcap", 101, b"", pause=3)
    put("wifi.pcap", 105, b"\0" * 32)
    whole = open(path, "rb").read()

    def write(name, data):
        with open(os.path.join(where, name), "wb") as out:
            out.write(data)

    write("raw.pcapng", pcapng(packets))
    write("twice.pcapng", pcapng([p for p in packets for _ in (0, 1)]))
    write("truncated.pcap", whole[:len(whole) * 2 // 3 + 5])
    at = 24
    while at < len(whole) // 2:
        at += 16 + struct.unpack_from("<I", whole, at + 8)[0]
    write("damaged.pcap", whole[:at] + b"\xff" * 64 + whole[at + 64:])
    write("no_frames.pcap", whole[:24])
    write("empty.pcap", b"")
    write("text.pcap", b"this is no capture\n" * 10)
    write("huge_frame.pcap", whole[:24] + struct.pack("<IIII", 1, 1, 0x7fffffff, 0x7fffffff))


if sys.argv[1] == "big":
    big(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
elif sys.argv[1] == "uploads":
    uploads(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
else:
    shapes(sys.argv[2], sys.argv[3])
