#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""sample.py SERVER PORT TAG COUNT FIRST SOURCE...

COUNT connections, 64 at a time, each with two requests, /m/TAG-CONNECTION-NUMBER, from the source
addresses in turn: connection N is always from the same address and port (from FIRST on). So two
servers can be given the same ones. Says how many were answered to the end.
"""
import select
import socket
import sys

AT_ONCE = 64
END = b"marked\n"


class Load:
    def __init__(self, server, port, tag, count, first, sources):
        self.server, self.tag, self.first, self.sources = (server, port), tag, first, sources
        self.family = socket.AF_INET6 if ":" in server else socket.AF_INET
        self.todo = iter(range(count))
        self.open = {}  # by descriptor: socket, number, what has come, requests sent
        self.poll = select.epoll()
        self.answered = 0

    def begin(self):
        number = next(self.todo, None)
        if number is None:
            return
        s = socket.socket(self.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        n_sources = len(self.sources)
        s.bind((self.sources[number % n_sources], self.first + number // n_sources))
        s.connect_ex(self.server)
        self.open[s.fileno()] = [s, number, b"", 0]
        self.poll.register(s.fileno(), select.EPOLLOUT)

    def ask(self, c):
        c[0].send(f"GET /m/{self.tag}-{c[1]}-{c[3]} HTTP/1.1\r\nHost: lab\r\n\r\n".encode())
        c[2] = b""
        c[3] += 1

    def end(self, fd, well):
        self.answered += well
        self.open.pop(fd)[0].close()
        self.begin()

    def event(self, fd, what):
        c = self.open[fd]
        if not c[3] and what & select.EPOLLOUT and not what & select.EPOLLERR:
            self.poll.modify(fd, select.EPOLLIN)
            self.ask(c)
            return
        part = c[0].recv(4096) if what & select.EPOLLIN else b""
        c[2] += part
        if not part:
            self.end(fd, False)
        elif c[2].endswith(END) and c[3] == 2:
            self.end(fd, True)
        elif c[2].endswith(END):
            self.ask(c)

    def run(self):
        for _ in range(AT_ONCE):
            self.begin()
        while self.open:
            events = self.poll.poll(10)
            if not events:
                break
            for fd, what in events:
                self.event(fd, what)
        return self.answered


def main():
    if len(sys.argv) < 7:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    server, port, tag, count, first = sys.argv[1:6]
    load = Load(server, int(port), tag, int(count), int(first), sys.argv[6:])
    print("answered", load.run(), flush=True)
    sys.exit(load.answered != int(count))


if __name__ == "__main__":
    main()
