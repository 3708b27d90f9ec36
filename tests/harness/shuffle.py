#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""shuffle.py QUEUE REORDER DUPLICATE

Reads an NFQUEUE of this network namespace and lets every packet pass, but of 100 REORDER only
after one to three others, 20 ms later at most, and DUPLICATE twice, the second time now or behind
the next ones. For kernels without netem. Says how many at the end (SIGTERM).
"""
import collections
import random
import select
import signal
import socket
import struct
import sys
import time

NETLINK_NETFILTER = 12
PACKET, VERDICT, CONFIG = 0x300, 0x301, 0x302  # subsystem NFNL_SUBSYS_QUEUE
CFG_CMD, CFG_PARAMS, CFG_MAXLEN = 1, 2, 3
PACKET_HDR, VERDICT_HDR, PAYLOAD = 1, 2, 10
REQUEST, ACK = 1, 4
ACCEPT = 1
LATE_S = 0.02
MAX_LATE = 256


def attribute(kind, data):
    return struct.pack("=HH", len(data) + 4, kind) + data + b"\0" * (-len(data) % 4)


def attributes(data):
    at = 0
    while at + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, at)
        yield kind & 0x3FFF, data[at + 4 : at + size]
        at += (size + 3) & ~3


class Queue:
    def __init__(self, number):
        self.number = number
        self.fd = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self.fd.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.fd.bind((0, 0))
        self.configure(attribute(CFG_CMD, struct.pack("!BBH", 1, 0, 0)))
        # Large packets are cut by the kernel first, with right checksums: no GSO flag.
        self.configure(attribute(CFG_PARAMS, struct.pack("!IB", 0xFFFF, 2)))
        self.configure(attribute(CFG_MAXLEN, struct.pack("!I", 8192)))

    def send(self, kind, flags, data):
        body = struct.pack("!BBH", socket.AF_UNSPEC, 0, self.number) + data
        self.fd.send(struct.pack("=IHHII", len(body) + 16, kind, flags, 0, 0) + body)

    def configure(self, data):
        self.send(CONFIG, REQUEST | ACK, data)
        answer = self.fd.recv(4096)
        error = struct.unpack_from("=i", answer, 16)[0]
        if error:
            sys.exit(f"NFQUEUE {self.number}: error {error}")

    def accept(self, ident):
        self.send(VERDICT, REQUEST, attribute(VERDICT_HDR, struct.pack("!II", ACCEPT, ident)))

    def read(self):
        """Packets at hand: (id, the packet from its IP header on)."""
        data = self.fd.recv(1 << 17)
        at = 0
        while at + 16 <= len(data):
            size, kind = struct.unpack_from("=IH", data, at)
            if kind == PACKET:
                found = dict(attributes(data[at + 20 : at + size]))
                yield struct.unpack_from("!I", found[PACKET_HDR])[0], found[PAYLOAD]
            at += (size + 3) & ~3


class Again:
    """Sends a packet as it is. Locally made, so it does not come into the queue again."""

    def __init__(self):
        self.v4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.v6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def __call__(self, packet):
        try:
            if packet[0] >> 4 == 4:
                self.v4.sendto(packet, (socket.inet_ntop(socket.AF_INET, packet[16:20]), 0))
            else:
                self.v6.sendto(packet, (socket.inet_ntop(socket.AF_INET6, packet[24:40]), 0))
        except OSError:
            counts["failed"] += 1


counts = collections.Counter()
late = []  # [how many may pass before it, until when, what to do]


def put_off(what):
    late.append([random.randint(1, 3), time.monotonic() + LATE_S, what])


def release(passed):
    now = time.monotonic()
    due = [entry for entry in late if entry[0] <= 0 or entry[1] <= now]
    for entry in due:
        late.remove(entry)
        entry[2]()
    if passed:
        for entry in late:
            entry[0] -= passed


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    queue, again = Queue(int(sys.argv[1])), Again()
    reorder, duplicate = float(sys.argv[2]) / 100, float(sys.argv[3]) / 100

    def end(*_):
        for entry in late:
            entry[2]()
        print(dict(counts), flush=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    print("ready", flush=True)
    while True:
        if late and not select.select([queue.fd], [], [], 0.002)[0]:
            release(0)
            continue
        for ident, packet in queue.read():
            counts["packets"] += 1
            if len(late) < MAX_LATE and random.random() < reorder:
                counts["late"] += 1
                put_off(lambda ident=ident: queue.accept(ident))
            else:
                queue.accept(ident)
                release(1)
            if len(late) < MAX_LATE and random.random() < duplicate:
                counts["twice"] += 1
                if random.random() < 0.5:
                    again(packet)
                else:
                    put_off(lambda packet=packet: again(packet))


if __name__ == "__main__":
    main()
