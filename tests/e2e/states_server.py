#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A server whose log says what reached it; run on the online and on the target host alike.

states_server.py PORT LOG [--backlog N] [--reuseport] [--mptcp] [--md5 CLIENT] [--idle SECONDS]
                 [--deaf]

A connection sends lines "NAME COMMAND ...". Each is written to LOG as it came, with "NAME eof" where
a client closed. Commands: "ask N" answers N bytes; "late N" answers them after the client's FIN;
"bye" closes. --idle closes a connection that has been silent so long; --deaf never closes one.
"""

import argparse
import os
import socket
import struct
import threading

MPTCP = 262
TCP_MD5SIG = 14
MD5_KEY = b"lab"


def md5_option(client):
    address = struct.pack("=H2s4s120x", socket.AF_INET, b"", socket.inet_aton(client))
    return address + struct.pack("=BBHI80s", 0, 0, len(MD5_KEY), 0, MD5_KEY)


class Server:
    def __init__(self, args):
        self.args = args
        self.log = os.open(args.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def note(self, text):
        os.write(self.log, text.encode("latin1") + b"\n")

    def listen(self):
        args = self.args
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP if args.mptcp else 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if args.reuseport:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if args.md5:
            sock.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, md5_option(args.md5))
        sock.bind(("0.0.0.0", args.port))
        sock.listen(args.backlog)
        return sock

    def obey(self, conn, line):
        """Returns what is to be answered at the client's end; None: the connection is over."""
        self.note(line)
        words = line.split()
        if words[1:2] == ["ask"]:
            conn.sendall(b"a" * int(words[2]))
        elif words[1:2] == ["late"]:
            return int(words[2])
        else:
            return None
        return 0

    def serve(self, conn):
        name, data, late = "-", b"", 0
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        conn.settimeout(self.args.idle)
        while True:
            part = conn.recv(65536)
            if not part:
                break
            data += part
            while b"\n" in data:
                line, data = data.split(b"\n", 1)
                name = line.split(b" ")[0].decode("latin1")
                late = self.obey(conn, line.decode("latin1"))
                if late is None:
                    return
        self.note(f"{name} eof")
        conn.sendall(b"a" * late)
        if self.args.deaf:
            threading.Event().wait()

    def run(self, conn):
        with conn:
            try:
                self.serve(conn)
            except OSError:
                pass  # a reset, or idle: the log shows what came before


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("log")
    parser.add_argument("--backlog", type=int, default=1024)
    parser.add_argument("--reuseport", action="store_true")
    parser.add_argument("--mptcp", action="store_true")
    parser.add_argument("--md5")
    parser.add_argument("--idle", type=float, default=60)
    parser.add_argument("--deaf", action="store_true")
    server = Server(parser.parse_args())
    listener = server.listen()
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=server.run, args=(conn,), daemon=True).start()


main()
