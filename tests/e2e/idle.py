#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Clients that vanish, clients that are slow, and those who live.

idle.py SERVER PORT SOURCE VANISH CLOSE LIVE
    From address SOURCE: opens so many connections of each kind and sends a request on each. VANISH:
    gone without a FIN; CLOSE: closed; LIVE: a request each 500 ms until SIGTERM. Prints "ready" when
    the first two kinds are gone, "broken" if a live one is not served, "served COUNT" at the end.
"""

import signal
import socket
import sys
import time

TCP_REPAIR = 19  # a socket in repair is closed without a word
LIMIT_S = 60


def ask(sock):
    """One request; the answer is known to come in one piece."""
    sock.sendall(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n")
    return sock.recv(65536).startswith(b"HTTP/1.1 200")


def connect(server, port, source, count):
    socks = []
    for _ in range(count):
        sock = socket.create_connection((server, port), 5, (source, 0))
        if not ask(sock):
            sys.exit("not served")
        socks.append(sock)
    return socks


def main():
    server, port, source = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    vanish, close, live = (int(word) for word in sys.argv[4:7])
    over = []
    signal.signal(signal.SIGTERM, lambda *_: over.append(1))
    living = connect(server, port, source, live)
    gone = connect(server, port, source, vanish)
    for sock in connect(server, port, source, close):
        sock.close()
    for sock in gone:
        sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        sock.close()
    print("ready", flush=True)
    served, end = 0, time.monotonic() + LIMIT_S
    while not over and time.monotonic() < end:
        for sock in living:
            if not ask(sock):
                print("broken", flush=True)
            served += 1
        time.sleep(0.5)
    print("served", served)


main()
