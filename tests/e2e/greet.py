#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A server that speaks first, like SMTP, and its clients.

greet.py serve PORT DELAY_MS BYTES[,BYTES...] [QUIET_ADDRESS]
    Greets after a random time up to DELAY_MS, with so many writes of so many bytes, each behind
    such a time. Who speaks before the greeting is out is refused. To clients from QUIET_ADDRESS it
    says nothing before they do. One line of output for each session that went as it should
    ("session"), and for what should not be: words before the greeting ("early"), the end of the
    connection before it ("early-end", "early-reset"), an end before QUIT ("broken"); a client that
    only wanted to see the greeting is a "look".
greet.py ask SERVER PORT SESSIONS AT_A_TIME HOW [ADDRESS]
    HOW: greeted  waits for the greeting, says two things, quits
         first    says at once what the others say later
         look     reads the greeting and goes
    From this ADDRESS. Prints "asked SESSIONS" when all is done.
"""

import concurrent.futures
import fcntl
import os
import random
import select
import socket
import sys
import threading

LIMIT_S = 30  # a test that hangs is worse than one that fails


def say(word):
    os.write(1, word.encode() + b"\n")


def is_quiet(sock, seconds):
    """Until the time is over, or something comes that ought to wait for us: then False."""
    if not select.select([sock], [], [], seconds)[0]:
        return True
    try:
        say("early" if sock.recv(1, socket.MSG_PEEK) else "early-end")
    except OSError:
        say("early-reset")
    return False


def greet(sock, delay, parts):
    for i, size in enumerate(parts):
        if not is_quiet(sock, random.uniform(0, delay)):
            return False
        end = b"\r\n" if i == len(parts) - 1 else b".."
        sock.sendall(b"220" + b"g" * (size - 5) + end)
    return True


def serve_one(sock, delay, parts):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        if not greet(sock, delay, parts):
            return
        words = sock.makefile("rb")
        line = words.readline()
        if not line:
            say("look")
            return
        while line and line != b"QUIT\r\n":
            sock.sendall(b"250 at your service\r\n")
            line = words.readline()
        say("session" if line else "broken")
        sock.sendall(b"221 good bye\r\n")
    except OSError:
        say("broken")
    finally:
        sock.close()


def serve(port, delay_ms, sizes, quiet_address=None):
    # Whoever reads what we say may empty the file in between.
    fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_APPEND)
    parts = [int(size) for size in sizes.split(",")]
    server = socket.create_server(("0.0.0.0", int(port)), backlog=1024)
    while True:
        sock, address = server.accept()
        own = [] if address[0] == quiet_address else parts
        threading.Thread(target=serve_one, args=(sock, int(delay_ms) / 1000, own),
                         daemon=True).start()


def session(address, how, source):
    source = (source, 0) if source else None
    with socket.create_connection(address, timeout=LIMIT_S, source_address=source) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        words = sock.makefile("rb")
        if how != "first" and not words.readline().startswith(b"220"):
            raise OSError("no greeting")
        if how == "look":
            return
        for request, answer in ((b"EHLO me", b"250"), (b"NOOP", b"250"), (b"QUIT", b"221")):
            sock.sendall(request + b"\r\n")
            if not words.readline().startswith(answer):
                raise OSError("no answer to %s" % request.decode())


def ask(server, port, sessions, at_a_time, how, source=None):
    with concurrent.futures.ThreadPoolExecutor(int(at_a_time)) as pool:
        done = [pool.submit(session, (server, int(port)), how, source)
                for _ in range(int(sessions))]
    failed = [d.exception() for d in done if d.exception()]
    if failed:
        sys.exit("%d of %s sessions failed: %s" % (len(failed), sessions, failed[0]))
    say("asked " + sessions)


{"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
