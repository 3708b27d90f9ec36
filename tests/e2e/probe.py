#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Small clients whose every request has a time and a name, for tests that measure delays.

probe.py direct SERVER PORT SOURCE        a new connection every 5 ms, whatever became of the others
probe.py stream SERVER PORT SOURCE SPORT  one keep-alive connection, one request after the other

Both run until SIGTERM. Each result is a line on stdout, times in microseconds of the wall clock:
    direct: START END ok | START END none WHY   answered or not within 300 ms
    stream: START END NAME                      request /m/NAME answered
            error TEXT                          the connection failed
"""

import select
import signal
import socket
import sys
import time

ANSWER_LIMIT_S = 0.3
running = True


def stop(_signal, _frame):
    global running
    running = False


def now_us():
    return time.time_ns() // 1000


def say(*words):
    print(*words, flush=True)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Attempt:
    """One connection with one request; never blocks."""

    def __init__(self, server, source):
        self.start_us = now_us()
        self.deadline = time.monotonic() + ANSWER_LIMIT_S
        self.sent = False
        self.sock = socket.socket(family_of(source))
        self.sock.setblocking(False)
        # An attempt that is given up must not send anything any more.
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.bind((source, 0))
        self.sock.connect_ex(server)

    def events(self):
        return select.POLLIN if self.sent else select.POLLOUT

    def advance(self):
        """Take one step; True when the attempt is over."""
        try:
            if not self.sent:
                self.sock.send(b"GET /m/direct HTTP/1.1\r\nHost: lab\r\n\r\n")
                self.sent = True
                return False
            good = self.sock.recv(4096).startswith(b"HTTP/1.1 200")
        except OSError as error:
            return self.end("none %s" % error)
        return self.end("ok" if good else "none closed")

    def end(self, result):
        say(self.start_us, now_us(), result)
        self.sock.close()
        return True


def direct(server, source):
    open_attempts = {}
    while running:
        attempt = Attempt(server, source)
        open_attempts[attempt.sock.fileno()] = attempt
        poll = select.poll()
        for fd, other in open_attempts.items():
            poll.register(fd, other.events())
        for fd, _ in poll.poll(5):
            if open_attempts[fd].advance():
                del open_attempts[fd]
        for fd, other in list(open_attempts.items()):
            if time.monotonic() > other.deadline:
                other.end("none silent" if other.sent else "none unconnected")
                del open_attempts[fd]
        time.sleep(0.005)


def stream(server, source, source_port):
    sock = socket.socket(family_of(source))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.settimeout(3)
    sock.bind((source, source_port))
    sock.connect(server)
    number = 0
    while running:
        number += 1
        start_us = now_us()
        sock.sendall(b"GET /m/s%d HTTP/1.1\r\nHost: lab\r\n\r\n" % number)
        answer = sock.recv(4096)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise OSError("answered %r" % answer[:40])
        say(start_us, now_us(), "s%d" % number)
        time.sleep(0.002)


def main():
    signal.signal(signal.SIGTERM, stop)
    mode, address, port, source = sys.argv[1:5]
    try:
        if mode == "direct":
            direct((address, int(port)), source)
        else:
            stream((address, int(port)), source, int(sys.argv[5]))
    except OSError as error:
        say("error", error)
        return 1
    return 0


sys.exit(main())
