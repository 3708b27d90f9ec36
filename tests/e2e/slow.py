#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A server that takes its time, and its clients. A request is a line, and so is an answer.

slow.py serve PORT DELAY_MS ANSWER_BYTES
    One line of output for each request that has come whole ("request"), and for each thing that
    must not happen before the answer to it: more data ("early"), the end of the connection
    ("early-end", "early-reset"), an answer that cannot be sent ("broken").
slow.py ask SERVER PORT CONNECTIONS REQUESTS REQUEST_BYTES HOW
    HOW: keep   requests one after the other, each when the answer before it has been read
         close  a connection for each request, closed at once
         reset  the same, but reset
         leave  as keep, but the last answer of a connection is not waited for
         half   a connection for each request, whose client has no more to say: it closes its half,
                and reads the answer
    CONNECTIONS at a time. Prints "asked COUNT" when all is done.
"""

import os
import select
import socket
import struct
import sys
import threading
import time

LIMIT_S = 30  # a test that hangs is worse than one that fails


def say(word):
    os.write(1, word.encode() + b"\n")


def read_line(sock, rest):
    """Returns the bytes behind the line, None when there is no more line."""
    while b"\n" not in rest:
        try:
            part = sock.recv(65536)
        except OSError:
            return None
        if not part:
            return None
        rest += part
    return rest.split(b"\n", 1)[1]


def wait_quietly(sock, seconds):
    """Until the time is over, or something comes that ought to wait for us."""
    if not select.select([sock], [], [], seconds)[0]:
        return
    began = time.monotonic()
    try:
        say("early" if sock.recv(1, socket.MSG_PEEK) else "early-end")
    except OSError:
        say("early-reset")
    time.sleep(max(0, seconds - (time.monotonic() - began)))


def serve_one(sock, delay, answer):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    rest = b""
    while True:
        rest = read_line(sock, rest)
        if rest is None:
            break
        say("request")
        if rest:
            say("early")
        else:
            wait_quietly(sock, delay)
        try:
            sock.sendall(answer)
        except OSError:
            say("broken")
            break
    sock.close()


def listen(port):
    """For both families, where the host has both."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, backlog=1024,
                                    dualstack_ipv6=True)
    return socket.create_server(("", port), backlog=1024)


def serve(port, delay_ms, answer_bytes):
    answer = b"a" * (int(answer_bytes) - 1) + b"\n"
    server = listen(int(port))
    while True:
        sock, _ = server.accept()
        threading.Thread(target=serve_one, args=(sock, int(delay_ms) / 1000, answer),
                         daemon=True).start()


def connect(server, port):
    sock = socket.create_connection((server, int(port)), timeout=LIMIT_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def keep(address, requests, request, leaves):
    sock, rest = connect(*address), b""
    for i in range(requests):
        sock.sendall(request)
        if leaves and i == requests - 1:
            break
        rest = read_line(sock, rest)
        if rest is None:
            raise OSError("no answer")
    sock.close()


def drop(address, requests, request, resets):
    for _ in range(requests):
        sock = connect(*address)
        sock.sendall(request)
        if resets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


def half(address, requests, request, _):
    for _ in range(requests):
        sock = connect(*address)
        sock.sendall(request)
        sock.shutdown(socket.SHUT_WR)
        if read_line(sock, b"") is None:
            raise OSError("no answer")
        sock.close()


def ask(server, port, connections, requests, request_bytes, how):
    request = b"r" * (int(request_bytes) - 1) + b"\n"
    task = {"keep": keep, "leave": keep, "half": half}.get(how, drop)
    failed = []

    def run():
        try:
            task((server, port), int(requests), request, how in ("leave", "reset"))
        except OSError as e:
            failed.append(e)

    threads = [threading.Thread(target=run) for _ in range(int(connections))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        sys.exit("%d of %s connections failed: %s" % (len(failed), connections, failed[0]))
    say("asked %d" % (int(connections) * int(requests)))


{"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
