#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Clients whose connections outlive what happens to copying. All run until SIGTERM.

adopt_client.py numbers ADDRESS PORT CONNECTIONS
        each connection I asks for /m/I/0, /m/I/1 and so on, one after the other has been answered
adopt_client.py uploads ADDRESS PORT CONNECTIONS
        each connection I posts 1 MB to /post/I/0, /post/I/1 and so on, slowly; each piece of a body
        looks like a request for /evil
adopt_client.py ports ADDRESS PORT CONNECTIONS NAME
        from port 21000 + I, below those that the kernel gives out: one request for /m/NAME/I, then nothing; its end is a reset

"ready" is printed when all connections have been answered at least once.
"""

import signal
import socket
import struct
import sys
import threading

FIRST_PORT = 21000
BODY_BYTES, PIECE_BYTES, PIECE_PAUSE = 1 << 20, 16 << 10, 0.01
PHASE = 0.1  # the connections are not in step

stop = threading.Event()


def ask(sock, method, uri, extra=""):
    sock.sendall(f"{method} {uri} HTTP/1.1\r\nHost: lab\r\n{extra}\r\n".encode())


def read_answer(sock):
    """The whole answer; its status must be 200."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += receive(sock)
    head, body = data.split(b"\r\n\r\n", 1)
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    if not head.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"the online server says {head[:40]}")
    while len(body) < int(fields[b"content-length"]):
        body += receive(sock)


def receive(sock):
    data = sock.recv(65536)
    if not data:
        raise SystemExit("the online server has closed")
    return data


def connect(address, source_port=0):
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(10)
    sock.bind(("", source_port))
    sock.connect(address)
    return sock


def numbers(sock, i, n):
    ask(sock, "GET", f"/m/{i}/{n}")
    read_answer(sock)
    stop.wait(0.002)


def piece(i):
    request = f"GET /evil/{i} HTTP/1.1\r\nHost: lab\r\n\r\n".encode()
    return (request * (PIECE_BYTES // len(request) + 1))[:PIECE_BYTES]


def uploads(sock, i, n):
    ask(sock, "POST", f"/post/{i}/{n}", f"Content-Length: {BODY_BYTES}\r\n")
    for _ in range(BODY_BYTES // PIECE_BYTES):
        sock.sendall(piece(i))
        stop.wait(PIECE_PAUSE)
    read_answer(sock)


def run(address, i, step, answered):
    sock = connect(address)
    stop.wait(i * PHASE)
    n = 0
    while not stop.is_set():
        step(sock, i, n)
        n += 1
        answered[i].set()


def run_all(address, connections, step):
    answered = [threading.Event() for _ in range(connections)]
    threads = [threading.Thread(target=run, args=(address, i, step, answered))
               for i in range(connections)]
    for thread in threads:
        thread.start()
    for i, event in enumerate(answered):
        while not event.wait(0.1):
            if not threads[i].is_alive():
                raise SystemExit("a connection failed")
    print("ready", flush=True)
    for thread in threads:
        thread.join()


def ports(address, connections, name):
    socks = [connect(address, FIRST_PORT + i) for i in range(connections)]
    for i, sock in enumerate(socks):
        ask(sock, "GET", f"/m/{name}/{i}")
        read_answer(sock)
    print("ready", flush=True)
    stop.wait()


def main():
    what, address, connections = sys.argv[1], (sys.argv[2], int(sys.argv[3])), int(sys.argv[4])
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    if what == "ports":
        ports(address, connections, sys.argv[5])
    else:
        run_all(address, connections, {"numbers": numbers, "uploads": uploads}[what])


main()
