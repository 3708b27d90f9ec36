#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A control socket that answers what it is told to, for t_ctl.sh.

    fake_daemon.py SOCKET ANSWER REQUEST_LOG

ANSWER is a file. Its first line says how to answer, the rest is the answer:

    line        the rest as it is, once the request has come
    slow        likewise, after 1.5 s
    bytes       likewise, one byte a time
    numbered    like line, with @N@ replaced by how many requests came so far
    big BYTES   an allow-list whose JSON is that long at least
    endless     data without a newline, as long as the client takes it
    early       the answer before the request is read, then the end
    close       the end, without an answer
    silent      nothing until the client leaves

The file is read for each connection. Every request is written to REQUEST_LOG, one a line.
"""
import json
import os
import socket
import sys
import time


def read_line(conn):
    """The request; what a client sends that does not end its line is cut off there."""
    data = b""
    while not data.endswith(b"\n"):
        part = conn.recv(65536)
        if not part:
            break
        data += part
    return data


def allow_list(n_bytes):
    """An answer to `allow list`."""
    entry = {"prefix": "2001:db8::/32", "state": "direct"}
    n = n_bytes // len(json.dumps(entry)) + 1
    return json.dumps({"ok": True, "result": {"allow": [entry] * n}}).encode() + b"\n"


def endless(conn):
    """Until the client has had enough; its patience is measured in bytes, not in time."""
    sent = 0
    try:
        while sent < 1 << 30:
            sent += conn.send(b"x" * 65536)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return sent


def answer(conn, how, body, log, n):
    """One connection, to its end."""
    if how[0] == "early":
        conn.sendall(body)
        return
    log.write(read_line(conn).decode())
    log.flush()
    if how[0] == "line":
        conn.sendall(body)
    elif how[0] == "slow":
        time.sleep(1.5)
        conn.sendall(body)
    elif how[0] == "numbered":
        conn.sendall(body.replace(b"@N@", str(n).encode()))
    elif how[0] == "bytes":
        for i in range(len(body)):
            conn.sendall(body[i:i + 1])
    elif how[0] == "big":
        conn.sendall(allow_list(int(how[1])))
    elif how[0] == "endless":
        log.write("endless %d\n" % endless(conn))
        log.flush()
    elif how[0] == "silent":
        conn.recv(1)
    elif how[0] != "close":
        sys.exit("fake_daemon.py: unknown way to answer: %s" % how[0])


def main():
    """One connection after the other."""
    path, answer_path, log_path = sys.argv[1:]
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(path + ".new")
    server.listen(8)
    os.rename(path + ".new", path)  # whoever sees the socket can connect to it
    n = 0
    with open(log_path, "a", encoding="utf-8") as log:
        while True:
            conn, _ = server.accept()
            n += 1
            with open(answer_path, "rb") as file:
                how, _, body = file.read().partition(b"\n")
            with conn:
                try:
                    answer(conn, how.decode().split(), body, log, n)
                except (BrokenPipeError, ConnectionResetError):
                    pass


main()
