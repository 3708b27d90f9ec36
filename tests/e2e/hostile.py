#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Bad peers of the feedback link, without its key.

hostile.py record PORT ADDRESS PORT FILE    relay a real session, keep FILE.client and FILE.server
hostile.py knock ADDRESS PORT COUNT FILE SOURCE...
                                            so many connections, of all kinds, from these addresses
hostile.py serve PORT FILE                  the same as a server, one kind after the other

What is said is in docs/protocol-feedback.md. All end by themselves or with SIGTERM.
"""

import os
import resource
import select
import socket
import struct
import sys
import time

KINDS = ("garbage", "silent", "slow", "half", "wrong-key", "replayed", "oversized", "open")
PATIENCE_S = 12  # a peer that has not got rid of us by then has failed


def preamble(recording, secure=1):
    """Of the recorded session's versions, or the versions would be what is refused."""
    return recording[:10] + struct.pack("!H", secure) + recording[12:16] + os.urandom(32)


def words(kind, recording):
    """What a peer of this kind says at once."""
    if kind == "garbage":
        return os.urandom(4096)
    if kind == "half":
        return preamble(recording)[:40]
    if kind == "wrong-key":  # header, and a hello that no key made
        return preamble(recording) + os.urandom(24) + struct.pack("!H", 24) + os.urandom(24)
    if kind == "replayed":
        return recording
    if kind == "oversized":
        return preamble(recording) + os.urandom(24) + struct.pack("!H", 65535) + os.urandom(65535)
    if kind == "open":  # down to a link without encryption
        return preamble(recording, 0) + struct.pack("!H", 3) + b"\1\0\0"
    return b""


class Peer:
    def __init__(self, sock, kind, recording):
        self.sock, self.kind = sock, kind
        self.rest = preamble(recording) if kind == "slow" else words(kind, recording)
        sock.setblocking(False)
        self.say()

    def say(self):
        """Whether the other side is still there."""
        try:
            n = 1 if self.kind == "slow" else len(self.rest)
            if self.rest:
                self.rest = self.rest[self.sock.send(self.rest[:n]):]
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    def hear(self):
        try:
            return bool(self.sock.recv(65536))
        except BlockingIOError:
            return True
        except OSError:
            return False


def settle(peers, patience_s):
    """Go on with each until the other side has closed it. Returns how many it never did."""
    end = time.monotonic() + patience_s
    while peers and time.monotonic() < end:
        ready = {fd for fd, _ in poll_all(peers)}
        gone = [p for p in peers if not p.say() or (p.sock.fileno() in ready and not p.hear())]
        for peer in gone:
            peer.sock.close()
            peers.remove(peer)
    return len(peers)


def poll_all(peers):
    poll = select.poll()
    for peer in peers:
        poll.register(peer.sock, select.POLLIN)
    ready = poll.poll(100)
    time.sleep(0.05)  # the pace of those who are slow
    return ready


def knock(address, port, count, path, sources):
    with open(path + ".client", "rb") as file:
        recording = file.read()
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 64, count + 64))
    peers, refused = [], 0
    for i in range(count):
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        sock.bind((sources[i % len(sources)], 0))
        sock.settimeout(5)
        try:
            sock.connect((address, port))
        except OSError:
            refused += 1
            sock.close()
            continue
        peers.append(Peer(sock, KINDS[i // len(sources) % len(KINDS)], recording))
    made = len(peers)
    left = settle(peers, PATIENCE_S)
    print("connections %d refused %d left %d" % (made, refused, left), flush=True)


def listen(port):
    server = socket.create_server(("", port), backlog=64)
    print("ready", flush=True)
    return server


def serve(port, path):
    with open(path + ".server", "rb") as file:
        recording = file.read()
    server, peers, n = listen(port), [], 0
    while True:
        if select.select([server], [], [], 0.05)[0]:
            sock, _ = server.accept()
            peers.append(Peer(sock, KINDS[n % len(KINDS)], recording))
            print("connection", peers[-1].kind, flush=True)
            n += 1
        settle(peers, 0.05)


def record(port, address, to_port, path):
    client, _ = listen(port).accept()
    server = socket.create_connection((address, to_port))
    with open(path + ".client", "wb") as up, open(path + ".server", "wb") as down:
        way = {client: (server, up), server: (client, down)}
        while True:
            for sock in select.select(list(way), [], [])[0]:
                data = sock.recv(65536)
                if not data:
                    return
                way[sock][1].write(data)
                way[sock][1].flush()
                way[sock][0].sendall(data)


def main():
    what, args = sys.argv[1], sys.argv[2:]
    if what == "record":
        record(int(args[0]), args[1], int(args[2]), args[3])
    elif what == "knock":
        knock(args[0], int(args[1]), int(args[2]), args[3], args[4:])
    else:
        serve(int(args[0]), args[1])


main()
